"""Decoders of what belongs to a picture and takes over its geometry. FFCV has no such decoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State
from ._transform import Transform

__all__ = ["Area", "Boxes", "Mask"]


class _Follower(Transform):
    _decoder = True

    def __init__(self, follow: str) -> None:
        super().__init__()
        self.follow = follow

    def _output(self) -> dict[str, Any]:
        return {"follow": self.follow}

    def _accepts(self, field: Any) -> bool:
        raise NotImplementedError

    def generate_code(self) -> Callable[..., Any]:
        raise UnsupportedError(
            f"{type(self).__name__} runs in the engine alone: what {self.follow!r} drew is known there"
        )


class _Raster(_Follower):
    def _accepts(self, field: Any) -> bool:
        from ..fields.image import ImageField

        return isinstance(field, ImageField)

    def __init__(self, follow: str, fill: int | Sequence[int] = 0) -> None:
        super().__init__(follow)
        self.fill = fill

    def _op(self) -> dict[str, Any] | None:
        fill = [int(v) for v in np.atleast_1d(self.fill)]
        if not all(0 <= v <= 65535 for v in fill):
            raise ValueError(f"{type(self).__name__} with fill {self.fill}, want 0 to 65535")
        return {"op": type(self).__name__, **({"fill": fill} if any(fill) else {})}

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery | None]:
        self._before = previous_state
        return replace(previous_state, jit_mode=True, shape=None), None


class Mask(_Raster):
    """Decode a raster of class numbers and lay it out as the picture of the output named follow is.

    Crop, size, flips and shifts are the picture's, sample by sample; every number of the outcome is one of
    the raster's, the nearest, or fill's where there is no picture. fill: one number a channel.
    Gives (n, height, width, channels) of the raster's dtype.
    """


class Area(_Raster):
    """As Mask, for rasters whose numbers are means: depth maps, pictures with alpha."""


class Boxes(_Follower):
    """Move boxes with the picture of the output named follow.

    They are cropped, resized, mirrored and shifted as it is, cut off at what shows of it, and left out when
    less than min_visible of their area is seen. They come from an array field (rows, columns), or from a
    Bytes field of rows of dtype (float32, float64, int32 or int64) and columns, four or more. format:
    "corners", left, top, right, bottom, or "coco", left, top, width, height, in pixels of the stored
    picture. max_boxes: the most of a sample; 0: an array's rows.
    Gives float32 (n, max_boxes, columns): left, top, right, bottom in the outcome's pixels and the other
    columns, then rows of -1.
    """

    def __init__(
        self,
        follow: str,
        format: str = "corners",
        max_boxes: int = 0,
        min_visible: float = 0.0,
        dtype: Any = None,
        columns: int = 0,
    ) -> None:
        super().__init__(follow)
        if format not in ("corners", "coco"):
            raise ValueError(f"Boxes with format {format!r}, want 'corners' or 'coco'")
        self.format = format
        self.max_boxes = max_boxes
        self.min_visible = min_visible
        self.dtype = dtype
        self.columns = columns

    def _accepts(self, field: Any) -> bool:
        from ..fields.bytes import BytesField
        from ..fields.lz4 import LZ4Field
        from ..fields.ndarray import NDArrayField

        return isinstance(field, (NDArrayField, BytesField, LZ4Field))

    def _op(self) -> dict[str, Any] | None:
        op: dict[str, Any] = {
            "op": "Boxes",
            "format": ("corners", "coco").index(self.format),
            "max": int(self.max_boxes),
            "minvisible": float(self.min_visible),
            "columns": int(self.columns),
        }
        return op if self.dtype is None else op | {"dtype": np.dtype(self.dtype).str}

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery | None]:
        self._before = previous_state
        stored = tuple(
            getattr(getattr(self, "field", None), "shape", None) or (self.max_boxes, self.columns or 4)
        )
        shape = (self.max_boxes or stored[0], stored[-1])
        return replace(previous_state, jit_mode=True, shape=shape, dtype=np.dtype(np.float32)), None
