"""What lesson 12 defines, as it is stored, against the package, scikit-learn and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mutual_info_score

from tusklite import ops
from tusklite.losses import mutual_information_loss

LESSON = definitions("12_clusters_without_labels", goes_on=True)
SEEDS = st.integers(0, 10_000)


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def descriptors(seed: int, count: int = 40, channels: int = 6) -> torch.Tensor:
    return F.normalize(torch.randn(count, channels, generator=drawn(seed)), dim=1)


def joint(seed: int, clusters: int) -> torch.Tensor:
    table = torch.rand(clusters, clusters, generator=drawn(seed), dtype=torch.float64) ** 2
    return (table + table.T) / (2 * table.sum())


@settings(max_examples=25)
@given(seed=SEEDS, n=st.integers(1, 30), m=st.integers(1, 7))
def test_information_is_the_package_s_and_on_hard_assignments_scikit_learn_s(seed, n, m):
    soft = [torch.randn(n, m, generator=drawn(seed + i), dtype=torch.float64).softmax(dim=1) for i in range(2)]
    ours = LESSON["information"](*soft)
    torch.testing.assert_close(ours, -mutual_information_loss(*soft), atol=1e-9, rtol=1e-6)
    hard = [each.argmax(dim=1) for each in soft]
    ours = LESSON["information"](*(torch.eye(m, dtype=torch.float64)[each] for each in hard))
    assert float(ours) == pytest.approx(mutual_info_score(torch.cat(hard), torch.cat(hard[::-1])), abs=1e-9)


@settings(max_examples=25)
@given(seed=SEEDS, scenes=st.integers(2, 9))
def test_the_nearest_elsewhere_is_found_by_brute_force(seed, scenes):
    points, scene = descriptors(seed, 18), torch.arange(18) % scenes
    found = LESSON["nearest_elsewhere"](points, scene).tolist()
    for i, other in enumerate(found):
        allowed = [j for j in range(18) if scene[j] != scene[i]]
        assert other == max(allowed, key=lambda j: float(points[i] @ points[j]))


@settings(max_examples=25)
@given(seed=SEEDS, steps=st.integers(0, 5), neighbours=st.integers(1, 8))
def test_graph_and_walk_are_the_package_s(seed, steps, neighbours):
    points = descriptors(seed)
    graph, theirs = LESSON["neighbour_graph"](points, neighbours), ops.neighbour_graph(points, neighbours)
    np.testing.assert_array_equal(graph.numpy(), theirs.toarray())
    labels = torch.cat([torch.arange(4), torch.randint(4, (36,), generator=drawn(seed))])
    ours = LESSON["walk_joint"](graph, labels, steps)
    wanted = torch.from_numpy(ops.walk_joint(sparse.csr_matrix(graph.numpy()), labels.numpy(), steps)).float()
    torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=1e-4)


@settings(max_examples=15)
@given(seed=SEEDS, clusters=st.integers(2, 9), groups=st.integers(1, 4))
def test_mergers_are_the_package_s(seed, clusters, groups):
    table, groups = joint(seed, clusters), min(groups, clusters)
    assert LESSON["merge"](table, groups).tolist() == ops.merge_by_information(table.numpy(), groups).tolist()


@settings(max_examples=25)
@given(seed=SEEDS, pair=st.sampled_from([(0, 1), (1, 3), (4, 2)]))
def test_what_a_merger_costs_is_never_below_0_and_does_not_depend_on_the_order(seed, pair):
    table = joint(seed, 5)
    cost = LESSON["information_lost"](table, *pair)
    assert cost > -1e-12
    assert cost == pytest.approx(LESSON["information_lost"](table, *pair[::-1]), abs=1e-12)


def test_purity_and_right_on_a_case_counted_by_hand():
    labels, digits = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([3, 3, 5, 3, 3, 5])
    assert LESSON["counted"](labels, digits)[0].tolist() == [0, 0, 0, 2, 0, 1, 0, 0, 0, 0]
    assert LESSON["purity"](labels, digits) == pytest.approx(5 / 6)
    assert LESSON["right"](labels, digits) == pytest.approx(3 / 6)  # one cluster alone is the threes


def test_what_a_cubic_of_the_place_tells_is_gone_and_nothing_else():
    generator = drawn(1)
    xy = torch.rand(300, 2, generator=generator) * 2 - 1
    news = torch.randn(300, 4, generator=generator)
    terms = LESSON["cubic_terms"](xy)
    ours = LESSON["without_position"](news + 5 * terms[:, 1:5], xy)
    left = news - torch.from_numpy(LinearRegression(fit_intercept=False).fit(terms, news).predict(terms)).float()
    torch.testing.assert_close(ours, F.normalize(left, dim=1), atol=1e-3, rtol=1e-3)


def test_cells_count_from_the_upper_left_over_what_chance_would_give():
    xy = torch.tensor([[-0.9, -0.9], [0.9, -0.9], [-0.9, 0.9], [0.9, 0.9]])
    grid = LESSON["cells_of"](torch.tensor([0, 0, 1, 1]), xy, cells=2)
    assert grid[0].tolist() == [[2, 2], [0, 0]]  # in the upper half always, where chance would give half
    assert grid[1].tolist() == [[0, 0], [2, 2]]


def test_a_patch_is_the_picture_around_its_point():
    images = torch.rand(2, 1, 40, 40, generator=drawn(2))
    found = LESSON["patches"](images, torch.tensor([[0.0, 0.0], [0.5, -0.5]]), size=8)
    torch.testing.assert_close(found[0], images[0, :, 16:24, 16:24])
    torch.testing.assert_close(found[1], images[1, :, 6:14, 26:34])


def test_agreement_finds_groups_that_are_there_and_needs_all_of_them_used():
    groups = torch.arange(10).repeat(30)
    centres = 4 * torch.randn(10, 12, generator=drawn(3))
    first, second = (centres[groups] + 0.3 * torch.randn(300, 12, generator=drawn(seed)) for seed in (4, 5))
    reached, labels = LESSON["agree"](first, second, run=0)
    assert 1.5 < reached <= math.log(10) + 1e-4
    assert mutual_info_score(labels, groups) > 1.5
