"""One memory, seen by NumPy, torch, Arrow and whatever speaks DLPack.

What a function here returns shares its argument's bytes unless its docstring says that it copies; where it
has to copy all the same (an array with gaps, a read-only one for a library that would write to it, nulls) it
warns with a UserWarning. What shares bytes keeps the owner alive: the argument may be forgotten. Writing to
one shows in the other. The exception are maps of files: rows of a pack that is closed, dropped or compacted
(`betongo.numpack`) follow the rules said there.
"""

from __future__ import annotations

import ctypes
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ._depend import need

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import torch

__all__ = [
    "DLPackBuffer",
    "ZeroCopyArray",
    "arrow_to_numpy_zero_copy",
    "from_dlpack",
    "numpy_to_arrow_zero_copy",
    "numpy_to_torch_zero_copy",
    "table_to_numpy_zero_copy",
    "to_dlpack",
    "torch_to_numpy_zero_copy",
    "wrap_for_zero_copy",
]

# What numpy.ndarray.__dlpack__ takes depends on its version: stream alone before 2.1.
_VERSIONED = tuple(int(v) for v in np.__version__.split(".")[:2]) >= (2, 1)


def _warn(why: str) -> None:
    warnings.warn(f"{why}; this is a copy.", UserWarning, stacklevel=3)


def _contiguous(array: Any) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"Expected numpy.ndarray, got {type(array)}")
    if not array.flags.c_contiguous:
        warnings.warn("Array is not C-contiguous; this is a contiguous copy.", UserWarning, stacklevel=3)
        array = np.ascontiguousarray(array)
    return array


# -- DLPack ---------------------------------------------------------------------------------------------


class DLPackBuffer:
    """A NumPy array for consumers of DLPack: torch.from_dlpack(DLPackBuffer(a)), jax, cupy and others.

    array: the array behind it, C-contiguous (a copy, with a warning, of one that isn't). It lives as long as
    the buffer or a consumer does. A read-only array is handed to consumers that know of such (max_version 1.0
    and later, NumPy 2.1 and later); to others it is a BufferError, or a copy where they ask for one.

    Raises TypeError for what is no numpy.ndarray; BufferError from __dlpack__ for dtypes that DLPack does not
    have and for byte orders other than the machine's.
    """

    # The numbers of devices and types in dlpack.h.
    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLVPI = 9
    kDLROCM = 10
    kDLROCMHost = 11
    kDLExtDev = 12
    kDLCUDAManaged = 13
    kDLOneAPI = 14
    kDLWebGPU = 15
    kDLHexagon = 16

    kDLInt = 0
    kDLUInt = 1
    kDLFloat = 2
    kDLBfloat = 4
    kDLComplex = 5
    kDLBool = 6

    def __init__(
        self, array: np.ndarray, stream: int | None = None, max_version: tuple[int, int] | None = None
    ) -> None:
        self._array = _contiguous(array)
        self._stream = stream
        self._max_version = max_version

    @property
    def array(self) -> np.ndarray:
        """The array behind the buffer."""
        return self._array

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule over the array's bytes, or over a copy's with copy=True. For consumers, not for users."""
        max_version = max_version or self._max_version
        if _VERSIONED:
            a: Any = self._array  # its stubs lag behind
            return a.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)
        if dl_device is not None and tuple(dl_device) != (self.kDLCPU, 0):
            raise BufferError(f"the array is in the computer's memory, not on device {tuple(dl_device)}")
        array = self._array.copy() if copy else self._array
        if not array.flags.writeable:
            raise BufferError("a read-only array needs NumPy 2.1 and a consumer of DLPack 1.0, or copy=True")
        try:
            return array.__dlpack__(stream=stream)
        except (TypeError, RuntimeError) as e:  # what NumPy said before it had BufferErrors
            raise BufferError(str(e)) from e

    def __dlpack_device__(self) -> tuple[int, int]:
        """The computer's memory: (1, 0)."""
        return (self.kDLCPU, 0)

    @classmethod
    def from_dlpack(cls, capsule: Any) -> np.ndarray:
        """As the function `from_dlpack`."""
        return from_dlpack(capsule)


