"""The process that runs a submitted notebook: its cells one by one, and its functions on what a grader sends.

Nothing here is to be trusted once a cell has run. What goes out are results of a reader's functions, which the grader
looks at with its own checks.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import inspect
import json
import os
import pickle
import signal
import socket
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import matplotlib.font_manager  # noqa: F401  # loaded once, before the process is copied
import torch
from IPython.core.interactiveshell import InteractiveShell
from torch import Tensor
from traitlets.config import Config

from tusklite.course.classroom.confinement import confine
from tusklite.course.classroom.wire import Channel, ChannelClosed, encode
from tusklite.course.shortcuts import CountedCalls, noting
from tusklite.course.variants import variant

__all__ = ["Inside", "Tampering", "main"]

MOST_OUTPUT = 10_000_000  # characters that a cell may print


def main(job: Mapping[str, Any]) -> None:
    """Load what lessons need, lock this process in, and do what is asked until nobody asks any more.

    Args:
        job: as for `confinement.main`.
    """
    channel = Channel(socket.socket(fileno=job["socket"]))
    inside = Inside(job["folder"])
    held = [*job["held"], *confine(dict(job))]
    channel.send(json.dumps({"held": held}).encode())
    with contextlib.suppress(ChannelClosed):
        while True:
            request = pickle.loads(channel.receive())
            channel.send(json.dumps(inside.reply_to(request)).encode())


class TookTooLong(BaseException):
    """A cell, or a reader's function, took longer than it may."""


class TooMuchOutput(Exception):
    """A cell printed more than anybody reads."""


class Inside:
    """What a submitted notebook runs in.

    Args:
        folder: where its cells find themselves; None: where the process is.
    """

    def __init__(self, folder: str | None = None) -> None:
        quiet = Config()
        quiet.HistoryManager.enabled = False
        quiet.InteractiveShell.colors = "NoColor"
        quiet.InteractiveShell.xmode = "Minimal"
        self.shell = InteractiveShell.instance(config=quiet)
        self.answers: dict[str, object] = {}
        self.tampering = Tampering()
        if folder is not None:
            os.chdir(folder)
            sys.path.insert(0, folder)

    def reply_to(self, request: Mapping[str, Any]) -> dict[str, object]:
        """Do one thing that is asked: "load", "run", "call" or "check"."""
        kind = request["do"]
        return getattr(self, f"_{kind}")(**{name: value for name, value in request.items() if name != "do"})

    def _load(self, room: str) -> dict[str, object]:
        importlib.import_module(room)
        importlib.import_module("torch._dynamo")  # which wraps `torch.manual_seed` and its like, once anybody wants it
        self.tampering = Tampering()
        return {}

    def _run(self, source: str, watch: list[tuple[str, str]], seconds: float) -> dict[str, object]:
        """Run a cell, and say which of the functions that are asked for it has bound anew."""
        error, stopped = "", False
        before = (sys.stdout, sys.stderr)
        sys.stdout = sys.stderr = _Limited(MOST_OUTPUT)
        try:
            with _within(seconds):
                result = self.shell.run_cell(source, store_history=False)
            said = result.error_before_exec or result.error_in_exec
            stopped = isinstance(said, TookTooLong)
            if said is not None:
                error = _said(said)
        except TookTooLong:
            stopped = True
        except BaseException as reason:  # a cell may end in anything, such as SystemExit
            error = _said(reason)
        finally:
            sys.stdout, sys.stderr = before
        bound = []
        for name, check in watch:
            found = self.shell.user_ns.get(name)
            if found is not None and found is not self.answers.get(name) and found is not _worked(check):
                self.answers[name] = found
                bound.append(name)
        return {"error": error, "stopped": stopped, "bound": bound}

    def _call(
        self,
        name: str,
        inputs: tuple[object, ...],
        forbidden: list[Callable[..., object]],
        count: bool,
        gradient: bool,
        seconds: float,
    ) -> dict[str, object]:
        """Call a reader's function on copies of a check's inputs."""
        before = [value.clone() if isinstance(value, Tensor) else value for value in inputs]
        called: list[Callable[..., object]] = []
        counted = CountedCalls()
        reply: dict[str, object] = {}
        out = (sys.stdout, sys.stderr)
        sys.stdout = sys.stderr = _Limited(MOST_OUTPUT)
        try:
            with (
                _within(seconds),
                torch.set_grad_enabled(gradient),
                noting(forbidden, called) if forbidden else contextlib.nullcontext(),
                counted if count else contextlib.nullcontext(),
            ):
                result = self.answers[name](*inputs)  # type: ignore[operator]
            reply["result"] = encode(result)
        except TookTooLong:
            reply["stopped"] = True
        except BaseException as error:
            kind = type.__dict__["__name__"].__get__(type(error))
            reply["raised"] = [kind, _text(error), isinstance(error, NotImplementedError)]
        finally:
            sys.stdout, sys.stderr = out
        reply["called"] = [forbidden.index(function) for function in dict.fromkeys(called)]  # in order of the calls
        reply["calls"] = counted.calls
        reply["changed"] = any(
            isinstance(then, Tensor) and (then.shape != now.shape or not torch.equal(then, now))
            for then, now in zip(before, inputs, strict=True)
        )
        return reply

    def _check(self, name: str, room: str, student: str | None, seconds: float) -> dict[str, object]:
        """Have a check look at a function here: where it hands over what no copy can stand for."""
        changed = self.tampering.found()
        if changed:
            return {"status": "wrong", "message": f"the notebook changes `{changed}`, by which answers are checked"}
        check = getattr(importlib.import_module(room), f"check_{name}")
        try:
            with _within(seconds), variant(student):
                verdict = check(self.answers[name])
        except TookTooLong:
            return {"stopped": True}
        changed = self.tampering.found()
        if changed:
            return {"status": "wrong", "message": f"the answer changes `{changed}`, by which answers are checked"}
        return {"status": verdict.status, "message": verdict.message}


