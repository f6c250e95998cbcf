// What lies in one page: a strip of its bytes, and the values as a list.

import { css, hueOf } from "./colour.js";
import { clip, el, svg } from "./dom.js";
import { count, percent, plural, size } from "./format.js";
import { tip, untip } from "./plot.js";

const listed = 200; // values in the table before "all"

// pagePanel shows the answer about a page; at is the address of another.
export function pagePanel(page, map, names, at) {
  const values = page.values ?? [];
  const hue = new Map(names.map((n, i) => [n, i]));
  const rows = el("tbody");
  const fill = (list) => rows.append(...list.map((v) => row(v, page, hue)));
  fill(values.slice(0, listed));
  const more = values.length > listed && el("button", { type: "button", class: "quiet", onclick: (e) => { fill(values.slice(listed)); e.target.remove(); } }, `${count(values.length - listed)} more`);
  const samples = new Set(values.map((v) => v.sample)).size;
  return el("section", { class: "page card", dataset: { page: page.page }, "aria-label": `page ${page.page}` },
    el("header", null, el("h3", null, `Page ${count(page.page)}`),
      el("span", { class: "hint" }, `at ${count(page.offset)} (0x${Number(page.offset).toString(16)}) · ${size(page.used)} of ${size(map.page_size)} used, ${percent(page.used / map.page_size)} · ${plural(page.count ?? values.length, "value")}${page.cut ? "" : ` of ${plural(samples, "sample")}`}`),
      el("span", { class: "steps" }, step("←", page.page - 1, at, map), step("→", page.page + 1, at, map))),
    bytes(page, map, hue),
    page.cut && el("p", { class: "hint" }, `The first ${count(values.length)} values are shown.`),
    page.partial && el("p", { class: "hint" }, "The file is large, and its samples need not lie in order: there may be more values here than were found."),
    values.length > 0 && el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "values in the page" }, el("table", { class: "values" },
      el("thead", null, el("tr", null, ["sample", "field", "offset in page", "bytes"].map((h) => el("th", { scope: "col" }, h)))), rows)), more);
}

function step(text, page, at, map) {
  const first = map.first_data ?? 0;
  return page >= first && page < first + map.pages ? el("a", { class: "button", href: at(page), "aria-label": `page ${page}` }, text) : null;
}

function row(v, page, hue) {
  const dot = el("i", { class: "swatch" });
  dot.style.setProperty("background", css(hueOf(hue.get(v.field) ?? 0)));
  return el("tr", null, el("td", null, el("a", { href: `#/sample/${v.sample}` }, count(v.sample))), el("td", { class: "prose" }, dot, clip(v.field, 60)),
    el("td", null, count(Math.max(0, v.offset - page.offset))), el("td", null, count(v.size)));
}

// bytes draws the page from its first byte to its last; what is empty stays so.
function bytes(page, map, hue) {
  const root = svg("svg", { class: "bytes", viewBox: "0 0 1000 28", preserveAspectRatio: "none", role: "img", "aria-label": "values along the page" });
  root.append(svg("rect", { class: "void", x: 0, y: 0, width: 1000, height: 28 }));
  for (const v of page.values ?? []) {
    // A value of several pages begins before this one, or ends behind it.
    const from = Math.max(0, (v.offset - page.offset) / map.page_size);
    const to = Math.min(1, (v.offset + v.size - page.offset) / map.page_size);
    const r = svg("rect", { x: from * 1000, y: 0, width: Math.max(0.4, (to - from) * 1000 - 0.6), height: 28 });
    r.style.setProperty("fill", css(hueOf(hue.get(v.field) ?? 0)));
    r.addEventListener("pointermove", (e) => tip(e, [`sample ${count(v.sample)}`, clip(v.field, 40), size(v.size)]));
    r.addEventListener("pointerleave", untip);
    r.addEventListener("click", () => { location.hash = `#/sample/${v.sample}`; });
    root.append(r);
  }
  return root;
}
