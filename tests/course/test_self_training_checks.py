"""Each check of lesson 18 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import math

import pytest
import torch
from lesson_definitions import definitions
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from tusklite.course import self_training as lesson
from tusklite.losses import contrastive_loss
from tusklite.methods.mallis import PointSets, joined_points
from tusklite.metrics import normalized_mutual_information, recall_of_truth
from tusklite.ops.correspondence import assign_one_to_one, distance_limits

SOLUTIONS = definitions("solutions/18_self_training")
LESSON = definitions("18_self_training")
come_back, pair_loss, one_to_one = SOLUTIONS["come_back"], SOLUTIONS["pair_loss"], SOLUTIONS["one_to_one"]
limits, newcomers, shared = SOLUTIONS["limits"], SOLUTIONS["newcomers"], SOLUTIONS["shared_information"]


def nearby(near, masked=True, asked=True):
    """Points that come back by another notion of nearness, of differences (S, K, L, 2) and the tolerance."""

    def back(expected: Tensor, found: Tensor, again: Tensor, again_found: Tensor, tolerance: float) -> Tensor:
        hits = near(expected[:, :, None] - again[:, None], tolerance)
        if masked:
            hits = hits & again_found[:, None]
        return hits.any(dim=2) & found if asked else hits.any(dim=2)

    return back


def within(difference: Tensor, tolerance: float) -> Tensor:
    return difference.norm(dim=-1) <= tolerance


def in_any_image(expected: Tensor, found: Tensor, again: Tensor, again_found: Tensor, tolerance: float) -> Tensor:
    return (torch.cdist(expected, again[again_found]) <= tolerance).any(dim=2) & found


def by_images(function, tensors: int):
    """The same, image by image."""

    def looped(*inputs):
        images = zip(*inputs[:tensors], strict=True)
        return torch.cat([function(*(each[None] for each in image), *inputs[tensors:]) for image in images])

    return looped


def pairs(cost, of=lambda loss, counted: loss[counted].mean()):
    """A loss of distances (P, Q), which of them agree, and the margin."""

    def loss(first: Tensor, second: Tensor, label: Tensor, other: Tensor, margin: float) -> Tensor:
        agree, counted = label[:, None] == other, (label[:, None] >= 0) & (other >= 0)
        return of(cost(torch.cdist(first, second), agree, margin), counted)

    return loss


def printed(distance: Tensor, agree: Tensor, margin: float) -> Tensor:
    return torch.where(agree, distance, (margin - distance).clamp_min(0))


def apart(first: Tensor, second: Tensor, label: Tensor, other: Tensor, margin: float) -> Tensor:
    agree, counted = label[:, None] == other, (label[:, None] >= 0) & (other >= 0)
    loss = printed(torch.cdist(first, second), agree, margin)
    return loss[counted & agree].mean() + loss[counted & ~agree].mean()


def pairs_by_loops(first: Tensor, second: Tensor, label: Tensor, other: Tensor, margin: float) -> float:
    values = []
    for one, y in zip(first, label.tolist(), strict=True):
        for two, z in zip(second, other.tolist(), strict=True):
            distance = float((one - two).norm())
            if y >= 0 and z >= 0:
                values.append(distance if y == z else max(0.0, margin - distance))
    return sum(values) / len(values)


def by_package(first: Tensor, second: Tensor, label: Tensor, other: Tensor, margin: float) -> Tensor:
    return contrastive_loss(torch.cat([first, second]), torch.cat([label, other]), margin=margin)


def hidden(label: Tensor, found: Tensor) -> Tensor:
    return torch.where(found, label, -1)


def by_turns(cheapest: bool):
    """The cheapest pair first, or point after point."""

    def assign(costs: Tensor, found: Tensor) -> Tensor:
        label = torch.full(found.shape, -1)
        for image, cost in enumerate(costs):
            free, waiting = set(range(cost.shape[1])), found[image].nonzero()[:, 0].tolist()
            while waiting and free:
                choices = waiting if cheapest else waiting[:1]
                point, cluster = min(((p, c) for p in choices for c in free), key=lambda pair: float(cost[pair]))
                label[image, point] = cluster
                free.remove(cluster)
                waiting.remove(point)
            # Whoever is left without a cluster keeps -1.
        return label

    return assign


def everybody(costs: Tensor, found: Tensor) -> Tensor:
    return hidden(one_to_one(costs, torch.ones_like(found)), found)


def points_of_clusters(costs: Tensor, found: Tensor) -> Tensor:
    return torch.zeros(len(costs), costs.shape[2], dtype=torch.int64)


def per_cluster(of):
    """Something of the distances of each cluster's points, 0 for an empty one."""

    def limit(distance: Tensor, nearest: Tensor, clusters: int, deviations: float) -> Tensor:
        parts = [distance[nearest == cluster] for cluster in range(clusters)]
        return torch.stack([of(part, deviations, distance) if len(part) else torch.zeros(()) for part in parts])

    return limit


