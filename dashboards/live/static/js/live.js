// The live connection: values by tag, events in order, and a clear word when it is lost.
import { ask, say } from "./net.js";

export const values = new Map();  // by tag name
export const tags = new Map();    // name -> {unit, step, states, alarm, text, type}
const listeners = { frame: [], alarm: [], wheel: [], write: [], switch: [], training: [], reload: [] };
let names = [], lastEvent = -1, wait = 500, everConnected = false;

export function on(kind, act) { listeners[kind].push(act); }
function tell(kind, what) { for (const act of listeners[kind] ?? []) act(what); }

export async function begin() {
  const list = await ask("/api/tags");
  if (!list) return false;
  names = list.map(([name, unit, step, states, alarm, text, type]) => {
    tags.set(name, { unit, step, states, alarm, text, type, digits: Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)) });
    return name;
  });
  connect();
  return true;
}

function connect() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live?after=${lastEvent}`);
  socket.onopen = () => {
    wait = 500;
    if (everConnected) banner(say("back"), true);
    everConnected = true;
  };
  socket.onmessage = ({ data }) => receive(JSON.parse(data));
  socket.onclose = ({ code }) => {
    if (code === 4401) { location.reload(); return; }
    banner(say("lost"));
    setTimeout(connect, wait);
    wait = Math.min(wait * 1.6, 8000);
  };
}

function receive(message) {
  if (message.kind) {
    if (message.e) lastEvent = message.e;
    tell(message.kind, message);
    return;
  }
  const changed = [];
  message.i.forEach((at, k) => {
    const name = names[at];
    values.set(name, message.q[k] * tags.get(name).step);
    changed.push(name);
  });
  tell("frame", { ...message, changed });
}

let clear;
function banner(text, good = false) {
  const box = document.getElementById("banner");
  box.textContent = text;
  box.className = good ? "banner info" : "banner";
  box.hidden = false;
  clearTimeout(clear);
  if (good) clear = setTimeout(() => { box.hidden = true; }, 4000);
}
