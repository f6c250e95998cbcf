"""Stored bytes read from the file, batch by batch: os_cache=False for operations of Python that read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pipeline.compiler import Compiler

if TYPE_CHECKING:
    from .._file import File

__all__ = ["Regions"]

State = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""The bytes of a batch's regions; the regions' pointers, sorted, where each begins, and its size."""


class Regions:
    """Reads what the samples of a batch have stored; regions that lie together come with one read.

    The file isn't mapped for it, and memory is that of a batch. Any number of threads.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        table = file.alloc_table
        order = np.lexsort((~table["size"], table["ptr"], table["sample_id"]))
        self._samples = table["sample_id"][order]
        self._ptrs, self._sizes = table["ptr"][order], table["size"][order]

    def state(self, ids: np.ndarray) -> State:
        """Return the bytes of these samples, for the function that compile_reader returns."""
        wanted = np.unique(ids).astype(np.uint64)
        first = np.searchsorted(self._samples, wanted, "left")
        count = np.searchsorted(self._samples, wanted, "right") - first
        ends = np.cumsum(count)
        total = int(ends[-1]) if len(ends) else 0
        rows = np.repeat(first - (ends - count), count) + np.arange(total)
        ptrs, sizes = self._ptrs[rows], self._sizes[rows]
        order = np.lexsort((~sizes, ptrs))
        ptrs, sizes = ptrs[order], sizes[order]
        # Of several regions at one place the one that is not empty counts.
        one = np.append(True, ptrs[1:] != ptrs[:-1]) if total else np.empty(0, bool)
        ptrs, sizes = np.ascontiguousarray(ptrs[one]), np.ascontiguousarray(sizes[one])
        begins = np.cumsum(sizes, dtype=np.uint64) - sizes
        data = np.empty(int(sizes.sum()), np.uint8)
        if len(ptrs):
            self._file.fetch(data, self._samples[rows][order][one], ptrs, sizes, begins)
        return data, ptrs, begins, sizes

    def compile_reader(self) -> Callable[[int, Any], np.ndarray]:
        """Return read(ptr, state), compiled where there is numba: the bytes (uint8) of the region at ptr."""

        def read(address, mem_state):  # type: ignore[no-untyped-def]
            k = np.searchsorted(mem_state[1], np.uint64(address))
            return mem_state[0][mem_state[2][k] : mem_state[2][k] + mem_state[3][k]]

        compiled = Compiler.compile(read)
        return self._checked if compiled is read else compiled

    def _checked(self, address: int, state: State) -> np.ndarray:
        data, ptrs, begins, sizes = state
        k = int(np.searchsorted(ptrs, np.uint64(address)))
        if k == len(ptrs) or int(ptrs[k]) != int(address):
            raise ValueError(f"no region of the batch's samples at pointer {address} in {self._file.path}")
        return data[int(begins[k]) : int(begins[k]) + int(sizes[k])]
