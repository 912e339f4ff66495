"""What can be told of a descriptor from its place alone, and so is no news of what is there. Beyond the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tusklite.arguments import require_integer, require_number, require_tensor
from tusklite.ops.surfaces import cubic_terms


class PositionRegression(nn.Module):
    """A running least-squares cubic from keypoint position to descriptor.

    A network that pads with zeros knows where it is, and a reconstruction does not mind. Then descriptors of one digit
    differ by place, and clusters can become rows of the image. Subtracting this regression takes that away.

    Args:
        channels: C, the length of a descriptor.
        momentum: how much of the old sums stays at each observation, from 0 (none) to below 1.

    Raises:
        TypeError, ValueError: channels is no positive integer, or a momentum out of range.

    Example:
        >>> position = PositionRegression(1)
        >>> xy = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
        >>> position.observe(xy, xy[:, :1] ** 3)
        >>> position(torch.tensor([[0.5, 0.2]])).round(decimals=2)
        tensor([[0.1300]])
    """

    gram: Tensor
    moment: Tensor
    coefficients: Tensor

    def __init__(self, channels: int, momentum: float = 0.98) -> None:
        super().__init__()
        require_integer("channels", channels, low=1)
        self.momentum = require_number("momentum", momentum)
        if momentum >= 1:
            raise ValueError(f"momentum: {momentum} was given; allowed is a number of at least 0 and below 1")
        self.register_buffer("gram", torch.zeros(10, 10))
        self.register_buffer("moment", torch.zeros(10, channels))
        self.register_buffer("coefficients", torch.zeros(10, channels))

    @torch.no_grad()
    def observe(self, xy: Tensor, descriptors: Tensor) -> None:
        """Take in points `(N, 2)` with their descriptors `(N, C)`, and solve anew.

        Raises:
            TypeError, ValueError: not finite floating-point tensors of these shapes.
        """
        require_tensor("xy", xy, ("N", 2))
        require_tensor("descriptors", descriptors, (len(xy), self.moment.shape[1]))
        terms = cubic_terms(xy)
        self.gram.mul_(self.momentum).add_(terms.T @ terms / len(xy), alpha=1 - self.momentum)
        self.moment.mul_(self.momentum).add_(terms.T @ descriptors / len(xy), alpha=1 - self.momentum)
        # A little ridge, in proportion to the sums, so that the first observations can be solved.
        ridge = 1e-5 * self.gram.diagonal().mean() * torch.eye(10, device=self.gram.device)
        gram, moment = self.gram + ridge, self.moment
        if gram.device.type == "mps":  # which has no float64
            gram, moment = gram.cpu(), moment.cpu()
        # Ten equations that the ridge makes solvable: a check would make a GPU's host wait.
        coefficients, _ = torch.linalg.solve_ex(gram.double(), moment.double())
        self.coefficients.copy_(coefficients)

    def forward(self, xy: Tensor) -> Tensor:
        """Expected descriptor `(..., C)` at points `(..., 2)`."""
        return cubic_terms(xy) @ self.coefficients
