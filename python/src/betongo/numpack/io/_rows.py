"""Arrays that are read and written some rows at a time: what all conversions between files have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import FormatError as _FormatError

__all__ = [
    "DEFAULT_BATCH_ROWS",
    "DEFAULT_CHUNK_SIZE",
    "Extent",
    "FormatError",
    "LARGE_FILE_THRESHOLD",
    "Rows",
    "copy",
    "estimate_chunk_rows",
    "existing",
    "get_file_size",
    "is_large_file",
    "of_array",
    "read_exactly",
]

# NumPack's, under its names.
LARGE_FILE_THRESHOLD = 1 << 30
DEFAULT_CHUNK_SIZE = 100 << 20
DEFAULT_BATCH_ROWS = 100_000

# What is copied at once where any size will do: small enough for the processor's caches.
PIECE = 1 << 20


class FormatError(_FormatError, ValueError):
    """A file is not what its format says, or a broken one.

    file, array and offset say where; array is "" and offset None where it is of no single place. A ValueError
    too, which is what NumPack and NumPy raise.
    """

    def __init__(
        self, file: str | os.PathLike[str], what: str, *, array: str = "", offset: int | None = None
    ) -> None:
        place = f"array {array!r}" if array else None
        parts = [os.fspath(file), place or "", f"at byte {offset}" if offset is not None else ""]
        super().__init__(
            ": ".join([p for p in parts if p] + [what]), file=os.fspath(file), place=place, offset=offset
        )
        self.array = array


class Extent(NamedTuple):
    """Bytes that lie together in a file."""

    path: str
    offset: int
    size: int


@dataclass
class Rows:
    """An array that is read from front to back.

    name, dtype, shape: what it is. blocks(n): its rows along the first axis in C-contiguous arrays of about n
    bytes and at least one row, borrowed until the next; a 0-d array comes as itself, once. extents: where its
    bytes lie in files, in C order and little-endian, or None where they don't lie so. file: what errors name.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    blocks: Callable[[int], Iterator[np.ndarray]]
    extents: Sequence[Extent] | None = None
    file: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes of all its elements."""
        return count(self.shape) * self.dtype.itemsize


def existing(path: str | os.PathLike[str]) -> Path:
    """The path of what is to be read. Raises FileNotFoundError."""
    if not Path(path).exists():
        raise FileNotFoundError(f"File not found: {os.fspath(path)}")
    return Path(path)


def count(shape: Sequence[int]) -> int:
    """The number of elements, in Python's integers: no overflow."""
    n = 1
    for s in shape:
        n *= int(s)
    return n


def of_array(name: str, array: np.ndarray, file: str = "") -> Rows:
    """Rows of an array in memory, of any strides."""

    def blocks(size: int) -> Iterator[np.ndarray]:
        if array.ndim == 0:
            yield array
            return
        step = rows_at_once(array.shape, array.dtype, size)
        for lo in range(0, array.shape[0], step):
            yield np.ascontiguousarray(array[lo : lo + step])

    return Rows(name, array.dtype, array.shape, blocks, file=file)


