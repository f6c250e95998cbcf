"""WebDataset: shards of 64 MB, a shuffle of shards and of 1,000 samples, Pillow in its processes."""

from __future__ import annotations

import glob
import io
import os

import torch
import webdataset
from common import build, crop, job, main, measure, photos, pillow, read


def write() -> None:
    items = photos()
    os.makedirs(job.data)

    def shards() -> None:
        with webdataset.ShardWriter(os.path.join(job.data, "%05d.tar"), maxsize=64 << 20, verbose=0) as out:
            for i, (path, label) in enumerate(items):
                out.write({"__key__": f"{i:08d}", "jpg": read(path), "cls": label})

    build(shards, len(items))


def sample(s: tuple[bytes, bytes]) -> tuple[object, int]:
    return crop(io.BytesIO(s[0])), int(s[1])


def load() -> None:
    torch.set_num_threads(1)
    shards = sorted(glob.glob(os.path.join(job.data, "*.tar")))
    data = webdataset.WebDataset(shards, shardshuffle=len(shards), empty_check=False).shuffle(1000)
    data = data.to_tuple("jpg", "cls").map(sample).batched(job.batch)
    loader = webdataset.WebLoader(data, batch_size=None, num_workers=job.workers)
    measure(lambda: loader, lambda batch: len(batch[0]))


if __name__ == "__main__":
    main({"build": write, "epoch-rrc224-u8": load}, "webdataset", "torch", pillow())
