"""FFCV's CIFAR example, on the CPU: ten classes of 32x32 pictures, trained from scratch.

python cifar.py --epochs 8                    # pictures that it draws: shapes, bars and grids in any colour
python cifar.py --folder PHOTOS --epochs 8    # class folders of photographs, shrunk to 32x32
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from betongo.fields import IntField, RGBImageField
from betongo.fields.decoders import IntDecoder, SimpleRGBImageDecoder
from betongo.loader import Loader, OrderOption
from betongo.pipeline.operation import Operation
from betongo.transforms import (
    Convert,
    Cutout,
    NormalizeImage,
    RandomHorizontalFlip,
    RandomTranslate,
    ToTensor,
    ToTorchImage,
)
from betongo.transforms.common import Squeeze
from betongo.writer import DatasetWriter

MEAN = [125.307, 122.961, 113.8575]
STD = [51.5865, 50.847, 51.255]


class Drawn:
    """Pictures (32, 32, 3) of ten kinds of drawing, in random colours, sizes and places, with noise."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        rng = np.random.default_rng((self.seed, i))
        label = int(rng.integers(10))
        cy, cx = rng.uniform(11, 21, 2)
        y, x = np.mgrid[:32, :32]
        dy, dx, r = y - cy, x - cx, rng.uniform(6, 10)
        far = np.hypot(dy, dx)
        step = int(rng.integers(4, 7))
        inside = (
            far < r,
            (far < r) & (far > 0.6 * r),
            np.maximum(abs(dy), abs(dx)) < 0.8 * r,
            abs(dy) + abs(dx) < r,
            (abs(dy) < 0.25 * r) | (abs(dx) < 0.25 * r),
            abs(dy - dx) < 0.3 * r,
            y // step % 2 == 0,
            x // step % 2 == 0,
            (y // step + x // step) % 2 == 0,
            (dy > -r / 2) & (abs(dx) < (dy + r / 2) * 0.6) & (dy < r),
        )[label]
        back, fore = rng.uniform(0, 255, (2, 3))
        while abs(back - fore).max() < 80:
            fore = rng.uniform(0, 255, 3)
        picture = np.where(inside[..., None], fore, back) + rng.normal(0, 12, (32, 32, 3))
        return picture.clip(0, 255).astype(np.uint8), label


class Photographs:
    """Photographs in class folders, shrunk to 32x32."""

    def __init__(self, folder: str, parts: Sequence[int]) -> None:
        """parts: which tenths of the files are taken."""
        classes = sorted(d for d in Path(folder).iterdir() if d.is_dir())
        files = [
            (f, k)
            for k, d in enumerate(classes)
            for f in sorted(d.iterdir())
            if f.suffix.lower() in (".jpg", ".jpeg")
        ]
        self.files = [f for i, f in enumerate(files) if i % 10 in parts]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        from PIL import Image

        file, label = self.files[i]
        with Image.open(file) as image:
            return np.array(image.convert("RGB").resize((32, 32))), label


def write(file: str, dataset: Drawn | Photographs) -> None:
    """Packs a dataset."""
    DatasetWriter(file, {"image": RGBImageField(), "label": IntField()}, num_workers=2).from_indexed_dataset(
        dataset
    )


def loader(file: str, batch_size: int, train: bool) -> Loader:
    """The pipelines of FFCV's example, less the device."""
    image: list[Operation] = [SimpleRGBImageDecoder()]
    if train:
        fill = tuple(int(m) for m in MEAN)
        image.extend([RandomHorizontalFlip(), RandomTranslate(padding=2, fill=fill), Cutout(8, fill)])
    image.extend([NormalizeImage(np.array(MEAN), np.array(STD), np.float32), ToTensor(), ToTorchImage()])
    label: list[Operation] = [IntDecoder(), ToTensor(), Convert(torch.int64), Squeeze()]
    return Loader(
        file,
        batch_size=batch_size,
        order=OrderOption.RANDOM if train else OrderOption.SEQUENTIAL,
        seed=1,
        drop_last=train,
        pipelines={"image": image, "label": label},
    )


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, f: nn.Module) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.f(x)


def conv(i: int, o: int, size: int = 3, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(i, o, size, stride, size // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)
    )


def network(classes: int, width: int) -> nn.Module:
    """A residual network as that of FFCV's example, narrower."""
    w = width
    return nn.Sequential(
        conv(3, w),
        conv(w, 2 * w, 5, 2),
        Residual(nn.Sequential(conv(2 * w, 2 * w), conv(2 * w, 2 * w))),
        conv(2 * w, 4 * w),
        nn.MaxPool2d(2),
        Residual(nn.Sequential(conv(4 * w, 4 * w), conv(4 * w, 4 * w))),
        conv(4 * w, 2 * w),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * w, classes),
    ).to(memory_format=torch.channels_last)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--folder", default="", help="class folders of photographs; else pictures are drawn")
    p.add_argument("--samples", type=int, default=10_000, help="pictures drawn for training")
    p.add_argument("--epochs", type=int, default=4)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--width", type=int, default=16, help="of the network")
    given = p.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, f"{part}.beton") for part in ("train", "test")]
        if given.folder:
            write(files[0], Photographs(given.folder, range(9)))
            write(files[1], Photographs(given.folder, [9]))
        else:
            write(files[0], Drawn(given.samples, 1))
            write(files[1], Drawn(max(200, given.samples // 10), 2))
        train, test = (loader(f, given.batch_size, k == 0) for k, f in enumerate(files))
        fit(network(10, given.width), train, test, given.epochs)


def fit(model: nn.Module, train: Loader, test: Loader, epochs: int) -> None:
    """Trains with a learning rate that rises and falls, and evaluates at the end of each epoch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.2, total_steps=max(1, epochs * len(train)), pct_start=0.3
    )
    for epoch in range(epochs):
        start = time.perf_counter()
        model.train()
        for images, labels in train:
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(images), labels, label_smoothing=0.1).backward()
            optimizer.step()
            schedule.step()
        model.eval()
        right = n = 0
        with torch.no_grad():
            for images, labels in test:
                scores = model(images) + model(images.flip(3))
                right += int((scores.argmax(1) == labels).sum())
                n += len(labels)
        print(f"epoch {epoch}: {time.perf_counter() - start:.1f} s, accuracy {100 * right / n:.1f} % of {n}")


if __name__ == "__main__":
    main()
