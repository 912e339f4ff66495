"""Checks for lesson 19: maps of what is there, detectors that fire together, mergers, shrinkage, shares of errors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tusklite.course.comparison import compare
from tusklite.course.shortcuts import refuse_loop, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, answer_tensor, verdict
from tusklite.losses import assigned_map_loss
from tusklite.metrics import complete_matrix, cumulative_error_distribution
from tusklite.ops.correspondence import detector_overlap, merge_detectors


def _assigned_loss(maps: Tensor, targets: Tensor, assigned: Tensor, emphasis: float) -> Tensor:
    """The mean squared error of the maps (B, M, h, w) that are assigned (B, M); pixels weigh 1 + emphasis * target."""
    error = (maps - targets).square() * (1 + emphasis * targets)
    per_map = error.mean(dim=(2, 3))
    return (per_map * assigned).sum() / assigned.sum().clamp_min(1)


@verdict("maps of landmarks that an image has are compared, the others are left alone", worked=_assigned_loss)
def check_assigned_loss(assigned_loss: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """Check `assigned_loss(maps (B, M, h, w), targets, assigned bool (B, M), emphasis) -> scalar`.

    Example:
        >>> check_assigned_loss(lambda maps, targets, assigned, emphasis: (maps - targets).square().mean())
        ✘ wrong: emphasis 10: all maps count in yours, and all pixels weigh the same
    """
    assigned_loss = without(assigned_loss, {assigned_map_loss: "it is the package's answer; weigh, and choose"})
    for emphasis, seed in ((10.0, 1), (0.0, 2), (4.0, 3)):
        maps, targets, assigned = _maps(seed)
        found = torch.tensor(answer_number(assigned_loss, maps, targets, assigned, emphasis), dtype=torch.float64)
        wide = maps.double(), targets.double(), assigned
        wanted = _assigned_loss(*wide, emphasis)
        compare(found, wanted, _map_mistakes(*wide, emphasis), f"emphasis {emphasis:g}", 1e-4)
    maps, targets, assigned = _maps(4)
    nothing = torch.zeros_like(assigned)
    result = answer(assigned_loss, maps, targets, nothing, 10.0)
    if isinstance(result, Tensor) and result.isnan().any():
        raise WrongAnswer("NaN where no image has a landmark: 0 divided by 0, and 0 is asked for")
    if answer_number(lambda: result) != 0:
        raise WrongAnswer("where no image has a landmark there is nothing to learn, and 0 is asked for")
    few, many = ([part[:count] for part in (maps, targets, assigned)] for count in (1, 3))
    refuse_loop(assigned_loss, (*few, 10.0), (*many, 10.0), "images")


def _maps(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Maps and their targets, a hill each, of three images and four landmarks, some of which are there."""
    generator = drawn(seed)
    targets = torch.rand(3, 4, 5, 6, generator=generator).pow(6)
    maps = targets + 0.4 * torch.randn(targets.shape, generator=generator)
    assigned = torch.rand(3, 4, generator=generator) < 0.6
    assigned[0, :2], assigned[1, 0] = torch.tensor([True, False]), True
    return maps, targets, assigned


def _map_mistakes(maps: Tensor, targets: Tensor, assigned: Tensor, emphasis: float) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""
    square, weight = (maps - targets).square(), 1 + emphasis * targets

    def over(error: Tensor) -> Tensor:
        return error.mean(dim=(2, 3))[assigned].mean()

    return [
        (square.mean(), "all maps count in yours, and all pixels weigh the same"),
        ((square * weight).mean(), "all maps count in yours; those that are not assigned are to be left alone"),
        (((square * weight).mean(dim=(2, 3)) * assigned).mean(), "maps that are not assigned count in the mean as if "
         "they were right"),
        (over(square), "all pixels weigh the same: the emphasis is missing"),
        (over(square * emphasis * targets), "where the target is 0 nothing weighs in yours: 1 + emphasis * target is "
         "asked"),
        (over(square * weight.square()), "the weights are squared with the error; they stand outside"),
        (over((maps - targets).abs() * weight), "these are errors without their square"),
        (over(square * (1 + emphasis * maps)), "the weights come from the maps; they come from the targets"),
        ((square * weight)[assigned].sum(), "this is the sum over pixels; their mean is asked"),
        ((square * weight).mean(dim=(2, 3))[assigned].sum(), "this is the sum over maps; their mean is asked"),
        ((square * weight)[assigned].sum() / weight[assigned].sum(), "you divided by the sum of the weights; by the "
         "number of pixels is asked"),
        (over(square * emphasis), "every pixel weighs the emphasis in yours, wherever the target is"),
    ]  # fmt: skip


