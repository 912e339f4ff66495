"""Where a training runs: choosing the device, its name, and the memory that it took."""

from __future__ import annotations

import resource
import sys

import torch

from tusklite.arguments import require_choice


def choose_device(device: str = "auto") -> torch.device:
    """The device that is asked for, or the best there is.

    Raises:
        ValueError: this machine does not have it.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, present in available.items() if present))
    require_choice("device", device.split(":")[0], ("auto", *available))
    if not available[device.split(":")[0]]:
        present = ", ".join(name for name, is_there in available.items() if is_there)
        raise ValueError(f"device: {device!r} was given; allowed on this machine are auto, {present}")
    return torch.device(device)


def device_name(device: torch.device) -> str:
    """Name of a device as a result states it.

    Example:
        >>> device_name(torch.device("cpu")).startswith("cpu")
        True
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({torch.get_num_threads()} threads)"


def peak_memory_mb(device: torch.device) -> float:
    """Most memory held so far, in MB: of the card on CUDA, of the process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes on macOS, in KB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
