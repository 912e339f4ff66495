"""The lesson "single heatmap": its checks, figures and widgets."""

from __future__ import annotations

from tusklite.course.single_heatmap.checks import (
    check_descriptor_slopes,
    check_greedy_maxima,
    check_refine_above_background,
    check_suppress,
    check_temperature_for_share,
)
from tusklite.course.single_heatmap.figures import numbered_maps, soft_window, weights_and_slopes
from tusklite.course.single_heatmap.widgets import SoftWindow, explore_window

__all__ = [
    "SoftWindow",
    "check_descriptor_slopes",
    "check_greedy_maxima",
    "check_refine_above_background",
    "check_suppress",
    "check_temperature_for_share",
    "explore_window",
    "numbered_maps",
    "soft_window",
    "weights_and_slopes",
]
