"""SafeTensors: a header in JSON, and tensors' bytes behind it. Read and written with NumPy alone."""

from __future__ import annotations

import json
import os
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _rows
from ._aside import aside
from ._npy import write_rows
from ._pack import PackWriter, opened, reading, stored_name
from ._rows import DEFAULT_CHUNK_SIZE, Extent, FormatError, Rows
from .zero_copy import torch_to_numpy_zero_copy

__all__ = [
    "from_safetensors_file",
    "from_tensor_dict",
    "get_safetensors_metadata",
    "iter_safetensors",
    "to_safetensors_file",
    "to_tensor_dict",
]

_HEADER_LIMIT = 100_000_000  # the format's own

# In the order in which the original writes tensors: the widest first.
_TYPES: dict[str, np.dtype] = {
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
    "C64": np.dtype("<c8"),
    "F32": np.dtype("<f4"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "BF16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F8_E4M3": np.dtype("u1"),
    "F8_E5M2": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_OTHERS = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
_RANK = {name: i for i, name in enumerate(_TYPES)}
_NAMES = {t: name for name, t in _TYPES.items() if name not in ("BF16", "F8_E4M3", "F8_E5M2")}


# -- numbers that NumPy does not have -------------------------------------------------------------------


def _small_floats(exponent: int, bias: int, finite: bool) -> np.ndarray:
    """The values of all floats of 8 bits: 1 of sign, some of exponent. finite: no infinity, one NaN."""
    mantissa = 7 - exponent
    out = np.empty(256, np.float32)
    for code in range(256):
        e, m = (code & 127) >> mantissa, code & ((1 << mantissa) - 1)
        value = m * 2.0 ** (1 - bias - mantissa) if e == 0 else (1 + m / (1 << mantissa)) * 2.0 ** (e - bias)
        if finite and code & 127 == 127:
            value = np.nan
        elif not finite and e == (1 << exponent) - 1:
            value = np.nan if m else np.inf
        out[code] = -value if code & 128 else value
    return out


_SMALL = {"F8_E4M3": _small_floats(4, 7, True), "F8_E5M2": _small_floats(5, 15, False)}


def _widen(kind: str, block: np.ndarray) -> np.ndarray:
    """The values as float32, all of which it has."""
    if kind == "BF16":
        return (block.astype("<u4") << np.uint32(16)).view("<f4")
    return _SMALL[kind][block].astype("<f4", copy=False)


def bfloat16(block: np.ndarray) -> np.ndarray:
    """The bits, as uint16, of the bfloat16 next to each value; ties go to the even one."""
    single = np.ascontiguousarray(block).astype("<f4")
    bits = single.view("<u4")
    if block.dtype.itemsize > 4:
        # Two roundings may end elsewhere than one: the first one goes towards zero and leaves a one behind.
        wide = np.ascontiguousarray(block)
        with np.errstate(invalid="ignore"):
            bits -= (np.abs(single.astype(wide.dtype)) > np.abs(wide)).astype("<u4")
            bits |= (bits.view("<f4").astype(wide.dtype) != wide) & ~np.isnan(wide)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    return (np.where(nan, bits | np.uint32(0x400000), rounded) >> np.uint32(16)).astype("<u2")


# -- reading --------------------------------------------------------------------------------------------


@dataclass
class _Tensor:
    kind: str
    shape: tuple[int, ...]
    begin: int  # in the file
    size: int

    @property
    def dtype(self) -> np.dtype:
        """What it is read as."""
        return np.dtype("<f4") if self.kind in _SMALL or self.kind == "BF16" else _TYPES[self.kind]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise ValueError("a name stands in it twice")
    return out


def read_file(path: str) -> tuple[dict[str, _Tensor], dict[str, str]]:
    """The tensors, in the order of their data, and the metadata; all checked against the file's size."""
    total = os.path.getsize(path)
    with open(path, "rb") as f:
        head = f.read(8)
        if len(head) < 8:
            raise FormatError(path, f"{len(head)} bytes, no header's length is in them", offset=0)
        (size,) = struct.unpack("<Q", head)
        if size > min(_HEADER_LIMIT, total - 8):
            raise FormatError(
                path, f"a header of {size} bytes; {total - 8} are there, {_HEADER_LIMIT} allowed", offset=0
            )
        text = f.read(size)
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as e:
        raise FormatError(path, f"the header is no JSON: {e}", offset=8) from e
    if not isinstance(header, dict):
        raise FormatError(path, f"the header is no object, it begins with {text[:20]!r}", offset=8)
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise FormatError(path, "the metadata are not strings by name", offset=8)
    tensors = {name: _tensor(path, name, entry, 8 + size, total) for name, entry in header.items()}
    tensors = dict(sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].size)))
    end = 8 + size
    for name, t in tensors.items():
        if t.begin != end:
            raise FormatError(
                path,
                f"its data do not begin where the ones before end, at byte {end}",
                array=name,
                offset=t.begin,
            )
        end += t.size
    if end != total:
        raise FormatError(path, f"{total - end} bytes of no tensor at the end", offset=end)
    return tensors, metadata


