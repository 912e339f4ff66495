"""The linear map to annotated points against scikit-learn, its error and the signs of collapse against plain loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge
from torch import Tensor

from tusklite.metrics import LandmarkRegressor, landmark_spread, nearest_landmark_distance, normalized_mean_error

seeds = st.integers(0, 999)


def random_points(seed: int, *shape: int) -> Tensor:
    """Points of (N, K, 2), N images of K points in [-1, 1]."""
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def rows(points: Tensor) -> np.ndarray:
    return points.flatten(1).numpy()


# The regressor


@given(
    seeds, st.integers(1, 30), st.integers(1, 6), st.integers(1, 4), st.sampled_from([1e-3, 0.1, 2.0]), st.booleans()
)
@settings(max_examples=25)
def test_the_regressor_is_scikit_learns_ridge(seed, images, landmarks, points, ridge, weighted):
    x, y = random_points(seed, images, landmarks, 2), random_points(seed + 1, images, points, 2)
    weights = random_points(seed + 2, images).abs() + 0.1 if weighted else None
    counts = np.ones(images) if weights is None else weights.numpy()
    penalty = ridge * np.trace(rows(x).T @ np.diag(counts) @ rows(x)) / (2 * landmarks)
    oracle = Ridge(alpha=penalty, fit_intercept=False).fit(rows(x), rows(y), sample_weight=counts)
    regressor = LandmarkRegressor(ridge).fit(x, y, weights)
    expected = np.reshape(oracle.coef_, (2 * points, 2 * landmarks))
    np.testing.assert_allclose(regressor.coef_.numpy(), expected, rtol=1e-6, atol=1e-8)
    new = random_points(seed + 3, 3, landmarks, 2)
    expected = np.reshape(oracle.predict(rows(new)), (3, points, 2))
    np.testing.assert_allclose(regressor.predict(new).numpy(), expected, rtol=1e-6, atol=1e-8)


@given(seeds, st.integers(1, 30), st.integers(1, 6), st.integers(1, 4), st.booleans())
@settings(max_examples=25)
def test_without_ridge_it_is_the_smallest_least_squares_solution(seed, images, landmarks, points, repeated):
    x, y = random_points(seed, images, landmarks, 2), random_points(seed + 1, images, points, 2)
    if repeated:  # a landmark given twice: the columns are dependent, and the smallest solution shares its weight
        x = torch.cat([x, x[:, :1]], dim=1)
    regressor = LandmarkRegressor(ridge=0).fit(x, y)
    oracle = LinearRegression(fit_intercept=False).fit(rows(x), rows(y))
    np.testing.assert_allclose(regressor.coef_.numpy(), oracle.coef_, rtol=1e-5, atol=1e-7)
    if repeated:
        torch.testing.assert_close(regressor.coef_[:, :2], regressor.coef_[:, -2:])


def test_one_annotated_image_is_enough():
    x, y = random_points(0, 1, 10, 2), random_points(1, 1, 5, 2)
    exact = LandmarkRegressor(ridge=0).fit(x, y)
    torch.testing.assert_close(exact.predict(x), y)
    torch.testing.assert_close(exact.coef_, y.flatten(1).T @ x.flatten(1) / (x**2).sum())  # y x' / |x|²
    assert (LandmarkRegressor().fit(x, y).predict(x) - y).abs().max() < 1e-4


def test_there_is_no_bias():
    x, y = random_points(0, 30, 3, 2), random_points(1, 30, 2, 2)
    regressor = LandmarkRegressor().fit(x, y + 5)
    assert torch.equal(regressor.predict(torch.zeros(4, 3, 2)), torch.zeros(4, 2, 2))


def test_landmarks_that_say_nothing_give_the_zero_map():
    regressor = LandmarkRegressor().fit(torch.zeros(3, 2, 2), torch.ones(3, 1, 2))
    assert torch.equal(regressor.coef_, torch.zeros(2, 4, dtype=torch.float64))
    assert torch.equal(regressor.landmark_shares(), torch.zeros(1, 2, dtype=torch.float64))


@given(seeds, st.sampled_from([0.0, 1e-4, 0.3]), st.floats(0.05, 20.0))
@settings(max_examples=15)
def test_a_linear_map_of_the_points_maps_the_predictions(seed, ridge, unit):
    x, y, new = random_points(seed, 20, 4, 2), random_points(seed + 1, 20, 3, 2), random_points(seed + 2, 5, 4, 2)
    linear = random_points(seed + 3, 6, 6)
    mapped = (y.flatten(1) @ linear.T).unflatten(1, (3, 2))
    prediction = LandmarkRegressor(ridge).fit(x, y).predict(new)
    expected = (prediction.flatten(1) @ linear.T).unflatten(1, (3, 2))
    torch.testing.assert_close(LandmarkRegressor(ridge).fit(x, mapped).predict(new), expected)
    # The penalty is relative: neither the landmarks' unit nor the number of copies of an image matters.
    torch.testing.assert_close(LandmarkRegressor(ridge).fit(unit * x, y).predict(unit * new), prediction)
    torch.testing.assert_close(
        LandmarkRegressor(ridge).fit(x.repeat(3, 1, 1), y.repeat(3, 1, 1)).predict(new), prediction
    )


def test_a_weight_counts_images():
    x, y = random_points(0, 12, 3, 2), random_points(1, 12, 2, 2)
    counts = torch.tensor([2.0, 0.0, 3.0, 1.0]).repeat(3)
    copies = counts.long()
    weighted = LandmarkRegressor(0.01).fit(x, y, counts)
    repeated = LandmarkRegressor(0.01).fit(x.repeat_interleave(copies, dim=0), y.repeat_interleave(copies, dim=0))
    torch.testing.assert_close(weighted.coef_, repeated.coef_)


def test_predictions_keep_the_type_and_the_gradient_of_the_landmarks():
    x, y = random_points(0, 9, 3, 2).float(), random_points(1, 9, 2, 2).float()
    regressor = LandmarkRegressor().fit(x.requires_grad_(), y)
    assert regressor.coef_.dtype == torch.float64
    assert not regressor.coef_.requires_grad
    prediction = regressor.predict(x)
    assert prediction.dtype == torch.float32
    (gradient,) = torch.autograd.grad(prediction.sum(), x)
    torch.testing.assert_close(gradient.flatten(1).double(), regressor.coef_.sum(dim=0).expand(9, -1))


# Which landmarks a point draws on


@given(seeds, st.integers(1, 5), st.integers(1, 6), st.floats(0.0, 1.0))
@settings(max_examples=15)
def test_shares_are_the_absolute_weights_of_a_landmark(seed, points, landmarks, drop):
    regressor = LandmarkRegressor().fit(random_points(seed, 15, landmarks, 2), random_points(seed + 1, 15, points, 2))
    shares = regressor.landmark_shares(drop)
    for p in range(points):
        added = [
            sum(abs(regressor.coef_[2 * p + i, 2 * k + j].item()) for i, j in itertools.product(range(2), range(2)))
            for k in range(landmarks)
        ]
        for k in range(landmarks):
            share = added[k] / sum(added)
            assert shares[p, k].item() == pytest.approx(share if share >= drop else 0.0)


@given(seeds)
@settings(max_examples=10)
def test_permuted_landmarks_permute_the_shares(seed):
    x, y = random_points(seed, 20, 6, 2), random_points(seed + 1, 20, 3, 2)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    first, second = LandmarkRegressor().fit(x, y), LandmarkRegressor().fit(x[:, order], y)
    torch.testing.assert_close(second.landmark_shares(drop=0), first.landmark_shares(drop=0)[:, order])
    torch.testing.assert_close(second.predict(x[:, order]), first.predict(x))


def test_a_point_that_is_a_landmark_draws_on_it_alone():
    x = random_points(0, 40, 5, 2)
    shares = LandmarkRegressor().fit(x, x[:, [3, 0]]).landmark_shares()
    assert (shares > 0).tolist() == [[False, False, False, True, False], [True, False, False, False, False]]
    assert shares.max() > 0.99


# Errors and signs of collapse


@given(seeds, st.integers(1, 7), st.integers(2, 6), st.data())
@settings(max_examples=20)
def test_normalized_mean_error_is_three_nested_loops(seed, images, points, data):
    left, right = data.draw(st.permutations(range(points)))[:2]
    predicted, truth = random_points(seed, images, points, 2), random_points(seed + 1, images, points, 2)
    expected = []
    for a, b in zip(predicted.tolist(), truth.tolist(), strict=True):
        eyes = math.dist(b[left], b[right])
        expected.append(sum(math.dist(p, q) for p, q in zip(a, b, strict=True)) / points / eyes)
    errors = normalized_mean_error(predicted, truth, left, right, per_image=True)
    assert errors.tolist() == pytest.approx(expected)
    assert normalized_mean_error(predicted, truth, left, right).item() == pytest.approx(sum(expected) / images)


@given(seeds, st.floats(-3.1, 3.1), st.floats(0.05, 50.0), st.booleans())
@settings(max_examples=15)
def test_normalized_mean_error_does_not_change_under_a_similarity_of_both(seed, angle, scale, mirrored):
    predicted, truth = random_points(seed, 5, 4, 2), random_points(seed + 1, 5, 4, 2)
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    flip = -1 if mirrored else 1
    turn = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64) @ torch.diag(
        torch.tensor([1.0, flip]).double()
    )
    moved = [points @ turn.T + random_points(seed + 2, 1, 1, 2) for points in (predicted, truth)]
    torch.testing.assert_close(normalized_mean_error(*moved), normalized_mean_error(predicted, truth))


@given(seeds, st.integers(1, 4), st.integers(2, 40))
@settings(max_examples=15)
def test_nearest_landmark_distance_is_brute_force(seed, images, landmarks):
    points = random_points(seed, images, landmarks, 2)
    expected = [
        sum(min(math.dist(face[k], face[m]) for m in range(landmarks) if m != k) for k in range(landmarks)) / landmarks
        for face in points.tolist()
    ]
    assert nearest_landmark_distance(points).tolist() == pytest.approx(expected)


def test_collapsed_landmarks_are_at_distance_zero():
    points = random_points(0, 3, 4, 2)
    points[1] = points[1, :1]
    distances = nearest_landmark_distance(points.float())
    assert distances[1] == 0
    assert (distances[[0, 2]] > 0.01).all()


@given(seeds, st.integers(2, 9), st.integers(1, 5))
@settings(max_examples=15)
def test_landmark_spread_is_numpys_deviation_along_both_axes(seed, images, landmarks):
    points = random_points(seed, images, landmarks, 2)
    deviation = points.numpy().std(axis=0)  # (K, 2)
    assert landmark_spread(points).item() == pytest.approx(np.hypot(deviation[:, 0], deviation[:, 1]).mean())


def test_a_static_grid_has_no_spread():
    grid = random_points(0, 1, 9, 2).repeat(20, 1, 1)
    assert landmark_spread(grid) < 1e-12
    assert landmark_spread(grid + random_points(1, 20, 1, 2)) > 0.1


# Wrong input


@pytest.mark.parametrize(
    ("error", "message", "act"),
    [
        (ValueError, "ridge: -1 was given", lambda: LandmarkRegressor(-1)),
        (TypeError, "ridge: 'small' was given", lambda: LandmarkRegressor("small")),
        (RuntimeError, "not fitted", lambda: LandmarkRegressor().predict(torch.zeros(1, 2, 2))),
        (RuntimeError, "not fitted", lambda: LandmarkRegressor().landmark_shares()),
    ],
)
def test_a_regressor_says_what_is_wrong_with_its_use(error, message, act):
    with pytest.raises(error, match=message):
        act()


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "landmarks: list", ([[[0.0, 0.0]]], torch.zeros(1, 1, 2))),
        (ValueError, r"landmarks: shape \(4, 3, 3\)", (torch.zeros(4, 3, 3), torch.zeros(4, 1, 2))),
        (ValueError, r"points: shape \(5, 1, 2\)", (torch.zeros(4, 3, 2), torch.zeros(5, 1, 2))),
        (ValueError, "points: NaN", (torch.zeros(4, 3, 2), torch.full((4, 1, 2), torch.nan))),
        (ValueError, r"^sample_weight: shape \(3,\)", (torch.zeros(4, 3, 2), torch.zeros(4, 1, 2), torch.ones(3))),
        (
            ValueError,
            "^sample_weight: -1 to 1",
            (torch.zeros(2, 3, 2), torch.zeros(2, 1, 2), torch.tensor([1.0, -1.0])),
        ),
        (ValueError, "^sample_weight: 0 to 0", (torch.zeros(2, 3, 2), torch.zeros(2, 1, 2), torch.zeros(2))),
    ],
)
def test_fit_refuses(error, message, arguments):
    with pytest.raises(error, match=message):
        LandmarkRegressor().fit(*arguments)


def test_predict_wants_as_many_landmarks_as_fit():
    regressor = LandmarkRegressor().fit(random_points(0, 5, 3, 2), random_points(1, 5, 1, 2))
    with pytest.raises(ValueError, match=r"landmarks: shape \(5, 4, 2\) was given; allowed is \(N, 3, 2\)"):
        regressor.predict(random_points(0, 5, 4, 2))


@pytest.mark.parametrize("drop", [-0.1, 1.5])
def test_a_share_to_drop_is_a_share(drop):
    regressor = LandmarkRegressor().fit(random_points(0, 5, 3, 2), random_points(1, 5, 1, 2))
    with pytest.raises(ValueError, match=f"drop: {drop} was given"):
        regressor.landmark_shares(drop)


@pytest.mark.parametrize(
    ("message", "keywords"),
    [
        (r"truth: shape \(2, 3\)", {"truth": torch.zeros(2, 3)}),
        (r"predicted: shape \(2, 4, 2\)", {"predicted": torch.zeros(2, 4, 2)}),
        ("left_eye: 3 was given", {"left_eye": 3}),
        ("right_eye: -1 was given", {"right_eye": -1}),
        ("right_eye: 2 was given, as for left_eye", {"left_eye": 2, "right_eye": 2}),
        (
            r"truth: the eyes of images \[1\]",
            {"truth": torch.tensor([[[0.0, 0], [1, 0], [0, 1]], [[1, 1], [1, 1], [0, 1]]])},
        ),
    ],
)
def test_normalized_mean_error_refuses(message, keywords):
    with pytest.raises(ValueError, match=message):
        normalized_mean_error(
            **({"predicted": torch.zeros(2, 3, 2), "truth": random_points(0, 2, 3, 2).float()} | keywords)
        )


def test_signs_of_collapse_need_something_to_compare():
    with pytest.raises(ValueError, match=r"points: shape \(3, 1, 2\) was given; allowed are at least 2 landmarks"):
        nearest_landmark_distance(torch.zeros(3, 1, 2))
    with pytest.raises(ValueError, match=r"points: shape \(1, 3, 2\) was given; allowed are at least 2 images"):
        landmark_spread(torch.zeros(1, 3, 2))
    for function in (nearest_landmark_distance, landmark_spread):
        with pytest.raises(TypeError, match=r"points: dtype torch.int64"):
            function(torch.zeros(3, 2, 2, dtype=torch.int64))
