// Begin a drill, end it, read its score.
import { ask, element, rules, say, toast } from "./net.js";
import { on } from "./live.js";
import { shell } from "./shell.js";

const at = (id) => document.getElementById(id), zh = document.documentElement.lang.startsWith("zh");

for (const button of document.querySelectorAll("[data-drill]")) {
  button.addEventListener("click", async () => {
    if (!at("who").reportValidity()) return;
    const begun = await ask("/api/training/start", { drill: button.dataset.drill, trainee: at("who").trainee.value });
    if (!begun) return;
    await ask("/api/time", { action: "start" });
    at("result").hidden = true;
    toast(say("done"));
    now();
    window.scrollTo(0, 0);
  });
}
at("who").addEventListener("submit", (e) => e.preventDefault());
at("finish").addEventListener("click", async () => {
  const done = await ask("/api/training/finish", {});
  if (done) { at("now").hidden = true; result(done.run); past(); }
});

at("leave").addEventListener("click", async () => { if (await ask("/api/training/leave", {})) { at("result").hidden = true; toast(say("done")); } });

async function now() {
  const n = await ask("/api/training/now");
  const going = n && n.state !== "ended" && n.state !== "failed";
  at("now").hidden = !going;
  if (!going) return;
  at("now-what").textContent = `${n.drill}, ${n.trainee}`;
  at("now-note").textContent = zh ? `剩余 ${Math.ceil(n.left_s / 60)} min，已出站 ${n.m3} m³` : `${Math.ceil(n.left_s / 60)} min left, ${n.m3} m³ delivered`;
}

async function result(run) {
  const s = await ask(`/api/training/score/${encodeURIComponent(run)}`);
  if (!s) return;
  at("result").hidden = false;
  at("points").textContent = say("points", { points: s.points, most: 100 });
  at("marks").replaceChildren(...s.marks.map((m) => element("tr", {}, element("td", { text: `${rules[m.category]} · ${rules[m.rule]}` }), element("td", { class: m.points < m.most ? "n bad" : "n", text: `${m.points} / ${m.most}` }), element("td", { text: zh ? m.zh : m.en }))));
  at("record").href = `/record/${run}`;
  at("again").href = `/replay?run=${run}`;
}

async function past() {
  const runs = (await ask("/api/runs") ?? []).filter((r) => r.training && r.state !== "running");
  at("past").replaceChildren(...runs.slice(0, 30).map((r) => element("li", {}, `${r.scenario} · ${r.started.slice(0, 16).replace("T", " ")} · `, element("a", { href: `/record/${r.name}`, text: r.name }))));
  if (!runs.length) at("past").append(element("li", { class: "note", text: say("none_yet") }));
}

let state = "", looked = 0;
on("frame", async (f) => {
  if (performance.now() - looked > 2000) { looked = performance.now(); now(); }
  if (f.state === "ended" && state && state !== "ended") {
    const n = await ask("/api/training/now");
    if (n) { result(n.run); past(); }
  }
  state = f.state;
});
now();
past();
await shell();  // last: whoever sees the plant finds every button at work
