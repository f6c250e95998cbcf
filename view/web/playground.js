// The playground: a pipeline, the same picture under sixteen seeds, and the code
// that does the same in a program.

import { ended, get, imageAddress, picture, post } from "./api.js";
import { clip, el, later, replace, say } from "./dom.js";
import { count, dtype, short } from "./format.js";
import { Editor } from "./pipeline.js";

const seeds = 16;

// last is the pipeline that was edited last: coming back, and the loader's view,
// find it again.
let last = null;

// lastPipeline is that pipeline with its field, or null.
export function lastPipeline() {
  return last;
}

// show draws the playground for the sample and pipeline of the address.
export async function show(ctx) {
  const images = ctx.dataset.fields.filter((f) => f.kind === "image");
  if (!images.length || !ctx.dataset.samples) {
    replace(ctx.root, el("div", { class: "empty" }, el("p", { class: "lead" }, "There is no picture to augment."), el("p", { class: "hint" }, "The playground runs pipelines on image fields; this dataset has none, or no samples.")));
    ctx.ready();
    return;
  }
  const answer = await get("/api/ops", null, ctx.signal);
  const play = new Playground(ctx, images, Array.isArray(answer) ? answer : answer.ops, answer.presets ?? []);
  play.draw();
  await play.run();
  ctx.ready();
}

// Playground is the view's state.
class Playground {
  constructor(ctx, images, ops, presets) {
    const { params, dataset } = ctx;
    Object.assign(this, { ctx, images, presets });
    const whole = (name, fallback) => (/^\d{1,15}$/.test(params.get(name) ?? "") ? Number(params.get(name)) : fallback);
    this.sample = Math.min(whole("sample", last?.sample ?? 0), dataset.samples - 1);
    this.seed = whole("seed", last?.seed ?? 0);
    this.field = images.some((f) => f.name === params.get("field")) ? params.get("field") : last?.field ?? images[0].name;
    this.editor = new Editor(ops, later(() => this.run(), 250));
    this.editor.set(this.begin(params.get("pipeline")));
    this.tiles = Array.from({ length: seeds }, (_, i) => this.tile(i));
    this.outcome = el("p", { class: "line outcome", "aria-live": "polite" });
    this.flaw = el("p", { class: "flaw", role: "alert", hidden: true });
    this.code = { go: el("pre", { id: "code-go", tabindex: "0", "aria-label": "Go" }), python: el("pre", { id: "code-python", tabindex: "0", "aria-label": "Python" }) };
    this.notes = el("div", { class: "hint" });
    this.urls = [];
    ctx.signal.addEventListener("abort", () => {
      this.turn?.abort();
      this.urls.forEach((u) => URL.revokeObjectURL(u));
    });
  }

  begin(text) {
    try {
      const list = JSON.parse(text);
      if (Array.isArray(list) && list.every((s) => s && typeof s.op === "string")) return list;
    } catch {
      // Not what this page wrote: the usual pipeline.
    }
    return last?.pipeline ?? this.presets[0]?.pipeline ?? [];
  }

  draw() {
    const { ctx } = this;
    replace(ctx.root, el("div", { class: "playground" },
      el("section", { class: "recipe", "aria-label": "Pipeline" }, el("h2", { class: "hush" }, "Augment"), this.chooser(), this.presetChoice(), this.flaw, this.editor.node),
      el("section", { class: "proofs", "aria-label": "Results" },
        el("div", { class: "map-head" }, this.outcome, this.seedBar()),
        el("ol", { class: "seeds" }, this.tiles.map((t) => t.node)), this.codes())));
    ctx.keys({ r: () => this.reseed(), ArrowLeft: () => this.pick(this.sample - 1), ArrowRight: () => this.pick(this.sample + 1) });
  }

  chooser() {
    this.thumb = el("img", { alt: "the picture as it is stored" });
    this.index = el("input", { type: "number", id: "play-sample", min: 0, max: this.ctx.dataset.samples - 1, step: 1, value: this.sample, "aria-label": "Sample", onchange: (e) => this.pick(Number.parseInt(e.target.value, 10)) });
    const field = this.images.length > 1 && el("select", { "aria-label": "Field", onchange: (e) => { this.field = e.target.value; this.run(); } }, this.images.map((f) => el("option", { selected: f.name === this.field }, f.name)));
    this.link = el("a", { class: "thumb" }, this.thumb);
    return el("div", { class: "chooser" }, this.link, el("div", null,
      el("label", { class: "row" }, "sample ", this.index), field,
      el("span", { class: "row" },
        el("button", { type: "button", "aria-label": "previous sample", onclick: () => this.pick(this.sample - 1) }, "←"),
        el("button", { type: "button", "aria-label": "next sample", onclick: () => this.pick(this.sample + 1) }, "→"),
        el("button", { type: "button", onclick: () => this.pick(Math.floor(Math.random() * this.ctx.dataset.samples)) }, "Any"))));
  }

