"""What holds of every widget: core ipywidgets alone, for a person; a figure that stands still, for nobody."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from traitlets import TraitError

from tusklite.course.clevr6 import EditedScene, edit_scene
from tusklite.course.prototypes_and_softmin import SoftMin, explore_softmin
from tusklite.course.single_heatmap import SoftWindow, explore_window
from tusklite.course.sliced_wasserstein import TurningProjection, turn_projection
from tusklite.course.tetrominoes import MovedKeypoints, move_keypoints
from tusklite.course.thin_plate_splines import ControlPoints, drag_control_points
from tusklite.methods.base import new_method
from tusklite.methods.tusk.model import TUSK, TUSKConfig

PIECE = torch.rand(3, 8, 8)
IMAGE, HEATMAP, CLOUD = torch.rand(1, 20, 30), torch.rand(1, 10, 15), torch.rand(9, 2)


def brighter(xy: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """A picture that depends on where keypoints are, and on which."""
    return (PIECE * (xy[there].abs().mean() if there.any() else 0.0)).clamp(0, 1)


SMALL = {"width": 8, "levels": 2, "groups": 4, "window": 3, "descriptor_channels": 8, "image_channels": 3}
DRAWS_ALONE = new_method(lambda: TUSK(TUSKConfig(3, 4, aggregation="alpha", background_layer="black", **SMALL)), 0)
SCENE = torch.rand(3, 16, 20)
WIDGETS = {
    ControlPoints: lambda: drag_control_points(IMAGE, side=3),
    SoftWindow: lambda: explore_window(IMAGE, HEATMAP),
    TurningProjection: lambda: turn_projection(CLOUD, CLOUD.flip(0), angle=30),
    SoftMin: lambda: explore_softmin(CLOUD, CLOUD[:3]),
    MovedKeypoints: lambda: move_keypoints(PIECE, 0.5 * CLOUD[:3], brighter),
    EditedScene: lambda: edit_scene(DRAWS_ALONE.eval(), SCENE),
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


SLIDERS = [
    (kind, name)
    for kind, names in {
        ControlPoints: ("point", "x", "y"),
        SoftWindow: ("window", "temperature", "keypoint"),
        TurningProjection: ("angle",),
        SoftMin: ("inverse_temperature",),
        MovedKeypoints: ("keypoint", "x", "y"),
        EditedScene: ("keypoint", "x", "y"),
    }.items()
    for name in names
]


def whole(slider: ipywidgets.Widget) -> bool:
    return isinstance(slider, ipywidgets.IntSlider)


def span(slider: ipywidgets.Widget) -> tuple[float, float]:
    """The least and the most that a slider can say."""
    ends = (slider.min, slider.max)
    return tuple(slider.base**end for end in ends) if isinstance(slider, ipywidgets.FloatLogSlider) else ends


@pytest.mark.parametrize(("kind", "name"), SLIDERS, ids=[f"{kind.__name__}-{name}" for kind, name in SLIDERS])
@pytest.mark.parametrize("where", [-1e9, 1e9, 0.3, 0.52])
def test_whatever_is_typed_slider_and_picture_agree(kind, name, where, monkeypatch):
    front_end(monkeypatch, allow_stdin=True)
    shown = WIDGETS[kind]()
    slider = getattr(shown, name)
    low, high = span(slider)
    typed = low + where * (high - low)
    said = {}
    monkeypatch.setattr(ipywidgets.Widget, "send_state", lambda self, key=None: said.update({self: key}))
    slider.set_state({"value": round(typed) if whole(slider) else typed})  # as it comes from the front end
    assert low <= slider.value <= high
    assert np.array_equal(imread(io.BytesIO(shown.picture.value)), imread(io.BytesIO(shown.figure()._repr_png_())))
    if slider.value != (round(typed) if whole(slider) else typed):
        assert said[slider] == "value"  # the front end is told


@pytest.mark.parametrize(("kind", "name"), SLIDERS, ids=[f"{kind.__name__}-{name}" for kind, name in SLIDERS])
@pytest.mark.parametrize("nothing", [math.nan, None, "", "seven"])
def test_no_number_leaves_slider_and_picture_as_they_were(kind, name, nothing, monkeypatch):
    front_end(monkeypatch, allow_stdin=True)
    shown = WIDGETS[kind]()
    slider = getattr(shown, name)
    value, before = slider.value, imread(io.BytesIO(shown.picture.value))
    if isinstance(nothing, float) and not whole(slider):
        slider.value = nothing
    else:
        with pytest.raises(TraitError):
            slider.value = nothing
    assert slider.value == value
    assert np.array_equal(imread(io.BytesIO(shown.picture.value)), before)