def mean_and(spread):
    return per_cluster(lambda part, deviations, distance: part.mean() + deviations * spread(part, distance))


def with_nan(distance: Tensor, nearest: Tensor, clusters: int, deviations: float) -> Tensor:
    member = torch.nn.functional.one_hot(nearest, clusters).to(distance)
    mean = distance @ member / member.sum(dim=0)
    return mean + deviations * ((distance - mean[nearest]).square() @ member / member.sum(dim=0)).sqrt()


def unknown(near, masked=True, there=True):
    """New points by another notion of nearness, of differences (N, R, Q, 2) and the radius."""

    def new_ones(old: Tensor, old_found: Tensor, new: Tensor, new_found: Tensor, radius: float) -> Tensor:
        hits = near(new[:, :, None] - old[:, None], radius)
        known = (hits & old_found[:, None] if masked else hits).any(dim=2)
        return new_found & ~known if there else ~known

    return new_ones


def known_ones(old: Tensor, old_found: Tensor, new: Tensor, new_found: Tensor, radius: float) -> Tensor:
    return new_found & ~newcomers(old, old_found, new, new_found, radius)


def new_by_package(old: Tensor, old_found: Tensor, new: Tensor, new_found: Tensor, radius: float) -> Tensor:
    joined_points(PointSets(old, old_found), PointSets(new, new_found), radius)
    return newcomers(old, old_found, new, new_found, radius)


def informed(of):
    """Something of the mutual information and the two entropies."""

    def share(label: Tensor, truth: Tensor) -> float:
        pairs_of = label * (int(truth.max()) + 1) + truth
        first, second, both = (
            float(-torch.xlogy(p, p).sum()) for p in (each.bincount() / len(each) for each in (label, truth, pairs_of))
        )
        return of(first + second - both, first, second, both)

    return share


def without_care(label: Tensor, truth: Tensor) -> Tensor:
    joint = torch.zeros(int(label.max()) + 1, int(truth.max()) + 1)
    joint = joint.index_put((label, truth), torch.ones(()), accumulate=True) / len(label)
    rows, columns = joint.sum(dim=1, keepdim=True), joint.sum(dim=0, keepdim=True)
    return (joint * (joint / (rows * columns)).log()).sum()


def purity(label: Tensor, truth: Tensor) -> Tensor:
    table = torch.zeros(20, 20).index_put((label, truth), torch.ones(()), accumulate=True)
    return table.amax(dim=1).sum() / len(label)


