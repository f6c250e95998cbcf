"""FloatField and IntField: one number a sample, in the metadata."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Field, Malloc, _decoder, _no_args

if TYPE_CHECKING:
    from ..pipeline.operation import Operation

__all__ = ["FloatField", "IntField"]

_DECODERS = ("BasicDecoder", "FloatDecoder", "IntDecoder")


def __getattr__(name: str) -> Any:
    if name in _DECODERS:
        return _decoder(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _single(value: Any) -> Any:
    """The element of an array or tensor of one element; anything else as it is."""
    if getattr(value, "shape", None) and hasattr(value, "item"):
        if int(np.prod(value.shape)) == 1:
            return value.item()
        raise ValueError(f"an array of shape {tuple(value.shape)} where one number belongs")
    return value


def _integer(value: Any) -> int:
    """The value as an integer that fits eight bytes. Floats without a fraction are one."""
    try:
        n = operator.index(value)
    except TypeError:
        value = _single(value)
        if (
            isinstance(value, (str, bytes))
            or not hasattr(value, "__float__")
            and not hasattr(value, "__index__")
        ):
            raise TypeError(f"a {type(value).__name__} where an integer belongs") from None
        if hasattr(value, "__index__"):
            n = operator.index(value)
        else:
            f = float(value)
            if f != f or f in (float("inf"), float("-inf")) or int(f) != f:
                raise ValueError(f"{f!r} where an integer belongs: it would lose its fraction") from None
            n = int(f)
    if not -(1 << 63) <= n < 1 << 63:
        raise ValueError(f"{n} is outside of -2**63 to 2**63-1, what an IntField stores")
    return n


def _real(value: Any) -> float:
    """The value as a float64."""
    if type(value) is float:
        return value
    if isinstance(value, (str, bytes)):
        raise TypeError(f"a {type(value).__name__} where a number belongs")
    value = _single(value)
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        raise TypeError(f"a {type(value).__name__} where a number belongs")
    return float(value)


class FloatField(Field):
    """One float64 a sample; any real number, also in an array of one element."""

    def __init__(self) -> None:
        pass

    @property
    def metadata_type(self) -> np.dtype[Any]:
        return np.dtype("<f8")

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        return FloatField()

    def to_binary(self) -> np.ndarray:
        return _no_args()

    def encode(self, destination: Any, field: Any, malloc: Malloc) -> None:
        destination[0] = _real(field)

    def get_decoder_class(self) -> type[Operation]:
        return _decoder("FloatDecoder")

    def _spec(self) -> dict[str, Any]:
        return {"kind": "float"}


class IntField(Field):
    """One signed 64-bit integer a sample; any integer or bool, also in an array of one element.

    A float is taken when it has no fraction. What doesn't fit is a ValueError.
    """

    @property
    def metadata_type(self) -> np.dtype[Any]:
        return np.dtype("<i8")

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        return IntField()

    def to_binary(self) -> np.ndarray:
        return _no_args()

    def encode(self, destination: Any, field: Any, malloc: Malloc) -> None:
        destination[0] = _integer(field)

    def get_decoder_class(self) -> type[Operation]:
        return _decoder("IntDecoder")

    def _spec(self) -> dict[str, Any]:
        return {"kind": "int"}
