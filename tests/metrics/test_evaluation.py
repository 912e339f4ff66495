"""Metrics against hand-worked cases, brute force over permutations, and scikit-learn."""

from __future__ import annotations

import itertools
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    adjusted_rand_score,
    confusion_matrix,
    normalized_mutual_info_score,
)

from tusklite.metrics import (
    adjusted_rand_index,
    evaluate_detections,
    majority_class,
    match_detections,
    match_prototypes,
    normalized_mutual_information,
)


def from_pixels(points: list, height: int, width: int) -> torch.Tensor:
    """Turn nested lists of (x, y) pixel positions into points in [-1, 1]."""
    return torch.tensor(points, dtype=torch.float64) / torch.tensor([width, height]) * 2 - 1


def intersection_over_union(a: tuple, b: tuple, side: float) -> float:
    """Return the IoU of two squares from their corners."""
    wide = min(a[0], b[0]) + side / 2 - (max(a[0], b[0]) - side / 2)
    tall = min(a[1], b[1]) + side / 2 - (max(a[1], b[1]) - side / 2)
    shared = max(wide, 0) * max(tall, 0)
    return shared / (2 * side**2 - shared)


def random_scenes(seed: int, scenes: int = 40, keypoints: int = 9, objects: int = 9, prototypes: int = 10) -> dict:
    """Make noisy detections of random, overlapping objects; some slots of each are empty."""
    generator = torch.Generator().manual_seed(seed)
    truth_xy = torch.rand(scenes, objects, 2, generator=generator) * 1.5 - 0.75
    order = torch.rand(scenes, keypoints, generator=generator).argsort(dim=1) % objects
    noise = torch.randn(scenes, keypoints, 2, generator=generator) * 0.12
    xy = truth_xy.gather(1, order[..., None].expand(-1, -1, 2)) + noise
    return {
        "xy": xy.clamp(-1, 1),
        "assignment": torch.randint(prototypes, (scenes, keypoints), generator=generator),
        "truth_xy": truth_xy,
        "truth_class": torch.randint(10, (scenes, objects), generator=generator),
        "found": torch.rand(scenes, keypoints, generator=generator) < 0.8,
        "truth_found": torch.rand(scenes, objects, generator=generator) < 0.8,
    }


# Two scenes of 100 x 80 pixels (width x height), true boxes of 20 x 20 pixels.
# Scene 0: three objects, classes 0, 1, 1. Scene 1: two objects, classes 2, 0; its third slot is empty.
# Shifted by (dx, dy), boxes of 20 px share (20 - dx)(20 - dy) px²; an IoU of 0.5 is 266.7 px² shared.
HAND_TRUTH = [[[20, 20], [60, 20], [60, 60]], [[30, 30], [70, 50], [0, 0]]]
HAND_XY = [
    # shift (4, 2): 288 px², a match.  shift (7, 0): 260 px², too little.  exact.  Nothing near (90, 70).
    [[24, 22], [67, 20], [60, 60], [90, 70]],
    # exact.  shift (2, 2), a match.  A second box on the first object, exact but taken.  Nothing near (5, 5).
    [[30, 30], [72, 52], [30, 30], [5, 5]],
]
HAND = {
    "xy": from_pixels(HAND_XY, 80, 100),
    "assignment": torch.tensor([[4, 0, 1, 2], [1, 4, 1, 0]]),
    "truth_xy": from_pixels(HAND_TRUTH, 80, 100),
    "truth_class": torch.tensor([[0, 1, 1], [2, 0, 9]]),
    "truth_found": torch.tensor([[True, True, True], [True, True, False]]),
}
HAND_SIZES = {"prototypes": 5, "classes": 3, "image_size": (80, 100), "box": 20}
MNIST_HARD = {"classes": 10, "image_size": 80, "box": 20}


