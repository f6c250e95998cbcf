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

    Ranks, which FFCV refuses here, share it sample by sample, so that each reads all pages; of PageShuffle
    each has pages of its own. ValueError for a file without a page of data.
    """

    def __init__(self, loader: Loader) -> None:
        super().__init__(loader)
        if not loader.reader.file.has_data:
            raise ValueError(
                f"{loader.fname} has no page of data, only numbers: QUASI_RANDOM gains nothing, use RANDOM"
            )

    def sample_order(self, epoch: int) -> np.ndarray:
        return epoch_order(self.loader, self._native(), epoch)

    def _native(self) -> dict[str, Any]:
        return {"name": "quasi_random"}