def to_dlpack(array: np.ndarray) -> DLPackBuffer:
    """Wraps an array for consumers of DLPack, without a copy of a C-contiguous one: see `DLPackBuffer`."""
    return DLPackBuffer(array)


def from_dlpack(obj: Any) -> np.ndarray:
    """The array behind obj, which has `__dlpack__` or is a capsule, without a copy.

    A capsule can be used once. The array is writable if the producer's is and NumPy knows (2.1 and later;
    before it is read-only). Raises TypeError for other objects, ValueError for a used capsule, BufferError
    for memory that NumPy can't see, such as a GPU's, and for dtypes that it does not have.
    """
    if type(obj).__name__ == "PyCapsule":
        obj = _Capsule(obj)
    elif not hasattr(obj, "__dlpack__"):
        raise TypeError(f"Expected a DLPack capsule or an object with __dlpack__, got {type(obj)}")
    take = getattr(np, "from_dlpack" if hasattr(np, "from_dlpack") else "_from_dlpack")  # 1.22's name
    try:
        return take(obj)
    except RuntimeError as e:  # NumPy's word for what the protocol calls a BufferError
        raise BufferError(str(e)) from e


class _Capsule:
    """Gives a capsule the methods that consumers ask for. The device stands in what the capsule points to."""

    def __init__(self, capsule: Any) -> None:
        api = ctypes.pythonapi
        api.PyCapsule_GetName.restype = ctypes.c_char_p
        api.PyCapsule_GetName.argtypes = [ctypes.py_object]
        api.PyCapsule_GetPointer.restype = ctypes.c_void_p
        api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        name = api.PyCapsule_GetName(capsule)
        # DLTensor: void *data; int32 device_type, device_id. In a versioned one version (8 bytes), context,
        # deleter and flags (8 bytes each) stand before it.
        at = {b"dltensor": 8, b"dltensor_versioned": 40}.get(name or b"")
        if at is None:
            used = (name or b"").startswith(b"used_dltensor")
            raise ValueError(
                "the DLPack capsule was used before" if used else f"a capsule of {name!r}, not of DLPack"
            )
        self._capsule, self._versioned = capsule, at == 40
        where = api.PyCapsule_GetPointer(capsule, name) + at
        kind, number = (ctypes.c_int32 * 2).from_address(where)
        self._device = (int(kind), int(number))

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


# -- Arrow ----------------------------------------------------------------------------------------------


def numpy_to_arrow_zero_copy(array: np.ndarray, name: str = "data") -> pa.Array:
    """An Arrow array over array's bytes.

    A 1-D array of numbers becomes an array of the same type; one of two and more dimensions a
    FixedShapeTensorArray (a FixedSizeListArray where pyarrow is older than 12) whose elements are its rows.
    Arrow has bools as bits: those are copied. So are, with a warning, arrays that are not C-contiguous or not
    in the machine's byte order. name is not used: Arrow's arrays have none.

    Raises DependencyError without pyarrow, TypeError for what is no array or has a dtype without a match.
    """
    pa = need("pyarrow")
    if not isinstance(array, np.ndarray):
        raise TypeError(f"Expected numpy.ndarray, got {type(array)}")
    if array.dtype.kind not in "iufb":
        if array.ndim == 1 and array.dtype.kind in "mMSU":
            return pa.array(array)
        raise TypeError(f"Arrow has no numbers of dtype {array.dtype}")
    if not array.flags.c_contiguous or not array.dtype.isnative:
        _warn("The array is not C-contiguous, or not in the machine's byte order")
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if array.ndim == 0:
        array = array.reshape(1)
    if array.dtype.kind == "b":
        flat = pa.array(array.reshape(-1))
    else:
        kind = pa.from_numpy_dtype(array.dtype)
        flat = pa.Array.from_buffers(kind, array.size, [None, pa.py_buffer(array.reshape(-1))])
    return flat if array.ndim == 1 else _rows(pa, flat, array.shape)


