// The gallery: a contact sheet of one page of samples, or of what a search finds.

import { ended, get, imageAddress } from "./api.js";
import { clip, el, replace, say } from "./dom.js";
import { count, size } from "./format.js";
import { keep, kept } from "./keep.js";
import { classHash } from "./links.js";

// sheets are the sizes of a contact sheet: a row's height, the pictures asked
// for, and how many to a page. Few sizes, so that the server's store of rendered
// pictures is used again.
const sheets = {
  small: { row: 92, side: 192, count: 120 },
  medium: { row: 148, side: 320, count: 60 },
  large: { row: 260, side: 512, count: 30 },
};
const steps = Object.keys(sheets);

// A search goes on by itself for so many requests, then asks: a rare term in a
// hundred million samples must not keep a disk busy unasked.
const unasked = 12;

// trail are the cursors of a search's earlier pages. The server only walks
// forward, so going back means to know where one was.
const trail = { q: "", cursors: [] };

// came is the sample that was opened from the gallery, focused on return.
let came = -1;

// show draws the page that the parameters name: start, or q with cursor and page.
export async function show(ctx) {
  const q = ctx.params.get("q") ?? "";
  const sheet = new Sheet(ctx, q);
  await (q ? sheet.search() : sheet.browse());
}

// Sheet is one page.
class Sheet {
  constructor(ctx, q) {
    this.ctx = ctx;
    this.q = q;
    this.size = Object.hasOwn(sheets, kept("sheet") ?? "") ? kept("sheet") : "medium";
    this.start = Math.max(0, Math.min(Number.parseInt(ctx.params.get("start") ?? "0", 10) || 0, Math.max(0, ctx.dataset.samples - 1)));
    this.page = Math.max(1, Number.parseInt(ctx.params.get("page") ?? "1", 10) || 1);
    this.cursor = ctx.params.get("cursor");
    if (!this.cursor) this.page = 1; // where a later one begins is not known
    this.tiles = [];
    this.current = 0;
    this.list = el("ul", { class: `sheet ${this.size}`, "aria-label": "Samples" });
    this.status = el("p", { class: "status" });
    this.more = el("p", { class: "more" });
    this.bar = el("div", { class: "pager", role: "toolbar", "aria-label": "Pages" });
    this.list.addEventListener("focusin", (e) => this.onFocus(e));
  }

  get perPage() {
    return sheets[this.size].count;
  }

  keys() {
    const by = (n) => () => this.move(n);
    this.ctx.keys({
      ArrowRight: by(1), ArrowLeft: by(-1),
      ArrowDown: () => this.row(1), ArrowUp: () => this.row(-1),
      Home: () => this.focus(0), End: () => this.focus(this.tiles.length - 1),
      n: () => this.next?.(), p: () => (this.previous ? this.previous() : say("This is the first page.")),
      "+": () => this.resize(1), "=": () => this.resize(1), "-": () => this.resize(-1),
    });
  }

  draw() {
    replace(this.ctx.root, el("div", { class: "gallery" }, this.status, this.list, this.more), this.bar);
    this.keys();
  }

  async browse() {
    const { ctx } = this;
    const answer = await get("/api/samples", { start: this.start, count: this.perPage }, ctx.signal);
    this.add(answer.items);
    const total = ctx.dataset.samples;
    const end = this.start + answer.items.length;
    if (end < total) this.next = () => ctx.go(this.at(end));
    if (this.start > 0) this.previous = () => ctx.go(this.at(Math.max(0, this.start - this.perPage)));
    this.draw();
    this.drawPager(total ? `${count(this.start)} – ${count(end - 1)} of ${count(total)}` : "no samples");
    if (total === 0) this.empty("This dataset has no samples.", "A file without samples is valid; there is nothing to look at.");
    this.settle();
  }

  at(start) {
    return start > 0 ? `#/?start=${start}` : "#/";
  }

  async search() {
    const { ctx } = this;
    if (trail.q !== this.q) Object.assign(trail, { q: this.q, cursors: [] });
    if (this.page === 1) this.cursor = null;
    trail.cursors[this.page - 1] = this.cursor;
    this.from = this.cursor;
    this.scanned = 0;
    this.skipped = 0;
    this.drawn = false;
    try {
      await this.continue();
    } catch (e) {
      if (e.status !== 400) throw e;
      this.misread(e);
      return;
    }
    ctx.signal.throwIfAborted();
    this.settle();
  }

  // misread tells what is wrong with the words of a search.
  misread(e) {
    this.ctx.error(e);
    replace(this.ctx.root, el("div", { class: "empty" }, el("p", { class: "lead" }, "The search could not be read."),
      el("p", { class: "row" }, el("button", { type: "button", popovertarget: "query" }, "How to search"), el("a", { class: "button", href: "#/" }, "All samples"))));
    this.ctx.ready();
  }

