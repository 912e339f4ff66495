"""Checks for lesson 04: the training step, and how well landmarks follow a warp."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.course.comparison import close, compare, difference
from tusklite.course.shortcuts import without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_tensor, verdict
from tusklite.geometry import WARPS, ThinPlateSpline, identity_grid, random_tps, warp_images
from tusklite.losses import diversity_loss, overlap_loss, point_alignment_loss, probability_alignment_loss
from tusklite.methods.base import Method
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.training import ThewlisTraining
from tusklite.methods.thewlis.views import draw_views
from tusklite.ops.keypoints import soft_argmax, spatial_softmax


def two_views(images: Tensor, size: int, first: ThinPlateSpline, second: ThinPlateSpline) -> list[Tensor]:
    """x = I ∘ first and x' = x ∘ second, (B, C, size, size) each, as the lesson makes them."""
    pixels = identity_grid(size, size, images.device).view(1, -1, 2).expand(len(images), -1, -1)
    grids = (first(pixels), first(second(pixels)))
    return [warp_images(images, grid.view(-1, size, size, 2), padding_mode="reflection") for grid in grids]


def _siamese_step(
    network: nn.Module, images: Tensor, size: int, g1: ThinPlateSpline, g2: ThinPlateSpline, options: ThewlisOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Equation 9 of a batch, without weight decay; and its two terms without their weights, for the log."""
    x, twin = two_views(images, size, g1, g2)
    probs, warped_probs = spatial_softmax(network(torch.cat([x, twin]))).chunk(2)
    alignment = probability_alignment_loss(probs, warped_probs, g2.grid(*warped_probs.shape[2:]))
    diversity = diversity_loss(probs, options.pool) + diversity_loss(warped_probs, options.pool)
    return options.alignment * alignment + options.diversity * diversity, alignment, diversity


@verdict("two views, one network, maps that add up to 1, and both losses with their weights", worked=_siamese_step)
def check_siamese_step(
    siamese_step: Callable[
        [nn.Module, Tensor, int, ThinPlateSpline, ThinPlateSpline, ThewlisOptions], tuple[Tensor, Tensor, Tensor]
    ],
) -> None:
    """Check `siamese_step(network, images, size, g1, g2, options) -> total, alignment, diversity`.

    Example:
        >>> def siamese_step(network, images, size, g1, g2, options):
        ...     x, twin = two_views(images, size, g1, g2)
        ...     probs, warped_probs = spatial_softmax(network(x)), spatial_softmax(network(twin))
        ...     alignment = probability_alignment_loss(probs, warped_probs, g2.grid(*probs.shape[2:]))
        ...     diversity = diversity_loss(probs, options.pool) + diversity_loss(warped_probs, options.pool)
        ...     return options.alignment * alignment - options.diversity * diversity, alignment, diversity
        >>> check_siamese_step(siamese_step)
        ✘ wrong: views of 12 px: the sign: you reward maps that overlap; eq. 8 is 0 where none do, so it is added
    """
    own = "it is the package's answer; write the step"
    package = (ThewlisTraining.see, ThewlisTraining.loss_terms, Method.training_step, draw_views)
    siamese_step = without(siamese_step, dict.fromkeys(package, own))
    generator = drawn(10)
    for size, pool, alignment, diversity in ((12, 2, 3.0, 0.6), (16, 4, 0.7, 2.0)):
        network = _Network(generator)
        images = torch.rand(3, 1, 14, 14, generator=generator)
        g1, g2 = (random_tps(3, WARPS[f"thewlis-mnist-{which}"], generator) for which in ("g1", "g2"))
        options = ThewlisOptions(alignment=alignment, diversity=diversity, pool=pool)
        given = _Given(network, images, size, g1, g2, options)
        where = f"views of {size} px: "
        found = answer(siamese_step, *given)
        try:
            result = _three(found)
            _refuse_step([part.detach() for part in result], given)
            _refuse_slope(result[0], given)
        except WrongAnswer as error:
            raise WrongAnswer(f"{where}{error}") from None


class _Network(nn.Module):
    """A network without layers that look at the whole batch: one pass over both views or two give the same."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(2 * torch.randn(3, 1, 4, 4, generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 1, H, W) to scores (B, 3, H / 2, W / 2)."""
        return F.conv2d(images, self.weight, stride=2, padding=1)

    def __deepcopy__(self, memo: dict) -> _Network:
        """The same one: an answer gets copies of its inputs, and the check asks for the slope of this weight."""
        return self


class _Given(NamedTuple):
    """What a training step is given."""

    network: nn.Module
    images: Tensor
    size: int
    g1: ThinPlateSpline
    g2: ThinPlateSpline
    options: ThewlisOptions


def _three(result: object) -> tuple[Tensor, Tensor, Tensor]:
    """The three numbers that a step gives."""
    if isinstance(result, Tensor) and result.dim() == 0:
        raise WrongAnswer("this is one number; asked are three: the total, the alignment, the diversity")
    if not isinstance(result, tuple | list) or len(result) != 3:
        many = f"{len(result)} values" if isinstance(result, tuple | list) else f"type {type(result).__name__}"
        raise WrongAnswer(f"three numbers are asked for: total, alignment, diversity; yours gives {many}")
    for name, part in zip(("total", "alignment", "diversity"), result, strict=True):
        if isinstance(part, int | float):
            raise WrongAnswer(f"the {name} is a number of Python's, without a gradient; leave it a tensor")
        try:
            answer_tensor(lambda part=part: part, shape=())  # type: ignore[misc]
        except WrongAnswer as error:
            raise WrongAnswer(f"the {name}: {error}") from None
    total, alignment, diversity = result
    return total, alignment, diversity


def _refuse_step(result: list[Tensor], given: _Given) -> None:
    """Refuse three numbers that are not those of eq. 9, by their cause."""
    options, grid_of = given.options, _grids(given)
    scores = [given.network(view).detach() for view in two_views(given.images, given.size, given.g1, given.g2)]
    probs, twins = map(spatial_softmax, scores)
    follow, apart = _terms(probs, twins, grid_of["g2"], options.pool)
    wanted = [options.alignment * follow + options.diversity * apart, follow, apart]
    if all(map(close, result, wanted)):
        return
    total, alignment, diversity = result
    if close(alignment, apart) and close(diversity, follow):
        raise WrongAnswer("the order: first the total, then the alignment, then the diversity")
    for maps, reason in _other_maps(scores, given):
        terms = _terms(*maps, grid_of["g2"], options.pool)
        if close(alignment, terms[0]) and close(diversity, terms[1]):
            raise WrongAnswer(reason)
    if not close(alignment, follow):
        if close(alignment, options.alignment * follow):
            raise WrongAnswer("the alignment has its weight already; for the log it is asked for without")
        for other, reason in _other_alignments(probs, twins, grid_of, given.g2):
            if close(alignment, other):
                raise WrongAnswer(reason)
        raise WrongAnswer(f"the alignment: {difference(alignment, follow)}")
    if not close(diversity, apart):
        if close(diversity, options.diversity * apart):
            raise WrongAnswer("the diversity has its weight already; for the log it is asked for without")
        for other, reason in _other_diversities(probs, twins, options.pool):
            if close(diversity, other):
                raise WrongAnswer(reason)
        raise WrongAnswer(f"the diversity: {difference(diversity, apart)}")
    a, d = options.alignment, options.diversity
    mistakes = (
        (a * follow - d * apart, "the sign: you reward maps that overlap; eq. 8 is 0 where none do, so it is added"),
        (-a * follow + d * apart, "the sign: you reward landmarks that do not follow; the alignment is added"),
        (a * follow, "the total lacks the diversity: all landmarks would fall into one place"),
        (d * apart, "the total lacks the alignment: nothing asks landmarks to follow the warp"),
        (d * follow + a * apart, "the weights are exchanged: `options.alignment` belongs to eq. 6"),
        (follow + apart, "the total lacks the weights, `options.alignment` and `options.diversity`"),
        (follow + d * apart, "the total lacks the weight of the alignment, `options.alignment`"),
        (a * follow + apart, "the total lacks the weight of the diversity, `options.diversity`"),
        (a * (follow + d * apart), "the brackets: the weight of the alignment multiplies the diversity as well"),
        (d * (a * follow + apart), "the brackets: the weight of the diversity multiplies the alignment as well"),
        (a * follow + d * diversity_loss(probs, options.pool), "the total has the diversity of x alone"),
        (a * follow + d * diversity_loss(twins, options.pool), "the total has the diversity of the twin alone"),
    )
    for other, reason in mistakes:
        if close(total, other):
            raise WrongAnswer(reason)
    raise WrongAnswer(f"both terms are right, the total is not: {difference(total, wanted[0])}")


def _terms(probs: Tensor, twins: Tensor, grid: Tensor, pool: int) -> tuple[Tensor, Tensor]:
    """Eq. 6, and eq. 8 of both views."""
    follow = probability_alignment_loss(probs, twins, grid)
    return follow, diversity_loss(probs, pool) + diversity_loss(twins, pool)


def _grids(given: _Given) -> dict[str, Tensor]:
    """Where the pixels of the maps go, by what takes them there: (B, h, w, 2) each."""
    side, batch = given.size // 2, len(given.images)
    pixels = identity_grid(side, side).view(1, -1, 2).expand(batch, -1, -1)
    moved = {
        "nothing": pixels,
        "g1": given.g1(pixels),
        "g2": given.g2(pixels),
        "both": given.g1(given.g2(pixels)),
        "back": given.g2.invert_points(pixels, tolerance=1e-3),
    }
    return {name: places.reshape(batch, side, side, 2) for name, places in moved.items()}


def _other_maps(scores: list[Tensor], given: _Given) -> Iterator[tuple[list[Tensor], str]]:
    """What plausible mistakes make of the maps of both views, before any loss."""
    across = "the softmax goes over {}; it goes over all pixels of a map, so that each map adds up to 1"
    yield scores, "the maps are scores; without a softmax they are no probabilities"
    yield [part.softmax(dim=1) for part in scores], across.format("the landmarks of a pixel")
    yield [part.softmax(dim=3) for part in scores], across.format("each row of a map")
    yield [part.softmax(dim=2) for part in scores], across.format("each column of a map")
    whole = [part.flatten(1).softmax(dim=1).view_as(part) for part in scores]
    yield whole, across.format("all maps of an image at once")
    yield [part.sigmoid() for part in scores], "a sigmoid says of each pixel yes or no; the maps need a softmax"
    yield [spatial_softmax(spatial_softmax(part)) for part in scores], "you took the softmax of a softmax"
    probs, twins = map(spatial_softmax, scores)
    yield [probs, probs], "the network sees x twice; the second time it sees the twin"
    yield [twins, twins], "the network sees the twin twice; the first time it sees x"
    none = _standing_still(len(given.images))
    for first, second, reason in (
        (given.g2, given.g1, "the warps are exchanged: g1 makes x of the image, g2 the twin of x"),
        (none, given.g2, "x is the image as it is: g1 is left out"),
    ):
        views = two_views(given.images, given.size, first, second)
        yield [spatial_softmax(given.network(view).detach()) for view in views], reason
    x, _ = two_views(given.images, given.size, given.g1, given.g2)
    _, plain = two_views(given.images, given.size, none, given.g2)
    twice = warp_images(x, given.g2.grid(given.size, given.size), padding_mode="reflection")
    for twin, reason in (
        (plain, "the twin is made of the image, without g1; it is x that g2 warps"),
        (
            twice,
            "the twin is sampled from x, which is blurred already; `two_views` samples both from the image",
        ),
    ):
        yield [spatial_softmax(given.network(view).detach()) for view in (x, twin)], reason


def _standing_still(batch: int) -> ThinPlateSpline:
    """Warps that leave every point where it is."""
    affine = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).expand(batch, -1, -1)
    return ThinPlateSpline(torch.zeros(batch, 1, 2), torch.zeros(batch, 1, 2), affine)


