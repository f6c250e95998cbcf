"""The memory of operations that run in the client: used again, but never while anything looks at it."""

from __future__ import annotations

import sys
import threading
import weakref
from collections import defaultdict
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import is_torch_dtype

__all__ = ["Pool", "allocate"]

_small = 1 << 16  # bytes; below, an array of its own costs less


class Pool:
    """Arrays whose memory comes back when the last view of it dies. Used by any thread.

    It keeps at most `spare` unused pieces of each size.
    """

    def __init__(self, spare: int) -> None:
        self._spare = spare
        self._free: dict[int, list[np.ndarray]] = defaultdict(list)
        self._lock = threading.Lock()

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return a writable C-contiguous array; its content is undefined."""
        size = dtype.itemsize
        for n in shape:
            size *= n
        if size < _small or dtype.hasobject:
            return np.empty(shape, dtype)
        with self._lock:
            free = self._free[size]
            raw = free.pop() if free else None
        lease = _Lease(np.empty(size, np.uint8) if raw is None else raw, self)
        return np.asarray(lease).view(dtype).reshape(shape)

    def give_back(self, raw: np.ndarray) -> None:
        # A lease may die anywhere, in this lock's holder even: then its memory is simply freed.
        if self._lock.acquire(blocking=False):
            try:
                free = self._free[raw.size]
                if len(free) < self._spare:
                    free.append(raw)
            finally:
                self._lock.release()

    def clear(self) -> None:
        """Free what is not in use."""
        with self._lock:
            self._free.clear()


class _Lease:
    """What the arrays of one piece of memory have as their base."""

    __slots__ = ("__array_interface__", "_pool", "_raw")

    def __init__(self, raw: np.ndarray, pool: Pool) -> None:
        self._raw = raw
        self._pool = weakref.ref(pool)
        self.__array_interface__ = raw.__array_interface__

    def __del__(self) -> None:
        pool = self._pool()
        if pool is not None:
            pool.give_back(self._raw)


def allocate(query: AllocationQuery, n: int, pool: Pool) -> Any:
    """Return memory for n samples: an array, or a tensor for a dtype of torch's."""
    shape = (n, *(int(k) for k in query.shape))
    if not is_torch_dtype(query.dtype):
        return pool.array(shape, np.dtype(query.dtype))
    torch = sys.modules["torch"]
    return torch.empty(shape, dtype=query.dtype, device=query.device)
