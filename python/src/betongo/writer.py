"""DatasetWriter: writes datasets as .beton files."""

from __future__ import annotations

import contextlib
import errno
import glob
import multiprocessing
import os
import pickle
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from typing import Any

import numpy as np

from . import _aside, _feed, _storage
from ._engine import Connector
from ._warn import warn
from ._wire import error_of
from .errors import EngineError, Error, SampleError
from .fields.base import Field
from .types import get_metadata_type

__all__ = ["MAX_PAGE_SIZE", "MIN_PAGE_SIZE", "DatasetWriter", "WorkerError", "WriteError"]

MIN_PAGE_SIZE = 1 << 21
MAX_PAGE_SIZE = 1 << 32

NAME_SIZE = 16


class WriteError(SampleError):
    """A sample of the dataset could not be had or written.

    index is its number in the dataset, or its place in the iterable; sample the row of the file that it would
    have been; field the name of the field that refused its value, None where none did. __cause__ is the
    exception itself, with its traceback, when it was raised in Python.
    """

    def __init__(self, message: str, *, index: Any = None, **place: Any) -> None:
        super().__init__(message, **place)
        self.index = index


class WorkerError(Error):
    """A process that read the dataset ended without having done its part."""


class _Remote(Exception):
    """The traceback of another process, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def starting(method: str | None) -> Any:
    """The context that processes are started in, see DatasetWriter's start_method."""
    fixed = multiprocessing.get_start_method(allow_none=True)
    if method is None and fixed is None and sys.platform == "linux":
        method = "fork"
    return multiprocessing.get_context(method)


