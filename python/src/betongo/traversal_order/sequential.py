"""Sequential: samples as they stand."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import TraversalOrder
from .deal import deal

__all__ = ["Sequential"]


class Sequential(TraversalOrder):
    """The loader's indices as they are, in every epoch; dealt out to ranks as DistributedSampler does."""

    def sample_order(self, epoch: int) -> np.ndarray:
        return deal(self.indices, self.rank, self.world_size)

    def _native(self) -> dict[str, Any]:
        return {"name": "sequential"}