def _fired_together(xy: Tensor, fired: Tensor, radius: float) -> Tensor:
    """In how many images each two of M detectors fire near each other (M, M), of places (N, M, 2) and fired (N, M)."""
    distance = (xy[:, :, None] - xy[:, None]).norm(dim=-1)  # (N, M, M)
    both = fired[:, :, None] & fired[:, None]
    return ((distance <= radius) & both).sum(dim=0)


@verdict("two detectors fire together where both fire, and near each other", worked=_fired_together)
def check_fired_together(fired_together: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Check `fired_together(xy (N, M, 2), fired bool (N, M), radius) -> (M, M)`.

    Example:
        >>> check_fired_together(lambda xy, fired, radius: (fired[:, :, None] & fired[:, None]).sum(dim=0))
        ✘ wrong: radius 0.25: you count images in which both fire, however far from each other
    """
    fired_together = without(fired_together, {detector_overlap: "it is the package's answer; measure the distances"})
    for radius, seed in ((0.25, 5), (0.5, 6)):
        xy, fired = _firings(20, seed, radius)
        where = f"radius {radius:g}"
        result = answer(fired_together, xy, fired, radius)
        if isinstance(result, Tensor) and result.dim() == 3:
            raise WrongAnswer(f"{where}: one table for each image; asked is in how many images, (M, M)")
        found = answer_tensor(lambda result=result: result, shape=(5, 5)).double()
        apart = (xy[:, :, None] - xy[:, None]).abs()
        distance, both = apart.norm(dim=-1), fired[:, :, None] & fired[:, None]
        right = ((distance <= radius) & both).sum(dim=0)
        mistakes = [
            (both.sum(dim=0), "you count images in which both fire, however far from each other"),
            ((distance <= radius).sum(dim=0), "a detector that does not fire is nowhere: fired says which do"),
            (((distance <= radius) & fired[:, :, None]).sum(dim=0), "one of the two fires in yours; both have to"),
            (((distance <= radius) & fired[:, None]).sum(dim=0), "one of the two fires in yours; both have to"),
            (((apart.amax(dim=-1) <= radius) & both).sum(dim=0), "each coordinate by itself is near in yours; the "
             "distance is asked"),
            (((distance < radius) & both).sum(dim=0), "just at the radius is near: at most is asked"),
            (((distance.square() <= radius) & both).sum(dim=0), "the root is missing: you hold the square of the "
             "distance against the radius"),
            (right.double() / len(xy), "this is a share of the images; how many is asked"),
            (right - right.diagonal().diag(), "a detector fires with itself whenever it fires: the diagonal is asked "
             "for too"),
            (right.triu(), "each pair stands once in yours; the table is symmetric"),
            (((distance <= radius) & both).any(dim=0), "this is whether they ever do; in how many images is asked"),
        ]  # fmt: skip
        known = [(other.double(), why) for other, why in mistakes]
        compare(found, right.double(), known, where, 1e-6, ("detector", "detector"))
    few, many = _firings(4, 7, 0.25), _firings(12, 7, 0.25)
    refuse_loop(fired_together, (*few, 0.25), (*many, 0.25), "images")


def _firings(images: int, seed: int, radius: float) -> tuple[Tensor, Tensor]:
    """Places of five detectors in eighths, so that distances are exact, and which of them fire."""
    generator = drawn(seed)
    xy = torch.randint(-8, 9, (images, 5, 2), generator=generator) / 8
    aside = torch.tensor([[radius, 0.0], [0.875 * radius, 0.875 * radius], [0.5 * radius, 0.0], [1.25 * radius, 0.0]])
    near = torch.rand(images, 4, generator=generator) < 0.6
    xy[:, 1:] = torch.where(near[..., None], xy[:, :1] + aside, xy[:, 1:])
    return xy, torch.rand(images, 5, generator=generator) < 0.7


def _join_detectors(together: Tensor, size: Tensor, share: float) -> Tensor:
    """Whose group each of M detectors joins (M,), or its own, by how often they fire together (M, M)."""
    alone, leads = together.diagonal(), []
    group = torch.arange(len(size))
    for detector in size.argsort(descending=True, stable=True).tolist():
        lead = torch.tensor(leads, dtype=torch.int64)
        shared = together[detector, lead]
        enough = shared >= share * torch.minimum(alone[detector], alone[lead])
        if enough.any():
            group[detector] = lead[shared.masked_fill(~enough, -1).argmax()]
        else:
            leads.append(detector)
    return group


@verdict(
    "largest first, each joins the leader that it fires with most, if that is often enough", worked=_join_detectors
)
def check_join_detectors(join_detectors: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Check `join_detectors(together (M, M), size (M,), share) -> int64 (M,)`.

    Example:
        >>> check_join_detectors(lambda together, size, share: torch.arange(len(size)))
        ✘ wrong: share 0.75: nobody joins anybody in yours
    """
    join_detectors = without(join_detectors, {merge_detectors: "it is the package's answer; go through them by size"})
    for share, seed in ((0.75, 88), (0.5, 9), (0.75, 10), (0.625, 11)):
        together, size = _tables(seed, share)
        where = f"share {share:g}"
        result = answer(join_detectors, together, size, share)
        if isinstance(result, Tensor) and tuple(result.shape) == tuple(together.shape):
            raise WrongAnswer(f"{where}: this is a table of pairs; asked is whose group each detector joins, (M,)")
        found = answer_tensor(lambda result=result: result, shape=tuple(size.shape)).double()
        right = _join_detectors(together, size, share)
        numbers = torch.unique(right, return_inverse=True)[1]
        mistakes = [
            (torch.arange(len(size)), "nobody joins anybody in yours"),
            (numbers, "these are groups counted from 0; asked is the number of the detector that leads each"),
            *((_joined(together, size, share, **change), why) for change, why in _JOINING),
        ]
        known = [(other.double(), why) for other, why in mistakes]
        compare(found, right.double(), known, where, 1e-6, ("detector",))
        leading = right.unique()
        again = answer(join_detectors, together[leading][:, leading], size[leading], share)
        if not isinstance(again, Tensor) or again.tolist() != list(range(len(leading))):
            raise WrongAnswer(f"{where}: leaders that are merged once more should stay as they are")


_JOINING: tuple[tuple[dict[str, object], str], ...] = (
    ({"order": "smallest"}, "the smallest cluster goes first in yours; the largest is to"),
    ({"order": "number"}, "you went through detectors by their number; the largest cluster goes first"),
    ({"least": "maximum"}, "the share is taken of the one that fires more; whichever of the two fires less is asked"),
    ({"least": "own"}, "the share is taken of how often the later one fires; whichever of the two fires less is asked"),
    ({"least": "lead"}, "the share is taken of how often the leader fires; whichever of the two fires less is asked"),
    ({"strict": True}, "just the share is enough: at least is asked"),
    ({"choice": "first"}, "the first leader that will do is taken; of several, the one that it fires with most is "
                          "asked"),
    ({"chain": True}, "a detector joins whoever is in a group already; it has to fire with the one that leads it"),
)  # fmt: skip


def _joined(
    together: Tensor,
    size: Tensor,
    share: float,
    order: str = "largest",
    least: str = "minimum",
    strict: bool = False,
    choice: str = "most",
    chain: bool = False,
) -> Tensor:
    """The merger with one thing done otherwise."""
    alone, group = together.diagonal(), torch.arange(len(size))
    turns = torch.arange(len(size)) if order == "number" else size.argsort(descending=order == "largest", stable=True)
    seen: list[int] = []
    for detector in turns.tolist():
        members = [other for other in seen if chain or group[other] == other]
        bound = {
            "minimum": lambda other, own=detector: torch.minimum(alone[own], alone[other]),
            "maximum": lambda other, own=detector: torch.maximum(alone[own], alone[other]),
            "own": lambda other, own=detector: alone[own],
            "lead": lambda other, own=detector: alone[other],
        }[least]
        shared = {other: int(together[detector, other]) for other in members}
        fits = [
            other
            for other in members
            if (shared[other] > share * bound(other) if strict else shared[other] >= share * bound(other))
        ]
        if fits:
            group[detector] = group[fits[0] if choice == "first" else max(fits, key=lambda other: shared[other])]
        seen.append(detector)
    return group


def _tables(seed: int, share: float) -> tuple[Tensor, Tensor]:
    """How often each two of twelve detectors fire together, and the sizes of their clusters, all different.

    Whoever fires does so in a multiple of eight images, of which the shares are whole numbers.
    """
    generator = drawn(seed)
    alone = 8 * torch.randint(2, 12, (12,), generator=generator)
    smaller = torch.minimum(alone[:, None], alone)
    part = torch.rand(12, 12, generator=generator).sqrt()
    part = torch.where(torch.rand(12, 12, generator=generator) < 0.35, part, 0.2 * part).triu(1)
    together = (part * smaller).long()
    even = torch.rand(12, 12, generator=generator).triu(1) > 0.93
    together = torch.where(even, (share * smaller).round().long(), together)  # pairs that just reach the share
    together = together + together.T + alone.diag()
    return together, torch.randperm(12, generator=generator) * 7 + 20


def _shrink(matrix: Tensor, threshold: float) -> Tensor:
    """The matrix (N, D) with each singular value lessened by the threshold, and not below 0."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    return (left * (values - threshold).clamp_min(0)) @ right


@verdict("singular values lose the threshold, and what is smaller is gone", worked=_shrink)
def check_shrink(shrink: Callable[[Tensor, float], Tensor]) -> None:
    """Check `shrink(matrix (N, D), threshold) -> (N, D)`.

    Example:
        >>> check_shrink(lambda matrix, threshold: matrix)
        ✘ wrong: threshold 1.5: the matrix is as it was
    """
    shrink = without(shrink, {complete_matrix: "it is the package's answer; take the singular values"})
    for threshold, seed in ((1.5, 12), (3.0, 13)):
        generator = drawn(seed)
        spun = torch.linalg.svd(torch.randn(9, 6, generator=generator), full_matrices=False)
        spectrum = threshold * torch.tensor([3.0, 2.1, 1.4, 0.7, 0.4, 0.1])
        matrix = (spun.U * spectrum) @ spun.Vh
        where = f"threshold {threshold:g}"
        result = answer(shrink, matrix, threshold)
        if isinstance(result, Tensor) and result.dim() == 1:
            raise WrongAnswer(f"{where}: these are singular values; asked is the matrix that has them")
        found = answer_tensor(lambda result=result: result, shape=(9, 6)).double()
        left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)

        def made(of: Tensor, left: Tensor = left, right: Tensor = right) -> Tensor:
            return (left * of) @ right

        less = (values - threshold).clamp_min(0)
        signs = matrix.double()
        mistakes = [
            (signs, "the matrix is as it was"),
            (made(values - threshold), "singular values below the threshold turn negative in yours; they are to be 0"),
            (made(values * (values > threshold)), "large singular values stay as they are in yours; they lose the "
             "threshold too"),
            (made(values.clamp_max(threshold)), "the large ones are cut off at the threshold; it is taken from each"),
            (made((values - threshold * values[0]).clamp_min(0)), "the threshold is taken as a share of the largest; "
             "it stands as it is"),
            (made((values.square() - threshold).clamp_min(0).sqrt()), "the squares of the singular values lose the "
             "threshold in yours"),
            (signs.sign() * (signs.abs() - threshold).clamp_min(0), "the entries lose the threshold in yours; the "
             "singular values are to"),
            (made(values * (1 - threshold / values[0])), "every singular value is lessened in proportion"),
            (made((values - threshold).abs()), "what falls below 0 comes back positive in yours; it is to be 0"),
        ]  # fmt: skip
        compare(found, made(less), mistakes, where, 1e-3, ("row", "column"))


def _share_below(errors: Tensor, bounds: Tensor) -> Tensor:
    """The share of errors (N,) that are at most each bound (T,); infinite ones are never."""
    return (errors <= bounds[:, None]).to(bounds.dtype).mean(dim=1)


@verdict("the curve says which share has an error of at most so much", worked=_share_below)
def check_share_below(share_below: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `share_below(errors (N,), bounds (T,)) -> (T,)`.

    Example:
        >>> check_share_below(lambda errors, bounds: (errors < bounds[:, None]).float().mean(dim=1))
        ✘ wrong: 15 errors, 6 bounds: an error of just the bound counts: at most is asked
    """
    share_below = without(share_below, {cumulative_error_distribution: "it is the package's answer; count"})
    for count, bounds_of, seed in ((15, 6, 14), (40, 5, 15)):
        errors, bounds = _errors(count, bounds_of, seed)
        where = f"{count} errors, {bounds_of} bounds"
        result = answer(share_below, errors, bounds)
        if isinstance(result, Tensor) and tuple(result.shape) == (count,):
            raise WrongAnswer(
                f"{where}: one number for each error, as in the published code's running mean; asked is the share "
                "below each bound"
            )
        found = answer_tensor(lambda result=result: result, shape=(bounds_of,)).double()
        below = errors <= bounds[:, None]
        wide = errors.double()
        finite = below.double().sum(dim=1) / errors.isfinite().sum()
        means = [wide[row].mean() if row.any() else wide.new_zeros(()) for row in below]
        share = below.double().mean(dim=1)
        mistakes = [
            ((errors < bounds[:, None]).double().mean(dim=1), "an error of just the bound counts: at most is asked"),
            (finite, "what was not found is left out of yours; it is an error that is never small enough"),
            (below.double().sum(dim=1), "this is how many; which share is asked"),
            (100 * share, "this is in percent; a share from 0 to 1 is asked"),
            (1 - share, "this is the share above each bound"),
            (torch.stack(means), "this is the mean of the errors below each bound; how many there are is asked"),
            (share.diff(prepend=share.new_zeros(1)), "this is the share between a bound and the one before; all below "
             "it is asked"),
        ]  # fmt: skip
        compare(found, share, mistakes, where, 1e-5, ("bound",))
    few, many = _errors(10, 3, 16), _errors(10, 8, 16)
    refuse_loop(share_below, few, many, "bounds")


def _errors(count: int, bounds: int, seed: int) -> tuple[Tensor, Tensor]:
    """Errors in quarters, some infinite, and bounds some of them reach exactly."""
    generator = drawn(seed)
    errors = torch.randint(1, 24, (count,), generator=generator) / 4
    errors[torch.rand(count, generator=generator) < 0.2] = torch.inf
    errors[:2] = torch.tensor([torch.inf, 0.25])
    edges = torch.linspace(0.25, 5.0, bounds).mul(4).round() / 4
    errors[2], errors[3] = edges[1], edges[-1]
    return errors, edges
