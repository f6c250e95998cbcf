"""Datasets that tests of the loader make with the package's own writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from betongo.fields import FloatField, IntField, JSONField, NDArrayField, RGBImageField
from betongo.writer import DatasetWriter

SAMPLES = 60


class Listed:
    """A dataset of a function."""

    def __init__(self, n: int, sample: Any) -> None:
        self.n = n
        self.sample = sample

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        return self.sample(i)


def write(path: str | Path, n: int, fields: dict[str, Any], sample: Any) -> str:
    """Writes sample(0) to sample(n-1); returns the path."""
    DatasetWriter(str(path), fields, num_workers=1).from_indexed_dataset(Listed(n, sample))
    return str(path)


def picture(i: int) -> np.ndarray:
    """A picture of one colour, its own, of 16x12 pixels."""
    return np.broadcast_to(np.array([i, 2 * i, 255 - i], np.uint8), (12, 16, 3)).copy()


def noise(i: int) -> np.ndarray:
    """A picture of noise, of a size of its own."""
    random = np.random.default_rng(i)
    return random.integers(
        0, 256, (int(random.integers(30, 60)), int(random.integers(30, 60)), 3), dtype=np.uint8
    )


def write_mixed(path: str | Path, n: int = SAMPLES) -> str:
    """Writes pictures of one colour, labels i, weights i/2, arrays and texts."""
    fields = {
        "image": RGBImageField(),
        "label": IntField(),
        "weight": FloatField(),
        "array": NDArrayField(np.dtype("<f4"), (2, 3)),
        "text": JSONField(),
    }
    return write(
        path,
        n,
        fields,
        lambda i: (picture(i), i, i / 2, np.full((2, 3), i, np.float32), {"i": i, "s": "x" * (i % 7)}),
    )


def write_noise(path: str | Path, n: int = SAMPLES) -> str:
    """Writes pictures of noise of different sizes, and labels i."""
    return write(path, n, {"image": RGBImageField(), "label": IntField()}, lambda i: (noise(i), i))


def labels_of(loader: Any, answers: Any) -> None:
    """Puts what an epoch's labels are in a queue; for processes that are spawned."""
    answers.put([int(i) for batch in loader for i in batch[0].reshape(-1)])
