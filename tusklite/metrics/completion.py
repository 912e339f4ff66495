"""Landmarks that were not detected, filled in from those that were: matrix completion of low rank."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.arguments import require_integer, require_number, require_tensor


def complete_matrix(
    matrix: Tensor,
    threshold: float | None = None,
    step: float | None = None,
    tolerance: float = 1e-4,
    iterations: int = 1000,
) -> Tensor:
    """Fill in what is missing by singular value thresholding (Cai, Candès and Shen 2010).

    It seeks the matrix of least sum of singular values that agrees with what is known: exact where a matrix is of low
    rank, and enough of it is known. Entries that are known stay as they are, as the paper wants it for landmarks
    (Mallis et al. 2020, section 4). Means of columns are taken off first: landmarks hardly move about theirs.

    Args:
        matrix: `(N, D)`, NaN where it is missing; in each column something is known.
        threshold: of singular values, above 0. None: three times the largest of what is known; larger is closer to the
            least sum, and slower.
        step: how much of what disagrees is added each time, above 0; None: 1.2 N D over the number of known entries, at
            most 1.9, below which it is sure to converge.
        tolerance: stops where what disagrees is this small, relative to what is known.
        iterations: stops there in any case.

    Returns:
        `(N, D)` float64 on the CPU, without NaN.

    Raises:
        TypeError, ValueError: no floating-point matrix, infinite values, a column of which nothing is known, or numbers
            out of range.

    Example:
        >>> row, column = torch.linspace(1, 2, 30).double(), torch.linspace(-1, 1, 20).double()
        >>> matrix = row[:, None] * column
        >>> holes = matrix.clone()
        >>> holes[3, 4] = holes[20, 11] = torch.nan
        >>> bool((complete_matrix(holes) - matrix).abs().max() < 0.02)
        True
    """
    require_tensor("matrix", matrix, ("N", "D"), finite=False)
    wide = matrix.detach().cpu().double()
    known = ~wide.isnan()
    if wide.isinf().any():
        raise ValueError("matrix: infinite values were given; allowed are finite numbers, and NaN where missing")
    if not known.any(0).all():
        empty = (~known.any(0)).nonzero()[:, 0].tolist()
        raise ValueError(f"matrix: columns {empty} are NaN throughout; allowed are columns of which something is known")
    tolerance = require_number("tolerance", tolerance, open_low=True)
    iterations = require_integer("iterations", iterations, low=1)
    mean = wide.nanmean(0)
    seen = torch.where(known, wide - mean, 0.0)
    size = float(seen.norm())
    if known.all() or size == 0:
        return torch.where(known, wide, mean)
    rows, columns = wide.shape
    largest = float(torch.linalg.matrix_norm(seen, 2))
    if threshold is None:
        threshold = 3 * largest
    if step is None:
        step = min(1.2 * rows * columns / int(known.sum()), 1.9)
    threshold = require_number("threshold", threshold, open_low=True)
    step = require_number("step", step, open_low=True)
    # Where the first steps would only add up to the threshold, they are taken at once (their equation 5.3).
    dual = max(1, int(threshold / (step * largest))) * step * seen
    filled = torch.zeros_like(seen)
    for _ in range(iterations):
        left, values, right = torch.linalg.svd(dual, full_matrices=False)
        filled = (left * (values - threshold).clamp(min=0)) @ right
        apart = torch.where(known, seen - filled, 0.0)
        if float(apart.norm()) <= tolerance * size:
            break
        dual = dual + step * apart
    return torch.where(known, wide, filled + mean)


def fill_with_means(landmarks: Tensor, means: Tensor) -> Tensor:
    """Landmarks of test images, those not detected at their mean place in training (Mallis et al. 2020, section 4).

    Args:
        landmarks: `(N, K, 2)`, NaN where one is not detected.
        means: `(K, 2)`, from the training images alone.

    Returns:
        `(N, K, 2)` without NaN.

    Example:
        >>> fill_with_means(torch.tensor([[[torch.nan, torch.nan], [0.5, 0.5]]]), torch.zeros(2, 2))
        tensor([[[0.0000, 0.0000],
                 [0.5000, 0.5000]]])
    """
    require_tensor("landmarks", landmarks, ("N", "K", 2), finite=False)
    require_tensor("means", means, tuple(landmarks.shape[1:]))
    return torch.where(landmarks.isnan(), means.to(landmarks), landmarks)
