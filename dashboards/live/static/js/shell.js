// What every page has: clock, speed, who drives, language, alarm count.
import { ask, clockText, element, say, stateWord, toast } from "./net.js";
import { begin, on, tags, values } from "./live.js";
import { bind, show } from "./bind.js";

export let me = null;
const at = (id) => document.getElementById(id);
const standing = new Map();

let follow = true;

// mimic: whether the page's elements follow the live plant; a replay has values of its own.
export async function shell({ mimic = true } = {}) {
  follow = mimic;
  languageButton();
  at("logout")?.addEventListener("click", async () => { if (await ask("/api/logout", {})) location.assign("/login"); });
  me = await ask("/api/me");
  if (!me) return;
  wheel(me);
  on("wheel", wheel);
  on("frame", frame);
  on("alarm", (alarm) => { note(alarm); count(); });
  on("reload", loadAlarms);
  clockButtons();
  actions();
  if (follow) bind();
  if (await begin()) await loadAlarms();
}

export function languageButton() {
  at("language").addEventListener("click", async () => {
    const wished = document.documentElement.lang.startsWith("zh") ? "en" : "zh";
    if (await ask("/api/language", { language: wished })) location.reload();
  });
}

let wasEnded = "", epoch = null;
function frame(f) {
  at("clock").textContent = clockText(f.t);
  at("state").textContent = stateWord(f.state) + (f.late ? ` – ${say("behind")}` : "");
  at("state").classList.toggle("bad", f.state === "failed" || f.late);
  at("start").disabled = f.state === "running" || f.state === "ended" || f.state === "failed";
  at("pause").disabled = f.state !== "running";
  at("step").disabled = f.state !== "paused";
  const speed = at("speed");
  if (document.activeElement !== speed) {
    if (![...speed.options].some((o) => o.value === f.speed)) speed.append(element("option", { value: f.speed, text: `${f.speed} ×` }));
    speed.value = f.speed;
  }
  if (f.state !== wasEnded) {
    if (f.state === "ended" && wasEnded) toast(say("ended"));
    if (f.state === "failed") toast(say("failed") + f.trouble, true);
    wasEnded = f.state;
  }
  if (epoch !== null && f.epoch !== epoch) { standing.clear(); loadAlarms(); }
  epoch = f.epoch;
  if (follow) show(f.changed, values, tags);
}

function clockButtons() {
  at("start").addEventListener("click", () => ask("/api/time", { action: "start" }));
  at("pause").addEventListener("click", () => ask("/api/time", { action: "pause" }));
  at("step").addEventListener("click", () => ask("/api/time", { action: "step", scans: 10 }));
  at("speed").addEventListener("change", (e) => { ask("/api/time", { action: "speed", speed: e.target.value }); e.target.blur(); });
}

// Buttons that write: data-write sets to 1, data-toggle turns over, data-pulse sets and takes back.
function actions() {
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-write],[data-toggle],[data-pulse]");
    if (!button) return;
    const { write, toggle, pulse, value } = button.dataset;
    const tag = write ?? toggle ?? pulse;
    const wished = toggle ? ((values.get(tag) ?? 0) > 0.5 ? 0 : 1) : Number(value ?? 1);
    if (await ask("/api/write", { tag, value: wished }) && pulse) setTimeout(() => ask("/api/write", { tag, value: 0 }), 1500);
  });
  on("frame", ({ changed }) => {
    for (const button of document.querySelectorAll("[data-toggle]")) {
      if (changed.includes(button.dataset.toggle)) button.setAttribute("aria-pressed", (values.get(button.dataset.toggle) ?? 0) > 0.5);
    }
  });
}

function wheel(w) {
  const mine = w.driver === me.key, button = at("control");
  at("driver").textContent = mine ? say("you") : w.driver ? say("drives", { name: w.name }) : say("nobody");
  document.body.classList.toggle("watching", !mine);
  button.hidden = mine && w.here.length < 2;
  button.textContent = mine ? say("release") : say("ask");
  button.onclick = async () => {
    if (mine) await ask("/api/control", { action: "hand_over", to: "" });
    else if (await ask("/api/control", { action: "ask" }) && w.driver) toast(say("asked"));
  };
  const asks = at("asks");
  asks.replaceChildren();
  asks.hidden = !mine || !w.asking.length;
  for (const p of mine ? w.asking : []) {
    asks.append(say("asks", p), " ", element("button", { type: "button", text: say("give"), onclick: () => ask("/api/control", { action: "hand_over", to: p.key }) }), " ");
  }
}

// --- alarms ---------------------------------------------------------------------------------------

async function loadAlarms() {
  const found = await ask("/api/alarms");
  if (!found) return;
  standing.clear();
  found.alarms.forEach(note);
  count();
}

function note(alarm) {
  if (alarm.active || !alarm.acked) standing.set(alarm.name, alarm);
  else standing.delete(alarm.name);
}

function count() {
  const list = [...standing.values()].sort((a, b) => (a.acked - b.acked) || b.severity - a.severity || b.since_s - a.since_s);
  const unseen = list.filter((a) => !a.acked).length, box = at("alarm-count");
  box.hidden = !list.length;
  box.textContent = `⚠ ${unseen ? `${unseen}/` : ""}${list.length}`;
  box.setAttribute("aria-label", `${document.documentElement.lang.startsWith("zh") ? "报警" : "alarms"} ${list.length}`);
  box.classList.toggle("seen", !unseen);
  drawAlarms(list);
}

function drawAlarms(list) {
  const body = at("alarm-rows");
  if (!body) return;
  const zh = document.documentElement.lang.startsWith("zh");
  at("acknowledge-all").disabled = list.every((a) => a.acked);
  body.replaceChildren(...list.map((a) => element("tr", { class: `${a.acked ? "" : "unacked"} ${a.active ? "active" : ""}` },
    element("td", { text: clockText(a.since_s).slice(11) }),
    element("td", { class: "what" }, zh ? a.zh : a.en, element("small", { text: a.name })),
    element("td", { text: say(a.active ? "active" : "gone") }),
    element("td", {}, ...(a.acked ? [a.by] : [element("button", { type: "button", "aria-label": `${say("acknowledge")} ${a.name}`, text: say("acknowledge"), onclick: () => ask("/api/alarms/acknowledge", { name: a.name }) })])),
  )));
  if (!list.length) body.append(element("tr", {}, element("td", { colspan: "4", class: "note", text: say("no_alarms") })));
}

export function unacknowledged() {
  return [...standing.values()].filter((a) => !a.acked).map((a) => a.name);
}
