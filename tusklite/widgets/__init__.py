"""Figures that answer to the hand: core ipywidgets alone, so that they work in JupyterLab and in Colab.

Where nobody is there to move a slider, as when a lesson is executed by nbconvert, papermill or nbval, each function
returns the figure that the widget would start with. So a stored lesson always holds a picture, and no widget.
"""

from __future__ import annotations

from tusklite.widgets.control_points import ControlPoints, drag_control_points
from tusklite.widgets.soft_window import SoftWindow, explore_window
from tusklite.widgets.softmin import SoftMin, explore_softmin
from tusklite.widgets.transport import TurningProjection, turn_projection

__all__ = [
    "ControlPoints",
    "SoftMin",
    "SoftWindow",
    "TurningProjection",
    "drag_control_points",
    "explore_softmin",
    "explore_window",
    "turn_projection",
]