  // continue asks on from the cursor till the page is full, all is searched, or
  // it has asked often enough to ask the person.
  async continue() {
    const { ctx } = this;
    this.running = true;
    for (let turn = 0; turn < unasked && this.running; turn++) {
      const want = this.perPage - this.tiles.length;
      const answer = await get("/api/samples", { q: this.q, cursor: this.from, count: want }, ctx.signal);
      this.scanned += answer.scanned ?? 0;
      this.skipped += answer.skipped ?? 0;
      this.total = answer.total ?? null;
      this.add(answer.items);
      this.from = answer.cursor;
      this.done = answer.done || answer.cursor === null;
      if (this.done || this.tiles.length >= this.perPage) this.running = false;
      if (!this.drawn) this.draw();
      this.drawn = true;
      this.progress();
    }
    this.running = false;
    this.progress();
  }

  progress() {
    const full = this.tiles.length >= this.perPage;
    this.next = full && !this.done ? () => this.goPage(this.page + 1, this.from) : null;
    // After a reload the way here is forgotten: the first page is known in any case.
    const before = trail.cursors[this.page - 2];
    this.previous = this.page > 1 ? () => this.goPage(before ? this.page - 1 : 1, before) : null;
    const found = this.total !== null ? `${count(this.total)} found` : `${count(this.tiles.length)}${this.done && this.page === 1 ? " found" : " on this page"}`;
    this.drawPager(`page ${this.page} · ${found}`);
    replace(this.status, el("span", null, el("code", { class: "asked" }, clip(this.q, 120))),
      el("span", null, this.running ? "searching, " : this.done ? "searched to the end, " : "", `${count(this.scanned)} samples looked at`),
      this.skipped > 0 && el("span", { class: "flaw" }, `${count(this.skipped)} could not be read`),
      el("a", { href: "#/" }, "Clear the search"));
    const stopped = !this.running && !this.done && !full;
    replace(this.more,
      this.running && [el("progress", { "aria-label": "searching" }), el("button", { type: "button", onclick: () => { this.running = false; } }, "Stop")],
      stopped && [`${count(this.scanned)} samples looked at, ${count(this.tiles.length)} found so far. `, el("button", { type: "button", onclick: () => this.goOn() }, "Continue the search")]);
    if (this.done && this.tiles.length === 0) {
      this.empty(this.page > 1 ? "No more samples match." : "No sample matches.", "Terms all have to hold. Try fewer of them, or class:name* for all classes that begin so.");
    }
  }

  async goOn() {
    try {
      await this.continue();
      say(`${this.tiles.length} found`);
    } catch (e) {
      if (!ended(e)) this.ctx.error(e);
    }
  }

  goPage(page, cursor) {
    const p = new URLSearchParams({ q: this.q });
    if (page > 1) {
      p.set("page", page);
      if (cursor) p.set("cursor", cursor);
    }
    this.ctx.go(`#/?${p}`);
  }

  empty(lead, hint) {
    replace(this.more, el("span", { class: "empty" }, el("span", { class: "lead" }, lead), el("span", { class: "hint" }, hint)));
  }

  settle() {
    const back = this.tiles.findIndex((t) => Number(t.dataset.index) === came);
    came = -1;
    if (back >= 0) this.current = back;
    this.rove();
    this.ctx.ready(back >= 0 ? this.tiles[back] : null);
    if (back < 0) window.scrollTo(0, 0);
  }

  add(items) {
    // Words need less room than pictures.
    if (!this.tiles.length) this.list.classList.toggle("plain", !items.some((i) => i.image));
    for (const item of items) {
      const cell = this.cell(item, this.tiles.length);
      this.list.append(cell);
    }
    this.rove();
  }

  cell(item, at) {
    const tile = el("a", {
      class: "tile", href: `#/sample/${item.index}`, dataset: { index: item.index, at }, tabindex: "-1",
      "aria-label": label(item), onclick: () => { came = item.index; },
    }, face(item, sheets[this.size]));
    this.tiles.push(tile);
    const chip = chipOf(item);
    const cell = el("li", { class: "cell" }, tile,
      el("div", { class: "edge" }, el("span", { class: "frame" }, count(item.index)),
        item.key && el("span", { class: "key", title: clip(item.key, 400) }, clip(item.key, 60)), chip));
    const ratio = item.image ? item.image.width / item.image.height : 2.4;
    cell.style.setProperty("--ratio", String(Math.max(0.5, Math.min(ratio || 1, 2.6))));
    return cell;
  }

