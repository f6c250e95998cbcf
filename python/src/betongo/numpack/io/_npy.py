"""NumPy's .npy and .npz: read from their bytes, nothing unpickled, a few rows at a time."""

from __future__ import annotations

import ast
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import _rows
from ._aside import aside
from ._pack import PackWriter, opened, reading, stored_name
from ._rows import DEFAULT_CHUNK_SIZE, Extent, FormatError, Rows, existing

__all__ = ["from_npy", "to_npy"]

_MAGIC = b"\x93NUMPY"
# A header says a dtype and a shape: the longest that a pack could have needs far less.
_HEADER_LIMIT = 1 << 20


# -- reading --------------------------------------------------------------------------------------------


def read_header(f: Any, file: str, name: str = "") -> tuple[np.dtype, tuple[int, ...], bool, int]:
    """The dtype, shape and whether it is Fortran's order, of the .npy file that f is at the start of; and how
    many bytes they took."""

    def bad(what: str, offset: int) -> FormatError:
        return FormatError(file, what, array=name, offset=offset)

    head = f.read(8)
    if head[:6] != _MAGIC or len(head) < 8:
        raise bad(f"it begins with {head[:6]!r}, not with {_MAGIC!r}: this is no .npy file", 0)
    major = head[6]
    if major not in (1, 2, 3):
        raise bad(f"version {head[6]}.{head[7]} of the format, known are 1, 2 and 3", 6)
    width = 2 if major == 1 else 4
    field = f.read(width)
    if len(field) < width:
        raise bad("the file ends within the header's length", 8)
    (size,) = struct.unpack("<H" if width == 2 else "<I", field)
    if size > _HEADER_LIMIT:
        raise bad(f"a header of {size} bytes, at most {_HEADER_LIMIT} are read", 8)
    text = f.read(size)
    if len(text) < size:
        raise bad(f"the file ends within the header, {len(text)} of {size} bytes are there", 8 + width)
    return (*_header(text, major, bad, 8 + width), 8 + width + size)


def _header(text: bytes, major: int, bad: Any, at: int) -> tuple[np.dtype, tuple[int, ...], bool]:
    try:
        head = ast.literal_eval(text.decode("utf-8" if major == 3 else "latin1").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, UnicodeDecodeError) as e:
        raise bad(f"the header is no dict of Python's: {e}", at) from e
    if not isinstance(head, dict) or set(head) != {"descr", "fortran_order", "shape"}:
        raise bad("the header is no dict of descr, fortran_order and shape", at)
    shape, fortran = head["shape"], head["fortran_order"]
    if not isinstance(shape, tuple) or len(shape) > 64 or not all(type(n) is int and n >= 0 for n in shape):
        raise bad(f"the shape is {shape!r:.100}", at)
    if not isinstance(fortran, bool):
        raise bad(f"fortran_order is {fortran!r:.100}", at)
    try:
        dtype = np.lib.format.descr_to_dtype(head["descr"])
    except (TypeError, ValueError, IndexError, KeyError, RecursionError) as e:
        raise bad(f"the dtype {head['descr']!r:.200} is none of NumPy's: {e}", at) from e
    if dtype.hasobject:
        raise bad(f"elements of dtype {dtype} are pickled Python objects, which are not read", at)
    if _rows.count(shape) * dtype.itemsize >= 1 << 63:
        raise bad(f"the shape is {shape}, more than any file holds", at)
    return dtype, shape, fortran


def npy_rows(path: str, name: str) -> Rows:
    """The array of a .npy file, its size checked against the file's."""
    size = os.path.getsize(path)
    with open(path, "rb") as f:
        dtype, shape, fortran, at = read_header(f, path, name)
    need = _rows.count(shape) * dtype.itemsize
    if size - at < need:
        raise FormatError(
            path, f"{size - at} bytes of data, shape {shape} of {dtype} takes {need}", array=name, offset=at
        )
    if not fortran or _rows.count(shape) <= 1 or sum(n > 1 for n in shape) < 2:
        return _rows.of_extents(name, dtype, shape, [Extent(path, at, need)], path)
    return Rows(name, dtype, shape, lambda n: _fortran(path, name, dtype, shape, at, n), file=path)


