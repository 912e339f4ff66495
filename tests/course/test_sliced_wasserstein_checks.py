"""Each check of lesson 08 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F
from lesson_definitions import definitions
from torch import Tensor

from tusklite.course import sliced_wasserstein as lesson
from tusklite.losses import random_projections, sliced_wasserstein

SOLUTIONS = definitions("solutions/08_sliced_wasserstein")
LESSON = definitions("08_sliced_wasserstein")
partners, transport_gradient = SOLUTIONS["partners"], SOLUTIONS["transport_gradient"]
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


def dullest_direction(x: Tensor, y: Tensor) -> Tensor:
    directions = random_projections(3000, x.shape[1], torch.Generator().manual_seed(0)).to(x)
    return min(directions, key=lambda w: float(sliced_wasserstein(x, y, w[None])))


def shifted(x: Tensor, y: Tensor) -> Tensor:
    """Differences (N, N) of sorted angles, one row a shift, as on a line."""
    return x.sort().values - torch.stack([y.sort().values.roll(shift) for shift in range(len(y))])


ANSWERS = {
    lesson.check_partners: {
        r"this is y.argsort\(\)": lambda x, y: y.argsort(),
        r"this is x.argsort\(\)": lambda x, y: x.argsort(),
        "these are the ranks of x": lambda x, y: x.argsort().argsort(),
        r"x.argsort\(\) are not the ranks": lambda x, y: y.argsort()[x.argsort()],
        "the way back": lambda x, y: partners(y, x),
        "go to only . of y": lambda x, y: (x[:, None] - y).abs().argmin(dim=1),
        "your plan costs .* the cheapest": lambda x, y: torch.arange(len(x)),
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
        "an entry is off by": lambda x, y, w: transport_gradient(x, y, w) + 1,
        "does not require grad": gradient_by_autograd,
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
    },
    lesson.check_transport_circle: {
        "this is the line's answer": lambda x, y: (x.sort().values - y.sort().values).square().mean(),
        "nobody is the smallest": lambda x, y: wrapped(x.sort().values - y.sort().values).square().mean(),
        "goes all the way round": lambda x, y: shifted(x, y).square().mean(dim=1).min(),
        "N times too large": lambda x, y: wrapped(shifted(x, y)).square().sum(dim=1).min(),
        "two go to one place": lambda x, y: wrapped(x[:, None] - y).square().amin(dim=1).mean(),
        "this is the root": lambda x, y: transport_circle(x, y).sqrt(),
        "the best plan costs": lambda x, y: wrapped(shifted(x, y)).abs().mean(dim=1).min(),
    },
}
EXERCISES = {
    lesson.check_partners: "partners",
    lesson.check_transport_gradient: "transport_gradient",
    lesson.check_worst_direction: "worst_direction",
    lesson.check_transport_circle: "transport_circle",
}


@pytest.mark.parametrize("seed", range(5))
def test_the_circle_of_the_solution_is_pots(seed):
    x, y = wrapped(3 * torch.randn(2, 11, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    turns = [(angles.numpy() / (2 * np.pi)) % 1 for angles in (x, y)]  # POT's circle has length 1
    theirs = float(np.squeeze(ot.wasserstein_circle(*turns, p=2)))
    assert float(transport_circle(x, y)) == pytest.approx((2 * np.pi) ** 2 * theirs, rel=1e-5)