  presetChoice() {
    const choice = el("select", { id: "preset", "aria-label": "Preset" }, el("option", { value: "" }, "Presets…"), this.presets.map((p, i) => el("option", { value: String(i) }, p.name)));
    choice.addEventListener("change", () => {
      const p = this.presets[Number(choice.value)];
      if (choice.value === "" || !p) return;
      this.editor.set(p.pipeline);
      say(`${p.name}`);
      this.run();
    });
    return el("p", { class: "row" }, choice);
  }

  seedBar() {
    this.seedInput = el("input", { type: "number", min: 0, step: 1, value: this.seed, id: "seed", "aria-label": "First seed", onchange: (e) => this.reseed(Number.parseInt(e.target.value, 10) || 0) });
    return el("span", { class: "row" }, el("label", null, "seeds from ", this.seedInput), el("button", { type: "button", id: "reseed", title: "Other seeds (r)", onclick: () => this.reseed() }, "Other seeds"));
  }

  reseed(to = this.seed + seeds) {
    this.seed = Math.max(0, Math.min(to, 2 ** 40));
    this.seedInput.value = this.seed;
    this.run();
  }

  pick(i) {
    const n = this.ctx.dataset.samples;
    if (!(i >= 0 && i < n)) {
      this.index.value = this.sample;
      return;
    }
    this.sample = i;
    this.index.value = i;
    this.run();
  }

  tile(i) {
    const img = el("img", { alt: "" });
    const told = el("span", { class: "drawn" });
    const name = el("b");
    const frame = el("button", { type: "button", class: "proof", onclick: () => this.enlarge(i) }, img);
    return { img, told, name, frame, node: el("li", { class: "seed", dataset: { seed: i } }, frame, el("p", null, name, told)) };
  }

  // run asks for everything anew: first whether the pipeline is right, then the
  // pictures, of which the browser has some at a time.
  async run() {
    const { ctx } = this;
    this.turn?.abort();
    this.turn = new AbortController();
    const { signal } = this.turn;
    const pipeline = this.editor.pipeline;
    last = { pipeline, whole: this.editor.whole, field: this.field, sample: this.sample, seed: this.seed };
    ctx.keepParams({ sample: this.sample, seed: this.seed || null, field: this.images.length > 1 ? this.field : null, pipeline: JSON.stringify(pipeline) });
    this.thumb.src = imageAddress(this.sample, this.field, 192);
    this.link.href = `#/sample/${this.sample}`;
    this.link.setAttribute("aria-label", `sample ${this.sample}`);
    this.tiles.forEach((t) => t.node.classList.add("stale"));
    try {
      const bound = await post("/api/playground", { pipeline, field: this.field, sample: this.sample, seed: this.seed }, signal);
      this.editor.clear();
      this.flaw.hidden = true;
      this.tell(bound);
      await Promise.all(this.tiles.map((t, i) => this.proof(t, this.seed + i, pipeline, signal)));
    } catch (e) {
      if (ended(e) || signal.aborted) return;
      this.wrong(e);
    }
  }

  tell(bound) {
    replace(this.outcome, el("b", null, dtype(bound.dtype)), " ", el("span", { class: "shape" }, `(${(bound.shape ?? []).join(" × ")})`), bound.fused && el("span", { class: "hint fused" }, clip(passes(bound.fused, bound.field), 240)));
    this.code.go.textContent = bound.go ?? "";
    this.code.python.textContent = bound.python ?? "";
    replace(this.notes, (bound.notes ?? []).map((n) => el("p", null, n)));
  }

  // wrong shows an error at the operation that caused it.
  wrong(e) {
    const placed = this.editor.blame(e.body?.at, e.body?.param, e.message);
    this.flaw.hidden = placed;
    if (placed) this.editor.list.querySelector(".wrong")?.scrollIntoView({ block: "nearest" });
    else replace(this.flaw, e.message, e.hint && el("span", { class: "hint" }, ` ${e.hint}`));
    replace(this.outcome, el("span", { class: "flaw" }, "This pipeline does not run."), this.tiles[0].drawn && el("span", { class: "hint" }, " The pictures are those of the last one that did."));
  }

