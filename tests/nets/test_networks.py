"""The networks: sizes and levels as they were asked for, and the layers computed again by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.nets.heatmap_head import HeatmapHead
from tusklite.nets.unet import UNet


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unet(**arguments: int | str) -> UNet:
    """A network with the same random weights every time, scales and shifts of the normalisations included."""
    network = UNet(**arguments)
    for index, parameter in enumerate(network.parameters()):
        parameter.data = 0.5 * torch.randn(parameter.shape, generator=seeded(index))
    return network


@given(
    levels=st.integers(1, 4),
    batch=st.integers(1, 3),
    height=st.integers(8, 19),
    width=st.integers(8, 19),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 5)),
)
@settings(max_examples=15)
def test_unet_keeps_the_size(levels: int, batch: int, height: int, width: int, channels: tuple[int, int]) -> None:
    network = UNet(*channels, width=4, levels=levels, groups=2)
    maps = network(torch.rand(batch, channels[0], height, width, generator=seeded()))
    assert maps.shape == (batch, channels[1], height, width)
    assert torch.isfinite(maps).all()


def test_each_level_halves_the_map_and_doubles_the_channels() -> None:
    network = UNet(3, 5, width=8, levels=4, groups=4)
    seen = []
    for block in (*network.down, *network.up):
        block.register_forward_hook(lambda _, __, output: seen.append(tuple(output.shape[1:])))
    network(torch.rand(1, 3, 21, 34, generator=seeded()))
    down = [(8, 21, 34), (16, 10, 17), (32, 5, 8), (64, 2, 4)]
    assert seen == [*down, *down[-2::-1]]


def test_the_default_is_the_authors_size() -> None:
    convolutions = [3 * 32, 32 * 32, 32 * 64, 64 * 64, 64 * 128, 128 * 128, 128 * 256, 256 * 256]
    convolutions += [384 * 128, 128 * 128, 192 * 64, 64 * 64, 96 * 32, 32 * 32]
    normalisations = 2 * 2 * (32 + 64 + 128 + 256 + 128 + 64 + 32)
    expected = 9 * sum(convolutions) + normalisations + 32 * 32 + 32
    assert sum(parameter.numel() for parameter in UNet(3, 32).parameters()) == expected


@pytest.mark.parametrize(("padding_mode", "mode"), [("zeros", "constant"), ("replicate", "replicate")])
def test_two_levels_by_hand(padding_mode: str, mode: str) -> None:
    network = unet(in_channels=2, out_channels=3, width=4, levels=2, groups=2, padding_mode=padding_mode)
    images = torch.rand(2, 2, 7, 10, generator=seeded(99))
    weights = iter(network.parameters())

    def normalise(maps: torch.Tensor) -> torch.Tensor:
        grouped = maps.reshape(len(maps), 2, -1)
        mean, variance = grouped.mean(2, keepdim=True), grouped.var(2, keepdim=True, unbiased=False)
        return ((grouped - mean) / (variance + 1e-5).sqrt()).view_as(maps)

    def twice(maps: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            maps = normalise(F.conv2d(F.pad(maps, (1, 1, 1, 1), mode), next(weights)))
            maps = (maps * next(weights)[:, None, None] + next(weights)[:, None, None]).clamp_min(0)
        return maps

    fine = twice(images)
    coarse = twice(fine[:, :, :6].unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2)))
    risen = torch.nn.Upsample(size=(7, 10), mode="bilinear", align_corners=False)(coarse)
    joined = twice(torch.cat([fine, risen], dim=1))
    kernel, bias = weights
    expected = torch.einsum("oc,bchw->bohw", kernel[:, :, 0, 0], joined) + bias[:, None, None]
    torch.testing.assert_close(network(images), expected, atol=1e-4, rtol=1e-4)


def test_an_image_does_not_notice_its_batch() -> None:
    network, head = unet(in_channels=1, out_channels=4, width=4, levels=3, groups=4), HeatmapHead(4, groups=2)
    images = torch.rand(3, 1, 13, 16, generator=seeded())
    together = head(network(images))
    for index in range(3):
        alone = head(network(images[index : index + 1]))
        torch.testing.assert_close(alone[0], together[index], atol=1e-5, rtol=1e-4)


def test_a_network_that_replicates_cannot_tell_where_it_is() -> None:
    flat = torch.full((1, 1, 16, 24), 0.3)
    for padding_mode, differs in (("zeros", True), ("replicate", False)):
        maps = unet(in_channels=1, out_channels=2, width=4, levels=3, groups=2, padding_mode=padding_mode)(flat)
        assert (maps.std(dim=(2, 3)).max() > 1e-3) == differs


def test_gradients_reach_every_weight() -> None:
    network, head = unet(in_channels=1, out_channels=4, width=4, levels=3, groups=2), HeatmapHead(4, groups=2)
    (head(network(torch.rand(2, 1, 9, 12, generator=seeded()))) ** 2).sum().backward()
    for parameter in (*network.parameters(), *head.parameters()):
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize(("padding_mode", "mode"), [("zeros", "constant"), ("replicate", "replicate")])
def test_heatmap_by_hand(padding_mode: str, mode: str) -> None:
    head = HeatmapHead(4, groups=2, padding_mode=padding_mode)
    features = torch.randn(2, 4, 5, 8, generator=seeded())
    heatmap = head(features)
    assert heatmap.shape == (2, 1, 5, 8)
    assert 0 < heatmap.min() < heatmap.max() < 1
    first, second = head.layers[0].weight, head.layers[3].weight
    hidden = F.group_norm(F.conv2d(F.pad(features, (1, 1, 1, 1), mode), first), 2).relu()
    logits = F.conv2d(F.pad(hidden, (1, 1, 1, 1), mode), second).flatten(1)
    logits = (logits - logits.mean(1, keepdim=True)) / (logits.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(heatmap.flatten(1), 1 / (1 + (-logits).exp()), atol=1e-5, rtol=1e-4)


def test_the_smallest_image_is_one_pixel_at_the_deepest_level() -> None:
    network = UNet(1, 2, width=4, levels=4, groups=4)
    assert network.reduction == 8
    assert network(torch.rand(1, 1, 8, 8, generator=seeded())).shape == (1, 2, 8, 8)
    with pytest.raises(ValueError, match=r"images: height and width \(8, 7\) were given; allowed are at least 8"):
        network(torch.rand(1, 1, 8, 7, generator=seeded()))


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ({"in_channels": 0}, ValueError, "in_channels: 0 was given; allowed is an integer from 1 to 4096"),
        ({"out_channels": 1.5}, TypeError, "out_channels: 1.5 was given; allowed is an integer"),
        ({"levels": 0}, ValueError, "levels: 0 was given"),
        ({"groups": 0}, ValueError, "groups: 0 was given"),
        ({"width": -8}, ValueError, "width: -8 was given"),
        ({"width": 12}, ValueError, "width: 12 was given; allowed is a multiple of groups = 8"),
        ({"padding_mode": "mirror"}, ValueError, "padding_mode: 'mirror' was given; allowed are 'zeros', 'replicate'"),
    ],
)
def test_wrong_sizes_are_refused(arguments: dict, error: type[Exception], complaint: str) -> None:
    sizes = {"in_channels": 1, "out_channels": 1, "width": 8, "levels": 2, "groups": 8} | arguments
    with pytest.raises(error, match=complaint):
        UNet(**sizes)


def test_wrong_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="channels: 6 was given; allowed is a multiple of groups = 4"):
        HeatmapHead(6, groups=4)
    with pytest.raises(TypeError, match="channels: '6' was given"):
        HeatmapHead("6", groups=4)
    with pytest.raises(ValueError, match="groups: 0 was given"):
        HeatmapHead(6, groups=0)
    with pytest.raises(ValueError, match="padding_mode: 'mirror' was given"):
        HeatmapHead(6, groups=2, padding_mode="mirror")
