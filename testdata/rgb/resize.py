"""Writes resize.json: what OpenCV's INTER_AREA makes of crops of noise.

The sources are made from a formula, so that only sizes and digests are kept:
src, crop and out are [width, height], [x, y, w, h] and [width, height].

    python3 resize.py        (needs numpy and opencv; made with cv2 4.6.0)
"""
import hashlib, json, os, random
import cv2, numpy as np


def noise(w, h):
    i = np.arange(3 * w * h, dtype=np.uint64)
    v = ((i + w * 7919) * 2654435761) & 0xFFFFFFFF
    v ^= v >> np.uint64(15)
    v = (v * 2246822519) & 0xFFFFFFFF
    return (v >> np.uint64(24)).astype(np.uint8).reshape(h, w, 3)


def case(w, h, crop, ow, oh):
    x, y, cw, ch = crop
    src = np.ascontiguousarray(noise(w, h)[y:y + ch, x:x + cw])
    out = cv2.resize(src, (ow, oh), interpolation=cv2.INTER_AREA)
    return {"src": [w, h], "crop": crop, "out": [ow, oh], "sha256": hashlib.sha256(out.tobytes()).hexdigest()}


r = random.Random(3)
cases = []
for _ in range(200):  # any crop to any size
    w, h = r.randint(1, 160), r.randint(1, 160)
    cw, ch = r.randint(1, w), r.randint(1, h)
    crop = [r.randint(0, w - cw), r.randint(0, h - ch), cw, ch]
    cases.append(case(w, h, crop, r.randint(1, 120), r.randint(1, 120)))
for kx in range(1, 8):  # whole factors, together and with one that isn't
    for ky in range(1, 8):
        cases.append(case(13 * kx, 11 * ky, [0, 0, 13 * kx, 11 * ky], 13, 11))
    cases.append(case(13 * kx, 50, [0, 0, 13 * kx, 50], 13, 37))
for k in (9, 49, 98, 103, 107, 161):  # 1/(1/k) isn't always k
    cases.append(case(3 * k, 2 * k, [0, 0, 3 * k, 2 * k], 3, 2))
for w, h, ow, oh in [(1, 1, 1, 1), (1, 1, 5, 7), (2, 1, 1, 2), (1, 90, 30, 30), (90, 1, 30, 30),
                     (225, 225, 224, 224), (223, 223, 224, 224), (224, 300, 224, 224), (300, 224, 224, 224),
                     (500, 375, 224, 224), (375, 500, 256, 170), (1000, 3, 999, 2)]:
    cases.append(case(w, h, [0, 0, w, h], ow, oh))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "resize.json"), "w") as f:
    f.write('{"cv2": "%s", "cases": [\n' % cv2.__version__)
    f.write(",\n".join(json.dumps(c) for c in cases))
    f.write("\n]}\n")
