"""Views for Mallis's training: points stay on what they mark, and light changes as far as it is told."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tusklite.methods.mallis.options import MallisOptions
from tusklite.methods.mallis.views import change_light, draw_similarities, draw_views, see_through

STILL = MallisOptions(turn=0, scale=1, shift=0, light=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bump(xy: Tensor, size: int) -> Tensor:
    """Images `(B, 1, size, size)` with a soft bright spot at points `(B, 2)`."""
    centre = (torch.arange(size) * 2 + 1) / size - 1
    x, y = xy[:, 0, None, None], xy[:, 1, None, None]
    return torch.exp(-((centre[None, None] - x) ** 2 + (centre[None, :, None] - y) ** 2) / 0.02)[:, None]


def test_a_point_stays_on_the_spot_that_it_marks() -> None:
    options = MallisOptions(turn=60, scale=1.4, shift=0.3, light=0)
    xy = 0.8 * torch.rand(40, 1, 2, generator=seeded(1)) - 0.4
    yes = torch.ones(40, 1, dtype=torch.bool)
    views = draw_views(bump(xy[:, 0], 64), xy, yes, options, seeded(2))
    assert views.seen.any()
    assert float((views.xy - xy).norm(dim=-1).max()) > 0.3  # they do move
    for image, place, seen in zip(views.images[:, 0], views.xy[:, 0], views.seen[:, 0], strict=True):
        if seen and place.abs().max() < 0.9:
            row, column = divmod(int(image.argmax()), 64)
            brightest = torch.tensor([(2 * column + 1) / 64 - 1, (2 * row + 1) / 64 - 1])
            assert float((brightest - place).norm()) < 2.5 / 64 * 2


def test_points_out_of_sight_are_gone() -> None:
    xy = torch.tensor([[[0.0, 0.0], [0.95, 0.0], [0.3, 0.3]]])
    found = torch.tensor([[True, True, False]])
    shrunk = replace(STILL, scale=1.2)
    for seed in range(20):
        views = draw_views(torch.zeros(1, 1, 8, 8), xy, found, shrunk, seeded(seed))
        factor = float(draw_similarities(1, shrunk, seeded(seed)).turn[0, 0, 0])
        expected = 0.95 / factor < 0.97
        assert views.seen.tolist() == [[True, expected, False]]
        assert views.xy[0, 2].tolist() == [0, 0]
        assert views.xy[0, 1].tolist() == ([pytest.approx(0.95 / factor), 0] if expected else [0, 0])


def test_turns_scales_and_offsets_keep_to_their_bounds() -> None:
    options = MallisOptions(turn=40, scale=1.2, shift=0.1)
    drawn = draw_similarities(5000, options, seeded())
    angle = torch.rad2deg(torch.atan2(drawn.turn[:, 1, 0], drawn.turn[:, 0, 0]))
    scale = torch.linalg.det(drawn.turn).sqrt()
    assert angle.abs().max() <= 40.001
    assert angle.min() < -39 < 39 < angle.max()
    assert 1 / 1.2 - 1e-5 <= scale.min() < 0.84 < 1.19 < scale.max() <= 1.2 + 1e-5
    assert 0.099 < drawn.shift.abs().max() <= 0.1
    identity = drawn.turn / scale[:, None, None]
    torch.testing.assert_close(identity @ identity.mT, torch.eye(2).expand(5000, 2, 2), atol=1e-5, rtol=0)


def test_a_view_that_changes_nothing_is_the_image() -> None:
    images = torch.rand(3, 3, 9, 9, generator=seeded())
    assert torch.equal(change_light(images, STILL, seeded()), images)
    torch.testing.assert_close(see_through(images, draw_similarities(3, STILL, seeded())), images)


def test_colours_turn_about_grey() -> None:
    images = 0.5 + 0.1 * torch.rand(50, 3, 4, 4, generator=seeded()) - 0.05
    turned = change_light(images, replace(STILL, hue=1.0), seeded(1))
    grey, before = turned.mean(1, keepdim=True), images.mean(1, keepdim=True)
    torch.testing.assert_close(grey, before, atol=1e-5, rtol=0)
    torch.testing.assert_close((turned - grey).norm(dim=1), (images - before).norm(dim=1), atol=1e-5, rtol=0)
    cosine = torch.cosine_similarity((turned - grey).flatten(1), (images - before).flatten(1))
    assert cosine.min() < -0.9 < 0.9 < cosine.max()  # by all angles, half a turn among them
    little = change_light(images, replace(STILL, hue=0.1), seeded(1))
    grey = little.mean(1, keepdim=True)
    cosine = torch.cosine_similarity((little - grey).flatten(1), (images - before).flatten(1))
    assert cosine.min() > math.cos(0.1 * math.pi) - 1e-4


def test_a_share_of_the_views_are_negatives() -> None:
    images = torch.full((400, 1, 2, 2), 0.2)
    seen = change_light(images, replace(STILL, negative=0.25), seeded())[:, 0, 0, 0]
    assert set(seen.mul(10).round().tolist()) == {2, 8}
    assert 0.17 < float((seen > 0.5).float().mean()) < 0.33


def test_light_changes_each_image_on_its_own_and_stays_in_range() -> None:
    images = torch.rand(2, 3, 16, 16, generator=seeded()).mean(0, keepdim=True).expand(6, -1, -1, -1)
    changed = change_light(images, replace(STILL, light=1.0), seeded(3))
    assert 0 <= changed.min() < changed.max() <= 1
    assert len({round(float(mean), 3) for mean in changed.mean(dim=(1, 2, 3))}) == 6
    once = change_light(images, replace(STILL, light=1.0), seeded(3))
    assert torch.equal(changed, once)
