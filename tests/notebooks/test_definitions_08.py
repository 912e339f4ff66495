"""What lesson 08 defines, as it is stored, against the package."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from torch import nn
from torchvision.models import squeezenet1_0

from tusklite.losses import PerceptualLoss, background_loss, mse_loss
from tusklite.ops.aggregation import alpha_blend, score_weighted_sum
from tusklite.ops.keypoints import splat_gaussians

LESSON = definitions("08_sparse_autoencoder", goes_on=True)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_points(seed: int, k: int) -> torch.Tensor:
    return 2 * torch.rand(2, k, 2, generator=seeded(seed), dtype=torch.float64) - 1


shapes = {"k": st.integers(1, 4), "height": st.integers(1, 9), "width": st.integers(1, 9)}


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), sigma=st.sampled_from([0.3, 1.0, 3.0]), **shapes)
def test_both_splats_are_the_package_s(seed, k, height, width, sigma):
    xy = some_points(seed, k)
    package = splat_gaussians(xy, height, width, sigma)
    for name in ("splat", "splat_word_by_word"):
        torch.testing.assert_close(LESSON[name](xy, height, width, sigma), package, atol=1e-5, rtol=1e-4)


def test_word_by_word_divides_zero_by_zero_and_the_softmax_does_not():
    between = torch.zeros(1, 1, 2)
    assert LESSON["splat_word_by_word"](between, 8, 8, 0.04).isnan().any()
    torch.testing.assert_close(LESSON["splat"](between, 8, 8, 0.04), splat_gaussians(between, 8, 8, 0.04))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), channels=st.integers(1, 5), **shapes)
def test_the_weighted_sum_is_the_package_s(seed, k, height, width, channels):
    xy, generator = some_points(seed, k), seeded(seed + 1)
    score = torch.rand(2, k, generator=generator, dtype=torch.float64)
    descriptors = torch.randn(2, k, channels, generator=generator, dtype=torch.float64)
    inputs = (xy, score, descriptors, height, width, 0.8)
    torch.testing.assert_close(LESSON["weighted_sum"](*inputs), score_weighted_sum(*inputs), atol=1e-5, rtol=1e-4)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), channels=st.integers(1, 3), **shapes)
def test_the_blend_is_the_package_s(seed, k, height, width, channels):
    layers = 5 * torch.randn(2, k, channels + 1, height, width, generator=seeded(seed), dtype=torch.float64)
    for ours, package in zip(LESSON["blend"](layers), alpha_blend(layers), strict=True):
        torch.testing.assert_close(ours, package)


def test_the_perceptual_distance_is_the_package_s():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3, stride=2), nn.ReLU())
    weights = {"1": 0.5, "3": 2.0}
    loss = PerceptualLoss(network, list(weights), resize=None, layer_weights=list(weights.values()))
    x, y = (torch.rand(2, 1, 12, 15, generator=seeded(seed)) for seed in (1, 2))
    ours = LESSON["perceptual"](loss.features(x), loss.features(y), weights)
    torch.testing.assert_close(ours, loss(x, y))


def test_squeezenet_sees_blue_first_and_its_weights_are_read(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = squeezenet1_0(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    images = torch.rand(1, 3, 40, 40, generator=seeded())
    red, green, blue = images.split(1, dim=1)
    bytes_ = 255 * torch.cat([blue, green, red], dim=1)
    given_ = bytes_ - torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1)
    seen = LESSON["squeezenet_loss"](tmp_path / "weights.pth").features(images)
    assert list(seen) == ["layers.1", "layers.3", "layers.5"]
    for depth, tap in ((2, "layers.1"), (4, "layers.3"), (6, "layers.5")):
        torch.testing.assert_close(seen[tap], network.features[:depth](given_))


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_blurring_keeps_the_light_and_is_a_gaussian(sigma):
    image = torch.zeros(1, 1, 31, 31)
    image[0, 0, 15, 15] = 1.0
    blurred = LESSON["blurred"](image, sigma)
    torch.testing.assert_close(blurred, splat_gaussians(torch.zeros(1, 1, 2), 31, 31, sigma), atol=1e-4, rtol=1e-3)


def test_the_loss_of_the_training_is_made_of_the_package_s():
    LESSON["size"] = 24
    model, images = LESSON["new_model"](0), torch.rand(2, 1, 24, 24, generator=seeded())
    seen = model(images)
    error = mse_loss(seen.reconstruction, images)
    bright = background_loss(seen.heatmap, seen.keypoints.index, 7)
    for background in (0.0, 0.3):
        ours = LESSON["autoencoder_loss"](model, images, background, True)
        torch.testing.assert_close(ours, error + background * bright)
    points, ones = seen.keypoints.xy, torch.ones(2, 3)
    drawn = model.to_image(model.decode(points, ones, seen.descriptors, (24, 24)))
    torch.testing.assert_close(LESSON["autoencoder_loss"](model, images, 0.0, False), mse_loss(drawn, images))
