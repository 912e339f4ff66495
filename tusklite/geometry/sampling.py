"""Random warps: what to draw from, the values of the papers, and the draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.geometry.spline import ThinPlateSpline, solve_tps

Points = tuple[tuple[float, float], ...]
MOST_CONTROL_POINTS = 100  # a side; fitting 100 x 100 takes a matrix of 10,000 x 10,000


@dataclass(frozen=True)
class WarpSpec:
    """What `random_tps` draws from. Spreads are standard deviations (normal) or half-widths (uniform).

    The similarity part takes p to `R (s (p - q) + q - q') + q' + t`: scale about q, turn about q', shift t.

    Args:
        control: how many control points a side of a regular grid over [-1, 1]^2, 2 to 100, or the points themselves.
        fixed: more control points, which stay where they are; with `deform="destinations"` only.
        deformation: spread of the noise on each element of the weights or the destinations.
        subset_deformation: spread of a second noise, added to each element with probability one half.
        rotation: spread in degrees.
        translation: spread of each coordinate of t.
        scale: spread of the scale s around `mean_scale`.
        mean_scale: mean of the scale; below 1 the warped image shows less of the original, larger.
        scale_per_axis: draw one scale for x and another for y.
        centre: spread of each coordinate of q and q'; 0 is the middle of the image.
        control_jitter: spread of the control points' own positions (not of the fixed ones).
        distribution: "normal" or "uniform", for every draw.
        deform: "weights" puts the noise on the spline's weights, less its part that no smoothest spline has;
            "destinations" on the control points before the similarity takes them to their destinations.

    Raises:
        TypeError, ValueError: a value of the wrong type or out of range.

    Example:
        >>> WarpSpec(control=5, deformation=0.005, rotation=15).control_points().shape
        torch.Size([25, 2])
    """

    control: int | Points = 10
    fixed: Points = ()
    deformation: float = 0.0
    subset_deformation: float = 0.0
    rotation: float = 0.0
    translation: float = 0.0
    scale: float = 0.0
    mean_scale: float = 1.0
    scale_per_axis: bool = False
    centre: float = 0.0
    control_jitter: float = 0.0
    distribution: str = "normal"
    deform: str = "weights"

    def __post_init__(self) -> None:
        if isinstance(self.control, tuple):
            plain: dict[str, object] = {"control": _require_pairs("control", self.control)}
        else:
            plain = {"control": require_integer("control", self.control, low=2, high=MOST_CONTROL_POINTS)}
        plain["fixed"] = _require_pairs("fixed", self.fixed)
        for name in ("deformation", "subset_deformation", "translation", "scale", "centre", "control_jitter"):
            plain[name] = require_number(name, getattr(self, name))
        plain["rotation"] = require_number("rotation", self.rotation, high=180.0)
        plain["mean_scale"] = require_number("mean_scale", self.mean_scale, open_low=True)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        require_choice("distribution", self.distribution, ("normal", "uniform"))
        require_choice("deform", self.deform, ("weights", "destinations"))
        if not isinstance(self.scale_per_axis, bool):
            raise TypeError(f"scale_per_axis: {self.scale_per_axis!r} was given; allowed are True, False")
        if self.scale >= self.mean_scale:
            raise ValueError(f"scale: {self.scale} was given; allowed is less than mean_scale ({self.mean_scale})")
        if self.control == ():
            raise ValueError("control: () was given; allowed is at least one point")
        if self.fixed and self.deform == "weights":
            raise ValueError(f"fixed: {self.fixed} was given; allowed is () with deform='weights'")

    def control_points(self) -> Tensor:
        """The control points `(N, 2)` before any jitter, without the fixed ones; a grid has x fastest."""
        if isinstance(self.control, tuple):
            return torch.tensor(self.control)
        side = torch.linspace(-1, 1, self.control)
        return torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).view(-1, 2)


def _require_pairs(name: str, points: object) -> Points:
    """The points in plain numbers."""
    if not isinstance(points, tuple) or not all(isinstance(p, tuple) and len(p) == 2 for p in points):
        raise TypeError(f"{name}: {points!r} was given; allowed is a tuple of (x, y) tuples")
    return tuple((require_number(name, x, low=-math.inf), require_number(name, y, low=-math.inf)) for x, y in points)


def _tusk(mean_scale: float, scale: float, deformation: float, centre: float, radians: float) -> WarpSpec:
    """The layout of TUSK's public code: eight jittered points inside, eight that hold the border."""
    return WarpSpec(
        control=tuple((size * x, size * y) for size in (0.7, 0.5) for y in (-1, 1) for x in (-1, 1)),
        # The point at the left is at -0.95 in that code, not at -0.99.
        fixed=(
            *((x, y) for x in (-0.99, 0.0, 0.99) for y in (-0.99, 0.99)),
            *((0.99, 0.0), (-0.95, 0.0)),
        ),
        deformation=deformation,
        rotation=math.degrees(radians),
        scale=scale,
        mean_scale=mean_scale,
        scale_per_axis=True,
        centre=centre,
        control_jitter=0.1,
        distribution="uniform",
        deform="destinations",
    )


