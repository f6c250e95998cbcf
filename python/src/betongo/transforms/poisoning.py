"""Poison some images with a mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State
from ._transform import Transform, indexed

__all__ = ["Poison"]

_MOST = 1 << 18  # numbers of a mask that go to the engine: some megabytes of text


class Poison(Transform):
    """Lay a mask over the images of some samples: value * (1 - alpha) + mask * alpha.

    mask: (height, width, 3). alpha: opacities from 0 to 1, (height, width), or one for all. indices: the
    samples' numbers in the dataset. clamp: the least and the largest outcome. Takes arrays
    (n, height, width, 3), which are changed in place.
    """

    def __init__(
        self,
        mask: np.ndarray,
        alpha: np.ndarray,
        indices: Sequence[int],
        clamp: tuple[int, int] = (0, 255),
    ) -> None:
        super().__init__()
        self.mask = np.asarray(mask)
        self.indices = np.sort(np.asarray(indices, dtype=np.int64))
        self.clamp = clamp
        self.alpha = np.asarray(alpha)
        if self.mask.ndim != 3:
            raise ValueError(f"Poison with a mask of shape {self.mask.shape}, want (height, width, channels)")
        self._opacity()

    def _opacity(self) -> np.ndarray:
        """Return alpha of shape (height, width)."""
        try:
            return np.broadcast_to(self.alpha.astype(np.float64), self.mask.shape[:2])
        except ValueError:
            raise ValueError(
                f"Poison with alpha of shape {self.alpha.shape} and a mask of shape {self.mask.shape}, want "
                "(height, width) and (height, width, channels)"
            ) from None

    def _op(self) -> dict[str, Any] | None:
        alpha, low, high = self._opacity(), *self.clamp
        if self._channels(3, 3) is None or self.mask.shape[2] != 3 or self.mask.size > _MOST:
            return None
        if not (0 <= low <= high <= 255 and high > 0 and low == int(low) and high == int(high)):
            return None
        mask = self.mask.astype(np.float64)
        if not ((alpha >= 0) & (alpha <= 1)).all() or not (np.abs(mask) <= 3.4e38).all():
            return None
        if len(self.indices) and self.indices[0] < 0:
            return None
        return {
            "op": "Poison",
            "mask": mask.ravel().tolist(),
            "alpha": alpha.ravel().tolist(),
            "indices": self.indices.tolist(),
            "clamp": [int(low), int(high)],
        }

    def generate_code(self) -> Callable[..., Any]:
        alpha = self._opacity()[:, :, None]
        keep, add = 1 - alpha, self.mask.astype(np.float64) * alpha
        chosen, clamp = self.indices, self.clamp

        def poison(images: np.ndarray, dst: Any, indices: Any) -> np.ndarray:
            for i in np.flatnonzero(np.isin(np.asarray(indices, dtype=np.int64), chosen)):
                value = (images[i] * keep).astype(np.float32)
                value = (value + add).astype(np.float32)
                images[i] = value.clip(clamp[0], clamp[1]).astype(images.dtype)
            return images

        return indexed(poison)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery | None]:
        state = self._images(previous_state)
        if state.shape is not None and tuple(state.shape) != self.mask.shape:
            raise ValueError(f"Poison with a mask of {self.mask.shape} for images of {tuple(state.shape)}")
        return state, None
