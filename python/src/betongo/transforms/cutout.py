"""Cutout (DeVries and Taylor, 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..pipeline.state import State
from ._transform import Transform, chance, colour, indexed

__all__ = ["Cutout", "RandomCutout"]


class Cutout(Transform):
    """Paint a square of crop_size pixels, wholly inside the image, over each image.

    fill: its colour, one number a channel. Takes arrays (n, height, width, channels), which are changed in
    place.
    """

    prob: float = 1.0

    def __init__(self, crop_size: int, fill: tuple[int, int, int] = (0, 0, 0)) -> None:
        super().__init__()
        self.crop_size = crop_size
        self.fill = np.array(fill)

    def _op(self) -> dict[str, Any] | None:
        channels = self._channels()
        fill = colour(self.fill, channels) if channels else None
        if fill is None or self.crop_size < 1:
            return None
        return {"op": "Cutout", "size": int(self.crop_size), "fill": fill, "p": chance(self.prob)}

    def generate_code(self) -> Callable[..., Any]:
        size, fill, prob = int(self.crop_size), self.fill, float(self.prob)

        def cutout_square(images: np.ndarray, dst: Any = None, indices: Any = None) -> np.ndarray:
            n, height, width = images.shape[:3]
            random = self._generator(indices)
            cut = random.random(n) < prob
            rows = random.integers(0, height - size + 1, n)
            columns = random.integers(0, width - size + 1, n)
            paint = fill.astype(images.dtype)
            for i in np.flatnonzero(cut):
                y, x = rows[i], columns[i]
                images[i, y : y + size, x : x + size] = paint
            return images

        return indexed(cutout_square)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        state = self._images(previous_state)
        if state.shape is not None and not 0 <= self.crop_size <= min(state.shape[:2]):
            raise ValueError(
                f"{type(self).__name__} of {self.crop_size} pixels in images of height and width "
                f"{tuple(state.shape[:2])}: want {min(state.shape[:2])} at most"
            )
        return state, None


class RandomCutout(Cutout):
    """As Cutout, of each image with probability prob."""

    def __init__(self, prob: float, crop_size: int, fill: tuple[int, int, int] = (0, 0, 0)) -> None:
        super().__init__(crop_size, fill)
        self.prob = float(np.clip(prob, 0.0, 1.0))
