"""Each check of lesson 08 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lesson_definitions import definitions
from torch import Tensor

from tusklite.course import sparse_autoencoder as lesson
from tusklite.ops.keypoints import splat_gaussians

SOLUTIONS = definitions("solutions/08_sparse_autoencoder")
LESSON = definitions("08_sparse_autoencoder")
equal_say, keypoint_worth = SOLUTIONS["equal_say"], SOLUTIONS["keypoint_worth"]
splat, pixels_away = SOLUTIONS["splat"], SOLUTIONS["pixels_away"]
splat_slope, blend_with_background = SOLUTIONS["splat_slope"], SOLUTIONS["blend_with_background"]


def saying(weigh):
    """Weights of some numbers a tap: a function of seen and wanted features."""
    return lambda seen, wanted: {tap: weigh(seen[tap], wanted[tap], len(seen)) for tap in seen}


def loudness(seen, wanted):
    """The mean absolute difference of each tap as its weight, the wrong way round."""
    distances = {tap: float((seen[tap] - wanted[tap]).abs().mean()) for tap in seen}
    return {tap: distance / sum(distances.values()) for tap, distance in distances.items()}


def counting_the_silent(seen, wanted):
    """Equal says of 1 over the number of all taps, also of those that say nothing."""
    return {tap: weight * awake(seen, wanted) / len(seen) for tap, weight in equal_say(seen, wanted).items()}


def awake(seen, wanted):
    return sum(bool((seen[tap] != wanted[tap]).any()) for tap in seen)


def error(draw, images, xy, score, descriptors):
    return (draw(xy, score, descriptors) - images).square().mean(dim=(1, 2, 3))


def worth(change, wipe_given: bool = False, out_for_good: bool = False, keep: bool = False):
    """The loop over keypoints, with the change of the error turned into something else."""

    def worths(draw, images, xy, score, descriptors):
        before, columns, score = error(draw, images, xy, score, descriptors), [], score if wipe_given else score.clone()
        for i in range(score.shape[1]):
            left = score if out_for_good or wipe_given else score.clone()
            if keep:
                left = torch.zeros_like(score)
                left[:, i] = score[:, i]
            else:
                left[:, i] = 0
            after = error(draw, images, xy, left, descriptors)
            columns.append(change(after, before))
            before = after if out_for_good else before
        return torch.stack(columns, dim=1)

    return worths


def worth_by(loss):
    """The worth by another loss."""

    def worths(draw, images, xy, score, descriptors):
        def mean(score):
            return loss(draw(xy, score, descriptors), images).mean(dim=(1, 2, 3))

        return torch.stack([mean(score.index_fill(1, torch.tensor(k), 0)) - mean(score) for k in range(4)], dim=1)

    return worths


def between_drawings(draw, images, xy, score, descriptors):
    return worth_by(lambda drawn, _: (drawn - draw(xy, score, descriptors)).square())(
        draw, images, xy, score, descriptors
    )


def without_its_descriptor(draw, images, xy, score, descriptors):
    full = error(draw, images, xy, score, descriptors)
    gone = [descriptors.index_fill(1, torch.tensor(k), 0) for k in range(4)]
    return torch.stack([error(draw, images, xy, score, left) - full for left in gone], dim=1)


def slope(change):
    """Something of the splat, of how far each pixel is away, and of sigma."""

    def slopes(places: Tensor, size: int, sigma: float) -> Tensor:
        away = torch.arange(size) - places[:, None]
        splat = (-(away**2) / (2 * sigma**2)).softmax(dim=1)
        return change(splat, away, sigma)

    return slopes


def slope_by_autograd(places: Tensor, size: int, sigma: float) -> Tensor:
    point = places.clone().requires_grad_()
    splat = (-((torch.arange(size) - point[:, None]) ** 2) / (2 * sigma**2)).softmax(dim=1)
    columns = [torch.autograd.grad(splat[:, i].sum(), point, retain_graph=True)[0] for i in range(size)]
    return torch.stack(columns, dim=1)


def without_softmax(places: Tensor, size: int, sigma: float) -> Tensor:
    away = torch.arange(size) - places[:, None]
    weights = (-(away**2) / (2 * sigma**2)).exp()
    splat = weights / weights.sum(dim=1, keepdim=True)
    return splat * (away - (splat * away).sum(dim=1, keepdim=True)) / sigma**2


def blend(masks, image=None):
    """Other masks of the logits, and what they make of layers and background."""

    def blended(layers: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
        shares = masks(layers[:, :, -1])
        colours = torch.cat([layers[:, :, :-1], background[:, None]], dim=1)
        return (image or mixed)(colours, shares), shares

    return blended


def mixed(colours: Tensor, masks: Tensor) -> Tensor:
    return (colours * masks[:, :, None]).sum(dim=1)


def with_logit(level: float):
    return lambda logits: F.pad(logits, (0, 0, 0, 0, 0, 1), value=level).softmax(dim=1)


def exponentials(logits: Tensor) -> Tensor:
    weights = F.pad(logits, (0, 0, 0, 0, 0, 1)).exp()
    return weights / weights.sum(dim=1, keepdim=True)


def outer(down: Tensor, across: Tensor) -> Tensor:
    return down[..., :, None] * across[..., None, :]


def splatting(weights=lambda away, sigma: -(away**2) / (2 * sigma**2), change=lambda maps: maps, away=None):
    """Splats of other exponents, changed afterwards."""

    def splats(xy: Tensor, height: int, width: int, sigma: float) -> Tensor:
        down, across = ((away or pixels_away)(xy[..., axis], size) for axis, size in ((1, height), (0, width)))
        return change(outer(weights(down, sigma).exp(), weights(across, sigma).exp()))

    return splats


def summing_to_one(maps: Tensor) -> Tensor:
    return maps / maps.sum(dim=(2, 3), keepdim=True)


def gaussian_density(xy: Tensor, height: int, width: int, sigma: float) -> Tensor:
    return splatting()(xy, height, width, sigma) / (2 * torch.pi * sigma**2)


def one_axis(axis: int):
    def splats(xy: Tensor, height: int, width: int, sigma: float) -> Tensor:
        maps = splat(xy, height, width, sigma)
        return maps.mean(dim=3 - axis, keepdim=True).expand_as(maps)

    return splats


right = with_logit(0.0)
ANSWERS = {
    lesson.check_splat: {
        "each map should sum to 1": splatting(),
        "this is the density of a Gaussian": gaussian_density,
        "your largest value is 1": lambda *inputs: splat(*inputs) / splat(*inputs).amax(dim=(2, 3), keepdim=True),
        "x and y are exchanged": lambda xy, *inputs: splat(xy.flip(-1), *inputs),
        r"yours is in units of \[-1, 1\]": splatting(
            change=summing_to_one, away=lambda position, size: 2 * pixels_away(position, size) / size
        ),
        "the exponent has the square of sigma": lambda xy, h, w, sigma: splat(xy, h, w, sigma**0.5),
        "the 2 under the exponent is missing": lambda xy, h, w, sigma: splat(xy, h, w, sigma / 2**0.5),
        "the minus is missing": splatting(lambda away, sigma: away**2 / (2 * sigma**2), summing_to_one),
        "the distance is to be squared": splatting(lambda away, sigma: -away.abs() / (2 * sigma**2), summing_to_one),
        "your outermost pixel centres are at -1 and 1": splatting(
            change=summing_to_one,
            away=lambda position, size: (torch.linspace(-1, 1, size) - position[..., None]) * size / 2,
        ),
        "half a pixel off": splatting(change=summing_to_one, away=lambda *inputs: pixels_away(*inputs) - 0.5),
        "your softmax runs over the points": splatting(change=lambda maps: maps / maps.sum(dim=1, keepdim=True)),
        "all maps of an image together": splatting(change=lambda maps: maps / maps.sum(dim=(1, 2, 3), keepdim=True)),
        "only y counts": one_axis(0),
        "only x counts": one_axis(1),
        "sigma 0.04, 8 x 8 pixels: NaN or infinite: between four": splatting(change=summing_to_one),
        "rows come before columns": lambda *inputs: splat(*inputs).mT,
        "all points of an image are on one map": lambda *inputs: splat(*inputs).sum(dim=1),
        "the two softmaxes stand side by side": lambda *inputs: torch.cat(
            [splat(*inputs).sum(dim=3), splat(*inputs).sum(dim=2)], dim=2
        ),
        "no gradient reaches the places": lambda *inputs: splat(*inputs).detach(),
        "do not detach parts of it": lambda xy, *inputs: splat(
            torch.stack([xy[..., 0].detach(), xy[..., 1]], -1), *inputs
        ),
        "you called `splat_gaussians`": splat_gaussians,
        "point 0 is right, and no other": lambda *inputs: splat(*inputs) * torch.tensor([1.0, 0.0, 0.5])[:, None, None],
    },
    lesson.check_equal_say: {
        "three taps: all weights are equal": saying(lambda seen, wanted, count: 1 / count),
        "they sum to the number of taps": lambda s, w: {tap: c * awake(s, w) for tap, c in equal_say(s, w).items()},
        "the wrong way round": loudness,
        "you summed the differences": saying(lambda s, w, n: 1 / (n * (s - w).abs().sum())),
        "these are squared differences": saying(lambda s, w, n: 1 / (n * (s - w).square().mean())),
        "NaN or infinite; a tap whose distance is 0": saying(lambda s, w, n: 1 / (n * (s - w).abs().mean())),
        "a tap that says nothing does not count": counting_the_silent,
        "with your weights the taps say": saying(lambda s, w, n: 1 / (1 + (s - w).abs().mean())),
        "a dictionary with a number for each tap": lambda seen, wanted: [1.0] * len(seen),
        "a single number is asked for each tap": saying(lambda seen, wanted, count: [1.0, 2.0]),
    },
    lesson.check_keypoint_worth: {
        "these are the scores": lambda draw, images, xy, score, descriptors: score,
        "the sign is turned round": lambda *inputs: -keypoint_worth(*inputs),
        "the error with all of them comes off": worth(lambda after, before: after),
        "left out all the others": worth(lambda after, before: after - before, keep=True),
        "stays out for those after it": worth(lambda after, before: after - before, out_for_good=True),
        "you changed the input that was given": worth(lambda after, before: after - before, wipe_given=True),
        "not over the batch": lambda *inputs: keypoint_worth(*inputs).mean(dim=0, keepdim=True).expand(2, -1),
        "you summed over the pixels": lambda *inputs: 54 * keypoint_worth(*inputs),
        "half of what it should be": lambda *inputs: keypoint_worth(*inputs) / 2,
        "too large by 0.1, everywhere": lambda *inputs: keypoint_worth(*inputs) + 0.1,
        "these are absolute errors": worth_by(lambda drawn, images: (drawn - images).abs()),
        "take no root": worth(lambda after, before: after.sqrt() - before.sqrt()),
        "over the error with it": worth(lambda after, before: after / before),
        "as a share of the error": worth(lambda after, before: (after - before) / before),
        "you compared the drawings with each other": between_drawings,
        "you wiped its descriptor": without_its_descriptor,
        "you set the score to 1": lambda d, i, xy, score, z: torch.stack(
            [
                error(d, i, xy, score.index_fill(1, torch.tensor(k), 1.0), z) - error(d, i, xy, score, z)
                for k in range(4)
            ],
            dim=1,
        ),
        "the same for each": lambda *inputs: error(*inputs)[:, None].expand(-1, 4),
        "keypoint 0 is right, and no other": lambda *inputs: keypoint_worth(*inputs).where(torch.arange(4) == 0, 0.5),
        r"should have shape \(2, 4\)": lambda *inputs: keypoint_worth(*inputs).mean(dim=0),
    },
    lesson.check_splat_slope: {
        "the sign is turned round": lambda *inputs: -splat_slope(*inputs),
        "the splats themselves": slope(lambda splat, away, sigma: splat),
        "always sums to 1": slope(lambda splat, away, sigma: splat * away / sigma**2),
        "one over sigma squared is missing": lambda p, n, sigma: splat_slope(p, n, sigma) * sigma**2,
        "you divided by sigma once": lambda p, n, sigma: splat_slope(p, n, sigma) * sigma,
        r"slopes by x in \[-1, 1\]": lambda p, n, sigma: splat_slope(p, n, sigma) * n / 2,
        "twice too large": lambda *inputs: 2 * splat_slope(*inputs),
        "all slopes are 0": lambda places, size, sigma: torch.zeros(len(places), size),
        "sigma 0.01, 6 pixels: NaN or infinite": without_softmax,
        "too large by 0.5, everywhere": lambda *inputs: splat_slope(*inputs) + 0.5,
        "half of it: the 2": lambda *inputs: splat_slope(*inputs) / 2,
        "the splat before the bracket": slope(lambda p, away, s: (away - (p * away).sum(1, keepdim=True)) / s**2),
        "the plain mean of the pushes": slope(lambda p, away, s: p * (away - away.mean(1, keepdim=True)) / s**2),
        "not only to itself": slope(lambda splat, away, sigma: splat * (1 - splat) * away / sigma**2),
        "the slope by sigma": slope(lambda p, away, s: p * (away**2 - (p * away**2).sum(1, keepdim=True)) / s**3),
        "you called `grad`: the slope is asked for without autograd": slope_by_autograd,
        r"should have shape \(5, 9\)": lambda *inputs: splat_slope(*inputs).T,
    },
    lesson.check_blend_with_background: {
        "K [+] 1 of them with the background's last": lambda layers, background: (
            background,
            layers[:, :, -1].softmax(dim=1),
        ),
        "the background's mask comes first": blend(lambda logits: right(logits).roll(1, dims=1)),
        "the background's mask is 0 everywhere": blend(lambda logits: F.pad(logits.softmax(1), (0, 0, 0, 0, 0, 1))),
        "a sigmoid for each keypoint": blend(
            lambda logits: torch.cat([logits.sigmoid(), 1 - logits.sigmoid().sum(1, keepdim=True)], dim=1)
        ),
        "your background has a logit of 1": blend(with_logit(1.0)),
        "you took colours of the background for its logit": lambda layers, background: blend(
            lambda logits: torch.cat([logits, background.mean(dim=1, keepdim=True)], dim=1).softmax(dim=1)
        )(layers, background),
        "your softmax runs over the pixels": blend(
            lambda logits: F.pad(logits, (0, 0, 0, 0, 0, 1)).flatten(2).softmax(2).unflatten(2, logits.shape[2:])
        ),
        "up to 800: NaN or infinite": blend(exponentials),
        "the masks of a pixel sum to between": blend(lambda logits: 0.5 * right(logits)),
        "the background is not in the image": blend(right, lambda c, m: mixed(c[:, :-1], m[:, :-1])),
        "there in full": blend(right, lambda c, m: mixed(c[:, :-1], m[:, :-1]) + c[:, -1]),
        "the masks are right, the image is not": blend(right, lambda colours, masks: colours.mean(dim=1)),
        "two things are asked for": lambda layers, background: background,
    },
}
EXERCISES = {
    lesson.check_splat: "splat",
    lesson.check_equal_say: "equal_say",
    lesson.check_keypoint_worth: "keypoint_worth",
    lesson.check_splat_slope: "splat_slope",
    lesson.check_blend_with_background: "blend_with_background",
}


def test_weights_may_be_tensors():
    assert lesson.check_equal_say(lambda s, w: {tap: torch.tensor(c) for tap, c in equal_say(s, w).items()})


def test_without_a_background_somebody_has_to_paint_it():
    """What exercise 8.4 says: keypoints with low logits leave the pixel to the background, and only there can they."""
    layers = torch.tensor([[0.9, -20.0], [0.8, -20.0]]).view(1, 2, 2, 1, 1)
    image, masks = blend_with_background(layers, torch.zeros(1, 1, 1, 1))
    torch.testing.assert_close(image, torch.zeros(1, 1, 1, 1), atol=1e-6, rtol=0)
    torch.testing.assert_close(masks.flatten(), torch.tensor([0.0, 0.0, 1.0]), atol=1e-6, rtol=0)
