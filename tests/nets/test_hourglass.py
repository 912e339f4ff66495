"""The hourglass: sizes as asked for, its block and its descent computed again by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.nets.hourglass import HierarchicalBlock, Hourglass, MapHead


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(network: nn.Module) -> nn.Module:
    """The network with other weights, those of the normalisations included."""
    for number, parameter in enumerate(network.parameters()):
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=seeded(number))
    return network


def normalised(x: Tensor, weight: Tensor, bias: Tensor, groups: int) -> Tensor:
    """Group normalisation by its definition."""
    parts = x.view(len(x), groups, -1)
    parts = (parts - parts.mean(2, keepdim=True)) / (parts.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return parts.view_as(x) * weight[:, None, None] + bias[:, None, None]


@pytest.mark.parametrize(("before", "after"), [(8, 8), (6, 8)])
def test_a_block_puts_three_convolutions_side_by_side(before: int, after: int) -> None:
    block = shaken(HierarchicalBlock(before, after, groups=4))
    x = torch.randn(2, before, 7, 5, generator=seeded(9))
    y, outputs = x, []
    for norm, _, convolution in block.layers:
        groups = norm.num_groups
        assert groups == {8: 4, 6: 2, 4: 4, 2: 2}[y.shape[1]]
        y = F.conv2d(F.relu(normalised(y, norm.weight, norm.bias, groups)), convolution.weight, padding=1)
        outputs.append(y)
    assert [part.shape[1] for part in outputs] == [4, 2, 2]
    skip = x if before == after else F.conv2d(x, block.skip.weight)
    torch.testing.assert_close(block(x), torch.cat(outputs, 1) + skip, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("reduction", "depth", "size"), [(2, 1, (12, 8)), (2, 3, (32, 16)), (4, 2, (32, 48))])
def test_features_are_a_half_or_a_quarter_of_the_image(reduction: int, depth: int, size: tuple[int, int]) -> None:
    network = Hourglass(3, width=8, stem=4, kernel=3, reduction=reduction, depth=depth, groups=4)
    seen: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, HierarchicalBlock):
            module.register_forward_hook(lambda _, __, output: seen.append(tuple(output.shape[2:])))
    maps = network(torch.rand(2, 3, *size, generator=seeded()))
    high, wide = size[0] // reduction, size[1] // reduction
    assert maps.shape == (2, 8, high, wide)
    assert torch.isfinite(maps).all()
    # Below the first resolution each has three: down, up, and beside or in the middle.
    for level in range(1, depth + 1):
        assert seen.count((high >> level, wide >> level)) == 3
    assert network.multiple == reduction * 2**depth


def test_the_hourglass_adds_what_it_sees_from_farther_away() -> None:
    network = shaken(Hourglass(1, width=4, stem=4, kernel=3, reduction=2, depth=1, groups=2)).eval()
    x = torch.rand(1, 1, 8, 8, generator=seeded(5))
    glass, maps = network.glass, network.stem(2 * x - 1)
    low = glass.up(glass.below(glass.down(F.max_pool2d(maps, 2))))
    stretched = F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(network(x), glass.beside(maps) + stretched)


def test_a_head_takes_over_all_but_its_last_layer() -> None:
    one, other = shaken(MapHead(8, 1, groups=4)), MapHead(8, 5, groups=4)
    last = [parameter.clone() for parameter in other.last.parameters()]
    other.take_all_but_last(one)
    x = torch.randn(1, 8, 4, 4, generator=seeded(3))
    for own, theirs in zip(list(other)[:-1], list(one)[:-1], strict=True):
        torch.testing.assert_close(own(x), theirs(x))
    assert all(map(torch.equal, last, other.last.parameters()))
    assert other(x).shape == (1, 5, 4, 4)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"width": 6}, "width: 6 was given; allowed is a multiple of 4"),
        ({"depth": 0}, "depth: 0 was given"),
        ({"kernel": 4}, "kernel: 4 was given; allowed is an odd integer"),
        ({"reduction": 3}, "reduction: 3 was given; allowed are 2 and 4"),
        ({"padding_mode": "mirror"}, "padding_mode: 'mirror' was given"),
    ],
)
def test_shapes_that_cannot_be_are_refused(changes: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Hourglass(**{"width": 8, "stem": 4, "groups": 4, **changes})


def test_images_that_cannot_be_halved_are_refused() -> None:
    network = Hourglass(3, width=8, stem=4, kernel=3, reduction=2, depth=2, groups=4)
    with pytest.raises(ValueError, match=r"images: size \(12, 16\) was given; allowed are multiples of 8"):
        network(torch.zeros(1, 3, 12, 16))
    with pytest.raises(ValueError, match="images"):
        network(torch.zeros(1, 1, 16, 16))
