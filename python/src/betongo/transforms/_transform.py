"""Transform: what the operations of this package have in common."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ..pipeline.operation import Operation
from ..pipeline.state import State, is_torch_dtype
from ._tensors import device_type, numpy_dtype

NEVER = 5e-324  # the engine takes a probability of 0 for its default

F = TypeVar("F", bound=Callable[..., Any])


def plain(function: F) -> F:
    """Mark a function of generate_code as NumPy or torch: nothing that numba should compile."""
    function.plain = True  # type: ignore[attr-defined]
    return function


def indexed(function: F) -> F:
    """As plain, of a function that is told the samples' numbers."""
    function.with_indices = True  # type: ignore[attr-defined]
    return plain(function)


class Transform(Operation):
    """An operation that the engine may know: a subclass gives _op, from its attributes.

    A class that inherits from one and changes what it does is no longer known to the engine, and runs in
    the client.
    """

    _defining: tuple[str, ...] = ("generate_code", "declare_state_and_memory")
    _before: State | None = None
    _key: tuple[int, ...] | None = None

    def _op(self) -> dict[str, Any] | None:
        """Return the engine's operation, None when it doesn't serve these attributes or this input."""
        return None

    def _look(self) -> Any:
        """Return what the operation is to an array of the engine's, after declare_state_and_memory.

        "same" and "tensor": the array, at the end as a tensor; a function: a view of it. None: it is not to
        be asked, and runs as it is.
        """
        return None

    def _native(self) -> dict[str, Any] | None:
        return None if self._changed() else self._op()

    def _changed(self) -> bool:
        """Tell whether a subclass does something else than the class that _op is of."""
        cls = type(self)
        owner = next(c for c in cls.__mro__ if "_op" in vars(c))
        return any(
            name in vars(self) or getattr(cls, name, None) is not getattr(owner, name, None)
            for name in self._defining
        )

    def _reseed(self, *key: int) -> None:
        self._key = tuple(int(k) & 0xFFFF_FFFF_FFFF_FFFF for k in key)

    def _generator(self, indices: Any) -> np.random.Generator:
        """Return the generator of one batch: of the key and of the samples that are in it."""
        if self._key is None or indices is None:
            return np.random.default_rng()
        return batch_generator(self._key, indices)

    def _arrays(self, state: State) -> State:
        """Take the state in front of an operation on arrays; TypeError when there are tensors."""
        self._before = state
        name = type(self).__name__
        if is_torch_dtype(state.dtype) or device_type(state.device) != "cpu":
            raise TypeError(f"{name} works on arrays, not on tensors: put it before ToTensor and ToDevice")
        shape = state.shape
        moved = not state.jit_mode and shape is not None and len(shape) == 3 and shape[0] <= 4 < shape[2]
        if moved or in_planes(state):
            raise TypeError(
                f"{name} works on (height, width, channels), got {shape}: put it before ToTorchImage, ToCHW"
            )
        return replace(state, jit_mode=True)

    def _images(self, state: State) -> State:
        """As _arrays, for an operation that needs images."""
        state = self._arrays(state)
        if state.shape is not None and len(state.shape) != 3:
            raise TypeError(
                f"{type(self).__name__} works on images (height, width, channels), got {tuple(state.shape)}"
            )
        return state

    def _channels(self, least: int = 1, most: int = 4) -> int | None:
        """Return the channels when the input is what the engine takes for a picture, else None."""
        if self._before is None or self._before.shape is None:
            return 3
        shape = self._before.shape
        if len(shape) != 3 or numpy_dtype(self._before.dtype) != np.uint8:
            return None
        return int(shape[2]) if least <= shape[2] <= most else None


def in_planes(state: State | None) -> bool:
    """Tell whether the channels are in front in memory too: the engine then has them there, if it is its."""
    return bool(getattr(state, "_planes", False))


def planes(state: State, like: State | bool = True) -> State:
    """Note that the channels are in front in memory too, where they are in like."""
    if like is True or isinstance(like, State) and in_planes(like):
        state._planes = True  # type: ignore[attr-defined]
    return state


def batch_generator(key: Sequence[int], indices: Any) -> np.random.Generator:
    """Return the generator of a key and a batch's samples, the same for the same of both."""
    samples = np.ascontiguousarray(indices, dtype="<i8")
    entropy = [*key, len(samples), zlib.crc32(samples.tobytes())]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


def chance(p: float) -> float:
    """Return a probability as the engine takes it, to which 0 is another one."""
    return min(max(float(p), NEVER), 1.0)


def colour(fill: Any, channels: int) -> list[int] | None:
    """Return fill as the engine takes it, one number a channel, None when these are no bytes."""
    numbers = np.trunc(np.asarray(fill, dtype=np.float64)).ravel()
    if numbers.size == 1:
        numbers = np.repeat(numbers, channels)
    if numbers.size != channels or not ((numbers >= 0) & (numbers <= 255)).all():
        return None
    return [int(v) for v in numbers]


def interval(pair: Any) -> list[float] | None:
    """Return two numbers above 0 as the engine takes them, None when they aren't such."""
    low, high = (float(v) for v in pair)
    if not (0 <= low <= high <= 3.4e38) or high == 0:
        return None
    return [max(low, NEVER), high]


def finite(*numbers: float) -> bool:
    """Tell whether all numbers are finite."""
    return all(math.isfinite(v) for v in numbers)


def before(i: int, n: int) -> int:
    """Return the row before row i of n; the last one comes before the first."""
    return (i + n - 1) % n
