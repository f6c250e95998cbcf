// The stage: a picture at any size, and the value of the pixel under the pointer.

import { get, imageAddress } from "./api.js";
import { el, replace } from "./dom.js";
import { size } from "./format.js";

const largest = 32; // screen pixels for one of the picture

// Stage shows a sample's pictures, one at a time.
export class Stage {
  constructor(ctx, index, fields) {
    this.ctx = ctx;
    this.index = index;
    this.scale = 1;
    this.fitted = true;
    this.readout = el("span", { class: "readout", "aria-hidden": "true" });
    this.level = el("span", { class: "level", "aria-live": "off" });
    this.caption = el("span", { class: "what" });
    this.img = el("img", { alt: `picture of sample ${index}`, draggable: "false" });
    this.mat = el("div", { class: "mat", tabindex: "0", role: "group", "aria-label": "Picture; + and - zoom, scroll to move" }, this.img);
    const press = (text, title, f) => el("button", { type: "button", class: "quiet", title, "aria-label": title, onclick: f }, text);
    const choice = fields.length > 1 && el("select", { "aria-label": "Image field", onchange: (e) => this.load(fields[e.target.selectedIndex]) },
      fields.map((f) => el("option", null, f.name)));
    this.node = el("section", { class: "stage", "aria-label": "Picture" }, this.mat,
      el("div", { class: "instruments" }, choice, this.caption, this.readout,
        el("span", { class: "zoom" },
          press("−", "Smaller (-)", () => this.zoom(1 / 1.5)), this.level, press("+", "Larger (+)", () => this.zoom(1.5)),
          press("Fit", "Fit (0)", () => this.fit()), press("1:1", "One pixel for one (1)", () => this.set(1 / devicePixelRatio, false)))));
    this.listen();
    this.load(fields[0]);
  }

  keys() {
    return { "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), 0: () => this.fit(), 1: () => this.set(1 / devicePixelRatio, false) };
  }

  load(field) {
    const m = field.metadata ?? {};
    const mode = m.mode === undefined || m.mode === null ? "" : ` ${m.mode}`;
    this.width = Number(m.width) || 0;
    this.height = Number(m.height) || 0;
    replace(this.caption, `${this.width} × ${this.height}${mode} · ${size(field.size)}`);
    this.pixels = null;
    this.field = field;
    this.img.hidden = false;
    this.mat.querySelector(".damage")?.remove();
    this.img.src = imageAddress(this.index, field.name, 0);
  }

  listen() {
    const { img, mat, ctx } = this;
    img.addEventListener("load", () => {
      this.width = img.naturalWidth;
      this.height = img.naturalHeight;
      if (this.fitted) this.fit();
    });
    img.addEventListener("error", () => this.damaged());
    mat.addEventListener("wheel", (e) => {
      if (!e.ctrlKey && !e.metaKey && this.fitted) return; // the page scrolls
      if (!e.ctrlKey && !e.metaKey && !e.altKey) return; // the picture scrolls
      e.preventDefault();
      this.zoom(Math.exp(-e.deltaY / 250), e);
    }, { passive: false });
    mat.addEventListener("dblclick", (e) => (this.fitted ? this.set(Math.max(1, this.scale * 2), false, e) : this.fit()));
    this.drag();
    img.addEventListener("pointermove", (e) => this.read(e));
    img.addEventListener("pointerleave", () => { this.readout.textContent = ""; });
    const seen = new ResizeObserver(() => this.fitted && this.fit());
    seen.observe(mat);
    ctx.signal.addEventListener("abort", () => seen.disconnect());
  }

  drag() {
    const { mat } = this;
    let from = null;
    mat.addEventListener("pointerdown", (e) => {
      if (this.fitted || e.button !== 0 || e.pointerType === "touch") return;
      from = { x: e.clientX, y: e.clientY, left: mat.scrollLeft, top: mat.scrollTop };
      mat.setPointerCapture(e.pointerId);
      mat.classList.add("held");
    });
    mat.addEventListener("pointermove", (e) => {
      if (!from) return;
      mat.scrollLeft = from.left - (e.clientX - from.x);
      mat.scrollTop = from.top - (e.clientY - from.y);
    });
    const drop = () => {
      from = null;
      mat.classList.remove("held");
    };
    mat.addEventListener("pointerup", drop);
    mat.addEventListener("pointercancel", drop);
  }

  // fit makes the picture as large as the mat, small ones as squares.
  fit() {
    const { mat } = this;
    if (!this.width || !this.height) return;
    const room = { w: mat.clientWidth - 24, h: mat.clientHeight - 24 };
    const most = Math.max(2, Math.min(48, 640 / Math.max(this.width, this.height)));
    this.set(Math.max(0.01, Math.min(room.w / this.width, room.h / this.height, most)), true);
  }

  zoom(by, at) {
    this.set(Math.max(0.02, Math.min(this.scale * by, largest)), false, at);
  }

  // set changes the scale and leaves the point at, or the middle, where it is.
  set(scale, fitted, at) {
    const { mat, img } = this;
    if (!this.width) return;
    const box = mat.getBoundingClientRect();
    const x = at ? at.clientX - box.left : box.width / 2;
    const y = at ? at.clientY - box.top : box.height / 2;
    const before = img.getBoundingClientRect();
    const u = (x + box.left - before.left) / (before.width || 1);
    const v = (y + box.top - before.top) / (before.height || 1);
    this.scale = scale;
    this.fitted = fitted;
    img.style.setProperty("width", `${this.width * scale}px`);
    img.style.setProperty("height", `${this.height * scale}px`);
    img.classList.toggle("coarse", scale * devicePixelRatio >= 2);
    mat.classList.toggle("movable", !fitted);
    const after = img.getBoundingClientRect();
    mat.scrollLeft += after.left + u * after.width - (x + box.left);
    mat.scrollTop += after.top + v * after.height - (y + box.top);
    this.level.textContent = `${Math.round(scale * devicePixelRatio * 100)}%`;
  }

  // read tells the pixel under the pointer, from a canvas filled at first need.
  read(e) {
    const { img } = this;
    const box = img.getBoundingClientRect();
    const x = Math.floor(((e.clientX - box.left) / box.width) * this.width);
    const y = Math.floor(((e.clientY - box.top) / box.height) * this.height);
    if (!(x >= 0 && y >= 0 && x < this.width && y < this.height) || !img.complete) return;
    if (!this.pixels && this.width * this.height <= 32e6) {
      const canvas = el("canvas", { width: this.width, height: this.height });
      this.pixels = canvas.getContext("2d", { willReadFrequently: true });
      this.pixels.drawImage(img, 0, 0);
    }
    const rgb = this.pixels ? [...this.pixels.getImageData(x, y, 1, 1).data].slice(0, 3).map((v) => String(v).padStart(3, "\u2007")).join(" ") : "";
    this.readout.textContent = `x ${x}  y ${y}  rgb ${rgb}`;
  }

  // An img tells nothing of its error: the route says it when it is asked again.
  async damaged() {
    const { field, ctx } = this;
    this.img.hidden = true;
    const box = el("div", { class: "damage" }, el("p", { class: "lead" }, "This picture could not be decoded."));
    this.mat.append(box);
    try {
      await get(`/api/sample/${this.index}/image`, { field: field.name, side: 0 }, ctx.signal);
    } catch (e) {
      if (this.field === field && e.message) box.append(el("p", null, e.message), e.hint ? el("p", { class: "hint" }, e.hint) : "");
    }
  }
}
