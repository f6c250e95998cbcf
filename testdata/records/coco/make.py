"""Makes instances.json and masks.json with pycocotools: things on images of many
sizes, one an image, and what its masks are.

    pip install pycocotools numpy
    python make.py
"""

import hashlib
import json
import math
import random

import numpy as np
from pycocotools import mask as rle


def star(rng: random.Random, w: int, h: int) -> list[float]:
    """A polygon, partly outside of the image now and then."""
    n = rng.randint(3, 9)
    cx, cy = rng.uniform(-0.1 * w, 1.1 * w), rng.uniform(-0.1 * h, 1.1 * h)
    turns = sorted(rng.uniform(0, 2 * math.pi) for _ in range(n))
    out = []
    for t in turns:
        r = rng.uniform(0.1, 0.6)
        x, y = cx + r * w * math.cos(t), cy + r * h * math.sin(t)
        if rng.random() < 0.2:
            x, y = round(x), round(y)
        out += [round(x, 2), round(y, 2)]
    return out


def main() -> None:
    rng = random.Random(1)
    images, annotations, masks = [], [], []
    for i in range(150):
        w, h = rng.randint(1, 70), rng.randint(1, 50)
        kind = "polygon" if i < 90 else "counts" if i < 120 else "list"
        if kind == "polygon":
            segmentation = [star(rng, w, h) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
            if i % 15 == 0:  # corners that are alike, and a line
                p = segmentation[0]
                segmentation[0] = p[:2] + p[:2] + p
                segmentation.append([1.5, 2.5, 20.5, 2.5, 1.5, 2.5])
            mask = rle.decode(rle.merge(rle.frPyObjects(segmentation, h, w)))
        else:
            mask = np.asfortranarray((np.random.RandomState(i).rand(h, w) < rng.uniform(0, 1)).astype(np.uint8))
            if i % 7 == 0:
                mask[:] = i % 2
            code = rle.encode(mask)
            if kind == "counts":
                segmentation = {"size": [h, w], "counts": code["counts"].decode()}
            else:
                counts, last = [], 0
                for v in mask.flatten(order="F"):
                    if v != last or not counts:
                        counts += [0] if not counts and v else []
                        counts.append(0)
                        last = v
                    counts[-1] += 1
                segmentation = {"size": [h, w], "counts": counts}
                assert (rle.decode(rle.frPyObjects(segmentation, h, w)) == mask).all()
        images.append({"id": 1000 - i, "file_name": f"{i:03}.jpg", "width": w, "height": h, "license": 1})
        annotations.append({"id": 7 * i, "image_id": 1000 - i, "category_id": [90, 3][i % 2], "iscrowd": int(kind != "polygon"),
                            "area": float(mask.sum()), "bbox": [0.0, 0.0, float(w), float(h)], "segmentation": segmentation})
        masks.append(hashlib.sha256(np.ascontiguousarray(mask).tobytes()).hexdigest())
    rng.shuffle(annotations)
    categories = [{"id": 90, "name": "toothbrush"}, {"id": 3, "name": "car", "supercategory": "vehicle"}]
    with open("instances.json", "w") as f:
        json.dump({"info": {"year": 2017}, "images": images, "annotations": annotations, "categories": categories}, f)
    with open("masks.json", "w") as f:
        json.dump(masks, f, indent=0)


main()
