"""The regions that crops cut out.

get_random_crop and get_center_crop may also be called by functions that numba compiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._resize import resize

__all__ = ["get_center_crop", "get_random_crop", "resize_crop"]


def resize_crop(
    source: np.ndarray, start_row: int, end_row: int, start_col: int, end_col: int, destination: np.ndarray
) -> None:
    """Resize a region of source into destination, both uint8 (height, width, channels), as INTER_AREA."""
    part = source[start_row:end_row, start_col:end_col]
    destination[:] = resize(part, destination.shape[0], destination.shape[1])


def get_random_crop(height: int, width: int, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
    """Draw a region: its first row and column, height and width.

    scale: its share of the image's area, from the first to the second number. ratio: of its width to its
    height. Numbers come from np.random, in ten tries at most; when none fits the region is the largest of an
    allowed shape in the middle.
    """
    area = height * width
    low, high = np.log(ratio[0]), np.log(ratio[1])
    for _ in range(10):
        target = area * np.random.uniform(scale[0], scale[1])
        aspect = np.exp(np.random.uniform(low, high))
        w = int(round(np.sqrt(target * aspect)))
        h = int(round(np.sqrt(target / aspect)))
        if 0 < w <= width and 0 < h <= height:
            i = int(np.random.uniform(0, height - h + 1))
            j = int(np.random.uniform(0, width - w + 1))
            return i, j, h, w
    w, h = width, height
    if width / height < ratio[0]:
        h = max(1, int(round(width / ratio[0])))
    elif width / height > ratio[1]:
        w = max(1, int(round(height * ratio[1])))
    return (height - h) // 2, (width - w) // 2, h, w


def get_center_crop(height: int, width: int, ratio: float) -> tuple[int, int, int, int]:
    """Return the square in the middle: its first row and column, height and width.

    ratio: of its side to the image's shorter one.
    """
    side = max(1, int(ratio * min(height, width)))
    return (height - side) // 2, (width - side) // 2, side, side


def draw_crop(
    random: np.random.Generator, height: int, width: int, scale: Sequence[float], ratio: Sequence[float]
) -> tuple[int, int, int, int]:
    """As get_random_crop, with numbers from a generator."""
    low, high = np.log(ratio[0]), np.log(ratio[1])
    for _ in range(10):
        target = height * width * random.uniform(scale[0], scale[1])
        aspect = np.exp(random.uniform(low, high))
        w, h = round(np.sqrt(target * aspect)), round(np.sqrt(target / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(random.uniform(0, height - h + 1)), int(random.uniform(0, width - w + 1)), h, w
    w, h = width, height
    if width / height < ratio[0]:
        h = max(1, round(width / ratio[0]))
    elif width / height > ratio[1]:
        w = max(1, round(height * ratio[1]))
    return (height - h) // 2, (width - w) // 2, h, w
