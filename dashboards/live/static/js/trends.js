// Trends of chosen tags: the past from the run's records, then what comes by frame.
import { ask, element, starts } from "./net.js";
import { on, tags, values } from "./live.js";

const INK = ["#22292e", "#5b7c99", "#6d8b74", "#a1887f", "#8d6e97", "#7a7200", "#546e7a", "#4e6e58"];
const DASH = ["solid", "dash", "dot", "dashdot"];
const SPAN_S = 900, MOST = 8, POINTS = 6000;

export const zero = Date.parse(`${starts.slice(0, 19)}Z`);
export const LAYOUT = {
  margin: { l: 52, r: 12, t: 8, b: 28 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: "#22292e", size: 12 },
  xaxis: { type: "date", gridcolor: "#c6cbce" }, yaxis: { gridcolor: "#c6cbce", zerolinecolor: "#a9b0b5" }, legend: { orientation: "h", y: -0.12 }, hovermode: "x unified",
};
export const CONFIG = { displaylogo: false, responsive: true, displayModeBar: false };

export function traces(names, data) {
  return names.map((name, k) => ({
    type: "scattergl" in {} ? "scattergl" : "scatter", mode: "lines", name: label(name), x: data[name].x, y: data[name].y,
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
    if (!window.Plotly || (!force && now - drawn < 1000)) return;
    drawn = now;
    const end = zero + 1000 * lastT;
    window.Plotly.react(box, traces(chosen, data), { ...LAYOUT, showlegend: true, xaxis: { ...LAYOUT.xaxis, range: [end - 1000 * Math.min(SPAN_S, Math.max(lastT, 60)), end] } }, CONFIG);
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
}
