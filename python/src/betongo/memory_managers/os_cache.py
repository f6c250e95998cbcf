"""OSCacheManager: the file is mapped, and the system keeps what of it fits in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..pipeline.compiler import Compiler
from ..reader import Reader
from .base import MemoryContext, MemoryManager
from .common import BATCHES_TYPE

__all__ = ["OSCacheContext", "OSCacheManager"]


class OSCacheContext(MemoryContext):
    """The whole file; its state is (the file's bytes, ptrs, sizes)."""

    def __init__(self, manager: MemoryManager) -> None:
        self.manager = manager
        self.mmap: np.ndarray | None = None

    @property
    def state(self) -> tuple[np.ndarray, ...]:
        if self.mmap is None:
            self.mmap = self.manager.reader.file.bytes(0, self.manager.reader.file._size)
        return self.mmap, self.manager.ptrs, self.manager.sizes

    def __enter__(self) -> MemoryContext:
        return self

    def __exit__(self, *_: object) -> None:
        return None  # the map is the reader's


class OSCacheManager(MemoryManager):
    """Finds bytes in the mapped file."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self.context = OSCacheContext(self)

    def schedule_epoch(self, schedule: BATCHES_TYPE) -> MemoryContext:
        return self.context

    @property
    def state_type(self) -> Any:
        import numba as nb

        data = nb.types.Array(nb.uint8, 1, "C", readonly=True)
        return nb.types.Tuple([data, nb.uint64[::1], nb.uint64[::1]])

    def read(self, address: int, state: Any) -> np.ndarray:
        """Returns the bytes at a pointer, checked against the table: ValueError for one that is not there."""
        data, ptrs, sizes = state
        at = int(np.searchsorted(ptrs, np.uint64(address)))
        if at == len(ptrs) or int(ptrs[at]) != int(address):
            raise ValueError(f"no region at pointer {address} in {self.reader.file_name}")
        return data[int(address) : int(address) + int(sizes[at])]

    def compile_reader(self) -> Callable[[int, Any], np.ndarray]:
        def read(address, mem_state):  # type: ignore[no-untyped-def]
            size = mem_state[2][np.searchsorted(mem_state[1], address)]
            return mem_state[0][address : address + size]

        compiled = Compiler.compile(read)
        return self.read if compiled is read else compiled
