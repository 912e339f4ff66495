"""Checks for lesson 10: the soft-min and its gradient, the price of neat clusters, dead prototypes brought back."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import AUTOGRAD, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, answer_tensor, verdict
from tusklite.losses import kmeans_softmin_loss


def _softmin_loss(
    descriptors: Tensor, prototypes: Tensor, inverse_temperature: float = 1.0, squared: bool = False
) -> Tensor:
    """Eq. 3 of descriptors (N, C) and prototypes (M, C), at every temperature."""
    distance = torch.cdist(descriptors, prototypes, compute_mode="donot_use_mm_for_euclid_dist")  # (N, M)
    distance = inverse_temperature * (distance**2 if squared else distance)
    return (distance.amin(dim=1) + torch.logsumexp(-distance, dim=1)).mean()


@verdict("it is eq. 3 at every temperature, and both sides feel it", worked=_softmin_loss)
def check_softmin_loss(softmin_loss: Callable[..., Tensor]) -> None:
    """Check `softmin_loss(descriptors, prototypes, inverse_temperature=1.0, squared=False)`, and its gradient.

    Example:
        >>> check_softmin_loss(lambda x, p, s=1.0, squared=False: torch.cdist(x, p).amin(dim=1).mean())
        ✘ wrong: inverse temperature 1: this is the nearest distance alone; the logarithm of the sum is missing
    """
    softmin_loss = without(softmin_loss, {kmeans_softmin_loss: "it is the package's answer; write it yourself"})
    generator = drawn(3)
    x, p = (torch.randn(size, 5, generator=generator) for size in (9, 4))
    for s, squared in ((1.0, False), (0.4, True), (2.5, False), (300.0, False)):
        where = f"inverse temperature {s:g}" + ", squared distances" * squared
        result = answer(softmin_loss, x, p, s, squared)
        if isinstance(result, Tensor) and result.shape == (9,):
            raise WrongAnswer(f"{where}: yours is a number for each descriptor; their mean is asked for")
        if isinstance(result, Tensor) and result.is_floating_point() and not torch.isfinite(result).all():
            raise WrongAnswer(
                f"{where}: NaN or infinite: every exponential vanishes, and 0 is divided by 0. Take the nearest "
                "distance out first: s min d + log sum e^(-s d), by `torch.logsumexp`"
            )
        found = answer_tensor(lambda result=result: result, shape=())
        compare(found, kmeans_softmin_loss(x, p, s, squared), _softmin_mistakes(x, p, s, squared), where)
    if not close(answer_tensor(softmin_loss, x, p, shape=()), kmeans_softmin_loss(x, p)):
        raise WrongAnswer("without more said, the inverse temperature is 1, and distances are not squared")
    x[0] = p[1]  # where a distance is 0
    leaves = x.requires_grad_(), p.requires_grad_()
    result = answer(softmin_loss, *leaves, 1.0, False)
    wanted = torch.autograd.grad(kmeans_softmin_loss(*leaves), leaves)
    grads = torch.autograd.grad(result, leaves, allow_unused=True) if result.requires_grad else (None, None)
    for name, slope, right in zip(("descriptors", "prototypes"), grads, wanted, strict=True):
        if slope is None or not slope.any():
            raise WrongAnswer(f"the value is right, but no gradient reaches the {name}")
        if not torch.isfinite(slope).all():
            raise WrongAnswer(
                f"the gradient to the {name} is NaN where a descriptor lies on a prototype: a root has no slope at 0. "
                "`torch.cdist` takes care of it"
            )
        if not close(slope, right):
            raise WrongAnswer(f"the value is right, but its gradient to the {name} is not: do not detach parts of it")


def _softmin_mistakes(x: Tensor, p: Tensor, s: float, squared: bool) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""
    plain = (x[:, None] - p).norm(dim=2)  # (N, M)
    used = plain**2 if squared else plain
    logs = (-s * used).log_softmax(dim=1)
    right = -logs.amax(dim=1)
    return [
        ((s * used).amin(dim=1).mean(), "this is the nearest distance alone; the logarithm of the sum is missing"),
        ((-s * used).logsumexp(dim=1).mean(), "this is the logarithm of the sum alone; the nearest distance is "
         "missing"),
        (right.sum(), "you summed over descriptors; their mean is asked for"),
        (-right.mean(), "the sign is turned round: minus the logarithm of something below 1 is above 0"),
        (-logs.amax(dim=1).exp().mean(), "the logarithm is missing: this is minus the largest probability"),
        (logs.amax(dim=1).exp().mean(), "this is the largest probability; minus its logarithm is asked for"),
        (-logs.amax(dim=1).exp().mean().log(), "you took the logarithm of the mean; take the mean of logarithms"),
        (-logs.mean(), "you took the mean over prototypes; the largest probability is asked for"),
        (-logs.amin(dim=1).mean(), "you took the smallest probability; the largest is asked for"),
        (-(-s * used).log_softmax(dim=0).amax(dim=1).mean(), "your probabilities sum to 1 over descriptors; they do so "
         "over prototypes"),
        (-logs.amax(dim=0).mean(), "you took the largest for each prototype; it is asked for each descriptor"),
        (-(s * used).log_softmax(dim=1).amax(dim=1).mean(), "the minus is missing in the exponent: the farthest wins"),
        (-(-s * plain).log_softmax(dim=1).amax(dim=1).mean(), "the distances are to be squared"),
        (-(-s * plain**2).log_softmax(dim=1).amax(dim=1).mean(), "the distances are squared, and should not be"),
        (-(-used).log_softmax(dim=1).amax(dim=1).mean(), "the inverse temperature is missing"),
        (-(-used / s).log_softmax(dim=1).amax(dim=1).mean(), "you divided by the inverse temperature; it multiplies"),
        (-(-((s * plain) ** 2)).log_softmax(dim=1).amax(dim=1).mean(), "you squared the inverse temperature too"),
        (right.mean() / s, "you divided by the inverse temperature in the end; eq. 3 does not"),
        (-(s * x @ p.T).log_softmax(dim=1).amax(dim=1).mean(), "these are dot products; eq. 3 has distances"),
        (right.mean() / math.log(2), "the logarithm is the natural one, not to base 2"),
        (right.amax(), "this is the worst descriptor; their mean is asked for"),
    ]  # fmt: skip


@verdict("that is what ten neat clusters cost, and what any other number of them costs")
def check_neat_loss(neat_loss: Callable[[int, float, bool], float]) -> None:
    """Check `neat_loss(count, inverse_temperature, squared) -> loss`.

    Example:
        >>> check_neat_loss(lambda count, inverse_temperature, squared: math.log(count))
        ✘ wrong: 10 prototypes, inverse temperature 1: this is ln M, the price when all prototypes are equally far
    """
    for count, inverse_temperature, squared in ((10, 1.0, False), (10, 0.625, True), (2, 1.0, False), (24, 3.0, False)):
        found = answer_number(neat_loss, count, inverse_temperature, squared)
        others, apart = count - 1, math.sqrt(2 * count / (count - 1))
        wanted = _price(others, apart, inverse_temperature, squared)
        for other, reason in (
            (math.log(count), "this is ln M, the price when all prototypes are equally far"),
            (
                _price(others, 2.0, inverse_temperature, squared),
                "this is the price of the collapse, where all others are 2 away",
            ),
            (
                _price(others, math.sqrt(2), inverse_temperature, squared),
                "prototypes at right angles are not as far apart as can be",
            ),
            (_price(count, apart, inverse_temperature, squared), "you counted the nearest prototype among the others"),
            (_price(others, apart, inverse_temperature, not squared), "distances and squared distances are mixed up"),
            (_price(others, apart, 1.0, squared), "the inverse temperature is missing"),
            (math.exp(-wanted), "this is the largest probability; the loss is minus its logarithm"),
            (-wanted, "the sign is turned round: minus the logarithm of something below 1 is above 0"),
            (
                _price(others, math.sqrt(2 - 2 / others), inverse_temperature, squared),
                "the cosine is -1 / (M - 1): the prototypes point away from each other",
            ),
            (
                _price(others, math.sqrt(2 + 2 / count), inverse_temperature, squared),
                "the cosine is -1 / (M - 1), and you took -1 / M",
            ),
            (_price(1, apart, inverse_temperature, squared), "there are M - 1 others, not one"),
            (math.expm1(wanted), "the logarithm is missing"),
            (1 + math.expm1(wanted), "the logarithm is missing"),
            (wanted / math.log(2), "the logarithm is the natural one, not to base 2"),
            (wanted / math.log(10), "the logarithm is the natural one, not to base 10"),
            (math.log(max(math.expm1(wanted), 1e-300)), "the nearest, with its e⁰ = 1, is missing under the logarithm"),
            (count * wanted, "you summed over prototypes; the loss is a mean over descriptors"),
            (wanted / count, "you divided by M; all descriptors cost the same, so their mean is the price of one"),
        ):
            if math.isclose(found, other, rel_tol=1e-4) and not math.isclose(wanted, other, rel_tol=1e-3):
                raise WrongAnswer(f"{count} prototypes, inverse temperature {inverse_temperature:g}: {reason}")
        if not math.isclose(found, wanted, rel_tol=1e-3):
            kind = "squared distances" if squared else "distances"
            collapse, even = _price(others, 2.0, inverse_temperature, squared), math.log(count)
            beside = f"the collapse costs {collapse:.3f}, prototypes that are all equally far cost ln M = {even:.3f}"
            raise WrongAnswer(
                f"{count} prototypes, inverse temperature {inverse_temperature:g}, {kind}: "
                f"it should be {wanted:.3f}, not {found:.3f} ({beside})"
            )


@verdict("it is autograd's gradient: towards the nearest, away from all, each as strongly as its probability")
def check_softmin_gradient(softmin_gradient: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Check `softmin_gradient(descriptors, prototypes, inverse_temperature) -> (N, C)`.

    Example:
        >>> check_softmin_gradient(lambda descriptors, prototypes, inverse_temperature: torch.zeros_like(descriptors))
        ✘ wrong: all slopes are 0: only a descriptor that has all prototypes on one spot may stay where it is
    """
    forbidden = dict.fromkeys(AUTOGRAD, "the gradient is asked for without autograd; write its formula")
    softmin_gradient = without(softmin_gradient, forbidden)
    for seed, inverse_temperature in ((0, 1.0), (1, 2.5)):
        generator = drawn(seed)
        descriptors = torch.randn(7, 5, generator=generator, dtype=torch.float64)
        prototypes = torch.randn(4, 5, generator=generator, dtype=torch.float64)
        found = answer_tensor(softmin_gradient, descriptors, prototypes, inverse_temperature, shape=(7, 5))
        wanted = _slope(descriptors, prototypes, inverse_temperature)
        away = descriptors[:, None] - prototypes
        units = away / away.norm(dim=2, keepdim=True)  # (N, M, C)
        nearest = units[torch.arange(7), away.norm(dim=2).argmin(dim=1)]
        if not found.any():
            raise WrongAnswer(
                "all slopes are 0: only a descriptor that has all prototypes on one spot may stay where it is"
            )
        for other, reason in (
            (7 * wanted, "seven times too large: the loss is a mean over descriptors"),
            (-wanted, "the sign is turned round: the gradient points uphill"),
            (
                inverse_temperature * nearest / 7,
                "this is the pull of the nearest alone; the others push, in the denominator",
            ),
            (
                wanted - inverse_temperature * nearest / 7,
                "these are the pushes alone; the nearest, in the numerator, is missing",
            ),
            (
                _slope(descriptors, prototypes, inverse_temperature, squared=True),
                "this is the gradient for squared distances",
            ),
            (
                wanted / inverse_temperature,
                "the inverse temperature is right in the probabilities, and missing before the directions",
            ),
            (
                inverse_temperature * _slope(descriptors, prototypes, 1.0),
                "the inverse temperature is missing in the probabilities",
            ),
            (
                inverse_temperature * (nearest - units.mean(dim=1)) / 7,
                "the others push by their probabilities, not all the same",
            ),
            (
                _pull(away, units, -inverse_temperature, inverse_temperature),
                "your probabilities grow with the distance; the nearest is the most probable",
            ),
            (
                _pull(away, away, inverse_temperature, inverse_temperature),
                "the directions are not of length 1: divide each by its distance",
            ),
            (
                _pull(away, units, inverse_temperature, inverse_temperature, dim=0),
                "your softmax runs over descriptors; it runs over prototypes",
            ),
            (
                _pull(away, units, inverse_temperature, inverse_temperature, nearest=False),
                "you took the farthest prototype for the nearest",
            ),
            (
                _without_the_nearest(away, units, inverse_temperature),
                "you left the nearest out of the probabilities; it stands in the denominator too",
            ),
            (wanted * 7 / 5, "you divided by the number of dimensions; the loss is a mean over descriptors"),
            (wanted * 7 / 4, "you divided by the number of prototypes; the loss is a mean over descriptors"),
        ):
            if close(found, other) and not close(wanted, other):
                raise WrongAnswer(f"inverse temperature {inverse_temperature:g}: {reason}")
        compare(found, wanted, [], f"inverse temperature {inverse_temperature:g}", axes=("descriptor", "axis"))


