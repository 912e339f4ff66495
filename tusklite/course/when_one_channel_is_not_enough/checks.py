"""Checks for lesson 06: how far a mean strays, humps of a map, ways to tell instances apart, localisation by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import refuse_loop, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, answer_tensor, verdict
from tusklite.metrics import evaluate_detections, match_detections
from tusklite.ops.keypoints import splat_gaussians


@verdict("the mean strays from the nearer digit by the smaller share of the way")
def check_stray(stray: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Check `stray(first, second, share) -> (B, K)` distances.

    Example:
        >>> check_stray(lambda first, second, share: share * (first - second).norm(dim=-1))
        ✘ wrong: where the second hump holds more than half, yours is the distance to the first; the second is nearer
    """
    first, second = (40 * _random(5, 7, 2, seed=seed) for seed in (1, 2))
    share = _random(5, 7, seed=3)
    given = answer(stray, first, second, share)
    if isinstance(given, Tensor) and given.shape == first.shape:
        raise WrongAnswer("yours is a point, or a step along x and one along y; asked for is a distance, (B, K)")
    distance = answer_tensor(lambda: given, shape=(5, 7))
    apart = (second - first).norm(dim=-1)
    wanted = torch.minimum(share, 1 - share) * apart
    for other, reason in (
        (share * apart, "where the second hump holds more than half, yours is the distance to the first; the second is "
         "nearer"),
        ((1 - share) * apart, "yours is the distance to the second hump's place, which is not always the nearer one"),
        (torch.maximum(share, 1 - share) * apart, "yours is the distance to the farther of the two"),
        (wanted.square(), "yours is the square of the distance"),
        (torch.minimum(share, 1 - share) * (second - first).abs().sum(-1), "yours adds up the steps along x and y; the "
         "distance is the root of the sum of their squares"),
    ):  # fmt: skip
        if close(distance, other):
            raise WrongAnswer(reason)
    where = f"humps {apart[0, 0]:.2f} px apart, {share[0, 0]:.0%} in the second: px from the nearer"
    mistakes = [
        (apart, "yours is the distance from hump to hump"),
        (apart / 2, "yours is half of the way, as if both humps held the same share"),
        (share * (1 - share) * apart, "you multiplied both shares; the smaller one alone counts"),
        ((1 - 2 * share).abs() * apart, "yours is from hump to hump by the difference of shares"),
        ((first + share[..., None] * (second - first)).norm(dim=-1), "yours is the distance of the mean from (0, 0)"),
    ]
    compare(distance, wanted, mistakes, where, axes=("image", "channel"))
    many = 40 * _random(50, 70, 2, seed=4), 40 * _random(50, 70, 2, seed=5), _random(50, 70, seed=6)
    refuse_loop(stray, (first, second, share), many, over="images or channels")


