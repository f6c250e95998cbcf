"""What a loader's settings come down to."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..pipeline.graph import Split
from ..traversal_order import TraversalOrder

__all__ = ["fingerprint", "native_order", "order_sum", "policy", "positive", "samples_of", "verification"]


def native_order(order: TraversalOrder) -> dict[str, Any] | None:
    """Return the engine's name and settings of an order, None for one that has to be asked."""
    ask = getattr(order, "_native", None)
    if ask is None:
        return None
    owner: Any = next(c for c in type(order).__mro__ if "_native" in vars(c))
    if type(order).sample_order is not owner.sample_order or "sample_order" in vars(order):
        return None
    native: dict[str, Any] | None = ask()
    return native


def positive(what: str, n: Any) -> int:
    if isinstance(n, bool) or int(n) != n or n < 1:
        raise ValueError(f"{what} is {n!r}: want a whole number above 0")
    return int(n)


def samples_of(indices: Any, samples: int) -> np.ndarray:
    """Return the samples to load.

    TypeError for what isn't numbers of samples, ValueError for one that isn't there.
    """
    if indices is None:
        return np.arange(samples, dtype="uint64")
    indices = np.array(indices)
    if indices.size == 0:
        return np.empty(0, np.int64)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise TypeError(
            f"indices are {indices.dtype} of shape {indices.shape}: want a list of samples' numbers"
        )
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= samples:
        raise ValueError(f"indices go from {low} to {high}: the file has samples 0 to {samples - 1}")
    return indices


def policy(on_error: Any) -> dict[str, Any]:
    """Return the engine's form of what becomes of samples that can't be loaded."""
    if isinstance(on_error, Mapping):
        return dict(on_error)
    if isinstance(on_error, str):
        return {"policy": {"raise": "fail"}.get(on_error, on_error)}
    if not isinstance(on_error, Sequence) or len(on_error) != 2:
        raise ValueError(f'on_error is {on_error!r}: want "fail", "skip" or ("substitute", sample)')
    return {"policy": on_error[0], "sample": int(on_error[1])}


def verification(verify: Any) -> str:
    """Return the engine's name of when values are compared with their checksums, "" for never."""
    if verify is None:
        return ""
    if verify != "first_read":
        raise ValueError(f'verify is {verify!r}: want None or "first_read"')
    return str(verify)


def order_sum(order: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(order, "<i8").tobytes())


_shown = frozenset(("metadata", "memory_read", "field", "_before", "_key", "_images_of"))


def fingerprint(split: Split) -> list[Any]:
    """Return what the functions of operations depend on, to be compared: places and attributes."""
    prints: list[Any] = [(name, getattr(at, "node", None)) for name, at in split.leaves.items()]
    prints += [(cut.name, str(cut.state.dtype), cut.state.shape) for cut in split.cuts]
    for step in split.steps:
        operation = step.node.operation
        attributes = {k: _comparable(v) for k, v in vars(operation).items() if k not in _shown}
        prints.append((step.node, step.takes and getattr(step.takes, "node", None), operation, attributes))
    return prints


def _comparable(value: Any) -> Any:
    """Return something equal for the same setting: arrays by their bytes, objects by being the same."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes() if value.size <= 1 << 20 else id(value)
    if isinstance(value, (list, tuple)):
        return [_comparable(v) for v in value]
    if isinstance(value, (bool, int, float, str, bytes, type(None), np.generic, np.dtype)):
        return value
    return id(value)