ANSWERS = {
    lesson.check_come_back: {
        "places that hold no point count": nearby(within, masked=False),
        "places where nothing is expected count": nearby(within, asked=False),
        "a square around the point": nearby(lambda difference, t: (difference.abs() <= t).all(dim=-1)),
        "the root is missing": nearby(lambda difference, t: difference.square().sum(dim=-1) <= t),
        "you added the two coordinates up": nearby(lambda difference, t: difference.abs().sum(dim=-1) <= t),
        "at most is asked": nearby(lambda difference, t: difference.norm(dim=-1) < t),
        "points of other images count": in_any_image,
        "you say of every point": lambda expected, found, *rest: found.clone(),
        "these are the points that do not": lambda expected, found, *rest: ~come_back(expected, found, *rest) & found,
        "this is how many are near": lambda expected, found, again, again_found, t: (
            (within(expected[:, :, None] - again[:, None], t) & again_found[:, None]).sum(dim=2) * found
        ),
        "one number for all": lambda *inputs: come_back(*inputs).double().mean(),
        "these are the points found again": lambda expected, found, again, again_found, t: come_back(
            again, again_found, expected, found, t
        ),
        "it loops over images": by_images(come_back, 4),
        "you called `recall_of_truth`": lambda expected, found, again, again_found, t: (
            recall_of_truth(expected, again, t),
            come_back(expected, found, again, again_found, t),
        )[1],
    },
    lesson.check_pair_loss: {
        "points without a label take part": pairs(printed, lambda loss, counted: loss.mean()),
        "count among the pairs": pairs(printed, lambda loss, counted: (loss * counted).mean()),
        "this is the sum": pairs(printed, lambda loss, counted: loss[counted].sum()),
        "are drawn together as well": pairs(lambda distance, agree, margin: distance),
        "less than 0 is 0": pairs(lambda distance, agree, margin: torch.where(agree, distance, margin - distance)),
        "the two cases are exchanged": pairs(lambda distance, agree, margin: printed(distance, ~agree, margin)),
        "the distances are squared": pairs(lambda *inputs: printed(*inputs).square()),
        "nothing pushes": pairs(lambda distance, agree, margin: distance * agree),
        "nothing draws": pairs(lambda distance, agree, margin: (margin - distance).clamp_min(0) * ~agree),
        "averaged apart": apart,
        "the margin is 1 in yours": pairs(lambda distance, agree, margin: printed(distance, agree, 1.0)),
        "it loops over points": lambda first, second, label, other, margin: torch.cat(
            [
                printed(torch.cdist(one[None], second), y == other, margin)[0, other >= 0]
                for one, y in zip(first, label, strict=True)
                if y >= 0
            ]
        ).mean(),
        "you called `contrastive_loss`": by_package,
    },
    lesson.check_one_to_one: {
        "which two may share": lambda costs, found: hidden(costs.argmin(dim=2), found),
        "the first takes what others need": by_turns(cheapest=False),
        "the cheapest pair is taken first": by_turns(cheapest=True),
        "take clusters away in yours": everybody,
        "the largest sum": lambda costs, found: one_to_one(-costs, found),
        "the costs are squared": lambda costs, found: one_to_one(costs.square(), found),
        "you took roots": lambda costs, found: one_to_one(costs.sqrt(), found),
        "places that hold no point have a cluster": lambda costs, found: one_to_one(costs, torch.ones_like(found)),
        "points that are left without a cluster": lambda costs, found: hidden(
            one_to_one(costs, found).clamp_min(0), found
        ),
        "these are the points of the clusters": points_of_clusters,
        "you called `assign_one_to_one`": lambda costs, found: (
            assign_one_to_one(torch.zeros(*found.shape, 2), found, torch.zeros(costs.shape[2], 2)).label
        ),
    },
    lesson.check_limits: {
        "this is the mean alone": per_cluster(lambda part, deviations, distance: part.mean()),
        "the deviations are taken off": mean_and(lambda part, distance: -part.std(correction=0)),
        "one deviation, however many": per_cluster(
            lambda part, deviations, distance: part.mean() + part.std(correction=0)
        ),
        "this is the variance": mean_and(lambda part, distance: part.var(correction=0)),
        "with n - 1": mean_and(lambda part, distance: part.std() if len(part) > 1 else torch.zeros(())),
        "this is the mean over all points": lambda distance, nearest, clusters, deviations: distance.mean().expand(
            clusters
        ),
        "one limit for all": lambda distance, nearest, clusters, deviations: (
            distance.mean() + deviations * distance.std(correction=0)
        ).expand(clusters),
        "the deviation is that of all points": mean_and(lambda part, distance: distance.std(correction=0)),
        "you took the median": per_cluster(
            lambda part, deviations, distance: part.median() + deviations * part.std(correction=0)
        ),
        "none is ever too far": per_cluster(lambda part, deviations, distance: part.max()),
        "NaN: a cluster without points": with_nan,
        "one limit for each point": lambda distance, nearest, *rest: limits(distance, nearest, *rest)[nearest],
        "it loops over clusters": mean_and(lambda part, distance: part.std(correction=0)),
        "you called `distance_limits`": lambda distance, nearest, clusters, deviations: distance_limits(
            distance[:, None], torch.zeros(clusters, 1), deviations
        ),
    },
    lesson.check_newcomers: {
        "every detection is new": lambda old, old_found, new, new_found, radius: new_found.clone(),
        "these are the ones that are known": known_ones,
        "places that hold no detection": unknown(within, there=False),
        "places that hold no old point": unknown(within, masked=False),
        "just at the radius is near": unknown(lambda difference, r: difference.norm(dim=-1) < r),
        "each coordinate by itself": unknown(lambda difference, r: (difference.abs() <= r).all(dim=-1)),
        "the root is missing": unknown(lambda difference, r: difference.square().sum(dim=-1) <= r),
        "old points of other images": lambda old, old_found, new, new_found, radius: (
            new_found & ~(torch.cdist(new, old[old_found]) <= radius).any(dim=2)
        ),
        "these are the old points": lambda old, old_found, new, new_found, radius: old_found.clone(),
        "it loops over images": by_images(newcomers, 4),
        "you called `joined_points`": new_by_package,
    },
    lesson.check_shared_information: {
        "mutual information, in nats": informed(lambda shared, first, second, both: shared),
        "mutual information, in bits": informed(lambda shared, first, second, both: shared / math.log(2)),
        "divided by the sum of the entropies": informed(lambda shared, first, second, both: shared / (first + second)),
        "one of the two entropies": informed(lambda shared, first, second, both: shared / max(first, 1e-9)),
        "one of the two": informed(lambda shared, first, second, both: shared / second),
        "the root of the product": informed(lambda shared, first, second, both: shared / (first * second) ** 0.5),
        "the entropy of both together": informed(lambda shared, first, second, both: shared / both),
        "this is what they do not share": informed(lambda shared, a, b, both: 1 - 2 * shared / (a + b)),
        "clusters have no names": lambda label, truth: (label == truth).float().mean(),
        "this is the purity": lambda label, truth: (
            torch.zeros(20, 20).index_put((label, truth), torch.ones(()), accumulate=True).amax(dim=1).sum()
            / len(label)
        ),
        "NaN: a pair that never occurs": without_care,
        "one cluster of all points tells nothing": lambda label, truth: (
            shared(label, truth) if label.max() > 0 else torch.ones(())
        ),
        "you called `normalized_mutual_information`": normalized_mutual_information,
    },
}
EXERCISES = {
    lesson.check_come_back: "come_back",
    lesson.check_pair_loss: "pair_loss",
    lesson.check_one_to_one: "one_to_one",
    lesson.check_limits: "limits",
    lesson.check_newcomers: "newcomers",
    lesson.check_shared_information: "shared_information",
}


