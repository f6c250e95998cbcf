"""The files of a pack but for its rows: metadata, bitmaps of dropped rows, lists of segments.

Numbers are little-endian. Every one that is read is compared with what is there before it sizes anything.
"""

from __future__ import annotations

import json
import os
import posixpath
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import FormatError, UnsupportedError

__all__: list[str] = []

META = "metadata.npkm"
MAGIC = b"NPKB"
VERSION = 1
META_LIMIT = 1 << 30  # bytes that are read of the metadata, and of a bitmap: 8 billion rows
LIST_LIMIT = 64 << 20  # of a list of segments
MAX_DIMS = 64
MAX_NAME = 200  # bytes; file names around them are a little longer
BITMAP_HEADER = 16
SEGMENT = 256 << 20  # the size from which NumPack splits arrays

# Element types by their number in the metadata, and as NumPack calls them.
TYPES = ["?", "<u1", "<u2", "<u4", "<u8", "<i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8", "<c8", "<c16"]
DTYPES = [np.dtype(t) for t in TYPES]
DTYPE_NAMES = [
    "Bool",
    "Uint8",
    "Uint16",
    "Uint32",
    "Uint64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Float16",
    "Float32",
    "Float64",
    "Complex64",
    "Complex128",
]
NUMBERS = {(t.kind, t.itemsize): i for i, t in enumerate(DTYPES)}


class DTypeError(TypeError, ValueError):
    """A dtype that a pack doesn't have. NumPack raises one or the other."""


class RowError(IndexError, ValueError):
    """A row that isn't there. NumPack raises one or the other."""


def number_of(dtype: np.dtype[Any]) -> int:
    """The number of an element type in either byte order; DTypeError where a pack has none like it."""
    number = NUMBERS.get((dtype.kind, dtype.itemsize))
    if number is None or dtype.fields is not None or dtype.subdtype is not None:
        raise DTypeError(
            f"a pack has bool, integers, floats of 2 to 8 bytes and complex numbers, not {dtype}"
        )
    return number


def check_name(name: str) -> str | None:
    """What speaks against an array of this name, which its files' names are made of; None: nothing."""
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        return f"the array's name {name!r} is not UTF-8"
    if len(raw) > MAX_NAME:
        return f"the array's name {name[:40]!r}… has {len(raw)} bytes, at most {MAX_NAME} are possible"
    if any(c in name for c in "/\\\0"):
        return f"the array's name {name!r} can't be part of a file's name"
    if os.name == "nt" and any(c in name for c in '<>:"|?*'):
        return f"the array's name {name!r} can't be part of a file's name on Windows"
    return None


def check_file(file: str) -> str | None:
    """What speaks against a file's name from the metadata; it must stay in the pack."""
    parts = file.split("/")
    bad = not file or file.startswith("/") or "\\" in file or "\0" in file or posixpath.normpath(file) != file
    if bad or file == "." or ".." in parts or os.name == "nt" and any(c in file for c in '<>:"|?*'):
        return f"the file name {file!r} leaves the pack, or isn't one"
    return None


def fold(file: str) -> str:
    """A file's name as the system compares it."""
    return file.lower() if sys.platform in ("win32", "darwin") else file


def clash(a: str, b: str) -> bool:
    """Whether two arrays would have the same files on this system."""
    return a != b and fold(a) == fold(b)


def now() -> int:
    return time.time_ns() // 1000


# The names of an array's files. New data are written beside those that count, so that there is more than one
# name: gen numbers them.
def _mark(gen: int) -> str:
    return f".gen{gen + 1}" if gen else ""


def data_file(name: str, gen: int) -> str:
    return f"data_{name}{_mark(gen)}.npkd"


def list_file(name: str, gen: int) -> str:
    return f"data_{name}{_mark(gen)}.npkseg"


def segment_dir(name: str, gen: int) -> str:
    return f"data_{name}{_mark(gen)}_segments"


def segment_file(name: str, gen: int, i: int) -> str:
    return f"{segment_dir(name, gen)}/seg_{i:06d}.npkd"


def bitmap_file(name: str) -> str:
    return f"deleted_{name}.npkb"


@dataclass
class Part:
    """A file of an array's rows, from row start on."""

    file: str  # slash-separated, in the pack
    start: int
    rows: int

    @property
    def end(self) -> int:
        return self.start + self.rows


