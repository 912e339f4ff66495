"""Pictures of landmarks and of what a regressor makes of them: what is drawn, where, and in which colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from tusklite.course.factorized_landmarks import (
    errors_by_labels,
    landmark_gallery,
    landmark_shares,
    siamese_drawing,
)
from tusklite.course.factorized_landmarks.figures import landmark_colors
from tusklite.course.figures import PALETTE

IMAGES = torch.zeros(2, 3, 10, 20)
FIGURES = {
    "gallery": lambda: landmark_gallery(IMAGES, points(2, 7, 2), aims=points(2, 7, 2).flip(0)),
    "many": lambda: landmark_gallery(IMAGES, points(2, 30, 2), ["a", "b"]),
    "shares": lambda: landmark_shares(IMAGES, points(2, 3, 2), points(2, 2, 2), torch.eye(3)[:2]),
    "drawing": siamese_drawing,
    "errors": lambda: errors_by_labels({"ours": {1: 30.0, 20: 20.0}, "theirs": {1: 15.0}}, 31.7),
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


def test_shares_are_lines_from_landmarks_to_points_as_thick_as_they_are_large():
    xy, read, shares = points(2, 4, 2), points(2, 2, 2), torch.tensor([[0.5, 0.0, 0.25, 0.0], [0.0, 0.0, 0.3, 0.0]])
    panel = landmark_shares(IMAGES, xy, read, shares).axes[1]
    drawn = [(point, landmark) for point in range(2) for landmark in range(4) if shares[point, landmark]]
    assert len(panel.lines) == 3
    for line, (point, landmark) in zip(panel.lines, drawn, strict=True):
        np.testing.assert_allclose(line.get_xydata(), [pixels(xy)[1, landmark], pixels(read)[1, point]], rtol=1e-5)
        assert line.get_linewidth() == pytest.approx(8 * float(shares[point, landmark]))
    unused, used = panel.collections[:2]
    np.testing.assert_allclose(used.get_offsets(), pixels(xy)[1, [0, 2]], rtol=1e-5)
    np.testing.assert_allclose(unused.get_offsets(), pixels(xy)[1, [1, 3]], rtol=1e-5)


def test_errors_by_labels_are_sorted_and_labels_do_not_collide():
    lines = {"ours": {20: 20.0, 1: 35.0, 7650: 17.0}, "paper": {1: 14.79, 10_122: 10.53}}
    (panel,) = errors_by_labels(lines, 31.7).axes
    np.testing.assert_allclose(panel.lines[0].get_xydata(), [(1, 35), (20, 20), (7650, 17)])
    assert [label.get_text() for label in panel.get_xticklabels()] == ["1", "20", "", "10,122"]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["ours", "paper", "the mean shape"]


def test_one_colour_can_stand_for_all():
    panel = landmark_gallery(IMAGES, points(2, 4, 2), aims=points(2, 4, 2), color="red").axes[0]
    assert {to_hex(color) for color in panel.collections[1].get_facecolors()} == {"#ff0000"}
    assert {line.get_color() for line in panel.lines} == {"red"}
