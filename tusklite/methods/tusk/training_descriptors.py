"""A look at the descriptors of many training scenes at once: for restarting prototypes, and for an alarm."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.data.base import ImageSource
from tusklite.methods.tusk.model import TUSK
from tusklite.ops.aggregation import alpha_blend


@torch.no_grad()
def training_descriptors(
    model: TUSK, data: ImageSource, count: int, generator: torch.Generator, least_paint: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Descriptors and places of the keypoints in randomly chosen training scenes.

    Args:
        model: seen in evaluation mode, left in the mode that it was in.
        data: the training scenes.
        count: how many of them to look at; all where there are fewer.
        generator: a CPU generator that chooses them.
        least_paint: keypoints that paint fewer pixels are left out; above 0 for aggregation "alpha" alone.

    Returns:
        descriptors `(N, C)` in clustering space, and points `(N, 2)`; empty slots are left out.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    found = []
    for indices in torch.randperm(len(data), generator=generator)[:count].split(64):
        images = data.scenes(indices).image.to(device)
        heatmap, features = model.encode(images)
        points = model.detect(heatmap)
        read = model.describe(features, points.xy)
        descriptors, taken = model.clustering_space(read, points.xy), points.found
        if least_paint:
            layers = model.layers(points.xy, points.score, read, (images.shape[2], images.shape[3]))
            _, masks = alpha_blend(layers, model.background(images, features))
            taken = taken & (masks.sum(dim=(2, 3)) > least_paint)
        found.append((descriptors[taken], points.xy[taken]))
    model.train(was_training)
    return torch.cat([descriptors for descriptors, _ in found]), torch.cat([xy for _, xy in found])


def position_information(labels: Tensor, xy: Tensor, cells: int = 4) -> float:
    """Mutual information in nats between a group and the cell of a grid on the image; an alarm, near 0 if all is well.

    Args:
        labels: `(N,)` group of each keypoint.
        xy: `(N, 2)` where it is, in [-1, 1].
        cells: the grid has so many rows and columns.

    Returns:
        At least 0; with N keypoints and M groups, chance alone gives about (M - 1)(cells² - 1) / 2N.

    Example:
        >>> xy = torch.tensor([[-0.9, -0.9], [0.9, 0.9]]).repeat(50, 1)
        >>> round(position_information(torch.tensor([0, 1]).repeat(50), xy), 4)
        0.6931
    """
    cell = ((xy + 1) / 2 * cells).long().clamp(0, cells - 1)
    joint = torch.zeros(int(labels.max()) + 1, cells * cells, dtype=torch.float64)
    joint.index_put_(
        (labels.cpu(), (cell[:, 1] * cells + cell[:, 0]).cpu()),
        torch.ones(1, dtype=torch.float64),
        accumulate=True,
    )
    joint /= joint.sum()
    independent = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0, keepdim=True)
    return float(torch.special.xlogy(joint, joint / independent.clamp_min(1e-300)).sum())
