"""The engine's further orders: settings that a loader takes as its order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import TraversalOrder

if TYPE_CHECKING:
    from ..loader.loader import Loader

__all__ = [
    "BlockShuffle",
    "ClassBalanced",
    "EngineOrder",
    "Keyed",
    "NamedOrder",
    "PageShuffle",
    "Repeated",
    "Weighted",
    "epoch_order",
]


class NamedOrder:
    """An order of the engine's by name, with settings; a setting that is not given has the engine's default.

    Loader(order=Weighted(field="weight")) takes one; without settings the name will do: order="page_shuffle".
    All of them depend on seed and epoch alone, and are shared out to any number of ranks.
    """

    name: str = ""

    def __init__(self, **settings: Any) -> None:
        self.settings = {key: value for key, value in settings.items() if value is not None}

    def _native(self) -> dict[str, Any]:
        settings = {k: v.item() if isinstance(v, np.generic) else v for k, v in self.settings.items()}
        return {"name": self.name, **settings}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.settings.items())})"


class Keyed(NamedOrder):
    """A permutation that is computed position by position: no memory, whatever the dataset's size."""

    name = "keyed"

    def __init__(self) -> None:
        super().__init__()


class PageShuffle(NamedOrder):
    """Pages in random order, samples mixed within a window of pages (64): few pages lie in memory."""

    name = "page_shuffle"

    def __init__(self, window: int | None = None) -> None:
        super().__init__(window=window)


class BlockShuffle(NamedOrder):
    """Blocks of neighbouring samples (256) in random order, samples mixed within a window of blocks (64)."""

    name = "block_shuffle"

    def __init__(self, block: int | None = None, window: int | None = None) -> None:
        super().__init__(block=block, window=window)


class Weighted(NamedOrder):
    """Samples drawn by weight: weights, one for each sample of the file in any unit, or a field of numbers
    that has them.

    samples is the length of an epoch, by default as many as are selected; replacement whether one may come
    again.
    """

    name = "weighted"

    def __init__(
        self,
        weights: Sequence[float] | None = None,
        *,
        field: str | None = None,
        samples: int | None = None,
        replacement: bool | None = None,
    ) -> None:
        if weights is not None:
            weights = np.asarray(weights, np.float64).ravel().tolist()
        super().__init__(weights=weights, field=field, samples=samples, replacement=replacement)


class ClassBalanced(NamedOrder):
    """As many samples of each class; field is the field of integers that holds the class."""

    name = "class_balanced"

    def __init__(self, field: str, *, samples: int | None = None, replacement: bool | None = None) -> None:
        super().__init__(field=field, samples=samples, replacement=replacement)


class Repeated(NamedOrder):
    """Each sample of another order several times (3) one after another, each time augmented anew.

    order is a NamedOrder or a name, by default "random"; samples the length of an epoch, by default all.
    """

    name = "repeated"

    def __init__(
        self,
        order: NamedOrder | str | None = None,
        *,
        times: int | None = None,
        samples: int | None = None,
    ) -> None:
        inner = {"name": order} if isinstance(order, str) else order and order._native()
        super().__init__(order=inner, times=times, samples=samples)


NAMES: dict[str, type[NamedOrder]] = {
    order.name: order for order in (BlockShuffle, ClassBalanced, Keyed, PageShuffle, Repeated, Weighted)
}


class EngineOrder(TraversalOrder):
    """A NamedOrder bound to a loader."""

    def __init__(self, loader: Loader, order: NamedOrder) -> None:
        super().__init__(loader)
        self.order = order

    def sample_order(self, epoch: int) -> np.ndarray:
        return epoch_order(self.loader, self._native(), epoch)

    def _native(self) -> dict[str, Any]:
        return self.order._native()


def epoch_order(loader: Loader, order: dict[str, Any], epoch: int) -> np.ndarray:
    """Ask the engine for this rank's order of an epoch: the ids of batches without any output."""
    stream = loader._open(order, outputs=[], drop_last=False)
    try:
        ids = []
        for slot in stream.epoch(epoch):
            ids.append(slot.ids)
            slot.release()
    finally:
        stream.close()
    return np.concatenate(ids) if ids else np.empty(0, np.int64)
