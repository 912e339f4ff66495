"""The lesson "alternating training": its checks and figures."""

from __future__ import annotations

from tusklite.course.alternating_training.alternation import check_take_turns
from tusklite.course.alternating_training.checks import check_count_the_dead, check_diagnose, check_routed_loss
from tusklite.course.alternating_training.figures import failure, kinds_by_prototype, turns

__all__ = [
    "check_count_the_dead",
    "check_diagnose",
    "check_routed_loss",
    "check_take_turns",
    "failure",
    "kinds_by_prototype",
    "turns",
]
