// One sample: its picture, every field as value and as bytes, where it lies, and
// what lies next to it.

import { get, imageAddress } from "./api.js";
import { append, clip, el, replace } from "./dom.js";
import { fieldSection } from "./field.js";
import { count, size } from "./format.js";
import { classHash, pageHash, searchHash } from "./links.js";
import { Stage } from "./stage.js";

// show draws the sample whose index is the hash's argument.
export async function show(ctx) {
  const index = Number(ctx.arg);
  const all = ctx.dataset.samples;
  if (!/^\d+$/.test(ctx.arg) || index >= all) {
    throw Object.assign(new Error(`There is no sample ${clip(ctx.arg, 30)}.`), { hint: all ? `Indices go from 0 to ${count(all - 1)}.` : "The dataset is empty." });
  }
  const stripHad = document.activeElement?.closest?.(".strip") !== null && document.activeElement?.closest?.(".strip") !== undefined;
  const sample = await get(`/api/sample/${index}`, null, ctx.signal);
  const images = sample.fields.filter((f) => f.kind === "image");
  const stage = images.length ? new Stage(ctx, index, images) : null;
  const to = (i) => (i === null || i === undefined ? null : `#/sample/${i}`);
  const page = el("div", { class: `sample${stage ? "" : " wordy"}` },
    strip(sample, images[0]),
    stage?.node,
    el("div", { class: "facts" }, heading(sample, to, ctx), sample.fields.map((f) => fieldSection(ctx, sample, f)), place(sample)));
  replace(ctx.root, page);
  stage?.fit();
  ctx.keys({
    ArrowLeft: () => to(sample.prev) && ctx.go(to(sample.prev)),
    ArrowRight: () => to(sample.next) && ctx.go(to(sample.next)),
    p: () => to(sample.prev) && ctx.go(to(sample.prev)),
    n: () => to(sample.next) && ctx.go(to(sample.next)),
    ...(stage?.keys() ?? {}),
  });
  center(page.querySelector(".strip [aria-current]"));
  ctx.ready(stripHad ? page.querySelector(".strip [aria-current]") : null);
}

// center scrolls the film strip, and only that, so that a frame is in its middle.
function center(frame) {
  const strip = frame?.closest(".strip");
  if (strip) strip.scrollLeft = frame.offsetLeft - strip.offsetLeft - (strip.clientWidth - frame.offsetWidth) / 2;
}

function heading(sample, to, ctx) {
  const has = sample.label !== null && sample.label !== undefined;
  const step = (id, text, href, title) => (href
    ? el("a", { class: "button", id, href, title, "aria-label": title }, text)
    : el("span", { class: "button off", id, "aria-hidden": "true" }, text));
  return el("header", { class: "title" },
    el("h2", null, el("span", { class: "frame" }, count(sample.index)), el("span", { class: "of" }, ` of ${count(ctx.dataset.samples)}`)),
    el("div", { class: "steps" },
      step("previous", "←", to(sample.prev), "Previous sample (p)"), step("next", "→", to(sample.next), "Next sample (n)"),
      sample.fields.some((f) => f.kind === "image") && el("a", { class: "button", href: `#/playground?sample=${sample.index}`, title: "Try a pipeline on it" }, "Augment"),
      el("a", { class: "button", id: "back", href: ctx.lastGallery() }, "Gallery")),
    el("p", { class: "names" },
      sample.key && el("span", { class: "key" }, sample.key),
      sample.class && el("a", { class: "chip", href: classHash(sample.class) }, clip(sample.class, 120)),
      sample.quarantine && el("span", { class: "mark bad", title: "Loaders that are given the quarantine pass over it" }, "in quarantine"),
      has && el("a", { class: "chip plain", href: searchHash(`label:${sample.label}`) }, `label ${sample.label}`),
      sample.file && (ctx.dataset.files?.length ?? 1) > 1 && el("span", { class: "hint" }, `number ${count(sample.file.index)} of ${sample.file.name}`)));
}

// strip is the film around the sample: five before it, itself, five after.
function strip(sample, image) {
  const field = image?.name;
  const small = Math.max(image?.metadata?.width ?? 999, image?.metadata?.height ?? 999) <= 64;
  const frames = [...(sample.neighbours ?? [])];
  if (!frames.some((f) => f.index === sample.index)) frames.push({ index: sample.index, class: sample.class, key: sample.key });
  frames.sort((a, b) => a.index - b.index);
  return el("nav", { class: field ? "strip" : "strip bare", "aria-label": "Neighbours" }, el("ol", null, frames.map((f) => {
    const here = f.index === sample.index;
    const img = field && el("img", { class: small ? "coarse" : null, alt: "", loading: "lazy", decoding: "async", src: imageAddress(f.index, field, 192) });
    img && img.addEventListener("error", () => img.replaceWith(el("span", { class: "damaged" }, "damaged")), { once: true });
    return el("li", null, el("a", {
      href: `#/sample/${f.index}`, "aria-current": here ? "true" : null, dataset: { neighbour: f.index },
      "aria-label": `sample ${f.index}${f.class ? `, ${clip(f.class, 60)}` : ""}${here ? ", this one" : ""}`,
      title: clip([f.key, f.class].filter(Boolean).join(" · "), 200) || null,
    }, img || ((f.class || f.key) && el("span", { class: "blank" }, clip(f.class || f.key, 24))), el("span", { class: "frame" }, count(f.index))));
  })));
}

function place(sample) {
  const stored = sample.fields.reduce((sum, f) => sum + (f.size ?? 0), 0);
  const pages = sample.pages ?? [];
  const box = el("p", { class: "place hint" }, `${size(stored)} stored outside the table`);
  if (pages.length) {
    append(box, [" · ", pages.length > 1 ? "pages " : "page ", pages.slice(0, 20).map((p, i) => [i > 0 && ", ", el("a", { href: pageHash(sample, p) }, count(p))])]);
  }
  return box;
}
