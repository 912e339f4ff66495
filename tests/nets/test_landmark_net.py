"""The landmark detector's network: the paper's layers, computed again by hand, and how much of an image each sees."""

from __future__ import annotations

import inspect
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tusklite.nets.landmark_net import LandmarkNet

NARROW = {"widths": (3, 4, 5, 4, 6), "in_channels": 2}
MODES = {"zeros": "constant", "replicate": "replicate", "reflect": "reflect"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=seeded(seed), dtype=torch.float64)


def landmark_net(landmarks: int = 7, **arguments: object) -> LandmarkNet:
    """A network with random numbers everywhere: weights, scales, shifts and running statistics; in float64."""
    network = LandmarkNet(landmarks, **(NARROW | arguments))
    for seed, parameter in enumerate(network.parameters()):
        parameter.data = 0.5 * torch.randn(parameter.shape, generator=seeded(seed))
    for seed, layer in enumerate(network.modules()):
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data += 2  # no channel is all but switched off
            layer.running_mean = 0.2 * torch.randn(layer.num_features, generator=seeded(seed))
            layer.running_var = 0.5 + torch.rand(layer.num_features, generator=seeded(seed))
    return network.double().eval()


def by_hand(
    network: LandmarkNet, images: Tensor, kernels: tuple, dilations: tuple, padding_mode: str, final_relu: bool
) -> Tensor:
    """The layers in a plain chain, with the network's own numbers."""
    norms = iter([layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)])
    weights = iter(list(network.parameters()))
    maps = images
    for number, (kernel, dilation) in enumerate(zip(kernels, dilations, strict=True)):
        edge = dilation * (kernel - 1) // 2
        padded = F.pad(maps, (edge,) * 4, MODES[padding_mode]) if edge else maps
        maps = F.conv2d(padded, next(weights), dilation=dilation)
        norm = next(norms)
        mean, variance = norm.running_mean, norm.running_var
        if network.training:
            mean, variance = maps.mean(dim=(0, 2, 3)), maps.var(dim=(0, 2, 3), correction=0)
        scale, shift = next(weights), next(weights)
        maps = (maps - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        maps = maps * scale[:, None, None] + shift[:, None, None]
        if number < 5 or final_relu:
            maps = maps.clamp_min(0)
        if number == 0:
            maps = maps.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-1, -2))
    return maps


def test_the_layers_are_the_papers() -> None:
    layers = [layer for layer in LandmarkNet(10).modules() if not list(layer.children())]
    one = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert [type(layer).__name__ for layer in layers] == [*one, "MaxPool2d", *(5 * one)]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [20, 48, 64, 80, 256, 10]
    areas, widths = (25, 9, 9, 9, 9, 1), (3, 20, 48, 64, 80, 256, 10)
    weights = sum(area * widths[n] * widths[n + 1] for n, area in enumerate(areas))
    assert sum(parameter.numel() for parameter in LandmarkNet(10).parameters()) == weights + 2 * sum(widths[1:])
    assert not isinstance([*LandmarkNet(10, final_relu=False).modules()][-1], nn.ReLU)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("kernels", "dilations", "padding_mode", "final_relu"),
    [
        ((5, 3, 3, 3, 3, 1), (1, 1, 2, 4, 2, 1), "zeros", True),
        ((5, 3, 3, 3, 1, 1), (1, 1, 2, 4, 1, 1), "reflect", False),
        ((3, 1, 5, 1, 3, 3), (2, 3, 1, 1, 1, 2), "replicate", True),
    ],
)
def test_scores_by_hand(kernels: tuple, dilations: tuple, padding_mode: str, final_relu: bool, training: bool) -> None:
    network = landmark_net(kernels=kernels, dilations=dilations, padding_mode=padding_mode, final_relu=final_relu)
    network.train(training)
    images = pictures(3, 2, 14, 18, seed=9)
    expected = by_hand(network, images, kernels, dilations, padding_mode, final_relu)
    scores = network(images)
    torch.testing.assert_close(scores, expected)
    assert (scores.min() >= 0) == final_relu
    assert scores.std() > 0.1


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    batch=st.integers(1, 3),
    landmarks=st.integers(1, 5),
    padding_mode=st.sampled_from(["zeros", "replicate"]),
)
@settings(max_examples=12)
def test_maps_have_half_the_size(size: tuple[int, int], batch: int, landmarks: int, padding_mode: str) -> None:
    images = pictures(batch, 2, 2 * size[0], 2 * size[1])
    scores = landmark_net(landmarks, padding_mode=padding_mode)(images)
    assert scores.shape == (batch, landmarks, *size)
    assert torch.isfinite(scores).all()


def seen_by_one_score(**arguments: object) -> int:
    """How many pixels wide the square of the image is that one score depends on."""
    network = landmark_net(1, final_relu=False, **arguments)
    images = pictures(1, 2, 80, 80).requires_grad_()
    network(images)[0, 0, 20, 20].backward()
    touched = images.grad[0].abs().sum(dim=0) > 0
    columns, rows = touched.any(dim=0).nonzero(), touched.any(dim=1).nonzero()
    assert columns.max() - columns.min() == rows.max() - rows.min()
    return int(columns.max() - columns.min()) + 1


