// Faults let loose and ended, and what the operator does meanwhile.
import { ask, clockText, element, say, toast } from "./net.js";
import { on } from "./live.js";
import { shell } from "./shell.js";

const catalogue = JSON.parse(document.getElementById("catalogue").textContent);
const form = document.getElementById("inject"), body = document.getElementById("fault-rows"), acts = document.getElementById("acts");

form.fault.append(...catalogue.map((f) => element("option", { value: f.name, text: f.name })));
function chosen() {
  const fault = catalogue.find((f) => f.name === form.fault.value);
  form.target.replaceChildren(...fault.targets.map((name) => element("option", { value: name, text: name })));
  form.severity.value = fault.default;
  form.severity.min = fault.low;
  form.severity.max = fault.high;
  document.getElementById("range").textContent = `${fault.low} … ${fault.high} ${fault.unit === "-" ? "" : fault.unit}`;
  document.getElementById("what").textContent = fault.what;
}
form.fault.addEventListener("change", chosen);
chosen();

form.addEventListener("submit", async (e) => {
  e.preventDefault();
  const number = (field) => (form[field].value === "" ? null : Number(form[field].value));
  const answer = await ask("/api/faults", { fault: form.fault.value, target: form.target.value, severity: number("severity"), onset_s: number("onset_s") ?? 0, duration_s: number("duration_s") });
  if (answer) { toast(say("done")); setTimeout(look, 400); }
});

async function look() {
  const list = await ask("/api/faults");
  if (!list) return;
  const zh = document.documentElement.lang.startsWith("zh");
  body.replaceChildren(...list.map((f) => element("tr", {},
    element("td", {}, f.fault, element("small", { class: "note", text: ` ${zh ? f.zh : f.en}` })), element("td", { text: f.target }), element("td", { class: "n", text: f.severity.toPrecision(3) }),
    element("td", {}, element("button", { type: "button", text: say("end"), "aria-label": `${say("end")} ${f.fault} ${f.target}`, onclick: async () => { if (await ask("/api/faults/clear", { fault: f.fault, target: f.target })) setTimeout(look, 400); } })))));
  if (!list.length) body.append(element("tr", {}, element("td", { colspan: "4", class: "note", text: say("no_faults") })));
}

function act(text) {
  acts.prepend(element("li", { text }));
  if (acts.childElementCount > 60) acts.lastElementChild.remove();
}
on("write", (w) => act(`${clockText(w.at_s).slice(11)} ${w.by}: ${w.name} = ${w.value}`));
on("switch", (w) => act(`${clockText(w.at_s).slice(11)} ${w.by}: ${w.name} → ${w.value === null ? say("auto") : w.value ? say("on") : say("off")}`));
on("alarm", (a) => act(`${clockText(a.at_s).slice(11)} ${a.acked && a.by ? `${a.by}: ` : "⚠ "}${a.name} ${say(a.active ? "active" : "gone")}`));
look();
setInterval(look, 3000);
await shell();  // last: whoever sees the plant finds every button at work
