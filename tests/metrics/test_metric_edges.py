"""Metrics at the ends of their ranges, and what a refusal names."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tusklite.metrics import (
    LandmarkRegressor,
    adjusted_rand_index,
    evaluate_detections,
    majority_class,
    match_detections,
    match_prototypes,
    normalized_mean_error,
    normalized_mutual_information,
)

# Two boxes of 20 pixels in an image of 80.
SIZES = {"image_size": 80, "box": 20.0}


def apart(x: float, y: float) -> tuple[Tensor, Tensor]:
    """A keypoint and an object so many pixels apart."""
    return torch.tensor([[[x / 40, y / 40]]]), torch.zeros(1, 1, 2)


@pytest.mark.parametrize(
    ("x", "y", "iou", "matched"),
    [
        (19.0, 0.0, 20 / 780, True),  # one column of pixels in common
        (19.0, 0.0, 21 / 779, False),
        (19.5, 19.5, 0.25 / 799.75, True),  # a quarter of a pixel
        (19.5, 19.5, 0.3 / 799.7, False),
        (20.5, 0.0, 1e-6, False),  # nothing
        (0.0, 25.0, 1e-6, False),
        (25.0, 25.0, 1e-6, False),  # two negative sides are no overlap
    ],
)
def test_boxes_that_hardly_touch_overlap_by_what_they_share(x: float, y: float, iou: float, matched: bool) -> None:
    assert match_detections(*apart(x, y), **SIZES, iou=0.999 * iou).tolist() == [[0 if matched else -1]]


def test_one_class_and_one_pixel_are_enough() -> None:
    xy, zero = torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.int64)
    scores = evaluate_detections(xy, zero, xy, zero, prototypes=1, classes=1, image_size=1, box=1.0)
    assert scores.both == scores.many_to_one == 1.0
    assert scores.confusion.tolist() == [[1, 0]]


@pytest.mark.parametrize("name", ["match_prototypes", "majority_class"])
@pytest.mark.parametrize(("assignment", "label"), [(2, 0), (-1, 0), (0, 3), (0, -1)])
def test_a_label_that_is_none_is_refused_by_name(name: str, assignment: int, label: int) -> None:
    named = {"match_prototypes": match_prototypes, "majority_class": majority_class}[name]
    wrong = "assignment" if assignment else "classes"
    with pytest.raises(ValueError, match=f"^{wrong}: values 0 to .* were given|^{wrong}: values -1 to .* were given"):
        named(torch.tensor([0, assignment]), torch.tensor([0, label]), 2, 3)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"assignment": torch.tensor([[2]])}, "assignment: values 2 to 2 were given; allowed are integers from 0 to 1"),
        ({"assignment": torch.tensor([[-1]])}, "assignment: values -1 to -1 were given; allowed are integers from 0"),
        ({"truth_class": torch.tensor([[3]])}, "truth_class: values 3 to 3 were given; allowed are integers from 0 to"),
        ({"found": torch.ones(1, 1)}, "found: torch.float32 was given; allowed is a bool tensor"),
        ({"found": torch.ones(1, 2, dtype=torch.bool)}, r"found: shape \(1, 2\) .* allowed is \(1, 1\), as xy"),
        ({"truth_found": torch.ones(1, 1)}, "truth_found: torch.float32 was given"),
        ({"truth_found": torch.ones(2, 1).bool()}, r"truth_found: shape \(2, 1\) .* allowed is \(1, 1\), as truth_xy"),
        ({"truth_xy": torch.full((1, 1, 2), 1.5)}, r"truth_xy: points outside \[-1, 1\] or NaN were given"),
        ({"xy": torch.full((1, 1, 2), torch.nan)}, r"xy: points outside \[-1, 1\] or NaN were given"),
        ({"mapping": torch.tensor([0, 3])}, "mapping: values 0 to 3 were given; allowed are integers from -1 to 2"),
    ],
)
def test_detections_that_cannot_be_scored_are_refused_by_name(change: dict, complaint: str) -> None:
    zero = torch.zeros(1, 1, dtype=torch.int64)
    arguments = {"xy": torch.zeros(1, 1, 2), "assignment": zero, "truth_xy": torch.zeros(1, 1, 2), "truth_class": zero}
    with pytest.raises((TypeError, ValueError), match=f"^{complaint}"):
        evaluate_detections(**(arguments | change), **SIZES, prototypes=2, classes=3)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"found": torch.ones(1, 1)}, "found: torch.float32 was given; allowed is a bool tensor"),
        ({"found": torch.ones(1, 2, dtype=torch.bool)}, r"found: shape \(1, 2\) .* allowed is \(1, 1\), as xy"),
        ({"truth_found": torch.ones(1, 1)}, "truth_found: torch.float32 was given; allowed is a bool tensor"),
        ({"truth_found": torch.ones(2, 1).bool()}, r"truth_found: shape \(2, 1\) .* allowed is \(1, 1\), as truth_xy"),
        ({"truth_xy": torch.full((1, 1, 2), 1.5)}, r"truth_xy: points outside \[-1, 1\] or NaN were given"),
        ({"xy": torch.full((1, 1, 2), -1.5)}, r"xy: points outside \[-1, 1\] or NaN were given"),
        ({"xy": torch.zeros(1, 2)}, r"xy: shape \(1, 2\) was given; allowed is \(S, K, 2\)"),
        ({"truth_xy": torch.zeros(1, 2)}, r"truth_xy: shape \(1, 2\) was given; allowed is \(S, T, 2\)"),
    ],
)
def test_boxes_that_cannot_be_matched_are_refused_by_name(change: dict, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{complaint}"):
        match_detections(**({"xy": torch.zeros(1, 1, 2), "truth_xy": torch.zeros(1, 1, 2)} | change), **SIZES)


@pytest.mark.parametrize("prototype", [2, -1])
def test_a_prototype_that_there_is_not_is_refused_also_where_the_matching_is_given(prototype: int) -> None:
    xy, zero, matching = torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.int64), torch.tensor([0, 1])
    with pytest.raises(ValueError, match=f"^assignment: values {prototype} to {prototype} were given"):
        evaluate_detections(
            xy,
            zero + prototype,
            xy,
            zero,
            **SIZES,
            prototypes=2,
            classes=3,
            mapping=matching,
            many_to_one_mapping=matching,
        )


# --- landmarks ------------------------------------------------------------------------------------------------


def test_a_share_as_large_as_the_limit_stays() -> None:
    regressor = LandmarkRegressor()
    regressor.coef_ = torch.tensor([[1.0, 0.0, 3.0, 0.0], [0.0, 1.0, 0.0, 3.0]])
    assert regressor.landmark_shares(drop=0.25).tolist() == [[0.25, 0.75]]
    assert regressor.landmark_shares(drop=0.26).tolist() == [[0.0, 0.75]]


def test_weights_of_images_that_are_none_are_refused_with_what_is_allowed() -> None:
    landmarks = torch.rand(2, 3, 2)
    for weights, span in (([-1.0, 1.0], "-1 to 1"), ([0.0, 0.0], "0 to 0")):
        message = f"^sample_weight: {span} were given; allowed are numbers of at least 0, not all of them 0$"
        with pytest.raises(ValueError, match=message):
            LandmarkRegressor().fit(landmarks, landmarks, torch.tensor(weights))


def test_a_ridge_is_as_exact_as_float64() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(7, count, 2, generator=generator, dtype=torch.float64) for count in (3, 2))
    flat, wanted = x.flatten(1), y.flatten(1)
    penalty = 0.3 * (flat**2).sum(dim=0).mean()
    exact = torch.linalg.solve(flat.T @ flat + penalty * torch.eye(6).double(), flat.T @ wanted).T
    torch.testing.assert_close(LandmarkRegressor(0.3).fit(x, y).coef_, exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize("unit", [1.0, 0.5, 2.0])
def test_eyes_at_any_distance_but_none_are_a_measure(unit: float) -> None:
    truth = unit * torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]]])
    predicted = truth + unit * torch.tensor([0.0, 0.25])
    assert float(normalized_mean_error(predicted, truth)) == pytest.approx(0.25)


@pytest.mark.parametrize("name", ["left_eye", "right_eye"])
@pytest.mark.parametrize("eye", [3, 4, -1])
def test_an_eye_that_is_no_point_is_refused_with_the_range(name: str, eye: int) -> None:
    truth = torch.rand(1, 3, 2)
    with pytest.raises(ValueError, match=f"^{name}: {eye} was given; allowed is an integer from 0 to 2$"):
        normalized_mean_error(truth, truth, **{name: eye})
    other = {"left_eye": "right_eye", "right_eye": "left_eye"}[name]
    assert float(normalized_mean_error(truth, truth, **{name: 2, other: 0})) == 0.0


def test_predictions_of_another_type_are_refused_with_that_of_the_truth() -> None:
    truth = torch.rand(1, 3, 2)
    message = "predicted: torch.float64 on cpu was given; allowed is that of truth, torch.float32 on cpu"
    with pytest.raises(TypeError, match=f"^{message}$"):
        normalized_mean_error(truth.double(), truth)


@pytest.mark.parametrize("agreement", [adjusted_rand_index, normalized_mutual_information])
def test_without_scikit_learn_it_says_what_to_install(
    agreement: Callable[[torch.Tensor, torch.Tensor], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ImportError, match="scikit-learn is missing; `pip install scikit-learn` installs it"):
        agreement(torch.tensor([0, 1]), torch.tensor([0, 1]))