def test_scores_of_a_case_worked_by_hand():
    scores = evaluate_detections(**HAND, **HAND_SIZES, mapping=torch.tensor([2, 1, -1, -1, 0]))
    # Placed: objects 0 and 2 of scene 0, both of scene 1: 4 of 5 objects, 4 of 8 boxes.
    assert scores.localization == 4 / 5
    assert scores.precision == 4 / 8
    # Prototypes of the placed: 4, 1, 1, 4 read as classes 0, 1, 1, 0; the truth is 0, 1, 2, 0: three right.
    assert scores.classification == 3 / 4
    assert scores.both == 3 / 5
    assert scores.confusion.tolist() == [[2, 0, 0, 0], [0, 1, 0, 1], [0, 1, 0, 0]]
    assert [tuple(row) for row in scores.per_class] == [
        (0, 2, 1.0, 1.0, 1.0),
        (1, 2, 0.5, 1.0, 0.5),
        (2, 1, 1.0, 0.0, 0.0),
    ]
    # Most frequent classes: prototype 4 saw 0 twice; prototype 1 saw 1 and 2, a tie that goes to 1.
    assert scores.many_to_one_mapping.tolist() == [-1, 1, -1, -1, 0]
    assert scores.many_to_one == 3 / 5
    # The other way round: class 0 went to prototype 4 twice, 1 and 2 to prototype 1 once each.
    assert scores.reverse_mapping.tolist() == [4, 1, 1]
    assert scores.reverse == 1.0


def test_matching_of_the_case_worked_by_hand():
    matched = match_detections(HAND["xy"], HAND["truth_xy"], (80, 100), 20, truth_found=HAND["truth_found"])
    assert matched[0].tolist() == [0, -1, 2, -1]
    assert sorted(matched[1].tolist()) == [-1, -1, 0, 1]
    assert matched[1, 1] == 1


def test_iou_of_exactly_the_threshold_matches():
    truth = from_pixels([[[4, 4]]], 8, 8)
    shifted = from_pixels([[[5, 4]]], 8, 8)  # boxes of side 3 share 6 of 12 px²
    assert match_detections(shifted, truth, 8, box=3, iou=0.5).item() == 0
    assert match_detections(shifted, truth, 8, box=3, iou=0.5001).item() == -1


def test_one_more_pair_beats_a_better_overlap():
    # The left box fits both objects, the better one exactly; the right box fits only that one.
    truth = from_pixels([[[40, 40], [34, 40]]], 80, 80)
    boxes = from_pixels([[[40, 40], [46, 40]]], 80, 80)
    assert match_detections(boxes, truth, 80, 20).tolist() == [[1, 0]]


pixel = st.tuples(st.integers(10, 40), st.integers(10, 30))


@settings(max_examples=60, deadline=None)
@given(st.lists(pixel, min_size=1, max_size=4), st.lists(pixel, min_size=1, max_size=4))
def test_matching_equals_brute_force_over_permutations(boxes, objects):
    matched = match_detections(from_pixels([boxes], 40, 60), from_pixels([objects], 40, 60), (40, 60), box=20)[0]
    pairs = [(k, t) for k, t in enumerate(matched.tolist()) if t >= 0]
    overlap = {(k, t): intersection_over_union(a, b, 20) for k, a in enumerate(boxes) for t, b in enumerate(objects)}
    assert len({t for _, t in pairs}) == len(pairs)
    assert all(overlap[pair] >= 0.5 for pair in pairs)

    slots = list(range(len(objects))) + [-1] * len(boxes)
    outcomes = []
    for choice in set(itertools.permutations(slots, len(boxes))):
        taken = [overlap[k, t] for k, t in enumerate(choice) if t >= 0]
        if all(value >= 0.5 for value in taken):
            outcomes.append((len(taken), sum(taken)))
    best = max(outcomes)
    assert len(pairs) == best[0]
    assert sum(overlap[pair] for pair in pairs) == pytest.approx(best[1])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_prototype_matching_equals_brute_force_over_permutations(pairs, prototypes, classes):
    assignment = torch.tensor([p % prototypes for p, _ in pairs], dtype=torch.int64)
    labels = torch.tensor([c % classes for _, c in pairs], dtype=torch.int64)
    names = list(range(classes)) + [-1] * max(prototypes - classes, 0)
    best = max(
        sum(choice[p] == c for p, c in zip(assignment.tolist(), labels.tolist(), strict=True))
        for choice in itertools.permutations(names, prototypes)
    )
    mapping = match_prototypes(assignment, labels, prototypes, classes)
    taken = mapping[mapping >= 0]
    assert mapping.shape == (prototypes,)
    assert len(taken) == len(taken.unique()) == min(prototypes, classes)
    assert (mapping[assignment] == labels).sum() == best

    majority = majority_class(assignment, labels, prototypes, classes)
    for prototype, name in enumerate(majority.tolist()):
        seen = labels[assignment == prototype].tolist()
        expected = min(set(seen), key=lambda c: (-seen.count(c), c)) if seen else -1
        assert name == expected


