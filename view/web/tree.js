// JSON as a tree. The browser's own parser would round numbers beyond 2^53 and
// drop keys that are there twice; a viewer has to show what is stored.

import { clip, el } from "./dom.js";
import { plural } from "./format.js";

const deepest = 400; // levels; hostile files have millions
const batch = 200; // children shown at a time

// parseTree reads JSON into {kind, …}: text of numbers as written, members as a
// list. It gives null for what is no JSON, or too deep.
export function parseTree(text) {
  const p = { text, at: 0 };
  try {
    const node = read(p, 0);
    space(p);
    return p.at === text.length ? node : null;
  } catch {
    return null;
  }
}

function space(p) {
  while (p.at < p.text.length && " \t\n\r".includes(p.text[p.at])) p.at++;
}

function expect(p, c) {
  if (p.text[p.at] !== c) throw new SyntaxError(c);
  p.at++;
}

function read(p, depth) {
  if (depth > deepest) throw new RangeError("too deep");
  space(p);
  switch (p.text[p.at]) {
    case "{": return object(p, depth);
    case "[": return array(p, depth);
    case '"': return { kind: "string", value: string(p) };
    default: return word(p);
  }
}

function object(p, depth) {
  const items = [];
  p.at++;
  space(p);
  if (p.text[p.at] === "}") p.at++;
  else {
    for (;;) {
      space(p);
      const key = string(p);
      space(p);
      expect(p, ":");
      items.push([key, read(p, depth + 1)]);
      space(p);
      if (p.text[p.at] === "}") break;
      expect(p, ",");
    }
    p.at++;
  }
  return { kind: "object", items };
}

function array(p, depth) {
  const items = [];
  p.at++;
  space(p);
  if (p.text[p.at] === "]") p.at++;
  else {
    for (;;) {
      items.push([items.length, read(p, depth + 1)]);
      space(p);
      if (p.text[p.at] === "]") break;
      expect(p, ",");
    }
    p.at++;
  }
  return { kind: "array", items };
}

function string(p) {
  const from = p.at;
  expect(p, '"');
  for (; p.text[p.at] !== '"'; p.at++) {
    if (p.at >= p.text.length) throw new SyntaxError("string");
    if (p.text[p.at] === "\\") p.at++;
  }
  p.at++;
  return JSON.parse(p.text.slice(from, p.at)); // escapes are the browser's matter
}

// NaN and Infinity are no JSON, but Python writes them.
const scalars = /-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Infinity)|NaN|true|false|null/y;

function word(p) {
  scalars.lastIndex = p.at;
  const m = scalars.exec(p.text);
  if (!m) throw new SyntaxError("value");
  p.at = scalars.lastIndex;
  return { kind: /^(true|false|null)$/.test(m[0]) ? "word" : "number", value: m[0] };
}

// treeView shows what parseTree has read.
export function treeView(node, name) {
  return el("div", { class: "tree", role: "group", "aria-label": `JSON of ${name}` }, branch(null, node, 0));
}

function branch(key, node, depth) {
  const label = key === null ? null : el("span", { class: typeof key === "number" ? "at" : "member" }, el("bdi", null, clip(key, 200)));
  if (node.kind !== "object" && node.kind !== "array") return el("div", { class: "leaf" }, label, leaf(node));
  const [open, close] = node.kind === "object" ? "{}" : "[]";
  if (!node.items.length) return el("div", { class: "leaf" }, label, el("span", { class: "punct" }, open + close));
  const body = el("div", { class: "branches" });
  const box = el("details", { ontoggle: () => box.open && fillTree(body, node, depth) },
    el("summary", null, label, el("span", { class: "punct" }, open), el("span", { class: "hint" }, `${plural(node.items.length, node.kind === "object" ? "member" : "element")}`), el("span", { class: "punct" }, close)), body);
  if (depth < 2 && node.items.length <= 40) {
    box.open = true;
    fillTree(body, node, depth);
  }
  return box;
}

// fillTree adds children when they are first seen, and not all of a million.
function fillTree(body, node, depth) {
  if (body.dataset.filled) return;
  body.dataset.filled = "true";
  let shown = 0;
  const more = el("button", { type: "button", class: "quiet", onclick: () => next() });
  const next = () => {
    const until = Math.min(shown + batch, node.items.length);
    for (; shown < until; shown++) body.insertBefore(branch(node.items[shown][0], node.items[shown][1], depth + 1), more);
    if (shown >= node.items.length) more.remove();
    else more.textContent = `${node.items.length - shown} more`;
  };
  body.append(more);
  next();
}

function leaf(node) {
  if (node.kind !== "string") return el("span", { class: node.kind }, node.value);
  const long = node.value.length > 2000;
  // Apart from its quotes: what turns the direction of text must not turn them.
  const text = el("bdi", null, long ? node.value.slice(0, 2000) + "…" : node.value);
  const quoted = el("span", { class: "string" }, '"', text, '"');
  if (!long) return quoted;
  return [quoted, el("button", { type: "button", class: "quiet", onclick: (e) => { text.textContent = node.value; e.target.remove(); } }, "all of it")];
}
