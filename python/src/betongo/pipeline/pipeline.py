"""Pipeline: a list of operations by itself, apart from a loader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .allocation_query import Allocation, AllocationQuery, allocate_query
from .operation import Operation
from .state import State, cpu

__all__ = ["Pipeline"]


class Pipeline:
    """Operations one after another: their states, the memory that they want, and their functions.

    The loader doesn't use it; it is for programs that look at pipelines themselves.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.original_state = State(jit_mode=True, device=cpu(), dtype=np.dtype("u1"), shape=None)
        self.operations = operations
        self.operation_blocks, _ = self.parse_pipeline()
        self.compiled_ops = self.compile_ops()
        self.compiled_code: Any = None

    def parse_pipeline(
        self, batch_size: int = 16
    ) -> tuple[list[tuple[bool, list[int]]], dict[int, Allocation | None]]:
        """Return the runs of operations, compiled or not, (jit_mode, numbers), and each one's memory."""
        allocations: dict[int, Allocation | None] = {}
        blocks: list[tuple[bool, list[int]]] = []
        state = self.original_state
        for i, operation in enumerate(self.operations):
            before = state
            state, allocations[i] = operation.declare_state_and_memory(state)
            if not blocks or state.jit_mode != before.jit_mode:
                blocks.append((state.jit_mode, []))
            blocks[-1][1].append(i)
        return blocks, allocations

    def compile_ops(self) -> dict[int, Callable[..., Any]]:
        """Return each operation's function."""
        return {i: operation.generate_code() for i, operation in enumerate(self.operations)}

    def allocate_query(self, memory_allocation: AllocationQuery, batch_size: int, batches_ahead: int) -> Any:
        """Make the memory of one query for batches_ahead batches."""
        return allocate_query(memory_allocation, batch_size, batches_ahead)

    def allocate_memory(self, batch_size: int, batches_ahead: int) -> dict[int, Any]:
        """Make the memory that the operations want: by number an array, a tuple of them, or None."""
        memory: dict[int, Any] = {}
        for i, query in self.parse_pipeline()[1].items():
            if query is None:
                memory[i] = None
            elif isinstance(query, AllocationQuery):
                memory[i] = allocate_query(query, batch_size, batches_ahead)
            else:
                memory[i] = tuple(allocate_query(q, batch_size, batches_ahead) for q in query)
        return memory
