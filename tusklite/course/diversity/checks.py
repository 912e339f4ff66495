"""Checks for lesson 03: pairs that coincide, the pooled loss by reshaping, the gradient of eq. 8 by hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import AUTOGRAD, POOLING, without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer_tensor, verdict
from tusklite.losses import diversity_loss, overlap_loss
from tusklite.ops.keypoints import spatial_softmax


@verdict("every pair counts once, and no landmark with itself")
def check_collapsed_pairs(collapsed_pairs: Callable[[Tensor, float], Tensor]) -> None:
    """Check `collapsed_pairs(points (B, K, 2), radius) -> (B,)`.

    Example:
        >>> def collapsed_pairs(points, radius):
        ...     return (torch.cdist(points, points) < radius).sum(dim=(1, 2))
        >>> check_collapsed_pairs(collapsed_pairs)
        ✘ wrong: in image 0 are 2 pairs, you count 12: each pair twice, and each landmark with itself
    """
    points = 2 * torch.rand(4, 8, 2, generator=drawn(6), dtype=torch.float64) - 1
    points[3] *= 0.05  # all in one place
    radius, landmarks = 0.35, points.shape[1]
    distances = (points[:, :, None] - points[:, None]).norm(dim=-1)  # (B, K, K)
    itself = torch.eye(landmarks, dtype=torch.bool)
    near = (distances < radius) & ~itself
    wanted = near.sum(dim=(1, 2)) / 2
    result = answer_tensor(collapsed_pairs, points, radius, shape=(4,)).double()
    sorted_out = torch.triu(distances.square() < radius, diagonal=1).sum(dim=(1, 2)).double()
    along = torch.triu((points[:, :, None] - points[:, None]).abs().sum(dim=-1) < radius, diagonal=1)
    for other, reason in (
        (2 * wanted + landmarks, "each pair twice, and each landmark with itself"),
        (2 * wanted, "each pair twice"),
        (wanted + landmarks, "each landmark with itself as well"),
        (near.any(dim=2).sum(dim=1).double(), "landmarks that have a near neighbour, and pairs are asked for"),
        (sorted_out, "squared distances against a radius that is not squared"),
        (along.sum(dim=(1, 2)).double(), "by |x| + |y|, and the distance is √(x² + y²)"),
        (landmarks * (landmarks - 1) / 2 - wanted, "the pairs that lie apart"),
    ):
        if close(result, other) and not close(other, wanted):
            raise WrongAnswer(f"in image 0 are {int(wanted[0])} pairs, you count {int(result[0])}: {reason}")
    for other, reason in (
        (torch.triu(distances < radius / 2, 1), "within half the radius"),
        (torch.triu(distances < 2 * radius, 1), "within twice the radius"),
        (near[:, :-1, 1:].diagonal(dim1=1, dim2=2)[:, None], "neighbours in the list alone; each landmark "
         "meets all others"),
    ):  # fmt: skip
        if close(result, other.sum(dim=(1, 2)).double()) and not close(result, wanted):
            raise WrongAnswer(f"you count the pairs {reason}")
    wrong = int((result != wanted).int().argmax())
    where = f"in image {wrong} are {int(wanted[wrong])} pairs, you count {float(result[wrong]):g}"
    compare(result, wanted, where=where, axes=("image",))
    result = answer_tensor(collapsed_pairs, points, 0.8, shape=(4,)).double()
    if close(result, wanted):
        raise WrongAnswer(f"with radius 0.8 you count as many pairs as with {radius}: use `radius`")
    wanted = torch.triu(distances < 0.8, 1).sum(dim=(1, 2)).double()
    compare(result, wanted, where="right with radius 0.35, and wrong with radius 0.8", axes=("image",))


@verdict("squares of m x m, summed, then the largest: and with m = 1 it is eq. 8")
def check_pooled_diversity(pooled_diversity: Callable[[Tensor, int], Tensor]) -> None:
    """Check `pooled_diversity(probs (B, K, H, W), pool) -> scalar`, written without a pooling function.

    Example:
        >>> check_pooled_diversity(lambda probs, pool: diversity_loss(probs, pool))
        ✘ wrong: you called `diversity_loss`: it is the package's answer; reshape, sum, and take the largest
    """
    pooling = dict.fromkeys(POOLING, "no pooling function is asked for; reshape, and sum over each square")
    own = {diversity_loss: "it is the package's answer; reshape, sum, and take the largest"}
    pooled_diversity = without(pooled_diversity, own | pooling)
    logits = 3 * torch.randn(2, 4, 6, 12, generator=drawn(7), dtype=torch.float64)
    probs = spatial_softmax(logits)
    for pool in (3, 2, 1):
        result = answer_tensor(pooled_diversity, probs, pool, shape=())
        wanted = diversity_loss(probs, pool)
        compare(result, wanted, _pooled_mistakes(probs, pool), f"with pool {pool}, on maps of 6 x 12")


def _pooled_mistakes(probs: Tensor, pool: int) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give, and what to say of each."""
    batch, landmarks, height, width = probs.shape
    blocks = probs.view(batch, landmarks, height // pool, pool, width // pool, pool)
    summed = blocks.sum(dim=(3, 5))
    scrambled = probs.reshape(batch, landmarks, pool, height // pool, pool, width // pool).sum(dim=(2, 4))
    sideways = probs.reshape(batch, landmarks, height // pool, width // pool, pool, pool).sum(dim=(4, 5))
    winners = summed.amax(dim=1).flatten(1).sum(dim=1)  # (B,)
    return [
        (diversity_loss(probs), "you gave eq. 8 without pooling"),
        (
            landmarks - winners.mean() / pool**2,
            "your squares hold the mean of their pixels, and the equation has their sum",
        ),
        (
            landmarks - blocks.amax(dim=(3, 5)).amax(dim=1).flatten(1).sum(dim=1).mean(),
            "you took the largest pixel of each square: sum over the pixels of a square first",
        ),
        (
            landmarks - scrambled.amax(dim=1).flatten(1).sum(dim=1).mean(),
            "your squares are made of pixels that lie H/m and W/m apart: H splits into (H/m, m), in this order",
        ),
        (
            landmarks - sideways.amax(dim=1).flatten(1).sum(dim=1).mean(),
            "a map cannot be viewed as (H/m, W/m, m, m): split each side on its own, (H/m, m, W/m, m)",
        ),
        (batch * diversity_loss(probs, pool), "you summed over the batch, and the loss is its mean"),
        (diversity_loss(probs, pool) / landmarks, "you divided by K, and eq. 8 does not"),
        (winners.mean(), "this is the sum of the largest; take it from K"),
        (-winners.mean(), "K is missing: K minus the sum of the largest"),
        (landmarks - winners.mean() / summed[0, 0].numel(), "you took the mean over squares, and eq. 8 sums over them"),
        (
            landmarks - summed.amax(dim=(2, 3)).sum(dim=1).mean(),
            "you took each landmark's largest square; asked is each square's largest landmark",
        ),
        (
            landmarks - blocks.sum(dim=(2, 4)).amax(dim=1).flatten(1).sum(dim=1).mean(),
            "you summed over squares, not within each: axes 3 and 5 hold the pixels of a square",
        ),
        (overlap_loss(summed), "this is eq. 7, the overlap by pairs; eq. 8 takes the largest of each square"),
        (landmarks - winners[0], "you looked at the first image of the batch alone"),
        (1 - winners.mean(), "1 minus the sum of the largest: it is K minus it, since K maps sum to K"),
        (
            landmarks - blocks.sum(dim=3).amax(dim=1).flatten(1).sum(dim=1).mean(),
            "you summed along one side of each square only",
        ),
    ]


@verdict("the gradient of eq. 8, without autograd")
def check_diversity_gradient(diversity_gradient: Callable[[Tensor], Tensor]) -> None:
    """Check `diversity_gradient(logits (B, K, H, W)) -> (B, K, H, W)`, written without autograd.

    Example:
        >>> check_diversity_gradient(lambda logits: torch.zeros_like(logits))
        ✘ wrong: all zero: the maps of the check do overlap
    """
    forbidden = dict.fromkeys(AUTOGRAD, "the gradient is asked for without autograd; write its formula")
    diversity_gradient = without(diversity_gradient, forbidden)
    logits = 2 * torch.randn(3, 4, 5, 6, generator=drawn(8), dtype=torch.float64)
    probs = spatial_softmax(logits)
    result = answer_tensor(diversity_gradient, logits, shape=(3, 4, 5, 6))
    wanted = _gradient(logits)
    lost = (probs < probs.amax(dim=1, keepdim=True)).double()
    if not result.any():
        raise WrongAnswer("all zero: the maps of the check do overlap")
    for other, reason in (
        (lost / 3, "this is the gradient with respect to the probabilities: it has to pass the softmax"),
        (lost, "this is the gradient with respect to the probabilities: it has to pass the softmax"),
        (probs * lost / 3, "the softmax is missing its second part: what one pixel gains, the map's others lose"),
        (probs * lost, "the softmax is missing its second part: what one pixel gains, the map's others lose"),
        (probs * (1 - probs) * lost / 3, "other pixels of the map count too: p (d - Σ p d), with the sum over the map"),
        (-wanted, "the sign is turned round: a gradient points to where the loss grows"),
        (3 * wanted, "the loss is the mean over the batch, so its gradient is divided by B"),
        (wanted / 4, "you divided by K; the loss is a mean over the batch only"),
        (wanted / 30, "you took a mean over pixels; the loss is a sum over them"),
        (_behind_softmax(probs, lost, (3,)) / 3, "you summed over one axis of the map; a softmax runs over both"),
        (_behind_softmax(probs, lost, (1, 2, 3)) / 3, "you summed over all maps of an image; each has its own softmax"),
        (_behind_softmax(probs, lost, (1,)) / 3, "you summed over landmarks; a softmax runs over the pixels of a map"),
        (probs * (lost - lost.mean(dim=(2, 3), keepdim=True)) / 3, "you took off the plain mean of d; pixels "
         "count in it by their probability, Σ p d"),
        ((lost - (probs * lost).sum(dim=(2, 3), keepdim=True)) / 3, "the p in front of the bracket is missing"),
        (_gradient_along(logits), "your softmax runs over the landmarks; it runs over the pixels of each map"),
    ):  # fmt: skip
        if close(result, other):
            raise WrongAnswer(reason)
    compare(result, wanted, [], "on three images with four maps of 5 x 6", 1e-6, ("image", "map", "row", "column"))


def _behind_softmax(probs: Tensor, slope: Tensor, over: tuple[int, ...]) -> Tensor:
    return probs * (slope - (probs * slope).sum(dim=over, keepdim=True))


def _gradient_along(logits: Tensor) -> Tensor:
    """The hand-written gradient with a softmax over landmarks in place of pixels."""
    probs = logits.softmax(dim=1)
    return _behind_softmax(probs, (probs < probs.amax(dim=1, keepdim=True)).double(), (2, 3)) / len(logits)


def _gradient(logits: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = logits.detach().clone().requires_grad_()
        return torch.autograd.grad(diversity_loss(spatial_softmax(leaf)), leaf)[0]
