"""The lesson "CLEVR6": its checks, figures and widget."""

from __future__ import annotations

from tusklite.course.clevr6.checks import (
    check_counts_at,
    check_meet_sphere,
    check_most_often,
    check_overlap,
    check_robust_fit,
)
from tusklite.course.clevr6.figures import confusions, edited_scene, keypoint_strip, tinted
from tusklite.course.clevr6.widgets import EditedScene, edit_scene

__all__ = [
    "EditedScene",
    "check_counts_at",
    "check_meet_sphere",
    "check_most_often",
    "check_overlap",
    "check_robust_fit",
    "confusions",
    "edit_scene",
    "edited_scene",
    "keypoint_strip",
    "tinted",
]
