"""Finding M groups of descriptors without labels: over-cluster, walk between neighbours, merge what the walk mixes.

Beyond the paper. Two clusters of descriptors that are one digit written in two ways are joined by a chain of near
neighbours; two digits are not. A random walk on the neighbour graph feels these chains where the distance between
cluster means does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from tusklite.arguments import require_indices, require_integer, require_tensor
from tusklite.ops.prototypes import spherical_kmeans
from tusklite.precision import widen


@dataclass(frozen=True)
class Partition:
    """A choice among candidate partitions.

    Attributes:
        labels: `(N,)` group of each descriptor, 0 to M - 1.
        name: which candidate won, such as "30 clusters, 16 steps".
        scores: every candidate's walk information in nats.
    """

    labels: Tensor
    name: str
    scores: dict[str, float]


def neighbour_graph(descriptors: Tensor, neighbours: int = 10) -> sparse.csr_matrix:
    """Join each descriptor with its nearest ones by cosine.

    Args:
        descriptors: `(N, C)` of unit length.
        neighbours: how many, from 1 to N - 1.

    Returns:
        `(N, N)` symmetric adjacency: 1 where either is among the other's nearest, 0 elsewhere.

    Raises:
        TypeError, ValueError: wrong shape, or too many neighbours.

    Example:
        >>> line = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0]]), dim=1)
        >>> neighbour_graph(line, neighbours=1).toarray().astype(int).tolist()
        [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    """
    require_tensor("descriptors", descriptors, ("N", "C"))
    n = len(descriptors)
    neighbours = require_integer("neighbours", neighbours, low=1, high=n - 1)
    (descriptors,) = widen(descriptors)
    columns = []
    for rows in torch.arange(n, device=descriptors.device).split(1024):
        similarity = descriptors[rows] @ descriptors.T
        similarity[torch.arange(len(rows)), rows] = -2.0  # a descriptor is not its own neighbour
        columns.append(similarity.topk(neighbours, dim=1).indices.cpu().numpy())
    column = np.concatenate(columns).ravel()
    row = np.arange(n).repeat(neighbours)
    directed = sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(n, n))
    return directed.maximum(directed.T)


def walk_joint(graph: sparse.csr_matrix, labels: np.ndarray, steps: int) -> np.ndarray:
    """Chance that a random walker is seen in group a now and in group b after some steps.

    Args:
        graph: `(N, N)` symmetric adjacency without lonely nodes.
        labels: `(N,)` group of each node, 0 to M - 1.
        steps: how many steps the walker takes.

    Returns:
        `(M, M)` symmetric, summing to 1.

    Example:
        >>> square = sparse.csr_matrix(np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], float))
        >>> walk_joint(square, np.array([0, 0, 1, 1]), steps=3).tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """
    degree = np.asarray(graph.sum(axis=1)).ravel()
    transition = sparse.diags(1 / degree) @ graph
    membership = np.eye(labels.max() + 1)[labels]
    later = membership
    for _ in range(steps):
        later = transition @ later
    joint = membership.T @ ((degree / degree.sum())[:, None] * later)
    return (joint + joint.T) / 2


def _entropy_terms(p: np.ndarray) -> np.ndarray:
    """p log p, 0 where p is 0."""
    return p * np.log(np.maximum(p, 1e-300))


def joint_information(joint: np.ndarray) -> float:
    """Mutual information in nats of a symmetric joint distribution `(M, M)`.

    Example:
        >>> round(joint_information(np.eye(4) / 4), 4)
        1.3863
    """
    return float(_entropy_terms(joint).sum() - 2 * _entropy_terms(joint.sum(axis=1)).sum())


# Losses that are updated merger by merger drift by rounding: what lies this near the least is computed anew.
ROUNDING = 1e-10
# Numbers that are held at once where losses are computed anew: 8 MB.
NUMBERS_AT_ONCE = 2**20


def _merging_losses(joint: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Mutual information in nats that merging clusters `rows[p]` and `columns[p]` costs: `(P,)`, in O(M) a pair."""
    terms, marginal, diagonal = _entropy_terms(joint), joint.sum(axis=1), joint.diagonal()
    row_terms, marginal_terms, diagonal_terms = terms.sum(axis=1), _entropy_terms(marginal), terms.diagonal()
    losses = np.empty(len(rows))
    at_once = max(1, NUMBERS_AT_ONCE // len(joint))
    for start in range(0, len(rows), at_once):
        part = slice(start, start + at_once)
        a, b = rows[part], columns[part]
        # Rows and columns other than the pair's own: both change alike, hence the factor 2.
        together = _entropy_terms(joint[a] + joint[b]).sum(axis=1)
        own = _entropy_terms(joint[a, b] + diagonal[a]) + _entropy_terms(joint[a, b] + diagonal[b])
        outside_before = row_terms[a] + row_terms[b]
        inside_before = diagonal_terms[a] + diagonal_terms[b] + 2 * terms[a, b]
        block = _entropy_terms(diagonal[a] + diagonal[b] + 2 * joint[a, b])
        after = 2 * (together - own) + block
        before = 2 * (outside_before - inside_before) + inside_before
        change = _entropy_terms(marginal[a] + marginal[b]) - marginal_terms[a] - marginal_terms[b]
        losses[part] = before - after + 2 * change
    return losses


def merge_by_information(joint: np.ndarray, groups: int) -> np.ndarray:
    """Merge clusters pair by pair, each time the pair that costs the least mutual information.

    The agglomerative information bottleneck (Slonim and Tishby 1999), on a joint whose rows and columns are the same
    clusters. A merger takes O(M^2): what other pairs cost changes by their share in the two columns that become one.

    Args:
        joint: `(M, M)` symmetric, as from `walk_joint`.
        groups: how many to leave, from 1 to M.

    Returns:
        `(M,)` the group, 0 to groups - 1, that each cluster ends in. Of pairs that cost the same the first is merged.

    Raises:
        ValueError: more groups than clusters.

    Example:
        >>> merge_by_information(np.array([[0.2, 0.1, 0.0], [0.1, 0.2, 0.0], [0.0, 0.0, 0.4]]), groups=2).tolist()
        [0, 0, 1]
    """
    groups = require_integer("groups", groups, low=1, high=len(joint))
    joint = joint.copy()
    group_of = np.arange(len(joint))
    losses = np.full(joint.shape, np.inf)  # of a pair (a, b) with a < b; inf elsewhere
    upper = np.triu_indices(len(joint), 1)
    losses[upper] = _merging_losses(joint, *upper)
    while len(joint) > groups:
        rows, columns = np.nonzero(losses <= losses.min() + ROUNDING)
        best = _merging_losses(joint, rows, columns).argmin() if len(rows) > 1 else 0
        a, b = rows[best], columns[best]

        # What two others lose is told by their rows: each has one number now where it had two. Where a row has neither,
        # nothing changes.
        merged = joint[:, a] + joint[:, b]
        touched = np.flatnonzero(merged)
        change = np.zeros((len(touched), len(touched)))
        for column, sign in ((merged, 1), (joint[:, a], -1), (joint[:, b], -1)):
            part = column[touched]
            alone = _entropy_terms(part)
            change += sign * (alone[:, None] + alone[None, :] - _entropy_terms(part[:, None] + part[None, :]))
        losses[np.ix_(touched, touched)] += 2 * change

        joint[a] += joint[b]
        joint[:, a] += joint[:, b]
        joint, losses = (np.delete(np.delete(each, b, axis=0), b, axis=1) for each in (joint, losses))
        group_of = np.where(group_of == b, a, group_of - (group_of > b))
        others = np.delete(np.arange(len(joint)), a)
        first, second = np.minimum(a, others), np.maximum(a, others)
        losses[first, second] = _merging_losses(joint, first, second)
    return group_of


def _spectral_rows(graph: sparse.csr_matrix, groups: int, generator: torch.Generator) -> Tensor:
    """Leading eigenvectors of the walk, one row of length 1 a node: `(N, groups)` (Ng, Jordan and Weiss 2002)."""
    degree = np.asarray(graph.sum(axis=1)).ravel()
    scale = sparse.diags(degree**-0.5)
    start = torch.rand(graph.shape[0], generator=generator).double().numpy()  # eigsh would draw its own
    _, vectors = sparse.linalg.eigsh(scale @ graph @ scale, k=groups, which="LA", v0=start)
    return torch.nn.functional.normalize(torch.from_numpy(vectors), dim=1)


def _nearest_mean(rows: Tensor, groups: int, generator: torch.Generator) -> np.ndarray:
    """One run of spherical k-means: the cluster of each row."""
    return (rows @ spherical_kmeans(rows, groups, generator).T).argmax(dim=1).cpu().numpy()


FEW_GROUPS = 20  # up to here 30, 50 and 80 clusters are an over-clustering by half or more


def over_cluster_sizes(groups: int) -> tuple[int, ...]:
    """How many clusters are merged into so many groups: 30, 50 and 80, or 1.5, 2 and 3 times the groups above 20.

    Args:
        groups: M, at least 1.

    Raises:
        TypeError, ValueError: no such number.

    Example:
        >>> over_cluster_sizes(10), over_cluster_sizes(114)
        ((30, 50, 80), (171, 228, 342))
    """
    groups = require_integer("groups", groups, low=1)
    return (30, 50, 80) if groups <= FEW_GROUPS else (3 * groups // 2, 2 * groups, 3 * groups)


def choose_partition(
    descriptors: Tensor,
    groups: int,
    generator: torch.Generator,
    given: dict[str, Tensor] | None = None,
    over_clusters: tuple[int, ...] | None = None,
    walks: tuple[int, ...] = (1, 4, 16),
    judged_after: int = 4,
    neighbours: int = 10,
    restarts: int = 20,
    spectral: bool | None = None,
) -> Partition:
    """Find the partition of descriptors that a random walk between neighbours leaves least often. No label is used.

    The candidates are over-clusterings merged by information after several lengths of walk, spectral clustering,
    k-means, and what is given. The winner has the largest mutual information between the group that a walker starts in
    and the group that it is in later.

    Args:
        descriptors: `(N, C)` of unit length.
        groups: M, how many groups are wanted.
        generator: a CPU generator.
        given: further partitions `(N,)` by name; one of more than M groups is merged, one of M is judged as it is.
        over_clusters: sizes of the over-clusterings, by k-means on descriptors and on eigenvectors; those that are not
            above M or not below N are left out. None: those of `over_cluster_sizes`.
        walks: lengths of the walks by which clusters are merged.
        judged_after: length of the walk by which candidates are compared. After a long one, it costs next to nothing to
            split a group by slant and to merge two that look alike; after a short one it does.
        neighbours: of each node in the graph.
        restarts: how many runs of k-means, on descriptors and on eigenvectors each; single runs end in poor minima.
        spectral: whether eigenvectors are clustered too. None: unless there are over-clusterings to merge into more
            than 20 groups, where so many eigenvectors of a graph of thousands take minutes.

    Returns:
        A `Partition`.

    Raises:
        TypeError, ValueError: wrong shapes, or no fewer descriptors than groups or neighbours.

    Example:
        >>> angle = torch.linspace(0, 0.2, 60) + torch.arange(3).repeat_interleave(20) * 2.0
        >>> points = torch.stack([angle.cos(), angle.sin()], dim=1)
        >>> labels = choose_partition(points, 3, torch.Generator().manual_seed(0), neighbours=5).labels
        >>> labels.view(3, 20).unique(dim=1).shape
        torch.Size([3, 1])
    """
    require_tensor("descriptors", descriptors, ("N", "C"))
    groups = require_integer("groups", groups, low=1, high=len(descriptors) - 1)
    judged_after = require_integer("judged_after", judged_after, low=1)
    restarts = require_integer("restarts", restarts, low=0)
    for name, each in (given or {}).items():
        if each.shape != descriptors.shape[:1]:
            shape, allowed = tuple(each.shape), (len(descriptors),)
            raise ValueError(f"given: {name!r} of shape {shape} was given; allowed is {allowed}")
    (descriptors,) = widen(descriptors)
    graph = neighbour_graph(descriptors, neighbours)
    candidates: dict[str, np.ndarray] = {}

    fine = {name: each.cpu().numpy() for name, each in (given or {}).items()}
    sizes = over_cluster_sizes(groups) if over_clusters is None else over_clusters
    counts = [count for count in sizes if groups < count < len(descriptors)]
    if spectral is None:
        spectral = groups <= FEW_GROUPS or not counts
    rows = _spectral_rows(graph, min(counts), generator) if counts and spectral else None
    for count in counts:
        fine[f"{count} clusters"] = _nearest_mean(descriptors, count, generator)
        if rows is not None:
            fine[f"{count} spectral clusters"] = _nearest_mean(rows, count, generator)
    for name, found in fine.items():
        labels = np.unique(found, return_inverse=True)[1]  # without empty clusters
        if labels.max() + 1 <= groups:
            candidates[name] = labels
            continue
        for steps in walks:
            merged = merge_by_information(walk_joint(graph, labels, steps), groups)
            candidates[f"{name}, {steps} steps"] = merged[labels]
    rows = _spectral_rows(graph, groups, generator) if spectral else None
    for run in range(restarts):
        candidates[f"k-means {run}"] = _nearest_mean(descriptors, groups, generator)
        if rows is not None:
            candidates[f"spectral {run}"] = _nearest_mean(rows, groups, generator)

    scores = {name: joint_information(walk_joint(graph, each, judged_after)) for name, each in candidates.items()}
    best = max(scores, key=lambda name: scores[name])
    return Partition(torch.from_numpy(candidates[best]).to(descriptors.device), best, scores)


def group_means(descriptors: Tensor, labels: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Mean direction and share of each group of descriptors.

    Args:
        descriptors: `(N, C)` of unit length.
        labels: `(N,)` group of each, 0 to groups - 1.
        groups: M.

    Returns:
        means `(M, C)` of unit length (0 for an empty group), and shares `(M,)` that sum to 1.

    Raises:
        TypeError, ValueError: no finite floating-point descriptors of this shape, groups below 1, or other labels.
        IndexError: a label that is out of range.

    Example:
        >>> means, shares = group_means(torch.eye(2)[[0, 0, 1]], torch.tensor([0, 0, 1]), 2)
        >>> means.tolist(), shares.tolist()
        ([[1.0, 0.0], [0.0, 1.0]], [0.6666666865348816, 0.3333333432674408])
    """
    require_tensor("descriptors", descriptors, ("N", "C"))
    groups = require_integer("groups", groups, low=1)
    if len(require_indices("labels", labels, groups)) != len(descriptors):
        raise ValueError(f"labels: {len(labels)} were given; allowed is one for each of {len(descriptors)} descriptors")
    (wide,) = widen(descriptors)
    sums = torch.zeros(groups, wide.shape[1], dtype=wide.dtype, device=wide.device)
    sums.index_add_(0, labels, wide)
    shares = torch.bincount(labels, minlength=groups).to(wide) / len(labels)
    return torch.nn.functional.normalize(sums, dim=1).to(descriptors.dtype), shares.to(descriptors.dtype)