def rows_at_once(shape: Sequence[int], dtype: np.dtype, size: int) -> int:
    """How many rows have about size bytes; at least one."""
    row = count(shape[1:]) * dtype.itemsize
    rows = max(1, size // row) if row else DEFAULT_BATCH_ROWS
    return max(1, min(rows, int(shape[0]))) if len(shape) else 1


def of_extents(
    name: str, dtype: np.dtype, shape: tuple[int, ...], extents: Sequence[Extent], file: str
) -> Rows:
    """Rows whose bytes lie in files, C order; each extent holds whole rows. Big-endian: no extents."""

    def blocks(size: int) -> Iterator[np.ndarray]:
        if not shape or not count(shape):
            if not shape:
                data = b"".join(_read(e, file, name) for e in extents)
                yield np.frombuffer(data, dtype).reshape(())
            elif shape[0]:
                yield np.empty(shape, dtype)
            return
        row = count(shape[1:]) * dtype.itemsize
        step = rows_at_once(shape, dtype, size)
        buffer = np.empty((step, *shape[1:]), dtype)
        for e in extents:
            with open(e.path, "rb", buffering=0) as f:
                f.seek(e.offset)
                for lo in range(0, e.size // row, step):
                    part = buffer[: min(step, e.size // row - lo)]
                    read_exactly(f, part, e.path, name)
                    yield part

    native = dtype.newbyteorder("<") == dtype
    return Rows(name, dtype, shape, blocks, extents if native else None, file)


def _read(e: Extent, file: str, name: str) -> bytes:
    with open(e.path, "rb") as f:
        f.seek(e.offset)
        data = f.read(e.size)
    if len(data) != e.size:
        raise FormatError(file, f"the file ends, {e.size} bytes were expected", array=name, offset=e.offset)
    return data


def read_exactly(f: Any, array: np.ndarray, path: str, name: str = "") -> None:
    """Fills a C-contiguous array from an unbuffered file."""
    view = memoryview(array.reshape(-1).view(np.uint8)) if array.size else memoryview(b"")
    got = 0
    while got < len(view):
        n = f.readinto(view[got:])
        if not n:
            raise FormatError(
                path, f"the file ends {len(view) - got} bytes before its data do", array=name, offset=f.tell()
            )
        got += n


def copy(extents: Sequence[Extent], out: Any, name: str = "") -> None:
    """Copies bytes from files to the open file out, at its place, by the system where it can."""
    out.flush()
    for e in extents:
        with open(e.path, "rb", buffering=0) as f:
            done = _copy_inside(f.fileno(), e, out)
            if done < e.size:
                f.seek(e.offset + done)
                _copy_through(f, e.size - done, out, e.path, name)


def _copy_inside(fd: int, e: Extent, out: Any) -> int:
    """Has the system copy what it can of an extent; returns how many bytes it has done."""
    inside = getattr(os, "copy_file_range", None)
    if inside is None:
        return 0
    at, done = out.tell(), 0
    while done < e.size:
        try:
            n = inside(fd, out.fileno(), min(e.size - done, 1 << 28), e.offset + done, at + done)
        except OSError:  # not these two file systems, or not this system
            break
        if n <= 0:
            break
        done += n
    out.seek(at + done)
    return done


def _copy_through(f: Any, size: int, out: Any, path: str, name: str) -> None:
    buffer = memoryview(bytearray(min(PIECE, size)))
    while size:
        n = f.readinto(buffer[: min(len(buffer), size)])
        if not n:
            raise FormatError(
                path, f"the file ends {size} bytes before its data do", array=name, offset=f.tell()
            )
        out.write(buffer[:n])
        size -= n


# -- under NumPack's names ------------------------------------------------------------------------------


def get_file_size(path: str | os.PathLike[str]) -> int:
    """The size of a file in bytes, or of all files in a folder together; 0 where nothing is."""
    path = Path(path)
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size if path.is_file() else 0


def is_large_file(path: str | os.PathLike[str], threshold: int = LARGE_FILE_THRESHOLD) -> bool:
    """Whether a file or folder has more than threshold bytes."""
    return get_file_size(path) > threshold


def estimate_chunk_rows(
    shape: tuple[int, ...], dtype: Any, target_chunk_bytes: int = DEFAULT_CHUNK_SIZE
) -> int:
    """How many rows of such an array have about target_chunk_bytes: at least 1, at most all and 1,000,000."""
    dtype = np.dtype(dtype)
    if not shape:
        return 1
    row = count(shape[1:]) * dtype.itemsize
    if row == 0:
        return DEFAULT_BATCH_ROWS
    return min(max(1, target_chunk_bytes // row), shape[0], 10 * DEFAULT_BATCH_ROWS)
