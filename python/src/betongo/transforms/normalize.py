"""Image normalization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State, is_torch_dtype
from ._tensors import device_type, is_tensor, need_torch, numpy_dtype, torch_dtype
from ._transform import Transform, in_planes, plain

__all__ = ["NormalizeImage", "ch_dtype_from_numpy"]


def ch_dtype_from_numpy(dtype: Any) -> Any:
    """Return torch's type of NumPy's numbers."""
    return torch_dtype(dtype)


class NormalizeImage(Transform):
    """Make (value - mean) / std of uint8 images, as floats.

    mean, std: one number a channel, in units of pixel values, 0 to 255. type: NumPy's dtype of the outcome.
    Takes arrays (n, height, width, channels), and tensors of either order of axes, on any device; the order
    of axes and the strides stay. Arrays of float16 are shown as int16, which numba knows; ToTorchImage makes
    them float16 again.
    """

    _commutes = True

    def __init__(self, mean: np.ndarray, std: np.ndarray, type: np.dtype) -> None:
        super().__init__()
        self.mean = np.asarray(mean)
        self.std = np.asarray(std)
        if self.mean.shape != self.std.shape or self.mean.ndim != 1:
            raise ValueError(
                f"NormalizeImage with mean of shape {self.mean.shape} and std of shape {self.std.shape}, "
                "want one number a channel each"
            )
        target = numpy_dtype(type)
        if target is None:
            raise TypeError(f"NormalizeImage to {type}, want one of NumPy's types")
        self.original_dtype = target
        self.dtype = np.dtype(np.int16) if target == np.float16 else target

    @property
    def lookup_table(self) -> np.ndarray:
        """What each value becomes in each channel: (256, channels), of the outcome's dtype."""
        table = (np.arange(256)[:, None] - self.mean[None, :]) / self.std[None, :]
        return table.astype(self.original_dtype)

    def _op(self) -> dict[str, Any] | None:
        state = self._before
        if state is not None and (
            numpy_dtype(state.dtype) != np.uint8
            or device_type(state.device) != "cpu"
            or in_planes(state)
            or state.shape is None
            or len(state.shape) != 3
            or state.shape[_axis(state)] != len(self.mean)
        ):
            return None
        if self.original_dtype not in (np.float32, np.float16) or not 1 <= len(self.mean) <= 3:
            return None
        mean, std = (np.asarray(v, dtype=np.float64) for v in (self.mean, self.std))
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            return None
        spare = 3 - len(mean)
        return {
            "op": "Normalize",
            "mean": [*mean.tolist(), *[0.0] * spare],
            "std": [*std.tolist(), *[1.0] * spare],
            "dtype": self.original_dtype.str,
        }

    def generate_code(self) -> Callable[..., Any]:
        table = self.lookup_table
        front = self._before is not None and _axis(self._before) == 0
        on_device: dict[Any, Any] = {}

        def normalize_convert(images: Any, dst: Any = None, indices: Any = None) -> Any:
            if is_tensor(images):
                if images.device not in on_device:
                    torch = need_torch("NormalizeImage")
                    on_device[images.device] = torch.from_numpy(table).to(images.device)
                return _look_up_tensor(images, on_device[images.device], 1 if front else -1)
            if front:
                moved = _look_up(images.transpose(0, 2, 3, 1), table, None)
                return moved.transpose(0, 3, 1, 2)
            if dst is None or dst.dtype.itemsize != table.dtype.itemsize:
                return _look_up(images, table, None).view(self.dtype)
            _look_up(images, table, dst[: len(images)].view(table.dtype))
            return dst[: len(images)]

        return plain(normalize_convert)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery | None]:
        self._before = previous_state
        shape = tuple(previous_state.shape or ())
        if len(shape) != 3 or numpy_dtype(previous_state.dtype) != np.uint8:
            raise TypeError(f"NormalizeImage takes uint8 images, got {shape} {previous_state.dtype}")
        if shape[_axis(previous_state)] != len(self.mean):
            raise TypeError(
                f"NormalizeImage with {len(self.mean)} numbers of mean and std for images {shape}"
            )
        if is_torch_dtype(previous_state.dtype):
            return replace(previous_state, dtype=torch_dtype(self.original_dtype)), None
        if not previous_state.jit_mode:
            return (
                replace(
                    previous_state, dtype=self.original_dtype if _axis(previous_state) == 0 else self.dtype
                ),
                None,
            )
        return replace(previous_state, dtype=self.dtype), AllocationQuery(shape, self.dtype)


def _axis(state: State) -> int:
    """Return which dimension of a sample is that of the channels."""
    shape = state.shape or (0,)
    return 0 if not state.jit_mode and shape[0] <= 4 else len(shape) - 1


def _look_up(images: np.ndarray, table: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """Look each channel up in its column of the table; the channels come last."""
    if out is None:
        out = np.empty(images.shape, table.dtype)
    columns = [np.ascontiguousarray(table[:, c]) for c in range(table.shape[1])]
    for i in range(len(images)):
        for c, column in enumerate(columns):
            out[i, ..., c] = column[images[i, ..., c]]
    return out


def _look_up_tensor(images: Any, table: Any, axis: int) -> Any:
    """As _look_up of a tensor, which keeps its order of axes and its strides."""
    torch = need_torch("NormalizeImage")
    out = torch.empty_like(images, dtype=table.dtype)  # keeps the strides
    for c in range(table.shape[1]):
        one = images.select(axis, c)
        out.select(axis, c).copy_(
            torch.index_select(table[:, c], 0, one.reshape(-1).int()).reshape(one.shape)
        )
    return out
