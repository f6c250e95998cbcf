"""ProcessCacheManager: FFCV's os_cache=False."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...pipeline.compiler import Compiler
from ..base import MemoryContext, MemoryManager
from ..common import BATCHES_TYPE
from .context import ProcessCacheContext

__all__ = ["ProcessCacheManager"]


class ProcessCacheManager(MemoryManager):
    """Finds bytes in pages that were read into memory of the process."""

    def schedule_epoch(self, batches: BATCHES_TYPE) -> MemoryContext:
        return ProcessCacheContext(self, batches)

    @property
    def state_type(self) -> Any:
        import numba as nb

        return nb.types.Tuple([nb.uint8[:, ::1], nb.uint64[::1], nb.uint64[::1], nb.uint32[::1]])

    def read(self, address: int, state: Any) -> np.ndarray:
        """Returns the bytes at a pointer, checked against the table: ValueError for one that is not there."""
        memory, ptrs, sizes, slots = state
        at = int(np.searchsorted(ptrs, np.uint64(address)))
        if at == len(ptrs) or int(ptrs[at]) != int(address):
            raise ValueError(f"no region at pointer {address} in {self.reader.file_name}")
        page, offset = divmod(int(address), self.reader.page_size)
        if offset + int(sizes[at]) > self.reader.page_size:
            raise ValueError(
                f"the region at pointer {address} goes over the end of its page: read it with os_cache=True"
            )
        return memory[slots[page], offset : offset + int(sizes[at])]

    def compile_reader(self) -> Callable[[int, Any], np.ndarray]:
        bits = np.uint64(self.reader.page_size.bit_length() - 1)
        rest = np.uint64(self.reader.page_size - 1)

        def read(address, mem_state):  # type: ignore[no-untyped-def]
            ptr = np.uint64(address)
            size = mem_state[2][np.searchsorted(mem_state[1], ptr)]
            offset = ptr & rest
            return mem_state[0][mem_state[3][ptr >> bits], offset : offset + size]

        compiled = Compiler.compile(read)
        return self.read if compiled is read else compiled
