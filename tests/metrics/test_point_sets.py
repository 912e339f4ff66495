"""Points without names, clusters beside chance and position, and starting points, against brute force."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from tusklite.metrics import (
    adjusted_mutual_information,
    match_points,
    recall_of_truth,
    repeatability,
    score_clusters,
    score_points,
    shuffled_score,
)

seeds = st.integers(0, 999)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def flags(seed: int, *shape: int, share: float = 0.8) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share


@given(seeds, st.integers(1, 4), st.integers(1, 4), st.floats(0.05, 2))
@settings(max_examples=40, deadline=None)
def test_matching_is_the_best_of_all(seed, points, truths, tolerance) -> None:
    xy, truth = drawn(seed, 2, points, 2), drawn(seed + 1, 2, truths, 2)
    found, seen = flags(seed, 2, points), flags(seed + 1, 2, truths)
    matched = match_points(xy, truth, tolerance, found, seen)
    for scene in range(2):
        rows = [k for k in range(points) if found[scene, k]]
        columns = [t for t in range(truths) if seen[scene, t]]
        best = (0, 0.0)
        for count in range(1, min(len(rows), len(columns)) + 1):
            for some in itertools.combinations(rows, count):
                for order in itertools.permutations(columns, count):
                    apart = [
                        math.dist(xy[scene, k].tolist(), truth[scene, t].tolist())
                        for k, t in zip(some, order, strict=True)
                    ]
                    if max(apart) <= tolerance:
                        best = max(best, (count, -sum(apart)))
        pairs = {k: int(matched[scene, k]) for k in range(points) if matched[scene, k] >= 0}
        assert len(set(pairs.values())) == len(pairs)
        assert set(pairs) <= set(rows)
        assert set(pairs.values()) <= set(columns)
        apart = [math.dist(xy[scene, k].tolist(), truth[scene, t].tolist()) for k, t in pairs.items()]
        assert (len(pairs), -sum(apart)) == pytest.approx(best)


def test_scores_count_over_all_images_together() -> None:
    truth = torch.tensor([[[0.0, 0.0], [0.5, 0.0]], [[0.0, 0.5], [9.0, 9.0]]])
    xy = torch.tensor([[[0.0, 0.01], [0.01, 0.0]], [[0.0, 0.5], [torch.nan, 0.0]]])
    found, seen = torch.tensor([[True, True], [True, False]]), torch.tensor([[True, True], [True, False]])
    precision, recall, f = score_points(xy, truth, 0.1, found, seen)
    assert (precision, recall, f) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert score_points(xy, truth, 0.1, found & False, seen) == (0, 0, 0)


def test_the_control_knows_the_layout_and_not_the_image() -> None:
    same = drawn(0, 1, 5, 2).repeat(30, 1, 1)
    assert shuffled_score(same, same, 0.05).f == 1.0  # all images alike: the layout is enough
    each = drawn(1, 30, 5, 2)
    assert score_points(each, each, 0.05).f == 1.0
    assert shuffled_score(each, each, 0.05).f < 0.1


@given(seeds, st.integers(2, 60), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_information_is_scikit_learns(seed, points, clusters, truths) -> None:
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, clusters, (points,), generator=generator)
    truth = torch.randint(0, truths, (points,), generator=generator)
    scores = score_clusters(label, truth, drawn(seed, points, 2), min(clusters, points))
    assert adjusted_mutual_information(label, truth) == pytest.approx(adjusted_mutual_info_score(label, truth))
    assert scores.nmi == pytest.approx(normalized_mutual_info_score(label, truth))
    assert scores.ami == pytest.approx(adjusted_mutual_info_score(label, truth))


def test_chance_is_told_and_adjusted() -> None:
    """The recipe's figure: random labels of 300 points in 100 clusters look like 0.4."""
    generator = torch.Generator().manual_seed(0)
    label, truth = torch.randint(0, 100, (300,), generator=generator), torch.arange(300) % 15
    scores = score_clusters(label, truth, drawn(0, 300, 2), 15)
    assert 0.35 < scores.nmi < 0.5
    assert scores.nmi_chance == pytest.approx(scores.nmi, abs=0.05)
    assert abs(scores.ami) < 0.05
    assert score_clusters(truth, truth, drawn(0, 300, 2), 15).nmi_chance < 0.3


def test_position_alone_tells_aligned_points_apart() -> None:
    truth = torch.arange(200) % 5
    layout = drawn(3, 5, 2)
    aligned = layout[truth] + 0.01 * drawn(4, 200, 2)
    scores = score_clusters(torch.zeros(200, dtype=torch.int64), truth, aligned, 5)
    assert scores.nmi == 0
    assert scores.nmi_position > 0.85
    anywhere = score_clusters(truth, truth, drawn(5, 200, 2), 5)
    assert anywhere.nmi == pytest.approx(1)
    assert anywhere.ami_position < 0.1


@given(seeds, st.integers(2, 4), st.integers(1, 5), st.integers(1, 5), st.floats(0.05, 1))
@settings(max_examples=30, deadline=None)
def test_shares_are_counted_by_loops(seed, images, points, others, tolerance) -> None:
    wanted, again = drawn(seed, images, points, 2), drawn(seed + 1, images, others, 2)
    shown, found = flags(seed, images, points), flags(seed + 1, images, others)

    def counted(shift: int) -> float:
        hits = [
            any(
                found[s - shift, k] and math.dist(wanted[s, p].tolist(), again[s - shift, k].tolist()) <= tolerance
                for k in range(others)
            )
            for s, p in itertools.product(range(images), range(points))
            if shown[s, p]
        ]
        return sum(hits) / max(len(hits), 1)

    expected = pytest.approx((counted(0), counted(1)))
    assert tuple(repeatability(wanted, again, tolerance, shown, found)) == expected
    assert tuple(recall_of_truth(wanted, again, tolerance, shown, found)) == expected


@pytest.mark.parametrize(
    ("error", "says", "act"),
    [
        (ValueError, "tolerance: 0 was given", lambda: match_points(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), 0)),
        (ValueError, "truth_xy: 2 scenes", lambda: match_points(torch.zeros(1, 1, 2), torch.zeros(2, 1, 2), 1)),
        (ValueError, "xy: 1 images", lambda: shuffled_score(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), 1)),
        (ValueError, "again: 1 images", lambda: repeatability(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), 1)),
        (TypeError, "found: torch.float32", lambda: match_points(*[torch.zeros(1, 1, 2)] * 2, 1, torch.ones(1, 1))),
        (
            ValueError,
            "clusters: 3 was given",
            lambda: score_clusters(*[torch.zeros(2, dtype=torch.int64)] * 2, torch.zeros(2, 2), 3),
        ),
    ],
)
def test_wrong_arguments_are_refused(error, says, act) -> None:
    with pytest.raises(error, match=says):
        act()
