"""Segments, counts and properties of objects against scikit-learn, brute force, and cases worked by hand."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, adjusted_rand_score, confusion_matrix
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from tusklite.metrics import (
    adjusted_rand_index,
    count_accuracy,
    evaluate_properties,
    evaluate_segments,
    find_objects,
    name_prototypes,
    nearest_values,
    property_confusion,
    segment_rand_index,
    segments,
    values_of_keypoints,
)


def numbers(*shape: int, low: int = 0, high: int = 5, seed: int = 0) -> Tensor:
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


def scikit_learns(found: Tensor, truth: Tensor, background: bool) -> float:
    counted = torch.ones_like(truth, dtype=torch.bool) if background else truth > 0
    return adjusted_rand_score(truth[counted].numpy(), found[counted].numpy()) if counted.any() else math.nan


# --- the adjusted Rand index ------------------------------------------------------------------------------------


@given(
    scenes=st.integers(1, 4),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    found=st.integers(1, 6),
    objects=st.integers(1, 5),
    background=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150)
def test_the_index_is_scikit_learns_in_every_scene(scenes, height, width, found, objects, background, seed) -> None:
    painted = numbers(scenes, height, width, low=-2, high=found, seed=seed) * 7  # names with gaps, and below 0
    truth = numbers(scenes, height, width, high=objects + 1, seed=seed + 1)
    index = segment_rand_index(painted, truth, background)
    assert index.dtype == torch.float64
    expected = [scikit_learns(*pair, background) for pair in zip(painted, truth, strict=True)]
    np.testing.assert_allclose(index, expected, rtol=0, atol=1e-9)


@given(st.integers(0, 1000), st.integers(1, 3))
@settings(max_examples=30)
def test_segments_that_are_nearly_right_score_as_scikit_learn_says(seed: int, wrong: int) -> None:
    truth = numbers(2, 8, 8, high=4, seed=seed)
    painted = (3 - truth).flatten(1)
    painted[:, numbers(wrong, high=64, seed=seed)] = 9
    painted = painted.view_as(truth)
    index = segment_rand_index(painted, truth)
    np.testing.assert_allclose(index, [scikit_learns(*pair, False) for pair in zip(painted, truth, strict=True)])
    assert (index > 0.5).all()


ONE_ROW = {
    "the same": ([3, 3, 4, 4], [1, 1, 2, 2], 1.0),
    "one segment on both sides": ([7, 7, 7, 7], [1, 1, 1, 1], 1.0),
    "each pixel by itself on both sides": ([4, 3, 2, 1], [1, 2, 3, 4], 1.0),
    "one object, cut in two": ([1, 1, 2, 2], [3, 3, 3, 3], 0.0),
    "two objects, not told apart": ([5, 5, 5, 5], [1, 1, 2, 2], 0.0),
    "one object, every pixel by itself": ([1, 2, 3, 4], [3, 3, 3, 3], 0.0),
    "across": ([1, 2, 1, 2], [1, 1, 2, 2], -0.5),
    "one pixel of an object": ([5, 1, 2, 3], [0, 0, 4, 0], 1.0),
    "no pixel of an object": ([5, 1, 2, 3], [0, 0, 0, 0], math.nan),
}


@pytest.mark.parametrize("case", ONE_ROW)
def test_the_index_at_its_ends(case: str, device: str) -> None:
    painted, truth, expected = ONE_ROW[case]
    index = segment_rand_index(torch.tensor([[painted]], device=device), torch.tensor([[truth]], device=device))
    assert index.device.type == device
    np.testing.assert_allclose(index.cpu(), [expected], atol=1e-12)
    background = segment_rand_index(torch.tensor([[painted]]), torch.tensor([[truth]]), background=True)
    np.testing.assert_allclose(background, [adjusted_rand_score(truth, painted)], atol=1e-12)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_scenes_and_pixels_that_are_not_there(shape: tuple[int, int, int]) -> None:
    nothing = torch.zeros(shape, dtype=torch.int64)
    for background in (False, True):
        index = segment_rand_index(nothing, nothing, background)
        assert index.shape == shape[:1]
        assert index.isnan().all()
    scores = evaluate_segments(nothing, nothing, keypoints=3, objects=2)
    assert (scores.ari, scores.found, scores.found_twice) == (0.0, 0.0, 0.0)
    assert scores.of_keypoint.tolist() == [[-1] * 3] * shape[0]


@pytest.mark.parametrize("kind", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_any_integers_are_labels(kind: torch.dtype) -> None:
    painted, truth = numbers(3, 5, 4, seed=1), numbers(3, 5, 4, high=4, seed=2)
    torch.testing.assert_close(
        segment_rand_index(painted.to(kind), truth.to(torch.uint8)), segment_rand_index(painted, truth)
    )
    found = find_objects(painted.to(kind), truth.to(kind), keypoints=5, objects=3)
    assert torch.equal(found.of_keypoint, find_objects(painted, truth, keypoints=5, objects=3).of_keypoint)


def test_large_numbers_of_pixels_are_counted_exactly() -> None:
    truth = torch.ones(1, 300, 400, dtype=torch.uint8)
    truth[0, :1, :2] = 2
    painted = truth.clone()
    painted[0, 299, 399] = 9
    expected = adjusted_rand_score(truth.flatten().numpy(), painted.flatten().numpy())
    np.testing.assert_allclose(segment_rand_index(painted, truth), [expected], rtol=1e-9)


def test_what_is_held_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    painted, truth = numbers(7, 4, 5, seed=3), numbers(7, 4, 5, high=4, seed=4)
    points, labelled = torch.randn(9, 3), torch.randn(11, 3)
    whole = segment_rand_index(painted, truth), find_objects(painted, truth, 5, 3).of_keypoint
    values = nearest_values(points, labelled, torch.arange(11))
    monkeypatch.setattr(segments, "NUMBERS_AT_ONCE", 45)
    monkeypatch.setattr("tusklite.metrics.properties.DISTANCES_AT_ONCE", 45)
    assert torch.equal(segment_rand_index(painted, truth), whole[0])
    assert torch.equal(find_objects(painted, truth, 5, 3).of_keypoint, whole[1])
    assert torch.equal(nearest_values(points, labelled, torch.arange(11)), values)


def test_the_index_is_that_of_clusterings() -> None:
    painted, truth = numbers(1, 6, 6), numbers(1, 6, 6, low=1, seed=1)
    assert float(segment_rand_index(painted, truth)) == pytest.approx(
        adjusted_rand_index(painted.flatten(), truth.flatten())
    )


# --- which object a keypoint stands for -------------------------------------------------------------------------


@given(
    scenes=st.integers(1, 3),
    side=st.integers(1, 6),
    keypoints=st.integers(1, 5),
    objects=st.integers(1, 4),
    least=st.integers(1, 4),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60)
def test_a_keypoint_stands_for_the_object_with_most_pixels(scenes, side, keypoints, objects, least, seed) -> None:
    painted = numbers(scenes, side, side + 1, low=-1, high=keypoints + 2, seed=seed)
    truth = numbers(scenes, side, side + 1, high=objects + 1, seed=seed + 1)
    expected, there, once, twice = [], 0, 0, 0
    for scene, scene_truth in zip(painted.tolist(), truth.tolist(), strict=True):
        pixels = [pair for rows in zip(scene, scene_truth, strict=True) for pair in zip(*rows, strict=True)]
        row = []
        for keypoint in range(keypoints):
            counts = Counter(place - 1 for name, place in pixels if name == keypoint and place)
            best = min(counts, key=lambda place: (-counts[place], place)) if counts else -1
            row.append(best if best >= 0 and counts[best] >= least else -1)
        expected.append(row)
        seen = {place - 1 for _, place in pixels if place}
        there += len(seen)
        once += sum(place in row for place in seen)
        twice += sum(row.count(place) > 1 for place in seen)
    found = find_objects(painted, truth, keypoints, objects, least)
    assert found.of_keypoint.tolist() == expected
    assert found.found == pytest.approx(once / there if there else 0.0)
    assert found.found_twice == pytest.approx(twice / there if there else 0.0)


def test_counts_are_right_where_as_many_are_found_as_there_are(device: str) -> None:
    found = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1]], device=device).bool()
    present = torch.tensor([[0, 1, 1], [0, 0, 0], [1, 0, 0]], device=device).bool()
    assert count_accuracy(found, present) == pytest.approx(2 / 3)
    assert count_accuracy(found[:0], present[:0]) == 0.0


def test_scores_of_a_case_worked_by_hand() -> None:
    truth = torch.tensor([[[1, 1, 0], [2, 2, 0]], [[1, 1, 1], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]])
    # In the first scene one keypoint an object; in the second two on one object, one of them nearly elsewhere.
    painted = torch.tensor([[[0, 0, 3], [1, 1, 3]], [[2, 2, 0], [0, 3, 3]], [[3, 3, 3], [3, 3, 3]]])
    scores = evaluate_segments(painted, truth, keypoints=3, objects=2)
    assert scores.of_keypoint.tolist() == [[0, 1, -1], [0, -1, 0], [-1, -1, -1]]
    assert (scores.found, scores.found_twice) == (1.0, pytest.approx(1 / 3))
    np.testing.assert_allclose(scores.ari_of_scene, [1.0, 0.0, math.nan])
    assert scores.ari == 0.5
    everywhere = [adjusted_rand_score(t.flatten(), p.flatten()) for t, p in zip(truth, painted, strict=True)]
    assert scores.ari_background == pytest.approx(np.mean(everywhere))
    assert scores.count == pytest.approx(2 / 3)  # the scene without an object has none that is found
    strict = evaluate_segments(painted, truth, keypoints=3, objects=2, least_pixels=2)
    assert strict.of_keypoint.tolist() == [[0, 1, -1], [-1, -1, 0], [-1, -1, -1]]
    found, present = torch.ones(3, 3).bool(), torch.tensor([[1, 1, 1], [0, 0, 0], [0, 0, 0]]).bool()
    assert evaluate_segments(painted, truth, 3, 2, found=found, present=present).count == pytest.approx(1 / 3)
    figures = json.loads(json.dumps(scores.as_dict()))
    assert figures == {
        name: getattr(scores, name) for name in ("ari", "ari_background", "count", "found", "found_twice")
    }


def test_values_are_those_of_the_objects() -> None:
    of_keypoint, values = numbers(20, 4, low=-1, high=3), numbers(20, 3, low=-1, high=6, seed=1)
    read = values_of_keypoints(of_keypoint, values)
    for scene, keypoint in np.ndindex(20, 4):
        place = int(of_keypoint[scene, keypoint])
        assert int(read[scene, keypoint]) == (-1 if place < 0 else int(values[scene, place]))


# --- properties -------------------------------------------------------------------------------------------------

VALUES = {"shape": 3, "colour": 2}


def things(count: int, prototypes: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
    assignment = numbers(count, high=prototypes, seed=seed)
    return assignment, {name: numbers(count, high=size, seed=seed + 1) for name, size in VALUES.items()}


@given(count=st.integers(0, 40), prototypes=st.integers(1, 8), seed=st.integers(0, 10_000))
@settings(max_examples=60)
def test_each_prototype_takes_what_it_shows_most_often(count: int, prototypes: int, seed: int) -> None:
    assignment, properties = things(count, prototypes, seed)
    names = name_prototypes(assignment, properties, VALUES, prototypes)
    for name, values in properties.items():
        for prototype in range(prototypes):
            shown = Counter(values[assignment == prototype].tolist())
            expected = min(shown, key=lambda value: (-shown[value], value)) if shown else -1
            assert int(names.majority[name][prototype]) == expected
    other, other_properties = things(30, prototypes, seed + 5)
    for name, scores in evaluate_properties(other, other_properties, names).items():
        guess = names.majority[name][other].numpy()
        truth = other_properties[name].numpy()
        assert scores.accuracy == pytest.approx(accuracy_score(truth, guess))
        theirs = confusion_matrix(truth, guess, labels=[*range(VALUES[name]), -1])
        np.testing.assert_array_equal(scores.confusion, theirs[:-1])


@given(count=st.integers(1, 30), prototypes=st.integers(1, 5), seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_the_matching_of_kinds_is_the_best_of_all(count: int, prototypes: int, seed: int) -> None:
    assignment = numbers(count, high=prototypes, seed=seed)
    sizes = {"shape": 2, "colour": 2}
    properties = {name: numbers(count, high=2, seed=seed + 1 + i) for i, name in enumerate(sizes)}
    names = name_prototypes(assignment, properties, sizes, prototypes)
    kinds = list(zip(names.bipartite["shape"].tolist(), names.bipartite["colour"].tolist(), strict=True))
    given_kinds = [kind for kind in kinds if kind != (-1, -1)]
    assert len(given_kinds) == min(prototypes, 4)
    assert len(set(given_kinds)) == len(given_kinds)
    assert all(0 <= part < 2 for kind in given_kinds for part in kind)

    samples = list(zip(assignment.tolist(), *(properties[name].tolist() for name in sizes), strict=True))

    def right(named: tuple) -> int:
        return sum(named[prototype] == (shape, colour) for prototype, shape, colour in samples)

    every = [*itertools.product(range(2), range(2)), *[(-1, -1)] * max(0, prototypes - 4)]
    assert right(tuple(kinds)) == max(map(right, itertools.permutations(every, prototypes)))


def test_one_prototype_a_kind_is_right_by_both_rules_and_two_of_a_kind_by_one() -> None:
    assignment = torch.arange(6).repeat(4)
    properties = {"shape": assignment // 2, "colour": assignment % 2}
    names = name_prototypes(assignment, properties, VALUES, prototypes=6)
    for scores in evaluate_properties(assignment, properties, names).values():
        assert (scores.accuracy, scores.bipartite) == (1.0, 1.0)
    # All are of one kind: five of the six have to be called something else.
    properties = {"shape": torch.full((24,), 2), "colour": torch.ones(24).long()}
    names = name_prototypes(assignment, properties, VALUES, prototypes=6)
    scores = evaluate_properties(assignment, properties, names)
    assert {each.accuracy for each in scores.values()} == {1.0}
    assert (scores["shape"].bipartite, scores["colour"].bipartite) == (pytest.approx(2 / 6), pytest.approx(3 / 6))
    assert json.loads(json.dumps(scores["shape"].as_dict()))["confusion"] == [[0] * 4, [0] * 4, [0, 0, 24, 0]]


def test_a_property_may_be_left_out_of_the_kinds() -> None:
    assignment, properties = things(50, 3, seed=2)
    names = name_prototypes(assignment, properties, VALUES, 3, matched=("shape",))
    assert names.bipartite.keys() == {"shape"}
    assert sorted(names.bipartite["shape"].tolist()) == [0, 1, 2]
    scores = evaluate_properties(assignment, properties, names)
    assert math.isnan(scores["colour"].bipartite)
    assert scores["shape"].bipartite <= scores["shape"].accuracy


def test_a_prototype_that_has_no_name_is_wrong() -> None:
    names = name_prototypes(torch.tensor([0]), {"shape": torch.tensor([1])}, {"shape": 2}, prototypes=3)
    scores = evaluate_properties(torch.tensor([0, 2]), {"shape": torch.tensor([1, 1])}, names)["shape"]
    assert scores.accuracy == 0.5
    assert scores.confusion.tolist() == [[0, 0, 0], [0, 1, 1]]
    empty = torch.zeros(0, dtype=torch.int64)
    assert evaluate_properties(empty, {"shape": empty}, names)["shape"].accuracy == 0.0


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=30)
def test_nearest_values_are_scikit_learns(count: int, labelled: int, channels: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(count, channels, generator=generator, dtype=torch.float64)
    known = torch.randn(labelled, channels, generator=generator, dtype=torch.float64)
    values = numbers(labelled, high=4, seed=seed)
    theirs = KNeighborsClassifier(1).fit(known.numpy(), values.numpy()).predict(points.numpy())
    np.testing.assert_array_equal(nearest_values(points, known, values), theirs)


def test_nearest_values_of_twins_and_in_any_precision(dtype: torch.dtype, device: str) -> None:
    known = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=dtype, device=device)
    found = nearest_values(known + 0.1, known, torch.tensor([5, 6, 7]))
    assert found.tolist() == [5, 6, 6]


# --- wrong input ------------------------------------------------------------------------------------------------

MAPS, PLACES = numbers(2, 3, 3), numbers(2, 3, 3, high=3)
SHAPES = {"shape": torch.tensor([0, 1])}
TWO = torch.tensor([0, 1])
NAMES = name_prototypes(TWO, SHAPES, {"shape": 2}, 2)


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: segment_rand_index(MAPS.float(), PLACES), TypeError, "segments: torch.float32 was given"),
        (lambda: segment_rand_index([1], PLACES), TypeError, "segments: list was given"),
        (lambda: segment_rand_index(MAPS[0], PLACES), ValueError, r"segments: shape \(3, 3\) .* \(S, H, W\)"),
        (lambda: segment_rand_index(MAPS[:1], PLACES), ValueError, r"segments: shape \(1, 3, 3\) .* as truth"),
        (lambda: segment_rand_index(MAPS, PLACES - 1), ValueError, "truth: -1 was given; .* of at least 0"),
        (lambda: find_objects(MAPS, PLACES, 0, 2), ValueError, "keypoints: 0 was given"),
        (lambda: find_objects(MAPS, PLACES, 2, 1), ValueError, "truth: values to 2 were given; .* from 0 to 1"),
        (lambda: find_objects(MAPS, PLACES, 2, 2, 0), ValueError, "least_pixels: 0 was given"),
        (lambda: count_accuracy(MAPS[0], MAPS[0].bool()), TypeError, "found: torch.int64 was given"),
        (lambda: count_accuracy(MAPS[0].bool(), MAPS[0, 0].bool()), ValueError, r"present: shape \(3,\) was given"),
        (lambda: count_accuracy(MAPS[0].bool(), MAPS[0, :2].bool()), ValueError, r"found: shape \(3, 3\) was given"),
        (lambda: values_of_keypoints(TWO[None], TWO[None, :1]), ValueError, "of_keypoint: values 0 to 1 were given"),
        (lambda: name_prototypes(TWO, SHAPES, {"size": 2}, 2), ValueError, r"properties: \['shape'\] were given"),
        (lambda: name_prototypes(TWO, {}, {}, 2), ValueError, r"properties: \[\] were given"),
        (lambda: name_prototypes(TWO, SHAPES, {"shape": 1}, 2), ValueError, "shape: values 0 to 1 were given"),
        (lambda: name_prototypes(TWO, SHAPES, {"shape": 2}, 1), ValueError, "assignment: values 0 to 1 were given"),
        (lambda: name_prototypes(TWO, SHAPES, {"shape": 2}, 2, ("size",)), ValueError, "matched: .* some of 'shape'"),
        (lambda: name_prototypes(TWO, SHAPES, {"shape": 2}, 2, ()), ValueError, "matched: "),
        (lambda: evaluate_properties(TWO + 1, SHAPES, NAMES), ValueError, "assignment: values 1 to 2 were given"),
        (lambda: evaluate_properties(TWO[:1], SHAPES, NAMES), ValueError, r"shape: shape \(2,\) was given"),
        (lambda: property_confusion(TWO, TWO - 2, 2), ValueError, "guess: values -2 to -1 were given"),
        (lambda: nearest_values(torch.ones(1, 2), torch.ones(1, 3), TWO[:1]), ValueError, "descriptors: shape"),
        (lambda: nearest_values(torch.ones(1, 2), torch.ones(1, 2), TWO), ValueError, r"values: shape \(2,\)"),
    ],
)
def test_a_refusal_names_the_argument_and_what_it_should_be(
    call: Callable, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=f"^{complaint}"):
        call()
