"""Each check of lesson 01 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import torch
from lesson_definitions import definitions

from tusklite.course import thin_plate_splines as lesson
from tusklite.geometry import ThinPlateSpline, fit_tps, inversion

SOLUTIONS = definitions("solutions/01_thin_plate_splines")
LESSON = definitions("01_thin_plate_splines")
kernel, bending_energy = SOLUTIONS["kernel"], SOLUTIONS["bending_energy"]
hold_border, invert = SOLUTIONS["hold_border"], SOLUTIONS["invert"]


def energy_with(squared_kernel):
    """The energy by another kernel."""

    def energy(tps: ThinPlateSpline) -> torch.Tensor:
        bent = squared_kernel(torch.cdist(tps.control, tps.control).square()) @ tps.weights
        return (tps.weights * bent).sum(dim=(1, 2))

    return energy


def energy_of_all_entries(tps: ThinPlateSpline) -> torch.Tensor:
    square = tps.weights.mT @ kernel(torch.cdist(tps.control, tps.control).square()) @ tps.weights
    return square.sum(dim=(1, 2))


def energy_of_one_sheet(sheet: int):
    """The energy of x alone, or of y."""

    def energy(tps: ThinPlateSpline) -> torch.Tensor:
        squared = torch.cdist(tps.control, tps.control).square()
        return (tps.weights * (kernel(squared) @ tps.weights)).sum(dim=1)[:, sheet]

    return energy


def only_corners(source: torch.Tensor, target: torch.Tensor, pins: int) -> ThinPlateSpline:
    return hold_border(source, target, 2)


def doubled_corners(source: torch.Tensor, target: torch.Tensor, pins: int) -> ThinPlateSpline:
    line = torch.linspace(-1, 1, pins, dtype=source.dtype)
    edge = torch.ones_like(line)
    sides = [torch.stack(pair, -1) for pair in ((line, edge), (line, -edge), (edge, line), (-edge, line))]
    border = torch.cat(sides).expand(len(source), -1, -1)
    return fit_tps(torch.cat([source, border], dim=1), torch.cat([target, border], dim=1))


def first_alone(solution):
    """A solution that has the first of a batch for all."""
    return lambda tps: solution(tps) * (torch.arange(len(tps.control)) == 0) if tps.weights.any() else solution(tps)


def pinned_at(edge: float):
    """The border held where it is not."""

    def hold(source: torch.Tensor, target: torch.Tensor, pins: int) -> ThinPlateSpline:
        held = hold_border(source[:, :0], target[:, :0], pins).control * edge
        return fit_tps(torch.cat([source, held], dim=1), torch.cat([target, held], dim=1))

    return hold


def uneven_pins(source: torch.Tensor, target: torch.Tensor, pins: int) -> ThinPlateSpline:
    held = (torch.pi / 2 * hold_border(source[:, :0], target[:, :0], pins).control).sin()
    return fit_tps(torch.cat([source, held], dim=1), torch.cat([target, held], dim=1))


def newton(direction=lambda jacobian: jacobian, sign: int = -1):
    """Newton's search with something amiss."""

    def search(tps: ThinPlateSpline, points: torch.Tensor, steps: int) -> torch.Tensor:
        v = points
        for _ in range(steps):
            residual = (tps(v) - points)[..., None]
            v = v + sign * torch.linalg.solve(direction(tps.jacobian(v)), residual)[..., 0]
        return v

    return search


