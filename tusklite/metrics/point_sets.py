"""Sets of points without names against true points: matched one to one within a tolerance."""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tusklite.arguments import require_number
from tusklite.metrics.labels import require_mask


class PointScores(NamedTuple):
    """How well points find true points. Shares in [0, 1], over all images together; a share of nothing is 0.

    Attributes:
        precision: of the points, those matched with a true one.
        recall: of the true points, those matched.
        f: their harmonic mean.
    """

    precision: float
    recall: float
    f: float


def match_points(
    xy: Tensor, truth_xy: Tensor, tolerance: float, found: Tensor | None = None, truth_found: Tensor | None = None
) -> Tensor:
    """Match points with true points one to one: as many pairs as possible, then at the least total distance.

    Args:
        xy: `(S, K, 2)` points in [-1, 1] or any other unit.
        truth_xy: `(S, T, 2)` true points in the same unit.
        tolerance: how far apart a pair may be, in that unit, above 0.
        found: bool `(S, K)`, False for an empty slot, which is ignored whatever it holds; None: all are real.
        truth_found: bool `(S, T)`, the same for true points, such as one outside the picture.

    Returns:
        int64 `(S, K)` on the CPU: the number of the true point, or -1.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> truth = torch.tensor([[[0.0, 0.0], [0.3, 0.0]]])
        >>> match_points(torch.tensor([[[0.1, 0.0], [-0.1, 0.0]]]), truth, tolerance=0.21)
        tensor([[1, 0]])
    """
    tolerance = require_number("tolerance", tolerance, open_low=True)
    found = require_mask("found", found, "xy", xy, "K")
    truth_found = require_mask("truth_found", truth_found, "truth_xy", truth_xy, "T")
    if len(xy) != len(truth_xy):
        raise ValueError(f"truth_xy: {len(truth_xy)} scenes were given; allowed are as many as in xy, {len(xy)}")
    points = xy.detach().cpu().double().masked_fill(~found[..., None], 0)
    truth = truth_xy.detach().cpu().double().masked_fill(~truth_found[..., None], 0)
    distance = (points[:, :, None] - truth[:, None]).norm(dim=-1)  # (S, K, T)
    allowed = (distance <= tolerance) & found[:, :, None] & truth_found[:, None]
    # One more pair is worth more than all distances together, so that the number of pairs decides first.
    worth = torch.where(allowed, 1 - distance / tolerance + min(allowed.shape[1:]), 0.0).numpy()
    matched = torch.full(points.shape[:2], -1)
    for scene, scene_worth in enumerate(worth):
        row, column = (torch.from_numpy(part) for part in linear_sum_assignment(scene_worth, maximize=True))
        matched[scene, row] = torch.where(allowed[scene, row, column], column, -1)
    return matched


def score_points(
    xy: Tensor, truth_xy: Tensor, tolerance: float, found: Tensor | None = None, truth_found: Tensor | None = None
) -> PointScores:
    """Score points without names: precision, recall and F within a tolerance, one to one.

    The F-measure of the paper's ablations (Mallis et al. 2020, figure 2), which does not say its tolerance.

    Args:
        xy: `(S, K, 2)` points.
        truth_xy: `(S, T, 2)` true points.
        tolerance: as in `match_points`; 1.5 cells of a map of 32 are 3 / 32.
        found: as in `match_points`.
        truth_found: as in `match_points`.

    Returns:
        `PointScores`.

    Raises:
        TypeError, ValueError: as `match_points`.

    Example:
        >>> truth = torch.tensor([[[0.0, 0.0], [0.5, 0.0]]])
        >>> score_points(torch.tensor([[[0.01, 0.0]]]), truth, tolerance=0.1)
        PointScores(precision=1.0, recall=0.5, f=0.666...)
    """
    matched = match_points(xy, truth_xy, tolerance, found, truth_found)
    given = int(require_mask("found", found, "xy", xy, "K").sum())
    wanted = int(require_mask("truth_found", truth_found, "truth_xy", truth_xy, "T").sum())
    right = int((matched >= 0).sum())
    return PointScores(right / max(given, 1), right / max(wanted, 1), 2 * right / max(given + wanted, 1))


def shuffled_score(
    xy: Tensor, truth_xy: Tensor, tolerance: float, found: Tensor | None = None, truth_found: Tensor | None = None
) -> PointScores:
    """The control of `score_points`: the points of each image against the truth of the one before it.

    What any points laid out like these score on images laid out like these, without a look at the image.

    Args:
        xy: as in `score_points`, of two images or more.
        truth_xy: as in `score_points`.
        tolerance: as in `score_points`.
        found: as in `score_points`.
        truth_found: as in `score_points`.

    Returns:
        `PointScores`.

    Raises:
        TypeError, ValueError: as `score_points`, and a single image.

    Example:
        >>> points = torch.tensor([[[0.0, 0.0]], [[0.9, 0.0]]])
        >>> score_points(points, points, 0.1).f, shuffled_score(points, points, 0.1).f
        (1.0, 0.0)
    """
    found = require_mask("found", found, "xy", xy, "K")
    if len(xy) < 2:
        raise ValueError(f"xy: {len(xy)} images were given; allowed are at least 2")
    return score_points(xy.roll(1, 0), truth_xy, tolerance, found.roll(1, 0), truth_found)
