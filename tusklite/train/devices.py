"""Where a training runs: choosing the device, its name, and the memory that it took."""

from __future__ import annotations

import ctypes
import sys

import torch

from tusklite.arguments import require_choice


def choose_device(device: str = "auto") -> torch.device:
    """The device that is asked for, or the best there is.

    Args:
        device: "auto", "cpu", "mps", "cuda", or one card of several, as "cuda:1".

    Raises:
        TypeError: the name is not a string.
        ValueError: no such device, or this machine does not have it.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if not isinstance(device, str):
        raise TypeError(f"device: {device!r} was given; allowed is a name, as 'auto', 'cpu' or 'cuda:0'")
    counts = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if device == "auto":
        return torch.device(next(name for name, count in counts.items() if count))
    name, separator, number = device.partition(":")
    require_choice("device", name if name in counts else device, ("auto", *counts))
    numbers = [str(index) for index in range(counts[name])]
    if not numbers or (separator and number not in numbers):
        there = ["auto", *(name for name, count in counts.items() if count)]
        if counts["cuda"] > 1:
            there += [f"cuda:{index}" for index in range(counts["cuda"])]
        raise ValueError(f"device: {device!r} was given; allowed on this machine are {', '.join(there)}")
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
    """Most memory held so far, in MB: of the card on CUDA, of the process elsewhere.

    Example:
        >>> peak_memory_mb(torch.device("cpu")) > 10
        True
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return _peak_bytes_of_process() / 2**20


class _ProcessMemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of the Windows API."""

    _fields_ = (
        ("cb", ctypes.c_uint32),
        ("PageFaultCount", ctypes.c_uint32),
        ("PeakWorkingSetSize", ctypes.c_size_t),
        ("WorkingSetSize", ctypes.c_size_t),
        ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
        ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
        ("PagefileUsage", ctypes.c_size_t),
        ("PeakPagefileUsage", ctypes.c_size_t),
    )


def _peak_bytes_of_process() -> int:
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        kernel.K32GetProcessMemoryInfo.argtypes = (
            ctypes.c_void_p,
            ctypes.POINTER(_ProcessMemoryCounters),
            ctypes.c_uint32,
        )
        counters = _ProcessMemoryCounters(cb=ctypes.sizeof(_ProcessMemoryCounters))
        if not kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
            raise ctypes.WinError(ctypes.get_last_error())
        return int(counters.PeakWorkingSetSize)
    else:
        import resource  # not there on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 2**10 * peak  # bytes on macOS, KB elsewhere
