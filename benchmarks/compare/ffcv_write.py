"""Writes a folder of class folders with the real FFCV: ffcv_write.py FOLDER OUTPUT MODE MAX_RESOLUTION WORKERS

MODE: jpg (every image is encoded with quality 90) or raw. Fields: image, label. Run it in a folder that has no folder
named ffcv.
"""
import os, sys

from PIL import Image
from ffcv.fields import IntField, RGBImageField
from ffcv.writer import DatasetWriter


class Folder:
    def __init__(self, root):
        classes = sorted(e.name for e in os.scandir(root) if e.is_dir() and not e.name.startswith("."))
        self.items = [(path, label) for label, name in enumerate(classes) for path in sorted(
            os.path.join(at, f) for at, _, files in os.walk(os.path.join(root, name)) for f in files)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        path, label = self.items[i]
        return Image.open(path).convert("RGB"), label


if __name__ == "__main__":
    folder, output, mode = sys.argv[1:4]
    resolution, workers = map(int, sys.argv[4:6])
    image = RGBImageField(write_mode=mode, max_resolution=resolution, jpeg_quality=90)
    writer = DatasetWriter(output, {"image": image, "label": IntField()}, num_workers=workers)
    writer.from_indexed_dataset(Folder(folder))
