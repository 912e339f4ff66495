"""The command line, a file a command: `python -m tusklite run | train | departures | results | doctor`.

Nothing heavy is imported before the words are read, and a command imports what it needs when it acts.
"""

from __future__ import annotations

import argparse
import importlib
import sys

__all__ = ["COMMANDS", "main", "one_line", "parser"]

COMMANDS = ("run", "train", "departures", "results", "doctor")


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
        0 if all is well; 1 after a training whose loss was no number, or a lesson of which a cell failed; 2 after wrong
        input or a file that cannot be read or written, with one line on what is allowed; 128 and the signal's number
        after Ctrl-C or SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks a sign shows another one in its place
    try:
        arguments = parser().parse_args(words)
        return arguments.act(arguments)
    except KeyboardInterrupt as interruption:
        print(f"\ntusklite: {str(interruption) or 'stopped'}", file=sys.stderr)
        return 128 + getattr(interruption, "signal_number", 2)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"tusklite: {one_line(error)}", file=sys.stderr)
        return 2


def one_line(error: BaseException) -> str:
    """An error's words without line breaks.

    Example:
        >>> one_line(ValueError("seed: -1 was given;\\n allowed is 0"))
        'seed: -1 was given; allowed is 0'
    """
    return " ".join(str(error).split()) or type(error).__name__