@verdict("every hump is counted once, and no ripple")
def check_count_humps(count_humps: Callable[[Tensor, int, float], Tensor]) -> None:
    """Check `count_humps(probs, window, least) -> (B, K)` counts.

    Example:
        >>> from tusklite.ops.keypoints import window_maximum
        >>> check_count_humps(lambda probs, window, least: (probs == window_maximum(probs, window)).sum(dim=(2, 3)))
        ✘ wrong: a map with 1 hump on a rippled background: yours counts 25; leave out maxima below least x the highest
    """
    wanted = torch.tensor([[1, 2, 3], [4, 2, 1]])
    probs = _maps_with_humps(wanted)
    given = answer(count_humps, probs, 7, 0.2)
    if isinstance(given, Tensor) and given.dtype == torch.bool:
        raise WrongAnswer("yours is a mask of the pixels; asked for is how many there are in each map")
    counts = answer_tensor(lambda: given, shape=(2, 3))
    if torch.equal(counts.long(), wanted):
        faint = probs * torch.tensor([[1.0, 0.01, 1.0], [0.01, 1.0, 1.0]])[..., None, None]
        again = answer_tensor(count_humps, faint, 7, 0.2, shape=(2, 3))
        if not torch.equal(again.long(), wanted):
            raise WrongAnswer(
                "maps of one batch that are a hundred times fainter than others lose humps: measure each map by its "
                "own highest value"
            )
        wide = answer_tensor(count_humps, probs, 79, 0.2, shape=(2, 3))
        if not torch.equal(wide.long(), torch.ones_like(wanted)):
            raise WrongAnswer(
                "with a window that covers the map from anywhere one maximum is left; yours does not look at `window`"
            )
        high = answer_tensor(count_humps, probs, 7, 0.65, shape=(2, 3))
        if not torch.equal(high.long(), wanted.clamp_max(2)):
            raise WrongAnswer("with least = 0.65 two humps are high enough at most; yours does not look at `least`")
        return
    at = tuple((counts.long() != wanted).nonzero()[0].tolist())
    humps, yours = int(wanted[at]), int(counts[at])
    if yours == 0:
        raise WrongAnswer(f"a map with {humps} hump(s): yours counts none. The highest pixel is always one")
    if yours > 20:
        raise WrongAnswer(
            f"a map with {humps} hump on a rippled background: yours counts {yours}; leave out maxima below least x "
            "the highest"
        )
    if yours < humps:
        raise WrongAnswer(f"a map with {humps} humps, the faintest a third of the highest: yours counts {yours}")
    raise WrongAnswer(f"a map with {humps} hump(s): yours counts {yours}; a hump is one pixel that tops its window")


@verdict("n! ways for each channel but the first")
def check_ways(ways: Callable[[int, int], int]) -> None:
    """Check `ways(things, parts) -> int`.

    Example:
        >>> check_ways(lambda things, parts: math.factorial(things) ** parts)
        ✘ wrong: 3 things of 2 parts: yours is 36, as if the things had names; the first channel's humps may name them
    """
    for things, parts in ((3, 2), (2, 3), (1, 1), (1, 6), (2, 1), (3, 4), (9, 7)):
        given = answer(ways, things, parts)
        given = given.item() if isinstance(given, Tensor) and given.numel() == 1 else given
        if type(given) not in (int, float) and not isinstance(given, np.number):
            raise WrongAnswer(f"a number is asked for, yours gives {type(given).__name__}")
        orders = math.factorial(things)
        wanted = orders ** (parts - 1)
        if given == wanted or (not isinstance(given, int) and math.isclose(given, wanted, rel_tol=1e-12)):
            continue
        case = f"{things} thing{'s' * (things > 1)} of {parts} part{'s' * (parts > 1)}: yours is {given}"
        if given == orders**parts:
            raise WrongAnswer(f"{case}, as if the things had names; the first channel's humps may name them")
        if given in (things**parts, things ** (parts - 1)):
            raise WrongAnswer(
                f"{case}: two things cannot share a hump, so a channel's choices shrink as they are taken"
            )
        if given in (math.factorial(parts) ** things, math.factorial(parts) ** (things - 1)):
            raise WrongAnswer(f"{case}: you exchanged things and parts; which channel is which part is never in doubt")
        if given == orders * (parts - 1):
            raise WrongAnswer(f"{case}: channels choose one after the other, so their numbers of ways multiply")
        if given == math.factorial(things * parts):
            raise WrongAnswer(f"{case}: these are orders of all humps; each channel shuffles only its own")
        if given == orders:
            raise WrongAnswer(f"{case}: that is one channel's shuffle; every channel but the first has as many")
        if given == math.comb(things * parts, things):
            raise WrongAnswer(f"{case}: a thing takes one hump of each channel, not any of them all")
        raise WrongAnswer(f"{case}, and it is {wanted}")


