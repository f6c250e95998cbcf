// The page map: every page of the file a cell, by the field that fills it or by
// how full it is. Large files come in buckets of pages, into which one can look.

import { ended, get } from "./api.js";
import { colourOf, css, hueOf } from "./colour.js";
import { el, replace, say } from "./dom.js";
import { count, percent, plural, size } from "./format.js";
import { pagePanel } from "./page.js";
import { tip, untip } from "./plot.js";
import { onTheme, token } from "./theme.js";

const mostBuckets = 2048;
const whole = /^\d{1,15}$/;

// show draws the map of the whole file, or of pages from to to.
export async function show(ctx) {
  const map = new PageMap(ctx, number(ctx.params.get("file")));
  await map.load(number(ctx.params.get("from")), number(ctx.params.get("to")));
  map.draw();
  const page = number(ctx.params.get("page"));
  // The first page of a small file is opened unasked: it shows what a page is.
  if (page !== null) await map.pick(page, true);
  else if (map.single && map.buckets.length && map.buckets.length <= 40) await map.pick(map.buckets[0].from, false);
  ctx.ready(map.buckets.length ? map.canvas : null);
}

function number(text) {
  return whole.test(text ?? "") ? Number(text) : null;
}

// PageMap is the map and what was picked in it.
class PageMap {
  constructor(ctx, file) {
    this.ctx = ctx;
    this.file = file;
    this.mode = "field";
    this.cursor = 0;
    this.panel = el("div", { class: "panel", "aria-live": "polite" });
    this.where = el("p", { class: "line" });
    this.legend = el("div", { class: "legend" });
    this.canvas = el("canvas", { id: "pagemap", tabindex: "0", role: "application", "aria-roledescription": "page map", "aria-label": "Page map: arrows move, Enter looks into a page" });
  }

  async load(from, to) {
    const data = await get("/api/pages", { buckets: mostBuckets, from, to, file: this.file }, this.ctx.signal);
    this.data = data;
    this.names = data.fields ?? [];
    this.buckets = data.buckets ?? [];
    this.whole = from === null;
    this.cursor = 0;
    this.single = this.buckets.every((b) => b.to - b.from <= 1 || b.to === b.from);
  }

  // pagesOf is how many pages a bucket has: its end is the first page behind it.
  pagesOf(b) {
    return Math.max(1, b.to - b.from);
  }

  draw() {
    const { ctx, data } = this;
    if (!this.buckets.length) {
      replace(ctx.root, el("div", { class: "pages" }, el("div", { class: "lead-in" }, el("h2", null, "Pages"), this.files(), layout(data, ctx.dataset)),
        el("p", { class: "empty" }, "No value lies in a page: all fields of this file are in its table of metadata.")));
      return;
    }
    const modes = [["field", "by field"], ["fill", "by fill"]].map(([m, text]) => el("button", { type: "button", class: "quiet", "aria-pressed": String(m === this.mode), dataset: { mode: m }, onclick: (e) => this.setMode(m, e.target) }, text));
    replace(ctx.root, el("div", { class: "pages" },
      el("div", { class: "lead-in" }, el("h2", null, "Pages"), this.files(), this.where, layout(data, ctx.dataset)),
      el("div", { class: "map-head" }, el("span", { class: "sizes", role: "group", "aria-label": "Colour" }, modes), this.legend),
      this.canvas, this.panel));
    this.tell();
    this.listen();
    const seen = new ResizeObserver(() => this.paint());
    seen.observe(this.canvas);
    ctx.signal.addEventListener("abort", () => seen.disconnect());
    onTheme(() => this.paint(), ctx.signal);
    this.paint();
  }

  // hash is the address of this file's map with other parameters.
  hash(params) {
    const q = new URLSearchParams({ ...(this.file === null ? {} : { file: this.file }), ...params }).toString();
    return `#/pages${q ? `?${q}` : ""}`;
  }

  // files lets one choose among the dataset's files.
  files() {
    const list = this.ctx.dataset.files ?? [];
    if (list.length < 2) return null;
    return el("select", { id: "file", "aria-label": "File", onchange: (e) => this.ctx.go(e.target.value === "0" ? "#/pages" : `#/pages?file=${e.target.value}`) },
      list.map((f, i) => el("option", { value: String(i), selected: i === (this.file ?? 0) }, f.name)));
  }

