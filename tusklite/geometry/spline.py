"""The spline itself: evaluate it at points or on a grid, differentiate it, invert it, fit it to pairs of points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tusklite.arguments import (
    looks_at_values,
    require_alike,
    require_choice,
    require_integer,
    require_number,
    require_tensor,
)
from tusklite.geometry.images import identity_grid
from tusklite.geometry.inversion import invert
from tusklite.geometry.kernel import radial, safe_log, solving_type, squared_distances
from tusklite.precision import at_least_single

EXACTNESS = 1e-4  # of a fitted spline at its sources, relative to the largest coordinate of a target


@dataclass(frozen=True, eq=False)
class ThinPlateSpline:
    """A batch of plane maps `g(p) = a0 + ax x + ay y + sum_n w_n U(|p - c_n|)`, with `U(r) = r^2 log r^2`.

    In half precision it is evaluated in float32, and what comes of it is rounded once.

    Args:
        control: `(B, N, 2)` the centres c_n, as (x, y) in [-1, 1].
        weights: `(B, N, 2)` the weights w_n; all zero leaves an affine map.
        affine: `(B, 3, 2)` the rows a0, ax and ay.

    Raises:
        TypeError: a field is not a floating-point tensor, or types or devices differ.
        ValueError: shapes do not belong together.

    Source: "Principal warps: thin-plate splines and the decomposition of deformations" (Bookstein 1989).

    Example:
        >>> shift = torch.tensor([[[0.5, 0.0], [1.0, 0.0], [0.0, 1.0]]])
        >>> tps = ThinPlateSpline(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), shift)
        >>> tps(torch.tensor([[[0.25, -1.0]]]))
        tensor([[[ 0.7500, -1.0000]]])
    """

    control: Tensor
    weights: Tensor
    affine: Tensor

    def __post_init__(self) -> None:
        require_tensor("control", self.control, ("B", "N", 2), finite=False)
        require_tensor("weights", self.weights, tuple(self.control.shape), finite=False)
        require_tensor("affine", self.affine, (self.control.shape[0], 3, 2), finite=False)
        require_alike("control", self.control, weights=self.weights, affine=self.affine)

    def __call__(self, points: Tensor) -> Tensor:
        """Map points `(B, P, 2)` of the warped image to points `(B, P, 2)` of the original; differentiable.

        Raises:
            TypeError: `points` is not a floating-point tensor, or of another type or device than the spline.
            ValueError: not of shape (B, P, 2), or of another batch size than the spline.

        Example:
            >>> corners = torch.tensor([[[-1.0, -1], [1, -1], [0, 1]]])
            >>> fit_tps(corners, 2 * corners)(torch.tensor([[[0.25, 0.125]]]))
            tensor([[[0.5000, 0.2500]]])
        """
        self._require_points(points)
        if self._is_half():
            return self._wide()(points.float()).to(points.dtype)
        bent = self.weights.mT @ radial(squared_distances(self._centres(), points))  # (B, 2, P)
        return self.affine[:, :1] + points @ self.affine[:, 1:] + bent.mT  # (B, P, 2)

    def grid(self, height: int, width: int) -> Tensor:
        """Map every pixel centre of a `height` x `width` image: the `(B, H, W, 2)` grid for `warp_images`.

        It equals calling the spline on `identity_grid`, in less time: on a grid the squared distances are a
        sum of a row term and a column term, and splines with the same control points share the radial terms.

        Raises:
            TypeError, ValueError: height or width is not an integer of at least 1.

        Example:
            >>> identity = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
            >>> ThinPlateSpline(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), identity).grid(1, 2)
            tensor([[[[-0.5000,  0.0000],
                      [ 0.5000,  0.0000]]]])
        """
        if self._is_half():
            return self._wide().grid(height, width).to(self.control.dtype)
        pixels = identity_grid(height, width, self.control.device, self.control.dtype)
        x, y = pixels[0, :, 0], pixels[:, 0, 1]  # (W,), (H,)
        centres = self._centres()
        squared_x = (x - centres[..., :1]).square().unsqueeze(-2)  # (B or 1, N, 1, W)
        squared_y = (y - centres[..., 1:]).square().unsqueeze(-1)  # (B or 1, N, H, 1)
        bent = self.weights.mT @ radial(squared_y + squared_x).flatten(2)  # (B, 2, H * W)
        shift, along_x, along_y = self.affine[..., None, None].unbind(1)  # each (B, 2, 1, 1)
        flat = shift + along_x * x + along_y * y[:, None]  # (B, 2, H, W)
        return (flat + bent.view_as(flat)).permute(0, 2, 3, 1).contiguous()

    def jacobian(self, points: Tensor) -> Tensor:
        """Derivatives `(B, P, 2, 2)` at points `(B, P, 2)`: entry [i, j] is d g_i / d p_j.

        Where the determinant is positive the warp neither folds nor mirrors.

        Raises:
            TypeError, ValueError: as for calling the spline.

        Example:
            >>> stretch = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]])
            >>> tps = ThinPlateSpline(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), stretch)
            >>> torch.det(tps.jacobian(torch.rand(1, 1, 2)))
            tensor([[6.]])
        """
        self._require_points(points)
        if self._is_half():
            return self._wide().jacobian(points.float()).to(points.dtype)
        centres = self._centres()
        slope = 2 * (safe_log(squared_distances(centres, points)) + 1)  # (B, N, P), dU / d(r^2) times 2
        offset = points[:, None] - centres[:, :, None]  # (B, N, P, 2)
        bent = torch.einsum("bni,bnp,bnpj->bpij", self.weights, slope.expand(len(offset), -1, -1), offset)
        return self.affine[:, None, 1:].mT + bent

    def invert_points(
        self,
        points: Tensor,
        tolerance: float = 1e-7,
        steps: int = 50,
        on_failure: str = "raise",
        surroundings: bool = True,
    ) -> Tensor:
        """Find where points of the original are seen in the warped image: v with g(v) = u, by damped Newton.

        Each point starts at the best node of a coarse grid over the image, then over its surroundings if that
        fails; a step that does not bring it closer is halved. A warp that folds shows a point more than once,
        and one of these is returned; it can also leave points of the original out, and these are not found.
        Gradients with respect to points and spline are exact (implicit function theorem).

        Args:
            points: `(B, P, 2)` points u of the original image.
            tolerance: largest distance |g(v) - u| that counts as found. The search runs in float64; on a
                device without it (mps), in float32, and 1e-5 is the finest tolerance.
            steps: largest number of Newton steps from one start.
            on_failure: "raise", or "nan" to mark the points that were not found by NaN in the result.
            surroundings: also search around the image, as far again, for what is not found in it.

        Returns:
            `(B, P, 2)` points v of the warped image, in the type of `points`.

        Raises:
            TypeError, ValueError: a wrong argument, points not finite, or, with "raise", points not found.

        Example:
            >>> square = torch.tensor([[[-1.0, -1], [1, -1], [-1, 1], [1, 1]]])
            >>> tps, u = fit_tps(square, square + 0.1 * square.flip(1)), torch.tensor([[[0.3, -0.2]]])
            >>> torch.allclose(tps(tps.invert_points(u)), u, atol=1e-5)
            True
        """
        self._require_points(points, finite=True)
        tolerance = require_number("tolerance", tolerance, open_low=True)
        steps = require_integer("steps", steps, low=1)
        require_choice("on_failure", on_failure, ("raise", "nan"))
        if not isinstance(surroundings, bool):
            raise TypeError(f"surroundings: {surroundings!r} was given; allowed are True and False")
        return invert(self, points, tolerance, steps, on_failure, surroundings)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> ThinPlateSpline:
        """Return the same splines on another device, or in another floating-point type.

        Example:
            >>> corners = torch.tensor([[[-1.0, -1], [1, -1], [0, 1]]])
            >>> fit_tps(corners, corners).to("cpu", torch.float64).control.dtype
            torch.float64
        """
        control = self._centres().to(device=device, dtype=dtype).expand_as(self.control)
        weights, affine = (field.to(device=device, dtype=dtype) for field in (self.weights, self.affine))
        return ThinPlateSpline(control, weights, affine)

    def _is_half(self) -> bool:
        return at_least_single(self.control.dtype) != self.control.dtype

    def _wide(self) -> ThinPlateSpline:
        """The same splines in float32: sums over control points, and places of pixels, are too much for half."""
        return self.to(dtype=torch.float32)

    def _centres(self) -> Tensor:
        """The control points: one row, (1, N, 2), where the whole batch is a view of the same ones."""
        return self.control[:1] if self.control.stride(0) == 0 else self.control

    def _require_points(self, points: Tensor, finite: bool = False) -> None:
        require_tensor("points", points, (self.control.shape[0], "P", 2), finite)
        require_alike("the spline", self.control, points=points)


def fit_tps(source: Tensor, target: Tensor, regularization: float = 0.0) -> ThinPlateSpline:
    """Fit the smoothest spline that takes each source point to its target; differentiable.

    It is solved in float64 (in float32 on mps, which has no float64), and its weights are then rounded to the type of
    `source`. Two sources close together that go to targets far apart need weights so large that their rounding moves
    the spline; what is handed back takes every source where the solution takes it, or is refused.

    Args:
        source: `(B, N, 2)` at least three distinct points, not on one line.
        target: `(B, N, 2)` where they go.
        regularization: 0 passes through the targets; larger values trade that for smoothness, up to the
            least-squares affine map. It is the `smoothing` of scipy's `RBFInterpolator`, value for value.

    Returns:
        The spline, in the type and on the device of `source`. At the sources it is right to 1e-4 of the largest
        coordinate of a target: 0.004 pixels in an image of 80.

    Raises:
        TypeError: not floating-point tensors, types or devices that differ, or not a number.
        ValueError: shapes that differ; under three points; coincident or collinear ones; sources too close together
            for targets so far apart in this type.

    Source: (Bookstein 1989); with regularization, "Spline models for observational data" (Wahba 1990).

    Example:
        >>> square = torch.tensor([[[-1.0, -1], [1, -1], [-1, 1], [1, 1], [0, 0]]])
        >>> target = square.clone()
        >>> target[0, 4] = torch.tensor([0.25, -0.5])
        >>> fit_tps(square, target)(square)[0, 4]
        tensor([ 0.2500, -0.5000])
    """
    tps, wanted = solve_tps(source, target, regularization)
    with torch.no_grad():
        missed = (tps(source) - wanted).abs().amax((1, 2))  # (B,)
        allowed = EXACTNESS * target.abs().amax((1, 2)).to(wanted)
        if not (missed <= allowed).all():
            worst = int((missed - allowed).argmax())
            raise ValueError(
                f"source: points of batch entry {worst} were given whose spline misses its targets by "
                f"{float(missed[worst]):.2g} in {source.dtype}; allowed are points farther apart, or a finer type"
            )
    return tps


def solve_tps(source: Tensor, target: Tensor, regularization: float = 0.0) -> tuple[ThinPlateSpline, Tensor]:
    """What `fit_tps` does, without a look at how exact the rounded spline is.

    A random warp needs none: its targets are noise, and it is the same map wherever it is used.

    Returns:
        The spline, and where the solution takes the sources, `(B, N, 2)` in the type that it was solved in.

    Raises:
        TypeError, ValueError: as for `fit_tps`, but for the exactness.

    Example:
        >>> corners = torch.tensor([[[-1.0, -1], [1, -1], [0, 1]]])
        >>> solve_tps(corners, 2 * corners)[1].dtype
        torch.float64
    """
    require_tensor("source", source, ("B", "N", 2))
    require_tensor("target", target, tuple(source.shape))
    require_alike("source", source, target=target)
    regularization = require_number("regularization", regularization)
    points = source.to(solving_type(source.device))
    squared = squared_distances(points, points)  # (B, N, N)
    if looks_at_values():
        _require_spread(points.detach(), squared.detach())
    batch, count, _ = source.shape
    # scipy adds its smoothing to the diagonal of r^2 log r, which is U / 2: twice of it goes on that of U.
    bending = radial(squared) + 2 * regularization * torch.eye(count).to(points)
    plane = torch.cat([torch.ones_like(points[..., :1]), points], dim=2)  # (B, N, 3)
    upper = torch.cat([bending, plane], dim=2)
    lower = torch.cat([plane.mT, plane.new_zeros(batch, 3, 3)], dim=2)
    wanted = torch.cat([target.to(points), plane.new_zeros(batch, 3, 2)], dim=1)
    # Distinct points that are not on one line can be solved: nothing is left to be checked, so no host has to wait.
    solution, _ = torch.linalg.solve_ex(torch.cat([upper, lower], dim=1), wanted)  # (B, N + 3, 2)
    # The first N equations say that the spline and 2 r w, the part that smoothing gives away, make up the target.
    reached = wanted[:, :count] - 2 * regularization * solution[:, :count]
    rounded = solution.to(source.dtype)
    return ThinPlateSpline(source, rounded[:, :count], rounded[:, count:]), reached.detach()


def _require_spread(points: Tensor, squared: Tensor) -> None:
    """Refuse control points (B, N, 2) that leave the spline undetermined."""
    if points.shape[1] < 3:
        raise ValueError(f"source: {points.shape[1]} points were given; allowed are at least 3")
    itself = torch.eye(points.shape[1], dtype=torch.bool, device=points.device)
    # Relative to the size of the set; float32 coordinates are good to about 1e-7 of it.
    if (squared.masked_fill(itself, math.inf).amin((1, 2)) <= 1e-12 * squared.amax((1, 2))).any():
        raise ValueError("source: coincident points were given; allowed are distinct points")
    narrow = torch.linalg.svdvals(points - points.mean(dim=1, keepdim=True))  # (B, 2)
    if (narrow[:, 1] <= 1e-6 * narrow[:, 0]).any():
        raise ValueError("source: collinear points were given; allowed are points that are not all on one line")
