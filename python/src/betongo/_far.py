"""Datasets that the engine reads for this process: those of URLs, and of several files.

`Far` has a `File`'s names. Nothing of it is mapped: rows, stored bytes, the allocation table and names come
from the engine when they are asked for, as copies.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _file, _storage
from ._block import Section
from ._file import File
from .errors import SampleError, UnsupportedError

if TYPE_CHECKING:
    from ._wire import Connection
    from .fields.base import Field

__all__ = ["Column", "Far", "open_file"]

_KEPT = 256 << 20  # bytes of rows up to which the whole table is kept, once it was asked for
_AT_A_TIME = 4096  # samples that are asked for together


def open_file(
    path: str | os.PathLike[str],
    custom_fields: Mapping[str, type[Field]] | None = None,
    *,
    verify: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    memory: int = 0,
) -> File:
    """Opens a file of the local disk as a `File`, anything else as a `Far`.

    Raises ValueError for storage_options that are none; else as these do.
    """
    plain = _storage.local(os.fspath(path))
    options = _storage.settings(storage_options)
    if _storage.is_url(plain) or _storage.is_several(plain):
        return Far(plain, custom_fields, verify=verify, storage=options, memory=memory)
    return File(plain, custom_fields, verify=verify)


class Far(File):
    """A dataset that the engine has open: an object's, or several files' one after another.

    The engine opens it when this is made. Of several files the numbers of samples go on from one to the
    next, and pointers are counted in all of them. An object that is replaced from then on is an OSError
    (ESTALE) of what is read of it; so is one that has to be opened again, because the engine has died, and
    is not the same.

    Safe for several threads. It pickles as its path and settings, and a forked child may go on using it.
    """

    far = True

    def __init__(
        self,
        path: str,
        custom_fields: Mapping[str, type[Field]] | None = None,
        *,
        verify: str | None = None,
        storage: Mapping[str, Any],
        memory: int = 0,
    ) -> None:
        self._storage = dict(storage)
        self._memory = memory
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._owner = 0
        self._told: dict[str, Any] | None = None  # what the engine said when it opened the dataset
        self._all: np.ndarray | None = None  # rows, where they are kept
        self._closed = False
        self._layout: dict[str, dict[str, int]] = {}  # of fields that only the program knows
        super().__init__(path, custom_fields, verify=verify)

    def _open(self) -> None:
        self._map = np.empty(0, np.uint8)
        self._entries = None
        self._connect()
        told = self._told
        assert told is not None
        self.num_samples, self.page_size = int(told["samples"]), int(told["page_size"])
        descriptors = np.frombuffer(told["descriptors"], np.uint8)
        self.num_fields = len(descriptors) // _file.DESCRIPTOR_SIZE
        header = np.zeros(1, _file.HEADER)
        header[0] = _file.VERSION, self.num_fields, self.page_size, self.num_samples, told["table"]
        self.header = header[0]
        self._read_fields(descriptors)
        layout = self.opaque()
        if layout != self._layout:
            self._layout = layout
            if self._connection is not None:
                self._connection.close()

    # -- the engine ------------------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        """Returns a connection that has the dataset open: this process's, made anew where it has none."""
        from ._engine import Connector

        with self._lock:
            c = self._connection
            if c is not None and not c.closed and self._owner == os.getpid():
                return c
            if self._closed:
                raise ValueError(f"{_storage.shown(self.path)}: the dataset is closed")
            c = Connector(_storage.program(self.path))()
            try:
                answer, descriptors = c.request(self._request())
                told = {**answer["ok"], "descriptors": bytes(descriptors)}
                if self._told is not None and told != self._told:
                    raise OSError(
                        errno.ESTALE,
                        f"{_storage.shown(self.path)}: it is another dataset than when it was opened",
                    )
            except BaseException:
                c.close()
                raise
            self._told, self._connection, self._owner = told, c, os.getpid()
            return c

    def _request(self) -> dict[str, Any]:
        path = self.path if _storage.is_url(self.path) else os.path.abspath(self.path)
        request: dict[str, Any] = {
            "do": "open",
            "paths": [path],
            "memory": self._memory,
            "storage": _storage.request(self._storage),
        }
        if self._layout:
            request["custom"] = self._layout
        return request

    def ask(
        self, request: dict[str, Any], payload: Any = b"", connection: Any = None
    ) -> tuple[dict[str, Any], bytearray]:
        c = self._connect()
        told = {k: v for k, v in request.items() if k != "cached"}
        answer, data = c.request(told, payload)
        return answer, data

    def _taken(
        self, samples: np.ndarray | tuple[int, int], fields: Sequence[int]
    ) -> tuple[np.ndarray, list[list[np.ndarray]]]:
        """The rows of the first of these samples, as many as fit an answer, and for each the stored bytes of
        fields. samples: numbers inside the dataset, or first and last."""
        request: dict[str, Any] = {"do": "samples", "fields": list(fields)}
        if isinstance(samples, tuple):
            request["from"], request["to"] = samples
            answer, data = self.ask(request)
        else:
            request["ids"] = len(samples)
            answer, data = self.ask(request, np.ascontiguousarray(samples, "<i8").tobytes())
        n, k = int(answer["ok"]["samples"]), len(fields)
        dtype = self.metadata_type
        at = n * dtype.itemsize
        room = np.frombuffer(data, np.uint8)
        room.flags.writeable = False
        rows = room[:at].view(dtype) if dtype.itemsize else np.zeros(n, dtype)
        sizes = room[at : at + 8 * n * k].view("<i8")
        ends = at + 8 * n * k + np.cumsum(sizes)
        begins = ends - sizes
        stored = [room[int(b) : int(e)] for b, e in zip(begins, ends)]
        return rows, [stored[i * k : (i + 1) * k] for i in range(n)]

    # -- what the dataset holds ------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return super().__repr__().replace(repr(self.path), repr(_storage.shown(self.path)), 1)

    @property
    def rows(self) -> np.ndarray:
        """The whole metadata table, a copy. It is kept where it is small."""
        if self._all is not None:
            return self._all
        dtype = self.metadata_type
        out = np.empty(self.num_samples, dtype)
        at = 0
        while at < self.num_samples:
            rows, _ = self._taken((at, self.num_samples), ())
            out[at : at + len(rows)] = rows
            at += len(rows)
        out.flags.writeable = False
        if out.nbytes <= _KEPT:
            self._all = out
        return out

    @property
    def alloc_table(self) -> np.ndarray:
        """The allocation table, of several files one after another, a copy."""
        if self._entries is None:
            parts: list[np.ndarray] = []
            n = 0
            while True:
                _, data = self.ask({"do": "entries", "from": n})
                if not data:
                    break
                parts.append(np.frombuffer(data, _file.ENTRY))
                n += len(parts[-1])
            out = np.concatenate(parts) if parts else np.empty(0, _file.ENTRY)
            out.flags.writeable = False
            self._entries = out
        return self._entries

    @property
    def has_data(self) -> bool:
        return self.num_samples > 0 and any(f.type not in (_file.INT, _file.FLOAT) for f in self.fields)

    @property
    def sections(self) -> list[Section]:
        raise UnsupportedError(
            f"{_storage.shown(self.path)}: sections are those of one file of the local disk"
        )

    @property
    def classes(self) -> list[str] | None:
        assert self._told is not None
        names = self._told["classes"]
        return None if names is None else list(names)

    def key(self, i: int) -> str:
        return str(self.ask({"do": "key", "sample": self._sample(i)})[0]["ok"]["key"])

    def find(self, path: str) -> int:
        i = int(self.ask({"do": "find", "key": path})[0]["ok"]["sample"])
        if i < 0:
            raise KeyError(f"{_storage.shown(self.path)} has no sample {path!r}, or keeps no names")
        return i

    def bytes(self, offset: int, size: int) -> np.ndarray:
        raise UnsupportedError(
            f"{_storage.shown(self.path)}: bytes by offset are those of one file of the local disk"
        )

    # -- values ----------------------------------------------------------------------------------------------

    def sample(self, i: int, fields: Sequence[int]) -> list[Any]:
        i = self._sample(i)
        for k in fields:
            self.check(i, k)
        return self._values(np.array([i]), fields)[0]

    def values(self, samples: Sequence[int] | np.ndarray, field: int) -> list[Any]:
        ids = np.asarray(samples, np.int64)
        return [one for (one,) in self._values(ids, [field])]

    def _values(self, ids: np.ndarray, fields: Sequence[int]) -> list[list[Any]]:
        made: list[list[Any]] = []
        wanted = [k for k in fields if self._stores(k)]
        at = 0
        while at < len(ids):
            part = ids[at : at + _AT_A_TIME]
            rows, stored = self._taken(part, wanted)
            for i, row, have in zip(part.tolist(), rows, stored):
                made.append([self._one(i, k, row, dict(zip(wanted, have))) for k in fields])
            at += len(rows)
        return made

    def _one(self, i: int, k: int, row: Any, stored: dict[int, np.ndarray]) -> Any:
        if self.fields[k].name in self._custom:
            return self._run_decoder(i, k)
        return self._made(i, k, row[f"f{k}"], lambda: stored[k])

    def _stores(self, k: int) -> bool:
        """Whether values of a field have bytes that the engine knows how to find."""
        f = self.fields[k]
        if f.name in self._custom or f.type == _file.CUSTOM and not f.kind:
            return False
        return f.type not in (_file.FLOAT, _file.INT)

    def raw(self, i: int, field: str | int) -> np.ndarray:
        i, k = self._sample(i), self.index(field)
        self.check(i, k)
        if not self._stores(k):
            return np.empty(0, np.uint8)
        return self._taken(np.array([i]), [k])[1][0][0]

    def _guard(self, i: int, k: int, read: Any) -> Any:
        from ._value import DecodeError

        try:
            return read()
        except (ValueError, OverflowError, DecodeError) as e:
            name, path = self.fields[k].name, _storage.shown(self.path)
            raise SampleError(
                f"{path}: sample {i}: field {name!r}: {e}", file=path, field=name, sample=i
            ) from e

    def region(self, i: int, ptr: int, size: int) -> np.ndarray:
        """Returns a region of sample i; OSError, FormatError or SampleError for one outside."""
        if size == 0:
            return np.empty(0, np.uint8)
        _, data = self.ask({"do": "ranges", "n": 1}, np.array([i, ptr, size], "<i8").tobytes())
        return np.frombuffer(data, np.uint8)

    def fetch(
        self,
        data: np.ndarray,
        samples: np.ndarray,
        ptrs: np.ndarray,
        sizes: np.ndarray,
        begins: np.ndarray,
    ) -> None:
        lo, ends = 0, begins + sizes
        while lo < len(ptrs):
            hi = lo + max(1, int(np.searchsorted(ends[lo:], begins[lo] + np.uint64(256 << 20), "right")))
            triples = np.stack([samples[lo:hi], ptrs[lo:hi], sizes[lo:hi]], axis=1).astype("<i8")
            _, got = self.ask({"do": "ranges", "n": hi - lo}, triples.tobytes())
            data[int(begins[lo]) : int(ends[hi - 1])] = np.frombuffer(got, np.uint8)
            lo = hi

    def _reading(self) -> tuple[Callable[[int, Any], np.ndarray], Callable[[np.ndarray], Any]]:
        from .loader.regions import Regions

        regions = Regions(self)
        return regions._checked, regions.state

    def column(self, field: str | int, samples: np.ndarray | None = None) -> np.ndarray:
        """As `File.column`; every array is a copy."""
        k = self.index(field)
        f = self.fields[k]
        if f.dtype is None or f.shape is None or f.name in self._custom:
            raise TypeError(
                f"{_storage.shown(self.path)}: field {f.name!r} is {f.type_name}, whose values have "
                "no common shape"
            )
        self.check(samples, k)
        n = self.num_samples if samples is None else len(samples)
        out = np.empty((n, *f.shape), f.dtype)
        at, scalar = 0, f.type in (_file.FLOAT, _file.INT)
        while at < n:
            if samples is None:
                part: Any = (at, n if scalar else min(n, at + _AT_A_TIME))
            else:
                part = samples[at:] if scalar else samples[at : at + _AT_A_TIME]
            rows, stored = self._taken(part, () if scalar else [k])
            if scalar:
                out[at : at + len(rows)] = rows[f"f{k}"]
            else:
                for j, (row, (b,)) in enumerate(zip(rows, stored), at):
                    number = j if samples is None else int(samples[j])
                    out[j] = self._made(number, k, row[f"f{k}"], lambda b=b: b)  # type: ignore[misc]
            at += len(rows)
        return out

    # -- life ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Lets go of the dataset. Idempotent."""
        with self._lock:
            c, self._connection, self._closed = self._connection, None, True
        if c is not None and self._owner == os.getpid():
            c.close()
        self._all, self._entries = None, np.empty(0, _file.ENTRY)
        self.num_samples = 0

    def __getstate__(self) -> dict[str, Any]:
        from ._engine import Connector

        # The connector brings this process's engine along to a child that is being spawned.
        more = {
            "storage": self._storage,
            "memory": self._memory,
            "connector": Connector(_storage.program(self.path)),
        }
        return {**super().__getstate__(), **more}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(  # type: ignore[misc]
            state["path"],
            state["custom"],
            verify=state["verify"],
            storage=state["storage"],
            memory=state["memory"],
        )


class Column:
    """A field's column of the metadata that is read when it is first used: what operations of this package
    are given of a dataset that isn't mapped."""

    def __init__(self, file: File, member: str) -> None:
        self._file = file
        self._member = member
        self.dtype: np.dtype[Any] = file.metadata_type[member]

    def _array(self) -> np.ndarray:
        return self._file.metadata[self._member]

    def __getitem__(self, index: Any) -> Any:
        return self._array()[index]

    def __len__(self) -> int:
        return self._file.num_samples

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        a = self._array()
        return a if dtype is None else a.astype(dtype)


def columns(file: File) -> Any:
    """The metadata of a file by its members' names: the table, or where that isn't mapped what reads it
    when it is needed."""
    return _Columns(file) if file.far else file.metadata


class _Columns:
    def __init__(self, file: File) -> None:
        self._file = file

    def __getitem__(self, member: str) -> Column:
        return Column(self._file, member)
