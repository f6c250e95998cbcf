// Numbers as people read them.

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

// count is a whole number with separators; what came as text stays as it is.
export function count(n) {
  return typeof n === "number" ? grouped.format(n) : String(n);
}

// plural is "1 sample", "2 samples".
export function plural(n, one, many = one + "s") {
  return `${count(n)} ${n === 1 ? one : many}`;
}

// size is a number of bytes in units of 1024.
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "unknown";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let i = 0;
  let v = bytes;
  while (Math.abs(v) >= 1024 && i < units.length - 1) {
    v /= 1024;
    i++;
  }
  return `${i === 0 ? v : v >= 1000 ? Math.round(v) : Number(v.toPrecision(3))} ${units[i]}`;
}

// short is a number with three digits or so that matter. "nan", "inf" and "-inf"
// come as text, since JSON has no such numbers.
export function short(v) {
  if (typeof v !== "number") return v === null || v === undefined ? "–" : String(v);
  if (v === 0) return "0";
  const a = Math.abs(v);
  if (a >= 1e15 || a < 1e-4) return v.toExponential(2);
  if (a >= 1000) return grouped.format(v);
  return String(Number(v.toPrecision(a >= 100 ? 4 : 3)));
}

// percent is a share of a whole, 0 to 1.
export function percent(share) {
  if (!Number.isFinite(share)) return "–";
  const p = share * 100;
  return `${p !== 0 && Math.abs(p) < 0.1 ? "<0.1" : p >= 99.95 && p < 100 - 1e-7 ? "99.9" : Number(p.toFixed(1))}%`;
}

// seconds is a span of time in its fitting unit.
export function seconds(s) {
  if (!Number.isFinite(s)) return "–";
  if (s === 0) return "0 s";
  if (s < 1e-3) return `${short(s * 1e6)} µs`;
  if (s < 1) return `${short(s * 1e3)} ms`;
  if (s < 120) return `${short(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
}

const dtypes = { "|u1": "uint8", "|i1": "int8", "|b1": "bool", "<u2": "uint16", "<i2": "int16", "<u4": "uint32", "<i4": "int32", "<u8": "uint64", "<i8": "int64", "<f2": "float16", "<f4": "float32", "<f8": "float64" };

// dtype is the name of an element type that NumPy writes as "<f4".
export function dtype(text) {
  return dtypes[text] ?? String(text ?? "");
}

// finite is a number or null: what comes as text ("nan") can't be drawn.
export function finite(v) {
  return typeof v === "number" && Number.isFinite(v) ? v : null;
}

// hexLines lays hexadecimal text out as offset, sixteen bytes, characters.
export function hexLines(hex, from = 0) {
  const lines = [];
  const clean = hex.replace(/[^0-9a-fA-F]/g, "");
  for (let i = 0; i < clean.length; i += 32) {
    const pairs = clean.slice(i, i + 32).match(/../g) ?? [];
    const chars = pairs.map((p) => {
      const c = parseInt(p, 16);
      return c >= 32 && c < 127 ? String.fromCharCode(c) : "·";
    });
    const left = pairs.slice(0, 8).join(" ");
    const right = pairs.slice(8).join(" ");
    lines.push(`${(from + i / 2).toString(16).padStart(6, "0")}  ${`${left}  ${right}`.padEnd(49)} ${chars.join("")}`);
  }
  return lines.join("\n");
}
