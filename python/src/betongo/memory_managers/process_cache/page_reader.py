"""PageReader: a thread that reads pages."""

from __future__ import annotations

import os
from queue import Queue
from threading import Thread

import numpy as np

__all__ = ["PageReader"]


class PageReader(Thread):
    """Reads (page, slot) of queries into memory[slot] until None comes, and tells loaded of each page, or of
    the error."""

    def __init__(
        self,
        fname: str | os.PathLike[str],
        queries: Queue[tuple[int, int] | None],
        loaded: Queue[int | BaseException],
        memory: np.ndarray,
    ) -> None:
        self.fname = fname
        self.queries = queries
        self.memory = memory
        self.page_size = memory.shape[1]
        self.loaded = loaded
        super().__init__(daemon=True)

    def run(self) -> None:
        try:
            with open(self.fname, "rb", buffering=0) as f:
                while (query := self.queries.get()) is not None:
                    page, slot = query
                    f.seek(page * self.page_size)
                    _fill(f, memoryview(self.memory[slot]))  # type: ignore[arg-type]
                    self.loaded.put(page)
        except BaseException as e:  # goes on in the consumer's thread
            self.loaded.put(e)


def _fill(f: object, room: memoryview) -> None:
    """Reads until room is full or the file ends; the last page of a file may be cut by its end."""
    while room and (n := f.readinto(room)):  # type: ignore[attr-defined]
        room = room[n:]
