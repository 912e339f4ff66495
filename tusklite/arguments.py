"""Checks at the public edge: each names the argument, what was given and what is allowed."""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor

_VALUES_KNOWN: ContextVar[bool] = ContextVar("values known", default=False)


@contextmanager
def values_known() -> Iterator[None]:
    """Inside, checks look at types and shapes alone, and at no value.

    A look at a value makes the host wait until the device has computed it, a hundred times in a training step. Such a
    step looks once at what it has made, and tells its parts so by this.

    Example:
        >>> with values_known():
        ...     require_tensor("points", torch.tensor([torch.nan]), ("N",))
        tensor([nan])
    """
    token = _VALUES_KNOWN.set(True)
    try:
        yield
    finally:
        _VALUES_KNOWN.reset(token)


def looks_at_values() -> bool:
    """Whether checks look at values here, or are told that these are known (see `values_known`).

    Example:
        >>> looks_at_values()
        True
    """
    return not _VALUES_KNOWN.get()


def require_tensor(name: str, value: object, shape: Sequence[int | str], finite: bool = True) -> Tensor:
    """Return `value` if it is a floating-point tensor of the given shape.

    Args:
        name: the argument's name, used in the message.
        value: what the caller gave.
        shape: one entry a dimension: an int must match exactly, a letter stands for any size of at least 1
            (the same letter twice must be the same size).
        finite: also refuse NaN and infinity, where values are looked at (see `values_known`).

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
        allowed = "(" + ", ".join(str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"
        raise ValueError(
            f"{name}: shape {tuple(value.shape)} was given; allowed is {allowed} with at least one of each"
        )
    # A finite sum has finite parts, and costs less to take than a look at each; only a sum that overflows needs that.
    looked_at = finite and looks_at_values()
    if looked_at and not torch.isfinite(value.detach().sum()) and not torch.isfinite(value.detach()).all():
        raise ValueError(f"{name}: NaN or infinite values were given; allowed are finite numbers")
    return value


LARGEST_INTEGER = 2**63 - 1  # of the integers that torch counts in


def require_alike(other_name: str, other: Tensor, **tensors: Tensor) -> None:
    """Refuse tensors of another type, or on another device, than the one that they are to meet.

    Args:
        other_name: the name of the tensor that sets the type and the device.
        other: that tensor.
        tensors: the others, each under its argument's name.

    Raises:
        TypeError: a type or a device differs.

    Example:
        >>> require_alike("images", torch.zeros(1), grid=torch.zeros(1).double())
        Traceback (most recent call last):
        ...
        TypeError: grid: torch.float64 on cpu was given; allowed is that of images, torch.float32 on cpu
    """
    for name, tensor in tensors.items():
        if tensor.dtype != other.dtype or tensor.device != other.device:
            raise TypeError(
                f"{name}: {tensor.dtype} on {tensor.device} was given; allowed is that of {other_name}, "
                f"{other.dtype} on {other.device}"
            )


def require_flags(name: str, value: object, shape: Sequence[int], device: torch.device) -> Tensor:
    """Return `value` if it is a bool tensor of this shape on this device.

    Raises:
        TypeError: not a bool tensor, or on another device.
        ValueError: another shape.

    Example:
        >>> require_flags("mask", torch.ones(2, 3), (2, 3), torch.device("cpu"))
        Traceback (most recent call last):
        ...
        TypeError: mask: torch.float32 on cpu was given; allowed is a bool tensor on cpu
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: {type(value).__name__} was given; allowed is a bool tensor")
    if tuple(value.shape) != tuple(shape):
        raise ValueError(f"{name}: shape {tuple(value.shape)} was given; allowed is {tuple(shape)}")
    if value.dtype != torch.bool or value.device != device:
        raise TypeError(f"{name}: {value.dtype} on {value.device} was given; allowed is a bool tensor on {device}")
    return value


def require_integer(name: str, value: object, low: int, high: int | None = None, odd: bool = False) -> int:
    """Return `value` as a plain int if it is an integer in `[low, high]` (and odd, where asked).

    NumPy's integers are integers; a bool and a float such as 3.0 are none.

    Args:
        name: the argument's name, used in the message.
        value: what the caller gave.
        low: the smallest that is allowed.
        high: the largest; None: the largest that torch counts to.
        odd: whether it must be odd.

    Raises:
        TypeError: not an integer.
        ValueError: out of range, or even where odd is asked.

    Example:
        >>> require_integer("window", np.int64(7), low=1, odd=True)
        7
        >>> require_integer("window", 6, low=1, odd=True)
        Traceback (most recent call last):
        ...
        ValueError: window: 6 was given; allowed is an odd integer of at least 1
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}: {value!r} was given; allowed is an integer")
    number = int(value)
    largest = LARGEST_INTEGER if high is None else high
    if not low <= number <= largest or (odd and number % 2 == 0):
        kind = "an odd integer" if odd else "an integer"
        span = f"of at least {low}" if high is None and number < largest else f"from {low} to {largest}"
        raise ValueError(f"{name}: {number} was given; allowed is {kind} {span}")
    return number


def require_seed(name: str, value: object) -> int:
    """Return `value` as a plain int if it can seed every generator that is used: 0 to 2^32 - 1, as NumPy's.

    Raises:
        TypeError: not an integer.
        ValueError: out of range.

    Example:
        >>> require_seed("seed", 2**32)
        Traceback (most recent call last):
        ...
        ValueError: seed: 4294967296 was given; allowed is an integer from 0 to 4294967295
    """
    return require_integer(name, value, low=0, high=2**32 - 1)


def require_number(
    name: str, value: object, low: float = 0.0, high: float = float("inf"), open_low: bool = False
) -> float:
    """Return `value` as a plain float if it is a finite number in `[low, high]` (`(low, high]` with `open_low`).

    Args:
        name: the argument's name, used in the message.
        value: what the caller gave; NumPy's numbers are numbers, a bool is none.
        low: the smallest that is allowed.
        high: the largest.
        open_low: whether `low` itself is refused.

    Raises:
        TypeError: not a number.
        ValueError: out of range, NaN or infinite.

    Example:
        >>> require_number("temperature", np.float32(0.25), open_low=True)
        0.25
        >>> require_number("temperature", 0, open_low=True)
        Traceback (most recent call last):
        ...
        ValueError: temperature: 0 was given; allowed is a finite number above 0
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: {value!r} was given; allowed is a number")
    try:
        number = float(value)
    except OverflowError:  # an integer beyond all floats
        number = float("inf")
    if not (number > low if open_low else number >= low) or number > high or number in (float("inf"), -float("inf")):
        span = f"above {low:g}" if open_low else f"of at least {low:g}"
        span += f" and at most {high:g}" if high < float("inf") else ""
        raise ValueError(f"{name}: {value} was given; allowed is a finite number {span}")
    return number


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
