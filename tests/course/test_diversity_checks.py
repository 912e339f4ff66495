"""Each check of lesson 03 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import torch
from lesson_definitions import definitions

from tusklite.course import diversity as lesson
from tusklite.losses import diversity_loss
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


ANSWERS = {
    lesson.check_collapsed_pairs: {
        "each pair twice, and each landmark with itself": lambda points, radius: near(points, radius).sum(dim=(1, 2)),
        "each pair twice$": lambda points, radius: 2 * collapsed_pairs(points, radius),
        "each landmark with itself as well": lambda points, radius: collapsed_pairs(points, radius) + 8,
        "landmarks that have a near neighbour": with_a_neighbour,
        "squared distances against a radius": lambda points, radius: upper(near(points, radius**0.5)),
        r"by \|x\| \+ \|y\|": lambda points, radius: upper(torch.cdist(points, points, p=1) < radius),
        "the pairs that lie apart": lambda points, radius: 28 - collapsed_pairs(points, radius),
        r"in image \d are": lambda points, radius: collapsed_pairs(points, radius / 2),
        r"should have shape \(4,\), yours has \(\)": lambda points, radius: collapsed_pairs(points, radius).sum(),
    },
    lesson.check_pooled_diversity: {
        "eq. 8 without pooling": lambda probs, pool: diversity_loss(probs),
        "the mean of their pixels": lambda probs, pool: winners(split(probs, pool).mean(dim=(3, 5))),
        "the largest pixel of each square": lambda probs, pool: winners(split(probs, pool).amax(dim=(3, 5))),
        r"lie H/m and W/m apart": scrambled,
        r"cannot be viewed as \(H/m, W/m, m, m\)": sideways,
        "summed over the batch": lambda probs, pool: len(probs) * pooled_diversity(probs, pool),
        "divided by K": lambda probs, pool: pooled_diversity(probs, pool) / probs.shape[1],
        "take it from K": lambda probs, pool: probs.shape[1] - pooled_diversity(probs, pool),
        "K is missing": lambda probs, pool: pooled_diversity(probs, pool) - probs.shape[1],
        "with pool 3, on maps": lambda probs, pool: pooled_diversity(probs, pool) ** 2,
        r"should have shape \(\), yours has \(2,\)": lambda probs, pool: pooled_diversity(probs, pool).expand(2),
    },
    lesson.check_diversity_gradient: {
        "all zero": torch.zeros_like,
        "with respect to the probabilities": lambda logits: losers(logits)[1],
        "what one pixel gains": lambda logits: losers(logits)[0] * losers(logits)[1],
        "other pixels of the map count too": through_pixels_alone,
        "the sign is turned round": lambda logits: -diversity_gradient(logits),
        "mean over the batch": lambda logits: len(logits) * diversity_gradient(logits),
        "autograd's gradient differs": lambda logits: diversity_gradient(logits) ** 2,
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