@dataclass
class Record:
    """What the metadata tell of an array. The shape counts rows that were dropped."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    file: str
    modified: int

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def row(self) -> int:
        """Bytes of a row."""
        return row_bytes(self.shape, self.dtype)

    @property
    def segmented(self) -> bool:
        return posixpath.splitext(self.file)[1] == ".npkseg"


@dataclass
class Table(Record):
    """An array of a pack that is open."""

    parts: list[Part] = field(default_factory=list)
    dead: Bitmap | None = None  # None where all rows are left
    # What a writer has done since the last flush: whether the metadata on disk don't tell of the array, the
    # parts as they do, and rows that were replaced and aren't in the files.
    fresh: bool = False
    counted: list[Part] = field(default_factory=list)
    patch: dict[int, Any] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """The rows that count."""
        return self.rows if self.dead is None else self.dead.left

    @property
    def logical(self) -> tuple[int, ...]:
        """The shape without dropped rows."""
        return (self.left, *self.shape[1:])

    def files(self) -> list[str]:
        """The files that hold the rows, and their list."""
        return [self.file, *(p.file for p in self.parts)] if self.segmented else [self.file]


def row_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    size = dtype.itemsize
    for d in shape[1:]:
        size *= d
    return size


def too_large(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether NumPy could not count the bytes, empty dimensions left out."""
    size = dtype.itemsize
    for d in shape:
        size *= max(d, 1)
    return size > sys.maxsize


class _Cursor:
    """Reads fields one after the other. Those that aren't there are a FormatError."""

    def __init__(self, data: bytes, file: str) -> None:
        self.data, self.file, self.at = data, file, 0

    def bad(self, message: str, at: int | None = None) -> FormatError:
        at = self.at if at is None else at
        return FormatError(
            f"{self.file}: at byte {at}: {message}", file=self.file, place="metadata", offset=at
        )

    def take(self, n: int, what: str) -> bytes:
        if n > len(self.data) - self.at:
            raise self.bad(f"{what}: {n} bytes, there are {len(self.data) - self.at}")
        self.at += n
        return self.data[self.at - n : self.at]

    def u32(self, what: str) -> int:
        return int.from_bytes(self.take(4, what), "little")

    def u64(self, what: str) -> int:
        return int.from_bytes(self.take(8, what), "little")

    def text(self, what: str) -> str:
        at = self.at
        raw = self.take(self.u32(what), what)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.bad(f"{what} {raw[:40]!r} is not UTF-8", at) from None


def parse_meta(data: bytes, file: str) -> list[Record]:
    """Reads metadata: magic, u32 version, u64 sum of sizes, u32 count, then the arrays."""
    c = _Cursor(data, file)
    if data[:4] != MAGIC:
        raise c.bad(f"the file begins with {data[:4]!r}, want {MAGIC!r}")
    c.at = 4
    version = c.u32("version")
    if version > VERSION:
        raise UnsupportedError(f"{file}: version {version} of .npk, version {VERSION} is read")
    if version != VERSION:
        raise c.bad(f"version {version}, want {VERSION}", 4)
    c.u64("sum of sizes")
    count = c.u32("number of arrays")
    records: list[Record] = []
    names: set[str] = set()
    files: dict[str, str] = {}
    for i in range(count):
        at = c.at
        r = _parse_record(c, f"array {i} of {count}")
        if r.name in names:
            raise c.bad(f"array {r.name!r} is there twice", at)
        if r.file in files:
            raise c.bad(f"the data file {r.file!r} of array {r.name!r} is that of {files[r.file]!r} too", at)
        names.add(r.name)
        files[r.file] = r.name
        records.append(r)
    if c.at != len(data):
        raise c.bad(f"{len(data) - c.at} bytes behind the last array")
    return records


