// What one can write into the search field: a popover next to it.

import { byId, el, replace } from "./dom.js";

const terms = [
  ["label:7", "samples with this label"],
  ["class:dog", "with this class; class:terrier* for all that begin so"],
  ["index:100-200", "a span of indices, or one"],
  ["key:n0144", "a key that contains this"],
  ["width>500 height<400", "size of the picture"],
  ["bytes>1MB", "size of what is stored"],
  ["score>=0.5", "a field of numbers, by its name"],
  ["meta.camera.iso=200", "a value inside JSON, by field and path"],
  ["meta.caption~sunset", "text inside JSON that contains this"],
  ["sunset", "a bare word: in a key, a class or JSON"],
  ['"two words"', "quotes keep what has spaces together"],
];

// startQuery fills the popover; a click on an example writes it into the field.
export function startQuery() {
  const box = byId("query");
  const input = byId("search");
  const take = (text) => () => {
    const before = input.value.trimEnd();
    input.value = before ? `${before} ${text}` : text;
    box.hidePopover?.();
    input.focus();
  };
  replace(box,
    el("h2", null, "How to search"),
    el("p", null, "All terms must hold. Press Enter to search; large datasets are read piece by piece, and you can stop."),
    el("dl", null, terms.map(([text, what]) => el("div", null,
      el("dt", null, el("button", { type: "button", class: "term", onclick: take(text) }, text)), el("dd", null, what)))));
  window.addEventListener("resize", () => box.matches(":popover-open") && box.hidePopover());
  box.addEventListener("toggle", (e) => {
    if (e.newState !== "open") return;
    // Below the field: anchors in style sheets are not everywhere yet.
    const at = byId("find").getBoundingClientRect();
    const width = box.getBoundingClientRect().width;
    box.style.setProperty("top", `${at.bottom + 6}px`);
    box.style.setProperty("left", `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`);
  });
}
