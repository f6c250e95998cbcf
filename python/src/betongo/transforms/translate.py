"""Random translate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..pipeline.state import State
from ._transform import Transform, colour, indexed

__all__ = ["RandomTranslate"]


class RandomTranslate(Transform):
    """Move each image by up to padding pixels up or down and left or right.

    fill: the colour of what comes bare, one number a channel. Takes arrays (n, height, width, channels),
    which are changed in place.
    """

    def __init__(self, padding: int, fill: tuple[int, int, int] = (0, 0, 0)) -> None:
        super().__init__()
        self.padding = padding
        self.fill = np.array(fill)

    def _op(self) -> dict[str, Any] | None:
        channels = self._channels()
        fill = colour(self.fill, channels) if channels else None
        if fill is None or not 0 <= self.padding <= 65535:
            return None
        return {"op": "Translate", "padding": int(self.padding), "fill": fill}

    def generate_code(self) -> Callable[..., Any]:
        pad, fill = int(self.padding), self.fill
        if pad < 0:
            raise ValueError(f"RandomTranslate with padding {pad}, want 0 or more")

        def translate(images: np.ndarray, dst: Any = None, indices: Any = None) -> np.ndarray:
            n, height, width, channels = images.shape
            offsets = self._generator(indices).integers(0, 2 * pad + 1, (n, 2))
            room = np.empty((height + 2 * pad, width + 2 * pad, channels), images.dtype)
            room[:] = fill.astype(images.dtype)
            for i, (y, x) in enumerate(offsets):
                room[pad : pad + height, pad : pad + width] = images[i]
                images[i] = room[y : y + height, x : x + width]
            return images

        return indexed(translate)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        return self._images(previous_state), None