def _tensor(path: str, name: str, entry: Any, start: int, total: int) -> _Tensor:
    def bad(what: str) -> FormatError:
        return FormatError(path, what, array=name, offset=8)

    if not isinstance(entry, dict):
        raise bad(f"its entry is {entry!r:.100}")
    kind, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if kind not in _TYPES:
        raise bad(f"its dtype is {kind!r:.100}; known are {', '.join(_TYPES)}")
    if not isinstance(shape, list) or len(shape) > 64 or not all(type(n) is int and n >= 0 for n in shape):
        raise bad(f"its shape is {shape!r:.100}")
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(type(n) is int and n >= 0 for n in offsets)
    ):
        raise bad(f"its data_offsets are {offsets!r:.100}")
    begin, end = offsets
    need = _rows.count(shape) * _TYPES[kind].itemsize
    if begin > end or end > total - start:
        raise bad(f"its data_offsets are [{begin}, {end}], the file has {total - start} bytes of data")
    if end - begin != need:
        raise bad(f"its data_offsets are {end - begin} bytes apart, shape {shape} of {kind} takes {need}")
    return _Tensor(kind, tuple(shape), start + begin, need)


def _tensor_rows(path: str, name: str, t: _Tensor) -> Rows:
    stored = _rows.of_extents(name, _TYPES[t.kind], t.shape, [Extent(path, t.begin, t.size)], path)
    if t.dtype == stored.dtype:
        return stored
    return Rows(name, t.dtype, t.shape, lambda n: (_widen(t.kind, b) for b in stored.blocks(n)), file=path)


def _chosen(path: str, tensors: Mapping[str, _Tensor], keys: Sequence[str] | str | None) -> list[str]:
    if keys is None:
        return list(tensors)
    names = [keys] if isinstance(keys, str) else list(keys)
    missing = [k for k in names if k not in tensors]
    if missing:
        raise KeyError(f"{path}: no tensors {missing}; there are {list(tensors)}")
    return names