def _fortran(
    path: str, name: str, dtype: np.dtype, shape: tuple[int, ...], at: int, size: int
) -> Iterator[np.ndarray]:
    """Rows of an array in Fortran's order: the file has, for each index of the other axes, all rows'
    elements."""
    rest = _rows.count(shape[1:])
    # Each step seeks in each column: steps of many rows.
    step = _rows.rows_at_once(shape, dtype, max(size, 32 << 20))
    columns = np.empty((rest, step), dtype)
    with open(path, "rb", buffering=0) as f:
        for lo in range(0, shape[0], step):
            n = min(step, shape[0] - lo)
            for k in range(rest):
                f.seek(at + (k * shape[0] + lo) * dtype.itemsize)
                _rows.read_exactly(f, columns[k, :n], path, name)
            # columns[k] is index k of the other axes in Fortran's order
            part = columns[:, :n].reshape(*shape[:0:-1], n)
            yield np.ascontiguousarray(part.transpose(*range(part.ndim - 1, -1, -1)))


class Archive:
    """The arrays of a .npz file. Close it.

    Nothing is unpacked before it is asked for. Entries that overlap, which is how small archives come to
    unpack to much, and sizes that don't fit what an entry's header says are refused.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, OverflowError) as e:
            raise FormatError(path, f"no .npz file: {e}") from e
        try:
            self.entries = self._check()
        except BaseException:
            self.zip.close()
            raise

    def close(self) -> None:
        self.zip.close()

    def _check(self) -> dict[str, zipfile.ZipInfo]:
        entries: dict[str, zipfile.ZipInfo] = {}
        end = 0
        for info in sorted(self.zip.infolist(), key=lambda i: i.header_offset):
            name = info.filename[:-4] if info.filename.endswith(".npy") else info.filename
            if info.header_offset < end:
                raise FormatError(
                    self.path, "the entry lies over another one", array=name, offset=info.header_offset
                )
            end = info.header_offset + 30 + info.compress_size
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
                raise FormatError(
                    self.path,
                    f"the entry is encrypted or packed by method {info.compress_type}; known are 0 and 8",
                    array=name,
                    offset=info.header_offset,
                )
            if name in entries:
                raise FormatError(
                    self.path, "there are two arrays of the name", array=name, offset=info.header_offset
                )
            if info.filename.endswith(".npy"):
                entries[name] = info
        return {i.filename[:-4]: i for i in self.zip.infolist() if i.filename.endswith(".npy")}

    def rows(self, name: str) -> Rows:
        """An array, streamed through the unpacking."""
        info = self.entries[name]
        with self._broken(info, name), self._open(info) as f:
            dtype, shape, fortran, at = read_header(f, self.path, name)
        need = _rows.count(shape) * dtype.itemsize
        if info.file_size != at + need:
            raise FormatError(
                self.path,
                f"the entry has {info.file_size - at} bytes of data, shape {shape} of {dtype} takes {need}",
                array=name,
                offset=info.header_offset,
            )
        if fortran and sum(n > 1 for n in shape) > 1:
            # There is no going back in a packed stream: such an array is taken as a whole.
            return Rows(
                name, dtype, shape, lambda n: self._whole(info, dtype, shape, at, name, n), file=self.path
            )
        return Rows(
            name, dtype, shape, lambda n: self._blocks(info, dtype, shape, at, name, n), file=self.path
        )

    def _open(self, info: zipfile.ZipInfo) -> Any:
        try:
            return self.zip.open(info)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, struct.error, ValueError) as e:
            raise FormatError(self.path, str(e), array=info.filename, offset=info.header_offset) from e

    def _blocks(
        self, info: zipfile.ZipInfo, dtype: np.dtype, shape: tuple[int, ...], at: int, name: str, size: int
    ) -> Iterator[np.ndarray]:
        with self._broken(info, name), self._open(info) as f:
            f.read(at)
            if not shape:
                whole = np.empty((), dtype)
                _rows.read_exactly(f, whole, self.path, name)
                yield whole
                return
            step = _rows.rows_at_once(shape, dtype, size)
            buffer = np.empty((step, *shape[1:]), dtype)
            for lo in range(0, shape[0], step):
                part = buffer[: min(step, shape[0] - lo)]
                _rows.read_exactly(f, part, self.path, name)
                yield part
            f.read(1)  # the end, where the checksum is compared

    @contextmanager
    def _broken(self, info: zipfile.ZipInfo, name: str) -> Iterator[None]:
        """Names the entry whose packed data are broken."""
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError) as e:
            said = f"the packed data are broken: {e}"
            raise FormatError(self.path, said, array=name, offset=info.header_offset) from e

    def _whole(
        self, info: zipfile.ZipInfo, dtype: np.dtype, shape: tuple[int, ...], at: int, name: str, size: int
    ) -> Iterator[np.ndarray]:
        whole = np.concatenate([b.copy() for b in self._blocks(info, dtype, shape[::-1], at, name, size)])
        yield from _rows.of_array(name, whole.T).blocks(size)


def from_npy(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    drop_if_exists: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
) -> Any:
    """Puts the array of a .npy file, or all arrays of a .npz file, into a pack.

    array_name: what to call a .npy file's array; the file's name without its suffix by default. Arrays of a
    .npz file keep their names. Any byte order is taken, a pack is little-endian; Fortran's order too, a pack
    is in C order. chunk_size bounds the bytes held at once; what lies in the file as the pack has it is
    copied by the system, nothing is held. One array of a .npz file that is in Fortran's order is held as a
    whole.

    The pack is changed when all is there, or not at all; other arrays of it stay (drop_if_exists: they
    don't). Returns None, or with return_npk_obj the opened NumPack.

    Raises FileNotFoundError; ValueError for another suffix; FormatError (a ValueError) for a broken file, one
    with pickled objects, or a .npz that unpacks to more than the disk has free; TypeError for dtypes that
    packs don't have (strings, times, records).
    """
    path = existing(input_path)
    suffix = path.suffix.lower()
    with ExitStack() as stack:
        if suffix == ".npy":
            arrays = [npy_rows(str(path), path.stem if array_name is None else array_name)]
        elif suffix == ".npz":
            archive = Archive(str(path))
            stack.callback(archive.close)
            arrays = [archive.rows(name) for name in archive.entries]
            for rows in arrays:
                rows.name = stored_name(rows.name)
            _room(path, Path(output_path), sum(a.nbytes for a in arrays))
        else:
            raise ValueError(f"{path}: unsupported file format {suffix!r}, supported are .npy and .npz")
        with PackWriter(output_path, drop_if_exists) as pack:
            for rows in arrays:
                pack.add(rows, chunk_size)
    return opened(output_path) if return_npk_obj else None


def _room(path: Path, out: Path, need: int) -> None:
    """Refuses an archive that unpacks to more than there is room for, before anything is written."""
    folder = next(p for p in out.absolute().parents if p.exists())
    free = shutil.disk_usage(folder).free
    if need > free:
        raise FormatError(path, f"the arrays take {need} bytes unpacked, {folder} has {free} free")


# -- writing --------------------------------------------------------------------------------------------


def header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The header that np.save writes for an array in C order."""
    import io

    out = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, described)
    return out.getvalue()


