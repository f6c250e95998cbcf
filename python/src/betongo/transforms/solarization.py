"""Solarization."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State
from ._transform import NEVER, Transform, chance, indexed

__all__ = ["Solarization"]


class Solarization(Transform):
    """Turn values of threshold and more into 255 less them, in each image with probability solarization_prob.

    Takes arrays (n, height, width, channels) of values from 0 to 255, gives the same.
    """

    def __init__(self, solarization_prob: float = 0.5, threshold: float = 128) -> None:
        super().__init__()
        self.solarization_prob = solarization_prob
        self.threshold = threshold

    def _op(self) -> dict[str, Any] | None:
        if not self._channels() or not self.threshold > 0:
            return None
        if self.threshold > 255:
            return {"op": "Solarize", "p": NEVER}
        return {
            "op": "Solarize",
            "threshold": math.ceil(self.threshold),
            "p": chance(self.solarization_prob),
        }

    def generate_code(self) -> Callable[..., Any]:
        prob, threshold = self.solarization_prob, self.threshold

        def solarize(images: np.ndarray, dst: np.ndarray | None = None, indices: Any = None) -> np.ndarray:
            dst = np.empty_like(images) if dst is None else dst[: len(images)]
            applied = self._generator(indices).random(len(images)) < prob
            for i in range(len(images)):
                dst[i] = images[i]
                if applied[i]:
                    np.subtract(255, images[i], out=dst[i], where=images[i] >= threshold)
            return dst

        return indexed(solarize)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = self._arrays(previous_state)
        return state, AllocationQuery(previous_state.shape or (), previous_state.dtype)
