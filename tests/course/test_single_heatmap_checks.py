"""Each check of lesson 06 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import math

import torch
from lesson_definitions import definitions
from torch import Tensor

from tusklite.course import single_heatmap as lesson
from tusklite.ops.keypoints import detect_keypoints

SOLUTIONS = definitions("solutions/06_single_heatmap")
LESSON = definitions("06_single_heatmap")
temperature_for_share, around = SOLUTIONS["temperature_for_share"], SOLUTIONS["around"]
greedy_maxima, descriptor_slopes = SOLUTIONS["greedy_maxima"], SOLUTIONS["descriptor_slopes"]


def temperature(logarithm):
    """(p - b) over some logarithm of share and pixels."""
    return lambda share, peak, background, pixels: (peak - background) / logarithm(share, pixels)


def greedy(before: int = 0, after: int = 1, wipe_given: bool = False, clamp: bool = True):
    """The greedy loop with other slices."""

    def maxima(heatmap: Tensor, k: int, window: int) -> Tensor:
        left, found = heatmap if wipe_given else heatmap.clone(), []
        for _ in range(k):
            found.append(left.argmax())
            row, column = divmod(int(found[-1]), heatmap.shape[1])
            reach = window // 2 + before
            start = [max(place - reach, 0) if clamp else place - reach for place in (row, column)]
            left[start[0] : row + reach + after, start[1] : column + reach + after] = -torch.inf
            left[row, column] = -torch.inf
        return torch.stack(found)

    return maxima


def local_maxima(heatmap: Tensor, k: int, window: int) -> Tensor:
    return detect_keypoints(heatmap[None, None], k, window).index[0]


def weighing(weights):
    """The mean place by some weights (K, n) of values and temperature."""

    def refine(values: Tensor, places: Tensor, temperature: float) -> Tensor:
        return (weights(values, temperature)[..., None] * places).sum(dim=1)

    return refine


def unit(weights: Tensor) -> Tensor:
    return weights / weights.sum(dim=1, keepdim=True)


def lowest(values: Tensor) -> Tensor:
    return values.min(dim=1, keepdim=True).values


def softmax_less_its_least(values: Tensor, temperature: float) -> Tensor:
    weights = (values / temperature).softmax(dim=1)
    return weights - lowest(weights)


def slopes_of_one_side(features: Tensor, xy: Tensor) -> Tensor:
    (f00, f01, f10, _), _, _ = around(features, xy)
    height, width = features.shape[2:]
    return torch.stack([(f01 - f00) * width / 2, (f10 - f00) * height / 2], dim=-1)


def scaled(in_x, in_y):
    """The right slopes times a factor of width and height in x, and another in y."""

    def slopes(features: Tensor, xy: Tensor) -> Tensor:
        height, width = features.shape[2:]
        return descriptor_slopes(features, xy) * torch.tensor([in_x(width, height), in_y(width, height)])

    return slopes


ANSWERS = {
    lesson.check_temperature_for_share: {
        "this is 1 / t": lambda *inputs: 1 / temperature_for_share(*inputs),
        "the sign is turned round": lambda *inputs: -temperature_for_share(*inputs),
        "logarithm to base 10": temperature(lambda s, n: math.log10((n - 1) * s / (1 - s))),
        "counted the peak among the others": temperature(lambda s, n: math.log(n * s / (1 - s))),
        "forgot that n - 1 others": temperature(lambda s, n: math.log(s / (1 - s)) if s != 0.5 else math.log(n - 1)),
        "s belongs over 1 - s": temperature(lambda s, n: math.log((n - 1) * s)),
        "only the difference": lambda s, p, b, n: temperature_for_share(s, p, 0.0, n),
        "the peak holds": lambda s, p, b, n: 0.2,
        "a temperature is above 0": lambda s, p, b, n: 0.0,
        "a number is asked for, yours gives list": lambda s, p, b, n: [0.1],
    },
    lesson.check_greedy_maxima: {
        "largest pixels": lambda heatmap, k, window: heatmap.flatten().topk(k).indices,
        "the maxima of `suppress`": local_maxima,
        "weakest first": lambda *inputs: greedy_maxima(*inputs).flip(0),
        "as many pixels to each side as the window is wide": lambda h, k, window: greedy_maxima(h, k, 2 * window + 1),
        "one pixel too few to each side": greedy(before=-1),
        "a slice does not hold its end": greedy(after=0),
        "starts below 0 counts from the other end": greedy(clamp=False),
        "you changed the input that was given": greedy(wipe_given=True),
        "positions are whole numbers": lambda *inputs: greedy_maxima(*inputs).float(),
        r"pixel 1 should be at \(row, column\)": lambda heatmap, k, window: torch.arange(k),
        r"should have shape \(6,\)": lambda heatmap, k, window: greedy_maxima(heatmap, k + 1, window),
    },
    lesson.check_refine_above_background: {
        "this is the plain soft-argmax": weighing(lambda v, t: (v / t).softmax(dim=1)),
        "plain soft-argmax: what is taken off before": weighing(lambda v, t: ((v - lowest(v)) / t).softmax(dim=1)),
        "no longer sum to 1": weighing(softmax_less_its_least),
        "you took off the mean": weighing(lambda v, t: unit((v / t).exp() - (v.mean(1, keepdim=True) / t).exp())),
        "the exponential is missing": weighing(lambda v, t: unit(v - lowest(v))),
        "temperature 0.005: NaN or infinite, since e": weighing(
            lambda v, t: unit((v / t).exp() - (lowest(v) / t).exp())
        ),
        "from where it should be": lambda values, places, temperature: places[:, 0],
        r"should have shape \(5, 2\)": lambda values, places, temperature: places.mean(dim=2),
    },
    lesson.check_descriptor_slopes: {
        "x and y are swapped": lambda *inputs: descriptor_slopes(*inputs).flip(-1),
        "the sign is turned round": lambda *inputs: -descriptor_slopes(*inputs),
        "slopes per pixel": scaled(lambda w, h: 2 / w, lambda w, h: 2 / h),
        "the wrong way round: times W / 2": scaled(lambda w, h: 4 / w**2, lambda w, h: 4 / h**2),
        "too large by 2": scaled(lambda w, h: 2, lambda w, h: 2),
        "W and H are swapped": scaled(lambda w, h: h / w, lambda w, h: w / h),
        "along one side of the cell only": slopes_of_one_side,
        "all slopes are 0": lambda features, xy: 0 * descriptor_slopes(features, xy),
        "the slopes in y are not right": scaled(lambda w, h: 1, lambda w, h: 3),
        r"should have shape \(2, 6, 3, 2\)": lambda *inputs: descriptor_slopes(*inputs)[..., 0],
    },
}
EXERCISES = {
    lesson.check_temperature_for_share: "temperature_for_share",
    lesson.check_greedy_maxima: "greedy_maxima",
    lesson.check_refine_above_background: "refine_above_background",
    lesson.check_descriptor_slopes: "descriptor_slopes",
}


def test_a_temperature_may_be_a_tensor():
    assert lesson.check_temperature_for_share(lambda *inputs: torch.tensor(temperature_for_share(*inputs)))


def test_the_greedy_way_finds_what_suppression_does_not():
    """What exercise 6.2 says: just outside the window of a high hill, its slope is no maximum, and greedy takes it."""
    slope = torch.arange(9.0).flip(0)[None]
    assert greedy_maxima(slope, 2, 3).tolist() == [0, 2]
    assert local_maxima(slope, 2, 3).tolist() == [0, -1]
