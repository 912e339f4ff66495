"""Each check of lesson 10 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import math

import pytest
import torch
from lesson_definitions import definitions
from torch import Tensor

from tusklite.course import prototypes_and_softmin as lesson
from tusklite.losses import kmeans_softmin_loss

SOLUTIONS = definitions("solutions/10_prototypes_and_softmin")
LESSON = definitions("10_prototypes_and_softmin")
neat_loss, softmin_gradient, revive = (SOLUTIONS[name] for name in ("neat_loss", "softmin_gradient", "revive"))
softmin_loss = SOLUTIONS["softmin_loss"]


def price(others=lambda count: count - 1, apart=lambda count: math.sqrt(2 * count / (count - 1))):
    """The price with another number of others, or another distance."""

    def loss(count: int, inverse_temperature: float, squared: bool) -> float:
        distance = apart(count)
        return math.log1p(others(count) * math.exp(-inverse_temperature * (distance**2 if squared else distance)))

    return loss


def parts(descriptors: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Unit vectors (N, M, C), distances (N, M), and the unit vector to the nearest (N, C)."""
    away = descriptors[:, None] - prototypes
    distance = away.norm(dim=2)
    units = away / distance[..., None]
    return units, distance, units[torch.arange(len(units)), distance.argmin(dim=1)]


def nearest_alone(descriptors: Tensor, prototypes: Tensor, inverse_temperature: float) -> Tensor:
    return inverse_temperature * parts(descriptors, prototypes)[2] / len(descriptors)


def pushes_all_the_same(descriptors: Tensor, prototypes: Tensor, inverse_temperature: float) -> Tensor:
    units, _, nearest = parts(descriptors, prototypes)
    return inverse_temperature * (nearest - units.mean(dim=1)) / len(descriptors)


def of_squares(descriptors: Tensor, prototypes: Tensor, inverse_temperature: float) -> Tensor:
    point = descriptors.clone().requires_grad_()
    return torch.autograd.grad(kmeans_softmin_loss(point, prototypes, inverse_temperature, squared=True), point)[0]


def of_squares_by_hand(descriptors: Tensor, prototypes: Tensor, inverse_temperature: float) -> Tensor:
    away = descriptors[:, None] - prototypes
    squares = away.square().sum(dim=2)
    probability = (-inverse_temperature * squares).softmax(dim=1)[..., None]
    nearest = away[torch.arange(len(away)), squares.argmin(dim=1)]
    return 2 * inverse_temperature * (nearest - (probability * away).sum(dim=1)) / len(away)


def formula(probabilities, length: bool = True, choose=lambda distance: distance.argmin(dim=1)):
    """The gradient by its formula, with a mistake in a part of it."""

    def gradient(descriptors: Tensor, prototypes: Tensor, inverse_temperature: float) -> Tensor:
        units, distance, _ = parts(descriptors, prototypes)
        directions = units if length else units * distance[..., None]
        nearest = directions[torch.arange(len(units)), choose(distance)]
        mean = (probabilities(inverse_temperature, distance)[..., None] * directions).sum(dim=1)
        return inverse_temperature * (nearest - mean) / len(units)

    return gradient


def to_the_mean(prototypes: Tensor, descriptors: Tensor) -> Tensor:
    dead = torch.cdist(descriptors, prototypes).argmin(dim=1).bincount(minlength=len(prototypes)) == 0
    return torch.where(dead[:, None], descriptors.mean(dim=0), prototypes)


def bringing(choose):
    """Dead prototypes go to the descriptors that `choose` picks from distances (N, M), for how many dead."""

    def back(prototypes: Tensor, descriptors: Tensor) -> Tensor:
        distance = torch.cdist(descriptors, prototypes)
        dead = distance.argmin(dim=1).bincount(minlength=len(prototypes)) == 0
        moved = prototypes.clone()
        moved[dead] = descriptors[choose(distance, int(dead.sum()))]
        return moved

    return back


def in_place(prototypes: Tensor, descriptors: Tensor) -> Tensor:
    prototypes.copy_(revive(prototypes, descriptors))
    return prototypes


def by_logs(take, distances=lambda x, p, s, squared: -s * torch.cdist(x, p) ** (2 if squared else 1), dim: int = 1):
    """Something of the logarithms of probabilities (N, M)."""

    def loss(x: Tensor, p: Tensor, inverse_temperature: float = 1.0, squared: bool = False) -> Tensor:
        return take(distances(x, p, inverse_temperature, squared).log_softmax(dim=dim))

    return loss


def minus_largest(logs: Tensor) -> Tensor:
    return -logs.amax(dim=1).mean()


def as_printed(x: Tensor, p: Tensor, inverse_temperature: float = 1.0, squared: bool = False) -> Tensor:
    weights = (-inverse_temperature * torch.cdist(x, p) ** (2 if squared else 1)).exp()
    return -(weights / weights.sum(dim=1, keepdim=True)).amax(dim=1).log().mean()


