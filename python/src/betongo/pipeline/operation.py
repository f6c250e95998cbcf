"""Operation: what decoders and transforms are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .allocation_query import Allocation, AllocationQuery
from .state import State

if TYPE_CHECKING:
    from ..fields.base import Field

__all__ = ["Operation"]


class Operation(ABC):
    """One step of a pipeline; subclass it for steps of your own.

    The loader looks at an operation anew at each iter(): accept_field, accept_globals,
    declare_state_and_memory, then generate_code. Attributes may be changed between epochs.

    generate_code returns f(batch, memory), or f(batch, memory, indices) when it has the attribute
    with_indices = True; a decoder's is f(indices, memory, metadata, storage_state). batch is a writable
    array or tensor of shape (n, *shape), memory what declare_state_and_memory asked for, for n samples,
    indices the samples' numbers in the dataset. f returns the batch that the next operation gets. With
    is_parallel = True its loops over Compiler.get_iterator() are spread over threads.
    """

    # What the loader asks of the operations that the engine knows; nothing of it is there in one's own.
    #
    # _native() -> dict | None: the engine's operation for the present attributes, None when it doesn't
    #   serve them; {} of a decoder is the field's default. Asked after declare_state_and_memory.
    # _decoder: stands first in a pipeline and makes the value.
    # _last: the engine does no operations behind it.
    # _layout: only looks at the same memory in another way; done here, at no cost.
    # _moves: the outcome of a layout operation has its axes in another order or number, or another type,
    #   so that behind it the engine goes on only with operations that have
    # _commutes: done before the layout operations in front of it, the outcome is the same.
    # _pair: operations of the same name here draw the same numbers for a batch. Either the engine does all
    #   of a loader's, or none.
    # _output() -> dict: further settings of the engine's output, of a decoder.
    # _accepts(field) -> bool: whether a decoder that isn't derived from the field's default takes it.
    # _reseed(*key): takes the integers that random numbers are made of, with the samples of a batch: seed,
    #   epoch, and the place of the operation. Without it they come from the operating system.
    _decoder: bool = False
    _last: bool = False
    _layout: bool = False
    _moves: bool = False
    _commutes: bool = False
    _pair: str = ""

    def __init__(self) -> None:
        self.metadata: Any = None
        self.memory_read: Callable[..., np.ndarray] | None = None

    def accept_field(self, field: Field) -> None:
        """Take the field whose values come in: self.field."""
        self.field = field

    def accept_globals(self, metadata: np.ndarray, memory_read: Callable[..., np.ndarray]) -> None:
        """Take the field's column of the metadata and the function that reads stored bytes.

        memory_read(ptr, storage_state) returns uint8 bytes, which are read only.
        """
        self.metadata = metadata
        self.memory_read = memory_read

    @abstractmethod
    def generate_code(self) -> Callable[..., Any]:
        """Return the function that does this operation; see the class."""
        raise NotImplementedError

    def declare_shared_memory(self, previous_state: State) -> AllocationQuery | None:
        """Return the memory that is made once and shared by all places where this operation is used."""
        return None

    def generate_code_for_shared_state(self) -> Callable[..., Any] | None:
        """Return the function that sets that memory up for a batch, before the batch's operations."""
        return None

    @abstractmethod
    def declare_state_and_memory(self, previous_state: State) -> tuple[State, Allocation | None]:
        """Return the state after this operation, and the memory that it wants for a batch."""
        raise NotImplementedError
