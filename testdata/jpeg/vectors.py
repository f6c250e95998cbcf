#!/usr/bin/env python3
"""Makes the JPEGs of this folder and manifest.json: the SHA-256 of libjpeg's raw planes at every scale and of Pillow's
RGB pixels. Needs gcc, libjpeg's headers (libjpeg62-turbo-dev 2.1.5), Pillow and NumPy.

    vectors.py PHOTO    # any photograph of 300x200 or more, for its texture
"""
import hashlib, io, json, os, subprocess, sys
import numpy as np
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
tool = "/tmp/vectors"
subprocess.check_call(["gcc", "-O2", "-o", tool, os.path.join(here, "vectors.c"), "-ljpeg"])
photo = np.asarray(Image.open(sys.argv[1]).convert("RGB"))[:200, :300]
noise = np.random.default_rng(1).integers(0, 256, (80, 80, 3), np.uint8)
long = np.full((65500, 17, 3), (90, 160, 30), np.uint8)  # flat but for noise at its ends and past its middle
for y in 0, 40000, 65500 - 60:
    long[y:y + 60] = noise[:60, :17] // 2

cases = []  # name, pixels, quality, restart, optimise, scans, colour, factors
def case(name, pix, q=90, restart=0, optimise=0, scans=0, colour="ycc", factors="221111"):
    cases.append((name, np.ascontiguousarray(pix), q, restart, optimise, scans, colour, factors))

for w, h in (1, 1), (2, 1), (1, 2), (3, 3), (7, 9), (8, 8), (15, 17), (16, 16), (17, 33), (31, 2), (1, 40), (40, 1), (71, 49):
    for factors in "221111", "211111", "111111", "121111", "411111":
        case(f"{w}x{h}-{factors}", photo[20:20 + h, 30:30 + w], factors=factors)
    case(f"{w}x{h}-gray", photo[20:20 + h, 30:30 + w], colour="gray", factors="11")
for factors in "421111", "241111", "141111", "222111", "211211", "112222", "212121", "441111", "321111", "311111", "422211", "221221", "222121":
    case(f"factors-{factors}", photo[:75, :117], factors=factors)
for q in 1, 5, 30, 75, 100:
    case(f"q{q}", photo[:90, :130], q=q, optimise=q & 1)
    case(f"noise-q{q}", noise, q=q, factors="111111")
for restart in 1, 2, 3, 7, 9, 40:
    case(f"restart-{restart}", photo[:99, :141], restart=restart)
    case(f"restart-{restart}-gray", photo[:50, :61], restart=restart, colour="gray", factors="22")
case("optimised", photo[:, :], optimise=1)
case("optimised-444", photo[:77, :99], optimise=1, factors="111111")
case("scans", photo[:83, :131], scans=1)
case("scans-restart", photo[:83, :131], scans=1, restart=5)
case("scans-422", photo[:41, :39], scans=1, factors="211111")
case("rgb", photo[:41, :39], colour="rgb", factors="111111")
case("rgb-420", photo[:41, :39], colour="rgb", factors="221111")
case("17x65500-221111", long, optimise=1)
case("65500x17-221111", long.transpose(1, 0, 2), optimise=1)
case("65500x1-gray", long[:, :1].transpose(1, 0, 2), optimise=1, colour="gray", factors="11")

