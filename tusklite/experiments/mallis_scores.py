"""How experiments with Mallis's method are scored: descriptors, points and landmarks against the truth."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tusklite.data.base import ImageSource
from tusklite.methods.mallis.model import MallisLandmarks, PointNet
from tusklite.methods.mallis.pseudo_truth import PointSets
from tusklite.methods.mallis.reading import descriptors_at, landmarks_of, nearest_clusters, points_of
from tusklite.methods.mallis.training import MallisTraining
from tusklite.metrics import (
    ClusterScores,
    backward_errors,
    forward_errors,
    match_points,
    normalized_mutual_information,
    points_of_landmarks,
    score_clusters,
    score_points,
)
from tusklite.ops.correspondence import correspond, kmeans

CLUSTERED = 1_000  # training images whose points are clustered, where no clusters are at hand
CELLS = 1.5  # how near a true point is, in pixels of the map


class KnownPoints(NamedTuple):
    """Images whose true points are known.

    Attributes:
        images: N of them, or more.
        points: `(N, P, 2)` in [-1, 1] and beyond; NaN where one is not known.
    """

    images: ImageSource
    points: Tensor

    @property
    def shown(self) -> Tensor:
        """bool `(N, P)`, which points lie in the picture."""
        return (self.points.abs() < 1).all(-1)

    def first(self, count: int) -> KnownPoints:
        """The first so many of them."""
        return KnownPoints(self.images, self.points[:count])


def clusters_of(
    model: MallisLandmarks,
    images: ImageSource,
    points: PointSets,
    initial: Tensor | None,
    network: PointNet | None = None,
) -> Tensor:
    """Clusters of descriptors of training points, as the next round would have them.

    Args:
        model: says how many.
        images: the training images.
        points: of these.
        initial: centroids to begin from; None: seeds.
        network: another first network than the model's.
    """
    some = PointSets(points.xy[:CLUSTERED], points.found[:CLUSTERED])
    described = descriptors_at(model, images, some.xy, network)[some.found]
    count = model.config.clusters
    generator = torch.Generator().manual_seed(0)
    if len(described) < count:  # of a handful of images: clusters that nothing is in
        described = torch.cat(
            [described, described.new_zeros(count - len(described), model.config.descriptor_channels)]
        )
    return kmeans(described, count, None if initial is None else initial.to(described), generator)


def present_clusters(method: MallisTraining, images: ImageSource, step: int) -> Tensor:
    """Clusters of the training's points at a step; those it began the second stage with, from there on."""
    if step > method.landmarks_from and method.centroids is not None:
        return method.centroids
    return clusters_of(method.model, images, method.truth, method.centroids)


def descriptor_scores(
    model: MallisLandmarks, known: KnownPoints, centroids: Tensor, network: PointNet | None = None
) -> ClusterScores:
    """How much the nearest centroid of a true point's descriptor tells of which point it is."""
    shown = known.shown
    described = descriptors_at(model, known.images, torch.where(shown[..., None], known.points, 0), network)
    which = torch.arange(shown.shape[1]).expand_as(shown)
    label = nearest_clusters(described[shown], centroids)
    return score_clusters(label, which[shown], known.points[shown], len(centroids))


def point_scores(points: PointSets, known: KnownPoints, cell: float) -> dict[str, float]:
    """Precision, recall and F of points without names against the true ones, within some cells."""
    scores = score_points(points.xy, known.points.nan_to_num(), CELLS * cell, points.found, known.shown)
    return {"precision": scores.precision, "recall": scores.recall, "f": scores.f}


def system_information(
    method: MallisTraining, known: KnownPoints, points: PointSets, centroids: Tensor, cell: float
) -> float:
    """NMI of the clusters of detected points that are kept, and the true points they match; one class for no match."""
    model, options = method.model, method.options
    described = descriptors_at(model, known.images, points.xy)
    if not points.found.any():
        return 0.0
    label = correspond(described, points.found, centroids.to(described), options.deviations)
    matched = match_points(points.xy, known.points.nan_to_num(), CELLS * cell, points.found, known.shown)
    kept = label >= 0
    which = torch.where(matched >= 0, matched, known.points.shape[1])
    return normalized_mutual_information(label[kept], which[kept]) if kept.any() else 0.0