def test_a_score_sees_as_much_as_the_docstring_says() -> None:
    said = re.search(r"a score sees (\d+) pixels", inspect.getdoc(LandmarkNet))
    # A kernel adds its reach on both sides; behind the pooling that counts twice.
    assert seen_by_one_score() == 6 + 2 * (2 + 4 + 8 + 4) == int(said[1])
    assert seen_by_one_score(kernels=(5, 3, 3, 3, 1, 1), dilations=(1, 1, 2, 4, 1, 1)) == 6 + 2 * (2 + 4 + 8)


@pytest.mark.parametrize("padding_mode", MODES)
def test_scores_move_with_the_image(padding_mode: str) -> None:
    network = landmark_net(padding_mode=padding_mode, final_relu=False)
    canvas = pictures(1, 2, 72, 76, seed=3)
    here, there = network(canvas[:, :, :64, 6:70]), network(canvas[:, :, 8:, :64])
    # The second window begins 8 rows below the first and 6 columns before it; 11 scores at each edge see padding.
    torch.testing.assert_close(here[:, :, 15:21, 11:18], there[:, :, 11:17, 14:21])
    assert here[:, :, 15:21, 11:18].std() > 0.1


@pytest.mark.parametrize(("padding_mode", "differs"), [("zeros", True), ("replicate", False), ("reflect", False)])
def test_only_zeros_tell_where_a_pixel_is(padding_mode: str, differs: bool) -> None:
    scores = landmark_net(padding_mode=padding_mode, final_relu=False)(
        torch.full((1, 2, 24, 30), 0.4, dtype=torch.float64)
    )
    assert (scores.std(dim=(2, 3)).max() > 1e-3) == differs


def test_gradients_reach_every_weight() -> None:
    network = landmark_net(final_relu=False).train()
    (network(pictures(2, 2, 16, 12)) ** 3).sum().backward()
    for name, parameter in network.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ({"landmarks": 0}, ValueError, "landmarks: 0 was given; allowed is an integer from 1 to 4096"),
        ({"in_channels": 1.0}, TypeError, "in_channels: 1.0 was given; allowed is an integer"),
        ({"widths": (4, 4, 0, 4, 4)}, ValueError, "widths: 0 was given"),
        ({"widths": (4, 4, 4, 4)}, ValueError, "widths: 4 values were given; allowed are 5"),
        ({"kernels": (3, 3, 3, 3, 3)}, ValueError, "kernels: 5 values were given; allowed are 6"),
        ({"kernels": (3, 3, 4, 3, 3, 1)}, ValueError, "kernels: 4 was given; allowed is an odd integer"),
        ({"dilations": (1,) * 7}, ValueError, "dilations: 7 values were given; allowed are 6"),
        ({"dilations": (1, 1, 0, 1, 1, 1)}, ValueError, "dilations: 0 was given"),
        (
            {"padding_mode": "mirror"},
            ValueError,
            "padding_mode: 'mirror' was given; allowed are 'zeros', 'replicate', 'reflect'",
        ),
    ],
)
def test_networks_that_cannot_be_are_refused(arguments: dict, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(complaint)}"):
        LandmarkNet(**({"landmarks": 3} | arguments))


@pytest.mark.parametrize(
    ("images", "error", "complaint"),
    [
        (torch.zeros(1, 2, 13, 12), ValueError, "images: size (13, 12) was given; allowed are even heights and widths"),
        (torch.zeros(1, 2, 12, 13), ValueError, "images: size (12, 13) was given; allowed are even"),
        (torch.zeros(1, 3, 12, 12), ValueError, "images: shape (1, 3, 12, 12) was given; allowed is (B, 2, H, W)"),
        (torch.zeros(2, 12, 12), ValueError, "images: shape (2, 12, 12) was given"),
        (torch.zeros(1, 2, 12, 12, dtype=torch.uint8), TypeError, "images: dtype torch.uint8 was given"),
        ([[0.0]], TypeError, "images: list was given"),
    ],
)
def test_images_that_do_not_fit_are_refused(images: object, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(complaint)}"):
        landmark_net()(images)


def test_reflections_need_an_image_larger_than_they_are() -> None:
    network = landmark_net(padding_mode="reflect")
    assert network(pictures(1, 2, 10, 12)).shape == (1, 7, 5, 6)
    with pytest.raises(
        ValueError, match=r"images: size \(12, 8\) was given; allowed with padding_mode 'reflect' are .* 10$"
    ):
        network(pictures(1, 2, 12, 8))
    first_is_large = landmark_net(padding_mode="reflect", kernels=(9, 1, 1, 1, 1, 1))
    assert first_is_large(pictures(1, 2, 6, 6)).shape == (1, 7, 3, 3)
    with pytest.raises(ValueError, match=r"at least 5$"):
        first_is_large(pictures(1, 2, 4, 6))