  async proof(tile, seed, pipeline, signal) {
    tile.name.textContent = `${seed}`;
    tile.node.dataset.number = seed;
    try {
      const p = await picture("/api/playground/image", { sample: this.sample, field: this.field, seed, pipeline: JSON.stringify(pipeline) }, signal);
      const old = tile.img.src;
      tile.img.src = p.url;
      this.urls.push(p.url);
      if (old.startsWith("blob:")) {
        URL.revokeObjectURL(old);
        this.urls = this.urls.filter((u) => u !== old);
      }
      tile.drawn = p.drawn;
      tile.seed = seed;
      const text = summary(p.drawn);
      tile.told.textContent = ` ${text}`;
      tile.told.title = text;
      tile.img.alt = `under seed ${seed}: ${text || "nothing drawn"}`;
      tile.frame.hidden = false;
      tile.node.classList.remove("stale");
    } catch (e) {
      if (ended(e) || signal.aborted) return;
      tile.told.textContent = ` ${e.message}`;
    }
  }

  // enlarge shows one result with all that was drawn for it.
  enlarge(i) {
    const t = this.tiles[i];
    const dialog = el("dialog", { class: "proof-dialog", "aria-label": `seed ${t.seed}` },
      el("header", null, el("h2", null, `Seed ${t.seed}`), el("button", { type: "button", class: "quiet", autofocus: true, onclick: () => dialog.close() }, "Close")),
      el("div", { class: "proof-large" }, el("img", { src: t.img.src, alt: t.img.alt, class: t.img.naturalWidth <= 128 ? "coarse" : null }), drawnTable(t.drawn)));
    dialog.addEventListener("click", (e) => e.target === dialog && dialog.close());
    dialog.addEventListener("close", () => { dialog.remove(); t.frame.focus(); });
    this.ctx.signal.addEventListener("abort", () => dialog.close());
    document.body.append(dialog);
    dialog.showModal();
  }

  codes() {
    const block = (name, title, pre) => el("section", { class: "code card" },
      el("header", null, el("h3", null, title), el("button", { type: "button", class: "quiet", dataset: { copy: name }, onclick: (e) => copy(pre, e.target) }, "Copy")), pre);
    return el("div", { class: "codes" }, block("go", "Go", this.code.go), block("python", "Python", this.code.python), this.notes);
  }
}

// passes is how the loader does it, without what stands beside it anyway: the
// field's name in front, type and shape behind.
function passes(fused, field) {
  const text = fused.startsWith(`${field}: `) ? fused.slice(field.length + 2) : fused;
  return text.replace(/ -> [^>]*$/, "");
}

async function copy(pre, button) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
  } catch {
    // Without the clipboard's permission the text is at least selected.
    getSelection().selectAllChildren(pre);
    button.textContent = "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
    return;
  }
  button.textContent = "Copied";
  say("copied");
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

// told are what a summary has said already, or leaves to the larger view.
const told = new Set(["x", "y", "w", "h", "width", "height", "flip", "crop", "box", "applied", "order"]);

// summary is what was drawn in a line.
function summary(drawn) {
  if (!drawn) return "";
  const parts = [];
  const box = drawn.crop;
  if (drawn.flip) parts.push("flipped");
  if (box) parts.push(`${short(box.w)} × ${short(box.h)} at ${short(box.x)}, ${short(box.y)}`);
  for (const s of drawn.steps ?? []) {
    if (s.drawn?.applied === false) continue;
    for (const [k, v] of Object.entries(s.drawn ?? {})) {
      if (told.has(k) || v === false || v?.length === 0) continue;
      parts.push(v === true ? k : `${k} ${plain(v)}`);
    }
  }
  if (drawn.batch) parts.push(`mixed with ${drawn.batch.length - 1} others`);
  return parts.join(" · ");
}

function plain(v) {
  if (Array.isArray(v)) return v.map(plain).join(" ");
  if (v && typeof v === "object") return Object.entries(v).map(([k, w]) => `${k} ${plain(w)}`).join(" ");
  return typeof v === "number" ? short(v) : String(v);
}

function drawnTable(drawn) {
  if (!drawn) return null;
  const rows = [];
  const add = (k, v) => v !== undefined && v !== null && rows.push(el("div", null, el("dt", null, k), el("dd", null, plain(v))));
  add("result", `${dtype(drawn.dtype)} (${(drawn.shape ?? []).join(" × ")})`);
  add("stored", drawn.stored);
  add("crop", drawn.crop);
  add("flipped", drawn.flip);
  for (const s of drawn.steps ?? []) add(s.op, s.drawn && Object.keys(s.drawn).length ? s.drawn : "draws nothing");
  add("mixed of", drawn.batch && drawn.batch.map(count));
  add("shown", drawn.mapped);
  return el("dl", { class: "pairs" }, rows);
}
