"""Losses that keep landmarks apart (Thewlis et al. 2017, section 3.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_integer, require_tensor
from tusklite.precision import widen


def overlap_loss(probs: Tensor) -> Tensor:
    """How much probability maps overlap, pair by pair (Thewlis et al. 2017, eq. 7).

    The pairs of a map with itself count, as in the equation; they ask each map to be spread out. Its cost grows with
    K².

    Args:
        probs: `(B, K, H, W)` maps that are at least 0 and sum to 1.

    Returns:
        A scalar, the mean over the batch of 1/K² times the sum over pairs and pixels.

    Raises:
        TypeError, ValueError: not a finite floating-point tensor of four dimensions.

    Example:
        >>> import torch
        >>> together = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2).expand(1, 2, 1, 2)
        >>> apart = torch.eye(2).view(1, 2, 1, 2)
        >>> overlap_loss(together), overlap_loss(apart)
        (tensor(1.), tensor(0.5000))
    """
    require_tensor("probs", probs, ("B", "K", "H", "W"))
    (probs,) = widen(probs)
    # The sum over pairs of products is the square of the sum: no K² maps are made.
    return (probs.sum(dim=1) ** 2).flatten(1).sum(dim=1).mean() / probs.shape[1] ** 2


def diversity_loss(probs: Tensor, pool: int = 1) -> Tensor:
    """Probability that lies where another landmark has more of it (Thewlis et al. 2017, eq. 8, and its pooled form).

    Args:
        probs: `(B, K, H, W)` maps that are at least 0 and sum to 1.
        pool: side of the disjoint squares over which probability is summed first, so that landmarks also keep their
            distance; H and W must be multiples of it. 1 is eq. 8 itself.

    Returns:
        A scalar, the mean over the batch: 0 when no two landmarks share a square, K - 1 when all lie together.

    Raises:
        TypeError, ValueError: not a finite floating-point tensor of four dimensions, or a pool that does not divide.

    Example:
        >>> import torch
        >>> apart = torch.eye(2).view(1, 2, 1, 2).repeat(1, 1, 2, 1) / 2
        >>> diversity_loss(apart), diversity_loss(apart, pool=2)
        (tensor(0.), tensor(1.))
    """
    require_tensor("probs", probs, ("B", "K", "H", "W"))
    height, width = probs.shape[2:]
    pool = require_integer("pool", pool, low=1)
    (probs,) = widen(probs)
    if height % pool or width % pool:
        raise ValueError(f"pool: {pool} was given; allowed is a number that divides {height} and {width}")
    summed = F.avg_pool2d(probs, pool) * pool**2
    return (summed.sum(dim=1) - summed.amax(dim=1)).flatten(1).sum(dim=1).mean()
