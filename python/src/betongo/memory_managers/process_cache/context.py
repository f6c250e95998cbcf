"""ProcessCacheContext: an epoch's pages in memory of the process."""

from __future__ import annotations

import numpy as np

from ..base import MemoryContext, MemoryManager
from ..common import BATCHES_TYPE
from .schedule import ScheduleExecutor, compute_schedule

__all__ = ["ProcessCacheContext"]


class ProcessCacheContext(MemoryContext):
    """The pages of each batch while it is the current one; state is (slots of pages, ptrs, sizes, page to
    slot)."""

    def __init__(self, manager: MemoryManager, batches: BATCHES_TYPE) -> None:
        self.manager = manager
        self.fname = manager.reader.file_name
        self.batches = batches
        self.page_size = manager.reader.page_size

    @property
    def state(self) -> tuple[np.ndarray, ...]:
        return self.memory, self.manager.ptrs, self.manager.sizes, self.page_to_slot

    def __enter__(self) -> ProcessCacheContext:
        pages = self.manager.sample_to_pages
        self.schedule = compute_schedule([set().union(*(pages[int(i)] for i in b)) for b in self.batches])
        self.memory = np.zeros((self.schedule.num_slots, self.page_size), np.uint8)
        self.executor = ScheduleExecutor(self.fname, self.schedule, self.memory)
        slots = self.schedule.page_to_slot
        self.page_to_slot = np.zeros(max(slots, default=-1) + 1, np.uint32)
        for page, slot in slots.items():
            self.page_to_slot[page] = slot
        self.executor.__enter__()
        return self

    def start_batch(self, batch: int) -> None:
        self.executor.load_batch(batch)

    def __exit__(self, *_: object) -> None:
        self.executor.__exit__()
