// A recorded run at any moment: the mimic follows the slider, trends show the whole run with every peak.
import { ask, element, say } from "./net.js";
import { tags } from "./live.js";
import { bind, show } from "./bind.js";
import { CONFIG, LAYOUT, plotly } from "./plotly.js";
import { traces } from "./trends.js";
import { shell } from "./shell.js";

const at = (id) => document.getElementById(id), form = at("choose");
const values = new Map();
let run = null, zero = 0, chosen = at("trend-tags").dataset.tags.split(" "), asking = false, again = false, playing = null, Plotly = null;

await shell({ mimic: false });
bind();

async function list() {
  const runs = await ask("/api/runs") ?? [];
  form.run.replaceChildren(...runs.map((r) => element("option", { value: r.name, text: `${r.name} – ${r.scenario} (${r.state})` })));
  const wished = new URLSearchParams(location.search).get("run");
  if (wished && runs.some((r) => r.name === wished)) form.run.value = wished;
  if (runs.length) load();
  else at("when").textContent = say("none_yet");
}

async function load() {
  run = await ask(`/api/runs/${encodeURIComponent(form.run.value)}`);
  if (!run) return;
  zero = Date.parse(`${run.starts.slice(0, 19)}Z`);
  form.time.min = Math.floor(run.from_s);
  form.time.max = Math.floor(run.to_s);
  form.time.value = form.time.min;
  at("tag-names").replaceChildren(...run.tags.map((name) => element("option", { value: name })));
  at("event-rows").replaceChildren(...run.events.map((e) => element("tr", {},
    element("td", {}, element("button", { type: "button", text: clock(e.time_s), onclick: () => go(e.time_s) })), element("td", { text: e.kind }), element("td", { text: e.name }), element("td", { text: e.text }))));
  go(Number(form.time.min));
  trend();
}

const clock = (s) => new Date(zero + 1000 * s).toISOString().slice(5, 19).replace("T", " ");

function go(time) {
  form.time.value = Math.min(Math.max(time, Number(form.time.min)), Number(form.time.max));
  look();
}

async function look() {
  at("when").textContent = clock(Number(form.time.value));
  if (asking) { again = true; return; }
  asking = true;
  const row = await ask(`/api/runs/${encodeURIComponent(run.name)}/at?t=${form.time.value}`);
  asking = false;
  if (row) {
    delete row.time_s;
    for (const [name, value] of Object.entries(row)) values.set(name, value);
    show(Object.keys(row), values, tags);
    cursor();
  }
  if (again) { again = false; look(); }
}

async function trend() {
  chips();
  if (!chosen.length || !run) return;
  const found = await ask(`/api/runs/${encodeURIComponent(run.name)}/trend?tags=${encodeURIComponent(chosen.join(","))}&start=${run.from_s}&end=${run.to_s}&points=2000`);
  if (!found) return;
  Plotly ??= await plotly();
  const data = Object.fromEntries(Object.entries(found).map(([name, d]) => [name, { x: d.t.map((s) => zero + 1000 * s), y: d.v }]));
  await Plotly.react(at("trend"), traces(Object.keys(data), data), { ...LAYOUT, showlegend: true, hovermode: "x unified", xaxis: { ...LAYOUT.xaxis, type: "date" } }, CONFIG);
  cursor();
}

function cursor() {
  if (!Plotly || !at("trend").layout) return;
  const x = zero + 1000 * Number(form.time.value);
  Plotly.relayout(at("trend"), { shapes: [{ type: "line", yref: "paper", y0: 0, y1: 1, x0: x, x1: x, line: { color: "#b3261e", width: 1 } }] });
}

function chips() {
  at("trend-tags").replaceChildren(...chosen.map((name) => element("li", {}, element("button", { type: "button", text: `${name} ×`, onclick: () => { chosen = chosen.filter((n) => n !== name); trend(); } }))));
}

form.addEventListener("submit", (e) => e.preventDefault());
form.run.addEventListener("change", load);
form.time.addEventListener("input", look);
for (const b of document.querySelectorAll("[data-move]")) b.addEventListener("click", () => go(Number(form.time.value) + Number(b.dataset.move)));
at("play").addEventListener("click", ({ target }) => {
  if (playing) { clearInterval(playing); playing = null; } else playing = setInterval(() => go(Number(form.time.value) + 1), 500);
  target.setAttribute("aria-pressed", playing !== null);
});
at("trend-add").addEventListener("click", () => {
  const name = at("trend-tag").value.trim();
  if (run?.tags.includes(name) && !chosen.includes(name) && chosen.length < 8) { chosen.push(name); at("trend-tag").value = ""; trend(); }
});
list();
