"""Checks for lesson 12: information of two assignments, neighbours elsewhere, a walk, a merger, the level of chance."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, answer_tensor, verdict
from tusklite.losses import mutual_information_loss
from tusklite.methods.tusk.training_descriptors import position_information
from tusklite.ops import joint_information, merge_by_information, neighbour_graph, walk_joint

PACKAGE = "it is the package's answer; write it yourself"


def _information(first: Tensor, second: Tensor) -> Tensor:
    """Mutual information in nats of two soft assignments (N, M) of the same N things."""
    joint = first.T @ second / len(first)  # (M, M)
    joint = (joint + joint.T) / 2
    marginal = joint.sum(dim=1)
    return 2 * torch.special.entr(marginal).sum() - torch.special.entr(joint).sum()


@verdict("it is the information of the two assignments, and both of them feel it", worked=_information)
def check_information(information: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `information(first, second) -> scalar`, against the package's loss, and its gradient.

    Example:
        >>> check_information(lambda first, second: -_information(first, second))
        ✘ wrong: soft assignments to 4 clusters: the sign is turned round: information is at least 0
    """
    information = without(information, {mutual_information_loss: PACKAGE})
    generator = drawn(5)
    logits = 3 * torch.randn(9, 4, generator=generator)
    # Unlike in how often each cluster is used, so that a joint that is not made symmetric has two marginals.
    second = logits + torch.randn(9, 4, generator=generator) + torch.tensor([2.0, 0.0, 0.0, -1.0])
    soft = (logits.softmax(dim=1), second.softmax(dim=1))
    hard = tuple(F.one_hot(each.argmax(dim=1), 4).float() for each in soft)
    cases = (("soft assignments to 4 clusters", soft), ("hard assignments, each row 0, 0, 1, 0", hard))
    for where, inputs in cases:
        result = answer(information, *inputs)
        if isinstance(result, Tensor) and result.is_floating_point() and not torch.isfinite(result).all():
            raise WrongAnswer(
                f"{where}: NaN or infinite: where a joint probability is 0, p ln p is 0 and ln p is not finite. "
                "`torch.special.entr` knows"
            )
        if isinstance(result, Tensor) and result.shape == (9,):
            raise WrongAnswer(f"{where}: yours is a number for each thing; the joint is their mean, and one number")
        found = answer_tensor(lambda result=result: result, shape=())
        compare(found, -mutual_information_loss(*inputs), _information_mistakes(*inputs), where)
    leaves = [each.clone().requires_grad_() for each in soft]
    result = answer(information, *leaves)
    wanted = torch.autograd.grad(-mutual_information_loss(*leaves), leaves)
    grads = torch.autograd.grad(result, leaves, allow_unused=True) if result.requires_grad else (None, None)
    for name, slope, right in zip(("first", "second"), grads, wanted, strict=True):
        if slope is None or not slope.any():
            raise WrongAnswer(f"the value is right, but no gradient reaches the {name} assignment")
        # Rows sum to 1, so that a slope counts but for what is the same along a row.
        if not close(slope - slope.mean(dim=1, keepdim=True), right - right.mean(dim=1, keepdim=True), 1e-3):
            raise WrongAnswer(f"the value is right, but its gradient to the {name} assignment is not: detach nothing")


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum()


