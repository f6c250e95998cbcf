"""Writing webdataset's shards: each by a process into a file of its own, which the engine puts together."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from . import _feed
from ._engine import Connector

if TYPE_CHECKING:
    from .writer import DatasetWriter

__all__ = ["samples", "write"]

Pipeline = Callable[[Any], Iterable[Any]]


def samples(shards: Iterable[str], pipeline: Pipeline, fields: Iterable[str]) -> Iterator[Any]:
    """The samples of the shards, one after another, with their keys as names where these are known."""
    import inspect

    from webdataset import WebDataset

    settings: dict[str, Any] = {}
    if "shardshuffle" in inspect.signature(WebDataset.__init__).parameters:
        settings["shardshuffle"] = False
    for shard in shards:
        keys = _Keys()
        dataset = pipeline(WebDataset(shard, **settings).map(keys.note))
        if dataset is None:
            error = TypeError("the pipeline returned None: it has to return the dataset that it makes")
            raise _feed.of_the_whole(error)
        for sample in dataset:
            yield keys.name(sample, fields)


class _Keys:
    """Which keys of a shard its samples have.

    A dict has its own. A tuple has lost it; it has the key of what the pipeline read last, as long as the
    pipeline reads one sample for each that it gives: one that shuffles, filters or cuts samples in pieces
    doesn't, and from there on samples have no names.
    """

    def __init__(self) -> None:
        self._ahead = 0  # samples read and not given
        self._lost = False
        self._last: Any = None

    def note(self, sample: Any) -> Any:
        self._ahead += 1
        self._last = sample.get("__key__") if isinstance(sample, dict) else None
        return sample

    def name(self, sample: Any, fields: Iterable[str]) -> Any:
        self._ahead -= 1
        self._lost = self._lost or self._ahead != 0
        if isinstance(sample, dict):
            name = sample.get("__key__")
            kept = {k: v for k, v in sample.items() if k in fields or not str(k).startswith("__")}
            return _feed.Named(kept, name)
        return sample if self._lost else _feed.Named(sample, self._last)


def write(writer: DatasetWriter, shards: list[str], pipeline: Pipeline, workers: int) -> None:
    """Writes the file of all shards, with processes that each take one after another."""
    with writer._target() as path:
        _write(writer, shards, pipeline, workers, os.path.realpath(path))


def _write(writer: DatasetWriter, shards: list[str], pipeline: Pipeline, workers: int, path: str) -> None:
    from .writer import Bar, WorkerError, how_ended, starting

    folder = tempfile.mkdtemp(prefix=os.path.basename(path)[:64] + ".partial-", dir=os.path.dirname(path))
    context = starting(writer._start_method)
    processes: list[Any] = []
    bar = Bar(writer._progress, None)
    try:
        turn = context.Value("q", 0)
        news: dict[Any, Any] = {}  # the process of each pipe
        connector = Connector()
        for k in range(workers):
            mine, its = context.Pipe(duplex=False)
            args = (connector, writer, shards, pipeline, folder, turn, its)
            p = context.Process(target=_work, args=args, name=f"betongo-writer-{k}")
            p.start()
            its.close()
            processes.append(p)
            news[mine] = p
        counts: dict[int, int] = {}  # samples, by shard
        while news:
            ready: list[Any] = wait(list(news))
            for pipe in ready:
                try:
                    told = pipe.recv()
                except EOFError:
                    p = news.pop(pipe)
                    p.join(5)
                    if p.exitcode != 0:
                        how = how_ended(p.exitcode)
                        raise WorkerError(f"a process (pid {p.pid}) that read shards {how}") from None
                    continue
                if isinstance(told, bytes):
                    _raise(told, path)
                counts[told[0]] = told[1]
                bar.to(sum(counts.values()))
        parts = [_part(folder, k) for k in range(len(shards)) if counts[k]]
        if not parts:
            raise ValueError("the shards have no samples")
        request = {
            "do": "merge",
            "path": path,
            "parts": parts,
            "plain": writer._plain,
            "large_samples": writer._large,
            "exclusive": not writer._overwrite,
        }
        with connector() as connection:
            end = connection.request(request)[0]["end"]
        writer.stats = {k: int(v) for k, v in end.items()}
        writer.num_samples = writer.stats["samples"]
    finally:
        bar.close()
        for p in processes:
            p.terminate()
        for p in processes:
            p.join(5)
            if p.is_alive():
                p.kill()
                p.join()
        for _ in range(100):  # the engine may still be about to notice that a process is gone
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.exists(folder):
                break
            time.sleep(0.02)


class _Teller:
    """A bar whose progress another process shows."""

    def __init__(self, news: Any, shard: int) -> None:
        self._news, self._shard, self._last = news, shard, 0.0

    def to(self, n: int) -> None:
        if time.monotonic() - self._last >= 0.1:
            self._last = time.monotonic()
            self._news.send((self._shard, n))

    def close(self) -> None:
        pass


def _part(folder: str, shard: int) -> str:
    return os.path.join(folder, f"{shard:06d}.beton")


def _raise(told: bytes, path: str) -> None:
    """Raises what a process has told of a shard's sample."""
    from .writer import WriteError, _Remote

    account = pickle.loads(told)
    error = account["error"]
    if error is None:
        raise WriteError(f"shard {account['shard']!r}: {account['message']}", file=path) from _Remote(
            account["text"]
        )
    error.__cause__ = _Remote(account["text"])
    if getattr(error, "_betongo_whole", False):
        raise error
    if isinstance(error, WriteError):
        raise error
    raise WriteError(f"shard {account['shard']!r}: {type(error).__name__}: {error}", file=path) from error


def _work(
    connector: Connector,
    writer: DatasetWriter,
    shards: list[str],
    pipeline: Pipeline,
    folder: str,
    turn: Any,
    news: Any,
) -> None:
    """What a process runs: it writes the next shard that nobody has begun, until there is none."""
    from .writer import WriteError, _Job

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        with turn.get_lock():
            k = turn.value
            turn.value += 1
        if k >= len(shards):
            return
        try:
            feed = partial(_feed.feed_stream, samples=samples([shards[k]], pipeline, writer.fields))
            with _Job(writer, bar=_Teller(news, k), path=_part(folder, k)) as job:
                job.feed(lambda f, between, feed=feed: feed(f, between=between), None)  # type: ignore[misc]
            news.send((k, job.count))
        except Exception as e:
            if isinstance(e, WriteError):
                e = WriteError(
                    f"shard {shards[k]!r}, {e}", index=e.index, sample=e.sample, field=e.field, file=e.file
                )
            told = pickle.loads(_feed.account(None, e))
            news.send(pickle.dumps({**told, "shard": shards[k]}))
            sys.exit(1)
