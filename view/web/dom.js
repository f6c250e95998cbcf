// Elements are made here and nowhere else. Strings become text nodes or attribute
// values, never markup: names, labels and JSON come out of files that strangers
// made, and the page must show what is in them whatever that is.

const svgSpace = "http://www.w3.org/2000/svg";

// el makes an HTML element. props are attributes, but: on… are listeners, class
// is the class list's text, style sets single properties (a style attribute would
// break the content security policy), dataset the data attributes, value and
// checked the properties. false, null and undefined leave an attribute away.
export function el(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

// svg makes an SVG element in the same way.
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(svgSpace, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) set(node, name, value);
  append(node, children);
  return node;
}

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function") node.addEventListener(name.slice(2), value);
  else if (name === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
  else if (name === "dataset") Object.assign(node.dataset, value);
  else if (name === "value" || name === "checked") node[name] = value;
  else node.setAttribute(name, value === true ? "" : value);
}

// append adds children: nodes, strings, numbers, lists of them; null and false
// are nothing.
export function append(node, children) {
  for (const c of children.flat(Infinity)) {
    if (c === null || c === undefined || c === false || c === "") continue;
    node.append(c instanceof Node ? c : String(c));
  }
}

// replace makes children the only ones of a node.
export function replace(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

// byId is the element of the page with that id.
export function byId(id) {
  return document.getElementById(id);
}

// say tells those who can't see it that something happened.
export function say(text) {
  byId("live").textContent = text;
}

// clip cuts a string that could be a megabyte long for places with one line.
export function clip(text, limit = 80) {
  const s = String(text);
  return s.length > limit ? s.slice(0, limit - 1) + "…" : s;
}

// later calls f once, wait milliseconds after the last call.
export function later(f, wait) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...args), wait);
  };
}

// pause resolves after some milliseconds, and rejects when signal ends.
export function pause(ms, signal) {
  return new Promise((done, fail) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      fail(signal.reason);
    }, { once: true });
  });
}
