// The page's frame: which view is shown, the header, messages.

import { ended, get } from "./api.js";
import { byId, el, replace, say } from "./dom.js";
import { count, plural, size } from "./format.js";
import { startHelp } from "./help.js";
import { bind, startKeys } from "./keys.js";
import { startQuery } from "./query.js";
import { startTheme } from "./theme.js";
import * as charts from "./charts.js";
import * as gallery from "./gallery.js";
import * as loader from "./loader.js";
import * as pages from "./pages.js";
import * as playground from "./playground.js";
import * as sample from "./sample.js";
import * as verify from "./verify.js";

// views by the first word of the hash. Each has show(ctx), which draws into
// ctx.root, calls ctx.ready() when its data is there, and holds to ctx.signal.
const views = {
  "": { name: "gallery", title: "Gallery", key: "g", view: gallery },
  sample: { name: "sample", title: "Sample", view: sample },
  charts: { name: "charts", title: "Charts", key: "c", view: charts },
  pages: { name: "pages", title: "Pages", key: "p", view: pages },
  verify: { name: "verify", title: "Verify", key: "v", view: verify },
  playground: { name: "playground", title: "Augment", key: "a", view: playground },
  loader: { name: "loader", title: "Loader", key: "l", view: loader },
};

const main = byId("view");
let dataset = null;
let leaving = null; // ends the work of the view that is shown
let lastGallery = "#/"; // where Escape returns to

function parse(hash) {
  const text = hash.replace(/^#\/?/, "");
  const at = text.indexOf("?");
  const path = at < 0 ? text : text.slice(0, at);
  const [word, arg = ""] = path.split("/");
  return { word, arg, params: new URLSearchParams(at < 0 ? "" : text.slice(at + 1)) };
}

// hashOf is the hash of a view with parameters, empty ones left away.
function hashOf(word, arg, params) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params ?? {})) {
    if (v !== null && v !== undefined && v !== "") q.set(k, v);
  }
  const text = q.toString();
  return `#/${word}${arg !== "" ? "/" + arg : ""}${text ? "?" + text : ""}`;
}

async function show() {
  const { word, arg, params } = parse(location.hash);
  const entry = Object.hasOwn(views, word) ? views[word] : null;
  leaving?.abort();
  leaving = new AbortController();
  clearError();
  main.dataset.ready = "false";
  main.setAttribute("aria-busy", "true");
  if (!entry) {
    location.replace("#/");
    return;
  }
  const moved = main.dataset.view && main.dataset.view !== entry.name;
  main.dataset.view = entry.name;
  markNav(entry.name);
  if (entry.name === "gallery") lastGallery = location.hash || "#/";
  document.title = `${entry.name === "sample" ? `Sample ${arg}` : entry.title} · ${byId("name").textContent}`;
  if (moved) window.scrollTo(0, 0);
  byId("search").value = entry.name === "gallery" ? params.get("q") ?? "" : byId("search").value;
  const ctx = context(word, arg, params, leaving.signal, moved);
  try {
    await entry.view.show(ctx);
  } catch (e) {
    if (ended(e) || ctx.signal.aborted) return;
    broken(e, ctx);
  }
}

// context is what a view gets.
function context(word, arg, params, signal, moved) {
  return {
    root: main,
    dataset,
    arg,
    params,
    signal,
    lastGallery: () => lastGallery,
    // ready tells that the data is shown. Focus goes to the new view, or to what
    // it names, so that the keyboard works on what one sees.
    ready(focus) {
      main.dataset.ready = "true";
      main.setAttribute("aria-busy", "false");
      if (focus) focus.focus({ preventScroll: false });
      else if (moved && document.activeElement === document.body) main.focus({ preventScroll: true });
    },
    keys: (bindings) => bind(bindings, signal),
    error: showError,
    clearError,
    go: (hash) => { location.hash = hash; },
    // keepParams writes parameters into the address without a step in the history.
    keepParams: (p) => history.replaceState(null, "", hashOf(word, arg, p)),
  };
}

