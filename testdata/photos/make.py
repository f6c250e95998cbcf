#!/usr/bin/env python3
"""Makes the photographs of this folder and their table of credits, README.md.

    make.py [ROOT]

Every photograph is a crop of one that a Debian 12 package carries under CC0 or CC-BY. Needs, as root:
apt-get install lomiri-wallpapers-16.04 python3-skimage python3-sklearn python3-pil. ROOT is where those packages
are unpacked, the system itself by default.
"""
import os, shutil, sys
from collections import namedtuple
from PIL import Image

Source = namedtuple("Source", "path title author licence package proof")
W = "usr/share/backgrounds/"
SK = "usr/lib/python3/dist-packages/skimage/data/"
AB, FREE = "Aitzol Berasategi", 'Trevor "Freespace"'
WALL = ("lomiri-wallpapers-16.04", "its copyright file")
SKIMAGE = ("python3-skimage", "docstring in skimage/data/_fetchers.py")
SOURCES = {
    "aitzgorri": Source(W + "aitzgorri_by_Aitzol_Berasategi.jpg", "aitzgorri", AB, "CC-BY-4.0", *WALL),
    "friends": Source(W + "friends_by_Aitzol_Berasategi.jpg", "friends", AB, "CC-BY-4.0", *WALL),
    "life": Source(W + "life_by_Aitzol_Berasategi.jpg", "life", AB, "CC-BY-4.0", *WALL),
    "picos": Source(W + "picosdeeuropa_by_Aitzol_Berasategi.jpg", "picosdeeuropa", AB, "CC-BY-4.0", *WALL),
    "sunset": Source(W + "sunset_by_Aitzol_Berasategi.jpg", "sunset", AB, "CC-BY-4.0", *WALL),
    "fig": Source(W + "Picture_0B_by_freespace.jpg", "Picture 0B", FREE, "CC-BY-4.0", *WALL),
    "brushes": Source(W + "Picture_1A_by_freespace.jpg", "Picture 1A", FREE, "CC-BY-4.0", *WALL),
    "seeding": Source(W + "seeding_by_Clements_Engelhardt.jpg", "seeding", "Clemens Engelhardt", "CC0-1.0", *WALL),
    "wine": Source(W + "Wine_by_Jakkub_Mede.jpg", "Wine", "Jakub Mede", "CC-BY-4.0", *WALL),
    "chelsea": Source(SK + "chelsea.png", "Chelsea the cat", "Stefan van der Walt", "CC0-1.0", *SKIMAGE),
    "coffee": Source(SK + "coffee.png", "Coffee cup", "Rachel Michetti", "CC0-1.0", *SKIMAGE),
    "china": Source("usr/lib/python3/dist-packages/sklearn/datasets/images/china.jpg", "china", "danielbuechele",
                    "CC-BY-2.0", "python3-sklearn", "sklearn/datasets/images/README.txt"),
}

