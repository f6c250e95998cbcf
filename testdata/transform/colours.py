"""Makes colours.json: what FFCV's and torchvision's operations on colours and
labels give, for factors that are known.

Needs ffcv 1.0.2 with numba, and torchvision 0.14. Run: python colours.py > colours.json

FFCV's functions are those of generate_code(), compiled as its loader compiles
them. They draw from numba's generator, which is seeded here, so that a function
beside them can draw the same numbers.
"""
import base64
import json

import numba
import numpy as np
import torch
import torchvision.transforms.functional_tensor as tv
from ffcv.pipeline.compiler import Compiler
from ffcv.transforms import (ImageMixup, LabelMixup, MixupToOneHot, Poison, RandomBrightness, RandomContrast,
                             RandomSaturation, ReplaceLabel)

Compiler.set_num_threads(1)
torch.set_num_threads(1)
H, W = 16, 20


def text(a):
    return base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()


def pictures():
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (H, W, 3), dtype=np.uint8)
    y, x = np.mgrid[:H, :W]
    dull = np.stack([90 + 4 * x, 80 + 3 * x + y, 100 + 2 * x + 2 * y], -1).astype(np.uint8)
    dull[:4] = dull[:4, :, :1]  # gray
    dull[4:6] = [255, 255, 255]
    dull[6:8] = [0, 0, 0]
    bright = np.clip(rng.normal([200, 140, 90], 60, (H, W, 3)), 0, 255).astype(np.uint8)
    return np.stack([noise, dull, bright])


@numba.njit
def seed(s):
    np.random.seed(s)


@numba.njit
def factors(n, lo, hi):
    np.random.rand(n)
    return np.random.uniform(lo, hi, n)


@numba.njit
def betas(alpha, n):
    return np.random.beta(alpha, alpha, n)


@numba.njit
def beta(alpha):
    return np.random.beta(alpha, alpha)


images = pictures()
n = len(images)
out = {"height": H, "width": W, "images": [text(i) for i in images], "factor": [], "mixup": [], "labels": []}

for name, op in [("brightness", RandomBrightness), ("contrast", RandomContrast), ("saturation", RandomSaturation)]:
    for s, magnitude in enumerate([0.1, 0.4, 0.4, 1.0, 1.0, 3.0]):
        f = Compiler.compile(op(magnitude, 1.0).generate_code())
        seed(s)
        drawn = factors(n, max(0.0, 1 - magnitude), 1 + magnitude)
        seed(s)
        got = f(images.copy())
        for i in range(n):
            out["factor"].append({"op": name, "image": i, "factor": float(drawn[i]), "outcome": text(got[i])})

planes = [torch.from_numpy(i).permute(2, 0, 1).contiguous() for i in images]


def add(name, factor, f, **more):
    for i in range(n):
        got = f(planes[i]).permute(1, 2, 0).numpy()
        out["factor"].append({"op": name, "image": i, "factor": factor, "outcome": text(got), **more})


for h in [-0.5, -0.3, -0.1, -1e-9, 0.0, 0.05, 0.2, 1 / 3, 0.5]:
    add("hue", h, lambda p: tv.adjust_hue(p, h))
add("grayscale", 1, lambda p: tv.rgb_to_grayscale(p, 3))
for t in [1, 100, 128, 255]:
    add("solarize", t, lambda p: tv.solarize(p, t))
for size, sigma in [(3, 0.1), (3, 1.0), (5, 2.0), (9, 0.7), (23, 2.0), (31, 9.0)]:
    add("blur", sigma, lambda p: tv.gaussian_blur(p, [size, size], [sigma, sigma]), size=size)

labels = np.array([[3], [0], [7]], dtype=np.int64)
for alpha, same, last in [(0.2, True, 0), (0.2, False, 1), (1.0, False, 2), (1.0, True, 9), (2.5, False, 7), (0.5, False, 11)]:
    indices = np.array([5, 6, last])
    seed(last)
    lam = np.repeat(beta(alpha), n) if same else betas(alpha, n)
    got = Compiler.compile(ImageMixup(alpha, same).generate_code())(images, np.zeros_like(images), indices)
    pairs = Compiler.compile(LabelMixup(alpha, same).generate_code())(labels, np.zeros((n, 3), np.float32), indices)
    hot = MixupToOneHot(8).generate_code()(torch.from_numpy(pairs.copy()), torch.zeros(n, 8))
    out["mixup"].append({"lambda": [float(v) for v in lam], "outcome": text(got), "labels": text(pairs), "onehot": text(hot.numpy())})

rng = np.random.default_rng(6)
mask = rng.uniform(-50, 300, (H, W, 3))
alpha = np.where(rng.random((H, W)) < 0.5, 0.0, rng.random((H, W)))
for clamp in [(0, 255), (20, 200)]:
    f = Compiler.compile(Poison(mask, alpha, [12, 4, 30], clamp).generate_code())
    got = f(images.copy(), np.zeros(images.shape, np.float32), np.array([4, 5, 30]))
    out.setdefault("poison", []).append({"mask": text(mask), "alpha": text(alpha), "indices": [12, 4, 30], "clamp": clamp,
                                         "samples": [4, 5, 30], "outcome": text(got)})
f = Compiler.compile(ReplaceLabel([12, 4, 30], 99).generate_code())
out["labels"] = {"indices": [12, 4, 30], "new": 99, "samples": [4, 5, 30], "before": text(labels),
                 "after": text(f(labels.copy(), None, np.array([4, 5, 30])))}
print(json.dumps(out, separators=(",", ":")).replace("},{", "},\n{"))
