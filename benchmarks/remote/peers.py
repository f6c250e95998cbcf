"""Writes photographs as MosaicML Streaming's shards or as tar files, and loads an epoch of them from an S3
server, decoded, cropped to 224 by 224 pixels at random and flipped by Pillow:

    peers.py write mds|wds PHOTOS FOLDER
    peers.py load mds|wds URL FOLDER BATCH WORKERS

It prints what it measured as a line of JSON.
"""

from __future__ import annotations

import glob
import io
import json
import math
import os
import random
import resource
import sys
import time
from typing import Any, Callable, Iterable

SHARD = 1 << 25  # bytes


def photos(folder: str) -> list[tuple[str, int]]:
    """The photographs' paths and classes."""
    classes = sorted(os.listdir(folder))
    return [(path, c) for c, name in enumerate(classes) for path in sorted(glob.glob(os.path.join(folder, name, "*")))]


def write(kind: str, folder: str, to: str) -> int:
    """Writes all photographs, shuffled, and returns how many."""
    listed = photos(folder)
    random.Random(1).shuffle(listed)
    if kind == "mds":
        from streaming import MDSWriter

        with MDSWriter(out=to, columns={"image": "bytes", "label": "int"}, size_limit=SHARD) as out:
            for path, label in listed:
                with open(path, "rb") as f:
                    out.write({"image": f.read(), "label": label})
    else:
        import webdataset

        os.makedirs(to)
        with webdataset.ShardWriter(os.path.join(to, "%05d.tar"), maxsize=SHARD, verbose=0) as out:
            for i, (path, label) in enumerate(listed):
                with open(path, "rb") as f:
                    out.write({"__key__": f"{i:08d}", "jpg": f.read(), "cls": str(label)})
    return len(listed)


def crop(data: bytes) -> Any:
    """A photograph, cropped, resized and flipped: (224, 224, 3) uint8."""
    import numpy as np
    from PIL import Image

    img = Image.open(io.BytesIO(data))
    width, height = img.size
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = random.randint(0, width - w), random.randint(0, height - h)
            break
    else:
        w = h = min(width, height)
        x, y = (width - w) // 2, (height - h) // 2
    pixels = np.asarray(img.convert("RGB").resize((224, 224), Image.BILINEAR, box=(x, y, x + w, y + h)))
    return np.ascontiguousarray(pixels[:, ::-1] if random.random() < 0.5 else pixels)


def mds(url: str, keep: str, batch: int, workers: int) -> Iterable[Any]:
    """Batches of MosaicML Streaming, which keeps shards in a folder."""
    import torch
    from streaming import StreamingDataset

    class Photos(StreamingDataset):  # type: ignore[misc]
        def __getitem__(self, i: int) -> Any:
            row = super().__getitem__(i)
            return crop(row["image"]), row["label"]

    os.environ["S3_ENDPOINT_URL"] = os.environ["AWS_ENDPOINT_URL"]
    data = Photos(remote=url, local=keep, shuffle=True, batch_size=batch, shuffle_algo="py1e")
    return torch.utils.data.DataLoader(data, batch_size=batch, num_workers=workers)


def wds(url: str, keep: str, batch: int, workers: int) -> Iterable[Any]:
    """Batches of WebDataset, which reads tar files through curl as its manual does, and keeps nothing."""
    import boto3
    import botocore.config
    import webdataset

    bucket, prefix = url.removeprefix("s3://").split("/", 1)
    client = boto3.client("s3", config=botocore.config.Config(signature_version="s3v4"))
    listing = client.list_objects_v2(Bucket=bucket, Prefix=prefix + "/")
    keys = [{"Bucket": bucket, "Key": o["Key"]} for o in listing["Contents"]]
    urls = [f"pipe:curl -s -f '{client.generate_presigned_url('get_object', Params=k)}'" for k in keys]

    def decode(row: tuple[bytes, bytes]) -> Any:
        return crop(row[0]), int(row[1])

    data = webdataset.WebDataset(urls, shardshuffle=len(urls), empty_check=False).shuffle(1000)
    return webdataset.WebLoader(data.to_tuple("jpg", "cls").map(decode).batched(batch), batch_size=None, num_workers=workers)


def cpu() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(r.ru_utime + r.ru_stime for r in both)


def load(make: Callable[[str, str, int, int], Iterable[Any]], url: str, keep: str, batch: int, workers: int) -> dict[str, float]:
    """Loads an epoch."""
    batches = make(url, keep, batch, workers)
    begin, before = time.time(), cpu()
    first, samples, after = 0.0, 0, 0
    it = iter(batches)
    for images, _ in it:
        samples += len(images)
        if first:
            after += len(images)
        else:
            first = time.time() - begin
    wall = time.time() - begin
    del it, batches
    return {"samples": samples, "first": first, "wall": wall, "after": after, "cpu": cpu() - before}


if __name__ == "__main__":
    if sys.argv[1] == "write":
        print(json.dumps({"samples": write(sys.argv[2], sys.argv[3], sys.argv[4])}))
    else:
        import torch

        torch.set_num_threads(1)
        make = {"mds": mds, "wds": wds}[sys.argv[2]]
        print(json.dumps(load(make, sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))))
