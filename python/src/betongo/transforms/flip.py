"""Mirroring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State
from ._transform import Transform, chance, indexed

__all__ = ["RandomHorizontalFlip", "RandomVerticalFlip"]


class _Flip(Transform):
    _axis: int
    _engine: str

    def __init__(self, flip_prob: float = 0.5) -> None:
        super().__init__()
        self.flip_prob = flip_prob

    def _op(self) -> dict[str, Any] | None:
        state = self._before
        if state is not None and (state.shape is None or len(state.shape) != 3 or not state.shape[2] <= 4):
            return None
        return {"op": self._engine, "p": chance(self.flip_prob)}

    def generate_code(self) -> Callable[..., Any]:
        flip_prob, axis = self.flip_prob, self._axis

        def flip(images: np.ndarray, dst: np.ndarray | None = None, indices: Any = None) -> np.ndarray:
            dst = np.empty_like(images) if dst is None else dst[: len(images)]
            mirrored = self._generator(indices).random(len(images)) < flip_prob
            for i in range(len(images)):
                dst[i] = np.flip(images[i], axis) if mirrored[i] else images[i]
            return dst

        return indexed(flip)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = self._images(previous_state)
        return state, AllocationQuery(previous_state.shape or (), previous_state.dtype)


class RandomHorizontalFlip(_Flip):
    """Mirror each image left to right with probability flip_prob.

    Takes arrays (n, height, width, channels) of any dtype, gives the same.
    """

    _axis = 1
    _engine = "HorizontalFlip"


class RandomVerticalFlip(_Flip):
    """Turn each image upside down with probability flip_prob.

    Takes arrays (n, height, width, channels) of any dtype, gives the same.
    """

    _axis = 0
    _engine = "VerticalFlip"
