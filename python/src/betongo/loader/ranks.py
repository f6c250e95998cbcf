"""Which rank of how many this process is."""

from __future__ import annotations

import os
import sys

__all__ = ["ranks"]


def ranks(distributed: bool, rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return rank and world size: those given, else torch.distributed's if it is initialised, else the
    environment's.

    Without distributed and without any given it is 0 of 1. ValueError when they can't be told, or aren't
    such.
    """
    if not distributed and rank is None and world_size is None:
        return 0, 1
    if rank is None or world_size is None:
        its = _initialised() or _environment()
        if its is None:
            raise ValueError(
                "distributed=True, but torch.distributed is not initialised, the environment has no RANK "
                "and WORLD_SIZE, and no rank= and world_size= were given"
            )
        rank, world_size = its[0] if rank is None else rank, its[1] if world_size is None else world_size
    rank, world_size = int(rank), int(world_size)
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} of world size {world_size}: want 0 to {max(world_size - 1, 0)}")
    return rank, world_size


def _initialised() -> tuple[int, int] | None:
    torch = sys.modules.get("torch")  # who hasn't imported it has initialised nothing
    distributed = getattr(torch, "distributed", None)
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return int(distributed.get_rank()), int(distributed.get_world_size())


def _environment() -> tuple[int, int] | None:
    texts = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if texts[0] is None or texts[1] is None:
        return None
    try:
        return int(texts[0]), int(texts[1])
    except ValueError:
        raise ValueError(
            f"the environment has RANK={texts[0]!r}, WORLD_SIZE={texts[1]!r}: want whole numbers"
        ) from None
