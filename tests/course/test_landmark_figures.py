"""Pictures of landmarks: what is drawn, where, and in which colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from tusklite.course.figures import PALETTE, landmark_gallery
from tusklite.course.figures.landmarks import landmark_colors

IMAGES = torch.zeros(2, 3, 10, 20)
FIGURES = {
    "gallery": lambda: landmark_gallery(IMAGES, points(2, 7, 2), aims=points(2, 7, 2).flip(0)),
    "many": lambda: landmark_gallery(IMAGES, points(2, 30, 2), ["a", "b"]),
}


def points(*shape: int) -> torch.Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape))) - 1


def pixels(xy: torch.Tensor) -> np.ndarray:
    return ((xy + 1) / 2 * torch.tensor([20, 10])).numpy()


def test_few_landmarks_take_the_palette_and_many_a_colour_each():
    few = landmark_colors(points(3, 7, 2))
    assert ["#" + "".join(f"{round(255 * value):02X}" for value in color) for color in few] == list(PALETTE[:7])
    many = landmark_colors(points(3, 50, 2))
    assert many.min() >= 0
    assert many.max() <= 1
    assert len(np.unique(many.round(6), axis=0)) == 50


def test_colours_of_many_landmarks_follow_their_mean_places():
    xy = points(4, 12, 2)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(landmark_colors(xy)[order], landmark_colors(xy[:, order]))


@pytest.mark.parametrize("landmarks", [1, 7, 12])
def test_a_gallery_puts_dots_where_the_landmarks_are(landmarks):
    xy = points(2, landmarks, 2)
    figure = landmark_gallery(IMAGES, xy, ["one", "two"])
    for panel, places in zip(figure.axes, xy, strict=True):
        np.testing.assert_allclose(panel.collections[0].get_offsets(), pixels(places), rtol=1e-5)
    assert [panel.get_title() for panel in figure.axes] == ["one", "two"]


def test_rings_are_joined_to_their_landmarks_and_none_is_drawn_for_nan():
    xy, aims = points(2, 3, 2), points(2, 3, 2).flip(0)
    aims[0] = torch.nan
    first, second = landmark_gallery(IMAGES, xy, aims=aims).axes
    np.testing.assert_allclose(second.collections[0].get_offsets(), pixels(aims[1]), rtol=1e-5)
    for line, start, end in zip(second.lines, pixels(aims[1]), pixels(xy[1]), strict=True):
        np.testing.assert_allclose(line.get_xydata(), [start, end], rtol=1e-5)
    assert np.ma.getmaskarray(first.collections[0].get_offsets()).all()


def test_one_colour_can_stand_for_all():
    panel = landmark_gallery(IMAGES, points(2, 4, 2), aims=points(2, 4, 2), color="red").axes[0]
    assert {to_hex(color) for color in panel.collections[1].get_facecolors()} == {"#ff0000"}
    assert {line.get_color() for line in panel.lines} == {"red"}
