"""NDArrayField and TorchTensorField: arrays of one dtype and shape."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .._warn import warn
from .base import ARG_TYPE, FORM_BYTES, Entry, Field, Malloc, _decoder, _torch

if TYPE_CHECKING:
    from ..pipeline.operation import Operation

__all__ = ["NDArrayArgsType", "NDArrayField", "TorchTensorField"]

NDArrayArgsType = np.dtype([("shape", "<u8", 32), ("type_length", "<u8")])
"""How the arguments of an array field begin; the text of its dtype's descr follows."""


def __getattr__(name: str) -> Any:
    if name == "NDArrayDecoder":
        return _decoder(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class NDArrayField(Field):
    """Arrays of one dtype and shape (1 to 32 dimensions, the last not 0), in C order.

    A value has exactly this dtype, and this shape but for dimensions of 1; torch tensors are taken too.
    """

    def __init__(self, dtype: Any, shape: tuple[int, ...]) -> None:
        dtype = np.dtype(dtype)
        self.dtype: Any = dtype
        self.shape = shape
        self.element_size = int(dtype.itemsize * np.prod(shape, dtype=np.int64))
        if dtype == np.uint16:
            warn("older versions of PyTorch have no uint16: int16 and a view later work with all of them")

    @property
    def metadata_type(self) -> np.dtype[Any]:
        return np.dtype("<u8")

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        binary = np.asarray(binary).reshape(-1).view(np.uint8)
        size = NDArrayArgsType.itemsize
        head = binary[:size].view(NDArrayArgsType)[0]
        text = binary[size : size + int(head["type_length"])].tobytes().decode("ascii")
        members = [tuple(m) for m in json.loads(text)]
        if len(members) != 1 or members[0][0] != "":
            raise ValueError(f"an array field of the structured dtype {text}: only scalar ones can be read")
        shape = [int(n) for n in head["shape"]]
        while shape and shape[-1] == 0:
            shape.pop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return NDArrayField(np.dtype(members)["f0"], tuple(shape))

    def to_binary(self) -> np.ndarray:
        result = np.zeros(1, dtype=ARG_TYPE)[0]
        head = np.zeros(1, dtype=NDArrayArgsType)
        shape = np.array(self.shape, "<u8")
        head["shape"][0][: shape.size] = shape
        text = json.dumps(self._numpy_dtype().descr).encode("ascii")
        head["type_length"][0] = len(text)
        packed = head.tobytes() + text
        if len(packed) > ARG_TYPE.itemsize:
            raise ValueError(
                f"the dtype {self.dtype} takes {len(text)} bytes of text, more than a file has room for"
            )
        result[0][: len(packed)] = np.frombuffer(packed, np.uint8)
        return result

    def encode(self, destination: Any, field: Any, malloc: Malloc) -> None:
        data = np.frombuffer(self._array(field), np.uint8)
        destination[0], buffer = malloc(self.element_size)
        buffer[:] = data

    def get_decoder_class(self) -> type[Operation]:
        return _decoder("NDArrayDecoder")

    def _numpy_dtype(self) -> np.dtype[Any]:
        return np.dtype(self.dtype)

    def _array(self, value: Any) -> memoryview:
        """The value's bytes. The error says how it differs from what the field stores."""
        if _torch(value):
            value = value.detach().cpu().numpy()
        if isinstance(value, np.generic):
            value = np.asarray(value)
        dtype, shape = self._numpy_dtype(), tuple(self.shape)
        if not isinstance(value, np.ndarray):
            raise TypeError(f"a {type(value).__name__} where an array of {dtype} {shape} belongs")
        if value.dtype != dtype:
            raise TypeError(
                f"an array of {value.dtype} where {dtype} belongs: cast it, .astype({str(dtype)!r})"
            )
        if value.shape != shape and _proper(value.shape) != _proper(shape):
            raise ValueError(f"an array of shape {value.shape} where {shape} belongs")
        return memoryview(np.ascontiguousarray(value).reshape(-1).view(np.uint8))

    def _spec(self) -> dict[str, Any]:
        dtype = self._numpy_dtype()
        if dtype.names or dtype.subdtype or dtype.hasobject:
            raise ValueError(f"arrays of {dtype} can't be stored; a BytesField takes their bytes")
        return {"kind": "ndarray", "dtype": dtype.str, "shape": [int(n) for n in self.shape]}

    def _entry(self, value: Any) -> Entry:
        return FORM_BYTES, 0, 0, 0, self._array(value)


def _proper(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


class TorchTensorField(NDArrayField):
    """Tensors of one torch dtype and shape. A file gives NDArrayFields back; their bytes are the same."""

    def __init__(self, dtype: Any, shape: tuple[int, ...]) -> None:
        import torch

        if not isinstance(dtype, torch.dtype):
            raise TypeError(f"{dtype!r} is no torch.dtype")
        super().__init__(torch.zeros(0, dtype=dtype).numpy().dtype, shape)

    def _spec(self) -> dict[str, Any]:
        return {**super()._spec(), "kind": "torch"}
