"""MosaicML Streaming: shards of 64 MB on the local disk, py1e's shuffle, Pillow in torch's DataLoader."""

from __future__ import annotations

import io
from typing import Any

import torch
from common import access, build, crop, decode, job, main, measure, photos, pillow, read, table
from streaming import MDSWriter, StreamingDataset
from torch.utils.data import DataLoader

SIZE = 1 << 26


def write() -> None:
    items = photos()

    def shards() -> None:
        with MDSWriter(out=job.data, columns={"image": "bytes", "label": "int"}, size_limit=SIZE) as out:
            for path, label in items:
                out.write({"image": read(path), "label": label})

    build(shards, len(items))


def write_rows() -> None:
    x, y = table()

    def shards() -> None:
        with MDSWriter(
            out=job.data, columns={"x": "ndarray:float32:32", "y": "int64"}, size_limit=SIZE
        ) as out:
            for a, b in zip(x, y):
                out.write({"x": a, "y": b})

    build(shards, len(x))


class Crops(StreamingDataset):
    def __getitem__(self, at: Any) -> Any:
        s = super().__getitem__(at)
        return crop(io.BytesIO(s["image"])), s["label"]


def load() -> None:
    torch.set_num_threads(1)
    kind = StreamingDataset if job.work == "epoch-rows" else Crops
    data = kind(local=job.data, shuffle=True, batch_size=job.batch, shuffle_algo="py1e")
    loader = DataLoader(data, batch_size=job.batch, num_workers=job.workers)
    measure(lambda: loader, lambda batch: len(batch["y"] if job.work == "epoch-rows" else batch[1]))


def one() -> None:
    data = StreamingDataset(local=job.data, shuffle=False, batch_size=1)
    if job.work == "random-access":
        access(lambda i: data[i], len(data))
    else:
        access(lambda i: decode(io.BytesIO(data[i]["image"])), len(data))


if __name__ == "__main__":
    works = {
        "build": write,
        "build-rows": write_rows,
        "epoch-": load,
        "random-access": one,
        "random-access-decoded": one,
    }
    main(works, "mosaicml-streaming", "torch", pillow())