def _parse_record(c: _Cursor, which: str) -> Record:
    at = c.at
    name = c.text(f"{which}: its name")
    which = f"array {name!r}"
    dims = c.u32(f"{which}: number of dimensions")
    if dims > MAX_DIMS:
        raise c.bad(f"{which}: {dims} dimensions, at most {MAX_DIMS} are served", at)
    shape = tuple(c.u64(f"{which}: shape") for _ in range(dims))
    file = c.text(f"{which}: its file")
    modified = c.u64(f"{which}: time")
    c.u64(f"{which}: size")  # follows from shape and type
    number = c.take(1, f"{which}: type")[0]
    packed = c.take(1 + 4 + 8 + 8, f"{which}: compression")[0]
    blocks = c.take(1, f"{which}: blocks")[0]
    if number >= len(DTYPES):
        raise UnsupportedError(f"{c.file}: {which}: element type {number}, which NumPack 0.7 doesn't have")
    if packed or blocks:
        raise UnsupportedError(f"{c.file}: {which}: compressed data, which no NumPack wrote so far")
    if not dims:
        raise UnsupportedError(f"{c.file}: {which}: a scalar, which a pack has no rows of")
    if too_large(shape, DTYPES[number]):
        raise c.bad(f"{which}: shape {shape} of {DTYPES[number]} is too large", at)
    if said := check_name(name) or check_file(file):
        raise c.bad(f"{which}: {said}", at)
    return Record(name, DTYPES[number], shape, file, modified)


def format_meta(records: list[Table]) -> bytes:
    """Writes metadata."""
    out, total = [], 0
    for r in records:
        size = r.rows * r.row
        total += size
        name, file = r.name.encode(), r.file.encode()
        out.append(struct.pack("<I", len(name)) + name)
        out.append(struct.pack(f"<I{len(r.shape)}Q", len(r.shape), *r.shape))
        out.append(struct.pack("<I", len(file)) + file)
        out.append(struct.pack("<QQB", r.modified, size, number_of(r.dtype)) + bytes(1 + 4 + 8 + 8 + 1))
    return MAGIC + struct.pack("<IQI", VERSION, total, len(records)) + b"".join(out)


def parse_list(data: bytes, r: Record, file: str) -> list[Part]:
    """Reads the list of an array's segments.

    It may tell of more rows than the metadata: they were being appended when a process ended, and don't
    count.
    """

    def bad(message: str) -> FormatError:
        return FormatError(f"{file}: array {r.name!r}: segments: {message}", file=file, place="segments")

    try:
        doc = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise bad(str(e)) from None
    if not isinstance(doc, dict) or doc.get("version") != 1 or not isinstance(doc.get("segments"), list):
        raise bad("not a list of version 1")
    parts: list[Part] = []
    seen: set[str] = set()
    at = 0
    for i, s in enumerate(doc["segments"]):
        name, rows, size = (
            (s.get("file"), s.get("rows"), s.get("bytes")) if isinstance(s, dict) else (0, 0, 0)
        )
        if not isinstance(name, str) or type(rows) is not int or type(size) is not int:
            raise bad(f"segment {i}: file, rows or bytes are missing")
        if said := check_file(name):
            raise bad(f"segment {i}: {said}")
        if name in seen:
            raise bad(f"segment {i}: the file {name!r} is there twice")
        seen.add(name)
        if rows < 0 or rows > sys.maxsize - at or rows * r.row != size:
            raise bad(f"segment {i}: {rows} rows of {r.row} bytes in {size}")
        rows = min(rows, r.rows - at)
        if rows > 0:
            parts.append(Part(name, at, rows))
        at += rows
    if at < r.rows:
        raise bad(f"{at} rows in {len(doc['segments'])} segments, want {r.rows}")
    return parts


def format_list(parts: list[Part], row: int) -> bytes:
    segments = [{"file": p.file, "rows": p.rows, "bytes": p.rows * row} for p in parts]
    return json.dumps({"version": 1, "segments": segments}, indent=2, ensure_ascii=False).encode()


_COUNT = np.array([bin(i).count("1") for i in range(256)], np.uint8)  # bits of a byte
_BLOCK = 4096  # bytes of a bitmap that ranks are kept for


