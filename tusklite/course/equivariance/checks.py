"""Checks for lesson 02: the centre of any map, the spread of a map, eq. 6 for all pairs of landmarks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import refuse_loop, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer_tensor, verdict
from tusklite.geometry import WARPS, identity_grid, random_tps
from tusklite.losses import probability_alignment_loss
from tusklite.ops.keypoints import soft_argmax


@verdict("the centre of any map, as (x, y), in the units of the course")
def check_centre_of_mass(centre_of_mass: Callable[[Tensor], Tensor]) -> None:
    """Check `centre_of_mass(weights (B, H, W)) -> (B, 2)`, written without the package's `soft_argmax`.

    Example:
        >>> check_centre_of_mass(lambda weights: soft_argmax(weights[None])[0])
        ✘ wrong: you called `soft_argmax`: it is the package's; sum over rows and over columns yourself
    """
    centre_of_mass = without(
        centre_of_mass, {soft_argmax: "it is the package's; sum over rows and over columns yourself"}
    )
    generator = drawn(1)
    weights = 0.1 + torch.rand(3, 5, 8, generator=generator, dtype=torch.float64) ** 4
    total = weights.sum(dim=(1, 2), keepdim=True)
    wanted = soft_argmax((weights / total)[None])[0]
    result = answer_tensor(centre_of_mass, weights, shape=(3, 2))
    sizes = torch.tensor([8, 5], dtype=torch.float64)
    for other, reason in (
        (wanted.flip(-1), "you gave (y, x): points are (x, y), and x runs along the last dimension"),
        (soft_argmax(weights[None])[0], "on maps that sum to more than 1: divide by the sum of the map"),
        (wanted - 1 / sizes, "half a pixel too far left and up: the centre of pixel i is at (2 i + 1) / W - 1"),
        (wanted * sizes / (sizes - 1), "your outermost pixel centres are at -1 and 1: there are the edges of the map"),
        ((wanted + 1) * sizes / 2 - 0.5, "in pixels: the result should be in [-1, 1], like every point of the course"),
        ((wanted + 1) / 2, "from 0 to 1: the result should be in [-1, 1]"),
        (soft_argmax(weights.flatten(1).softmax(1).view_as(weights)[None])[0], "no softmax: weights are no logits"),
        (_brightest(weights), "this is the brightest pixel; every pixel counts, as much as its weight"),
        (soft_argmax((weights / weights.amax(dim=(1, 2), keepdim=True))[None])[0], "you divided by the largest weight; "
         "divide by the sum of the map"),
        (soft_argmax((weights / weights.sum())[None])[0], "you divided by the sum of the whole batch; each map has its "
         "own"),
    ):  # fmt: skip
        if close(result, other):
            raise WrongAnswer(reason)
    compare(result, wanted, where="on random maps of 5 x 8", axes=("map", "axis"))


@verdict("the variance of each map, from sums over pixels alone")
def check_spread(spread: Callable[[Tensor], Tensor]) -> None:
    """Check `spread(probs (B, K, H, W)) -> (B, K)`.

    Example:
        >>> def spread(probs):
        ...     return probs.amax(dim=(2, 3))
        >>> check_spread(spread)
        ✘ wrong: on random maps of 6 x 9: at [1, 1] it should be 0.5583, yours is 0.141, and 6 of 6 numbers are off
    """
    probs = _random_maps(2, 2, 3, 6, 9)
    result = answer_tensor(spread, probs, shape=(2, 3))
    pixels = identity_grid(6, 9, dtype=probs.dtype).flatten(0, 1)  # (H W, 2)
    away = pixels - soft_argmax(probs).unsqueeze(2)  # (B, K, H W, 2)
    along = (probs.flatten(2).unsqueeze(-1) * away.square()).sum(dim=2)  # (B, K, 2)
    wanted = along.sum(dim=-1)
    for other, reason in (
        ((probs.flatten(2) @ pixels.square()).sum(-1), "E|u|², the distance from the middle: take |E u|² off"),
        (wanted.sqrt(), "the standard deviation: its square is asked for"),
        (along[..., 0], "the variance of x alone: |u - m|² has a part for y"),
        (along[..., 1], "the variance of y alone: |u - m|² has a part for x"),
        (along.mean(dim=-1), "half of it: |u - m|² is the sum over x and y, not their mean"),
        (away.square().sum(-1).mean(-1), "the same for every pixel: each counts as much as its probability"),
        (-wanted, "negative: it is E|u|² minus |E u|², not the other way round"),
        (2 * wanted, "twice of it: this is eq. 6 of a map with itself, which holds the spread of both"),
        ((probs.flatten(2) * away.norm(dim=-1)).sum(-1), "the mean distance from the centre: its square is asked for"),
        (along @ torch.tensor([4.5**2, 3.0**2]).double(), "in square pixels; asked is the square of units of [-1, 1]"),
        (wanted.mean(dim=1, keepdim=True).expand_as(wanted), "the same for all maps of an image: each has its own"),
    ):
        if close(result, other):
            raise WrongAnswer(f"on random maps of 6 x 9: yours is {reason}")
    compare(result, wanted, where="on random maps of 6 x 9", axes=("image", "map"))
    single = torch.zeros(1, 1, 64, 64)
    single[0, 0, 60, 3] = 1.0
    alone = answer_tensor(spread, single, shape=(1, 1)).item()
    if abs(alone) > 1e-5:
        raise WrongAnswer(f"all probability in one pixel of 64 x 64: the spread is 0, yours is {alone:.4g}")


@verdict("every landmark with every landmark, and its diagonal is eq. 6")
def check_alignment_matrix(alignment_matrix: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Check `alignment_matrix(probs, warped_probs, grid) -> (B, K, K)`, written without a loop.

    Example:
        >>> check_alignment_matrix(lambda probs, warped_probs, grid: torch.zeros(2, 3, 3))
        ✘ wrong: on two images and three landmarks: yours is 0 everywhere, and should not be
    """
    probs, warped = _random_maps(3, 2, 3, 5, 7), _random_maps(4, 2, 3, 6, 4)
    warps = random_tps(2, WARPS["thewlis-faces-g2"], drawn(5))
    grid = warps.grid(6, 4).double()
    wanted = _alignment_by_pairs(probs, warped, grid)
    result = answer_tensor(alignment_matrix, probs, warped, grid, shape=(2, 3, 3))
    still = identity_grid(6, 4, dtype=grid.dtype).expand(2, -1, -1, -1)
    means, warped_means = soft_argmax(probs), warped.flatten(2) @ grid.flatten(1, 2)  # (B, K, 2)
    squares = wanted + 2 * means @ warped_means.mT
    for other, reason in (
        (wanted.mT, "transposed: rows are the landmarks of the image, columns those of its twin"),
        (_alignment_by_pairs(probs, warped, still), "without the warp: the twin's pixels count at g(v), not at v"),
        (squares, "without the product: |u - g(v)|² is |u|² + |g(v)|² - 2 u·g(v)"),
        (wanted + means @ warped_means.mT, "with the product once: it counts twice, 2 u·g(v)"),
        (squares + 2 * means @ warped_means.mT, "with the product added: it is subtracted"),
        (torch.cdist(means, warped_means).square(), "eq. 5's distance between the means: the spreads are missing"),
        (wanted.mean(dim=0).expand_as(wanted), "the mean over the batch: each image keeps its own matrix"),
    ):
        if close(result, other):
            raise WrongAnswer(f"on two images and three landmarks: yours is {reason}")
    own = squares - means.square().sum(-1, keepdim=True) - warped_means.square().sum(-1)[:, None]
    mistakes = [
        (own, "the spreads alone: the distance between the means is missing"),
        (
            wanted.diagonal(dim1=1, dim2=2).diag_embed(),
            "0 off the diagonal: a landmark meets all landmarks of the twin",
        ),
        (wanted.sqrt(), "the root of it: the expected square is asked for"),
    ]
    where = "on two images and three landmarks"
    compare(
        result, wanted, [(o, f"yours is {reason}") for o, reason in mistakes], where, axes=("image", "row", "column")
    )
    many = _random_maps(5, 2, 9, 5, 7), _random_maps(6, 2, 9, 6, 4), grid
    refuse_loop(alignment_matrix, (probs, warped, grid), many, over="landmarks")
    larger = _random_maps(7, 2, 3, 9, 8), _random_maps(8, 2, 3, 12, 9), warps.grid(12, 9).double()
    refuse_loop(alignment_matrix, (probs, warped, grid), larger, over="pixels")


def _brightest(weights: Tensor) -> Tensor:
    height, width = weights.shape[1:]
    index = weights.flatten(1).argmax(dim=1)
    return torch.stack([(2 * (index % width) + 1) / width, (2 * (index // width) + 1) / height], dim=-1).double() - 1


def _random_maps(seed: int, *shape: int) -> Tensor:
    logits = torch.randn(shape, generator=drawn(seed), dtype=torch.float64)
    return (2 * logits).flatten(2).softmax(dim=-1).view(shape)


def _alignment_by_pairs(probs: Tensor, warped: Tensor, grid: Tensor) -> Tensor:
    """The matrix `(B, K, K)`, one call of the package's loss an entry."""
    batch, landmarks = probs.shape[:2]
    entries = [
        probability_alignment_loss(probs[b : b + 1, r : r + 1], warped[b : b + 1, s : s + 1], grid[b : b + 1])
        for b in range(batch)
        for r in range(landmarks)
        for s in range(landmarks)
    ]
    return torch.stack(entries).view(batch, landmarks, landmarks)
