"""Clusters, assignment and merging against scikit-learn, brute force and plain loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from tusklite.ops import (
    DetectorOverlap,
    assign_one_to_one,
    channel_targets,
    correspond,
    detector_overlap,
    distance_limits,
    gaussian_target,
    kmeans,
    merge_detectors,
    merge_labels,
    pixel_centres,
    warp_following,
)

seeds = st.integers(0, 999)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def flags(seed: int, *shape: int, share: float = 0.7) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share


# Clusters


@given(seeds, st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_from_given_centroids_it_is_scikit_learns_kmeans(seed, count) -> None:
    points = normal(seed, 60, 3) + 4 * normal(seed + 1, 6, 3).repeat(10, 1)
    initial = points[:count]  # samples, so that no cluster begins empty
    oracle = KMeans(count, init=initial.numpy(), n_init=1, max_iter=300, tol=0, algorithm="lloyd").fit(points.numpy())
    found = kmeans(points, count, initial, iterations=300)
    np.testing.assert_allclose(found, oracle.cluster_centers_, atol=1e-9)


def test_a_round_goes_on_from_the_last_ones_centroids() -> None:
    """Numbers of clusters keep their meaning, and what has converged stays."""
    points = normal(0, 200, 4) + 6 * torch.eye(4).double().repeat(50, 1)
    first = kmeans(points, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(kmeans(points, 4, first), first)
    later = kmeans(points + 0.1, 4, first)
    assert torch.equal(torch.cdist(later, first).argmin(1), torch.arange(4))
    assert torch.equal(kmeans(points, 4, first, iterations=0), first)


def test_no_cluster_stays_empty() -> None:
    points = torch.cat([normal(0, 20, 2), torch.tensor([[50.0, 50.0]])])
    far = torch.tensor([[0.0, 0.0], [-900.0, 0.0], [-901.0, 0.0]]).double()
    found = kmeans(points, 3, far)
    assert torch.cdist(points, found).argmin(1).unique().tolist() == [0, 1, 2]
    for count in (1, 7, 20):
        many = kmeans(normal(3, 20, 2), count, generator=torch.Generator().manual_seed(0))
        assert many.shape == (count, 2)
        assert many.isfinite().all()


# Assignment


@given(seeds, st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_the_assignment_is_the_best_of_all(seed, places, clusters) -> None:
    descriptors, centroids = normal(seed, 2, places, 3), normal(seed + 1, clusters, 3)
    found = flags(seed, 2, places)
    label, distance = assign_one_to_one(descriptors, found, centroids)
    for image in range(2):
        rows = [q for q in range(places) if found[image, q]]
        cost = {
            (q, m): sum(
                (a - b) ** 2 for a, b in zip(descriptors[image, q].tolist(), centroids[m].tolist(), strict=True)
            )
            for q in rows
            for m in range(clusters)
        }
        few = min(len(rows), clusters)
        best = min(
            sum(cost[pair] for pair in zip(chosen, order, strict=True))
            for chosen in itertools.combinations(rows, few)
            for order in itertools.permutations(range(clusters), few)
        )
        given_to = {q: int(label[image, q]) for q in range(places) if label[image, q] >= 0}
        assert set(given_to) <= set(rows)
        assert len(given_to) == len(set(given_to.values())) == few
        assert sum(cost[pair] for pair in given_to.items()) == pytest.approx(best)
        for q in range(places):
            expected = cost[q, given_to[q]] if q in given_to else math.inf
            assert float(distance[image, q]) == pytest.approx(expected, abs=1e-9)


def test_what_an_empty_place_holds_does_not_matter() -> None:
    descriptors, found = normal(0, 3, 4, 2), flags(1, 3, 4)
    spoilt = torch.where(found[..., None], descriptors, torch.nan)
    for one, other in zip(
        assign_one_to_one(descriptors, found, normal(2, 5, 2)),
        assign_one_to_one(spoilt, found, normal(2, 5, 2)),
        strict=True,
    ):
        assert torch.equal(one, other)
    assert torch.equal(correspond(spoilt, found, normal(2, 5, 2)), correspond(descriptors, found, normal(2, 5, 2)))


@given(seeds, st.floats(0, 3))
@settings(max_examples=15, deadline=None)
def test_limits_are_mean_and_deviation_by_loops(seed, deviations) -> None:
    points, centroids = normal(seed, 40, 2), normal(seed + 1, 5, 2)
    squares = ((points[:, None] - centroids) ** 2).sum(2).numpy()
    members = [[row.min() for row in squares if row.argmin() == m] for m in range(5)]
    expected = [np.mean(d) + deviations * np.std(d) if d else 0.0 for d in members]
    np.testing.assert_allclose(distance_limits(points, centroids, deviations), expected, atol=1e-9)


def test_limits_come_from_all_descriptors() -> None:
    """Where the authors' code slices twice, everything after the first 10,000 is lost."""
    points = torch.cat([torch.zeros(10_000, 1), torch.full((10_000, 1), 3.0)])
    assert float(distance_limits(points, torch.ones(1, 1), 0)) == pytest.approx((1 + 4) / 2)


