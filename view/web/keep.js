// What the browser remembers of a person's preferences. Storage can be switched
// off or full; then nothing is remembered, and nothing fails.

// kept is what was kept under name, or null.
export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

// keep remembers a string under name.
export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // See above.
  }
}
