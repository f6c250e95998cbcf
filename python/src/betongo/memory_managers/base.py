"""MemoryManager and MemoryContext: where stored bytes are, and when they are at hand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import numpy as np

from ..reader import Reader
from .common import BATCHES_TYPE

__all__ = ["MemoryContext", "MemoryManager"]


class MemoryContext(AbstractContextManager["MemoryContext"]):
    """The stored bytes of an epoch's batches, from __enter__ to __exit__."""

    @property
    @abstractmethod
    def state(self) -> tuple[np.ndarray, ...]:
        """What the manager's read function takes as its second argument."""
        raise NotImplementedError

    @abstractmethod
    def __enter__(self) -> MemoryContext:
        return self

    def start_batch(self, batch: int) -> None:
        """Waits until the bytes of that batch are at hand. Batches come in order."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Pages(Mapping[int, "set[int]"]):
    """Which samples lie on a page, or on which pages a sample lies, looked up in sorted columns.

    Memory is two numbers an entry of the allocation table; a key without entries gives an empty set.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys, self._values = keys[order], values[order]

    def __getitem__(self, key: int) -> set[int]:
        lo, hi = (
            np.searchsorted(self._keys, np.uint64(key), "left"),
            np.searchsorted(self._keys, np.uint64(key), "right"),
        )
        return set(self._values[lo:hi].tolist())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, (int, np.integer)) and int(key) >= 0 and bool(self[int(key)])

    def __iter__(self) -> Iterator[int]:
        return iter(np.unique(self._keys).tolist())

    def __len__(self) -> int:
        return len(np.unique(self._keys))


class MemoryManager(ABC):
    """Finds stored bytes by their pointers.

    ptrs, sizes: uint64, the allocation table sorted by pointer. Of several entries with one pointer (FFCV
    gives an empty value the pointer of the next) the one that is not empty comes first.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        table = reader.alloc_table
        order = np.lexsort((~table["size"], table["ptr"]))
        self.ptrs = np.ascontiguousarray(table["ptr"][order])
        self.sizes = np.ascontiguousarray(table["size"][order])
        self._samples: Pages | None = None
        self._pages: Pages | None = None

    @property
    def ptr_to_size(self) -> dict[int, int]:
        """The size of the region at each pointer, made anew at each use."""
        return dict(zip(self.ptrs[::-1].tolist(), self.sizes[::-1].tolist()))

    def _page_numbers(self) -> np.ndarray:
        return self.reader.alloc_table["ptr"] >> np.uint64(self.reader.page_size.bit_length() - 1)

    @property
    def sample_to_pages(self) -> Mapping[int, set[int]]:
        """The pages (page 0 begins the file) on which each sample has bytes."""
        if self._pages is None:
            self._pages = Pages(self.reader.alloc_table["sample_id"], self._page_numbers())
        return self._pages

    @property
    def page_to_samples(self) -> Mapping[int, set[int]]:
        """The samples that have bytes on each page."""
        if self._samples is None:
            self._samples = Pages(self._page_numbers(), self.reader.alloc_table["sample_id"])
        return self._samples

    @abstractmethod
    def schedule_epoch(self, batches: BATCHES_TYPE) -> MemoryContext:
        """Returns the context in which the batches' bytes can be read."""
        raise NotImplementedError

    @abstractmethod
    def compile_reader(self) -> Callable[[int, Any], np.ndarray]:
        """Returns read(ptr, state), compiled where numba is: the bytes (uint8, read-only) of the region at
        ptr.

        read trusts pointer and table, as FFCV's does: they must be of the reader's file.
        """
        raise NotImplementedError

    @property
    @abstractmethod
    def state_type(self) -> Any:
        """The numba type of the state. ImportError without numba."""
        raise NotImplementedError