def test_a_point_far_from_its_centroid_is_dropped() -> None:
    descriptors, found = normal(0, 30, 6, 3), flags(1, 30, 6)
    centroids = kmeans(descriptors[found], 6, generator=torch.Generator().manual_seed(0))
    label, distance = assign_one_to_one(descriptors, found, centroids)
    limits = distance_limits(descriptors[found], centroids, 0.5)
    kept = correspond(descriptors, found, centroids, 0.5)
    for image, place in itertools.product(range(30), range(6)):
        near = label[image, place] >= 0 and distance[image, place] <= limits[label[image, place]]
        assert kept[image, place] == (label[image, place] if near else -1)
    assert 0 < (kept >= 0).sum() < (label >= 0).sum()
    free = correspond(descriptors, found, centroids, 100.0, one_to_one=False)
    nearest = torch.cdist(descriptors, centroids[None]).argmin(2)
    assert torch.equal(free, nearest.masked_fill(~found, -1))


# Targets


@given(seeds, st.integers(1, 5), st.floats(0.3, 4))
@settings(max_examples=15, deadline=None)
def test_a_target_is_the_largest_gaussian_by_loops(seed, points, sigma) -> None:
    xy, found = normal(seed, 2, points, 2).clamp(-1, 1), flags(seed, 2, points)
    target = gaussian_target(xy, found, 5, 7, sigma)
    for image, i, j in itertools.product(range(2), range(5), range(7)):
        values = [
            math.exp(-(((x + 1) * 3.5 - j - 0.5) ** 2 + ((y + 1) * 2.5 - i - 0.5) ** 2) / (2 * sigma**2))
            for (x, y), there in zip(xy[image].tolist(), found[image].tolist(), strict=True)
            if there
        ]
        assert float(target[image, 0, i, j]) == pytest.approx(max(values, default=0.0), abs=1e-9)


def test_each_landmark_has_its_map_and_others_are_empty() -> None:
    xy, label = normal(0, 3, 4, 2).clamp(-1, 1), torch.tensor([[2, -1, 0, 5], [-1, -1, -1, -1], [1, 0, 2, -1]])
    maps, assigned = channel_targets(xy, label, 6, 8, 8, 1.0)
    for image, channel in itertools.product(range(3), range(6)):
        place = [q for q in range(4) if label[image, q] == channel]
        assert bool(assigned[image, channel]) == bool(place)
        alone = torch.zeros(1, 4, dtype=torch.bool)
        alone[0, place] = True
        torch.testing.assert_close(maps[image, channel], gaussian_target(xy[image : image + 1], alone, 8, 8, 1.0)[0, 0])


def test_a_point_on_a_pixel_has_a_maximum_of_one_there() -> None:
    x = pixel_centres(8, torch.zeros(1))[3]
    target = gaussian_target(torch.tensor([[[float(x), float(x)]]]), torch.ones(1, 1, dtype=torch.bool), 8, 8, 1.0)
    assert target.argmax() == 3 * 8 + 3
    assert float(target.max()) == pytest.approx(1)


# Merging


@given(seeds, st.integers(1, 7), st.integers(1, 30), st.floats(0.2, 1.0), st.booleans())
@settings(max_examples=40, deadline=None)
def test_merging_again_changes_nothing(seed, detectors, images, share, drop) -> None:
    xy, fired = 0.2 * normal(seed, images, detectors, 2), flags(seed, images, detectors)
    size = torch.randint(1, 99, (detectors,), generator=torch.Generator().manual_seed(seed))
    overlap = detector_overlap(xy, fired, 0.2)
    group = merge_detectors(overlap, size, share, drop=drop)
    groups = int(group.max()) + 1
    assert group[group >= 0].unique().tolist() == list(range(groups))
    # The first member of a group, its largest, fires for all of it.
    largest = [max((m for m in range(detectors) if group[m] == g), key=lambda m: (size[m], -m)) for g in range(groups)]
    rest = DetectorOverlap(overlap.together[largest][:, largest], overlap.alone[largest])
    merged_size = torch.stack([size[group == g].sum() for g in range(groups)]) if groups else size[:0]
    assert merge_detectors(rest, merged_size, share, drop=drop).tolist() == list(range(groups))


