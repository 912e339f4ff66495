"""The lesson "clusters without labels": its checks and figures."""

from __future__ import annotations

from tusklite.course.clusters_without_labels.checks import (
    check_chance_level,
    check_information,
    check_information_lost,
    check_nearest_elsewhere,
    check_walk_joint,
)
from tusklite.course.clusters_without_labels.figures import (
    clouds,
    clusters_in_groups,
    joints,
    scores_and_accuracy,
    where_they_lie,
)

__all__ = [
    "check_chance_level",
    "check_information",
    "check_information_lost",
    "check_nearest_elsewhere",
    "check_walk_joint",
    "clouds",
    "clusters_in_groups",
    "joints",
    "scores_and_accuracy",
    "where_they_lie",
]
