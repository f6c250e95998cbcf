"""Grain over ArrayRecord, with threads and Pillow."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator

import grain
import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordWriter
from common import access, build, crop, decode, job, main, measure, order, photos, pillow, read, slices, table

ROW = np.dtype([("x", "<f4", 32), ("y", "<i8")])


def file() -> str:
    return os.path.join(job.data, "train.array_record")


def write(records: Iterator[bytes], n: int) -> None:
    os.makedirs(job.data)

    def to_file() -> None:
        out = ArrayRecordWriter(file(), "group_size:1,uncompressed")
        for record in records:
            out.write(record)
        out.close()

    build(to_file, n)


def write_photos() -> None:
    items = photos()
    write((struct.pack("<i", label) + read(path) for path, label in items), len(items))


def write_rows() -> None:
    x, y = table()
    all = np.empty(len(x), ROW)
    all["x"], all["y"] = x, y
    write((row.tobytes() for row in all), len(x))


def load() -> None:
    data = grain.MapDataset.source(ArrayRecordDataSource(file()))

    def epoch() -> Iterator[dict[str, np.ndarray]]:
        crops = (
            data.seed(int(order(1 << 16)[0]))
            .shuffle()
            .map(lambda r: {"image": crop(io.BytesIO(r[4:])), "label": struct.unpack_from("<i", r)[0]})
        )
        options = grain.ReadOptions(num_threads=job.workers, prefetch_buffer_size=2 * job.batch)
        return iter(crops.to_iter_dataset(options).batch(job.batch))

    measure(epoch, lambda batch: len(batch["label"]))


def rows() -> None:
    source = ArrayRecordDataSource(file())

    def epoch() -> Iterator[np.ndarray]:
        for at in slices(order(len(source))):
            yield np.frombuffer(b"".join(source.__getitems__(at.tolist())), ROW)

    measure(epoch)


def one() -> None:
    source = ArrayRecordDataSource(file())
    if job.work == "random-access":
        access(lambda i: source[i], len(source))
    else:
        access(lambda i: decode(io.BytesIO(source[i][4:])), len(source))


if __name__ == "__main__":
    works = {"build-rows": write_rows, "build": write_photos, "epoch-rows": rows, "epoch-": load}
    works |= {"random-access": one, "random-access-decoded": one}
    main(works, "grain", "array-record", pillow())
