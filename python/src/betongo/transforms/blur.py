"""Gaussian blur. FFCV has no such transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..pipeline.state import State
from ._transform import Transform, chance, indexed, interval

__all__ = ["GaussianBlur"]


class GaussianBlur(Transform):
    """Blur each image with a Gaussian of a random width with probability p.

    kernel_size: odd, below twice the image's shorter side. sigma: the width in pixels, uniform from the first
    to the second number, or the number itself. Beyond its edges the image is mirrored without its outermost
    pixels. torchvision's GaussianBlur. Takes uint8 arrays (n, height, width, channels), which are changed in
    place.
    """

    def __init__(
        self, kernel_size: int, sigma: float | tuple[float, float] = (0.1, 2.0), p: float = 1.0
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.sigma = sigma
        self.p = p
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"GaussianBlur with kernel_size {kernel_size}, want an odd number")
        low, high = self._range()
        if not 0 < low <= high:
            raise ValueError(f"GaussianBlur with sigma {sigma}, want numbers above 0")

    def _range(self) -> tuple[float, float]:
        if isinstance(self.sigma, (int, float)):
            return float(self.sigma), float(self.sigma)
        low, high = self.sigma
        return float(low), float(high)

    def _op(self) -> dict[str, Any] | None:
        sigma = interval(self._range())
        if not self._channels() or sigma is None:
            return None
        return {"op": "GaussianBlur", "size": int(self.kernel_size), "sigma": sigma, "p": chance(self.p)}

    def generate_code(self) -> Callable[..., Any]:
        half, p, (low, high) = self.kernel_size // 2, self.p, self._range()

        def blur(images: np.ndarray, dst: Any = None, indices: Any = None) -> np.ndarray:
            random = self._generator(indices)
            applied = random.random(len(images)) < p
            sigmas = random.uniform(low, high, len(images))
            for i in np.flatnonzero(applied):
                image = _blurred(_blurred(images[i], half, sigmas[i], 1), half, sigmas[i], 0)
                images[i] = np.rint(image).clip(0, 255)
            return images

        return indexed(blur)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        state = self._images(previous_state)
        if state.shape is not None and self.kernel_size // 2 >= min(state.shape[:2]):
            raise ValueError(
                f"GaussianBlur with kernel_size {self.kernel_size} of images of {tuple(state.shape[:2])}, "
                f"want {2 * min(state.shape[:2]) - 1} at most"
            )
        return state, None


def _blurred(image: np.ndarray, half: int, sigma: float, axis: int) -> np.ndarray:
    """Blur along one axis, in float32."""
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    around = [(half, half) if a == axis else (0, 0) for a in range(image.ndim)]
    wide = np.pad(image.astype(np.float32), around, mode="reflect")
    out = np.zeros(image.shape, np.float32)
    for k, weight in enumerate(weights):
        part = [slice(None)] * image.ndim
        part[axis] = slice(k, k + image.shape[axis])
        out += weight * wide[tuple(part)]
    return out
