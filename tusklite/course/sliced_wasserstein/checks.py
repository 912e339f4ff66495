"""Checks for lesson 08: partners on a line, the gradient by hand, the worst direction, transport round a circle."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.course.verdict import WrongAnswer, answer_tensor, close, verdict
from tusklite.losses import random_projections, sliced_wasserstein


@verdict("everybody goes to the one of the same rank")
def check_partners(partners: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `partners(x, y) -> (N,)` integers: x[i] is carried to y[partners[i]].

    Example:
        >>> check_partners(lambda x, y: y.argsort())
        ✘ wrong: this is y.argsort(), right only where x is sorted already: look up the rank of each x in it
    """
    x, y = _normal(9, seed=1), _normal(9, seed=2)
    chosen = answer_tensor(partners, x, y, shape=(9,))
    if chosen.is_floating_point():
        raise WrongAnswer(f"integers are asked for, positions in y; yours are of type {chosen.dtype}")
    if chosen.min() < 0 or chosen.max() > 8:
        raise WrongAnswer(
            f"on nine numbers: positions in y go from 0 to 8, yours from {chosen.min()} to {chosen.max()}"
        )
    ranks = x.argsort().argsort()
    wanted = y.argsort()[ranks]
    for other, reason in (
        (y.argsort(), "this is y.argsort(), right only where x is sorted already: look up the rank of each x in it"),
        (x.argsort(), "this is x.argsort(): it says where the sorted numbers stand in x, and y does not occur in it"),
        (ranks, "these are the ranks of x: go on, and look up which of y has each rank"),
        (
            y.argsort()[x.argsort()],
            "x.argsort() are not the ranks of x: it says where each rank stands, not which it is",
        ),
        (wanted.argsort(), "this is the way back, from y to x: at [i] stands where x[i] goes"),
    ):
        if torch.equal(chosen, other):
            raise WrongAnswer(reason)
    taken = chosen.unique().numel()
    if taken < 9:
        raise WrongAnswer(f"nine numbers go to only {taken} of y: each of y takes exactly one")
    if not torch.equal(chosen, wanted):
        yours, best = ((x - y[order]).square().mean().item() for order in (chosen, wanted))
        raise WrongAnswer(f"on nine random numbers: your plan costs {yours:.4f}, the cheapest costs {best:.4f}")


