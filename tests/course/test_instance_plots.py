"""Figures of several things in one image hold what they promise: rings and dots, humps and means, channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.course import when_one_channel_is_not_enough as lesson
from tusklite.ops.keypoints import soft_argmax, spatial_softmax

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(3, 1, 20, 40, generator=GENERATOR)
OWN = torch.rand(3, 2, 4, 2, generator=GENERATOR) - 0.5
XY = OWN.mean(dim=1)
MAPS = spatial_softmax(torch.randn(3, 5, 10, 20, generator=GENERATOR))
MEANS = soft_argmax(MAPS)
INK = torch.linspace(0, 1, 6)
DISTANCES = {"same": torch.rand(6, 9, generator=GENERATOR), "other": 3 * torch.rand(6, 9, generator=GENERATOR)}
FIGURES = {
    "landmarks_between": lambda: lesson.landmarks_between(IMAGES, XY, OWN, ["a", "b", "c"]),
    "humps": lambda: lesson.humps(IMAGES, MAPS[:, :1], MEANS[:, :1], ["a", "b", "c"]),
    "humps_in_colour": lambda: lesson.humps(IMAGES.expand(-1, 3, -1, -1), MAPS[:, :1], MEANS[:, :1]),
    "fading_in": lambda: lesson.fading_in(INK, DISTANCES),
    "channel_maps": lambda: lesson.channel_maps(IMAGES[0], MAPS[0], MEANS[0]),
    "localization_bars": lambda: lesson.localization_bars({"one": 0.9, "nine": 0.2}),
    "firing_places": lambda: lesson.firing_places(MEANS),
}


def test_dots_stand_at_what_was_found_and_rings_at_what_should_be():
    panel = lesson.landmarks_between(IMAGES, XY, OWN).axes[1]
    first, second, dots = (one.get_offsets() for one in panel.collections)
    np.testing.assert_allclose(dots, (XY[1] + 1) / 2 * torch.tensor([40, 20]), atol=1e-5)
    for line, start, end in zip(panel.lines, first, second, strict=True):
        np.testing.assert_allclose(line.get_xydata(), [start, end])
    np.testing.assert_allclose((first + second) / 2, dots, atol=1e-5)


def test_below_each_image_stands_what_its_map_adds_up_to_and_its_mean():
    figure = lesson.humps(IMAGES, MAPS[:, 1:2], MEANS[:, 1:2], ["a", "b", "c"])
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
    figure = lesson.fading_in(INK, DISTANCES, shown=4)
    for panel, values in zip(figure.axes, DISTANCES.values(), strict=True):
        assert len(panel.lines) == 4 + 1
        np.testing.assert_allclose(panel.lines[-1].get_ydata(), values.mean(dim=1), atol=1e-6)
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_bars_are_as_long_as_their_shares_and_the_first_stand_out():
    panel = lesson.localization_bars({"one": 0.9, "nine": 0.2, "nails": 0.25}, standing_out=2).axes[0]
    assert [bar.get_width() for bar in panel.patches] == [0.9, 0.2, 0.25]
    assert [text.get_text() for text in panel.texts] == ["90.0%", "20.0%", "25.0%"]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["one", "nine", "nails"]
    first, second, third = (bar.get_facecolor() for bar in panel.patches)
    assert first == second != third


def test_each_channel_has_its_cross_and_its_own_scale():
    panels = lesson.channel_maps(IMAGES[0], MAPS[0], MEANS[0]).axes
    for panel, cross in zip(panels, MEANS[0], strict=True):
        expected = (cross + 1) / 2 * torch.tensor([40, 20])
        np.testing.assert_allclose(panel.collections[0].get_offsets()[0], expected, atol=1e-5)
        assert panel.images[1].get_array().max() == 1


def test_a_panel_shows_its_channel_before_all_the_others():
    panels = lesson.firing_places(MEANS, ["a", "b", "c", "d", "e"]).axes
    for channel, panel in enumerate(panels):
        behind, front = (one.get_offsets() for one in panel.collections)
        assert len(behind) == 3 * 5
        np.testing.assert_allclose(front, MEANS[:, channel], atol=1e-6)
    assert [panel.get_title() for panel in panels] == ["a", "b", "c", "d", "e"]
    assert panels[0].get_ylim() == (1, -1)


@pytest.mark.parametrize(
    ("error", "message", "act"),
    [
        (ValueError, "own: shape", lambda: lesson.landmarks_between(IMAGES, XY, OWN[:, :1])),
        (ValueError, "11 landmarks", lambda: lesson.landmarks_between(IMAGES, XY[:, [0] * 11], OWN[:, :, [0] * 11])),
        (ValueError, "images: shape", lambda: lesson.landmarks_between(IMAGES[:2], XY, OWN)),
        (ValueError, "titles: 1 words", lambda: lesson.landmarks_between(IMAGES, XY, OWN, ["a"])),
        (ValueError, "maps: shape", lambda: lesson.humps(IMAGES, MAPS, MEANS[:, :1])),
        (ValueError, "maps: -1", lambda: lesson.humps(IMAGES, -torch.ones(3, 1, 4, 4), MEANS[:, :1])),
        (ValueError, "xy: shape", lambda: lesson.humps(IMAGES, MAPS[:, :1], MEANS)),
        (ValueError, "distances: {}", lambda: lesson.fading_in(INK, {})),
        (ValueError, "same: shape", lambda: lesson.fading_in(INK, {"same": torch.zeros(5, 2)})),
        (ValueError, "shown: -1", lambda: lesson.fading_in(INK, DISTANCES, shown=-1)),
        (ValueError, "shares: {}", lambda: lesson.localization_bars({})),
        (ValueError, "nine: 1.2", lambda: lesson.localization_bars({"nine": 1.2})),
        (ValueError, "standing_out: -1", lambda: lesson.localization_bars({"nine": 0.2}, standing_out=-1)),
        (ValueError, "xy: shape", lambda: lesson.channel_maps(IMAGES[0], MAPS[0], MEANS[0, :2])),
        (ValueError, "probs: -1", lambda: lesson.channel_maps(IMAGES[0], -torch.ones(5, 4, 4), MEANS[0])),
        (ValueError, "titles: 2 words", lambda: lesson.firing_places(MEANS, ["a", "b"])),
        (ValueError, "mark: 0", lambda: lesson.firing_places(MEANS, mark=0.0)),
        (TypeError, "xy: list", lambda: lesson.firing_places([0.0])),
    ],
)
def test_refuses(error, message, act):
    with pytest.raises(error, match=message):
        act()