def _information_mistakes(first: Tensor, second: Tensor) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""
    lopsided = first.T @ second / len(first)
    joint = (lopsided + lopsided.T) / 2
    raw, marginal = first.T @ second, joint.sum(dim=1)
    right = 2 * _entropy(marginal) - _entropy(joint)
    own = torch.special.entr(torch.stack([first, second])).sum(dim=2).mean()
    both = raw + raw.T
    return [
        (2 * _entropy(raw.sum(dim=1)) - _entropy(raw), "the joint does not sum to 1: divide it by the number of "
         "things"),
        (2 * _entropy((raw + raw.T).sum(dim=1) / 2) - _entropy(both / 2), "the joint does not sum to 1: divide it by "
         "the number of things"),
        (2 * _entropy(both.sum(dim=1)) - _entropy(both), "the joint does not sum to 1: divide it by the number of "
         "things"),
        (2 * _entropy(2 * marginal) - _entropy(2 * joint), "the joint sums to 2: you added its transpose, and did not "
         "halve"),
        (_entropy(lopsided.sum(dim=1)) + _entropy(lopsided.sum(dim=0)) - _entropy(lopsided), "the joint is not made "
         "symmetric: which of the two came first should not matter"),
        (2 * _entropy(lopsided.sum(dim=1)) - _entropy(lopsided), "the joint is not made symmetric, and you took one "
         "marginal for both"),
        (2 * _entropy(lopsided.sum(dim=0)) - _entropy(lopsided), "the joint is not made symmetric, and you took one "
         "marginal for both"),
        (-right, "the sign is turned round: information is at least 0"),
        (right / math.log(2), "the logarithm is the natural one, not to base 2"),
        (right / math.log(10), "the logarithm is the natural one, not to base 10"),
        (_entropy(marginal) - _entropy(joint), "the entropy of the marginal counts twice, once for each assignment"),
        (_entropy(joint) - _entropy(marginal), "the two entropies are mixed up: this is what one assignment leaves "
         "open of the other"),
        (2 * _entropy(joint) - _entropy(marginal), "the two entropies are mixed up: that of the marginal counts twice, "
         "that of the joint is taken off"),
        (2 * _entropy(marginal), "this is the marginal's part alone; the entropy of the joint is taken off"),
        (_entropy(marginal), "this is the entropy of the marginal alone: how evenly the clusters are used"),
        (_entropy(joint), "this is the entropy of the joint alone"),
        (-_entropy(joint), "this is minus the entropy of the joint alone; how evenly the clusters are used is missing"),
        (_entropy(marginal) - own, "this is what one assignment tells of which thing it is; the joint of two is asked "
         "for"),
        (_entropy(first.mean(dim=0)) - torch.special.entr(first).sum(dim=1).mean(), "the second assignment does not "
         "occur in it"),
    ]  # fmt: skip


def _nearest_elsewhere(descriptors: Tensor, scenes: Tensor) -> Tensor:
    """For each descriptor (N, C) of unit length the index of the nearest one that is in another scene."""
    cosine = descriptors @ descriptors.T
    cosine[scenes[:, None] == scenes] = -2.0
    return cosine.argmax(dim=1)