def get_safetensors_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What the header of a SafeTensors file says; no tensor is read.

    Returns {"tensors": {name: {"dtype", "shape", "stored"}}, "metadata": {str: str}}, in the order of the
    data: dtype is the name of the NumPy dtype that it is read as, shape a list, stored the format's name of
    the dtype ("BF16").

    Raises FileNotFoundError, and FormatError for what is no such file, or one whose header says of its data
    what is not so.
    """
    tensors, metadata = read_file(os.fspath(path))
    found = {n: {"dtype": str(t.dtype), "shape": list(t.shape), "stored": t.kind} for n, t in tensors.items()}
    return {"tensors": found, "metadata": dict(metadata)}


def iter_safetensors(
    path: str | os.PathLike[str], keys: Sequence[str] | str | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Gives the tensors of a SafeTensors file, one after the other: (name, array).

    keys: which, in that order; all in the order of the data by default. Each array is a new one, the caller's
    own: only one is in memory where the caller keeps none. BF16 and the floats of 8 bits, which NumPy does
    not have, come as float32, which has all of their values.

    Raises, at the first step: FileNotFoundError; FormatError for a broken file; KeyError for a tensor that is
    not there.
    """
    file = os.fspath(path)
    tensors, _ = read_file(file)
    for name in _chosen(file, tensors, keys):
        t = tensors[name]
        out = np.empty(t.shape, t.dtype)
        if t.dtype == _TYPES[t.kind]:
            with open(file, "rb", buffering=0) as f:
                f.seek(t.begin)
                _rows.read_exactly(f, out, file, name)
        else:
            at = 0
            for block in _tensor_rows(file, name, t).blocks(4 * _rows.PIECE):
                if not t.shape:
                    out[...] = block
                    break
                out[at : at + len(block)] = block
                at += len(block)
        yield name, out


def from_safetensors_file(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    keys: Sequence[str] | str | None = None,
    drop_if_exists: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
) -> Any:
    """Puts the tensors of a SafeTensors file into a pack. The safetensors library is not needed.

    keys: which, all by default. BF16 and the floats of 8 bits, which packs do not have, are stored as
    float32, which has all of their values (`to_safetensors_file` has dtype= for the way back). chunk_size
    bounds the bytes held at once; most are copied by the system and not held at all. Metadata have no place
    in a pack.

    The pack is changed when all is there, or not at all; other arrays of it stay (drop_if_exists: they
    don't). Returns None, or with return_npk_obj the opened NumPack.

    Raises FileNotFoundError; FormatError (a ValueError) for a broken file; KeyError for a tensor that is not
    there.
    """
    file = os.fspath(input_path)
    tensors, _ = read_file(file)
    names = _chosen(file, tensors, keys)
    with PackWriter(output_path, drop_if_exists) as pack:
        for name in names:
            rows = _tensor_rows(file, name, tensors[name])
            rows.name = stored_name(name)
            pack.add(rows, chunk_size)
    return opened(output_path) if return_npk_obj else None


# -- writing --------------------------------------------------------------------------------------------


