"""Two views of each image: what the second one shows of the first, which part of the image, and where a point goes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from tusklite.geometry import ThinPlateSpline, WarpSpec
from tusklite.methods.thewlis import views
from tusklite.methods.thewlis.model import frame_images
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.views import Views, draw_frames, draw_views

OPTIONS = ThewlisOptions(second_warp="faces-large", zooms=(0.6, 0.9), shift=0.2)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(*shape: int) -> Tensor:
    return torch.rand(shape, generator=seeded())


def centres(size: int) -> np.ndarray:
    """The pixel centres (size, size, 2) of a square as (x, y)."""
    side = (2 * np.arange(size) + 1) / size - 1
    return np.stack(np.meshgrid(side, side), axis=-1)


def waves(points: np.ndarray) -> np.ndarray:
    """A smooth picture: its value at points (..., 2)."""
    x, y = points[..., 0], points[..., 1]
    return 0.5 + 0.2 * np.sin(3 * x + y) + 0.2 * np.cos(2 * y - x)


def bent(warp: ThinPlateSpline, points: np.ndarray) -> np.ndarray:
    """Where the first spline of a batch takes points (..., 2), written out in numpy."""
    control, weights, affine = (field[0].double().numpy() for field in (warp.control, warp.weights, warp.affine))
    squared = ((points[..., None, :] - control) ** 2).sum(axis=-1)
    return affine[0] + points @ affine[1:] + (squared * np.log(squared + 1e-30)) @ weights


def affine_warp(matrix: list[list[float]], shift: tuple[float, float]) -> ThinPlateSpline:
    """The map v -> v @ matrix + shift as a spline."""
    return ThinPlateSpline(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), torch.tensor([[shift, *matrix]]))


@given(low=st.floats(0.1, 1.0), more=st.floats(0, 0.9), shift=st.floats(0, 0.5), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_frames_lie_in_their_range(low: float, more: float, shift: float, seed: int) -> None:
    options = replace(OPTIONS, zooms=(low, low + more), shift=shift)
    zoom, offset = draw_frames(500, options, seeded(seed))
    assert (zoom.shape, offset.shape) == ((500, 1, 1), (500, 1, 2))
    assert low - 1e-6 <= zoom.min() <= low + 0.05 * more + 1e-6
    assert low + 0.95 * more - 1e-6 <= zoom.max() <= low + more + 1e-6
    share = (offset / zoom).abs()
    assert share.max() <= shift + 1e-6
    assert share.max() >= 0.9 * shift
    assert (offset / zoom).mean().abs() <= 0.1 * shift + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_the_second_view_is_the_first_one_warped(seed: int) -> None:
    size, options = 64, replace(OPTIONS, zooms=(0.8, 0.8), shift=0.0)
    image = torch.from_numpy(waves(centres(160))).float().expand(1, 1, -1, -1)
    views = draw_views(image, size, options, seeded(seed))
    taken = bent(views.warp, centres(size))
    inside = np.abs(taken).max(axis=-1) < 1 - 1 / size
    places = ((taken + 1) * size - 1) / 2
    expected = ndimage.map_coordinates(views.first[0, 0].numpy(), [places[..., 1], places[..., 0]], order=1)
    difference = np.abs(views.second[0, 0].numpy() - expected)[inside]
    assert inside.mean() > 0.6
    assert difference.max() < 2e-3  # both are interpolated, once and twice
    assert (views.second - views.first).abs().mean() > 0.01


def with_warps(monkeypatch: pytest.MonkeyPatch, *warps: ThinPlateSpline) -> None:
    """Have these splines drawn, one after the other."""
    waiting = iter(warps)

    def draw(batch: int, spec: WarpSpec, generator: torch.Generator, device: torch.device) -> ThinPlateSpline:
        return next(waiting)

    monkeypatch.setattr(views, "random_tps", draw)


def test_views_go_through_the_frame_after_the_warps(monkeypatch: pytest.MonkeyPatch) -> None:
    first, turn = affine_warp([[0.9, 0.1], [-0.1, 0.9]], (0.05, 0)), affine_warp([[0.8, 0.6], [-0.6, 0.8]], (0.3, -0.2))
    with_warps(monkeypatch, first, turn)
    options = replace(OPTIONS, zooms=(0.5, 0.5), shift=0.2)
    views = draw_views(torch.from_numpy(waves(centres(200))).expand(1, 1, -1, -1), 20, options, seeded(4))
    zoom, shift = draw_frames(1, options, seeded(4))
    frame = zoom[0].double().numpy(), shift[0].double().numpy()
    points = centres(20)
    turned = points @ [[0.8, 0.6], [-0.6, 0.8]] + [0.3, -0.2]
    assert np.abs(turned).max() > 1.4  # beyond the first view; the second shows what is there
    for view, before in ((views.first, points), (views.second, turned)):
        expected = waves(frame[0] * (before @ [[0.9, 0.1], [-0.1, 0.9]] + [0.05, 0]) + frame[1])
        np.testing.assert_allclose(view[0, 0].numpy(), expected, atol=1e-3)
    assert views.warp is turn


def test_without_warps_both_views_are_the_framed_image(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = affine_warp([[1.0, 0.0], [0.0, 1.0]], (0.0, 0.0))
    images = pictures(1, 3, 21, 34)
    with_warps(monkeypatch, identity, identity)
    views = draw_views(images, 12, replace(OPTIONS, zooms=(1, 1), shift=0.0), seeded())
    assert torch.equal(views.first, views.second)
    torch.testing.assert_close(views.first, frame_images(images, 12, 1.0))


@pytest.mark.parametrize("names", [("thewlis-faces-g1", "thewlis-faces-g2"), ("thewlis-mnist-g1", "thewlis-mnist-g2")])
def test_a_point_seen_in_both_views_is_taken_from_the_second_to_the_first(names: tuple[str, str]) -> None:
    size, options = 48, replace(OPTIONS, first_warp=names[0], second_warp=names[1], zooms=(0.7, 0.9))
    marked = np.random.default_rng(0).uniform(-0.3, 0.3, size=(12, 2))
    distances = ((centres(100)[None] - marked[:, None, None]) ** 2).sum(axis=-1)
    images = torch.from_numpy(np.exp(-distances / 0.006)).float().unsqueeze(1)
    views = draw_views(images, size, options, seeded(1))

    def spots(view: Tensor) -> Tensor:
        light = view.double().flatten(1) ** 2  # (B, S S)
        return (light / light.sum(dim=1, keepdim=True)) @ torch.from_numpy(centres(size)).view(-1, 2)

    apart = (spots(views.first) - views.warp(spots(views.second).float()[:, None])[:, 0]).norm(dim=-1)
    assert apart.max() < 1 / size  # half a pixel
    assert (spots(views.first) - spots(views.second)).norm(dim=-1).mean() > 4 / size


def test_views_depend_on_the_generator_alone() -> None:
    images = pictures(3, 2, 30, 24)

    def drawn(seed: int, data: Tensor = images) -> Views:
        return draw_views(data, 16, OPTIONS, seeded(seed))

    first, again, other = drawn(5), drawn(5), drawn(6)
    assert torch.equal(first.first, again.first)
    assert torch.equal(first.second, again.second)
    assert not torch.equal(first.first, other.first)
    assert (first.first.shape, first.second.shape) == ((3, 2, 16, 16), (3, 2, 16, 16))
    assert (first.first.dtype, first.first.device) == (images.dtype, images.device)
    precise = drawn(5, images.double())
    assert precise.second.dtype == torch.float64
    torch.testing.assert_close(precise.second.float(), first.second)