  drawPager(where) {
    const { ctx } = this;
    const total = ctx.dataset.samples;
    const press = (id, text, f, key) => el("button", { type: "button", id, disabled: !f, title: `${text} page (${key})`, onclick: () => f?.() }, text);
    const jump = el("input", { type: "number", min: 0, max: Math.max(0, total - 1), step: 1, id: "jump", placeholder: "index", "aria-label": "Jump to index", inputmode: "numeric" });
    const go = (e) => {
      e.preventDefault();
      const i = Number.parseInt(jump.value, 10);
      if (Number.isInteger(i) && i >= 0 && i < total) ctx.go(this.at(i) === location.hash ? "#/" : this.at(i));
      else ctx.error({ message: `There is no sample ${clip(jump.value, 20)}.`, hint: `Indices go from 0 to ${count(total - 1)}.` });
    };
    const film = el("input", { type: "range", class: "film", name: "film", min: 0, max: Math.max(0, total - 1), step: this.perPage, value: this.start, "aria-label": "Position in the dataset", onchange: (e) => ctx.go(this.at(Number(e.target.value))) });
    const focused = document.activeElement?.id;
    replace(this.bar,
      press("previous", "Previous", this.previous, "p"), press("next", "Next", this.next, "n"),
      el("span", { class: "where" }, where),
      !this.q && total > this.perPage && film,
      total > 0 && el("form", { class: "jump", onsubmit: go }, jump, el("button", { type: "submit" }, "Go")),
      el("span", { class: "sizes", role: "group", "aria-label": "Size of the pictures" },
        steps.map((s) => el("button", { type: "button", class: "quiet", "aria-pressed": String(s === this.size), title: `${s} pictures`, "aria-label": `${s} pictures`, onclick: () => this.sized(s) }, s[0].toUpperCase()))));
    if (focused) this.bar.querySelector(`#${CSS.escape(focused)}`)?.focus();
  }

  resize(by) {
    const i = steps.indexOf(this.size) + by;
    if (steps[i]) this.sized(steps[i]);
  }

  sized(name) {
    keep("sheet", name);
    came = Number(this.tiles[this.current]?.dataset.index ?? -1);
    // Another size is another number to a page: the page that has the sample.
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  }

  // Only one tile is a stop of the tab key: the arrows do the rest.
  rove() {
    this.tiles.forEach((t, i) => {
      const here = i === this.current ? "0" : "-1";
      t.setAttribute("tabindex", here);
      t.parentElement.querySelector(".chip")?.setAttribute("tabindex", here);
    });
  }

  onFocus(e) {
    const tile = e.target.closest(".cell")?.querySelector(".tile");
    if (!tile) return;
    this.current = Number(tile.dataset.at);
    this.rove();
  }

  focus(i) {
    this.tiles[Math.max(0, Math.min(i, this.tiles.length - 1))]?.focus();
  }

  move(by) {
    if (!this.tiles.length) return false;
    const inside = this.list.contains(document.activeElement);
    this.focus(inside ? this.current + by : this.current);
    return true;
  }

  // row goes to the tile above or below whose middle is nearest.
  row(by) {
    if (!this.list.contains(document.activeElement)) return this.move(0);
    const here = this.tiles[this.current].getBoundingClientRect();
    const middle = here.left + here.width / 2;
    let best = null;
    let rowTop = null;
    for (let i = this.current + by; i >= 0 && i < this.tiles.length; i += by) {
      const r = this.tiles[i].getBoundingClientRect();
      if (Math.abs(r.top - here.top) < 4) continue;
      rowTop ??= r.top;
      if (Math.abs(r.top - rowTop) >= 4) break;
      const away = Math.abs(r.left + r.width / 2 - middle);
      if (!best || away < best.away) best = { i, away };
    }
    if (best) this.focus(best.i);
    return true;
  }
}

function label(item) {
  const name = item.class ?? (item.label !== null && item.label !== undefined ? `label ${item.label}` : "");
  return [`sample ${item.index}`, name, item.caption].filter(Boolean).map((t) => clip(t, 120)).join(", ");
}

// face is what of a sample can be seen at a glance.
function face(item, sheet) {
  if (item.error) return el("span", { class: "damaged" }, el("b", null, "damaged"), clip(item.error, 120));
  if (item.image) {
    const side = sheet.side * (devicePixelRatio > 1.4 && sheet.side < 512 ? 2 : 1);
    const img = el("img", { class: Math.max(item.image.width, item.image.height) <= 64 ? "coarse" : null, loading: "lazy", decoding: "async", alt: "", src: imageAddress(item.index, item.image.field, side) });
    img.addEventListener("error", () => img.replaceWith(el("span", { class: "damaged" }, el("b", null, "damaged"), `${clip(item.image.field, 20)} ${size(item.image.bytes)}`)), { once: true });
    return img;
  }
  if (item.audio) return el("span", { class: "words" }, el("b", null, "♪ audio"), el("span", null, `${clip(item.audio.field, 30)} · ${size(item.audio.bytes)}`), el("span", null, clip(item.caption ?? "", 160)));
  const small = Object.entries(item.fields ?? {}).slice(0, 6);
  if (small.length) {
    return el("span", { class: "words" }, small.map(([k, v]) => el("span", { class: "pair" }, el("i", null, clip(k, 16)), el("span", null, clip(typeof v === "number" && !Number.isInteger(v) ? Number(v.toPrecision(7)) : v ?? "null", 60)))));
  }
  return el("span", { class: "words" }, clip(item.caption || "no small values", 160));
}

function chipOf(item) {
  const has = item.label !== null && item.label !== undefined;
  if (!has && !item.class) return null;
  const text = item.class || String(item.label);
  return el("a", { class: "chip", href: classHash(item.class, item.label), title: clip(`All of ${text}${has ? ` (label ${item.label})` : ""}`, 300) }, clip(text, 40));
}
