"""Writing webdataset's shards: each by a process into a file of its own, which the engine puts together."""

from __future__ import annotations

import multiprocessing
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


def samples(shards: Iterable[str], pipeline: Pipeline) -> Iterator[Any]:
    """The samples of the shards, one after another."""
    import inspect

    from webdataset import WebDataset

    settings: dict[str, Any] = {}
    if "shardshuffle" in inspect.signature(WebDataset.__init__).parameters:
        settings["shardshuffle"] = False
    for shard in shards:
        dataset = pipeline(WebDataset(shard, **settings))
        if dataset is None:
            error = TypeError("the pipeline returned None: it has to return the dataset that it makes")
            raise _feed.of_the_whole(error)
        yield from dataset


def write(writer: DatasetWriter, shards: list[str], pipeline: Pipeline, workers: int) -> None:
    """Writes the file of all shards, with processes that each take one after another."""
    from .writer import WorkerError, how_ended

    path = os.path.realpath(writer.fname)
    folder = tempfile.mkdtemp(prefix=os.path.basename(path)[:64] + ".partial-", dir=os.path.dirname(path))
    context: Any = multiprocessing.get_context(writer._start_method)
    processes: list[Any] = []
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
        counts: dict[int, int] = {}
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
        parts = [_part(folder, k) for k in range(len(shards)) if counts[k]]
        if not parts:
            raise ValueError("the shards have no samples")
        request = {
            "do": "merge",
            "path": path,
            "parts": parts,
            "plain": writer._plain,
            "large_samples": writer._large,
        }
        with connector() as connection:
            end = connection.request(request)[0]["end"]
        writer.stats = {k: int(v) for k, v in end.items()}
        writer.num_samples = writer.stats["samples"]
    finally:
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
            feed = partial(_feed.feed_stream, samples=samples([shards[k]], pipeline))
            with _Job(writer, quiet=True, path=_part(folder, k)) as job:
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
