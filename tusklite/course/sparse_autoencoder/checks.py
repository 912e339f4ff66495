"""Checks for lesson 08: the splat and its slope, taps with an equal say, a keypoint's worth, a painted background."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import AUTOGRAD, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_tensor, verdict
from tusklite.ops.aggregation import alpha_blend, score_weighted_sum
from tusklite.ops.keypoints import splat_gaussians


def pixels_away(position: Tensor, size: int) -> Tensor:
    """From coordinates (...) in [-1, 1] to the pixel centres of an axis: signed distances (..., size) in pixels."""
    centres = (2 * torch.arange(size) + 1) / size - 1
    return (centres - position[..., None]) * size / 2


def _splat(xy: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """One Gaussian (B, K, H, W) a point (B, K, 2), each summing to 1: H + W exponentials a point in place of H x W."""
    rows = (-(pixels_away(xy[..., 1], height) ** 2) / (2 * sigma**2)).softmax(dim=-1)  # (B, K, H)
    columns = (-(pixels_away(xy[..., 0], width) ** 2) / (2 * sigma**2)).softmax(dim=-1)  # (B, K, W)
    return rows[..., :, None] * columns[..., None, :]


@verdict("each point on a map of its own, which sums to 1, down to the narrowest splat", worked=_splat)
def check_splat(splat: Callable[[Tensor, int, int, float], Tensor]) -> None:
    """Check `splat(xy (B, K, 2), height, width, sigma) -> (B, K, H, W)`, sigma in pixels, and its gradient.

    Example:
        >>> check_splat(lambda xy, height, width, sigma: torch.zeros(2, 3, height, width))
        ✘ wrong: sigma 1, 6 x 9 pixels: yours is 0 everywhere, and should not be
    """
    package = dict.fromkeys((splat_gaussians, score_weighted_sum), "it is the package's answer; write the softmaxes")
    splat = without(splat, package)
    generator = drawn(10)
    anywhere = 1.8 * torch.rand(2, 3, 2, generator=generator) - 0.9
    for sigma, height, width, xy in (
        (1.0, 6, 9, anywhere),
        (2.5, 8, 5, anywhere),
        (0.3, 7, 7, anywhere),
        (0.04, 8, 8, torch.zeros(2, 3, 2)),  # where four pixels meet
    ):
        where = f"sigma {sigma:g}, {height} x {width} pixels"
        result = answer(splat, xy, height, width, sigma)
        _refuse_other_maps(result, (2, 3, height, width), where)
        found = answer_tensor(lambda result=result: result, shape=(2, 3, height, width))
        wanted = splat_gaussians(xy, height, width, sigma)
        compare(
            found, wanted, _splat_mistakes(xy, height, width, sigma), where, 1e-5, ("image", "point", "row", "column")
        )
    leaf, weights = anywhere.clone().requires_grad_(), torch.randn(2, 3, 6, 9, generator=generator)
    result = answer(splat, leaf, 6, 9, 1.0)
    if not result.requires_grad:
        raise WrongAnswer("the values are right, but no gradient reaches the places: a network could not learn from it")
    (found,) = torch.autograd.grad((result * weights).sum(), leaf, allow_unused=True)
    (wanted,) = torch.autograd.grad((splat_gaussians(leaf, 6, 9, 1.0) * weights).sum(), leaf)
    if found is None or not close(found, wanted, 1e-3):
        raise WrongAnswer("the values are right, but their gradient to the places is not: do not detach parts of it")


def _refuse_other_maps(result: object, shape: tuple[int, ...], where: str) -> None:
    """Refuse splats of another shape, or that are not finite, by the cause."""
    if not isinstance(result, Tensor):
        return
    batch, points, height, width = shape
    for other, reason in (
        ((batch, points, width, height), "rows come before columns: (B, K, H, W)"),
        ((batch, height, width), "all points of an image are on one map; each has a map of its own"),
        (
            (batch, points, height + width),
            "the two softmaxes stand side by side; their product is asked for, (B, K, H, W)",
        ),
    ):
        if result.shape == other and other != shape:
            raise WrongAnswer(f"{where}: yours has shape {tuple(result.shape)}: {reason}")
    if result.is_floating_point() and not torch.isfinite(result).all():
        raise WrongAnswer(
            f"{where}: NaN or infinite: between four pixels every exponential vanishes, and 0 is divided by 0. A "
            "softmax takes its largest exponent off first"
        )


def _splat_mistakes(xy: Tensor, height: int, width: int, sigma: float) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""

    def gauss(down: Tensor, across: Tensor, variance: float = sigma**2) -> Tensor:
        return _outer((-(down**2) / (2 * variance)).softmax(-1), (-(across**2) / (2 * variance)).softmax(-1))

    down, across = pixels_away(xy[..., 1], height), pixels_away(xy[..., 0], width)
    high, wide = ((-(away**2) / (2 * sigma**2)).exp() for away in (down, across))
    plain, right = _outer(high, wide), gauss(down, across)
    along = [torch.linspace(-1, 1, size) - xy[..., axis, None] for axis, size in ((1, height), (0, width))]
    return [
        (plain, "the largest value is about 1; each map should sum to 1"),
        (plain / (2 * torch.pi * sigma**2), "this is the density of a Gaussian; divide by the sum over the pixels"),
        (right / right.amax(dim=(2, 3), keepdim=True), "your largest value is 1; the sum should be 1"),
        (gauss(pixels_away(xy[..., 0], height), pixels_away(xy[..., 1], width)), "x and y are exchanged: y is down, x "
         "is across"),
        (gauss(2 * down / height, 2 * across / width), "sigma is in pixels; yours is in units of [-1, 1]"),
        (gauss(down, across, sigma), "the exponent has the square of sigma"),
        (gauss(down, across, sigma**2 / 2), "the 2 under the exponent is missing"),
        (_outer((down**2 / (2 * sigma**2)).softmax(-1), (across**2 / (2 * sigma**2)).softmax(-1)), "the minus is "
         "missing: the farthest pixel gets the most"),
        (_outer((-down.abs() / (2 * sigma**2)).softmax(-1), (-across.abs() / (2 * sigma**2)).softmax(-1)), "the "
         "distance is to be squared"),
        (gauss(along[0] * height / 2, along[1] * width / 2), "your outermost pixel centres are at -1 and 1; there are "
         "the edges of the map"),
        (gauss(down - 0.5, across - 0.5), "half a pixel off: the centre of pixel i is at (2 i + 1) / size - 1"),
        (plain / plain.sum(dim=1, keepdim=True), "your softmax runs over the points; it runs over the pixels of each"),
        (plain / plain.sum(dim=(1, 2, 3), keepdim=True), "all maps of an image together sum to 1; each should alone"),
        ((high.softmax(-1)[..., None] + wide.softmax(-1)[..., None, :]) / 2, "you added rows and columns; multiply"),
        (_outer(high / high.sum(-1, keepdim=True), wide.new_ones(wide.shape) / width), "only y counts; x is left out"),
        (_outer(high.new_ones(high.shape) / height, wide / wide.sum(-1, keepdim=True)), "only x counts; y is left out"),
    ]  # fmt: skip


def _outer(down: Tensor, across: Tensor) -> Tensor:
    return down[..., :, None] * across[..., None, :]


@verdict("every tap has the same say, and together they say 1")
def check_equal_say(equal_say: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Mapping[str, float]]) -> None:
    """Check `equal_say(seen, wanted) -> c_l of each tap`, from the features of two images by tap.

    Example:
        >>> check_equal_say(lambda seen, wanted: {tap: 1.0 for tap in seen})
        ✘ wrong: three taps: all weights are equal; then the tap with the largest numbers has the loudest voice
    """
    for count, asleep in ((3, False), (2, False), (4, True)):
        seen, wanted = _taps(count, seed=count), _taps(count, seed=count + 10)
        if asleep:
            wanted["tap 2"] = seen["tap 2"].clone()
        where = f"{['two', 'three', 'four'][count - 2]} taps" + (", one that sees no difference" if asleep else "")
        result = answer(equal_say, seen, wanted)
        if not isinstance(result, dict) or dict.keys(result) != seen.keys():
            raise WrongAnswer(f"{where}: a dictionary with a number for each tap is asked for")
        try:
            weights = torch.stack([torch.as_tensor(result[tap], dtype=torch.float64).reshape(()) for tap in seen])
        except (TypeError, ValueError, RuntimeError):
            raise WrongAnswer(f"{where}: a single number is asked for each tap") from None
        if not torch.isfinite(weights).all():
            raise WrongAnswer(f"{where}: NaN or infinite; a tap whose distance is 0 gets the weight 0")
        l1 = torch.stack([(seen[tap] - wanted[tap]).abs().mean() for tap in seen])
        total = torch.stack([(seen[tap] - wanted[tap]).abs().sum() for tap in seen])
        l2 = torch.stack([(seen[tap] - wanted[tap]).square().mean() for tap in seen])
        right = _shares(l1)
        for other, reason in (
            (torch.ones(count), "all weights are equal; then the tap with the largest numbers has the loudest voice"),
            (torch.full((count,), 1 / count), "all weights are equal; then the tap with the largest numbers has the "
             "loudest voice"),
            (right * (l1 > 0).sum(), "the says are equal, but they sum to the number of taps; 1 is asked for"),
            (l1 / l1.sum(), "the wrong way round: who speaks loudly already gets a small weight"),
            (_shares(total), "you summed the differences of a tap; the loss takes their mean"),
            (_shares(l2), "these are squared differences; eq. 1 takes absolute ones"),
            (right * (l1 > 0).sum() / count, "a tap that says nothing does not count: the others share the 1"),
        ):  # fmt: skip
            if close(weights, other.double()) and not close(right, other):
                raise WrongAnswer(f"{where}: {reason}")
        if not close(weights, right):
            said = ", ".join(f"{share:.2f}" for share in weights * l1)
            raise WrongAnswer(f"{where}: with your weights the taps say {said}; equal says that sum to 1 are asked for")


@verdict("what gets worse without a keypoint is what it was worth")
def check_keypoint_worth(
    keypoint_worth: Callable[[Callable[[Tensor, Tensor, Tensor], Tensor], Tensor, Tensor, Tensor, Tensor], Tensor],
) -> None:
    """Check `keypoint_worth(draw, images, xy, score, descriptors) -> (B, K)`, in squared error per pixel.

    Example:
        >>> check_keypoint_worth(lambda draw, images, xy, score, descriptors: score)
        ✘ wrong: these are the scores; how much worse does the image get without the keypoint?
    """
    generator = drawn(3)
    xy = 2 * torch.rand(2, 4, 2, generator=generator, dtype=torch.float64) - 1
    score = 0.2 + 0.8 * torch.rand(2, 4, generator=generator, dtype=torch.float64)
    descriptors = torch.randn(2, 4, 1, generator=generator, dtype=torch.float64)
    images = torch.rand(2, 1, 6, 9, generator=generator, dtype=torch.float64)

    def draw(xy: Tensor, score: Tensor, descriptors: Tensor) -> Tensor:
        return score_weighted_sum(xy, score, descriptors + 1, 6, 9, 1.0).sigmoid()  # without a score, nothing is drawn

    def error(score: Tensor) -> Tensor:
        return (draw(xy, score, descriptors) - images).square().mean(dim=(1, 2, 3))

    found = answer_tensor(keypoint_worth, draw, images, xy, score, descriptors, shape=(2, 4))
    one = torch.eye(4, dtype=score.dtype)
    without_one = torch.stack([error(score * (1 - one[i])) for i in range(4)], dim=1)  # (B, K)
    alone = torch.stack([error(score * one[i]) for i in range(4)], dim=1)
    wanted, plain = without_one - error(score)[:, None], error(score)
    added = torch.cumsum(wanted.new_zeros(2, 4), dim=1)
    for i in range(4):
        added[:, i] = error(score * one[i:].sum(dim=0)) - error(score * one[i + 1 :].sum(dim=0))
    for other, reason in (
        (score, "these are the scores; how much worse does the image get without the keypoint?"),
        (-wanted, "the sign is turned round: a keypoint that helps is worth more than 0"),
        (without_one, "this is the error without the keypoint; the error with all of them comes off it"),
        (alone - plain[:, None], "you kept the keypoint and left out all the others"),
        (-added, "a keypoint that was left out stays out for those after it; start from all of them each time"),
        (wanted.mean(dim=0, keepdim=True).expand(2, -1), "all images have the same worth in yours; take the mean over "
         "the pixels of each image, not over the batch"),
        (wanted * 54, "you summed over the pixels; their mean is asked for"),
        (wanted / 2, "half of what it should be: the mean runs over the pixels of one image, not over the batch too"),
    ):  # fmt: skip
        if close(found, other, 1e-6):
            raise WrongAnswer(reason)
    whole, full = draw(xy, score, descriptors), error(score)[:, None]
    left_out = [draw(xy, score * (1 - one[i]), descriptors) for i in range(4)]
    gone = [draw(xy, score, descriptors * (1 - one[i])[:, None]) for i in range(4)]

    def per_keypoint(drawings: list[Tensor], change: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.stack([change(drawing).mean(dim=(1, 2, 3)) for drawing in drawings], dim=1)

    by_one = torch.stack([error(torch.where(one[i].bool(), 1.0, score)) for i in range(4)], dim=1)
    absolute = per_keypoint(left_out, lambda drawing: (drawing - images).abs())
    mistakes = [
        (absolute - (whole - images).abs().mean(dim=(1, 2, 3))[:, None], "these are absolute errors; squared are asked "
         "for"),
        (without_one.sqrt() - full.sqrt(), "these are roots of mean squares; take no root"),
        (without_one / full, "this is the error without the keypoint over the error with it; take the difference"),
        ((without_one - full) / full, "this is the growth as a share of the error; take the difference alone"),
        (per_keypoint(left_out, lambda drawing: (drawing - whole).square()), "you compared the drawings with each "
         "other; both errors are against the image"),
        (per_keypoint(gone, lambda drawing: (drawing - images).square()) - full, "you wiped its descriptor; left out "
         "means a score of 0"),
        (by_one - full, "you set the score to 1; left out means a score of 0"),
        (full.expand(-1, 4), "this is the error with all keypoints, the same for each"),
    ]  # fmt: skip
    compare(found, wanted, mistakes, tolerance=1e-6, axes=("image", "keypoint"))


@verdict("your slopes are autograd's, down to the narrowest splat")
def check_splat_slope(splat_slope: Callable[[Tensor, int, float], Tensor]) -> None:
    """Check `splat_slope(places (K,), size, sigma) -> (K, size)`, how each pixel answers to a move by a pixel.

    Example:
        >>> check_splat_slope(lambda places, size, sigma: torch.zeros(len(places), size))
        ✘ wrong: sigma 1, 9 pixels: all slopes are 0; a pixel gets more when the point comes nearer
    """
    forbidden = dict.fromkeys(AUTOGRAD, "the slope is asked for without autograd; write its formula")
    splat_slope = without(splat_slope, forbidden)
    generator = drawn(6)
    for sigma, size in ((1.0, 9), (3.0, 7), (0.01, 6)):
        places = (size - 1) * torch.rand(5, generator=generator, dtype=torch.float64)
        if sigma < 0.1:
            places = places.round() + 0.5 * (torch.arange(5) % 2)  # on pixels and exactly between two
            places = places.clamp(0, size - 1)
        where = f"sigma {sigma:g}, {size} pixels"
        result = answer(splat_slope, places, size, sigma)
        if isinstance(result, Tensor) and not torch.isfinite(result).all():
            raise WrongAnswer(f"{where}: NaN or infinite; every exponential vanishes here, so build on a softmax")
        found = answer_tensor(lambda result=result: result, shape=(5, size))
        away = torch.arange(size, dtype=torch.float64) - places[:, None]  # (K, size)
        splat = (-(away**2) / (2 * sigma**2)).softmax(dim=1)
        mean = (splat * away).sum(dim=1, keepdim=True)
        wanted = splat * (away - mean) / sigma**2
        if not found.any() and wanted.any():
            raise WrongAnswer(f"{where}: all slopes are 0; a pixel gets more when the point comes nearer")
        for other, reason in (
            (-wanted, "the sign is turned round: moving to the right, the pixels at the right get more"),
            (splat, "these are the splats themselves; their slopes are asked for"),
            (splat * away / sigma**2, "you left out that the splat always sums to 1: what one pixel gains, the others "
             "lose"),
            (wanted * sigma**2, "one over sigma squared is missing"),
            (wanted * sigma, "you divided by sigma once; the exponent has its square"),
            (wanted * size / 2, "these are slopes by x in [-1, 1]; by pixels is asked for"),
            (wanted * 2, "twice too large: the 2 of the square and the 2 below it cancel"),
            (wanted / 2, "half of it: the 2 of the square and the 2 below it cancel"),
            (away / sigma**2 - mean / sigma**2, "the splat before the bracket is missing"),
            (splat * (away - away.mean(dim=1, keepdim=True)) / sigma**2, "you took off the plain mean of the pushes; "
             "each pixel counts in it by what it has"),
            (splat * (1 - splat) * away / sigma**2, "a pixel loses to all others too, not only to itself"),
            (splat * (away**2 - (splat * away**2).sum(dim=1, keepdim=True)) / sigma**3, "this is the slope by sigma; "
             "by the place is asked for"),
        ):  # fmt: skip
            if close(found, other) and not close(wanted, other):
                raise WrongAnswer(f"{where}: {reason}")
        compare(found, wanted, where=where, axes=("point", "pixel"))


@verdict("no keypoint has to paint the background any more")
def check_blend_with_background(
    blend_with_background: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> None:
    """Check `blend_with_background(layers, background) -> image (B, C, H, W), masks (B, K + 1, H, W)`.

    Example:
        >>> def blend_with_background(layers, background):
        ...     return background, layers[:, :, -1].softmax(dim=1)
        >>> check_blend_with_background(blend_with_background)
        ✘ wrong: the masks should have shape (2, 4, 5, 6), K + 1 of them with the background's last; yours (2, 3, 5, 6)
    """
    generator = drawn(8)
    for reach in (1.0, 800.0):
        layers = torch.rand(2, 3, 3, 5, 6, generator=generator)
        layers[:, :, -1] = reach * (2 * layers[:, :, -1] - 1)
        background = torch.rand(2, 2, 5, 6, generator=generator)
        result = answer(blend_with_background, layers, background)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise WrongAnswer("two things are asked for: the image and the masks")
        image, masks = result
        if not isinstance(masks, Tensor) or tuple(masks.shape) != (2, 4, 5, 6):
            shape = tuple(masks.shape) if isinstance(masks, Tensor) else type(masks).__name__
            raise WrongAnswer(
                f"the masks should have shape (2, 4, 5, 6), K + 1 of them with the background's last; yours {shape}"
            )
        where = f"logits of alpha up to {reach:g}"
        if not (torch.isfinite(masks).all() and torch.isfinite(torch.as_tensor(image)).all()):
            raise WrongAnswer(
                f"{where}: NaN or infinite; take softmax, or the largest logit off before you exponentiate"
            )
        empty = torch.cat([background, torch.zeros(2, 1, 5, 6)], dim=1)  # (B, C + 1, H, W), a logit of 0
        wanted_image, wanted_masks = alpha_blend(torch.cat([layers, empty[:, None]], dim=1))
        logits, zero = layers[:, :, -1], torch.zeros(2, 1, 5, 6)
        first = alpha_blend(torch.cat([empty[:, None], layers], dim=1))[1]
        sigmoids = torch.cat([logits.sigmoid(), 1 - logits.sigmoid().sum(dim=1, keepdim=True)], dim=1)
        for other, reason in (
            (first, "the background's mask comes first in yours; last is asked for"),
            (torch.cat([logits.softmax(dim=1), zero], dim=1), "the background's mask is 0 everywhere: its logit of 0 "
             "belongs into the softmax"),
            (sigmoids, "a sigmoid for each keypoint: together they may take more than all of a pixel"),
            (torch.cat([logits, zero + 1], dim=1).softmax(dim=1), "your background has a logit of 1; 0 is asked for"),
            (torch.cat([logits, background.mean(dim=1, keepdim=True)], dim=1).softmax(dim=1), "you took colours of the "
             "background for its logit, which is 0 everywhere"),
            (torch.cat([logits, zero], dim=1).flatten(2).softmax(dim=2).view_as(wanted_masks), "your softmax runs over "
             "the pixels; at each pixel it runs over the layers"),
        ):  # fmt: skip
            if close(masks, other) and not close(wanted_masks, other):
                raise WrongAnswer(f"{where}: {reason}")
        if not close(masks, wanted_masks):
            total = masks.sum(dim=1)
            raise WrongAnswer(
                f"{where}: the masks of a pixel sum to between {total.min():.2f} and {total.max():.2f}, off from what "
                f"they should be by up to {(masks - wanted_masks).abs().max():.2f}"
            )
        found = answer_tensor(lambda image=image: image, shape=(2, 2, 5, 6))
        painted = (layers[:, :, :-1] * wanted_masks[:, :-1, None]).sum(dim=1)
        for other, reason in (
            (painted, "the masks are right, but the background is not in the image"),
            (painted + background, "the masks are right, but the background is there in full; its mask shares it out"),
        ):
            if close(found, other) and not close(wanted_image, other):
                raise WrongAnswer(f"{where}: {reason}")
        where = f"{where}: the masks are right, the image is not: each layer counts by its mask"
        compare(found, wanted_image, where=where, axes=("image", "colour", "row", "column"))


def _taps(count: int, seed: int) -> dict[str, Tensor]:
    """Features by tap, of different sizes and loudness."""
    generator = drawn(seed)
    return {
        f"tap {i}": 10.0**i * torch.rand(2, 3 + i, 8 - i, 6, generator=generator, dtype=torch.float64)
        for i in range(count)
    }


def _shares(distances: Tensor) -> Tensor:
    """Weights with which all distances above 0 say the same, and together 1."""
    awake = distances > 0
    return torch.where(awake, 1 / (awake.sum() * torch.where(awake, distances, 1)), 0)
