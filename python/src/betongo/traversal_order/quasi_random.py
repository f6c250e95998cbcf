"""QuasiRandom: FFCV's random order that reads few pages at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .base import TraversalOrder
from .named import epoch_order

if TYPE_CHECKING:
    from ..loader.loader import Loader

__all__ = ["QuasiRandom"]


class QuasiRandom(TraversalOrder):
    """FFCV's: samples in random order out of a window of two pages for each sample of a batch.

    ValueError for a file without a page of data. NotImplementedError for more than one rank, as there: PageShuffle is
    an order of this kind that ranks can share.
    """

    def __init__(self, loader: Loader) -> None:
        super().__init__(loader)
        if self.distributed:
            raise NotImplementedError(
                "QUASI_RANDOM is not for several ranks; the order 'page_shuffle' reads few pages at a time and is"
            )
        if len(loader.reader.alloc_table) == 0:
            raise ValueError(
                f"{loader.fname} has no page of data, only numbers: it gains nothing from QUASI_RANDOM, use RANDOM"
            )

    def sample_order(self, epoch: int) -> Sequence[int]:
        return epoch_order(self.loader, self._native(), epoch)

    def _native(self) -> dict[str, Any]:
        return {"name": "quasi_random"}
