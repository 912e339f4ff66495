"""Checks for lesson 07: suppression, a temperature, greedy maxima, a background left out, slopes of descriptors."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.course.comparison import close, compare, difference
from tusklite.course.shortcuts import AUTOGRAD, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, answer_tensor, verdict
from tusklite.ops.keypoints import detect_keypoints, non_max_suppression, sample_descriptors, window_maximum


def _suppress(heatmap: Tensor, window: int) -> Tensor:
    """Which pixels (B, 1, H, W) are the largest of the window around them."""
    return heatmap == F.max_pool2d(heatmap, window, stride=1, padding=window // 2)


@verdict("what is left is the largest of its window: ties, borders and scores below 0 included", worked=_suppress)
def check_suppress(suppress: Callable[[Tensor, int], Tensor]) -> None:
    """Check `suppress(heatmap (B, 1, H, W), window) -> bool (B, 1, H, W)`, for maps full of ties and below 0.

    Example:
        >>> check_suppress(lambda heatmap, window: heatmap == heatmap.amax(dim=(2, 3), keepdim=True))
        ✘ wrong: window 3: you compare with the largest of the whole map; asked is the largest of the window around
    """
    package = (non_max_suppression, window_maximum, detect_keypoints)
    suppress = without(suppress, dict.fromkeys(package, "it is the package's answer; max-pooling is all you need"))
    generator = drawn(9)
    smooth = torch.stack([_smooth(13, 17, seed)[None] + level for seed, level in ((3, 2), (4, 1))]).float()
    smooth[:, 0, 0, 12] = 1.5  # above 0 on a border, where others are below
    ties = torch.randint(-3, 4, (2, 1, 13, 17), generator=generator).float()
    for window in (3, 5, 1, 9):
        for maps in (smooth, ties):
            _compare_suppression(answer(suppress, maps, window), maps, window)


def _compare_suppression(result: object, maps: Tensor, window: int) -> None:
    """Refuse a mask that is not the suppression of these maps, by its cause."""
    where, reach = f"window {window}", window // 2
    shape = tuple(maps.shape)
    if isinstance(result, Tensor) and result.shape != shape:
        for other, reason in (
            (maps[:, :, ::window, ::window].shape, "the window is moved by its own side; stride=1 moves it by a pixel"),
            (F.max_pool2d(maps, window).shape, "the window is moved by its own side; stride=1 moves it by a pixel"),
            (F.max_pool2d(maps, window, stride=1).shape, "nothing is put around the map: padding=window // 2 keeps its "
             "size"),
        ):  # fmt: skip
            if result.shape == other != shape:
                raise WrongAnswer(f"{where}: yours has shape {tuple(result.shape)}: {reason}")
    found = answer_tensor(lambda: result, shape=shape)
    largest = F.max_pool2d(maps, window, stride=1, padding=reach)
    if found.dtype != torch.bool:
        if close(found, largest):
            raise WrongAnswer(f"{where}: these are the largest of each window; which pixels are equal to them?")
        if close(found, maps.where(maps == largest, 0.0)):
            raise WrongAnswer(f"{where}: these are the scores that are left; asked is which pixels, true or false")
        raise WrongAnswer(f"{where}: true or false is asked for each pixel, yours is of type {found.dtype}")
    wanted = non_max_suppression(maps, window)
    zeros = F.max_pool2d(F.pad(maps, 4 * [reach]), window, stride=1)
    others = [
        (maps == maps.amax(dim=(2, 3), keepdim=True), "you compare with the largest of the whole map; asked is the "
         "largest of the window around"),
        (maps == maps.max(), "you compare with the largest of the whole batch; asked is the largest of the window "
         "around"),
        (~wanted, "the other way round: these are the pixels to suppress"),
        (maps == zeros, "you put zeros around the map, and they beat scores below 0; outside is minus infinity, as "
         "`padding` of max_pool2d has it"),
        (maps == -F.max_pool2d(-maps, window, stride=1, padding=reach), "these are the smallest of each window"),
        (maps >= F.avg_pool2d(maps, window, stride=1, padding=reach), "you compare with the mean of the window"),
        (maps == F.max_pool2d(maps, (1, window), stride=1, padding=(0, reach)), "your window is a row of pixels; it is "
         "a square"),
        (maps == F.max_pool2d(maps, (window, 1), stride=1, padding=(reach, 0)), "your window is a column of pixels; it "
         "is a square"),
        (non_max_suppression(maps, 2 * window + 1), "your window reaches as far to each side as it should be wide"),
        (wanted & (maps > 0), "maxima below 0 are lost; nothing says that a maximum has to be high"),
        (_alone(maps, window), "of equal neighbours none is left in yours; the equation says =, so all of them stay"),
    ]  # fmt: skip
    if window > 1:
        for other, reason in others:
            if torch.equal(found, other) and not torch.equal(other, wanted):
                raise WrongAnswer(f"{where}: {reason}")
    inner = slice(None), slice(None), slice(reach, -reach or None), slice(reach, -reach or None)
    if not torch.equal(found, wanted):
        if window > 1 and torch.equal(found[inner], wanted[inner]):
            raise WrongAnswer(f"{where}: right in the middle, wrong near the border, where the window is cut")
        more = int(found.sum()) - int(wanted.sum())
        said = f"{abs(more)} pixels too {'many' if more > 0 else 'few'} are left" if more else "other pixels are left"
        spot = tuple((found != wanted)[:, 0].nonzero()[0].tolist())
        raise WrongAnswer(f"{where}: {said}; look at (image, row, column) {spot}")


def _alone(maps: Tensor, window: int) -> Tensor:
    """Pixels that are larger than all others of their window: ties lose."""
    padded = F.unfold(F.pad(maps, 4 * [window // 2], value=-torch.inf), window)  # (B, w², H W)
    around = torch.cat([padded[:, : window**2 // 2], padded[:, window**2 // 2 + 1 :]], dim=1)
    return maps > around.amax(dim=1).view_as(maps) if window > 1 else torch.ones_like(maps, dtype=torch.bool)


@verdict("at your temperatures the peak holds the share that was asked for")
def check_temperature_for_share(temperature_for_share: Callable[[float, float, float, int], float]) -> None:
    """Check `temperature_for_share(share, peak, background, pixels) -> temperature`.

    Example:
        >>> check_temperature_for_share(lambda share, peak, background, pixels: (peak - background) * share)
        ✘ wrong: peak 0.95, background 0.3, 169 pixels, share 0.5: at your temperature 0.325 the peak holds 4%
    """
    for share, peak, background, pixels in ((0.5, 0.95, 0.3, 169), (0.9, 0.8, 0.05, 49), (0.2, 0.6, 0.5, 25)):
        temperature = answer_number(temperature_for_share, share, peak, background, pixels)
        height, odds, others = peak - background, share / (1 - share), pixels - 1
        wanted = height / math.log(others * odds)
        for other, reason in (
            (1 / wanted, "this is 1 / t: the temperature divides the scores"),
            (-wanted, "the sign is turned round: a temperature is above 0"),
            (height / math.log10(others * odds), "that is a logarithm to base 10; the softmax is made of powers of e"),
            (height / math.log(pixels * odds), "you counted the peak among the others, of which there are n - 1"),
            (height / math.log(odds) if odds != 1 else math.nan, "you forgot that n - 1 others share the rest"),
            (height / math.log(others * share), "s belongs over 1 - s: the peak against all the others"),
            (peak / math.log(others * odds), "only the difference of peak and background counts"),
        ):
            if math.isclose(temperature, other, rel_tol=1e-4):
                raise WrongAnswer(f"share {share:g}, {pixels} pixels: {reason}")
        if not (temperature > 0 and math.isfinite(temperature)):
            raise WrongAnswer(f"a temperature is above 0, yours gives {temperature:g}")
        held = 1 / (1 + others * math.exp(-min(height / temperature, 700)))
        if not math.isclose(temperature, wanted, rel_tol=1e-3):
            raise WrongAnswer(
                f"peak {peak:g}, background {background:g}, {pixels} pixels, share {share:g}: at your temperature "
                f"{temperature:.3g} the peak holds {100 * held:.0f}%"
            )


@verdict("one after the other, the largest that is left, and its window is wiped")
def check_greedy_maxima(greedy_maxima: Callable[[Tensor, int, int], Tensor]) -> None:
    """Check `greedy_maxima(heatmap, k, window) -> flat positions (k,)` of one map `(H, W)`.

    Example:
        >>> check_greedy_maxima(lambda heatmap, k, window: heatmap.flatten().topk(k).indices)
        ✘ wrong: window 5: these are the 6 largest pixels; none of them has been kept out of another's window
    """
    for seed, window, k in ((0, 5, 6), (1, 3, 6), (2, 9, 6), (3, 5, 4)):
        heatmap = _smooth(17, 23, seed).float()
        result = answer(greedy_maxima, heatmap, k, window)
        if isinstance(result, Tensor) and result.shape == (6,) != (k,):
            raise WrongAnswer(f"asked are {k} pixels, and yours gives 6 as before: use `k`")
        if isinstance(result, Tensor) and result.shape == (k, 2):
            raise WrongAnswer("yours are rows and columns; flat positions are asked for, row * W + column")
        found = answer_tensor(lambda result=result: result, shape=(k,))
        if found.is_floating_point() or found.dtype == torch.bool:
            raise WrongAnswer(f"positions are whole numbers, yours are of type {found.dtype}")
        found, wanted = found.tolist(), _greedy(heatmap, k, window // 2)
        if len(set(found)) == 1:
            raise WrongAnswer(
                f"window {window}: it is the same pixel again and again, so it was not wiped (a row has W pixels)"
            )
        peaks = non_max_suppression(heatmap[None, None], window).flatten()
        scores = heatmap.flatten().masked_fill(~peaks, -torch.inf)
        for other, reason in (
            (heatmap.flatten().topk(k).indices.tolist(), f"these are the {k} largest pixels; none of them has been "
             "kept out of another's window"),
            (scores.topk(k).indices.tolist(), "these are the maxima of `suppress`; the greedy way also takes what is "
             "the largest of what is left, maximum or not"),
            (wanted[::-1], "the right pixels, weakest first; strongest first is asked for"),
            (_greedy(heatmap, k, window), "you wiped as many pixels to each side as the window is wide"),
            (_greedy(heatmap, k, window // 2 - 1), "you wiped one pixel too few to each side"),
            (_greedy(heatmap, k, window // 2, after=0), "you wiped one pixel too few below and to the right; a "
             "slice does not hold its end"),
            (_greedy(heatmap, k, window // 2, wraps=True), "near the upper or left border nothing was wiped; a slice "
             "that starts below 0 counts from the other end"),
            (_greedy(heatmap, k, window // 2, fill=0.0), "you wiped with 0, and this map goes below 0; -torch.inf is "
             "below everything"),
            (_greedy(heatmap, k, window // 2, sides=(0,)), "you wiped rows only, from border to border"),
            (_greedy(heatmap, k, window // 2, sides=(1,)), "you wiped columns only, from border to border"),
            (_greedy(-heatmap, k, window // 2), "these are the smallest; the largest are asked for"),
        ):  # fmt: skip
            if found == other and other != wanted:
                raise WrongAnswer(f"window {window}: {reason}")
        if found != wanted:
            place = next(i for i, pair in enumerate(zip(found, wanted, strict=True)) if pair[0] != pair[1])
            before = f"the first {place} are right, then" if place else "from the first on they are others:"
            raise WrongAnswer(
                f"window {window}: {before} pixel {place + 1} should be at (row, column) {divmod(wanted[place], 23)}, "
                f"yours is at {divmod(found[place], 23)}"
            )


@verdict("the background has no vote any more, and the point is where the peak is")
def check_refine_above_background(refine_above_background: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Check `refine_above_background(values (K, n), places (K, n, 2), temperature) -> (K, 2)`.

    Example:
        >>> def refine_above_background(values, places, temperature):
        ...     return places.mean(dim=1)
        >>> check_refine_above_background(refine_above_background)
        ✘ wrong: at temperature 0.2: this is the plain mean of the places: the scores have no say
    """
    generator = drawn(4)
    values = torch.rand(5, 25, generator=generator) ** 3
    places = 2 * torch.rand(5, 25, 2, generator=generator) - 1
    for temperature in (0.2, 1.0, 0.005):
        result = answer(refine_above_background, values, places, temperature)
        if isinstance(result, Tensor) and not torch.isfinite(result).all():
            raise WrongAnswer(
                f"at temperature {temperature:g}: NaN or infinite, since e^{float(values.max()) / temperature:.0f} is "
                "too large for a float; take the largest value off all of them before the exponential"
            )
        found = answer_tensor(lambda result=result: result, shape=(5, 2))
        softmax = (values / temperature).softmax(dim=1)
        lowest, mean = values.min(dim=1, keepdim=True).values, values.mean(dim=1, keepdim=True)
        wanted = _centre(_excess(values, lowest, temperature), places)
        loose = softmax - softmax.min(dim=1, keepdim=True).values
        for other, reason in (
            (_centre(softmax, places), "this is the plain soft-argmax: what is taken off before the exponential "
             "multiplies all weights by one factor, which goes out again"),
            ((loose[..., None] * places).sum(dim=1), "the weights no longer sum to 1: divide by what they sum to"),
            (_centre(_excess(values, mean, temperature), places), "you took off the mean, and some weights are "
             "negative; the background is the smallest value"),
            (_centre((values - lowest).clamp_min(0), places), "you weigh by the scores themselves; the exponential "
             "is missing"),
            (places.mean(dim=1), "this is the plain mean of the places: the scores have no say"),
            (places[torch.arange(5), values.argmax(dim=1)], "this is the place of the largest score; the others have "
             "a say too"),
            (_centre(_excess(values, values.min(), temperature), places), "you took the smallest value of all windows; "
             "each window has its own background"),
            (_centre(_excess(values, lowest, 1 / temperature), places), "you multiplied by t; the temperature divides"),
            (_centre(_excess(values, lowest, 1.0), places), "the temperature is missing"),
            (_centre(_excess(values, lowest, temperature).square(), places), "the weights are squared"),
        ):  # fmt: skip
            if close(found, other, 1e-3) and not close(wanted, other, 1e-3):
                raise WrongAnswer(f"at temperature {temperature:g}: {reason}")
        compare(found, wanted, [], f"at temperature {temperature:g}", 1e-3, axes=("window", "axis"))
    values = torch.full((5, 25), 0.3)
    result = answer(refine_above_background, values, places, 0.2)
    if isinstance(result, Tensor) and not torch.isfinite(result).all():
        raise WrongAnswer(
            "a flat window, where all weights are 0: yours divides 0 by 0. It has no peak, so give the mean of its "
            "places"
        )
    found = answer_tensor(lambda: result, shape=(5, 2))
    where = "a flat window, which has no peak and gives the mean of its places"
    compare(found, places.mean(dim=1), [], where, 1e-3, axes=("window", "axis"))


