"""Figures of alternating training hold what they promise: turns, failures in one row, kinds on their bars."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tusklite.course import alternating_training as lesson
from tusklite.course.figures import PALETTE

SCENES, XY, SHARES = torch.rand(2, 1, 12, 16), torch.rand(2, 3, 2) * 2 - 1, torch.tensor([0.7, 0.3, 0.0])
LOGS = {
    "failed": [{"step": 1, "dead_prototypes": 2}, {"step": 2, "dead_prototypes": 1}],
    "healthy": [{"step": 1, "dead_prototypes": 0}],
}

FIGURES = {
    "turns": lambda: lesson.turns({"at once": ["both"], "in turn": ["prototypes", "network"]}),
    "failure": lambda: lesson.failure(SCENES, SCENES[0], XY, SHARES, "dead_prototypes", LOGS),
    "kinds": lambda: lesson.kinds_by_prototype({"ours": torch.eye(3), "one": torch.ones(2, 3)}),
}


def boxes(figure: Figure) -> list[tuple[float, float, str]]:
    """Left edge, height and colour of each box that is a turn."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [(round(patch.get_x()), round(patch.get_height(), 2), to_hex(patch.get_facecolor())) for patch in patches]


def test_turns_draw_a_box_a_mover() -> None:
    figure = lesson.turns({"at once": ["both", "both"], "in turn": ["prototypes", "network", "prototypes"]})
    network, prototypes = (color.lower() for color in PALETTE[:2])
    at_once = [(step, 0.35, color) for step in (0, 1) for color in (network, prototypes)]
    assert boxes(figure) == [*at_once, (0, 0.7, prototypes), (1, 0.7, network), (2, 0.7, prototypes)]
    assert [text.get_text() for text in figure.legends[0].texts] == ["the network moves", "prototypes move"]


def test_a_failure_shows_scenes_points_shares_and_the_symptom() -> None:
    figure = lesson.failure(SCENES, SCENES[0, :, :6, :8], XY, SHARES, "dead_prototypes", LOGS)
    first, second, heatmap, shares, curve = figure.axes
    for panel, image, points in zip((first, second), SCENES, XY, strict=True):
        np.testing.assert_allclose(panel.images[0].get_array(), image[0])
        np.testing.assert_allclose(panel.collections[0].get_offsets(), (points + 1) / 2 * torch.tensor([16, 12]))
    np.testing.assert_allclose(heatmap.images[0].get_array(), SCENES[0, 0, :6, :8])
    assert [bar.get_height() for bar in shares.patches] == pytest.approx(SHARES.tolist())
    assert [text.get_text() for text in shares.texts] == ["70%", "30%", "0%"]
    assert [line.get_ydata().tolist() for line in curve.lines] == [[2, 1], [0]]
    assert curve.lines[1].get_zorder() < curve.lines[0].get_zorder()
    assert curve.get_title() == "dead prototypes"
    assert curve.lines[0].get_linestyle() == "-"
    assert [text.get_text() for text in figure.legends[0].texts] == ["failed", "healthy"]


@pytest.mark.parametrize("cures", [0, 1, 2, 3])
def test_cures_are_dashes_that_can_be_seen_on_a_healthy_run_and_on_each_other(cures: int) -> None:
    healthy = LOGS["healthy"]
    logs = {"failed": LOGS["failed"], **{f"cure {at}": healthy for at in range(cures)}, "healthy": healthy}
    curve = lesson.failure(SCENES, SCENES[0], XY, SHARES, "dead_prototypes", logs).axes[-1]
    failed, *cured, band = curve.lines
    assert [line.get_linestyle() for line in curve.lines] == ["-", *cures * ["--"], "-"]
    assert all(band.get_linewidth() > 2 * line.get_linewidth() for line in cured)
    assert band.get_zorder() < min(line.get_zorder() for line in (failed, *cured))
    assert len({line.get_color() for line in curve.lines}) == cures + 2
    # Where all of them run along one line, each place of it belongs to one of them.
    inked = []
    for line in cured:
        offset, (dash, gap) = line._unscaled_dash_pattern
        inked.append([(place + offset) % (dash + gap) < dash for place in range(24)])
    assert np.sum(inked, axis=0).max(initial=0) <= 1
    low, high = curve.get_ylim()
    assert -0.1 * high < low < 0  # room to see what lies at 0, for the axis lies below


def test_kinds_are_stacked_on_their_prototype() -> None:
    counts = {"ours": torch.tensor([[5, 0, 1], [0, 7, 2]]), "one": torch.tensor([[5, 7, 3], [0, 0, 0]])}
    figure = lesson.kinds_by_prototype(counts)
    assert len({panel.get_ylim() for panel in figure.axes}) == 1  # they are compared
    # The number of a kind stands on its part of a bar, unless that is too flat for it.
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text()] == ["0", "1", "2"]
    assert [panel.get_title() for panel in figure.axes] == ["ours", "one"]
    for panel, won in zip(figure.axes, counts.values(), strict=True):
        heights = np.array([bar.get_height() for bar in panel.patches]).reshape(3, 2).T
        bottoms = np.array([bar.get_y() for bar in panel.patches]).reshape(3, 2).T
        np.testing.assert_allclose(heights, won)
        np.testing.assert_allclose(bottoms, won.cumsum(dim=1) - won)
        assert [to_hex(bar.get_facecolor()) for bar in panel.patches[::2]] == [color.lower() for color in PALETTE[:3]]
