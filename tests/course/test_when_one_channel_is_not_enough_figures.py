"""Figures of several things in one image hold what they promise: humps and means, and landmarks that stray."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.course import figures
from tusklite.course import when_one_channel_is_not_enough as lesson
from tusklite.ops.keypoints import soft_argmax, spatial_softmax

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(3, 1, 20, 40, generator=GENERATOR)
MAPS = spatial_softmax(torch.randn(3, 5, 10, 20, generator=GENERATOR))
MEANS = soft_argmax(MAPS)
INK = torch.linspace(0, 1, 6)
DISTANCES = {"same": torch.rand(6, 9, generator=GENERATOR), "other": 3 * torch.rand(6, 9, generator=GENERATOR)}
FIGURES = {
    "humps": lambda: lesson.humps(IMAGES, MAPS[:, 0], MEANS[:, 0], ["a", "b", "c"]),
    "humps_in_colour": lambda: lesson.humps(IMAGES.expand(-1, 3, -1, -1), MAPS[:, 0], MEANS[:, 0], "abc"),
    "fading_in": lambda: lesson.fading_in(INK, DISTANCES),
}


def test_below_each_image_stands_what_its_map_adds_up_to_and_its_mean():
    figure = lesson.humps(IMAGES, MAPS[:, 1], MEANS[:, 1], ["a", "b", "c"])
    above, below = figure.axes[:3], figure.axes[3:]
    assert [panel.get_title() for panel in above] == ["a", "b", "c"]
    columns = MAPS[:, 1].sum(dim=1)
    for number, panel in enumerate(below):
        x = 20 * (float(MEANS[number, 1, 0]) + 1)
        assert panel.lines[0].get_xdata()[0] == pytest.approx(x)
        assert above[number].collections[0].get_offsets()[0][0] == pytest.approx(x)
        heights = panel.collections[0].get_paths()[0].vertices[:, 1]
        assert heights.max() == pytest.approx(float(columns[number].max()))
    assert len({panel.get_ylim() for panel in below}) == 1


def test_the_thick_line_is_the_mean_of_all_and_panels_share_an_axis():
    figure = lesson.fading_in(INK, DISTANCES)
    for panel, values in zip(figure.axes, DISTANCES.values(), strict=True):
        assert len(panel.lines) == 9 + 1
        np.testing.assert_allclose(panel.lines[-1].get_ydata(), values.mean(dim=1), atol=1e-6)
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_no_more_than_twelve_landmarks_are_drawn_thin():
    (panel,) = lesson.fading_in(INK, {"many": torch.rand(6, 100)}).axes
    assert len(panel.lines) == 12 + 1


def test_a_glow_lies_over_the_image_and_its_highest_value_is_bright():
    (panel,) = figures.image_grid(IMAGES[:1]).axes
    lesson.glow(panel, MAPS[0, 0])
    assert panel.images[1].get_array().max() == 1
    assert panel.images[1].get_extent() == panel.images[0].get_extent()
    lesson.glow(panel, torch.zeros(4, 4))
    assert panel.images[2].get_array().max() == 0
