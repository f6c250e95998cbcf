"""LZ4Field: the values of another field, compressed where that takes an eighth off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Entry, Field, Malloc, _decoder, _pack_args, _unpack_args
from .bytes import BytesField
from .json import JSONField
from .ndarray import NDArrayField, TorchTensorField

if TYPE_CHECKING:
    from ..pipeline.operation import Operation

__all__ = ["LZ4Field"]

_TYPES = {BytesField: 3, NDArrayField: 4, JSONField: 5, TorchTensorField: 6}


class LZ4Field(Field):
    """The values of a BytesField, JSONField, NDArrayField or TorchTensorField, each kept as an LZ4 block
    where that takes an eighth off and as it is where not.

    Values go in and batches come out as of the field itself. shuffle=False compresses arrays' bytes in their
    order; by default the bytes of their elements are taken apart first, which is better for most numbers.
    FFCV reads such a file when it is told of the field: docs/lz4.md has the class.
    """

    def __init__(self, field: Field, *, shuffle: bool = True) -> None:
        if type(field) not in _TYPES:
            hint = ": make one, with ()" if isinstance(field, type) and issubclass(field, Field) else ""
            what = field.__name__ if isinstance(field, type) else type(field).__name__
            raise TypeError(
                f"LZ4Field of {what}{hint}: want a BytesField, JSONField, NDArrayField or TorchTensorField"
            )
        self.field = field
        self.shuffle = bool(shuffle)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of arrays; AttributeError for other values."""
        return np.dtype(self.field.dtype)  # type: ignore[attr-defined]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of arrays; AttributeError for other values."""
        return tuple(self.field.shape)  # type: ignore[attr-defined]

    @property
    def metadata_type(self) -> np.dtype[Any]:
        from .._value import LZ4

        return LZ4

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        settings = _unpack_args(binary)
        kind = int(settings["type"])
        if kind == 3:
            return LZ4Field(BytesField())
        if kind == 5:
            return LZ4Field(JSONField())
        made = NDArrayField(np.dtype(settings["dtype"]), tuple(settings["shape"]))
        return LZ4Field(made, shuffle="shuffle" in settings or not _width(made.dtype))

    def to_binary(self) -> np.ndarray:
        settings: dict[str, Any] = {"field": "lz4", "version": 1, "type": _TYPES[type(self.field)]}
        if isinstance(self.field, NDArrayField):
            settings |= {"dtype": self.dtype.str, "shape": [int(n) for n in self.shape]}
            if self.shuffle and _width(self.dtype):
                settings["shuffle"] = _width(self.dtype)
        return _pack_args(settings)

    def encode(self, destination: Any, field: Any, malloc: Malloc) -> None:
        """Stores the value as it is: the engine, which writes LZ4Fields themselves, compresses."""
        kept: list[Any] = []

        def place(size: int) -> tuple[int, np.ndarray]:
            kept.extend((*malloc(size), size))
            return kept[0], kept[1]

        self.field.encode(np.zeros(1, self.field.metadata_type), field, place)
        destination["ptr"], destination["stored"], destination["size"] = kept[0], kept[2], kept[2]

    def get_decoder_class(self) -> type[Operation]:
        return _decoder("NDArrayDecoder" if isinstance(self.field, NDArrayField) else "BytesDecoder")

    def _unpack(self, row: Any, data: np.ndarray) -> np.ndarray:
        """The bytes that the plain field would keep of a value; ValueError when it is broken."""
        from .. import _value

        try:
            info = _value.custom("", np.frombuffer(self.to_binary().tobytes(), np.uint8))
            return _value.unpacked(info, row, data)
        except _value.DecodeError as e:
            raise ValueError(str(e)) from e

    def _spec(self) -> dict[str, Any]:
        shuffled = self.shuffle or not isinstance(self.field, NDArrayField)
        return {**self.field._spec(), "lz4": True, "no_shuffle": not shuffled}  # type: ignore[attr-defined]

    def _entry(self, value: Any) -> Entry:
        entry: Entry = self.field._entry(value)  # type: ignore[attr-defined]
        return entry


def _width(dtype: np.dtype[Any]) -> int:
    """The bytes of an element that is taken apart, 0 for none."""
    size = np.dtype(dtype).itemsize
    return size if size in (2, 4, 8) else 8 if size == 16 else 0
