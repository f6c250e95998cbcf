// The dataset in numbers: labels, sizes, colours, of some samples or of all.

import { get } from "./api.js";
import { clip, el, replace } from "./dom.js";
import { count, finite, percent, plural, seconds, short, size } from "./format.js";
import { classHash } from "./links.js";
import { Job } from "./jobs.js";
import { figure, histogramFigure } from "./plot.js";

const some = 2000; // samples drawn unasked
const firstRows = 40; // labels before "all"

// show draws the charts of a sample of samples, and offers those of all.
export async function show(ctx) {
  const body = el("div", { class: "cards" });
  const head = el("p", { class: "line" });
  const job = new Job(ctx, {
    kind: "survey",
    start: "Survey all samples",
    explain: ` reads all ${count(ctx.dataset.samples)}, ${size(ctx.dataset.size)}`,
    done: (result) => draw(result),
  });
  const draw = (c) => {
    replace(head, c.whole ? "Of all " : "Of ", el("b", null, plural(c.samples, "sample")), !c.whole && ` of ${count(c.of)}, drawn evenly`,
      c.seconds !== undefined && el("span", { class: "hint" }, ` · ${seconds(c.seconds)}`),
      c.broken > 0 && [" · ", el("a", { class: "flaw", href: "#/verify" }, `${plural(c.broken, "sample")} could not be read`)]);
    head.dataset.whole = String(Boolean(c.whole));
    replace(body, cards(c));
    if (!body.firstChild) replace(body, el("p", { class: "empty" }, "There is nothing to count: the dataset is empty, or none of its fields has numbers."));
  };
  const c = await get("/api/charts", { count: some }, ctx.signal);
  draw(c);
  replace(ctx.root, el("div", { class: "charts" }, el("div", { class: "lead-in" }, el("h2", null, "Charts"), head, job.node), body));
  ctx.ready();
  if (c.whole) replace(job.node, el("span", { class: "hint" }, "That is all of them: nothing to estimate."));
  else await job.resume();
}

function cards(c) {
  const list = [];
  if (c.labels) list.push(labels(c.labels, c.whole));
  const several = (c.images?.length ?? 0) > 1;
  for (const image of c.images ?? []) list.push(...ofImage(image, several ? `${image.field}: ` : "", several ? `-${image.field}` : ""));
  const fields = (c.fields ?? []).filter((f) => f);
  list.push(shares(fields));
  for (const f of fields) list.push(...ofField(f));
  return list.filter(Boolean);
}

// labels are bars, the most frequent first; each is a search for its samples.
function labels(l, whole) {
  const most = Math.max(1, ...l.counts.map((c) => c.count));
  const total = l.counts.reduce((n, c) => n + c.count, 0) + (l.others ?? 0);
  const best = l.distinct > 1 ? l.entropy / Math.log2(l.distinct) : 1;
  const rows = el("ol", { class: "bars" });
  const row = (c) => {
    const bar = el("span", { class: "fill" });
    bar.style.setProperty("--share", String(c.count / most));
    const name = c.class ?? String(c.label);
    return el("li", null, el("a", { href: classHash(c.class, c.label), title: clip(`${name} (label ${c.label})`, 300) },
      el("span", { class: "name" }, clip(name, 80)), el("span", { class: "track" }, bar), el("span", { class: "n" }, count(c.count)), el("span", { class: "p" }, percent(c.count / total))));
  };
  const fill = (n) => replace(rows, l.counts.slice(0, n).map(row));
  fill(firstRows);
  const more = l.counts.length > firstRows && el("button", { type: "button", class: "quiet", onclick: (e) => { fill(Infinity); e.target.remove(); } }, `Show ${l.distinct > l.counts.length || l.more ? "the first" : "all"} ${count(l.counts.length)}`);
  const least = l.counts.at(-1);
  const note = [(l.more ? "more than " : "") + plural(l.distinct, "label"), l.whole && !whole && `all ${count(l.samples)} samples counted`, Number.isFinite(best) && l.distinct > 1 && `balance ${percent(best)}`,
    l.counts.length > 1 && `most to least ${short(l.counts[0].count / Math.max(1, least.count))} : 1`, l.others > 0 && `${count(l.others)} samples have others`].filter(Boolean).join(" · ");
  const card = figure({ name: "labels", title: "Labels", note, chart: el("div", null, rows, more) });
  card.classList.add("wide");
  card.querySelector(".hint").title = "Balance is the entropy of the labels over that of as many even ones: 100% is even.";
  return card;
}

