#!/usr/bin/env python3
"""Writes JPEG photographs with the real FFCV: twin.py LIST OUTPUT QUALITY [MAX_RESOLUTION]

LIST has a path a line. Fields: image (every photograph encoded), index. Run it in a folder that has no folder named ffcv.
"""
import os, sys

from PIL import Image
from ffcv.fields import IntField, RGBImageField
from ffcv.writer import DatasetWriter


class Photographs:
    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return Image.open(self.paths[i]).convert("RGB"), i


if __name__ == "__main__":
    with open(sys.argv[1]) as f:
        paths = f.read().splitlines()
    resolution = int(sys.argv[4]) if len(sys.argv) > 4 else None
    image = RGBImageField(write_mode="jpg", max_resolution=resolution, jpeg_quality=int(sys.argv[3]))
    DatasetWriter(sys.argv[2], {"image": image, "index": IntField()}, num_workers=1).from_indexed_dataset(Photographs(paths))
    sys.stdout.flush()
    os._exit(0)  # numba grumbles when it ends
