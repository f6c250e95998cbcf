"""Lance: rows picked a batch at a time, a pool of threads and Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator

import lance
import numpy as np
import pyarrow
from common import (
    access,
    build,
    crop,
    decode,
    job,
    main,
    measure,
    order,
    photos,
    pillow,
    read,
    slices,
    table,
    threaded,
)


def write() -> None:
    items = photos()
    schema = pyarrow.schema([("image", pyarrow.large_binary()), ("label", pyarrow.int32())])

    def batches() -> Iterator[pyarrow.RecordBatch]:
        for at in range(0, len(items), 100):
            some = items[at : at + 100]
            images = pyarrow.array([read(path) for path, _ in some], pyarrow.large_binary())
            labels = pyarrow.array([label for _, label in some], pyarrow.int32())
            yield pyarrow.record_batch([images, labels], schema=schema)

    build(
        lambda: lance.write_dataset(pyarrow.RecordBatchReader.from_batches(schema, batches()), job.data),
        len(items),
    )


def write_rows() -> None:
    x, y = table()

    def save() -> None:
        lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(x.reshape(-1)), 32)
        lance.write_dataset(pyarrow.table({"x": lists, "y": pyarrow.array(y)}), job.data)

    build(save, len(x))


def load() -> None:
    data = lance.dataset(job.data)

    def images() -> Iterator[bytes]:
        for at in slices(order(data.count_rows())):
            yield from data.take(np.sort(at), columns=["image"]).column("image").to_pylist()

    measure(lambda: threaded(images(), lambda image: crop(io.BytesIO(image))))


def rows() -> None:
    data = lance.dataset(job.data)

    def epoch() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for at in slices(order(data.count_rows())):
            some = data.take(at)
            x = some["x"].combine_chunks()
            x = x.chunk(0) if hasattr(x, "chunk") else x
            yield x.flatten().to_numpy().reshape(-1, 32), some["y"].to_numpy()

    measure(epoch, lambda batch: len(batch[1]))


def one() -> None:
    data = lance.dataset(job.data)

    def sample(i: int) -> tuple[bytes, int]:
        row = data.take([i])
        return row["image"][0].as_py(), row["label"][0].as_py()

    if job.work == "random-access":
        access(sample, data.count_rows())
    else:
        access(lambda i: decode(io.BytesIO(sample(i)[0])), data.count_rows())


if __name__ == "__main__":
    works = {"build-rows": write_rows, "build": write, "epoch-rows": rows, "epoch-": load}
    works |= {"random-access": one, "random-access-decoded": one}
    main(works, "pylance", "pyarrow", pillow())
