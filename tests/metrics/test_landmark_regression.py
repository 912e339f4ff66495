"""Completion of low rank, regression in both directions, and curves of errors, against scikit-learn and exact cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from tusklite.metrics import (
    area_under_curve,
    backward_errors,
    complete_matrix,
    cumulative_error_distribution,
    fill_with_means,
    forward_errors,
)

seeds = st.integers(0, 999)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_holes(seed: int, matrix: torch.Tensor, share: float) -> torch.Tensor:
    hole = torch.rand(matrix.shape, generator=torch.Generator().manual_seed(seed)) < share
    return matrix.masked_fill(hole, torch.nan)


# Completion


@pytest.mark.parametrize(("rank", "share"), [(1, 0.2), (2, 0.2), (3, 0.2)])
def test_a_matrix_of_low_rank_is_completed_exactly(rank, share) -> None:
    matrix = normal(0, 80, rank) @ normal(1, rank, 30)
    holes = with_holes(2, matrix, share)
    filled = complete_matrix(holes)
    missing = holes.isnan()
    wrong = (filled - matrix)[missing].norm() / matrix[missing].norm()
    mean = torch.where(missing, holes.nanmean(0), holes)
    assert wrong < 0.01
    assert wrong < 0.02 * (mean - matrix)[missing].norm() / matrix[missing].norm()
    assert torch.equal(filled[~missing], matrix[~missing])


def test_what_is_whole_or_constant_needs_no_filling() -> None:
    matrix = normal(0, 6, 4)
    assert torch.equal(complete_matrix(matrix), matrix)
    constant = torch.full((5, 3), 7.0).double()
    assert torch.equal(complete_matrix(with_holes(0, constant, 0.3)), constant)


def test_columns_may_lie_anywhere_and_have_any_unit() -> None:
    matrix = normal(0, 40, 2) @ normal(1, 2, 12)
    holes = with_holes(2, matrix, 0.2)
    filled = complete_matrix(holes)
    torch.testing.assert_close(complete_matrix(100 * holes + 1e3), 100 * filled + 1e3, rtol=1e-6, atol=1e-3)


# Regression


@given(seeds, st.sampled_from([1e-4, 0.1]), st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_where_nothing_is_missing_it_is_scikit_learns_ridge(seed, ridge, landmarks) -> None:
    x, y = normal(seed, 30, landmarks, 2) + 3, normal(seed + 1, 30, 2, 2) - 5
    new, truth = normal(seed + 2, 9, landmarks, 2) + 3, normal(seed + 3, 9, 2, 2) - 5
    scale = normal(seed + 4, 9).abs() + 0.1

    def predicted(source, target, fresh):
        centred = source - source.mean(0)
        oracle = Ridge(alpha=ridge * (centred**2).sum() / centred.shape[1]).fit(source, target)
        return torch.from_numpy(np.reshape(oracle.predict(fresh), (len(fresh), -1, 2)))

    forward = predicted(x.flatten(1).numpy(), y.flatten(1).numpy(), new.flatten(1).numpy())
    result = forward_errors(x, y, new, truth, scale, ridge)
    torch.testing.assert_close(result.errors, (forward - truth).norm(dim=2) / scale[:, None])
    torch.testing.assert_close(result.mean_shape, (y.mean(0) - truth).norm(dim=2) / scale[:, None])
    backward = predicted(y.flatten(1).numpy(), x.flatten(1).numpy(), truth.flatten(1).numpy())
    errors = backward_errors(x, y, new, truth, scale, ridge)
    torch.testing.assert_close(errors, (backward - new).norm(dim=2) / scale[:, None])


def landmarks_of_faces(seed: int, images: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Landmarks that are a linear map of few numbers, as points are, and some that are missing."""
    pose = normal(seed, images, 3)
    points = (pose @ normal(1, 3, 10)).unflatten(1, (5, 2))
    landmarks = (pose @ normal(2, 3, 16)).unflatten(1, (8, 2))
    missing = torch.rand(images, 8, generator=torch.Generator().manual_seed(seed)) < share
    return landmarks.masked_fill(missing[..., None], torch.nan), points


def test_completion_helps_where_landmarks_are_missing() -> None:
    x, y = landmarks_of_faces(10, 100, 0.3)
    new, truth = landmarks_of_faces(11, 100, 0.0)
    filled = forward_errors(x, y, new, truth).errors.mean()
    meant = forward_errors(x, y, new, truth, complete=False).errors.mean()
    assert filled < 0.3 * meant


