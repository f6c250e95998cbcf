// A loader at work: what it gives a second, what it waits for, where its time goes.
// It is one that runs elsewhere and writes a file, or one that is started here.

import { ended, get, post } from "./api.js";
import { css, hueOf } from "./colour.js";
import { el, pause, replace, say } from "./dom.js";
import { count, percent, plural, seconds, short, size } from "./format.js";
import { lastPipeline } from "./playground.js";
import { lineChart } from "./plot.js";

const orders = ["random", "sequential", "quasi_random", "page_shuffle", "block_shuffle", "keyed"];
const ns = (n) => (n ?? 0) / 1e9; // durations come in nanoseconds

// show draws the figures, and again each second until the view is left.
export async function show(ctx) {
  const view = new LoaderView(ctx);
  view.take(await get("/api/loader", null, ctx.signal));
  replace(ctx.root, el("div", { class: "loader" }, el("div", { class: "lead-in" }, el("h2", null, "Loader"), view.line, view.controls), view.body));
  ctx.ready();
  await view.poll();
}

// LoaderView is the view's state.
class LoaderView {
  constructor(ctx) {
    this.ctx = ctx;
    this.line = el("p", { class: "line", "aria-live": "polite" });
    this.body = el("div", { class: "dials" });
    this.controls = el("form", { class: "own", onsubmit: (e) => this.start(e) });
    this.form();
  }

  async poll() {
    const { signal } = this.ctx;
    for (;;) {
      await pause(1000, signal);
      if (document.hidden) continue; // a loader that nobody watches may end
      try {
        this.take(await get("/api/loader", null, signal));
        if (this.lost) this.ctx.clearError(); // not that of a start which was refused
        this.lost = false;
      } catch (e) {
        if (ended(e)) return;
        this.lost = true;
        this.ctx.error(e);
      }
    }
  }

  form() {
    const number = (name, text, placeholder, max) => el("label", { class: "param" }, el("span", null, text), el("input", { type: "number", name, min: 1, max, step: 1, placeholder, id: `own-${name}` }));
    const p = lastPipeline();
    this.stopButton = el("button", { type: "button", id: "loader-stop", onclick: () => this.act({ action: "stop" }) }, "Stop");
    this.startButton = el("button", { type: "submit", class: "primary", id: "loader-start" }, "Start a loader here");
    const images = this.ctx.dataset.fields.some((f) => f.kind === "image");
    this.inputs = [number("batch", "batch", "256", 8192), number("workers", "workers", "all", 64),
      el("label", { class: "param" }, el("span", null, "order"), el("select", { name: "order", id: "own-order" }, orders.map((o) => el("option", { value: o }, o.replace("_", " ")))))];
    replace(this.controls, this.inputs, this.startButton, this.stopButton,
      images && el("span", { class: "hint" }, p ? ["with the ", el("a", { href: "#/playground" }, "playground's pipeline"), ` (${p.pipeline.map((s) => s.op).join(", ") || "as stored"})`] : ["with the usual pipeline; ", el("a", { href: "#/playground" }, "choose another")]));
  }

  async start(e) {
    e.preventDefault();
    const f = new FormData(this.controls);
    const p = lastPipeline();
    await this.act({
      action: "start", batch: Number(f.get("batch")) || 0, workers: Number(f.get("workers")) || 0, order: f.get("order"),
      ...(p ? { pipeline: p.whole, field: p.field } : {}),
    });
  }

  async act(what) {
    this.startButton.disabled = this.stopButton.disabled = true;
    try {
      const answer = await post("/api/loader", what, this.ctx.signal);
      this.ctx.clearError();
      say(what.action === "start" ? "loader started" : "loader stopped");
      this.take(answer?.history ? answer : await get("/api/loader", null, this.ctx.signal));
    } catch (e) {
      if (ended(e)) return;
      this.ctx.error(e);
      this.buttons();
    }
  }

  buttons() {
    const running = this.answer?.running && this.answer.source === "own";
    this.startButton.disabled = running;
    this.startButton.hidden = running;
    this.stopButton.hidden = !running;
    this.stopButton.disabled = !running;
    for (const label of this.inputs) label.lastChild.disabled = running;
  }

  take(answer) {
    this.answer = answer;
    this.buttons();
    const { stats, source } = answer;
    replace(this.line, source === "file" ? "A loader elsewhere, by the file that it writes." : source === "own" ? "A loader in this viewer, epoch after epoch." : "",
      stats && [" ", el("b", null, answer.running ? (answer.stale ? "silent for a while" : "running") : "stopped"), el("span", { class: "hint" }, ` · epoch ${count(Math.max(0, stats.epoch))}`)],
      answer.error && el("span", { class: "flaw" }, ` ${answer.error}`), source && answer.hint && el("span", { class: "hint" }, ` ${answer.hint}`));
    if (!stats) {
      replace(this.body, el("div", { class: "empty" }, el("p", { class: "lead" }, "No loader to look at."),
        el("p", { class: "hint" }, "Start one above, or let a training write its figures to a file (stats_file= in Python, StatsFile in Go) and open the viewer with --loader FILE.")));
      return;
    }
    this.draw(answer);
  }

