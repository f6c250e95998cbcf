"""Arrays in groups, stored in chunks: what HDF5 and Zarr have in common."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _command, _rows
from ._pack import PackWriter, stored_name
from ._rows import DEFAULT_CHUNK_SIZE, FormatError, Rows

__all__ = ["by_command", "fill", "numbers", "rows_of"]


def numbers(found: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Those of a file's arrays whose elements packs have; a warning for the others.

    found: arrays with shape (None for none at all) and dtype, by name. The warning names the line that
    called the caller of this.
    """
    bad = [n for n, a in found.items() if a.shape is None or np.dtype(a.dtype).kind not in "biufc"]
    if bad:
        warnings.warn(
            f"{path}: left out, as packs have no such elements: {', '.join(bad)}", UserWarning, stacklevel=4
        )
    return {n: a for n, a in found.items() if n not in bad}


def rows_of(a: Any, name: str, path: Path, called: str, broken: tuple[type[Exception], ...]) -> Rows:
    """Rows of an array in a file, of whole chunks of its own.

    called: its name in errors. broken: what its library raises where its data are; they come as FormatError.
    """
    shape, dtype = tuple(a.shape), np.dtype(a.dtype)

    def blocks(size: int) -> Iterator[np.ndarray]:
        try:
            if not shape:
                yield np.asarray(a[()], dtype)
                return
            step = _rows.rows_at_once(shape, dtype, min(size, 16 << 20))
            if a.chunks:
                step = max(1, round(step / a.chunks[0])) * a.chunks[0]  # none is unpacked twice
            for lo in range(0, shape[0], step):
                yield np.ascontiguousarray(a[lo : lo + step])
        except broken as e:
            raise FormatError(path, f"broken data: {e}", array=called) from e

    return Rows(name, dtype, shape, blocks, file=str(path))


def fill(a: Any, rows: Rows, size: int) -> None:
    """Writes rows, about size bytes at once, to an array in a file that is as large as they are."""
    at = 0
    for block in rows.blocks(size) if a.size else ():
        a[at : at + len(block)] = block
        at += len(block)


def by_command(
    path: Path,
    package: str,
    kind: str,
    output_path: str | os.PathLike[str],
    wanted: Sequence[str] | None,
    group: str,
    drop_if_exists: bool,
) -> None:
    """Puts arrays of a file into a pack by the command ffcvconvert, as its library would.

    package: the library that is missing. kind: what an array is called in the format. Raises as the library's
    way does.
    """
    below = group.strip("/") + "/" if group.strip("/") else ""

    def pick(listed: _command.Listed) -> dict[str, str]:
        def told(name: str) -> str:
            name = name.strip("/")
            return path.stem if name in ("", path.stem) and len(listed) == 1 else name[len(below) :]

        inside = {told(n): n for n in listed if n.strip("/").startswith(below)}
        if wanted is None:
            good = _command.numeric({n: listed[n] for n in inside.values()})
            return {n: stored_name(told(n)) for n in good}
        missing = [n for n in wanted if n.strip("/") not in inside]
        if missing:
            raise KeyError(f"{path}: no {kind}s {missing} in group {group!r}; there are {list(inside)}")
        return {inside[n.strip("/")]: stored_name(n) for n in wanted}

    with (
        _command.converted(path, package, output_path, pick) as done,
        PackWriter(output_path, drop_if_exists) as pack,
    ):
        for name in done.names(None):
            pack.add(done.rows(name), DEFAULT_CHUNK_SIZE)