ANSWERS = {
    lesson.check_bending_energy: {
        "NaN: .* limit of": energy_with(lambda squared: squared * squared.log()),
        "half of it": energy_with(lambda squared: kernel(squared) / 2),
        "only the sheet of x": energy_of_one_sheet(0),
        "only the sheet of y": energy_of_one_sheet(1),
        "all four entries": energy_of_all_entries,
        "mean over control points": lambda tps: bending_energy(tps) / 9,
        "shift with a scale, which bends nothing": lambda tps: tps.affine.square().sum(dim=(1, 2)),
        "the sign is turned round": lambda tps: -bending_energy(tps),
        r"16π tr\(WᵀKW\): leave": lambda tps: 16 * torch.pi * bending_energy(tps),
        "between the two belongs K": lambda tps: tps.weights.square().sum(dim=(1, 2)),
        "with squared distances for K": energy_with(lambda squared: squared),
        "with distances for K": energy_with(torch.sqrt),
        "the kernel of r; it takes the square": energy_with(lambda squared: kernel(squared.sqrt())),
        "squared twice": energy_with(lambda squared: kernel(squared.square())),
        "K twice": energy_with(lambda squared: kernel(squared) @ kernel(squared)),
        "made of K alone": lambda tps: kernel(torch.cdist(tps.control, tps.control).square()).square().sum(dim=(1, 2)),
        "spline 0 is right, and no other": first_alone(bending_energy),
        r"should have shape \(3,\), yours has \(\)": lambda tps: bending_energy(tps).sum(),
        "a tensor is asked for, yours gives float": lambda tps: 0.0,
    },
    lesson.check_points_of_a_pair: {
        "in x: you moved the points by g₁": lambda u, g1, g2: (g1(u), g2(g1(u))),
        "in x: a point is .* px": lambda u, g1, g2: (u, g2.invert_points(u)),
        "in x': you left g₁ out": lambda u, g1, g2: (g1.invert_points(u), g2.invert_points(u)),
        "in x': the order is turned round": lambda u, g1, g2: (
            g1.invert_points(u),
            g1.invert_points(g2.invert_points(u)),
        ),
        "in x': you moved the points of x by g₂": lambda u, g1, g2: (g1.invert_points(u), g2(g1.invert_points(u))),
        "in x': these are the points of x once more": lambda u, g1, g2: 2 * (g1.invert_points(u),),
        "in x': a point is .* px": lambda u, g1, g2: (g1.invert_points(u), u),
        "two tensors are asked for": lambda u, g1, g2: g2.invert_points(g1.invert_points(u)),
    },
    lesson.check_hold_border: {
        "the corners move by up to": lambda source, target, pins: fit_tps(source, target),
        "the corners stay, but between them": only_corners,
        "a source ends .* px from its target": lambda source, target, pins: hold_border(source, source, pins),
        "coincident points": doubled_corners,
        "your outermost pins are at 0.99; the border is at 1": pinned_at(0.99),
        "9 pins a side are asked for, .* your lowest side has 17": lambda s, t, pins: hold_border(s, t, 17),
        "in even steps": uneven_pins,
        "a ThinPlateSpline is asked for": lambda source, target, pins: target,
    },
    lesson.check_invert: {
        r"you gave g\(u\)": lambda tps, points, steps: tps(points),
        "you gave the points back": lambda tps, points, steps: points,
        "one step of Newton's": lambda tps, points, steps: invert(tps, points, 1),
        "runs away": newton(sign=1),
        "neither transposed nor inverted": newton(lambda jacobian: jacobian.mT),
        "still .* Newton's should be below": newton(lambda jacobian: torch.eye(2).to(jacobian)),
        "invert_points is the package's answer": lambda tps, points, steps: tps.invert_points(points),
        "with steps = 1 yours comes as close as .* no more": lambda tps, points, steps: invert(tps, points, 50),
        "with steps = 1 yours is not one step": lambda tps, points, steps: (
            invert(tps, 0.9 * points, 1) if steps == 1 else invert(tps, points, steps)
        ),
        "you called `invert`: it is the package's answer": lambda tps, points, steps: inversion.invert(
            tps, points, 1e-6, 20, "raise"
        ),
    },
}
EXERCISES = {
    lesson.check_bending_energy: "bending_energy",
    lesson.check_points_of_a_pair: "points_of_a_pair",
    lesson.check_hold_border: "hold_border",
    lesson.check_invert: "invert",
}


def test_the_trace_is_the_integral_up_to_16_pi():
    """What exercise 1.1 says of the bending energy, by finite differences over a large square."""
    generator = torch.Generator().manual_seed(0)
    source = 2 * torch.rand(1, 6, 2, generator=generator, dtype=torch.float64) - 1
    tps = fit_tps(source, torch.rand(1, 6, 2, generator=generator, dtype=torch.float64))
    reach, count = 8.0, 401
    line = torch.linspace(-reach, reach, count, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line).unsqueeze(0)
    slopes = tps.jacobian(grid).view(count, count, 2, 2)
    step = 2 * reach / (count - 1)
    along_x, along_y = torch.gradient(slopes, spacing=step, dim=(0, 1))
    integral = (along_x.square().sum() + along_y.square().sum()) * step**2
    torch.testing.assert_close(integral, 16 * torch.pi * bending_energy(tps)[0], rtol=0.03, atol=0)
