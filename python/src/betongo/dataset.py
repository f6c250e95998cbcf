"""A .beton as a Python sequence: single samples, slices and whole columns, without an engine.

    ds = betongo.open("train.beton")
    ds[0]["image"]          # uint8 (height, width, 3)
    ds["label"]             # int64 (samples,)
    ds.find("cat/7.jpg")    # the sample that was made from that file

For training use `betongo.Loader`, which gives whole batches, decoded and augmented by the engine.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from . import _file, _storage
from ._far import open_file
from ._file import File

if TYPE_CHECKING:
    from .fields.base import Field
    from .loader import Loader

__all__ = ["Column", "Dataset", "open"]

_LOOKED_AT = 1 << 16  # rows of images whose sizes a repr tells


def open(
    path: str | os.PathLike[str],
    custom_fields: Mapping[str, type[Field]] | None = None,
    *,
    verify: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Opens a .beton file for looking at its samples.

    path may be a URL (s3://, gs://, azblob://, https://, file://), a pattern of either
    ("s3://bucket/train-*.beton"), or an index (.json): several files are one dataset, one after another.
    These the engine reads, not this process. storage_options say how URLs are reached: endpoint_url,
    region, profile, anonymous (or anon), cache (a folder that keeps what was read), cache_size, memory
    (bytes of pages, 1 GiB by default), requests (at a time), retries, timeout (seconds). Credentials are
    found where the stores' own tools look for them; ValueError for any in storage_options.

    custom_fields gives the `betongo.fields.Field` class of each custom field by its name. verify="first_read"
    has the engine compare each value, and its metadata row, with its checksum before it is given out for the
    first time: what differs is a `SampleError`. Raises FileNotFoundError, PermissionError or another OSError,
    also of objects (ESTALE for one that was replaced meanwhile), `FormatError`
    for a file that is not a sound .beton, `UnsupportedError` for one of a newer version, or with verify for
    one without checksums, and ValueError for a verify that is none.
    """
    return Dataset(path, custom_fields, verify=verify, storage_options=storage_options)


