"""Types of the memory managers."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["BATCHES_TYPE"]

# The sample numbers of each batch.
BATCHES_TYPE = Sequence[Sequence[int]]
