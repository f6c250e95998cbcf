"""torch's DataLoader around a stream: each of 4 workers loads a part. Run by test_robust.py: FILE METHOD."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import rows
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from betongo import _engine
from betongo._engine import Connector
from betongo._stream import LoaderStream


class Rows(IterableDataset):  # type: ignore[type-arg,misc]
    def __init__(self, path: str) -> None:
        self.stream = LoaderStream(Connector(), rows.spec(path, 1000))

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        for b in self.stream.epoch(0):
            if b.index % info.num_workers == info.id:
                engine = self.stream._last.conn.hello["pid"]  # type: ignore[union-attr]
                yield (
                    torch.from_numpy(b.columns[0].array),
                    torch.from_numpy(b.columns[1].array).clone(),
                    engine,
                )


def main() -> None:
    data = DataLoader(Rows(sys.argv[1]), batch_size=None, num_workers=4, multiprocessing_context=sys.argv[2])
    process = _engine.engine().process
    assert process is not None
    for _ in range(1 if sys.argv[2] == "spawn" else 2):
        total, engines = 0, set()
        for label, x, engine in data:
            assert torch.equal(label / 2, x)
            total += len(label)
            engines.add(engine)
        assert engines == {process.pid}, engines
    print(total, "samples")


if __name__ == "__main__":
    main()