class Dataset:
    """The samples of a file, in its order.

    ds[i] is a dict of a sample's values by field names (`File.value` tells their types; they are the caller's
    own). ds[a:b] and ds[array] give the same for several samples: arrays (n, *shape) where the values have
    one shape and dtype, else lists. ds[name] is a whole column: a read-only int64 or float64 view of the map
    for Int and Float, a fresh array (samples, *shape) for NDArray and TorchTensor, else a `Column`, which
    reads values when they are asked for. Of URLs and of several files nothing is mapped, and all is a copy.

    Safe for several threads; it pickles as its path, so that workers of torch's DataLoader may have it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        custom_fields: Mapping[str, type[Field]] | None = None,
        *,
        verify: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        options = _storage.settings(storage_options)
        self._storage = options
        self.file: File = open_file(
            path, custom_fields, verify=verify, storage_options=options, memory=options.get("memory", 0)
        )

    @property
    def path(self) -> str:
        """The file's path as it was given."""
        return self.file.path

    @property
    def fields(self) -> dict[str, _file.FieldInfo]:
        """What the file says of its fields, by their names."""
        return {name: self.file.fields[self.file.index(name)] for name in self.names}

    @property
    def names(self) -> list[str]:
        """The fields' names in file order."""
        return list(self.file.field_names)

    @property
    def metadata(self) -> np.ndarray:
        """The metadata table: a read-only structured view of the map, shape (samples,), members f0, f1, …"""
        return self.file.metadata

    @property
    def classes(self) -> list[str] | None:
        """The names of the label's values 0, 1, …; None when the file does not keep them."""
        return self.file.classes

    def key(self, i: int) -> str:
        """Returns the path (relative to its folder, with /) or key that sample i was made from, "" if none is
        kept."""
        return self.file.key(self._number(i))

    def find(self, path: str) -> int:
        """Returns the first sample that was made from path. KeyError when there is none."""
        return self.file.find(path)

    def __len__(self) -> int:
        return self.file.num_samples

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self._sample(i) for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: str) -> Any: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self.column(index)
        if isinstance(index, slice):
            return self._several(np.arange(*index.indices(len(self)), dtype=np.int64))
        if hasattr(index, "__index__") and not getattr(index, "shape", ()):
            return self._sample(self._number(index))
        return self._several(self._numbers(index))

    def column(self, name: str) -> np.ndarray | Column:
        """Returns a field's values of all samples; see the class. KeyError naming the nearest."""
        k = self.file.index(name)
        if self._shaped(k):
            return self.file.column(k)
        return Column(self, k)

    def raw(self, i: int, name: str) -> np.ndarray:
        """Returns the bytes of a value as they are stored (a JPEG's stream), a read-only uint8 view of the
        map."""
        return self.file.raw(self._number(i), name)

    def loader(self, batch_size: int, **options: Any) -> Loader:
        """Returns a `betongo.Loader` over this file, verifying as this does; options are the Loader's."""
        from .loader import Loader

        if self.file._custom:
            options.setdefault("custom_fields", self.file._custom)
        if self.file.verify:
            options.setdefault("verify", self.file.verify)
        if self._storage:
            options.setdefault("storage_options", self._storage)
        return Loader(self.path, batch_size, **options)

    def close(self) -> None:
        """Lets go of the file; arrays made from it stay good."""
        self.file.close()

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _shaped(self, k: int) -> bool:
        f = self.file.fields[k]
        return f.shape is not None and f.name not in self.file._custom

    def _number(self, index: Any) -> int:
        i = operator.index(index)
        n = len(self)
        if not -n <= i < n:
            raise IndexError(f"{self.path}: sample {i} of {n}")
        return i + n if i < 0 else i

    def _numbers(self, index: Any) -> np.ndarray:
        """Turns a list or array of numbers, or of a bool for each sample, into numbers of samples."""
        a = np.asarray(index)
        if a.size == 0:
            a = a.astype(np.int64)
        if a.ndim != 1 or a.dtype.kind not in "iub":
            raise TypeError(
                f"samples are picked by a number, a slice, or a list of numbers, not by {index!r:.80}"
            )
        if a.dtype.kind == "b":
            if len(a) != len(self):
                raise IndexError(f"{len(a)} bools for {len(self)} samples")
            return np.flatnonzero(a)
        n = len(self)
        bad = np.flatnonzero((a >= n) | (a < -n) if a.dtype.kind == "i" else a >= n)
        if len(bad):
            raise IndexError(f"{self.path}: sample {a[bad[0]]} of {n}")
        a = a.astype(np.int64)
        return np.where(a < 0, a + n, a)

    def _sample(self, i: int) -> dict[str, Any]:
        self.file.check(i)
        # Of fields of one name the first counts.
        names = list(dict.fromkeys(self.names))
        return dict(zip(names, self.file.sample(i, [self.file.index(name) for name in names])))

    def _several(self, samples: np.ndarray) -> dict[str, Any]:
        self.file.check(samples)
        return {name: self._part(self.file.index(name), samples) for name in dict.fromkeys(self.names)}

    def _part(self, k: int, samples: np.ndarray) -> Any:
        """Returns some values of a field: one array where they fit together, else a list."""
        if self._shaped(k):
            return np.array(self.file.column(k, samples))
        self.file.check(samples, k)
        values = self.file.values(samples, k)
        if values and all(isinstance(v, np.ndarray) for v in values):
            if len({(v.shape, v.dtype) for v in values}) == 1:
                return np.stack(values)
        return values

    def __repr__(self) -> str:
        n = len(self)
        lines = [f"<betongo.Dataset {_storage.shown(self.path)!r}: {n:,} sample{'' if n == 1 else 's'}>"]
        rows = [
            (f.name or repr(f.name), f.type_name, self._describe(k)) for k, f in enumerate(self.file.fields)
        ]
        widths = [max(len(r[j]) for r in rows) for j in range(2)]
        lines += [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows]
        try:
            classes = self.classes
        except Exception as e:  # a repr tells of damage, and does not raise
            return "\n".join([*lines, f"  {e}"])
        if classes is not None:
            lines.append(
                f"  {len(classes)} classes: {', '.join(classes[:5])}{', …' if len(classes) > 5 else ''}"
            )
        return "\n".join(lines)

    def _describe(self, k: int) -> str:
        """Says in words what a field's values are."""
        f = self.file.fields[k]
        if f.member is None or self.file._row is None:
            return "" if f.member is not None else "(custom, nothing describes it)"
        if f.dtype is not None and f.shape is not None:
            return f.dtype.name + (f" {f.shape}" if f.shape else "")
        if self.file.far:  # a repr does not read what may be far away
            return ""
        members = self.file.rows[f"f{k}"][:_LOOKED_AT]
        of = "" if len(members) == len(self) else f" (the first {len(members):,})"
        if not len(members):
            return ""
        if f.type == _file.RGB or f.kind == "image":
            sides = [_span(members[side]) for side in ("height", "width")]
            dtype, channels = (f.dtype.name, f.channels) if f.dtype is not None else ("uint8", 3)
            return f"{dtype} ({sides[0]}, {sides[1]}, {channels}){_modes(f, members)}{of}"
        if f.type in (_file.BYTES, _file.JSON) or f.kind == "lz4":
            return f"{_span(members['size'])} bytes{of}"
        return ""


class Column(Sequence[Any]):
    """One field's values of all samples, read when they are asked for.

    c[i] is a value, c[a:b] and c[list] are an array where the values have one shape, else a list.
    np.asarray(c) reads them all.
    """

    def __init__(self, dataset: Dataset, k: int) -> None:
        self._dataset = dataset
        self._k = k

    def __len__(self) -> int:
        return len(self._dataset)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: Any) -> Any:
        ds = self._dataset
        if isinstance(index, slice):
            return ds._part(self._k, np.arange(*index.indices(len(ds)), dtype=np.int64))
        if hasattr(index, "__index__") and not getattr(index, "shape", ()):
            return ds.file.value(ds._number(index), self._k)
        return ds._part(self._k, ds._numbers(index))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self[:]
        if isinstance(values, np.ndarray):
            return values if dtype is None else values.astype(dtype)
        out = np.empty(len(values), object)
        out[:] = values
        return out

    def __repr__(self) -> str:
        f = self._dataset.file.fields[self._k]
        what = " ".join(p for p in (f.type_name, self._dataset._describe(self._k)) if p)
        return f"<betongo column {f.name!r}: {len(self):,} values, {what}>"


def _span(values: np.ndarray) -> str:
    lo, hi = int(values.min()), int(values.max())
    return str(lo) if lo == hi else f"{lo} to {hi}"


def _modes(f: _file.FieldInfo, members: np.ndarray) -> str:
    """Says how images are stored."""
    if f.type != _file.RGB:
        return ""
    jpegs = int((members["mode"] == 0).sum())
    if jpegs == len(members):
        return ", JPEG"
    return ", raw" if not jpegs else f", {100 * jpegs / len(members):.0f} % JPEG"