def network_after_warm_up(method: MallisTraining) -> PointNet | None:
    """The first network as it was after the warm-up; None where the warm-up is not over."""
    if method.warm is None:
        return None
    network = copy.deepcopy(method.model.points)
    network.load_state_dict(method.warm)
    return network


def stage_one_scores(method: MallisTraining, train: ImageSource, known: KnownPoints) -> dict[str, float]:
    """Scores of the first network on unseen images, beside its own after the warm-up, position alone and chance.

    Args:
        method: a finished training.
        train: its images.
        known: unseen images.
    """
    model, cell = method.model, method.cell(train)
    centroids = present_clusters(method, train, method.steps)
    now = descriptor_scores(model, known, centroids)
    points = points_of(model, known.images, len(known.points))
    found = point_scores(points, known, cell)
    scores = {"nmi": now.nmi, "ami": now.ami, "nmi_position": now.nmi_position, "ami_position": now.ami_position}
    scores |= {"nmi_chance": now.nmi_chance, **found}
    scores["nmi_system"] = system_information(method, known, points, centroids, cell)
    before = network_after_warm_up(method)
    if before is not None:
        first = clusters_of(model, train, method.start, None, before)
        scores["nmi_warmup"] = descriptor_scores(model, known, first, before).nmi
        model_before = copy.deepcopy(model)
        model_before.points = before
        earlier = points_of(model_before, known.images, len(known.points))
        scores["f_warmup"] = point_scores(earlier, known, cell)["f"]
    return scores


def landmark_scores(
    model: MallisLandmarks,
    labelled: KnownPoints,
    unseen: KnownPoints,
    scale: Tensor | float,
    ridge: float,
    cell: float,
) -> tuple[dict[str, float], dict[str, Any]]:
    """Forward and backward errors in percent of a scale, and which true points have a landmark of their own.

    Args:
        model: the networks, in evaluation mode.
        labelled: images that regressors are fitted on.
        unseen: images to score on.
        scale: what errors are divided by, a number or `(N,)`.
        ridge: of the regressors.
        cell: side of a pixel of the maps.

    Returns:
        Figures, and details for each landmark.
    """
    found = landmarks_of(model, labelled.images, len(labelled.points))
    new = landmarks_of(model, unseen.images, len(unseen.points))
    count = found.shape[1]
    if not count:  # the mean shape is all that is left
        found, new = (torch.full((len(known), 1, 2), torch.nan) for known in (found, new))
    forward = forward_errors(found, labelled.points, new, unseen.points, scale, ridge)
    backward = backward_errors(found, labelled.points, new, unseen.points, scale, ridge)
    each = backward.nanmean(0)
    means = points_of_landmarks(new, torch.where(unseen.shown[..., None], unseen.points, torch.nan), CELLS * cell)
    figures: dict[str, float] = {
        "landmarks": count,
        "landmarks_used": int(forward.used.sum()),
        "joints_covered": len(set(means.tolist()) - {-1}),
        "forward_percent": 100 * float(forward.errors.mean()),
        "mean_shape_percent": 100 * float(forward.mean_shape.mean()),
        "found": float((~new.isnan().any(-1)).double().mean()),
    }
    if not each.isnan().all():
        figures["backward_percent"] = 100 * float(each.nanmean())
    details = {
        "point_of_landmark": means.tolist(),
        "found_of_landmark": [round(float(share), 3) for share in (~new.isnan().any(-1)).double().mean(0)],
        "backward_of_landmark": [None if error.isnan() else round(100 * float(error), 2) for error in each],
    }
    return figures, details
