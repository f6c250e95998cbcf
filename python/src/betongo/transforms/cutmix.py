"""CutMix of images and labels (Yun et al., 2019). FFCV has no such transforms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State
from ._transform import before, indexed
from .mixup import Mixing, _numbers, mixed_labels

__all__ = ["ImageCutMix", "LabelCutMix"]


class _CutMix(Mixing):
    _pair = "cutmix"

    def _boxes(self, n: int, height: int, width: int, indices: Any) -> list[tuple[int, int, int, int]]:
        """Draw the first row, the row behind the last, and so the columns, of each row's box."""
        random = self._generator(np.arange(n) if indices is None else indices)
        boxes = []
        for _ in range(1 if self.same_lambda else n):
            half = 0.5 * math.sqrt(1 - random.beta(self.alpha, self.alpha))
            x, y = int(random.integers(width)), int(random.integers(height))
            w, h = int(half * width), int(half * height)
            boxes.append((max(y - h, 0), min(y + h, height), max(x - w, 0), min(x + w, width)))
        return boxes * n if self.same_lambda else boxes


class ImageCutMix(_CutMix):
    """Put a box of the image before it, the first's is the last, into each image of a batch.

    The box has the image's shape and 1 - l of its area, l drawn of the Beta distribution with both parameters
    alpha; its middle is anywhere in the image, and what sticks out is cut off. same_lambda: one box for the
    batch. Takes arrays (n, height, width, channels) of any dtype, gives the same. The labels of the same
    batch want a LabelCutMix with the same settings.
    """

    def _op(self) -> dict[str, Any] | None:
        shape = None if self._before is None else self._before.shape
        if shape is not None and (len(shape) != 3 or shape[2] > 4):
            return None
        return {"op": "ImageCutMix", **self._settings()}

    def generate_code(self) -> Callable[..., Any]:
        def cut_mix(images: np.ndarray, dst: np.ndarray | None = None, indices: Any = None) -> np.ndarray:
            n, height, width = images.shape[:3]
            dst = np.empty_like(images) if dst is None else dst[:n]
            dst[:] = images
            for i, (top, bottom, left, right) in enumerate(self._boxes(n, height, width, indices)):
                dst[i, top:bottom, left:right] = images[before(i, n), top:bottom, left:right]
            return dst

        return indexed(cut_mix)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = self._images(previous_state)
        return state, AllocationQuery(previous_state.shape or (), previous_state.dtype)


class LabelCutMix(_CutMix):
    """Mix labels as an ImageCutMix with the same settings mixes the images of the same batch.

    size: height and width of these images. Takes arrays of one number a sample, gives float32 (n, 3): the own
    label, the one of the row before, and the share of the image outside its box.
    """

    def __init__(self, alpha: float, same_lambda: bool, size: tuple[int, int]) -> None:
        super().__init__(alpha, same_lambda)
        self.size = size

    def _op(self) -> dict[str, Any] | None:
        if not self._one_number() or self._before is not None and not _numbers(self._before.dtype):
            return None
        height, width = (int(v) for v in self.size)
        return {"op": "LabelCutMix", **self._settings(), "width": width, "height": height}

    def generate_code(self) -> Callable[..., Any]:
        height, width = (int(v) for v in self.size)

        def cut_mix(labels: np.ndarray, dst: np.ndarray | None = None, indices: Any = None) -> np.ndarray:
            boxes = self._boxes(len(labels), height, width, indices)
            kept = np.array([1 - (b - t) * (r - x) / (height * width) for t, b, x, r in boxes])
            return mixed_labels(labels, kept, dst)

        return indexed(cut_mix)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = self._arrays(previous_state)
        dtype = np.dtype(np.float32)
        return replace(state, shape=(3,), dtype=dtype), AllocationQuery((3,), dtype)
