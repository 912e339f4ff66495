"""Claim: the dense grid of a batch of thin-plate splines takes less time than kornia's `warp_points_tps`."""

from __future__ import annotations

import kornia
import torch
from ratio import report, seconds_in_turn

from tusklite.geometry import ThinPlateSpline, identity_grid

BATCH, SIZE, CONTROL_POINTS = 32, 80, 16


def main() -> None:
    """Time both on the same splines, whose control points differ within the batch."""
    torch.set_num_threads(1)  # with more, a busy machine times the threads waiting for each other
    generator = torch.Generator().manual_seed(0)
    control = 2 * torch.rand(BATCH, CONTROL_POINTS, 2, generator=generator) - 1
    weights = 0.01 * torch.randn(BATCH, CONTROL_POINTS, 2, generator=generator)
    affine = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).repeat(BATCH, 1, 1)
    tps = ThinPlateSpline(control, weights, affine)
    points = identity_grid(SIZE, SIZE).view(1, -1, 2).repeat(BATCH, 1, 1)
    kernel_weights = 2 * weights  # kornia's kernel is r^2 log r, half of r^2 log r^2

    def ours() -> torch.Tensor:
        return tps.grid(SIZE, SIZE)

    def rival() -> torch.Tensor:
        return kornia.geometry.transform.warp_points_tps(points, control, kernel_weights, affine)

    torch.testing.assert_close(ours(), rival().view(BATCH, SIZE, SIZE, 2), atol=1e-5, rtol=1e-5)
    report("tps_grid", *seconds_in_turn(ours, rival, repeats=15, warmup=3), f"kornia-{kornia.__version__}")


if __name__ == "__main__":
    main()