def write_npy(out: Any, rows: Rows, chunk_size: int) -> None:
    """Writes an array as np.save does, byte for byte."""
    out.write(header(rows.dtype, rows.shape))
    write_rows(out, rows, chunk_size)


def write_rows(out: Any, rows: Rows, chunk_size: int) -> None:
    """Writes the bytes of an array in C order; out: a file on disk is copied to by the system."""
    if rows.extents is not None and hasattr(out, "fileno"):
        _rows.copy(rows.extents, out, rows.name)
        return
    for block in rows.blocks(min(chunk_size, 4 * _rows.PIECE)):
        if block.size:
            out.write(memoryview(np.ascontiguousarray(block).reshape(-1).view(np.uint8)))


def to_npy(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_names: Sequence[str] | str | None = None,
    compressed: bool = True,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    *,
    array_name: str | None = None,
    single_file: bool | None = None,
) -> None:
    """Writes an array of a pack to a .npy file, as np.save would, or several to a .npz file.

    array_names: which, all by default; array_name: one. single_file: True writes .npy and False .npz whatever
    the suffix is; by default the suffix tells. compressed: whether a .npz is packed. chunk_size bounds the
    bytes held at once. An existing file is replaced when the new one is complete.

    Raises ValueError for another suffix, and for .npy and more or less than one array; KeyError for an array
    that the pack does not have; FileNotFoundError and FormatError for the pack.
    """
    out = Path(output_path)
    suffix = out.suffix.lower()
    single = suffix == ".npy" if single_file is None else single_file
    if single_file is None and suffix not in (".npy", ".npz"):
        raise ValueError(f"{out}: unsupported file format {suffix!r}, supported are .npy and .npz")
    with reading(input_path) as pack:
        names = pack.names(array_name if array_names is None else array_names)
        if single and len(names) != 1:
            raise ValueError(
                f"The .npy format can only store one array, and {input_path} has {len(names)}: {names}. "
                "Use .npz or array_names of one."
            )
        with aside(out) as to:
            if single:
                with open(to, "wb") as f:
                    write_npy(f, pack.rows(names[0]), chunk_size)
                return
            with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as z:
                for name in names:
                    with z.open(name + ".npy", "w", force_zip64=True) as entry:
                        write_npy(_Entry(entry), pack.rows(name), chunk_size)


class _Entry:
    """An entry of an archive being written, without the fileno that the system would copy to."""

    def __init__(self, entry: Any) -> None:
        self.write = entry.write
