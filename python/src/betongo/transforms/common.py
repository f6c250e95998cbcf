"""Squeeze."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..pipeline.state import State
from ._transform import Transform, plain

__all__ = ["Squeeze"]


def _without_ones(inp: Any, dst: Any = None) -> Any:
    shape = inp.shape
    return inp.reshape([shape[0], *(n for n in shape[1:] if n != 1)]) if 1 in shape[1:] else inp


class Squeeze(Transform):
    """Remove dimensions of length 1, without a copy.

    dims: which, counted as in the batch, whose dimension 0 is that of the samples; none: all but the
    batch's. A dimension of another length stays. Takes arrays and tensors.
    """

    _layout = True
    _moves = True

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def _gone(self, shape: tuple[int, ...]) -> list[int]:
        """Return which dimensions of a batch of this shape go; IndexError for one that isn't there."""
        n = len(shape)
        for d in self.dims:
            if not -n <= d < n:
                raise IndexError(f"Squeeze of dimension {d} of a batch of {n} dimensions")
        chosen = {d % n for d in self.dims} if self.dims else set(range(1, n))
        return [d for d in sorted(chosen) if shape[d] == 1]

    def _look(self) -> Any:
        return self.generate_code() if type(self) is Squeeze else None

    def generate_code(self) -> Callable[..., Any]:
        if not self.dims:
            return plain(_without_ones)

        def squeeze(inp: Any, dst: Any = None) -> Any:
            gone = self._gone(tuple(inp.shape))
            return inp.reshape([n for d, n in enumerate(inp.shape) if d not in gone]) if gone else inp

        return plain(squeeze)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        self._before = previous_state
        shape = tuple(previous_state.shape or ())
        gone = self._gone((0, *shape))
        return replace(previous_state, shape=tuple(n for d, n in enumerate(shape, 1) if d not in gone)), None
