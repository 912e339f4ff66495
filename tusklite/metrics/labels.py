"""Class and prototype labels: checked at the public edge, and counted in pairs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tusklite.arguments import require_tensor

INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)


def require_labels(
    name: str,
    value: object,
    shape: Sequence[int | str],
    span: range | None = None,
    real: Tensor | None = None,
) -> Tensor:
    """Return integer labels as int64 on the CPU.

    Args:
        name: the argument's name, used in the message.
        value: what the caller gave.
        shape: one entry a dimension: a number that it must have, or a letter for any.
        span: the labels that are allowed; None: all.
        real: bool, as `value`; where False the label is ignored, and 0 in the result.

    Raises:
        TypeError, ValueError: not an integer tensor, or of another shape or range.

    Example:
        >>> require_labels("digits", torch.tensor([3, 12]), ("N",), range(10))
        Traceback (most recent call last):
        ...
        ValueError: digits: values 3 to 12 were given; allowed are integers from 0 to 9
    """
    kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
    if not isinstance(value, Tensor) or kind not in INTEGERS:
        raise TypeError(f"{name}: {kind} was given; allowed is an integer tensor")
    pairs = zip(value.shape, shape, strict=False)
    if value.dim() != len(shape) or any(size != n for size, n in pairs if isinstance(n, int)):
        allowed = str(tuple(shape)).replace("'", "")
        raise ValueError(f"{name}: shape {tuple(value.shape)} was given; allowed is {allowed}")
    labels = value.cpu().long()
    if real is not None:
        labels = labels.masked_fill(~real, 0)
    if span is not None and ((labels < span.start) | (labels >= span.stop)).any():
        raise ValueError(
            f"{name}: values {labels.min()} to {labels.max()} were given; "
            f"allowed are integers from {span.start} to {span.stop - 1}"
        )
    return labels


def require_mask(name: str, mask: object, points_name: str, points: object, letter: str) -> Tensor:
    """Return which slots of points (S, K, 2) are real, as (S, K) bool on the CPU; None: all. `letter` names K.

    Raises:
        TypeError, ValueError: not a bool tensor or of another shape, or points of a wrong type or shape.

    Example:
        >>> require_mask("found", None, "xy", torch.zeros(1, 2, 2), "K")
        tensor([[True, True]])
    """
    shape = require_tensor(points_name, points, ("S", letter, 2), finite=False).shape[:2]
    if mask is None:
        return torch.ones(shape, dtype=torch.bool)
    kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
    if not isinstance(mask, Tensor) or kind != torch.bool:
        raise TypeError(f"{name}: {kind} was given; allowed is a bool tensor")
    if mask.shape != shape:
        raise ValueError(f"{name}: shape {tuple(mask.shape)} was given; allowed is {tuple(shape)}, as {points_name}")
    return mask.cpu()


def count_pairs(rows: Tensor, columns: Tensor, height: int, width: int) -> Tensor:
    """Count how often each pair of labels occurs: (height, width) int64 of two (N,) int64.

    Example:
        >>> count_pairs(torch.tensor([0, 1, 1]), torch.tensor([2, 0, 0]), 2, 3)
        tensor([[0, 0, 1],
                [2, 0, 0]])
    """
    return (rows * width + columns).bincount(minlength=height * width).view(height, width)
