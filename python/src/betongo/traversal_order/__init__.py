"""The orders in which an epoch's samples come: FFCV's three, the engine's further ones, and the base for
your own."""

from .base import TraversalOrder
from .named import BlockShuffle, ClassBalanced, Keyed, NamedOrder, PageShuffle, Repeated, Weighted
from .quasi_random import QuasiRandom
from .random import Random
from .sequential import Sequential

__all__ = [
    "BlockShuffle",
    "ClassBalanced",
    "Keyed",
    "NamedOrder",
    "PageShuffle",
    "QuasiRandom",
    "Random",
    "Repeated",
    "Sequential",
    "TraversalOrder",
    "Weighted",
]
