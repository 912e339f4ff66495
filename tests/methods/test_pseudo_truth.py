"""Pseudo truth over rounds against sets of points kept by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.methods.mallis import PointSets, joined_points, next_pseudo_truth, seen_again, snapped

seeds = st.integers(0, 999)
Points = list[list[tuple[float, float]]]


def drawn(seed: int, images: int, places: int) -> PointSets:
    generator = torch.Generator().manual_seed(seed)
    xy = 2 * torch.rand(images, places, 2, generator=generator) - 1
    found = torch.rand(images, places, generator=generator) < 0.7
    return PointSets(torch.where(found[..., None], xy, 0), found)


def listed(points: PointSets) -> Points:
    return [
        [tuple(point) for point, there in zip(xy.tolist(), found.tolist(), strict=True) if there]
        for xy, found in zip(points.xy, points.found, strict=True)
    ]


def sets(points: Points) -> PointSets:
    places = max(1, *(len(each) for each in points))
    xy, found = torch.zeros(len(points), places, 2), torch.zeros(len(points), places, dtype=torch.bool)
    for image, each in enumerate(points):
        for place, point in enumerate(each):
            xy[image, place], found[image, place] = torch.tensor(point), True
    return PointSets(xy, found)


def plain_join(first: Points, second: Points, radius: float) -> Points:
    return [
        [*one, *(p for p in other if all(math.dist(p, q) > radius for q in one))]
        for one, other in zip(first, second, strict=True)
    ]


@given(seeds, st.integers(1, 5), st.integers(1, 6), st.floats(0, 1.5))
@settings(max_examples=40, deadline=None)
def test_older_points_win(seed, images, places, radius) -> None:
    first, second = drawn(seed, images, places), drawn(seed + 1, images, 4)
    joined = joined_points(first, second, radius)
    assert listed(joined) == plain_join(listed(first), listed(second), radius)
    assert not joined.xy[~joined.found].any()
    few = joined_points(first, second, radius, most=3)
    assert listed(few) == [each[:3] for each in listed(joined)]
    again = joined_points(joined, second, radius)
    assert listed(again) == listed(joined)


@given(seeds, st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_a_detection_takes_the_place_of_the_nearest_start(seed, radius) -> None:
    points, start = drawn(seed, 3, 5), drawn(seed + 1, 3, 4)
    expected = []
    for each, corners in zip(listed(points), listed(start), strict=True):
        nearest = [min(corners, key=lambda c, p=p: math.dist(p, c), default=None) for p in each]
        expected.append(
            [c if c is not None and math.dist(p, c) <= radius else p for p, c in zip(each, nearest, strict=True)]
        )
    assert listed(snapped(points, start, radius)) == expected


A, B, C, D = (0.0, 0.0), (0.5, 0.5), (-0.5, 0.5), (0.75, -0.75)


def run_rounds(rule: str, rounds: list[tuple[Points, Points]]) -> Points:
    """Rounds of (detections, what the filter drops); the truth of the round after them."""
    kept: list[PointSets] = []
    points: Points = []
    for detections, dropped in rounds:
        points = listed(next_pseudo_truth(rule, sets(detections), kept, radius=0.1))
        left = [[p for p in each if p not in gone] for each, gone in zip(points, dropped, strict=True)]
        kept.append(sets(left))
        if rule == "paper":  # of what is left, what this round itself had detected
            kept[-1] = seen_again(kept[-1], sets(detections), radius=0.1)
    return points


def test_the_papers_rule_remembers_one_round() -> None:
    assert run_rounds("paper", [([[A]], [[]]), ([[B]], [[]])]) == [[A, B]]
    assert run_rounds("paper", [([[A]], [[]]), ([[B]], [[]]), ([[C]], [[]])]) == [[B, C]]
    assert run_rounds("paper", [([[A, B]], [[A]]), ([[C]], [[]])]) == [[B, C]]
    assert run_rounds("paper", [([[A]], [[]]), ([[(0.05, 0.0)]], [[]]), ([[B]], [[]])]) == [[A, B]]  # A seen again


def test_the_codes_rule_loses_what_is_dropped() -> None:
    assert run_rounds("code", [([[A]], [[]]), ([[B]], [[]]), ([[C]], [[]])]) == [[A, B, C]]
    assert run_rounds("code", [([[A, B]], [[A]]), ([[C]], [[]]), ([[D]], [[]])]) == [[B, C, D]]


def test_accumulating_forgets_nothing_that_was_kept() -> None:
    assert run_rounds("accumulate", [([[A, B]], [[]]), ([[C]], [[A]]), ([[D]], [[]])]) == [[A, B, C, D]]
    assert run_rounds("accumulate", [([[A, B]], [[A]]), ([[C]], [[]])]) == [[B, C]]  # A was never kept


def test_images_keep_their_points_apart() -> None:
    for rule in ("paper", "code", "accumulate"):
        assert run_rounds(rule, [([[A], [B]], [[], []]), ([[], [C]], [[], []])]) == [[A], [B, C]]


def test_snapping_leaves_one_point_at_a_place() -> None:
    start, near = sets([[A]]), sets([[(0.02, 0.0), (0.0, 0.03), B]])
    points = next_pseudo_truth("code", near, [], radius=0.05, start=start, snap=0.1)
    assert [[tuple(round(v, 6) for v in p) for p in each] for each in listed(points)] == [[A, B]]
    assert len(listed(next_pseudo_truth("code", near, [], radius=0.05))[0]) == 3
    assert len(listed(next_pseudo_truth("code", near, [], radius=0.05, most=2))[0]) == 2


def test_wrong_arguments_are_refused() -> None:
    points = sets([[A]])
    with pytest.raises(ValueError, match="rule: 'snap' was given; allowed are 'paper', 'code', 'accumulate'"):
        next_pseudo_truth("snap", points, [], 0.1)
    with pytest.raises(ValueError, match=r"start: None was given with snap 0\.1"):
        next_pseudo_truth("code", points, [], 0.1, snap=0.1)
    with pytest.raises(ValueError, match=r"second.found: shape \(2, 1\)"):
        joined_points(points, PointSets(points.xy, torch.ones(2, 1) > 0), 0.1)
