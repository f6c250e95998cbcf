"""Resizing of images in NumPy, with the pixels of OpenCV's INTER_AREA and Pillow's BILINEAR."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

__all__ = ["FILTERS", "resize"]

FILTERS = ("area", "bilinear")  # in the order of the engine's numbers


def filter_number(name: str) -> int:
    """Return the engine's number of a filter; ValueError for another name."""
    if name not in FILTERS:
        raise ValueError(f"filter {name!r}, want one of {', '.join(FILTERS)}")
    return FILTERS.index(name)


def resize(image: np.ndarray, height: int, width: int, filter: str = "area") -> np.ndarray:
    """Return uint8 (height, width, channels) of an image of any size."""
    if filter_number(filter) == 1:
        across = _pillow(image, width, 1) if image.shape[1] != width else image
        return _pillow(across, height, 0) if image.shape[0] != height else across
    if image.shape[:2] == (height, width):
        return image.copy()
    if height > image.shape[0] or width > image.shape[1]:
        return _grown(image, height, width)
    if image.shape[0] % height == 0 and image.shape[1] % width == 0:
        return _boxed(image, height, width)
    across = _weighed(image.astype(np.float32), width, 1)
    return _bytes(_weighed(across, height, 0))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _boxed(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Shrink by whole numbers: means of boxes."""
    y, x = image.shape[0] // height, image.shape[1] // width
    sums = image.reshape(height, y, width, x, image.shape[2]).sum((1, 3), dtype=np.int64)
    if (y, x) == (2, 2):
        return ((sums + 2) >> 2).astype(np.uint8)
    return _bytes(sums.astype(np.float32) * np.float32(1.0 / (y * x)))


@lru_cache(64)
def _shares(size: int, to: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels of an axis each of the fewer new ones covers and how much: (to, taps) both."""
    rows: list[list[tuple[int, float]]] = []
    scale = size / to
    for d in range(to):
        start, end = d * scale, d * scale + scale
        cell = min(scale, size - start)
        last = min(math.floor(end), size - 1)
        first = min(math.ceil(start), last)
        taps = []
        if first - start > 1e-3:
            taps.append((first - 1, (first - start) / cell))
        taps += [(s, 1 / cell) for s in range(first, last)]
        if end - last > 1e-3:
            taps.append((last, min(end - last, 1.0, cell) / cell))
        rows.append(taps)
    return _table(rows, np.dtype(np.float32))


def _table(rows: list[list[tuple[int, float]]], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and weights of equal length; what is filled up weighs nothing."""
    taps = max(len(row) for row in rows)
    pixels = np.zeros((len(rows), taps), np.intp)
    weights = np.zeros((len(rows), taps), dtype)
    for i, row in enumerate(rows):
        for k, (pixel, weight) in enumerate(row):
            pixels[i, k], weights[i, k] = pixel, weight
    return pixels, weights


def _summed(image: np.ndarray, pixels: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    shape = [1] * image.ndim
    shape[axis] = len(pixels)
    out = None
    for k in range(pixels.shape[1]):
        part = image.take(pixels[:, k], axis) * weights[:, k].reshape(shape)
        out = part if out is None else out + part
    assert out is not None
    return out


def _weighed(image: np.ndarray, to: int, axis: int) -> np.ndarray:
    """Shrink one axis: each new pixel is the mean of what it covers, in float32."""
    return _summed(image, *_shares(image.shape[axis], to), axis)


@lru_cache(64)
def _neighbours(size: int, to: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the two pixels that each new one lies between, and their weights of 2048."""
    scale = 1 / (to / size)
    inverse = to / size
    rows: list[list[tuple[int, float]]] = []
    for d in range(to):
        s = math.floor(d * scale)
        f = float(np.float32((d + 1) - (s + 1) * inverse))
        f = 0.0 if f <= 0 else f - math.floor(f)
        if s >= size - 1:
            s, f = size - 1, 0.0
        share = np.float32(f)
        rows.append(
            [
                (s, float(np.rint((np.float32(1) - share) * np.float32(2048)))),
                (min(s + 1, size - 1), float(np.rint(share * np.float32(2048)))),
            ]
        )
    return _table(rows, np.dtype(np.int64))


def _grown(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Enlarge at least one axis: between two pixels, in OpenCV's fixed point."""
    across = _summed(image.astype(np.int64), *_neighbours(image.shape[1], width), 1)
    pixels, weights = _neighbours(image.shape[0], height)
    parts = [(weights[:, k][:, None, None] * (across[pixels[:, k]] >> 4)) >> 16 for k in (0, 1)]
    return ((parts[0] + parts[1] + 2) >> 2).clip(0, 255).astype(np.uint8)


@lru_cache(64)
def _triangles(size: int, to: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Pillow's pixels and weights of 2**22 of a triangle that widens as the axis shrinks."""
    scale = size / to
    wide = max(scale, 1.0)
    rows: list[list[tuple[int, float]]] = []
    for d in range(to):
        middle = (d + 0.5) * scale
        first, last = max(int(middle - wide + 0.5), 0), min(int(middle + wide + 0.5), size)
        weights = [max(0.0, 1 - abs((s - middle + 0.5) / wide)) for s in range(first, last)]
        total = sum(weights)
        rows.append([(first + k, math.floor(w / total * (1 << 22) + 0.5)) for k, w in enumerate(weights)])
    return _table(rows, np.dtype(np.int64))


def _pillow(image: np.ndarray, to: int, axis: int) -> np.ndarray:
    """Resize one axis as Pillow does, to bytes."""
    sums = _summed(image.astype(np.int64), *_triangles(image.shape[axis], to), axis)
    return ((sums + (1 << 21)) >> 22).clip(0, 255).astype(np.uint8)
