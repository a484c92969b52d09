// Sweeps beside the runs: begin a what-if, see how far it is, open its comparison.
import { ask, element, say } from "./net.js";
import { shell } from "./shell.js";

const at = (id) => document.getElementById(id), form = at("what-if");
const WATCH_MS = 1000;
await shell();

async function list() {
  const found = await ask("/api/sweeps") ?? [];
  at("sweeps").replaceChildren(...found.map((s) => element("tr", {}, element("td", {}, element("a", { href: `/compare/${s.name}`, text: s.name })), element("td", { text: `${s.runs}` }))));
  return found;
}

async function watch(name) {
  for (let going = true; going;) {
    await new Promise((next) => setTimeout(next, WATCH_MS));
    const entry = (await list()).find((s) => s.name === name);
    going = entry?.going ?? false;
    const how = entry?.runs ? await ask(`/api/sweeps/${name}`) : null;
    if (how) at("progress").textContent = say("played", { done: how.done, runs: how.runs });
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = (name) => form.elements[name].value.trim();
  const body = { name: text("name"), base: text("base"), seeds: Number(text("seeds")), changes: text("changes").split("\n").map((c) => c.trim()).filter(Boolean) };
  for (const key of ["design", "criteria"]) if (text(key)) body[key] = text(key);
  if (text("until_h")) body.until_h = Number(text("until_h"));
  const begun = await ask("/api/what-if", body);
  if (!begun) return;
  at("progress").textContent = say("played", { done: 0, runs: begun.runs });
  watch(begun.name);
});
at("stop").addEventListener("click", () => ask("/api/what-if/stop", {}));

const going = (await list()).find((s) => s.going);
if (going) watch(going.name);
