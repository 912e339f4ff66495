"""Where control points lie, what a spline's copy is on another device, and what a refusal of a fit says."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from tusklite.geometry import (
    WARPS,
    ThinPlateSpline,
    WarpSpec,
    fit_tps,
    identity_grid,
    random_tps,
    sampling,
    warp_images,
)

# What TUSK's public code draws its warps from: mean scale, spread of the scale, of the points, of the centres, radians.
PUBLIC = {
    "tusk-first": (0.98, 0.02, 0.03, 0.02, 0.05),
    "tusk-mnist": (0.95, 0.05, 0.1, 0.01, 0.25),
    "tusk-objects": (0.95, 0.02, 0.02, 0.05, 0.1),
    "tusk-faces": (0.9, 0.05, 0.05, 0.05, 0.25),
    "tusk-bodies": (0.95, 0.1, 0.05, 0.1, 0.25),
}
INSIDE = {(0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7), (0.5, 0.5), (0.5, -0.5), (-0.5, 0.5), (-0.5, -0.5)}
BORDER = {(-0.99, -0.99), (-0.99, 0.99), (0.0, -0.99), (0.0, 0.99), (0.99, -0.99), (0.99, 0.99)}
BORDER |= {(0.99, 0.0), (-0.95, 0.0)}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", PUBLIC)
def test_tusks_layouts_are_those_of_its_public_code(name: str) -> None:
    mean_scale, scale, deformation, centre, radians = PUBLIC[name]
    for spec in (WARPS[name], sampling._tusk(mean_scale, scale, deformation, centre, radians)):
        assert set(spec.control) == INSIDE
        assert len(spec.control) == len(spec.fixed) == 8
        assert set(spec.fixed) == BORDER
        rest = dataclasses.asdict(spec)
        del rest["control"], rest["fixed"]
        assert rest == {
            "deformation": deformation,
            "subset_deformation": 0.0,
            "rotation": math.degrees(radians),
            "translation": 0.0,
            "scale": scale,
            "mean_scale": mean_scale,
            "scale_per_axis": True,
            "centre": centre,
            "control_jitter": 0.1,
            "distribution": "uniform",
            "deform": "destinations",
        }


def test_a_grid_of_control_points_goes_from_edge_to_edge_with_x_fastest() -> None:
    sides = (-1.0, 0.0, 1.0)
    assert WarpSpec(control=3).control_points().tolist() == [[x, y] for y in sides for x in sides]
    tps = random_tps(2, WarpSpec(control=3), seeded())
    assert tps.control.tolist() == [[[x, y] for y in sides for x in sides]] * 2
    points = ((0.25, -0.5), (1.5, 0.0), (0.0, -2.0))
    assert WarpSpec(control=points).control_points().tolist() == [list(point) for point in points]


@pytest.mark.parametrize(
    ("points", "complaint"),
    [
        (((0.0, "left"),), "control: 'left' was given; allowed is a number"),
        ((("left", 0.0),), "control: 'left' was given; allowed is a number"),
        (((math.inf, 0.0),), "control: inf was given; allowed is a finite number"),
        (((0.0, -math.inf),), "control: -inf was given; allowed is a finite number"),
    ],
)
def test_a_control_point_that_is_none_is_named(points: tuple, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{complaint}"):
        WarpSpec(control=points)


def test_a_spline_goes_to_another_device_whole() -> None:
    # "meta" holds shapes alone: every machine has it, and what is left behind on the CPU shows.
    for tps in (random_tps(2, WARPS["tusk-mnist"], seeded()), random_tps(2, WARPS["thewlis-mnist-g1"], seeded())):
        gone = tps.to("meta")
        assert [field.device.type for field in (gone.control, gone.weights, gone.affine)] == ["meta"] * 3
        assert gone.control.stride(0) == tps.control.stride(0)
        assert tps.to(dtype=torch.float64).control.device.type == "cpu"
    for name in ("tusk-mnist", "thewlis-mnist-g1"):
        drawn = random_tps(2, WARPS[name], seeded(), device="meta")
        assert [field.device.type for field in (drawn.control, drawn.weights, drawn.affine)] == ["meta"] * 3
        assert random_tps(2, WARPS[name], seeded(), device=None).control.device.type == "cpu"
    assert identity_grid(3, 4, device="meta").device.type == "meta"


def test_pixel_centres_have_the_type_that_was_asked_for(dtype: torch.dtype) -> None:
    grid = identity_grid(3, 300, dtype=dtype)
    exact = (2 * torch.arange(300, dtype=torch.float64) + 1) / 300 - 1
    assert grid.dtype == dtype
    assert (grid[1, :, 0].double() - exact).abs().max() <= torch.finfo(dtype).eps


def test_a_pixel_that_is_nan_shows_where_it_is_seen_and_nowhere_else() -> None:
    images = torch.rand(1, 1, 6, 6, generator=seeded())
    images[0, 0, 2, 3] = torch.nan
    shown = warp_images(images, identity_grid(6, 6)[None])[0, 0].isnan()
    assert shown[2, 3]
    rows, columns = shown.nonzero().T
    assert (rows - 2).abs().max() <= 1  # a neighbour may read it with a weight of 0
    assert (columns - 3).abs().max() <= 1


def test_a_spline_may_hold_numbers_that_are_not_finite() -> None:
    field = torch.full((1, 3, 2), torch.nan)
    assert ThinPlateSpline(field, field, field).affine.isnan().all()


# --- where a warp takes a point -------------------------------------------------------------------------------


def test_a_similarity_scales_about_one_centre_and_turns_about_another() -> None:
    given = iter(
        (
            torch.tensor([0.6]),  # the angle
            torch.tensor([[0.2, -0.1]]),  # what is added to the mean scale
            torch.tensor([[[0.05, -0.02]]]),  # the translation
            torch.tensor([[[0.3, 0.1]]]),  # the centre of scaling
            torch.tensor([[[-0.2, 0.4]]]),  # the centre of turning
        )
    )
    spec = WarpSpec(rotation=1.0, scale=0.5, mean_scale=0.9, scale_per_axis=True, centre=1.0, translation=1.0)
    linear, shift = sampling._draw_similarity(1, spec, lambda spread, *shape: next(given).expand(shape))
    point = torch.tensor([0.5, -0.7])
    scale, q, centre = torch.tensor([1.1, 0.8]), torch.tensor([0.3, 0.1]), torch.tensor([-0.2, 0.4])
    turn = torch.tensor([[math.cos(0.6), -math.sin(0.6)], [math.sin(0.6), math.cos(0.6)]])
    expected = turn @ (scale * (point - q) + q - centre) + centre + torch.tensor([0.05, -0.02])
    torch.testing.assert_close(point @ linear[0] + shift[0, 0], expected)


def test_a_point_seen_inside_the_image_and_again_beyond_a_fold_is_found_inside() -> None:
    # x goes to 1.2 sin(pi x / 2.4): up to 1.2, and back again. What is at 0.9 is seen at 1.5, too.
    side = torch.linspace(-2.2, 2.2, 23, dtype=torch.float64)
    source = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).view(1, -1, 2)
    target = torch.stack([1.2 * (torch.pi * source[..., 0] / 2.4).sin(), source[..., 1]], dim=-1)
    tps = fit_tps(source, target)
    beyond = torch.tensor([[[1.5, 0.05], [1.5, -0.75], [1.7, 0.35]]], dtype=torch.float64)
    found = tps.invert_points(tps(beyond))
    assert (found[..., 0] - torch.tensor([0.9, 0.9, 0.7])).abs().max() < 0.01
    torch.testing.assert_close(tps(found), tps(beyond), atol=1e-6, rtol=0)


def test_hardly_a_point_of_warps_that_bend_strongly_is_missed() -> None:
    # Whole Newton steps overshoot here, and miss four times as many; so does a search that begins beyond the image.
    spec = WarpSpec(6, deformation=0.22, distribution="uniform", deform="destinations")
    missed = 0
    for seed in range(6):
        generator = seeded(seed)
        tps = random_tps(8, spec, generator)
        shown = tps(2 * torch.rand(8, 200, 2, generator=generator) - 1)
        found = tps.invert_points(shown, on_failure="nan")
        missed += int(found.isnan().any(dim=-1).sum())
        there = ~found.isnan().any(dim=-1)
        torch.testing.assert_close(tps(found)[there], shown[there], atol=1e-5, rtol=0)
    assert missed < 0.008 * 6 * 8 * 200


def test_nan_points_are_taken_to_nan() -> None:
    tps = random_tps(1, WARPS["tusk-mnist"], seeded())
    taken = tps(torch.tensor([[[0.1, 0.2], [torch.nan, 0.0]]]))
    assert taken.isnan().any(dim=-1).tolist() == [[False, True]]


@pytest.mark.parametrize(("height", "width"), [(5, 1), (1, 5), (1, 1)])
def test_a_grid_of_one_row_or_one_column_is_the_spline_there(height: int, width: int) -> None:
    tps = random_tps(2, WARPS["thewlis-mnist-g2"], seeded())
    points = identity_grid(height, width).view(1, -1, 2).expand(2, -1, -1)
    torch.testing.assert_close(tps.grid(height, width).flatten(1, 2), tps(points), atol=1e-6, rtol=0)


def test_a_grid_has_the_type_of_its_spline(dtype: torch.dtype) -> None:
    assert random_tps(2, WARPS["tusk-mnist"], seeded()).to(dtype=dtype).grid(3, 4).dtype == dtype


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (
            lambda tps: tps(torch.zeros(1, 3, 2, dtype=torch.float64)),
            "points: torch.float64 on cpu was given; allowed is that of the spline, torch.float32 on cpu",
        ),
        (
            lambda tps: warp_images(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4, 2).double()),
            "grid: torch.float64 on cpu was given; allowed is that of images, torch.float32 on cpu",
        ),
    ],
)
def test_what_does_not_meet_is_named_with_what_it_should_meet(call, complaint: str) -> None:
    with pytest.raises(TypeError, match=f"^{complaint}$"):
        call(random_tps(1, WARPS["tusk-mnist"], seeded()))


# --- what a refused fit says ----------------------------------------------------------------------------------


def test_a_fit_of_one_point_says_one() -> None:
    for count in (1, 2):
        with pytest.raises(ValueError, match=f"^source: {count} points were given; allowed are at least 3$"):
            fit_tps(torch.rand(1, count, 2), torch.rand(1, count, 2))


def test_a_fit_that_misses_names_the_entry_that_misses_most() -> None:
    source = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [0.0, 1.0], [0.2, 0.1]]]).repeat(3, 1, 1)
    target = source.clone()
    source, target = torch.cat([source, source[:, 3:]], dim=1), torch.cat([target, target[:, 3:]], dim=1)
    source[:, 4, 0] += torch.tensor([0.3, 1e-5, 3e-5])  # the second pair is closest together
    target[:, 4, 0] += 0.5
    target[0] += 100.0  # an entry with large targets is no worse for that
    with pytest.raises(ValueError, match=r"^source: points of batch entry 1 were given whose spline misses"):
        fit_tps(source, target)


def test_large_targets_are_no_reason_to_refuse_and_none_to_excuse_another_entry() -> None:
    source = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [0.3, 0.2]]])
    for size in (1e-3, 1.0, 1e4):
        fit_tps(source, size * source + size * torch.tensor([[[0.0, 0.1], [0.2, 0.0], [0.0, 0.0], [0.1, 0.0]]]))
    # One entry misses its small targets by what would be nothing beside the large targets of the other.
    close = torch.cat([source, source[:, 3:] + torch.tensor([1e-4, 0.0])], dim=1)
    target = close.clone()
    target[:, 4, 0] += 0.5
    with pytest.raises(ValueError, match=r"^source: points of batch entry 0 were given") as refused:
        fit_tps(close, target)
    miss = float(str(refused.value).split("misses its targets by ")[1].split()[0])
    apart = torch.cat([source, source[:, 3:] - 0.8], dim=1)
    with pytest.raises(ValueError, match=r"^source: points of batch entry 1 were given"):
        fit_tps(torch.cat([apart, close]), torch.cat([1e6 * miss * apart, target]))


def test_smoothing_is_as_exact_as_the_type() -> None:
    source = torch.rand(1, 9, 2, generator=seeded(), dtype=torch.float64)
    target = torch.rand(1, 9, 2, generator=seeded(1), dtype=torch.float64)
    weight = 1 / 3  # no number of float32
    tps = fit_tps(source, target, weight)
    # Smoothing gives away 2 r w of each target, and nothing else.
    torch.testing.assert_close(tps(source), target - 2 * weight * tps.weights, rtol=0, atol=1e-12)


def test_points_that_are_all_but_on_a_line_are_refused_at_any_size() -> None:
    line = torch.tensor([[[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.5, 0.0]]], dtype=torch.float64)
    for size in (1e-3, 1.0, 1e3):
        for height, refused in ((1e-7, True), (1e-5, False)):
            points = line.clone()
            points[0, 3, 1] = height
            if refused:
                with pytest.raises(ValueError, match=r"^source: collinear points"):
                    fit_tps(size * points, size * points)
            else:
                fit_tps(size * points, size * points)
