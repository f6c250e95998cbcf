"""Zarr stores, by zarr 2 or 3, or by the command ffcvconvert."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import _command, _groups, _rows
from ._aside import aside
from ._depend import have, need
from ._pack import PackWriter, opened, reading, stored_name
from ._rows import DEFAULT_CHUNK_SIZE, FormatError, Rows, existing

__all__ = ["from_zarr", "to_zarr"]

_CHUNK = 4 << 20  # bytes of the chunks that arrays are stored in


def from_zarr(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_names: Sequence[str] | str | None = None,
    group: str = "/",
    drop_if_exists: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
) -> Any:
    """Puts arrays of a Zarr store, a folder or a .zip, into a pack.

    array_names: which, by their paths below group; all below it by default, those in deeper groups too. They
    are called by these paths with dots for slashes, train.features, as names in packs are parts of file
    names; a store that is one array is called as its file without the suffix. Arrays whose elements packs do
    not have are left out with a warning, unless they are asked for. chunk_size bounds the bytes held at once,
    but for one row of the array's own chunks.

    Without zarr the command ffcvconvert reads the store, where it is installed. The pack is changed when all
    is there, or not at all; other arrays of it stay (drop_if_exists: they don't). Returns None, or with
    return_npk_obj the opened NumPack.

    Raises DependencyError where neither is installed; FileNotFoundError; FormatError (a ValueError) for a
    broken store; KeyError for a group or array that is not there; TypeError for elements that packs do not
    have.
    """
    path = existing(input_path)
    wanted = [array_names] if isinstance(array_names, str) else array_names
    if not have("zarr"):
        _groups.by_command(path, "zarr", "array", output_path, wanted, group, drop_if_exists)
        return opened(output_path) if return_npk_obj else None
    zarr = need("zarr")
    try:
        store = zarr.open(str(path), mode="r")
    except Exception as e:  # each store has errors of its own
        raise FormatError(path, f"no Zarr store, or a broken one: {type(e).__name__}: {e}") from e
    with PackWriter(output_path, drop_if_exists) as pack:
        for name, found in _arrays(zarr, store, path, group, wanted).items():
            called = stored_name(name)
            rows = _groups.rows_of(found, called, path, called, (OSError, RuntimeError, ValueError))
            pack.add(rows, chunk_size)
    return opened(output_path) if return_npk_obj else None


def _arrays(zarr: Any, store: Any, path: Path, group: str, wanted: Sequence[str] | None) -> dict[str, Any]:
    """Arrays by their paths below a group."""
    if isinstance(store, zarr.Array):
        if wanted is not None and list(wanted) != [path.stem]:
            raise KeyError(f"{path}: no arrays {list(wanted)}; the store is one array")
        return {path.stem: store}
    try:
        where = store[group.strip("/")] if group.strip("/") else store
    except KeyError as e:
        raise KeyError(f"{path}: no group {group!r}") from e
    if wanted is not None:
        found = {}
        for name in wanted:
            try:
                found[name] = where[name]
            except KeyError as e:
                raise KeyError(
                    f"{path}: no array {name!r} in group {group!r}; there are {sorted(where)}"
                ) from e
            if not isinstance(found[name], zarr.Array):
                raise KeyError(f"{path}: {name!r} is a group, not an array")
        return found
    return _groups.numbers(dict(_walk(where, "")), path)


def _walk(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, a in group.arrays():
        yield prefix + name, a
    for name, inner in group.groups():
        yield from _walk(inner, f"{prefix}{name}/")


def to_zarr(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_names: Sequence[str] | str | None = None,
    group: str = "/",
    compressor: Any = "default",
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    *,
    chunks: Sequence[int] | None = None,
) -> None:
    """Writes arrays of a pack to a Zarr store, a folder, in the format that the installed zarr writes by
    itself.

    array_names: which, all by default. group: where to, made where it is missing. compressor: "default" is
    Blosc with zstd and bits shuffled, None nothing; else what zarr takes, a codec of numcodecs (zarr.Blosc of
    zarr 2; with zarr 3 it makes a store of format 2) or of zarr.codecs. chunks: the shape of chunks, cut to
    an array's own; by default rows of about 4 MiB. chunk_size bounds the bytes held at once. Without zarr the
    command ffcvconvert writes the store, where it is installed (into "/" and with its own chunks). An
    existing store is replaced when the new one is complete.

    Raises DependencyError where neither is installed; KeyError for an array that the pack does not have;
    FileNotFoundError and FormatError for the pack.
    """
    with reading(input_path) as pack:
        names = pack.names(array_names)
        plain = compressor in ("default", None) and chunks is None and group.strip("/") == ""
        if not have("zarr") and plain:
            flags = ["--compression=none"] if compressor is None else []
            _command.write(input_path, output_path, "zarr", names, *flags)
            return
        zarr = need("zarr")
        with aside(output_path) as to:
            new = int(zarr.__version__.partition(".")[0]) >= 3
            codec, options = _codec(new, compressor)
            root = zarr.open_group(str(to), mode="w", **options)
            where = root.require_group(group.strip("/")) if group.strip("/") else root
            for name in names:
                rows = pack.rows(name)
                at_once = _rows.rows_at_once(rows.shape, rows.dtype, _CHUNK)
                part = tuple(chunks or (at_once, *rows.shape[1:]))[: len(rows.shape)]
                part = tuple(max(1, min(c, n)) for c, n in zip((*part, *rows.shape[len(part) :]), rows.shape))
                make = {"shape": rows.shape, "dtype": rows.dtype, "chunks": part}
                a = (
                    where.create_array(name, **make, **codec)
                    if new
                    else where.create_dataset(name, **make, **codec)
                )
                _groups.fill(a, rows, _whole(part, rows, min(chunk_size, 16 << 20)))


def _whole(part: Sequence[int], rows: Rows, size: int) -> int:
    """Bytes of rows of whole chunks, about size, so that none is packed twice."""
    one = max(1, part[0] * _rows.count(rows.shape[1:]) * rows.dtype.itemsize)
    return max(1, size // one) * one


def _codec(new: bool, compressor: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """How arrays are packed, and how the group is made, in the words of zarr 3 or 2."""
    if not new:
        if compressor == "default":
            blosc = need("numcodecs").Blosc
            compressor = blosc(cname="zstd", clevel=3, shuffle=blosc.BITSHUFFLE)
        return {"compressor": compressor}, {}
    if compressor == "default":
        codecs = need("zarr.codecs")
        compressor = codecs.BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle")
    old = type(compressor).__module__.partition(".")[0] == "numcodecs"
    return {"compressors": compressor}, {"zarr_format": 2} if old else {}
