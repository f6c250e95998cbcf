"""Rows appended to arrays in .npy files, by npy-append-array's names.

A program changes `from npy_append_array import ...` to `from betongo.npy_append_array import ...`. Files are
numpy.save's, byte for byte, and those of the Go package array/npy. Rows go behind the first axis, or for an
array in Fortran order behind the last, so that what is there stays where it is.
"""

from __future__ import annotations

import ast
import math
import os
import re
import struct
import sys
import threading
from typing import Any

import numpy as np
from numpy.lib import format as npformat

from . import _aside
from .errors import FormatError

__all__ = ["HeaderError", "NpyAppendArray", "ensure_appendable", "is_appendable", "needs_recovery", "recover"]

Array = np.ndarray[Any, Any]

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 20  # numpy itself reads 10,000 bytes unless told otherwise
_MAX_DIMS = 64
_DIGITS = 21  # that numpy leaves room for, of the axis that grows
_BLOCK = 4 << 20


class HeaderError(FormatError, ValueError):
    """A file is no .npy file, or its header is broken: file, place and offset say where."""


_ndarray = np.ndarray
_quick: Any = getattr(os, "pwrite", None)


def _read_at(fd: int, n: int, at: int) -> bytes:
    os.lseek(fd, at, os.SEEK_SET)
    out = b""
    while len(out) < n and (piece := os.read(fd, n - len(out))):
        out += piece
    return out


class _Header:
    """What a file's header tells, and what the file is."""

    def __init__(self, fd: int, path: str) -> None:
        self.path = path
        self.file_size = os.fstat(fd).st_size
        head = _read_at(fd, 12, 0)
        if len(head) < 10 or head[:6] != _MAGIC:
            raise self._bad(f"it begins with {head[:6]!r}, want {_MAGIC!r}", 0)
        self.version = head[6]
        if head[7] != 0 or not 1 <= self.version <= 3:
            raise self._bad(f"format version {head[6]}.{head[7]}, want 1.0, 2.0 or 3.0", 6)
        self.prefix = 10 if self.version == 1 else 12
        n = int.from_bytes(head[8 : self.prefix], "little")
        if len(head) < self.prefix or n > min(_MAX_HEADER, self.file_size - self.prefix):
            raise self._bad(f"a header of {n} bytes in a file of {self.file_size}", 8)
        self.size = self.prefix + n  # the data begin there
        text = _read_at(fd, n, self.prefix)
        try:
            self._parse(text.decode("latin1" if self.version < 3 else "utf8"))
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as e:
            raise self._bad(f"header: {e}", self.prefix) from None

    def _bad(self, message: str, at: int) -> HeaderError:
        return HeaderError(f"{self.path}: at byte {at}: {message}", file=self.path, place="header", offset=at)

    def _parse(self, text: str) -> None:
        try:
            doc = ast.literal_eval(text.strip())
        except SyntaxError:
            # Python 2 wrote 3L for 3.
            doc = ast.literal_eval(re.sub(r"(?<=\d)L\b", "", text.strip()))
        if not isinstance(doc, dict) or sorted(map(str, doc)) != ["descr", "fortran_order", "shape"]:
            raise ValueError("not a dict of descr, fortran_order and shape")
        self.shape, self.fortran = doc["shape"], doc["fortran_order"]
        if not isinstance(self.shape, tuple) or len(self.shape) > _MAX_DIMS:
            raise ValueError(f"shape {str(self.shape)[:80]}, want a tuple of at most {_MAX_DIMS} numbers")
        if any(type(d) is not int or d < 0 for d in self.shape):
            raise ValueError(f"shape {self.shape}, want numbers not below 0")
        if type(self.fortran) is not bool:
            raise ValueError(f"fortran_order {self.fortran!r}, want True or False")
        self.dtype: np.dtype[Any] = npformat.descr_to_dtype(doc["descr"])
        if self.dtype.itemsize * math.prod(max(d, 1) for d in self.shape) > sys.maxsize:
            raise ValueError(f"shape {self.shape} of {self.dtype} is too large")

    @property
    def axis(self) -> int:
        """The axis that grows."""
        return len(self.shape) - 1 if self.fortran else 0

    @property
    def row(self) -> int:
        """Bytes of one step along it."""
        return self.dtype.itemsize * math.prod(d for i, d in enumerate(self.shape) if i != self.axis)

    @property
    def data(self) -> int:
        """Bytes of data that there are."""
        return self.file_size - self.size

    @property
    def fits(self) -> bool:
        """Whether the data are what the header tells."""
        return self.dtype.hasobject or self.data == self.dtype.itemsize * math.prod(self.shape)

    @property
    def appendable(self) -> bool:
        text = _text(self.shape, self.fortran, self.dtype, True).encode(self.encoding)
        return len(self.shape) > 0 and self.prefix + len(text) + 1 <= self.size

    @property
    def encoding(self) -> str:
        return "latin1" if self.version < 3 else "utf8"

    def encode(self, shape: tuple[int, ...]) -> bytes:
        """The header for a shape, as long as it is."""
        return _assemble(
            self.version, _text(shape, self.fortran, self.dtype, False).encode(self.encoding), self.size
        )


