"""Random: a new permutation in each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import TraversalOrder
from .deal import deal, torch_permutation

__all__ = ["Random"]


class Random(TraversalOrder):
    """Another permutation in each epoch, FFCV's for the same seed.

    It is NumPy's default_rng(seed + epoch).permutation(indices); over ranks that of torch's
    DistributedSampler with that seed and epoch.
    """

    def sample_order(self, epoch: int) -> np.ndarray:
        if not self.distributed:
            return np.random.default_rng(self.seed + epoch).permutation(self.indices)
        order = torch_permutation(len(self.indices), self.seed + epoch)
        return self.indices[deal(order, self.rank, self.world_size)]

    def _native(self) -> dict[str, Any] | None:
        if self.distributed and self.world_size == 1:
            return None  # torch's permutation, which the engine has for several ranks only
        return {"name": "random"}
