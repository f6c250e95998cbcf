// Verification: every stored byte is read and held against its checksums and its
// own form; what is wrong is listed with the samples that it hits.

import { clip, el, replace } from "./dom.js";
import { count, plural, size } from "./format.js";
import { Job } from "./jobs.js";

// show draws the state of the last verification.
export async function show(ctx) {
  const outcome = el("div", { class: "outcome" });
  const job = new Job(ctx, {
    kind: "verify",
    start: "Verify all of it",
    explain: ` reads ${size(ctx.dataset.size)} and decodes what can be decoded`,
    done: (result, j) => replace(outcome, report(result, j, ctx)),
  });
  replace(ctx.root, el("div", { class: "verify" },
    el("div", { class: "lead-in" }, el("h2", null, "Verify"),
      el("p", { class: "line" }, ctx.dataset.sealed ? "The file has checksums of all its parts: a changed byte is found." : "The file has no checksums. What can be wrong without them is still found: tables, pointers, overlaps, values that do not decode."),
      job.node), outcome));
  const found = await job.resume();
  if (!found) replace(outcome, ctx.dataset.quarantine > 0 && el("p", null, `${plural(ctx.dataset.quarantine, "sample")} are in quarantine: loaders pass over them.`));
  ctx.ready();
}

function report(result, job, ctx) {
  const flaws = result?.flaws ?? [];
  const n = result?.count ?? flaws.length;
  if (n === 0) {
    return el("div", { class: "verdict good", dataset: { flaws: "0" } }, el("p", { class: "lead" }, "No flaw found."),
      el("p", { class: "hint" }, `${plural(ctx.dataset.samples, "sample")} read${result?.checksums ? ", all checksums right" : ""}${result?.decoded ? ", all values decoded" : ""}.`));
  }
  return [
    el("div", { class: "verdict bad", dataset: { flaws: String(n) } }, el("p", { class: "lead" }, `${plural(n, "flaw")} found.`),
      result.cut && el("p", { class: "hint" }, `The first ${count(flaws.length)} are listed.`)),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "flaws" }, el("table", { class: "values flaws" },
      el("thead", null, el("tr", null, ["sample", "field", "offset", "what is wrong"].map((h) => el("th", { scope: "col" }, h)))),
      el("tbody", null, flaws.map((f) => el("tr", null,
        el("td", null, f.sample === null || f.sample === undefined ? "–" : el("a", { href: `#/sample/${f.sample}` }, count(f.sample))),
        el("td", { class: "prose" }, f.field ?? "–"),
        el("td", { class: "mono" }, f.offset === null || f.offset === undefined || f.offset < 0 ? "–" : count(f.offset)),
        el("td", { class: "prose" }, f.file && el("span", { class: "hint" }, `${f.file}: `), clip(f.text, 1000))))))),
  ];
}
