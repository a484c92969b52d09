// Sweeps beside the runs: begin a what-if or a sweep, see how far it is and when it will be done, open its comparison.
import { ask, element, say } from "./net.js";
import { shell } from "./shell.js";

const at = (id) => document.getElementById(id), form = at("what-if");
const WATCH_MS = 1000;

async function list() {
  const found = await ask("/api/sweeps") ?? [];
  at("sweeps").replaceChildren(...found.map((s) => element("tr", {}, element("td", {}, element("a", { href: `/compare/${s.name}`, text: s.name })), element("td", { text: `${s.runs}` }))));
  return found;
}

async function watch(name) {
  const began = performance.now();
  let before = null;
  for (let going = true; going;) {
    await new Promise((next) => setTimeout(next, WATCH_MS));
    const entry = (await list()).find((s) => s.name === name);
    going = entry?.going ?? false;
    const how = entry?.runs ? await ask(`/api/sweeps/${name}`) : null;
    if (!how) continue;
    before ??= how.done;
    const left = how.done > before ? (performance.now() - began) / 1000 / (how.done - before) * (how.runs - how.done) : null;
    at("progress").textContent = say("played", { done: how.done, runs: how.runs }) + (left ? " " + say("left", { s: Math.ceil(left) }) : "");
  }
}

// `path: value, value` as a path and its values: numbers, true, false and null as such, the rest as text.
function factor(line) {
  const [path, ...rest] = line.split(":");
  const value = (word) => { try { return JSON.parse(word); } catch { return word; } };
  return [path.trim(), rest.join(":").split(",").map((word) => value(word.trim()))];
}

function show_kind() {
  for (const kind of ["changes", "factors"]) {
    at(`${kind}-label`).hidden = form.elements.kind.value !== kind;
    form.elements[kind].required = form.elements.kind.value === kind;
  }
}
// The form is heard before anything is awaited: whoever is quicker than the network is not missed.
form.elements.kind.addEventListener("change", show_kind);
show_kind();
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = (name) => form.elements[name].value.trim(), lines = (name) => text(name).split("\n").map((c) => c.trim()).filter(Boolean);
  const body = { name: text("name"), base: text("base"), seeds: Number(text("seeds")) };
  if (text("kind") === "factors") body.factors = Object.fromEntries(lines("factors").map(factor));
  else body.changes = lines("changes");
  for (const key of ["design", "criteria", "declared"]) if (text(key)) body[key] = text(key);
  if (text("until_h")) body.until_h = Number(text("until_h"));
  const begun = await ask("/api/what-if", body);
  if (!begun) return;
  at("progress").textContent = say("played", { done: 0, runs: begun.runs });
  watch(begun.name);
});
at("stop").addEventListener("click", () => ask("/api/what-if/stop", {}));

await shell();  // last: whoever sees the form finds it at work
const going = (await list()).find((s) => s.going);
if (going) watch(going.name);
