"""Thin-plate splines against scipy, kornia and autograd; warped images against scipy.ndimage."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import kornia
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry.transform import get_tps_transform, warp_image_tps, warp_points_tps
from packaging.version import Version
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates
from torch.overrides import TorchFunctionMode

from tusklite.geometry import (
    WARPS,
    ThinPlateSpline,
    WarpSpec,
    compose,
    fit_tps,
    identity_grid,
    inversion,
    random_tps,
    sampling,
    spline,
    warp_images,
)
from tusklite.geometry.kernel import solving_type

quick = settings(max_examples=15, deadline=None, derandomize=True)
seeds = st.integers(0, 10_000)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Uniform numbers in [-1, 1]."""
    return 2 * torch.rand(*shape, generator=seeded(seed), dtype=dtype) - 1


def a_spline(batch: int = 3, count: int = 7, seed: int = 0, dtype: torch.dtype = torch.float32) -> ThinPlateSpline:
    """A gentle spline with control points of its own for each batch entry."""
    control = uniform(batch, count, 2, seed=seed, dtype=dtype)
    affine = torch.tensor([[0.05, -0.1], [0.9, 0.1], [-0.2, 1.1]], dtype=dtype).repeat(batch, 1, 1)
    return ThinPlateSpline(control, 0.02 * uniform(batch, count, 2, seed=seed + 1, dtype=dtype), affine)


def folds(tps: ThinPlateSpline, size: int = 33) -> torch.Tensor:
    """Where the Jacobian determinant is not positive on a grid: (B, size * size)."""
    points = identity_grid(size, size).view(1, -1, 2).expand(len(tps.control), -1, -1)
    return torch.linalg.det(tps.jacobian(points)) <= 0


# Fitting


