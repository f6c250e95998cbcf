// The server's routes, as functions. Every answer is JSON or a picture; every
// error has a sentence, and mostly one that says what to do.

// Failure is an answer that says no, or none at all.
export class Failure extends Error {
  constructor(message, status, body) {
    super(message);
    this.status = status;
    this.hint = body?.hint ?? "";
    this.body = body ?? {};
  }
}

// address is a route with its parameters; those that are null are left away.
export function address(path, params) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params ?? {})) {
    if (v !== null && v !== undefined && v !== "") q.set(k, v);
  }
  const text = q.toString();
  return text ? `${path}?${text}` : path;
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Failure("The viewer does not answer.", 0, { hint: "Is ffcv view still running? Start it again and open the address that it prints." });
  }
  if (response.ok) return response;
  throw await refusal(response);
}

async function refusal(response) {
  if (response.status === 403) {
    return new Failure("The viewer does not know this browser.", 403, { hint: "Open the address that ffcv view printed: it has the token." });
  }
  let body = {};
  try {
    body = await response.json();
  } catch {
    // Not JSON: the status has to do.
  }
  return new Failure(body.error || `The viewer answered ${response.status} ${response.statusText}`, response.status, body);
}

// get asks for a route's JSON.
export async function get(path, params, signal) {
  const response = await ask(address(path, params), { signal });
  return response.json();
}

// post sends JSON and gives the answer's, null where it is empty.
export async function post(path, body, signal) {
  const response = await ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

// remove deletes what a route names.
export async function remove(path, signal) {
  await ask(path, { method: "DELETE", headers: { "Content-Type": "application/json" }, signal });
}

// picture gets an image with what its header X-Drawn tells; revoke its url.
export async function picture(path, params, signal) {
  const response = await ask(address(path, params), { signal });
  let drawn = null;
  try {
    drawn = JSON.parse(response.headers.get("X-Drawn") ?? "null");
  } catch {
    // What was drawn is a remark to the picture: no picture fails for it.
  }
  return { url: URL.createObjectURL(await response.blob()), drawn, headers: response.headers };
}

// imageAddress is where a sample's picture is: within side x side, 0 as stored.
export function imageAddress(index, field, side) {
  return address(`/api/sample/${index}/image`, { field, side });
}

// ended tells whether an error only says that its view was left.
export function ended(error) {
  return error?.name === "AbortError";
}