# (class, source, left, top, right, bottom as shares of the whole, width of the result; its height follows)
CROPS = [
    ("animal", "friends", 0.00, 0.00, 1.00, 1.00, 320), ("animal", "friends", 0.20, 0.20, 0.80, 0.46, 420),
    ("animal", "friends", 0.22, 0.20, 0.62, 0.42, 360), ("animal", "friends", 0.36, 0.40, 0.86, 0.72, 350),
    ("animal", "chelsea", 0.00, 0.00, 1.00, 1.00, 451), ("animal", "chelsea", 0.10, 0.00, 0.75, 1.00, 293),
    ("dandelion", "seeding", 0.00, 0.00, 1.00, 1.00, 500), ("dandelion", "seeding", 0.10, 0.02, 0.48, 0.62, 400),
    ("dandelion", "seeding", 0.12, 0.00, 0.46, 1.00, 320), ("dandelion", "seeding", 0.45, 0.40, 1.00, 1.00, 460),
    ("dandelion", "seeding", 0.60, 0.25, 0.92, 1.00, 330),
    ("meal", "fig", 0.00, 0.00, 1.00, 1.00, 460), ("meal", "fig", 0.35, 0.28, 0.80, 0.82, 400),
    ("meal", "fig", 0.30, 0.00, 0.78, 1.00, 320), ("meal", "coffee", 0.00, 0.00, 1.00, 1.00, 500),
    ("meal", "coffee", 0.10, 0.00, 0.70, 1.00, 340), ("meal", "wine", 0.28, 0.08, 0.96, 0.46, 460),
    ("mountain", "aitzgorri", 0.00, 0.00, 1.00, 1.00, 480), ("mountain", "aitzgorri", 0.30, 0.05, 0.80, 0.60, 400),
    ("mountain", "aitzgorri", 0.55, 0.10, 1.00, 0.90, 330), ("mountain", "picos", 0.00, 0.00, 1.00, 1.00, 450),
    ("mountain", "picos", 0.30, 0.05, 1.00, 0.65, 460), ("mountain", "picos", 0.05, 0.05, 0.55, 0.98, 320),
    ("object", "brushes", 0.00, 0.00, 1.00, 1.00, 440), ("object", "brushes", 0.00, 0.00, 0.50, 1.00, 320),
    ("object", "brushes", 0.45, 0.00, 1.00, 1.00, 340), ("object", "wine", 0.00, 0.00, 1.00, 1.00, 330),
    ("object", "wine", 0.00, 0.45, 1.00, 1.00, 420), ("object", "wine", 0.00, 0.00, 0.55, 0.50, 340),
    ("stream", "life", 0.00, 0.00, 1.00, 1.00, 440), ("stream", "life", 0.28, 0.20, 0.68, 1.00, 320),
    ("stream", "life", 0.25, 0.45, 0.75, 1.00, 400), ("stream", "life", 0.50, 0.00, 1.00, 0.60, 380),
    ("stream", "life", 0.00, 0.35, 0.45, 1.00, 360),
    ("sunset", "sunset", 0.00, 0.00, 1.00, 1.00, 500), ("sunset", "sunset", 0.28, 0.10, 0.78, 0.72, 440),
    ("sunset", "sunset", 0.30, 0.00, 0.75, 1.00, 330), ("sunset", "sunset", 0.50, 0.50, 1.00, 1.00, 450),
    ("tower", "china", 0.00, 0.00, 1.00, 1.00, 500), ("tower", "china", 0.08, 0.02, 0.62, 1.00, 340),
    ("tower", "china", 0.10, 0.02, 0.58, 0.62, 400), ("tower", "china", 0.00, 0.20, 0.60, 1.00, 380),
]

HEAD = """# Photographs

Real photographs for tests and for `ffcv demo`: crops, scaled down and saved as JPEG (quality 90, 4:2:0), of
photographs that Debian packages carry under [CC0 1.0](https://creativecommons.org/publicdomain/zero/1.0/),
[CC-BY 4.0](https://creativecommons.org/licenses/by/4.0/) or [CC-BY 2.0](https://creativecommons.org/licenses/by/2.0/).
Each one is thus changed from its original. `make.py` makes them and this table.

| file | photograph | author | licence | Debian package | licence stated in |
|---|---|---|---|---|---|
"""


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "/"
    here = os.path.dirname(os.path.abspath(__file__))
    for kind in {c[0] for c in CROPS}:
        shutil.rmtree(os.path.join(here, kind), ignore_errors=True)
        os.makedirs(os.path.join(here, kind))
    images = {k: Image.open(os.path.join(root, s.path)).convert("RGB") for k, s in SOURCES.items()}
    rows, count = [], {}
    for kind, name, left, top, right, bottom, width in CROPS:
        im, src = images[name], SOURCES[name]
        box = [round(v * s) for v, s in zip((left, top, right, bottom), im.size * 2)]
        size = width, round(width * (box[3] - box[1]) / (box[2] - box[0]))
        count[name] = count.get(name, 0) + 1
        file = f"{kind}/{name}_{count[name]}.jpg"
        im.crop(box).resize(size, Image.LANCZOS).save(os.path.join(here, file), quality=90)
        rows.append(f"| {file} | {src.title} | {src.author} | {src.licence} | {src.package} | {src.proof} |\n")
    with open(os.path.join(here, "README.md"), "w") as f:
        f.write(HEAD + "".join(rows))


main()
