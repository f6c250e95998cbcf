"""Random erasing (Zhong et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..pipeline.state import State
from ._transform import Transform, chance, colour, finite, indexed

__all__ = ["RandomErasing"]


class RandomErasing(Transform):
    """Paint rectangles of random places, areas and shapes over each image with probability prob.

    min_area, max_area: of all rectangles together, as a share of the image's. min_aspect: the least ratio
    of a rectangle's sides, its inverse is the largest. max_count: the most rectangles of an image.
    fill_mean, fill_std: of the normal noise that is painted, one number a channel; no noise when all of
    fill_std are 0. fast_fill: noise is drawn once for a batch; of no meaning in the engine.
    Takes arrays (n, height, width, channels), which are changed in place.
    """

    def __init__(
        self,
        prob: float,
        min_area: float = 0.02,
        max_area: float = 0.3,
        min_aspect: float = 0.3,
        max_count: int = 1,
        fill_mean: tuple[int, int, int] = (124, 116, 103),
        fill_std: tuple[int, int, int] = (58, 57, 57),
        fast_fill: bool = True,
    ) -> None:
        super().__init__()
        self.prob = float(np.clip(prob, 0.0, 1.0))
        self.min_area = float(np.clip(min_area, 0.0, 1.0))
        self.max_area = float(np.clip(max_area, 0.0, 1.0))
        min_aspect = min(min_aspect, 1.0)
        if not min_aspect > 0 or self.min_area > self.max_area:
            raise ValueError(
                f"RandomErasing with min_area {min_area}, max_area {max_area}, min_aspect {min_aspect}: "
                "want min_area <= max_area and min_aspect > 0"
            )
        self.log_ratio = (math.log(min_aspect), -math.log(min_aspect))
        self.max_count = max(int(max_count), 1)
        self.fill_mean = np.array(fill_mean)
        self.fill_std = np.array(fill_std)
        self.fast_fill = fast_fill

    def _op(self) -> dict[str, Any] | None:
        channels = self._channels()
        fill = colour(self.fill_mean, channels) if channels else None
        noise = [float(v) for v in self.fill_std.ravel()]
        aspect = [math.exp(v) for v in self.log_ratio]
        if fill is None or len(noise) != channels or not finite(*noise, *aspect) or min(noise) < 0:
            return None
        if self.max_area == 0 or self.max_count > 1 << 16:
            return None
        op = {
            "op": "RandomErasing",
            "p": chance(self.prob),
            "area": [self.min_area, self.max_area],
            "aspect": aspect,
            "count": int(self.max_count),
            "fill": fill,
        }
        return op | {"noise": noise} if any(noise) else op

    def generate_code(self) -> Callable[..., Any]:
        prob, count = self.prob, int(self.max_count)

        def random_erase(images: np.ndarray, dst: Any = None, indices: Any = None) -> np.ndarray:
            random = self._generator(indices)
            noise = self._noise(random, images.shape[1:], images.dtype) if self.fast_fill else None
            for i in np.flatnonzero(random.random(len(images)) < prob):
                times = int(random.integers(1, count + 1))
                for _ in range(times):
                    y, x, h, w = self._box(random, images.shape[1], images.shape[2], times)
                    if noise is not None:
                        images[i, y : y + h, x : x + w] = noise[y : y + h, x : x + w]
                    else:
                        shape = (h, w, *images.shape[3:])
                        images[i, y : y + h, x : x + w] = self._noise(random, shape, images.dtype)
            return images

        return indexed(random_erase)

    def _box(
        self, random: np.random.Generator, height: int, width: int, count: int
    ) -> tuple[int, int, int, int]:
        """Draw the row, column, height and width of one of count rectangles."""
        area = random.uniform(self.min_area, self.max_area) * height * width / count
        aspect = math.exp(random.uniform(*self.log_ratio))
        h = min(round(math.sqrt(area * aspect)), height)
        w = min(round(math.sqrt(area / aspect)), width)
        return int(random.integers(0, height - h + 1)), int(random.integers(0, width - w + 1)), h, w

    def _noise(self, random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        values = self.fill_mean + self.fill_std * random.standard_normal(shape)
        return np.rint(values).clip(0, 255).astype(dtype) if dtype.kind in "iu" else values.astype(dtype)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        return self._images(previous_state), None
