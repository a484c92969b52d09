// Branches from this moment: chosen, let go, compared with the one that changes nothing.
import { ask, clockText, element, language, say } from "./net.js";
import { shell } from "./shell.js";

const catalogue = JSON.parse(document.getElementById("catalogue").textContent);
const form = document.getElementById("change"), go = document.getElementById("go"), chosen = document.getElementById("chosen"), body = document.getElementById("rows");
const stop = document.getElementById("stop"), branches = [];
const FIGURES = ["m3", "on_time_percent", "water_out_kg", "dust_kg", "outside", "kwh"];
let asked = 0;

form.fault.append(...catalogue.map((f) => element("option", { value: f.name, text: `${f.name} ${f.what}` })));
function faultChosen() {
  const fault = catalogue.find((f) => f.name === form.fault.value);
  form.target.replaceChildren(...fault.targets.map((name) => element("option", { value: name, text: name })));
  form.severity.value = fault.default;
}
form.fault.addEventListener("change", faultChosen);
faultChosen();
const kindChosen = () => form.querySelectorAll("[data-kind]").forEach((part) => { part.hidden = part.dataset.kind !== form.kind.value; });
form.kind.addEventListener("change", kindChosen);
kindChosen();

const MADE = {
  fault: () => [{ faults: [{ fault: form.fault.value, target: form.target.value, severity: form.severity.value === "" ? null : Number(form.severity.value) }] }, `fault=${form.fault.value}@${form.target.value}:${form.severity.value}`],
  rain: () => [{ rain: { mm_h: Number(form.mm_h.value), lasts: `${Number(form.lasts.value) * 60}s` } }, `rain=${form.mm_h.value},${form.lasts.value * 60}s`],
  order: () => [{ orders: [{ grade: form.grade.value, volume_m3: Number(form.volume_m3.value) }] }, `order=${form.grade.value}:${form.volume_m3.value}`],
  dispatch: () => [{ dispatch: form.dispatch.value }, `dispatch=${form.dispatch.value}`],
  controller: () => [{ controller: "reference" }, "controller=reference"],
};

const spoken = (text) => (text === "" ? say("as_it_is") : text.replace(/(^|; )(\w+)=/g, (_, lead, kind) => `${lead}${say(`change_${kind}`)}${language === "zh" ? "：" : ": "}`));

function listed() {
  chosen.replaceChildren(...branches.map((b, i) => element("li", {}, `${spoken(b.words)} `,
    element("button", { type: "button", text: say("remove"), "aria-label": `${say("remove")} ${spoken(b.words)}`, onclick: () => { branches.splice(i, 1); listed(); } }))));
}
form.addEventListener("submit", (e) => {
  e.preventDefault();
  const [changes, words] = MADE[form.kind.value]();
  branches.push({ changes, words });
  listed();
});
go.addEventListener("submit", async (e) => {
  e.preventDefault();
  const answer = await ask("/api/futures", { lasts_s: Number(go.minutes.value) * 60, criteria: go.criteria.value, branches: branches.map((b) => b.changes) });
  if (answer) look();
});
stop.addEventListener("click", async () => { if (await ask("/api/futures/stop", {})) look(); });

function number(value, base) {
  if (value === null || value === undefined) return element("td", { class: "n", text: "–" });
  const text = Number.isInteger(value) ? String(value) : value.toPrecision(4);
  return element("td", { class: "n", text: base === undefined || base === value ? text : `${text} (${value > base ? "+" : "−"}${Math.abs(value - base).toPrecision(3)})` });
}
function line(row, base) {
  const share = Math.round(100 * (row.t_s - asked.at_s) / (asked.until_s - asked.at_s));
  const state = row.state === "running" ? `${share} %` : say(`branch_${row.state}`);
  const other = base === row ? {} : base;
  return element("tr", {}, element("th", { scope: "row", text: spoken(row.changes) }), element("td", { text: row.problem ? `${state}: ${row.problem}` : state }),
    ...FIGURES.map((f) => number(row[f], other[f])), element("td", { class: "n", text: row.clauses ? String(row.clauses.pass ?? 0) : "–" }), element("td", { text: row.failed ? row.failed.join(", ") || "0" : row.no_verdict ?? "–" }));
}
async function look() {
  const found = await ask("/api/futures");
  if (!found) return;
  asked = found;
  stop.disabled = !found.going;
  document.getElementById("moment").textContent = found.rows.length ? `${clockText(found.at_s)} → ${clockText(found.until_s).slice(11)} · ${found.folder}` : "";
  body.replaceChildren(...found.rows.map((row) => line(row, found.rows[0])));
  if (!found.rows.length) body.append(element("tr", {}, element("td", { colspan: "10", class: "note", text: say("none_yet") })));
}
look();
setInterval(look, 1000);
await shell();  // last: whoever sees the plant finds every button at work
