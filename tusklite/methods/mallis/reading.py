"""What trained networks say of whole data sets: points, descriptors at places, landmarks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tusklite.arguments import require_tensor
from tusklite.data.base import ImageSource
from tusklite.methods.mallis.model import MallisLandmarks, PointNet
from tusklite.methods.mallis.pseudo_truth import PointSets
from tusklite.ops.correspondence import squared_distances

TOGETHER = 125  # images that are looked at at once


@torch.no_grad()
def points_of(model: MallisLandmarks, images: ImageSource, count: int | None = None) -> PointSets:
    """Points without names in images, as the first network finds them, on the CPU.

    Args:
        model: the networks, in evaluation mode.
        images: any source.
        count: only the first so many.
    """
    parts = [model.find_points(some) for some in _batches(model, images, count)]
    return PointSets(torch.cat([part.xy.cpu() for part in parts]), torch.cat([part.found.cpu() for part in parts]))


@torch.no_grad()
def descriptors_at(model: MallisLandmarks, images: ImageSource, xy: Tensor, points: PointNet | None = None) -> Tensor:
    """Descriptors of the first images at given places.

    Args:
        model: the networks, in evaluation mode.
        images: any source of N images or more.
        xy: `(N, Q, 2)` in [-1, 1].
        points: another first network to ask, such as the one after the warm-up.

    Returns:
        `(N, Q, D)` on the CPU.
    """
    require_tensor("xy", xy, ("N", "Q", 2))
    network, parts = model.points if points is None else points, []
    for some, places in zip(_batches(model, images, len(xy)), xy.split(TOGETHER), strict=True):
        maps = network(some)[1].float()
        parts.append(model.describe(maps, places.to(maps)).cpu())
    return torch.cat(parts)


@torch.no_grad()
def landmarks_of(model: MallisLandmarks, images: ImageSource, count: int | None = None) -> Tensor:
    """Landmarks `(N, K, 2)` of images, NaN where one is not found, on the CPU.

    Args:
        model: the networks, in evaluation mode.
        images: any source.
        count: only the first so many.
    """
    parts = [model.find_keypoints(some) for some in _batches(model, images, count)]
    return torch.cat([torch.where(part.found[..., None], part.xy, torch.nan).cpu() for part in parts])


def nearest_clusters(descriptors: Tensor, centroids: Tensor) -> Tensor:
    """The nearest centroid of each descriptor.

    Args:
        descriptors: `(P, D)`.
        centroids: `(M, D)`.

    Returns:
        int64 `(P,)`.

    Example:
        >>> nearest_clusters(torch.tensor([[0.2], [0.9]]), torch.tensor([[0.0], [1.0]]))
        tensor([0, 1])
    """
    return squared_distances(descriptors, centroids.to(descriptors)).argmin(-1)


def _batches(model: MallisLandmarks, images: ImageSource, count: int | None) -> Iterator[Tensor]:
    """The first images in batches, on the device of the model."""
    rows = torch.arange(len(images) if count is None else min(count, len(images)))
    return (images.scenes(some).image.to(model.kept.device) for some in rows.split(TOGETHER))
