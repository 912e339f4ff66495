"""Each check of lesson 12 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from lesson_definitions import definitions
from scipy import sparse
from torch import Tensor
from torch.special import entr

from tusklite import ops
from tusklite.course import clusters_without_labels as lesson
from tusklite.losses import mutual_information_loss
from tusklite.methods.tusk.training_descriptors import position_information

SOLUTIONS = definitions("solutions/12_clusters_without_labels")
LESSON = definitions("12_clusters_without_labels")
information, nearest_elsewhere, walk_joint, information_lost, chance_level = (
    SOLUTIONS[name] for name in ("information", "nearest_elsewhere", "walk_joint", "information_lost", "chance_level")
)


def of_joint(take, joint=lambda first, second: first.T @ second / len(first), symmetric: bool = True):
    """Something of the joint (M, M) of two assignments."""

    def answer(first: Tensor, second: Tensor) -> Tensor:
        table = joint(first, second)
        return take((table + table.T) / 2 if symmetric else table)

    return answer


def two_and_one(table: Tensor) -> Tensor:
    return 2 * entr(table.sum(dim=1)).sum() - entr(table).sum()


def by_logarithms(table: Tensor) -> Tensor:
    marginal = table.sum(dim=1)
    return (table * (table / marginal[:, None] / marginal).log()).sum()


def by_masks(change):
    """The neighbour by cosines (N, N), changed where a scene is the same, and what is made of them."""

    def answer(descriptors: Tensor, scenes: Tensor) -> Tensor:
        return change(descriptors @ descriptors.T, scenes[:, None] == scenes, torch.eye(len(scenes)).bool(), scenes)

    return answer


def among_the_others(descriptors: Tensor, scenes: Tensor) -> Tensor:
    return torch.stack([(descriptors[scenes != s] @ d).argmax() for d, s in zip(descriptors, scenes, strict=True)])


def in_place(descriptors: Tensor, scenes: Tensor) -> Tensor:
    cosine = descriptors @ descriptors.T
    scenes += 1
    return cosine.masked_fill(scenes[:, None] == scenes, -2).argmax(dim=1)


def by_the_graph(descriptors: Tensor, scenes: Tensor) -> Tensor:
    ops.neighbour_graph(descriptors, 5)
    return nearest_elsewhere(descriptors, scenes)


def by_measuring(groups: int, cells: int, points: int) -> float:
    generator = torch.Generator().manual_seed(0)
    xy = 2 * torch.rand(points, 2, generator=generator) - 1
    return position_information(torch.randint(groups, (points,), generator=generator), xy, cells)


def walking(step=lambda graph: graph / graph.sum(dim=1, keepdim=True), start=None, count=lambda steps: steps):
    """The walk by powers of a matrix, from chances (N,) in proportion to `start(graph)`."""

    def answer(graph: Tensor, labels: Tensor, steps: int) -> Tensor:
        now = F.one_hot(labels).to(graph)
        begin = graph.sum(dim=1) if start is None else start(graph)
        begin = begin / begin.sum()
        return now.T @ (begin[:, None] * (torch.linalg.matrix_power(step(graph), count(steps)) @ now))

    return answer


def entering(graph: Tensor) -> Tensor:
    return graph / graph.sum(dim=0)


def rows_of_one(graph: Tensor, labels: Tensor, steps: int) -> Tensor:
    joint = walk_joint(graph, labels, steps)
    return joint / joint.sum(dim=1, keepdim=True)


def of_package(graph: Tensor, labels: Tensor, steps: int) -> Tensor:
    return torch.from_numpy(ops.walk_joint(sparse.csr_matrix(graph.numpy()), labels.numpy(), steps)).float()


def between(table: Tensor) -> float:
    return float(entr(table.sum(dim=0)).sum() + entr(table.sum(dim=1)).sum() - entr(table).sum())


def merging(rows: bool = True, columns: bool = True, delete_row: bool = True, delete_column: bool = True):
    """What is lost by a merger of which a part is missing."""

    def answer(joint: Tensor, a: int, b: int) -> float:
        merged, kept = joint.clone(), torch.arange(len(joint)) != b
        if rows:
            merged[a] += merged[b]
        if columns:
            merged[:, a] += merged[:, b]
        merged = merged[kept] if delete_row else merged
        return between(joint) - between(merged[:, kept] if delete_column else merged)

    return answer


def without_the_corner(joint: Tensor, a: int, b: int) -> float:
    merged, kept = joint.clone(), torch.arange(len(joint)) != b
    merged[a], merged[:, a] = joint[a] + joint[b], joint[:, a] + joint[:, b]
    return between(joint) - between(merged[kept][:, kept])


def by_the_package(joint: Tensor, a: int, b: int) -> float:
    ops.merge_by_information(joint.double().numpy(), len(joint) - 1)
    return information_lost(joint, a, b)


ANSWERS = {
    lesson.check_information: {
        "does not sum to 1: divide it": of_joint(two_and_one, lambda first, second: first.T @ second),
        "the joint sums to 2": of_joint(two_and_one, lambda first, second: 2 * first.T @ second / len(first)),
        "not made symmetric: which of the two": of_joint(
            lambda table: entr(table.sum(dim=0)).sum() + entr(table.sum(dim=1)).sum() - entr(table).sum(),
            symmetric=False,
        ),
        "and you took one marginal for both": of_joint(two_and_one, symmetric=False),
        "the sign is turned round": of_joint(lambda table: -two_and_one(table)),
        "not to base 2": of_joint(lambda table: two_and_one(table) / math.log(2)),
        "not to base 10": of_joint(lambda table: two_and_one(table) / math.log(10)),
        "counts twice, once for each": of_joint(lambda table: entr(table.sum(dim=1)).sum() - entr(table).sum()),
        "mixed up: this is what one assignment leaves open": of_joint(
            lambda table: entr(table).sum() - entr(table.sum(dim=1)).sum()
        ),
        "mixed up: that of the marginal counts twice": of_joint(
            lambda table: 2 * entr(table).sum() - entr(table.sum(dim=1)).sum()
        ),
        "the marginal's part alone": of_joint(lambda table: 2 * entr(table.sum(dim=1)).sum()),
        "how evenly the clusters are used$": of_joint(lambda table: entr(table.sum(dim=1)).sum()),
        "the entropy of the joint alone": of_joint(lambda table: entr(table).sum()),
        "minus the entropy of the joint alone": of_joint(lambda table: -entr(table).sum()),
        "the second assignment does not occur": lambda first, second: (
            entr(first.mean(dim=0)).sum() - entr(first).sum(dim=1).mean()
        ),
        "hard assignments, each row 0, 0, 1, 0: NaN or infinite": of_joint(by_logarithms),
        "a number for each thing": lambda first, second: (first * second).sum(dim=1),
        "no gradient reaches the first": lambda first, second: information(first.detach(), second),
        "no gradient reaches the second": lambda first, second: information(first, second.detach()),
        "detach nothing": lambda *both: (information(*both) + information(*both).detach()) / 2,
        "you called `mutual_information_loss`": lambda *both: -mutual_information_loss(*both),
        "a tensor is asked for, yours gives float": lambda *both: float(information(*both)),
    },
    lesson.check_nearest_elsewhere: {
        "each is its own neighbour": by_masks(lambda cosine, *_: cosine.argmax(dim=1)),
        "only the descriptor itself is left out": by_masks(
            lambda cosine, same, own, _: cosine.masked_fill(own, -2).argmax(dim=1)
        ),
        "the farthest in another scene": by_masks(lambda cosine, same, *_: cosine.masked_fill(same, 2).argmin(dim=1)),
        "6 scenes: this is the farthest": by_masks(lambda cosine, *_: cosine.argmin(dim=1)),
        "the nearest in the same scene": by_masks(
            lambda cosine, same, own, _: cosine.masked_fill(~same | own, -2).argmax(dim=1)
        ),
        "the place among those of other scenes": among_the_others,
        "the second nearest in another scene": by_masks(
            lambda cosine, same, *_: cosine.masked_fill(same, -2).topk(2, dim=1).indices[:, 1]
        ),
        "which scene the neighbour is in": by_masks(
            lambda cosine, same, own, scenes: scenes[cosine.masked_fill(same, -2).argmax(dim=1)]
        ),
        "are wrong. Descriptor 1": by_masks(
            lambda cosine, same, *_: cosine.masked_fill(same, -2).argmax(dim=1).index_fill(0, torch.arange(1, 9), 0)
        ),
        "you changed the input": in_place,
        "you called `neighbour_graph`": by_the_graph,
        "yours are of type torch.float32": lambda d, s: nearest_elsewhere(d, s).float(),
        "yours from 20 to 43": lambda d, s: nearest_elsewhere(d, s) + 20,
        r"should have shape \(24,\)": lambda d, s: nearest_elsewhere(d, s)[:, None],
    },
    lesson.check_walk_joint: {
        "starts at every node alike": walking(start=lambda graph: torch.ones(len(graph))),
        "divided by the degree of the node that is entered": walking(step=entering),
        "a single step, whatever": walking(count=lambda steps: min(steps, 1)),
        "1 step: nobody has moved": walking(count=lambda steps: 0),
        "0 steps: these are counts of nodes": lambda graph, labels, steps: torch.bincount(labels).float().diag(),
        "the rows of a step do not sum to 1": walking(step=lambda graph: graph),
        "1 step: this is a step too many": walking(count=lambda steps: 2 * steps),
        "3 steps: this is a step too few": walking(count=lambda steps: steps - (steps > 1)),
        "all chances together are 1, yours are": lambda graph, *rest: walk_joint(graph, *rest) * graph.sum(),
        "1 step: each row sums to 1": lambda graph, labels, steps: (
            rows_of_one(graph, labels, steps) if steps else walk_joint(graph, labels, steps)
        ),
        "before the first step a walker is in group a": lambda graph, labels, steps: (
            torch.eye(int(labels.max()) + 1) / (int(labels.max()) + 1)
        ),
        "you called `walk_joint`": of_package,
        r"should have shape \(3, 3\)": lambda graph, labels, steps: graph,
    },
    lesson.check_information_lost: {
        "the sign is turned round": lambda *inputs: -information_lost(*inputs),
        "what is left after the merger": lambda joint, a, b: between(joint) - information_lost(joint, a, b),
        "this is the information before": lambda joint, a, b: between(joint),
        "merged the rows and left the columns": merging(columns=False, delete_column=False),
        "you deleted one of them": merging(rows=False, columns=False),
        "the corner is missing": without_the_corner,
        "b is still there beside": merging(delete_row=False, delete_column=False),
        "the share that is lost": lambda joint, a, b: information_lost(joint, a, b) / between(joint),
        "the share that is left": lambda joint, a, b: 1 - information_lost(joint, a, b) / between(joint),
        "not to base 2": lambda *inputs: information_lost(*inputs) / math.log(2),
        "how often a walker goes": lambda joint, a, b: joint[a, b],
        "you called `merge_by_information`": by_the_package,
        "yours is 0, and it should not be": lambda *inputs: 0.0,
        "a number is asked for": lambda joint, a, b: joint,
    },
    lesson.check_chance_level: {
        "the 2 is missing": lambda *sizes: 2 * chance_level(*sizes),
        "you halved it twice": lambda *sizes: chance_level(*sizes) / 2,
        "you did not divide by the number of points": lambda groups, cells, points: (groups - 1) * (cells**2 - 1) / 2,
        "degrees of freedom; divide": lambda groups, cells, points: (groups - 1) * (cells**2 - 1),
        "are free, not M and cells²": lambda groups, cells, points: groups * cells**2 / (2 * points),
        "both margins are given": lambda groups, cells, points: (groups * cells**2 - 1) / (2 * points),
        "one row and one column": lambda groups, cells, points: (groups - 1) * cells**2 / (2 * points),
        "the grid has cells² places, not": lambda groups, cells, points: (groups - 1) * (cells - 1) / (2 * points),
        r"not \(cells - 1\)²": lambda groups, cells, points: (groups - 1) * (cells - 1) ** 2 / (2 * points),
        "whatever `cells` says": lambda groups, cells, points: (groups - 1) * 15 / (2 * points),
        "these are bits": lambda *sizes: chance_level(*sizes) / math.log(2),
        "the most that there can be": lambda groups, cells, points: math.log(groups),
        "chance alone always gives something": lambda *sizes: 0.0,
        "you called `position_information`": by_measuring,
        "it should be": lambda *sizes: 0.123,
    },
}
EXERCISES = {
    lesson.check_information: "information",
    lesson.check_nearest_elsewhere: "nearest_elsewhere",
    lesson.check_walk_joint: "walk_joint",
    lesson.check_information_lost: "information_lost",
    lesson.check_chance_level: "chance_level",
}


def test_the_chance_level_is_what_shuffling_gives():
    generator = np.random.default_rng(0)
    place, group = generator.integers(16, size=3000), generator.integers(10, size=3000)
    tables = []
    for _ in range(200):
        table = np.zeros((10, 16))
        np.add.at(table, (generator.permutation(group), place), 1 / 3000)
        tables.append(torch.from_numpy(table))
    mean = np.mean([between(table) for table in tables])
    assert math.isclose(mean, chance_level(10, 4, 3000), rel_tol=0.05)
