// Elements that follow a tag. data-show: value, number, state, fill, on, off, bad, good, troubles.
import { say, stateWord } from "./net.js";

const bound = new Map();  // tag -> elements

export function bind(root = document) {
  for (const node of root.querySelectorAll("[data-show]")) {
    for (const tag of (node.dataset.tags ?? node.dataset.tag).split(" ")) {
      if (!bound.has(tag)) bound.set(tag, []);
      bound.get(tag).push(node);
    }
  }
}

export function show(changed, values, tags) {
  const nodes = new Set();
  for (const tag of changed) for (const node of bound.get(tag) ?? []) nodes.add(node);
  for (const node of nodes) SHOW[node.dataset.show](node, values, tags);
}

export function format(name, values, tags, withUnit = true) {
  const value = values.get(name), tag = tags.get(name);
  if (value === undefined || !tag) return "–";
  if (tag.states.length) return stateWord(tag.states[value] ?? String(value));
  if (tag.type === "bool") return say(value > 0.5 ? "yes" : "no");
  const text = value.toFixed(Math.min(tag.digits, Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2));
  return withUnit && tag.unit && tag.unit !== "count" ? `${text} ${tag.unit === "-" ? "" : tag.unit}`.trim() : text;
}

const isOn = (node, values) => (values.get(node.dataset.tag) ?? 0) > 0.5;
function mark(node, on, css) {
  node.classList.toggle(css, on);
  if (node.classList.contains("mark")) node.classList.toggle("off-now", !on && css === "on");
}

const SHOW = {
  value: (node, values, tags) => { node.textContent = format(node.dataset.tag, values, tags); },
  number: (node, values, tags) => { node.textContent = format(node.dataset.tag, values, tags, false); },
  state: (node, values, tags) => { node.textContent = format(node.dataset.tag, values, tags); },
  on: (node, values) => mark(node, isOn(node, values), "on"),
  off: (node, values) => mark(node, !isOn(node, values), "on"),
  bad: (node, values) => mark(node, isOn(node, values), "bad"),
  good: (node, values) => mark(node, !isOn(node, values), "bad"),
  fill: (node, values) => {
    const top = Number(node.dataset.y), height = Number(node.dataset.h);
    const share = Math.min(Math.max((values.get(node.dataset.tag) ?? 0) / 100, 0), 1);
    node.setAttribute("y", top + height * (1 - share));
    node.setAttribute("height", height * share);
  },
  troubles: (node, values, tags) => {
    const on = node.dataset.tags.split(" ").filter((tag) => (values.get(tag) ?? 0) > 0.5);
    node.textContent = on.length ? tags.get(on[0]).text : "";
  },
};
