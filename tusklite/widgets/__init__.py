"""Figures that answer to the hand: core ipywidgets alone, so that they work in JupyterLab and in Colab.

Where nobody is there to move a slider, as when a lesson is executed by nbconvert, papermill or nbval, each function
returns the figure that the widget would start with. So a stored lesson always holds a picture, and no widget.
"""

from __future__ import annotations

from tusklite.widgets.control_points import ControlPoints, drag_control_points

__all__ = ["ControlPoints", "drag_control_points"]
