"""Types of NumPy and torch, and torch itself where it is installed."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..pipeline.state import is_torch_dtype


def load_torch() -> Any:
    """Import torch; None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    return torch


def need_torch(who: str) -> Any:
    """Import torch; ImportError that says who needs it."""
    torch = load_torch()
    if torch is None:
        raise ImportError(f"{who} needs torch, which is not installed")
    return torch


def is_tensor(x: object) -> bool:
    """Tell whether x is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, getattr(torch, "Tensor", ()))


def torch_dtype(dtype: Any) -> Any:
    """Return torch's type of the same numbers; TypeError when there is none."""
    if is_torch_dtype(dtype):
        return dtype
    dtype = np.dtype(dtype)
    try:
        return need_torch("a tensor").from_numpy(np.empty(0, dtype)).dtype
    except (TypeError, ValueError):  # ValueError: the other byte order
        raise TypeError(f"torch has no tensors of dtype {dtype}") from None


def numpy_dtype(dtype: Any) -> np.dtype | None:
    """Return NumPy's type of the same numbers, None for those of torch's that NumPy hasn't."""
    if not is_torch_dtype(dtype):
        return np.dtype(dtype)
    try:
        return sys.modules["torch"].empty(0, dtype=dtype).numpy().dtype
    except TypeError:
        return None


def device_type(device: Any) -> str:
    """Return "cpu", "cuda" and so on; a number is one of CUDA's devices, as with torch."""
    if isinstance(device, int):
        return "cuda"
    return getattr(device, "type", None) or str(device).partition(":")[0]
