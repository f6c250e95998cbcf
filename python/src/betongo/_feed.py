"""Handing samples to the engine that writes them: what a writer's processes, or the writer itself, run.

How parts and their columns look is laid down in the engine's internal/engine/write.go.
"""

from __future__ import annotations

import mmap
import os
import pickle
import secrets
import tempfile
import traceback
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ._engine import Connector
from ._wire import Connection
from .errors import EngineError
from .fields import (
    AudioField,
    BytesField,
    FloatField,
    ImageField,
    IntField,
    JSONField,
    LZ4Field,
    NDArrayField,
    RGBImageField,
    TorchTensorField,
)
from .fields.base import FORM_CUSTOM, Entry, Field, _torch
from .fields.basics import _integer, _real

__all__ = [
    "Feeder",
    "Named",
    "Stopped",
    "account",
    "feed_indices",
    "feed_stream",
    "namer",
    "of_the_whole",
    "spec",
    "work",
]

_SEGMENT = 2 << 20  # bytes of a segment that holds small values
_PART = 1 << 20  # of a part that is sent before its segment is full
_INLINE = 16 << 10  # up to here values go with the request
_ROWS = 4096  # of a part at most
_OPEN = 32 << 20  # bytes of segments that may wait to be encoded
_LEAST = 3  # segments that may wait whatever their size

_NATIVE = {
    AudioField,
    BytesField,
    FloatField,
    ImageField,
    IntField,
    JSONField,
    LZ4Field,
    NDArrayField,
    RGBImageField,
    TorchTensorField,
}

# Where the metadata of a class's fields have their pointer.
_POINTERS = (
    (BytesField(), 0),
    (NDArrayField("u1", (1,)), 0),
    (RGBImageField(), 5),
    (ImageField(), 0),
    (AudioField(), 16),
    (LZ4Field(BytesField()), 0),
)


def spec(name: str, field: Field) -> dict[str, Any]:
    """Returns what the engine is told of a field."""
    if type(field) in _NATIVE:
        return {"name": name, **field._spec()}  # type: ignore[attr-defined]
    dtype = np.dtype(field.metadata_type)
    args = np.asarray(field.to_binary()[0], np.uint8).tobytes()
    if len(args) > 1024:
        raise ValueError(f"field {name!r}: to_binary gives {len(args)} bytes, a file keeps 1024")
    if dtype.hasobject:
        raise ValueError(f"field {name!r}: metadata of {dtype} can't be stored")
    import base64

    custom: dict[str, Any] = {
        "name": name,
        "kind": "custom",
        "size": dtype.itemsize,
        "align": dtype.alignment,
    }
    custom["args"] = base64.b64encode(args.ljust(1024, b"\0")).decode("ascii")
    for base, at in _POINTERS:
        if isinstance(field, type(base)) and dtype == base.metadata_type:
            custom["pointers"] = [at]
    return custom


