"""Keypoints on animals against loops over all of them, and the share of a picture by counting its pixels."""

from __future__ import annotations

import math

import pytest
import torch

from tusklite.metrics.animals import body_length, keypoints_on_animals, share_near_animals, shared_prototypes


def a_herd(pictures: int = 20) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keypoints, which of them are there, and three animals of four points, some of which are not known."""
    generator = torch.Generator().manual_seed(0)
    animals = 40 * torch.rand(pictures, 3, 4, 2, generator=generator)
    animals[torch.rand(pictures, 3, 4, generator=generator) < 0.2] = torch.nan
    animals[0, 1] = torch.nan
    xy = 40 * torch.rand(pictures, 6, 2, generator=generator)
    return xy, torch.rand(pictures, 6, generator=generator) < 0.8, animals


def nearest_by_loops(point: list[float], animals: list, reach: float) -> int:
    best, animal = math.inf, -1
    for number, parts in enumerate(animals):
        for part in parts:
            distance = math.dist(point, part) if not math.isnan(part[0]) else math.inf
            if distance < best:
                best, animal = distance, number
    return animal if best < reach else -1


def test_each_keypoint_lies_on_the_nearest_animal_within_reach() -> None:
    xy, found, animals = a_herd()
    result = keypoints_on_animals(xy, found, animals, reach=5)
    for row, (points, there) in enumerate(zip(xy.tolist(), found.tolist(), strict=True)):
        for slot, point in enumerate(points):
            expected = nearest_by_loops(point, animals[row].tolist(), 5.0) if there[slot] else -1
            assert result[row, slot] == expected
    assert {*result.unique().tolist()} == {-1, 0, 1, 2}


def test_lengths_are_medians_of_the_bodies_that_are_known() -> None:
    _, _, animals = a_herd()
    lengths = sorted(
        math.dist(body[0], body[3])
        for picture in animals.tolist()
        for body in picture
        if not math.isnan(body[0][0] + body[3][0])
    )
    assert body_length(animals, (0, 3)) == pytest.approx(lengths[(len(lengths) - 1) // 2])
    with pytest.raises(ValueError, match=r"animals: both ends \(0, 3\) are known of none"):
        body_length(torch.full_like(animals, torch.nan), (0, 3))


def test_the_share_of_a_picture_is_counted_pixel_by_pixel() -> None:
    animals = a_herd(4)[2]
    inside = sum(
        nearest_by_loops([column + 0.5, row + 0.5], picture, 3.0) >= 0
        for picture in animals.tolist()
        for row in range(30)
        for column in range(40)
    )
    assert share_near_animals(animals, 3, (30, 40)) == pytest.approx(inside / (4 * 30 * 40))


def test_random_keypoints_hit_animals_as_often_as_the_share_says() -> None:
    animals = a_herd(50)[2]
    xy = 40 * torch.rand(50, 400, 2, generator=torch.Generator().manual_seed(1))
    hit = (keypoints_on_animals(xy, torch.ones(50, 400).bool(), animals, 4) >= 0).float().mean()
    assert float(hit) == pytest.approx(share_near_animals(animals, 4, (40, 40)), abs=0.02)


def test_a_prototype_is_shared_where_every_animal_has_it() -> None:
    generator = torch.Generator().manual_seed(2)
    of_animal = torch.randint(-1, 3, (200, 7), generator=generator)
    kinds = torch.randint(0, 3, (200, 7), generator=generator)
    expected = [
        bool(set.intersection(*({k for a, k in zip(animals, names, strict=True) if a == n} for n in range(3))))
        for animals, names in zip(of_animal.tolist(), kinds.tolist(), strict=True)
    ]
    assert shared_prototypes(of_animal, kinds, 3).tolist() == expected
    assert 0 < sum(expected) < 200


def test_wrong_arguments_are_refused() -> None:
    xy, found, animals = a_herd()
    with pytest.raises(ValueError, match="reach: 0 was given"):
        keypoints_on_animals(xy, found, animals, 0)
    with pytest.raises(TypeError, match="found"):
        keypoints_on_animals(xy, found.float(), animals, 1)
    with pytest.raises(ValueError, match="animals"):
        keypoints_on_animals(xy, found, animals[:3], 1)
