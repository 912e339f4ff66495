"""Mutual information between assignments: beyond the paper, what makes clusters mean something within minutes."""

from __future__ import annotations

from torch import Tensor

from tusklite.arguments import require_alike, require_flags, require_tensor
from tusklite.precision import widen


def mutual_information_loss(first: Tensor, second: Tensor, mask: Tensor | None = None) -> Tensor:
    """Minus the mutual information of two soft assignments of the same things (as in IIC; Ji et al. 2019).

    The joint distribution over pairs of prototypes is averaged over the things and made symmetric. Its information is
    large when both assignments agree, each is sure of itself, and the prototypes are used evenly; so it cannot be had
    by putting everything into one prototype.

    Args:
        first: `(N, M)` probabilities over M prototypes, rows summing to 1.
        second: `(N, M)` the same things seen otherwise: in another view, or their nearest neighbours.
        mask: `(N,)` bool, False for pairs to leave out; all count where None.

    Returns:
        A scalar in nats, from -ln M (best) to 0.

    Raises:
        TypeError, ValueError: not tensors of these shapes and types, or on one device.

    Example:
        >>> import torch
        >>> mutual_information_loss(torch.eye(4), torch.eye(4))
        tensor(-1.3863)
        >>> mutual_information_loss(torch.full((3, 4), 0.25), torch.full((3, 4), 0.25)).abs() < 1e-6
        tensor(True)
    """
    require_tensor("first", first, ("N", "M"), finite=False)
    require_tensor("second", second, tuple(first.shape), finite=False)
    require_alike("first", first, second=second)
    first, second = widen(first, second)
    if mask is not None:
        first = first * require_flags("mask", mask, first.shape[:1], first.device).unsqueeze(1)
    joint = first.T @ second  # (M, M)
    joint = joint + joint.T
    joint = (joint / joint.sum().clamp_min(1e-12)).clamp_min(1e-12)
    marginal = joint.sum(dim=1)
    return (joint * (marginal.log().unsqueeze(0) + marginal.log().unsqueeze(1) - joint.log())).sum()