@verdict("the same share as evaluate_detections, on every scene")
def check_localization(localization: Callable[[Tensor, Tensor, int, float], float]) -> None:
    """Check `localization(xy, truth_xy, image_size, box) -> share`.

    Example:
        >>> check_localization(lambda xy, truth_xy, image_size, box: 1.0)
        ✘ wrong: a box 30 px away from the only digit: yours is 1.00, and it is 0.00
    """
    own = dict.fromkeys((evaluate_detections, match_detections), "it is the package's answer; write the score yourself")
    share = _share_of(without(localization, own))
    digit = torch.zeros(1, 1, 2)

    def moved(x: float, y: float = 0.0) -> Tensor:
        return torch.tensor([[[x / 40, y / 40]]])

    for xy, name in ((moved(30), "a box 30 px away from the only digit"), (digit, "a box right on the only digit")):
        share(xy, digit, name)
    share(moved(6.5), digit, "a box 6.5 px beside the only digit (IoU 0.51)")
    share(moved(8), digit, "a box 8 px beside the only digit (IoU 0.43; the intersection is 0.6 of a box)")
    share(moved(6, 6), digit, "a box 6 px to the right and 6 px below (IoU 0.32: both shifts count)")
    pair = torch.cat([moved(-20), moved(20)], dim=1)
    share(pair[:, :1].expand(-1, 2, -1), pair, "two boxes on one of two digits: a digit is found once")
    share(torch.cat([pair, moved(0, 30)], dim=1), pair, "three boxes, two on the two digits: the share is of digits")
    close_pair = torch.cat([moved(-3), moved(3)], dim=1)
    share(digit, close_pair, "one box between two digits 6 px apart: a box finds one digit")
    crossed, near = torch.cat([moved(0), moved(-6)], dim=1), torch.cat([moved(-1), moved(6)], dim=1)
    share(crossed, near, "a box that could find either of two digits, and one that could find only its nearest: both "
          "can be found, so greed is not enough")  # fmt: skip
    scenes, truth = 2 * _random(20, 9, 2, seed=5) - 1, 2 * _random(20, 9, 2, seed=6) - 1
    share(scenes.float(), truth.float(), "twenty random scenes of nine digits")
    share(moved(6.5), digit, "an image of 160 pixels, a box 13 px beside the only digit: use `image_size`", 160)
    share(moved(12), digit, "boxes of 40 px, one 12 px beside the only digit (IoU 0.54): use `box`", 80, 40.0)


def _share_of(localization: Callable[..., float]) -> Callable[..., None]:
    """Compare a reader's share with `evaluate_detections` on one input, which has a name."""

    def judge(xy: Tensor, truth: Tensor, name: str, image_size: int = 80, box: float = 20.0) -> None:
        given = answer_number(localization, xy, truth, image_size, box)
        kinds = torch.zeros(xy.shape[:2], dtype=torch.int64), torch.zeros(truth.shape[:2], dtype=torch.int64)
        sizes = {"prototypes": 1, "classes": 1, "image_size": image_size, "box": box}
        wanted = evaluate_detections(xy, kinds[0], truth, kinds[1], **sizes).localization
        if not math.isclose(given, wanted, abs_tol=1e-4):
            raise WrongAnswer(f"{name}: yours is {given:.2f}, and it is {wanted:.2f}")

    return judge


def _maps_with_humps(counts: Tensor) -> Tensor:
    """Probability maps `(B, K, 40, 40)` with so many Gaussians, ten pixels or more apart, over a rippled background."""
    spots = torch.tensor([[-0.6, -0.6], [0.55, -0.5], [-0.5, 0.6], [0.6, 0.55]])
    heights = torch.tensor([1.0, 0.8, 0.5, 0.33])
    humps = splat_gaussians(spots.expand(1, -1, -1), 40, 40, sigma=2.0)[0]  # (4, 40, 40)
    ripple = 0.05 * humps.max() * _random(*counts.shape, 40, 40, seed=4).float()
    maps = ripple + torch.stack(
        [torch.stack([(humps[:n] * heights[:n, None, None]).sum(0) for n in row]) for row in counts.tolist()]
    )
    return maps / maps.sum(dim=(2, 3), keepdim=True)


def _random(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=drawn(seed), dtype=torch.float64)
