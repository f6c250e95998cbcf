"""Reads an export by the library that it is for, and prints each sample's label and the SHA-256 of its picture's
file, a line a sample, then the time that took.

    python peers.py FORMAT FOLDER        FORMAT is folder, imagefolder, tar, parquet or mds
    python peers.py ffcv FILE            what FFCV's loader decodes: a line a sample

folder is torchvision's ImageFolder, imagefolder Hugging Face's; the others have one library each.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

Sample = tuple[str, int, bytes]
"""A sample's name, its label, and its picture's file."""


def check(picture: bytes) -> bytes:
    """Returns the picture, which Pillow must be able to open."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        image.verify()
    return picture


def folder(path: Path) -> Iterator[Sample]:
    """Yields the samples as torchvision sees them."""
    from torchvision.datasets import ImageFolder

    dataset = ImageFolder(str(path), loader=lambda name: Path(name).read_bytes())
    for i in range(len(dataset)):
        picture, label = dataset[i]
        yield os.path.relpath(dataset.samples[i][0], path).replace(os.sep, "/"), label, check(picture)


def imagefolder(path: Path) -> Iterator[Sample]:
    """Yields the samples as Hugging Face's folder builder sees them."""
    from datasets import Image, load_dataset

    dataset = load_dataset("imagefolder", data_dir=str(path), split="train").cast_column("image", Image(decode=False))
    for row in dataset:
        name = os.path.relpath(row["image"]["path"], path).replace(os.sep, "/")
        yield name, row["label"], check(Path(row["image"]["path"]).read_bytes())


def tar(path: Path) -> Iterator[Sample]:
    """Yields the samples as webdataset sees them."""
    import webdataset

    shards = sorted(str(name) for name in path.glob("*.tar"))
    for sample in webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).to_tuple("__key__", "jpg;png", "cls"):
        yield sample[0], int(sample[2]), check(sample[1])


def parquet(path: Path) -> Iterator[Sample]:
    """Yields the samples as Hugging Face's datasets sees the folder."""
    from datasets import ClassLabel, Image, load_dataset

    dataset = load_dataset(str(path), split="train")
    names = (path / "classes.txt").read_text().splitlines()
    assert isinstance(dataset.features["image"], Image), dataset.features
    assert isinstance(dataset.features["label"], ClassLabel), dataset.features
    assert dataset.features["label"].names == names, dataset.features["label"].names
    for row in dataset.cast_column("image", Image(decode=False)):
        yield row["image"]["path"], row["label"], check(row["image"]["bytes"])


def mds(path: Path) -> Iterator[Sample]:
    """Yields the samples as MosaicML's streaming sees them, with the bytes as they lie in the shards."""
    from streaming.base.format import reader_from_json

    shards = json.loads((path / "index.json").read_text())["shards"]
    for shard in shards:
        reader = reader_from_json(str(path), None, shard)
        for i in range(len(reader)):
            data = reader.get_sample_data(i)
            whole = reader.decode_sample(data)  # all columns, by the library
            raw = raw_columns(reader, data)
            assert whole["image"].size[0] > 0
            yield whole["key"], whole["label"], check(raw["image"])


def raw_columns(reader: object, data: bytes) -> dict[str, bytes]:
    """Returns the bytes of each column of a sample, as the library's decode_sample takes them apart."""
    import numpy

    sizes: list[int] = []
    at = 0
    for size in reader.column_sizes:  # type: ignore[attr-defined]
        if size:
            sizes.append(size)
        else:
            sizes.append(int(numpy.frombuffer(data[at : at + 4], numpy.uint32)[0]))
            at += 4
    columns: dict[str, bytes] = {}
    for name, size in zip(reader.column_names, sizes):  # type: ignore[attr-defined]
        columns[name] = data[at : at + size]
        at += size
    return columns


def streaming(path: Path) -> int:
    """Reads all samples by StreamingDataset, and returns how many there are."""
    from streaming import StreamingDataset

    dataset = StreamingDataset(local=str(path), shuffle=False, batch_size=1)
    n = 0
    for sample in dataset:
        assert sample["image"].size[0] > 0
        n += 1
    return n


def ffcv(path: Path) -> None:
    """Prints each sample's label, and the SHA-256 of its middle as FFCV decodes and resizes it."""
    from ffcv.fields.basics import IntDecoder
    from ffcv.fields.rgb_image import CenterCropRGBImageDecoder
    from ffcv.loader import Loader, OrderOption

    loader = Loader(
        str(path),
        batch_size=50,
        num_workers=2,
        order=OrderOption.SEQUENTIAL,
        drop_last=False,
        pipelines={"image": [CenterCropRGBImageDecoder((224, 224), ratio=1)], "label": [IntDecoder()]},
    )
    for images, labels in loader:
        for image, label in zip(images, labels):
            print(json.dumps({"label": int(label), "pixels": hashlib.sha256(image.tobytes()).hexdigest()}))


FORMATS = {"folder": folder, "imagefolder": imagefolder, "tar": tar, "parquet": parquet, "mds": mds}


def main() -> None:
    """Is the program."""
    kind, path = sys.argv[1], Path(sys.argv[2])
    if kind == "ffcv":
        ffcv(path)
        return
    start, cpu = time.perf_counter(), time.process_time()
    n = 0
    size = 0
    for key, label, picture in FORMATS[kind](path):
        print(json.dumps({"key": key, "label": int(label), "sha256": hashlib.sha256(picture).hexdigest()}))
        n += 1
        size += len(picture)
    if kind == "mds":
        assert streaming(path) == n
    report = {"samples": n, "bytes": size, "seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    print(json.dumps(report), file=sys.stderr)


if __name__ == "__main__":
    main()