class Tampering:
    """Whether anything that checks stand on is another thing than it was.

    It sees functions, methods and classes of this package, of torch and of Python that were replaced or have other
    code; not everything that can be changed in a running Python.

    Example:
        >>> tampering = Tampering()
        >>> tampering.found()
        ''
        >>> allclose, torch.allclose = torch.allclose, lambda *inputs, **options: True
        >>> tampering.found()
        'torch.allclose'
        >>> torch.allclose = allclose
    """

    def __init__(self) -> None:
        self.before = dict(self._all())

    def found(self) -> str:
        """The first name that stands for something else than at the start; empty where there is none."""
        now = dict(self._all())
        for name, is_now in now.items():
            if name in self.before and not _alike(self.before[name], is_now):
                return name
            place, _, last = name.rpartition(".")
            if name not in self.before and place.startswith("tusklite.") and hasattr(builtins, last):
                return name  # it stands before one of Python's
        return ""

    def _all(self) -> Iterator[tuple[str, tuple[object, ...]]]:
        for name in dir(Tensor):
            yield f"torch.Tensor.{name}", (inspect.getattr_static(Tensor, name),)
        places: list[object] = [torch, torch.autograd, torch.nn.functional, torch.testing, builtins]
        places += [module for name, module in sorted(sys.modules.items()) if name.startswith("tusklite.")]
        for place in places:
            prefix = getattr(place, "__name__", "")
            for name, value in list(vars(place).items()):
                if callable(value) and not name.startswith("__"):
                    yield f"{prefix}.{name}", _parts(value)
                    if isinstance(value, type) and value.__module__.startswith("tusklite."):
                        for inner, method in list(vars(value).items()):
                            if isinstance(method, types.FunctionType):
                                yield f"{prefix}.{name}.{inner}", _parts(method)


def _parts(value: object) -> tuple[object, ...]:
    """A callable, and what it is made of, down to what it wraps."""
    parts: list[object] = [value]
    for _ in range(5):
        if not isinstance(value, types.FunctionType):
            break
        cells = value.__closure__ or ()
        filled = [cell.cell_contents for cell in cells if _is_filled(cell)]
        parts += [value.__code__, value.__defaults__, *(part for part in filled if callable(part))]
        value = value.__dict__.get("__wrapped__")
    return tuple(parts)


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _alike(was: tuple[object, ...], now: tuple[object, ...]) -> bool:
    return len(was) == len(now) and all(one is other for one, other in zip(was, now, strict=True))


class _Limited:
    """Where a cell prints to: it counts, keeps nothing, and raises where it is too much."""

    encoding, errors, closed = "utf-8", "replace", False

    def __init__(self, most: int) -> None:
        self.left = most

    def write(self, text: str) -> int:
        self.left -= len(text)
        if self.left < 0:
            raise TooMuchOutput(f"more than {MOST_OUTPUT:,} characters were printed")
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is kept."""

    def isatty(self) -> bool:
        return False


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Have a piece of code raise `TookTooLong` where it goes on for longer."""

    def stop(number: int, frame: object) -> None:
        raise TookTooLong

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # and again: what is caught once may not be caught twice
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _worked(check: str) -> object:
    room, _, name = check.rpartition(".")
    return getattr(getattr(sys.modules.get(room), name, None), "worked", None)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:2000]
    except BaseException:
        return "and its own message cannot be read"


def _said(error: BaseException) -> str:
    said = _text(error)
    return f"{type.__dict__['__name__'].__get__(type(error))}{': ' * bool(said)}{said}"