@pytest.mark.parametrize("smoothing", [0.0, 0.05, 3.0])
@pytest.mark.parametrize("count", [3, 5, 16])
def test_fit_equals_scipy_with_and_without_smoothing(count: int, smoothing: float) -> None:
    source, target = (uniform(3, count, 2, seed=seed, dtype=torch.float64) for seed in (1, 2))
    points = 1.5 * uniform(3, 41, 2, seed=3, dtype=torch.float64)
    ours = fit_tps(source, target, smoothing)(points)
    for b in range(3):
        scipy = RBFInterpolator(source[b], target[b], smoothing=smoothing)(points[b])
        np.testing.assert_allclose(ours[b], scipy, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_fit_equals_scipy_in_single_precision(smoothing: float) -> None:
    source = 0.9 * identity_grid(5, 5).view(1, -1, 2) + 0.05 * uniform(2, 25, 2, seed=1)
    target = source + 0.1 * uniform(2, 25, 2, seed=2)
    points = uniform(2, 41, 2, seed=3)
    ours = fit_tps(source, target, smoothing)(points)
    for b in range(2):
        scipy = RBFInterpolator(source[b].double(), target[b].double(), smoothing=smoothing)
        np.testing.assert_allclose(ours[b], scipy(points[b].double()), atol=1e-5)


@quick
@given(seed=seeds, count=st.integers(3, 20), batch=st.integers(1, 3))
def test_affine_maps_are_reproduced_without_bending(seed: int, count: int, batch: int) -> None:
    source = uniform(batch, count, 2, seed=seed, dtype=torch.float64)
    affine = uniform(batch, 3, 2, seed=seed + 1, dtype=torch.float64)
    tps = fit_tps(source, affine[:, :1] + source @ affine[:, 1:])
    scale = 1 / torch.linalg.svdvals(source - source.mean(1, keepdim=True)).min()  # thin triangles lose digits
    assert tps.weights.abs().max() < 1e-8 * scale**2
    torch.testing.assert_close(tps.affine, affine, atol=1e-8 * float(scale) ** 2, rtol=0)


@quick
@given(seed=seeds, count=st.integers(4, 25), batch=st.integers(1, 3))
def test_the_spline_passes_through_its_targets(seed: int, count: int, batch: int) -> None:
    source, target = (uniform(batch, count, 2, seed=seed + k, dtype=torch.float64) for k in (0, 1))
    torch.testing.assert_close(fit_tps(source, target)(source), target, atol=1e-6, rtol=0)


def test_much_regularization_leaves_the_least_squares_affine_map() -> None:
    source, target = uniform(1, 12, 2, seed=1), uniform(1, 12, 2, seed=2)
    plane = torch.cat([torch.ones(1, 12, 1), source], dim=2)
    torch.testing.assert_close(
        fit_tps(source, target, 1e6).affine, torch.linalg.lstsq(plane, target).solution, atol=1e-4, rtol=0
    )


def test_fit_returns_the_type_it_was_given_and_solves_in_double() -> None:
    source = uniform(1, 30, 2)
    target = source + 0.1 * uniform(1, 30, 2, seed=9)
    single, double = fit_tps(source, target), fit_tps(source.double(), target.double())
    assert single.weights.dtype == single.affine.dtype == torch.float32
    assert double.weights.dtype == torch.float64
    torch.testing.assert_close(single.weights.double(), double.weights, atol=1e-6, rtol=1e-6)


# Evaluation


def test_the_kernel_is_zero_at_its_centre_and_r2_log_r2_elsewhere() -> None:
    nothing = torch.zeros(1, 3, 2)
    tps = ThinPlateSpline(torch.tensor([[[0.25, -0.5]]]), torch.tensor([[[1.0, 2.0]]]), nothing)
    assert torch.equal(tps(torch.tensor([[[0.25, -0.5]]])), torch.zeros(1, 1, 2))
    value = 4 * math.log(4)
    torch.testing.assert_close(tps(torch.tensor([[[0.25, 1.5]]])), torch.tensor([[[value, 2 * value]]]))


@pytest.mark.parametrize(("height", "width"), [(7, 11), (1, 4), (13, 2)])
@pytest.mark.parametrize("tps", [a_spline(), random_tps(3, WARPS["thewlis-mnist-g2"], seeded())], ids=["own", "shared"])
def test_grid_equals_the_spline_at_pixel_centres(tps: ThinPlateSpline, height: int, width: int) -> None:
    points = identity_grid(height, width).view(1, -1, 2).expand(3, -1, -1)
    torch.testing.assert_close(tps.grid(height, width).flatten(1, 2), tps(points), atol=2e-6, rtol=1e-5)


def test_identity_grid_holds_pixel_centres_x_first() -> None:
    grid = identity_grid(3, 5)
    assert grid.shape == (3, 5, 2)
    torch.testing.assert_close(grid[1, 4], torch.tensor([0.8, 0.0]))
    torch.testing.assert_close(grid[0, 2], torch.tensor([0.0, -2 / 3]))


def test_kornia_evaluates_the_same_points() -> None:
    # kornia's kernel is r^2 log r, half of U, so its weights are twice ours; its centres are our control.
    tps, points = a_spline(), uniform(3, 29, 2, seed=5)
    theirs = warp_points_tps(points, tps.control, 2 * tps.weights, tps.affine)
    torch.testing.assert_close(tps(points), theirs, atol=1e-5, rtol=1e-5)


# Older ones, the last for Python 3.10, put the grid's ends on centres of pixels and sample as if on their edges.
@pytest.mark.skipif(Version(kornia.__version__) < Version("0.9"), reason="kornia before 0.9 is wrong here")
def test_kornia_warps_the_same_images() -> None:
    tps, images = a_spline(), uniform(3, 2, 9, 14, seed=6)
    theirs = warp_image_tps(images, tps.control, 2 * tps.weights, tps.affine)
    torch.testing.assert_close(warp_images(images, tps.grid(9, 14)), theirs, atol=1e-4, rtol=1e-4)


def test_kornia_fits_through_the_same_points_with_its_centres_at_the_targets() -> None:
    # get_tps_transform(source, target) wants `target` as centres when it is evaluated, ours keeps `source`:
    # both pass through the targets, and given kornia's spline ours evaluates it to the same map everywhere.
    source = uniform(2, 9, 2, seed=7, dtype=torch.float64)
    target = source + 0.05 * uniform(2, 9, 2, seed=8, dtype=torch.float64)
    kernel, affine = get_tps_transform(source, target)
    torch.testing.assert_close(warp_points_tps(source, target, kernel, affine), target, atol=1e-6, rtol=0)
    torch.testing.assert_close(fit_tps(source, target)(source), target, atol=1e-6, rtol=0)
    points = uniform(2, 20, 2, seed=9, dtype=torch.float64)
    theirs = warp_points_tps(points, target, kernel, affine)
    torch.testing.assert_close(ThinPlateSpline(target, kernel / 2, affine)(points), theirs, atol=1e-9, rtol=0)


def test_jacobian_equals_autograd_also_at_a_control_point() -> None:
    tps = a_spline(batch=1, dtype=torch.float64)
    points = torch.cat([uniform(1, 5, 2, seed=4, dtype=torch.float64), tps.control[:, :1]], dim=1)
    automatic = torch.autograd.functional.jacobian(lambda p: tps(p)[0], points)[:, :, 0]  # (P, 2, P, 2)
    expected = torch.stack([automatic[k, :, k] for k in range(6)])
    torch.testing.assert_close(tps.jacobian(points)[0], expected)


def test_everything_is_differentiable() -> None:
    tps = a_spline(batch=2, count=4, dtype=torch.float64)
    fields = [f.clone().requires_grad_() for f in (tps.control, tps.weights, tps.affine)]
    points = uniform(2, 3, 2, seed=4, dtype=torch.float64).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda p, *f: ThinPlateSpline(*f)(p), (points, *fields))
    assert check(lambda *f: ThinPlateSpline(*f).grid(2, 3), fields)
    assert check(lambda p, *f: ThinPlateSpline(*f).invert_points(p), (0.3 * points.detach().requires_grad_(), *fields))
    source = tps.control.clone().requires_grad_()
    assert check(lambda s, t: fit_tps(s, t, 0.1).grid(2, 2), (source, points.detach().repeat(1, 2, 1)[:, :4]))


