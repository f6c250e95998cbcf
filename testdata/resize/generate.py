#!/usr/bin/env python3
"""Writes bilinear.json, pictures that Pillow resized with BILINEAR, and
area.json, the same by OpenCV with INTER_AREA.

Run in this folder: python3 generate.py. Needs Pillow, opencv and numpy; their
versions are in the files. The sources are made by the formulas below, which
the Go test repeats. A crop is cut before it is resized."""

import base64
import json

import cv2
import numpy as np
import PIL
from PIL import Image


def noise(w, h):
    i = np.arange(3 * w * h, dtype=np.uint32)
    v = (i + np.uint32(w * 7919)) * np.uint32(2654435761)
    v ^= v >> np.uint32(15)
    v *= np.uint32(2246822519)
    return (v >> np.uint32(24)).astype(np.uint8).reshape(h, w, 3)


def steps(w, h):
    """Flat squares of 0 and 255, shifted by channel: clipping and edges."""
    y, x, c = np.mgrid[:h, :w, :3]
    return (((x + 3 * c) // 7 + y // 5) % 2 * 255).astype(np.uint8)


MADE = {"noise": noise, "steps": steps}

# source, its width and height; crop x, y, w, h; result's width and height
CASES = [
    ("noise", 100, 80, (0, 0, 100, 80), (40, 40)),
    ("noise", 100, 80, (0, 0, 100, 80), (50, 40)),
    ("noise", 100, 80, (13, 7, 61, 55), (48, 48)),
    ("noise", 100, 80, (13, 7, 61, 55), (17, 23)),
    ("noise", 100, 80, (60, 50, 40, 30), (40, 30)),
    ("noise", 100, 80, (60, 50, 40, 30), (57, 44)),
    ("noise", 100, 80, (0, 0, 20, 17), (48, 33)),
    ("noise", 100, 80, (10, 20, 70, 16), (33, 33)),
    ("noise", 100, 80, (10, 20, 16, 60), (33, 33)),
    ("noise", 100, 80, (0, 0, 100, 80), (1, 1)),
    ("noise", 100, 80, (99, 79, 1, 1), (9, 9)),
    ("noise", 100, 80, (5, 5, 2, 2), (31, 3)),
    ("noise", 375, 500, (20, 31, 333, 417), (32, 32)),
    ("noise", 375, 500, (0, 0, 375, 500), (7, 5)),
    ("noise", 500, 3, (0, 0, 500, 3), (37, 5)),
    ("noise", 1, 64, (0, 0, 1, 64), (5, 24)),
    ("steps", 100, 80, (0, 0, 100, 80), (41, 37)),
    ("steps", 100, 80, (9, 11, 64, 64), (56, 56)),
    ("steps", 100, 80, (3, 2, 24, 31), (49, 50)),
    ("steps", 400, 300, (0, 0, 400, 300), (25, 25)),
    ("noise", 2000, 40, (0, 0, 2000, 40), (11, 13)),
    ("noise", 40, 2000, (0, 0, 40, 2000), (13, 11)),
]


def pillow(m, size):
    return np.asarray(Image.fromarray(m).resize(size, Image.Resampling.BILINEAR))


def opencv(m, size):
    return cv2.resize(m, size, interpolation=cv2.INTER_AREA)


def write(name, version, resize):
    out = []
    for kind, w, h, (x, y, cw, ch), size in CASES:
        m = np.ascontiguousarray(MADE[kind](w, h)[y : y + ch, x : x + cw])
        out.append(
            {
                "source": kind,
                "size": [w, h],
                "crop": [x, y, cw, ch],
                "out": list(size),
                "pixels": base64.b64encode(resize(m, size).tobytes()).decode(),
            }
        )
    with open(name, "w") as f:
        json.dump({"made": version, "cases": out}, f, indent=0)
        f.write("\n")


write("bilinear.json", "Pillow " + PIL.__version__, pillow)
write("area.json", "OpenCV " + cv2.__version__, opencv)
