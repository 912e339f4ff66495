"""Each check of lesson 09 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F
from lesson_definitions import definitions
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tusklite.course import sliced_wasserstein as lesson
from tusklite.losses import random_projections, sliced_wasserstein

SOLUTIONS = definitions("solutions/09_sliced_wasserstein")
LESSON = definitions("09_sliced_wasserstein")
partners, transport_gradient = SOLUTIONS["partners"], SOLUTIONS["transport_gradient"]
transport_1d = SOLUTIONS["transport_1d"]
worst_direction, transport_circle = SOLUTIONS["worst_direction"], SOLUTIONS["transport_circle"]


def wrapped(angles: Tensor) -> Tensor:
    return (angles + math.pi) % (2 * math.pi) - math.pi


def gradient_left_in_order(x: Tensor, y: Tensor, projections: Tensor) -> Tensor:
    gaps = (x @ projections.T).sort(dim=0).values - (y @ projections.T).sort(dim=0).values
    return 2 / gaps.numel() * gaps @ projections


def gradient_by_autograd(x: Tensor, y: Tensor, projections: Tensor) -> Tensor:
    moved = x.clone().requires_grad_()
    sliced_wasserstein(moved, y, projections).backward()
    return moved.grad


def with_gradients(solution):
    """The same, with gradients switched on again."""

    def function(*inputs: Tensor) -> Tensor:
        with torch.enable_grad():
            return solution(*inputs)

    return function


def scattered(order: Tensor, gaps: Tensor) -> Tensor:
    return torch.empty_like(gaps).scatter_(0, order, gaps)


def put_back(back):
    """The gradient, with the gaps put back to samples in another way."""

    def gradient(x: Tensor, y: Tensor, projections: Tensor) -> Tensor:
        (along_x, order), (along_y, other) = ((side @ projections.T).sort(dim=0) for side in (x, y))
        return 2 / along_x.numel() * back(order, other, along_x - along_y) @ projections

    return gradient


def in_turn(x: Tensor, y: Tensor) -> Tensor:
    taken = []
    for number in x:
        away = (number - y).abs()
        away[taken] = torch.inf
        taken.append(int(away.argmin()))
    return torch.tensor(taken)


def squared(x: Tensor, y: Tensor, directions: Tensor) -> Tensor:
    """Squared distances (R,) along directions (R, C)."""
    gaps = (directions @ x.T).sort(dim=1).values - (directions @ y.T).sort(dim=1).values
    return gaps.square().mean(dim=1)


def climbing(starts: int, seed: int = 0):
    """The worked solution from so many starts."""

    def direction(x: Tensor, y: Tensor) -> Tensor:
        w = torch.randn(starts, x.shape[1], generator=torch.Generator().manual_seed(seed)).requires_grad_()
        optimizer = torch.optim.Adam([w], lr=0.05)
        for _ in range(150):
            optimizer.zero_grad()
            (-squared(x, y, F.normalize(w, dim=1)).sum()).backward()
            optimizer.step()
        unit = F.normalize(w.detach(), dim=1)
        return unit[squared(x, y, unit).argmax()]

    return direction


def drawn(count: int):
    """The best of so many random directions."""

    def direction(x: Tensor, y: Tensor) -> Tensor:
        directions = F.normalize(torch.randn(count, x.shape[1], generator=torch.Generator().manual_seed(0)), dim=1)
        return directions[torch.cat([squared(x, y, part) for part in directions.split(2000)]).argmax()]

    return direction


def dullest_direction(x: Tensor, y: Tensor) -> Tensor:
    directions = random_projections(3000, x.shape[1], torch.Generator().manual_seed(0)).to(x)
    return min(directions, key=lambda w: float(sliced_wasserstein(x, y, w[None])))


def shifted(x: Tensor, y: Tensor) -> Tensor:
    """Differences (N, N) of sorted angles, one row a shift, as on a line."""
    return x.sort().values - torch.stack([y.sort().values.roll(shift) for shift in range(len(y))])


def gaps(x: Tensor, y: Tensor) -> Tensor:
    return x.sort().values - y.sort().values


def by_the_hungarian_method(x: Tensor, y: Tensor, power: float = 2) -> Tensor:
    costs = (x[:, None] - y).abs().pow(power)
    return costs[linear_sum_assignment(costs.detach())].mean()


ANSWERS = {
    lesson.check_transport_1d: {
        "at its place in the list, unsorted": lambda x, y, p=2: (x - y).abs().pow(p).mean(),
        "you sorted x alone": lambda x, y, p=2: (x.sort().values - y).abs().pow(p).mean(),
        "you sorted y alone": lambda x, y, p=2: (x - y.sort().values).abs().pow(p).mean(),
        "that is the dearest plan": lambda x, y, p=2: (x.sort().values + (-y).sort().values).abs().pow(p).mean(),
        "two may go to one": lambda x, y, p=2: (x[:, None] - y).abs().pow(p).amin(dim=1).mean(),
        "you summed over the ways": lambda x, y, p=2: gaps(x, y).abs().pow(p).sum(),
        "power 1: you took the square": lambda x, y, p=2: gaps(x, y).square().mean(),
        "power 2: you took the way as it is": lambda x, y, p=2: gaps(x, y).abs().mean(),
        "an odd power leaves the sign in": lambda x, y, p=2: gaps(x, y).pow(p).mean(),
        "the power of the mean": lambda x, y, p=2: gaps(x, y).abs().mean().pow(p),
        "you took the root": lambda x, y, p=2: gaps(x, y).abs().pow(p).mean().pow(1 / p),
        "the mean over all pairs": lambda x, y, p=2: (x[:, None] - y).abs().pow(p).mean(),
        "the longest way": lambda x, y, p=2: gaps(x, y).abs().pow(p).amax(),
        "you compared positions": lambda x, y, p=2: (x.argsort() - y.argsort()).abs().float().pow(p).mean(),
        "the way between the means": lambda x, y, p=2: (x.mean() - y.mean()).abs().pow(p),
        "yours are nine ways": lambda x, y, p=2: gaps(x, y).abs().pow(p),
        "without a power given it is 2": lambda x, y, p=1: transport_1d(x, y, p),
        "no gradient reaches x": lambda x, y, p=2: transport_1d(x.detach(), y, p),
        "do not detach parts of it": lambda x, y, p=2: (transport_1d(x, y, p) + transport_1d(x.detach(), y, p)) / 2,
        "you called `linear_sum_assignment`: sorting is all you need": by_the_hungarian_method,
        "you called `sliced_wasserstein`: it is the package's": lambda x, y, p=2: sliced_wasserstein(
            x[:, None], y[:, None], torch.ones(1, 1)
        ),
    },
    lesson.check_partners: {
        r"this is y.argsort\(\)": lambda x, y: y.argsort(),
        r"this is x.argsort\(\)": lambda x, y: x.argsort(),
        "these are the ranks of x": lambda x, y: x.argsort().argsort(),
        r"x.argsort\(\) are not the ranks": lambda x, y: y.argsort()[x.argsort()],
        "the way back": lambda x, y: partners(y, x),
        "go to only . of y": lambda x, y: (x[:, None] - y).abs().argmin(dim=1),
        "its own place in the list": lambda x, y: torch.arange(len(x)),
        "the smallest goes to the largest": lambda x, y: y.argsort(descending=True)[x.argsort().argsort()],
        "these are the ranks of y": lambda x, y: y.argsort().argsort(),
        "each takes the nearest that is left": in_turn,
        "your plan costs .* the cheapest": lambda x, y: partners(x, y).roll(1),
        "integers are asked for": lambda x, y: y[partners(x, y)],
        "go from 0 to 8, yours from 1 to 9": lambda x, y: partners(x, y) + 1,
    },
    lesson.check_transport_gradient: {
        "the sign is turned round": lambda x, y, w: -transport_gradient(x, y, w),
        "a factor 2": lambda x, y, w: transport_gradient(x, y, w) / 2,
        "it is N times too long": lambda x, y, w: len(x) * transport_gradient(x, y, w),
        "it is N / 2 times": lambda x, y, w: len(x) / 2 * transport_gradient(x, y, w),
        "it is R times too long": lambda x, y, w: len(w) * transport_gradient(x, y, w),
        "it is N R times": lambda x, y, w: len(x) * len(w) * transport_gradient(x, y, w),
        "in sorted order": gradient_left_in_order,
        "the partner in the list": lambda x, y, w: 2 * (x - y) / len(x),
        "too large by 1, everywhere": lambda x, y, w: transport_gradient(x, y, w) + 1,
        "you called `backward`: the gradient is asked for without autograd": gradient_by_autograd,
        "you called `backward`: .* write its formula": with_gradients(gradient_by_autograd),
        "you did not sort": lambda x, y, w: 2 / (len(x) * len(w)) * (x - y) @ w.T @ w,
        "`scatter_` puts each gap back": put_back(lambda order, other, gaps: gaps.gather(0, order)),
        "by the order of y": put_back(lambda order, other, gaps: scattered(other, gaps)),
        "the pulls are all equally long": put_back(lambda order, other, gaps: scattered(order, gaps.sign())),
        "the first direction alone": lambda x, y, w: transport_gradient(x, y, w[:1]),
        "you divided by C": lambda x, y, w: transport_gradient(x, y, w) / x.shape[1],
        "sample 0 is right, and no other": lambda x, y, w: transport_gradient(x, y, w).index_fill(
            0, torch.arange(1, len(x)), 0.5
        ),
        r"should have shape \(7, 3\)": lambda x, y, w: (x - y) @ w.T,
    },
    lesson.check_worst_direction: {
        "shifted: a direction has length 1, yours has 2": lambda x, y: y.mean(dim=0) - x.mean(dim=0),
        "of which one is longer: along yours": lambda x, y: F.normalize(y.mean(dim=0) - x.mean(dim=0), dim=0),
        "they hardly differ": dullest_direction,
        "on a cloud and the same cloud shifted: along yours the squared distance": lambda x, y: random_projections(
            1, x.shape[1], torch.Generator().manual_seed(1)
        )[0],
        r"should have shape \(4,\)": lambda x, y: worst_direction(x, y)[None],
        "the top of the lower of two hills": climbing(1),
        "directions that are only drawn come no closer$": drawn(20_000),
    },
    lesson.check_transport_circle: {
        "this is the line's answer": lambda x, y: (x.sort().values - y.sort().values).square().mean(),
        "nobody is the smallest": lambda x, y: wrapped(x.sort().values - y.sort().values).square().mean(),
        "goes all the way round": lambda x, y: shifted(x, y).square().mean(dim=1).min(),
        "N times too large": lambda x, y: wrapped(shifted(x, y)).square().sum(dim=1).min(),
        "two go to one place": lambda x, y: wrapped(x[:, None] - y).square().amin(dim=1).mean(),
        "this is the root": lambda x, y: transport_circle(x, y).sqrt(),
        "you charge the arcs": lambda x, y: wrapped(shifted(x, y)).abs().mean(dim=1).min(),
        "the mean over all places to begin": lambda x, y: wrapped(shifted(x, y)).square().mean(),
        "the longest way": lambda x, y: wrapped(shifted(x, y)).square().amax(dim=1).min(),
        "in whole turns": lambda x, y: transport_circle(x, y) / (4 * math.pi**2),
        "dearer than the best plan: yours is 2 times": lambda x, y: 2 * transport_circle(x, y),
        "cheaper than any plan can be": lambda x, y: transport_circle(x, y).sin() / 3,
    },
}
EXERCISES = {
    lesson.check_transport_1d: "transport_1d",
    lesson.check_partners: "partners",
    lesson.check_transport_gradient: "transport_gradient",
    lesson.check_worst_direction: "worst_direction",
    lesson.check_transport_circle: "transport_circle",
}


@pytest.mark.parametrize("seed", range(1, 6))
def test_one_start_is_never_enough_and_eight_are(seed):
    assert lesson.check_worst_direction(climbing(1, seed)).status == "wrong"
    assert lesson.check_worst_direction(climbing(8, seed))


@pytest.mark.parametrize("seed", range(5))
def test_the_circle_of_the_solution_is_pots(seed):
    x, y = wrapped(3 * torch.randn(2, 11, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    turns = [(angles.numpy() / (2 * np.pi)) % 1 for angles in (x, y)]  # POT's circle has length 1
    theirs = float(np.squeeze(ot.wasserstein_circle(*turns, p=2)))
    assert float(transport_circle(x, y)) == pytest.approx((2 * np.pi) ** 2 * theirs, rel=1e-5)
