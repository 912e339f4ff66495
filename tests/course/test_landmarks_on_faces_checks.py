"""Each check of lesson 05 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import re

import torch
from lesson_definitions import definitions
from sklearn.linear_model import LinearRegression

from tusklite.course import landmarks_on_faces as lesson
from tusklite.metrics import LandmarkRegressor, normalized_mean_error

SOLUTIONS = definitions("solutions/05_landmarks_on_faces")
LESSON = definitions("05_landmarks_on_faces")
NAMES = ["eye_error", "fit_regressor", "point_shares"]
eye_error, fit_regressor, point_shares = (SOLUTIONS[name] for name in NAMES)


def test_other_right_answers_are_done() -> None:
    def by_scikit_learn(landmarks, points):
        rows = LinearRegression(fit_intercept=False).fit(landmarks.flatten(1), points.flatten(1))
        return torch.from_numpy(rows.coef_)

    def by_pseudo_inverse(landmarks, points):
        return points.flatten(1).T @ torch.linalg.pinv(landmarks.flatten(1)).T

    def by_loop(weights, drop):
        shares = torch.zeros(weights.shape[0] // 2, weights.shape[1] // 2, dtype=weights.dtype)
        for p in range(shares.shape[0]):
            for k in range(shares.shape[1]):
                shares[p, k] = weights[2 * p : 2 * p + 2, 2 * k : 2 * k + 2].abs().sum()
        shares /= shares.sum(dim=1, keepdim=True)
        return shares * (shares >= drop)

    assert lesson.check_fit_regressor(by_scikit_learn)
    assert lesson.check_fit_regressor(by_pseudo_inverse)
    assert lesson.check_point_shares(by_loop)


def distances(predicted, truth):
    return (predicted - truth).norm(dim=-1)


def eyes(truth):
    return distances(truth[:, 0], truth[:, 1])


WRONG_ERRORS = [
    (lambda predicted, truth: eye_error(predicted, truth) / 100, "percent"),
    (lambda predicted, truth: 50 * distances(predicted, truth).mean(dim=1), "image's width"),
    (lambda predicted, truth: 100 * distances(predicted, truth).mean(dim=1), "divide them"),
    (lambda predicted, truth: eye_error(predicted, truth) * eyes(truth) / eyes(truth).mean(), "its own eyes"),
    (lambda predicted, truth: eye_error(predicted, truth) * eyes(truth) / eyes(predicted), "predicted eyes"),
    (lambda predicted, truth: 5 * eye_error(predicted, truth), "take their mean"),
    (
        lambda predicted, truth: 100 * (predicted - truth).abs().mean(dim=(1, 2)) / eyes(truth),
        "averaged |dx| and |dy|",
    ),
    (
        lambda predicted, truth: 100 * (predicted - truth).abs().sum(dim=2).mean(dim=1) / eyes(truth),
        "added |dx| and |dy|",
    ),
    (lambda predicted, truth: 100 * (distances(predicted, truth) ** 2).mean(dim=1) / eyes(truth) ** 2, "squares"),
    (
        lambda predicted, truth: 100 * (distances(predicted, truth) ** 2).mean(dim=1).sqrt() / eyes(truth),
        "root of the mean square",
    ),
    (lambda predicted, truth: eye_error(predicted, truth) + 1, "too large by 1, everywhere"),
    (lambda predicted, truth: 100 * distances(predicted, truth)[:, 2:].mean(dim=1) / eyes(truth), "left the eyes out"),
    (lambda predicted, truth: 100 * distances(predicted, truth).amax(dim=1) / eyes(truth), "the worst point"),
    (lambda predicted, truth: eye_error(predicted, truth) / eyes(truth), "the square of the distance between the eyes"),
    (lambda predicted, truth: eye_error(predicted, truth).mean().expand(len(truth)), "all faces get the same error"),
    (lambda predicted, truth: 100 * normalized_mean_error(predicted, truth, per_image=True), "you called"),
    (lambda predicted, truth: eye_error(predicted, truth).sqrt() + 1, "6 of 6 numbers are off"),
    (lambda predicted, truth: eye_error(predicted, truth).mean(), "shape"),
]


def with_bias(landmarks, points):
    x, y = landmarks.flatten(1), points.flatten(1)
    return torch.linalg.lstsq(x - x.mean(dim=0), y - y.mean(dim=0)).solution.T


def axis_by_axis(landmarks, points):
    weights = landmarks.new_zeros(2 * points.shape[1], 2 * landmarks.shape[1])
    for axis in range(2):
        weights[axis::2, axis::2] = torch.linalg.lstsq(landmarks[..., axis], points[..., axis]).solution.T
    return weights


def damped(landmarks, points):
    x, y = landmarks.flatten(1), points.flatten(1)
    return torch.linalg.solve(x.T @ x + torch.eye(x.shape[1]), x.T @ y).T


def halves_of_rows(landmarks, points):
    return torch.linalg.lstsq(landmarks.mT.flatten(1), points.mT.flatten(1)).solution.T


def coordinate_by_coordinate(landmarks, points):
    x, y = landmarks.flatten(1), points.flatten(1)
    return (x.T @ y / x.square().sum(dim=0)[:, None]).T


def not_the_smallest(landmarks, points):
    if len(landmarks) >= 8:
        return fit_regressor(landmarks, points)
    padded = torch.cat([landmarks.flatten(1), torch.eye(8, dtype=landmarks.dtype)[:5]])
    wanted = torch.cat([points.flatten(1), torch.ones(5, 6, dtype=landmarks.dtype)])
    return torch.linalg.solve(padded, wanted).T


def gives_up_on_few(landmarks, points):
    return fit_regressor(landmarks, points) * (1.0 if len(landmarks) >= 8 else 0.0)


WRONG_REGRESSORS = [
    (with_bias, "with a bias"),
    (axis_by_axis, "x and y apart"),
    (lambda landmarks, points: fit_regressor(landmarks, points).T, "transpose"),
    (lambda landmarks, points: points.flatten(1).T @ landmarks.flatten(1), "(xᵀx)⁻¹"),
    (lambda landmarks, points: fit_regressor(points, landmarks).T, "the other way"),
    (damped, "with 1 added to the diagonal"),
    (halves_of_rows, "you took all x before all y"),
    (coordinate_by_coordinate, "you fitted each coordinate of a landmark alone"),
    (lambda landmarks, points: fit_regressor(landmarks, points - points.mean(dim=0)), "you centred the points"),
    (lambda landmarks, points: LandmarkRegressor(ridge=0).fit(landmarks, points).coef_, "you called `fit`"),
    (lambda landmarks, points: fit_regressor(landmarks, points).exp(), "mean squared error"),
    (not_the_smallest, "a smaller W"),
    (gives_up_on_few, "yours is off by"),
    (lambda landmarks, points: fit_regressor(landmarks, points)[:, :-1], "shape"),
]


def summed(weights):
    return weights.view(weights.shape[0] // 2, 2, -1, 2).abs().sum(dim=(1, 3))


def dropped(shares, drop):
    return shares.where(shares >= drop, 0.0)


def signed(weights, drop):
    sums = weights.view(weights.shape[0] // 2, 2, -1, 2).sum(dim=(1, 3)).abs()
    return dropped(sums / sums.sum(dim=1, keepdim=True), drop)


def halves(weights, drop):
    sums = weights.view(2, weights.shape[0] // 2, 2, -1).abs().sum(dim=(0, 2))
    return dropped(sums / sums.sum(dim=1, keepdim=True), drop)


def x_alone(weights, drop):
    sums = weights[::2].view(weights.shape[0] // 2, -1, 2).abs().sum(dim=2)
    return dropped(sums / sums.sum(dim=1, keepdim=True), drop)


def divided_anew(weights, drop):
    shares = point_shares(weights, drop)
    return shares / shares.sum(dim=1, keepdim=True)


def by_the_package(weights, drop):
    regressor = LandmarkRegressor()
    regressor.coef_ = weights
    return regressor.landmark_shares(drop)


WRONG_SHARES = [
    (lambda weights, drop: summed(weights), "divide them by their sum"),
    (signed, "weights cancel"),
    (halves, "the layout"),
    (x_alone, "x alone"),
    (lambda weights, drop: summed(weights) / summed(weights).norm(dim=1, keepdim=True), "sum of squares"),
    (lambda weights, drop: dropped(summed(weights) / summed(weights).sum(dim=0), drop), "over points"),
    (lambda weights, drop: summed(weights) / summed(weights).amax(dim=1, keepdim=True), "the largest"),
    (divided_anew, "divided anew"),
    (lambda weights, drop: point_shares(weights, 0.0), "still there"),
    (lambda weights, drop: point_shares(weights, drop) + 0.01, "with drop 0.0: yours is too large by 0.01"),
    (by_the_package, "you called `landmark_shares`"),
    (lambda weights, drop: weights.abs(), "shape"),
]


def by_words(wrong):
    return {re.escape(words): attempt for attempt, words in wrong}


ANSWERS = {
    lesson.check_eye_error: by_words(WRONG_ERRORS),
    lesson.check_fit_regressor: by_words(WRONG_REGRESSORS),
    lesson.check_point_shares: by_words(WRONG_SHARES),
}
EXERCISES = {getattr(lesson, f"check_{name}"): name for name in NAMES}
