// The keyboard: single keys, for the whole page and for the view that is shown.
// What was bound last is asked first, so a view can take a key for itself.

const bound = [];

// bind takes {key: function}; a function that returns false passes the key on.
// signal, where there is one, ends the binding.
export function bind(bindings, signal) {
  bound.unshift(bindings);
  signal?.addEventListener("abort", () => {
    const i = bound.indexOf(bindings);
    if (i >= 0) bound.splice(i, 1);
  });
}

// typing tells whether an element takes this key as text or moves by itself.
function typing(target, key) {
  if (!(target instanceof Element)) return false;
  if (target.matches("input:not([type=checkbox],[type=radio],[type=range],[type=button]), textarea, select, [contenteditable]")) return true;
  const moves = key.startsWith("Arrow") || key === "Home" || key === "End" || key.startsWith("Page");
  return moves && target.matches("input, audio, summary, [role=application], [data-arrows]");
}

function press(e) {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  if (typing(e.target, e.key)) {
    if (e.key === "Escape") {
      e.preventDefault(); // or a search field would be emptied, and the search with it
      e.target.blur();
    }
    return;
  }
  if (e.key === "Escape" && document.querySelector("[popover]:popover-open")) return;
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
  for (const bindings of bound) {
    const f = bindings[key];
    if (f && f(e) !== false) {
      e.preventDefault();
      return;
    }
  }
}

// startKeys begins to listen.
export function startKeys() {
  document.addEventListener("keydown", press);
}
