"""TraversalOrder: what decides which sample comes when."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..loader.loader import Loader

__all__ = ["TraversalOrder"]


class TraversalOrder(ABC):
    """An order of an epoch's samples; subclass it for orders of your own.

    A loader makes one from its class, order(loader, **order_kwargs), and asks it for each epoch's order
    when that begins. It finds the loader's samples in self.indices, its seed in self.seed, and whether it
    is one of several ranks in self.distributed (then self.rank and self.world_size): what it returns is for
    this rank alone.

    The orders of this package that the engine knows have _native() -> dict | None: the engine's name and
    settings of it. Where that is None, or a subclass overrides sample_order, that is asked, not the engine.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = weakref.ref(loader)  # which has this order
        self.indices: np.ndarray = loader.indices
        self.seed: int = loader.seed
        self.distributed: bool = loader.distributed
        self.rank: int = loader.rank
        self.world_size: int = loader.world_size
        self.sampler: Any = None

    @property
    def loader(self) -> Loader:
        """The loader. ReferenceError when there is none any more."""
        loader = self._loader()
        if loader is None:
            raise ReferenceError(f"the loader of this {type(self).__name__} is gone")
        return loader

    @abstractmethod
    def sample_order(self, epoch: int) -> Sequence[int] | np.ndarray:
        """Return the numbers in the file of an epoch's samples, in the order in which they come.

        A sample may come more than once or not at all.
        """
        raise NotImplementedError
