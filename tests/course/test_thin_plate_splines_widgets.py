"""Widgets follow their sliders; where nobody is there, a figure stands in their place."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from tusklite.course.thin_plate_splines import ControlPoints, drag_control_points

IMAGE = torch.rand(1, 20, 30, generator=torch.Generator().manual_seed(0))
HOME = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.0, 0.1]])


def pixels(sliders: ControlPoints) -> np.ndarray:
    return imread(io.BytesIO(sliders.picture.value))


def test_sliders_show_the_chosen_point_and_move_it_alone():
    sliders = ControlPoints(IMAGE, HOME)
    before = pixels(sliders)
    sliders.point.value = 5
    assert (sliders.x.value, sliders.y.value) == pytest.approx((0.0, 0.1))
    assert torch.equal(sliders.moved, HOME)
    sliders.x.value = 0.3
    sliders.y.value = -0.2
    torch.testing.assert_close(sliders.moved[4], torch.tensor([0.3, -0.2]))
    assert torch.equal(sliders.moved[:4], HOME[:4])
    assert pixels(sliders).shape == before.shape
    assert not np.array_equal(pixels(sliders), before)


def test_the_picture_is_that_of_the_plot_for_the_same_points():
    from tusklite.course.thin_plate_splines import moved_control_points

    moved = HOME + torch.tensor([0.1, -0.05])
    sliders = ControlPoints(IMAGE, HOME, moved)
    expected = moved_control_points(IMAGE, HOME, moved, chosen=0)._repr_png_()
    assert np.array_equal(pixels(sliders), imread(io.BytesIO(expected)))


def test_reset_puts_all_back_and_leaves_what_was_given_alone():
    start = HOME + 0.1
    given = start.clone()
    sliders = ControlPoints(IMAGE, HOME, start)
    before = pixels(sliders)
    for point in (1, 4):
        sliders.point.value = point
        sliders.x.value = 0.9
    sliders.point.value = 1
    sliders.reset.click()
    assert torch.equal(sliders.moved, given)
    assert torch.equal(start, given)
    assert np.array_equal(pixels(sliders), before)
    assert sliders.x.value == pytest.approx(-0.4)


def test_it_says_when_the_warp_folds_and_when_there_is_none():
    sliders = ControlPoints(IMAGE, HOME)
    assert sliders.message.value == ""
    sliders.point.value = 5
    sliders.x.value = 1.1
    assert "folds" in sliders.message.value
    last = sliders.picture.value
    sliders.x.value, sliders.y.value = 0.5, 0.4
    sliders.y.value = 0.5  # where the fourth point is
    assert sliders.message.value.startswith("no warp does that: coincident points were given")
    assert sliders.picture.value != last
    sliders.reset.click()
    assert sliders.message.value == ""


def test_points_on_one_line_are_said_to_be_on_one_line():
    sliders = ControlPoints(IMAGE, HOME[:3])
    last = sliders.picture.value
    sliders.point.value = 3
    sliders.x.value, sliders.y.value = 0.0, -0.5
    assert sliders.message.value.startswith("no warp does that: collinear points were given")
    assert sliders.picture.value != last  # it has followed, until there
    last = sliders.picture.value
    sliders.y.value = 0.4
    assert sliders.message.value == ""
    assert sliders.picture.value != last


def test_a_person_gets_points_on_a_square_grid(monkeypatch):
    kernel = SimpleNamespace(get_parent=lambda channel: {"content": {"allow_stdin": True}})
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=kernel))
    sliders = drag_control_points(IMAGE, side=3)
    assert isinstance(sliders, ControlPoints)
    assert sliders.home.shape == (9, 2)
    assert (sliders.home[1] - sliders.home[0]).tolist() == pytest.approx([0.8, 0.0])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ControlPoints(IMAGE[0], HOME), ValueError, r"image: shape \(20, 30\)"),
        (lambda: ControlPoints(IMAGE.numpy(), HOME), TypeError, "image: ndarray"),
        (lambda: ControlPoints(IMAGE, HOME[0]), ValueError, r"home: shape \(2,\)"),
        (lambda: ControlPoints(IMAGE, HOME, HOME[:4]), ValueError, r"moved: shape \(4, 2\)"),
        (lambda: ControlPoints(IMAGE, 3 * HOME), ValueError, r"home: 1.5 was given; allowed is \[-1.2, 1.2\]"),
        (lambda: ControlPoints(IMAGE, HOME, 3 * HOME), ValueError, "moved: 1.5"),
        (lambda: ControlPoints(IMAGE, HOME[:2]), ValueError, "2 points were given"),
        (lambda: drag_control_points(IMAGE, side=1), ValueError, "side: 1"),
        (lambda: drag_control_points([1]), TypeError, "image: list"),
        (lambda: ControlPoints(255 * IMAGE, HOME), ValueError, "image: values from .* allowed are 0 to 1"),
        (lambda: ControlPoints(IMAGE.expand(4, -1, -1), HOME), ValueError, "image: 4 channels"),
    ],
)
def test_wrong_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