def test_the_gradient_is_finite_where_a_point_meets_a_control_point() -> None:
    control = uniform(1, 5, 2).requires_grad_()
    ThinPlateSpline(control, uniform(1, 5, 2), uniform(1, 3, 2))(control).sum().backward()
    assert torch.isfinite(control.grad).all()


# What does not survive its type


@quick
@given(
    seed=seeds,
    apart=st.sampled_from([0.3, 0.03, 1e-2, 1e-3, 1e-4, 1e-5, 3e-6, 1e-6]),
    smoothing=st.sampled_from([0, 0.1]),
)
def test_a_fit_in_single_precision_is_as_good_as_in_double_or_refused(
    seed: int, apart: float, smoothing: float
) -> None:
    source = uniform(1, 10, 2, seed=seed)
    source[0, 1] = source[0, 0] + apart * torch.tensor([0.6, 0.8])
    target = source + 0.1 * uniform(1, 10, 2, seed=seed + 1)
    try:
        found = fit_tps(source, target, smoothing)(source)
    except ValueError as refused:
        assert str(refused).startswith("source: ")  # noqa: PT017
        assert apart < 0.02
        return
    exact = fit_tps(source.double(), target.double(), smoothing)(source.double())
    torch.testing.assert_close(found.double(), exact, atol=1.2e-4 * float(target.abs().max()), rtol=0)


@pytest.mark.parametrize("apart", [1e-4, 1e-5])
def test_the_fits_that_missed_their_own_targets_are_refused_in_single_and_right_in_double(apart: float) -> None:
    source = torch.cat([uniform(1, 8, 2, dtype=torch.float64), torch.zeros(1, 2, 2, dtype=torch.float64)], dim=1)
    source[0, 9, 0] = apart
    target = source.flip(2) / 2
    target[0, 9] += 0.1
    torch.testing.assert_close(fit_tps(source, target)(source), target, atol=1e-7, rtol=0)
    complaint = (
        r"^source: points of batch entry 1 were given whose spline misses its targets by [\d.e+-]+ in torch.float32; "
        r"allowed are points farther apart, or a finer type$"
    )
    with pytest.raises(ValueError, match=complaint):
        fit_tps(torch.cat([uniform(1, 10, 2), source.float()]), torch.cat([uniform(1, 10, 2), target.float()]))


@pytest.mark.parametrize("name", [name for name, spec in WARPS.items() if spec.deform == "destinations"])
def test_random_warps_are_no_less_exact_than_fits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def keep(source: torch.Tensor, target: torch.Tensor) -> tuple[ThinPlateSpline, torch.Tensor]:
        seen.append((source, target))
        return spline.solve_tps(source, target)

    monkeypatch.setattr(sampling, "solve_tps", keep)
    tps = random_tps(64, WARPS[name], seeded(2))
    ((source, target),) = seen
    fitted = fit_tps(source, target)
    assert torch.equal(tps.grid(9, 9), fitted.grid(9, 9))


