// Dust and noise over the site plan, trucks on the map, the water balance.
import { ask, language, stateWord } from "./net.js";
import { on, tags, values } from "./live.js";
import { CONFIG, LAYOUT, plotly } from "./plotly.js";
import { shell } from "./shell.js";

const at = (id) => document.getElementById(id), zh = language === "zh";
let kind = "pm10";
await shell();
const Plotly = await plotly();

// Grey up to the limit, red beyond it.
function colours(least, most, limit) {
  const share = Math.min(Math.max((limit - least) / Math.max(most - least, 1e-9), 0), 1);
  return share >= 1 ? [[0, "#e6e8ea"], [1, "#7d8a93"]] : share <= 0 ? [[0, "#e3a29d"], [1, "#8c1510"]]
    : [[0, "#e6e8ea"], [share, "#7d8a93"], [Math.min(share + 1e-3, 1), "#e3a29d"], [1, "#8c1510"]];
}

function polygon(points, closed, style) {
  return { type: "path", path: `M${points.map((p) => p.join(",")).join(" L")}${closed ? " Z" : ""}`, line: { color: "#22292e", width: 1.6 }, ...style };
}

// Trucks on the site stand at the key points of the plan: at the bay that shows their number, in its queue, on the weighbridge, in the washes.
const STANDS = { "unloading excess": ["Gate"], "weighing out": ["Gate"], "weighing in": ["Gate"], washing: ["Washing", "Gate"], "washing out": ["Separator", "Basins"] };
const QUEUE_M = 9;
let stands = null;

function standOf(truck) {
  const bays = Object.keys(stands).filter((name) => name.endsWith(".Loading"));
  if (truck.state === "loading") return bays.find((name) => values.get(name.replace(".Loading", ".Bay.Truck")) === Number(truck.n)) ?? bays[0];
  if (truck.state === "queueing") return "queue";
  return (STANDS[truck.state] ?? []).find((name) => name in stands);
}

function siteTrucks() {
  const groups = new Map(), bays = stands ? Object.entries(stands).filter(([name]) => name.endsWith(".Loading")).map(([, p]) => p) : [];
  for (const truck of stands ? trucks() : []) {
    const place = standOf(truck);
    if (place) groups.set(place, [...(groups.get(place) ?? []), truck]);
  }
  const mean = (k) => bays.reduce((sum, p) => sum + p[k], 0) / bays.length;
  const where = (name) => (name === "queue" ? [mean(0), mean(1) - QUEUE_M] : stands[name]);
  const found = [...groups].map(([name, of]) => ({ at: where(name), text: of.map((t) => t.n).join(" "), hover: of.map((t) => `${t.n}: ${stateWord(t.state)}`).join("<br>"), bad: of.some((t) => t.bad) }));
  return { x: found.map((s) => s.at[0]), y: found.map((s) => s.at[1]), text: found.map((s) => s.text), hovertext: found.map((s) => s.hover), colours: found.map((s) => (s.bad ? "#b3261e" : "#ffffff")) };
}

function moveTrucks() {
  if (!stands) return;
  const s = siteTrucks();
  Plotly.restyle(at("field"), { x: [s.x], y: [s.y], text: [s.text], hovertext: [s.hovertext], "marker.color": [s.colours] }, [2]);
}

async function drawField() {
  const f = await ask(`/api/field/${kind}`);
  if (!f) return;
  stands = f.outline.stands;
  const all = f.z.flat(), least = Math.min(...all), most = Math.max(...all), o = f.outline;
  const marks = [...o.places.map((p) => [p.name, p.points[Math.floor(p.points.length / 2)], "square"]), ...o.monitors.map((m) => [m.name, m.at, "triangle-up"]), ...o.neighbours.map((m) => [m.name, m.at, "diamond"])];
  const field = { type: "contour", x: f.x, y: f.y, z: f.z, colorscale: colours(least, most, f.limit), zmin: least, zmax: most, ncontours: 14, contours: { coloring: "fill" }, line: { width: 0.6, color: "#56616a" },
    colorbar: { title: { text: f.unit, side: "right" }, thickness: 12, len: 0.9 }, hovertemplate: `%{z:.1f} ${f.unit}<extra></extra>` };
  const names = { type: "scatter", mode: "markers+text", x: marks.map((m) => m[1][0]), y: marks.map((m) => m[1][1]), text: marks.map((m) => m[0]), textposition: "top center", hoverinfo: "skip",
    marker: { symbol: marks.map((m) => m[2]), size: 7, color: "#22292e" }, textfont: { size: 11, color: "#22292e" } };
  const s = siteTrucks();
  const there = { type: "scatter", mode: "markers+text", x: s.x, y: s.y, text: s.text, hovertext: s.hovertext, hoverinfo: "text", textposition: "bottom center", textfont: { size: 11, color: "#22292e" },
    marker: { symbol: "circle", size: 11, color: s.colours, line: { color: "#22292e", width: 1.6 } } };
  const rad = (f.wind_from_deg + 180) * Math.PI / 180, x0 = f.x[0] + 22, y0 = f.y[f.y.length - 1] - 22;
  const shapes = [polygon(o.boundary, true), ...o.buildings.map((b) => polygon(b, true, { fillcolor: "rgba(80,90,96,.35)" })), ...o.walls.map((w) => polygon(w, false, { line: { width: 3, color: "#22292e" } })),
    ...o.places.filter((p) => p.points.length > 1).map((p) => polygon(p.points, false, { line: { color: "#4a555c", width: 2, dash: "dot" } }))];
  const arrow = { x: x0 + 16 * Math.sin(rad), y: y0 + 16 * Math.cos(rad), ax: x0 - 16 * Math.sin(rad), ay: y0 - 16 * Math.cos(rad), axref: "x", ayref: "y", showarrow: true, arrowhead: 2, arrowwidth: 2, text: "" };
  const wind = { x: x0, y: y0 - 26, text: `${f.wind_m_s.toFixed(1)} m/s`, showarrow: false, font: { size: 11 } };
  Plotly.react(at("field"), [field, names, there], { ...LAYOUT, showlegend: false, shapes, annotations: [arrow, wind], xaxis: { ...LAYOUT.xaxis, title: { text: "m" }, range: [f.x[0], f.x[f.x.length - 1]] }, yaxis: { ...LAYOUT.yaxis, scaleanchor: "x", range: [f.y[0], f.y[f.y.length - 1]] } }, CONFIG);
  const minutes = Math.round(f.over_s / 60), beyond = most > f.limit;
  at("field-note").textContent = zh ? `最近 ${minutes} min 平均排放与当前气象；最大 ${most.toFixed(0)}，限值 ${f.limit.toFixed(0)} ${f.unit}（${f.source}）${beyond ? "；红色为超限区域" : ""}`
    : `Mean emissions of the last ${minutes} min in the present weather; most ${most.toFixed(0)}, limit ${f.limit.toFixed(0)} ${f.unit} (${f.source})${beyond ? "; red is beyond it" : ""}`;
}

