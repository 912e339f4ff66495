"""The lesson "self-training": its checks and figures."""

from __future__ import annotations

from tusklite.course.self_training.checks import (
    check_come_back,
    check_limits,
    check_newcomers,
    check_one_to_one,
    check_pair_loss,
    check_shared_information,
)
from tusklite.course.self_training.figures import points_beside_truth, rounds_drawing

__all__ = [
    "check_come_back",
    "check_limits",
    "check_newcomers",
    "check_one_to_one",
    "check_pair_loss",
    "check_shared_information",
    "points_beside_truth",
    "rounds_drawing",
]