@pytest.mark.parametrize(("keypoints", "objects", "prototypes"), [(9, 9, 10), (5, 9, 4), (12, 7, 25), (1, 3, 1)])
def test_scores_equal_scikit_learn(keypoints, objects, prototypes):
    scenes = random_scenes(1, keypoints=keypoints, objects=objects, prototypes=prototypes)
    scores = evaluate_detections(**scenes, prototypes=prototypes, **MNIST_HARD)
    matched = match_detections(
        scenes["xy"], scenes["truth_xy"], 80, 20, found=scenes["found"], truth_found=scenes["truth_found"]
    )
    truth, predicted, placed_truth, placed_predicted = [], [], [], []
    for s, t in scenes["truth_found"].nonzero().tolist():
        hits = (matched[s] == t).nonzero().flatten().tolist()
        name = scores.mapping[scenes["assignment"][s, hits[0]]].item() if hits else -1
        truth.append(scenes["truth_class"][s, t].item())
        predicted.append(name if name >= 0 else 10)
        if hits:
            placed_truth.append(truth[-1])
            placed_predicted.append(name)
    assert 0 < len(placed_truth) < len(truth)
    assert scores.localization == pytest.approx(len(placed_truth) / len(truth))
    assert scores.precision == pytest.approx(len(placed_truth) / int(scenes["found"].sum()))
    assert scores.both == pytest.approx(accuracy_score(truth, predicted))
    assert scores.classification == pytest.approx(accuracy_score(placed_truth, placed_predicted))
    expected = confusion_matrix(truth, predicted, labels=list(range(11)))
    assert scores.confusion.tolist() == expected[:10].tolist()
    assert [row.count for row in scores.per_class] == expected[:10].sum(axis=1).tolist()
    for row in scores.per_class:
        assert row.both == pytest.approx(expected[row.label, row.label] / max(row.count, 1))
    assert scores.many_to_one >= scores.both


def test_names_of_prototypes_and_order_of_keypoints_do_not_matter():
    scenes = random_scenes(2)
    scores = evaluate_detections(**scenes, prototypes=10, **MNIST_HARD)
    names = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    turned = {key: scenes[key][:, order] for key in ("xy", "assignment", "found")}
    turned["assignment"] = names[turned["assignment"]]
    again = evaluate_detections(**{**scenes, **turned}, prototypes=10, **MNIST_HARD)
    for figure in ("localization", "classification", "both", "precision", "many_to_one"):
        assert getattr(again, figure) == pytest.approx(getattr(scores, figure))
    assert again.mapping[names].tolist() == scores.mapping.tolist()


def test_what_an_empty_slot_holds_does_not_matter():
    scenes = random_scenes(3)
    scores = evaluate_detections(**scenes, prototypes=10, **MNIST_HARD).as_dict()
    empty, truth_empty = ~scenes["found"], ~scenes["truth_found"]
    rubbish = {
        "xy": scenes["xy"].masked_fill(empty[..., None], float("nan")),
        "assignment": scenes["assignment"].masked_fill(empty, -7),
        "truth_xy": scenes["truth_xy"].masked_fill(truth_empty[..., None], 80.0),
        "truth_class": scenes["truth_class"].masked_fill(truth_empty, 99),
    }
    assert evaluate_detections(**{**scenes, **rubbish}, prototypes=10, **MNIST_HARD).as_dict() == scores


