#!/usr/bin/env python3
"""Makes encoded.json: the SHA-256 and size of the JPEGs that OpenCV (as FFCV's writer calls it) and Pillow, which must
agree, make of pixels that Go makes too. Needs OpenCV, Pillow and NumPy."""
import hashlib, io, json, os
import cv2
import numpy as np
from PIL import Image

def pixels(kind, w, h):
    y, x, c = np.mgrid[0:h, 0:w, 0:3].astype(np.int64)
    if kind == "waves":
        v = x * (3 + c) + y * (5 - c) + (x * y >> 3) + 90 * c
        v = np.where(v & 256, 255 - (v & 255), v & 255)
    elif kind == "rough":
        v = (x * 2654435761 + y * 40503 * 65537 + c * 97) >> 7
        v ^= v >> 9
    elif kind == "edges":
        v = ((x // 3 + y // 5 + c) & 1) * 255
    else:  # flat
        v = 0 * x + 60 + 70 * c
    return np.ascontiguousarray((v & 255).astype(np.uint8))

cases = []
sizes = [(1, 1), (1, 2), (2, 1), (1, 17), (17, 1), (1, 300), (300, 1), (7, 9), (8, 8), (9, 8), (8, 9), (15, 15), (16, 16),
         (17, 17), (24, 16), (16, 24), (25, 31), (33, 49), (41, 7), (200, 151)]
for kind in "waves", "rough", "edges", "flat":
    for i, (w, h) in enumerate(sizes):
        for q in {90, [1, 2, 10, 25, 49, 50, 51, 75, 95, 99, 100][i % 11]}:
            cases.append((kind, w, h, q))
for q in range(1, 101):
    cases.append((["waves", "rough"][q & 1], 40, 33, q))

out = []
for kind, w, h, q in sorted(cases):
    pix = pixels(kind, w, h)
    ok, jpg = cv2.imencode(".jpg", cv2.cvtColor(pix, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, q])
    pil = io.BytesIO()
    Image.fromarray(pix).save(pil, "JPEG", quality=q)
    assert ok and jpg.tobytes() == pil.getvalue(), (kind, w, h, q)
    out.append({"kind": kind, "width": w, "height": h, "quality": q, "size": len(jpg), "sha256": hashlib.sha256(jpg.tobytes()).hexdigest()})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "encoded.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(e) for e in out) + "\n]\n")
print(len(out), "JPEGs")
