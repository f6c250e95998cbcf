"""Linear regression over a .beton of numbers: each row 32 covariates and a label.

python linear_regression.py --rows 1000000
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import numpy as np
import torch

from betongo.fields import FloatField, NDArrayField
from betongo.fields.decoders import FloatDecoder, NDArrayDecoder
from betongo.loader import Loader, OrderOption
from betongo.transforms import Convert, Squeeze, ToTensor
from betongo.writer import DatasetWriter


class Rows:
    """Rows of a linear model with noise."""

    def __init__(self, rows: int, width: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.weights = rng.standard_normal(width).astype("<f4")
        self.x = rng.standard_normal((rows, width)).astype("<f4")
        self.y = self.x @ self.weights + 0.1 * rng.standard_normal(rows)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[np.ndarray, float]:
        return self.x[i], float(self.y[i])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rows", type=int, default=100_000)
    p.add_argument("--width", type=int, default=32)
    p.add_argument("--batch-size", type=int, default=2048)
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--file", default="", help="where the .beton goes (a temporary file)")
    given = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = given.file or os.path.join(folder, "rows.beton")
        rows = Rows(given.rows, given.width)
        fields = {
            "covariate": NDArrayField(shape=(given.width,), dtype=np.dtype("<f4")),
            "label": FloatField(),
        }
        DatasetWriter(file, fields, num_workers=2).from_indexed_dataset(rows)
        loader = Loader(
            file,
            batch_size=given.batch_size,
            order=OrderOption.RANDOM,
            seed=1,
            drop_last=False,
            pipelines={
                "covariate": [NDArrayDecoder(), ToTensor()],
                "label": [FloatDecoder(), ToTensor(), Convert(torch.float32), Squeeze()],
            },
        )
        train(loader, given.epochs, torch.from_numpy(rows.weights))


def train(loader: Loader, epochs: int, truth: torch.Tensor) -> None:
    """Fits weights by plain gradient descent, and compares them with the ones that made the rows."""
    weights = torch.zeros_like(truth, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.3)
    for epoch in range(epochs):
        start, loss, n = time.perf_counter(), 0.0, 0
        for covariates, labels in loader:
            optimizer.zero_grad()
            batch_loss = (covariates @ weights - labels).square().mean()
            batch_loss.backward()
            optimizer.step()
            loss += batch_loss.item() * len(labels)
            n += len(labels)
        print(
            f"epoch {epoch}: {n} rows in {time.perf_counter() - start:.2f} s, mean squared error "
            f"{loss / n:.4f}"
        )
    print(f"largest error of a weight: {(weights.detach() - truth).abs().max().item():.4f}")


if __name__ == "__main__":
    main()
