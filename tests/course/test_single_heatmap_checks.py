"""Each check of lesson 07 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from lesson_definitions import definitions
from torch import Tensor

from tusklite.course import single_heatmap as lesson
from tusklite.ops.keypoints import detect_keypoints, non_max_suppression, sample_descriptors

SOLUTIONS = definitions("solutions/07_single_heatmap")
LESSON = definitions("07_single_heatmap")
temperature_for_share, around = SOLUTIONS["temperature_for_share"], SOLUTIONS["around"]
greedy_maxima, descriptor_slopes = SOLUTIONS["greedy_maxima"], SOLUTIONS["descriptor_slopes"]
refine_above_background, suppress = SOLUTIONS["refine_above_background"], SOLUTIONS["suppress"]


def temperature(logarithm):
    """(p - b) over some logarithm of share and pixels."""
    return lambda share, peak, background, pixels: (peak - background) / logarithm(share, pixels)


def greedy(
    before: int = 0,
    after: int = 1,
    wipe_given: bool = False,
    clamp: bool = True,
    fill: float = -torch.inf,
    sides: tuple[int, ...] = (0, 1),
    divide_by_height: bool = False,
):
    """The greedy loop with other slices."""

    def maxima(heatmap: Tensor, k: int, window: int) -> Tensor:
        left, found = heatmap if wipe_given else heatmap.clone(), []
        for _ in range(k):
            found.append(left.argmax())
            row, column = divmod(int(found[-1]), heatmap.shape[0 if divide_by_height else 1])
            reach = window // 2 + before
            start = [max(place - reach, 0) if clamp else place - reach for place in (row, column)]
            rows, columns = slice(start[0], row + reach + after), slice(start[1], column + reach + after)
            left[rows if 0 in sides else slice(None), columns if 1 in sides else slice(None)] = fill
            if not divide_by_height:
                left[row, column] = fill
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


def excess(values: Tensor, temperature: float) -> Tensor:
    largest = values.max(dim=1, keepdim=True).values
    return ((values - largest) / temperature).exp() - ((lowest(values) - largest) / temperature).exp()


def softmax_less_its_least(values: Tensor, temperature: float) -> Tensor:
    weights = (values / temperature).softmax(dim=1)
    return weights - lowest(weights)


def slopes_of_one_side(features: Tensor, xy: Tensor) -> Tensor:
    (f00, f01, f10, _), _, _ = around(features, xy)
    height, width = features.shape[2:]
    return torch.stack([(f01 - f00) * width / 2, (f10 - f00) * height / 2], dim=-1)


def slopes_mixed(shares):
    """The slopes, the sides mixed by other shares."""

    def slopes(features: Tensor, xy: Tensor) -> Tensor:
        (f00, f01, f10, f11), right, down = around(features, xy)
        right, down = shares(right, down)
        by_x = (1 - down) * (f01 - f00) + down * (f11 - f10)
        by_y = (1 - right) * (f10 - f00) + right * (f11 - f01)
        height, width = features.shape[2:]
        return torch.stack([by_x * width / 2, by_y * height / 2], dim=-1)

    return slopes


def slopes_by_autograd(features: Tensor, xy: Tensor) -> Tensor:
    point = xy.clone().requires_grad_()
    sampled = sample_descriptors(features, point)
    channels = range(features.shape[1])
    return torch.stack([torch.autograd.grad(sampled[..., c].sum(), point, retain_graph=True)[0] for c in channels], 2)


def slopes_forward(features: Tensor, xy: Tensor) -> Tensor:
    axes = [torch.tensor(axis).expand_as(xy) for axis in ([1.0, 0.0], [0.0, 1.0])]
    return torch.stack([torch.func.jvp(lambda at: sample_descriptors(features, at), (xy,), (v,))[1] for v in axes], -1)


def scaled(in_x, in_y):
    """The right slopes times a factor of width and height in x, and another in y."""

    def slopes(features: Tensor, xy: Tensor) -> Tensor:
        height, width = features.shape[2:]
        return descriptor_slopes(features, xy) * torch.tensor([in_x(width, height), in_y(width, height)])

    return slopes


def compared(with_what):
    """Pixels that are equal to something of map and window."""
    return lambda maps, window: maps == with_what(maps, window)


def pooled(maps: Tensor, window: int) -> Tensor:
    return F.max_pool2d(maps, window, stride=1, padding=window // 2)


def larger_than_the_others(maps: Tensor, window: int) -> Tensor:
    around = F.unfold(F.pad(maps, 4 * [window // 2], value=-torch.inf), window)  # (B, w², H W)
    middle = torch.tensor(window**2 // 2)
    return maps > around.index_fill(1, middle, -torch.inf).amax(dim=1).view_as(maps)


def inside_only(maps: Tensor, window: int) -> Tensor:
    kept, reach = suppress(maps, window), window // 2
    return kept & F.pad(torch.ones_like(maps[..., 2 * reach :, 2 * reach :], dtype=torch.bool), 4 * [reach])


ANSWERS = {
    lesson.check_suppress: {
        "the largest of the whole map": compared(lambda maps, window: maps.amax(dim=(2, 3), keepdim=True)),
        "the largest of the whole batch": compared(lambda maps, window: maps.max()),
        "these are the largest of each window; which": pooled,
        "these are the scores that are left": lambda maps, window: maps * suppress(maps, window),
        "stride=1 moves it by a pixel": lambda maps, window: F.max_pool2d(maps, window),
        "padding=window // 2 keeps its size": lambda maps, window: F.max_pool2d(maps, window, stride=1),
        "these are the pixels to suppress": lambda maps, window: ~suppress(maps, window),
        "you put zeros around": compared(
            lambda maps, window: F.max_pool2d(F.pad(maps, 4 * [window // 2]), window, stride=1)
        ),
        "these are the smallest": compared(lambda maps, window: -pooled(-maps, window)),
        "the mean of the window": lambda m, window: m >= F.avg_pool2d(m, window, stride=1, padding=window // 2),
        "a row of pixels": compared(lambda m, w: F.max_pool2d(m, (1, w), stride=1, padding=(0, w // 2))),
        "a column of pixels": compared(lambda m, w: F.max_pool2d(m, (w, 1), stride=1, padding=(w // 2, 0))),
        "as far to each side as it should be wide": lambda maps, window: suppress(maps, 2 * window + 1),
        "maxima below 0 are lost": lambda maps, window: suppress(maps, window) & (maps > 0),
        "of equal neighbours none is left": larger_than_the_others,
        "right in the middle, wrong near the border": inside_only,
        "pixels too few are left; look at": lambda maps, window: suppress(maps, window).tril(),
        "true or false is asked for each pixel, yours is of type torch.float32": lambda maps, window: maps,
        "you called `non_max_suppression`: it is the package's answer": non_max_suppression,
        "you changed the input that was given": lambda maps, window: suppress(maps.mul_(2), window),
    },
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
        r"from the first on .* pixel 1 should be at \(row, column\)": lambda heatmap, k, window: torch.arange(k),
        "the first 5 are right, then pixel 6": lambda *inputs: (
            greedy_maxima(*inputs).clamp(0, 300).index_fill(0, torch.tensor(5), 0)
        ),
        "you wiped with 0": greedy(fill=0.0),
        "you wiped rows only": greedy(sides=(0,)),
        "you wiped columns only": greedy(sides=(1,)),
        "again and again, so it was not wiped .a row has W pixels": greedy(divide_by_height=True),
        "these are the smallest": lambda heatmap, k, window: greedy_maxima(-heatmap, k, window),
        "use `k`": lambda heatmap, k, window: greedy_maxima(heatmap, 6, window),
        "the same pixel again and again": lambda heatmap, k, window: heatmap.argmax().expand(k),
        "yours are rows and columns": lambda h, k, window: torch.stack(
            [greedy_maxima(h, k, window) // h.shape[1], greedy_maxima(h, k, window) % h.shape[1]], dim=1
        ),
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
        "the scores have no say": lambda values, places, temperature: places.mean(dim=1),
        "the place of the largest score": lambda values, places, t: places[torch.arange(5), values.argmax(dim=1)],
        "the smallest value of all windows": weighing(lambda v, t: unit((v / t).exp() - (v.min() / t).exp())),
        "you multiplied by t": lambda values, places, t: refine_above_background(values, places, 1 / t),
        "the temperature is missing": lambda values, places, t: refine_above_background(values, places, 1.0),
        "the weights are squared": weighing(lambda v, t: unit(((v / t).exp() - (lowest(v) / t).exp()).square())),
        "it should be .* 10 of 10 numbers are off": lambda values, places, temperature: places[:, 0],
        "yours is too large by 0.002, everywhere": lambda *inputs: refine_above_background(*inputs) + 0.002,
        "a flat window, where all weights are 0": weighing(lambda v, t: unit(excess(v, t))),
        "a flat window, which has no peak": lambda v, p, t: (
            (excess(v, t)[..., None] * p).sum(dim=1) / excess(v, t).sum(dim=1, keepdim=True).clamp_min(1e-12)
        ),
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
        "the slopes in y alone are not right: yours is 3 times": scaled(lambda w, h: 1, lambda w, h: 3),
        "you scaled by W - 1": scaled(lambda w, h: (w - 1) / w, lambda w, h: (h - 1) / h),
        "the fractions are exchanged": slopes_mixed(lambda right, down: (down, right)),
        "the near side and the far side": slopes_mixed(lambda right, down: (1 - right, 1 - down)),
        "the plain mean of both sides": slopes_mixed(lambda right, down: (0.5 + 0 * right, 0.5 + 0 * down)),
        "you called `grad`: the slope is asked for without autograd": slopes_by_autograd,
        "you called `make_dual`: the slope is asked for": slopes_forward,
        "it should be .* numbers are off": lambda *inputs: descriptor_slopes(*inputs).sin(),
        r"should have shape \(2, 6, 3, 2\)": lambda *inputs: descriptor_slopes(*inputs)[..., 0],
    },
}
EXERCISES = {
    lesson.check_suppress: "suppress",
    lesson.check_temperature_for_share: "temperature_for_share",
    lesson.check_greedy_maxima: "greedy_maxima",
    lesson.check_refine_above_background: "refine_above_background",
    lesson.check_descriptor_slopes: "descriptor_slopes",
}


def test_a_temperature_may_be_a_tensor():
    assert lesson.check_temperature_for_share(lambda *inputs: torch.tensor(temperature_for_share(*inputs)))


def test_the_greedy_way_finds_what_suppression_does_not():
    """What exercise 7.2 says: just outside the window of a high hill, its slope is no maximum, and greedy takes it."""
    slope = torch.arange(9.0).flip(0)[None]
    assert greedy_maxima(slope, 2, 3).tolist() == [0, 2]
    assert local_maxima(slope, 2, 3).tolist() == [0, -1]
