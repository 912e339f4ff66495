"""Pseudo truth: the points that stand for an image's landmarks while the network learns, round after round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_flags, require_integer, require_number, require_tensor

RULES = ("paper", "code", "accumulate")


class PointSets(NamedTuple):
    """The points of N images, each in one of Q places.

    Attributes:
        xy: `(N, Q, 2)` in [-1, 1]; 0 where no point is.
        found: bool `(N, Q)`, which places hold a point.
    """

    xy: Tensor
    found: Tensor


def joined_points(first: PointSets, second: PointSets, radius: float, most: int | None = None) -> PointSets:
    """The points of two sets, less those of the second that lie near one of the first: older points win.

    The authors' code merges so, by suppression in which old points have the higher score (Mallis et al. 2020).

    Args:
        first: of N images.
        second: of the same images; its points may be near each other, and stay.
        radius: how near is the same point, in [-1, 1].
        most: how many points an image may have; the first are kept, in the order of the sets. None: all.

    Returns:
        `PointSets`, with no more places than the fullest image needs.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices, a radius below 0, or `most` below 1.

    Example:
        >>> yes = torch.ones(1, 1, dtype=torch.bool)
        >>> one, other = PointSets(torch.zeros(1, 1, 2), yes), PointSets(torch.full((1, 1, 2), 0.5), yes)
        >>> joined_points(one, other, radius=0.1).xy
        tensor([[[0.0000, 0.0000],
                 [0.5000, 0.5000]]])
        >>> joined_points(one, other, radius=1.0).xy
        tensor([[[0., 0.]]])
    """
    require_sets("first", first)
    require_sets("second", second)
    radius = require_number("radius", radius)
    most = most if most is None else require_integer("most", most, low=1)
    distance = torch.cdist(first.xy, second.xy, compute_mode="donot_use_mm_for_euclid_dist")  # (N, Q, R)
    near = (distance <= radius) & first.found[:, :, None]
    found = torch.cat([first.found, second.found & ~near.any(1)], 1)
    return _packed(PointSets(torch.cat([first.xy, second.xy], 1), found), most)


def snapped(points: PointSets, start: PointSets, radius: float) -> PointSets:
    """Points moved onto the nearest starting point, where one is near.

    Beyond the paper: a detector's maxima are as coarse as its map, and a corner detector's are not; so the pseudo truth
    does not drift from round to round.

    Args:
        points: of N images, such as detections.
        start: the starting points of the same images.
        radius: how near is near, in [-1, 1].

    Returns:
        `PointSets`, with the places of `points`. Two points may come to lie on one.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices, or a radius below 0.

    Example:
        >>> yes = torch.ones(1, 1, dtype=torch.bool)
        >>> corner = PointSets(torch.full((1, 1, 2), 0.5), yes)
        >>> snapped(PointSets(torch.full((1, 1, 2), 0.45), yes), corner, radius=0.1).xy
        tensor([[[0.5000, 0.5000]]])
    """
    require_sets("points", points)
    require_sets("start", start)
    radius = require_number("radius", radius)
    distance = torch.cdist(points.xy, start.xy, compute_mode="donot_use_mm_for_euclid_dist")
    nearest, which = distance.masked_fill(~start.found[:, None], torch.inf).min(2)  # (N, Q)
    corner = start.xy.gather(1, which[..., None].expand(-1, -1, 2))
    moves = points.found & (nearest <= radius)
    return PointSets(torch.where(moves[..., None], corner, points.xy), points.found)


def seen_again(points: PointSets, detections: PointSets, radius: float) -> PointSets:
    """Those of some points that lie near a detection: what a round kept and had itself detected.

    Args:
        points: of N images.
        detections: of the same images.
        radius: how near is the same point, in [-1, 1].

    Returns:
        `PointSets`, with the places of `points`.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices, or a radius below 0.

    Example:
        >>> yes = torch.ones(1, 2, dtype=torch.bool)
        >>> points = PointSets(torch.tensor([[[0.0, 0.0], [0.5, 0.5]]]), yes)
        >>> seen_again(points, PointSets(points.xy[:, 1:], yes[:, 1:]), radius=0.1).found
        tensor([[False,  True]])
    """
    require_sets("points", points)
    require_sets("detections", detections)
    radius = require_number("radius", radius)
    distance = torch.cdist(points.xy, detections.xy, compute_mode="donot_use_mm_for_euclid_dist")
    near = ((distance <= radius) & detections.found[:, None]).any(2)
    found = points.found & near
    return PointSets(torch.where(found[..., None], points.xy, 0), found)


def next_pseudo_truth(
    rule: str,
    detections: PointSets,
    kept: Sequence[PointSets],
    radius: float,
    start: PointSets | None = None,
    snap: float = 0.0,
    most: int | None = None,
) -> PointSets:
    """The points of the next round, from the detections of this one and what was kept before.

    Called before the points are clustered; those far from a centroid are dropped afterwards (`correspond`), and what is
    left is what was `kept` of the round. The rules:

    - "paper": what was detected in this round, and in the one before and kept there: a point that is found again in no
      round is gone after two (Mallis et al. 2020, section 3.2).
    - "code": all that was kept so far, and what was detected anew. A point that is dropped once is lost until it is
      detected again.
    - "accumulate": all that was ever kept, be it dropped since, and what was detected anew.

    In all of them the older point stays where two are the same.

    Args:
        rule: "paper", "code" or "accumulate".
        detections: of this round.
        kept: of the rounds before, the last one last. "paper" wants in each what that round itself had detected and
            kept (`seen_again`); the others want all that it had kept. Empty in the first round.
        radius: how near is the same point, in [-1, 1].
        start: the starting points, for `snap`.
        snap: how near to a starting point a detection takes its place; 0: never.
        most: how many points an image may have.

    Returns:
        `PointSets`.

    Raises:
        TypeError, ValueError: an unknown rule, wrong shapes or ranges, or snap without starting points.

    Example:
        >>> yes = torch.ones(1, 1, dtype=torch.bool)
        >>> rounds = [PointSets(torch.full((1, 1, 2), place), yes) for place in (0.1, 0.3, 0.5)]
        >>> next_pseudo_truth("paper", rounds[2], rounds[:2], radius=0.1).xy[0, :, 0]
        tensor([0.3000, 0.5000])
        >>> next_pseudo_truth("accumulate", rounds[2], rounds[:2], radius=0.1).xy[0, :, 0]
        tensor([0.1000, 0.3000, 0.5000])
    """
    require_choice("rule", rule, RULES)
    require_sets("detections", detections)
    if require_number("snap", snap):
        if start is None:
            raise ValueError(f"start: None was given with snap {snap}; allowed are the starting points")
        detections = snapped(detections, start, snap)
    # Of detections that were snapped onto one corner, one stays.
    detections = _without_doubles(detections)
    remembered = list(kept) if rule == "accumulate" else list(kept)[-1:]
    points = None
    for older in [*remembered, detections]:
        points = older if points is None else joined_points(points, older, radius)
    assert points is not None
    return _packed(points, most)


def padded(points: PointSets, places: int) -> PointSets:
    """The same points in so many places; those beyond them are left out.

    Example:
        >>> padded(PointSets(torch.ones(1, 1, 2), torch.ones(1, 1, dtype=torch.bool)), 3).found
        tensor([[ True, False, False]])
    """
    more = max(places - points.found.shape[1], 0)
    xy = torch.nn.functional.pad(points.xy, (0, 0, 0, more))[:, :places]
    return PointSets(xy, torch.nn.functional.pad(points.found, (0, more))[:, :places])


def require_sets(name: str, points: PointSets) -> None:
    """Refuse what are no points of N images.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices.
    """
    require_tensor(f"{name}.xy", points.xy, ("N", "Q", 2))
    require_flags(f"{name}.found", points.found, points.xy.shape[:2], points.xy.device)


def _without_doubles(points: PointSets) -> PointSets:
    """Of points at the very same place the first."""
    same = (points.xy[:, :, None] == points.xy[:, None]).all(-1) & points.found[:, None]  # (N, Q, Q)
    earlier = torch.ones_like(same[0]).tril(-1)
    return PointSets(points.xy, points.found & ~(same & earlier).any(2))


def _packed(points: PointSets, most: int | None) -> PointSets:
    """Points in the first places, in their order, and no more places than there are points, or than `most`."""
    order = points.found.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
    full = max(int(points.found.sum(1).max()), 1)
    order = order[:, : full if most is None else min(full, most)]
    found = points.found.gather(1, order)
    xy = points.xy.gather(1, order[..., None].expand(-1, -1, 2))
    return PointSets(torch.where(found[..., None], xy, 0), found)
