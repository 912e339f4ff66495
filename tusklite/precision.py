"""The precision that mathematics is done in: half precision is brought to float32 first, what is finer stays."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_single(dtype: torch.dtype) -> torch.dtype:
    """float32 for half precision (float16, bfloat16), and the type itself where it is finer.

    Half precision keeps three digits or two. That is enough for what a network hands on, and too little to add up, to
    take differences of squares, or to say where in an image a point lies: 0.16 pixels of 80 is the step of bfloat16.

    Example:
        >>> at_least_single(torch.bfloat16), at_least_single(torch.float64)
        (torch.float32, torch.float64)
    """
    return torch.promote_types(dtype, torch.float32)


def widen(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in at least float32; one that is in it already is handed back as it is.

    Example:
        >>> x, y = widen(torch.zeros(2, dtype=torch.float16), torch.zeros(2, dtype=torch.float64))
        >>> x.dtype, y.dtype
        (torch.float32, torch.float64)
    """
    return tuple(tensor.to(at_least_single(tensor.dtype)) for tensor in tensors)