  tell() {
    const { data } = this;
    const first = this.buckets[0];
    const last = this.buckets.at(-1);
    const used = this.buckets.reduce((n, b) => n + b.used, 0);
    const room = this.buckets.reduce((n, b) => n + this.pagesOf(b), 0) * data.page_size;
    const per = Math.max(...this.buckets.map((b) => this.pagesOf(b)));
    replace(this.where,
      plural(data.pages, "page"), ` of ${size(data.page_size)} · ${percent(used / room)} filled`,
      per > 1 && ` · up to ${plural(per, "page")} a cell`,
      this.buckets.some((b) => b.estimated) && el("span", { class: "hint", title: "Only some of the table was read for the map" }, " · estimated"),
      !this.whole && [` · pages ${count(first.from)} – ${count(last.to - 1)} `, el("a", { href: this.hash({}) }, "show all")]);
    this.drawLegend();
  }

  setMode(mode, button) {
    this.mode = mode;
    for (const b of button.parentElement.children) b.setAttribute("aria-pressed", String(b === button));
    this.drawLegend();
    this.paint();
  }

  drawLegend() {
    const swatch = (colour, text) => {
      const box = el("i", { class: "swatch" });
      box.style.setProperty("background", colour);
      return el("span", null, box, text);
    };
    if (this.mode === "fill") {
      replace(this.legend, [0, 0.25, 0.5, 0.75, 1].map((s) => swatch(css(colourOf(s)), percent(s))));
      return;
    }
    const used = this.names.map((_, i) => this.buckets.reduce((n, b) => n + (b.fields?.[i] ?? 0), 0));
    const total = used.reduce((a, b) => a + b, 0) || 1;
    replace(this.legend, this.names.map((n, i) => used[i] > 0 && swatch(css(hueOf(i)), [el("b", null, n), ` ${percent(used[i] / total)}`])), el("span", { class: "hint" }, "paler: less filled"));
  }

  // grid is how cells lie: as large as the room lets them be, within bounds.
  grid() {
    const width = this.canvas.clientWidth;
    const n = this.buckets.length;
    const side = Math.max(7, Math.min(n <= 40 ? 72 : 34, Math.floor(Math.sqrt((width * 420) / n))));
    const cols = Math.max(1, Math.floor(width / side));
    return { side, cols, rows: Math.ceil(n / cols), width };
  }

  paint() {
    const { canvas } = this;
    if (!canvas.clientWidth) return;
    const g = this.grid();
    this.shape = g;
    canvas.style.setProperty("height", `${g.rows * g.side}px`);
    const dpr = devicePixelRatio || 1;
    canvas.width = Math.round(g.width * dpr);
    canvas.height = Math.round(g.rows * g.side * dpr);
    const c = canvas.getContext("2d");
    c.scale(dpr, dpr);
    c.clearRect(0, 0, g.width, g.rows * g.side);
    const gap = g.side > 12 ? 2 : 1;
    this.buckets.forEach((b, i) => this.cell(c, b, (i % g.cols) * g.side, Math.floor(i / g.cols) * g.side, g.side - gap));
    this.mark(c, this.cursor, token("--accent"));
    if (this.picked !== undefined) this.mark(c, this.picked, token("--ink"));
  }

  cell(c, b, x, y, side) {
    const fill = Math.min(1, b.used / (this.pagesOf(b) * this.data.page_size));
    c.fillStyle = token("--cell");
    c.fillRect(x, y, side, side);
    if (this.mode === "fill") {
      c.fillStyle = css(colourOf(fill));
      c.fillRect(x, y, side, side);
      return;
    }
    // Stripes in proportion: a page that two fields share shows both.
    const total = (b.fields ?? []).reduce((n, v) => n + v, 0);
    c.globalAlpha = 0.25 + 0.75 * fill;
    let at = y;
    (b.fields ?? []).forEach((v, i) => {
      if (!v) return;
      const tall = (v / total) * side;
      c.fillStyle = css(hueOf(i));
      c.fillRect(x, at, side, tall);
      at += tall;
    });
    c.globalAlpha = 1;
  }

