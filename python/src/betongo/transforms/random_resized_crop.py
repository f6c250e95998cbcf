"""Crops and sizes of decoded images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State
from ._resize import filter_number, resize
from ._transform import Transform, indexed, interval
from .utils.fast_crop import draw_crop

__all__ = ["RandomResizedCrop"]


class RandomResizedCrop(Transform):
    """Cut a random region out of each image and resize it to a square.

    scale: the region's share of the image's area, from the first to the second number. ratio: of its width to
    its height. size: the square's side. exact: bit for bit as FFCV, several times as slow; without it pixels
    may differ by fractions of a level in the engine. filter: "area" or "bilinear". A
    RandomResizedCropRGBImageDecoder does the same while it decodes, and is much faster.
    Takes uint8 arrays (n, height, width, channels), gives (n, size, size, channels).
    """

    def __init__(
        self,
        scale: tuple[float, float],
        ratio: tuple[float, float],
        size: int,
        *,
        exact: bool = False,
        filter: str = "area",
    ) -> None:
        super().__init__()
        self.scale = scale
        self.ratio = ratio
        self.size = size
        self.exact = exact
        self.filter = filter
        filter_number(filter)

    def _op(self) -> dict[str, Any] | None:
        channels, scale, ratio = self._channels(), interval(self.scale), interval(self.ratio)
        number = filter_number(self.filter)
        if not channels or scale is None or ratio is None or number and channels != 3:
            return None
        return {
            "op": "RandomResizedCrop",
            "width": int(self.size),
            "height": int(self.size),
            "scale": scale,
            "ratio": ratio,
            "filter": number,
            "exact": bool(self.exact),
        }

    def generate_code(self) -> Callable[..., Any]:
        scale, ratio, size, filter = self.scale, self.ratio, int(self.size), self.filter

        def random_resized_crop(
            images: np.ndarray, dst: np.ndarray | None = None, indices: Any = None
        ) -> Any:
            n, height, width, channels = images.shape
            dst = np.empty((n, size, size, channels), images.dtype) if dst is None else dst[:n]
            random = self._generator(indices)
            for k in range(n):
                i, j, h, w = draw_crop(random, height, width, scale, ratio)
                dst[k] = resize(images[k, i : i + h, j : j + w], size, size, filter)
            return dst

        return indexed(random_resized_crop)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = self._images(previous_state)
        channels = state.shape[2] if state.shape is not None else 3
        shape = (int(self.size), int(self.size), channels)
        return replace(state, shape=shape), AllocationQuery(shape, state.dtype)
