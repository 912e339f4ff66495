"""Every loss of the course: one file per family, every function names its equation.

The tensors of a call are of one type and on one device. Half precision is computed in float32, and so is the loss.
"""

from __future__ import annotations

from tusklite.losses.clustering import kmeans_loss, kmeans_softmin_loss, vector_quantization_loss
from tusklite.losses.contrast import keypoint_contrast_loss
from tusklite.losses.correspondence import assigned_map_loss, contrastive_loss
from tusklite.losses.diversity import diversity_loss, overlap_loss
from tusklite.losses.equivariance import (
    map_equivariance_loss,
    paired_descriptor_loss,
    point_alignment_loss,
    probability_alignment_loss,
    probability_alignment_loss_naive,
)
from tusklite.losses.information import distinct_loss, image_information_loss, mutual_information_loss
from tusklite.losses.perceptual import PerceptualLoss
from tusklite.losses.reconstruction import background_loss, cross_entropy_loss, mse_loss
from tusklite.losses.transport import random_projections, sliced_wasserstein

__all__ = [
    "PerceptualLoss",
    "assigned_map_loss",
    "background_loss",
    "contrastive_loss",
    "cross_entropy_loss",
    "distinct_loss",
    "diversity_loss",
    "image_information_loss",
    "keypoint_contrast_loss",
    "kmeans_loss",
    "kmeans_softmin_loss",
    "map_equivariance_loss",
    "mse_loss",
    "mutual_information_loss",
    "overlap_loss",
    "paired_descriptor_loss",
    "point_alignment_loss",
    "probability_alignment_loss",
    "probability_alignment_loss_naive",
    "random_projections",
    "sliced_wasserstein",
    "vector_quantization_loss",
]