@verdict("each has the neighbour that is nearest in another scene", worked=_nearest_elsewhere)
def check_nearest_elsewhere(nearest_elsewhere: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `nearest_elsewhere(descriptors, scenes) -> (N,)` integers, and that it goes through no loop.

    Example:
        >>> check_nearest_elsewhere(lambda descriptors, scenes: torch.arange(len(descriptors)))
        ✘ wrong: 24 descriptors of 6 scenes: each is its own neighbour: leave it out
    """
    nearest_elsewhere = without(nearest_elsewhere, {neighbour_graph: PACKAGE})
    for seed, scene_count in ((0, 6), (1, 4)):
        generator = drawn(seed)
        scenes = torch.arange(24) % scene_count
        scenes = scenes[torch.randperm(24, generator=generator)]
        # Those of one scene lie close to each other, so that the nearest of all is no answer.
        middle = torch.randn(scene_count, 6, generator=generator)[scenes]
        descriptors = F.normalize(middle + 0.8 * torch.randn(24, 6, generator=generator), dim=1)
        found = answer_tensor(nearest_elsewhere, descriptors, scenes, shape=(24,))
        where = f"24 descriptors of {scene_count} scenes"
        if found.is_floating_point() or found.dtype is torch.bool:
            raise WrongAnswer(
                f"{where}: integers are asked for, positions in the list; yours are of type {found.dtype}"
            )
        if found.min() < 0 or found.max() > 23:
            raise WrongAnswer(f"{where}: positions go from 0 to 23, yours from {found.min()} to {found.max()}")
        cosine = descriptors @ descriptors.T
        same, itself = scenes[:, None] == scenes, torch.eye(24, dtype=torch.bool)
        wanted = cosine.masked_fill(same, -2).argmax(dim=1)
        rest = torch.stack([cosine[i][~same[i]].argmax() for i in range(24)])
        for other, reason in (
            (torch.arange(24), "each is its own neighbour: leave it out"),
            (cosine.masked_fill(itself, -2).argmax(dim=1), "the neighbour may be in the same scene: only the "
             "descriptor itself is left out"),
            (cosine.masked_fill(same, 2).argmin(dim=1), "this is the farthest in another scene: the nearest has the "
             "largest cosine"),
            (cosine.masked_fill(~same | itself, -2).argmax(dim=1), "this is the nearest in the same scene; it should "
             "be in another one"),
            (cosine.masked_fill(~same, -2).argmax(dim=1), "this is the nearest in the same scene; it should be in "
             "another one"),
            (rest, "this is the place among those of other scenes; asked is the place in the whole list"),
            (cosine.masked_fill(same, -2).topk(2, dim=1).indices[:, 1], "this is the second nearest in another scene"),
            (scenes[wanted], "this is which scene the neighbour is in; asked is which descriptor it is"),
        ):  # fmt: skip
            if torch.equal(found, other) and not torch.equal(other, wanted):
                raise WrongAnswer(f"{where}: {reason}")
        if not torch.equal(found, wanted):
            wrong = int((found != wanted).sum())
            at = int((found != wanted).nonzero()[0])
            raise WrongAnswer(
                f"{where}: {wrong} are wrong. Descriptor {at}, in scene {scenes[at]}, has {wanted[at]} (cosine "
                f"{cosine[at, wanted[at]]:.3f}), yours has {found[at]} ({cosine[at, found[at]]:.3f}, scene "
                f"{scenes[found[at]]})"
            )


def _walk_joint(graph: Tensor, labels: Tensor, steps: int) -> Tensor:
    """Chance (M, M) that a walker on a graph (N, N) is in group a now and in group b after some steps."""
    degree = graph.sum(dim=1, keepdim=True)
    now = later = F.one_hot(labels).to(graph)  # (N, M)
    for _ in range(steps):
        later = graph @ later / degree
    return now.T @ (degree * later) / degree.sum()


@verdict("that is where a walker is now and later", worked=_walk_joint)
def check_walk_joint(walk: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """Check `walk_joint(graph, labels, steps) -> (M, M)`, against the package's on sparse graphs.

    Example:
        >>> check_walk_joint(lambda graph, labels, steps: torch.eye(3) / 3)
        ✘ wrong: 12 nodes in 3 groups, 0 steps: before the first step a walker is in group a with the chance that ...
    """
    from scipy import sparse

    walk = without(walk, {walk_joint: PACKAGE})
    for seed, nodes, groups, steps in ((0, 12, 3, 0), (0, 12, 3, 1), (1, 15, 4, 3)):
        generator = drawn(seed)
        graph = (torch.rand(nodes, nodes, generator=generator) < 0.25).float()
        graph = torch.maximum(graph, graph.T).fill_diagonal_(0.0)
        around = torch.arange(nodes).roll(-1)
        graph[torch.arange(nodes), around] = graph[around, torch.arange(nodes)] = 1.0  # nobody is lonely
        graph[0] = graph[:, 0] = 1.0  # a node that is joined with all, itself as well: degrees differ
        labels = torch.cat([torch.arange(groups), torch.randint(groups, (nodes - groups,), generator=generator)])
        found = answer_tensor(walk, graph, labels, steps, shape=(groups, groups))
        wanted = torch.from_numpy(walk_joint(sparse.csr_matrix(graph.double().numpy()), labels.numpy(), steps)).float()
        where = f"{nodes} nodes in {groups} groups, {steps} step{'s' * (steps != 1)}"
        if steps == 0 and not close(found, wanted):
            _first_step(found, wanted, graph, labels, where)
        compare(found, wanted, _walk_mistakes(graph, labels, steps), where, axes=("now in group", "later in group"))


def _first_step(found: Tensor, wanted: Tensor, graph: Tensor, labels: Tensor, where: str) -> None:
    """Say what is wrong where nobody has moved yet."""
    share = torch.bincount(labels) / len(labels)
    if close(found, share.diag()):
        raise WrongAnswer(
            f"{where}: your walker starts at every node alike. One who has walked for long is at a node as often as "
            "its degree says"
        )
    if close(found, torch.diag(torch.bincount(labels).float())):
        raise WrongAnswer(
            f"{where}: these are counts of nodes; chances sum to 1, each node's in proportion to its degree"
        )
    if not close(found.sum(), torch.tensor(1.0)):
        raise WrongAnswer(f"{where}: all chances together are 1, yours are {float(found.sum()):.4g}")
    raise WrongAnswer(
        f"{where}: before the first step a walker is in group a with the chance that the degrees of its nodes give, "
        f"and nowhere else: {', '.join(f'{chance:.3f}' for chance in wanted.diagonal().tolist())} along the diagonal, "
        f"yours are {', '.join(f'{chance:.3f}' for chance in found.diagonal().tolist())}"
    )


def _walk_mistakes(graph: Tensor, labels: Tensor, steps: int) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""
    degree, now = graph.sum(dim=1, keepdim=True), F.one_hot(labels).to(graph)
    right = _walk_joint(graph, labels, steps)
    onward, back = graph / degree, graph / degree.T
    start = degree / degree.sum()

    def joint(transition: Tensor, count: int, begin: Tensor = start) -> Tensor:
        return now.T @ (begin * (torch.linalg.matrix_power(transition, count) @ now))

    even = torch.full_like(start, 1 / len(start))
    mistakes = [
        (joint(onward, steps, even), "your walker starts at every node alike. One who has walked for long is at a "
         "node as often as its degree says"),
        (joint(back, steps), "you divided by the degree of the node that is entered; a step divides by that of the "
         "node that is left"),
        (joint(back, steps, even), "you divided by the degree of the node that is entered; a step divides by that of "
         "the node that is left"),
        (joint(onward, 1), "this is a single step, whatever `steps` says"),
        (joint(onward, 0), "nobody has moved: this is the start"),
        (joint(onward, steps + 1), "this is a step too many"),
        (joint(onward, max(steps - 1, 0)), "this is a step too few"),
        (joint(graph, steps), "the rows of a step do not sum to 1: divide by the degree of the node that is left"),
        (joint(graph, steps, torch.ones_like(start)), "these are counts of ways; a step goes along each edge with the "
         "chance 1 / degree"),
        (right * degree.sum(), "the sum is that of all degrees: divide by it, so that all chances sum to 1"),
        (right / right.sum(dim=1, keepdim=True), "each row sums to 1: this is the chance of b for a walker that is in "
         "a; the chance of both is asked for"),
        (right / right.sum(dim=0, keepdim=True), "each column sums to 1; all of it together should"),
    ]  # fmt: skip
    return mistakes


def _information_lost(joint: Tensor, a: int, b: int) -> float:
    """Mutual information in nats that a symmetric joint (M, M) loses when its clusters a and b become one."""
    merged = joint.clone()
    merged[a] += merged[b]
    merged[:, a] += merged[:, b]
    kept = torch.arange(len(joint)) != b
    return joint_information(joint.numpy()) - joint_information(merged[kept][:, kept].numpy())


@verdict("that is what the merger costs", worked=_information_lost)
def check_information_lost(information_lost: Callable[[Tensor, int, int], float]) -> None:
    """Check `information_lost(joint, a, b) -> nats`.

    Example:
        >>> check_information_lost(lambda joint, a, b: 0.0)
        ✘ wrong: clusters 0 and 1 of 5: yours is 0, and it should not be
    """
    information_lost = without(information_lost, {merge_by_information: "one merger is asked for, and what it costs"})
    generator = drawn(2)
    joint = torch.rand(5, 5, generator=generator).pow(3) + 0.6 * torch.eye(5)
    joint = joint + joint.T
    joint = (joint / joint.sum()).double()
    for a, b in ((0, 1), (1, 4), (3, 2)):
        found = torch.tensor(answer_number(information_lost, joint, a, b))
        wanted = torch.tensor(_information_lost(joint, a, b))
        compare(found, wanted.to(found), _merging_mistakes(joint, a, b), f"clusters {a} and {b} of 5", tolerance=2e-4)


def _merging_mistakes(joint: Tensor, a: int, b: int) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""

    def between(table: Tensor) -> Tensor:
        return _entropy(table.sum(dim=1)) + _entropy(table.sum(dim=0)) - _entropy(table)

    kept = torch.arange(len(joint)) != b
    rows = joint.clone()
    rows[a] += rows[b]
    merged = rows.clone()
    merged[:, a] += merged[:, b]
    before, after = between(joint), between(merged[kept][:, kept])
    swept = joint[kept][:, kept]
    doubled = joint.clone()
    doubled[a], doubled[:, a] = joint[a] + joint[b], joint[:, a] + joint[:, b]
    mistakes = [
        (after - before, "the sign is turned round: a merger never wins information, so that the loss is at least 0"),
        (after, "this is what is left after the merger; what is lost is asked for"),
        (before, "this is the information before; what the merger takes off is asked for"),
        (before - between(rows[kept]), "you merged the rows and left the columns: both name the same clusters"),
        (before - between(swept), "you deleted one of them; what it held goes to the other"),
        (before - between(swept / swept.sum()), "you deleted one of them; what it held goes to the other"),
        (before - between(doubled[kept][:, kept]), "the corner is missing: from b to b is now from a to a. Add the "
         "rows first, then the columns of what came out"),
        (before - between(merged), "b is still there beside the cluster that took it up: delete its row and column"),
        (before - between(rows), "b is still there, and the columns are not merged"),
        (1 - after / before, "this is the share that is lost; nats are asked for"),
        (after / before, "this is the share that is left; the nats that are lost are asked for"),
        ((before - after) / math.log(2), "the logarithm is the natural one, not to base 2"),
        (joint[a, b], "this is how often a walker goes from a to b; how much information is lost is asked for"),
        (2 * joint[a, b], "this is how often a walker goes from a to b; how much information is lost is asked for"),
    ]  # fmt: skip
    return [(value.detach().float(), reason) for value, reason in mistakes]


@verdict("that is what chance alone gives, with any number of points")
def check_chance_level(chance_level: Callable[[int, int, int], float]) -> None:
    """Check `chance_level(groups, cells, points) -> nats`.

    Example:
        >>> check_chance_level(lambda groups, cells, points: 0.0)
        ✘ wrong: 50 groups, 4 x 4 cells, 9,216 points: yours is 0; chance alone always gives something
    """
    chance_level = without(chance_level, {position_information: "it measures; what to expect by chance is asked for"})
    for groups, cells, points in ((50, 4, 9216), (10, 4, 4500), (10, 3, 900), (2, 8, 700)):
        found = answer_number(chance_level, groups, cells, points)
        places = cells**2
        wanted = (groups - 1) * (places - 1) / (2 * points)
        where = f"{groups} groups, {cells} x {cells} cells, {points:,} points"
        for other, reason in (
            (0.0, "yours is 0; chance alone always gives something"),
            (2 * wanted, "the 2 is missing: the information is half of chi-square, over N"),
            (wanted / 2, "you halved it twice"),
            (wanted * points, "you did not divide by the number of points: with more of them chance matters less"),
            (2 * wanted * points, "these are the degrees of freedom; divide by 2 N"),
            (groups * places / (2 * points), "(M - 1) and (cells² - 1) are free, not M and cells²: the margins are "
             "given"),
            ((groups * places - 1) / (2 * points), "the degrees of freedom are (M - 1)(cells² - 1): both margins are "
             "given"),
            ((groups - 1) * places / (2 * points), "one row and one column of the table are not free: (M - 1)"
             "(cells² - 1)"),
            (groups * (places - 1) / (2 * points), "one row and one column of the table are not free: (M - 1)"
             "(cells² - 1)"),
            ((groups - 1) * (cells - 1) / (2 * points), "the grid has cells² places, not `cells`"),
            ((groups - 1) * (cells - 1) ** 2 / (2 * points), "the grid has cells² places, of which cells² - 1 are "
             "free, not (cells - 1)²"),
            ((groups - 1) * 15 / (2 * points), "you took a grid of 4 x 4, whatever `cells` says"),
            (wanted / math.log(2), "nats are asked for, and these are bits"),
            (math.log(groups), "this is the most that there can be; chance gives far less"),
        ):  # fmt: skip
            if math.isclose(found, other, rel_tol=1e-4, abs_tol=1e-12) and not math.isclose(
                wanted, other, rel_tol=1e-3
            ):
                raise WrongAnswer(f"{where}: {reason}")
        if not math.isclose(found, wanted, rel_tol=1e-3):
            raise WrongAnswer(f"{where}: it should be {wanted:.4g} nats, yours is {found:.4g}")
