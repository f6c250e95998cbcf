// One field of a sample: its value in the form that suits it, and how it is stored.

import { address } from "./api.js";
import { arrayView } from "./array.js";
import { clip, el } from "./dom.js";
import { count, hexLines, short, size } from "./format.js";
import { pageHash } from "./links.js";
import { bytesView, jsonView } from "./text.js";

// fieldSection is a field's part of the page.
export function fieldSection(ctx, sample, field) {
  return el("section", { class: "field", dataset: { field: field.name, kind: field.kind } },
    el("h3", null, el("span", { class: "name" }, field.name || "(no name)"), el("span", { class: "type" }, field.type),
      flag(field)),
    field.error && el("p", { class: "flaw" }, field.error),
    el("div", { class: "value" }, value(ctx, sample, field)),
    stored(ctx, sample, field));
}

function flag(field) {
  if (field.checksum === "bad") return el("span", { class: "mark bad" }, "checksum wrong");
  if (field.checksum === "ok") return el("span", { class: "mark good", title: "The stored bytes are those that were written" }, "checksum ok");
  return null;
}

function value(ctx, sample, field) {
  switch (field.kind) {
    case "label":
    case "number":
      return el("output", { class: "number" }, scalar(field.value), field.kind === "label" && sample.class && el("span", { class: "hint" }, ` ${clip(sample.class, 80)}`));
    case "array":
      return arrayView(ctx, sample.index, field);
    case "json":
      return jsonView(ctx, sample.index, field);
    case "bytes":
      return bytesView(ctx, sample.index, field);
    case "audio":
      return el("audio", { controls: true, preload: "metadata", src: address(`/api/sample/${sample.index}/audio`, { field: field.name }), "aria-label": `audio of ${field.name}` });
    case "image":
      return image(field);
    default:
      return field.value !== null && field.value !== undefined ? el("pre", { class: "text" }, clip(typeof field.value === "string" ? field.value : JSON.stringify(field.value), 4000)) : el("p", { class: "hint" }, "no way to show this type; its bytes are below");
  }
}

// scalar shows a number with all its digits: what is rounded here can't be
// compared with what a program prints.
function scalar(v) {
  if (v === null || v === undefined) return "–";
  return typeof v === "number" ? String(v) : clip(v, 400);
}

function image(field) {
  const m = field.metadata ?? {};
  if (!m.width || !m.height) return null;
  const pixels = m.width * m.height;
  const bits = field.size ? (field.size * 8) / pixels : null;
  return el("p", { class: "line" }, `${m.width} × ${m.height}`, m.mode !== undefined && m.mode !== null && ` · ${m.mode}`,
    pixels >= 1e5 ? ` · ${short(pixels / 1e6)} megapixels` : ` · ${count(pixels)} pixels`, bits !== null && ` · ${short(bits)} bits a pixel`);
}

// stored is where a value lies and as what, folded away.
function stored(ctx, sample, field) {
  const facts = [];
  const add = (name, text) => text !== null && text !== undefined && facts.push(el("div", null, el("dt", null, name), el("dd", null, text)));
  add("size", field.size !== null && field.size !== undefined && `${size(field.size)} (${count(field.size)} bytes)`);
  add("page", field.page !== null && field.page !== undefined && field.page >= 0 && el("a", { href: pageHash(sample, field.page) }, count(field.page)));
  add("offset", field.offset !== null && field.offset !== undefined && field.offset > 0 && `${count(field.offset)} (0x${Number(field.offset).toString(16)})`);
  for (const [k, v] of Object.entries(field.metadata ?? {})) add(k, clip(typeof v === "object" ? JSON.stringify(v) : v, 200));
  const shown = facts.filter((f) => f.querySelector("dd").textContent !== "false");
  const has = field.size > 0 && field.kind !== "label" && field.kind !== "number";
  return el("details", { class: "stored" },
    el("summary", null, "Stored as", el("span", { class: "hint" }, ` ${field.size ? size(field.size) : "table row"}${field.page >= 0 && field.page !== null && field.page !== undefined ? ` · page ${count(field.page)}` : ""}`)),
    el("dl", { class: "pairs" }, shown),
    field.hex && [el("p", { class: "hint" }, "row of metadata"), el("pre", { class: "hex", tabindex: "0", "aria-label": "stored metadata, hexadecimal" }, hexLines(field.hex))],
    has && el("p", null, el("a", { href: address(`/api/sample/${sample.index}/bytes`, { field: field.name }), download: "" }, "Download the stored bytes")));
}
