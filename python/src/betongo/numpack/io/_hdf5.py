"""HDF5, by h5py, or by the command ffcvconvert."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _command, _groups, _rows
from ._aside import aside
from ._depend import have, need
from ._pack import PackWriter, opened, reading, stored_name
from ._rows import DEFAULT_CHUNK_SIZE, FormatError, existing

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
    path = existing(input_path)
    chosen = dataset if dataset_names is None else dataset_names
    wanted = [chosen] if isinstance(chosen, str) else chosen
    if not have("h5py"):
        _groups.by_command(path, "h5py", "dataset", output_path, wanted, group, drop_if_exists)
        return opened(output_path) if return_npk_obj else None
    h5py = need("h5py")
    try:
        file = h5py.File(str(path), "r")
    except OSError as e:
        raise FormatError(path, f"no HDF5 file, or a broken one: {e}") from e
    with file, PackWriter(output_path, drop_if_exists) as pack:
        for name, found in _datasets(h5py, file, path, group, wanted).items():
            rows = _groups.rows_of(found, stored_name(name), path, found.name, (OSError, RuntimeError))
            pack.add(rows, chunk_size)
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
        return _groups.numbers(found, path)
    found = {}
    for name in wanted:
        item = where.get(name)
        if not isinstance(item, h5py.Dataset):
            raise KeyError(f"{path}: no dataset {name!r} in group {group!r}; there are {list(where.keys())}")
        if item.shape is None:
            raise TypeError(f"{path}: dataset {name!r} is empty, without a shape")
        found[name] = item
    return found


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
                _groups.fill(d, rows, min(chunk_size, 16 << 20))
