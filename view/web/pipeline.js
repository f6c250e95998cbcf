// The editor of a pipeline: a decoder and operations, each with its settings.

import { clip, el, replace, say } from "./dom.js";
import { dtype } from "./format.js";

// Editor edits a list of {op, args}. ops are what /api/ops tells, changed is
// called with the list after each change.
export class Editor {
  constructor(ops, changed) {
    this.ops = ops;
    this.byName = new Map(ops.map((o) => [o.name, o]));
    this.changed = changed;
    this.steps = [];
    this.list = el("ol", { class: "steps-list", "aria-label": "Pipeline" });
    this.node = el("div", { class: "editor" }, this.list, this.adder());
  }

  // pipeline has what differs from the defaults: so are the address and the code
  // that is made of it short.
  get pipeline() {
    return this.steps.map((s) => {
      const usual = this.fresh(s.op).args;
      const args = Object.fromEntries(Object.entries(s.args).filter(([k, v]) => JSON.stringify(v) !== JSON.stringify(usual[k])));
      return { op: s.op, ...(Object.keys(args).length ? { args } : {}) };
    });
  }

  // whole has all settings. To a loader what is left away is zero, and a crop of
  // width 0 an error.
  get whole() {
    return this.steps.map((s) => ({ op: s.op, args: { ...this.fresh(s.op).args, ...s.args } }));
  }

  // set takes a pipeline of a preset or of the address; unknown operations stay
  // in it, for the server to refuse where they are.
  set(pipeline) {
    this.steps = pipeline.map((s) => ({ op: String(s.op), args: { ...(s.args ?? {}) } }));
    this.draw();
  }

  adder() {
    const groups = [["operations", this.ops.filter((o) => o.kind === "image")], ["crops and sizes, of what came before", this.ops.filter((o) => o.kind === "decoder" && o.also)],
      ["on whole batches", this.ops.filter((o) => o.kind === "batch")], ["others", this.ops.filter((o) => !["image", "decoder", "batch"].includes(o.kind))]];
    const choice = el("select", { id: "add-op", "aria-label": "Operation to add" }, el("option", { value: "" }, "Add an operation…"),
      groups.filter(([, list]) => list.length).map(([label, list]) => el("optgroup", { label }, list.map((o) => el("option", { value: o.name }, o.name)))));
    choice.addEventListener("change", () => {
      if (!choice.value) return;
      this.add(choice.value);
      choice.value = "";
    });
    return el("p", { class: "adder" }, choice);
  }

  // fresh is a step with the settings to begin with.
  fresh(name) {
    const params = this.byName.get(name)?.params ?? [];
    return { op: name, args: Object.fromEntries(params.filter((p) => p.default !== null && p.default !== undefined).map((p) => [p.name, p.default])) };
  }

  add(name) {
    this.steps.push(this.fresh(name));
    this.commit(this.steps.length - 1);
    say(`${name} added`);
  }

  // decoding tells whether the first step is the decoder; without one, pictures
  // come as they are stored.
  get decoding() {
    return this.byName.get(this.steps[0]?.op)?.kind === "decoder";
  }

  move(i, by) {
    const j = i + by;
    const least = this.decoding ? 1 : 0;
    if (i < least || j < least || j >= this.steps.length) return;
    [this.steps[i], this.steps[j]] = [this.steps[j], this.steps[i]];
    this.commit(j);
    say(`${this.steps[j].op} is now number ${j + 1}`);
  }

  remove(i) {
    const [gone] = this.steps.splice(i, 1);
    this.commit(Math.min(i, this.steps.length - 1));
    say(`${gone.op} removed`);
  }

  commit(focus) {
    this.draw();
    this.cardAt(focus)?.querySelector(".op-name")?.focus();
    this.changed(this.pipeline);
  }

  cardAt(i) {
    return this.list.querySelector(`[data-at="${i}"]`);
  }

  draw() {
    replace(this.list, !this.decoding && this.decoderCard(null), this.steps.map((s, i) => (i === 0 && this.decoding ? this.decoderCard(s) : this.card(s, i))));
  }

  decoderCard(step) {
    const op = step && this.byName.get(step.op);
    const choice = el("select", { class: "op-name", id: "decoder", "aria-label": "Decoder", onchange: (e) => this.decoder(e.target.value) },
      el("option", { value: "", selected: !step }, "as stored"),
      this.ops.filter((o) => o.kind === "decoder").map((o) => el("option", { value: o.name, selected: o.name === step?.op }, o.name)));
    return el("li", { class: "op decoder", dataset: step ? { op: step.op, at: 0 } : {} },
      el("div", { class: "op-head" }, el("span", { class: "role" }, "decoder"), choice), step && this.body(step, op, 0));
  }

