// Arrays: numbers in a table, one dimension as a line, two as a heat map, more by
// choosing the slice.

import { ended, get } from "./api.js";
import { el, later, replace } from "./dom.js";
import { count, dtype, finite, short } from "./format.js";
import { lineChart } from "./plot.js";
import { colourOf } from "./colour.js";

const structured = (rows) => Array.isArray(rows) && rows.length > 0;

// arrayView shows an array field of a sample, asked for when it is made.
export function arrayView(ctx, index, field) {
  const box = el("div", { class: "array" }, el("p", { class: "hint" }, "…"));
  const body = el("div", { class: "figure" });
  let chosen = [];
  let begun = false;
  const load = async () => {
    try {
      const a = await get(`/api/sample/${index}/array`, { field: field.name, index: chosen.join(",") }, ctx.signal);
      if (!begun) {
        begun = true;
        replace(box, head(a), chooser(a, (c) => { chosen = c; again(); }), body);
      }
      replace(body, picture(a), figures(a));
    } catch (e) {
      if (!ended(e)) replace(begun ? body : box, el("p", { class: "flaw" }, e.message));
    }
  };
  const again = later(load, 120);
  load();
  return box;
}

function head(a) {
  return el("p", { class: "line" }, `${dtype(a.dtype)} `, el("span", { class: "shape" }, `(${(a.shape ?? []).join(" × ") || "scalar"})`), ` · ${count(a.count)} values`);
}

function figures(a) {
  const facts = [["min", a.min], ["max", a.max], ["mean", a.mean], ["std", a.std]].filter(([, v]) => v !== null && v !== undefined);
  if (a.nan) facts.push(["nan", a.nan]);
  if (a.sampled) facts.push(["of", "some elements"]);
  return facts.length > 0 && el("dl", { class: "figures" }, facts.map(([k, v]) => el("div", null, el("dt", null, k), el("dd", null, short(v)))));
}

// chooser has a number for each dimension but the last two, of which there is a
// picture.
function chooser(a, changed) {
  const lead = (a.shape ?? []).slice(0, -2);
  if (!lead.length || (!a.heat && !a.plot)) return null;
  const at = lead.map(() => 0);
  return el("p", { class: "slices" }, "slice ", lead.map((n, i) => {
    const out = el("span", { class: "hint" }, ` of ${n} `);
    return [el("input", { type: "number", min: 0, max: n - 1, value: 0, "aria-label": `index in dimension ${i}`, oninput: (e) => {
      at[i] = Math.max(0, Math.min(n - 1, Number.parseInt(e.target.value, 10) || 0));
      changed([...at]);
    } }), out];
  }));
}

function picture(a) {
  const parts = [];
  if (a.heat) parts.push(heatMap(a));
  if (a.plot) parts.push(line(a));
  if (structured(a.table)) parts.push(parts.length ? folded(a) : table(a));
  return parts;
}

// folded is the numbers behind a picture, made when they are asked for.
function folded(a) {
  const box = el("details", { class: "as-table", ontoggle: () => box.open && !box.children[1] && box.append(table(a)) }, el("summary", null, "Numbers"));
  return box;
}

function line(a) {
  const pairs = Array.isArray(a.plot[0]);
  const series = pairs
    ? [{ name: "max", values: a.plot.map((p) => finite(p[1])) }, { name: "min", values: a.plot.map((p) => finite(p[0])) }]
    : [{ name: "value", values: a.plot.map(finite) }];
  const last = (a.shape ?? [a.plot.length]).at(-1) ?? a.plot.length;
  return lineChart({ series, label: `values of ${last} elements`, xMax: last - 1, height: 150, zero: false });
}

// heatMap paints a slice; each value is a square of pixels, and the value under
// the pointer is told.
function heatMap(a) {
  const { rows, cols, values } = a.heat;
  const known = values.map(finite);
  let low = Infinity;
  let high = -Infinity;
  for (const v of known) {
    if (v === null) continue;
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  const canvas = el("canvas", { width: cols, height: rows, role: "img", "aria-label": `heat map, ${rows} by ${cols}, from ${short(low)} to ${short(high)}` });
  const g = canvas.getContext("2d");
  const image = g.createImageData(cols, rows);
  known.forEach((v, i) => {
    const c = v === null ? [128, 128, 128] : colourOf(high > low ? (v - low) / (high - low) : 0.5);
    image.data.set([...c, 255], i * 4);
  });
  g.putImageData(image, 0, 0);
  const side = Math.max(rows, cols);
  canvas.style.setProperty("aspect-ratio", `${cols} / ${rows}`);
  canvas.style.setProperty("width", `min(100%, ${Math.max(120, Math.min(Math.max(cols * Math.ceil(200 / side), 2 * cols), 420))}px)`);
  const told = el("span", { class: "told" }, "\u00a0");
  canvas.addEventListener("pointermove", (e) => {
    const r = canvas.getBoundingClientRect();
    const x = Math.min(cols - 1, Math.max(0, Math.floor(((e.clientX - r.left) / r.width) * cols)));
    const y = Math.min(rows - 1, Math.max(0, Math.floor(((e.clientY - r.top) / r.height) * rows)));
    told.textContent = `row ${y}, column ${x}: ${short(values[y * cols + x])}`;
  });
  canvas.addEventListener("pointerleave", () => { told.textContent = "\u00a0"; });
  const whole = (a.shape ?? []).slice(-2);
  const coarse = whole.length === 2 && (whole[0] > rows || whole[1] > cols);
  return el("figure", { class: "heat" }, canvas,
    el("figcaption", null, el("span", null, short(low)), scale(), el("span", null, short(high)), told, coarse && el("span", { class: "hint" }, ` each cell is a mean of about ${Math.ceil(whole[0] / rows)} × ${Math.ceil(whole[1] / cols)} elements`)));
}

function scale() {
  const canvas = el("canvas", { class: "scale", width: 64, height: 1, "aria-hidden": "true" });
  const g = canvas.getContext("2d");
  const image = g.createImageData(64, 1);
  for (let i = 0; i < 64; i++) image.data.set([...colourOf(i / 63), 255], i * 4);
  g.putImageData(image, 0, 0);
  return canvas;
}

function table(a) {
  const rows = a.table.slice(0, 200);
  const cell = (v) => (v !== null && typeof v === "object" ? JSON.stringify(v) : short(v));
  const names = Array.isArray(rows[0]) ? null : Object.keys(rows[0]);
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "values" }, el("table", { class: "values" },
    names && el("thead", null, el("tr", null, names.map((n) => el("th", { scope: "col" }, n)))),
    el("tbody", null, rows.map((r) => el("tr", null, (names ? names.map((n) => r[n]) : Array.isArray(r) ? r : [r]).slice(0, 64).map((v) => el("td", null, cell(v))))))),
  a.table.length > rows.length && el("p", { class: "hint" }, `${count(a.table.length - rows.length)} rows more`));
}
