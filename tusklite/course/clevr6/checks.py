"""Checks for lesson 15: a ray and a sphere, a robust surface, counts by a least gain, overlap, names of prototypes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import refuse_loop, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_tensor, verdict
from tusklite.data.ray_geometry import Solids, closest, cross
from tusklite.metrics import majority_class, match_prototypes, name_prototypes
from tusklite.ops.surfaces import cubic_terms, robust_surface


def _meet_sphere(origin: Tensor, direction: Tensor, centre: Tensor, radius: float) -> Tensor:
    """How far rays (R, 3) go, in units of their direction, until they enter a sphere (3,): (R,), infinite if never."""
    offset = origin - centre
    a = direction.square().sum(dim=1)
    half_b = (offset * direction).sum(dim=1)
    c = offset.square().sum(dim=1) - radius**2
    inside = half_b**2 - a * c
    near = (-half_b - inside.clamp_min(0).sqrt()) / a
    return near.masked_fill((inside <= 0) | (near <= 0), torch.inf)


@verdict("rays that meet the sphere stop at its near side, the others go on for ever", worked=_meet_sphere)
def check_meet_sphere(meet_sphere: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """Check `meet_sphere(origin (R, 3), direction (R, 3), centre (3,), radius) -> (R,)`, in units of the directions.

    Example:
        >>> check_meet_sphere(lambda origin, direction, centre, radius: torch.zeros(len(origin)))
        ✘ wrong: radius 1.5: a ray that misses the sphere goes on for ever: infinity is asked for, yours is 0
    """
    package = dict.fromkeys((cross, closest, Solids.crossings), "it is the package's answer; solve the quadratic")
    meet_sphere = without(meet_sphere, package)
    for radius, seed in ((1.5, 1), (0.6, 2)):
        origin, direction, centre = _rays(24, radius, seed)
        where = f"radius {radius:g}"
        result = answer(meet_sphere, origin, direction, centre, radius)
        _refuse_other_distances(result, len(origin), where)
        wanted = _meet_sphere(origin, direction, centre, radius)
        never, found = wanted.isinf(), torch.as_tensor(result).detach().double()
        if found.isnan().any():
            raise WrongAnswer(f"{where}: NaN: where the root's inside is negative there is no crossing, and no root")
        _refuse_false_hits(found, never, origin, direction, centre, radius, where)
        missed = found.isinf() & ~never
        if missed.any():
            raise WrongAnswer(f"{where}: {int(missed.sum())} rays that meet the sphere miss it in yours")
        compare(
            found[~never],
            wanted[~never],
            _distance_mistakes(*(part[~never] for part in (origin, direction)), centre, radius),
            where,
            1e-3,
            ("ray",),
        )
    few, many = _rays(3, 1.0, 3), _rays(9, 1.0, 3)
    refuse_loop(meet_sphere, (*few, 1.0), (*many, 1.0), "rays")  # type: ignore[arg-type]


def _rays(count: int, radius: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rays that meet a sphere, miss it, or leave it behind them, a third each, with directions of several lengths."""
    generator = drawn(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    centre, away = 2 * normal(3), torch.nn.functional.normalize(normal(count, 3), dim=1)
    origin = centre + (2 + torch.rand(count, 1, generator=generator, dtype=torch.float64)) * 2 * radius * away
    aside = torch.linalg.cross(away, torch.nn.functional.normalize(normal(count, 3), dim=1))
    aim = centre + 0.5 * radius * aside
    aim[1::3] = centre + 4 * radius * torch.nn.functional.normalize(aside[1::3], dim=1)
    direction = (aim - origin) * (0.3 + torch.rand(count, 1, generator=generator, dtype=torch.float64))
    direction[2::3] *= -1
    return origin, direction, centre


def _refuse_other_distances(result: object, rays: int, where: str) -> None:
    if isinstance(result, Tensor) and result.shape == (rays, 3):
        raise WrongAnswer(f"{where}: these are {rays} places; asked is how far along each ray, one number")
    if isinstance(result, Tensor) and result.dim() == 2 and 2 in result.shape:
        raise WrongAnswer(f"{where}: these are both crossings; asked is the near one alone")
    if not isinstance(result, Tensor) or tuple(result.shape) != (rays,) or result.is_complex():
        shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise WrongAnswer(f"{where}: the result should have shape {(rays,)}, yours has {shape}")


def _refuse_false_hits(
    found: Tensor, never: Tensor, origin: Tensor, direction: Tensor, centre: Tensor, radius: float, where: str
) -> None:
    """Refuse finite distances where there is none, by the cause."""
    false = found.isfinite() & never
    if not false.any():
        return
    offset = origin - centre
    a, half_b = direction.square().sum(dim=1), (offset * direction).sum(dim=1)
    behind = never & (half_b > 0) & (half_b**2 > a * (offset.square().sum(dim=1) - radius**2))
    if not (false & ~behind).any():
        raise WrongAnswer(f"{where}: rays meet a sphere that lies behind where they start; what is behind is not seen")
    values = found[false & ~behind]
    if bool((values == values[0]).all()):
        raise WrongAnswer(
            f"{where}: a ray that misses the sphere goes on for ever: infinity is asked for, yours is {values[0]:g}"
        )
    aside = false & ~behind
    if close(found[aside], (-half_b / a)[aside], 1e-3):
        raise WrongAnswer(
            f"{where}: rays that miss the sphere stop where they are nearest to it; infinity is asked for"
        )
    raise WrongAnswer(f"{where}: {int(false.sum())} rays that miss the sphere meet it in yours")


def _distance_mistakes(origin: Tensor, direction: Tensor, centre: Tensor, radius: float) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give for rays that meet the sphere."""
    offset = origin - centre
    a, half_b = direction.square().sum(dim=1), (offset * direction).sum(dim=1)
    c = offset.square().sum(dim=1) - radius**2
    root = (half_b**2 - a * c).clamp_min(0).sqrt()
    near = (-half_b - root) / a
    return [
        ((-half_b + root) / a, "this is where the ray leaves the sphere; it is seen where it enters"),
        (near * a.sqrt(), "these are lengths; asked is how many directions long the way is"),
        (near * a, "you forgot to divide by the direction's square"),
        (-half_b - (half_b**2 - c).clamp_min(0).sqrt(), "yours holds for directions of length 1 alone; these have "
         "others"),
        (near / 2, "half of it: with b as twice the product, the 2 below the line is 2 a"),
        (-half_b / a, "this is where the ray is nearest to the middle; it enters the sphere before that"),
        (near.square(), "this is the square of the distance"),
    ]  # fmt: skip


def trust(misses: Tensor, scale: float) -> Tensor:
    """How much pixels with misses (P, C) count, (P,): 1 at none, little beyond the scale; the worst channel decides."""
    return 1 / (1 + (misses.abs().amax(dim=1) / scale) ** 2) ** 2


def _robust_fit(terms: Tensor, colours: Tensor, rounds: int) -> Tensor:
    """Coefficients (10, C) of the surface through colours (P, C) at pixels with terms (P, 10), by so many rounds."""
    coefficients = torch.zeros(terms.shape[1], colours.shape[1])
    weight = trust(colours - colours.median(dim=0).values, scale=0.08)
    for _ in range(rounds):
        weighted = weight[:, None] * terms
        ridge = 1e-4 * torch.eye(terms.shape[1])
        coefficients = torch.linalg.solve(terms.T @ weighted + ridge, weighted.T @ colours)
        weight = trust(colours - terms @ coefficients, scale=0.03)
    return coefficients


@verdict("things in the foreground hardly bend your surface", worked=_robust_fit)
def check_robust_fit(robust_fit: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """Check `robust_fit(terms (P, 10), colours (P, C), rounds) -> coefficients (10, C)`, by the surface that it gives.

    Example:
        >>> check_robust_fit(lambda terms, colours, rounds: torch.linalg.lstsq(terms, colours).solution)
        ✘ wrong: 1 round: every pixel counts alike in yours: this is plain least squares
    """
    robust_fit = without(robust_fit, {robust_surface: "it is the package's answer; write the rounds"})
    for rounds, seed in ((1, 4), (2, 5), (5, 6)):
        terms, colours = _things_on_a_surface(seed)
        where = f"{rounds} round{'s' * (rounds > 1)}"
        result = answer(robust_fit, terms, colours, rounds)
        if isinstance(result, Tensor) and result.shape == colours.shape:
            raise WrongAnswer(f"{where}: these are colours of {len(colours)} pixels; the coefficients are asked for")
        if isinstance(result, Tensor) and result.shape == colours.T.shape[:1] + terms.shape[1:]:
            raise WrongAnswer(f"{where}: terms come first: {(terms.shape[1], colours.shape[1])}; yours is turned")
        found = answer_tensor(lambda result=result: result, shape=(terms.shape[1], colours.shape[1]))
        mistakes = [(terms @ other, reason) for other, reason in _fit_mistakes(terms, colours, rounds)]
        surface = terms @ _robust_fit(terms, colours, rounds)
        # The surface, not its coefficients: another way to solve may differ in what no pixel sees.
        compare(terms @ found.to(terms), surface, mistakes, where, 1e-3, ("pixel", "channel"))


def _things_on_a_surface(seed: int) -> tuple[Tensor, Tensor]:
    """Terms (P, 10) of 15 x 15 pixels, and their colours (P, 3): a slope, a little noise, and two things before it."""
    generator = drawn(seed)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 15), torch.linspace(-1, 1, 15), indexing="ij")
    places = torch.stack([x, y], dim=-1).flatten(0, 1)
    terms = cubic_terms(places)
    colours = terms @ (0.08 * torch.randn(10, 3, generator=generator)) + 0.5
    colours += 0.01 * torch.randn(colours.shape, generator=generator)
    for _ in range(2):
        middle, colour = 1.4 * torch.rand(2, generator=generator) - 0.7, torch.rand(3, generator=generator)
        colours[(places - middle).norm(dim=1) < 0.35] = colour
    return terms, colours


def _fit_mistakes(terms: Tensor, colours: Tensor, rounds: int) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""
    ridge, ones = 1e-4 * torch.eye(terms.shape[1]), torch.ones(len(terms))

    def solve(left: Tensor, right: Tensor) -> Tensor:
        return torch.linalg.solve(terms.T @ (left[:, None] * terms) + ridge, (right[:, None] * terms).T @ colours)

    def fitted(
        start: Tensor, count: int, scale: float = 0.03, change: Callable[[Tensor], Tensor] = lambda weight: weight
    ) -> Tensor:
        weight, coefficients = start, torch.zeros(terms.shape[1], colours.shape[1])
        for _ in range(count):
            coefficients = solve(change(weight), change(weight))
            weight = trust(colours - terms @ coefficients, scale)
        return coefficients

    first = trust(colours - colours.median(dim=0).values, 0.08)
    last = first
    for _ in range(rounds - 1):
        last = trust(colours - terms @ solve(last, last), 0.03)
    return [
        (solve(ones, ones), "every pixel counts alike in yours: this is plain least squares"),
        (fitted(first, 1), "the weights of the first round are never renewed"),
        (fitted(first, rounds + 1), f"this is {rounds + 1} rounds; {rounds} were asked for"),
        (fitted(first, rounds - 1), f"this is {rounds - 1} rounds; {rounds} were asked for"),
        (fitted(ones, rounds), "the first weights are all 1 in yours; they come from the median colour"),
        (fitted(trust(colours - colours.mean(dim=0), 0.08), rounds), "the first weights come from the mean in yours, "
         "which the things themselves have shifted; take the median"),
        (fitted(trust(colours - colours.median(), 0.08), rounds), "one median for all channels: each channel has its "
         "own"),
        (fitted(trust(colours - colours.median(dim=0).values, 0.03), rounds), "the first weights are too strict: their "
         "scale is 0.08"),
        (fitted(first, rounds, 0.08), "the later weights are too mild: their scale is 0.03"),
        (fitted(first, rounds, change=torch.square), "the weights count twice: on each side they stand once"),
        (fitted(first, rounds, change=torch.sqrt), "the roots of the weights are in yours; here they stand as they "
         "are"),
        (solve(last, ones), "the weights are on the left side of the equation only"),
        (solve(ones, last), "the weights are on the right side of the equation only"),
        (fitted(first, rounds, change=lambda weight: 1 - weight), "the wrong way round: what is far off counts most"),
    ]  # fmt: skip


def _counts_at(gains: Tensor, thresholds: Tensor) -> Tensor:
    """How many things are found in each scene, (T, S), by gains (S, N) in greedy order and thresholds (T,)."""
    worth = gains > thresholds[:, None, None]  # (T, S, N)
    return worth.long().cumprod(dim=2).sum(dim=2)


@verdict("the choice ends at the first keypoint that is not worth it", worked=_counts_at)
def check_counts_at(counts_at: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `counts_at(gains (S, N), thresholds (T,)) -> counts (T, S)`.

    Example:
        >>> check_counts_at(lambda gains, thresholds: (gains > thresholds[:, None, None]).sum(dim=2))
        ✘ wrong: a gain after the first that is too small counts in yours; the choice has ended before it
    """
    generator = drawn(7)
    gains = (8 * torch.rand(5, 6, generator=generator)).round() / 2
    gains[0], gains[1, 3] = 0.0, 4.0
    thresholds = torch.tensor([0.5, 2.0, 0.0, 3.5])
    result = answer(counts_at, gains, thresholds)
    if isinstance(result, Tensor) and result.shape == (5, 4):
        raise WrongAnswer("a row for each threshold and a column for each scene: (4, 5); yours is turned")
    found = answer_tensor(lambda result=result: result, shape=(4, 5)).double()
    worth, level = gains > thresholds[:, None, None], thresholds[:, None, None]
    leading = worth.long().cumprod(dim=2)
    within = (gains.cumsum(dim=1) > level).sum(dim=2)
    equal = (gains >= level).long().cumprod(dim=2).sum(dim=2)
    mistakes = [
        (worth.sum(dim=2), "a gain after the first that is too small counts in yours; the choice has ended before it"),
        (equal, "a gain that is exactly the threshold is not worth it: more than that is asked"),
        ((~worth).sum(dim=2), "you counted the keypoints that are not worth it"),
        ((gains.shape[1] - leading.sum(dim=2)), "you counted the keypoints that are left out"),
        (leading.sum(dim=2) - 1, "one too few: the place of the last is counted from 0"),
        (leading.sum(dim=2) + 1, "one too many: the first that is not worth it does not count"),
        (within, "you added the gains up; each is held against the threshold by itself"),
        ((~worth).long().argmax(dim=2), "where every keypoint is worth it there is no first that is not, and yours "
         "says 0"),
        (worth.any(dim=2), "yours says whether there is anything at all; how many is asked"),
        (leading.double().mean(dim=2), "this is a share of the keypoints; how many is asked"),
        ((gains * leading).sum(dim=2), "this is what was gained; how many keypoints gained it is asked"),
    ]  # fmt: skip
    compare(found, leading.sum(dim=2).double(), [(other.double(), why) for other, why in mistakes], "", 1e-6, (
        "threshold", "scene"))  # fmt: skip
    few, many = gains[:2], gains
    refuse_loop(counts_at, (few, thresholds), (many, thresholds), "scenes")


def _overlap(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union (N,) of masks bool (N, H, W); 0 where both are empty."""
    both = (first & second).sum(dim=(1, 2))
    either = (first | second).sum(dim=(1, 2))
    return both / either.clamp_min(1)


@verdict("what both have, over what either has", worked=_overlap)
def check_overlap(overlap: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `overlap(first, second) -> (N,)`, of masks bool (N, H, W).

    Example:
        >>> check_overlap(lambda first, second: (first & second).sum(dim=(1, 2)) / first.sum(dim=(1, 2)).clamp_min(1))
        ✘ wrong: you divided by the first mask alone; what the second has beyond it has to cost something
    """
    generator = drawn(8)
    first, second = (torch.rand(5, 6, 7, generator=generator) < share for share in (0.4, 0.6))
    first[3], second[4] = False, False
    second[3] = False
    first[1], second[1] = second[1].clone(), first[1].clone()  # neither is always the larger
    result = answer(overlap, first, second)
    if isinstance(result, Tensor) and result.dim() == 0:
        raise WrongAnswer("one number for all; each pair of masks has its own")
    if isinstance(result, Tensor) and result.shape == (5,) and not result.isfinite().all():
        raise WrongAnswer("0 divided by 0: where both masks are empty, 0 is asked for")
    found = answer_tensor(lambda result=result: result, shape=(5,)).double()
    both, either = (first & second).sum(dim=(1, 2)).double(), (first | second).sum(dim=(1, 2)).double()
    one, other = first.sum(dim=(1, 2)).double(), second.sum(dim=(1, 2)).double()
    right = both / either.clamp_min(1)
    empty = torch.where(either > 0, right, 1.0)
    mistakes = [
        (both / one.clamp_min(1), "you divided by the first mask alone; what the second has beyond it has to cost "
         "something"),
        (both / other.clamp_min(1), "you divided by the second mask alone; what the first has beyond it has to cost "
         "something"),
        (2 * both / (one + other).clamp_min(1), "this is Dice's coefficient; the sum of two masks counts what they "
         "share twice"),
        (both / (one + other).clamp_min(1), "the sum of two masks counts what they share twice; take the union"),
        ((first == second).double().mean(dim=(1, 2)), "pixels that neither has count for you; then large pictures of "
         "nothing are alike"),
        (both / first[0].numel(), "you divided by the picture; by the union is asked"),
        (both, "this is what both have, in pixels; what share is that?"),
        (empty, "two empty masks overlap completely in yours; 0 is asked for"),
        (1 - right, "this is how far they differ"),
        (right.round(), "these are whole numbers: what comes after the point is lost"),
        (both / one.minimum(other).clamp_min(1), "you divided by the smaller of the two; by the union is asked"),
    ]  # fmt: skip
    compare(found, right, mistakes, axes=("pair",))


def _most_often(assignment: Tensor, values: Tensor, prototypes: int, count: int) -> Tensor:
    """The value (M,) that each prototype shows most often, of values (N,) below `count`; -1 where it shows none."""
    table = torch.zeros(prototypes, count).index_put_((assignment, values), torch.ones(()), accumulate=True)
    return table.argmax(dim=1).masked_fill(table.sum(dim=1) == 0, -1)


@verdict("each prototype has the name of what it shows most often", worked=_most_often)
def check_most_often(most_often: Callable[[Tensor, Tensor, int, int], Tensor]) -> None:
    """Check `most_often(assignment (N,), values (N,), prototypes, count) -> (M,)`.

    Example:
        >>> check_most_often(lambda assignment, values, prototypes, count: torch.zeros(prototypes, dtype=torch.int64))
        ✘ wrong: 7 prototypes, 3 values: yours is 0 everywhere, and should not be
    """
    package = dict.fromkeys((majority_class, name_prototypes), "it is the package's answer; count, and take the most")
    one_to_one = {match_prototypes: "a matching gives each value to one prototype; here several may share one"}
    most_often = without(most_often, package | one_to_one)
    for prototypes, count, seed in ((7, 3, 9), (5, 4, 10), (12, 8, 11)):
        generator = drawn(seed)
        assignment = torch.randint(prototypes - 1, (60,), generator=generator)
        assignment[assignment == 1] = prototypes - 1  # number 1 stands for nothing
        values = (assignment * 2 + 1 + (torch.rand(60, generator=generator) < 0.4).long()) % count
        values[assignment == 2] = count - 1
        where = f"{prototypes} prototypes, {count} values"
        result = answer(most_often, assignment, values, prototypes, count)
        if isinstance(result, Tensor) and result.shape == (60,):
            raise WrongAnswer(f"{where}: these are names of {60} keypoints; asked is one for each prototype")
        if isinstance(result, Tensor) and result.shape == (prototypes, count):
            raise WrongAnswer(f"{where}: this is the table of counts; asked is which column of each row is the largest")
        if isinstance(result, Tensor) and result.shape == (count,):
            raise WrongAnswer(f"{where}: this names the {count} values after prototypes; the other way is asked")
        found = answer_tensor(lambda result=result: result, shape=(prototypes,)).double()
        table = torch.zeros(prototypes, count).index_put_((assignment, values), torch.ones(()), accumulate=True)
        right = majority_class(assignment, values, prototypes, count)
        commonest = torch.full_like(right, int(table.sum(dim=0).argmax()))
        shares = table / table.sum(dim=0).clamp_min(1)
        mean = (table @ torch.arange(float(count)) / table.sum(dim=1).clamp_min(1)).round()
        mistakes = [
            (table.argmax(dim=1), "a prototype that stands for nothing has no name: -1 is asked for"),
            (table.amax(dim=1), "this is how often it shows it; what it shows is asked"),
            (table.argmin(dim=1), "this is what each shows least often"),
            (commonest, "every prototype has the commonest value of all; count for each prototype by itself"),
            (match_prototypes(assignment, values, prototypes, count), "this is a matching, one to one; here several "
             "prototypes may share a name"),
            (mean, "you took the mean of the values' numbers; red and blue have no mean"),
            (mean.masked_fill(table.sum(dim=1) == 0, -1), "you took the mean of the values' numbers; red and blue have "
             "no mean"),
            (shares.argmax(dim=1), "you divided by how common each value is; the most often counts as it is"),
            (right.clamp_min(-1) + 1, "values are numbered from 0"),
        ]  # fmt: skip
        compare(found, right.double(), [(other.double(), why) for other, why in mistakes], where, 1e-6, ("prototype",))
