"""What lesson 06 defines, as it is stored, against the package and scipy."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from scipy import ndimage

from tusklite.methods.channelwise.model import ChannelwiseConfig
from tusklite.methods.channelwise.options import ChannelwiseOptions
from tusklite.methods.channelwise.training import ChannelwiseTraining
from tusklite.ops.keypoints import soft_argmax, spatial_softmax

LESSON = definitions("06_when_one_channel_is_not_enough")
sizes, seeds = st.integers(1, 4), st.integers(0, 10_000)


def random_maps(seed: int, *shape: int) -> torch.Tensor:
    return spatial_softmax(3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


@settings(max_examples=15, deadline=None)
@given(sizes, sizes, sizes, sizes, seeds)
def test_the_mean_of_a_mixture_of_maps(height, width, batch, landmarks, seed):
    first, second = random_maps(seed, 2, batch * landmarks, height, width).view(2, batch, landmarks, height, width)
    share = torch.rand(batch, landmarks, generator=torch.Generator().manual_seed(seed))
    weight = share[..., None, None]
    mixed = soft_argmax((1 - weight) * first + weight * second)
    ours = LESSON["mean_of_two"](soft_argmax(first), soft_argmax(second), share)
    torch.testing.assert_close(ours, mixed, atol=1e-5, rtol=1e-4)


@settings(max_examples=10, deadline=None)
@given(sizes, sizes, seeds)
def test_halves_of_a_map_are_weighed_in_pixels_of_the_image(batch, landmarks, seed):
    probs = random_maps(seed, batch, landmarks, 24, 48)
    share, *means = LESSON["halves"](probs)
    np.testing.assert_allclose(share, probs[..., 24:].sum((2, 3)), atol=1e-5)
    for start, mean in zip((0, 24), means, strict=True):
        for image, channel in np.ndindex(batch, landmarks):
            half = probs[image, channel, :, start : start + 24].double().numpy()
            row, column = ndimage.center_of_mass(half)
            np.testing.assert_allclose(mean[image, channel], [2 * (column + start) + 1, 2 * row + 1], atol=1e-3)


@settings(max_examples=8, deadline=None)
@given(sizes, st.integers(1, 3), sizes, sizes, seeds)
def test_channelwise_is_the_package_s_detector(channels, stem, rows, columns, seed):
    config = ChannelwiseConfig(channels, descriptor_channels=6, width=8, levels=2, groups=4, splat_sigma=0.6, stem=stem)
    model = ChannelwiseTraining.new(config, ChannelwiseOptions(), seed).model.eval()
    size = (2, 1, 2 * stem * rows, 2 * stem * columns)
    images = torch.rand(size, generator=torch.Generator().manual_seed(seed))
    package = model(images)
    for ours, theirs in zip(
        LESSON["channelwise"](model, images), (package.probs, package.xy, package.decoded), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
