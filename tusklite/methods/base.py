"""What every method's training step shares: its random numbers, and a step of the network that refuses NaN."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class NonFiniteLoss(ArithmeticError):
    """A loss term, the heatmap or the gradient became NaN or infinite; the message names which, and the step."""


def step_generator(seed: int, step: int) -> torch.Generator:
    """The CPU generator of one training step: a function of seed and step alone, so resuming needs no memory of draws.

    Example:
        >>> bool(torch.rand(1, generator=step_generator(0, 5)) == torch.rand(1, generator=step_generator(0, 5)))
        True
    """
    return torch.Generator().manual_seed((seed * 1_000_003 + step) * 2_654_435_761 % 2**63)


def network_step(total: Tensor, terms: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, step: int) -> None:
    """Move a network along the gradient of a total, or refuse where it or its gradient is not finite.

    Args:
        total: the scalar to lessen.
        terms: its parts by name, for the message.
        optimizer: of the network.
        step: number of this step, for the message.

    Raises:
        NonFiniteLoss: before anything of the network is changed.
    """
    if not torch.isfinite(total):
        bad = [name for name, value in terms.items() if not torch.isfinite(value)]
        raise NonFiniteLoss(f"step {step}: {', '.join(bad) or 'the sum'} is not finite")
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    # A finite loss can have a gradient that is not; after a step on it nothing would be left to go on from.
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if not torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
        raise NonFiniteLoss(f"step {step}: the gradient is not finite")
    optimizer.step()