class Bitmap:
    """Which rows are left: bit i of the bytes is 1 where row i is, lowest bit first."""

    def __init__(self, bits: np.ndarray[Any, Any], rows: int, ahead: bool = False) -> None:
        self.bits, self.rows = bits, rows
        self.ahead = ahead  # the file tells of more rows
        self._ranks: np.ndarray[Any, Any] | None = None
        self.left = int(self.ranks[-1])

    @classmethod
    def full(cls, rows: int) -> Bitmap:
        """One that says all rows are left."""
        bits = np.full(-(-rows // 64) * 8, 255, np.uint8)
        _clear_tail(bits, rows)
        return cls(bits, rows)

    @classmethod
    def parse(cls, data: bytes, rows: int) -> Bitmap:
        """Reads a bitmap for an array of so many rows; ValueError.

        A file is u64 rows, u64 how many are dropped, u64 words, or, of an older NumPack, only the words. The
        number of dropped rows is wrong where NumPack 0.7 appended: the bits count. More rows than the array
        has were being appended when a process ended.
        """
        have, body = rows, data
        if len(data) >= BITMAP_HEADER and len(data) % 8 == 0:
            told = int.from_bytes(data[:8], "little")
            if -(-told // 64) == (len(data) - BITMAP_HEADER) // 8:
                have, body = told, data[BITMAP_HEADER:]
        words = -(-rows // 64)
        headless = len(body) == len(data)
        short = len(body) % 8 or len(body) // 8 < words or len(data) < BITMAP_HEADER
        if have < rows or short or headless and len(body) // 8 != words:
            raise ValueError(f"{len(data)} bytes for {have} rows, the array has {rows}")
        if headless and int.from_bytes(data[:8], "little") == rows:
            raise ValueError(f"{len(data)} bytes that begin as a header does: the file was cut short")
        bits = np.frombuffer(body, np.uint8, words * 8).copy()
        _clear_tail(bits, rows)
        return cls(bits, rows, have > rows)

    def format(self) -> bytes:
        return struct.pack("<QQ", self.rows, self.rows - self.left) + self.bits.tobytes()

    def copy(self) -> Bitmap:
        return Bitmap(self.bits.copy(), self.rows, self.ahead)

    @property
    def ranks(self) -> np.ndarray[Any, Any]:
        """The rows that are left before each block, and all of them."""
        if self._ranks is None:
            blocks = -(-len(self.bits) // _BLOCK)
            counts = np.zeros(blocks + 1, np.int64)
            for k in range(blocks):
                counts[k + 1] = _COUNT[self.bits[k * _BLOCK : (k + 1) * _BLOCK]].sum(dtype=np.int64)
            self._ranks = counts.cumsum()
        return self._ranks

    def _block(self, k: int) -> np.ndarray[Any, Any]:
        """Where the rows that are left of a block lie."""
        bits = np.unpackbits(self.bits[k * _BLOCK : (k + 1) * _BLOCK], bitorder="little")
        return np.flatnonzero(bits) + k * _BLOCK * 8

    def span(self, lo: int, hi: int) -> np.ndarray[Any, Any]:
        """Where rows lo to hi of those that are left lie; they must be there."""
        if hi <= lo:
            return np.empty(0, np.int64)
        first = int(np.searchsorted(self.ranks, lo, "right")) - 1
        last = int(np.searchsorted(self.ranks, hi - 1, "right")) - 1
        rows = np.concatenate([self._block(k) for k in range(first, last + 1)])
        skip = lo - int(self.ranks[first])
        return rows[skip : skip + hi - lo]

    def find(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Where some rows of those that are left lie, in any order; they must be there."""
        out = np.empty(len(rows), np.int64)
        blocks = np.searchsorted(self.ranks, rows, "right") - 1
        order = np.argsort(blocks, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1):
            if len(group):
                k = int(blocks[group[0]])
                out[group] = self._block(k)[rows[group] - self.ranks[k]]
        return out

    def drop(self, rows: np.ndarray[Any, Any]) -> None:
        """Takes rows away, given by where they lie."""
        np.bitwise_and.at(self.bits, rows >> 3, ~(np.uint8(1) << (rows & 7).astype(np.uint8)))
        self._ranks = None
        self.left = int(self.ranks[-1])

    def extend(self, n: int) -> None:
        """Adds rows that are left."""
        end = self.rows + n
        bits = np.full(-(-end // 64) * 8, 255, np.uint8)
        old = self.rows >> 3
        bits[:old] = self.bits[:old]
        if self.rows & 7:
            bits[old] = self.bits[old] | (0xFF << (self.rows & 7)) & 0xFF
        _clear_tail(bits, end)
        self.bits, self.rows, self._ranks = bits, end, None
        self.left = int(self.ranks[-1])


def _clear_tail(bits: np.ndarray[Any, Any], rows: int) -> None:
    at = rows >> 3
    if rows & 7:
        bits[at] &= (1 << (rows & 7)) - 1
        at += 1
    bits[at:] = 0
