"""Packs as conversions read and write them: arrays some rows at a time, over `betongo.numpack`'s store."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .._folder import is_pack, lock
from .._format import META, Part, Table, bitmap_file, data_file, format_meta, list_file, now, segment_file
from .._store import Store
from . import _rows
from ._aside import aside
from ._rows import Extent, Rows

__all__ = ["PackReader", "PackWriter", "opened", "package_files", "reading", "stored_name"]


def opened(path: str | os.PathLike[str]) -> Any:
    """A NumPack over a pack, opened."""
    from .. import NumPack

    pack = NumPack(os.fspath(path))
    pack.open()
    return pack


def stored_name(name: str) -> str:
    """What an array is called in a pack, whose names are parts of file names: dots for slashes."""
    return name.strip("/").replace("/", ".")


# -- reading --------------------------------------------------------------------------------------------


class PackReader:
    """A pack that is read. Nothing of it is changed, or made where it is missing."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        if not os.path.isdir(self.path):
            there = "is no folder, so no pack" if os.path.exists(self.path) else "does not exist"
            raise FileNotFoundError(f"{self.path} {there}")
        self.store = Store(self.path)

    def names(self, chosen: Sequence[str] | str | None) -> list[str]:
        """The chosen arrays, or all of them in the pack's order. Raises KeyError for what is not there."""
        have = list(self.store.tables)
        if chosen is None:
            return have
        names = [chosen] if isinstance(chosen, str) else list(chosen)
        missing = [n for n in names if n not in self.store.tables]
        if missing:
            raise KeyError(f"{self.path}: no arrays {missing}; there are {have}")
        return names

    def one(self, name: str | None) -> str:
        """The array of a name, or the only one. Raises ValueError where there are others, or none."""
        if name is not None:
            return self.names(name)[0]
        have = list(self.store.tables)
        if len(have) != 1:
            raise ValueError(
                f"{self.path}: NumPack contains multiple arrays {have}; please give array_name"
                if have
                else f"{self.path}: the pack has no arrays"
            )
        return have[0]

    def rows(self, name: str) -> Rows:
        """An array, read some rows at a time, without those that were dropped."""
        t = self.store.table(name)
        if t.dead is None or t.dead.left == t.rows:
            return _rows.of_extents(name, t.dtype, t.logical, _extents(self.store, t), self.path)

        def blocks(size: int) -> Iterator[np.ndarray]:
            step = _rows.rows_at_once(t.logical, t.dtype, min(size, 4 * _rows.PIECE))
            for lo in range(0, t.left, step):
                yield self.store.read_rows(t, lo, min(lo + step, t.left))

        return Rows(name, t.dtype, t.logical, blocks, file=self.path)

    def load(self, name: str) -> np.ndarray:
        """An array in memory, the caller's own, in C order."""
        t = self.store.table(name)
        return self.store.read_rows(t, 0, t.left)

    def view(self, name: str) -> np.ndarray:
        """An array over a map of its file where it lies in one, read-only; else loaded."""
        t = self.store.table(name)
        if len(t.parts) == 1 and (t.dead is None or t.dead.left == t.rows):
            return self.store.map(t, t.parts[0])
        return self.store.read_rows(t, 0, t.left)


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[PackReader]:
    """A pack to read from. Raises FileNotFoundError, and FormatError for a broken one."""
    reader = PackReader(path)
    try:
        yield reader
    finally:
        reader.store.release()  # close would make a pack of an empty folder


def _extents(store: Store, t: Table) -> list[Extent]:
    return [Extent(store.folder.join(p.file), 0, p.rows * t.row) for p in t.parts if p.rows]


def package_files(path: Path) -> list[tuple[str, list[Extent | bytes]]]:
    """The files that a package of a pack has, by name, and where their bytes come from.

    An array in segments is one data file there: NumPack's packages have no folders.
    """
    store = Store(path)
    try:
        files: dict[str, list[Extent | bytes]] = {}
        tables = []
        taken = {f for t in store.tables.values() for f in t.files()}
        for t in store.tables.values():
            told = copy.copy(t)
            if t.segmented:
                gen = 0
                while data_file(t.name, gen) in taken:
                    gen += 1
                told.file = data_file(t.name, gen)
            tables.append(told)
            files[told.file] = list(_extents(store, t))
            if t.dead is not None:
                files[bitmap_file(t.name)] = [t.dead.format()]
        files[META] = [format_meta(tables)]
        return sorted(files.items())
    finally:
        store.release()


