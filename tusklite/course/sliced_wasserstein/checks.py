"""Checks for lesson 09: transport by sorting, its plan, its gradient, the worst direction, transport round a circle."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import AUTOGRAD, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_tensor, verdict
from tusklite.losses import random_projections, sliced_wasserstein


def _transport_1d(x: Tensor, y: Tensor, power: float = 2) -> Tensor:
    """Mean of |way| to a power in the cheapest plan between numbers x (N,) and y (N,)."""
    return (x.sort().values - y.sort().values).abs().pow(power).mean()


@verdict("sorting is transport, for any power from 1 on, and the gradient flows", worked=_transport_1d)
def check_transport_1d(transport_1d: Callable[..., Tensor]) -> None:
    """Check `transport_1d(x, y, power=2) -> scalar`, against the Hungarian method, and its gradient.

    Example:
        >>> check_transport_1d(lambda x, y, power=2: (x - y).abs().pow(power).mean())
        ✘ wrong: power 2: each goes to the one at its place in the list, unsorted: smallest to smallest is cheapest
    """
    from scipy.optimize import linear_sum_assignment

    package = "it is the package's answer; sort, and take the mean"
    transport_1d = without(
        transport_1d, {sliced_wasserstein: package, linear_sum_assignment: "sorting is all you need"}
    )
    for power, seed in ((2, 12), (1, 14), (3, 16)):
        x, y = _normal(9, seed=seed), 2 * _normal(9, seed=seed + 1) + 0.5
        costs = (x[:, None] - y).abs().pow(power)
        result = answer(transport_1d, x, y, power)
        if isinstance(result, Tensor) and result.shape == (9,):
            raise WrongAnswer(f"power {power}: yours are nine ways; asked is one number, their mean")
        found = answer_tensor(lambda result=result: result, shape=())
        gap = x.sort().values - y.sort().values
        mistakes = [
            ((x - y).abs().pow(power).mean(), "each goes to the one at its place in the list, unsorted: smallest to "
             "smallest is cheapest"),
            ((x.sort().values - y).abs().pow(power).mean(), "you sorted x alone; y has to be sorted as well"),
            ((x - y.sort().values).abs().pow(power).mean(), "you sorted y alone; x has to be sorted as well"),
            ((x.sort().values - y.sort(descending=True).values).abs().pow(power).mean(), "the smallest goes to the "
             "largest: that is the dearest plan"),
            (costs.amin(dim=1).mean(), "each goes to its nearest, and two may go to one: each takes exactly one"),
            (gap.abs().pow(power).sum(), "you summed over the ways; their mean is asked for"),
            (gap.square().mean(), "you took the square, whatever `power` says"),
            (gap.abs().mean(), "you took the way as it is, whatever `power` says"),
            (gap.pow(power).mean(), "an odd power leaves the sign in: take |way|"),
            (gap.abs().mean().pow(power), "you took the power of the mean; take the mean of powers"),
            (gap.abs().pow(power).mean().pow(1 / power), "you took the root; the mean of powers is asked for"),
            (costs.mean(), "this is the mean over all pairs; each goes to one"),
            (gap.abs().pow(power).amax(), "this is the longest way; their mean is asked for"),
            ((x.argsort() - y.argsort()).abs().double().pow(power).mean(), "you compared positions: `argsort` says "
             "where numbers stand, `sort().values` which they are"),
            ((x.mean() - y.mean()).abs().pow(power), "this is the way between the means; each number has its own"),
        ]  # fmt: skip
        wanted = costs[linear_sum_assignment(costs)].mean()
        compare(found, wanted, mistakes, f"power {power}")
    if not close(answer_tensor(transport_1d, x, y, shape=()), gap.square().mean()):
        raise WrongAnswer("without a power given it is 2")
    leaf = x.float().requires_grad_()
    result = answer(transport_1d, leaf, y.float(), 2)
    if not result.requires_grad:
        raise WrongAnswer("the value is right, but no gradient reaches x: prototypes could not follow it")
    (found,) = torch.autograd.grad(result, leaf, allow_unused=True)
    wanted = torch.empty_like(gap).scatter_(0, x.argsort(), 2 / 9 * gap)
    if found is None or not close(found, wanted):
        raise WrongAnswer("the value is right, but its gradient to x is not: do not detach parts of it")


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
        (torch.arange(9), "each goes to its own place in the list; the partner has the same rank"),
        (y.argsort(descending=True)[ranks], "the smallest goes to the largest; one of your sorts goes down"),
        (y.argsort().argsort(), "these are the ranks of y; which of y has the rank of each x?"),
        (_greedy_partners(x, y), "each takes the nearest that is left, in the order of the list: the late ones pay for "
         "it; sort both"),
    ):  # fmt: skip
        if torch.equal(chosen, other) and not torch.equal(other, wanted):
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
    forbidden = dict.fromkeys(AUTOGRAD, "the gradient is asked for without autograd; write its formula")
    transport_gradient = without(transport_gradient, forbidden)
    x, y = _normal(7, 3, seed=3), _normal(7, 3, seed=4) + 0.5
    directions = random_projections(5, 3, drawn(5)).double()
    moved = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(sliced_wasserstein(moved, y, directions), moved)
    with torch.no_grad():
        gradient = answer_tensor(transport_gradient, x, y, directions, shape=(7, 3))
    along_x, along_y = x @ directions.T, y @ directions.T  # (7, 5)
    order = along_x.argsort(dim=0)
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
        (2 / 35 * (along_x - along_y) @ directions, "you did not sort: each sample goes to the one at its place in the "
         "list, on every direction"),
        (2 / 35 * gaps.gather(0, order) @ directions, "`gather` fetches by the order, and it has to be undone: "
         "`scatter_` puts each gap back to its sample"),
        (2 / 35 * _back(along_y.argsort(dim=0), gaps) @ directions, "you put the gaps back by the order of y; they "
         "belong to the samples of x"),
        (2 / 35 * _back(order, gaps.sign()) @ directions, "the pulls are all equally long; a square pulls by its gap"),
        (2 / 7 * _back(order, gaps)[:, :1] @ directions[:1], "you used the first direction alone; the loss is a mean "
         "over all"),
        (wanted / 3, "you divided by C; the loss is a mean over samples and directions only"),
    ):  # fmt: skip
        if close(gradient, other):
            raise WrongAnswer(reason)
    compare(gradient, wanted, where="on seven random points in space and five directions", axes=("sample", "axis"))


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
        random = random_projections(500, 4, drawn(10)).to(x)
        typical = float(sliced_wasserstein(x, y, random))
        if found < 0.2 * typical:
            raise WrongAnswer(f"on {name}: along yours they hardly differ ({found:.3f}): the largest is asked for")
        if found < 0.97 * wanted:
            raise WrongAnswer(
                f"on {name}: along yours the squared distance is {found:.3f}, and there is one with {wanted:.3f} "
                f"(on average {typical:.3f})"
            )
    for seed in range(2):
        for side in range(2):
            _refuse_lower_hill(worst_direction, *_two_hills(seed, side))


def _refuse_lower_hill(worst_direction: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, axis: Tensor) -> None:
    """Refuse a direction that is not on the higher of two hills, whose top is near the `axis`."""
    direction = answer_tensor(worst_direction, x, y, shape=(x.shape[1],)).to(x)
    if not math.isclose(float(direction.norm()), 1, abs_tol=1e-3):
        raise WrongAnswer(f"on clouds of ten dimensions: a direction has length 1, yours has {direction.norm():.3g}")
    found, high = (float(sliced_wasserstein(x, y, w[None])) for w in (direction, axis))
    if found >= 0.97 * high:
        return
    where = f"on clouds of ten dimensions, along yours the squared distance is {found:.2f}, and the best has {high:.2f}"
    beside = F.normalize(direction + 0.05 * _normal(300, x.shape[1], seed=11), dim=1)
    higher = max(float(sliced_wasserstein(x, y, w[None])) for w in beside)
    if higher < 1.01 * found:
        raise WrongAnswer(f"{where}: you stand on the top of the lower of two hills; climb from many starts")
    raise WrongAnswer(
        f"{where}: a direction close to yours has {higher:.2f} already, so climb on. In ten dimensions directions that "
        "are only drawn come no closer"
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
        generator = drawn(seed)
        x = math.pi * (2 * torch.rand(8, generator=generator, dtype=torch.float64) - 1)
        y = _wrapped(x.mean() + 2.5 + 1.2 * torch.randn(8, generator=generator, dtype=torch.float64))
        costs = _wrapped(x[:, None] - y).square()
        rows, columns = linear_sum_assignment(costs)
        wanted = costs[rows, columns].mean()
        result = answer_tensor(transport_circle, x, y, shape=())
        shifts = _wrapped(x.sort().values - torch.stack([y.sort().values.roll(i) for i in range(8)]))  # (8, 8)
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
            (shifts.abs().mean(dim=1).min(), "you charge the arcs; their squares are charged"),
            (shifts.square().mean(), "you took the mean over all places to begin; the best is asked for"),
            (shifts.square().amax(dim=1).min(), "you charge the longest way; the mean over all is asked for"),
            (wanted / (4 * math.pi**2), "in whole turns; radians are asked for"),
        ):
            if close(result, other) and not close(other, wanted):
                raise WrongAnswer(reason)
        word = "cheaper than any plan can be" if result < wanted else "dearer than the best plan"
        compare(result, wanted, where=f"on eight random angles, {word}")


def _two_hills(seed: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clouds x and y (40, 10), and the top of the higher of two hills (10,): x is longer on one hill, y on the other.

    From one start, the same hill is climbed on both sides, and on one of them it is the lower. The best of 20,000
    directions drawn at random stays a tenth to a quarter below the higher.
    """
    count, dimensions = 40, 10
    turn = torch.linalg.qr(_normal(dimensions, dimensions, seed=100 + seed)).Q
    lengths = torch.ones(2, dimensions, dtype=torch.float64)
    lengths[0, :5] = lengths[1, 5:] = 3.0
    top = (0, 0) if side == 0 else (1, 9)
    lengths[top] = 3.9
    clouds = []
    for part, length in enumerate(lengths):
        free = _normal(count, dimensions, seed=200 + 2 * seed + part)
        even = torch.linalg.qr(free - free.mean(dim=0)).Q * count**0.5  # as long on every direction, by 1
        clouds.append((even * length) @ turn.T)
    return clouds[0], clouds[1], turn[:, top[1]]


def _back(order: Tensor, gaps: Tensor) -> Tensor:
    """Gaps in sorted order, put back to where an order took them from."""
    return torch.empty_like(gaps).scatter_(0, order, gaps)


def _greedy_partners(x: Tensor, y: Tensor) -> Tensor:
    distance, taken = (x[:, None] - y).abs(), []
    for row in distance:
        row[taken] = torch.inf
        taken.append(int(row.argmin()))
    return torch.tensor(taken)


def _normal(*shape: int, seed: int) -> Tensor:
    """Random numbers that are the same on every call."""
    return torch.randn(*shape, generator=drawn(seed), dtype=torch.float64)


def _wrapped(angles: Tensor) -> Tensor:
    """The same angles in [-pi, pi)."""
    return (angles + math.pi) % (2 * math.pi) - math.pi
