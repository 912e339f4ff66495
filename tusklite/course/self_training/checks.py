"""Checks for lesson 18: points that come back, eq. 2, one cluster a point, limits, newcomers, mutual information."""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tusklite.course.comparison import compare
from tusklite.course.shortcuts import refuse_loop, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, answer_tensor, verdict
from tusklite.losses import contrastive_loss
from tusklite.methods.mallis import joined_points, seen_again
from tusklite.metrics import (
    adjusted_mutual_information,
    normalized_mutual_information,
    recall_of_truth,
    repeatability,
    score_clusters,
)
from tusklite.ops.correspondence import assign_one_to_one, correspond, distance_limits


def _come_back(expected: Tensor, found: Tensor, again: Tensor, again_found: Tensor, tolerance: float) -> Tensor:
    """Which of the points expected (S, K, 2) have one of the points again (S, L, 2) near: bool (S, K)."""
    distance = (expected[:, :, None] - again[:, None]).norm(dim=-1)  # (S, K, L)
    near = (distance <= tolerance) & again_found[:, None]
    return near.any(dim=2) & found


@verdict("a point has come back where one is found again within the tolerance", worked=_come_back)
def check_come_back(come_back: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """Check `come_back(expected (S, K, 2), found (S, K), again (S, L, 2), again_found (S, L), tolerance) -> (S, K)`.

    Example:
        >>> check_come_back(lambda expected, found, again, again_found, tolerance: found)
        ✘ wrong: tolerance 0.25: you say of every point that it comes back
    """
    package = dict.fromkeys((repeatability, recall_of_truth), "it is the package's answer; measure the distances")
    come_back = without(come_back, package)
    for tolerance, seed in ((0.25, 1), (0.5, 2)):
        expected, found, again, again_found = _points_again(6, seed, tolerance)
        where = f"tolerance {tolerance:g}"
        result = answer(come_back, expected, found, again, again_found, tolerance)
        if isinstance(result, Tensor) and result.dim() == 0:
            raise WrongAnswer(f"{where}: one number for all; asked is which of the points come back, (S, K)")
        if isinstance(result, Tensor) and tuple(result.shape) == tuple(again_found.shape):
            raise WrongAnswer(f"{where}: these are the points found again; asked is which of the expected come back")
        seen = answer_tensor(lambda result=result: result, shape=tuple(found.shape)).double()
        apart = (expected[:, :, None] - again[:, None]).abs()
        distance, there = apart.norm(dim=-1), again_found[:, None]
        everywhere = (expected[:, :, None, None] - again).norm(dim=-1)  # (S, K, S, L)

        def back(near: Tensor, there: Tensor = there, found: Tensor = found) -> Tensor:
            return (near & there).any(dim=2) & found

        mistakes = [
            (back(distance <= tolerance, torch.ones_like(there)), "places that hold no point count as found again: "
             "again_found says which do"),
            ((distance <= tolerance).logical_and(there).any(dim=2), "places where nothing is expected count in yours: "
             "found says where a point is"),
            (back(apart.amax(dim=-1) <= tolerance), "each coordinate by itself is near in yours; that is a square "
             "around the point, the distance is asked"),
            (back(distance.square() <= tolerance), "the root is missing: you hold the square of the distance against "
             "the tolerance"),
            (back(apart.sum(dim=-1) <= tolerance), "you added the two coordinates up; the distance is asked"),
            (back(distance < tolerance), "a point that is just as far as the tolerance is near enough: at most is "
             "asked"),
            (((everywhere <= tolerance) & again_found).flatten(2).any(dim=2) & found, "points of other images count in "
             "yours; each image has its own"),
            (found, "you say of every point that it comes back"),
            (~back(distance <= tolerance) & found, "these are the points that do not come back"),
            (((distance <= tolerance) & there).sum(dim=2) * found, "this is how many are near; whether one is, is "
             "asked"),
            (distance.masked_fill(~there, torch.inf).amin(dim=2), "this is how far the nearest one is; whether that is "
             "near enough is asked"),
        ]  # fmt: skip
        known = [(other.double(), why) for other, why in mistakes]
        compare(seen, back(distance <= tolerance).double(), known, where, 1e-6, ("image", "point"))
    few, many = _points_again(2, 3, 0.25), _points_again(6, 3, 0.25)
    refuse_loop(come_back, (*few, 0.25), (*many, 0.25), "images")


def _points_again(images: int, seed: int, tolerance: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points in eighths, so that distances are exact; some are found again, some just within the tolerance."""
    generator = drawn(seed)
    expected = torch.randint(-8, 9, (images, 5, 2), generator=generator) / 8
    again = torch.randint(-8, 9, (images, 6, 2), generator=generator) / 8
    again[:, 0] = expected[:, 0] + torch.tensor([tolerance, 0.0])  # just within it
    again[:, 1] = expected[:, 1] + 0.875 * torch.tensor([tolerance, tolerance])  # in the square, not in the circle
    expected[0, 2], expected[1, 4] = 5.0, 7.0  # where no other point is
    again[:, 2] = expected[:, 2]
    again[:, 3] = expected[:, 3] + 0.625 * torch.tensor([tolerance, -tolerance])  # in the circle, though both add up
    again[:, 5] = expected[:, 4] + torch.tensor([0.0, -1.25 * tolerance])  # too far, and near where the root is missing
    found = torch.rand(images, 5, generator=generator) < 0.8
    again_found = torch.rand(images, 6, generator=generator) < 0.7
    found[:, 0], again_found[:, 0] = True, True
    found[:, [1, 3, 4]], again_found[:, [1, 3, 5]] = True, True
    again_found[0, 2], found[0, 2], found[1, 2], again_found[1, 2] = False, True, False, True
    found[1, 4] = False
    return expected, found, again, again_found


def _pair_loss(first: Tensor, second: Tensor, label: Tensor, other: Tensor, margin: float) -> Tensor:
    """Eq. 2 over all pairs of a point of one view (P, D) and one of the other (Q, D); a label of -1 takes no part."""
    distance = (first[:, None] - second).norm(dim=-1)  # (P, Q)
    agree = label[:, None] == other
    loss = torch.where(agree, distance, (margin - distance).clamp_min(0))
    counted = (label[:, None] >= 0) & (other >= 0)
    return loss[counted].mean()


@verdict("pairs that agree are drawn together, others pushed a margin apart, and all count alike", worked=_pair_loss)
def check_pair_loss(pair_loss: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """Check `pair_loss(first (P, D), second (Q, D), label (P,), other (Q,), margin) -> scalar`.

    Example:
        >>> check_pair_loss(lambda first, second, label, other, margin: (first[:, None] - second).norm(dim=-1).mean())
        ✘ wrong: margin 1: pairs of other clusters are drawn together as well; they are to be a margin apart
    """
    pair_loss = without(pair_loss, {contrastive_loss: "it is the package's answer; take the distances"})
    for margin, seed in ((1.0, 4), (1.6, 5), (2.5, 6)):
        first, second, label, other = _two_views(seed, 7, 9)
        found = torch.tensor(answer_number(pair_loss, first, second, label, other, margin), dtype=torch.float64)
        wanted = _pair_loss(first.double(), second.double(), label, other, margin)
        compare(found, wanted, _pair_mistakes(first, second, label, other, margin), f"margin {margin:g}", 1e-4)
    few, many = _two_views(7, 4, 5), _two_views(7, 8, 11)
    refuse_loop(pair_loss, (*few, 1.0), (*many, 1.0), "points")


def _two_views(seed: int, points: int, others: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Descriptors of two views with their labels, some of them -1, which are to be left out."""
    generator = drawn(seed)
    first = 0.6 * torch.randn(points, 3, generator=generator)
    second = 0.6 * torch.randn(others, 3, generator=generator)
    label, other = (torch.randint(0, 4, (count,), generator=generator) for count in (points, others))
    label[0], other[0], label[1], other[1], other[2] = 2, 2, -1, -1, -1
    return first, second, label, other


def _pair_mistakes(
    first: Tensor, second: Tensor, label: Tensor, other: Tensor, margin: float
) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""
    first, second = first.double(), second.double()
    distance, agree = (first[:, None] - second).norm(dim=-1), label[:, None] == other
    short, counted = (margin - distance).clamp_min(0), (label[:, None] >= 0) & (other >= 0)
    plain = torch.where(agree, distance, short)
    known = counted & agree, counted & ~agree
    both = [part[mask].mean() for part, mask in zip((distance, short), known, strict=True)]
    return [
        (plain.mean(), "points without a label take part in yours: a label of -1 is none"),
        (torch.where(counted, plain, 0).mean(), "points without a label count among the pairs in yours; the mean is "
         "over the others"),
        (plain[counted].sum(), "this is the sum over the pairs; the mean is asked"),
        *((part.mean(), "pairs of other clusters are drawn together as well; they are to be a margin apart")
          for part in (distance[counted], distance)),
        (torch.where(agree, distance, margin - distance)[counted].mean(), "a pair that is farther apart than the "
         "margin costs nothing: less than 0 is 0"),
        (torch.where(agree, short, distance)[counted].mean(), "the two cases are exchanged: those that agree are to "
         "meet"),
        (torch.where(agree, distance.square(), short.square())[counted].mean(), "the distances are squared in yours; "
         "as printed they are not"),
        (torch.where(agree, distance, 0)[counted].mean(), "nothing pushes other clusters apart"),
        (torch.where(agree, 0, short)[counted].mean(), "nothing draws points of one cluster together"),
        (both[0] + both[1], "pairs that agree and others are averaged apart; one mean over all pairs is asked"),
        (torch.where(agree, distance, (1 - distance).clamp_min(0))[counted].mean(), "the margin is 1 in yours, "
         "whatever is given"),
    ]  # fmt: skip


def _one_to_one(costs: Tensor, found: Tensor) -> Tensor:
    """A cluster for each point of each image (N, Q), at the least sum of costs (N, Q, M); -1 for none."""
    label = torch.full(found.shape, -1)
    for image in range(len(costs)):
        place = found[image].nonzero()[:, 0]
        row, cluster = linear_sum_assignment(costs[image, place])
        label[image, place[row]] = torch.as_tensor(cluster)
    return label


@verdict("each cluster is in an image once, at the least sum of costs", worked=_one_to_one)
def check_one_to_one(one_to_one: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `one_to_one(costs (N, Q, M), found bool (N, Q)) -> int64 (N, Q)`.

    Example:
        >>> check_one_to_one(lambda costs, found: costs.argmin(dim=2))
        ✘ wrong: 4 points, 6 clusters: places that hold no point have a cluster in yours: -1 is asked for
    """
    package = dict.fromkeys((assign_one_to_one, correspond), "it is the package's answer; scipy's is what you need")
    one_to_one = without(one_to_one, package)
    for points, clusters, seed in ((4, 6, 8), (5, 7, 9), (6, 4, 10)):
        costs, found = _costs(points, clusters, seed)
        where = f"{points} points, {clusters} clusters"
        result = answer(one_to_one, costs, found)
        if isinstance(result, Tensor) and tuple(result.shape) == (len(costs), clusters):
            raise WrongAnswer(f"{where}: these are the points of the clusters; asked is the cluster of each point")
        label = answer_tensor(lambda result=result: result, shape=tuple(found.shape)).double()
        if bool((label[~found] != -1).any()):
            raise WrongAnswer(f"{where}: places that hold no point have a cluster in yours: -1 is asked for")
        right = _one_to_one(costs, found).double()
        compare(label, right, _assignment_mistakes(costs, found), where, 1e-6, ("image", "point"))


def _costs(points: int, clusters: int, seed: int) -> tuple[Tensor, Tensor]:
    """Costs of sixteen images in which points want the same clusters, and a place or two hold no point."""
    generator = drawn(seed)
    costs = torch.rand(16, points, clusters, generator=generator) + torch.linspace(0, 1, clusters)
    found = torch.ones(16, points, dtype=torch.bool)
    found[::2, 1] = False
    costs[::2, 1] = 0.01 * costs[::2, 1]  # what is not there would have the first choice
    return costs, found


def _assignment_mistakes(costs: Tensor, found: Tensor) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""

    def hidden(label: Tensor) -> Tensor:
        return torch.where(found, label, -1).double()

    everyone = torch.ones_like(found)
    spare = "points that are left without a cluster have -1"
    return [
        (hidden(costs.argmin(dim=2)), "each point has its nearest cluster in yours, which two may share"),
        (hidden(_greedy(costs, found, by_cost=False)), "the points choose one after the other in yours, and the first "
         "takes what others need more"),
        (hidden(_greedy(costs, found, by_cost=True)), "the cheapest pair is taken first, and so on; that is not the "
         "least sum"),
        (hidden(_one_to_one(costs, everyone)), "places that hold no point take clusters away in yours: leave them out "
         "before you assign"),
        (hidden(_one_to_one(-costs, found)), "this is the largest sum of costs; the least is asked"),
        (hidden(_one_to_one(costs.square(), found)), "the costs are squared in yours; they stand as they are"),
        (hidden(_one_to_one(costs.sqrt(), found)), "you took roots of the costs; they stand as they are"),
        (hidden(_one_to_one(costs, found).clamp_min(0)), spare),
    ]  # fmt: skip


def _greedy(costs: Tensor, found: Tensor, by_cost: bool) -> Tensor:
    """Point after point, or the cheapest pair first."""
    label = torch.full(found.shape, -1)
    for image, cost in enumerate(costs):
        left = cost.masked_fill(~found[image][:, None], torch.inf).clone()
        for point in range(len(left)):
            row = int(left.amin(dim=1).argmin()) if by_cost else point
            cluster = int(left[row].argmin())
            if left[row, cluster].isfinite():
                label[image, row] = cluster
                left[row], left[:, cluster] = torch.inf, torch.inf
    return label


def _limits(distance: Tensor, nearest: Tensor, clusters: int, deviations: float) -> Tensor:
    """How far from each centroid (M,) is too far: mean and standard deviations of the distances (P,) of its points."""
    member = torch.nn.functional.one_hot(nearest, clusters).to(distance)  # (P, M)
    count = member.sum(dim=0).clamp_min(1)
    mean = distance @ member / count
    variance = (distance - mean[nearest]).square() @ member / count
    return mean + deviations * variance.sqrt()


@verdict("a cluster's limit comes from its own points, and an empty one has 0", worked=_limits)
def check_limits(limits: Callable[[Tensor, Tensor, int, float], Tensor]) -> None:
    """Check `limits(distance (P,), nearest (P,), clusters, deviations) -> (M,)`.

    Example:
        >>> check_limits(lambda distance, nearest, clusters, deviations: torch.ones(clusters) * distance.mean())
        ✘ wrong: 6 clusters, 1 deviations: this is the mean over all points; each cluster has its own
    """
    limits = without(limits, {distance_limits: "it is the package's answer; take mean and deviation by cluster"})
    for clusters, deviations, seed in ((6, 1.0, 11), (4, 2.5, 12)):
        distance, nearest = _distances(40, clusters, seed)
        where = f"{clusters} clusters, {deviations:g} deviations"
        result = answer(limits, distance, nearest, clusters, deviations)
        if isinstance(result, Tensor) and tuple(result.shape) == tuple(distance.shape):
            raise WrongAnswer(f"{where}: one limit for each point; asked is one for each cluster")
        if isinstance(result, Tensor) and result.isnan().any():
            raise WrongAnswer(f"{where}: NaN: a cluster without points has no mean, and 0 is asked for")
        found = answer_tensor(lambda result=result: result, shape=(clusters,)).double()
        wide = distance.double()
        right = _limits(wide, nearest, clusters, deviations)
        compare(found, right, _limit_mistakes(wide, nearest, clusters, deviations), where, 1e-4, ("cluster",))
    few, many = _distances(40, 3, 13), _distances(40, 7, 13)
    refuse_loop(limits, (*few, 3, 1.0), (*many, 7, 1.0), "clusters")


def _distances(points: int, clusters: int, seed: int) -> tuple[Tensor, Tensor]:
    """Squared distances of points and their nearest of so many clusters, of which the second is empty."""
    generator = drawn(seed)
    nearest = torch.randint(0, clusters - 1, (points,), generator=generator)
    nearest[nearest == 1] = clusters - 1
    distance = (0.3 + nearest) * torch.rand(points, generator=generator) + 0.1 * nearest
    return distance, nearest


def _limit_mistakes(distance: Tensor, nearest: Tensor, clusters: int, deviations: float) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""
    parts = [distance[nearest == cluster] for cluster in range(clusters)]

    def each(of: Callable[[Tensor], Tensor], empty: float = 0.0) -> Tensor:
        return torch.stack([of(part) if len(part) else distance.new_tensor(empty) for part in parts])

    spread = [
        each(lambda part: part.std(correction=0)),
        each(lambda part: part.std() if len(part) > 1 else 0 * part[0]),
    ]
    mean, there = each(lambda part: part.mean()), torch.tensor([len(part) > 0 for part in parts])
    overall = distance.mean().expand(clusters)
    return [
        (mean, "this is the mean alone; the deviations are missing"),
        (mean - deviations * spread[0], "the deviations are taken off; they are added"),
        (mean + spread[0], "one deviation, however many are given"),
        (mean + deviations * spread[0].square(), "this is the variance; its root is asked for"),
        (mean + deviations * spread[1], "the deviation is that of a sample, with n - 1; divide by n"),
        (overall, "this is the mean over all points; each cluster has its own"),
        ((overall + deviations * distance.std(correction=0)), "one limit for all; each cluster has its own"),
        (mean + deviations * distance.std(correction=0), "the deviation is that of all points; each cluster has its "
         "own"),
        (torch.where(there, mean + deviations * distance.std(correction=0), 0), "the deviation is that of all points; "
         "each cluster has its own"),
        (each(lambda part: part.median()) + deviations * spread[0], "you took the median; the mean is asked"),
        (each(lambda part: part.amax()), "this is the farthest point of each cluster, so that none is ever too far"),
    ]  # fmt: skip


def _newcomers(old: Tensor, old_found: Tensor, new: Tensor, new_found: Tensor, radius: float) -> Tensor:
    """Which of the points new (N, R, 2) are near none of the points old (N, Q, 2): bool (N, R)."""
    distance = (new[:, :, None] - old[:, None]).norm(dim=-1)  # (N, R, Q)
    known = ((distance <= radius) & old_found[:, None]).any(dim=2)
    return new_found & ~known


@verdict("a point is new where no old one is near, and old points stay", worked=_newcomers)
def check_newcomers(newcomers: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """Check `newcomers(old (N, Q, 2), old_found (N, Q), new (N, R, 2), new_found (N, R), radius) -> bool (N, R)`.

    Example:
        >>> check_newcomers(lambda old, old_found, new, new_found, radius: new_found)
        ✘ wrong: radius 0.25: every detection is new in yours; those near an old point are that point
    """
    package = dict.fromkeys((joined_points, seen_again), "it is the package's answer; measure the distances")
    newcomers = without(newcomers, package)
    for radius, seed in ((0.25, 14), (0.5, 15)):
        new, new_found, old, old_found = _points_again(6, seed, radius)  # the roles are exchanged
        where = f"radius {radius:g}"
        result = answer(newcomers, old, old_found, new, new_found, radius)
        if isinstance(result, Tensor) and tuple(result.shape) == tuple(old_found.shape):
            raise WrongAnswer(f"{where}: these are the old points, which all stay; asked is which of the new are new")
        found = answer_tensor(lambda result=result: result, shape=tuple(new_found.shape)).double()
        apart = (new[:, :, None] - old[:, None]).abs()
        near, there = apart.norm(dim=-1) <= radius, old_found[:, None]
        right = new_found & ~(near & there).any(dim=2)
        everywhere = (new[:, :, None, None] - old).norm(dim=-1) <= radius
        mistakes = [
            (new_found, "every detection is new in yours; those near an old point are that point"),
            (new_found & (near & there).any(dim=2), "these are the ones that are known; asked are the new"),
            (~(near & there).any(dim=2), "places that hold no detection are new in yours: new_found says which do"),
            (new_found & ~near.any(dim=2), "places that hold no old point hide new ones in yours: old_found says which "
             "do"),
            (new_found & ~((apart.norm(dim=-1) < radius) & there).any(dim=2), "just at the radius is near: at most is "
             "asked"),
            (new_found & ~((apart.amax(dim=-1) <= radius) & there).any(dim=2), "each coordinate by itself is near in "
             "yours; the distance is asked"),
            (new_found & ~((apart.norm(dim=-1).square() <= radius) & there).any(dim=2), "the root is missing: you hold "
             "the square of the distance against the radius"),
            (new_found & ~(everywhere & old_found).flatten(2).any(dim=2), "old points of other images count in yours"),
        ]  # fmt: skip
        known = [(other.double(), why) for other, why in mistakes]
        compare(found, right.double(), known, where, 1e-6, ("image", "point"))
    few, many = (_points_again(count, 16, 0.25) for count in (2, 6))
    refuse_loop(newcomers, (*few[2:], *few[:2], 0.25), (*many[2:], *many[:2], 0.25), "images")


def _shared_information(label: Tensor, truth: Tensor) -> Tensor:
    """The mutual information of two clusterings (N,) over the mean of their entropies; 0 where neither tells apart."""
    joint = torch.zeros(int(label.max()) + 1, int(truth.max()) + 1)
    joint = joint.index_put((label, truth), torch.ones(()), accumulate=True) / len(label)
    rows, columns = joint.sum(dim=1), joint.sum(dim=0)
    entropies = -torch.xlogy(rows, rows).sum() - torch.xlogy(columns, columns).sum()
    information = torch.xlogy(joint, joint).sum() + entropies
    return 2 * information / entropies.clamp_min(1e-12)


@verdict("what two clusterings share, over the mean of what each has", worked=_shared_information)
def check_shared_information(shared_information: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `shared_information(label (N,), truth (N,)) -> scalar`.

    Example:
        >>> check_shared_information(lambda label, truth: (label == truth).float().mean())
        ✘ wrong: 5 clusters, 4 classes: clusters have no names: equal numbers mean nothing
    """
    package = (normalized_mutual_information, adjusted_mutual_information, score_clusters)
    shared_information = without(shared_information, dict.fromkeys(package, "it is the package's; count, and add up"))
    for clusters, classes, seed in ((5, 4, 17), (3, 7, 18), (8, 6, 19)):
        label, truth = _two_clusterings(clusters, classes, seed)
        where = f"{clusters} clusters, {classes} classes"
        result = answer(shared_information, label, truth)
        if isinstance(result, Tensor) and result.dim() == 0 and result.isnan():
            raise WrongAnswer(f"{where}: NaN: a pair that never occurs adds nothing, though its logarithm is infinite")
        found = torch.tensor(answer_number(lambda result=result: result), dtype=torch.float64)
        right = torch.tensor(normalized_mutual_information(label, truth), dtype=torch.float64)
        compare(found, right, _information_mistakes(label, truth), where, 1e-4)
    alone = torch.zeros(12, dtype=torch.int64)
    zero = answer_number(shared_information, alone, torch.arange(12) % 3)
    if abs(zero) > 1e-4:
        raise WrongAnswer(f"one cluster of all points tells nothing: 0 is asked for, yours is {zero:.4g}")


def _two_clusterings(clusters: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Labels that tell something of the truth, and numbers that never occur."""
    generator = drawn(seed)
    truth = torch.randint(0, classes - 1, (70,), generator=generator)
    truth[truth == 1] = classes - 1
    label = (truth * 2 + 1 + (torch.rand(70, generator=generator) < 0.4).long()) % clusters
    return label, truth


def _information_mistakes(label: Tensor, truth: Tensor) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""
    joint = torch.zeros(int(label.max()) + 1, int(truth.max()) + 1, dtype=torch.float64)
    joint = joint.index_put((label, truth), joint.new_ones(()), accumulate=True) / len(label)
    rows, columns = joint.sum(dim=1), joint.sum(dim=0)
    first, second = -torch.xlogy(rows, rows).sum(), -torch.xlogy(columns, columns).sum()
    together = -torch.xlogy(joint, joint).sum()
    shared = first + second - together
    return [
        (shared, "this is the mutual information, in nats; it is to be divided by the mean entropy"),
        (shared / torch.tensor(2.0, dtype=torch.float64).log(), "this is the mutual information, in bits; it is to be "
         "divided by the mean entropy"),
        (shared / (first + second), "you divided by the sum of the entropies; their mean is half of it"),
        *((shared / one, "you divided by one of the two entropies; their mean is asked") for one in (first, second)),
        (shared / (first * second).sqrt(), "you divided by the root of the product; the mean is asked"),
        (shared / together, "you divided by the entropy of both together; the mean of the two is asked"),
        (1 - 2 * shared / (first + second), "this is what they do not share"),
        ((label == truth).double().mean(), "clusters have no names: equal numbers mean nothing"),
        (joint.amax(dim=1).sum(), "this is the purity: points of the commonest class of their cluster"),
    ]  # fmt: skip