def by_roots(x: Tensor, p: Tensor, inverse_temperature: float = 1.0, squared: bool = False) -> Tensor:
    distance = (x[:, None] - p).square().sum(dim=2).sqrt()
    return minus_largest((-inverse_temperature * (distance**2 if squared else distance)).log_softmax(dim=1))


ANSWERS = {
    lesson.check_softmin_loss: {
        "this is the nearest distance alone": lambda x, p, s=1.0, q=False: (
            s * torch.cdist(x, p).pow(2 if q else 1).amin(dim=1).mean()
        ),
        "this is the logarithm of the sum alone": lambda x, p, s=1.0, q=False: (
            (-s * torch.cdist(x, p) ** (2 if q else 1)).logsumexp(dim=1).mean()
        ),
        "you summed over descriptors": by_logs(lambda logs: -logs.amax(dim=1).sum()),
        "the sign is turned round": by_logs(lambda logs: logs.amax(dim=1).mean()),
        "the logarithm is missing": by_logs(lambda logs: -logs.amax(dim=1).exp().mean()),
        "this is the largest probability": by_logs(lambda logs: logs.amax(dim=1).exp().mean()),
        "you took the logarithm of the mean": by_logs(lambda logs: -logs.amax(dim=1).exp().mean().log()),
        "you took the mean over prototypes": by_logs(lambda logs: -logs.mean()),
        "you took the smallest probability": by_logs(lambda logs: -logs.amin(dim=1).mean()),
        "they do so over prototypes": by_logs(minus_largest, dim=0),
        "the largest for each prototype": by_logs(lambda logs: -logs.amax(dim=0).mean()),
        "the farthest wins": by_logs(minus_largest, lambda x, p, s, squared: s * torch.cdist(x, p)),
        "squared distances: the distances are to be squared": by_logs(
            minus_largest, lambda x, p, s, squared: -s * torch.cdist(x, p)
        ),
        "the distances are squared, and should not be": by_logs(
            minus_largest, lambda x, p, s, squared: -s * torch.cdist(x, p) ** 2
        ),
        "the inverse temperature is missing": by_logs(
            minus_largest, lambda x, p, s, squared: -(torch.cdist(x, p) ** (2 if squared else 1))
        ),
        "you divided by the inverse temperature; it": by_logs(
            minus_largest, lambda x, p, s, squared: -(torch.cdist(x, p) ** (2 if squared else 1)) / s
        ),
        "you squared the inverse temperature too": by_logs(
            minus_largest, lambda x, p, s, squared: -((s * torch.cdist(x, p)) ** (2 if squared else 1))
        ),
        "in the end; eq. 3 does not": lambda x, p, s=1.0, q=False: softmin_loss(x, p, s, q) / s,
        "these are dot products": by_logs(minus_largest, lambda x, p, s, squared: s * x @ p.T),
        "not to base 2": lambda *inputs: softmin_loss(*inputs) / math.log(2),
        "the worst descriptor": by_logs(lambda logs: -logs.amax(dim=1).amin()),
        "a number for each descriptor": by_logs(lambda logs: -logs.amax(dim=1)),
        "inverse temperature 300: NaN or infinite: every exponential vanishes": as_printed,
        "without more said, the inverse temperature is 1": lambda x, p, s=2.0, q=False: softmin_loss(x, p, s, q),
        "no gradient reaches the descriptors": lambda x, *inputs: softmin_loss(x.detach(), *inputs),
        "no gradient reaches the prototypes": lambda x, p, *inputs: softmin_loss(x, p.detach(), *inputs),
        "is NaN where a descriptor lies on a prototype": by_roots,
        "do not detach parts of it": lambda *inputs: (softmin_loss(*inputs) + softmin_loss(*inputs).detach()) / 2,
        "you called `kmeans_softmin_loss`": kmeans_softmin_loss,
    },
    lesson.check_neat_loss: {
        "this is ln M": lambda count, inverse_temperature, squared: math.log(count),
        "price of the collapse": price(apart=lambda count: 2.0),
        "at right angles": price(apart=lambda count: math.sqrt(2)),
        "counted the nearest prototype among the others": price(others=lambda count: count),
        "are mixed up": lambda count, inverse_temperature, squared: neat_loss(count, inverse_temperature, not squared),
        "the inverse temperature is missing": lambda count, inverse_temperature, squared: neat_loss(
            count, 1.0, squared
        ),
        "this is the largest probability": lambda *inputs: math.exp(-neat_loss(*inputs)),
        "the sign is turned round": lambda *inputs: -neat_loss(*inputs),
        "distances: it should be": lambda *inputs: 0.5,
        "the prototypes point away from each other": price(apart=lambda count: math.sqrt(2 - 2 / (count - 1))),
        "and you took -1 / M": price(apart=lambda count: math.sqrt(2 + 2 / count)),
        "there are M - 1 others, not one": price(others=lambda count: 1),
        "the logarithm is missing": lambda *inputs: math.exp(neat_loss(*inputs)),
        "not to base 2": lambda *inputs: neat_loss(*inputs) / math.log(2),
        "not to base 10": lambda *inputs: neat_loss(*inputs) / math.log(10),
        "the nearest, with its e⁰ = 1, is missing": lambda *inputs: math.log(math.exp(neat_loss(*inputs)) - 1),
        "you summed over prototypes": lambda count, *inputs: count * neat_loss(count, *inputs),
        "you divided by M": lambda count, *inputs: neat_loss(count, *inputs) / count,
        "a finite number is asked for, yours gives nan": lambda *inputs: math.nan,
        "a number is asked for, yours gives list": lambda *inputs: [1.0],
    },
    lesson.check_softmin_gradient: {
        "seven times too large": lambda *inputs: 7 * softmin_gradient(*inputs),
        "the sign is turned round": lambda *inputs: -softmin_gradient(*inputs),
        "the pull of the nearest alone": nearest_alone,
        "these are the pushes alone": lambda *inputs: softmin_gradient(*inputs) - nearest_alone(*inputs),
        "squared distances": of_squares_by_hand,
        "you called `grad`: the gradient is asked for without autograd": of_squares,
        "your probabilities grow with the distance": formula(lambda s, distance: (s * distance).softmax(dim=1)),
        "not of length 1": formula(lambda s, distance: (-s * distance).softmax(dim=1), length=False),
        "your softmax runs over descriptors": formula(lambda s, distance: (-s * distance).softmax(dim=0)),
        "you took the farthest prototype": formula(
            lambda s, distance: (-s * distance).softmax(dim=1), choose=lambda distance: distance.argmax(dim=1)
        ),
        "you left the nearest out of the probabilities": formula(
            lambda s, distance: (
                (-s * distance).scatter(1, distance.argmin(dim=1, keepdim=True), -torch.inf).softmax(dim=1)
            )
        ),
        "the number of dimensions": lambda x, p, s: softmin_gradient(x, p, s) * len(x) / x.shape[1],
        "the number of prototypes": lambda x, p, s: softmin_gradient(x, p, s) * len(x) / len(p),
        "inverse temperature 2.5: .* missing before the directions": lambda d, p, inverse_temperature: (
            softmin_gradient(d, p, inverse_temperature) / inverse_temperature
        ),
        "inverse temperature 2.5: .* missing in the probabilities": lambda d, p, inverse_temperature: (
            inverse_temperature * softmin_gradient(d, p, 1.0)
        ),
        "by their probabilities, not all the same": pushes_all_the_same,
        "all slopes are 0": lambda *inputs: 0 * softmin_gradient(*inputs),
        "too large by 1, everywhere": lambda *inputs: softmin_gradient(*inputs) + 1,
        "descriptor 0 is right, and no other": lambda *inputs: softmin_gradient(*inputs).index_fill(
            0, torch.arange(1, 7), 0.5
        ),
        r"should have shape \(7, 5\)": lambda *inputs: softmin_gradient(*inputs)[0],
    },
    lesson.check_revive: {
        "none of them has moved": lambda prototypes, descriptors: prototypes.clone(),
        "you changed the input that was given": in_place,
        "not all of them stay where they are": lambda prototypes, descriptors: revive(prototypes, descriptors) + 1,
        "all go to the same descriptor": bringing(lambda distance, dead: [int(distance.amin(1).argmax())] * dead),
        "those who are served best": bringing(lambda distance, dead: distance.amin(1).argsort()[:dead]),
        "the first of the dead goes to the worst": bringing(
            lambda distance, dead: distance.amin(1).argsort(descending=True)[:dead].flip(0)
        ),
        "not to the farthest": bringing(lambda distance, dead: distance.amax(1).argsort(descending=True)[:dead]),
        "they stand on the mean of all": to_the_mean,
        "they should stand on": bringing(lambda distance, dead: torch.arange(dead)),
        r"should have shape \(6, 3\)": lambda prototypes, descriptors: descriptors,
    },
}
EXERCISES = {
    lesson.check_softmin_loss: "softmin_loss",
    lesson.check_neat_loss: "neat_loss",
    lesson.check_softmin_gradient: "softmin_gradient",
    lesson.check_revive: "revive",
}


@pytest.mark.parametrize("count", [3, 10, 40])
@pytest.mark.parametrize("inverse_temperature", [0.2, 1.0, 8.0])
@pytest.mark.parametrize("squared", [False, True])
def test_collapse_is_always_cheaper_than_neat_clusters(count, inverse_temperature, squared):
    """What the lesson says of eq. 3, for more than two prototypes."""
    assert LESSON["collapsed_loss"](count, inverse_temperature, squared) < neat_loss(
        count, inverse_temperature, squared
    )
