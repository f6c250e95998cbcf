// Addresses of views that several views point to.

// searchHash is the gallery's search for a query.
export function searchHash(q) {
  return `#/?${new URLSearchParams({ q })}`;
}

// classHash is the search for the samples of a class, or of a label without one.
export function classHash(name, label) {
  return searchHash(name ? `class:${quoted(name)}` : `label:${label}`);
}

// quoted puts a name that is not one plain word into quotes, as searches want it.
function quoted(text) {
  return /^[\w.-]+$/.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}

// pageHash is the address of a page of the file that has the sample.
export function pageHash(sample, page) {
  const file = sample.file?.number ?? 0;
  return `#/pages?${file > 0 ? `file=${file}&` : ""}page=${page}`;
}