def test_a_fit_in_half_precision_says_that_it_cannot_hold_its_targets() -> None:
    source = uniform(1, 9, 2)
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(ValueError, match=r"^source: .* misses its targets by .* in torch.b?float16; allowed are"):
            fit_tps(source.to(dtype), (source + 0.3 * uniform(1, 9, 2, seed=1)).to(dtype))


def test_splines_and_their_grids_on_every_device_and_in_every_precision(
    device: str, dtype: torch.dtype, close: Callable
) -> None:
    tps = a_spline(dtype=torch.float64).to(device, dtype)
    exact = tps.to("cpu", torch.float64)
    points = uniform(3, 5, 2, seed=9, dtype=torch.float64).to(device, dtype)
    close(tps(points), exact(points.cpu().double()))
    close(tps.jacobian(points), exact.jacobian(points.cpu().double()))
    close(tps.grid(7, 300), exact.grid(7, 300))
    inverse = tps.invert_points(tps(points))
    assert inverse.dtype == dtype
    exact_inverse = exact.invert_points(tps(points).cpu().double())
    torch.testing.assert_close(inverse.cpu().double(), exact_inverse, atol=4 * torch.finfo(dtype).eps, rtol=0)


def test_warped_images_on_every_device_and_in_every_precision(device: str, dtype: torch.dtype, close: Callable) -> None:
    images = uniform(2, 3, 6, 9, dtype=torch.float64).to(device, dtype)
    grid = uniform(2, 4, 5, 2, seed=1, dtype=torch.float64).to(device, dtype)
    for mode in ("zeros", "border", "reflection"):
        warped = warp_images(images, grid, mode)
        assert warped.dtype == dtype
        close(warped, warp_images(images.cpu().double(), grid.cpu().double(), mode))


def test_pixel_centres_are_counted_right_in_every_precision(device: str, dtype: torch.dtype, close: Callable) -> None:
    grid = identity_grid(3, 300, device, dtype)
    assert (grid.dtype, grid.device.type) == (dtype, device)
    close(grid, identity_grid(3, 300, dtype=torch.float64))
    nearest = identity_grid(3, 300, dtype=torch.float64).to(dtype)
    assert (grid.cpu() - nearest).abs().max() <= torch.finfo(dtype).eps / 2  # a digit more is lost in counting
    with pytest.raises(TypeError, match=r"^dtype: torch\.int64 was given; allowed is a floating-point type"):
        identity_grid(3, 3, dtype=torch.int64)


def test_a_spec_of_numpys_numbers_is_plain() -> None:
    spec = WarpSpec(np.int64(5), deformation=np.float32(0.5), rotation=np.int32(20), scale=np.float64(0.1))
    assert [type(value) for value in (spec.control, spec.deformation, spec.rotation)] == [int, float, float]
    drawn = WarpSpec(
        tuple((np.float64(x), np.float64(y)) for x, y in ((0, 0), (1, 0), (0, 1), (1, 1))), deform="destinations"
    )
    assert {type(value) for point in drawn.control for value in point} == {float}
    assert random_tps(np.int64(2), spec, seeded()).grid(np.int16(4), np.uint8(5)).shape == (2, 4, 5, 2)
    with pytest.raises(ValueError, match=r"^control: 1000000 was given; allowed is an integer from 2 to 100$"):
        WarpSpec(10**6)


# Inversion


@pytest.mark.parametrize("name", WARPS)
def test_invert_undoes_every_preset_where_it_does_not_fold(name: str) -> None:
    tps = random_tps(32, WARPS[name], seeded(3))
    seen = uniform(32, 20, 2, seed=4)
    back = tps.invert_points(tps(seen))
    whole = ~folds(tps).any(dim=1)
    assert (back - seen)[whole].abs().max() < 1e-5
    torch.testing.assert_close(tps(back), tps(seen), atol=1e-5, rtol=0)  # a folded one finds a point of equal image


@quick
@given(seed=seeds, batch=st.integers(1, 3), count=st.integers(3, 12))
def test_invert_undoes_a_gentle_fitted_warp(seed: int, batch: int, count: int) -> None:
    source = identity_grid(4, 4).view(1, -1, 2).repeat(batch, 1, 1)
    tps = fit_tps(source, source + 0.06 * uniform(batch, 16, 2, seed=seed))
    points = uniform(batch, count, 2, seed=seed + 1)
    torch.testing.assert_close(tps.invert_points(tps(points)), points, atol=1e-5, rtol=0)
    torch.testing.assert_close(tps(tps.invert_points(points)), points, atol=1e-5, rtol=0)


