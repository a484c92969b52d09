// Trends of chosen tags: the past from the run's records, then what comes by frame.
import { ask, element, starts } from "./net.js";
import { on, tags, values } from "./live.js";
import { CONFIG, LAYOUT, plotly } from "./plotly.js";

const INK = ["#22292e", "#5b7c99", "#6d8b74", "#a1887f", "#8d6e97", "#7a7200", "#546e7a", "#4e6e58"];
const DASH = ["solid", "dash", "dot", "dashdot"];
const SPAN_S = 900, MOST = 8, POINTS = 6000;

let Plotly = null;

export const zero = Date.parse(`${starts.slice(0, 19)}Z`);

export function traces(names, data) {
  return names.map((name, k) => ({
    type: "scatter", mode: "lines", name: label(name), x: data[name].x, y: data[name].y,
    line: { color: INK[k % INK.length], dash: DASH[Math.floor(k / INK.length) % 4], width: 1.5 },
  }));
}

function label(name) {
  const tag = tags.get(name), unit = tag?.unit && tag.unit !== "count" && tag.unit !== "-" ? `, ${tag.unit}` : "";
  return name + unit;
}

export function liveTrends(box, list, input, add, options) {
  let chosen = list.dataset.tags.split(" ").filter(Boolean), data = {}, drawn = 0, lastT = 0, loading = false;

  async function load() {
    loading = true;
    const past = await ask(`/api/trend?tags=${encodeURIComponent(chosen.join(","))}&last_s=${SPAN_S}&points=900`);
    for (const name of chosen) {
      const found = past?.tags[name];
      data[name] = { x: (found?.t ?? []).map((s) => zero + 1000 * s), y: found?.v ?? [] };
    }
    loading = false;
    chips();
    draw(true);
  }

  function chips() {
    list.replaceChildren(...chosen.map((name) => element("li", {}, element("button", {
      type: "button", text: `${name} ×`, onclick: () => { chosen = chosen.filter((n) => n !== name); chips(); draw(true); },
    }))));
    if (!options.childElementCount) options.append(...[...tags.keys()].map((name) => element("option", { value: name })));
  }

  function draw(force = false) {
    const now = performance.now();
    if (!Plotly || (!force && now - drawn < 1000)) return;
    drawn = now;
    const end = zero + 1000 * lastT;
    Plotly.react(box, traces(chosen.filter((name) => data[name]), data), { ...LAYOUT, showlegend: true, hovermode: "x unified", xaxis: { ...LAYOUT.xaxis, type: "date", range: [end - 1000 * Math.min(SPAN_S, Math.max(lastT, 60)), end] } }, CONFIG);
  }

  on("frame", (f) => {
    if (f.t < lastT) { data = {}; lastT = f.t; load(); return; }  // another run has begun
    lastT = f.t;
    if (loading) return;
    for (const name of chosen) {
      const d = data[name];
      if (!d || !values.has(name)) continue;
      d.x.push(zero + 1000 * f.t);
      d.y.push(values.get(name));
      if (d.x.length > POINTS) { d.x.splice(0, 1000); d.y.splice(0, 1000); }
    }
    draw();
  });
  add.addEventListener("click", () => {
    const name = input.value.trim();
    if (!tags.has(name) || chosen.includes(name) || chosen.length >= MOST) return;
    chosen.push(name);
    input.value = "";
    load();
  });
  load();
  plotly().then((loaded) => { Plotly = loaded; draw(true); });
}
