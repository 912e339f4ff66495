"""What lesson 18 defines, as it is stored, against the package and independent rivals."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score

from tusklite.losses import contrastive_loss
from tusklite.methods.base import new_method
from tusklite.methods.mallis import (
    MallisConfig,
    MallisLandmarks,
    MallisOptions,
    MallisTraining,
    PointSets,
    across_pairs,
    joined_points,
    next_pseudo_truth,
    padded,
    snapped,
)
from tusklite.metrics import recall_of_truth, repeatability
from tusklite.ops.correspondence import assign_one_to_one, distance_limits, squared_distances

LESSON = definitions("18_self_training", goes_on=True)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_points(seed: int, images: int = 6, places: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    xy = 2 * torch.rand(images, places, 2, generator=seeded(seed)) - 1
    return xy, torch.rand(images, places, generator=seeded(seed + 1)) < 0.7


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), tolerance=st.floats(0.05, 1.0))
def test_shares_that_come_back_are_the_package_s(seed, tolerance):
    (xy, found), (again, again_found) = some_points(seed), some_points(seed + 7, places=8)
    for measure in (repeatability, recall_of_truth):
        theirs = measure(xy, again, tolerance, found, again_found)
        for shift, wanted in ((0, theirs.share), (1, theirs.control)):
            back = LESSON["come_back"](xy, found, again.roll(shift, 0), again_found.roll(shift, 0), tolerance)
            assert float(back.sum()) / max(int(found.sum()), 1) == pytest.approx(wanted)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), margin=st.floats(0.1, 4.0))
def test_the_loss_of_pairs_is_that_of_loops_and_of_the_package(seed, margin):
    first, second = torch.randn(2, 6, 3, generator=seeded(seed))
    label, other = torch.randint(-1, 4, (2, 6), generator=seeded(seed + 1))
    label[0], other[0] = 1, 1
    loops = LESSON["pair_loss_by_loops"](first, second, label, other, margin)
    ours = LESSON["pair_loss"](first, second, label, other, margin)
    pairs = across_pairs(torch.stack([label, other]))
    theirs = contrastive_loss(torch.cat([first, second]), torch.cat([label, other]), pairs, margin)
    assert float(ours) == pytest.approx(loops, rel=1e-4)
    assert float(theirs) == pytest.approx(loops, rel=1e-4)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), clusters=st.integers(3, 7))
def test_assignments_are_the_package_s_and_the_cheapest(seed, clusters):
    descriptors, centroids = torch.randn(4, 5, 3, generator=seeded(seed)), torch.randn(clusters, 3, generator=seeded(1))
    found = torch.rand(4, 5, generator=seeded(seed + 2)) < 0.8
    costs = squared_distances(descriptors, centroids)
    assert torch.equal(LESSON["one_to_one"](costs, found), assign_one_to_one(descriptors, found, centroids).label)


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_brute_force_is_the_hungarian_algorithm(seed):
    costs = torch.rand(4, 6, generator=seeded(seed), dtype=torch.float64)
    assert LESSON["by_brute_force"](costs).tolist() == linear_sum_assignment(costs.numpy())[1].tolist()


def test_first_come_first_served_gives_each_cluster_once():
    label = LESSON["first_come"](torch.rand(10, 5, 7, generator=seeded()))
    assert all(len(set(each)) == 5 for each in label.tolist())
    assert LESSON["first_come"](torch.tensor([[[0.1, 0.2], [0.0, 0.9]]])).tolist() == [[0, 1]]


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), deviations=st.floats(0.0, 3.0))
def test_limits_are_the_package_s(seed, deviations):
    descriptors, centroids = torch.randn(50, 4, generator=seeded(seed)), torch.randn(6, 4, generator=seeded(1))
    centroids[2] = 100.0  # which nobody is near
    distance, nearest = squared_distances(descriptors, centroids).min(dim=1)
    ours = LESSON["limits"](distance, nearest, 6, deviations)
    torch.testing.assert_close(ours, distance_limits(descriptors, centroids, deviations), rtol=1e-3, atol=1e-4)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), radius=st.floats(0.05, 1.0))
def test_newcomers_are_what_the_package_adds(seed, radius):
    (old, old_found), (new, new_found) = some_points(seed), some_points(seed + 7, places=8)
    added = LESSON["newcomers"](old, old_found, new, new_found, radius).sum(dim=1)
    joined = joined_points(PointSets(old, old_found), PointSets(new, new_found), radius)
    assert torch.equal(old_found.sum(dim=1) + added, joined.found.sum(dim=1))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), clusters=st.integers(1, 6), classes=st.integers(2, 6))
def test_what_is_shared_is_scikit_learn_s(seed, clusters, classes):
    label = torch.randint(clusters, (40,), generator=seeded(seed))
    truth = torch.randint(classes, (40,), generator=seeded(seed + 1))
    wanted = normalized_mutual_info_score(label.numpy(), truth.numpy())
    assert float(LESSON["shared_information"](label, truth)) == pytest.approx(wanted, abs=1e-5)


class Pictures:
    """A training set of noise, for a round by hand."""

    def __len__(self) -> int:
        return 5

    def scenes(self, indices):
        class Some:
            image = torch.rand(5, 3, 32, 32, generator=seeded(3))[torch.as_tensor(indices)]

        return Some


class Splits:
    """All that the lesson's round looks at of its splits."""

    train = Pictures()


def test_points_of_the_next_round_are_the_package_s():
    config = MallisConfig(
        clusters=4, width=8, stem=4, kernel=3, reduction=2, depth=1, groups=4, descriptor_channels=5, threshold=0.0,
        points=20,
    )  # fmt: skip
    options = MallisOptions(rule="code", snap=1.5, radius=1.5)
    method = new_method(lambda: MallisTraining(MallisLandmarks(config), options, 10), 0).eval()
    xy, found = some_points(4, images=5)
    start, cell = PointSets(torch.where(found[..., None], 0.9 * xy, 0), found), 2 * 2 / 32
    LESSON.update(by_hand=method, splits=Splits, start=start, options=options, cell=cell, most=20)
    places, there, described = LESSON["look_at"](torch.arange(5))
    with torch.no_grad():
        maps = method.model(Pictures().scenes(range(5)).image)
    seen = method.model.read_points(maps.heatmap)
    own = snapped(PointSets(seen.xy, seen.found), start, 1.5 * cell)
    wanted = padded(next_pseudo_truth("code", own, [start], 1.5 * cell, most=20), 20)
    assert int(there.sum()) > int(found.sum())
    assert torch.equal(there.sum(dim=1), wanted.found.sum(dim=1))
    torch.testing.assert_close(places[there], wanted.xy[wanted.found])
    torch.testing.assert_close(described, method.model.describe(maps.descriptors, places).detach())


def test_neighbours_are_sought_in_other_figures():
    LESSON["figure_of"], LESSON["joint"] = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    features = torch.tensor([[0.0], [0.1], [5.0], [6.0]])  # 0 and 1 both find 2; 2 and 3 both find 1
    assert LESSON["alike"](features) == 0.5