def test_invert_reaches_points_far_outside_the_image() -> None:
    affine = torch.tensor([[[3.0, -2.0], [0.0, 0.5], [-0.25, 0.0]]])
    tps = ThinPlateSpline(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), affine)
    points = uniform(1, 6, 2)
    torch.testing.assert_close(tps.invert_points(points), (points - affine[:, :1]) @ affine[:, 1:].inverse())


def test_a_point_that_the_warp_misses_raises_or_is_marked() -> None:
    # x stays within [-1, ...): x -> 4 U(x) has its minimum -4 / e at one point of each ray.
    bowl = ThinPlateSpline(
        torch.zeros(1, 1, 2), torch.tensor([[[4.0, 0.0]]]), torch.tensor([[[0.0, 0], [0, 0], [0, 1]]])
    )
    points = torch.tensor([[[-3.0, 0.0], [1.0, 0.25]]])
    with pytest.raises(ValueError, match="points: 1 of 2 have no inverse within 1e-07 after 50 steps"):
        bowl.invert_points(points)
    found = bowl.invert_points(points, on_failure="nan")
    assert found[0, 0].isnan().all()
    torch.testing.assert_close(bowl(found[:, 1:]), points[:, 1:], atol=1e-5, rtol=0)


class NoDouble(TorchFunctionMode):
    """A device without float64, as mps is."""

    def __torch_function__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        assert getattr(result, "dtype", None) != torch.float64, f"{function} made a float64 tensor"
        return result


def test_without_double_precision_a_device_fits_and_inverts_in_single(monkeypatch) -> None:
    for room in (spline, inversion):
        monkeypatch.setattr(room, "solving_type", lambda device: solving_type(torch.device("mps")))
    source, points = 0.9 * identity_grid(4, 4).view(1, -1, 2), 0.5 * uniform(1, 9, 2)
    target = source + 0.06 * uniform(1, 16, 2, seed=1)
    with NoDouble():
        tps = fit_tps(source, target)
        back = tps.invert_points(tps(points))
    torch.testing.assert_close(tps(source), target, atol=1e-4, rtol=0)
    torch.testing.assert_close(back, points, atol=1e-4, rtol=0)
    for spec in WARPS.values():
        tps = random_tps(8, spec, seeded(2))
        points = 0.5 * uniform(8, 9, 2)
        with NoDouble():
            back = tps.invert_points(points)
        torch.testing.assert_close(tps(back), points, atol=2e-5, rtol=0)


# Images


@pytest.mark.parametrize(
    ("padding_mode", "mode"), [("zeros", "grid-constant"), ("border", "nearest"), ("reflection", "reflect")]
)
def test_warp_images_equals_map_coordinates(padding_mode: str, mode: str) -> None:
    images = uniform(2, 3, 7, 10, seed=1)
    grid = 1.4 * uniform(2, 5, 6, 2, seed=2)
    warped = warp_images(images, grid, padding_mode)
    assert warped.shape == (2, 3, 5, 6)
    column, row = ((grid[..., 0] + 1) * 10 - 1) / 2, ((grid[..., 1] + 1) * 7 - 1) / 2
    for b in range(2):
        for c in range(3):
            expected = map_coordinates(images[b, c].numpy(), [row[b].numpy(), column[b].numpy()], order=1, mode=mode)
            np.testing.assert_allclose(warped[b, c], expected, atol=1e-5)


def test_the_identity_leaves_an_image_as_it_is() -> None:
    images = uniform(2, 3, 5, 8)
    torch.testing.assert_close(
        warp_images(images, identity_grid(5, 8).expand(2, -1, -1, -1)), images, atol=1e-5, rtol=0
    )


