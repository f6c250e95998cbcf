// Figures as SVG: histograms and lines with axes, the value under the pointer,
// and the same numbers as a table for those who read rather than look.

import { byId, el, replace, svg } from "./dom.js";
import { count, percent, short } from "./format.js";

const margin = { left: 48, right: 10, top: 10, bottom: 24 };

// ticks are some round numbers from low to high, about n of them.
export function ticks(low, high, n) {
  if (!(high > low)) return [low];
  if (!Number.isFinite(high - low)) return [low, high]; // of numbers up to 1e308
  const rough = (high - low) / Math.max(1, n);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough) ?? 10 * power;
  const first = Math.ceil(low / step - 1e-9) * step;
  // Counted, not summed up: next to 1e18 a step of 20 changes nothing.
  return Array.from({ length: 2 * n + 2 }, (_, i) => Number((first + i * step).toPrecision(12))).filter((v, i, all) => Number.isFinite(v) && v <= high + step * 1e-9 && v !== all[i - 1]);
}

// logTicks are powers of ten from low to high, with 2 and 5 where there is room.
function logTicks(low, high, n) {
  const list = [];
  for (let e = Math.floor(Math.log10(low)); 10 ** e <= high; e++) {
    for (const k of [1, 2, 5]) {
      const v = k * 10 ** e;
      if (v >= low && v <= high) list.push(v);
    }
  }
  if (list.length <= n) return list;
  const tens = list.filter((v) => Number.isInteger(Math.round(Math.log10(v) * 1e9) / 1e9));
  const every = Math.ceil(tens.length / n);
  return tens.filter((_, i) => i % every === 0);
}

// byteTicks are round numbers of KiB, MiB and so on.
function byteTicks(low, high, n) {
  const unit = 1024 ** Math.max(0, Math.floor(Math.log(high || 1) / Math.log(1024)));
  return ticks(low / unit, high / unit, n).map((v) => v * unit);
}

// byteLogTicks are powers of two: 1 KiB, 4 KiB, 16 KiB.
function byteLogTicks(low, high, n) {
  const from = Math.ceil(Math.log2(low));
  const to = Math.floor(Math.log2(high));
  const every = Math.max(1, Math.ceil((to - from + 1) / n));
  const list = [];
  for (let e = Math.ceil(from / every) * every; e <= to; e += every) list.push(2 ** e);
  return list;
}

// axis maps values to pixels. Log axes begin above zero: the first edge of a
// logarithmic histogram may be 0.
function axis(low, high, from, to, log) {
  if (!log) {
    // Halved: the span of the largest numbers is none.
    const span = high / 2 - low / 2 || 1;
    return (v) => from + ((v / 2 - low / 2) / span) * (to - from);
  }
  const a = Math.log(low);
  const span = Math.log(high) - a || 1;
  return (v) => from + ((Math.log(Math.max(v, low)) - a) / span) * (to - from);
}

// responsive draws at the width that there is, and again when that changes: text
// in a stretched drawing would be stretched too.
function responsive(height, draw) {
  const box = el("div", { class: "plot" });
  box.style.setProperty("height", `${height}px`);
  let was = 0;
  const see = new ResizeObserver(() => {
    if (!box.isConnected && was) {
      see.disconnect();
      return;
    }
    const width = Math.round(box.clientWidth);
    if (width < 40 || width === was) return;
    was = width;
    replace(box, draw(width, height));
  });
  see.observe(box);
  return box;
}

