"""Keypoints, splats, canvases and prototypes on every device, in every precision, and at the ends of their ranges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tusklite.ops import (
    Prototypes,
    alpha_blend,
    detect_keypoints,
    group_means,
    neighbour_graph,
    non_max_suppression,
    pixel_centres,
    sample_descriptors,
    score_weighted_sum,
    separate_splats,
    soft_argmax,
    spatial_softmax,
    spherical_kmeans,
    splat_gaussians,
    splat_profiles,
    window_maximum,
)
from tusklite.precision import at_least_single


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


POINTS = 1.8 * uniform(2, 5, 2) - 0.9
PAINT = {"xy": POINTS, "score": uniform(2, 5, seed=1), "descriptors": normal(2, 5, 3, seed=2)}

# What hands maps and descriptors on, in the type that they came in.
KEEPING: dict[str, tuple[Callable[..., Tensor], dict[str, Tensor]]] = {
    "spatial_softmax": (spatial_softmax, {"logits": 3 * normal(2, 3, 5, 7)}),
    "window_maximum": (lambda maps: window_maximum(maps, 3), {"maps": normal(2, 3, 5, 7)}),
    "sample_descriptors": (sample_descriptors, {"features": normal(2, 3, 6, 9), "xy": POINTS}),
    "splat_gaussians": (lambda xy: splat_gaussians(xy, 9, 14, 1.3), {"xy": POINTS}),
    "splat_profiles": (lambda xy: torch.cat(splat_profiles(xy, 9, 14, 1.3), dim=2), {"xy": POINTS}),
    "score_weighted_sum": (lambda **paint: score_weighted_sum(**paint, height=9, width=14, sigma=1.3), PAINT),
    "separate_splats": (lambda **paint: separate_splats(**paint, height=9, width=14, sigma=1.3), PAINT),
    "alpha_blend, image": (lambda layers: alpha_blend(layers)[0], {"layers": normal(2, 3, 4, 5, 6)}),
    "alpha_blend, masks": (lambda layers: alpha_blend(layers)[1], {"layers": normal(2, 3, 4, 5, 6)}),
}
PAIRED = [name for name, (_, tensors) in KEEPING.items() if len(tensors) > 1]


@pytest.mark.parametrize("name", KEEPING)
def test_maps_and_descriptors_are_those_of_float64_rounded_once(
    name: str, device: str, dtype: torch.dtype, close: Callable
) -> None:
    operation, tensors = KEEPING[name]
    given = {key: tensor.clone().to(device, dtype).requires_grad_() for key, tensor in tensors.items()}
    exact = {key: tensor.detach().clone().cpu().double().requires_grad_() for key, tensor in given.items()}
    found, wanted = operation(**given), operation(**exact)
    assert found.dtype == dtype
    assert found.device.type == device
    close(found, wanted)
    found.square().sum().backward()
    wanted.square().sum().backward()
    for key, tensor in given.items():
        close(tensor.grad, exact[key].grad)


@pytest.mark.parametrize("name", PAIRED)
def test_two_types_are_refused_by_name(name: str, device: str) -> None:
    operation, tensors = KEEPING[name]
    for odd in tensors:
        given = {k: tensor.to(device, torch.float32 if k == odd else torch.float64) for k, tensor in tensors.items()}
        with pytest.raises(TypeError, match=r"^\w+: torch\.float\d\d on .* was given; allowed is that of \w+, torch"):
            operation(**given)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
def test_two_devices_are_refused_by_name() -> None:
    for operation, tensors, odd in [(*KEEPING[name], odd) for name in PAIRED for odd in KEEPING[name][1]]:
        given = {key: tensor.to("cuda" if key == odd else "cpu") for key, tensor in tensors.items()}
        with pytest.raises(TypeError, match=r"^\w+: torch\.float64 on .* was given; allowed is that of "):
            operation(**given)


def test_points_of_half_precision_come_in_single(device: str, dtype: torch.dtype, close: Callable) -> None:
    probs = spatial_softmax(3 * normal(2, 3, 30, 40)).to(device, dtype)
    found = soft_argmax(probs)
    assert found.dtype == at_least_single(dtype)
    close(found, soft_argmax(probs.cpu().double()))
    assert pixel_centres(300, probs).unique().numel() == 300  # bfloat16 itself cannot count to 257


def test_keypoints_are_those_of_float64_on_the_same_heatmap(device: str, dtype: torch.dtype, close: Callable) -> None:
    heatmap = uniform(3, 1, 20, 24, seed=4).to(device, dtype)
    heatmap[:, :, 5:8, 5:8] = 1.0  # a plateau: the first of its pixels is the keypoint in every precision
    found, wanted = (detect_keypoints(maps, k=6, window=5) for maps in (heatmap, heatmap.cpu().double()))
    assert torch.equal(found.index.cpu(), wanted.index)
    assert torch.equal(found.score.cpu().double(), wanted.score)
    assert found.xy.dtype == at_least_single(dtype)
    close(found.xy, wanted.xy)
    marks = non_max_suppression(heatmap, 5)
    assert torch.equal(marks.cpu(), non_max_suppression(heatmap.cpu().double(), 5))


def test_points_of_float64_are_exact_to_the_last_digits() -> None:
    heatmap = torch.zeros(1, 1, 7, 49, dtype=torch.float64)
    heatmap[0, 0, 3, 10] = 1.0
    xy = detect_keypoints(heatmap, k=1, window=3, temperature=1e-3).xy
    assert abs(float(xy[0, 0, 0]) - (21 / 49 - 1)) < 1e-15


# Prototypes


def in_type(dtype: torch.dtype, device: str) -> tuple[Prototypes, Tensor]:
    """Four prototypes and forty descriptors of unit length."""
    prototypes = Prototypes(4, 6, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    return prototypes, F.normalize(normal(40, 6, seed=1), dim=1).to(device, dtype)


def test_assignments_are_those_of_float64(device: str, dtype: torch.dtype, close: Callable) -> None:
    prototypes, descriptors = in_type(dtype, device)
    means, exact = F.normalize(prototypes.means.detach().cpu().double(), dim=1), descriptors.cpu().double()
    cosine = exact @ means.T
    assert torch.equal(prototypes.assign(descriptors).cpu(), cosine.argmax(dim=1))
    chances = prototypes.soft_assign(descriptors, inverse_temperature=12.5)
    assert chances.dtype == dtype
    close(chances, (12.5 * cosine).softmax(dim=1))


def test_counts_and_restarts_keep_the_type(device: str, dtype: torch.dtype, close: Callable) -> None:
    prototypes, descriptors = in_type(dtype, device)
    won = prototypes.count(descriptors)
    close(prototypes.weights, won.cpu().double() / 40)
    assert prototypes.weights.dtype == dtype
    prototypes.restart(2 * descriptors[:4], weights=torch.tensor([1.0, 1, 2, 4]).to(descriptors))
    close(prototypes.means, F.normalize(descriptors[:4].cpu().double(), dim=1))
    drawn = prototypes.sample(16, torch.Generator().manual_seed(0))
    assert (drawn.dtype, drawn.device.type) == (dtype, device)
    close(drawn.double().norm(dim=1).to(dtype), torch.ones(16))


def test_clusterings_are_those_of_float64(device: str, dtype: torch.dtype, close: Callable) -> None:
    angle = torch.linspace(0, 0.3, 20).double() + torch.arange(3).repeat_interleave(20).view(3, 20) * 2.0
    points = torch.stack([angle.cos(), angle.sin()], dim=2).flatten(0, 1).to(device, dtype)
    labels = torch.arange(3, device=device).repeat_interleave(20)
    means, shares = group_means(points, labels, 3)
    exact_means, exact_shares = group_means(points.cpu().double(), labels.cpu(), 3)
    close(means, exact_means)
    close(shares, exact_shares)
    found = spherical_kmeans(points, 3, torch.Generator().manual_seed(0))
    assert found.dtype == dtype
    nearest = (found.cpu().double() @ exact_means.T).argmax(dim=1)
    close(found, exact_means[nearest])
    assert nearest.sort().values.tolist() == [0, 1, 2]
    graph = neighbour_graph(points, neighbours=5)
    assert graph[:20, 20:].nnz == 0


def test_prototypes_refuse_descriptors_of_another_kind() -> None:
    prototypes, descriptors = in_type(torch.float32, "cpu")
    for act in (
        lambda: prototypes.soft_assign(descriptors.double(), 1.0),
        lambda: prototypes.assign(descriptors.double()),
        lambda: prototypes.count(descriptors.double()),
    ):
        with pytest.raises(
            TypeError, match=r"^descriptors: torch\.float64 on cpu was given; allowed is that of the pro"
        ):
            act()
    for name, act in (
        ("means", lambda: prototypes.restart(descriptors[:4].double())),
        ("weights", lambda: prototypes.restart(descriptors[:4], torch.ones(4).double())),
    ):
        with pytest.raises(TypeError, match=rf"^{name}: torch\.float64 on cpu was given"):
            act()
    with pytest.raises(ValueError, match=r"^descriptors: shape \(40, 5\) was given; allowed is \(\.\.\., 6\)"):
        prototypes.assign(descriptors[:, :5])
    with pytest.raises(TypeError, match=r"^descriptors: list was given"):
        prototypes.assign([1.0])


# The ends of the ranges

far = st.sampled_from([0.0, 0.3, -0.9999, 1.7, -40.0, 1e5, 1e19, -3e38, math.inf])


@given(x=far, y=far, sigma=st.sampled_from([1e-300, 1e-40, 1e-20, 1e-3, 0.5, 6.0, 1e9, 1e300]))
@settings(max_examples=80)
def test_splats_sum_to_one_wherever_and_however_narrow(dtype: torch.dtype, x: float, y: float, sigma: float) -> None:
    xy = torch.tensor([[[x, y]]], dtype=torch.float64).to(dtype).requires_grad_()
    splats = splat_gaussians(xy, 4, 5, sigma)
    assert torch.isfinite(splats).all()
    assert splats.min() >= 0
    assert abs(float(splats.detach().double().sum()) - 1) < 0.02
    canvas = score_weighted_sum(xy, torch.ones(1, 1, dtype=dtype), torch.ones(1, 1, 1, dtype=dtype), 4, 5, sigma)
    assert abs(float(canvas.detach().double().sum()) - 1) < 0.02
    if abs(x) > 2 and sigma < 1:  # all of it is in the outermost column
        assert splats[0, 0, :, -1 if x > 0 else 0].sum() > 0.97
    splats.square().sum().backward()
    assert torch.isfinite(xy.grad).all()


@pytest.mark.parametrize(("x", "y", "sigma"), [(0.25, 0.5, 1e-20), (1e19, 1e19, 1.0), (0.25, 0.5, 1e-3)])
def test_the_splats_that_were_nan(dtype: torch.dtype, x: float, y: float, sigma: float) -> None:
    if x > torch.finfo(dtype).max:
        x = y = float(torch.finfo(dtype).max)
    splats = splat_gaussians(torch.tensor([[[x, y]]], dtype=torch.float64).to(dtype), 4, 4, sigma)
    row, column = (3, 3) if x > 1 else (2, 2)
    assert splats[0, 0, row, column] > 0.2
    assert float(splats.detach().double().sum()) == pytest.approx(1, abs=0.01)


def test_only_a_point_that_is_nan_has_a_splat_of_nan() -> None:
    splats = splat_gaussians(torch.tensor([[[torch.nan, 0.0], [0.5, 0.5]]]), 4, 4, 1.0)
    assert splats[0, 0].isnan().all()
    assert torch.isfinite(splats[0, 1]).all()


@given(
    values=st.lists(st.sampled_from([0.0, 0.5, 1.0, -2.0, 3e38, -3e38, 1e30]), min_size=12, max_size=12),
    temperature=st.sampled_from([1e-300, 1e-40, 1e-20, 1e-3, 0.2, 1e9, 1e300]),
)
@settings(max_examples=80)
def test_keypoints_are_inside_the_image_at_any_temperature(values: list[float], temperature: float) -> None:
    heatmap = torch.tensor(values).view(1, 1, 3, 4).requires_grad_()
    points = detect_keypoints(heatmap, k=3, window=3, temperature=temperature)
    assert torch.isfinite(points.xy).all()
    assert points.xy.abs().max() < 1
    if temperature < 1e-3:  # the mean of the largest pixels of the window, which are one or several
        row, column = divmod(int(points.index[0, 0]), 4)
        around = heatmap.detach()[0, 0, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        if (around == around.max()).sum() == 1:
            torch.testing.assert_close(points.xy[0, 0], torch.tensor([(2 * column + 1) / 4 - 1, (2 * row + 1) / 3 - 1]))
    points.xy.sum().backward()
    assert not heatmap.grad.isnan().any()


@pytest.mark.parametrize("window", [13, 999, 2**31 + 1])
def test_a_window_larger_than_the_map_is_the_map(window: int) -> None:
    heatmap = uniform(2, 1, 5, 7).float()
    points, whole = (detect_keypoints(heatmap, 2, side) for side in (window, 13))
    assert torch.equal(points.index, whole.index)
    assert torch.equal(points.xy, whole.xy)
    assert torch.equal(points.index[:, 0], heatmap.flatten(1).argmax(dim=1))
    weight = (heatmap.double() / 0.2).flatten(1).softmax(dim=1).view_as(heatmap)
    torch.testing.assert_close(points.xy[:, 0], soft_argmax(weight)[:, 0].float())


def test_a_point_that_is_nan_reads_nan_and_the_others_read_what_they_did(device: str, dtype: torch.dtype) -> None:
    features = normal(1, 3, 5, 6).to(device, dtype).requires_grad_()
    xy = torch.tensor([[[0.1, 0.2], [torch.nan, 0.0], [0.0, torch.nan], [torch.inf, -torch.inf]]]).to(device, dtype)
    read = sample_descriptors(features, xy)
    assert read[0, 1:3].isnan().all()
    assert torch.equal(read[:, :1], sample_descriptors(features, xy[:, :1]))
    assert torch.equal(read[0, 3], features[0, :, 0, -1])
    read[:, [0, 3]].sum().backward()
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_numpys_numbers_are_numbers(kind: type) -> None:
    heatmap = uniform(1, 1, 6, 6).float()
    ours, plain = (
        detect_keypoints(heatmap, k, window, temperature)
        for k, window, temperature in ((kind(2), kind(3), np.float32(0.25)), (2, 3, 0.25))
    )
    assert all(torch.equal(one, other) for one, other in zip(ours, plain, strict=True))
    xy = torch.zeros(1, 1, 2)
    assert torch.equal(splat_gaussians(xy, kind(4), kind(5), np.float64(1)), splat_gaussians(xy, 4, 5, 1.0))
    prototypes = Prototypes(kind(3), kind(2), spread=np.float16(0.5))
    assert type(prototypes.spread) is float
    assert prototypes.sample(kind(4)).shape == (4, 2)
    assert spherical_kmeans(torch.eye(5), kind(2), torch.Generator().manual_seed(0)).shape == (2, 5)


def test_every_pair_of_types_is_one_type_or_refused() -> None:
    types = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    for one, other in itertools.permutations(types, 2):
        with pytest.raises(TypeError, match=r"^xy: torch"):
            sample_descriptors(torch.zeros(1, 1, 3, 3, dtype=one), torch.zeros(1, 1, 2, dtype=other))