def _other_alignments(
    probs: Tensor, twins: Tensor, grids: dict[str, Tensor], g2: ThinPlateSpline
) -> Iterator[tuple[Tensor, str]]:
    """What plausible mistakes make of eq. 6, from the right maps."""
    yield (
        probability_alignment_loss(twins, probs, grids["g2"]),
        "the direction: g2 takes pixels of the twin to x, so the twin's maps come second, after those of x",
    )
    for name, reason in (
        ("nothing", "the maps are compared place by place, as if the twin were not warped; eq. 6 needs the grid of g2"),
        ("g1", "the grid is that of g1; it is g2 that leads from the twin to x"),
        ("both", "g1 is in the grid as well; the network sees x, and g2 alone leads from the twin to x"),
        ("back", "the direction: you took the inverse of g2; g2 itself leads from the twin to x"),
    ):
        yield probability_alignment_loss(probs, twins, grids[name]), reason
    points = point_alignment_loss(soft_argmax(probs), soft_argmax(twins), g2)
    yield points, "this is eq. 5, of points; asked is eq. 6, of whole maps"


def _other_diversities(probs: Tensor, twins: Tensor, pool: int) -> Iterator[tuple[Tensor, str]]:
    """What plausible mistakes make of eq. 8 for both views, from the right maps."""
    first, second = diversity_loss(probs, pool), diversity_loss(twins, pool)
    yield first, "this is the diversity of x alone; eq. 9 adds that of the twin"
    yield second, "this is the diversity of the twin alone; eq. 9 adds that of x"
    yield (first + second) / 2, "this is the mean of both views; eq. 9 adds their diversities"
    yield -(first + second), "the sign of the diversity: eq. 8 is 0 where no maps overlap, and it is to be lessened"
    yield first - second, "the diversity of the twin is taken away; eq. 9 adds it"
    yield (
        diversity_loss(probs) + diversity_loss(twins),
        "this is eq. 8 pixel by pixel; its squares have a side of `options.pool`",
    )
    yield (
        overlap_loss(probs) + overlap_loss(twins),
        "this is eq. 7, the overlap of pairs; asked is eq. 8, over squares of `options.pool`",
    )
    yield diversity_loss((probs + twins) / 2, pool), "you took the diversity of the mean of both maps; it is one a view"


