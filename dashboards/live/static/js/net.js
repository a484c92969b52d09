// Requests to the server: one line when something is refused, nothing thrown away silently.
const page = JSON.parse(document.getElementById("words").textContent);
export const words = page.words, language = page.language, starts = page.starts, rules = page.rules;

export function say(key, put = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => put[name] ?? "");
}

export function stateWord(code) {
  return page.states[code] ?? code;
}

let hide;
export function toast(text, bad = false) {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.className = `toast show${bad ? " bad" : ""}`;
  clearTimeout(hide);
  hide = setTimeout(() => { box.className = "toast"; }, bad ? 7000 : 3000);
}

function cookie(name) {
  return document.cookie.split("; ").find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
}

// The answer as JSON, or null after the refusal has been shown.
export async function ask(path, body) {
  const request = body === undefined ? {} : {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", "x-csrftoken": cookie(`batchtwin_csrf_${location.port || (location.protocol === "https:" ? 443 : 80)}`) },
  };
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    toast(say("no_answer"), true);
    return null;
  }
  if (answer.ok) return answer.json();
  let told = {};
  try { told = await answer.json(); } catch { /* an answer without a body */ }
  if (answer.status === 401 && location.pathname !== "/login") location.assign("/login");
  toast(told.text ?? `${answer.status} ${answer.statusText}`, true);
  return null;
}

export function clockText(seconds) {
  const at = new Date(Date.parse(`${starts.slice(0, 19)}Z`) + seconds * 1000);
  return at.toISOString().slice(0, 19).replace("T", " ");
}

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") node.addEventListener("click", value);
    else if (key === "text") node.textContent = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}
