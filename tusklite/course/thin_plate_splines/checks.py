"""Checks for lesson 01: the bending energy, points of a pair of images, a border that stays, the inverse by Newton."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_tensor, verdict
from tusklite.geometry import WARPS, ThinPlateSpline, WarpSpec, fit_tps, inversion, random_tps
from tusklite.geometry.kernel import radial, squared_distances


@verdict("flat maps cost nothing, and bent ones tr(WᵀKW)")
def check_bending_energy(bending_energy: Callable[[ThinPlateSpline], Tensor]) -> None:
    """Check `bending_energy(tps) -> (B,)`.

    Example:
        >>> def bending_energy(tps):
        ...     return tps.weights.square().sum(dim=(1, 2))
        >>> check_bending_energy(bending_energy)
        ✘ wrong: on three random splines: yours is tr(WᵀW): between the two belongs K, the kernel between control points
    """
    source, target = _uniform(3, 9, seed=1), _uniform(3, 9, seed=2)
    tps = fit_tps(source, source + 0.3 * target)
    result = answer(bending_energy, tps)
    if isinstance(result, Tensor) and result.isnan().any():
        raise WrongAnswer(
            "NaN: the distance from a control point to itself is 0, and there log r² is minus infinity, which times 0 "
            "is NaN. The limit of r² log r² is 0"
        )
    energy = answer_tensor(lambda: result, shape=(3,))
    kernel = radial(squared_distances(tps.control, tps.control))
    square = tps.weights.mT @ kernel @ tps.weights  # (3, 2, 2)
    wanted = square.diagonal(dim1=1, dim2=2).sum(dim=1)

    def energy_by(other: Tensor) -> Tensor:
        return (tps.weights * (other @ tps.weights)).sum(dim=(1, 2))

    squared = squared_distances(tps.control, tps.control)
    mistakes = [
        (wanted / 2, "half of it: the kernel is r² log r², with the square inside the log too"),
        (square[:, 0, 0], "only the sheet of x: the weights have two columns, and y bends as well"),
        (square[:, 1, 1], "only the sheet of y: the weights have two columns, and x bends as well"),
        (square.sum(dim=(1, 2)), "all four entries of WᵀKW: x and y are two sheets, so only its diagonal counts"),
        (wanted / 9, "the mean over control points: the energy is a sum"),
        (16 * torch.pi * wanted, "16π tr(WᵀKW): leave the constant out"),
        (tps.weights.square().sum(dim=(1, 2)), "tr(WᵀW): between the two belongs K, the kernel between control points"),
        (energy_by(squared), "with squared distances for K: the kernel r² log r² is still to be taken of them"),
        (energy_by(squared.sqrt()), "with distances for K: the kernel is still to be taken of them"),
        (energy_by(radial(squared.sqrt())), "with the kernel of r; it takes the square of the distance"),
        (energy_by(radial(squared.square())), "with the kernel of r⁴: the distances were squared twice"),
        (energy_by(kernel @ kernel), "with K twice: once is enough"),
        ((kernel @ tps.weights).square().sum(dim=(1, 2)), "the sum of squares of K W; asked for is W times it"),
        (kernel.square().sum(dim=(1, 2)), "made of K alone; its weights are W"),
    ]
    where = "on three random splines"
    for other, reason in mistakes:
        if close(energy, other):
            raise WrongAnswer(f"{where}: yours is {reason}")
    centre = torch.tensor([[0.1, 0.2]], dtype=torch.float64)
    affine = torch.cat([centre, 1.5 * torch.eye(2, dtype=torch.float64)])[None].expand(3, -1, -1)
    still = ThinPlateSpline(tps.control, torch.zeros_like(tps.weights), affine)
    flat = answer_tensor(bending_energy, still, shape=(3,))
    if not close(flat, torch.zeros(3).double()):
        raise WrongAnswer(
            f"on a shift with a scale, which bends nothing: the energy is 0, yours is {float(flat[0]):.4g}"
        )
    compare(energy, wanted, where=where, axes=("spline",))


@verdict("both points sit where the images show them")
def check_points_of_a_pair(points_of_a_pair: Callable[..., tuple[Tensor, Tensor]]) -> None:
    """Check `points_of_a_pair(points, first, second) -> (points in x, points in x')`.

    Example:
        >>> check_points_of_a_pair(lambda points, first, second: (first(points), second(first(points))))
        ✘ wrong: in x: you moved the points by g₁, which says where x is read; they are seen at its inverse
    """
    generator = drawn(3)
    first, second = (random_tps(4, WARPS["thewlis-mnist-g2"], generator).to(dtype=torch.float64) for _ in range(2))
    points = 0.4 * _uniform(4, 5, seed=4)
    result = answer(points_of_a_pair, points, first, second)
    if not isinstance(result, tuple) or len(result) != 2:
        raise WrongAnswer(
            f"two tensors are asked for, (points in x, points in x'); yours gives {type(result).__name__}"
        )
    in_x, in_pair = (answer_tensor(lambda part=part: part, shape=(4, 5, 2)) for part in result)
    wanted = first.invert_points(points)
    if close(in_x, first(points), 1e-3):
        raise WrongAnswer("in x: you moved the points by g₁, which says where x is read; they are seen at its inverse")
    if not close(in_x, wanted, 1e-3):
        raise WrongAnswer(f"in x: a point is {_pixels_off(in_x, wanted):.1f} px from where x shows it (at 100 px)")
    for other, reason in (
        (second(wanted), "you moved the points of x by g₂; they are seen at its inverse"),
        (second.invert_points(points), "you left g₁ out: x' is made of x, so start from the points of x"),
        (first.invert_points(second.invert_points(points)), "the order is turned round: g₁ was applied first"),
        (wanted, "these are the points of x once more"),
    ):
        if close(in_pair, other, 1e-3):
            raise WrongAnswer(f"in x': {reason}")
    wanted = second.invert_points(wanted)
    if not close(in_pair, wanted, 1e-3):
        raise WrongAnswer(f"in x': a point is {_pixels_off(in_pair, wanted):.1f} px from where x' shows it (at 100 px)")


@verdict("the middle moves and the border stays")
def check_hold_border(hold_border: Callable[[Tensor, Tensor, int], ThinPlateSpline]) -> None:
    """Check `hold_border(source, target, pins) -> ThinPlateSpline`.

    Example:
        >>> check_hold_border(lambda source, target, pins: fit_tps(source, target))
        ✘ wrong: with 9 pins a side the corners move by up to 62.5 px (at 100 px): they need pins too
    """
    line = torch.linspace(-1, 1, 65, dtype=torch.float64)
    edge = torch.ones_like(line)
    border = torch.cat([torch.stack([x, y], -1) for x, y in ((line, edge), (line, -edge), (edge, line), (-edge, line))])
    border = border.expand(2, -1, -1)  # (2, 4 * 65, 2)
    source = 0.5 * _uniform(2, 5, seed=5, variants=False)  # how far a border gives way depends on the points
    target = source + 0.2 * _uniform(2, 5, seed=6, variants=False)
    for pins in (9, 17):
        tps = answer(hold_border, source, target, pins)
        if not isinstance(tps, ThinPlateSpline):
            raise WrongAnswer(f"a ThinPlateSpline is asked for, yours gives {type(tps).__name__}")
        tps = tps.to(dtype=torch.float64)
        if not all(torch.isfinite(part).all() for part in (tps.control, tps.weights, tps.affine)):
            raise WrongAnswer(f"with {pins} pins a side the spline holds NaN or infinite values")
        moved = tps(border)
        corners = border.abs().sum(dim=-1) == 2
        off = _pixels_off(moved[corners], border[corners])
        if off > 0.1:
            raise WrongAnswer(
                f"with {pins} pins a side the corners move by up to {off:.1f} px (at 100 px): they need pins too"
            )
        off = _pixels_off(moved, border)
        if off > 0.5:
            raise WrongAnswer(
                f"with {pins} pins a side the corners stay, but between them the border moves by up to {off:.1f} px "
                f"(at 100 px): pin the whole of each side"
            )
        _refuse_pins(tps.control, source, pins)
        off = _pixels_off(tps(source), target)
        if off > 0.1:
            raise WrongAnswer(
                f"with {pins} pins a side the border stays, but a source ends {off:.1f} px from its target (at 100 px)"
            )


@verdict("Newton finds every point, in the few steps it was given")
def check_invert(invert: Callable[[ThinPlateSpline, Tensor, int], Tensor]) -> None:
    """Check `invert(tps, points, steps) -> points v with g(v) = points`.

    Example:
        >>> check_invert(lambda tps, points, steps: tps(points))
        ✘ wrong: you gave g(u); what is asked for is the v with g(v) = u
    """
    spec = WarpSpec(5, deformation=0.01, rotation=25, translation=0.1, scale=0.2, scale_per_axis=True)
    tps = random_tps(6, spec, drawn(7)).to(dtype=torch.float64)
    points = 0.5 * _uniform(6, 20, seed=8)
    given = _WithoutInverse(tps.control, tps.weights, tps.affine)
    invert = without(invert, {inversion.invert: "it is the package's answer; use tps and tps.jacobian alone"})
    found = answer_tensor(invert, given, points, 10, shape=(6, 20, 2)).double()
    if close(found, tps(points)):
        raise WrongAnswer("you gave g(u); what is asked for is the v with g(v) = u")
    if close(found, points):
        raise WrongAnswer("you gave the points back where they were: each step has to start from the last one's result")
    residual = (tps(points) - points)[..., None]
    first = points - torch.linalg.solve(tps.jacobian(points), residual)[..., 0]
    if close(found, first):
        raise WrongAnswer("you took one step of Newton's and stopped; take as many as `steps` says")
    start, end = ((tps(v) - points).norm(dim=-1).max().item() for v in (points, found))
    if end > start:
        raise WrongAnswer(
            f"the search runs away: |g(v) - u| grows from {start:.2g} to {end:.2g}. Which sign has the step?"
        )
    if end > 1e-6:
        raise WrongAnswer(
            f"the search comes closer, but after 10 steps |g(v) - u| is still {end:.1g}, and Newton's should be below "
            "1e-6: is it the whole Jacobian, at the newest v, and neither transposed nor inverted twice?"
        )
    found = answer_tensor(invert, given, points, 1, shape=(6, 20, 2)).double()
    left = (tps(found) - points).norm(dim=-1).max().item()
    if not close(found, first):
        if left < 0.5 * (tps(first) - points).norm(dim=-1).max():
            raise WrongAnswer(
                f"with steps = 1 yours comes as close as {left:.1g}, and one step of Newton's from v = u does not: "
                "take as many steps as `steps` says, no more"
            )
        raise WrongAnswer("with steps = 1 yours is not one step of Newton's from v = u")


def _refuse_pins(control: Tensor, source: Tensor, pins: int) -> None:
    """Refuse control points (B, N, 2), those of the sources left out, that are not `pins` points along each side."""
    near_source = torch.cdist(control, source).amin(dim=(0, 2)) < 1e-4
    held = control[0, ~near_source]  # (N', 2)
    line = torch.linspace(-1, 1, pins, dtype=held.dtype)
    edge = torch.ones_like(line)
    asked = torch.cat([torch.stack([x, y], -1) for x, y in ((line, edge), (line, -edge), (edge, line), (-edge, line))])
    if len(held) and not (far := held.abs().amax(dim=1).max()) > 1 - 1e-4:
        raise WrongAnswer(f"your outermost pins are at {far:.4g}; the border is at 1, pin it there")
    along = int((held[:, 1] > 1 - 1e-4).sum())
    if along != pins:
        raise WrongAnswer(f"{pins} pins a side are asked for, from corner to corner; your lowest side has {along}")
    if len(held) == 0 or torch.cdist(asked, held).amin(dim=1).max() > 1e-3:
        raise WrongAnswer(
            f"with {pins} pins a side they should stand in even steps from corner to corner; yours do not"
        )


class _WithoutInverse(ThinPlateSpline):
    """A spline that leaves its inverse to the reader."""

    def invert_points(self, *arguments: object, **options: object) -> Tensor:
        raise WrongAnswer("invert_points is the package's answer; find the points with tps and tps.jacobian alone")


def _uniform(batch: int, count: int, seed: int, variants: bool = True) -> Tensor:
    """Points (batch, count, 2) in [-1, 1]."""
    generator = drawn(seed) if variants else torch.Generator().manual_seed(seed)
    return 2 * torch.rand(batch, count, 2, generator=generator, dtype=torch.float64) - 1


def _pixels_off(points: Tensor, wanted: Tensor) -> float:
    """The largest distance, in pixels of an image of 100."""
    return 50 * (points.detach().to(wanted) - wanted).norm(dim=-1).max().item()
