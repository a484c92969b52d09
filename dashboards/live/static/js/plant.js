// The live page.
import { ask, clockText, element, say } from "./net.js";
import { on } from "./live.js";
import { shell, unacknowledged } from "./shell.js";
import { liveTrends } from "./trends.js";

const at = (id) => document.getElementById(id);

at("acknowledge-all").addEventListener("click", async () => {
  for (const name of unacknowledged()) if (!await ask("/api/alarms/acknowledge", { name })) return;
});

let looked = -1e9;
async function batches() {
  const rows = await ask("/api/batches");
  if (!rows) return;
  at("batch-rows").replaceChildren(...rows.map((b) => element("tr", {},
    element("td", { text: clockText(b.time_s).slice(11) }), element("td", { text: b.line }), element("td", { class: "n", text: b.number }),
    element("td", { class: "n", text: b.volume_m3.toFixed(2) }), element("td", { class: "n", text: b.water_binder.toFixed(3) }), element("td", { class: "n", text: b.slump_mm.toFixed(0) }),
    element("td", { class: "n", text: b.temperature_c.toFixed(1) }), element("td", { class: b.homogeneity < 0.97 ? "n bad" : "n", text: (100 * b.homogeneity).toFixed(1) }))));
  if (!rows.length) at("batch-rows").append(element("tr", {}, element("td", { colspan: "8", class: "note", text: say("none_yet") })));
}
on("frame", () => { if (performance.now() - looked > 4000) { looked = performance.now(); batches(); } });
await shell();  // last: whoever sees the plant finds every button at work
liveTrends(at("trend"), at("trend-tags"), at("trend-tag"), at("trend-add"), at("tag-names"));
