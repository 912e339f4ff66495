"""What lesson 07 defines, as it is stored, against the package."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions

from tusklite.nets.heatmap_head import HeatmapHead
from tusklite.ops.keypoints import detect_keypoints, non_max_suppression, sample_descriptors

LESSON = definitions("07_single_heatmap", goes_on=True)


def random_maps(seed: int, height: int, width: int, levels: int = 4) -> torch.Tensor:
    """Two maps full of ties: (2, 1, height, width), of a few different values."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, levels, (2, 1, height, width), generator=generator) / levels


sides = st.integers(2, 12)
windows = st.sampled_from([1, 3, 5, 9])


def test_the_heatmap_is_the_head_s():
    generator = torch.Generator().manual_seed(0)
    for parameter in (head := HeatmapHead(8, groups=4, padding_mode="replicate")).parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    features = torch.randn(3, 8, 9, 13, generator=generator)
    hidden, last, norm = head.layers[:3], head.layers[3], head.layers[4]
    with torch.no_grad():
        ours = LESSON["read_heatmap"](features, hidden, last, norm.weight, norm.bias)
        torch.testing.assert_close(ours, head(features))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), height=sides, width=sides, window=windows)
def test_suppression_and_the_strongest_are_the_package_s(seed, height, width, window):
    maps = random_maps(seed, height, width)
    assert torch.equal(LESSON["suppress"](maps, window), non_max_suppression(maps, window))
    k = height * width // 2
    scores, index = LESSON["strongest"](maps, k, window)
    package = detect_keypoints(maps, k, window)
    assert torch.equal(index, package.index)
    assert torch.equal(scores, package.score)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    height=sides,
    width=sides,
    window=windows,
    temperature=st.sampled_from([0.02, 0.2, 2.0]),
)
def test_the_whole_path_is_the_package_s(seed, height, width, window, temperature):
    maps = random_maps(seed, height, width, levels=1000)
    features = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    k = height * width // 2
    xy, scores, descriptors = LESSON["keypoints_and_descriptors"](maps, features, k, window, temperature)
    package = detect_keypoints(maps, k, window, temperature)
    torch.testing.assert_close(xy, package.xy, atol=1e-5, rtol=1e-5)
    assert torch.equal(scores, package.score)
    torch.testing.assert_close(descriptors, sample_descriptors(features, package.xy), atol=1e-4, rtol=1e-4)


def test_descriptors_are_the_package_s_with_their_gradients():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, 3, 6, 11, generator=generator, dtype=torch.float64, requires_grad=True)
    xy = (2.4 * torch.rand(2, 30, 2, generator=generator, dtype=torch.float64) - 1.2).requires_grad_()
    ours, package = LESSON["read_descriptors"](features, xy), sample_descriptors(features, xy)
    torch.testing.assert_close(ours, package)
    for mine, theirs in zip(
        *(torch.autograd.grad(result.square().sum(), (features, xy)) for result in (ours, package)), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_the_bug_with_ceil_is_right_everywhere_but_on_a_pixel():
    values = torch.tensor([0.5, 2.0, 1.0, 4.0])
    between, exact = torch.tensor([0.3, 1.5, 2.9]), torch.tensor([0.0, 1.0, 2.0, 3.0])
    ours = LESSON["read_with_ceil"](values, between)
    np.testing.assert_allclose(ours, np.interp(between, range(4), values), rtol=1e-6)
    assert not LESSON["read_with_ceil"](values, exact).any()


def test_the_slopes_of_a_place_are_autograd_s():
    generator = torch.Generator().manual_seed(2)
    scores = torch.rand(25, generator=generator, dtype=torch.float64, requires_grad=True)
    places = torch.randn(25, 2, generator=generator, dtype=torch.float64)
    mean = ((scores / 0.3).softmax(dim=0)[:, None] * places).sum(dim=0)
    expected = torch.stack([torch.autograd.grad(mean[axis], scores, retain_graph=True)[0] for axis in (0, 1)], dim=1)
    torch.testing.assert_close(LESSON["place_slopes"](scores.detach(), places, 0.3), expected)


@pytest.mark.parametrize(("side", "background", "temperature"), [(3, 0.0, 0.2), (13, 0.3, 0.2), (7, 0.6, 0.05)])
def test_the_share_of_a_peak_is_that_of_a_softmax(side, background, temperature):
    values = torch.full((side**2,), background, dtype=torch.float64)
    values[side] = 0.95
    share = (values / temperature).softmax(dim=0)[side]
    assert LESSON["peak_share"](0.95, background, side**2, temperature) == pytest.approx(float(share))
    predicted, measured = (LESSON[name](background, side, temperature) for name in ("predicted_pull", "measured_pull"))
    assert float(measured) == pytest.approx(predicted, abs=1e-4)


def test_the_paper_s_peak_holds_13_percent():
    assert LESSON["peak_share"](0.95, 0.3, 169, 0.2) == pytest.approx(0.133, abs=5e-4)
    assert LESSON["peak_share"](1.0, 0.0, 169, 0.2) < 0.5
    assert math.log(168) > 5


def test_positions_are_centres_of_pixels():
    found = LESSON["to_xy"](torch.tensor([0, 7, 11]), 3, 4)
    expected = [[-0.75, -2 / 3], [0.75, 0.0], [0.75, 2 / 3]]
    torch.testing.assert_close(found, torch.tensor(expected))
