"""EpochIterator: the batches of one epoch."""

from __future__ import annotations

import time
import weakref
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pipeline.compiler import Compiler
from .ahead import Ahead

if TYPE_CHECKING:
    from .._stream import Epoch, LoaderStream, Slot
    from .loader import Loader
    from .program import Program

__all__ = ["EpochIterator"]


class Progress:
    """How far an epoch is: what a loader's state is made of."""

    def __init__(self, epoch: int, stream: LoaderStream) -> None:
        self.epoch = epoch
        self.stream = stream
        self.given = 0  # batches that the loop got
        self.ended = False  # whether the loop has been told that there are no more
        self.slots: Epoch | None = None  # of the engine
        self.python = 0  # nanoseconds that operations of Python took


class EpochIterator:
    """Batches of one epoch, as tuples or dicts of outputs. One thread at a time.

    ids are the samples' numbers in the file of the batch that came last, int64 (n,); skipped those that the
    error policy left out of it; lengths the true lengths of rows of outputs that differ in it, by output.
    close, or the iterator's end, ends what works ahead of it.
    """

    def __init__(self, loader: Loader, program: Program, progress: Progress, slots: Epoch | None) -> None:
        self.loader = loader
        self.epoch = progress.epoch
        self.ids: np.ndarray = np.empty(0, np.int64)
        self.skipped: list[Any] = []
        self.lengths: dict[str, np.ndarray] = {}
        self.closed = False
        self._names: list[str] | None = program.names if loader.as_dict else None
        self._outs = [] if slots is None else [out.name for out in slots.outputs]
        self._program = program
        self._progress = progress
        progress.slots = slots
        self._batches = 0 if slots is None else slots.batches
        work = _work(slots, program, progress, loader.num_workers)
        self._items: Ahead[Any] | Generator[Any, None, None] = work
        self._last_act: Any = None
        if program.threaded:
            self._items = Ahead(work, loader.batches_ahead)
            # Also when the interpreter ends before the loop does.
            self._last_act = weakref.finalize(self, self._items.close)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.closed:
            raise StopIteration
        try:
            batch, self.ids, self.skipped, lengths = next(self._items)
        except StopIteration:
            self._progress.ended = True
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        self._progress.given += 1
        self.lengths = {self._outs[i]: n for i, n in lengths}
        outputs = self._program.hand_out(batch)
        if self._names is not None:
            return dict(zip(self._names, outputs))
        return tuple(outputs)

    def __length_hint__(self) -> int:
        return max(self._batches - self._progress.given, 0)

    def close(self) -> None:
        """End the epoch where it is. Again is no error."""
        if not self.closed:
            self.closed = True
            self._items.close()
            if self._last_act is not None:
                self._last_act.detach()

    def __del__(self) -> None:
        if not getattr(self, "closed", True):
            self.close()


def _work(
    slots: Epoch | None, program: Program, progress: Progress, threads: int
) -> Generator[Any, None, None]:
    """Give the outputs of each batch, its ids, what was skipped, and the lengths of columns that have them.

    No name here holds on to a batch that was given: its memory goes back when the loop drops it.
    """
    if slots is None:
        return
    if program.threaded:
        Compiler.set_num_threads(threads)  # which numba keeps for each thread
    try:
        yield from map(lambda slot: _outputs(slot, program, progress), slots)
    finally:
        slots.close()


def _outputs(slot: Slot, program: Program, progress: Progress) -> tuple[Any, ...]:
    columns = slot.columns
    if not columns:
        slot.release()
    lengths = [(i, c.lengths) for i, c in enumerate(columns) if c.lengths is not None]
    if not program.threaded:
        return program.run(slot.ids, columns), slot.ids, slot.skipped, lengths
    began = time.perf_counter_ns()
    outputs = program.run(slot.ids, columns)
    progress.python += time.perf_counter_ns() - began
    return outputs, slot.ids, slot.skipped, lengths