manifest = []
def add(name, data):
    path = os.path.join(here, name + ".jpg")
    with open(path, "wb") as f:
        f.write(data)
    entry = {"name": name, "planes": {}}
    for scale in 1, 2, 4, 8:
        out = subprocess.run([tool, "planes", path, str(scale)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if out.returncode == 0:
            entry["planes"][str(scale)] = hashlib.sha256(out.stdout).hexdigest()
    try:
        m = Image.open(io.BytesIO(data)).convert("RGB")
        entry["width"], entry["height"] = m.size
        entry["rgb"] = hashlib.sha256(m.tobytes()).hexdigest()
    except OSError as e:
        entry["refused"] = str(e)
    manifest.append(entry)

def edited(name, of, edit):
    with open(os.path.join(here, of + ".jpg"), "rb") as f:
        add(name, edit(f.read()))

for name, pix, q, restart, optimise, scans, colour, factors in cases:
    tmp = "/tmp/vector.jpg"
    done = subprocess.run([tool, "encode", tmp, str(pix.shape[1]), str(pix.shape[0]), str(q), str(restart),
                           str(optimise), str(scans), colour, factors], input=pix.tobytes(), stderr=subprocess.PIPE)
    if done.returncode == 0:
        with open(tmp, "rb") as f:
            add(name, f.read())
    else:
        print(name, done.stderr.decode().strip())

def insert(data, segment):
    return data[:2] + segment + data[2:]

def no_jfif(data):
    at = data.index(b"\xff\xe0")
    return data[:at] + data[at + 18:]

def ids(data, names):
    sof, sos = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    data = bytearray(data)
    for i, n in enumerate(names):
        data[sof + 10 + 3 * i] = n
        data[sos + 5 + 2 * i] = n
    return bytes(data)

def zero_quant(data):
    at = data.index(b"\xff\xdb")
    return data[:at + 5] + bytes(64) + data[at + 69:]

def dri(n):
    return b"\xff\xdd\x00\x04" + n.to_bytes(2, "big")

def before_eoi(data, more):
    return data[:-2] + more + data[-2:]

def scan_starts(data):  # offsets of SOS, where no coded byte looks like one
    return [i for i in range(len(data)) if data[i:i + 2] == b"\xff\xda"]

def restarts_in_first(data):  # the first of three scans with restarts, no restarts in the others
    with open(os.path.join(here, "scans-restart.jpg"), "rb") as f:
        other = f.read()
    at = scan_starts(data)[1]
    tables = data.rindex(b"\xff\xc4", 0, at)
    first = scan_starts(other)[1]
    return other[:other.rindex(b"\xff\xc4", 0, first)] + dri(0) + data[data.index(b"\xff\xc4", scan_starts(data)[0]):]

def wide_quant(data):
    out, at = data[:2], 2
    while data[at + 1] != 0xda:
        end = at + 2 + int.from_bytes(data[at + 2:at + 4], "big")
        if data[at + 1] == 0xdb:
            body = data[at + 4:end]
            for i in range(0, len(body), 65):
                out += b"\xff\xdb\x00\x83" + bytes([16 | body[i]]) + b"".join(bytes([0, v]) for v in body[i + 1:i + 65])
        else:
            out += data[at:end]
        at = end
    return out + data[at:]

def no_tables(data):
    out, at = data[:2], 2
    while True:
        end = at + 2 + int.from_bytes(data[at + 2:at + 4], "big")
        if data[at + 1] == 0xda:
            return out + data[at:]
        if data[at + 1] != 0xc4:
            out += data[at:end]
        at = end

adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
edited("edit-garbage-after-eoi", "71x49-221111", lambda d: d + b"\xff\xd8garbage\xff\xff\x00" * 9)
edited("edit-fill-bytes", "71x49-221111", lambda d: d.replace(b"\xff\xda", b"\xff\xff\xff\xff\xda").replace(b"\xff\xdb", b"\xff\xff\xdb")[:-2] + b"\xff\xff\xff\xd9")
edited("edit-fill-restart", "restart-3", lambda d: d.replace(b"\xff\xd2", b"\xff\xff\xff\xd2"))
edited("edit-ids-rgb", "71x49-111111", lambda d: ids(no_jfif(d), b"RGB"))
edited("edit-ids-rgb-jfif", "71x49-111111", lambda d: ids(d, b"RGB"))
edited("edit-ids-odd", "71x49-221111", lambda d: ids(no_jfif(d), b"\x07\x05\x09"))
edited("edit-adobe-0", "71x49-221111", lambda d: insert(no_jfif(d), adobe + b"\x00"))
edited("edit-adobe-1", "71x49-221111", lambda d: insert(no_jfif(d), adobe + b"\x01"))
edited("edit-quant-0", "71x49-221111", zero_quant)
edited("edit-exif", "17x33-221111", lambda d: insert(d, b"\xff\xe1\xff\xff" + bytes(65533)))
edited("edit-extended", "71x49-221111", lambda d: d.replace(b"\xff\xc0", b"\xff\xc1"))
edited("edit-no-tables", "71x49-221111", no_tables)
edited("edit-no-tables-gray", "71x49-gray", no_tables)
edited("edit-dri-0", "71x49-221111", lambda d: insert(d, dri(0)))
edited("edit-dri-5-0", "71x49-221111", lambda d: insert(d, dri(5) + dri(0)))
edited("edit-dri-65535", "71x49-221111", lambda d: insert(d, dri(65535)))
edited("edit-dri-9-3", "restart-3", lambda d: insert(d, dri(9)))
edited("edit-dri-scans", "scans", restarts_in_first)
edited("edit-garbage-before-eoi", "71x49-221111", lambda d: before_eoi(d, b"garbage" * 5))
edited("edit-second-after-eoi", "71x49-221111", lambda d: d + d)
edited("edit-dnl", "71x49-221111", lambda d: before_eoi(d, b"\xff\xdc\x00\x04\x00\x31"))
edited("edit-quant-16", "71x49-221111", wide_quant)
edited("edit-empty-segments", "71x49-221111", lambda d: insert(d, b"".join(bytes([0xff, m, 0, 2]) for m in (0xfe, 0xe0, 0xe1, 0xe2, 0xee, 0xef))))

with open(os.path.join(here, "manifest.json"), "w") as f:
    json.dump(manifest, f, indent=0)
    f.write("\n")
