"""The lesson "thin-plate splines": its checks, figures and widgets."""

from __future__ import annotations

from tusklite.course.thin_plate_splines.checks import (
    check_bending_energy,
    check_hold_border,
    check_invert,
    check_points_of_a_pair,
)
from tusklite.course.thin_plate_splines.figures import bent_grids, bent_sheet, moved_control_points
from tusklite.course.thin_plate_splines.widgets import ControlPoints, drag_control_points

__all__ = [
    "ControlPoints",
    "bent_grids",
    "bent_sheet",
    "check_bending_energy",
    "check_hold_border",
    "check_invert",
    "check_points_of_a_pair",
    "drag_control_points",
    "moved_control_points",
]