  mark(c, i, colour) {
    const { side, cols } = this.shape;
    c.strokeStyle = colour;
    c.lineWidth = 2;
    c.strokeRect((i % cols) * side, Math.floor(i / cols) * side, side - 1, side - 1);
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointermove", (e) => {
      const i = this.at(e);
      if (i === null) untip();
      else tip(e, this.lines(this.buckets[i]));
    });
    canvas.addEventListener("pointerleave", untip);
    this.ctx.signal.addEventListener("abort", untip);
    canvas.addEventListener("click", (e) => {
      const i = this.at(e);
      if (i === null) return;
      this.move(i);
      this.enter();
    });
    canvas.addEventListener("focus", () => say(this.lines(this.buckets[this.cursor]).join(", ")));
    canvas.addEventListener("keydown", (e) => this.key(e));
  }

  at(e) {
    const r = this.canvas.getBoundingClientRect();
    const { side, cols } = this.shape;
    const col = Math.floor((e.clientX - r.left) / side);
    const i = Math.floor((e.clientY - r.top) / side) * cols + col;
    return col >= 0 && col < cols && i >= 0 && i < this.buckets.length ? i : null;
  }

  key(e) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.shape.cols, ArrowUp: -this.shape.cols, Home: -this.cursor, End: this.buckets.length - 1 - this.cursor }[e.key];
    if (step !== undefined) this.move(this.cursor + step);
    else if (e.key === "Enter" || e.key === " ") this.enter();
    else if (e.key === "Escape" && !this.whole) this.ctx.go(this.hash({}));
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  move(i) {
    if (i < 0 || i >= this.buckets.length) return;
    this.cursor = i;
    this.paint();
    say(this.lines(this.buckets[i]).join(", "));
  }

  lines(b) {
    const n = this.pagesOf(b);
    const fill = b.used / (n * this.data.page_size);
    const parts = (b.fields ?? []).map((v, i) => v > 0 && `${this.names[i]} ${size(v)}`).filter(Boolean);
    const known = b.first !== null && b.first !== undefined && b.samples > 0;
    return [n > 1 ? `pages ${count(b.from)} – ${count(b.to - 1)}` : `page ${count(b.from)}`, `${percent(fill)} filled${b.estimated ? " (estimated)" : ""}`, ...parts,
      known ? `${plural(b.samples, "sample")}, ${count(b.first)} – ${count(b.last)}` : ""].filter(Boolean);
  }

  // enter looks into a page, or nearer at the pages of a cell.
  enter() {
    const b = this.buckets[this.cursor];
    if (this.pagesOf(b) > 1) {
      this.ctx.go(this.hash({ from: b.from, to: b.to }));
      return;
    }
    this.pick(b.from);
  }

  async pick(page, kept = true) {
    const i = this.buckets.findIndex((b) => page >= b.from && page < b.from + this.pagesOf(b));
    if (i >= 0) {
      this.cursor = this.picked = i;
      this.paint();
    }
    try {
      const answer = await get(`/api/page/${page}`, { file: this.file }, this.ctx.signal);
      replace(this.panel, pagePanel(answer, this.data, this.names, (p) => this.hash({ page: p })));
      const p = { page, file: this.file };
      if (!this.whole) Object.assign(p, { from: this.buckets[0].from, to: this.buckets.at(-1).to });
      if (kept) this.ctx.keepParams(p);
      if (this.panel.getBoundingClientRect().top > innerHeight - 120) this.panel.scrollIntoView({ block: "nearest" });
    } catch (e) {
      if (!ended(e)) replace(this.panel, el("p", { class: "flaw" }, e.message));
    }
  }
}

// layout is the whole file as one strip: header, table, pages, allocations.
function layout(data, dataset) {
  const m = data.meta ?? {};
  const known = [["header", m.header], ["descriptors", m.descriptors], ["metadata", m.metadata], ["pages", data.pages * data.page_size], ["allocation table", m.alloc], ["extension", m.extension]].filter(([, n]) => n > 0);
  const total = known.reduce((n, [, v]) => n + v, 0) || dataset.size || 1;
  const strip = el("div", { class: "layout", role: "img", "aria-label": `layout of the file: ${known.map(([k, v]) => `${k} ${size(v)}`).join(", ")}` });
  for (const [k, v] of known) {
    const part = el("span", { class: `part ${k.split(" ")[0]}`, title: `${k}: ${size(v)}, ${percent(v / total)}` });
    part.style.setProperty("flex-grow", String(Math.max(v / total, 0.004)));
    strip.append(part);
  }
  return el("div", { class: "layout-box" }, strip, el("p", { class: "hint" }, known.map(([k, v], i) => [i > 0 && " · ", `${k} ${size(v)}`])));
}
