"""Self-training and correspondence (Mallis et al. 2020): starting points, and pseudo truth over rounds."""

from __future__ import annotations

from tusklite.methods.mallis.pseudo_truth import PointSets, joined_points, next_pseudo_truth, seen_again, snapped
from tusklite.methods.mallis.starting_points import enlarged, find_starting_points, suppressed, without_outliers

__all__ = [
    "PointSets",
    "enlarged",
    "find_starting_points",
    "joined_points",
    "next_pseudo_truth",
    "seen_again",
    "snapped",
    "suppressed",
    "without_outliers",
]
