"""Annotated parts of things read off keypoints, where a picture may show several things (Jin et al. 2022, figure 1).

On pictures of single things it is learnt where each part lies from the keypoints of a prototype. On a picture with
several, every keypoint says by these offsets where it thinks the parts are, and where the whole thing is: things are
where such votes agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor

RADIUS = 0.2  # a part is found within so many units of its place; the unit of a face is the distance of its eyes
FEWEST = 10  # keypoints that a prototype must have, to be believed
COMMON = 0.02  # and in what share of the pictures
AGREE = 0.25  # votes of one thing lie within so many units of each other
VOICES = 2  # so many kinds of keypoint have to agree, however well each of them is trusted
SAME = 0.5  # the middle of a thing is found within so many units


class Points(NamedTuple):
    """Keypoints of one picture or of many, in pixels.

    Attributes:
        xy: `(..., K, 2)`.
        prototype: int64 `(..., K)`, of which kind each is; of a detector with a channel a keypoint, the channel.
        found: bool `(..., K)`.
    """

    xy: Tensor
    prototype: Tensor
    found: Tensor


@dataclass(frozen=True)
class PartOffsets:
    """Where parts lie from keypoints, learnt on pictures of single things; M prototypes, P parts.

    Attributes:
        offset: `(M, P, 2)` median way from a keypoint to a part, in pixels.
        hit: `(M, P)` share of the keypoints of which the part lies there, within the radius.
        bare: `(M, P)` share of the keypoints that are on the part themselves.
        middle: `(M, 2)` median way to the middle of the parts.
        trust: `(M,)` share of the keypoints from which that leads there.
        unit: median size of a thing, in pixels.
        support: median, over the pictures, of the summed trust of the keypoints that lead to the middle.
    """

    offset: Tensor
    hit: Tensor
    bare: Tensor
    middle: Tensor
    trust: Tensor
    unit: float
    support: float

    def speaks_for(self, bare: bool = False) -> Tensor:
        """bool `(M, P)`: which prototypes speak for a part: those that are right about it half of the time.

        Where none is, the one that is right most often does.
        """
        right = self.bare if bare else self.hit
        speaks = right >= 0.5
        lonely = ~speaks.any(dim=0)
        speaks[right.argmax(dim=0)[lonely], lonely.nonzero().flatten()] = True
        return speaks


def learn_offsets(points: Points, parts: Tensor, prototypes: int, unit: float | None = None) -> PartOffsets:
    """Where parts lie from the keypoints of each prototype, in pictures of one thing each.

    Args:
        points: of N pictures, `(N, K, 2)` in pixels.
        parts: `(N, P, 2)` annotated parts, in pixels; the first two, the eyes of a face, are the unit apart.
        prototypes: M.
        unit: one for all pictures, in pixels, where that of each thing should not count.

    Raises:
        TypeError, ValueError: other shapes.

    Example:
        >>> parts = torch.tensor([[[0.0, 0.0], [10.0, 0.0]]]) + torch.arange(20.0).view(-1, 1, 1)
        >>> on_the_left_eye = Points(parts[:, :1], torch.zeros(20, 1, dtype=torch.int64), torch.ones(20, 1).bool())
        >>> learnt = learn_offsets(on_the_left_eye, parts, prototypes=2)
        >>> learnt.offset[0].tolist(), learnt.bare.tolist(), learnt.unit
        ([[0.0, 0.0], [10.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]], 10.0)
    """
    require_tensor("points.xy", points.xy, ("N", "K", 2))
    count = len(points.xy)
    require_tensor("parts", parts, (count, "P", 2))
    prototypes = require_integer("prototypes", prototypes, low=1)
    units = _units(parts, unit)  # (N,)
    middles = parts.mean(dim=1)
    offset, hit, bare = parts.new_zeros(prototypes, parts.shape[1], 2), *parts.new_zeros(2, prototypes, parts.shape[1])
    middle, trust = parts.new_zeros(prototypes, 2), parts.new_zeros(prototypes)
    for prototype in range(prototypes):
        rows, slots = ((points.prototype == prototype) & points.found).nonzero(as_tuple=True)
        if len(rows) < max(FEWEST, COMMON * count):
            continue
        own = points.xy[rows, slots]
        ways, radius = parts[rows] - own.unsqueeze(1), RADIUS * units[rows]  # (n, P, 2), (n,)
        offset[prototype] = ways.median(dim=0).values
        hit[prototype] = ((ways - offset[prototype]).norm(dim=-1) < radius.unsqueeze(1)).float().mean(dim=0)
        bare[prototype] = (ways.norm(dim=-1) < radius.unsqueeze(1)).float().mean(dim=0)
        to_middle = middles[rows] - own
        middle[prototype] = to_middle.median(dim=0).values
        near = (to_middle - middle[prototype]).norm(dim=-1) < AGREE * units[rows]
        trust[prototype] = near.float().mean()
    kinds = points.prototype
    leads = (points.xy + middle[kinds] - middles.unsqueeze(1)).norm(dim=-1) < AGREE * units.unsqueeze(1)  # (N, K)
    support = (trust[kinds] * (leads & points.found)).sum(dim=1).median()
    return PartOffsets(offset, hit, bare, middle, trust, float(units.median()), float(support))


def _units(parts: Tensor, unit: float | None) -> Tensor:
    """The unit of each of N things `(N, P, 2)`: what is given, or how far its first two parts are apart."""
    if unit is None:
        return (parts[:, 0] - parts[:, 1]).norm(dim=-1)
    return parts.new_full((len(parts),), require_number("unit", unit, open_low=True))


class PartScores(NamedTuple):
    """How many parts are found in one picture of F things.

    Attributes:
        found: bool `(F, P)`.
        votes: how many votes there were.
        right: how many of them lie on their part, of any of the things.
    """

    found: Tensor
    votes: int
    right: int


def find_parts(
    points: Points, parts: Tensor, offsets: PartOffsets, bare: bool = False, unit: float | None = None
) -> PartScores:
    """Which annotated parts of a picture have a vote within the radius.

    Args:
        points: of one picture, `(K, 2)` in pixels.
        parts: `(F, P, 2)` of its F things.
        offsets: learnt on single things.
        bare: the keypoint itself is the vote.
        unit: as for `learn_offsets`.

    Raises:
        TypeError, ValueError: other shapes.

    Example:
        >>> parts = torch.tensor([[[0.0, 0.0], [10.0, 0.0]]])
        >>> one = torch.ones(1, 2)
        >>> offsets = PartOffsets(torch.tensor([[[1.0, 0.0], [9.0, 0.0]]]), one, one, one, torch.ones(1), 10.0, 1.0)
        >>> find_parts(Points(torch.tensor([[0.0, 0.0]]), torch.tensor([0]), torch.tensor([True])), parts, offsets)
        PartScores(found=tensor([[True, True]]), votes=2, right=2)
    """
    require_tensor("points.xy", points.xy, ("K", 2))
    require_tensor("parts", parts, ("F", "P", 2))
    speaks = offsets.speaks_for(bare)[points.prototype] & points.found.unsqueeze(1)  # (K, P)
    ways = torch.zeros_like(offsets.offset) if bare else offsets.offset
    votes = points.xy.unsqueeze(1) + ways[points.prototype]  # (K, P, 2)
    radius = RADIUS * _units(parts, unit)  # (F,)
    near = (votes.unsqueeze(1) - parts).norm(dim=-1) < radius.view(1, -1, 1)  # (K, F, P)
    near = near & speaks.unsqueeze(1)
    return PartScores(near.any(dim=0), int(speaks.sum()), int(near.any(dim=1).sum()))


class Voted(NamedTuple):
    """Whole things that keypoints of one picture agree on, the best supported first.

    Attributes:
        middle: `(F, 2)` where they are, in pixels.
        support: `(F,)` summed trust of the keypoints that say so, each prototype once.
        explained: share of the trust of all keypoints of the picture that went into them.
    """

    middle: Tensor
    support: Tensor
    explained: float


def vote_for_things(points: Points, offsets: PartOffsets, least: float = 0.5, most: int = 1000) -> Voted:
    """Find whole things in one picture: where the votes of keypoints for the middle of a thing agree.

    Again and again the place is taken that most trust leads to, each prototype counting once, until less is left than
    a share of what a single thing has, or one kind alone says so. Keypoints within the agreement are used up by it.

    Args:
        points: of one picture, `(K, 2)` in pixels.
        offsets: learnt on single things of about this size.
        least: the share, of `offsets.support`, in (0, 1].
        most: how many things at most.

    Raises:
        TypeError, ValueError: another shape, or a share out of range.

    Example:
        >>> one = torch.ones(2, 1)
        >>> offsets = PartOffsets(one.view(2, 1, 1), one, one, torch.tensor([[5.0, 0.0], [-5.0, 0.0]]), one[:, 0], 8, 2)
        >>> xy = torch.tensor([[10.0, 10.0], [20.0, 10.0], [50.0, 10.0]])
        >>> voted = vote_for_things(Points(xy, torch.tensor([0, 1, 0]), torch.ones(3).bool()), offsets, least=0.8)
        >>> voted.middle.tolist(), voted.support.tolist(), round(voted.explained, 3)
        ([[15.0, 10.0]], [2.0], 0.667)
    """
    require_tensor("points.xy", points.xy, ("K", 2))
    least = require_number("least", least, open_low=True, high=1.0)
    votes, trust = points.xy + offsets.middle[points.prototype], offsets.trust[points.prototype] * points.found
    total, radius = float(trust.sum()), AGREE * offsets.unit
    near = (votes.unsqueeze(0) - votes.unsqueeze(1)).norm(dim=-1) < radius  # (K, K)
    kinds = torch.nn.functional.one_hot(points.prototype, len(offsets.trust)).to(trust)  # (K, M)
    middles: list[Tensor] = []
    supports: list[Tensor] = []
    left = trust.clone()
    threshold = max(least * offsets.support, 1e-6)
    while len(middles) < most:
        # Of each prototype the best that agrees: two keypoints of one kind are no more than one.
        agreeing = (near.unsqueeze(-1) * left.view(1, -1, 1) * kinds.unsqueeze(0)).amax(dim=1)  # (K, M)
        agreed = (left > 0) & ((agreeing > 0).sum(dim=1) >= VOICES)
        support = agreeing.sum(dim=1) * agreed
        best = int(support.argmax())
        if not float(support[best]) >= threshold:
            break
        own = near[best] & (left > 0)
        middles.append((votes[own] * left[own].unsqueeze(1)).sum(dim=0) / left[own].sum())
        supports.append(support[best])
        left = torch.where(own, 0, left)
    none = votes.new_zeros(0, 2)
    explained = (total - float(left.sum())) / total if total > 0 else 0.0
    if not middles:
        return Voted(none, none[:, 0], explained)
    return Voted(torch.stack(middles), torch.stack(supports), explained)


def match_things(voted: Voted, parts: Tensor, unit: float | None = None) -> int:
    """How many of F things `(F, P, 2)` have a voted middle within half a unit of their own, each vote used once.

    The unit is as for `learn_offsets`.

    Example:
        >>> parts = torch.tensor([[[0.0, 0.0], [10.0, 0.0]], [[50.0, 0.0], [60.0, 0.0]]])
        >>> match_things(Voted(torch.tensor([[6.0, 1.0], [4.0, 0.0]]), torch.ones(2), 1.0), parts)
        1
    """
    require_tensor("parts", parts, ("F", "P", 2))
    if not len(voted.middle):
        return 0
    units = _units(parts, unit)
    near = (parts.mean(dim=1).unsqueeze(1) - voted.middle).norm(dim=-1) < SAME * units.unsqueeze(1)  # (F, V)
    rows, columns = linear_sum_assignment(-near.double().numpy())
    return int(near[rows, columns].sum())


def choose_scale(votes: Sequence[Voted]) -> int:
    """Which of several scales of a picture suits the detector, without truth.

    The share of the picture's keypoints, by their trust, that whole things account for: at a wrong scale keypoints
    do not lead to one place. Neither a larger picture nor more keypoints raise a share, as they raise a sum of votes.

    Args:
        votes: what `vote_for_things` found at each scale.

    Returns:
        The scale's place; the first of equals.

    Raises:
        ValueError: no scale.

    Example:
        >>> some, none = torch.ones(3, 2), torch.zeros(0, 2)
        >>> choose_scale([Voted(none, none[:, 0], 0.0), Voted(some, some[:, 0], 0.6), Voted(some, some[:, 0], 0.2)])
        1
    """
    if not votes:
        raise ValueError("votes: none were given; allowed is at least one scale")
    return max(range(len(votes)), key=lambda place: votes[place].explained)
