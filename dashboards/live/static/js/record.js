// The record prints as it stands.
import { shell } from "./shell.js";

document.getElementById("print").addEventListener("click", () => window.print());
await shell();
