"""Checks for lesson 05: the error on faces, a regressor without bias, shares."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_tensor, verdict
from tusklite.metrics import LandmarkRegressor, normalized_mean_error


@verdict("points are measured against the eyes of their own face")
def check_eye_error(eye_error: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `eye_error(predicted, truth) -> (N,)`, in percent; points 0 and 1 are the eyes.

    Example:
        >>> def eye_error(predicted, truth):
        ...     return 100 * (predicted - truth).norm(dim=-1).mean(dim=1) / 2
        >>> check_eye_error(eye_error)
        ✘ wrong: on six faces: you divided by the image's width; divide by the distance between the face's own eyes
    """
    own = "it is the package's answer; write the distances and their mean"
    eye_error = without(eye_error, {normalized_mean_error: own})
    truth = _uniform(6, 5, seed=1)
    predicted = truth + 0.2 * _uniform(6, 5, seed=2)
    result = answer_tensor(eye_error, predicted, truth, shape=(6,))
    wanted = 100 * normalized_mean_error(predicted, truth, per_image=True)
    between = (truth[:, 0] - truth[:, 1]).norm(dim=-1)
    distances = (predicted - truth).norm(dim=-1)  # (6, 5)
    wrong_eyes = (predicted[:, 0] - predicted[:, 1]).norm(dim=-1)
    along = (predicted - truth).abs()  # (6, 5, 2)
    for other, reason in (
        (wanted / 100, "the fraction, and the papers print percent"),
        (
            50 * distances.mean(dim=1),
            "you divided by the image's width; divide by the distance between the face's own eyes",
        ),
        (100 * distances.mean(dim=1), "these are distances; divide them by the distance between the face's eyes"),
        (
            100 * distances.mean(dim=1) / between.mean(),
            "you divided by the mean over faces; each face has its own eyes",
        ),
        (
            100 * distances.mean(dim=1) / wrong_eyes,
            "you took the predicted eyes as the measure; take the annotated ones",
        ),
        (100 * distances.sum(dim=1) / between, "you added the points' distances up; take their mean"),
        (100 * along.mean(dim=(1, 2)) / between, "you averaged |dx| and |dy|; a distance is the root of dx² + dy²"),
        (100 * along.sum(dim=2).mean(dim=1) / between, "you added |dx| and |dy|; a distance is the root of dx² + dy²"),
        (100 * (distances**2).mean(dim=1) / between**2, "these are squares; the error is a mean of distances"),
        (100 * (distances**2).mean(dim=1) / between, "these are squares; the error is a mean of distances"),
        (
            100 * (distances**2).mean(dim=1).sqrt() / between,
            "you took the root of the mean square, not the mean distance",
        ),
    ):
        if close(result, other):
            raise WrongAnswer(f"on six faces: {reason}")
    mistakes = [
        (100 * distances[:, 2:].mean(dim=1) / between, "you left the eyes out; they are points like the others"),
        (100 * distances.amax(dim=1) / between, "this is the worst point; asked is the mean over points"),
        (100 * distances.mean(dim=1) / between.square(), "you divided by the square of the distance between the eyes"),
        (wanted.mean().expand_as(wanted), "all faces get the same error; take the mean over the points of each face"),
    ]
    compare(result, wanted, mistakes, "on six faces", axes=("face",))