@verdict("it is autograd's gradient, without autograd")
def check_transport_gradient(transport_gradient: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Check `transport_gradient(x, y, projections) -> (N, C)`.

    Example:
        >>> check_transport_gradient(lambda x, y, projections: 2 * (x - y) / len(x))
        ✘ wrong: this goes to the partner in the list, not to the partner on each direction: sort first
    """
    x, y = _normal(7, 3, seed=3), _normal(7, 3, seed=4) + 0.5
    directions = random_projections(5, 3, torch.Generator().manual_seed(5)).double()
    moved = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(sliced_wasserstein(moved, y, directions), moved)
    with torch.no_grad():
        gradient = answer_tensor(transport_gradient, x, y, directions, shape=(7, 3))
    along_x, along_y = x @ directions.T, y @ directions.T  # (7, 5)
    gaps = along_x.sort(dim=0).values - along_y.sort(dim=0).values
    in_sorted_order = 2 / (7 * 5) * gaps @ directions
    for other, reason in (
        (-wanted, "the sign is turned round: the gradient points away from the partner"),
        (wanted / 2, "half of it: the derivative of a square has a factor 2"),
        (7 * wanted, "it is N times too long: the loss is a mean over samples"),
        (
            7 * wanted / 2,
            "it is N / 2 times too long: the loss is a mean over samples, and a square's derivative has a 2",
        ),
        (5 * wanted, "it is R times too long: the loss is a mean over directions"),
        (35 * wanted, "it is N R times too long: the loss is a mean over samples and directions"),
        (in_sorted_order, "the rows stand in sorted order: put each gap back to the sample that it belongs to"),
        (2 * (x - y) / 7, "this goes to the partner in the list, not to the partner on each direction: sort first"),
    ):
        if close(gradient, other):
            raise WrongAnswer(reason)
    if not close(gradient, wanted):
        off = (gradient.to(wanted) - wanted).abs().max().item()
        raise WrongAnswer(f"on seven random points in space and five directions: an entry is off by {off:.3g}")


@verdict("no direction tells the two clouds further apart")
def check_worst_direction(worst_direction: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `worst_direction(x, y) -> (C,)` of unit length.

    Example:
        >>> check_worst_direction(lambda x, y: y.mean(dim=0) - x.mean(dim=0))
        ✘ wrong: on a cloud and the same cloud shifted: a direction has length 1, yours has 2
    """
    cloud = _normal(60, 4, seed=6)
    shift = 2 * F.normalize(_normal(4, seed=7), dim=0)
    axis = F.normalize(_normal(4, seed=8), dim=0)
    other = _normal(60, 4, seed=9)
    stretched = other + 2 * (other @ axis)[:, None] * axis
    centred, stretched = cloud - cloud.mean(dim=0), stretched - stretched.mean(dim=0) + 0.01
    cases = (
        ("a cloud and the same cloud shifted", cloud, cloud + shift, F.normalize(shift, dim=0)),
        ("two clouds of nearly one mean, of which one is longer", centred, stretched, axis),
    )
    for name, x, y, known in cases:
        direction = answer_tensor(worst_direction, x, y, shape=(4,)).to(x)
        length = float(direction.norm())
        if not math.isclose(length, 1, abs_tol=1e-3):
            raise WrongAnswer(f"on {name}: a direction has length 1, yours has {length:.3g}")
        found, wanted = (float(sliced_wasserstein(x, y, w[None])) for w in (direction, known))
        random = random_projections(500, 4, torch.Generator().manual_seed(10)).to(x)
        typical = float(sliced_wasserstein(x, y, random))
        if found < 0.2 * typical:
            raise WrongAnswer(f"on {name}: along yours they hardly differ ({found:.3f}): the largest is asked for")
        if found < 0.97 * wanted:
            raise WrongAnswer(
                f"on {name}: along yours the squared distance is {found:.3f}, and there is one with {wanted:.3f} "
                f"(on average {typical:.3f})"
            )


@verdict("the circle has no end, and yours neither")
def check_transport_circle(transport_circle: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `transport_circle(x, y) -> scalar` for angles in radians.

    Example:
        >>> check_transport_circle(lambda x, y: (x.sort().values - y.sort().values).square().mean())
        ✘ wrong: this is the line's answer: from 3.1 to -3.1 is a short way on a circle, yours goes all the way round
    """
    from scipy.optimize import linear_sum_assignment

    for seed in (7, 9, 27, 37):  # angles on which the mistakes below differ from each other
        generator = torch.Generator().manual_seed(seed)
        x = math.pi * (2 * torch.rand(8, generator=generator, dtype=torch.float64) - 1)
        y = _wrapped(x.mean() + 2.5 + 1.2 * torch.randn(8, generator=generator, dtype=torch.float64))
        costs = _wrapped(x[:, None] - y).square()
        rows, columns = linear_sum_assignment(costs)
        wanted = costs[rows, columns].mean()
        result = answer_tensor(transport_circle, x, y, shape=())
        sorted_x, sorted_y = x.sort().values, y.sort().values
        for other, reason in (
            (
                (sorted_x - sorted_y).square().mean(),
                "this is the line's answer: from 3.1 to -3.1 is a short way on a circle, yours goes all the way round",
            ),
            (
                _wrapped(sorted_x - sorted_y).square().mean(),
                "your arcs are right, but the smallest always goes to the smallest: on a circle nobody is the "
                "smallest, so try all N places to begin",
            ),
            (8 * wanted, "it is N times too large: the mean is asked for"),
            (_wrapped(x[:, None] - y).square().min(dim=1).values.mean(), "two go to one place: each takes exactly one"),
            (wanted.sqrt(), "this is the root: the mean of squared arcs is asked for"),
        ):
            if close(result, other) and not close(other, wanted):
                raise WrongAnswer(reason)
        if not close(result, wanted):
            raise WrongAnswer(
                f"on eight random angles: yours gives {float(result):.4f}, the best plan costs {float(wanted):.4f}"
            )


def _normal(*shape: int, seed: int) -> Tensor:
    """Random numbers that are the same on every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _wrapped(angles: Tensor) -> Tensor:
    """The same angles in [-pi, pi)."""
    return (angles + math.pi) % (2 * math.pi) - math.pi
