"""Self-training and correspondence (Mallis et al. 2020): pseudo truth over rounds."""

from __future__ import annotations

from tusklite.methods.mallis.pseudo_truth import PointSets, joined_points, next_pseudo_truth, seen_again, snapped

__all__ = ["PointSets", "joined_points", "next_pseudo_truth", "seen_again", "snapped"]
