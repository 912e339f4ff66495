"""Thin-plate splines: fit, evaluate, invert and draw at random the smooth warps that equivariance needs.

A warp g is stored as the map from the warped image to the original one, which is what `grid_sample` reads:
`warped(v) = image(g(v))`. So a point u seen in the image is seen at the inverse of g in the warped one.
"""

from __future__ import annotations

from tusklite.geometry.images import compose, identity_grid, warp_images
from tusklite.geometry.sampling import WARPS, WarpSpec, random_tps
from tusklite.geometry.spline import ThinPlateSpline, fit_tps

__all__ = [
    "WARPS",
    "ThinPlateSpline",
    "WarpSpec",
    "compose",
    "fit_tps",
    "identity_grid",
    "random_tps",
    "warp_images",
]
