"""Starting points of a known quality: some true points of each image among random ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor
from tusklite.data.counter_random import random_bits, unit_interval

FIRST_TRUE, FIRST_RANDOM, FIRST_SLOT = 0, 100_000, 200_000  # numbers of an image's stream where these begin


class PointMixture(NamedTuple):
    """Points of N images in Q places each, in an order that says nothing.

    Attributes:
        xy: float (N, Q, 2) in [-1, 1]; 0 where no point is.
        found: bool (N, Q), which places hold a point.
        which: int64 (N, Q), which true point it is, and -1 for a random one or none. For scores alone.
    """

    xy: Tensor
    found: Tensor
    which: Tensor


def mix_points(points: Tensor, indices: Tensor, share: float, count: int, seed: int = 0) -> PointMixture:
    """Choose true points at random, and fill up with random ones (Mallis et al. 2020, figure 2, its synthetic start).

    This puts the quality of a detector in place of a detector: an image's points are `share` true, each image has
    others of its true points, and the rest are uniform over the picture. What is chosen for an image depends on the
    seed and on its index alone.

    Args:
        points: (N, P, 2) true points in [-1, 1]; those that are NaN or outside the picture are left out, and an image
            has so many fewer.
        indices: (N,) int64, the images' numbers in their data set.
        share: how many of the points are to be true, 0 to 1.
        count: Q, how many points an image has, true and random.
        seed: 0 or more.

    Returns:
        `PointMixture`, on the device of the points.

    Raises:
        TypeError, ValueError: a wrong type, shape or range, or a share that asks for more true points than there are.

    Example:
        >>> mixture = mix_points(torch.zeros(3, 14, 2), torch.arange(3), share=0.4, count=15)
        >>> (mixture.which >= 0).sum(1)
        tensor([6, 6, 6])
    """
    require_tensor("points", points, ("N", "P", 2), finite=False)
    share = require_number("share", share, high=1.0)
    count = require_integer("count", count, low=1, high=10_000)
    seed = require_integer("seed", seed, low=0, high=2**63 - 1)
    images, known, device = *points.shape[:2], points.device
    if indices.shape != (images,) or indices.dtype != torch.int64:
        raise ValueError(
            f"indices: {indices.dtype} {tuple(indices.shape)} was given; allowed is int64 ({images},), one an image"
        )
    true = round(share * count)
    if true > known:
        raise ValueError(
            f"share: {share} of {count} points was given, {true} true ones; allowed are at most {known}, as in points"
        )
    keys = random_bits(seed, indices.to(device))[:, None]  # (N, 1)
    chosen = random_bits(keys, FIRST_TRUE + torch.arange(known, device=device)).argsort(1)[:, :true]
    bits = random_bits(keys, FIRST_RANDOM + torch.arange(2 * (count - true), device=device))
    anywhere = 2 * unit_interval(bits) - 1
    xy = torch.cat([points.gather(1, chosen[..., None].expand(-1, -1, 2)), anywhere.view(images, -1, 2).to(points)], 1)
    which = torch.cat([chosen, chosen.new_full((images, count - true), -1)], 1)
    slot = random_bits(keys, FIRST_SLOT + torch.arange(count, device=device)).argsort(1)
    xy, which = xy.gather(1, slot[..., None].expand(-1, -1, 2)), which.gather(1, slot)
    found = (xy.abs() < 1).all(-1)  # NaN is not
    return PointMixture(torch.where(found[..., None], xy, 0.0), found, torch.where(found, which, -1))
