"""Figures of warps hold what they promise: lines where the maps take them, and an image that follows its points."""

from __future__ import annotations

import numpy as np
import torch

from tusklite.course import thin_plate_splines as lesson
from tusklite.geometry import fit_tps

IMAGES = torch.rand(3, 1, 40, 60, generator=torch.Generator().manual_seed(0))
XY = torch.tensor([[-1.0, -1.0], [0.5, -0.5], [1.0, 1.0], [0.0, 0.2]])
FIGURES = {
    "bent_grids": lambda: lesson.bent_grids([lambda p: p, fit_tps(XY[None], 0.9 * XY[None])], ["a", "b"], XY, 0.9 * XY),
    "bent_sheet": lambda: lesson.bent_sheet(XY, torch.tensor([0.0, 1.0, 0.0, 0.0])),
    "moved_control_points": lambda: lesson.moved_control_points(IMAGES[0], XY, 0.9 * XY, chosen=2),
}


def test_lines_of_a_bent_grid_are_where_the_map_takes_them():
    figure = lesson.bent_grids([lambda p: 0.5 * p + torch.tensor([0.25, 0.0])], ["half"], XY, -XY)
    panel = figure.axes[0]
    assert panel.get_title() == "half"
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


def test_the_image_follows_its_control_points():
    home = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])
    left, right = lesson.moved_control_points(IMAGES[0], home, home + torch.tensor([0.5, 0.0])).axes
    # A shift by 0.5 is 15 of 60 pixels, to the right.
    np.testing.assert_allclose(right.images[0].get_array()[:, 15:], left.images[0].get_array()[:, :-15], atol=1e-4)


def test_the_chosen_point_is_ringed_at_home_and_where_it_stands():
    left, right = lesson.moved_control_points(IMAGES[0], XY, 0.9 * XY, chosen=1).axes
    np.testing.assert_allclose(left.collections[-1].get_offsets(), [[45, 10]])
    np.testing.assert_allclose(right.collections[-1].get_offsets(), [[43.5, 11]], rtol=1e-6)
    left, right = lesson.moved_control_points(IMAGES[0], XY, 0.9 * XY).axes
    assert not len(left.collections[-1].get_offsets())