  card(step, i) {
    const press = (text, title, f, off) => el("button", { type: "button", class: "quiet", title, "aria-label": `${title}: ${step.op}`, disabled: off, onclick: f }, text);
    const keys = (e) => {
      if (e.altKey && e.key === "ArrowUp") this.move(i, -1);
      else if (e.altKey && e.key === "ArrowDown") this.move(i, 1);
      else if ((e.key === "Delete" || e.key === "Backspace") && e.target.matches(".op-name")) this.remove(i);
      else return;
      e.preventDefault();
      e.stopPropagation();
    };
    const first = this.decoding ? 1 : 0;
    return el("li", { class: "op", dataset: { op: step.op, at: i }, onkeydown: keys },
      el("div", { class: "op-head" }, el("span", { class: "op-name", tabindex: "0", role: "group", "aria-label": `operation ${i + 1}: ${step.op}` }, clip(step.op, 60)),
        el("span", { class: "op-tools" },
          press("↑", "Move up", () => this.move(i, -1), i <= first), press("↓", "Move down", () => this.move(i, 1), i >= this.steps.length - 1), press("✕", "Remove", () => this.remove(i)))),
      this.body(step, this.byName.get(step.op), i));
  }

  body(step, op, i) {
    return [op?.doc && el("p", { class: "hint doc", title: op.doc }, firstSentence(op.doc, step.op)),
      op?.params?.length > 0 && el("div", { class: "params" }, op.params.map((p) => this.param(step, p, i))),
      el("p", { class: "flaw", role: "alert", hidden: true })];
  }

  // decoder changes or removes the decoder, and keeps the settings that both have.
  decoder(name) {
    const had = this.decoding ? this.steps.shift() : null;
    if (name) {
      const step = this.fresh(name);
      for (const k of Object.keys(step.args)) {
        if (had && Object.hasOwn(had.args, k)) step.args[k] = had.args[k];
      }
      this.steps.unshift(step);
    }
    this.draw();
    this.list.querySelector("#decoder")?.focus();
    this.changed(this.pipeline);
  }

  param(step, p, i) {
    const has = Object.hasOwn(step.args, p.name);
    const value = has ? step.args[p.name] : p.default;
    const id = `param-${i}-${p.name}`;
    const take = (v) => {
      if (v === undefined) delete step.args[p.name];
      else step.args[p.name] = v;
      this.changed(this.pipeline);
    };
    const input = inputOf(p, value, take);
    input.id = id;
    input.dataset.param = p.name;
    return el("label", { class: `param ${p.type}${(p.count ?? 0) > 2 ? " long" : ""}`, for: id, title: p.doc }, el("span", null, p.name), input);
  }

  // blame shows an error at the operation that it is of, and at the setting.
  // Without a place it returns false.
  blame(at, param, message) {
    this.clear();
    const card = Number.isInteger(at) ? this.cardAt(at) : null;
    if (!card) return false;
    card.classList.add("wrong");
    const text = card.querySelector(":scope > .flaw");
    text.textContent = message;
    text.hidden = false;
    if (param) card.querySelector(`[data-param="${CSS.escape(param)}"]`)?.setAttribute("aria-invalid", "true");
    return true;
  }

  // clear takes errors away.
  clear() {
    for (const card of this.list.children) {
      card.classList.remove("wrong");
      const flaw = card.querySelector(":scope > .flaw");
      if (flaw) flaw.hidden = true;
      for (const i of card.querySelectorAll("[aria-invalid]")) i.removeAttribute("aria-invalid");
    }
  }
}

// firstSentence is a comment's, without the name that stands above it.
function firstSentence(doc, name) {
  const rest = doc.startsWith(`${name} `) ? doc.slice(name.length + 1) : doc;
  const m = /^[\s\S]*?[.:](?=\s|$)/.exec(rest);
  const text = m ? m[0].replace(/:$/, ".") : rest;
  return clip(text.charAt(0).toUpperCase() + text.slice(1), 160);
}

// inputOf is the input that suits a parameter's type. take gets the value, or
// undefined where the input is empty, which is the default.
function inputOf(p, value, take) {
  switch (p.type) {
    case "bool":
      return el("input", { type: "checkbox", checked: Boolean(value), onchange: (e) => take(e.target.checked) });
    case "enum": {
      const list = el("select", { onchange: (e) => take(p.values[e.target.selectedIndex]) }, (p.values ?? []).map((v) => el("option", { value: v, selected: v === value }, p.name === "DType" ? dtype(v) : v || "–")));
      return list;
    }
    case "int":
    case "float":
      return el("input", {
        type: "number", step: p.type === "int" ? 1 : "any", inputmode: p.type === "int" ? "numeric" : "decimal", value: value ?? "",
        placeholder: String(p.default ?? 0),
        oninput: (e) => take(e.target.value === "" ? undefined : Number(e.target.value)),
      });
    case "floats":
    case "ints":
      return el("input", { type: "text", inputmode: "decimal", spellcheck: "false", value: (value ?? []).map(brief).join(", "), placeholder: (p.default ?? []).map(brief).join(", "), oninput: (e) => take(numbers(e.target.value)) });
    default:
      return el("input", { type: "text", spellcheck: "false", value: value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value), oninput: (e) => take(e.target.value === "" ? undefined : textValue(e.target.value)) });
  }
}

// brief leaves away digits of 4/3 that nobody wants to see.
function brief(v) {
  return typeof v === "number" ? Number(v.toPrecision(6)) : v;
}

// numbers reads "0.08, 1"; what is no number goes to the server as it is, which
// says so.
function numbers(text) {
  const parts = text.split(/[\s,;]+/).filter(Boolean);
  return parts.length ? parts.map((t) => (Number.isFinite(Number(t)) ? Number(t) : t)) : undefined;
}

// textValue lets lists and objects be written as JSON.
function textValue(text) {
  if (!/^[[{]/.test(text.trim())) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