def _rows(pa: Any, flat: Any, shape: tuple[int, ...]) -> Any:
    """Elements of flat together as rows of a shape, over the same buffers."""
    size = int(np.prod(shape[1:], dtype=np.int64))
    if size == 0:
        raise TypeError(f"Arrow has no rows without elements, as an array of shape {shape} has them")
    rows = pa.FixedSizeListArray.from_arrays(flat, size)
    if not hasattr(pa, "fixed_shape_tensor"):
        return rows
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(flat.type, list(shape[1:])), rows)


def arrow_to_numpy_zero_copy(arrow_array: pa.Array, writable: bool = False) -> np.ndarray:
    """A NumPy array over arrow_array's values: read-only, as Arrow's are; with writable=True a copy.

    Fixed-size lists and fixed-shape tensors of numbers come as arrays of their dimensions. Chunked arrays of
    one chunk are seen without a copy too. With nulls, bools (which Arrow has as bits), other types or more
    chunks it is a copy, with a warning.

    Raises DependencyError without pyarrow, TypeError for what is no Arrow array.
    """
    pa = need("pyarrow")
    if isinstance(arrow_array, pa.ChunkedArray):
        if arrow_array.num_chunks == 1:
            arrow_array = arrow_array.chunk(0)
        else:
            whole = arrow_array.combine_chunks()
            if arrow_array.num_chunks and not writable:
                _warn(f"The values lie in {arrow_array.num_chunks} chunks")
            arrow_array = (
                whole.chunk(0) if isinstance(whole, pa.ChunkedArray) and whole.num_chunks == 1 else whole
            )
    elif not isinstance(arrow_array, pa.Array):
        raise TypeError(f"Expected pyarrow.Array, got {type(arrow_array)}")
    flat, shape = _flat(pa, arrow_array)
    if writable:
        return np.array(flat.to_numpy(zero_copy_only=False), copy=True).reshape(shape)
    try:
        return flat.to_numpy(zero_copy_only=True).reshape(shape)
    except pa.ArrowInvalid:
        _warn("Zero-copy conversion from Arrow failed (nulls or incompatible type)")
    return flat.to_numpy(zero_copy_only=False).reshape(shape)


def _flat(pa: Any, a: Any) -> tuple[Any, tuple[int, ...]]:
    """The elements of rows of fixed size, and the shape they have together."""
    shape: tuple[int, ...] = (len(a),)
    if isinstance(a, pa.ExtensionArray):
        inner = getattr(a.type, "shape", None)
        order = getattr(a.type, "permutation", None)
        if inner is not None and (not order or list(order) == sorted(order)) and not a.null_count:
            return a.storage.flatten(), (*shape, *inner)
        a = a.storage
    while pa.types.is_fixed_size_list(a.type) and not a.null_count:
        shape += (a.type.list_size,)
        a = a.flatten()
    return a, shape


def table_to_numpy_zero_copy(table: pa.Table, column: str | None = None) -> Any:
    """The array of a column, or a dict of all columns' arrays by name, as `arrow_to_numpy_zero_copy` gives
    them.

    Raises DependencyError without pyarrow, KeyError for a column that the table does not have.
    """
    need("pyarrow")
    if column is not None:
        return arrow_to_numpy_zero_copy(table.column(column))
    return {name: arrow_to_numpy_zero_copy(table.column(name)) for name in table.column_names}


# -- torch ----------------------------------------------------------------------------------------------


def numpy_to_torch_zero_copy(array: np.ndarray, device: Any = None) -> torch.Tensor:
    """A tensor over array's bytes; on a device other than the CPU a copy there.

    With a warning it is a copy of an array that is not C-contiguous, not in the machine's byte order, or
    read-only: torch has no read-only tensors, and writing to one over a map that is would end the process.

    Raises DependencyError without torch, TypeError for a dtype that torch does not have.
    """
    torch = need("torch")
    if not isinstance(array, np.ndarray):
        raise TypeError(f"Expected numpy.ndarray, got {type(array)}")
    if not array.flags.c_contiguous or not array.dtype.isnative:
        warnings.warn(
            "Array is not contiguous, or not in the machine's byte order; this is a copy.",
            UserWarning,
            stacklevel=2,
        )
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if not array.flags.writeable:
        _warn("The array is read-only, which torch's tensors are not")
        array = array.copy()
    tensor = torch.from_numpy(array)
    return tensor if device is None or str(device) == "cpu" else tensor.to(device)


