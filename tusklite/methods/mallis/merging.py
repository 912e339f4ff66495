"""Detectors that fire together become one, and those that do not follow the object go: the second stage's mergers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from tusklite.data.base import ImageSource
from tusklite.methods.mallis.views import EDGE, Similarity, draw_similarities, see_through
from tusklite.ops.correspondence import detector_overlap, merge_detectors, merge_labels, warp_following

if TYPE_CHECKING:
    from tusklite.methods.mallis.training import MallisTraining

TOGETHER = 125  # images that are looked at at once
FOLLOWED_WITHIN = 1.5  # cells
FOLLOWED_SHIFT = 0.25  # of the views, at least: near the middle, turns alone would leave a place where it is


class Merged(NamedTuple):
    """What a merger leaves.

    Attributes:
        kept: bool `(M,)`, the detectors that are left.
        label: int64 `(N, Q)`, the detector of each point; -1 for none.
        waiting: how many detectors do not fire often enough yet.
    """

    kept: Tensor
    label: Tensor
    waiting: int


def merge_maps(
    method: MallisTraining, data: ImageSource, rows: Tensor, following: Tensor | None = None, last: bool = False
) -> Merged:
    """Merge the detectors of a training that fire together (Mallis et al. 2020, section 3.3).

    Those that are left keep their number, and their map: the largest cluster's of a group.

    Args:
        method: whose pseudo truth says which images have which cluster.
        data: the training images.
        rows: the images to look at.
        following: `(M,)` the share of images in which each detector follows a known view; None: it is not asked.
        last: whether those that are not ready are dropped rather than kept waiting.

    Returns:
        `Merged`.
    """
    options, count = method.options, method.model.config.clusters
    numbers = method.model.kept.cpu().nonzero()[:, 0]
    none = Merged(torch.zeros(count, dtype=torch.bool), torch.full_like(method.label, -1), 0)
    if not len(numbers):
        return none
    xy, fired = detections_of(method, data, rows)
    overlap = detector_overlap(xy, fired, options.overlap * method.cell(data))
    size = method.label[method.label >= 0].bincount(minlength=count)[numbers]
    lit = torch.ones(len(numbers), dtype=torch.bool)
    if options.waiting:
        has = has_label(method.label[rows], count)[:, numbers]
        lit = (fired & has).sum(0) >= options.waiting * has.sum(0).clamp(min=1)
    ready = lit if following is None else lit & (following[numbers] >= options.following)
    group = merge_detectors(overlap, size, options.merge_share, ready, drop=last)
    heads = first_members(group, size)
    if not len(heads):
        return none
    within = torch.full((count + 1,), -1)
    within[numbers] = torch.arange(len(numbers))
    merged = merge_labels(within[method.label], group, size)
    label = torch.cat([numbers[heads], numbers.new_full((1,), -1)])[merged]
    kept = torch.zeros(count, dtype=torch.bool)
    kept[numbers[heads]] = True
    return Merged(kept, label, int((~lit).sum()))


def first_members(group: Tensor, size: Tensor) -> Tensor:
    """The largest member of each group, the first of equals.

    Args:
        group: int64 `(M,)`, 0 to K - 1, or -1 for none.
        size: `(M,)`.

    Returns:
        int64 `(K,)`.

    Example:
        >>> first_members(torch.tensor([0, 1, 0, -1]), torch.tensor([3, 5, 4, 9]))
        tensor([2, 1])
    """
    order = size.argsort(descending=True, stable=True)
    heads = [int(order[group[order] == number][0]) for number in range(int(group.max()) + 1)]
    return torch.tensor(heads, dtype=torch.int64)


def has_label(label: Tensor, count: int) -> Tensor:
    """Which of so many labels each image has: bool `(N, count)` of labels `(N, Q)`, -1 for none.

    Example:
        >>> has_label(torch.tensor([[1, -1], [0, 1]]), 2)
        tensor([[False,  True],
                [ True,  True]])
    """
    has = torch.zeros(len(label), count + 1, dtype=torch.bool)
    has.scatter_(1, torch.where(label >= 0, label, count), True)
    return has[:, :count]


@torch.no_grad()
def detections_of(method: MallisTraining, data: ImageSource, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where the detectors that are left fire in training images: `(N, K, 2)`, and bool `(N, K)`, on the CPU."""
    parts = [method.model.find_keypoints(method.images(data, some)) for some in rows.split(TOGETHER)]
    return torch.cat([part.xy.cpu() for part in parts]), torch.cat([part.found.cpu() for part in parts])


@torch.no_grad()
def follows_views(method: MallisTraining, data: ImageSource, rows: Tensor, generator: torch.Generator) -> Tensor:
    """In what share of images each detector fires where a known view takes its point.

    The views are those of the training, without their light, and shifted farther.

    Args:
        method: the training.
        data: the training images.
        rows: the images to look at.
        generator: a CPU generator, of the views.

    Returns:
        float64 `(M,)`; 0 for a detector that is not left.
    """
    model, shares = method.model, torch.zeros(method.model.config.clusters, dtype=torch.float64)
    if not model.kept.any():
        return shares
    farther = replace(method.options, shift=max(method.options.shift, FOLLOWED_SHIFT))
    found: list[list[Tensor]] = []
    for some in rows.split(TOGETHER):
        images = method.images(data, some)
        drawn = draw_similarities(len(some), farther, generator)
        similarity = Similarity(drawn.turn.to(images.device), drawn.shift.to(images.device))
        still, moved = model.find_keypoints(images), model.find_keypoints(see_through(images, similarity))
        expected = similarity.to_view(still.xy)
        shown = still.found & (expected.abs() < EDGE).all(-1)
        found.append([part.cpu() for part in (moved.xy, moved.found, expected, shown)])
    moved_xy, fired, expected, shown = (torch.cat(parts) for parts in zip(*found, strict=True))
    radius = FOLLOWED_WITHIN * method.cell(data)
    shares[model.kept.cpu()] = warp_following(moved_xy, fired, expected, shown, radius)
    return shares