# Thewlis et al. 2017, supplementary table 1: an image is warped by g1, and the result by g2. The table
# speaks of destination keypoints; read so, 0.001 is a twentieth of a pixel. Our inference: the noise is on
# the spline's weights, as in the later code of the same first author (DVE, 2019), where the grid also spans
# -1 to 1. The second noise is added, as the paper says; DVE puts it in place of the first.
# TUSK (Jin et al. 2022): the values of its public code; the paper prints none. "tusk-first" is g1 for all
# data sets, the others are g2. Its "offset" moves the centres of scaling and rotation; it is no
# translation.
WARPS: Mapping[str, WarpSpec] = MappingProxyType(
    {
        "thewlis-faces-g1": WarpSpec(10, deformation=0.001, subset_deformation=0.001),
        "thewlis-faces-g2": WarpSpec(
            10, deformation=0.001, subset_deformation=0.01, rotation=20, translation=0.1, scale=0.05
        ),
        "thewlis-mnist-g1": WarpSpec(
            5, deformation=0.005, subset_deformation=0.01, rotation=15, translation=0.1, scale=0.05
        ),
        "thewlis-mnist-g2": WarpSpec(
            5, deformation=0.005, subset_deformation=0.02, rotation=20, translation=0.1, scale=0.05
        ),
        # Not of a paper: the rigid part of Thewlis's g2 for faces, with the smoother and stronger bends of its digits.
        "faces-large": WarpSpec(
            5, deformation=0.005, subset_deformation=0.01, rotation=20, translation=0.1, scale=0.05
        ),
        # Not of a paper either: it moves and scales views further, so that a point's place says little of what it is.
        "faces-wild": WarpSpec(5, deformation=0.005, subset_deformation=0.01, rotation=20, translation=0.2, scale=0.15),
        "tusk-first": _tusk(0.98, 0.02, 0.03, 0.02, 0.05),
        "tusk-mnist": _tusk(0.95, 0.05, 0.1, 0.01, 0.25),
        "tusk-objects": _tusk(0.95, 0.02, 0.02, 0.05, 0.1),
        "tusk-faces": _tusk(0.9, 0.05, 0.05, 0.05, 0.25),
        "tusk-bodies": _tusk(0.95, 0.1, 0.05, 0.1, 0.25),
    }
)