@verdict("your slopes are autograd's, in x and in y")
def check_descriptor_slopes(descriptor_slopes: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check `descriptor_slopes(features, xy) -> (B, K, C, 2)`, the derivatives of descriptors by x and by y.

    Example:
        >>> check_descriptor_slopes(lambda features, xy: torch.zeros(2, 6, 3, 2))
        ✘ wrong: all slopes are 0: a floor has none, but how far a point lies from it has
    """
    forbidden = dict.fromkeys(AUTOGRAD, "the slope is asked for without autograd; write its formula")
    descriptor_slopes = without(descriptor_slopes, forbidden)
    generator = drawn(5)
    height, width = 7, 11
    features = torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)
    # Between the outermost pixel centres, and never on the line between two pixels.
    cell = torch.stack([torch.randint(0, size - 1, (2, 6), generator=generator) for size in (width, height)], dim=-1)
    place = cell + 0.1 + 0.8 * torch.rand(2, 6, 2, generator=generator, dtype=torch.float64)
    size = torch.tensor([width, height], dtype=torch.float64)
    xy = (2 * place + 1) / size - 1
    found = answer_tensor(descriptor_slopes, features, xy, shape=(2, 6, 3, 2))
    point = xy.clone().requires_grad_()
    with torch.enable_grad():
        sampled = sample_descriptors(features, point)  # (B, K, C)
        by_channel = [torch.autograd.grad(sampled[..., c].sum(), point, retain_graph=True)[0] for c in range(3)]
    wanted = torch.stack(by_channel, dim=2)  # (B, K, C, 2)
    if not found.any():
        raise WrongAnswer("all slopes are 0: a floor has none, but how far a point lies from it has")
    per_pixel = wanted / (size / 2)
    mixed = _bilinear_slopes(features, cell, place - cell)
    upper = _bilinear_slopes(features, cell, torch.zeros_like(place))
    for other, reason in (
        (wanted.flip(-1), "x and y are swapped: to the right is x, and comes first"),
        (-wanted, "the sign is turned round: right minus left, lower minus upper"),
        (per_pixel, "these are slopes per pixel; x runs over W / 2 pixels while it grows by 1"),
        (per_pixel / (size / 2), "the step from pixels to [-1, 1] is the wrong way round: times W / 2, not over it"),
        (per_pixel * size, "too large by 2: W pixels share a length of 2"),
        (per_pixel * size.flip(0) / 2, "W and H are swapped: a step in x crosses W / 2 pixels"),
        (_nearest_slopes(features, cell) * size / 2, "you took the difference along one side of the cell only; the "
         "other side counts by how near it is"),
        (_bilinear_slopes(features, cell, (place - cell).flip(-1)) * size / 2, "the fractions are exchanged: the slope "
         "in x is mixed by how far down the point is, the slope in y by how far right"),
        (_bilinear_slopes(features, cell, 1 - (place - cell)) * size / 2, "the near side and the far side are "
         "exchanged: the nearer one counts more"),
        (_bilinear_slopes(features, cell, torch.full_like(place, 0.5)) * size / 2, "you took the plain mean of both "
         "sides; each counts by how near it is"),
        ((2 * mixed - upper) * size / 2, "the two sides do not weigh 1 together"),
        (mixed * (size - 1) / 2, "you scaled by W - 1; the outer edges are at -1 and 1, so it is W pixels for 2"),
    ):  # fmt: skip
        if close(found, other):
            raise WrongAnswer(f"on random features of {height} x {width}: {reason}")
    where = f"on random features of {height} x {width}"
    for axis, name in enumerate("xy"):
        if not close(found[..., axis], wanted[..., axis]) and close(found[..., 1 - axis], wanted[..., 1 - axis]):
            said = difference(found[..., axis], wanted[..., axis], axes=("image", "point", "channel"))
            raise WrongAnswer(f"{where}: the slopes in {name} alone are not right: {said}")
    compare(found, wanted, where=where, axes=("image", "point", "channel", "axis"))


def _smooth(height: int, width: int, seed: int) -> Tensor:
    """A bumpy map (H, W) whose values all differ, with long slopes: one summit near a corner, one in the middle."""
    generator = drawn(seed)
    noise = torch.randn(1, 1, height, width, generator=generator, dtype=torch.float64)
    bumps = torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)[0, 0]
    row, column = torch.arange(height)[:, None], torch.arange(width)
    away = [(row - up) ** 2 + 1.5 * (column - left) ** 2 for up, left in ((1, 1), (height // 2, width // 2))]
    return 0.5 * bumps - 0.3 * torch.minimum(*away).sqrt().clamp_max(8)


def _greedy(
    heatmap: Tensor,
    k: int,
    reach: int,
    after: int = 1,
    wraps: bool = False,
    fill: float = -torch.inf,
    sides: tuple[int, ...] = (0, 1),
) -> list[int]:
    """Greedy maxima by loops, or with a mistake: in what is wiped, or by what."""
    left, found = heatmap.clone(), []
    for _ in range(k):
        found.append(int(left.argmax()))
        spot = divmod(found[-1], left.shape[1])
        start = [place - reach if wraps else max(place - reach, 0) for place in spot]
        window = [slice(first, place + reach + after) for first, place in zip(start, spot, strict=True)]
        left[tuple(part if side in sides else slice(None) for side, part in enumerate(window))] = fill
        left[spot] = fill
    return found


def _excess(values: Tensor, floor: Tensor, temperature: float) -> Tensor:
    top = values.max(dim=1, keepdim=True).values
    return ((values - top) / temperature).exp() - ((floor - top) / temperature).exp()


def _centre(weights: Tensor, places: Tensor) -> Tensor:
    return (weights[..., None] * places).sum(dim=1) / weights.sum(dim=1, keepdim=True)


def _bilinear_slopes(features: Tensor, cell: Tensor, share: Tensor) -> Tensor:
    """Slopes per pixel (B, K, C, 2) of four pixels each, the sides mixed by shares (B, K, 2) of the right and lower."""
    column, row = cell.unbind(-1)
    batch, (right, down) = torch.arange(len(features))[:, None], share.split(1, dim=-1)
    f00, f01, f10, f11 = (features[batch, :, row + below, column + beside] for below in (0, 1) for beside in (0, 1))
    by_x = (1 - down) * (f01 - f00) + down * (f11 - f10)
    return torch.stack([by_x, (1 - right) * (f10 - f00) + right * (f11 - f01)], dim=-1)


def _nearest_slopes(features: Tensor, cell: Tensor) -> Tensor:
    """Differences per pixel from the upper left of the four pixels alone, (B, K, C, 2)."""
    column, row = cell.unbind(-1)
    batch = torch.arange(len(features))[:, None]
    first = features[batch, :, row, column]
    return torch.stack([features[batch, :, row, column + 1] - first, features[batch, :, row + 1, column] - first], -1)