def _refuse_slope(total: Tensor, given: _Given) -> None:
    """Refuse a total of the right size that does not move the network as it should."""
    (weight,) = given.network.parameters()
    if not total.requires_grad:
        raise WrongAnswer("the total is right, but no gradient reaches the network: nothing may be detached on the way")

    def slope(value: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(value, weight, allow_unused=True)
        return torch.zeros_like(weight) if found is None else found

    def stopped(first: bool, second: bool) -> Tensor:
        views = two_views(given.images, given.size, given.g1, given.g2)
        maps = [spatial_softmax(given.network(view)) for view in views]
        parts = [part.detach() if stop else part for part, stop in zip(maps, (first, second), strict=True)]
        grid = given.g2.grid(*maps[0].shape[2:])
        follow, apart = _terms(*parts, grid, given.options.pool)
        return slope(given.options.alignment * follow + given.options.diversity * apart)

    found = slope(total)
    if close(found, stopped(False, False), 1e-3):
        return
    for stops, name in (((False, True), "twin"), ((True, False), "x")):
        if close(found, stopped(*stops), 1e-3):
            raise WrongAnswer(f"the total is right, but no gradient comes through the {name}; both views train")
    raise WrongAnswer("the total is right, but its gradient is not: something is detached on the way")


@verdict("each landmark of the twin was taken back before it was compared")
def check_pixels_off(pixels_off: Callable[[Tensor, Tensor, ThinPlateSpline, int], Tensor]) -> None:
    """Check `pixels_off(xy, warped_xy, warp, side) -> (B, K)`, in pixels of an image of `side` pixels.

    Example:
        >>> check_pixels_off(lambda xy, warped_xy, warp, side: (xy - warped_xy).norm(dim=-1) * side / 2)
        ✘ wrong: you compared the two views as they are: first take the twin's landmarks back by the warp
    """
    warp = random_tps(4, WARPS["thewlis-mnist-g2"], drawn(3)).to(dtype=torch.float64)
    warped_xy = 0.5 * _uniform(4, 7, seed=4)
    xy = warp(warped_xy) + 0.1 * _uniform(4, 7, seed=5)
    for side in (45, 80):
        result = answer_tensor(pixels_off, xy, warped_xy, warp, side, shape=(4, 7))
        offset = xy - warp(warped_xy)
        distance = offset.norm(dim=-1)
        wanted = distance * side / 2
        where = f"at {side} px"
        for other, reason in (
            (
                (xy - warped_xy).norm(dim=-1) * side / 2,
                "you compared the two views as they are: first take the twin's landmarks back by the warp",
            ),
            (
                (warp(xy) - warped_xy).norm(dim=-1) * side / 2,
                "the direction: a warp maps the twin to the image, and you moved the image's landmarks by it",
            ),
            (
                (warp.invert_points(warped_xy) - xy).norm(dim=-1) * side / 2,
                "the direction: you moved the twin's landmarks by the inverse, away from the image",
            ),
            (
                (warp.invert_points(xy) - warped_xy).norm(dim=-1) * side / 2,
                "you compared them in the twin; what is asked for are pixels of the image",
            ),
            (distance, f"{where}: these are units of [-1, 1], not pixels"),
            (distance * side, f"{where}: twice too much; from -1 to 1 are two units"),
            (distance**2 * side**2 / 4, f"{where}: these are squared pixels"),
            (distance**2 * side / 2, f"{where}: the distance is squared; take the root"),
            (offset.abs().sum(dim=-1) * side / 2, f"{where}: you added |dx| and |dy|; take the root of dx² + dy²"),
        ):
            if close(result, other, 1e-3):
                raise WrongAnswer(reason)
        if side != 45 and close(result, distance * 45 / 2, 1e-3):
            raise WrongAnswer(f"{where}: these are pixels of an image of 45; use `side`")
        compare(result, wanted, where=f"{where}, in pixels", tolerance=1e-3, axes=("image", "landmark"))


def _uniform(batch: int, count: int, seed: int) -> Tensor:
    """Points (batch, count, 2) in [-1, 1]."""
    return 2 * torch.rand(batch, count, 2, generator=drawn(seed), dtype=torch.float64) - 1