class Segment:
    """Memory that the engine sees too: a memfd, or a file without a name."""

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.size = size
        if hasattr(os, "memfd_create"):
            import fcntl

            self.fd = os.memfd_create("betongo-samples", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(self.fd, size)
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        else:
            with tempfile.TemporaryFile() as f:
                f.truncate(size)
                self.fd = os.dup(f.fileno())
        self._map = mmap.mmap(self.fd, size)
        self.view = memoryview(self._map)

    def sent(self) -> None:
        """The engine has the file: the map is enough."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def close(self) -> None:
        """Lets go of the memory. Again is no error."""
        self.sent()
        self.view.release()
        self._map.close()

    def __del__(self) -> None:
        if getattr(self, "fd", -1) >= 0:
            os.close(self.fd)


class Named:
    """A sample, and the name that the file is to keep of it."""

    __slots__ = ("name", "sample")

    def __init__(self, sample: Any, name: Any) -> None:
        self.sample = sample
        self.name = name


Names = Callable[[Any], Any]
"""Gives the name of the sample of an index."""


def namer(dataset: Any, names: Any) -> Names | None:
    """Returns what names the samples of a dataset: names as DatasetWriter takes them."""
    if names is None:
        return _paths(dataset)
    if names is False:
        return None
    if callable(names):
        return names  # type: ignore[no-any-return]
    if isinstance(names, (str, bytes)) or not hasattr(names, "__getitem__"):
        raise TypeError(
            f"names={names!r}: want a list by the samples' indices, a function of these, or False"
        )
    return names.__getitem__  # type: ignore[no-any-return]


def _paths(dataset: Any) -> Names | None:
    """The samples' paths in a dataset of folders like torchvision's, or in a part of one, else None."""
    inner, chosen = getattr(dataset, "dataset", None), getattr(dataset, "indices", None)
    if inner is not None and chosen is not None and hasattr(chosen, "__getitem__"):
        of = _paths(inner)
        return None if of is None else lambda i: of(chosen[i])
    samples, root = getattr(dataset, "samples", None), getattr(dataset, "root", None)
    if not isinstance(samples, list) or not samples or not isinstance(root, (str, os.PathLike)):
        return None
    if not isinstance(samples[0], tuple) or not samples[0] or not isinstance(samples[0][0], str):
        return None
    folder = os.path.join(os.fspath(root), "")  # type: ignore[arg-type]

    def path(i: Any) -> str:
        name: str = samples[i][0]
        name = name[len(folder) :] if name.startswith(folder) else os.path.relpath(name, folder)
        return name.replace(os.sep, "/")

    return path


def _name(name: Any) -> bytes:
    """A name as the file keeps it."""
    if isinstance(name, os.PathLike):
        name = os.fspath(name)
    if isinstance(name, bytes):
        return name
    if name is None:
        return b""
    if not isinstance(name, str):
        raise TypeError(f"the sample's name is {name!r}: want a str, or None for no name")
    return name.encode("utf-8", "surrogateescape")


class Stopped(Exception):
    """The engine wants no more samples."""


class Feeder:
    """A connection that feeds a file's samples. For one thread."""

    def __init__(
        self, connection: Connection, job: int, worker: int, fields: Mapping[str, Field], page_size: int
    ) -> None:
        self._c = connection
        self._names = list(fields)
        self._fields = list(fields.values())
        self._kinds = [_kind(f) for f in self._fields]
        self._scalars = all(k in ("int", "float") for k in self._kinds)
        self._page_size = page_size
        self._place = secrets.randbits(44) << 18 | 1 << 62  # what malloc gives out begins here
        self._free: list[Segment] = []
        self._away: dict[int, Segment] = {}
        self._segments = 0
        self._segment: Segment | None = None
        self._begin()
        request = {"do": "feed", "job": job, "worker": worker, "pid": os.getpid()}
        self.answer = self._take(connection.request(request)[0])
        self._at = (self.answer.get("chunk", 0), self.answer["first"])

    def _begin(self) -> None:
        """Begins a part."""
        codes = {"int": "q", "float": "d"}
        self._columns = [array(codes.get(k, "Q")) for k in self._kinds]
        self._rows = 0
        self._used = 0
        self._called: dict[int, bytes] = {}  # names, by row
        self._letters = 0

    def _take(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Looks what the engine has done with."""
        ok: dict[str, Any] = answer["ok"]
        for number in ok.get("free", ()):
            self._free.append(self._away.pop(number))
        return ok

    def add(self, sample: Any, name: Any = None) -> None:
        """Adds a sample to what is fed. Any exception is the sample's; EngineError and Stopped are not."""
        if type(sample) is Named:
            sample, name = sample.sample, sample.name
        called = _name(name)
        values = _values(sample, self._names, self._scalars)
        row: list[Any] = []
        room = 0
        for field, kind, value, name in zip(self._fields, self._kinds, values, self._names, strict=True):
            try:
                if kind == "int":
                    row.append(
                        value if type(value) is int and -(1 << 63) <= value < 1 << 63 else _integer(value)
                    )
                elif kind == "float":
                    row.append(value if type(value) is float else _real(value))
                else:
                    entry = self._custom(field, value) if kind == "custom" else field._entry(value)  # type: ignore[attr-defined]
                    data = memoryview(entry[4])
                    if data.ndim != 1 or data.itemsize != 1 or data.format != "B":
                        data = data.cast("B") if data.nbytes else memoryview(b"")
                    room += data.nbytes
                    row.append((entry, data))
            except Exception as e:
                e._betongo_field = name  # type: ignore[attr-defined]
                raise
        if room:
            self._reserve(room)
        for column, kind, cell in zip(self._columns, self._kinds, row, strict=True):
            if kind == "int" or kind == "float":
                column.append(cell)
                continue
            (form, a, b, c, _), data = cell
            at, size = self._used, data.nbytes
            if size:
                self._used = at + size
                self._segment.view[at : self._used] = data  # type: ignore[union-attr]
            column.extend((form | a << 32, b | c << 32, at, size))
        if called:
            self._called[self._rows] = called
            self._letters += len(called)
        self._rows += 1
        if max(self._used, self._letters) >= _PART or self._rows >= _ROWS:
            self._send(False)

    def _reserve(self, size: int) -> None:
        """Makes room for size bytes in the present segment, or sends what is in it and takes another."""
        if self._segment is not None and self._used + size <= self._segment.size:
            return
        if self._rows:
            self._send(False)
        if self._segment is None or self._segment.size < size:
            if self._segment is not None:
                self._free.append(self._segment)
                self._segment = None
            self._segment = self._get(max(_SEGMENT, 1 << (size - 1).bit_length()))

    def _get(self, size: int) -> Segment:
        """Returns a free segment of at least size bytes, when need be after waiting for one."""
        while True:
            fit = [s for s in self._free if s.size >= size]
            if fit:
                best = min(fit, key=lambda s: s.size)
                self._free.remove(best)
                return best
            waiting = sum(s.size for s in self._away.values())
            if len(self._away) < _LEAST or waiting + size <= _OPEN:
                while self._free:
                    self._free.pop().close()  # too small for what comes now
                self._segments += 1
                return Segment(self._segments, size)
            answer = self._take(self._c.request({"do": "free"})[0])
            if answer.get("stop"):
                raise Stopped

    def _send(self, last: bool) -> dict[str, Any]:
        """Sends the part; returns the answer."""
        chunk, first = self._at
        request: dict[str, Any] = {
            "do": "part",
            "chunk": chunk,
            "first": first,
            "rows": self._rows,
            "last": last,
        }
        columns = b"".join([c.tobytes() for c in self._columns])
        segment, fds = self._segment, ()
        if segment is not None and self._used > _INLINE:
            request["segment"] = [segment.number, self._used]
            if segment.fd >= 0:
                fds = (segment.fd,)  # type: ignore[assignment]
            self._away[segment.number] = segment
            self._segment = None
        elif self._used:
            columns += segment.view[: self._used]  # type: ignore[union-attr]
        if self._called:
            names = [self._called.get(i, b"") for i in range(self._rows)]
            block = np.array([len(name) for name in names], "<u4").tobytes() + b"".join(names)
            request["names"] = len(block)
            columns += block
        answer = self._c.request(request, columns, fds)[0]
        if fds and segment is not None:
            segment.sent()
        self._at = (chunk, first + self._rows)
        self._begin()
        ok = self._take(answer)
        if ok.get("stop") and not last:
            raise Stopped
        return ok

    def end(self) -> bool:
        """Ends the chunk, or the stream; answer is the next chunk then. Returns whether there is one."""
        self.answer = self._send(True)
        if "chunk" not in self.answer:
            return False
        self._at = (self.answer["chunk"], self.answer["first"])
        return True

    def fail(self, index: Any, error: Exception) -> None:
        """Says that the sample after the ones that were added can't be had, and why."""
        if self._rows:
            self._send(False)
        where = f"{type(error).__name__}: {error}"
        request = {
            "do": "fail",
            "row": self._at[1],
            "index": index if isinstance(index, int) else -1,
            "message": where,
        }
        self._c.request(request, account(index, error))

    def close(self) -> None:
        """Lets go of the memory that it shares with the engine."""
        for s in (*self._free, *self._away.values(), self._segment):
            if s is not None:
                s.close()
        self._free, self._away, self._segment = [], {}, None

    def _custom(self, field: Field, value: Any) -> Entry:
        """Encodes a value by a field of the user's own."""
        meta = np.zeros(1, dtype=field.metadata_type)
        given: list[tuple[int, np.ndarray]] = []

        def malloc(size: int) -> tuple[int, np.ndarray]:
            size = int(size)
            if not 0 <= size <= self._page_size:
                raise ValueError(
                    f"malloc({size}): a page has {self._page_size} bytes, choose a larger page_size"
                )
            buffer = np.zeros(size, np.uint8)
            self._place += 1
            given.append((self._place, buffer))
            return self._place, buffer

        field.encode(meta, value, malloc)
        data = meta.tobytes()
        heads = b""
        for pointer, buffer in given:
            mark = pointer.to_bytes(8, "little")
            at = data.find(mark)
            if at < 0 or data.find(mark, at + 1) >= 0:
                raise ValueError(
                    f"{type(field).__name__}.encode stored the pointer of malloc({buffer.size}) "
                    f"{'nowhere in the metadata' if at < 0 else 'twice'}: it belongs there once, as it is, "
                    "in eight bytes"
                )
            heads += buffer.size.to_bytes(8, "little") + at.to_bytes(8, "little")
        if not given:
            return FORM_CUSTOM, 0, 0, 0, data
        return FORM_CUSTOM, len(given), 0, 0, b"".join([data, heads, *(b.tobytes() for _, b in given)])


def _kind(field: Field) -> str:
    if type(field) is IntField:
        return "int"
    if type(field) is FloatField:
        return "float"
    return "native" if type(field) in _NATIVE else "custom"


def _values(sample: Any, names: list[str], scalars: bool) -> Sequence[Any]:
    """A sample's values in the order of the fields."""
    if isinstance(sample, (tuple, list)):
        values: Sequence[Any] = sample
    elif isinstance(sample, Mapping):
        missing, more = [n for n in names if n not in sample], [k for k in sample if k not in names]
        if missing or more:
            raise ValueError(f"a sample with the keys {list(sample)} for the fields {names}")
        return [sample[n] for n in names]
    elif isinstance(sample, np.void) and sample.dtype.names:
        values = sample.item()
    elif (
        scalars and len(names) > 1 and (isinstance(sample, np.ndarray) or _torch(sample)) and sample.ndim == 1
    ):
        values = sample.tolist()
    else:
        raise TypeError(
            f"a sample is a {type(sample).__name__}: want a tuple or list with a value for each field, or a "
            f"dict by their names ({', '.join(names)})"
        )
    if len(values) != len(names):
        raise ValueError(f"{len(values)} values for {len(names)} fields ({', '.join(names)})")
    return values


def of_the_whole(error: Exception) -> Exception:
    """Marks an exception as one that no sample is to blame for: it is raised as it is."""
    error._betongo_whole = True  # type: ignore[attr-defined]
    return error


def account(index: Any, error: Exception) -> bytes:
    """What the caller of the writer is told of a failure in another process."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    told = {
        "index": index,
        "text": text,
        "field": getattr(error, "_betongo_field", None),
        "type": type(error).__name__,
    }
    try:
        data = pickle.dumps({**told, "error": error})
        pickle.loads(data)
        return data
    except Exception:
        return pickle.dumps({**told, "index": repr(index), "error": None, "message": str(error)})


def feed_indices(
    feeder: Feeder, dataset: Any, indices: Sequence[Any], between: Any = None, names: Any = None
) -> tuple[Any, Exception] | None:
    """Feeds the samples of the chunks that the engine gives out; between is called now and then. names are
    as namer takes them.

    Returns the index and the error of a sample that can't be had, after telling the engine.
    """
    if "chunk" not in feeder.answer:
        return None
    name = namer(dataset, names)
    try:
        more = True
        while more:
            first = feeder.answer["first"]
            for row in range(first, first + feeder.answer["rows"]):
                index = indices[row]
                if isinstance(index, np.integer):
                    index = int(index)
                try:
                    feeder.add(dataset[index], None if name is None else name(index))
                except (EngineError, Stopped):
                    raise
                except Exception as e:
                    feeder.fail(index, e)
                    return index, e
            more = feeder.end()
            if between is not None:
                between()
    except Stopped:
        pass
    return None


def feed_stream(feeder: Feeder, samples: Iterable[Any], between: Any = None) -> tuple[Any, Exception] | None:
    """Feeds all samples, as feed_indices does; the index is the place in the iterable."""
    if not feeder.answer.get("stream"):
        return None
    index = 0
    try:
        try:
            for sample in samples:
                feeder.add(sample)
                index += 1
                if between is not None and feeder._rows == 0:
                    between()
        except (EngineError, Stopped):
            raise
        except Exception as e:
            feeder.fail(index, e)
            return index, e
        feeder.end()
    except Stopped:
        pass
    return None


def work(
    connector: Connector,
    job: int,
    worker: int,
    dataset: Any,
    indices: Sequence[Any],
    fields: Mapping[str, Field],
    page_size: int,
    names: Any,
) -> None:
    """What a worker process runs."""
    import signal
    import sys

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the writer answers it, and ends this process
    try:
        with connector() as connection:
            feeder = Feeder(connection, job, worker, fields, page_size)
            feed_indices(feeder, dataset, indices, names=names)
    except EngineError:
        sys.exit(3)  # the writer hears it from the engine itself