  draw({ stats, total, of, history }) {
    // An epoch that has just begun tells little: then the figures are those of all.
    const young = total && ns(stats.elapsed) < 3 && total.elapsed > stats.elapsed;
    const s = young ? total : stats;
    const span = young ? "all epochs" : "the epoch";
    const elapsed = ns(s.elapsed);
    const rate = elapsed > 0 ? s.samples / elapsed : 0;
    const now = history.at(-1);
    const whole = of?.samples ? Math.min(1, stats.samples / of.samples) : null;
    const dial = (name, value, note) => el("div", { class: "dial", dataset: { dial: name } }, el("dt", null, name), el("dd", null, value), el("dd", { class: "hint" }, note || "\u00a0"));
    const workTime = elapsed * s.workers;
    replace(this.body,
      s.verdict && el("p", { class: "verdict lead-line", dataset: { bound: s.bound ?? "" } }, s.verdict),
      el("dl", { class: "dials-row" },
        dial("samples a second", short(Math.round(now?.samples_per_s ?? rate)), `${short(Math.round(rate))} over ${span}`),
        dial("waiting", percent(elapsed ? ns(s.wait) / elapsed : 0), `${seconds(ns(s.wait))}, first batch ${seconds(ns(s.first_wait))}`),
        dial("workers busy", percent(workTime ? ns(s.work) / workTime : 0), plural(s.workers, "worker")),
        dial("ready", `${short(s.ready)} of ${short(s.ahead)}`, "batches when one is asked for"),
        dial("this epoch", whole === null ? count(stats.samples) : percent(whole), `${count(stats.samples)} samples · ${seconds(ns(stats.elapsed))}`),
        dial("in all", count(total?.samples ?? s.samples), `${size(total?.read ?? s.read)} read`)),
      el("div", { class: "cards" },
        this.curve("Samples a second", "throughput", history, [{ name: "samples a second", values: history.map((p) => p.samples_per_s) }], short),
        this.curve("Waiting and working", "wait", history, [{ name: "waiting", values: history.map((p) => p.wait) }, { name: "working", values: history.map((p) => p.work) }], percent, 1),
        this.stages(s), this.rest(s)));
  }

  curve(title, name, history, series, format, top = null) {
    const n = history.length;
    const ago = (i) => Math.round((history.at(-1)?.t ?? 0) - (history[Math.round(i)]?.t ?? 0));
    const legend = series.length > 1 && el("span", { class: "hint keys" }, series.map((s, i) => el("span", null, el("i", { class: `swatch s${i}` }), s.name)));
    return el("figure", { class: "card", dataset: { chart: name } }, el("figcaption", null, el("h3", null, title), legend || el("span", { class: "hint" }, n > 1 && `the last ${seconds(ago(0))}`)),
      n > 1 ? lineChart({ series, label: title, format, top, height: 130, xText: (i) => (ago(i) ? `−${seconds(ago(i))}` : "now") }) : el("p", { class: "hint" }, "…"));
  }

  stages(s) {
    const list = s.stages ?? [];
    const all = list.reduce((n, g) => n + g.time, 0) || 1;
    return el("figure", { class: "card", dataset: { chart: "stages" } }, el("figcaption", null, el("h3", null, "Where the workers' time goes")),
      el("ol", { class: "bars stages" }, list.map((g, i) => {
        const bar = el("span", { class: "fill" });
        bar.style.setProperty("--share", String(g.time / all));
        bar.style.setProperty("background", css(hueOf(i)));
        const each = g.values ? seconds(ns(g.time) / g.values) : "–";
        return el("li", null, el("span", { class: "row", title: `${g.what}: ${seconds(ns(g.time))} for ${count(g.values)} values` },
          el("span", { class: "name" }, g.kind, el("span", { class: "hint" }, ` ${[g.output, g.what].filter(Boolean).join(": ")}`)), el("span", { class: "track" }, bar), el("span", { class: "n" }, percent(g.time / all)), el("span", { class: "p" }, each)));
      })));
  }

  rest(s) {
    const cache = (s.cache_hits ?? 0) + (s.cache_misses ?? 0);
    const facts = [["batches", count(s.batches)], ["bytes made", size(s.bytes)], ["bytes read", size(s.read)], ["skipped", s.skipped > 0 && count(s.skipped)],
      ["CPU", s.cpu > 0 && seconds(ns(s.cpu))], ["page faults", s.major_faults + s.minor_faults > 0 && `${count(s.major_faults)} from disk, ${count(s.minor_faults)} from memory`],
      ["marks", s.marks_found + s.marks_made > 0 && `${count(s.marks_found)} found, ${count(s.marks_made)} made`], ["cache", cache > 0 && `${percent(s.cache_hits / cache)} hits, ${size(s.cache_bytes)} fetched`],
      ["order", s.order > 0 && seconds(ns(s.order))]].filter(([, v]) => v);
    return el("section", { class: "card" }, el("h3", null, "Also"), el("dl", { class: "pairs" }, facts.map(([k, v]) => el("div", null, el("dt", null, k), el("dd", null, v)))));
  }
}
