"""Figures of transport hold what they promise: who goes to whom, shadows in order, error bars, frames on one scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tusklite.course import sliced_wasserstein as lesson


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X, Y = normal(5), normal(5, seed=1)
A, B = normal(12, 2), normal(12, 2, seed=1) + 1
ORDER = torch.tensor([4, 0, 3, 1, 2])
PLAN = torch.eye(12) / 12
FIGURES = {
    "couplings": lambda: lesson.couplings(X, Y, [ORDER, torch.arange(5)], ["one", "other"]),
    "quantile_gap": lambda: lesson.quantile_gap(X[:3], Y),
    "projected_pairs": lambda: lesson.projected_pairs(A, B, 30),
    "a cloud and itself": lambda: lesson.projected_pairs(A, A, 180.0),
    "one place": lambda: lesson.projected_pairs(torch.zeros(2, 2), torch.zeros(2, 2), 0),
    "projection_errors": lambda: lesson.projection_errors([1, 10, 100], normal(3, 8).abs() + 5),
    "flow_strip": lambda: lesson.flow_strip(normal(7, 4, 2), A, list("abcdefg"), labels=torch.arange(12) % 10),
    "crosses": lambda: lesson.flow_strip(normal(2, 4, 2), A, ["a", "b"], crosses=True, columns=1),
    "transport_plans": lambda: lesson.transport_plans(A, B, [PLAN, torch.ones(12, 12)], ["exact", "blurred"]),
}


def test_each_heap_is_joined_to_its_partner():
    figure = FIGURES["couplings"]()
    assert [panel.get_title() for panel in figure.axes] == ["one", "other"]
    for panel, partners in zip(figure.axes, (ORDER, torch.arange(5)), strict=True):
        paths = np.array(panel.collections[0].get_segments())  # (5, 2, 2)
        np.testing.assert_allclose(paths[:, 0], np.stack([X, np.ones(5)], axis=1), rtol=1e-6)
        np.testing.assert_allclose(paths[:, 1], np.stack([Y[partners], np.zeros(5)], axis=1), rtol=1e-6)


def test_the_gap_is_the_cost_of_transport():
    small = torch.tensor([0.0, 2.0])
    large = torch.tensor([4.0, 1.0, 1.0])
    panel = lesson.quantile_gap(small, large).axes[0]
    low, edges, high = (np.asarray(panel.patches[-1].get_data()[i], dtype=float) for i in (2, 1, 0))
    np.testing.assert_allclose(edges, [0, 1 / 3, 1 / 2, 2 / 3, 1])
    np.testing.assert_allclose(low, [0, 0, 2, 2])
    np.testing.assert_allclose(high, [1, 1, 1, 4])
    assert sorted(line.get_xdata()[0] for line in panel.lines) == pytest.approx([1 / 3, 1 / 2, 2 / 3])


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


def test_a_plan_draws_the_mass_it_moves():
    mass = torch.tensor([[0.5, 0.0], [0.25, 0.25]])
    panel = lesson.transport_plans(A[:2], B[:2], [mass], ["a plan"]).axes[0]
    lines = panel.collections[0]
    np.testing.assert_allclose(lines.get_colors()[:, 3], [1, 0.5, 0.5])
    starts = np.array(lines.get_segments())[:, 0]
    np.testing.assert_allclose(starts, A[[0, 1, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: lesson.couplings(X[None], Y, [ORDER], ["a"]), ValueError, r"x: shape \(1, 5\)"),
        (lambda: lesson.couplings(X, Y, [], []), ValueError, "partners: none was given"),
        (lambda: lesson.couplings(X, Y, [ORDER], []), ValueError, "titles: 0 words"),
        (lambda: lesson.couplings(X, Y, [ORDER + 1], ["a"]), ValueError, "partners: values 1 to 5 .* from 0 to 4"),
        (lambda: lesson.couplings(X, Y, [ORDER[:3]], ["a"]), ValueError, r"partners: shape \(3,\)"),
        (lambda: lesson.couplings(X, Y, [X], ["a"]), TypeError, "partners: torch.float32"),
        (lambda: lesson.quantile_gap(X, Y[:0]), ValueError, r"y: shape \(0,\)"),
        (lambda: lesson.projected_pairs(A, B[:3], 0), ValueError, r"y: shape \(3, 2\)"),
        (lambda: lesson.projected_pairs(A, B, 181), ValueError, "angle: 181"),
        (lambda: lesson.projection_errors([], X[None]), ValueError, "counts: none"),
        (lambda: lesson.projection_errors([0], X[None]), ValueError, "counts: 0"),
        (lambda: lesson.projection_errors([1], X[None, :1]), ValueError, "values: 1 draw was given"),
        (lambda: lesson.projection_errors([1, 2], X[None]), ValueError, r"values: shape \(1, 5\)"),
        (lambda: lesson.flow_strip(A, A, ["a"]), ValueError, r"frames: shape \(12, 2\)"),
        (lambda: lesson.flow_strip(A[None], A, []), ValueError, "titles: 0 words"),
        (lambda: lesson.flow_strip(A[None], A, ["a"], labels=torch.arange(12)), ValueError, "labels: values 0 to 11"),
        (lambda: lesson.flow_strip(A[None], A, ["a"], columns=0), ValueError, "columns: 0"),
        (lambda: lesson.transport_plans(A, B, [], []), ValueError, "plans: none"),
        (lambda: lesson.transport_plans(A, B, [PLAN[:3]], ["a"]), ValueError, r"plans: shape \(3, 12\)"),
        (lambda: lesson.transport_plans(A, B, [-PLAN], ["a"]), ValueError, "plans: negative mass"),
    ],
)
def test_wrong_input_is_refused(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
