"""Wrapper of a torch.nn.Module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..pipeline.state import State
from ._transform import Transform, plain

if TYPE_CHECKING:
    import torch

__all__ = ["ModuleWrapper"]


class ModuleWrapper(Transform):
    """Apply a torch.nn.Module to each batch.

    The module gets the whole batch at once, so one that draws a random number draws one for all of it. The
    state behind it is taken to be the one in front of it. Runs in the client.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def generate_code(self) -> Callable[..., Any]:
        def apply_module(inp: Any, dst: Any = None) -> Any:
            return self.module(inp)

        return plain(apply_module)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        return previous_state, None
