"""Sequential: samples as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import TraversalOrder
from .deal import deal

__all__ = ["Sequential"]


class Sequential(TraversalOrder):
    """The loader's indices as they are, in every epoch; over ranks as torch's DistributedSampler deals them out."""

    def sample_order(self, epoch: int) -> Sequence[int]:
        return deal(self.indices, self.rank, self.world_size)

    def _native(self) -> dict[str, Any]:
        return {"name": "sequential"}
