"""Partitions against scikit-learn, dense matrices, and a merge that tries every pair."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import adjusted_rand_score, mutual_info_score
from sklearn.neighbors import kneighbors_graph

from tusklite.ops.partitions import (
    choose_partition,
    group_means,
    joint_information,
    merge_by_information,
    neighbour_graph,
    over_cluster_sizes,
    walk_joint,
)
from tusklite.ops.prototypes import spherical_kmeans


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=seeded(seed)), dim=-1)


def random_joint(size: int, seed: int) -> np.ndarray:
    table = np.random.Generator(np.random.PCG64(seed)).gamma(0.5, size=(size, size))
    return (table + table.T) / (2 * table.sum())


def information(table: object) -> float:
    """Mutual information in nats of a joint distribution without zeros."""
    table = np.array(table)
    return float((table * np.log(table / np.outer(table.sum(1), table.sum(0)))).sum())


def two_chains(members: int = 160) -> tuple[torch.Tensor, torch.Tensor]:
    """Two circles of latitude one above the other: near each other everywhere, and each a chain of neighbours."""
    angle = torch.arange(members) * (2 * math.pi / members)
    heights = torch.tensor([-0.25, 0.25]).repeat_interleave(members)
    circles = torch.stack([angle.cos(), angle.sin()], dim=1).repeat(2, 1)
    points = torch.cat([circles * (1 - heights**2).sqrt()[:, None], heights[:, None]], dim=1)
    order = torch.randperm(len(points), generator=seeded(9))
    return points[order], (heights > 0).long()[order]


# The graph and its walks


@pytest.mark.parametrize(("n", "channels", "neighbours"), [(3, 2, 1), (40, 5, 7), (1100, 4, 20), (6, 3, 5)])
def test_graph_is_scikit_learns(n: int, channels: int, neighbours: int) -> None:
    descriptors = unit(n, channels).double()
    theirs = kneighbors_graph(descriptors.numpy(), neighbours, metric="cosine").toarray()
    ours = neighbour_graph(descriptors, neighbours).toarray()
    np.testing.assert_array_equal(ours, np.maximum(theirs, theirs.T))


@given(n=st.integers(4, 15), groups=st.integers(1, 4), steps=st.integers(0, 9), seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_walk_is_a_power_of_the_dense_matrix(n: int, groups: int, steps: int, seed: int) -> None:
    graph = neighbour_graph(unit(n, 3, seed=seed), 2)
    labels = np.arange(n) % groups
    joint = walk_joint(graph, labels, steps)
    adjacency = graph.toarray()
    degree = adjacency.sum(1)
    chance = (degree / degree.sum())[:, None] * np.linalg.matrix_power(adjacency / degree[:, None], steps)
    expected = [[chance[np.ix_(labels == a, labels == b)].sum() for b in range(groups)] for a in range(groups)]
    np.testing.assert_allclose(joint, expected, atol=1e-12)
    np.testing.assert_allclose(joint, joint.T)
    np.testing.assert_allclose(joint.sum(), 1)


def test_walk_by_hand() -> None:
    line = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], float))
    # The walker stands in the middle half of the time, and always leaves where it is.
    np.testing.assert_allclose(walk_joint(line, np.array([0, 1, 0]), 1), [[0, 0.5], [0.5, 0]])
    np.testing.assert_allclose(walk_joint(line, np.array([0, 1, 0]), 2), [[0.5, 0], [0, 0.5]])


# Information and merging


@given(size=st.integers(2, 8), seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_information_is_scikit_learns(size: int, seed: int) -> None:
    counts = np.random.Generator(np.random.PCG64(seed)).integers(0, 9, (size, size))
    counts[0, 0] = 1
    counts = counts + counts.T
    expected = mutual_info_score(None, None, contingency=counts)
    np.testing.assert_allclose(joint_information(counts / counts.sum()), expected, atol=1e-9)
    np.testing.assert_allclose(joint_information(np.array([[1.0]])), 0)


def plain_merge(joint: np.ndarray, groups: int) -> list[set[int]]:
    """Try every pair, keep the merge that leaves the most information, and again."""

    def left(parts: list[set[int]]) -> float:
        return information([[joint[np.ix_(list(a), list(b))].sum() for b in parts] for a in parts])

    parts = [{cluster} for cluster in range(len(joint))]
    while len(parts) > groups:
        choices = []
        for a, b in itertools.combinations(range(len(parts)), 2):
            rest = [part for i, part in enumerate(parts) if i not in (a, b)]
            choices.append([*rest, parts[a] | parts[b]])
        parts = max(choices, key=left)
    return parts


@given(size=st.integers(1, 7), seed=st.integers(0, 1000), data=st.data())
@settings(max_examples=40)
def test_merging_is_the_greedy_one_over_all_pairs(size: int, seed: int, data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, size))
    joint = random_joint(size, seed)
    group_of = merge_by_information(joint, groups)
    assert sorted(set(group_of.tolist())) == list(range(groups))
    found = {frozenset(np.flatnonzero(group_of == group).tolist()) for group in range(groups)}
    assert found == set(map(frozenset, plain_merge(joint, groups)))


def entropy_terms(p: np.ndarray) -> np.ndarray:
    return p * np.log(np.maximum(p, 1e-300))


def merge_with_every_loss_anew(joint: np.ndarray, groups: int) -> np.ndarray:
    """Before each merger, what every pair costs by a sum over all clusters: O(M^3), and nothing is carried over."""
    joint, group_of = joint.copy(), np.arange(len(joint))
    while len(joint) > groups:
        marginal, terms, diagonal = joint.sum(axis=1), entropy_terms(joint), joint.diagonal()
        row_terms = terms.sum(axis=1)
        together = entropy_terms(joint[:, None, :] + joint[None, :, :]).sum(axis=2)
        own = entropy_terms(joint + diagonal[:, None]) + entropy_terms(joint + diagonal[None, :])
        inside = terms.diagonal()[:, None] + terms.diagonal()[None, :] + 2 * terms
        block = entropy_terms(diagonal[:, None] + diagonal[None, :] + 2 * joint)
        before = 2 * (row_terms[:, None] + row_terms[None, :] - inside) + inside
        change = entropy_terms(marginal[:, None] + marginal[None, :])
        change = change - entropy_terms(marginal)[:, None] - entropy_terms(marginal)[None, :]
        loss = before - (2 * (together - own) + block) + 2 * change
        loss[np.tril_indices(len(joint))] = np.inf
        a, b = np.unravel_index(loss.argmin(), loss.shape)
        joint[a] += joint[b]
        joint[:, a] += joint[:, b]
        joint = np.delete(np.delete(joint, b, axis=0), b, axis=1)
        group_of = np.where(group_of == b, a, group_of - (group_of > b))
    return group_of


JOINTS = {
    "any": lambda rng, size: rng.gamma(0.5, size=(size, size)),
    "few numbers": lambda rng, size: rng.integers(0, 3, (size, size)).astype(float) + np.eye(size),
    "apart": lambda rng, size: np.eye(size),  # every pair costs the same
    "even": lambda rng, size: np.ones((size, size)),  # no pair costs anything
    "sparse": lambda rng, size: rng.gamma(0.1, size=(size, size)) * (rng.random((size, size)) < 0.1) + np.eye(size),
    "with empty clusters": lambda rng, size: np.pad(rng.gamma(0.5, size=(1, 1)), (0, size - 1)),
}


@pytest.mark.parametrize("kind", JOINTS)
@given(size=st.integers(1, 30), seed=st.integers(0, 1000), data=st.data())
@settings(max_examples=25)
def test_losses_that_are_carried_over_merge_as_losses_anew_do(kind: str, size: int, seed: int, data) -> None:
    groups = data.draw(st.integers(1, size))
    table = JOINTS[kind](np.random.Generator(np.random.PCG64(seed)), size)
    joint = (table + table.T) / (2 * table.sum())
    np.testing.assert_array_equal(merge_by_information(joint, groups), merge_with_every_loss_anew(joint, groups))


@pytest.mark.parametrize("steps", [1, 4, 16])
def test_many_clusters_of_a_walk_merge_as_losses_anew_do(steps: int) -> None:
    points = unit(400, 6)
    labels = (points @ spherical_kmeans(points, 70, seeded()).T).argmax(dim=1)
    labels = np.unique(labels.numpy(), return_inverse=True)[1]
    joint = walk_joint(neighbour_graph(points, 8), labels, steps)
    np.testing.assert_array_equal(merge_by_information(joint, 20), merge_with_every_loss_anew(joint, 20))


def test_merging_leaves_its_input_alone_and_joins_clusters_that_mix() -> None:
    blocks = np.kron(np.diag([0.5, 0.3, 0.2]), np.full((3, 3), 1 / 9))
    shuffle = np.random.Generator(np.random.PCG64(0)).permutation(9)
    joint = blocks[np.ix_(shuffle, shuffle)]
    before = joint.copy()
    group_of = merge_by_information(joint, 3)
    np.testing.assert_array_equal(joint, before)
    assert adjusted_rand_score(group_of, shuffle // 3) == 1


# The choice


def test_chains_are_found_that_kmeans_cuts_across() -> None:
    points, chain = two_chains()
    by_means = (points @ spherical_kmeans(points, 2, seeded()).T).argmax(dim=1)
    assert adjusted_rand_score(chain, by_means) < 0.1
    partition = choose_partition(points, 2, seeded(), neighbours=4)
    assert adjusted_rand_score(chain, partition.labels) == 1
    assert partition.name == max(partition.scores, key=partition.scores.get)
    by_means = [score for name, score in partition.scores.items() if name.startswith("k-means")]
    assert max(by_means) < partition.scores[partition.name]
    # Without a way from one chain to the other, a walk tells for ever which of the two it began on.
    np.testing.assert_allclose(partition.scores[partition.name], math.log(2), rtol=1e-9)


def test_scores_are_the_information_of_a_dense_walk() -> None:
    points, _ = two_chains(30)
    part = torch.arange(60) // 40
    given_partitions = {"part": part, "fifths": torch.arange(60) % 5}
    partition = choose_partition(
        points,
        2,
        seeded(),
        given_partitions,
        over_clusters=(2, 6, 60),
        walks=(3,),
        judged_after=5,
        neighbours=4,
        restarts=1,
    )
    # 2 is no over-clustering of 2 groups, 60 descriptors have none of 60; two given groups are judged as they are.
    merged = {f"{name}, 3 steps" for name in ("6 clusters", "6 spectral clusters", "fifths")}
    assert set(partition.scores) == {"part", "k-means 0", "spectral 0"} | merged
    adjacency = neighbour_graph(points, 4).toarray()
    degree = adjacency.sum(1)
    chance = (degree / degree.sum())[:, None] * np.linalg.matrix_power(adjacency / degree[:, None], 5)
    table = [[chance[np.ix_(part == a, part == b)].sum() for b in (0, 1)] for a in (0, 1)]
    np.testing.assert_allclose(partition.scores["part"], information(table), atol=1e-9)


@pytest.mark.parametrize(("groups", "few"), [(20, True), (21, False)])
def test_many_groups_are_merged_from_multiples_of_their_number_and_without_eigenvectors(groups: int, few: bool) -> None:
    sizes = over_cluster_sizes(groups)
    assert sizes == ((30, 50, 80) if few else (31, 42, 63))
    points = unit(110, 5)
    searched = {"walks": (2,), "neighbours": 8, "restarts": 1}
    names = set(choose_partition(points, groups, seeded(), **searched).scores)
    spectral = {"spectral 0", *(f"{size} spectral clusters, 2 steps" for size in sizes)}
    assert names == {"k-means 0", *(f"{size} clusters, 2 steps" for size in sizes)} | (spectral if few else set())
    asked_otherwise = set(choose_partition(points, groups, seeded(), **searched, spectral=not few).scores)
    assert asked_otherwise == names ^ spectral
    # Where nothing is merged, eigenvectors are all there is beside k-means.
    alone = set(choose_partition(points, groups, seeded(), **searched, over_clusters=()).scores)
    assert alone == {"k-means 0", "spectral 0"}


def test_over_clusters_are_more_than_the_groups() -> None:
    for groups in range(1, 200):
        sizes = over_cluster_sizes(groups)
        assert groups < sizes[0] < sizes[1] < sizes[2]


def test_the_choice_depends_on_the_generator_alone() -> None:
    points = unit(90, 4)
    first, second = (choose_partition(points, 3, seeded(5), neighbours=8) for _ in range(2))
    assert torch.equal(first.labels, second.labels)
    assert first.scores == second.scores
    assert first.labels.min() >= 0
    assert first.labels.max() <= 2


def test_empty_clusters_of_a_given_partition_do_not_count() -> None:
    points, chain = two_chains(30)
    partition = choose_partition(points, 2, seeded(), {"sparse": 10 + 40 * chain}, over_clusters=(), neighbours=4)
    assert partition.name == "sparse"
    assert torch.equal(partition.labels, chain)


def test_group_means_are_those_of_numpy() -> None:
    descriptors, labels = unit(20, 4), torch.tensor([0, 1, 3, 3] * 5)
    means, shares = group_means(descriptors, labels, 5)
    for group in (0, 1, 3):
        mean = descriptors[labels == group].numpy().mean(0)
        np.testing.assert_allclose(means[group], mean / np.linalg.norm(mean), atol=1e-6)
    assert not means[[2, 4]].any()
    torch.testing.assert_close(shares, torch.tensor([0.25, 0.25, 0.0, 0.5, 0.0]))


# Wrong input

POINTS = unit(10, 3)


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: neighbour_graph(POINTS, 10), ValueError, "neighbours: 10 was given; .* from 1 to 9"),
        (lambda: neighbour_graph(POINTS, 0), ValueError, "neighbours: 0 was given"),
        (lambda: neighbour_graph(POINTS / 0, 2), ValueError, "descriptors: NaN"),
        (lambda: neighbour_graph(POINTS[0], 2), ValueError, r"descriptors: shape \(3,\)"),
        (lambda: merge_by_information(np.eye(3) / 3, 4), ValueError, "groups: 4 was given; .* from 1 to 3"),
        (lambda: merge_by_information(np.eye(3) / 3, 0), ValueError, "groups: 0 was given"),
        (lambda: over_cluster_sizes(0), ValueError, "groups: 0 was given"),
        (lambda: choose_partition(POINTS, 11, seeded()), ValueError, "groups: 11 was given; .* from 1 to 9"),
        (lambda: choose_partition(POINTS, 10, seeded()), ValueError, "groups: 10 was given; .* from 1 to 9"),
        (
            lambda: choose_partition(POINTS, 2, seeded()),
            ValueError,
            "neighbours: 10 was given; .* from 1 to 9",
        ),
        (lambda: choose_partition(POINTS.long(), 2, seeded()), TypeError, "descriptors: dtype torch.int64"),
        (
            lambda: choose_partition(POINTS, 2, seeded(), {"short": torch.zeros(9).long()}, neighbours=3),
            ValueError,
            r"given: 'short' of shape \(9,\) was given; allowed is \(10,\)",
        ),
    ],
)
def test_wrong_input_is_refused(call: object, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        call()


@pytest.mark.parametrize(
    ("labels", "error", "complaint"),
    [
        (
            torch.zeros(9, dtype=torch.int64),
            ValueError,
            "labels: 9 were given; allowed is one for each of 10 descriptors",
        ),
        (torch.zeros(10), TypeError, "labels: dtype float32 was given"),
        (torch.arange(10), IndexError, "labels: 3 was given; allowed are 0 to 2"),
    ],
)
def test_labels_that_name_no_group_are_refused(labels: torch.Tensor, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=f"^{complaint}"):
        group_means(POINTS, labels, 3)