def random_tps(
    batch: int, spec: WarpSpec, generator: torch.Generator, device: torch.device | str | None = None
) -> ThinPlateSpline:
    """Draw a batch of random splines.

    Args:
        batch: how many, B.
        spec: what to draw from; presets are in `WARPS`.
        generator: where the numbers come from; the same seed on the same kind of device gives the same
            splines.
        device: where the splines go; the generator's device by default. A CPU generator with `device="cuda"`
            gives the numbers of the CPU.

    Returns:
        The splines, float32, as maps from the warped image to the original.

    Raises:
        TypeError: `spec` is not a WarpSpec, `generator` is not a torch.Generator, `batch` is not an integer.
        ValueError: `batch` is below 1, or control points to fit that coincide or lie on one line.

    Source: the supplement (Thewlis et al. 2017, supplement, section 2); TUSK's public code.

    Example:
        >>> random_tps(4, WARPS["tusk-mnist"], torch.Generator().manual_seed(0)).grid(80, 80).shape
        torch.Size([4, 80, 80, 2])
    """
    batch = require_integer("batch", batch, low=1)
    if not isinstance(spec, WarpSpec):
        raise TypeError(f"spec: {type(spec).__name__} was given; allowed is a WarpSpec, such as WARPS['tusk-mnist']")
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator: {type(generator).__name__} was given; allowed is a torch.Generator")
    place: dict[str, Any] = {"generator": generator, "device": generator.device}

    def draw(spread: float, *shape: int) -> Tensor:
        normal = spec.distribution == "normal"
        return spread * (torch.randn(*shape, **place) if normal else 2 * torch.rand(*shape, **place) - 1)

    control = spec.control_points().to(generator.device)[None]  # (1, N, 2)
    shape = (batch, *control.shape[1:])
    if spec.control_jitter:
        control = control + draw(spec.control_jitter, *shape)  # (B, N, 2)
    noise = draw(spec.deformation, *shape)
    chosen = torch.rand(shape, **place) < 0.5
    noise = noise + chosen * draw(spec.subset_deformation, *shape)  # (B, N, 2)
    linear, shift = _draw_similarity(batch, spec, draw)

    if spec.deform == "weights":
        weights = _meet_side_conditions(noise, control)
        tps = ThinPlateSpline(control.expand(shape), weights, torch.cat([shift, linear], dim=1))
    else:
        fixed = torch.tensor(spec.fixed, device=generator.device).view(1, -1, 2).expand(batch, -1, -1)
        target = torch.cat([shift + (control + noise) @ linear, fixed], dim=1)
        tps, _ = solve_tps(torch.cat([control.expand(shape), fixed], dim=1), target)
    return tps if device is None else tps.to(device)


def _draw_similarity(batch: int, spec: WarpSpec, draw: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    """Scale, rotation and translation as p -> p @ linear + shift: linear (B, 2, 2), shift (B, 1, 2)."""
    angle = draw(math.radians(spec.rotation), batch)
    scale = spec.mean_scale + draw(spec.scale, batch, 2 if spec.scale_per_axis else 1).expand(-1, 2)
    translation, scale_centre, turn_centre = (
        draw(spread, batch, 1, 2) for spread in (spec.translation, spec.centre, spec.centre)
    )
    cosine, sine = angle.cos(), angle.sin()
    turn = torch.stack([cosine, sine, -sine, cosine], dim=-1).view(batch, 2, 2)  # for rows: p @ turn
    linear = scale[:, :, None] * turn
    shift = (scale_centre * (1 - scale[:, None]) - turn_centre) @ turn + turn_centre + translation
    return linear, shift


def _meet_side_conditions(weights: Tensor, control: Tensor) -> Tensor:
    """Project weights (B, N, 2) on control points (1 or B, N, 2) so that sum w = 0 and sum w c^T = 0."""
    # A fit meets these conditions by its equations, free noise does not. Only with them is the spline the
    # smoothest map through its values, and does it, far away, turn as its affine part does. Without them U
    # grows over the whole image as r^2 log r^2, and one of Thewlis's g2 in ten folds somewhere.
    plane = torch.cat([torch.ones_like(control[..., :1]), control], dim=2)  # (1 or B, N, 3)
    basis = torch.linalg.qr(plane).Q
    return weights - basis @ (basis.mT @ weights)