# -- writing --------------------------------------------------------------------------------------------


class PackWriter:
    """Adds arrays to a pack, all of them or none: with PackWriter(path) as pack: pack.add(rows, chunk_size).

    drop_if_exists: the pack has only the new arrays; what was there goes when they are complete. Else they
    come beside those that are there, or in the place of ones of the same name. A folder that is no pack is
    refused (FileExistsError). Nobody else may be changing the pack (BlockingIOError).
    """

    def __init__(self, path: str | os.PathLike[str], drop_if_exists: bool = False) -> None:
        self.path = Path(path)
        self.new = drop_if_exists or not self.path.exists()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> PackWriter:
        if self.new and self.path.exists() and not (self.path.is_dir() and is_pack(self.path, META)):
            raise FileExistsError(f"{self.path} is no pack; it is not replaced by one")
        try:
            if self.new and self.path.exists():
                fd = lock(str(self.path))
                if os.name == "nt":
                    os.close(fd)  # with the file of the lock open the folder could not be renamed
                else:
                    self._stack.callback(os.close, fd)  # behind the renaming
            where = self._stack.enter_context(aside(self.path, folder=True)) if self.new else self.path
            self._store = Store(where)
            self._store.begin()
        except BaseException as e:
            self._stack.__exit__(type(e), e, e.__traceback__)
            raise
        self._added: set[str] = set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._store.close()
            else:
                self._store.release()
        except BaseException as e:
            self._stack.__exit__(type(e), e, e.__traceback__)
            raise
        self._stack.__exit__(kind, error, trace)

    def add(self, rows: Rows, chunk_size: int) -> None:
        """Writes an array. Raises TypeError for a dtype and ValueError for a name that packs don't have."""
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size}, a positive number of bytes is expected")
        s, dtype = self._store, rows.dtype.newbyteorder("<")
        rest = rows.shape[1:]
        told = (max(rows.shape[0], 0), *rest) if rows.shape else (1,)
        try:
            s.check(rows.name, np.broadcast_to(np.empty((), dtype), told))
        except TypeError as e:
            raise TypeError(f"{rows.file}: {e}" if rows.file else str(e)) from None
        if rows.name in self._added:
            raise ValueError(f"{rows.file}: two arrays are called {rows.name!r}")
        gen = 0
        while any(
            s._busy(f(rows.name, gen)) for f in (data_file, list_file, lambda n, g: segment_file(n, g, 0))
        ):
            gen += 1
        t = Table(rows.name, dtype, (0, *rest), data_file(rows.name, gen), 0, fresh=True)
        try:
            with os.fdopen(s.folder.open_write(t.file, create=True), "wb", buffering=0) as f:
                n = _write(f, rows, t, chunk_size)
        except BaseException:
            s.folder.remove(t.file)
            raise
        t.parts, t.shape, t.modified = [Part(t.file, 0, n)], (n, *rest), now()
        s._put(t)
        self._added.add(rows.name)


def _write(f: Any, rows: Rows, t: Table, chunk_size: int) -> int:
    """Writes rows as a pack has them, and returns their number."""
    if rows.extents is not None:
        _rows.copy(rows.extents, f, rows.name)
        return rows.shape[0] if rows.shape else 1
    n = 0
    for block in rows.blocks(min(chunk_size, 16 << 20)):
        block = block.reshape(1) if not rows.shape else block
        if block.shape[1:] != t.shape[1:]:
            raise ValueError(
                f"{rows.file}: array {rows.name!r}: rows of shape {block.shape[1:]}, not {t.shape[1:]}"
            )
        n += len(block)
        # What is to be made little-endian is so a piece at a time.
        step = _rows.rows_at_once(block.shape, t.dtype, 4 * _rows.PIECE)
        for lo in range(0, len(block), step if block.dtype != t.dtype else max(1, len(block))):
            part = block if block.dtype == t.dtype else block[lo : lo + step]
            if part.size:
                data = memoryview(np.ascontiguousarray(part, t.dtype).reshape(-1).view(np.uint8))
                while len(data):
                    data = data[f.write(data[: 1 << 30]) :]
    if rows.shape and rows.shape[0] >= 0 and n != rows.shape[0]:
        raise ValueError(f"{rows.file}: array {rows.name!r}: {n} rows came, {rows.shape[0]} were expected")
    return n
