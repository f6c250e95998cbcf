// Bytes as text or hexadecimal, and JSON as a tree.

import { ended, get } from "./api.js";
import { el, replace } from "./dom.js";
import { count, hexLines, size } from "./format.js";
import { parseTree, treeView } from "./tree.js";

const largestTree = 4 << 20; // characters of JSON that are made a tree of

// Reader asks for a value's text piece by piece.
class Reader {
  constructor(ctx, index, field) {
    this.ctx = ctx;
    this.path = `/api/sample/${index}/text`;
    this.field = field.name;
    this.next = 0;
  }

  async piece() {
    const from = this.next;
    const answer = await get(this.path, { field: this.field, offset: from }, this.ctx.signal);
    this.next = answer.next;
    return { from, ...answer };
  }
}

// bytesView shows stored bytes: as text where they are text, else in hexadecimal.
export function bytesView(ctx, index, field) {
  if (!field.size) return el("p", { class: "hint" }, "empty");
  const reader = new Reader(ctx, index, field);
  const body = el("pre", { class: "text", tabindex: "0", "aria-label": `content of ${field.name}` }, "…");
  const foot = el("p", { class: "more" });
  let text = true;
  let first = null;
  const draw = (p) => {
    first ??= p;
    if (p.from === 0) {
      text = p.text !== null && p.text !== undefined;
      replace(body);
      body.className = text ? "text" : "hex";
    }
    body.append(text && p.text !== null ? p.text : (p.from ? "\n" : "") + hexLines(p.hex ?? "", p.from));
    const rest = reader.next !== null && reader.next !== undefined;
    replace(foot, rest && [el("span", { class: "hint" }, `${size(reader.next)} of ${size(p.size)} `), el("button", { type: "button", onclick: more }, "More")]);
  };
  const more = () => attempt(ctx, async () => draw(await reader.piece()), foot);
  more();
  return el("div", null, body, foot);
}

// jsonView shows JSON as a tree; what is too long or no JSON, as text.
export function jsonView(ctx, index, field) {
  const box = el("div", { class: "json" });
  const draw = (text) => {
    const tree = text.length <= largestTree ? parseTree(text) : null;
    if (tree) replace(box, treeView(tree, field.name));
    else replace(box, el("p", { class: "hint" }, text.length > largestTree ? "too long for a tree" : "not JSON that can be read"), el("pre", { class: "text", tabindex: "0" }, text));
  };
  if (!field.cut && typeof field.value === "string") {
    draw(field.value);
    return box;
  }
  if (!field.cut && field.value !== null && field.value !== undefined) {
    draw(JSON.stringify(field.value));
    return box;
  }
  const foot = el("p", { class: "more" });
  const load = () => attempt(ctx, async () => {
    const reader = new Reader(ctx, index, field);
    let text = "";
    do {
      const p = await reader.piece();
      if (p.text === null || p.text === undefined) throw new Error("The value is not text.");
      text += p.text;
    } while (reader.next !== null && reader.next !== undefined && text.length <= largestTree);
    draw(text);
  }, foot);
  if (typeof field.value === "string" && field.value) {
    replace(box, el("pre", { class: "text", tabindex: "0" }, field.value + "…"));
  }
  replace(foot, el("button", { type: "button", onclick: load }, `Show all of it (${field.size ? size(field.size) : count(0)})`));
  box.append(foot);
  if (!field.value) load();
  return box;
}

// attempt does work for one part of the page: its error is shown there.
async function attempt(ctx, work, place) {
  try {
    await work();
  } catch (e) {
    if (!ended(e)) replace(place, el("span", { class: "flaw" }, e.message), e.hint && el("span", { class: "hint" }, ` ${e.hint}`));
  }
}