def torch_to_numpy_zero_copy(tensor: torch.Tensor) -> np.ndarray:
    """The array over a CPU tensor's bytes, with the tensor's strides; gradients are left behind.

    With a warning it is a copy of a tensor on another device, of one of bfloat16, which NumPy does not have
    (as float32, the same values), and of one whose values are told by a bit (lazy conj() and neg()).

    Raises DependencyError without torch, TypeError for what is no tensor, or a sparse or quantized one.
    """
    torch = need("torch")
    if not torch.is_tensor(tensor):
        raise TypeError(f"Expected torch.Tensor, got {type(tensor)}")
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise TypeError(
            f"NumPy has no {tensor.layout} or quantized arrays: tensor.to_dense() or dequantize() first"
        )
    tensor = tensor.detach()
    if tensor.device.type != "cpu":
        _warn(f"The tensor is on {tensor.device}")
        tensor = tensor.cpu()
    if tensor.is_conj() or tensor.is_neg():
        _warn("The tensor is a lazy conj() or neg()")
        tensor = tensor.resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:
        _warn("NumPy has no bfloat16, float32 holds its values")
        tensor = tensor.float()
    return tensor.numpy()


# -- all together ---------------------------------------------------------------------------------------


class ZeroCopyArray:
    """A NumPy array with ways to the other libraries, all over the same bytes.

    array: any numpy.ndarray; one that is not C-contiguous is copied, with a warning. Raises TypeError for
    anything else.
    """

    def __init__(self, array: np.ndarray) -> None:
        self._array = _contiguous(array)

    @property
    def array(self) -> np.ndarray:
        """The array."""
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype:
        """The array's dtype."""
        return self._array.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the array's elements."""
        return self._array.nbytes

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """NumPy's protocol: the array itself where dtype and copy allow it."""
        if dtype is None or np.dtype(dtype) == self._array.dtype:
            return self._array.copy() if copy else self._array
        if copy is False:
            raise ValueError(f"from {self._array.dtype} to {np.dtype(dtype)} needs a copy")
        return self._array.astype(dtype)

    def __dlpack__(self, **kwargs: Any) -> Any:
        """As `DLPackBuffer.__dlpack__`."""
        return DLPackBuffer(self._array).__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The computer's memory: (1, 0)."""
        return (DLPackBuffer.kDLCPU, 0)

    def to_numpy(self) -> np.ndarray:
        """The array."""
        return self._array

    def to_torch(self, device: Any = None) -> torch.Tensor:
        """As `numpy_to_torch_zero_copy`."""
        return numpy_to_torch_zero_copy(self._array, device)

    def to_arrow(self, name: str = "data") -> pa.Array:
        """As `numpy_to_arrow_zero_copy`, of all elements in C order as one dimension."""
        return numpy_to_arrow_zero_copy(self._array.reshape(-1), name)

    def to_dlpack(self) -> DLPackBuffer:
        """As the function `to_dlpack`."""
        return DLPackBuffer(self._array)

    @classmethod
    def from_torch(cls, tensor: torch.Tensor) -> ZeroCopyArray:
        """Of the array that `torch_to_numpy_zero_copy` gives."""
        return cls(torch_to_numpy_zero_copy(tensor))

    @classmethod
    def from_arrow(cls, arrow_array: pa.Array) -> ZeroCopyArray:
        """Of the array that `arrow_to_numpy_zero_copy` gives."""
        return cls(arrow_to_numpy_zero_copy(arrow_array))

    @classmethod
    def from_dlpack(cls, capsule: Any) -> ZeroCopyArray:
        """Of the array that the function `from_dlpack` gives."""
        return cls(from_dlpack(capsule))

    def __repr__(self) -> str:
        return f"<ZeroCopyArray of {self._array.dtype} {self._array.shape}>"


def wrap_for_zero_copy(array: np.ndarray) -> ZeroCopyArray:
    """`ZeroCopyArray(array)`."""
    return ZeroCopyArray(array)
