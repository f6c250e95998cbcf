"""MemoryAllocator: space in data pages for a sample's values, as FFCV's writer gives it out."""

from __future__ import annotations

import os
from typing import BinaryIO

import numpy as np

from .utils import align_to_page

__all__ = ["MemoryAllocator"]


class MemoryAllocator:
    """Appends pages of page_size bytes to a file whose descriptors are written, from the first page boundary
    after offset_start on.

    All that a sample takes lies on one page: where the rest of a page is too small for it, malloc raises
    MemoryError once, and the sample is to be encoded again. allocations is the list of (sample, ptr, size).
    One writer at a time; use it as a context. `betongo.DatasetWriter` does not need it: its engine gives out
    space.
    """

    def __init__(self, fname: str | os.PathLike[str], offset_start: int, page_size: int) -> None:
        self.fname = fname
        self.offset = align_to_page(offset_start, page_size)
        self.page_size = page_size
        self.page_offset = 0
        self.my_page = -1
        self.page_data = np.zeros(page_size, np.uint8)
        self.allocations: list[tuple[int, int, int]] = []
        self.current_sample_id = -1
        self.fp: BinaryIO | None = None

    def __enter__(self) -> MemoryAllocator:
        self.fp = open(self.fname, "r+b", buffering=0)
        return self

    def set_current_sample(self, current_sample_id: int) -> None:
        """Says whose values are allocated from now on."""
        self.current_sample_id = current_sample_id

    @property
    def space_left_in_page(self) -> int:
        """Bytes free on the present page, 0 before the first."""
        return 0 if self.my_page < 0 else self.page_size - self.page_offset

    def malloc(self, size: int) -> tuple[int, np.ndarray]:
        """Returns the pointer of size bytes in the file, and the uint8 array to write them to.

        ValueError for more than a page, MemoryError when the sample has to begin again on a new page.
        """
        if size > self.page_size:
            raise ValueError(
                f"{size} bytes do not fit on a page of {self.page_size}: choose a larger page_size"
            )
        if size > self.space_left_in_page:
            self.flush_page()
            self.my_page += 1
            self.page_offset = 0
            self.page_data.fill(0)
            begun = False
            while self.allocations and self.allocations[-1][0] == self.current_sample_id:
                self.allocations.pop()
                begun = True
            if begun:
                raise MemoryError("the sample goes to a new page")
        at = self.page_offset
        self.page_offset += size
        ptr = self.offset + max(self.my_page, 0) * self.page_size + at
        self.allocations.append((self.current_sample_id, ptr, size))
        return ptr, self.page_data[at : self.page_offset]

    def flush_page(self) -> None:
        """Writes the present page to its place."""
        if self.my_page < 0:
            return
        if self.fp is None:
            raise RuntimeError("a MemoryAllocator is used inside of `with`")
        self.fp.seek(self.offset + self.my_page * self.page_size)
        self.fp.write(self.page_data.tobytes())

    def __exit__(self, *_: object) -> None:
        if self.fp is not None:
            self.flush_page()
            self.fp.close()
            self.fp = None
