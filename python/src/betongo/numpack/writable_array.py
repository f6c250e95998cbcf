"""Arrays of a pack that are changed in their files."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ._folder import regular

if TYPE_CHECKING:
    from ._pack import NumPack

__all__ = ["WritableArray", "WritableBatchMode"]

Array = np.ndarray[Any, Any]


def _map(
    path: str, shape: tuple[int, ...], dtype: np.dtype[Any], write: bool
) -> tuple[mmap.mmap | None, Array]:
    size = dtype.itemsize
    for d in shape:
        size *= d
    fd = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | getattr(os, "O_BINARY", 0))
    try:
        regular(fd, path)
        have = os.fstat(fd).st_size
        if have < size:
            raise ValueError(f"{path}: {have} bytes, want {size} for {dtype} of shape {shape}")
        if not size:
            return None, np.empty(shape, dtype)
        m = mmap.mmap(fd, size, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)
    finally:
        os.close(fd)
    return m, np.frombuffer(m, dtype).reshape(shape)


class WritableArray:
    """A file's bytes as an array within a with statement; changes are on disk behind it.

    shape and dtype say what the file holds from its beginning; mode is "r+" for a writable array or "r". The
    array stays valid after the end, as long as it is held.
    """

    def __init__(self, file_path: str | os.PathLike[str], shape: Any, dtype: Any, mode: str = "r+") -> None:
        if mode not in ("r", "r+"):
            raise ValueError(f"mode {mode!r}, want 'r+' or 'r'")
        self.file_path = os.fspath(file_path)
        self.shape = tuple(int(d) for d in shape)
        if any(d < 0 for d in self.shape):
            raise ValueError(f"{self.file_path}: shape {self.shape}")
        self.dtype = np.dtype(dtype)
        self.mode = mode
        self._mmap: mmap.mmap | None = None

    def __enter__(self) -> Array:
        self._mmap, array = _map(self.file_path, self.shape, self.dtype, self.mode == "r+")
        return array

    def __exit__(self, *exc: object) -> None:
        if self._mmap is not None and self.mode == "r+":
            self._mmap.flush()
        self._mmap = None


class WritableBatchMode:
    """What NumPack.writable_batch_mode returns, for a with statement.

    load() gives an array over its file: what is written to it is in the file, and on disk behind the with
    statement, whether it ends by an exception or not. That is no change wholly or not at all: a process that
    is killed leaves some of it. The rows can't be more or fewer. Arrays that rows were dropped from, or in
    segments, are first written anew into one file.
    """

    def __init__(self, numpack_instance: NumPack) -> None:
        self.npk = numpack_instance
        self.writable_arrays: dict[str, mmap.mmap | None] = {}
        self.array_cache: dict[str, Array] = {}

    def __enter__(self) -> WritableBatchMode:
        self.npk._open()
        return self

    def load(self, array_name: str) -> Array:
        """The array over its file, writable; the same one each time. It stays valid as long as it is held."""
        if array_name in self.array_cache:
            return self.array_cache[array_name]
        with self.npk._mutex:
            store = self.npk._written([array_name])
            store.table(array_name)
            store.begin()
            store.compact(array_name, whole=True)
            t = store.table(array_name)
            if t.patch:
                store.flush()
            store.folder.no_link(t.parts[0].file if t.parts else t.file)
            path = store.folder.join(t.parts[0].file if t.parts else t.file)
            m, array = _map(path, t.shape, t.dtype, True)
        self.writable_arrays[array_name], self.array_cache[array_name] = m, array
        return array

    def save(self, arrays_dict: Mapping[str, Any]) -> None:
        """Does nothing for arrays that load() gave. Another array in the place of one is written into it, and
        must have its shape and dtype; ValueError."""
        for name, a in arrays_dict.items():
            mine = self.load(name)
            if a is mine:
                continue
            a = np.asarray(a)
            if a.shape != mine.shape or a.dtype != mine.dtype:
                raise ValueError(
                    f"array {name!r}: {a.dtype} of shape {a.shape} in the place of {mine.dtype} of shape "
                    f"{mine.shape}, which can't change here"
                )
            if not np.shares_memory(a, mine):
                mine[...] = a

    def __exit__(self, *exc: object) -> None:
        with self.npk._mutex:
            store = self.npk._store
            for name, m in self.writable_arrays.items():
                if m is not None:
                    m.flush()
                if store is not None and name in store.tables:
                    store.touch(name)
            self.writable_arrays.clear()
            self.array_cache.clear()
