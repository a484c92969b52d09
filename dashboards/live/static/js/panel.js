// The plant by hand. Weighing: coarse feed while far from the target, fine near it, shut at the in-flight mass; all by ordinary writes.
import { ask, element, say, toast } from "./net.js";
import { on, values } from "./live.js";
import { shell } from "./shell.js";

const recipes = new Map(JSON.parse(document.getElementById("recipes").textContent).map((r) => [r.grade, r.kg_m3]));
const dosing = new Map();  // feeder -> {scale, target, button, coarse}
const write = (tag, value) => ask("/api/write", { tag, value });
const value = (tag) => values.get(tag) ?? 0;

// Recipes are dry: wet aggregate is weighed heavier by its water, and that water is left out of the mixing water.
function targets(panel) {
  const recipe = recipes.get(panel.querySelector(".recipe").value) ?? {}, m3 = Number(panel.querySelector(".volume").value) || 0;
  const cells = [...panel.querySelectorAll("[data-material]")], seen = new Set();
  let carried = 0;
  const wished = cells.map((cell) => {
    const { material, store } = cell.dataset;
    const dry = seen.has(material) ? 0 : m3 * (recipe[material] ?? 0);  // a second silo of the same material stands by
    seen.add(material);
    const probe = `${store.replace(".Bin.", ".Probe.")}.Moisture`, wet = dry * (1 + 0.01 * (values.get(probe) ?? values.get(`${store}.LabMoisture`) ?? 0));
    carried += wet - dry;
    return wet;
  });
  cells.forEach((cell, k) => {
    const kg = cell.dataset.material === "water" ? Math.max(wished[k] - carried, 0) : wished[k];
    cell.textContent = kg.toFixed(kg < 100 ? 1 : 0);
  });
}

for (const panel of document.querySelectorAll("[data-panel]")) {
  panel.querySelector(".targets").addEventListener("input", () => targets(panel));
  panel.querySelector(".targets").addEventListener("submit", (e) => e.preventDefault());
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  const d = button.dataset;
  if (d.set) await write(d.set, Number(d.value));
  if (d.turn) await write(d.turn, value(d.turn) > 0 ? 0 : Number(d.on ?? 1));
  if (d.next) await write(d.next, Math.min(value(d.next) + 1, value(d.most)));
  if (d.local) await write(d.local, value(d.local) > 0 ? 0 : 100);
  if (d.jog) { if (await write(`${d.jog}.Fine`, 1)) setTimeout(() => write(`${d.jog}.Fine`, 0), 500); }
  if (d.feed) await dose(button);
  if (d.hold !== undefined) await ask("/api/switch", { tag: button.closest("[data-hand]").dataset.hand, value: d.hold === "" ? null : Number(d.hold) });
});

async function dose(button) {
  const { feed, scale } = button.dataset;
  if (dosing.has(feed)) { await stop(feed); return; }
  const kg = Number(button.closest(".switch").querySelector("[data-material]").textContent);
  if (!(kg > 0)) { toast(`${feed}: 0 kg`, true); return; }
  if (!await write(`${feed}.Coarse`, 1)) return;
  const rate = value(`${feed}.RatedFlow`), fine = value(`${feed}.FineShare`);
  dosing.set(feed, { scale, target: value(`${scale}.Gross`) + kg, button, coarse: true, rate, fine: rate * fine, seen: value(`${scale}.Gross`), at: 0 });
  button.setAttribute("aria-pressed", "true");
}

async function stop(feed) {
  const d = dosing.get(feed);
  dosing.delete(feed);
  d?.button.setAttribute("aria-pressed", "false");
  await write(`${feed}.Coarse`, 0);
  await write(`${feed}.Fine`, 0);
}

// At each frame: coarse until 1.2 s of coarse flow are missing, then fine until what is on its way makes up the rest.
function watch(f) {
  for (const [feed, d] of dosing) {
    const mode = value(`${feed.split(".")[0]}.Station.Mode`), missing = d.target - value(`${d.scale}.Gross`);
    const paceS = Math.max(Number(f.speed) || 1, 1) * 0.35;  // simulated time until a click acts
    if (mode !== 0) { dosing.delete(feed); d.button.setAttribute("aria-pressed", "false"); continue; }
    if (d.coarse && missing < d.rate * (1.2 + paceS)) {
      d.coarse = false;
      write(`${feed}.Fine`, 1).then(() => write(`${feed}.Coarse`, 0));
    } else if (!d.coarse && missing < d.fine * (0.5 + paceS)) stop(feed);
  }
}

on("frame", (f) => {
  watch(f);
  for (const box of document.querySelectorAll("[data-hand]")) {
    const held = f.hands.includes(box.dataset.hand);
    box.classList.toggle("hand", held);
    for (const b of box.querySelectorAll("button")) {
      const is = held ? b.dataset.hold !== "" && Number(b.dataset.hold) === value(box.dataset.hand) : b.dataset.hold === "";
      b.setAttribute("aria-pressed", is);
    }
  }
  for (const b of document.querySelectorAll("button[data-turn]")) b.setAttribute("aria-pressed", value(b.dataset.turn) > 0);
  for (const b of document.querySelectorAll("button[data-local]")) b.setAttribute("aria-pressed", value(b.dataset.local) > 0);
  for (const b of document.querySelectorAll("button[data-set]")) b.setAttribute("aria-pressed", value(b.dataset.set) === Number(b.dataset.value));
  for (const panel of document.querySelectorAll("[data-panel]")) {
    targets(panel);
    const manual = value(`${panel.dataset.panel}.Station.Mode`) === 0;
    for (const b of panel.querySelectorAll("button.manual")) b.disabled = !manual || (b.dataset.next !== undefined && value(b.dataset.next) >= value(b.dataset.most));
  }
});

document.getElementById("order").addEventListener("submit", async (e) => {
  e.preventDefault();
  const form = Object.fromEntries(new FormData(e.target));
  if (await ask("/api/orders", { ...form, volume_m3: Number(form.volume_m3) })) { toast(say("done")); orders(); }
});

async function orders() {
  const rows = await ask("/api/orders");
  if (!rows) return;
  document.getElementById("order-rows").replaceChildren(...rows.map((o) => element("tr", {},
    element("td", { text: o.number }), element("td", { text: o.site }), element("td", { text: o.grade }), element("td", { class: "n", text: o.left_m3.toFixed(1) }), element("td", { class: "n", text: o.poured_m3.toFixed(1) }))));
  if (!rows.length) document.getElementById("order-rows").append(element("tr", {}, element("td", { colspan: "5", class: "note", text: say("orders_none") })));
}
orders();
setInterval(orders, 5000);
await shell();  // last: whoever sees the plant finds every button at work
