"""The lesson "tetrominoes": its checks, figures and widgets."""

from __future__ import annotations

from tusklite.course.tetrominoes.checks import (
    check_blend,
    check_canvas_of,
    check_choose,
    check_paste_layers,
    check_rand_index,
)
from tusklite.course.tetrominoes.figures import confusion, paint_segments, prototype_table, redrawn
from tusklite.course.tetrominoes.widgets import MovedKeypoints, move_keypoints

__all__ = [
    "MovedKeypoints",
    "check_blend",
    "check_canvas_of",
    "check_choose",
    "check_paste_layers",
    "check_rand_index",
    "confusion",
    "move_keypoints",
    "paint_segments",
    "prototype_table",
    "redrawn",
]
