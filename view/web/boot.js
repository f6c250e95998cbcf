// Runs before the first paint: a page that flashes white at night is a page that
// people close. What the button chose last time wins over the system's wish.
"use strict";
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // Storage is switched off: the system's wish it is.
  }
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const known = chosen === "dark" || chosen === "light";
  document.documentElement.dataset.theme = known ? chosen : dark ? "dark" : "light";
})();
