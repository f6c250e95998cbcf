"""Stored bytes, for operations of Python that read them themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedError
from ..reader import Reader
from .images import Images
from .regions import Regions

if TYPE_CHECKING:
    from ..memory_managers.base import MemoryManager

__all__ = ["Stored"]


class Stored:
    """What finds the bytes of a file. Nothing is made before it is asked for: the engine needs none of it.

    With os_cache they are those of the mapped file, else they are read for each batch. Several files, and
    those of URLs, are always read.
    """

    def __init__(self, reader: Reader, os_cache: bool) -> None:
        self._reader = reader
        self._far = reader.file.far
        self._os_cache = os_cache and not self._far
        self._regions: Regions | None = None
        self._managers: dict[bool, MemoryManager] = {}

    def manager(self, os_cache: bool) -> MemoryManager:
        """Return FFCV's finder of stored bytes, in the mapped file or in pages that are read."""
        if self._far:
            raise UnsupportedError(
                f"{self._reader.file.path}: FFCV's memory managers read one file of the local disk"
            )
        if os_cache not in self._managers:
            from ..memory_managers import OSCacheManager, ProcessCacheManager

            self._managers[os_cache] = (OSCacheManager if os_cache else ProcessCacheManager)(self._reader)
        return self._managers[os_cache]

    def reader(self) -> Callable[[int, Any], np.ndarray]:
        """Return the function that reads a region, compiled where there is numba."""
        if self._os_cache:
            return self.manager(True).compile_reader()
        if self._regions is None:
            self._regions = Regions(self._reader.file)
        return self._regions.compile_reader()

    def state(self, ids: np.ndarray) -> Any:
        """Return what that function takes as its second argument, for a batch of these samples."""
        if self._regions is not None:
            return self._regions.state(ids)
        return self.manager(True).schedule_epoch([]).state

    def read(self, address: int, state: Any) -> np.ndarray:
        """Read a region, in Python."""
        return self.reader()(address, state)

    def images(self, field: str) -> Images:
        """Return what decodes images of a field whole."""
        return Images(self._reader.file, field, cached=not self._os_cache)

    def custom(self) -> dict[str, dict[str, int]]:
        """Return the fields that only the program knows, with the size and alignment of their metadata."""
        return self._reader.file.opaque()
