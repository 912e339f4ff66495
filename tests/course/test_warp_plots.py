"""Figures of warps hold what they promise: points in pixels, lines where the maps take them, rows with names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.course import figures
from tusklite.course import thin_plate_splines as lesson
from tusklite.geometry import fit_tps

IMAGES = torch.rand(3, 1, 40, 60, generator=torch.Generator().manual_seed(0))
XY = torch.tensor([[-1.0, -1.0], [0.5, -0.5], [1.0, 1.0], [0.0, 0.2]])
FIGURES = {
    "marked_images": lambda: figures.marked_images(IMAGES, XY.expand(3, -1, -1), ["a", "b", "c"]),
    "aims": lambda: figures.marked_images(IMAGES, XY.expand(3, -1, -1), aims=-XY.expand(3, -1, -1)),
    "bent_grids": lambda: lesson.bent_grids([lambda p: p, fit_tps(XY[None], 0.9 * XY[None])], ["a", "b"], XY, 0.9 * XY),
    "bent_sheet": lambda: lesson.bent_sheet(XY, torch.tensor([0.0, 1.0, 0.0, 0.0])),
    "image_rows": lambda: figures.image_rows({"first": IMAGES, "second": 1 - IMAGES}, ["a", "b", "c"]),
    "moved_control_points": lambda: lesson.moved_control_points(IMAGES[0], XY, 0.9 * XY, chosen=2),
}


def test_the_checkerboard_is_as_if_counted_by_hand():
    board = lesson.on_checkerboard(torch.zeros(2, 1, 6, 9), squares=3)
    rows, columns = np.arange(6) // 2, np.arange(9) // 3
    expected = np.where((rows[:, None] + columns) % 2, 0.4, 0.15)
    np.testing.assert_allclose(board[1, 0], expected, atol=1e-6)
    assert torch.equal(lesson.on_checkerboard(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


def test_points_stand_in_pixels_with_their_numbers():
    panel = figures.marked_images(IMAGES[:1], XY[None]).axes[0]
    np.testing.assert_allclose(panel.collections[0].get_offsets(), [[0, 0], [45, 10], [60, 40], [30, 24]], atol=1e-5)
    assert [text.get_text() for text in panel.texts] == ["1", "2", "3", "4"]
    assert (panel.get_xlim(), panel.get_ylim()) == ((0, 60), (40, 0))


def test_rings_stand_at_the_aims_joined_to_their_points():
    panel = figures.marked_images(IMAGES[:1], XY[None], aims=-XY[None]).axes[0]
    rings, dots = (one.get_offsets() for one in panel.collections)
    np.testing.assert_allclose(rings[1], [15, 30])
    for line, ring, dot in zip(panel.lines, rings, dots, strict=True):
        np.testing.assert_allclose(line.get_xydata(), [ring, dot])


def test_lines_of_a_bent_grid_are_where_the_map_takes_them():
    figure = lesson.bent_grids([lambda p: 0.5 * p + torch.tensor([0.25, 0.0])], source=XY, target=-XY)
    panel = figure.axes[0]
    grid, paths = panel.lines[:26], panel.lines[26:]
    ends = {tuple(np.round(line.get_xydata()[at], 3)) for line in grid for at in (0, -1)}
    assert {(-0.25, -0.5), (0.75, 0.5), (-0.25, 0.5), (0.75, -0.5)} <= ends
    assert max(abs(x - 0.25) for x, _ in ends) == 0.5
    for path, start in zip(paths, XY.numpy(), strict=True):
        np.testing.assert_allclose(path.get_xydata(), [start, -start])


def test_the_sheet_rests_on_its_pins():
    heights = torch.tensor([0.0, 1.0, 0.0, -0.5])
    _, sheet = lesson.bent_sheet(XY, heights).axes
    tops = [line.get_data_3d()[2][1] for line in sheet.lines]
    np.testing.assert_allclose(tops, heights)


def test_rows_are_named_at_their_left():
    figure = figures.image_rows({"first": IMAGES, "second": 1 - IMAGES}, ["a", "b", "c"])
    assert [panel.get_title() for panel in figure.axes] == ["a", "b", "c", "", "", ""]
    assert [[text.get_text() for text in panel.texts] for panel in figure.axes[::3]] == [["first"], ["second"]]
    np.testing.assert_allclose(figure.axes[4].images[0].get_array(), 1 - IMAGES[1, 0])


def test_the_image_follows_its_control_points():
    home = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])
    left, right = lesson.moved_control_points(IMAGES[0], home, home + torch.tensor([0.5, 0.0])).axes
    # A shift by 0.5 is 15 of 60 pixels, to the right.
    np.testing.assert_allclose(right.images[0].get_array()[:, 15:], left.images[0].get_array()[:, :-15], atol=1e-4)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: lesson.on_checkerboard(IMAGES.expand(-1, 3, -1, -1)), ValueError, r"images: shape \(3, 3, 40, 60\)"),
        (lambda: lesson.on_checkerboard(IMAGES, squares=0), ValueError, "squares: 0"),
        (lambda: figures.marked_images(IMAGES, XY[None]), ValueError, r"xy: shape \(1, 4, 2\)"),
        (lambda: figures.marked_images(IMAGES, torch.zeros(3, 11, 2)), ValueError, "xy: 11 points .* at most 10"),
        (lambda: figures.marked_images(IMAGES[:1], XY[None], aims=XY), ValueError, r"aims: shape \(4, 2\)"),
        (lambda: figures.marked_images(IMAGES[:1], XY[None], ["a", "b"]), ValueError, "titles: 2 words"),
        (lambda: lesson.bent_grids([]), ValueError, r"maps: \[\]"),
        (lambda: lesson.bent_grids([lambda p: p], source=XY), ValueError, "source, target"),
        (lambda: lesson.bent_grids([lambda p: p], source=XY, target=XY[:2]), ValueError, r"target: shape \(2, 2\)"),
        (lambda: lesson.bent_grids([lambda p: p], ["a", "b"]), ValueError, "titles: 2 words"),
        (lambda: lesson.bent_sheet(XY, torch.zeros(3)), ValueError, r"heights: shape \(3,\)"),
        (lambda: lesson.bent_sheet(XY[:2], torch.zeros(2)), ValueError, "2 points were given"),
        (lambda: figures.image_rows({}), ValueError, r"rows: \{\}"),
        (lambda: figures.image_rows({"a": IMAGES, "b": IMAGES[:2]}), ValueError, r"b: shape \(2, 1, 40, 60\)"),
        (lambda: figures.image_rows({"a": IMAGES}, ["x"]), ValueError, "titles: 1 words"),
        (lambda: lesson.moved_control_points(IMAGES, XY, XY), ValueError, r"image: shape \(3, 1, 40, 60\)"),
        (lambda: lesson.moved_control_points(IMAGES[0], XY, XY[:3]), ValueError, r"moved: shape \(3, 2\)"),
        (lambda: lesson.moved_control_points(IMAGES[0], XY, XY, chosen=4), ValueError, "chosen: 4 .* from 0 to 3"),
    ],
)
def test_wrong_input_is_refused(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
