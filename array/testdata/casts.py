"""Writes casts.json.gz: what NumPy's astype makes of values of every kind (x86-64; NumPy's version is in the file)."""

import gzip
import json
import warnings

import numpy as np

warnings.simplefilter("ignore")
NUMBERS = ["?", "i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16", ">i4", ">f8", ">u2", ">f2", ">c8"]
INTS = [0, 1, -1, 2, 100, 127, 128, -128, -129, 255, 256, 32767, 32768, 65535, 65536, 2049, 2051, 65519, 65520, 2**31 - 1, 2**31, -2**31,
        -2**31 - 1, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, -2**63, 16777217, 16777219]
FLOATS = [0.0, -0.0, 0.5, 1.5, 2.5, -1.5, -0.99, 1e-8, 5.9604645e-8, 2.9e-8, 6.1e-5, 0.1, 1 / 3, 100.7, -100.7, 127.9, 128, 255.9, 300.5, -300.5,
          2049, 2051, 65519, 65520, 65504.5, 70000, 1.0009765625, 1.00048828125, 1.000488281250001, 1e5, 123456.789, 1e10, -1e10, 1e15, 1e16, 123456789012345680.0,
          2**31, 2**32, 2**53, 2**63, 1.5e19, 1e30, -1e30, 1e-30, 1e38, 3.5e38, 1e300, float("inf"), float("-inf"), float("nan")]


def source(t: np.dtype) -> np.ndarray:
    if t.kind == "b":
        return np.array([False, True], t)
    if t.kind in "iu":
        info = np.iinfo(t)
        return np.array([v for v in INTS if info.min <= v <= info.max], t)
    if t.kind == "f":
        return np.array(FLOATS, t)
    if t.kind == "c":
        return np.array([complex(a, b) for a, b in zip(FLOATS, FLOATS[3:] + FLOATS[:3])], t)
    if t.kind == "S":
        return np.array(["1", " 2 ", "-3", "+4", "1_0", "77"], t)
    if t.kind == "M":
        if t == np.dtype("M8[Y]"):
            return np.array([0, -1, 30, 54, -200, -2**63], "i8").view(t)
        return np.array(["1970-01-01", "1969-12-31", "2024-02-29", "2000-03-01", "1600-12-31", "1900-02-28", "NaT"], "M8[us]").astype(t)
    return np.array([0, 1, -1, 1000, -1000, 86400, 1234567, -2**63], "i8").view(t)


cases = []


def case(frm: str, to: str, a: "np.ndarray | None" = None) -> None:
    if a is None:
        a = source(np.dtype(frm))
    b = a.astype(to)
    cases.append({"from": frm, "to": to, "n": len(a), "in": a.tobytes().hex(), "out": b.tobytes().hex()})


for frm in NUMBERS:
    for to in NUMBERS:
        case(frm, to)
    case(frm, "S40")
    case(frm, "<U40")
    case(frm, ">U3")
for to in [t for t in NUMBERS if t != "?"]:
    if to.lstrip("<>")[0] == "u":
        case("S8", to, np.array(["1", " 2 ", "+4", "1_0", "77"], "S8"))
        continue
    case("S8", to)
    case("<U8", to, source(np.dtype("S8")).astype("<U8"))
for to in ["<f4", "<f8", "<c8", "<c16", "<f2"]:
    case("<U20", to, np.array(["1.5", "nan", "-inf", "1e400", "1e-400", " .5", "5.", "1_0.5", "Infinity", "3.4e38", "0.1"], "<U20"))
case("<U20", "<c16", np.array(["1+2j", "(1-2j)", "j", "-j", "2.5j", "1e3+nanj", "nan", "-1-1j"], "<U20"))
case("S5", "S3", np.array([b"hello", b"a\x00b", b""], "S5"))
case("S5", "<U3", np.array([b"hello", b"ab", b""], "S5"))
case("<U5", ">U7", np.array(["h\u00e9llo", "\u65e5\u672c", ""], "<U5"))
case("<U5", "S3", np.array(["hello", "a", ""], "<U5"))
case("V4", "V6", np.array([b"abcd"], "V4"))
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "25s", "7D"]
for a in UNITS:
    for b in UNITS:
        case(f"<M8[{a}]", f"<M8[{b}]", source(np.dtype(f"M8[{a}]")))
        if (a in "YM") == (b in "YM"):
            case(f"<m8[{a}]", f">m8[{b}]", source(np.dtype(f"m8[{a}]")))
case("<M8[s]", "<i8")
case("<i4", "<M8[s]")
case("<i8", ">m8[ns]")

with gzip.GzipFile("casts.json.gz", "wb", mtime=0) as f:
    f.write(('{"numpy": "%s", "cases": [\n' % np.__version__ + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n").encode())
