"""Fields: what a sample's values are, how they are stored and which decoder reads them.

FFCV's, with FFCV's arguments, and three more that any reader of betongo knows: ImageField (masks, depth maps,
pictures with alpha), AudioField, and LZ4Field, which compresses other fields' values. FFCV reads files with
those when it is told of them as of any custom field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .audio import AudioField
from .base import Field
from .basics import FloatField, IntField
from .bytes import BytesField
from .image import ImageField
from .json import JSONField
from .lz4 import LZ4Field
from .ndarray import NDArrayField, TorchTensorField
from .rgb_image import RGBImageField

__all__ = [
    "AudioField",
    "BytesField",
    "Field",
    "FloatField",
    "ImageField",
    "IntField",
    "JSONField",
    "LZ4Field",
    "NDArrayField",
    "RGBImageField",
    "TorchTensorField",
]

if not TYPE_CHECKING:  # to whom every name would be there

    def __getattr__(name: str) -> Any:
        from .._names import missing

        raise missing(__name__, name, __all__)
