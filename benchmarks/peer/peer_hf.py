"""Hugging Face's datasets: Arrow on the local disk, Pillow in torch's DataLoader."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import datasets
import numpy as np
import torch
from common import access, build, crop, decode, job, main, measure, order, photos, pillow, read, slices, table

datasets.disable_progress_bars()


def samples() -> Iterator[dict[str, Any]]:
    for path, label in photos():
        yield {"image": {"bytes": read(path), "path": None}, "label": label}


def write() -> None:
    kinds = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("int32")})
    build(
        lambda: datasets.Dataset.from_generator(
            samples, features=kinds, cache_dir=job.data + "-cache"
        ).save_to_disk(job.data),
        len(photos()),
    )


def write_rows() -> None:
    import pyarrow

    x, y = table()
    kinds = datasets.Features(
        {"x": datasets.Sequence(datasets.Value("float32"), length=32), "y": datasets.Value("int64")}
    )

    def save() -> None:
        lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(x.reshape(-1)), 32)
        rows = pyarrow.table({"x": lists, "y": pyarrow.array(y)})
        datasets.Dataset(rows).cast(kinds).save_to_disk(job.data)

    build(save, len(x))


def crops(batch: dict[str, Any]) -> dict[str, Any]:
    images = [torch.from_numpy(crop(io.BytesIO(s["bytes"])).copy()) for s in batch["image"]]
    return {"image": images, "label": batch["label"]}


def load() -> None:
    torch.set_num_threads(1)
    data = datasets.load_from_disk(job.data)
    data.set_transform(crops)
    loader = torch.utils.data.DataLoader(data, batch_size=job.batch, shuffle=True, num_workers=job.workers)
    measure(lambda: loader, lambda batch: len(batch["label"]))


def rows() -> None:
    data = datasets.load_from_disk(job.data).with_format("numpy")

    def epoch() -> Iterator[dict[str, np.ndarray]]:
        for at in slices(order(len(data))):
            yield data[at]

    measure(epoch, lambda batch: len(batch["y"]))


def one() -> None:
    data = datasets.load_from_disk(job.data)
    if job.work == "random-access":
        access(lambda i: data[i], len(data))
    else:
        access(lambda i: decode(io.BytesIO(data[i]["image"]["bytes"])), len(data))


if __name__ == "__main__":
    works = {"build-rows": write_rows, "build": write, "epoch-rows": rows, "epoch-": load}
    works |= {"random-access": one, "random-access-decoded": one}
    main(works, "datasets", "pyarrow", "torch", pillow())
