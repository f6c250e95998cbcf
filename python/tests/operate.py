"""Operations run by hand, as the client runs them."""

from __future__ import annotations

from typing import Any

import numpy as np

from betongo.pipeline.allocation_query import AllocationQuery, allocate_query
from betongo.pipeline.state import State, cpu

__all__ = ["images", "operate", "state_of"]


def state_of(batch: Any, jit_mode: bool | None = None) -> State:
    """Return the state of a batch, compiled for arrays."""
    tensor = not isinstance(batch, np.ndarray)
    jit = not tensor if jit_mode is None else jit_mode
    return State(jit, batch.device if tensor else cpu(), tuple(batch.shape[1:]), batch.dtype)


def operate(op: Any, batch: Any, indices: Any = None, jit_mode: bool | None = None) -> Any:
    """Run one operation on a batch, and hold the outcome to the state that it declares."""
    state, query = op.declare_state_and_memory(state_of(batch, jit_mode))
    memory = None if query is None else allocate_query(query, len(batch), 1)[0]
    assert query is None or isinstance(query, AllocationQuery)
    function = op.generate_code()
    ids = np.arange(len(batch)) if indices is None else np.asarray(indices)
    more = (ids,) if getattr(function, "with_indices", False) else ()
    out = function(batch, memory, *more)
    assert tuple(out.shape[1:]) == tuple(state.shape)
    assert out.dtype == state.dtype
    return out


def images(n: int = 4, height: int = 12, width: int = 10, channels: int = 3, seed: int = 1) -> np.ndarray:
    """Return uint8 noise of shape (n, height, width, channels)."""
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, channels), dtype=np.uint8)
