"""Each check of lesson 02 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import torch
from lesson_definitions import definitions

from tusklite.course import equivariance as lesson
from tusklite.geometry import identity_grid
from tusklite.ops.keypoints import soft_argmax

SOLUTIONS = definitions("solutions/02_equivariance")
LESSON = definitions("02_equivariance")
centre_of_mass, spread = SOLUTIONS["centre_of_mass"], SOLUTIONS["spread"]
alignment_matrix = SOLUTIONS["alignment_matrix"]


def centre_with(place):
    """The centre with pixel i of `size` at another place."""

    def centre(weights: torch.Tensor) -> torch.Tensor:
        rows, columns = (place(torch.arange(size, dtype=weights.dtype), size) for size in weights.shape[1:])
        found = torch.stack([weights.sum(dim=1) @ columns, weights.sum(dim=2) @ rows], dim=-1)
        return found / weights.sum(dim=(1, 2))[:, None]

    return centre


def second_moment(probs: torch.Tensor) -> torch.Tensor:
    places = identity_grid(*probs.shape[2:], dtype=probs.dtype).flatten(0, 1)
    return probs.flatten(2) @ places.square().sum(dim=-1)


def spread_along(axis: int):
    def along(probs: torch.Tensor) -> torch.Tensor:
        places = identity_grid(*probs.shape[2:], dtype=probs.dtype).flatten(0, 1)[:, axis]
        p = probs.flatten(2)
        return p @ places.square() - (p @ places).square()

    return along


def cancelling_spread(probs: torch.Tensor) -> torch.Tensor:
    """A spread with a mean that is off by a little."""
    return spread(probs) + (probs.shape[-1] == 64) * 0.01


def matrix_with(product: float):
    """The matrix with another factor before u · g(v)."""

    def matrix(probs: torch.Tensor, warped_probs: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        means = soft_argmax(probs) @ (warped_probs.flatten(2) @ grid.flatten(1, 2)).mT
        return alignment_matrix(probs, warped_probs, grid) + (2 + product) * means

    return matrix


def matrix_without_warp(probs: torch.Tensor, warped_probs: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    still = identity_grid(*grid.shape[1:3], dtype=grid.dtype).expand_as(grid)
    return alignment_matrix(probs, warped_probs, still)


def matrix_of_means(probs: torch.Tensor, warped_probs: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    return torch.cdist(soft_argmax(probs), warped_probs.flatten(2) @ grid.flatten(1, 2)).square()


def brightest(weights: torch.Tensor) -> torch.Tensor:
    rows, columns = weights.shape[1:]
    index = weights.flatten(1).argmax(dim=1)
    return torch.stack([(2 * (index % columns) + 1) / columns - 1, (2 * (index // columns) + 1) / rows - 1], dim=1)


def mean_distance(probs: torch.Tensor) -> torch.Tensor:
    away = identity_grid(*probs.shape[2:]).flatten(0, 1) - soft_argmax(probs).unsqueeze(2)
    return (probs.flatten(2) * away.norm(dim=-1)).sum(dim=-1)


def in_square_pixels(probs: torch.Tensor) -> torch.Tensor:
    height, width = probs.shape[2:]
    return spread_along(0)(probs) * width**2 / 4 + spread_along(1)(probs) * height**2 / 4


def by_landmarks(probs: torch.Tensor, warped_probs: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    columns = [alignment_matrix(probs, warped_probs[:, s : s + 1], grid) for s in range(warped_probs.shape[1])]
    return torch.cat(columns, dim=2)


def by_pixels(probs: torch.Tensor, warped_probs: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    places = identity_grid(*probs.shape[2:]).flatten(0, 1)
    square = torch.stack([(place - grid).square().sum(dim=-1).flatten(1) for place in places], dim=1)  # (B, HW, H'W')
    return probs.flatten(2) @ square @ warped_probs.flatten(2).mT


ANSWERS = {
    lesson.check_centre_of_mass: {
        r"you gave \(y, x\)": lambda weights: centre_of_mass(weights).flip(-1),
        "divide by the sum of the map": lambda weights: centre_of_mass(weights) * weights.sum(dim=(1, 2))[:, None],
        "you called `soft_argmax`": lambda weights: soft_argmax((weights / weights.sum((1, 2), keepdim=True))[None])[0],
        "this is the brightest pixel": brightest,
        "you divided by the largest weight": lambda weights: (
            centre_of_mass(weights) * (weights.sum(dim=(1, 2)) / weights.amax(dim=(1, 2)))[:, None]
        ),
        "the sum of the whole batch": lambda weights: (
            centre_of_mass(weights) * (weights.sum(dim=(1, 2)) / weights.sum())[:, None]
        ),
        "half a pixel too far left": centre_with(lambda i, size: 2 * i / size - 1),
        "outermost pixel centres are at -1 and 1": centre_with(lambda i, size: 2 * i / (size - 1) - 1),
        "in pixels": centre_with(lambda i, size: i),
        "from 0 to 1": centre_with(lambda i, size: (2 * i + 1) / (2 * size)),
        "no softmax": lambda weights: centre_of_mass(weights.flatten(1).softmax(dim=1).view_as(weights)),
        r"should have shape \(3, 2\), yours has \(2, 3\)": lambda weights: centre_of_mass(weights).mT,
        "yours is 0.9 times what it should be": lambda weights: 0.9 * centre_of_mass(weights),
        "axis 1 is right": lambda weights: centre_of_mass(weights) * torch.tensor([-1.0, 1.0]),
    },
    lesson.check_spread: {
        "distance from the middle": second_moment,
        "the standard deviation": lambda probs: spread(probs).sqrt(),
        "variance of x alone": spread_along(0),
        "variance of y alone": spread_along(1),
        "half of it": lambda probs: spread(probs) / 2,
        "negative": lambda probs: -spread(probs),
        "twice of it": lambda probs: 2 * spread(probs),
        "the mean distance from the centre": mean_distance,
        "in square pixels": in_square_pixels,
        "the same for all maps": lambda probs: spread(probs).mean(dim=1, keepdim=True).expand(-1, probs.shape[1]),
        "it should be .* numbers are off": lambda probs: probs.amax(dim=(2, 3)),
        "all probability in one pixel of 64 x 64": cancelling_spread,
        r"should have shape \(2, 3\), yours has \(\)": lambda probs: spread(probs).mean(),
    },
    lesson.check_alignment_matrix: {
        "transposed": lambda p, q, grid: alignment_matrix(p, q, grid).mT,
        "without the warp": matrix_without_warp,
        "without the product": matrix_with(0.0),
        "with the product once": matrix_with(-1.0),
        "with the product added": matrix_with(2.0),
        "the spreads are missing": matrix_of_means,
        "mean over the batch": lambda p, q, grid: alignment_matrix(p, q, grid).mean(dim=0).expand(2, -1, -1),
        r"should have shape \(2, 3, 3\), yours has \(2, 3\)": lambda p, q, grid: alignment_matrix(p, q, grid).diagonal(
            dim1=1, dim2=2
        ),
        "the root of it": lambda p, q, grid: alignment_matrix(p, q, grid).sqrt(),
        "the spreads alone": lambda p, q, grid: alignment_matrix(p, q, grid) - matrix_of_means(p, q, grid),
        "0 off the diagonal": lambda p, q, grid: alignment_matrix(p, q, grid) * torch.eye(p.shape[1]),
        "it loops over landmarks": by_landmarks,
        "it loops over pixels": by_pixels,
        "it should be .* are off": lambda p, q, grid: alignment_matrix(p, q, grid).sin(),
    },
}
EXERCISES = {
    lesson.check_centre_of_mass: "centre_of_mass",
    lesson.check_spread: "spread",
    lesson.check_alignment_matrix: "alignment_matrix",
}


def test_the_other_formula_for_the_variance_is_accepted():
    def by_moments(probs: torch.Tensor) -> torch.Tensor:
        return second_moment(probs) - soft_argmax(probs).square().sum(dim=-1)

    assert lesson.check_spread(by_moments)
