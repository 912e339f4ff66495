"""Options that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from tusklite.settings import read_setting


def folder(text: str) -> Path:
    """A folder of an option; an empty word is none, as where a shell's variable is not set."""
    if not text:
        raise argparse.ArgumentTypeError("'' was given; allowed is a folder")
    return Path(text)


class NameValue(argparse.Action):
    """An option that takes one `NAME=VALUE` or several, or one `NAME VALUE`, and may be given again."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Add settings to those that were given."""
        assert isinstance(values, list)
        if len(values) == 2 and "=" not in values[0]:
            values = ["=".join(values)]
        if not all("=" in text for text in values):
            parser.error(
                f"argument {option_string}: {' '.join(values)!r} was given; allowed is NAME=VALUE, "
                "with nothing after it but other options"
            )
        try:
            given = [read_setting(text) for text in values]
        except ValueError as error:
            parser.error(f"argument {option_string}: {error}")
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), *given])


def add_settings(parser: argparse.ArgumentParser, words: str) -> None:
    """The options `--set` and `-p`, which take the same words."""
    parser.add_argument(
        "--set", "-p", "--parameter", action=NameValue, nargs="+", default=[], metavar="NAME=VALUE", dest="settings",
        help=words,
    )  # fmt: skip


def add_threads(parser: argparse.ArgumentParser) -> None:
    """The option `--threads`."""
    parser.add_argument("--threads", type=int, help="CPU threads")


def limit_threads(threads: int | None) -> None:
    """Let torch use so many CPU threads; as many as it likes where None.

    Raises:
        ValueError: none, or more than 1,024.
    """
    import torch

    from tusklite.arguments import require_integer

    if threads is not None:
        torch.set_num_threads(require_integer("threads", threads, low=1, high=1024))


def settings_given(given: list[tuple[str, object]]) -> dict[str, object]:
    """Settings as a mapping.

    Raises:
        ValueError: one was given twice, with different values.
    """
    settings: dict[str, object] = {}
    for name, value in given:
        if name in settings and settings[name] != value:
            raise ValueError(f"{name}: {settings[name]!r} and {value!r} were given; allowed is one value")
        settings[name] = value
    return settings
