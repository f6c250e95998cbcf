// The dialog that lists the keys.

import { byId, el, replace } from "./dom.js";

const groups = [
  ["Everywhere", [
    ["/", "search"], ["g", "gallery"], ["c", "charts"], ["p or m", "page map"], ["v", "verify"], ["a", "augment: the playground"], ["l", "loader"],
    ["d", "dark or light"], ["?", "this list"], ["Esc", "close, or back to the gallery"],
  ]],
  ["Gallery", [
    ["← → ↑ ↓", "from picture to picture"], ["Enter", "open"], ["n", "next page"], ["p", "previous page (m for the page map)"], ["+ −", "larger, smaller pictures"], ["Home End", "first, last picture of the page"],
  ]],
  ["Sample", [
    ["← → or p n", "previous, next sample"], ["+ −", "zoom"], ["0", "fit"], ["1", "one pixel for one"],
  ]],
  ["Page map", [["← → ↑ ↓", "from page to page"], ["Enter", "look into it, or nearer"], ["Esc", "further away"]]],
  ["Augment", [["Alt ↑ ↓", "move the operation"], ["Del", "remove it (on its name)"], ["r", "other seeds"], ["← →", "previous, next sample"]]],
];

// startHelp fills the dialog and binds its button.
export function startHelp() {
  const dialog = byId("help");
  replace(dialog,
    el("header", null, el("h2", { id: "help-title" }, "Keys"),
      el("button", { type: "button", class: "quiet", autofocus: true, onclick: () => dialog.close() }, "Close")),
    el("div", { class: "key-groups" }, groups.map(([title, keys]) => el("section", null, el("h3", null, title),
      el("dl", null, keys.map(([key, what]) => el("div", null, el("dt", null, key.split(" ").map((k) => /^(or)$/.test(k) ? ` ${k} ` : el("kbd", null, k))), el("dd", null, what))))))));
  dialog.addEventListener("click", (e) => {
    if (e.target === dialog) dialog.close(); // the backdrop belongs to the dialog itself
  });
  dialog.addEventListener("keydown", (e) => {
    if (e.key === "?") dialog.close();
  });
  byId("help-open").addEventListener("click", () => dialog.showModal());
}
