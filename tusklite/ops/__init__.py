"""From maps to points and back, the codebook, and groups without labels: the pieces that methods are made of.

The tensors of a call are of one type and on one device. Half precision is computed in float32 and handed back as it
came, but for points: they come in float32.
"""

from __future__ import annotations

from tusklite.ops.aggregation import alpha_blend, score_weighted_sum, separate_splats
from tusklite.ops.correspondence import (
    Assignment,
    DetectorOverlap,
    assign_one_to_one,
    correspond,
    detector_overlap,
    distance_limits,
    kmeans,
    merge_detectors,
    merge_labels,
    squared_distances,
    warp_following,
)
from tusklite.ops.keypoints import (
    Keypoints,
    detect_keypoints,
    non_max_suppression,
    pixel_centres,
    sample_descriptors,
    soft_argmax,
    spatial_softmax,
    splat_gaussians,
    splat_profiles,
    window_maximum,
)
from tusklite.ops.partitions import (
    Partition,
    choose_partition,
    group_means,
    joint_information,
    merge_by_information,
    neighbour_graph,
    over_cluster_sizes,
    walk_joint,
)
from tusklite.ops.prototypes import Prototypes, smoothed_shares, spherical_kmeans, whole_shares
from tusklite.ops.targets import channel_targets, gaussian_target

__all__ = [
    "Assignment",
    "DetectorOverlap",
    "Keypoints",
    "Partition",
    "Prototypes",
    "alpha_blend",
    "assign_one_to_one",
    "channel_targets",
    "choose_partition",
    "correspond",
    "detect_keypoints",
    "detector_overlap",
    "distance_limits",
    "gaussian_target",
    "group_means",
    "joint_information",
    "kmeans",
    "merge_by_information",
    "merge_detectors",
    "merge_labels",
    "neighbour_graph",
    "non_max_suppression",
    "over_cluster_sizes",
    "pixel_centres",
    "sample_descriptors",
    "score_weighted_sum",
    "separate_splats",
    "smoothed_shares",
    "soft_argmax",
    "spatial_softmax",
    "spherical_kmeans",
    "splat_gaussians",
    "splat_profiles",
    "squared_distances",
    "walk_joint",
    "warp_following",
    "whole_shares",
    "window_maximum",
]
