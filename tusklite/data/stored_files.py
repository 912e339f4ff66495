"""Files that data are read from: how it is noticed that they changed, and which of a folder's files count."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class FileStamp(NamedTuple):
    """What a cache knows a file by: a file with another stamp is read anew.

    Attributes:
        path: the file.
        size: in bytes.
        modified: when, in nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int


def stamps(paths: Iterable[Path]) -> tuple[FileStamp, ...]:
    """The stamps of files as they are now, in the order given.

    Raises:
        ValueError: a file that cannot be looked at; the message names it.
    """
    found = []
    for path in paths:
        try:
            state = path.stat()
        except OSError as reason:
            raise ValueError(f"{path}: cannot be read ({reason.strerror})") from reason
        found.append(FileStamp(str(path), state.st_size, state.st_mtime_ns))
    return tuple(found)


def read_bytes(path: Path) -> bytes:
    """What a file holds.

    Raises:
        ValueError: it cannot be read; the message names it.

    Example:
        >>> read_bytes(Path("none.txt"))
        Traceback (most recent call last):
        ...
        ValueError: none.txt: cannot be read (No such file or directory)
    """
    try:
        return path.read_bytes()
    except OSError as reason:
        raise ValueError(f"{path}: cannot be read ({reason.strerror})") from reason


def read_text(path: Path) -> str:
    """What a text file says, in UTF-8 with or without a byte order mark; other bytes show as U+FFFD.

    Raises:
        ValueError: it cannot be read; the message names it.
    """
    return read_bytes(path).decode("utf-8-sig", errors="replace")


def names_in(folder: Path) -> set[str]:
    """The names of all that lies in a folder.

    Raises:
        ValueError: it cannot be listed; the message names it.
    """
    try:
        return set(os.listdir(folder))
    except OSError as reason:
        raise ValueError(f"{folder}: cannot be read ({reason.strerror})") from reason


def files_below(root: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files in `root` and all folders below it that have one of some suffixes, in either case, sorted by name.

    Names that begin with a dot are passed over, folders too: .ipynb_checkpoints holds copies that nobody asked for,
    and ._a.png is what macOS writes beside a.png.

    Args:
        root: a folder.
        suffixes: in lower case, with their dots.

    Returns:
        Paths by their names, which are relative to `root`, with forward slashes.

    Raises:
        ValueError: a folder that cannot be listed; the message names it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.JPG", "a.png", "._a.png", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     list(files_below(Path(folder), (".jpg", ".png")))
        ['a.png', 'b.JPG']
    """

    def refuse(reason: OSError) -> None:
        raise ValueError(f"{reason.filename}: cannot be read ({reason.strerror})") from reason

    found = {}
    for folder, folders, names in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if not name.startswith(".") and path.suffix.lower() in suffixes and path.is_file():
                found[path.relative_to(root).as_posix()] = path
    return dict(sorted(found.items()))
