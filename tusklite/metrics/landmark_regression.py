"""Landmarks that are not always detected against annotated points, read one off the other in both directions.

Forward: how much the landmarks know of annotated points. Backward: how much the points know of the landmarks, which
tells the unstable ones: a landmark that strays cannot be told from where eyes and mouth are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor
from tusklite.metrics.completion import complete_matrix, fill_with_means
from tusklite.metrics.landmarks import LandmarkRegressor


class ForwardErrors(NamedTuple):
    """Errors at annotated points, as fractions of each image's scale.

    Attributes:
        errors: float64 (S, P), of each point of each test image.
        mean_shape: float64 (S, P), of the training points' means in their place: what knows nothing.
        used: bool (K,), the landmarks that were detected often enough to be used.
    """

    errors: Tensor
    mean_shape: Tensor
    used: Tensor


def forward_errors(
    landmarks: Tensor,
    points: Tensor,
    test_landmarks: Tensor,
    test_points: Tensor,
    scale: Tensor | float = 1.0,
    ridge: float = 1e-3,
    most_missing: float = 0.8,
    complete: bool = True,
) -> ForwardErrors:
    """Read annotated points off landmarks of which some are missing (Mallis et al. 2020, section 4, Evaluation).

    Missing landmarks of training images are completed (`complete_matrix`), those of test images are at their mean place
    in training; then a linear map between what both stray from their means. All that is fitted comes from the training
    images alone, and every test image counts: the authors' code leaves out those that do not fill its last batch, and
    chooses the landmarks that it uses by the test images too.

    Args:
        landmarks: `(N, K, 2)` of training images, NaN where one is not detected.
        points: `(N, P, 2)` annotated points of the same images.
        test_landmarks: `(S, K, 2)`, NaN where one is not detected.
        test_points: `(S, P, 2)`.
        scale: what errors are divided by: `(S,)`, such as the distance between the eyes, or one number.
        ridge: as in `LandmarkRegressor`.
        most_missing: a landmark that is missing in more than this share of the training images is left out.
        complete: by singular value thresholding; False puts the mean in place of what is missing.

    Returns:
        `ForwardErrors`; where no landmark can be used, the errors are the mean shape's.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, NaN among points, or numbers out of range.

    Example:
        >>> points = torch.rand(40, 3, 2, generator=torch.Generator().manual_seed(0))
        >>> result = forward_errors(points[:30, :2], points[:30, :2], points[30:, :2], points[30:, :2])
        >>> bool(result.errors.mean() < 0.01 * result.mean_shape.mean())
        True
    """
    _require_images(landmarks, points, test_landmarks, test_points)
    most_missing = require_number("most_missing", most_missing, high=1.0)
    divisor = _scale(scale, len(test_points))
    x, y = landmarks.detach().cpu().double(), points.detach().cpu().double()
    new, truth = test_landmarks.detach().cpu().double(), test_points.detach().cpu().double()
    seen = ~x.isnan().any(2)  # (N, K)
    used = ((~seen).double().mean(0) <= most_missing) & seen.any(0)
    shape = y.mean(0)
    flat = (shape - truth).norm(dim=2) / divisor[:, None]
    if not used.any():
        return ForwardErrors(flat, flat, used)
    x = torch.where(seen[..., None], x, torch.nan)[:, used]
    means = x.nanmean(0)  # (K, 2), of what was detected
    if complete:
        x = complete_matrix(x.flatten(1)).unflatten(1, (-1, 2))
    x = fill_with_means(x, means)
    regressor = LandmarkRegressor(ridge).fit(x - x.mean(0), y - shape)
    new = torch.where(new.isnan().any(2, keepdim=True), torch.nan, new)[:, used]
    predicted = regressor.predict(fill_with_means(new, means) - x.mean(0)) + shape
    return ForwardErrors((predicted - truth).norm(dim=2) / divisor[:, None], flat, used)


def backward_errors(
    landmarks: Tensor,
    points: Tensor,
    test_landmarks: Tensor,
    test_points: Tensor,
    scale: Tensor | float = 1.0,
    ridge: float = 1e-3,
    least_images: int = 20,
) -> Tensor:
    """Read each landmark off annotated points, where it is detected (Mallis et al. 2020, section 4, Evaluation).

    Args:
        landmarks: as in `forward_errors`.
        points: as there.
        test_landmarks: as there.
        test_points: as there.
        scale: as there.
        ridge: as there.
        least_images: a landmark that is detected in fewer training images has no error.

    Returns:
        float64 `(S, K)`; NaN where a landmark is not detected, or has no error. Its `nanmean(0)` is each landmark's.

    Raises:
        TypeError, ValueError: as `forward_errors`.

    Example:
        >>> points = torch.rand(40, 3, 2, generator=torch.Generator().manual_seed(0))
        >>> errors = backward_errors(points[:30, :1], points[:30], points[30:, :1], points[30:])
        >>> bool(errors.mean() < 0.01)
        True
    """
    _require_images(landmarks, points, test_landmarks, test_points)
    least_images = require_integer("least_images", least_images, low=1)
    divisor = _scale(scale, len(test_points))
    x, y = landmarks.detach().cpu().double(), points.detach().cpu().double()
    new, truth = test_landmarks.detach().cpu().double(), test_points.detach().cpu().double()
    errors = torch.full(new.shape[:2], torch.nan, dtype=torch.float64)
    for number in range(x.shape[1]):
        rows = ~x[:, number].isnan().any(1)
        if int(rows.sum()) < least_images:
            continue
        shape, mean = y[rows].mean(0), x[rows, number].mean(0)
        regressor = LandmarkRegressor(ridge).fit(y[rows] - shape, (x[rows, number] - mean)[:, None])
        predicted = regressor.predict(truth - shape)[:, 0] + mean
        errors[:, number] = (predicted - new[:, number]).norm(dim=1) / divisor
    return errors


def _require_images(landmarks: Tensor, points: Tensor, test_landmarks: Tensor, test_points: Tensor) -> None:
    require_tensor("landmarks", landmarks, ("N", "K", 2), finite=False)
    require_tensor("points", points, (len(landmarks), "P", 2))
    require_tensor("test_landmarks", test_landmarks, ("S", landmarks.shape[1], 2), finite=False)
    require_tensor("test_points", test_points, (len(test_landmarks), points.shape[1], 2))


def _scale(scale: Tensor | float, images: int) -> Tensor:
    """What the errors of each image are divided by, float64 (S,)."""
    if not isinstance(scale, Tensor):
        return torch.full((images,), require_number("scale", scale, open_low=True), dtype=torch.float64)
    require_tensor("scale", scale, (images,))
    if scale.min() <= 0:
        raise ValueError(f"scale: {scale.min():g} was given; allowed are numbers above 0")
    return scale.detach().cpu().double()
