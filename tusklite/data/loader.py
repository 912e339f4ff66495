"""Which images a step sees, and how they reach it."""

from __future__ import annotations

import torch
from torch import Tensor


def batch_indices(size: int, batch: int, step: int, seed: int) -> Tensor:
    """Which images a step sees: every epoch goes through all of them once, in a new order.

    Example:
        >>> sorted(torch.cat([batch_indices(6, 4, step, seed=0) for step in range(3)]).tolist())
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    """
    places = torch.arange(step * batch, (step + 1) * batch)
    orders = {
        epoch: torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
        for epoch in (places // size).unique().tolist()
    }
    return torch.stack([orders[int(place) // size][int(place) % size] for place in places])
