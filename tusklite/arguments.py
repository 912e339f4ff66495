"""Checks at the public edge: each names the argument, what was given and what is allowed."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def require_tensor(name: str, value: object, shape: Sequence[int | str], finite: bool = True) -> Tensor:
    """Return `value` if it is a floating-point tensor of the given shape.

    Args:
        name: the argument's name, used in the message.
        value: what the caller gave.
        shape: one entry a dimension: an int must match exactly, a letter stands for any size of at least 1
            (the same letter twice must be the same size).
        finite: also refuse NaN and infinity.

    Returns:
        The same tensor.

    Raises:
        TypeError: not a tensor, or not of a floating-point type.
        ValueError: another shape, an empty dimension, or values that are not finite.

    Example:
        >>> require_tensor("points", torch.zeros(2, 5, 2), ("B", "P", 2)).shape
        torch.Size([2, 5, 2])
        >>> require_tensor("points", torch.zeros(2, 5, 3), ("B", "P", 2))
        Traceback (most recent call last):
        ...
        ValueError: points: shape (2, 5, 3) was given; allowed is (B, P, 2) with at least one of each
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: {type(value).__name__} was given; allowed is a torch.Tensor")
    if not value.is_floating_point():
        raise TypeError(f"{name}: dtype {value.dtype} was given; allowed is a floating-point tensor")
    sizes: dict[str, int] = {}
    fits = value.dim() == len(shape)
    for size, wanted in zip(value.shape, shape, strict=False):
        expected = wanted if isinstance(wanted, int) else sizes.setdefault(wanted, size)
        fits = fits and size == expected and size > 0
    if not fits:
        allowed = "(" + ", ".join(str(s) for s in shape) + ")"
        raise ValueError(
            f"{name}: shape {tuple(value.shape)} was given; allowed is {allowed} with at least one of each"
        )
    # A finite sum has finite parts, and costs less to take than a look at each; only a sum that overflows needs that.
    if finite and not torch.isfinite(value.detach().sum()) and not torch.isfinite(value.detach()).all():
        raise ValueError(f"{name}: NaN or infinite values were given; allowed are finite numbers")
    return value


def require_integer(name: str, value: object, low: int, high: int | None = None, odd: bool = False) -> int:
    """Return `value` if it is an integer in `[low, high]` (and odd, where asked).

    Raises:
        TypeError: not an integer.
        ValueError: out of range, or even where odd is asked.

    Example:
        >>> require_integer("window", 7, low=1, odd=True)
        7
        >>> require_integer("window", 6, low=1, odd=True)
        Traceback (most recent call last):
        ...
        ValueError: window: 6 was given; allowed is an odd integer of at least 1
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}: {value!r} was given; allowed is an integer")
    if value < low or (high is not None and value > high) or (odd and value % 2 == 0):
        kind = "an odd integer" if odd else "an integer"
        span = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name}: {value} was given; allowed is {kind} {span}")
    return int(value)


def require_number(
    name: str, value: object, low: float = 0.0, high: float = float("inf"), open_low: bool = False
) -> float:
    """Return `value` as a float if it is a finite number in `[low, high]` (`(low, high]` with `open_low`).

    Raises:
        TypeError: not a number.
        ValueError: out of range, NaN or infinite.

    Example:
        >>> require_number("temperature", 0.2, open_low=True)
        0.2
        >>> require_number("temperature", 0, open_low=True)
        Traceback (most recent call last):
        ...
        ValueError: temperature: 0 was given; allowed is a finite number above 0
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: {value!r} was given; allowed is a number")
    inside = (value > low if open_low else value >= low) and value <= high and value < float("inf")
    if not inside:
        span = f"above {low:g}" if open_low else f"of at least {low:g}"
        span += f" and at most {high:g}" if high < float("inf") else ""
        raise ValueError(f"{name}: {value} was given; allowed is a finite number {span}")
    return float(value)


def require_choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of the allowed words.

    Raises:
        ValueError: another word; the message lists the allowed ones.

    Example:
        >>> require_choice("padding_mode", "mirror", ("zeros", "border"))
        Traceback (most recent call last):
        ...
        ValueError: padding_mode: 'mirror' was given; allowed are 'zeros', 'border'
    """
    if value not in allowed:
        raise ValueError(f"{name}: {value!r} was given; allowed are {', '.join(map(repr, allowed))}")
    return str(value)


def require_indices(name: str, value: object, count: int) -> Tensor:
    """Return `value` as an int64 tensor `(B,)` on the CPU if it is at least one whole number from 0 to `count` - 1.

    Raises:
        ValueError: none at all, or more than one dimension.
        TypeError: no whole numbers.
        IndexError: one out of range.

    Example:
        >>> require_indices("indices", [3, 0, 3], count=4)
        tensor([3, 0, 3])
        >>> require_indices("indices", [4], count=4)
        Traceback (most recent call last):
        ...
        IndexError: indices: 4 was given; allowed are 0 to 3
    """
    given = value.numpy(force=True) if isinstance(value, Tensor) else np.asarray(value)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"{name}: shape {given.shape} was given; allowed is (B,) with at least one")
    if given.dtype.kind not in "iu":
        raise TypeError(f"{name}: dtype {given.dtype} was given; allowed are whole numbers")
    outside = given[(given < 0) | (given >= count)]
    if outside.size:
        raise IndexError(f"{name}: {outside[0]} was given; allowed are 0 to {count - 1}")
    return torch.from_numpy(given.astype(np.int64))
