"""GNZ1 files: named arrays behind a header of JSON, each at a multiple of 4096 bytes.

A file is "GNZ1", the u32 length of the JSON text, the text, with sorted keys, and the arrays, all
little-endian, with zeros up to the next multiple of 4096 behind the text and each array:

    {"arrays": {name: {"dtype": "<f4", "offset": 4096, "order": "C", "shape": [3, 4]}, ...},
     "metadata": {...}, "version": 1}

What the text's length does to the offsets in it is followed up to a fixed point. The dtype of a structured
array is void, and one key more, "descr", has its fields. The Go package array/gnz has the same files.
"""

from __future__ import annotations

import ast
import errno
import json
import math
import mmap
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npformat

from . import _aside, errors

__all__ = ["GNZFile", "GNZWriter", "load", "open", "save"]

Array = np.ndarray[Any, Any]

_MAGIC = b"GNZ1"
_PREFIX = 8
_PAGE = 4096
_VERSION = 1
_MAX_DIMS = 64
_MAX_HEADER = 1 << 30  # bytes of JSON that are read
_BLOCK = 4 << 20
_open_file = open


def _up(n: int) -> int:
    """Rounded up to a whole number of pages."""
    return -(-n // _PAGE) * _PAGE


class _Entry:
    """An array in a file."""

    def __init__(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> None:
        self.name, self.dtype, self.shape, self.order = name, dtype, shape, order
        self.offset = 0

    @property
    def size(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    def over(self, buffer: Any) -> Array:
        """The array over the bytes of its file, which it keeps."""
        order: Any = self.order
        if self.size == 0:
            return np.empty(self.shape, self.dtype, order)
        flat = np.frombuffer(buffer, self.dtype, math.prod(self.shape), self.offset)
        return flat.reshape(self.shape, order=order)

    def format(self) -> dict[str, Any]:
        doc = {"dtype": self.dtype.str, "offset": self.offset, "order": self.order, "shape": list(self.shape)}
        if self.dtype.fields is not None:
            doc["dtype"] = f"|V{self.dtype.itemsize}"
            doc["descr"] = repr(npformat.dtype_to_descr(self.dtype))
        return doc


def _check(name: Any, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> None:
    """Whether the format has such an array; TypeError, ValueError."""
    if not isinstance(name, str):
        raise TypeError(f"an array's name is a str, not {type(name).__name__}")
    name.encode()
    if dtype.hasobject or dtype.subdtype is not None:
        raise TypeError(f"array {name!r}: the format has no arrays of {dtype}")
    if order not in ("C", "F"):
        raise ValueError(f"array {name!r}: order {order!r}, want 'C' or 'F'")
    if len(shape) > _MAX_DIMS or any(d < 0 for d in shape):
        raise ValueError(f"array {name!r}: shape {shape}")
    if dtype.itemsize * math.prod(max(d, 1) for d in shape) > sys.maxsize:
        raise ValueError(f"array {name!r}: shape {shape} of {dtype} is too large")


class _Bad(Exception):
    """What is wrong with a header, and at which array."""

    def __init__(self, message: str, name: str = "", at: int = _PREFIX) -> None:
        super().__init__(message)
        self.name, self.at = name, at


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value <= sys.maxsize


def _parse_dtype(doc: dict[str, Any]) -> np.dtype[Any]:
    said = doc.get("dtype")
    if not isinstance(said, str) or "," in said:
        raise ValueError(f"dtype {said!r}, want a string")
    dtype: np.dtype[Any] = np.dtype(said)
    descr = doc.get("descr")
    if descr is None or descr == "bfloat16":  # which NumPy has no type for
        return dtype
    if not isinstance(descr, str):
        raise ValueError(f"descr {descr!r}, want a string")
    value: Any = ast.literal_eval(descr) if descr[:1] in "[{(" else descr
    make: Any = np.dtype if type(value) is dict else npformat.descr_to_dtype
    full: np.dtype[Any] = make(value)
    if full.itemsize != dtype.itemsize:
        raise ValueError(
            f"descr {descr[:80]} of {full.itemsize} bytes beside dtype {said} of {dtype.itemsize}"
        )
    return full


def _parse_entry(name: str, doc: Any, begin: int, end: int) -> _Entry:
    if not isinstance(doc, dict):
        raise _Bad("it is no object", name)
    try:
        dtype = _parse_dtype(doc)
    except (ValueError, TypeError, SyntaxError, KeyError, RecursionError, MemoryError) as e:
        raise _Bad(f"dtype: {e}", name) from None
    shape, order, offset = doc.get("shape"), doc.get("order", "C"), doc.get("offset")
    if not isinstance(shape, list) or len(shape) > _MAX_DIMS or not all(map(_whole, shape)):
        raise _Bad(f"shape {str(shape)[:80]}, want a list of at most {_MAX_DIMS} whole numbers", name)
    try:
        _check(name, dtype, tuple(shape), order)
    except (ValueError, TypeError) as e:
        raise _Bad(str(e), name) from None
    if type(offset) is not int or not _whole(offset):
        raise _Bad(f"offset {str(offset)[:80]}, want a whole number", name)
    entry = _Entry(name, dtype, tuple(shape), order)
    entry.offset = offset
    if entry.size and offset < begin:
        raise _Bad(f"its data begin at byte {offset}, in the header, which ends at {begin}", name, offset)
    if entry.size and (offset > end or entry.size > end - offset):
        raise _Bad(f"{entry.size} bytes from byte {offset} on, in a file of {end}", name, offset)
    return entry


def _parse(head: bytes, size: int) -> tuple[list[_Entry], dict[str, Any]]:
    """Reads the header of a file of so many bytes; nothing is sized by what it tells."""
    try:
        doc = json.loads(head.decode())
    except (ValueError, RecursionError) as e:
        raise _Bad(f"the header: {e}") from None
    if not isinstance(doc, dict):
        raise _Bad("the header is no object")
    version, metadata, arrays = doc.get("version"), doc.get("metadata"), doc.get("arrays")
    if type(version) is int and version > _VERSION:
        raise errors.UnsupportedError(f"version {version} of GNZ1, version {_VERSION} is read")
    if type(version) is not int or version != _VERSION:
        raise _Bad(f"version {version!r}, want {_VERSION}")
    if not isinstance(metadata, (dict, type(None))) or not isinstance(arrays, dict):
        raise _Bad("the metadata or the arrays are no object")
    entries = [_parse_entry(name, e, _PREFIX + len(head), size) for name, e in arrays.items()]
    entries.sort(key=lambda e: (e.offset, e.size, e.name))
    end, before = 0, ""
    for entry in entries:
        at, name = entry.offset, entry.name
        if entry.size and at < end:
            raise _Bad(f"its data begin within those of array {before!r}, which end at {end}", name, at)
        if entry.size:
            end, before = at + entry.size, name
    return entries, metadata or {}


class GNZFile(Mapping[str, Array]):
    """A GNZ1 file's arrays by name, over a map of the file; made for a with statement.

    Arrays are read-only views, with mode "r+" writable ones: what is written to them is in the file. They
    keep the map alive, after close() too. No data are read when the file is opened. Safe for concurrent use.
    """

    def __init__(self, path: str | os.PathLike[str], mode: str = "r") -> None:
        """Opens a file; mode is "r" or "r+". Raises betongo.errors.FormatError for a broken one."""
        if mode not in ("r", "r+"):
            raise ValueError(f"mode {mode!r}, want 'r' or 'r+'")
        self.path, self.mode = os.fspath(path), mode
        self._map: Any = None
        with _open_file(self.path, "r+b" if mode == "r+" else "rb") as f:
            size = os.fstat(f.fileno()).st_size
            try:
                self._entries, self._metadata = self._read(f, size)
            except _Bad as e:
                where = f"array {e.name!r}: " if e.name else ""
                raise errors.FormatError(
                    f"{self.path}: {where}at byte {e.at}: {e}",
                    file=self.path,
                    place=f"array {e.name!r}" if e.name else "header",
                    offset=e.at,
                ) from None
            except errors.UnsupportedError as e:
                raise errors.UnsupportedError(f"{self.path}: {e}") from None
            access = mmap.ACCESS_WRITE if mode == "r+" else mmap.ACCESS_READ
            self._map = mmap.mmap(f.fileno(), 0, access=access)
        self._by_name = {e.name: e for e in self._entries}

    def _read(self, f: Any, size: int) -> tuple[list[_Entry], dict[str, Any]]:
        head = f.read(_PREFIX)
        if len(head) < _PREFIX or head[:4] != _MAGIC:
            raise _Bad(f"the file begins with {head!r}, want {_MAGIC!r} and a length", at=0)
        n = int.from_bytes(head[4:], "little")
        if n > min(size - _PREFIX, _MAX_HEADER):
            raise _Bad(f"a header of {n} bytes in a file of {size}", at=4)
        text = f.read(n)
        if len(text) < n:
            raise _Bad(f"the file ends within the header, {n - len(text)} bytes early", at=4)
        return _parse(text, size)

    @property
    def metadata(self) -> dict[str, Any]:
        """The file's metadata; the dict is the object's own."""
        return self._metadata

    def __getitem__(self, name: str) -> Array:
        try:
            e = self._by_name[name]
        except (KeyError, TypeError):
            raise KeyError(f"{self.path}: no array {name!r}") from None
        if self._map is None:
            raise ValueError(f"{self.path}: the file is closed")
        return e.over(self._map)

    def read(self, name: str) -> Array:
        """A copy of an array, in its order."""
        return self[name].copy("K")

    def info(self, name: str) -> dict[str, Any]:
        """What the header tells of an array: dtype, shape, order, offset."""
        if name not in self._by_name:
            raise KeyError(f"{self.path}: no array {name!r}")
        e = self._by_name[name]
        return {"dtype": e.dtype, "shape": e.shape, "order": e.order, "offset": e.offset}

    def __iter__(self) -> Iterator[str]:
        return iter([e.name for e in self._entries])

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._by_name

    def flush(self) -> None:
        """Returns once what was written to arrays is on disk."""
        if self._map is None:
            raise ValueError(f"{self.path}: the file is closed")
        if self.mode == "r+":
            self._map.flush()

    def close(self) -> None:
        """Flushes a writable file, and gives the map back where no array is held. A second close does
        nothing."""
        m, self._map = self._map, None
        if m is None:
            return
        if self.mode == "r+":
            m.flush()  # it is gone with the last array over it

    def __enter__(self) -> GNZFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"GNZFile({self.path!r}, arrays={len(self)}, mode={self.mode!r})"


class GNZWriter:
    """Writes a GNZ1 file aside, so that nothing is at its path before close(); made for a with statement, at
    whose end by an exception nothing is left.

    Arrays are told first, add()ed with their data or as add_streaming() ones, which begin as zeros; then the
    file is laid out, at the first look at one of the latter, or at close(). They lie in the file in the
    order: added ones, then streaming ones. Not safe for concurrent use.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        metadata: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Begins a file. metadata is what JSON has. Without overwrite a file that is there is a
        FileExistsError."""
        self.path = os.path.realpath(os.fspath(path))
        self.overwrite = overwrite
        self.metadata: dict[str, Any] = dict(metadata or {})
        self._pending: list[tuple[_Entry, Array]] = []
        self._streams: list[_Entry] = []
        self._file: tuple[int, str] | None = None
        self._map: Any = None
        self._done = False
        self._look()
        json.dumps(self.metadata, sort_keys=True)  # whether JSON has them

    def _look(self) -> None:
        if os.path.isdir(self.path) or os.path.lexists(self.path) and not self.overwrite:
            raise FileExistsError(
                errno.EEXIST, "the file is there already; overwrite=True replaces it", self.path
            )

    def add(self, name: str, array: Any, dtype: Any = None, order: str | None = None) -> None:
        """Tells an array with its data, cast to dtype if one is given, with the values of numpy's astype.
        order is "C" or "F"; None keeps the array's own. The array is looked at when the file is laid out: it
        must not change before."""
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError(f"array {name!r}: a masked array, whose mask the format can't keep")
        a = np.asarray(array)
        if order is None:
            order = "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"
        want = a.dtype if dtype is None else np.dtype(dtype)
        self._new(name, want, a.shape, order)
        if a.dtype != want:
            a = a.astype(want)
        self._pending.append((_Entry(name, want, a.shape, order), a))

    def add_streaming(self, name: str, shape: Any, dtype: Any, order: str = "C") -> None:
        """Tells an array of a shape whose data come later: writer[name] gives it, zeros at first."""
        shape = tuple(int(d) for d in np.atleast_1d(np.asarray(shape, np.int64))) if shape != () else ()
        want = np.dtype(dtype)
        self._new(name, want, shape, order)
        self._streams.append(_Entry(name, want, shape, order))

    def _new(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> None:
        if self._done or self._file is not None:
            raise ValueError(f"{self.path}: array {name!r}: the file is laid out already")
        _check(name, dtype, shape, order)
        if name in self.keys():
            raise ValueError(f"{self.path}: array {name!r} is there already")

    def keys(self) -> list[str]:
        """The arrays' names as they lie in the file."""
        return [e.name for e, _ in self._pending] + [e.name for e in self._streams]

    def __getitem__(self, name: str) -> Array:
        """A streaming array over the file, writable; what is written to it is in the file. It must not be
        written to behind close()."""
        for e in self._streams:
            if e.name == name:
                if self._done:
                    raise ValueError(f"{self.path}: the file is closed")
                self._lay_out()
                return e.over(self._map)
        raise KeyError(f"{self.path}: no streaming array {name!r}")

    def _lay_out(self) -> None:
        """Writes header and added arrays, and maps the file."""
        if self._file is not None:
            return
        entries = [e for e, _ in self._pending] + self._streams
        text = _layout(entries, self.metadata)
        end = max([_up(len(text)), *(_up(e.offset + e.size) for e in entries)])
        fd, _ = self._file = _aside.create(self.path)
        _aside.write_at(fd, text, 0)
        os.ftruncate(fd, end)
        for e, a in self._pending:
            at = e.offset
            for piece in _pieces(a, e):
                _aside.write_at(fd, piece, at)
                at += piece.nbytes
        self._pending = [(e, a[..., :0] if a.ndim else a) for e, a in self._pending]  # their data are written
        if self._streams:
            self._map = mmap.mmap(fd, end, access=mmap.ACCESS_WRITE)

    def close(self) -> None:
        """Completes the file, syncs it and puts it at its path. A second close does nothing."""
        if self._done:
            return
        try:
            self._lay_out()
            self._look()
            if self._map is not None:
                self._map.flush()
        except BaseException:
            self.abort()
            raise
        assert self._file is not None
        (fd, name), self._done, self._map = self._file, True, None
        _aside.commit(fd, name, self.path)

    def abort(self) -> None:
        """Ends the writer and leaves nothing. Behind close() it does nothing."""
        if self._done:
            return
        self._done, self._map, self._pending = True, None, []
        if self._file is not None:
            os.close(self._file[0])
            _aside.remove(self._file[1])

    def __enter__(self) -> GNZWriter:
        return self

    def __exit__(self, kind: Any, *exc: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        try:
            self.abort()
        except Exception:  # at the interpreter's end nothing may be left to do it with
            pass


def _layout(entries: list[_Entry], metadata: dict[str, Any]) -> bytes:
    """Places the arrays one behind the other, the first behind the header, and returns the header.

    Later places make longer numbers, and those a longer header: it ends where that changes nothing any more.
    """
    start = 0
    while True:
        at = start
        for e in entries:
            e.offset = at
            at = _up(at + e.size)
            if at > sys.maxsize:
                raise ValueError(f"array {e.name!r}: no file holds {e.size} bytes from byte {e.offset} on")
        arrays = {e.name: e.format() for e in entries}
        doc = {"arrays": arrays, "metadata": metadata, "version": _VERSION}
        text = json.dumps(doc, sort_keys=True).encode()
        if len(text) >= 1 << 32:
            raise ValueError(f"a header of {len(text)} bytes is too long")
        if _up(_PREFIX + len(text)) <= start:
            return _MAGIC + len(text).to_bytes(4, "little") + text
        start = _up(_PREFIX + len(text))


def _pieces(a: Array, e: _Entry) -> Iterator[Array]:
    """The bytes of an array in its order, about a block at a time where they must be copied."""
    if e.size == 0:
        return
    if e.order == "F":
        a = a.T
    if a.flags.c_contiguous:
        yield a.reshape(-1).view(np.uint8)
        return
    step = max(1, _BLOCK // max(1, e.size // len(a)))
    for i in range(0, len(a), step):
        yield np.ascontiguousarray(a[i : i + step]).reshape(-1).view(np.uint8)


def open(path: str | os.PathLike[str], mode: str = "r") -> GNZFile:
    """Opens a GNZ1 file: GNZFile."""
    return GNZFile(path, mode)


def save(
    path: str | os.PathLike[str],
    arrays: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a file of some arrays, each in its own dtype and order."""
    with GNZWriter(path, metadata, overwrite) as w:
        for name, a in arrays.items():
            w.add(name, a)


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays of a file, in memory."""
    with GNZFile(path) as f:
        return {name: f.read(name) for name in f}