function ofImage(image, prefix, suffix) {
  const list = [];
  const add = (name, title, hist, options) => hist && list.push(histogramFigure(name + suffix, prefix + title, hist, options));
  add("width", "Width", image.width, { format: (v) => `${short(v)}`, note: "pixels" });
  add("height", "Height", image.height, { note: "pixels" });
  add("aspect", "Aspect ratio", image.aspect, { note: "width over height", marks: [{ at: 1 }] });
  add("bytes", "Bytes a picture", image.bytes, { format: size, bytes: true });
  if (image.mean) list.push(channels(image, prefix, suffix));
  const modes = Object.entries(image.modes ?? {}).filter(([, n]) => n > 0);
  if (modes.length > 1) list.push(modesOf(modes, prefix, suffix));
  return list;
}

// channelNames are the channels of pictures, by how many they have.
const channelNames = [[], ["gray"], ["gray", "alpha"], ["red", "green", "blue"], ["red", "green", "blue", "alpha"]];

// channels are mean and standard deviation of the channels on one scale, of colours
// with the numbers that a Normalize wants.
function channels(image, prefix, suffix) {
  const names = channelNames[image.mean.length] ?? image.mean.map((_, i) => `channel ${i}`);
  const rows = names.map((name, i) => {
    const mean = finite(image.mean[i]) ?? 0;
    const std = finite(image.std[i]) ?? 0;
    const band = el("span", { class: `band ${name}` });
    band.style.setProperty("--from", String(Math.max(0, mean - std)));
    band.style.setProperty("--to", String(Math.min(1, mean + std)));
    band.style.setProperty("--mean", String(mean));
    return el("li", null, el("span", { class: "name" }, name), el("span", { class: "track" }, band), el("span", { class: "n" }, mean.toFixed(4)), el("span", { class: "n" }, `± ${std.toFixed(4)}`));
  });
  const list = (v, k) => `[${v.map((x) => (finite(x) * k).toFixed(k === 1 ? 4 : 2)).join(", ")}]`;
  const pixels = image.pixels ?? image.n;
  return figure({
    name: "channels" + suffix, title: `${prefix}Mean and deviation by channel`, note: pixels ? `of ${count(pixels)} pixels` : "0 is black, 1 full",
    chart: el("div", null, el("ol", { class: "channels" }, rows),
      names.length === 3 && el("p", { class: "code-line" }, el("code", null, `mean ${list(image.mean, 255)}  std ${list(image.std, 255)}`), el("span", { class: "hint" }, " in 0 – 255, as Normalize takes them"))),
    head: ["channel", "mean", "std", "mean × 255", "std × 255"],
    rows: () => names.map((n, i) => [n, ...[image.mean[i], image.std[i]].map((v) => short(v)), ...[image.mean[i], image.std[i]].map((v) => short(v * 255))]),
  });
}

function modesOf(modes, prefix, suffix) {
  const total = modes.reduce((n, [, c]) => n + c, 0);
  return figure({ name: "modes" + suffix, title: `${prefix}Stored as`, note: plural(total, "picture"), chart: barRows(modes.map(([k, n]) => [k, n, count(n), percent(n / total)])) });
}

function barRows(rows) {
  const most = Math.max(1, ...rows.map((r) => r[1]));
  return el("ol", { class: "bars single" }, rows.map(([name, n, text, share]) => {
    const bar = el("span", { class: "fill" });
    bar.style.setProperty("--share", String(n / most));
    return el("li", null, el("span", { class: "row" }, el("span", { class: "name" }, clip(name, 60)), el("span", { class: "track" }, bar), el("span", { class: "n" }, text), el("span", { class: "p" }, share)));
  }));
}

function shares(fields) {
  const outside = fields.filter((f) => finite(f.total_bytes) !== null);
  const total = outside.reduce((n, f) => n + f.total_bytes, 0);
  if (!total) return null; // all in the table
  return figure({
    name: "fields", title: "Bytes by field", note: `${size(total)} in these samples`,
    chart: barRows([...outside].sort((a, b) => b.total_bytes - a.total_bytes).map((f) => [f.name, f.total_bytes, size(f.total_bytes), percent(f.total_bytes / total)])),
  });
}

function ofField(f) {
  const list = [];
  const told = [["min", f.min], ["max", f.max], ["mean", f.mean], ["std", f.std]].filter(([, v]) => v !== null && v !== undefined).map(([k, v]) => `${k} ${short(v)}`).join(" · ");
  if (f.values) list.push(histogramFigure(`values-${f.name}`, `${f.name}: values`, f.values, { note: told, marks: finite(f.mean) !== null ? [{ at: f.mean }] : [] }));
  if (f.bytes && f.bytes.counts.length > 1) list.push(histogramFigure(`bytes-${f.name}`, `${f.name}: bytes`, f.bytes, { format: size, bytes: true }));
  return list;
}
