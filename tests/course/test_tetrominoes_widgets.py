"""The widget of keypoints follows its controls; where nobody is there, a figure stands in its place."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from torch import Tensor

from tusklite.course.tetrominoes import MovedKeypoints, move_keypoints, redrawn
from tusklite.ops.keypoints import splat_gaussians

IMAGE = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0))
POINTS = torch.tensor([[-0.5, 0.0], [0.5, 0.25], [0.0, -0.75]])


def draw(xy: Tensor, there: Tensor) -> Tensor:
    """A blob a keypoint."""
    return splat_gaussians(xy[None], 12, 12, 1.0)[0, there].sum(dim=0).clamp(0, 1).expand(3, -1, -1)


def pixels(controls: MovedKeypoints) -> np.ndarray:
    return imread(io.BytesIO(controls.picture.value))


def test_the_picture_follows_each_control():
    controls = MovedKeypoints(IMAGE, POINTS, draw)
    for name, value in (("keypoint", 2), ("x", -0.2), ("y", 0.8), ("there", False)):
        before = pixels(controls)
        getattr(controls, name).value = value
        assert not np.array_equal(pixels(controls), before), name
    moved, kept = torch.tensor([[-0.5, 0.0], [-0.2, 0.8], [0.0, -0.75]]), torch.tensor([True, False, True])
    torch.testing.assert_close(controls.xy, moved)
    assert torch.equal(controls.kept, kept)
    expected = redrawn(IMAGE, draw(moved, kept), moved, kept, chosen=1)._repr_png_()
    assert np.array_equal(pixels(controls), imread(io.BytesIO(expected)))


def test_another_keypoint_brings_the_controls_to_it_and_moves_nothing():
    controls = MovedKeypoints(IMAGE, POINTS, draw)
    controls.there.value = False
    controls.keypoint.value = 3
    assert (controls.x.value, controls.y.value, controls.there.value) == (0.0, -0.75, True)
    assert torch.equal(controls.xy, POINTS)
    assert controls.kept.tolist() == [False, True, True]
    controls.keypoint.value = 1
    assert not controls.there.value


def test_all_can_be_put_back():
    controls = MovedKeypoints(IMAGE, POINTS, draw)
    before = pixels(controls)
    controls.x.value, controls.there.value = 0.9, False
    controls.reset.click()
    assert torch.equal(controls.xy, POINTS)
    assert controls.kept.all()
    assert np.array_equal(pixels(controls), before)


def test_it_says_how_many_are_there_and_how_far_the_drawing_is():
    controls = MovedKeypoints(IMAGE, POINTS, draw)
    controls.there.value = False
    squared = float((IMAGE - draw(POINTS, torch.tensor([False, True, True]))).square().sum()) / 3
    assert controls.message.value == f"2 of 3 keypoints; squared error {squared:.2f} pixels"


def test_it_leaves_what_it_is_given_alone_and_no_gradient_is_kept():
    xy, seen = POINTS.clone().requires_grad_(), []

    def keeping(xy: Tensor, there: Tensor) -> Tensor:
        seen.append((xy, torch.is_grad_enabled()))
        there[:] = False  # its own copy
        return draw(xy, there)

    controls = MovedKeypoints(IMAGE, xy, keeping)
    controls.x.value = 0.7
    assert torch.equal(xy.detach(), POINTS)
    assert controls.kept.all()
    assert not any(enabled or point.requires_grad for point, enabled in seen)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: MovedKeypoints(IMAGE[0], POINTS, draw), ValueError, r"image: shape \(12, 12\)"),
        (lambda: MovedKeypoints(IMAGE, POINTS[0], draw), ValueError, r"xy: shape \(2,\)"),
        (lambda: MovedKeypoints(IMAGE, 3 * POINTS, draw), ValueError, r"xy: .* allowed are one point or more in"),
        (lambda: MovedKeypoints(IMAGE, POINTS[:0], draw), ValueError, "xy"),
        (lambda: move_keypoints(IMAGE, POINTS, "draw"), TypeError, "draw: str was given; allowed is a function"),
    ],
)
def test_wrong_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