def test_what_is_missing_in_a_test_image_is_at_its_mean_in_training() -> None:
    x, y = landmarks_of_faces(10, 200, 0.0)
    new, truth = landmarks_of_faces(11, 50, 0.3)
    put = fill_with_means(new, x.mean(0))
    torch.testing.assert_close(forward_errors(x, y, new, truth).errors, forward_errors(x, y, put, truth).errors)
    all_gone = torch.full_like(new, torch.nan)
    result = forward_errors(x, y, all_gone, truth)
    torch.testing.assert_close(result.errors, result.mean_shape)


def test_landmarks_that_are_hardly_detected_are_left_out() -> None:
    x, y = landmarks_of_faces(10, 100, 0.0)
    new, truth = landmarks_of_faces(11, 50, 0.0)
    x[:85, 2], x[:, 5] = torch.nan, torch.nan
    result = forward_errors(x, y, new, truth, most_missing=0.8)
    assert result.used.tolist() == [n not in (2, 5) for n in range(8)]
    assert not result.errors.isnan().any()
    rest = [0, 1, 3, 4, 6, 7]
    torch.testing.assert_close(result.errors, forward_errors(x[:, rest], y, new[:, rest], truth).errors)
    errors = backward_errors(x, y, new, truth, least_images=16)
    assert errors.isnan().all(0).tolist() == [n in (2, 5) for n in range(8)]
    assert not backward_errors(x, y, new, truth, least_images=15)[:, 2].isnan().any()
    nothing = forward_errors(torch.full_like(x, torch.nan), y, new, truth)
    assert torch.equal(nothing.errors, nothing.mean_shape)


def test_backward_tells_the_landmark_that_strays() -> None:
    x, y = landmarks_of_faces(10, 300, 0.2)
    new, truth = landmarks_of_faces(11, 200, 0.2)
    new[:, 3], x[:, 3] = 5 * normal(5, 200, 2), 5 * normal(6, 300, 2)
    each = backward_errors(x, y, new, truth).nanmean(0)
    assert each.argmax() == 3
    assert each[3] > 10 * each[[0, 1, 2, 4, 5, 6, 7]].max()
    assert torch.equal(backward_errors(x, y, new, truth).isnan(), new.isnan().any(2))


# Curves


@given(st.lists(st.floats(0, 50) | st.just(math.inf), min_size=1, max_size=20), st.floats(0.1, 60))
@settings(max_examples=40, deadline=None)
def test_a_curve_is_the_share_of_errors_up_to_each_bound(errors, highest) -> None:
    given_errors = torch.tensor(errors, dtype=torch.float64)
    bounds = torch.tensor([0.0, 1.0, highest, *[e for e in errors if e < math.inf][:3]], dtype=torch.float64)
    expected = [sum(e <= b for e in errors) / len(errors) for b in bounds.tolist()]
    assert cumulative_error_distribution(given_errors, bounds).tolist() == pytest.approx(expected)
    fine = torch.linspace(0, highest, 20_001).double()
    area = float(torch.trapezoid(cumulative_error_distribution(given_errors, fine), fine)) / highest
    assert area_under_curve(given_errors, highest) == pytest.approx(area, abs=1e-3)


def test_it_is_not_the_running_mean_of_sorted_errors() -> None:
    errors = torch.tensor([1.0, 1.0, 1.0, 97.0])
    assert cumulative_error_distribution(errors, torch.tensor([1.0, 25.0, 97.0])).tolist() == [0.75, 0.75, 1.0]


@pytest.mark.parametrize(
    ("error", "says", "act"),
    [
        (ValueError, r"columns \[1\] are NaN", lambda: complete_matrix(torch.tensor([[1.0, torch.nan]]))),
        (ValueError, "matrix: infinite", lambda: complete_matrix(torch.tensor([[torch.inf]]))),
        (ValueError, "iterations: 0", lambda: complete_matrix(torch.zeros(1, 1), iterations=0)),
        (
            ValueError,
            r"test_landmarks: shape \(2, 4, 2\)",
            lambda: forward_errors(*[torch.zeros(2, 3, 2)] * 2, torch.zeros(2, 4, 2), torch.zeros(2, 3, 2)),
        ),
        (
            ValueError,
            "points: NaN",
            lambda: backward_errors(torch.zeros(1, 1, 2), *[torch.full((1, 1, 2), torch.nan)] * 3),
        ),
        (ValueError, "scale: 0 was given", lambda: forward_errors(*[torch.zeros(2, 1, 2)] * 4, scale=torch.zeros(2))),
        (ValueError, "errors: NaN", lambda: area_under_curve(torch.tensor([torch.nan]), 1)),
        (ValueError, "highest: 0 was given", lambda: area_under_curve(torch.zeros(1), 0)),
    ],
)
def test_wrong_arguments_are_refused(error, says, act) -> None:
    with pytest.raises(error, match=says):
        act()
