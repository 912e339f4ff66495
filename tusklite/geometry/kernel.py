"""The radial function U of thin-plate splines, and the precision in which they are solved."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_distances(centres: Tensor, points: Tensor) -> Tensor:
    """Squared distances (B, N, P) of centres (B or 1, N, 2) and points (B, P, 2).

    Example:
        >>> squared_distances(torch.zeros(1, 1, 2), torch.tensor([[[3.0, 4.0]]]))
        tensor([[[25.]]])
    """
    x = points[:, None, :, 0] - centres[:, :, None, 0]
    y = points[:, None, :, 1] - centres[:, :, None, 1]
    return x.square() + y.square()


def safe_log(squared: Tensor) -> Tensor:
    """log r^2 of squared distances, finite at 0.

    Example:
        >>> safe_log(torch.tensor([0.0, 1.0])) * torch.tensor([0.0, 1.0])
        tensor([-0., 0.])
    """
    # The clamp keeps value and gradient finite at 0, where log would make 0 * inf.
    return squared.clamp_min(torch.finfo(squared.dtype).tiny).log()


def radial(squared: Tensor) -> Tensor:
    """U = r^2 log r^2 of squared distances r^2.

    Example:
        >>> radial(torch.tensor([0.0, 1.0, 2.0]))
        tensor([-0.0000, 0.0000, 1.3863])
    """
    if squared.requires_grad:
        return squared * safe_log(squared)
    # Without a gradient to keep, in the fewest passes over memory.
    return squared.clamp_min(torch.finfo(squared.dtype).tiny).log_().mul_(squared)


def solving_type(device: torch.device) -> torch.dtype:
    """float64, or float32 on a device that has nothing finer, such as Apple's mps.

    Example:
        >>> solving_type(torch.device("cpu")), solving_type(torch.device("mps"))
        (torch.float64, torch.float32)
    """
    return torch.float32 if device.type == "mps" else torch.float64
