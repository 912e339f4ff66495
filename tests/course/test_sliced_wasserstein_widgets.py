"""The turning projection follows its slider; where nobody is there, a figure stands in its place."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from tusklite.course.sliced_wasserstein import TurningProjection, projected_pairs, turn_projection

X, Y = torch.randn(2, 10, 2, generator=torch.Generator().manual_seed(0))


def pixels(turning: TurningProjection) -> np.ndarray:
    return imread(io.BytesIO(turning.picture.value))


@pytest.mark.parametrize("angle", [45, 180])
def test_the_picture_is_that_of_the_plot_for_the_slider_s_angle(angle):
    turning = TurningProjection(X, Y, angle=10)
    assert np.array_equal(pixels(turning), imread(io.BytesIO(projected_pairs(X, Y, 10)._repr_png_())))
    turning.angle.value = angle
    assert np.array_equal(pixels(turning), imread(io.BytesIO(projected_pairs(X, Y, angle)._repr_png_())))


def test_the_slider_goes_once_round():
    turning = TurningProjection(X, Y)
    assert (turning.angle.value, turning.angle.min, turning.angle.max) == (0, 0, 180)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: turn_projection(X[0], Y), ValueError, r"x: shape \(2,\)"),
        (lambda: turn_projection(X, Y[:4]), ValueError, r"y: shape \(4, 2\)"),
        (lambda: turn_projection(X, Y, angle=181), ValueError, "angle: 181"),
        (lambda: turn_projection(X, Y, angle=0.5), TypeError, "angle: 0.5"),
        (lambda: TurningProjection([1], Y), TypeError, "x: list"),
    ],
)
def test_wrong_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
