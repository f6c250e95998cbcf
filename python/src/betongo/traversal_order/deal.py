"""How torch's DistributedSampler shuffles and deals samples out to ranks, without torch."""

from __future__ import annotations

import sys

import numpy as np

__all__ = ["deal", "torch_permutation"]


def deal(order: np.ndarray, rank: int, world_size: int) -> np.ndarray:
    """Return what a rank gets of order: every world_size-th, of order filled up from its own front."""
    if world_size == 1:
        return order
    if len(order) == 0:
        return order
    per_rank = -(-len(order) // world_size)
    return np.resize(order, per_rank * world_size)[rank::world_size]


def torch_permutation(n: int, seed: int) -> np.ndarray:
    """Return torch.randperm(n) of a generator with that seed, as int64."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "randperm"):
        return torch.randperm(n, generator=torch.Generator().manual_seed(seed)).numpy()
    twister = np.random.MT19937()
    twister._legacy_seeding(seed & 0xFFFFFFFF)
    draws = twister.random_raw(max(n - 1, 0)).astype(np.int64)
    swaps = (np.arange(n - 1) + draws % np.arange(n, 1, -1)).tolist()
    order = list(range(n))
    for i, j in enumerate(swaps):
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)
