"""Writes geometry.json: what FFCV's own operations make of a small picture, what they and its crops draw, what
torchvision's Resize and CenterCrop give.

    python3 geometry.py       (needs ffcv, torchvision and Pillow; made with ffcv 1.0.2, torchvision 0.14.1, NumPy 1.24.2)

FFCV's functions run as they are, uncompiled, on NumPy's generator. RandomErasing is of FFCV's branch v1.1.0, which no
release has: its two lines that draw a rectangle stand below.
"""
import hashlib, json, math, os, sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != here]
import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as F
from ffcv.fields.rgb_image import get_random_crop
from ffcv.transforms import Cutout, NormalizeImage, RandomHorizontalFlip, RandomResizedCrop, RandomTranslate

np.random.seed(11)
out = {}


def apply(op, images):
    fn = op.generate_code()
    _, query = op.declare_state_and_memory(__import__("ffcv").pipeline.state.State(
        jit_mode=True, device=torch.device("cpu"), shape=images.shape[1:], dtype=np.dtype("u1")))
    dst = None if query is None else np.empty((len(images),) + tuple(query.shape), "u1")
    return fn(images.copy(), dst)


# A picture of which every pixel differs.
h, w = 7, 9
picture = np.stack([np.arange(h * w).reshape(h, w), np.arange(h * w).reshape(h, w)[::-1] + 100,
                    (np.arange(h * w).reshape(h, w) * 37) % 251], 2).astype("u1")
out["picture"] = {"width": w, "height": h, "hex": picture.tobytes().hex()}


def many(op, n):
    return apply(op, np.repeat(picture[None], n, 0))


flip = many(RandomHorizontalFlip(1.0), 1)[0]
out["flip"] = flip.tobytes().hex()

translated, counts = {}, {}
for m in many(RandomTranslate(2, (250, 251, 252)), 4000):
    for y in range(-2, 3):
        for x in range(-2, 3):
            moved = np.full((h, w, 3), (250, 251, 252), "u1")
            moved[max(y, 0):h + min(y, 0), max(x, 0):w + min(x, 0)] = picture[max(-y, 0):h + min(-y, 0), max(-x, 0):w + min(-x, 0)]
            if (moved == m).all():
                translated["%d,%d" % (x, y)] = m.tobytes().hex()
                counts["%d,%d" % (x, y)] = counts.get("%d,%d" % (x, y), 0) + 1
assert sum(counts.values()) == 4000 and len(translated) == 25
out["translate"] = {"padding": 2, "fill": [250, 251, 252], "outcomes": translated, "counts": counts}

cut, counts = {}, {}
for m in many(Cutout(3, (250, 251, 252)), 4000):
    ys, xs = np.nonzero((m == (250, 251, 252)).all(2))
    at = "%d,%d" % (xs.min(), ys.min())
    cut[at] = m.tobytes().hex()
    counts[at] = counts.get(at, 0) + 1
out["cutout"] = {"size": 3, "fill": [250, 251, 252], "outcomes": cut, "counts": counts}

out["flips"] = {"p": 0.3, "of": 10000, "flipped": int((many(RandomHorizontalFlip(0.3), 10000)[:, 0, 0, 0] != picture[0, 0, 0]).sum())}

tables = []
for mean, std in [((0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)),
                  ((125.307, 122.961, 113.8575), (51.5865, 50.847, 51.255)), ((128, 0, 99), (57, 255, 3))]:
    for kind in ("f4", "f2"):
        op = NormalizeImage(np.array(mean, "f8"), np.array(std, "f8"), np.dtype(kind).type)
        images = np.repeat(np.arange(256, dtype="u1").reshape(1, 16, 16, 1), 3, 3)
        result = np.empty(images.shape, op.dtype)
        op.generate_code()(images, result, [0])
        tables.append({"mean": mean, "std": std, "type": "<" + kind, "sha256": hashlib.sha256(result.tobytes()).hexdigest()})
out["normalize"] = tables

# Whole pictures, so that nothing is drawn that matters.
big = np.random.RandomState(3).randint(0, 256, (40, 40, 3)).astype("u1")
resized = []
for size in (17, 40, 64):
    got = apply(RandomResizedCrop((1.0, 1.0), (1.0, 1.0), size), big[None])[0]
    resized.append({"size": size, "sha256": hashlib.sha256(got.tobytes()).hexdigest()})
out["resized_crop"] = {"side": 40, "hex": big.tobytes().hex(), "outcomes": resized}

boxes = []
for height, width, scale, ratio in [(375, 500, (0.08, 1.0), (3 / 4, 4 / 3)), (500, 100, (0.2, 0.9), (0.5, 2.0))]:
    drawn = [get_random_crop(height, width, np.array(scale), np.array(ratio)) for _ in range(1000)]
    boxes.append({"size": [width, height], "scale": scale, "ratio": ratio,
                  "y": [int(b[0]) for b in drawn], "x": [int(b[1]) for b in drawn],
                  "h": [int(b[2]) for b in drawn], "w": [int(b[3]) for b in drawn]})
out["random_resized_crop"] = boxes

hs, ws = [], []
for _ in range(1000):
    area = np.random.uniform(0.02, 0.3, 1) * 224 * 160 / 1
    aspect = np.exp(np.random.uniform(math.log(0.3), math.log(1 / 0.3), 1))
    hs.append(int(round(np.sqrt(area * aspect).item())))
    ws.append(int(round(np.sqrt(area / aspect).item())))
out["erasing"] = {"size": [160, 224], "h": hs, "w": ws}

cases = []
for width, height in [(500, 375), (375, 500), (224, 224), (257, 300), (300, 257), (1000, 31), (33, 31), (640, 427), (256, 999)]:
    for size, cw, ch in [(256, 224, 224), (232, 224, 192), (31, 31, 30)]:
        noise = np.random.RandomState(width).randint(0, 256, (height, width, 3)).astype("u1")
        small = F.resize(Image.fromarray(noise), size)
        x, y = int(round((small.width - cw) / 2.0)), int(round((small.height - ch) / 2.0))
        got = F.center_crop(small, [ch, cw])
        assert np.array_equal(np.array(got), np.array(small)[y:y + ch, x:x + cw])
        cases.append({"from": [width, height], "size": size, "crop": [cw, ch], "resized": [small.width, small.height], "at": [x, y]})
out["resize_center_crop"] = cases
# Pixels of a picture that is made without a generator, for sums over its outcome.
yy, xx = np.mgrid[:375, :500]
plain = np.stack([(xx * 7 + yy * 3) % 256, (xx * yy) % 256, (xx ^ yy) % 256], 2).astype("u1")
pixels = []
for size, cw, ch in [(256, 224, 224), (200, 180, 160), (375, 300, 301), (500, 500, 400)]:
    got = F.center_crop(F.resize(Image.fromarray(plain), size), [ch, cw])
    pixels.append({"size": size, "crop": [cw, ch], "sha256": hashlib.sha256(np.array(got).tobytes()).hexdigest()})
out["torchvision_pixels"] = pixels
with open(os.path.join(here, "geometry.json"), "w") as f:
    f.write("{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, separators=(",", ":")) for k, v in out.items()) + "\n}\n")
