#!/usr/bin/env python3
"""Writes raster.json: the SHA-256 of pictures of 1 to 4 channels, of bytes and
of two bytes (little-endian), that OpenCV resized with INTER_AREA.

Run in this folder: python3 raster.py. Needs opencv and numpy; their versions are
in the file. The sources are made by the formula below, which the Go test
repeats. A crop is cut before it is resized."""

import hashlib
import json

import cv2
import numpy as np


def noise(w, h, channels, dtype):
    i = np.arange(channels * w * h, dtype=np.uint32)
    v = (i + np.uint32(w * 7919)) * np.uint32(2654435761)
    v ^= v >> np.uint32(15)
    v *= np.uint32(2246822519)
    return (v >> np.uint32(32 - 8 * dtype().itemsize)).astype(dtype).reshape(h, w, channels)


# the source's width and height; crop x, y, w, h; result's width and height
CASES = [
    (100, 80, (0, 0, 100, 80), (50, 40)),  # halved: rounded in another way
    (100, 80, (3, 5, 94, 70), (47, 35)),
    (100, 80, (0, 0, 100, 80), (25, 20)),  # whole boxes
    (100, 80, (1, 2, 99, 70), (33, 14)),
    (100, 80, (0, 0, 100, 80), (50, 80)),
    (100, 80, (0, 0, 100, 80), (100, 80)),
    (100, 80, (0, 0, 100, 80), (1, 1)),
    (100, 80, (13, 7, 61, 55), (48, 48)),  # weights
    (100, 80, (13, 7, 61, 55), (17, 23)),
    (100, 80, (13, 7, 61, 48), (60, 48)),
    (300, 200, (20, 31, 233, 117), (7, 5)),
    (500, 3, (0, 0, 500, 3), (37, 3)),
    (1, 64, (0, 0, 1, 64), (1, 24)),
    (100, 80, (0, 0, 20, 17), (48, 33)),  # grown
    (100, 80, (0, 0, 20, 17), (40, 34)),
    (100, 80, (80, 63, 20, 17), (60, 51)),
    (100, 80, (10, 20, 70, 16), (33, 33)),  # one way
    (100, 80, (10, 20, 16, 60), (33, 33)),
    (100, 80, (99, 79, 1, 1), (9, 9)),
    (100, 80, (5, 5, 2, 2), (31, 3)),
    (1000, 40, (0, 0, 1000, 40), (11, 13)),
]

cases = []
for dtype in np.uint8, np.uint16:
    for channels in 1, 2, 3, 4:
        for w, h, (x, y, cw, ch), (ow, oh) in CASES:
            part = np.ascontiguousarray(noise(w, h, channels, dtype)[y:y + ch, x:x + cw])
            out = cv2.resize(part, (ow, oh), interpolation=cv2.INTER_AREA)
            cases.append({"size": [w, h], "channels": channels, "depth": dtype().itemsize, "crop": [x, y, cw, ch],
                          "out": [ow, oh], "sha256": hashlib.sha256(out.tobytes()).hexdigest()})

with open("raster.json", "w") as f:
    head = json.dumps(f"OpenCV {cv2.__version__}, NumPy {np.__version__}, INTER_AREA")
    f.write('{"made": %s, "cases": [\n' % head + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
