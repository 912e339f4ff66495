"""Random numbers by counting: number n of a stream is a hash of (key, n), the same on every machine.

A `torch.Generator` gives other numbers on a GPU than on a CPU, and its number 1,000 needs the 999 before it.
Here any number can be had alone, so a batch of any scenes in any order draws what each would draw by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STEP = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio, as an odd number
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_LOW_HALF = 0xFFFFFFFF


def _signed(word: int) -> int:
    """Read 64 bits as the int64 that has the same bits."""
    return word - (1 << 64) if word >> 63 else word


def _shift_right(bits: Tensor, places: int) -> Tensor:
    """Shift in zeros from the left; `>>` alone would copy the sign bit."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def random_bits(key: Tensor | int, counter: Tensor | int) -> Tensor:
    """Number `counter` of the stream `key`: 64 random bits (SplitMix64; Steele, Lea and Flood 2014).

    A number of one stream may serve as the key of another: this function alone makes a tree of streams.

    Args:
        key: int64, any shape that broadcasts with `counter`, any value.
        counter: int64, 0 or more; 0 is the first number that SplitMix64 seeded with `key` gives.

    Returns:
        int64 of the broadcast shape: all 64 bits are random, so half of the values are negative.

    Example:
        >>> random_bits(1234567, torch.arange(2))
        tensor([6457827717110365317, 3203168211198807973])
    """
    counter = torch.as_tensor(counter)
    bits = key + (counter + 1) * _signed(_STEP)  # int64 arithmetic is modulo 2**64 on every device
    bits = (bits ^ _shift_right(bits, 30)) * _signed(_FIRST)
    bits = (bits ^ _shift_right(bits, 27)) * _signed(_SECOND)
    return bits ^ _shift_right(bits, 31)


def integers_below(bits: Tensor, bound: int) -> Tensor:
    """Integers in `[0, bound)` from the upper 32 of 64 random bits, by one multiplication (Lemire 2019).

    Args:
        bits: int64, any shape, from `random_bits`.
        bound: 1 to 2**31; no value's probability is off by more than 2**-32.

    Returns:
        int64, the shape of `bits`.

    Example:
        >>> integers_below(random_bits(7, torch.arange(6)), 10)
        tensor([3, 0, 9, 5, 4, 2])
    """
    return (_shift_right(bits, 32) * bound) >> 32


def integer_pairs_below(bits: Tensor, bound: int | Tensor) -> Tensor:
    """Two integers in `[0, bound)` from each 64 random bits: one from the upper half, one from the lower.

    Args:
        bits: int64, any shape S, from `random_bits`.
        bound: 1 to 2**31; no value's probability is off by more than 2**-32. One for all, or int64 that broadcasts
            with (*S, 2).

    Returns:
        int64 (*S, 2).

    Example:
        >>> integer_pairs_below(random_bits(7, torch.arange(3)), 10)[:, 0]
        tensor([3, 0, 9])
    """
    halves = torch.stack((_shift_right(bits, 32), bits & _LOW_HALF), -1)
    return (halves * bound) >> 32


def unit_interval(bits: Tensor) -> Tensor:
    """Float64 numbers in `[0, 1)` from the upper 53 of 64 random bits: exact, so the same everywhere.

    Args:
        bits: int64, any shape, from `random_bits`.

    Returns:
        float64, the shape of `bits`: a multiple of 2**-53.

    Example:
        >>> unit_interval(random_bits(7, torch.arange(3)))
        tensor([0.3898, 0.0168, 0.9008], dtype=torch.float64)
    """
    return _shift_right(bits, 11).to(torch.float64) * 2.0**-53