def test_overlap_is_counted_by_loops() -> None:
    xy, fired = 0.1 * normal(0, 20, 4, 2), flags(1, 20, 4)
    together, alone = detector_overlap(torch.where(fired[..., None], xy, torch.nan), fired, 0.1)
    for a, b in itertools.product(range(4), range(4)):
        count = sum(
            bool(fired[n, a] and fired[n, b]) and math.dist(xy[n, a].tolist(), xy[n, b].tolist()) <= 0.1
            for n in range(20)
        )
        assert together[a, b] == count
    assert torch.equal(alone, fired.sum(0))


def test_detectors_that_are_not_lit_wait_or_go() -> None:
    together = torch.tensor([[10, 9, 0, 2], [9, 10, 0, 2], [0, 0, 0, 0], [2, 2, 0, 2]])
    overlap, size = DetectorOverlap(together, together.diagonal()), torch.tensor([10, 20, 30, 40])
    assert merge_detectors(overlap, size).tolist() == [1, 1, 0, 1]
    ready = torch.tensor([True, True, True, False])
    assert merge_detectors(overlap, size, ready=ready).tolist() == [0, 0, 1, 2]
    assert merge_detectors(overlap, size, ready=ready, drop=True).tolist() == [0, 0, -1, -1]


def test_the_share_is_of_whichever_fires_less() -> None:
    together = torch.tensor([[100, 7], [7, 10]])
    overlap, size = DetectorOverlap(together, together.diagonal()), torch.tensor([100, 10])
    assert merge_detectors(overlap, size, 0.7).tolist() == [0, 0]
    assert merge_detectors(overlap, size, 0.71).tolist() == [0, 1]


@given(seeds, st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_a_point_keeps_its_landmark_and_no_landmark_is_lost(seed, clusters, places) -> None:
    generator = torch.Generator().manual_seed(seed)
    label = torch.stack([torch.randperm(clusters + places, generator=generator)[:places] for _ in range(5)])
    label = torch.where(label < clusters, label, -1)  # each cluster at most once an image
    group = torch.randint(-1, 3, (clusters,), generator=generator)
    size = torch.randint(1, 9, (clusters,), generator=generator)
    merged = merge_labels(label, group, size)
    for image in range(5):
        had = {int(group[m]) for m in label[image].tolist() if m >= 0} - {-1}
        kept = [(int(label[image, q]), int(merged[image, q])) for q in range(places) if merged[image, q] >= 0]
        assert all(group[m] == g for m, g in kept)
        assert sorted(g for _, g in kept) == sorted(had)
        for cluster, g in kept:
            rivals = [int(m) for m in label[image].tolist() if m >= 0 and group[m] == g]
            assert size[cluster] == max(size[m] for m in rivals)
    assert torch.equal(merge_labels(merged, torch.arange(3), torch.ones(3)), merged)


def test_only_what_moves_with_the_object_follows() -> None:
    xy, yes = 0.5 * normal(0, 50, 1, 2).clamp(-1, 1), torch.ones(50, 2, dtype=torch.bool)
    static = torch.zeros(50, 1, 2).double()
    shift = torch.tensor([0.3, 0.1]).double()
    before, after = torch.cat([xy, static], 1), torch.cat([xy + shift, static], 1)
    assert warp_following(after, yes, before + shift, yes, 0.05).tolist() == [1.0, 0.0]
    fired = flags(3, 50, 2)
    assert warp_following(after, fired, before + shift, yes, 0.05)[0] == fired[:, 0].double().mean()
    assert warp_following(after, yes, before + shift, ~yes, 0.05).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("error", "says", "act"),
    [
        (ValueError, "count: 5 was given", lambda: kmeans(torch.zeros(4, 2), 5)),
        (ValueError, r"initial: shape \(3, 2\)", lambda: kmeans(torch.zeros(4, 2), 2, torch.zeros(3, 2))),
        (
            ValueError,
            r"found: shape \(1, 3\)",
            lambda: assign_one_to_one(torch.zeros(1, 2, 2), torch.ones(1, 3) > 0, torch.zeros(1, 2)),
        ),
        (ValueError, "deviations: -1 was given", lambda: distance_limits(torch.zeros(2, 1), torch.zeros(1, 1), -1)),
        (ValueError, "share: 0 was given", lambda: merge_detectors(DetectorOverlap(*[torch.zeros(1, 1)] * 2), 0, 0)),
        (
            ValueError,
            "label: values -1 to 3 were given; allowed are integers from -1 to 2",
            lambda: channel_targets(torch.zeros(1, 2, 2), torch.tensor([[3, -1]]), 3, 4, 4, 1.0),
        ),
        (
            TypeError,
            "label: torch.float32 was given",
            lambda: channel_targets(torch.zeros(1, 1, 2), torch.zeros(1, 1), 3, 4, 4, 1.0),
        ),
    ],
)
def test_wrong_arguments_are_refused(error, says, act) -> None:
    with pytest.raises(error, match=says):
        act()
