// The login form.
import { ask } from "./net.js";
import { languageButton } from "./shell.js";

languageButton();
document.getElementById("login").addEventListener("submit", async (e) => {
  e.preventDefault();
  if (await ask("/api/login", Object.fromEntries(new FormData(e.target)))) location.assign("/");
});
