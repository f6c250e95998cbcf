"""ImageField: pictures that must not change by a bit, of 1 to 4 channels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import (
    FORM_FILE,
    FORM_PATH,
    FORM_PIXELS,
    Entry,
    Field,
    Malloc,
    _decoder,
    _pack_args,
    _torch,
    _unpack_args,
)
from .rgb_image import _is_pil

if TYPE_CHECKING:
    from ..pipeline.operation import Operation

__all__ = ["ImageField"]


class ImageField(Field):
    """Masks, depth maps, scans, pictures with alpha: 1 to 4 channels of uint8 or uint16, any size up to
    65,535 pixels a side, stored without loss.

    Values: arrays of the field's dtype and shape (height, width, channels), or (height, width) for one
    channel; PIL images; image files (PNG, TIFF, BMP, GIF) as bytes or os.PathLike. compress=False stores all
    plain. max_resolution shrinks by taking the nearest pixels: no number comes up that was not there.
    """

    def __init__(
        self,
        channels: int = 1,
        dtype: Any = np.uint8,
        *,
        compress: bool = True,
        max_resolution: int | None = None,
    ) -> None:
        self.channels = int(channels)
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.compress = compress
        self.max_resolution = max_resolution
        if not 1 <= self.channels <= 4:
            raise ValueError(f"{channels} channels: want 1 to 4")
        if self.dtype not in (np.dtype("<u1"), np.dtype("<u2")):
            raise ValueError(f"a picture of {np.dtype(dtype)}: want uint8 or uint16")

    @property
    def metadata_type(self) -> np.dtype[Any]:
        from .._value import IMAGE

        return IMAGE

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        settings = _unpack_args(binary)
        return ImageField(settings["channels"], settings["dtype"])

    def to_binary(self) -> np.ndarray:
        return _pack_args({"field": "image", "channels": self.channels, "dtype": self.dtype.str})

    def encode(self, destination: Any, field: Any, malloc: Malloc) -> None:
        pixels = self._pixels(field)
        if self.max_resolution is not None and max(pixels.shape[:2]) > self.max_resolution:
            raise ValueError("max_resolution is for the engine: a subclass shrinks its pictures itself")
        data = np.frombuffer(np.ascontiguousarray(pixels), np.uint8)
        destination["ptr"], buffer = malloc(data.size)
        buffer[:] = data
        destination["size"], destination["coding"] = data.size, 0
        destination["height"], destination["width"] = pixels.shape[:2]

    def get_decoder_class(self) -> type[Operation]:
        return _decoder("ImageDecoder")

    def _pixels(self, value: Any) -> np.ndarray:
        if _torch(value):
            value = value.detach().cpu().numpy()
        if _is_pil(value):
            value = np.asarray(value)
        if not isinstance(value, np.ndarray):
            raise TypeError(f"a {type(value).__name__} where a picture of {self._words()} belongs")
        channels = value.shape[2] if value.ndim == 3 else 1
        if (
            value.ndim not in (2, 3)
            or channels != self.channels
            or 0 in value.shape
            or value.dtype != self.dtype
        ):
            raise ValueError(
                f"an array of {value.dtype} {value.shape} where a picture of {self._words()} belongs"
            )
        return value

    def _words(self) -> str:
        return f"{self.channels} channel{'s' * (self.channels > 1)} of {self.dtype}"

    def _spec(self) -> dict[str, Any]:
        return {
            "kind": "image",
            "channels": self.channels,
            "dtype": self.dtype.str,
            "plain": not self.compress,
            "max_resolution": int(self.max_resolution or 0),
        }

    def _entry(self, value: Any) -> Entry:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return FORM_FILE, 0, 0, 0, value
        if isinstance(value, os.PathLike):
            return FORM_PATH, 0, 0, 0, os.path.abspath(os.fsencode(value))
        pixels = self._pixels(value)
        channels = pixels.shape[2] if pixels.ndim == 3 else 0
        return FORM_PIXELS, pixels.shape[0], pixels.shape[1], channels, np.ascontiguousarray(pixels)