class DatasetWriter:
    """Writes a dataset into a .beton file.

    fname: the file, replaced when it exists, by a rename when the new one is complete; after any failure it
    is as it was. fields: a Field for each value of a sample, by names of at most 16 ASCII characters, in the
    order of the values. page_size: a power of two of at least 2 MiB; all values of a sample lie on one page.
    num_workers: processes that read the dataset, -1 for one a CPU, 0 or 1 for none but this one. The engine
    encodes and writes on all CPUs whatever num_workers is, and the file does not depend on it.

    seed: of the random choices of fields (RGBImageField's 'proportion'). classes: names of the values 0, 1, …
    of the label field, kept in the file. plain leaves out what FFCV's own writer would not have written:
    class names, checkpoints of JPEGs and checksums. large_samples: let samples span pages; FFCV reads such a
    file right with os_cache=True only. start_method: of the processes; when None, what set_start_method
    fixed, else fork on Linux, as before Python 3.14, so that a dataset need not be picklable, and elsewhere
    the platform's. progress: a bar on stderr; None for one when stderr is a terminal.

    fname may be a URL (s3://, gs://, azblob://), reached as storage_options say (`betongo.open`): the file
    is written in a temporary folder ($TMPDIR) and sent when it is complete, and appears whole or not at
    all. overwrite: whether a file that is there is replaced; None: one of the local disk, as by FFCV, but
    no object, also if it comes meanwhile. FileExistsError otherwise.

    A sample is a tuple or list with a value for each field, or a dict by the fields' names. One that can't be
    had or written raises WriteError with its index. A writer may be used again; it is for one thread.

    The file keeps names of samples, for Dataset.find: those of the argument names; where it isn't given the
    paths of a dataset like torchvision's ImageFolder (samples and root), relative to its folder with / as
    separator; and webdataset's __key__.
    """

    def __init__(
        self,
        fname: str | os.PathLike[str],
        fields: Mapping[str, Field],
        page_size: int = 4 * MIN_PAGE_SIZE,
        num_workers: int = -1,
        *,
        seed: int = 0,
        classes: Sequence[str] | None = None,
        plain: bool = False,
        large_samples: bool = False,
        start_method: str | None = None,
        progress: bool | None = None,
        overwrite: bool | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.fname = _storage.local(os.fsdecode(fname))
        self._url = _storage.is_url(self.fname)
        if self.fname.startswith("http"):
            name = _storage.shown(self.fname)
            raise ValueError(f"{name}: a web server's files can't be written; want s3:// or a path")
        self._storage = _storage.settings(storage_options)
        self._overwrite = not self._url if overwrite is None else bool(overwrite)
        self.fields = fields
        _check_fields(fields)
        if page_size < 1 or page_size & (page_size - 1):
            raise ValueError(f"page_size={page_size} is not a power of two")
        if page_size < MIN_PAGE_SIZE:
            raise ValueError(f"page_size={page_size} is below {MIN_PAGE_SIZE}")
        if page_size >= MAX_PAGE_SIZE:
            raise ValueError(f"page_size={page_size} is not below {MAX_PAGE_SIZE}")
        self.page_size = page_size
        self.num_workers = num_workers if num_workers >= 0 else _cpus()
        self.metadata_type = get_metadata_type(list(fields.values()))
        self.num_samples: int | None = None
        self.stats: dict[str, int] = {}
        """Of the last file: samples, large (spanning pages), data (bytes of values), pages, bytes."""
        self._seed = seed
        self._classes = list(classes) if classes is not None else []
        self._plain = plain
        self._large = large_samples
        self._start_method = start_method
        self._progress = progress

    def from_indexed_dataset(
        self,
        dataset: Any,
        indices: Iterable[Any] | None = None,
        chunksize: int = 100,
        shuffle_indices: bool = False,
        *,
        names: Sequence[Any] | Callable[[Any], Any] | bool | None = None,
    ) -> None:
        """Writes dataset[i] for i in indices, or for all of range(len(dataset)).

        chunksize: how many samples a process takes at a time. shuffle_indices: in an order drawn from
        np.random, as FFCV does; indices itself is left alone. Each process has a copy of the dataset: forked,
        or pickled where processes are spawned.

        names: the samples' names, by their indices: anything with [i], or a function of the index, whose None
        and "" are no name. Those of an ImageFolder are its paths, unless names is False.
        """
        _feed.namer(dataset, names)
        if chunksize < 1:
            raise ValueError(f"chunksize={chunksize}: want 1 or more")
        if indices is None:
            indices = range(len(dataset))
        elif hasattr(indices, "detach"):  # a tensor
            indices = indices.detach().cpu().numpy()
        elif not hasattr(indices, "__getitem__"):
            indices = list(indices)
        chosen: Any = indices
        if shuffle_indices:
            order = np.arange(len(chosen))
            np.random.shuffle(order)
            chosen = order if isinstance(chosen, range) else [chosen[i] for i in order]
        n = len(chosen)
        if n == 0:
            raise ValueError(
                "the dataset has no samples"
                if not len(dataset)
                else "indices is empty: there is nothing to write"
            )
        workers = min(max(1, self.num_workers), -(-n // chunksize))
        if multiprocessing.current_process().daemon:
            workers = 1  # which may have no children
        request = {"samples": n, "chunk": chunksize, "workers": workers}
        with self._target() as path, _Job(self, path=path, **request) as job:
            where = _Indices(chosen)
            if workers == 1:
                job.feed(lambda f, between: _feed.feed_indices(f, dataset, chosen, between, names), where)
            else:
                job.spawn(self._start_method, workers, dataset, chosen, where, names)

    def from_iterable(
        self,
        iterable: Iterable[Any],
        length: int | None = None,
        *,
        names: Iterable[Any] | Callable[[Any], Any] | None = None,
    ) -> None:
        """Writes the samples of an iterable, in its order; it is gone through once, in this process.

        length: how many there will be about, if that is known; a better guess saves moving data at the end.
        names: the samples' names: an iterable that has one for each, or a function of the sample.
        """
        if names is not None:
            iterable, length = _named(iterable, names), _length(iterable) if length is None else length
        if length is None:
            length = _length(iterable)
        with self._target() as path, _Job(self, path=path, reserve=length) as job:
            job.feed(lambda f, between: _feed.feed_stream(f, _some(iterable), between), None)

    def from_iterable_dataset(self, dataset: Iterable[Any]) -> None:
        """from_iterable, by the name that FFCV 1.1.0 has for it."""
        self.from_iterable(dataset)

    def from_webdataset(self, shards: Sequence[str], pipeline: Callable[[Any], Iterable[Any]]) -> None:
        """Writes the samples of webdataset's shards, in their order.

        pipeline gets a WebDataset of one shard and returns what to iterate over for the samples. Each shard
        is read once. Samples have their __key__ as name where the pipeline leaves it in a dict, or gives its
        samples one for one.
        """
        from . import _shards

        shards = list(shards)
        workers = min(max(1, self.num_workers), len(shards))
        kinds = [f["kind"] + f.get("mode", "") for f in self._request()["fields"]]
        # Whether a random choice, or where a field's pointers are, belongs to the file as a whole.
        whole = "custom" in kinds or "rgbproportion" in kinds
        if workers < 2 or whole or multiprocessing.current_process().daemon:
            self.from_iterable(_shards.samples(shards, pipeline, self.fields))
        else:
            _shards.write(self, shards, pipeline, workers)

    @contextlib.contextmanager
    def _target(self) -> Iterator[str]:
        """Where the engine writes. An object is sent when the block ends without an error."""
        if not self._url:
            yield os.path.abspath(self.fname)
            return
        # Asked first: a night's work is not to end with a wrong password.
        if _storage.exists(self.fname, self._storage) and not self._overwrite:
            what = f"{self.fname}: the object exists already (overwrite=True replaces it)"
            raise FileExistsError(errno.EEXIST, what)
        with _storage.folder() as room:
            path = os.path.join(room, _storage.file_name(self.fname))
            yield path
            _storage.upload(path, self.fname, self._storage, overwrite=self._overwrite)

    def _request(self) -> dict[str, Any]:
        """What the engine is asked for."""
        return {
            "do": "write",
            "exclusive": not self._overwrite,
            "fields": [_feed.spec(name, field) for name, field in self.fields.items()],
            "page_size": self.page_size,
            "seed": self._seed & (1 << 64) - 1,
            "classes": self._classes,
            "plain": self._plain,
            "large_samples": self._large,
        }


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _check_fields(fields: Mapping[str, Field]) -> None:
    if not fields:
        raise ValueError("no fields: a file has at least one")
    for name, field in fields.items():
        if not isinstance(name, str) or not name.isascii() or "\0" in name:
            raise ValueError(f"field name {name!r}: only ASCII characters can be stored")
        if not 0 < len(name) <= NAME_SIZE:
            raise ValueError(f"field name {name!r} has {len(name)} characters; a file keeps 1 to {NAME_SIZE}")
        if not isinstance(field, Field):
            hint = ": make one, with ()" if isinstance(field, type) and issubclass(field, Field) else ""
            raise TypeError(f"field {name!r} is {field!r}, no Field{hint}")


def _some(iterable: Iterable[Any]) -> Iterator[Any]:
    """Iterates, and raises ValueError when there is nothing."""
    empty = True
    for sample in iterable:
        empty = False
        yield sample
    if empty:
        raise _feed.of_the_whole(ValueError("the iterable has no samples"))


def _length(iterable: Iterable[Any]) -> int:
    """How many there are; 0 when that is not known."""
    try:
        return len(iterable)  # type: ignore[arg-type]
    except TypeError:
        return 0


def _named(iterable: Iterable[Any], names: Any) -> Iterator[_feed.Named]:
    """Gives samples with their names."""
    if callable(names):
        for sample in iterable:
            yield _feed.Named(sample, names(sample))
        return
    every = iter(names)
    for n, sample in enumerate(iterable):
        try:
            yield _feed.Named(sample, next(every))
        except StopIteration:
            raise ValueError(f"names has {n} names, and there are more samples") from None


class _Indices:
    """Which sample of the dataset a row of the file holds."""

    def __init__(self, indices: Sequence[Any]) -> None:
        self._indices = indices

    def __getitem__(self, row: int) -> Any:
        index = self._indices[row]
        return int(index) if isinstance(index, np.integer) else index


class _Job:
    """A file being written: the connection that asked for it, and whoever feeds it."""

    def __init__(self, writer: DatasetWriter, *, bar: Any = None, **request: Any) -> None:
        self._writer = writer
        self._bar = bar  # None: of this job's own
        self._request: dict[str, Any] = {**writer._request(), **request}
        self._connector = Connector()
        self._processes: list[Any] = []
        self._failure: tuple[Any, Exception] | None = None
        self._where: _Indices | None = None
        self._done = False
        self._path: str = self._request["path"]
        self._before = set(self._partial())

    def __enter__(self) -> _Job:
        self._control = self._connector()
        try:
            self._id = self._control.request(self._request)[0]["ok"]["job"]
        except BaseException:
            self._control.close()
            raise
        self._bar = self._bar or Bar(self._writer._progress, self._request.get("samples"))
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._control.close()
        for p in self._processes:
            if not self._done:
                p.terminate()
        for p in self._processes:
            p.join(5)
            if p.is_alive():
                p.kill()
                p.join()
        self._bar.close()
        if not self._done:
            self._clean(isinstance(error, EngineError))

    def _partial(self) -> list[str]:
        """The files that an engine collects new ones in."""
        folder, name = os.path.split(os.path.realpath(self._path))
        return glob.glob(os.path.join(glob.escape(folder), glob.escape(name[:64]) + "*.partial-*"))

    def _clean(self, dead: bool) -> None:
        """Waits until nothing is left of an unfinished file; removes what a killed engine has left."""
        end = time.monotonic() + (0 if dead else 10)
        while left := [p for p in self._partial() if p not in self._before]:
            if time.monotonic() >= end:
                break
            time.sleep(0.01)
        if dead:
            for path in left:
                try:
                    os.unlink(path)
                except OSError:
                    pass
            _aside.sweep_lock(os.path.realpath(self._path))

    def feed(self, run: Callable[[_feed.Feeder, Callable[[], object]], Any], where: _Indices | None) -> None:
        """Feeds the file from this process."""
        self._where = where
        w = self._writer
        with self._connector() as connection:
            feeder = _feed.Feeder(connection, self._id, 0, w.fields, w.page_size)
            try:
                self._failure = run(feeder, self._look)
            finally:
                feeder.close()
        self._finish()

    @property
    def count(self) -> int:
        """How many samples were written."""
        return self._writer.stats["samples"]

    def spawn(
        self,
        method: str | None,
        workers: int,
        dataset: Any,
        indices: Sequence[Any],
        where: _Indices,
        names: Any,
    ) -> None:
        """Feeds the file from processes of its own."""
        self._where = where
        w = self._writer
        context = starting(method)
        for k in range(workers):
            args = (self._connector, self._id, k, dataset, indices, w.fields, w.page_size, names)
            p = context.Process(target=_feed.work, args=args, name=f"betongo-writer-{k}")
            p.start()
            self._processes.append(p)
        alive: set[Any] = {p.sentinel for p in self._processes}
        while alive and not self._look():
            alive.difference_update(wait([self._control.fileno(), *alive]))
        if not self._look():
            self._abandoned()
        self._finish()

    def _abandoned(self) -> None:
        """No process is left. Finds out whether everything was fed."""
        with self._connector() as connection:
            answer = connection.request({"do": "feed", "job": self._id, "worker": -1, "pid": os.getpid()})[0][
                "ok"
            ]
        if "chunk" in answer:
            raise self._lost() or WorkerError(
                f"nobody is left to read row {answer['first']} and those after it"
            )

    def _look(self) -> bool:
        """Takes the news that have come. Returns whether the file is done."""
        while not self._done and (self._came() or select.select([self._control], [], [], 0)[0]):
            self._hear()
        return self._done

    def _came(self) -> bool:
        """Whether the connection has received something that was not looked at yet."""
        _, _, start, end, got, *_ = self._control._in
        return start < end or bool(got)

    def _finish(self) -> None:
        while not self._done:
            self._hear()

    def _hear(self) -> None:
        """Waits for news."""
        news, payload, _ = self._control.recv()
        if "progress" in news:
            self._bar.to(news["progress"][0])
        elif "error" in news:
            failed = self._error(news["error"], payload)
            raise failed from failed.__cause__
        elif "end" in news:
            self._done = True
            self._writer.stats = {k: int(v) for k, v in news["end"].items()}
            self._writer.num_samples = self._writer.stats["samples"]
            self._bar.to(self._writer.num_samples)
            for text in news.get("warnings", ()):
                warn(text)

    def _error(self, error: dict[str, Any], payload: bytearray) -> BaseException:
        """The exception for the engine's account of a failure."""
        if error.get("kind") == "worker":
            return self._lost() or WorkerError(str(error.get("message")))
        if error.get("kind") != "sample":
            return error_of(error)
        row = error.get("sample")
        index = self._where[row] if self._where is not None and row is not None else row
        field, cause = error.get("field"), None
        what = str(error.get("message"))
        if payload:
            told = pickle.loads(payload) if self._failure is None else {"error": self._failure[1]}
            cause = told["error"]
            if self._failure is not None:
                index = self._failure[0]
            elif cause is not None:
                cause.__cause__ = _Remote(told["text"])
            else:
                cause = _Remote(told["text"])
            field = getattr(cause, "_betongo_field", None) or told.get("field")
        if getattr(cause, "_betongo_whole", False):
            return cause  # type: ignore[return-value]
        place = (
            f"sample {index!r}"
            + (f" (row {row})" if index != row else "")
            + (f", field {field!r}" if field else "")
        )
        file = self._writer.fname if self._writer._url else self._path
        failed = WriteError(f"{place}: {what}", index=index, sample=row, field=field, file=file)
        failed.__cause__ = cause
        return failed

    def _lost(self) -> WorkerError | None:
        """How a process ended that should not have."""
        for k, p in enumerate(self._processes):
            p.join(2)
            if p.exitcode:
                who = f"process {k} of {len(self._processes)} (pid {p.pid}) that read the dataset"
                return WorkerError(f"{who} {how_ended(p.exitcode)}")
        return None


def how_ended(status: int) -> str:
    """Says what a process's exit status means."""
    return f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"


class Bar:
    """Progress on stderr: tqdm's bar where there is tqdm."""

    def __init__(self, wanted: bool | None, total: int | None) -> None:
        self.shown = sys.stderr is not None and (sys.stderr.isatty() if wanted is None else wanted)
        self._at, self._total, self._last = 0, total, 0.0
        self._bar: Any = None
        if not self.shown:
            return
        try:
            from tqdm import tqdm

            self._bar = tqdm(total=total, file=sys.stderr)
        except ImportError:
            pass

    def to(self, n: int) -> None:
        """Says how many samples are written."""
        step, self._at = n - self._at, n
        if not self.shown:
            return
        if self._bar is not None:
            self._bar.update(step)
        elif time.monotonic() - self._last >= 0.1 or n == self._total:
            self._last = time.monotonic()
            of = f" of {self._total}" if self._total else ""
            print(f"\r{n}{of} samples", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.shown:
            print(file=sys.stderr)