def to_safetensors_file(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_names: Sequence[str] | str | None = None,
    metadata: Mapping[str, str] | None = None,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    *,
    dtype: str | Mapping[str, str] | None = None,
) -> None:
    """Writes arrays of a pack to a SafeTensors file. The safetensors library is not needed.

    array_names: which, all by default. metadata: strings for the header. dtype: what floats are stored as,
    "BF16", "F16", "F32" or "F64", for all or by name; each value becomes the next one that the type has, ties
    the even one; by default each array keeps its type. chunk_size bounds the bytes held at once. Tensors lie
    as the original library lays them out: the widest types first, then by name. An existing file is replaced
    when the new one is complete.

    Raises KeyError for an array that the pack does not have; TypeError for complex128, which the format does
    not have, metadata that are no strings, and dtype for what holds no floats; FileNotFoundError and
    FormatError for the pack.
    """
    for k, v in (metadata or {}).items():
        if not isinstance(k, str) or not isinstance(v, str):
            raise TypeError(f"metadata are strings: {k!r}: {v!r}")
    with reading(input_path) as pack:
        arrays = [_as(pack.rows(n), _wanted(dtype, n)) for n in pack.names(array_names)]
        arrays.sort(key=lambda a: (_RANK[a[0]], a[1].name))
        if any(rows.name == "__metadata__" for _, rows in arrays):
            raise ValueError(f"{input_path}: an array is called __metadata__, the name of SafeTensors' own")
        head: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
        end = 0
        for kind, rows in arrays:
            head[rows.name] = {
                "dtype": kind,
                "shape": list(rows.shape),
                "data_offsets": [end, end + rows.nbytes],
            }
            end += rows.nbytes
        text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        with aside(output_path) as to, open(to, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            for _, rows in arrays:
                write_rows(f, rows, chunk_size)


def _wanted(dtype: str | Mapping[str, str] | None, name: str) -> str | None:
    return dtype if dtype is None or isinstance(dtype, str) else dtype.get(name)


def _as(rows: Rows, kind: str | None) -> tuple[str, Rows]:
    """The format's name of an array's type, and its rows as that type."""
    if kind is None:
        if rows.dtype not in _NAMES:
            raise TypeError(f"{rows.file}: array {rows.name!r}: SafeTensors has no {rows.dtype}")
        return _NAMES[rows.dtype], rows
    if kind not in ("BF16", "F16", "F32", "F64"):
        raise ValueError(f"dtype {kind!r}: one of BF16, F16, F32, F64 is possible")
    if rows.dtype.kind != "f":
        if rows.dtype not in _NAMES:
            raise TypeError(f"{rows.file}: array {rows.name!r}: SafeTensors has no {rows.dtype}")
        return _NAMES[rows.dtype], rows
    to = _TYPES[kind]
    if kind != "BF16" and to == rows.dtype:
        return kind, rows

    def blocks(size: int) -> Iterator[np.ndarray]:
        for block in rows.blocks(size):
            with np.errstate(over="ignore"):
                yield bfloat16(block) if kind == "BF16" else block.astype(to)

    return kind, Rows(rows.name, to, rows.shape, blocks, file=rows.file)


# -- memory ---------------------------------------------------------------------------------------------


def from_tensor_dict(
    tensors: Mapping[str, Any],
    output_path: str | os.PathLike[str],
    drop_if_exists: bool = False,
    return_npk_obj: bool = False,
) -> Any:
    """Puts a dict of arrays, or of torch's tensors, into a pack, each under its name.

    Values: numpy.ndarray, as `safetensors.numpy.load_file` gives them, or torch.Tensor on any device, as
    `safetensors.torch.load_file` does (bfloat16 is stored as float32). The pack is changed when all is there,
    or not at all; other arrays of it stay (drop_if_exists: they don't). Returns None, or with return_npk_obj
    the opened NumPack.

    Raises TypeError for other values, and for dtypes that packs don't have.
    """
    with PackWriter(output_path, drop_if_exists) as pack:
        for name, value in tensors.items():
            pack.add(_rows.of_array(str(name), array_of(value)), DEFAULT_CHUNK_SIZE)
    return opened(output_path) if return_npk_obj else None


def array_of(value: Any) -> np.ndarray:
    """A NumPy array of an array, or of a tensor wherever it is."""
    if isinstance(value, np.ndarray):
        # ml_dtypes' types, which NumPy knows by that library alone.
        return value.astype(np.float32) if value.dtype.name in _OTHERS else value
    if type(value).__module__.partition(".")[0] == "torch" or hasattr(value, "detach"):
        with warnings.catch_warnings():  # that it is a copy is no matter here
            warnings.simplefilter("ignore", UserWarning)
            return torch_to_numpy_zero_copy(value)
    if isinstance(value, (np.generic, int, float, complex)):
        return np.asarray(value)
    raise TypeError(f"Unsupported tensor type: {type(value)}; numpy.ndarray or torch.Tensor is expected")


def to_tensor_dict(
    input_path: str | os.PathLike[str], array_names: Sequence[str] | str | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a pack by name, each the caller's own, in C order, as `safetensors.numpy.save_file` takes
    them.

    array_names: which, all by default. Raises KeyError for an array that the pack does not have;
    FileNotFoundError and FormatError for the pack.
    """
    with reading(input_path) as pack:
        return {name: pack.load(name) for name in pack.names(array_names)}
