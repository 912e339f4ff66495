"""Losses of points in correspondence: descriptors that agree within a cluster, and maps of assigned landmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.arguments import require_alike, require_flags, require_number, require_tensor
from tusklite.precision import widen


def contrastive_loss(
    descriptors: Tensor,
    label: Tensor,
    allowed: Tensor | None = None,
    margin: float = 1.0,
    squared: bool = False,
    balanced: bool = False,
) -> Tensor:
    """Descriptors of one cluster should meet, others stay a margin apart (Mallis et al. 2020, eq. 2).

    The mean over pairs of points: of their distance where the labels agree, of how much the distance falls short of the
    margin where they do not. All pairs are taken, each with its own two labels. The authors' code takes 3,000 an image
    in the order of its rows, so that late points may meet no negatives, and reads one point's label from a list that
    was filtered and another's from one that was not.

    Args:
        descriptors: `(P, C)` of the points of several images.
        label: int64 `(P,)` the cluster of each point; -1 for a point that takes no part.
        allowed: bool `(P, P)`, symmetric, which pairs count, such as those of two images that were drawn together;
            None: all.
        margin: m, above 0. The paper does not say how large; the authors' code has 0.8.
        squared: squares of the distance and of what falls short, as in the authors' code; as printed, neither.
        balanced: the mean over pairs that agree plus the mean over others, of which there are many more.

    Returns:
        A scalar of at least 0; 0 where no pair is allowed.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices, NaN, or a margin that is not above 0.

    Example:
        >>> points = torch.tensor([[0.0], [3.0], [0.25]])
        >>> contrastive_loss(points, torch.tensor([0, 0, 1]), margin=1.0)
        tensor(1.2500)
    """
    require_tensor("descriptors", descriptors, ("P", "C"))
    margin = require_number("margin", margin, open_low=True)
    if label.dtype != torch.int64:
        raise TypeError(f"label: {label.dtype} was given; allowed is torch.int64")
    if label.shape != descriptors.shape[:1] or label.device != descriptors.device:
        raise ValueError(
            f"label: {tuple(label.shape)} on {label.device} was given; "
            f"allowed is {tuple(descriptors.shape[:1])} on {descriptors.device}"
        )
    (wide,) = widen(descriptors)
    counted = torch.ones(len(wide), len(wide), dtype=torch.bool, device=wide.device).triu(1)
    if allowed is not None:
        counted &= require_flags("allowed", allowed, (len(wide), len(wide)), wide.device)
    counted &= (label >= 0)[:, None] & (label >= 0)
    # Its gradient is 0, not NaN, where two descriptors coincide.
    distance = torch.cdist(wide, wide, compute_mode="donot_use_mm_for_euclid_dist")
    short = (margin - distance).clamp(min=0)
    agree = label[:, None] == label
    if squared:
        distance, short = distance.square(), short.square()
    positive, negative = counted & agree, counted & ~agree
    attraction, repulsion = (distance * positive).sum(), (short * negative).sum()
    if balanced:
        return attraction / positive.sum().clamp(min=1) + repulsion / negative.sum().clamp(min=1)
    return (attraction + repulsion) / counted.sum().clamp(min=1)


def assigned_map_loss(maps: Tensor, targets: Tensor, assigned: Tensor, emphasis: float = 0.0) -> Tensor:
    """Squared error of the maps of those landmarks that an image has (Mallis et al. 2020, section 3.3).

    A landmark without a point in an image may be there all the same, unseen by the detector so far: its map is left
    alone.

    Args:
        maps: `(B, M, H, W)`.
        targets: `(B, M, H, W)`, as from `channel_targets`.
        assigned: bool `(B, M)`.
        emphasis: each pixel weighs 1 + emphasis * target. 0 in the paper; nearly all of a target is empty, and plain
            errors may leave a map empty for thousands of steps.

    Returns:
        A scalar: the mean over the pixels of assigned maps; 0 where none is.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices, or an emphasis below 0.

    Example:
        >>> maps, targets = torch.zeros(1, 2, 1, 2), torch.tensor([[[[1.0, 0.0]], [[0.0, 0.0]]]])
        >>> assigned_map_loss(maps, targets, torch.tensor([[True, False]]))
        tensor(0.5000)
    """
    require_tensor("maps", maps, ("B", "M", "H", "W"), finite=False)
    require_tensor("targets", targets, tuple(maps.shape))
    require_alike("maps", maps, targets=targets)
    require_flags("assigned", assigned, maps.shape[:2], maps.device)
    emphasis = require_number("emphasis", emphasis)
    maps, targets = widen(maps, targets)
    error = (maps - targets).square() * (1 + emphasis * targets)
    per_map = error.mean(dim=(2, 3))
    return torch.where(assigned, per_map, 0.0).sum() / assigned.sum().clamp(min=1)
