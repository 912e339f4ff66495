"""Self-training and correspondence (Mallis et al. 2020): starting points, pseudo truth over rounds, both networks."""

from __future__ import annotations

from tusklite.methods.mallis.merging import follows_views, merge_maps
from tusklite.methods.mallis.model import MallisConfig, MallisLandmarks, PointMaps, read_maps
from tusklite.methods.mallis.options import MallisOptions
from tusklite.methods.mallis.pseudo_truth import (
    PointSets,
    joined_points,
    next_pseudo_truth,
    padded,
    seen_again,
    snapped,
)
from tusklite.methods.mallis.reading import descriptors_at, landmarks_of, nearest_clusters, points_of
from tusklite.methods.mallis.starting_images import SourceWithPoints, StartingImages
from tusklite.methods.mallis.starting_points import enlarged, find_starting_points, suppressed, without_outliers
from tusklite.methods.mallis.training import MallisTraining, across_pairs
from tusklite.methods.mallis.views import PointedViews, Similarity, draw_similarities, draw_views, see_through

__all__ = [
    "MallisConfig",
    "MallisLandmarks",
    "MallisOptions",
    "MallisTraining",
    "PointMaps",
    "PointSets",
    "PointedViews",
    "Similarity",
    "SourceWithPoints",
    "StartingImages",
    "across_pairs",
    "descriptors_at",
    "draw_similarities",
    "draw_views",
    "enlarged",
    "find_starting_points",
    "follows_views",
    "joined_points",
    "landmarks_of",
    "merge_maps",
    "nearest_clusters",
    "next_pseudo_truth",
    "padded",
    "points_of",
    "read_maps",
    "see_through",
    "seen_again",
    "snapped",
    "suppressed",
    "without_outliers",
]
