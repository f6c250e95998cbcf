"""What a dataset holds, and what two have in common: `betongo.stats` and `betongo.overlap`.

report = betongo.stats("train.beton")
image = next(f for f in report["fields"] if f["name"] == "image")["image"]
mean, std = ([c[k] for c in image["channels"]] for k in ("mean", "std"))
leaked = betongo.overlap("train.beton", "val.beton", near=True)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union

from . import _storage, _task
from ._task import Progress

__all__ = ["overlap", "stats"]

Path = Union[str, "os.PathLike[str]"]


def stats(
    file: Path,
    *,
    fields: Sequence[str] | None = None,
    samples: int | None = None,
    pixels: Literal["full", "scaled", "none"] = "full",
    duplicates: bool = True,
    near: bool = False,
    distance: int | None = None,
    limit: int = 100,
    memory: int | str | None = None,
    workers: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Looks through file, the path or URL of a .beton, an index, or a pattern, and returns what `ffcv stats
    --json` prints: of each field its values' sizes, of images mean and standard deviation of each channel
    over all pixels (exact), sizes and aspects, of ints the counts of labels, of arrays their range, equal
    values, and what is broken.

    fields are those to look at, samples how many, spread evenly, by default all. pixels="scaled" decodes
    pictures at an eighth of their size, which is quicker and about right, "none" looks at sizes alone.
    duplicates=False leaves out the search for equal values; near looks for pictures that are alike, whose
    perceptual hashes differ in at most distance of 64 bits (7). limit is how many groups, pairs and broken
    values are listed; all are counted. memory is how many bytes of hashes are not in temporary files (256
    MiB).

    A broken sample is in the report; what raises are ValueError for an option, FormatError and OSErrors for
    the file.
    """
    request = _request([file], fields, near, distance, limit, memory, workers)
    request |= {"samples": samples or 0, "pixels": pixels, "duplicates": duplicates}
    return _task.run(request, storage_options=storage_options, progress=progress)[0]


def overlap(
    a: Path,
    b: Path,
    *,
    fields: Sequence[str] | None = None,
    near: bool = False,
    distance: int | None = None,
    limit: int = 100,
    memory: int | str | None = None,
    workers: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Finds what datasets a and b have in common, training and validation for one, and returns what `ffcv
    stats A --against B --json` prints as "overlap": of each field of both (or of those named) the values that
    are the same to the last byte, and with near the pictures that are alike, as `stats` does.

    "fields" of the report has for each field "values", how many different ones are in both, "in_a" and
    "in_b", how many samples have them, and "list", the first limit of them with the numbers of their samples.
    """
    request = _request([a, b], fields, near, distance, limit, memory, workers)
    return _task.run(request, storage_options=storage_options, progress=progress)[0]


def _request(
    paths: Sequence[Path],
    fields: Sequence[str] | None,
    near: bool,
    distance: int | None,
    limit: int,
    memory: int | str | None,
    workers: int | None,
) -> dict[str, Any]:
    return {
        "do": "survey",
        "paths": [_task.path(p) for p in paths],
        "fields": None if fields is None else list(fields),
        "near": near,
        "distance": distance or 0,
        "limit": limit,
        "memory": 0 if memory is None else _storage.size("memory", memory),
        "workers": workers or 0,
    }
