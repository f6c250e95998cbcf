"""Arrays of a pack that are worked on in memory and written at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._pack import NumPack

__all__ = ["BatchModeContext"]

Array = np.ndarray[Any, Any]


class BatchModeContext:
    """What NumPack.batch_mode returns, for a with statement.

    Within it load() gives the same array each time, in memory, and save() keeps a reference. At its end, also
    when it ends by an exception, arrays that were saved are written, and those that were loaded and changed
    in their place. Append, drop, replace and the like write what is in memory of their arrays first.
    """

    def __init__(self, numpack_instance: NumPack, memory_limit: float | None = None) -> None:
        self.npk = numpack_instance
        self.memory_limit = memory_limit  # megabytes
        self._arrays: dict[str, Array] = {}
        self._dirty: set[str] = set()

    def __enter__(self) -> BatchModeContext:
        with self.npk._mutex:
            self.npk._open()
            if self.npk._batch is None:  # else a batch within a batch, which is part of it
                self.npk._batch = self
        return self

    def __exit__(self, *exc: object) -> None:
        with self.npk._mutex:
            if self.npk._batch is not self:
                return
            try:
                if self.npk._store is not None:
                    self._write()
            finally:
                self._forget()
                self.npk._batch = None

    def _load(self, name: str) -> Array:
        if name not in self._arrays:
            store = self.npk._open()
            t = store.table(name)
            a = store.read_rows(t, 0, t.left)
            if not self._fits(a.nbytes):
                return a
            self._arrays[name] = a
        return self._arrays[name]

    def _keep(self, given: Mapping[str, Any], ready: Mapping[str, Array]) -> None:
        """Notes arrays that were saved."""
        for name, a in ready.items():
            kept = self._arrays.pop(name, None)
            self._dirty.discard(name)
            if kept is not a and not self._fits(a.nbytes):
                self.npk._open().save(name, a)
                continue
            self._arrays[name] = a
            self._dirty.add(name)

    def _fits(self, more: int) -> bool:
        if self.memory_limit is None:
            return True
        return sum(a.nbytes for a in self._arrays.values()) + more <= self.memory_limit * 1e6

    def _forget(self) -> None:
        self._arrays.clear()
        self._dirty.clear()

    def _write(self, names: Iterable[str] | None = None) -> None:
        """Writes what changed of some arrays, or all, and keeps them no longer."""
        store = self.npk._open()
        for name in list(self._arrays) if names is None else [n for n in names if n in self._arrays]:
            a = self._arrays[name]
            if name in self._dirty or self._changed(name, a):
                store.save(name, a)
            del self._arrays[name]
            self._dirty.discard(name)

    def _changed(self, name: str, a: Array) -> bool:
        """Whether an array that was loaded is no longer what it was, bit for bit."""
        store = self.npk._open()
        t = store.table(name)
        step = max(1, (1 << 22) // max(t.row, 1))
        for lo in range(0, len(a) if t.row else 0, step):
            was = store.read_rows(t, lo, min(lo + step, len(a)))
            if was.tobytes() != a[lo : lo + step].tobytes():
                return True
        return False