def test_mappings_of_a_validation_split_are_used_on_the_test_split():
    validation = evaluate_detections(**random_scenes(4), prototypes=10, **MNIST_HARD)
    test = evaluate_detections(
        **random_scenes(5),
        prototypes=10,
        **MNIST_HARD,
        mapping=validation.mapping,
        many_to_one_mapping=validation.many_to_one_mapping,
        reverse_mapping=validation.reverse_mapping,
    )
    own = evaluate_detections(**random_scenes(5), prototypes=10, **MNIST_HARD)
    assert test.mapping.tolist() == validation.mapping.tolist()
    assert test.many_to_one_mapping.tolist() == validation.many_to_one_mapping.tolist()
    assert test.localization == own.localization
    assert test.both < own.both
    assert test.many_to_one < own.many_to_one
    assert test.reverse_mapping.tolist() == validation.reverse_mapping.tolist()
    assert test.reverse < own.reverse


def test_fewer_prototypes_than_classes_can_be_consistent_and_never_mostly_right():
    # As in table 5 of the paper: five prototypes, each for two classes, with one object in twenty astray.
    generator = torch.Generator().manual_seed(0)
    xy = torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]]).expand(500, -1, -1)
    digits = torch.randint(10, (500, 2), generator=generator)
    astray = torch.rand(500, 2, generator=generator) < 0.05
    prototypes = torch.where(astray, torch.randint(5, (500, 2), generator=generator), digits // 2)
    scores = evaluate_detections(xy, prototypes, xy, digits, prototypes=5, **MNIST_HARD)
    assert scores.reverse_mapping.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert scores.reverse == pytest.approx((prototypes == digits // 2).double().mean().item())
    assert scores.classification < 0.55


@pytest.mark.parametrize("hidden", ["found", "truth_found"])
def test_no_detections_or_no_objects_score_zero(hidden):
    scenes = random_scenes(6)
    scenes[hidden] = torch.zeros_like(scenes[hidden])
    scores = evaluate_detections(**scenes, prototypes=10, **MNIST_HARD)
    figures = (scores.localization, scores.classification, scores.both, scores.precision, scores.many_to_one)
    assert (*figures, scores.reverse) == (0.0,) * 6
    assert scores.confusion[:, :10].sum() == 0
    assert scores.confusion.sum() == scenes["truth_found"].sum()


def test_scores_survive_json():
    scores = evaluate_detections(**random_scenes(7), prototypes=12, **MNIST_HARD).as_dict()
    assert json.loads(json.dumps(scores)) == scores


@pytest.mark.parametrize("seed", range(3))
def test_cluster_agreement_equals_scikit_learn(seed):
    a, b = torch.randint(4, (2, 37), generator=torch.Generator().manual_seed(seed))
    assert adjusted_rand_index(a, b) == pytest.approx(adjusted_rand_score(a.tolist(), b.tolist()))
    assert normalized_mutual_information(a, b) == pytest.approx(normalized_mutual_info_score(a.tolist(), b.tolist()))
    assert adjusted_rand_index(a, (a + 2) % 4) == 1.0
    assert normalized_mutual_information(a, (a + 2) % 4) == pytest.approx(1.0)


POINTS = torch.zeros(2, 3, 2)
NUMBERS = torch.zeros(2, 3, dtype=torch.int64)
GOOD = {"xy": POINTS, "assignment": NUMBERS, "truth_xy": POINTS, "truth_class": NUMBERS, "prototypes": 4}
GOOD |= MNIST_HARD


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"xy": POINTS.long()}, TypeError, "xy: dtype torch.int64"),
        ({"xy": POINTS[0]}, ValueError, r"xy: shape \(3, 2\)"),
        ({"xy": POINTS[:0]}, ValueError, r"xy: shape \(0, 3, 2\)"),
        ({"xy": POINTS + 1.01}, ValueError, r"xy: points outside \[-1, 1\]"),
        ({"xy": POINTS * float("nan")}, ValueError, "xy: points outside .* or NaN"),
        ({"truth_xy": [[0, 0]]}, TypeError, "truth_xy: list was given"),
        ({"truth_xy": POINTS[:1], "truth_class": NUMBERS[:1]}, ValueError, "truth_xy: 1 scenes were given"),
        ({"assignment": NUMBERS.float()}, TypeError, "assignment: torch.float32"),
        ({"assignment": NUMBERS[:, :2]}, ValueError, r"assignment: shape \(2, 2\)"),
        ({"assignment": NUMBERS + 4}, ValueError, "assignment: values 4 to 4 .* from 0 to 3"),
        ({"truth_class": NUMBERS - 1}, ValueError, "truth_class: values -1 to -1 .* from 0 to 9"),
        ({"truth_class": "3"}, TypeError, "truth_class: str was given"),
        ({"found": NUMBERS}, TypeError, "found: torch.int64 was given; allowed is a bool tensor"),
        ({"truth_found": [True]}, TypeError, "truth_found: list was given"),
        ({"found": NUMBERS[:, :1] == 0}, ValueError, r"found: shape \(2, 1\) .* \(2, 3\), as xy"),
        ({"mapping": torch.zeros(3, dtype=torch.int64)}, ValueError, r"mapping: shape \(3,\) .* \(4,\)"),
        ({"mapping": torch.full((4,), 10)}, ValueError, "mapping: values 10 to 10 .* from -1 to 9"),
        ({"many_to_one_mapping": torch.full((4,), -2)}, ValueError, "many_to_one_mapping: values -2"),
        ({"reverse_mapping": torch.full((10,), 4)}, ValueError, "reverse_mapping: values 4 to 4 .* from -1 to 3"),
        ({"reverse_mapping": NUMBERS[0]}, ValueError, r"reverse_mapping: shape \(3,\) .* \(10,\)"),
        ({"prototypes": 0}, ValueError, "prototypes: 0"),
        ({"classes": 2.0}, TypeError, "classes: 2.0"),
        ({"image_size": (80, 80, 3)}, ValueError, "image_size: .* allowed is .height, width."),
        ({"image_size": 0}, ValueError, "image_size: 0"),
        ({"box": 0}, ValueError, "box: 0"),
        ({"iou": 0.0}, ValueError, "iou: 0.0"),
        ({"iou": 1.5}, ValueError, "iou: 1.5"),
    ],
)
def test_wrong_detections_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        evaluate_detections(**{**GOOD, **change})


