"""Which pages are in memory when, and the threads that read them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from queue import Queue

import numpy as np

from .page_reader import PageReader

__all__ = ["Schedule", "ScheduleExecutor", "compute_schedule"]


@dataclass
class Schedule:
    """What happens to pages at each batch.

    num_slots: pages in memory at most. page_to_slot: where each page goes. can_prefetch_at, entering_at,
    leaving_at: the pages that may be read from a batch on, are needed by it, and are not needed from it on.
    """

    num_slots: int
    page_to_slot: Mapping[int, int]
    can_prefetch_at: Mapping[int, set[int]]
    entering_at: Mapping[int, set[int]]
    leaving_at: Mapping[int, set[int]]


def compute_schedule(pages_in_batch: Sequence[Iterable[int]], prefetch_ahead: int = 3) -> Schedule:
    """Gives each page a slot from prefetch_ahead batches before its first use until after its last one."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for b, pages in enumerate(pages_in_batch):
        for page in pages:
            first.setdefault(page, b)
            last[page] = b
    prefetch: dict[int, set[int]] = defaultdict(set)
    entering: dict[int, set[int]] = defaultdict(set)
    leaving: dict[int, set[int]] = defaultdict(set)
    for page, b in first.items():
        prefetch[max(0, b - prefetch_ahead)].add(page)
        entering[b].add(page)
        leaving[last[page] + 1].add(page)
    slots: dict[int, int] = {}
    free: list[int] = []
    made = 0
    for b in range(len(pages_in_batch)):
        free += [slots[page] for page in sorted(leaving[b])]
        for page in sorted(prefetch[b]):
            if not free:
                free.append(made)
                made += 1
            slots[page] = free.pop()
    return Schedule(made, slots, prefetch, entering, leaving)


class ScheduleExecutor:
    """Reads pages into memory (slots, page_size) as a schedule has it, by threads of its own."""

    def __init__(
        self, fname: str | os.PathLike[str], schedule: Schedule, memory: np.ndarray, num_workers: int = 12
    ) -> None:
        self.fname = fname
        self.schedule = schedule
        self.memory = memory
        self.queries: Queue[tuple[int, int] | None] = Queue()
        self.loaded_queue: Queue[int | BaseException] = Queue()
        self.num_workers = num_workers
        self.entered = False
        self.next_batch = 0
        self.loaded: set[int] = set()
        self.threads: list[PageReader] = []

    def __enter__(self) -> ScheduleExecutor:
        if self.entered:
            raise RuntimeError("a ScheduleExecutor can be entered once")
        self.entered = True
        for _ in range(self.num_workers):
            reader = PageReader(self.fname, self.queries, self.loaded_queue, self.memory)
            reader.start()
            self.threads.append(reader)
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self.threads:
            self.queries.put(None)
        for reader in self.threads:
            reader.join()

    def load_batch(self, current_batch: int) -> None:
        """Asks for the pages that may come now, and waits for those of the batch. Raises what reading one
        raised."""
        if current_batch != self.next_batch:
            raise ValueError(f"batch {current_batch} is loaded, {self.next_batch} is the next")
        for page in sorted(self.schedule.can_prefetch_at.get(current_batch, ())):
            self.queries.put((page, self.schedule.page_to_slot[page]))
        for page in self.schedule.entering_at.get(current_batch, ()):
            while page not in self.loaded:
                loaded = self.loaded_queue.get()
                if isinstance(loaded, BaseException):
                    raise loaded
                self.loaded.add(loaded)
        self.next_batch = current_batch + 1
