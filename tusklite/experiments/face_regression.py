"""How experiments on faces are scored: annotated points are read off unsupervised landmarks by a linear map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tusklite.data import FaceLandmarks
from tusklite.metrics import LandmarkRegressor, landmark_spread, nearest_landmark_distance, normalized_mean_error

FEW_LABELS = (1, 5, 10, 20)

# Landmarks and points of training faces `rows` (N,), each in a view that the generator draws: (N, K, 2) and (N, P, 2).
ViewsOfFaces = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]


def labelled_rows(faces: FaceLandmarks, score_on: str) -> Tensor:
    """Training faces that a regressor may be fitted on: the labelled ones, less those that it is to be scored on."""
    allowed = faces.labelled if score_on == "test" else faces.labelled & ~faces.held_out
    return allowed.nonzero().flatten().cpu()


def mean_nearest(landmarks: Tensor) -> float:
    """Mean distance from a landmark `(N, K, 2)` to the nearest other one; 0 for a single one, which has no other."""
    return float(nearest_landmark_distance(landmarks).mean()) if landmarks.shape[1] > 1 else 0.0


def eyes_of(faces: FaceLandmarks) -> tuple[int, int]:
    """Which of the points are the eyes.

    Raises:
        ValueError: faces with fewer than two points.
    """
    if faces.eyes is None:
        raise ValueError(
            f"faces: those of {faces.source!r} have fewer than two points; allowed are faces with both eyes"
        )
    return faces.eyes


def regress_faces(
    in_views: ViewsOfFaces, found: Tensor, unseen: FaceLandmarks, rows: Tensor, **how: Any
) -> tuple[dict[str, float], LandmarkRegressor]:
    """`regression_errors` of landmarks of which each image has all, and signs of their collapse.

    Args:
        in_views, found, unseen, rows: as there.
        how: all else, as there.

    Returns:
        The errors in percent, how many landmarks there are, how far they keep apart and stray (`nearest`, `spread`, in
        half image widths); and the regressor.
    """
    errors, regressor = regression_errors(in_views, found, unseen, rows, **how)
    scored = found[unseen.labelled.nonzero().flatten().cpu()]
    metrics = {"landmarks": found.shape[1], **errors}
    metrics["nearest"] = round(mean_nearest(scored), 4)
    metrics["spread"] = round(float(landmark_spread(scored)), 4)
    return metrics, regressor


def regression_errors(
    in_views: ViewsOfFaces,
    found: Tensor,
    unseen: FaceLandmarks,
    rows: Tensor,
    *,
    ridge: float,
    regressor_views: int,
    few_label_views: int,
    few_label_draws: int,
    seed: int,
    few_label_ridge: float | None = None,
    origin: float = 0.0,
) -> tuple[dict[str, float], LandmarkRegressor]:
    """Inter-ocular error on unseen faces of a linear regressor that was fitted on labelled training faces.

    Args:
        in_views: landmarks and points of labelled training faces in views.
        found: `(N, K, 2)` landmarks of all unseen faces.
        unseen: these faces.
        rows: training faces that the regressor may be fitted on.
        ridge: of the regressor.
        regressor_views: views of each face that the regressor is fitted on.
        few_label_views: views of each of the few, where few are labelled.
        few_label_draws: how often the error with few labelled faces is measured, each time with other ones.
        seed: of the views, and of which few are chosen.
        few_label_ridge: of the regressor with few labels; the same where None.
        origin: what `in_views` and `found` have added to coordinates in [-1, 1]: without a bias, it matters.

    Returns:
        The errors in percent (`nme_percent` with all labels, `nme_percent_20_labels` and so on with few), and the
        regressor.
    """
    generator = torch.Generator().manual_seed(seed)
    scored = unseen.labelled.nonzero().flatten().cpu()
    found, truth = found[scored], unseen.points[scored].cpu() + origin
    left, right = eyes_of(unseen)
    few_label_ridge = ridge if few_label_ridge is None else few_label_ridge

    def error(landmarks: Tensor, points: Tensor, ridge: float) -> tuple[float, LandmarkRegressor]:
        regressor = LandmarkRegressor(ridge).fit(landmarks, points)
        return 100 * float(normalized_mean_error(regressor.predict(found), truth, left, right)), regressor

    nme, regressor = error(*in_views(rows.repeat(regressor_views), generator), ridge)
    metrics = {"nme_percent": round(nme, 3)}
    for count in FEW_LABELS:
        errors = []
        for _ in range(few_label_draws):
            chosen = rows[torch.randperm(len(rows), generator=generator)[:count]]
            errors.append(error(*in_views(chosen.repeat(few_label_views), generator), few_label_ridge)[0])
        metrics[f"nme_percent_{count}_labels"] = round(sum(errors) / len(errors), 3)
    return metrics, regressor


def held_out_error(in_views: ViewsOfFaces, faces: FaceLandmarks, ridge: float) -> dict[str, float]:
    """The same error on held-out training faces in views, for the log: quick, and nothing is chosen by it."""
    rows = labelled_rows(faces, "validation")[:400]
    held_out = faces.held_out.nonzero().flatten().cpu()[:200]
    generator = torch.Generator().manual_seed(0)
    known = in_views(rows, generator)
    found, truth = in_views(held_out, generator)
    predicted = LandmarkRegressor(ridge).fit(*known).predict(found)
    nme = normalized_mean_error(predicted, truth, *eyes_of(faces))
    figures: dict[str, Any] = {
        "nme_percent": 100 * nme,
        "nearest": mean_nearest(found),
        "spread": landmark_spread(found),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}
