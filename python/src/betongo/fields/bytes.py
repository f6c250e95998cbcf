"""BytesField: bytes of any length."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import FORM_BYTES, FORM_PATH, Entry, Field, Malloc, _decoder, _no_args, _torch

if TYPE_CHECKING:
    from ..pipeline.operation import Operation

__all__ = ["BytesField"]


def __getattr__(name: str) -> Any:
    if name == "BytesDecoder":
        return _decoder(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _octets(value: Any) -> Any:
    """The value as something of bytes: uint8 arrays and bytes as they are, other numbers when each of them is
    a byte.
    """
    if isinstance(value, (bytes, bytearray)):
        return value
    if isinstance(value, memoryview):
        return value if value.contiguous else bytes(value)
    if _torch(value):
        value = value.detach().cpu().numpy()
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a {type(value).__name__} where bytes belong: a 1-D uint8 array, bytes or a path")
    if value.ndim != 1:
        raise ValueError(f"an array of shape {value.shape} where bytes belong: it has to have one dimension")
    if value.dtype != np.uint8:
        if value.dtype.kind not in "biuf":
            raise TypeError(f"an array of {value.dtype} where bytes belong")
        with np.errstate(invalid="ignore"):
            cast = value.astype(np.uint8)
        if not np.array_equal(cast, value):
            raise ValueError(
                f"an array of {value.dtype} where bytes belong, with elements that are none: use .view('u1')"
            )
        value = cast
    return value if value.flags.c_contiguous else np.ascontiguousarray(value)


class BytesField(Field):
    """Bytes of any length a sample: a 1-D uint8 array, bytes, or an os.PathLike, whose file is read by the
    engine.

    Arrays of another type are taken when all their elements are integers of 0 to 255.
    """

    def __init__(self) -> None:
        pass

    @property
    def metadata_type(self) -> np.dtype[Any]:
        return np.dtype([("ptr", "<u8"), ("size", "<u8")])

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        return BytesField()

    def to_binary(self) -> np.ndarray:
        return _no_args()

    def encode(self, destination: Any, field: Any, malloc: Malloc) -> None:
        if isinstance(field, os.PathLike):
            with open(field, "rb") as f:
                field = f.read()
        data = np.frombuffer(_octets(field), np.uint8)
        ptr, buffer = malloc(data.size)
        buffer[:] = data
        destination["ptr"] = ptr
        destination["size"] = data.size

    def get_decoder_class(self) -> type[Operation]:
        return _decoder("BytesDecoder")

    def _spec(self) -> dict[str, Any]:
        return {"kind": "bytes"}

    def _entry(self, value: Any) -> Entry:
        if isinstance(value, os.PathLike):
            return FORM_PATH, 0, 0, 0, os.path.abspath(os.fsencode(value))
        return FORM_BYTES, 0, 0, 0, _octets(value)
