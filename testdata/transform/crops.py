"""Writes crops.json: boxes by FFCV's get_random_crop and get_center_crop for
given random numbers (k / 2^53, in the order in which FFCV draws them).

    python3 crops.py         (needs numpy; made with 1.24.2)
"""
import json, math, os, random
import numpy as np

draws = iter(())


def uniform(a, b):
    return a + (b - a) * (next(draws) / 2**53)


def get_random_crop(height, width, scale, ratio):  # ffcv/fields/rgb_image.py
    area = height * width
    log_ratio = np.log(ratio)
    for _ in range(10):
        target_area = area * uniform(scale[0], scale[1])
        aspect_ratio = math.exp(uniform(log_ratio[0], log_ratio[1]))
        w = int(round(math.sqrt(target_area * aspect_ratio)))
        h = int(round(math.sqrt(target_area / aspect_ratio)))
        if 0 < w <= width and 0 < h <= height:
            i = int(uniform(0, height - h + 1))
            j = int(uniform(0, width - w + 1))
            return i, j, h, w
    in_ratio = float(width) / float(height)
    if in_ratio < min(ratio):
        w = width
        h = int(round(w / min(ratio)))
    elif in_ratio > max(ratio):
        h = height
        w = int(round(h * max(ratio)))
    else:
        w = width
        h = height
    i = (height - h) // 2
    j = (width - w) // 2
    return i, j, h, w


def get_center_crop(height, width, ratio):
    s = min(height, width)
    c = int(ratio * s)
    return (height - c) // 2, (width - c) // 2, c, c


r = random.Random(5)
rand, center = [], []
sizes = [(500, 375), (375, 500), (224, 224), (1, 1), (2, 1), (3, 200), (640, 3), (33, 31), (65535, 2), (100, 75)]
for w, h in sizes:
    for scale, ratio in [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.5, 0.9), (1.0, 1.0)), ((1.0, 1.0), (0.5, 3.0))]:
        for edge in (None, 0, 2**53 - 1):
            ks = [r.getrandbits(53) if edge is None else edge for _ in range(22)]
            draws = iter(ks)
            i, j, ch, cw = get_random_crop(h, w, scale, ratio)
            used = 22 - len(list(draws))
            rand.append({"size": [w, h], "scale": scale, "ratio": ratio, "draws": [str(k) for k in ks[:used]], "box": [j, i, cw, ch]})
    for ratio in (224 / 256, 1.0, 0.5):
        i, j, ch, cw = get_center_crop(h, w, ratio)
        if cw:
            center.append({"size": [w, h], "ratio": ratio, "box": [j, i, cw, ch]})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "crops.json"), "w") as f:
    for name, cases in (('{"random": [\n', rand), ('\n],\n"center": [\n', center)):
        f.write(name + ",\n".join(json.dumps(c) for c in cases))
    f.write("\n]}\n")
