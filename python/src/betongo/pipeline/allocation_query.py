"""AllocationQuery: the memory that an operation asks for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .state import is_torch_dtype

__all__ = ["Allocation", "AllocationQuery", "allocate_query"]


@dataclass(frozen=True)
class AllocationQuery:
    """Memory for each sample of a batch.

    shape: of one sample. dtype: NumPy's for an array, torch's for a tensor. device: of a tensor.
    """

    shape: tuple[int, ...]
    dtype: Any
    device: Any = None


Allocation = AllocationQuery | Sequence[AllocationQuery]


def allocate_query(memory_allocation: AllocationQuery, batch_size: int, batches_ahead: int) -> Any:
    """Make the memory of batches_ahead batches; its content is undefined.

    Returns an array of shape (batches_ahead, batch_size, *shape), or a list of batches_ahead tensors of
    shape (batch_size, *shape) for a dtype of torch's. It is pinned where there is CUDA.
    """
    shape = (batch_size, *(int(n) for n in memory_allocation.shape))
    if is_torch_dtype(memory_allocation.dtype):
        return [_tensor(memory_allocation, shape) for _ in range(batches_ahead)]
    dtype = np.dtype(memory_allocation.dtype)
    whole = (batches_ahead, *shape)
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return np.empty(whole, dtype)
    try:
        size = int(np.prod(whole, dtype=np.int64)) * dtype.itemsize
        return torch.empty(size, dtype=torch.uint8).pin_memory().numpy().view(dtype).reshape(whole)
    except RuntimeError:  # more than can be pinned
        return np.empty(whole, dtype)


def _tensor(query: AllocationQuery, shape: tuple[int, ...]) -> Any:
    torch = sys.modules["torch"]
    device = torch.device(str(query.device)) if query.device is not None else torch.device("cpu")
    tensor = torch.empty(shape, dtype=query.dtype, device=device)
    if device.type == "cpu" and torch.cuda.is_available():
        try:
            return tensor.pin_memory()
        except RuntimeError:
            return tensor
    return tensor