def _text(shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any], room: bool) -> str:
    descr = npformat.dtype_to_descr(dtype)
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}"
    if room and shape:
        text += " " * (_DIGITS - len(str(shape[-1 if fortran else 0])))
    return text


def _assemble(version: int, text: bytes, size: int = 0) -> bytes:
    """Prefix, text and spaces: size bytes, or for 0 as few as numpy writes."""
    prefix = 10 if version == 1 else 12
    if not size:
        size = prefix + len(text) + 1
        size += 64 - size % 64
    n = size - prefix
    if n < len(text) + 1 or version == 1 and n > 0xFFFF:
        raise ValueError(f"a header of {len(text) + 1} bytes does not fit in {n}")
    head = _MAGIC + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", n)
    return head + text.ljust(n - 1) + b"\n"


def _header(shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> bytes:
    """What numpy.save writes before the data."""
    text = _text(shape, fortran, dtype, True)
    try:
        raw = text.encode("latin1")
    except UnicodeEncodeError:
        return _assemble(3, text.encode())
    return _assemble(1 if 10 + len(raw) + 1 + 64 <= 0xFFFF + 10 else 2, raw)


def _open(path: str | os.PathLike[str], write: bool) -> tuple[int, _Header]:
    name = os.fspath(path)
    fd = os.open(name, (os.O_RDWR if write else os.O_RDONLY) | _aside.FLAGS | getattr(os, "O_NONBLOCK", 0))
    try:
        return fd, _Header(fd, name)
    except BaseException:
        os.close(fd)
        raise


def is_appendable(filename: str | os.PathLike[str]) -> bool:
    """Whether a file's header has room for any number of rows. ensure_appendable makes it.

    It says nothing about whether the file needs recovery. Raises HeaderError for what is no .npy file.
    """
    fd, h = _open(filename, False)
    os.close(fd)
    return h.appendable


def needs_recovery(filename: str | os.PathLike[str]) -> bool:
    """Whether a file has other data than its header tells, as a writer that was killed leaves it."""
    fd, h = _open(filename, False)
    os.close(fd)
    return not h.fits


def recover(filename: str | os.PathLike[str], zerofill_incomplete: bool = False) -> bool:
    """Makes a file's header and data fit, so that numpy.load reads it: the header tells the rows that are
    there. A part of a row at the end is cut off, or with zerofill_incomplete completed with zeros. A file
    that fits stays as it is. Returns True; ValueError for a file of which that can't be made."""
    fd, h = _open(filename, True)
    try:
        if h.fits:
            return True
        if not h.shape:
            raise ValueError(f"{h.path}: a scalar of {h.dtype} in {h.data} bytes")
        if h.row == 0:
            raise ValueError(f"{h.path}: {h.data} bytes of data behind rows that have none")
        n, rest = divmod(h.data, h.row)
        n += 1 if rest and zerofill_incomplete else 0
        shape = (*h.shape[: h.axis], n, *h.shape[h.axis + 1 :])
        header = h.encode(shape)  # before anything is changed
        # The data first: a stop in between leaves a file that is recovered again.
        if h.data != n * h.row:
            os.ftruncate(fd, h.size + n * h.row)
        _aside.write_at(fd, header, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    return True


def ensure_appendable(filename: str | os.PathLike[str], inplace: bool = False) -> bool:
    """Gives a file's header room for any number of rows, where it has none.

    A copy with a longer header takes the file's place, or with inplace the data are moved within the file,
    which needs no room on the disk; if the process is stopped meanwhile, that file is lost. Returns True.
    ValueError for a file that needs recovery, and a scalar.
    """
    fd, h = _open(filename, inplace)
    try:
        if not h.fits:
            raise ValueError(f"{h.path}: its data don't fit its header, call recover first")
        if not h.shape:
            raise ValueError(f"{h.path}: a scalar has no axis to append to")
        if h.appendable:
            return True
        header = _header(h.shape, h.fortran, h.dtype)
        if inplace:
            _shift(fd, h, header)
        else:
            _copy(fd, h, header)
    finally:
        os.close(fd)
    return True


def _shift(fd: int, h: _Header, header: bytes) -> None:
    """Moves the data back, the last block first, and puts the longer header before them."""
    by, end = len(header) - h.size, h.file_size
    if by < 0:
        raise ValueError(f"{h.path}: a new header of {len(header)} bytes for one of {h.size}")
    while end > h.size:
        n = min(_BLOCK, end - h.size)
        end -= n
        _aside.write_at(fd, _read_at(fd, n, end), end + by)
    _aside.write_at(fd, header, 0)
    os.fsync(fd)


def _copy(fd: int, h: _Header, header: bytes) -> None:
    target = os.path.realpath(h.path)
    out, name = _aside.create(target)
    try:
        if sys.platform != "win32":
            os.fchmod(out, os.fstat(fd).st_mode & 0o777)
        _aside.write_all(out, header)
        at = h.size
        while piece := _read_at(fd, _BLOCK, at):
            _aside.write_all(out, piece)
            at += len(piece)
    except BaseException:
        os.close(out)
        _aside.remove(name)
        raise
    _aside.commit(out, name, target)


class NpyAppendArray:
    """Appends to an array in a .npy file; made for a with statement.

    Each append hands its bytes to the system: when the process is killed, at most what was being appended is
    lost, and recover() makes of the file what numpy.load reads. With rewrite_header_on_append the header
    tells each append once it is done, so that a file that is read meanwhile, or behind a kill, has all rows
    but the last append's at worst. Nothing is synced: a machine that fails may lose more.

    Methods are safe for concurrent use by threads. Only one object, of one process, may append to a file at a
    time. In a process that was forked off it must not be used, and does nothing at its end.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        delete_if_exists: bool = False,
        rewrite_header_on_append: bool = True,
        *,
        cast: bool = False,
    ) -> None:
        """Opens a file to append to; the first append creates one that isn't there, with its array's dtype,
        other dimensions and order.

        delete_if_exists: a file that is there is deleted first.
        rewrite_header_on_append: False leaves the header for close() and update_header(), which is faster;
        behind a kill the file needs recover().
        cast: arrays of another dtype are cast to the file's, values that don't fit wrap as numpy's astype has
        it. Without it they are a ValueError.

        ValueError for a file whose header has no room (ensure_appendable makes it), that needs recover(), of
        objects, or a scalar.
        """
        self.filename = os.fspath(filename)
        self.fortran_order: bool | None = None  # of the file's array; None before there is one
        self.dtype: np.dtype[Any] | None = None
        self._rewrite = rewrite_header_on_append
        self._cast = cast
        self._lock = threading.Lock()
        self._fd = -1
        self._pid = os.getpid()
        self._closed = False
        self._total = self._end = 0  # rows, and where their data end
        # The shape of the last array, its rows and bytes, where the next one like it takes the short way.
        self._last: tuple[int, ...] | None = None
        self._of: np.dtype[Any] | None = None
        self._step = self._size = 0
        # Where the number of rows stands, and what follows it, once the header is as written here.
        self._patch, self._tail, self._carry = 0, b"", 0  # from carry rows on the number is longer
        self._stale = False  # the header tells fewer rows
        if delete_if_exists:
            try:
                os.unlink(self.filename)
            except FileNotFoundError:
                pass
        elif os.path.exists(self.filename) and os.path.getsize(
            self.filename
        ):  # else killed before its header
            self._start()

    def _start(self) -> None:
        fd, h = _open(self.filename, True)
        try:
            if h.dtype.hasobject:
                raise ValueError(f"{self.filename}: arrays of objects can't be appended to")
            if not h.shape:
                raise ValueError(f"{self.filename}: a scalar has no axis to append to")
            if not h.fits:
                raise ValueError(
                    f"{self.filename}: its data are not what its header tells, call recover first"
                )
            if not h.appendable:
                raise ValueError(f"{self.filename}: its header has no room, call ensure_appendable first")
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._header = fd, h
        self.fortran_order, self.dtype = h.fortran, h.dtype
        self._total, self._end = h.shape[h.axis], h.file_size

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of the file's array, with what was appended; None before there is one."""
        if self._fd < 0:
            return None
        h = self._header
        return (*h.shape[: h.axis], self._total, *h.shape[h.axis + 1 :])

    def append(self, arr: Array) -> None:
        """Appends an array of the file's dtype and dimensions, but for the axis that grows: the first, or the
        last of a file in Fortran order. ValueError where it doesn't fit, and the file stays as it is; so it
        does behind an OSError."""
        with self._lock:
            if arr.__class__ is _ndarray and arr.shape == self._last and arr.dtype is self._of:
                # As the last one: two calls of the system, the data and the digits of the number of rows.
                try:
                    end = self._end
                    if _quick(self._fd, arr, end) == self._size:
                        total = self._total + self._step
                        if self._rewrite:
                            if total >= self._carry:
                                self._tell(total)
                            else:
                                _quick(self._fd, b"%d" % total, self._patch)
                        else:
                            self._stale = True
                        self._total = total
                        self._end = end + self._size
                        return
                except (ValueError, BufferError):
                    pass  # its bytes don't lie together
                except OSError:
                    self._undo()
                    raise
            self._append(arr)

    def _append(self, arr: Any) -> None:
        if self._closed:
            raise ValueError(f"{self.filename}: append to a closed file")
        if self._pid != os.getpid():
            raise ValueError(f"{self.filename}: append in a process that was forked off")
        if isinstance(arr, np.ma.MaskedArray):
            raise TypeError(f"{self.filename}: a masked array, whose mask the format can't keep")
        arr = np.asarray(arr)
        if self._fd < 0:
            self._create(arr)
        h, dtype = self._header, self._header.dtype
        fits = arr.ndim == len(h.shape) and all(
            i == h.axis or a == b for i, (a, b) in enumerate(zip(arr.shape, h.shape))
        )
        if not fits:
            raise ValueError(
                f"{self.filename}: an array of shape {arr.shape} to one of {self.shape}: they may differ on "
                f"axis {h.axis} only"
            )
        if arr.dtype != dtype:
            if not self._cast:
                raise ValueError(
                    f"{self.filename}: an array of {arr.dtype} to one of {dtype}; cast=True casts"
                )
            arr = arr.astype(dtype)
        try:
            self._put(arr.T if h.axis else arr)
        except OSError:
            self._undo()
            raise

    def _put(self, rows: Array) -> None:
        """Writes rows along the first axis, about a block at a time where they must be copied."""
        n, row, at = len(rows), self._header.row, self._end
        if self._total + n > sys.maxsize // max(row, 1):
            raise ValueError(f"{self.filename}: {n} rows behind {self._total} are too many")
        step = n if rows.flags.c_contiguous else max(1, _BLOCK // max(row, 1))
        for i in range(0, n if row else 0, max(step, 1)):
            piece = np.ascontiguousarray(rows[i : i + step]).reshape(-1).view(np.uint8)
            _aside.write_at(self._fd, piece, at)
            at += piece.nbytes
        if n and self._rewrite:
            self._tell(self._total + n)
        elif n:
            self._stale = True
        self._total, self._end = self._total + n, at
        short = row and n and not self._header.axis and (self._patch or not self._rewrite)
        self._last = rows.shape if short and hasattr(os, "pwrite") else None
        self._of, self._step, self._size = rows.dtype, n, n * row

    def _create(self, arr: Array) -> None:
        """Makes the file of an array without rows."""
        if arr.ndim == 0:
            raise ValueError(f"{self.filename}: a scalar has no axis to append to")
        if arr.dtype.hasobject:
            raise ValueError(f"{self.filename}: arrays of objects can't be appended to")
        fortran = arr.flags.f_contiguous and not arr.flags.c_contiguous
        shape = (*arr.shape[:-1], 0) if fortran else (0, *arr.shape[1:])
        header = _header(shape, fortran, arr.dtype)
        fd = os.open(self.filename, os.O_RDWR | os.O_CREAT | _aside.FLAGS, 0o666)
        try:
            os.ftruncate(fd, 0)
            _aside.write_at(fd, header, 0)
        except BaseException:
            os.close(fd)
            os.unlink(self.filename)
            raise
        os.close(fd)
        self._start()

    def _tell(self, total: int) -> None:
        """Brings the number of rows into the header: only it and what follows it in the dict, once the header
        is known to be written as here."""
        self._carry = 10 ** len(str(total))
        if self._patch:
            _aside.write_at(self._fd, b"%d%b" % (total, self._tail), self._patch)
            return
        h = self._header
        shape = (*h.shape[: h.axis], total, *h.shape[h.axis + 1 :])
        header = h.encode(shape)
        _aside.write_at(self._fd, header, 0)
        text = header.rstrip()
        # The number is the first or the last of the shape, which ends the text.
        self._tail = text[-4:] if h.axis else text[text.rindex(b"(") + 1 + len(str(total)) :]
        self._patch = len(text) - len(self._tail) - len(str(total))

    def _undo(self) -> None:
        """Takes back what a failed append has written."""
        os.ftruncate(self._fd, self._end)

    def update_header(self) -> None:
        """Makes the header tell all that was appended."""
        with self._lock:
            self._update()

    def _update(self) -> None:
        if self._fd >= 0 and self._stale:
            self._tell(self._total)
            self._stale = False

    def close(self) -> None:
        """Brings the header up to date and closes the file. A second close does nothing."""
        with self._lock:
            fd, self._closed = self._fd, True
            if fd < 0:
                return
            try:
                if self._pid == os.getpid():
                    self._update()
                    if os.fstat(fd).st_size > self._end:
                        os.ftruncate(fd, self._end)  # of an append that was broken off
            finally:
                self._fd, self._last = -1, None
                os.close(fd)

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # at the interpreter's end nothing may be left to close with
            pass

    def __enter__(self) -> NpyAppendArray:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
