"""Choosing a device on any machine, and the memory that a process took on any system."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from tusklite.train.devices import choose_device, device_name, peak_memory_mb


def machine(monkeypatch: pytest.MonkeyPatch, cards: int = 0, mps: bool = False) -> None:
    """A machine with so many CUDA cards, with or without Apple's graphics."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_the_best_device_there_is_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    assert choose_device() == choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    machine(monkeypatch, mps=True)
    assert choose_device("auto") == torch.device("mps")
    machine(monkeypatch, cards=2, mps=True)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cpu:0") == torch.device("cpu:0")


@pytest.mark.parametrize("absent", ["cuda", "cuda:1", "mps", "cpu:1", "cpu:banana", "cpu:", "cuda:-1", "cpu:0:0"])
def test_a_device_that_is_not_there_is_refused(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    with pytest.raises(ValueError, match=f"^device: '{absent}' was given; allowed on this machine are auto, cpu$"):
        choose_device(absent)


def test_a_card_beyond_the_last_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cards=1)
    with pytest.raises(ValueError, match=r"^device: 'cuda:1' was given; allowed on this machine are auto, cuda, cpu$"):
        choose_device("cuda:1")
    machine(monkeypatch, cards=2)
    with pytest.raises(ValueError, match=r"'cuda:2' was given; .* are auto, cuda, cpu, cuda:0, cuda:1$"):
        choose_device("cuda:2")


def test_what_is_no_device_is_refused_with_the_kinds_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    for unknown in ("tpu", "", "CPU", "auto:0:1"):
        with pytest.raises(ValueError, match=r"^device: '.*' was given; allowed"):
            choose_device(unknown)
    with pytest.raises(TypeError, match=r"^device: None was given; allowed is a name"):
        choose_device(None)


def test_a_name_says_what_a_result_has_to_state() -> None:
    assert device_name(torch.device("cpu")) == f"cpu ({torch.get_num_threads()} threads)"


def test_peak_memory_grows_by_what_a_process_holds() -> None:
    code = """if True:
        import torch
        from tusklite.train.devices import peak_memory_mb

        before = peak_memory_mb(torch.device("cpu"))
        held = torch.ones(int(before + 64), 2**20, dtype=torch.uint8)  # more than was ever held before
        print(before, len(held), peak_memory_mb(torch.device("cpu")))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, held, after = map(float, done.stdout.split())
    assert held <= after < before + held + 64


@pytest.mark.parametrize(("system", "unit"), [("linux", 2**10), ("darwin", 1)])
def test_peak_memory_in_the_unit_of_the_system(system: str, unit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: SimpleNamespace(ru_maxrss=300 * 2**20 // unit))
    monkeypatch.setitem(sys.modules, "resource", usage)
    monkeypatch.setattr(sys, "platform", system)
    assert peak_memory_mb(torch.device("cpu")) == 300.0


class Kernel32:
    """As much of Windows as answers how much memory a process has held; it checks what it is asked."""

    answers = True

    def __init__(self, name: str, use_last_error: bool) -> None:
        assert (name, use_last_error) == ("kernel32", True)
        self.GetCurrentProcess = Function(lambda: ctypes.c_void_p(-1).value)
        self.K32GetProcessMemoryInfo = Function(self.memory_info)

    def memory_info(self, process: int, counters: object, size: int) -> int:
        assert process == ctypes.c_void_p(-1).value  # the pseudo handle, not cut to 32 bits
        content = counters._obj
        word = ctypes.sizeof(ctypes.c_size_t)
        assert size == content.cb == ctypes.sizeof(content) == 8 + 8 * word
        offset = type(content).PeakWorkingSetSize.offset
        assert offset == 8
        ctypes.c_size_t.from_buffer(content, offset).value = 5 * 2**30  # more than 32 bits hold
        return int(self.answers)


class Function:
    """A function of a library, which takes its types as attributes."""

    def __init__(self, call: object) -> None:
        self.call = call

    def __call__(self, *arguments: object) -> int:
        return self.call(*arguments)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> type[Kernel32]:
    """A process on Windows, where no module `resource` can be imported."""
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(ctypes, "WinDLL", Kernel32, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: 6, raising=False)
    monkeypatch.setattr(ctypes, "WinError", lambda code: OSError(code, "the handle is invalid"), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    return Kernel32


def test_peak_memory_on_windows(windows: type[Kernel32]) -> None:
    assert peak_memory_mb(torch.device("cpu")) == 5 * 2**10


def test_windows_own_error_is_passed_on(windows: type[Kernel32], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kernel32, "answers", False)
    with pytest.raises(OSError, match="the handle is invalid"):
        peak_memory_mb(torch.device("cpu"))