@verdict("one linear map without bias, from all landmarks to all points, and as small as can be")
def check_fit_regressor(fit_regressor: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `fit_regressor(landmarks, points) -> W (2 P, 2 K)`.

    Example:
        >>> def fit_regressor(landmarks, points):
        ...     x, y = landmarks.flatten(1), points.flatten(1)
        ...     return torch.linalg.lstsq(x - x.mean(dim=0), y - y.mean(dim=0)).solution.T
        >>> check_fit_regressor(fit_regressor)
        ✘ wrong: on 40 faces: this is W with a bias, which goes around the mean; the paper's y = W x goes through 0
    """
    own = "it is the package's answer; write the least squares"
    fit_regressor = without(fit_regressor, {LandmarkRegressor.fit: own})
    landmarks = _uniform(40, 4, seed=6) + torch.tensor([0.3, -0.2])
    mixing = _uniform(1, 12, seed=7).view(8, 3)
    linear = torch.cat([mixing, mixing.flip(0)], dim=1)  # (8, 6)
    points = (landmarks.flatten(1) @ linear).view(40, 3, 2) + 0.1 * _uniform(40, 3, seed=8) + 0.4
    wanted = _least_squares(landmarks, points)
    given = answer(fit_regressor, landmarks, points)
    if isinstance(given, Tensor) and given.shape == (8, 6) and close(given.T, wanted):
        raise WrongAnswer("on 40 faces: yours is the transpose; y = W x asks for a row of W for each coordinate of y")
    result = answer_tensor(lambda: given, shape=(6, 8))
    x, y = landmarks.flatten(1), points.flatten(1)
    centred = torch.linalg.lstsq(x - x.mean(dim=0), y - y.mean(dim=0)).solution.T
    apart = torch.zeros_like(wanted)
    for axis in range(2):
        apart[axis::2, axis::2] = torch.linalg.lstsq(landmarks[..., axis], points[..., axis]).solution.T
    for other, reason in (
        (centred, "this is W with a bias, which goes around the mean; the paper's y = W x goes through 0"),
        (apart, "you fitted x and y apart, and set the weights between them to 0; a face that turns mixes them"),
        (y.T @ x, "this is yᵀx, and the least squares need (xᵀx)⁻¹ as well"),
        (torch.linalg.lstsq(y, x).solution, "you solved for the landmarks from the points; it goes the other way"),
        (torch.linalg.lstsq(y, x).solution.T, "you solved for the landmarks from the points; it goes the other way"),
    ):
        if other.shape == result.shape and close(result, other):
            raise WrongAnswer(f"on 40 faces: {reason}")
    if not close(result, wanted):
        if added := _ridge(result.to(y), x, y):
            raise WrongAnswer(
                f"on 40 faces: this is W of a ridge regression, with {added:.3g} added to the diagonal of xᵀx; add "
                "nothing"
            )
        split = [points.mT.flatten(1), landmarks.mT.flatten(1)]  # all x before all y
        normed = x.T @ y / x.square().sum(dim=0)[:, None]
        mean, best = (float((y - x @ weights.to(y).T).square().mean()) for weights in (result, wanted))
        mistakes = [
            (torch.linalg.lstsq(split[1], split[0]).solution.T, "the layout: a row is (x, y) of one landmark after the "
             "other, and you took all x before all y"),
            (normed.T, "you fitted each coordinate of a landmark alone; they share the work, which (xᵀx)⁻¹ sorts out"),
            (torch.linalg.lstsq(x, y - y.mean(dim=0)).solution.T, "you centred the points; y = W x goes through 0"),
            (torch.linalg.lstsq(x[:1], y[:1]).solution.T, "it fits the first face alone"),
            (torch.linalg.lstsq(x, y - x[:, :6]).solution.T, "it goes to the differences of points and landmarks"),
        ]  # fmt: skip
        where = f"on 40 faces: the mean squared error is {mean:.4f} with your W, {best:.4f} with the best one"
        compare(result, wanted, mistakes, where, axes=("row of W", "column of W"))
    few = slice(0, 3)
    wanted = _least_squares(landmarks[few], points[few])
    result = answer_tensor(fit_regressor, landmarks[few], points[few], shape=(6, 8))
    if not close(result, wanted, 1e-3):
        gap = float((points[few].flatten(1) - landmarks[few].flatten(1) @ result.to(wanted).T).abs().max())
        if gap > 1e-3:
            raise WrongAnswer(
                f"on 3 faces, fewer than coordinates: some W fits them exactly, yours is off by {gap:.2g}"
            )
        raise WrongAnswer("on 3 faces, fewer than coordinates: yours fits them, but a smaller W does as well")


@verdict("you see which landmarks a point is read off")
def check_point_shares(point_shares: Callable[[Tensor, float], Tensor]) -> None:
    """Check `point_shares(weights, drop) -> (P, K)` on W `(2 P, 2 K)`.

    Example:
        >>> check_point_shares(lambda weights, drop: weights.abs())
        ✘ wrong: the result should have shape (3, 6), yours has (6, 12)
    """
    own = "it is the package's answer; add absolute values, and divide"
    point_shares = without(point_shares, {LandmarkRegressor.landmark_shares: own})
    weights = _uniform(1, 36, seed=9).view(6, 12) * torch.tensor([4.0, 4, 1, 1, 1, 1, 3, 3, 0.5, 0.5, 2, 2])
    regressor = LandmarkRegressor()
    regressor.coef_ = weights
    blocks = weights.view(3, 2, 6, 2)  # point, its coordinate, landmark, its coordinate
    summed = blocks.abs().sum(dim=(1, 3))
    signed = blocks.sum(dim=(1, 3)).abs()
    halves = weights.view(2, 3, 2, 6).abs().sum(dim=(0, 2))
    for drop in (0.0, 0.2):
        result = answer_tensor(point_shares, weights, drop, shape=(3, 6))
        wanted = regressor.landmark_shares(drop)
        for other, reason in (
            (summed, "these are sums of weights; divide them by their sum over landmarks"),
            (signed / signed.sum(dim=1, keepdim=True), "you added before you took absolute values: weights cancel"),
            (
                halves / halves.sum(dim=1, keepdim=True),
                "the layout: row 2p is the x of point p and row 2p + 1 its y; you took all x before all y",
            ),
            (
                summed / summed.norm(dim=1, keepdim=True),
                "you divided by the root of the sum of squares; divide by the sum",
            ),
            (
                summed / summed.sum(dim=0),
                "you divided by the sum over points; a point's shares add up to 1 over landmarks",
            ),
            (summed / summed.amax(dim=1, keepdim=True), "you divided by the largest; divide by the sum over landmarks"),
            (
                blocks[:, 0].abs().sum(dim=2) / blocks[:, 0].abs().sum(dim=(1, 2))[:, None],
                "you used a point's x alone; its y draws on landmarks as well",
            ),
        ):
            if close(result, other) or close(result, other.where(other >= drop, 0.0)):
                raise WrongAnswer(reason)
        if drop and close(result, wanted / wanted.sum(dim=1, keepdim=True)):
            raise WrongAnswer(f"with drop {drop}: you divided anew after the removal; what is left stays as it is")
        if drop and close(result, regressor.landmark_shares(0.0)):
            raise WrongAnswer(f"with drop {drop}: shares below it are still there; they become 0")
        compare(result, wanted, where=f"with drop {drop}", axes=("point", "landmark"))


def _ridge(weights: Tensor, x: Tensor, y: Tensor) -> float:
    """What was added to the diagonal of xᵀx, if that is how these weights came about, else 0."""
    left = x.T @ (y - x @ weights.T)  # added * Wᵀ
    added = float((left * weights.T).sum() / weights.square().sum())
    return added if added > 1e-3 and close(left, added * weights.T, 1e-3) else 0.0


def _least_squares(landmarks: Tensor, points: Tensor) -> Tensor:
    return LandmarkRegressor(ridge=0).fit(landmarks, points).coef_


def _uniform(batch: int, count: int, seed: int) -> Tensor:
    """Points (batch, count, 2) in [-1, 1]."""
    return 2 * torch.rand(batch, count, 2, generator=drawn(seed), dtype=torch.float64) - 1
