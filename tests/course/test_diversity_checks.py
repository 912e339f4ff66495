"""Each check of lesson 03 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lesson_definitions import definitions

from tusklite.course import diversity as lesson
from tusklite.losses import diversity_loss, overlap_loss
from tusklite.ops.keypoints import spatial_softmax

SOLUTIONS = definitions("solutions/03_diversity")
LESSON = definitions("03_diversity")
collapsed_pairs, pooled_diversity = SOLUTIONS["collapsed_pairs"], SOLUTIONS["pooled_diversity"]
diversity_gradient = SOLUTIONS["diversity_gradient"]


def near(points: torch.Tensor, radius: float) -> torch.Tensor:
    return (points[:, :, None] - points[:, None]).norm(dim=-1) < radius


def upper(near_pairs: torch.Tensor) -> torch.Tensor:
    return torch.triu(near_pairs, diagonal=1).sum(dim=(1, 2))


def with_a_neighbour(points: torch.Tensor, radius: float) -> torch.Tensor:
    return (near(points, radius).sum(dim=2) > 1).sum(dim=1)


def winners(summed: torch.Tensor) -> torch.Tensor:
    """K less the sum of the largest, averaged over the batch."""
    return summed.shape[1] - summed.amax(dim=1).sum(dim=(1, 2)).mean()


def split(probs: torch.Tensor, pool: int) -> torch.Tensor:
    batch, landmarks, height, width = probs.shape
    return probs.view(batch, landmarks, height // pool, pool, width // pool, pool)


def scrambled(probs: torch.Tensor, pool: int) -> torch.Tensor:
    batch, landmarks, height, width = probs.shape
    return winners(probs.view(batch, landmarks, pool, height // pool, pool, width // pool).sum(dim=(2, 4)))


def sideways(probs: torch.Tensor, pool: int) -> torch.Tensor:
    batch, landmarks, height, width = probs.shape
    return winners(probs.view(batch, landmarks, height // pool, width // pool, pool, pool).sum(dim=(4, 5)))


def losers(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    probs = spatial_softmax(logits)
    return probs, (probs < probs.amax(dim=1, keepdim=True)).to(probs) / len(probs)


def through_pixels_alone(logits: torch.Tensor) -> torch.Tensor:
    probs, lost = losers(logits)
    return probs * (1 - probs) * lost


def by_autograd(logits: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        leaf = logits.clone().requires_grad_()
        return torch.autograd.grad(diversity_loss(spatial_softmax(leaf)), leaf)[0]


def by_backward(logits: torch.Tensor) -> torch.Tensor:
    leaf = logits.clone().requires_grad_()
    diversity_loss(spatial_softmax(leaf)).backward()
    return leaf.grad


def behind_softmax(over: tuple[int, ...]):
    """The gradient with the sum of the softmax over other axes."""

    def gradient(logits: torch.Tensor) -> torch.Tensor:
        probs, lost = losers(logits)
        return probs * (lost - (probs * lost).sum(dim=over, keepdim=True))

    return gradient


def along_landmarks(logits: torch.Tensor) -> torch.Tensor:
    probs = logits.softmax(dim=1)
    lost = (probs < probs.amax(dim=1, keepdim=True)).to(probs)
    return probs * (lost - (probs * lost).sum(dim=(2, 3), keepdim=True)) / len(logits)


ANSWERS = {
    lesson.check_collapsed_pairs: {
        "each pair twice, and each landmark with itself": lambda points, radius: near(points, radius).sum(dim=(1, 2)),
        "each pair twice$": lambda points, radius: 2 * collapsed_pairs(points, radius),
        "each landmark with itself as well": lambda points, radius: collapsed_pairs(points, radius) + 8,
        "landmarks that have a near neighbour": with_a_neighbour,
        "squared distances against a radius": lambda points, radius: upper(near(points, radius**0.5)),
        r"by \|x\| \+ \|y\|": lambda points, radius: upper(torch.cdist(points, points, p=1) < radius),
        "the pairs that lie apart": lambda points, radius: 28 - collapsed_pairs(points, radius),
        "within half the radius": lambda points, radius: collapsed_pairs(points, radius / 2),
        "within twice the radius": lambda points, radius: collapsed_pairs(points, 2 * radius),
        "neighbours in the list alone": lambda points, radius: (
            (points[:, 1:] - points[:, :-1]).norm(dim=-1) < radius
        ).sum(dim=1),
        "use `radius`": lambda points, radius: collapsed_pairs(points, 0.35),
        "right with radius 0.35, and wrong with radius 0.8": lambda points, radius: collapsed_pairs(
            points, radius**1.2 * 0.35**-0.2
        ),
        r"in image \d are .* too large by 1, everywhere": lambda points, radius: collapsed_pairs(points, radius) + 1,
        r"should have shape \(4,\), yours has \(\)": lambda points, radius: collapsed_pairs(points, radius).sum(),
    },
    lesson.check_pooled_diversity: {
        "eq. 8 without pooling": lambda probs, pool: winners(probs),
        "you called `diversity_loss`: it is the package's answer": lambda probs, pool: diversity_loss(probs, pool),
        "you called `avg_pool2d`: no pooling": lambda probs, pool: winners(F.avg_pool2d(probs, pool) * pool**2),
        "you called `avg_pool2d`: no pooling function is": lambda p, m: winners(torch.nn.AvgPool2d(m)(p) * m**2),
        "you took the mean over squares": lambda p, m: p.shape[1] - split(p, m).sum(dim=(3, 5)).amax(dim=1).mean(),
        "each square's largest landmark": lambda p, m: (
            p.shape[1] - split(p, m).sum(dim=(3, 5)).amax(dim=(2, 3)).sum(dim=1).mean()
        ),
        "you summed over squares, not within each": lambda p, m: winners(split(p, m).sum(dim=(2, 4))),
        "this is eq. 7": lambda probs, pool: overlap_loss(split(probs, pool).sum(dim=(3, 5))),
        "the first image of the batch alone": lambda probs, pool: pooled_diversity(probs[:1], pool),
        "1 minus the sum of the largest": lambda probs, pool: pooled_diversity(probs, pool) + 1 - probs.shape[1],
        "along one side of each square only": lambda p, m: (
            p.shape[1] - split(p, m).sum(dim=3).amax(dim=1).flatten(1).sum(dim=1).mean()
        ),
        "the mean of their pixels": lambda probs, pool: winners(split(probs, pool).mean(dim=(3, 5))),
        "the largest pixel of each square": lambda probs, pool: winners(split(probs, pool).amax(dim=(3, 5))),
        r"lie H/m and W/m apart": scrambled,
        r"cannot be viewed as \(H/m, W/m, m, m\)": sideways,
        "summed over the batch": lambda probs, pool: len(probs) * pooled_diversity(probs, pool),
        "divided by K": lambda probs, pool: pooled_diversity(probs, pool) / probs.shape[1],
        "take it from K": lambda probs, pool: probs.shape[1] - pooled_diversity(probs, pool),
        "K is missing": lambda probs, pool: pooled_diversity(probs, pool) - probs.shape[1],
        "with pool 3, on maps of 6 x 12: yours is the square": lambda probs, pool: pooled_diversity(probs, pool) ** 2,
        r"should have shape \(\), yours has \(2,\)": lambda probs, pool: pooled_diversity(probs, pool).expand(2),
    },
    lesson.check_diversity_gradient: {
        "all zero": torch.zeros_like,
        "with respect to the probabilities": lambda logits: losers(logits)[1],
        "what one pixel gains": lambda logits: losers(logits)[0] * losers(logits)[1],
        "other pixels of the map count too": through_pixels_alone,
        "the sign is turned round": lambda logits: -diversity_gradient(logits),
        "mean over the batch": lambda logits: len(logits) * diversity_gradient(logits),
        "yours is the square of what it should be": lambda logits: diversity_gradient(logits) ** 2,
        "you called `grad`: the gradient is asked for without autograd": by_autograd,
        "you called `backward`: the gradient is asked for without": by_backward,
        "you called `grad`: .* write its formula": torch.func.grad(lambda z: diversity_loss(spatial_softmax(z))),
        "you divided by K": lambda logits: diversity_gradient(logits) / logits.shape[1],
        "a mean over pixels": lambda logits: diversity_gradient(logits) / logits[0, 0].numel(),
        "one axis of the map": behind_softmax((3,)),
        "all maps of an image": behind_softmax((1, 2, 3)),
        "you summed over landmarks": behind_softmax((1,)),
        "the plain mean of d": lambda logits: (
            losers(logits)[0] * (losers(logits)[1] - losers(logits)[1].mean(dim=(2, 3), keepdim=True))
        ),
        "the p in front of the bracket": lambda logits: diversity_gradient(logits) / losers(logits)[0],
        "your softmax runs over the landmarks": along_landmarks,
    },
}
EXERCISES = {
    lesson.check_collapsed_pairs: "collapsed_pairs",
    lesson.check_pooled_diversity: "pooled_diversity",
    lesson.check_diversity_gradient: "diversity_gradient",
}


def test_a_gradient_of_the_compact_form_is_accepted():
    """K minus the sum of the largest has another gradient in the probabilities, and the same in the logits."""

    def compact(logits: torch.Tensor) -> torch.Tensor:
        probs, lost = losers(logits)
        slope = lost - 1 / len(probs)
        return probs * (slope - (probs * slope).sum(dim=(2, 3), keepdim=True))

    assert lesson.check_diversity_gradient(compact)