def test_labels_may_be_of_any_type_of_number():
    assert lesson.check_one_to_one(lambda *inputs: one_to_one(*inputs).double())
    assert lesson.check_shared_information(lambda *inputs: float(shared(*inputs)))


def test_scipy_may_be_given_costs_that_shut_empty_places_out():
    def assign(costs: Tensor, found: Tensor) -> Tensor:
        label = torch.full(found.shape, -1)
        for image, cost in enumerate(costs):
            rows, columns = linear_sum_assignment(cost[found[image]].numpy())
            taken = torch.full((int(found[image].sum()),), -1)
            taken[rows] = torch.as_tensor(columns)
            label[image, found[image]] = taken
        return label

    assert lesson.check_one_to_one(assign)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_shared_is_scikit_learn_s(seed):
    generator = torch.Generator().manual_seed(seed)
    label, truth = torch.randint(0, 5, (2, 60), generator=generator)
    wanted = normalized_mutual_info_score(label.numpy(), truth.numpy())
    assert float(shared(label, truth)) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_of_pairs_is_that_of_loops(seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(6, 4, generator=generator), torch.randn(8, 4, generator=generator)
    label, other = torch.randint(-1, 3, (6,), generator=generator), torch.randint(-1, 3, (8,), generator=generator)
    wanted = pairs_by_loops(first, second, label, other, 2.0)
    assert float(pair_loss(first, second, label, other, 2.0)) == pytest.approx(wanted, rel=1e-4)
