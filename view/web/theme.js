// The theme: the system's until the button is pressed, then what was chosen.

import { keep, kept } from "./keep.js";

const root = document.documentElement;
const listeners = new Set();

// theme is "dark" or "light".
export function theme() {
  return root.dataset.theme;
}

// onTheme calls f after each change, until signal ends. Canvases need it: they
// hold pixels, which no style sheet can turn.
export function onTheme(f, signal) {
  listeners.add(f);
  signal.addEventListener("abort", () => listeners.delete(f));
}

// token is the value of a style sheet's custom property at present.
export function token(name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

// toggleTheme changes to the other one and remembers that.
export function toggleTheme() {
  set(theme() === "dark" ? "light" : "dark");
  keep("theme", theme());
}

function set(name) {
  root.dataset.theme = name;
  paint();
  for (const f of listeners) f();
}

function paint() {
  const button = document.getElementById("theme");
  const other = theme() === "dark" ? "light" : "dark";
  button.textContent = other === "dark" ? "Dark" : "Light";
  button.title = `Change to the ${other} theme (d)`;
  button.setAttribute("aria-label", button.title);
}

// startTheme binds the button, and follows the system while nothing was chosen.
export function startTheme() {
  document.getElementById("theme").addEventListener("click", toggleTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (e) => {
    if (!kept("theme")) set(e.matches ? "dark" : "light");
  });
  paint();
}
