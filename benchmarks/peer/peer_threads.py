"""A pool of threads and Pillow over the files; NumPy's mapped arrays for rows ("sorted": each batch's rows in
the file's order)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from common import (
    access,
    crop,
    decode,
    job,
    main,
    measure,
    order,
    photos,
    pillow,
    read,
    shuffled,
    slices,
    table,
    threaded,
)


def load() -> None:
    paths = [path for path, _ in photos()]
    measure(lambda: threaded(shuffled(paths), crop))


def rows() -> None:
    x, y = table()

    def epoch() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for at in slices(order(len(x))):
            if job.mode == "sorted":
                at = np.sort(at)
            yield np.take(x, at, 0), np.take(y, at)

    measure(epoch, lambda batch: len(batch[1]))


def one() -> None:
    items = photos()
    get = read if job.work == "random-access" else decode
    access(lambda i: (get(items[i][0]), items[i][1]), len(items))


if __name__ == "__main__":
    main(
        {"epoch-rows": rows, "epoch-rrc224-u8": load, "random-access": one, "random-access-decoded": one},
        "numpy",
        pillow(),
    )
