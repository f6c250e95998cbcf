"""Samples of a .beton as other systems' datasets: `betongo.export`.

    betongo.export("train.beton", to="tar", out="shards")

The formats are folders of class folders (torchvision's ImageFolder), WebDataset's tar shards, Parquet as
Hugging Face's datasets read it, and MosaicML's MDS. JPEGs keep their bytes; pictures that are stored as
pixels become PNGs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np

from . import _storage, _task
from ._task import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Exported", "LeftOut", "export"]

Path = Union[str, "os.PathLike[str]"]
Format = Literal["folder", "tar", "parquet", "mds"]


@dataclass(frozen=True)
class LeftOut:
    """A sample that was not exported: its number, its name ("" none), and why."""

    sample: int
    key: str
    reason: str


@dataclass(frozen=True)
class Exported:
    """What was written: how many samples, files of all kinds and shards among them, and their bytes; png is
    how many pictures were stored as pixels. failed samples were left out, as skip_errors allowed; skipped has
    the first 10,000 of them."""

    path: str
    samples: int
    failed: int
    skipped: list[LeftOut] = field(repr=False)
    files: int
    shards: int
    bytes: int
    png: int


def export(
    file: Path,
    to: Format,
    out: Path,
    *,
    indices: Iterable[int] | None = None,
    fields: Sequence[str] | None = None,
    key_from: str | None = None,
    label: str | None = None,
    shard_size: int | str | None = None,
    ext: Mapping[str, str] | None = None,
    prefix: str | None = None,
    metadata: bool = False,
    skip_errors: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Writes the samples of file, the path or URL of a .beton, an index, or a pattern, to the folder out.

    out appears whole or not at all, and the same file and options give the same bytes. Something at out is a
    FileExistsError; overwrite replaces an earlier export, and nothing else. indices are the samples to
    export, in this order. fields are those to export, all by default; label is the field of labels, by
    default the one called so, or the only int field. key_from says what samples are called: "path", the path
    that each came from, "index", its number, or the name of a field; by default the path of those that have
    one, else the number. shard_size is the most that a shard may have, 256 MiB by default, 64 MiB of mds. ext
    are extensions of bytes fields' files by field, "bin" by default. prefix begins the names of tar and
    parquet shards: "train", say, by which Hugging Face knows a split. metadata writes metadata.jsonl into a
    folder. progress is called with how many samples of how many are done.

    Raises BuildError for a sample that can't be exported, unless skip_errors, and for two of one name;
    TypeError for indices that are no whole numbers, ValueError for an option, and OSErrors.
    """
    chosen = None if indices is None else _numbers(indices)
    path = _task.path(out)
    request = {
        "do": "export",
        "path": _task.path(file),
        "out": path,
        "format": to,
        "shard_size": 0 if shard_size is None else _storage.size("shard_size", shard_size),
        "key_from": key_from or "",
        "fields": None if fields is None else list(fields),
        "label": label or "",
        "ext": dict(ext or {}),
        "prefix": prefix or "",
        "metadata": metadata,
        "skip_errors": skip_errors,
        "overwrite": overwrite,
        "workers": workers or 0,
        "indices": None if chosen is None else len(chosen),
    }
    payload = b"" if chosen is None else chosen.tobytes()
    told, _ = _task.run(request, storage_options=storage_options, progress=progress, payload=payload)
    told["skipped"] = [LeftOut(**s) for s in told["skipped"]]
    return Exported(path=path, **told)


def _numbers(indices: Iterable[int]) -> NDArray[np.int64]:
    a = np.asarray(indices if isinstance(indices, np.ndarray) else list(indices))
    if a.ndim != 1 or a.size and not np.issubdtype(a.dtype, np.integer):
        raise TypeError(f"indices are {a.dtype} of shape {a.shape}: want whole numbers, (n,)")
    return a.astype("<i8")
