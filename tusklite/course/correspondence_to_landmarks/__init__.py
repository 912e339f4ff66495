"""The lesson "from correspondence to landmarks": its checks and figures."""

from __future__ import annotations

from tusklite.course.correspondence_to_landmarks.checks import (
    check_assigned_loss,
    check_fired_together,
    check_join_detectors,
    check_share_below,
    check_shrink,
)
from tusklite.course.correspondence_to_landmarks.figures import detectors_on_images, overlap_table

__all__ = [
    "check_assigned_loss",
    "check_fired_together",
    "check_join_detectors",
    "check_share_below",
    "check_shrink",
    "detectors_on_images",
    "overlap_table",
]
