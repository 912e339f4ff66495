"""Which points of different images are the same: clusters of descriptors, each at most once an image.

Points of N images lie in Q places, of which `found` says which hold one; a label is a cluster's number, or -1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tusklite.arguments import require_alike, require_flags, require_integer, require_number, require_tensor
from tusklite.precision import widen


class Assignment(NamedTuple):
    """Points and the clusters that they were given to.

    Attributes:
        label: int64 (N, Q), the cluster of each point; -1 where no point is, or none was left for it.
        distance: (N, Q), the squared distance to its centroid; infinite where the label is -1.
    """

    label: Tensor
    distance: Tensor


def kmeans(
    descriptors: Tensor,
    count: int,
    initial: Tensor | None = None,
    generator: torch.Generator | None = None,
    iterations: int = 100,
) -> Tensor:
    """Cluster descriptors by k-means, from the centroids of the round before (Mallis et al. 2020, section 3.2).

    The paper starts every round from the last one's centroids. The authors' code keeps them and never hands them to
    its k-means, which begins anew each time; give `initial` to do what the paper says.

    Args:
        descriptors: `(P, C)`.
        count: M, from 1 to P.
        initial: `(M, C)` centroids to begin from; None: k-means++ seeds.
        generator: a CPU generator, of the seeds.
        iterations: how often to assign and average at most.

    Returns:
        `(M, C)` centroids. A cluster that runs empty takes the descriptor that is farthest from its own centroid.

    Raises:
        TypeError, ValueError: wrong shape or type, more clusters than descriptors, or iterations below 0.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [9.0], [11.0]])
        >>> kmeans(points, 2, initial=torch.tensor([[0.0], [1.0]]))
        tensor([[ 0.5000],
                [10.0000]])
    """
    require_tensor("descriptors", descriptors, ("P", "C"))
    count = require_integer("count", count, low=1, high=len(descriptors))
    iterations = require_integer("iterations", iterations, low=0)
    given = descriptors.dtype
    (descriptors,) = widen(descriptors)
    if initial is None:
        centroids = _plus_plus_seeds(descriptors, count, generator)
    else:
        require_tensor("initial", initial, (count, descriptors.shape[1]))
        centroids = initial.to(descriptors)
    before = None
    for _ in range(iterations):
        distance, nearest = squared_distances(descriptors, centroids).min(dim=1)
        if before is not None and torch.equal(nearest, before):
            break
        before = nearest
        members = nearest.bincount(minlength=count)
        sums = torch.zeros_like(centroids).index_add_(0, nearest, descriptors)
        empty = members == 0
        centroids = sums / members.clamp(min=1)[:, None]
        if empty.any():
            centroids[empty] = descriptors[distance.argsort(descending=True)[: int(empty.sum())]]
    return centroids.to(given)


def squared_distances(descriptors: Tensor, centroids: Tensor) -> Tensor:
    """Squared distances `(..., P, M)` from descriptors `(..., P, C)` to centroids `(M, C)`, at least 0.

    Example:
        >>> squared_distances(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
        tensor([[25.]])
    """
    lengths = descriptors.square().sum(-1, keepdim=True)
    return (lengths - 2 * descriptors @ centroids.T + centroids.square().sum(-1)).clamp(min=0)


def assign_one_to_one(descriptors: Tensor, found: Tensor, centroids: Tensor) -> Assignment:
    """Give each point of an image a cluster of its own, at the least sum of squared distances.

    (Mallis et al. 2020, eq. 1, for given centroids)

    The Hungarian algorithm, image by image. An image of more points than clusters leaves those without one that fit
    worst.

    Args:
        descriptors: `(N, Q, C)`; whatever it holds where no point is.
        found: bool `(N, Q)`.
        centroids: `(M, C)`.

    Returns:
        `Assignment`, on the device of the descriptors.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices.

    Example:
        >>> points = torch.tensor([[[0.1], [0.2]]])
        >>> assign_one_to_one(points, torch.ones(1, 2, dtype=torch.bool), torch.tensor([[0.0], [1.0]])).label
        tensor([[0, 1]])
    """
    require_tensor("descriptors", descriptors, ("N", "Q", "C"), finite=False)
    require_flags("found", found, descriptors.shape[:2], descriptors.device)
    require_tensor("centroids", centroids, ("M", descriptors.shape[2]))
    require_alike("descriptors", descriptors, centroids=centroids)
    wide, centres = widen(descriptors.detach().masked_fill(~found[..., None], 0), centroids.detach())
    label = torch.full(found.shape, -1)
    distance = torch.full(found.shape, torch.inf, dtype=wide.dtype)
    there = found.cpu()
    for rows in torch.arange(len(found)).split(1024):
        costs = squared_distances(wide[rows.to(wide.device)], centres).cpu()
        for cost, image in zip(costs, rows.tolist(), strict=True):
            place = there[image].nonzero()[:, 0]
            row, cluster = (torch.from_numpy(part) for part in linear_sum_assignment(cost[place].numpy()))
            label[image, place[row]] = cluster
            distance[image, place[row]] = cost[place[row], cluster]
    return Assignment(label.to(descriptors.device), distance.to(descriptors.device))


def distance_limits(descriptors: Tensor, centroids: Tensor, deviations: float = 1.0) -> Tensor:
    """How far from each centroid a point may be: the mean over its cluster, and some standard deviations.

    The paper drops what is "much larger compared to the average" (Mallis et al. 2020, section 4); one deviation is the
    authors' code. That slices each piece of 10,000 descriptors twice, so that its limits come from the first piece
    alone; here they come from all.

    Args:
        descriptors: `(P, C)` of all points.
        centroids: `(M, C)`.
        deviations: how many, at least 0.

    Returns:
        `(M,)` squared distances; 0 for a centroid that is nearest to no descriptor.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices.

    Example:
        >>> distance_limits(torch.tensor([[1.0], [-3.0]]), torch.zeros(1, 1), deviations=1)
        tensor([9.])
    """
    require_tensor("descriptors", descriptors, ("P", "C"))
    require_tensor("centroids", centroids, ("M", descriptors.shape[1]))
    require_alike("descriptors", descriptors, centroids=centroids)
    deviations = require_number("deviations", deviations)
    wide, centres = widen(descriptors.detach(), centroids.detach())
    distance, nearest = squared_distances(wide, centres).double().min(dim=1)
    members = nearest.bincount(minlength=len(centres)).clamp(min=1)
    mean = distance.new_zeros(len(centres)).index_add_(0, nearest, distance) / members
    variance = mean.new_zeros(len(centres)).index_add_(0, nearest, (distance - mean[nearest]).square()) / members
    return (mean + deviations * variance.sqrt()).to(centroids.dtype)


def correspond(
    descriptors: Tensor, found: Tensor, centroids: Tensor, deviations: float = 1.0, one_to_one: bool = True
) -> Tensor:
    """Label the points of all images, and drop those far from their centroid (Mallis et al. 2020, section 3.2).

    Args:
        descriptors: `(N, Q, C)`; whatever it holds where no point is.
        found: bool `(N, Q)`, at least one of them True.
        centroids: `(M, C)`.
        deviations: as in `distance_limits`.
        one_to_one: a cluster at most once an image; False takes the nearest centroid of each point.

    Returns:
        int64 `(N, Q)`: -1 where no point is, or where it was dropped.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices.

    Example:
        >>> points = torch.tensor([[[0.1], [1.1]], [[0.2], [0.0]]])
        >>> centroids = torch.tensor([[0.1], [1.1]])
        >>> correspond(points, torch.ones(2, 2, dtype=torch.bool), centroids, deviations=2)
        tensor([[ 0,  1],
                [-1,  0]])
    """
    label, distance = assign_one_to_one(descriptors, found, centroids)
    if not one_to_one:
        wide, centres = widen(descriptors.detach().masked_fill(~found[..., None], 0), centroids.detach())
        distance, label = squared_distances(wide, centres).min(dim=-1)
        label = label.masked_fill(~found, -1)
    limits = distance_limits(descriptors.detach()[found], centroids, deviations)
    near = distance <= limits[label.clamp(min=0)]
    return label.masked_fill(~near, -1)


class DetectorOverlap(NamedTuple):
    """How M detectors fire.

    Attributes:
        together: int64 (M, M), in how many images both fire, near each other; symmetric.
        alone: int64 (M,), in how many each fires: the diagonal of `together`.
    """

    together: Tensor
    alone: Tensor


def detector_overlap(xy: Tensor, fired: Tensor, radius: float) -> DetectorOverlap:
    """Count the images in which two detectors fire at one place (Mallis et al. 2020, section 3.3).

    Args:
        xy: `(N, M, 2)` where each detector fires, in [-1, 1]; whatever it holds where it does not.
        fired: bool `(N, M)`.
        radius: of one place. The paper's is one pixel of a map of 64, 2 / 64; the authors' code has 1.43 of them.

    Returns:
        `DetectorOverlap`.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices, or a radius below 0.

    Example:
        >>> xy = torch.tensor([[[0.0, 0.0], [0.01, 0.0], [0.9, 0.0]]])
        >>> detector_overlap(xy, torch.ones(1, 3, dtype=torch.bool), radius=2 / 64).together
        tensor([[1, 1, 0],
                [1, 1, 0],
                [0, 0, 1]])
    """
    require_tensor("xy", xy, ("N", "M", 2), finite=False)
    require_flags("fired", fired, xy.shape[:2], xy.device)
    radius = require_number("radius", radius)
    points = xy.detach().masked_fill(~fired[..., None], 0).double()
    together = torch.zeros(xy.shape[1], xy.shape[1], dtype=torch.int64, device=xy.device)
    for part, fire in zip(points.split(512), fired.split(512), strict=True):
        near = (part[:, :, None] - part[:, None]).norm(dim=-1) <= radius  # (n, M, M)
        together += (near & fire[:, :, None] & fire[:, None]).sum(0)
    return DetectorOverlap(together, together.diagonal().clone())


def merge_detectors(
    overlap: DetectorOverlap, size: Tensor, share: float = 0.7, ready: Tensor | None = None, drop: bool = False
) -> Tensor:
    """Merge detectors that fire together into groups, the largest clusters first (Mallis et al. 2020, section 3.3).

    A detector joins the group whose first member fires with it in at least `share` of the images of whichever of the
    two fires less; where several do, the one it fires with most. Merging what is merged changes nothing: no two first
    members overlap so much.

    Args:
        overlap: of the M detectors, as from `detector_overlap`.
        size: `(M,)` how many points each one's cluster has.
        share: in (0, 1]; 0.7 in the paper.
        ready: bool `(M,)`, those that may be merged. Others wait: early in training most detectors do not fire yet, and
            what does not fire says nothing. None: all.
        drop: whether detectors that are not ready, or never fire, are dropped rather than kept waiting.

    Returns:
        int64 `(M,)` on the CPU: the group, 0 to K - 1, in the order of the first members' numbers; -1 where dropped.

    Raises:
        TypeError, ValueError: wrong shapes or types, or a share out of range.

    Example:
        >>> together = torch.tensor([[10, 8, 0], [8, 9, 0], [0, 0, 5]])
        >>> merge_detectors(DetectorOverlap(together, together.diagonal()), torch.tensor([10, 9, 5]))
        tensor([0, 0, 1])
    """
    share = require_number("share", share, high=1.0, open_low=True)
    together, alone = overlap.together.cpu(), overlap.alone.cpu()
    count = len(alone)
    if together.shape != (count, count) or size.shape != (count,):
        raise ValueError(
            f"overlap, size: {tuple(together.shape)}, {tuple(alone.shape)}, {tuple(size.shape)} were given; "
            "allowed are (M, M), (M,), (M,)"
        )
    lit = alone > 0
    if ready is not None:
        lit &= require_flags("ready", ready, (count,), ready.device).cpu()
    first_of = torch.full((count,), -1)
    first: list[int] = []
    for detector in size.cpu().argsort(descending=True, stable=True).tolist():
        if not lit[detector]:
            first_of[detector] = -1 if drop else detector
            continue
        heads = torch.tensor(first, dtype=torch.int64)
        shared = together[detector, heads]
        enough = shared >= share * torch.minimum(alone[detector], alone[heads])
        if enough.any():
            first_of[detector] = heads[shared.masked_fill(~enough, -1).argmax()]
        else:
            first.append(detector)
            first_of[detector] = detector
    kept = first_of.unique()
    number = torch.full((count + 1,), -1)
    kept = kept[kept >= 0]
    number[kept] = torch.arange(len(kept))
    return number[first_of]


def merge_labels(label: Tensor, group: Tensor, size: Tensor) -> Tensor:
    """Labels after a merger: each point keeps its landmark, and each landmark is in an image once.

    Where an image has points of several clusters of a group, the point of the largest cluster stays (as in the authors'
    code), and the others lose their label.

    Args:
        label: int64 `(N, Q)`, clusters 0 to M - 1, each at most once an image; -1 for none.
        group: int64 `(M,)`, as from `merge_detectors`.
        size: `(M,)` how many points each cluster had, as in `merge_detectors`.

    Returns:
        int64 `(N, Q)`, groups or -1.

    Raises:
        ValueError: shapes that do not fit each other.

    Example:
        >>> merge_labels(torch.tensor([[0, 1, 2]]), torch.tensor([0, 0, 1]), torch.tensor([3, 7, 9]))
        tensor([[-1,  0,  1]])
    """
    if label.dim() != 2 or group.shape != size.shape or group.dim() != 1:
        raise ValueError(
            f"label, group, size: {tuple(label.shape)}, {tuple(group.shape)}, {tuple(size.shape)} were given; "
            "allowed are (N, Q), (M,), (M,)"
        )
    group, size = group.to(label.device), size.to(label.device)
    rank = size.argsort(descending=True, stable=True).argsort()  # 0 for the largest
    none = len(group)
    merged = torch.cat([group, group.new_full((1,), -1)])[label]  # a label of -1 reads the last
    order = torch.cat([rank, rank.new_full((1,), none)])[label]
    rivals = (merged[:, :, None] == merged[:, None]) & (order[:, None] < order[:, :, None])  # (N, Q, Q)
    return merged.masked_fill(rivals.any(2), -1)


def warp_following(xy: Tensor, fired: Tensor, expected: Tensor, expected_fired: Tensor, radius: float) -> Tensor:
    """In what share of images each detector fires where a known warp takes its point.

    A detector of the object follows the object; one that means a place of the picture does not.

    Args:
        xy: `(N, M, 2)` where each fires in the warped images.
        fired: bool `(N, M)`.
        expected: `(N, M, 2)` where the warp takes the points of the images themselves.
        expected_fired: bool `(N, M)`, where the detector fires in the image and the warp shows the place.
        radius: how near counts, in [-1, 1].

    Returns:
        float64 `(M,)`: of the images with an expected point those with a point near it; 0 of none.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices.

    Example:
        >>> still, yes = torch.zeros(4, 1, 2), torch.ones(4, 1, dtype=torch.bool)
        >>> warp_following(still, yes, still + 0.5, yes, radius=0.1)
        tensor([0.], dtype=torch.float64)
    """
    require_tensor("xy", xy, ("N", "M", 2), finite=False)
    require_tensor("expected", expected, tuple(xy.shape), finite=False)
    require_flags("fired", fired, xy.shape[:2], xy.device)
    require_flags("expected_fired", expected_fired, xy.shape[:2], xy.device)
    radius = require_number("radius", radius)
    near = fired & expected_fired & ((xy - expected).double().norm(dim=-1) <= radius)
    return near.sum(0).double() / expected_fired.sum(0).clamp(min=1)


def _plus_plus_seeds(descriptors: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """k-means++: each further seed is drawn with a chance in proportion to its squared distance to the nearest one."""
    chosen = [int(torch.randint(len(descriptors), (1,), generator=generator))]
    distance = torch.full((len(descriptors),), torch.inf, device=descriptors.device)
    for _ in range(count - 1):
        distance = torch.minimum(distance, squared_distances(descriptors, descriptors[chosen[-1:]])[:, 0])
        cumulative = (distance + 1e-12).cpu().double().cumsum(0)
        draw = torch.rand((), generator=generator, dtype=torch.float64) * float(cumulative[-1])
        chosen.append(min(int(torch.searchsorted(cumulative, draw)), len(descriptors) - 1))
    return descriptors[chosen]
