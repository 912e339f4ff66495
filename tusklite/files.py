"""Files that are never half written, and folders that can be written."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


class FileNotWritten(OSError):
    """A file could not be written; the message names it and says what to do. What was there before is still there."""

    def __init__(self, path: Path, reason: OSError) -> None:
        super().__init__(
            f"{path}: could not be written ({reason.strerror or reason}); nothing that was there is lost: "
            "make room or choose another folder, and give the same command again"
        )
        self.path = path  # not `filename`: an OSError that has one says nothing else


def write_aside(path: Path, write: Callable[[Path], object], new: bool = False) -> None:
    """Call `write(temporary)` and rename the result to `path`, so that `path` is never half written.

    Args:
        path: the file wanted.
        write: writes the file whose path it is given.
        new: only where nothing is; of two processes that write there at one moment, one does.

    Raises:
        FileExistsError: something is there, and `new` was asked for.
        FileNotWritten: a full disk, a folder that is not there or not to be written. No temporary file stays.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_aside(folder / "note.txt", lambda partial: partial.write_text("kept"))
        >>> sorted(p.name for p in folder.iterdir())
        ['note.txt']
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial" if new else f"{path.name}.partial")
    try:
        write(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        if new:
            path.open("xb").close()  # the name is taken once what will stand there is on the disk
        os.replace(partial, path)
    except FileExistsError:
        raise
    except OSError as reason:
        raise FileNotWritten(path, reason) from reason
    finally:
        # Gone already where all went well. Where this fails too, as on a read-only disk, the first reason is the one.
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_json(path: Path, content: object, new: bool = False) -> None:
    """Write JSON under a temporary name, then rename it.

    Args:
        path: the file wanted.
        content: what JSON can hold.
        new: only where nothing is.

    Raises:
        TypeError: content that JSON cannot hold.
        FileExistsError, FileNotWritten: as `write_aside`.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_aside(path, lambda partial: partial.write_text(text, encoding="utf-8", newline="\n"), new)


def read_json(path: Path) -> object:
    """What a JSON file holds.

    Raises:
        ValueError: not JSON, or not text; the message names the file.
        OSError: it cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_json(Path(folder) / "a.json", {"both": 0.94})
        ...     read_json(Path(folder) / "a.json")
        {'both': 0.94}
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as reason:  # UnicodeDecodeError and JSONDecodeError are both ValueErrors
        raise ValueError(f"{path}: damaged, or no JSON ({reason}); allowed is a file that tusklite wrote") from reason


def writable_folder(folder: str | os.PathLike[str], name: str = "run_dir") -> Path:
    """Make a folder if need be, and make sure that files can be written there.

    Args:
        folder: which.
        name: the argument's name, for the message.

    Raises:
        ValueError: it cannot be made or written.

    Example:
        >>> import tempfile
        >>> writable_folder(Path(tempfile.mkdtemp(), "run")).is_dir()
        True
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # which needs no name of its own
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"{name}: {folder} was given; allowed is a folder that can be made and written ({reason})"
        ) from error
    return folder
