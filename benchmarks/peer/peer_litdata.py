"""LitData: chunks of 64 MB, Pillow in its StreamingDataLoader."""

from __future__ import annotations

import io
from typing import Any

import litdata
import torch
from common import access, build, crop, decode, job, main, measure, photos, pillow, read


def record(item: tuple[str, int]) -> dict[str, Any]:
    return {"image": read(item[0]), "label": item[1]}


def write() -> None:
    items = photos()
    build(
        lambda: litdata.optimize(
            fn=record,
            inputs=items,
            output_dir=job.data,
            chunk_bytes="64MB",
            num_workers=job.workers,
            verbose=False,
        ),
        len(items),
    )


class Crops(litdata.StreamingDataset):
    def __getitem__(self, at: Any) -> Any:
        s = super().__getitem__(at)
        return torch.from_numpy(crop(io.BytesIO(s["image"])).copy()), s["label"]


def load() -> None:
    torch.set_num_threads(1)
    loader = litdata.StreamingDataLoader(
        Crops(job.data, shuffle=True), batch_size=job.batch, num_workers=job.workers
    )
    measure(lambda: loader, lambda batch: len(batch[0]))


def one() -> None:
    data = litdata.StreamingDataset(job.data)
    if job.work == "random-access":
        access(lambda i: data[i], len(data))
    else:
        access(lambda i: decode(io.BytesIO(data[i]["image"])), len(data))


if __name__ == "__main__":
    works = {"build": write, "epoch-rrc224-u8": load, "random-access": one, "random-access-decoded": one}
    main(works, "litdata", "torch", pillow())
