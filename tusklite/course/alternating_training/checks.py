"""Checks for lesson 11: the dead counted, each gradient sent to its place, and a diagnosis from the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tusklite.course.comparison import close
from tusklite.course.shortcuts import without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, verdict
from tusklite.losses import kmeans_softmin_loss, random_projections, sliced_wasserstein


@verdict("a prototype is dead when it wins less than a tenth of its even share, and you count just those")
def check_count_the_dead(count_the_dead: Callable[[Tensor, int], int]) -> None:
    """Check `count_the_dead(assignment, count) -> int`.

    Example:
        >>> check_count_the_dead(lambda assignment, count: count - len(assignment.unique()))
        ✘ wrong: 10 prototypes, 1,000 descriptors: you count only those that win nothing; fewer than 10 is dead as well
    """
    generator = drawn(0)
    for won in (  # the second wins exactly a tenth of the even share, and lives
        (7, 10, 373, 45, 80, 100, 150, 80, 150, 5),
        (0, 20, 480, 100, 400),
        (50, 5, 120, 25, 100, 0),
        (5, 6, 199, 30),
    ):
        count, even = len(won), sum(won) / len(won)
        assignment = torch.arange(count).repeat_interleave(torch.tensor(won))
        assignment = assignment[torch.randperm(len(assignment), generator=generator)]
        found = answer_number(count_the_dead, assignment, count)
        least, seen = len(assignment) / count / 10, torch.bincount(assignment, minlength=count)
        wanted = int((seen < least).sum())
        where = f"{count} prototypes, {len(assignment):,} descriptors"
        short, empty = torch.bincount(assignment), torch.bincount(assignment, minlength=count) == 0
        for other, reason in (
            ((short < least).sum(), "the last of them wins nothing, and is not in your counts; `minlength` helps"),
            ((seen == 0).sum(), f"you count only those that win nothing; fewer than {least:g} is dead as well"),
            ((seen <= least).sum(), f"one that wins exactly {least:g} still lives"),
            ((seen[seen > 0] < least).sum(), "who wins nothing does not show up in your counts; `minlength` helps"),
            ((seen < 10 * least).sum(), "less than the even share is no death; a tenth of it is the limit"),
            ((seen >= least).sum(), "these are the living"),
            ((seen < 0.1).sum(), "compare shares with shares, or counts with counts"),
            ((seen < even / 2).sum(), "half of the even share is no death; a tenth of it is the limit"),
            ((seen > least).sum(), "these are the living"),
            (seen.argmin(), "this is which one wins least; how many are dead?"),
            (seen.min(), "this is what the weakest wins; how many are dead?"),
            (seen[seen < least].sum(), "this is what the dead win together; how many are they?"),
            (((seen < least) & ~empty).sum(), "one that wins nothing is dead as well"),
        ):
            if found == int(other) != wanted:
                raise WrongAnswer(f"{where}: {reason}")
        if found != wanted:
            least_won = ", ".join(map(str, seen.sort().values[:4].tolist()))
            raise WrongAnswer(f"{where}: {wanted} are dead, you count {found:g}; those that win least win {least_won}")


@verdict("each loss moves only whom it should, and one `backward` is enough for both")
def check_routed_loss(routed_loss: Callable[..., Tensor]) -> None:
    """Check `routed_loss(softmin, transport, descriptors, means) -> scalar`.

    Example:
        >>> check_routed_loss(lambda softmin, transport, x, p: softmin(x, p) + transport(p, x))
        ✘ wrong: the soft-min moves the prototypes as well; hand it means that have no gradient
    """
    routed_loss = without(routed_loss, {torch.autograd.backward: "give the loss back; whoever asked for it does that"})
    generator = drawn(0)
    descriptors, means = (torch.randn(size, 6, generator=generator) for size in (12, 4))
    projections = random_projections(20, 6, generator)

    def softmin(x: Tensor, p: Tensor) -> Tensor:
        return kmeans_softmin_loss(x, p)

    def transport(p: Tensor, x: Tensor) -> Tensor:
        return sliced_wasserstein(p.repeat_interleave(3, dim=0), x, projections)

    x, p = descriptors.clone().requires_grad_(), means.clone().requires_grad_()
    result = answer(routed_loss, softmin, transport, x, p)
    if not isinstance(result, Tensor) or result.dim() != 0:
        raise WrongAnswer("one number is asked for, a tensor without dimensions: the sum of both losses")
    pulls = {
        "softmin": torch.autograd.grad(softmin(x, p), (x, p)),
        "transport": torch.autograd.grad(transport(p, x), (x, p)),
    }
    total = (softmin(x, p) + transport(p, x)).detach()
    found = [None, None]
    if result.requires_grad:
        found = list(torch.autograd.grad(result, (x, p), allow_unused=True))
    on_x, on_p = (torch.zeros_like(point) if pull is None else pull for point, pull in zip((x, p), found, strict=True))
    if not on_x.any() and not on_p.any():
        raise WrongAnswer("nothing moves at all: neither descriptors nor prototypes get a gradient")
    if close(on_x, pulls["transport"][0]) and close(on_p, pulls["softmin"][1]):
        raise WrongAnswer("it is the wrong way round: the transport moves descriptors, the soft-min prototypes")
    if close(on_p, pulls["softmin"][1] + pulls["transport"][1]):
        raise WrongAnswer("the soft-min moves the prototypes as well; hand it means that have no gradient")
    if close(on_x, pulls["softmin"][0] + pulls["transport"][0]):
        raise WrongAnswer("the transport moves the descriptors as well; hand it descriptors that have no gradient")
    if not on_p.any():
        raise WrongAnswer("the prototypes get no gradient: the transport has to move them")
    if not on_x.any():
        raise WrongAnswer("the descriptors get no gradient: the soft-min has to move them")
    if not close(on_x, pulls["softmin"][0]) or not close(on_p, pulls["transport"][1]):
        for point, pull, which in (
            (on_x, pulls["softmin"][0], "the soft-min"),
            (on_p, pulls["transport"][1], "the transport"),
        ):
            factor = float((point * pull).sum() / pull.square().sum())
            if not close(point, pull) and close(point, factor * pull):
                raise WrongAnswer(f"{which} pulls {factor:.3g} times as it should: add the two losses as they are")
        raise WrongAnswer("each moves only whom it should, but not as it should: add the two losses as they are")
    if not close(result, total):
        raise WrongAnswer(f"the value should be the sum of both losses, {total:.4f}, yours is {result.detach():.4f}")


DISEASES = ("collapsed heatmap", "everything in one", "dead prototypes", "border keypoints", "healthy")


@verdict("you can read a log: five rows, five diagnoses, the deadliest first")
def check_diagnose(diagnose: Callable[[Mapping[str, float], int, int], str]) -> None:
    """Check `diagnose(row, images, keypoints) -> one of DISEASES`.

    Example:
        >>> check_diagnose(lambda row, images, keypoints: "healthy")
        ✘ wrong: 9 of 16 heatmaps are flat: that is more than half, a "collapsed heatmap"; you say "healthy"
    """
    generator = drawn(0)
    well = {"collapsed_heatmaps": 0, "largest_share": 0.3, "dead_prototypes": 0, "border_keypoints": 0}
    rows = [
        ({"collapsed_heatmaps": 9}, "9 of 16 heatmaps are flat: that is more than half"),
        ({"largest_share": 0.95, "dead_prototypes": 4}, "one prototype has a share of 0.95: that is more than 0.9"),
        ({"dead_prototypes": 1}, "one prototype is dead: that is one too many"),
        ({"border_keypoints": 10}, "10 of 16 x 3 keypoints are on the border: that is more than a fifth"),
        ({"collapsed_heatmaps": 8}, "8 of 16 heatmaps are flat: that is half, not more"),
        ({"largest_share": 0.9}, "one prototype has a share of 0.9: that is not more than 0.9"),
        ({"border_keypoints": 9}, "9 of 16 x 3 keypoints are on the border: that is less than a fifth"),
        (
            {"collapsed_heatmaps": 16, "largest_share": 1.0, "dead_prototypes": 4, "border_keypoints": 48},
            "everything is wrong at once, and without a heatmap nothing else means anything",
        ),
        ({"dead_prototypes": 2, "border_keypoints": 48}, "dead prototypes and border keypoints: the dead come first"),
    ]
    _refuse_other_counts(diagnose, [well | change for change, _ in rows])
    for change, why in rows:
        _expect(diagnose, well | change, 16, 3, why)
    for _ in range(40):
        images, keypoints = (int(torch.randint(1, high, (), generator=generator)) for high in (40, 10))
        row = {
            "collapsed_heatmaps": int(torch.randint(images + 1, (), generator=generator)),
            "largest_share": round(float(0.7 + 0.3 * torch.rand((), generator=generator)), 3),
            "dead_prototypes": int(torch.randint(2, (), generator=generator)),
            "border_keypoints": int(torch.randint(images * keypoints + 1, (), generator=generator)),
        }
        _expect(diagnose, row, images, keypoints, f"{images} images of {keypoints} keypoints, {row}")


def _asked(diagnose: Callable, row: Mapping[str, float], images: int, keypoints: int) -> str:
    """What the doctor says, if it is one of the five words."""
    found = answer(diagnose, row, images, keypoints)
    if type(found) is not str or found not in DISEASES:
        said = f'"{found[:40]}"' if type(found) is str else type(found).__name__
        raise WrongAnswer(f"one of {', '.join(DISEASES)} is asked for, yours gives {said}")
    return found


def _refuse_other_counts(diagnose: Callable, rows: list[Mapping[str, float]]) -> None:
    """Refuse the doctor who follows the rules, but counts images or keypoints in another way."""
    found = [_asked(diagnose, row, 16, 3) for row in rows]
    if found == [_disease(row, 16, 3) for row in rows]:
        return
    for images, keypoints, reason in (
        (32, 3, "you count each image twice: `images` counts them all, and twins are images too"),
        (8, 3, "you count half of the images: `images` counts them all, and twins are images too"),
        (16, 1, "a fifth of all keypoints is asked for, and there are `keypoints` of them in each image"),
    ):
        if found == [_disease(row, images, keypoints) for row in rows]:
            raise WrongAnswer(reason)


def _expect(diagnose: Callable, row: Mapping[str, float], images: int, keypoints: int, why: str) -> None:
    """Ask for one diagnosis, and refuse another one than the rules give."""
    found = _asked(diagnose, row, images, keypoints)
    wanted = _disease(row, images, keypoints)
    if found != wanted:
        kind = "a" if wanted == "collapsed heatmap" else "so"
        raise WrongAnswer(f'{why}, {kind} "{wanted}"; you say "{found}"')


def _disease(row: Mapping[str, float], images: int, keypoints: int) -> str:
    """The rules of exercise 11.3."""
    if row["collapsed_heatmaps"] > images / 2:
        return "collapsed heatmap"
    if row["largest_share"] > 0.9:
        return "everything in one"
    if row["dead_prototypes"] > 0:
        return "dead prototypes"
    return "border keypoints" if row["border_keypoints"] > images * keypoints / 5 else "healthy"