def blob(point: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A bright spot at each point: (B, 1, H, W)."""
    squared = (identity_grid(height, width) - point[:, None, None]).square().sum(-1)
    return torch.exp(-squared / (2 * 0.06**2))[:, None]


def centroid(images: torch.Tensor) -> torch.Tensor:
    mass = images[:, 0, :, :, None]
    return (mass * identity_grid(*images.shape[-2:])).sum((1, 2)) / mass.sum((1, 2))


def test_a_point_of_the_image_is_seen_at_its_inverse_in_the_warped_image() -> None:
    spec = dataclasses.replace(WARPS["thewlis-faces-g1"], rotation=25.0, translation=0.15)
    tps = random_tps(4, spec, seeded(5))
    u = 0.4 * uniform(4, 2, seed=6)
    warped = warp_images(blob(u, 90, 70), tps.grid(90, 70))
    seen = tps.invert_points(u[:, None])[:, 0]
    torch.testing.assert_close(centroid(warped), seen, atol=0.01, rtol=0)
    assert (centroid(warped) - tps(u[:, None])[:, 0]).norm(dim=-1).min() > 0.05  # and not at the forward map


def test_compose_warps_by_the_first_and_then_by_the_second() -> None:
    first = random_tps(3, WarpSpec(5, deformation=0.002, translation=0.2), seeded(1))
    second = random_tps(3, WarpSpec(5, deformation=0.002, rotation=30.0), seeded(2))
    images = blob(0.2 * uniform(3, 2, seed=3), 80, 80)
    twice = warp_images(warp_images(images, first.grid(80, 80)), second.grid(80, 80))
    points = identity_grid(80, 80).view(1, -1, 2).expand(3, -1, -1)
    once = warp_images(images, compose(first, second)(points).view(3, 80, 80, 2))
    swapped = warp_images(images, compose(second, first)(points).view(3, 80, 80, 2))
    assert (twice - once).abs().max() < 0.1
    assert (twice - swapped).abs().amax((1, 2, 3)).min() > 0.3


# Random warps


def test_the_same_seed_gives_the_same_splines_and_leaves_the_global_generator_alone() -> None:
    for spec in WARPS.values():
        before = torch.random.get_rng_state()
        one, two, other = (random_tps(3, spec, seeded(seed)).grid(9, 9) for seed in (4, 4, 5))
        assert torch.equal(one, two)
        assert not torch.equal(one, other)
        assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", WARPS)
def test_presets_are_visible_and_seldom_fold(name: str) -> None:
    tps = random_tps(100, WARPS[name], seeded(0))
    pixels = 50 * (tps.grid(25, 25) - identity_grid(25, 25)).norm(dim=-1).mean()  # of a 100-pixel image
    assert 0.5 < pixels < 25
    folded = folds(tps)
    assert folded.float().mean() < 0.01
    # Jittered destinations can cross; noise on weights that meet the side conditions folds nothing.
    assert folded.any(dim=1).float().mean() <= (0.05 if WARPS[name].deform == "destinations" else 0)


@pytest.mark.parametrize("name", [name for name in WARPS if WARPS[name].deform == "weights"])
def test_noise_on_weights_gives_the_smoothest_map_through_its_values(name: str) -> None:
    tps = random_tps(2, WARPS[name], seeded(1)).to(dtype=torch.float64)
    points = 1.5 * uniform(2, 41, 2, seed=2, dtype=torch.float64)
    for b in range(2):
        smoothest = RBFInterpolator(tps.control[b], tps(tps.control)[b])
        np.testing.assert_allclose(tps(points)[b], smoothest(points[b]), atol=1e-5)
    # Far away its slope is that of the affine part.
    slope = tps.jacobian(1e3 * points).mT
    torch.testing.assert_close(slope, tps.affine[:, None, 1:].expand_as(slope), atol=5e-3, rtol=0)


def test_noise_on_the_weights_of_a_triangle_bends_nothing() -> None:
    triangle = ((-1.0, -1.0), (1.0, -0.5), (0.0, 1.0))
    tps = random_tps(5, WarpSpec(triangle, deformation=1.0, control_jitter=0.1), seeded())
    assert tps.weights.abs().max() < 1e-5


def test_thewlis_noise_has_the_spread_of_the_table() -> None:
    tps = random_tps(400, WARPS["thewlis-faces-g2"], seeded(0))
    assert tps.control.shape == (400, 100, 2)
    variance = (0.001**2 + 0.5 * 0.01**2) * 97 / 100  # three side conditions on a hundred weights
    assert tps.weights.var().item() == pytest.approx(variance, rel=0.05)
    # Half of the elements have little more than the small noise; one Gaussian of this variance has 22 %.
    assert (tps.weights.abs() < 0.002).float().mean() > 0.45
    linear = tps.affine[:, 1:]
    angle = torch.rad2deg(torch.atan2(linear[:, 0, 1], linear[:, 0, 0]))
    scale = linear[:, 0].norm(dim=-1)
    assert angle.std().item() == pytest.approx(20, rel=0.15)
    assert scale.std().item() == pytest.approx(0.05, rel=0.15)
    assert scale.mean().item() == pytest.approx(1, abs=0.02)
    assert tps.affine[:, 0].std().item() == pytest.approx(0.1, rel=0.15)
    torch.testing.assert_close(linear @ linear.mT, scale.square()[:, None, None] * torch.eye(2).expand(400, 2, 2))


def test_tusk_holds_the_border_and_moves_the_inside_within_its_bounds() -> None:
    spec = WARPS["tusk-mnist"]
    tps = random_tps(200, spec, seeded(0))
    border = torch.tensor(spec.fixed).expand(200, -1, -1)
    assert tps.control.shape == (200, 16, 2)
    torch.testing.assert_close(tps(border), border, atol=1e-5, rtol=0)
    inside, places = tps.control[:, :8], torch.tensor(spec.control)
    jitter = (inside - places).abs()
    assert 0.09 < jitter.max() <= 0.1
    # Undo the mean scale: what is left is turned by 0.25 rad at most, scaled by 0.05, moved by 0.1.
    radius = (inside.abs() + 0.1).norm(dim=-1)
    assert ((tps(inside) - 0.95 * inside).norm(dim=-1) <= 0.25 * radius + 0.05 * radius + 0.15 + 0.02).all()


def test_noise_on_destinations_moves_the_control_points_by_the_noise() -> None:
    spec = WarpSpec(6, deformation=0.03, distribution="uniform", deform="destinations")
    tps = random_tps(50, spec, seeded(0))
    moved = (tps(tps.control) - tps.control).abs()
    assert 0.029 < moved.max() <= 0.0301
    assert moved.mean().item() == pytest.approx(0.015, rel=0.1)


def test_no_spread_is_the_identity_scaled() -> None:
    torch.testing.assert_close(
        random_tps(2, WarpSpec(mean_scale=0.5), seeded()).grid(6, 4),
        0.5 * identity_grid(6, 4).expand(2, -1, -1, -1),
    )


def test_moving_keeps_the_numbers_and_the_shared_control_points() -> None:
    tps = random_tps(4, WARPS["thewlis-mnist-g1"], seeded(), device="cpu")
    moved = tps.to(dtype=torch.float64)
    assert moved.control.stride(0) == 0
    torch.testing.assert_close(moved.grid(5, 6).float(), tps.grid(5, 6))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_what_the_cpu_gives() -> None:
    for spec in WARPS.values():
        here, there = random_tps(4, spec, seeded()), random_tps(4, spec, seeded(), device="cuda")
        torch.testing.assert_close(there.grid(17, 12).cpu(), here.grid(17, 12), atol=1e-4, rtol=1e-4)
        points = here(0.5 * uniform(4, 5, 2))
        there_points = there.invert_points(points.cuda()).cpu()
        torch.testing.assert_close(here(there_points), points, atol=1e-4, rtol=0)
    on_device = random_tps(4, WARPS["tusk-mnist"], torch.Generator("cuda").manual_seed(0))
    assert on_device.control.device.type == "cuda"


# Wrong input

POINTS = uniform(2, 5, 2)
LINE = torch.linspace(-1, 1, 5)[:, None] * torch.tensor([0.3, -0.7]) + 0.1
SPLINE = a_spline(batch=2)
NAN = torch.full_like(POINTS, float("nan"))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fit_tps([[0.0, 0.0]], POINTS), TypeError, "source: list was given"),
        (lambda: fit_tps(POINTS.long(), POINTS), TypeError, "source: dtype torch.int64"),
        (lambda: fit_tps(POINTS[0], POINTS[0]), ValueError, "source: shape"),
        (lambda: fit_tps(NAN, POINTS), ValueError, "source: NaN"),
        (lambda: fit_tps(POINTS, NAN), ValueError, "target: NaN"),
        (lambda: fit_tps(POINTS, POINTS[:, :4]), ValueError, "target: shape"),
        (lambda: fit_tps(POINTS, POINTS.double()), TypeError, "target: torch.float64"),
        (lambda: fit_tps(POINTS, POINTS, -1.0), ValueError, "regularization: -1.0"),
        (lambda: fit_tps(POINTS, POINTS, "much"), TypeError, "regularization: 'much'"),
        (lambda: fit_tps(POINTS[:, :2], POINTS[:, :2]), ValueError, "source: 2 points"),
        (lambda: fit_tps(torch.stack([POINTS[0], LINE]), POINTS), ValueError, "source: collinear"),
        (lambda: fit_tps(POINTS[:, [0, 1, 2, 3, 0]], POINTS), ValueError, "source: coincident"),
        (lambda: fit_tps(torch.zeros(1, 4, 2), torch.zeros(1, 4, 2)), ValueError, "source: coincident"),
        (lambda: ThinPlateSpline(POINTS[0], POINTS, POINTS), ValueError, "control: shape"),
        (lambda: ThinPlateSpline(POINTS, POINTS[:, :3], POINTS[:, :3]), ValueError, "weights: shape"),
        (lambda: ThinPlateSpline(POINTS, POINTS, POINTS[:, :2]), ValueError, "affine: shape"),
        (
            lambda: ThinPlateSpline(POINTS, POINTS, POINTS[:, :3].double()),
            TypeError,
            "affine: torch.float64",
        ),
        (lambda: SPLINE(POINTS[:1]), ValueError, "points: shape"),
        (lambda: SPLINE(POINTS.double()), TypeError, "points: torch.float64"),
        (lambda: SPLINE.jacobian(POINTS[0]), ValueError, "points: shape"),
        (lambda: SPLINE.grid(0, 4), ValueError, "height: 0"),
        (lambda: SPLINE.grid(4, 2.5), TypeError, "width: 2.5"),
        (lambda: SPLINE.invert_points(NAN), ValueError, "points: NaN"),
        (lambda: SPLINE.invert_points(POINTS, tolerance=0.0), ValueError, "tolerance: 0.0"),
        (lambda: SPLINE.invert_points(POINTS, steps=0), ValueError, "steps: 0"),
        (lambda: SPLINE.invert_points(POINTS, on_failure="ignore"), ValueError, "on_failure: 'ignore'"),
        (lambda: identity_grid(3, 0), ValueError, "width: 0"),
        (lambda: warp_images(POINTS, POINTS), ValueError, "images: shape"),
        (lambda: warp_images(torch.zeros(2, 1, 4, 4), identity_grid(4, 4)), ValueError, "grid: shape"),
        (lambda: warp_images(torch.zeros(2, 1, 4, 4), torch.zeros(1, 4, 4, 2)), ValueError, "grid: shape"),
        (
            lambda: warp_images(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4, 2).double()),
            TypeError,
            "grid: torch.float64",
        ),
        (
            lambda: warp_images(torch.zeros(1, 1, 4, 4), torch.full((1, 4, 4, 2), np.nan)),
            ValueError,
            "grid: NaN",
        ),
        (
            lambda: warp_images(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4, 2), "mirror"),
            ValueError,
            "padding_mode: 'mirror'",
        ),
        (lambda: compose(SPLINE, POINTS), TypeError, "second: Tensor"),
        (lambda: compose(None, SPLINE), TypeError, "first: NoneType"),
        (lambda: random_tps(0, WarpSpec(), seeded()), ValueError, "batch: 0"),
        (lambda: random_tps(1, "tusk-mnist", seeded()), TypeError, "spec: str"),
        (lambda: random_tps(1, WarpSpec(), 0), TypeError, "generator: int"),
    ],
)
def test_wrong_input_is_named(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"control": 1}, ValueError),
        ({"control": 2.5}, TypeError),
        ({"control": ()}, ValueError),
        ({"control": ((0.0, 0.0, 0.0),)}, TypeError),
        ({"control": ((0.0, float("nan")),)}, ValueError),
        ({"fixed": ((0.0, 0.0),)}, ValueError),
        ({"fixed": [(0.0, 0.0)]}, TypeError),
        ({"deformation": -0.1}, ValueError),
        ({"subset_deformation": "some"}, TypeError),
        ({"rotation": 181}, ValueError),
        ({"translation": float("inf")}, ValueError),
        ({"scale": 1.0}, ValueError),
        ({"mean_scale": 0}, ValueError),
        ({"scale_per_axis": 1}, TypeError),
        ({"centre": -1}, ValueError),
        ({"control_jitter": float("nan")}, ValueError),
        ({"distribution": "gaussian"}, ValueError),
        ({"deform": "points"}, ValueError),
    ],
)
def test_a_wrong_spec_is_named(wrong: dict, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"^{next(iter(wrong))}: "):
        WarpSpec(**wrong)


def test_presets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        WARPS["mine"] = WarpSpec()
    with pytest.raises(dataclasses.FrozenInstanceError):
        WARPS["tusk-mnist"].rotation = 0.0
