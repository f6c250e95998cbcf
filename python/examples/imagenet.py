"""An ImageNet-style pipeline: photographs of any size, random resized crops whose resolution grows from epoch
to epoch.

python imagenet.py PHOTOS --epochs 16    # class folders of JPEGs
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from betongo.fields import IntField, RGBImageField
from betongo.fields.decoders import CenterCropRGBImageDecoder, IntDecoder, RandomResizedCropRGBImageDecoder
from betongo.loader import Loader, OrderOption
from betongo.transforms import NormalizeImage, RandomHorizontalFlip, Squeeze, ToTensor, ToTorchImage
from betongo.writer import DatasetWriter

MEAN = np.array([0.485, 0.456, 0.406]) * 255
STD = np.array([0.229, 0.224, 0.225]) * 255


class Photographs:
    """(PIL image, class) of class folders."""

    def __init__(self, folder: str) -> None:
        self.classes = sorted(d.name for d in Path(folder).iterdir() if d.is_dir())
        self.files = [
            (f, k)
            for k, name in enumerate(self.classes)
            for f in sorted(Path(folder, name).iterdir())
            if f.suffix.lower() in (".jpg", ".jpeg")
        ]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        file, label = self.files[i]
        return Image.open(file).convert("RGB"), label


def resolution(epoch: int, epochs: int, low: int, high: int) -> int:
    """The side of crops in an epoch: from low to high over the first three quarters, in steps of 32."""
    share = min(1.0, epoch / max(1, 0.75 * (epochs - 1)))
    return int(round((low + share * (high - low)) / 32)) * 32


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", help="class folders of JPEGs")
    p.add_argument("--epochs", type=int, default=8)
    p.add_argument("--batch-size", type=int, default=16)
    p.add_argument("--low", type=int, default=96)
    p.add_argument("--high", type=int, default=160)
    p.add_argument("--max-resolution", type=int, default=320)
    given = p.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        photos = Photographs(given.folder)
        file = os.path.join(folder, "photos.beton")
        fields = {
            "image": RGBImageField(
                write_mode="smart", max_resolution=given.max_resolution, smart_threshold=0
            ),
            "label": IntField(),
        }
        DatasetWriter(file, fields, num_workers=2).from_indexed_dataset(photos)
        train(file, len(photos.classes), given)


def train(file: str, classes: int, given: argparse.Namespace) -> None:
    """Trains with the decoder's size changed between epochs, then evaluates on centre crops and their mirror
    images."""
    decoder = RandomResizedCropRGBImageDecoder((given.low, given.low))
    normalize = NormalizeImage(MEAN, STD, np.float32)
    label = [IntDecoder(), ToTensor(), Squeeze()]
    loader = Loader(
        file,
        batch_size=given.batch_size,
        order=OrderOption.RANDOM,
        seed=1,
        drop_last=True,
        pipelines={
            "image": [decoder, RandomHorizontalFlip(), normalize, ToTensor(), ToTorchImage()],
            "label": label,
        },
    )
    model = network(classes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for epoch in range(given.epochs):
        side = resolution(epoch, given.epochs, given.low, given.high)
        decoder.output_size = (side, side)
        start, loss = time.perf_counter(), 0.0
        for images, labels in loader:
            assert images.shape[2:] == (side, side)
            optimizer.zero_grad(set_to_none=True)
            batch_loss = F.cross_entropy(model(images), labels)
            batch_loss.backward()
            optimizer.step()
            loss += batch_loss.item()
        print(f"epoch {epoch}: {side} px, {time.perf_counter() - start:.1f} s, loss {loss / len(loader):.3f}")
    evaluate(file, model, normalize, given)


def evaluate(file: str, model: nn.Module, normalize: NormalizeImage, given: argparse.Namespace) -> None:
    """Counts how many of the file's own photographs are told right; a real run has others for this."""
    loader = Loader(
        file,
        batch_size=given.batch_size,
        order=OrderOption.SEQUENTIAL,
        drop_last=False,
        pipelines={
            "image": [
                CenterCropRGBImageDecoder((given.high, given.high), 224 / 256),
                normalize,
                ToTensor(),
                ToTorchImage(),
            ],
            "label": [IntDecoder(), ToTensor(), Squeeze()],
        },
    )
    model.eval()
    right = n = 0
    with torch.no_grad():
        for images, labels in loader:
            scores = model(images) + model(images.flip(3))
            right += int((scores.argmax(1) == labels).sum())
            n += len(labels)
    print(f"accuracy {100 * right / n:.1f} % of {n}")


def network(classes: int) -> nn.Module:
    """A small network that takes pictures of any size."""
    layers: list[nn.Module] = []
    for i, o in ((3, 16), (16, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, classes))
    return net.to(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
