"""Which rank of how many this process is."""

from __future__ import annotations

import os
import sys

__all__ = ["ranks"]


def ranks(distributed: bool, rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return rank and world size.

    With distributed they are torch.distributed's if it is initialised, else the environment's RANK and
    WORLD_SIZE, else those given; given ones that contradict what was found are a ValueError. Without
    distributed they are those given, whatever else there is, and 0 of 1 when none are. ValueError when one
    is missing, or they aren't such.
    """
    given = rank is not None or world_size is not None
    if not distributed and not given:
        return 0, 1
    found = _found() if distributed else None
    if found is not None:
        who, *its = found
        if [its[0] if rank is None else rank, its[1] if world_size is None else world_size] != its:
            raise ValueError(
                f"{_said(rank, world_size)}, but {who} is rank {its[0]} of world size {its[1]}: leave them "
                "out, or leave out distributed=True to share among exactly these"
            )
        rank, world_size = its
    if rank is None or world_size is None:
        if given:
            raise ValueError(f"{_said(rank, world_size)}: rank= and world_size= belong together")
        raise ValueError(
            "distributed=True, but torch.distributed is not initialised, the environment has no RANK "
            "and WORLD_SIZE, and no rank= and world_size= were given"
        )
    rank, world_size = int(rank), int(world_size)
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} of world size {world_size}: want 0 to {max(world_size - 1, 0)}")
    return rank, world_size


def _said(rank: int | None, world_size: int | None) -> str:
    """Say what was given."""
    said = {"rank": rank, "world_size": world_size}
    return ", ".join(f"{name}={value}" for name, value in said.items() if value is not None)


def _found() -> tuple[str, int, int] | None:
    """Return who tells rank and world size, and these."""
    torch = sys.modules.get("torch")  # who hasn't imported it has initialised nothing
    distributed = getattr(torch, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return "torch.distributed", int(distributed.get_rank()), int(distributed.get_world_size())
    texts = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if texts[0] is None or texts[1] is None:
        return None
    try:
        return "the environment (RANK, WORLD_SIZE)", int(texts[0]), int(texts[1])
    except ValueError:
        raise ValueError(
            f"the environment has RANK={texts[0]!r}, WORLD_SIZE={texts[1]!r}: want whole numbers"
        ) from None
