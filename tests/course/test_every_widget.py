"""What holds of every widget: core ipywidgets alone, for a person; a figure that stands still, for nobody."""

from __future__ import annotations

from types import SimpleNamespace

import ipywidgets
import pytest
import torch
from matplotlib.figure import Figure

from tusklite.course.prototypes_and_softmin import SoftMin, explore_softmin
from tusklite.course.single_heatmap import SoftWindow, explore_window
from tusklite.course.sliced_wasserstein import TurningProjection, turn_projection
from tusklite.course.thin_plate_splines import ControlPoints, drag_control_points

IMAGE, HEATMAP, CLOUD = torch.rand(1, 20, 30), torch.rand(1, 10, 15), torch.rand(9, 2)
WIDGETS = {
    ControlPoints: lambda: drag_control_points(IMAGE, side=3),
    SoftWindow: lambda: explore_window(IMAGE, HEATMAP),
    TurningProjection: lambda: turn_projection(CLOUD, CLOUD.flip(0), angle=30),
    SoftMin: lambda: explore_softmin(CLOUD, CLOUD[:3]),
}
EACH_WIDGET = pytest.mark.parametrize(("kind", "show"), WIDGETS.items(), ids=[kind.__name__ for kind in WIDGETS])


def front_end(monkeypatch: pytest.MonkeyPatch, allow_stdin: bool) -> None:
    """A kernel whose front end has a person, who can be asked, or nobody."""
    kernel = SimpleNamespace(get_parent=lambda channel: {"content": {"allow_stdin": allow_stdin}})
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=kernel))


@EACH_WIDGET
def test_a_person_gets_core_widgets(kind, show, monkeypatch):
    front_end(monkeypatch, allow_stdin=True)
    shown = show()
    assert isinstance(shown, kind)
    assert isinstance(shown, ipywidgets.VBox)
    assert {type(child).__module__.split(".")[0] for child in shown.children} == {"ipywidgets"}


@EACH_WIDGET
@pytest.mark.parametrize("where", ["in plain Python", "executed by nobody"])
def test_elsewhere_a_figure_stands_in_its_place(kind, show, where, monkeypatch):
    if where == "executed by nobody":
        front_end(monkeypatch, allow_stdin=False)
    assert isinstance(show(), Figure)