function broken(e, ctx) {
  showError(e);
  replace(main, el("div", { class: "empty" },
    el("p", { class: "lead" }, "This could not be shown."),
    el("p", { class: "row" }, el("button", { type: "button", onclick: show }, "Try again"), el("a", { class: "button", href: "#/" }, "Gallery"))));
  ctx.ready();
}

// showError tells of an error above the view, with its hint.
function showError(e) {
  const box = byId("error");
  replace(box,
    el("span", { class: "text" }, e.message, e.hint && el("span", { class: "hint" }, " ", e.hint)),
    el("button", { type: "button", class: "quiet", "aria-label": "Dismiss the message", onclick: clearError }, "Dismiss"));
  box.hidden = false;
}

function clearError() {
  byId("error").hidden = true;
  byId("error").replaceChildren();
}

function markNav(name) {
  for (const a of byId("nav").querySelectorAll("a")) {
    if (a.dataset.to === name || (name === "sample" && a.dataset.to === "gallery")) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
}

function header() {
  replace(byId("nav"), Object.entries(views).filter(([, v]) => v.key).map(([word, v]) =>
    el("a", { href: `#/${word}`, dataset: { to: v.name }, title: `${v.title} (${v.key})`, "aria-keyshortcuts": v.key }, v.title)));
  if (!dataset) return;
  const files = dataset.files?.length ?? 1;
  // The last part of a path or URL; the whole of it is told on hover.
  byId("name").textContent = dataset.name.replace(/[/\\]+$/, "").split(/[/\\]/).pop() || dataset.name;
  byId("name").title = dataset.name;
  replace(byId("facts"),
    [plural(dataset.samples, "sample"), size(dataset.size), files > 1 && plural(files, "file"),
      dataset.class_count > 0 && plural(dataset.class_count, "class", "classes"),
      dataset.quarantine > 0 && `${count(dataset.quarantine)} in quarantine`]
      .filter(Boolean).map((t) => el("span", null, t)));
}

function startSearch() {
  const input = byId("search");
  byId("find").addEventListener("submit", (e) => {
    e.preventDefault();
    const to = hashOf("", "", { q: input.value.trim() });
    if (to === location.hash) show();
    else location.hash = to;
  });
  // The cross of a search field empties it: that means all samples again.
  input.addEventListener("search", () => {
    if (input.value === "" && parse(location.hash).params.get("q")) location.hash = "#/";
  });
}

function globalKeys() {
  const to = (hash) => () => { location.hash = hash; };
  bind({
    "/": () => { byId("search").focus(); byId("search").select(); },
    g: () => { location.hash = main.dataset.view === "gallery" ? "#/" : lastGallery; },
    c: to("#/charts"),
    p: to("#/pages"),
    m: to("#/pages"),
    v: to("#/verify"),
    a: to("#/playground"),
    l: to("#/loader"),
    d: () => byId("theme").click(),
    "?": () => byId("help-open").click(),
    Escape: () => {
      if (!byId("error").hidden) clearError();
      else if (main.dataset.view !== "gallery") location.hash = lastGallery;
    },
  });
}

// The header's height is wanted by what sticks below it, and depends on the width.
function measure() {
  const set = () => document.documentElement.style.setProperty("--top", `${byId("top").offsetHeight}px`);
  new ResizeObserver(set).observe(byId("top"));
  set();
}

async function start() {
  header();
  measure();
  startTheme();
  startHelp();
  startQuery();
  startKeys();
  startSearch();
  globalKeys();
  try {
    dataset = await get("/api/dataset");
  } catch (e) {
    showError(e);
    replace(main, el("div", { class: "empty" }, el("p", { class: "lead" }, "The dataset could not be read."), el("p", null, e.message), e.hint && el("p", { class: "hint" }, e.hint)));
    return;
  }
  header();
  say(`${dataset.name}, ${plural(dataset.samples, "sample")}`);
  window.addEventListener("hashchange", show);
  show();
}

start();