@pytest.mark.parametrize("name_prototypes", [match_prototypes, majority_class])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((NUMBERS, NUMBERS, 4, 4), ValueError, r"assignment: shape \(2, 3\) .* \(N,\)"),
        ((NUMBERS[0], NUMBERS[0, :2], 4, 4), ValueError, r"classes: shape \(2,\)"),
        ((NUMBERS[0].float(), NUMBERS[0], 4, 4), TypeError, "assignment: torch.float32"),
        ((NUMBERS[0] + 4, NUMBERS[0], 4, 4), ValueError, "assignment: values 4"),
        ((NUMBERS[0], NUMBERS[0], 0, 4), ValueError, "prototypes: 0"),
        ((NUMBERS[0], NUMBERS[0], 4, 0), ValueError, "classes_count: 0"),
    ],
)
def test_wrong_pairs_are_refused(name_prototypes, arguments, error, message):
    with pytest.raises(error, match=message):
        name_prototypes(*arguments)


@pytest.mark.parametrize("agreement", [adjusted_rand_index, normalized_mutual_information])
@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (NUMBERS, NUMBERS[0], ValueError, r"a: shape \(2, 3\)"),
        (NUMBERS[0], NUMBERS[0, :2], ValueError, "a, b: 3 and 2 samples"),
        (NUMBERS[0, :0], NUMBERS[0, :0], ValueError, "a, b: 0 and 0 samples"),
        (NUMBERS[0], POINTS[0, 0], TypeError, "b: torch.float32"),
        ([0, 1], NUMBERS[0], TypeError, "a: list"),
    ],
)
def test_wrong_clusterings_are_refused(agreement, a, b, error, message):
    with pytest.raises(error, match=message):
        agreement(a, b)
