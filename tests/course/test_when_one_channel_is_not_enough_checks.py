"""Each check of lesson 06 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from lesson_definitions import definitions
from torch import Tensor

from tusklite.course import when_one_channel_is_not_enough as lesson
from tusklite.metrics import evaluate_detections

SOLUTIONS = definitions("solutions/06_when_one_channel_is_not_enough")
LESSON = definitions("06_when_one_channel_is_not_enough")
stray, count_humps = SOLUTIONS["stray"], SOLUTIONS["count_humps"]
ways, localization = SOLUTIONS["ways"], SOLUTIONS["localization"]


def apart(first: Tensor, second: Tensor) -> Tensor:
    return (second - first).norm(dim=-1)


def tops(probs: Tensor, window: int) -> Tensor:
    return probs == F.max_pool2d(probs, window, stride=1, padding=window // 2)


def all_above(probs: Tensor, window: int, least: float) -> Tensor:
    return (probs >= least * probs.amax(dim=(2, 3), keepdim=True)).sum(dim=(2, 3))


def against_the_batch(probs: Tensor, window: int, least: float) -> Tensor:
    return (tops(probs, window) & (probs >= least * probs.max())).sum(dim=(2, 3))


def without_the_first(probs: Tensor, window: int, least: float) -> Tensor:
    return count_humps(probs, window, least) - 1


def shares(xy: Tensor, truth_xy: Tensor, image_size: int, box: float) -> Tensor:
    """Intersection over union (S, K, T)."""
    shift = (xy[:, :, None] - truth_xy[:, None]).abs() * image_size / 2
    intersection = (box - shift).clamp_min(0).prod(dim=-1)
    return intersection / (2 * box**2 - intersection)


def share_of_a_box(xy: Tensor, truth_xy: Tensor, image_size: int, box: float) -> float:
    ratio = shares(xy, truth_xy, image_size, box)
    intersection = 2 * ratio / (1 + ratio)
    return (intersection >= 0.5).any(dim=1).float().mean().item()


def a_digit_is_found_by_any(xy: Tensor, truth_xy: Tensor, image_size: int, box: float) -> float:
    return (shares(xy, truth_xy, image_size, box) >= 0.5).any(dim=1).float().mean().item()


def a_point_finds_any(xy: Tensor, truth_xy: Tensor, image_size: int, box: float) -> float:
    found = (shares(xy, truth_xy, image_size, box) >= 0.5).any(dim=2).sum().item()
    return found / truth_xy[..., 0].numel()


def greedy(xy: Tensor, truth_xy: Tensor, image_size: int, box: float) -> float:
    found = 0
    for scene in shares(xy, truth_xy, image_size, box):
        left = scene.clone()
        while left.max() >= 0.5:
            point, digit = divmod(int(left.argmax()), left.shape[1])
            left[point], left[:, digit] = 0, 0
            found += 1
    return found / truth_xy[..., 0].numel()


def by_the_package(xy: Tensor, truth_xy: Tensor, image_size: int, box: float) -> float:
    kinds = [torch.zeros(points.shape[:2], dtype=torch.int64) for points in (xy, truth_xy)]
    sizes = {"prototypes": 1, "classes": 1, "image_size": image_size, "box": box}
    return evaluate_detections(xy, kinds[0], truth_xy, kinds[1], **sizes).localization


ANSWERS = {
    lesson.check_stray: {
        "the second is nearer": lambda first, second, share: share * apart(first, second),
        "not always the nearer": lambda first, second, share: (1 - share) * apart(first, second),
        "the farther of the two": lambda first, second, share: torch.maximum(share, 1 - share) * apart(first, second),
        "the square": lambda first, second, share: stray(first, second, share) ** 2,
        "steps along x and y": lambda first, second, share: (
            torch.minimum(share, 1 - share) * (first - second).abs().sum(dim=-1)
        ),
        "yours is a point": lambda first, second, share: first + share[..., None] * (second - first),
        "half of the way": lambda first, second, share: apart(first, second) / 2,
        "from hump to hump$": lambda first, second, share: apart(first, second),
        "multiplied both shares": lambda first, second, share: share * (1 - share) * apart(first, second),
        r"the distance of the mean from \(0, 0\)": lambda first, second, share: torch.lerp(
            first, second, share[..., None]
        ).norm(dim=-1),
        "px from the nearer: yours is 3 times": lambda first, second, share: 3 * stray(first, second, share),
        "it loops over images": lambda *inputs: torch.stack([stray(*parts) for parts in zip(*inputs, strict=True)]),
    },
    lesson.check_count_humps: {
        "on a rippled background": lambda probs, window, least: tops(probs, window).sum(dim=(2, 3)),
        r"should have shape \(2, 3\), yours has \(\)": lambda *inputs: count_humps(*inputs).sum(),
        "a mask of the pixels": lambda probs, window, least: tops(probs, window),
        "on a rippled background: yours counts (2[1-9]|[3-9])": all_above,
        "by its own highest value": against_the_batch,
        "yours counts none": without_the_first,
        "does not look at `least`": lambda probs, window, least: count_humps(probs, window, 0.2),
        "does not look at `window`": lambda probs, window, least: count_humps(probs, 7, least),
        "the faintest a third of the highest": lambda probs, window, least: count_humps(probs, window, 0.9),
        "a hump is one pixel": lambda probs, window, least: count_humps(probs, window, least) + 1,
    },
    lesson.check_ways: {
        "as if the things had names": lambda things, parts: math.factorial(things) ** parts,
        "cannot share a hump": lambda things, parts: things**parts,
        "exchanged things and parts": lambda things, parts: math.factorial(parts) ** (things - 1),
        "numbers of ways multiply": lambda things, parts: math.factorial(things) * (parts - 1),
        "orders of all humps": lambda things, parts: math.factorial(things * parts),
        "one channel's shuffle": lambda things, parts: math.factorial(things),
        "yours is 10, and it is 6": lambda things, parts: 10,
        "yours gives str": lambda things, parts: "many",
    },
    lesson.check_localization: {
        "30 px away": lambda *inputs: 1.0,
        "right on the only digit": lambda *inputs: 0.0,
        "6.5 px beside": lambda xy, truth, size, box: localization(xy, truth, 2 * size, box),
        "the intersection is 0.6 of a box": share_of_a_box,
        "two boxes on one of two": a_point_finds_any,
        "a box finds one digit": a_digit_is_found_by_any,
        "greed is not enough": greedy,
        "the share is of digits": lambda xy, truth, size, box: (
            localization(xy, truth, size, box) * truth.shape[1] / xy.shape[1]
        ),
        "use `image_size`": lambda xy, truth, size, box: localization(xy, truth, 80, box),
        "use `box`": lambda xy, truth, size, box: localization(xy, truth, size, 20.0),
        "you called `evaluate_detections`": by_the_package,
        "yours gives list": lambda *inputs: [1.0],
    },
}
EXERCISES = {
    lesson.check_stray: "stray",
    lesson.check_count_humps: "count_humps",
    lesson.check_ways: "ways",
    lesson.check_localization: "localization",
}


def test_a_number_of_ways_may_be_of_any_kind():
    for kind in (float, np.float64, lambda number: torch.tensor(float(number), dtype=torch.float64)):
        assert lesson.check_ways(lambda things, parts, kind=kind: kind(ways(things, parts)))