@verdict("whoever wins nothing goes where the need is greatest, and nobody else moves")
def check_revive(revive: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `revive(prototypes, descriptors) -> (M, C)`.

    Example:
        >>> check_revive(lambda prototypes, descriptors: prototypes)
        ✘ wrong: 3 prototypes win nothing, and none of them has moved
    """
    for seed, dead in ((0, 3), (1, 1), (2, 0)):
        generator = drawn(seed)
        descriptors = torch.randn(40, 3, generator=generator)
        prototypes = torch.randn(6, 3, generator=generator)
        lost = torch.randperm(6, generator=generator)[:dead].sort().values
        prototypes[lost] += 50 * (lost[:, None] + 1)
        gaps, nearest = torch.cdist(descriptors, prototypes).min(dim=1)
        lost = (nearest.bincount(minlength=6) == 0).nonzero()[:, 0]  # who won nothing by chance is dead as well
        found = answer_tensor(revive, prototypes, descriptors, shape=(6, 3))
        kept = torch.ones(6, dtype=torch.bool)
        kept[lost] = False
        if len(lost) and torch.allclose(found[lost], descriptors.mean(dim=0).expand(len(lost), -1)):
            raise WrongAnswer(f"{len(lost)} dead prototypes: they stand on the mean of all; the need is elsewhere")
        if not torch.equal(found[kept], prototypes[kept]):
            raise WrongAnswer(f"{int(kept.sum())} prototypes win something, and not all of them stay where they are")
        if not len(lost):
            continue
        if torch.equal(found[lost], prototypes[lost]):
            raise WrongAnswer(f"{len(lost)} prototypes win nothing, and none of them has moved")
        order = gaps.argsort(descending=True)
        wanted = descriptors[order[: len(lost)]]
        for other, reason in (
            (descriptors[order[:1]].expand(len(lost), -1), "all go to the same descriptor, and one of them would do"),
            (descriptors[gaps.argsort()[: len(lost)]], "they go to those who are served best; the need is elsewhere"),
            (descriptors[order[: len(lost)]].flip(0), "the first of the dead goes to the worst served"),
            (
                descriptors[torch.cdist(descriptors, prototypes).max(dim=1).values.argsort(descending=True)][
                    : len(lost)
                ],
                "how badly a descriptor is served is its distance to the nearest prototype, not to the farthest",
            ),
        ):
            if torch.equal(found[lost], other) and not torch.equal(other, wanted):
                raise WrongAnswer(f"{len(lost)} dead prototypes: {reason}")
        if not close(found[lost], wanted):
            raise WrongAnswer(
                f"{len(lost)} dead prototypes: they should stand on the descriptors that are farthest from the "
                "prototype nearest to them"
            )


def _price(others: int, apart: float, inverse_temperature: float, squared: bool) -> float:
    """The loss of a descriptor on its prototype, all others equally far from it."""
    return math.log1p(others * math.exp(-inverse_temperature * (apart**2 if squared else apart)))


def _pull(away: Tensor, units: Tensor, sharpness: float, factor: float, dim: int = 1, nearest: bool = True) -> Tensor:
    """The gradient by its formula, with other probabilities, directions, or another prototype as the nearest."""
    distance = away.norm(dim=2)
    probability = (-sharpness * distance).softmax(dim=dim)[..., None]
    choice = distance.argmin(dim=1) if nearest else distance.argmax(dim=1)
    return factor * (units[torch.arange(len(units)), choice] - (probability * units).sum(dim=1)) / len(units)


def _without_the_nearest(away: Tensor, units: Tensor, inverse_temperature: float) -> Tensor:
    distance = away.norm(dim=2)
    choice = distance.argmin(dim=1, keepdim=True)
    others = (-inverse_temperature * distance).scatter(1, choice, -torch.inf).softmax(dim=1)[..., None]
    nearest = units[torch.arange(len(units)), choice[:, 0]]
    return inverse_temperature * (nearest - (others * units).sum(dim=1)) / len(units)


def _slope(descriptors: Tensor, prototypes: Tensor, inverse_temperature: float, squared: bool = False) -> Tensor:
    """The gradient of eq. 3 to the descriptors, by autograd."""
    point = descriptors.clone().requires_grad_()
    with torch.enable_grad():
        loss = kmeans_softmin_loss(point, prototypes, inverse_temperature, squared)
        return torch.autograd.grad(loss, point)[0]
