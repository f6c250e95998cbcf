"""HDF5, by h5py, or by the command ffcvconvert."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _command, _rows
from ._aside import aside
from ._depend import have, need
from ._pack import PackWriter, opened, reading, stored_name
from ._rows import DEFAULT_CHUNK_SIZE, FormatError, Rows

__all__ = ["from_hdf5", "to_hdf5"]

_CHUNK = 1 << 20  # bytes of the chunks that datasets are stored in


def from_hdf5(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    dataset_names: Sequence[str] | str | None = None,
    group: str = "/",
    drop_if_exists: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
    *,
    dataset: str | None = None,
) -> Any:
    """Puts datasets of an HDF5 file into a pack.

    dataset_names: which, by their paths below group; all below it by default, those in deeper groups too.
    dataset: one. They are called by these paths with dots for slashes, train.features, as names in packs are
    parts of file names. Datasets whose elements packs do not have (strings, records) are left out with a
    warning, unless they are asked for. Scalars get the shape (1,). chunk_size bounds the bytes held at once,
    but for one row of the dataset's own chunks.

    Without h5py the command ffcvconvert reads the file, where it is installed. The pack is changed when all
    is there, or not at all; other arrays of it stay (drop_if_exists: they don't). Returns None, or with
    return_npk_obj the opened NumPack.

    Raises DependencyError where neither is installed; FileNotFoundError; FormatError (a ValueError) for a
    broken file; KeyError for a group or dataset that is not there; TypeError for elements that packs do not
    have.
    """
    path = Path(input_path)
    if not path.exists():
        raise FileNotFoundError(f"File not found: {path}")
    chosen = dataset if dataset_names is None else dataset_names
    wanted = [chosen] if isinstance(chosen, str) else chosen
    if not have("h5py"):
        _by_command(path, output_path, wanted, group, drop_if_exists)
        return opened(output_path) if return_npk_obj else None
    h5py = need("h5py")
    try:
        file = h5py.File(str(path), "r")
    except OSError as e:
        raise FormatError(path, f"no HDF5 file, or a broken one: {e}") from e
    with file, PackWriter(output_path, drop_if_exists) as pack:
        for name, found in _datasets(h5py, file, path, group, wanted).items():
            pack.add(_dataset_rows(found, stored_name(name), path), chunk_size)
    return opened(output_path) if return_npk_obj else None


def _datasets(h5py: Any, file: Any, path: Path, group: str, wanted: Sequence[str] | None) -> dict[str, Any]:
    """Datasets by their paths below a group."""
    where = file.get(group)
    if not isinstance(where, h5py.Group):
        raise KeyError(f"{path}: no group {group!r}")
    if wanted is None:
        found: dict[str, Any] = {}
        where.visititems(
            lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None
        )
        bad = [name for name, d in found.items() if d.shape is None or d.dtype.kind not in "biufc"]
        if bad:
            warnings.warn(
                f"{path}: left out, as packs have no such elements: {', '.join(bad)}",
                UserWarning,
                stacklevel=3,
            )
        return {name: d for name, d in found.items() if name not in bad}
    found = {}
    for name in wanted:
        item = where.get(name)
        if not isinstance(item, h5py.Dataset):
            raise KeyError(f"{path}: no dataset {name!r} in group {group!r}; there are {list(where.keys())}")
        if item.shape is None:
            raise TypeError(f"{path}: dataset {name!r} is empty, without a shape")
        found[name] = item
    return found


def _dataset_rows(d: Any, name: str, path: Path) -> Rows:
    shape, dtype = tuple(d.shape), d.dtype

    def blocks(size: int) -> Iterator[np.ndarray]:
        try:
            if not shape:
                yield np.asarray(d[()], dtype)
                return
            step = _rows.rows_at_once(shape, dtype, min(size, 16 << 20))
            if d.chunks:
                step = max(1, round(step / d.chunks[0])) * d.chunks[0]  # none is unpacked twice
            for lo in range(0, shape[0], step):
                yield np.ascontiguousarray(d[lo : lo + step])
        except (OSError, RuntimeError) as e:
            raise FormatError(path, f"broken data: {e}", array=d.name) from e

    return Rows(name, dtype, shape, blocks, file=str(path))


def _by_command(
    path: Path,
    output_path: str | os.PathLike[str],
    wanted: Sequence[str] | None,
    group: str,
    drop_if_exists: bool,
) -> None:
    below = group.strip("/") + "/" if group.strip("/") else ""

    def pick(listed: _command.Listed) -> dict[str, str]:
        inside = {n.strip("/")[len(below) :]: n for n in listed if n.strip("/").startswith(below)}
        if wanted is None:
            good = _command.numeric({n: listed[n] for n in inside.values()})
            return {n: stored_name(n.strip("/")[len(below) :]) for n in good}
        missing = [n for n in wanted if n.strip("/") not in inside]
        if missing:
            raise KeyError(f"{path}: no datasets {missing} in group {group!r}; there are {list(inside)}")
        return {inside[n.strip("/")]: stored_name(n) for n in wanted}

    with (
        _command.converted(path, "h5py", output_path, pick) as done,
        PackWriter(output_path, drop_if_exists) as pack,
    ):
        for name in done.names(None):
            pack.add(done.rows(name), DEFAULT_CHUNK_SIZE)


def to_hdf5(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_names: Sequence[str] | str | None = None,
    group: str = "/",
    compression: str | int | None = "gzip",
    compression_opts: Any = 4,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
) -> None:
    """Writes arrays of a pack to an HDF5 file, as datasets of their names.

    array_names: which, all by default. group: where to, made where it is missing. compression: as h5py has
    it, "gzip", "lzf" or None; compression_opts: the level of gzip, for others what their filter takes.
    Datasets are stored in chunks of about a megabyte. chunk_size bounds the bytes held at once. Without h5py
    the command ffcvconvert writes the file, where it is installed (into "/" only). An existing file is
    replaced when the new one is complete.

    Raises DependencyError where neither is installed; KeyError for an array that the pack does not have;
    FileNotFoundError and FormatError for the pack.
    """
    with reading(input_path) as pack:
        names = pack.names(array_names)
        if not have("h5py") and group.strip("/") == "":
            level = f":{compression_opts}" if compression == "gzip" and compression_opts is not None else ""
            flags = [f"--compression={compression}{level}"] if compression else []
            _command.write(input_path, output_path, "h5py", names, *flags)
            return
        h5py = need("h5py")
        with aside(output_path) as to, h5py.File(str(to), "w") as file:
            where = file.require_group(group)
            for name in names:
                rows = pack.rows(name)
                options: dict[str, Any] = {}
                if compression is not None and _rows.count(rows.shape):
                    options["compression"] = compression
                    # lzf takes no options, and NumPack's default is gzip's.
                    if compression_opts is not None and (compression != "lzf"):
                        options["compression_opts"] = compression_opts
                if _rows.count(rows.shape):
                    options["chunks"] = (_rows.rows_at_once(rows.shape, rows.dtype, _CHUNK), *rows.shape[1:])
                d = where.create_dataset(name, rows.shape, rows.dtype, **options)
                at = 0
                for block in rows.blocks(min(chunk_size, 16 << 20)) if d.size else ():
                    d[at : at + len(block)] = block
                    at += len(block)
