"""The rows of a pack's arrays as they lie in files: mapped, read, streamed, and as bytes to write."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import errors
from ._folder import Folder
from ._format import Part, Table, row_bytes

__all__: list[str] = []

Array = np.ndarray[Any, Any]

BUFFER = 1 << 20  # bytes that are copied at once
MAX_OPEN = 256  # files of an array that are open at once
AHEAD = 128 << 10  # bytes that a stream reads at least


def map_part(folder: Folder, t: Table, p: Part) -> Array:
    """A part's rows over a map of its file, read-only. The map lives as long as a view of it does."""
    shape = (p.rows, *t.shape[1:])
    size = p.rows * t.row
    if size == 0:
        return np.empty(shape, t.dtype)
    fd = folder.open(p.file)
    try:
        have = os.fstat(fd).st_size
        if have < size:
            path = folder.join(p.file)
            raise errors.FormatError(f"{path}: array {t.name!r}: {have} bytes, want {size}", file=path)
        m = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
    finally:
        os.close(fd)
    return np.frombuffer(m, t.dtype).reshape(shape)


class Maps(Sequence[Array]):
    """The maps of an array's files: made at once, or, of more than MAX_OPEN, when they are asked for."""

    def __init__(self, folder: Folder, t: Table) -> None:
        self.folder, self.t, self.parts = folder, t, list(t.parts)
        self.made: dict[int, Array] = {}
        if len(self.parts) <= MAX_OPEN:
            self.made = {k: map_part(folder, t, p) for k, p in enumerate(self.parts)}

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, k: Any) -> Any:
        got = self.made.get(k)
        if got is None:
            got = map_part(self.folder, self.t, self.parts[k])
            if len(self.made) >= MAX_OPEN:
                self.made.clear()
            self.made[k] = got
        return got


class Files:
    """The files of an array, as it is now; they are opened when they are read, or all at once by hold()."""

    def __init__(self, folder: Folder, t: Table) -> None:
        self.folder, self.parts, self.dead = folder, list(t.parts), t.dead
        self.name, self.dtype, self.shape, self.row = t.name, t.dtype, t.shape[1:], t.row
        self.left = t.left
        self.open: dict[str, Any] = {}

    def hold(self) -> Files:
        """Opens up to MAX_OPEN files, so that a change of the array does not matter; copies the bitmap."""
        self.dead = None if self.dead is None else self.dead.copy()
        for p in self.parts[:MAX_OPEN] if self.row else ():
            self._file(p)
        return self

    def _file(self, p: Part) -> Any:
        if p.file not in self.open:
            if len(self.open) > MAX_OPEN:
                self.open.popitem()[1].close()
            self.open[p.file] = os.fdopen(self.folder.open(p.file), "rb", buffering=0)
        return self.open[p.file]

    def read(self, lo: int, hi: int) -> Array:
        """Reads rows lo to hi, dropped ones included, into new memory."""
        out = np.empty((hi - lo, *self.shape), self.dtype)
        if out.nbytes:
            view = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type,unused-ignore]
            for p in self.parts:
                a, b = max(lo, p.start), min(hi, p.end)
                if a < b:
                    self._pread(p, (a - p.start) * self.row, view[(a - lo) * self.row : (b - lo) * self.row])
        return out

    def read_left(self, lo: int, hi: int) -> Array:
        """Reads rows lo to hi of those that are left."""
        if self.dead is None:
            return self.read(lo, hi)
        out = np.empty((hi - lo, *self.shape), self.dtype)
        at = self.dead.span(lo, hi)
        step = max(1, BUFFER // max(self.row, 1))
        i = 0
        while i < len(at):  # the rows that lie within a block of the files
            n = int(np.searchsorted(at, at[i] + step)) - i
            out[i : i + n] = self.read(int(at[i]), int(at[i + n - 1]) + 1)[at[i : i + n] - at[i]]
            i += n
        return out

    def _pread(self, p: Part, at: int, into: memoryview) -> None:
        f = self._file(p)
        f.seek(at)
        while len(into):
            n = f.readinto(into[: 1 << 30])
            if not n:
                path, end = self.folder.join(p.file), f.tell()
                raise errors.FormatError(
                    f"{path}: array {self.name!r}: the file ends at byte {end}, {len(into)} bytes too early",
                    file=path,
                    offset=end,
                )
            into = into[n:]

    def batches(self, size: int) -> Iterator[Array]:
        """The rows that are left in batches; small ones are read several at a time."""
        ahead = size * max(1, AHEAD // max(self.row, 1) // size) if self.row else size
        with self:
            for lo in range(0, self.left, ahead):
                rows = self.read_left(lo, min(lo + ahead, self.left))
                for i in range(0, len(rows), size):
                    yield rows[i : i + size]

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *exc: object) -> None:
        for f in self.open.values():
            f.close()
        self.open = {}


class SavedRows:
    """Rows of an array of the pack, read when they are needed: what save takes in an array's place.

    read: gives the rows of an array from one number up to another. step: how many it is asked for at once.
    """

    def __init__(
        self,
        read: Callable[[Table, int, int], Array],
        t: Table,
        step: int,
        lo: int = 0,
        hi: int | None = None,
    ) -> None:
        self.read, self.t, self.step = read, t, step
        self.lo, self.hi = lo, t.left if hi is None else hi
        self.dtype, self.shape = t.dtype, (self.hi - self.lo, *t.shape[1:])

    def __len__(self) -> int:
        return self.hi - self.lo

    def __getitem__(self, rows: slice) -> SavedRows:
        lo, hi, _ = rows.indices(len(self))
        return SavedRows(self.read, self.t, self.step, self.lo + lo, self.lo + max(lo, hi))

    def pieces(self) -> Iterator[Array]:
        for at in range(self.lo, self.hi, self.step):
            yield self.read(self.t, at, min(at + self.step, self.hi))


def pieces(a: Any, dtype: np.dtype[Any]) -> Iterator[memoryview]:
    """The bytes of rows in C order, little-endian; about a megabyte at a time where they must be copied."""
    if isinstance(a, SavedRows):
        for rows in a.pieces():
            yield from pieces(rows, dtype)
        return
    if a.nbytes == 0:
        return
    if a.flags.c_contiguous and a.dtype == dtype:
        yield memoryview(a.reshape(-1).view(np.uint8))
        return
    step = max(1, BUFFER // row_bytes(a.shape, dtype))
    for i in range(0, len(a), step):
        yield memoryview(np.array(a[i : i + step], dtype, order="C").reshape(-1).view(np.uint8))