for (const button of document.querySelectorAll("[data-field]")) {
  button.addEventListener("click", () => {
    kind = button.dataset.field;
    for (const b of document.querySelectorAll("[data-field]")) b.setAttribute("aria-pressed", b === button);
    drawField();
  });
}

// --- trucks ---------------------------------------------------------------------------------------

let roads = null;
async function loadMap() { roads = await ask("/api/map") ?? roads; drawMap(); }

function trucks() {
  const found = [];
  for (const name of tags.keys()) {
    const m = /^Truck(\d+)\.State$/.exec(name);
    if (!m) continue;
    const n = m[1], state = tags.get(name).states[values.get(name) ?? 0];
    found.push({ n, state, x: values.get(`Truck${n}.X`), y: values.get(`Truck${n}.Y`), load: values.get(`Truck${n}.Load`) ?? 0, bad: ["BrokenDown", "Leaking", "OffRoute", "GpsLost"].some((k) => (values.get(`Truck${n}.${k}`) ?? 0) > 0.5) });
  }
  return found;
}

const WIDTH = { expressway: 2.4, arterial: 1.5, street: 0.6 };
function drawMap() {
  if (!roads) return;
  const data = Object.entries(roads.roads).map(([k, [x, y]]) => ({ type: "scatter", mode: "lines", x, y, hoverinfo: "skip", line: { color: "#a4adb3", width: WIDTH[k] ?? 1 } }));
  const away = trucks().filter((t) => !["parked", "off duty", "resting"].includes(t.state));
  data.push({ type: "scatter", mode: "markers+text", x: roads.sites.map((s) => s.x), y: roads.sites.map((s) => s.y), text: roads.sites.map((s) => s.name), textposition: "top center", marker: { symbol: "square-open", size: 10, color: "#22292e", line: { width: 2 } }, hoverinfo: "text" });
  data.push({ type: "scatter", mode: "markers+text", x: roads.plants.map((p) => p.at[0]), y: roads.plants.map((p) => p.at[1]), text: roads.plants.map((p) => p.name), textposition: "bottom center", marker: { symbol: "star", size: 13, color: "#22292e" }, hoverinfo: "text" });
  data.push({ type: "scatter", mode: "markers", x: away.map((t) => t.x), y: away.map((t) => t.y), text: away.map((t) => `${t.n}: ${stateWord(t.state)}, ${t.load.toFixed(1)} m³`), hoverinfo: "text", marker: { size: 10, color: away.map((t) => (t.bad ? "#b3261e" : t.load > 0.05 ? "#22292e" : "#ffffff")), line: { color: "#22292e", width: 1.4 } } });
  const points = [...roads.sites.map((s) => [s.x, s.y]), ...roads.plants.map((p) => p.at), ...away.map((t) => [t.x, t.y])].filter((p) => p[0] !== undefined);
  const range = (k) => { const v = points.map((p) => p[k]); return [Math.min(...v) - 2, Math.max(...v) + 2]; };
  Plotly.react(at("map"), data, { ...LAYOUT, showlegend: false, xaxis: { ...LAYOUT.xaxis, showgrid: false, title: { text: "km" }, range: range(0) }, yaxis: { ...LAYOUT.yaxis, showgrid: false, scaleanchor: "x", range: range(1) } }, CONFIG);
  const counts = new Map();
  for (const t of trucks()) counts.set(t.state, (counts.get(t.state) ?? 0) + 1);
  at("truck-note").textContent = [...counts].sort((a, b) => b[1] - a[1]).map(([s, n]) => `${stateWord(s)} ${n}`).join(" · ");
}

async function drawWater() {
  const figure = await ask("/api/water");
  if (figure) Plotly.react(at("sankey"), figure.data, { ...LAYOUT, ...figure.layout, font: LAYOUT.font, paper_bgcolor: "rgba(0,0,0,0)" }, CONFIG);
  else at("sankey").textContent = zh ? "尚无台账记录" : "the ledger has no entry yet";
}

let drawn = 0;
on("frame", () => { if (performance.now() - drawn > 1500) { drawn = performance.now(); drawMap(); moveTrucks(); } });
setInterval(loadMap, 10_000);
setInterval(drawField, 10_000);
setInterval(drawWater, 15_000);
loadMap();
drawField();
drawWater();
