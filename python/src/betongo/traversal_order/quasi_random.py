"""QuasiRandom: FFCV's random order that reads few pages at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .base import TraversalOrder
from .named import epoch_order

if TYPE_CHECKING:
    from ..loader.loader import Loader

__all__ = ["QuasiRandom"]


class QuasiRandom(TraversalOrder):
    """FFCV's: samples in random order out of a window of two pages for each sample of a batch.

    ValueError for a file without a page of data. NotImplementedError for more than one rank, as there:
    PageShuffle is an order of this kind that ranks can share.
    """

    def __init__(self, loader: Loader) -> None:
        super().__init__(loader)
        if self.distributed:
            raise NotImplementedError(
                "QUASI_RANDOM is not for several ranks; 'page_shuffle' reads few pages at a time and is"
            )
        if len(loader.reader.alloc_table) == 0:
            raise ValueError(
                f"{loader.fname} has no page of data, only numbers: QUASI_RANDOM gains nothing, use RANDOM"
            )

    def sample_order(self, epoch: int) -> np.ndarray:
        return epoch_order(self.loader, self._native(), epoch)

    def _native(self) -> dict[str, Any]:
        return {"name": "quasi_random"}
