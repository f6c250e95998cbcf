"""Sizes and crops of decoded images that FFCV has no transforms for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State
from ._resize import filter_number, resize
from ._transform import Transform, colour, indexed, plain

__all__ = ["RandomCrop", "Resize"]


def height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of what was given as such, or as the side of a square."""
    if isinstance(size, (int, np.integer)):
        return int(size), int(size)
    height, width = size
    return int(height), int(width)


class Resize(Transform):
    """Make each image height x width pixels, whatever its shape.

    output_size: (height, width), or the side of a square. filter: "area", OpenCV's INTER_AREA, or "bilinear",
    torchvision's. exact: bit for bit as OpenCV or Pillow, several times as slow. Takes uint8 arrays
    (n, height, width, channels).
    """

    def __init__(
        self, output_size: int | tuple[int, int], *, filter: str = "area", exact: bool = False
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.filter = filter
        self.exact = exact
        filter_number(filter)

    def _op(self) -> dict[str, Any] | None:
        channels, number = self._channels(), filter_number(self.filter)
        if not channels or number and channels != 3:
            return None
        height, width = height_width(self.output_size)
        size = {"width": width, "height": height}
        return {"op": "Resize", **size, "filter": number, "exact": bool(self.exact)}

    def generate_code(self) -> Callable[..., Any]:
        (height, width), filter = height_width(self.output_size), self.filter

        def resized(images: np.ndarray, dst: np.ndarray | None = None) -> np.ndarray:
            n, channels = len(images), images.shape[3]
            dst = np.empty((n, height, width, channels), images.dtype) if dst is None else dst[:n]
            for i in range(n):
                dst[i] = resize(images[i], height, width, filter)
            return dst

        return plain(resized)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = self._images(previous_state)
        shape = (*height_width(self.output_size), state.shape[2] if state.shape is not None else 3)
        return replace(state, shape=shape), AllocationQuery(shape, state.dtype)


class RandomCrop(Transform):
    """Cut a random region of height x width pixels out of each image, without resizing.

    output_size: (height, width), or the side of a square. padding: pixels of fill around the image before.
    pad_if_needed: as many on both sides as a smaller image lacks. fill: a colour, one number a channel.
    Takes arrays (n, height, width, channels).
    """

    def __init__(
        self,
        output_size: int | tuple[int, int],
        padding: int = 0,
        fill: tuple[int, ...] = (0, 0, 0),
        pad_if_needed: bool = False,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.padding = padding
        self.fill = np.array(fill)
        self.pad_if_needed = pad_if_needed

    def _op(self) -> dict[str, Any] | None:
        channels = self._channels()
        fill = colour(self.fill, channels) if channels else None
        if fill is None or self.padding < 0:
            return None
        height, width = height_width(self.output_size)
        return {
            "op": "RandomCrop",
            "width": width,
            "height": height,
            "padding": int(self.padding),
            "padifneeded": bool(self.pad_if_needed),
            "fill": fill,
        }

    def _pads(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows above and below and the columns on both sides; ValueError when it doesn't fit."""
        h, w = height_width(self.output_size)
        y = x = int(self.padding)
        if self.pad_if_needed:
            y, x = y + max(0, h - height - 2 * y), x + max(0, w - width - 2 * x)
        if h > height + 2 * y or w > width + 2 * x:
            raise ValueError(
                f"RandomCrop of {(h, w)} in images of {(height, width)} with padding {self.padding}: larger "
                "than that, and pad_if_needed is not set"
            )
        return y, x

    def generate_code(self) -> Callable[..., Any]:
        def crop(images: np.ndarray, dst: np.ndarray | None = None, indices: Any = None) -> np.ndarray:
            return self.cut(images, dst, self._generator(indices))

        return indexed(crop)

    def cut(self, images: np.ndarray, dst: np.ndarray | None, random: np.random.Generator) -> np.ndarray:
        """Cut a region out of each of (n, height, width, channels), into dst when it is given."""
        h, w = height_width(self.output_size)
        n, height, width, channels = images.shape
        dst = np.empty((n, h, w, channels), images.dtype) if dst is None else dst[:n]
        pad_y, pad_x = self._pads(height, width)
        rows = random.integers(0, height + 2 * pad_y - h + 1, n)
        columns = random.integers(0, width + 2 * pad_x - w + 1, n)
        room = np.empty((height + 2 * pad_y, width + 2 * pad_x, channels), images.dtype)
        room[:] = self.fill.astype(images.dtype)
        for i in range(n):
            room[pad_y : pad_y + height, pad_x : pad_x + width] = images[i]
            dst[i] = room[rows[i] : rows[i] + h, columns[i] : columns[i] + w]
        return dst

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = self._images(previous_state)
        if state.shape is not None:
            self._pads(state.shape[0], state.shape[1])
        shape = (*height_width(self.output_size), state.shape[2] if state.shape is not None else 3)
        return replace(state, shape=shape), AllocationQuery(shape, state.dtype)
