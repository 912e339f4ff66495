"""Figures of transport hold what they promise: shadows in order, error bars, frames on one scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.course import sliced_wasserstein as lesson


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


A, B = normal(12, 2), normal(12, 2, seed=1) + 1
FIGURES = {
    "projected_pairs": lambda: lesson.projected_pairs(A, B, 30),
    "a cloud and itself": lambda: lesson.projected_pairs(A, A, 180.0),
    "one place": lambda: lesson.projected_pairs(torch.zeros(2, 2), torch.zeros(2, 2), 0),
    "projection_errors": lambda: lesson.projection_errors([1, 10, 100], normal(3, 8).abs() + 5),
    "flow_strip": lambda: lesson.flow_strip(normal(7, 4, 2), A, list("abcdefg"), labels=torch.arange(12) % 10),
    "crosses": lambda: lesson.flow_strip(normal(2, 4, 2), A, ["a", "b"], crosses=True, columns=1),
}


@pytest.mark.parametrize("angle", [0, 30, 117, 180])
def test_shadows_are_projections_joined_in_sorted_order(angle):
    plane, curve = lesson.projected_pairs(A, B, angle).axes
    along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    pairs = np.array(plane.collections[-1].get_segments())  # (12, 2, 2)
    for side, cloud in ((0, A), (1, B)):
        np.testing.assert_allclose(pairs[:, side] @ along, np.sort(cloud.double().numpy() @ along), atol=1e-6)
    expected = ((pairs[:, 0] - pairs[:, 1]) @ along).__pow__(2).mean()
    assert plane.get_title() == f"squared distance along {angle}°: {expected:.3f}"
    assert np.interp(angle, *curve.lines[0].get_data()) == pytest.approx(expected, rel=1e-4)
    assert curve.lines[2].get_xydata()[0] == pytest.approx([angle, expected], rel=1e-4)


def test_nothing_falls_out_of_the_picture():
    for angle in range(0, 181, 15):
        plane = lesson.projected_pairs(A, B, angle).axes[0]
        ends = np.concatenate([line.get_xydata() for line in plane.lines])
        for places, (low, high) in zip(ends.T, (plane.get_xlim(), plane.get_ylim()), strict=True):
            assert low < places.min() < places.max() < high


def test_error_bars_are_means_and_deviations_of_the_draws():
    values = normal(3, 20).double() + 4
    left, right = lesson.projection_errors([1, 10, 100], values).axes
    np.testing.assert_allclose(left.containers[0].lines[0].get_ydata(), values.mean(1))
    bars = np.array(left.containers[0].lines[2][0].get_segments())
    np.testing.assert_allclose(bars[:, 1, 1] - bars[:, 0, 1], 2 * values.std(1))
    guide, measured = (line.get_ydata() for line in right.lines)
    np.testing.assert_allclose(measured, 100 * values.std(1) / values.mean(1))
    np.testing.assert_allclose(guide / guide[-1], [10, 10**0.5, 1])


def test_all_frames_share_one_scale_that_holds_every_point():
    frames = 3 * normal(4, 6, 2)
    panels = lesson.flow_strip(frames, A, list("abcd"), labels=torch.zeros(12).long()).axes
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in panels}) == 1
    (left, right), (bottom, top) = panels[0].get_xlim(), panels[0].get_ylim()
    assert bottom > top  # as in images
    everything = torch.cat([frames.view(-1, 2), A])
    assert ((everything > torch.tensor([left, top])) & (everything < torch.tensor([right, bottom]))).all()
    np.testing.assert_allclose(panels[2].collections[1].get_offsets(), frames[2], rtol=1e-6)