function frame(width, height, label, xs, ys, xText, yText) {
  const bottom = height - margin.bottom;
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label, class: "chart" });
  const lines = svg("g", { class: "grid" });
  for (const t of ys.ticks) {
    const y = Math.round(ys.at(t)) + 0.5;
    lines.append(svg("line", { x1: margin.left, x2: width - margin.right, y1: y, y2: y }),
      svg("text", { x: margin.left - 6, y: y + 3.5, "text-anchor": "end" }, yText(t)));
  }
  let free = -Infinity;
  for (const t of xs.ticks) {
    const x = xs.at(t);
    const text = xText(t);
    const half = text.length * 3.3;
    if (x - half < free) continue; // labels that would touch are left away
    const anchor = x + half > width ? "end" : x - half < 0 ? "start" : "middle";
    free = x + half + 8;
    lines.append(svg("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4 }), svg("text", { x, y: height - 6, "text-anchor": anchor }, text));
  }
  lines.append(svg("line", { class: "base", x1: margin.left, x2: width - margin.right, y1: bottom + 0.5, y2: bottom + 0.5 }));
  root.append(lines);
  return root;
}

// histogram draws {edges, counts, log}. format writes an edge, marks are lines at
// values.
export function histogram({ hist, label, format = short, height = 150, marks = [], bytes = false }) {
  const { edges, counts } = hist;
  const total = counts.reduce((a, b) => a + b, 0);
  const log = Boolean(hist.log) && edges.at(-1) > 0;
  const low = log && edges[0] <= 0 ? Math.min(1, edges[1] / 2 || 1) : edges[0];
  const high = edges.at(-1);
  const top = Math.max(1, ...counts);
  const summary = `${label}: ${count(total)} values from ${format(edges[0])} to ${format(high)}, most (${count(top)}) at ${format(edges[counts.indexOf(top)])}`;
  return responsive(height, (width) => {
    const x = axis(low, high, margin.left, width - margin.right, log);
    const y = axis(0, top, height - margin.bottom, margin.top, false);
    const some = Math.max(2, Math.floor((width - margin.left) / 70));
    const root = frame(width, height, summary,
      { at: x, ticks: log ? (bytes ? byteLogTicks : logTicks)(low, high, some) : bytes ? byteTicks(low, high, some) : ticks(low, high, some) },
      { at: y, ticks: ticks(0, top, 3).filter(Number.isInteger) }, format, short);
    const bars = counts.map((c, i) => {
      const left = x(Math.max(edges[i], low));
      const wide = Math.max(1, x(edges[i + 1]) - left - (width > counts.length * 4 + 60 ? 1 : 0));
      const tall = c ? Math.max(1, y(0) - y(c)) : 0;
      return svg("rect", { class: "bar", x: left, y: y(0) - tall, width: wide, height: tall });
    });
    root.append(svg("g", null, bars));
    for (const m of marks) {
      if (m.at >= low && m.at <= high) root.append(svg("line", { class: "marker", x1: x(m.at), x2: x(m.at), y1: margin.top, y2: height - margin.bottom }));
    }
    follow(root, width, (px) => {
      const i = counts.findIndex((_, k) => px < x(edges[k + 1]));
      const k = i < 0 ? counts.length - 1 : i;
      bars.forEach((b, n) => b.classList.toggle("lit", n === k));
      return [`${format(edges[k])} – ${format(edges[k + 1])}`, `${count(counts[k])} · ${percent(counts[k] / (total || 1))}`];
    }, () => bars.forEach((b) => b.classList.remove("lit")));
    return root;
  });
}

// lineChart draws series of values at equal steps; null leaves a gap.
export function lineChart({ series, label, xMax, xText = short, format = short, height = 150, zero = true, top = null }) {
  const all = series.flatMap((s) => s.values).filter((v) => v !== null);
  let low = zero ? 0 : Math.min(...all);
  let high = top ?? Math.max(...all);
  if (!all.length) low = high = 0;
  if (low === high) {
    high += Math.abs(high) || 1;
    if (!zero) low -= Math.abs(low) || 1;
  }
  const n = Math.max(...series.map((s) => s.values.length), 2);
  return responsive(height, (width) => {
    const marksAt = ticks(low, high, 3);
    const x = axis(0, n - 1, margin.left, width - margin.right, false);
    const y = axis(low, high, height - margin.bottom, margin.top, false);
    const real = (i) => (xMax === undefined ? i : (i / (n - 1)) * xMax);
    const back = axis(0, xMax ?? n - 1, margin.left, width - margin.right, false);
    const root = frame(width, height, `${label}: from ${format(low)} to ${format(high)}`, { at: back, ticks: ticks(0, xMax ?? n - 1, Math.floor(width / 90)) }, { at: y, ticks: marksAt }, xText, format);
    series.forEach((s, k) => root.append(svg("path", { class: `line s${k}`, d: pathOf(s.values, x, y) })));
    const hair = svg("line", { class: "hair", y1: margin.top, y2: height - margin.bottom, x1: -9, x2: -9 });
    root.append(hair);
    follow(root, width, (px) => {
      const i = Math.max(0, Math.min(n - 1, Math.round(((px - margin.left) / (width - margin.left - margin.right)) * (n - 1))));
      hair.setAttribute("x1", x(i));
      hair.setAttribute("x2", x(i));
      return [xText(Math.round(real(i) * 10) / 10), ...series.map((s) => `${series.length > 1 ? s.name + " " : ""}${s.values[i] === null || s.values[i] === undefined ? "–" : format(s.values[i])}`)];
    }, () => {
      hair.setAttribute("x1", -9);
      hair.setAttribute("x2", -9);
    });
    return root;
  });
}

function pathOf(values, x, y) {
  let d = "";
  let pen = false;
  values.forEach((v, i) => {
    if (v === null || v === undefined) {
      pen = false;
      return;
    }
    d += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
    pen = true;
  });
  return d;
}

// follow shows what is under the pointer: lines of text from what(x).
function follow(root, width, what, end) {
  root.addEventListener("pointermove", (e) => {
    const box = root.getBoundingClientRect();
    tip(e, what(((e.clientX - box.left) / box.width) * width));
  });
  root.addEventListener("pointerleave", () => {
    end();
    untip();
  });
}

// tip shows lines next to the pointer.
export function tip(e, lines) {
  const box = byId("tip");
  replace(box, lines.map((t, i) => el(i ? "span" : "b", null, t)));
  box.hidden = false;
  const wide = box.offsetWidth;
  const tall = box.offsetHeight;
  const left = e.clientX + 14 + wide > innerWidth ? e.clientX - wide - 10 : e.clientX + 14;
  const upper = e.clientY + 14 + tall > innerHeight ? e.clientY - tall - 10 : e.clientY + 14;
  box.style.setProperty("transform", `translate(${Math.max(4, left)}px, ${Math.max(4, upper)}px)`);
}

// untip hides it.
export function untip() {
  byId("tip").hidden = true;
}

// figure puts a title, a note and a table around a chart. name is data-chart.
export function figure({ name, title, note, chart, head, rows }) {
  const body = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, as a table` });
  const box = el("details", { class: "as-table", ontoggle: () => {
    if (!box.open || body.firstChild) return;
    body.append(el("table", { class: "values" },
      el("thead", null, el("tr", null, head.map((h) => el("th", { scope: "col" }, h)))),
      el("tbody", null, rows().map((r) => el("tr", null, r.map((v) => el("td", null, v)))))));
  } }, el("summary", null, "Table"), body);
  return el("figure", { class: "card", dataset: { chart: name } },
    el("figcaption", null, el("h3", null, title), note && el("span", { class: "hint" }, note)), chart, rows && box);
}

// histogramFigure is a histogram with its title and table.
export function histogramFigure(name, title, hist, options = {}) {
  const format = options.format ?? short;
  const total = hist.counts.reduce((a, b) => a + b, 0);
  if (hist.counts.length === 1) {
    const only = el("p", { class: "only" }, format((hist.edges[0] + hist.edges[1]) / 2), el("span", { class: "hint" }, ` all ${count(total)}`));
    return figure({ name, title, note: options.note, chart: only });
  }
  return figure({
    name, title, note: options.note,
    chart: histogram({ hist, label: title, format, marks: options.marks, bytes: options.bytes }),
    head: ["from", "to", "count", "share"],
    rows: () => hist.counts.map((c, i) => [format(hist.edges[i]), format(hist.edges[i + 1]), count(c), percent(c / (total || 1))]),
  });
}
