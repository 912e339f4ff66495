"""The folder of a run and its owner: made once, held by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tusklite.files import writable_folder


class FolderInUse(ValueError):
    """Another process holds a run folder; nothing of it was touched."""


@contextmanager
def owned_folder(run_dir: str | os.PathLike[str], work: str = "training", name: str = "run_dir") -> Iterator[Path]:
    """Hold a run folder for one kind of work; it is made if need be.

    The lock is the operating system's: it is free again when its process ends, however it ends. A second holder in the
    same process is refused too.

    Args:
        run_dir: the folder.
        work: what is done in it, such as "training" or "notebook". A notebook that trains holds its folder once for
            each.
        name: the argument's name, for the message.

    Yields:
        The folder.

    Raises:
        FolderInUse: another process is at the same work there.
        ValueError: the folder cannot be made, written or locked.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp(), "run")
        >>> with owned_folder(folder):
        ...     with owned_folder(folder):
        ...         pass
        Traceback (most recent call last):
        ...
        tusklite.train.run_folder.FolderInUse: run_dir: ... is in use by another training; ...
    """
    from filelock import FileLock, Timeout

    folder = writable_folder(run_dir, name)
    lock = FileLock(folder / f".{work}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise FolderInUse(
            f"{name}: {folder} is in use by another {work}; allowed is another folder, or to wait until that one ends"
        ) from None
    except (OSError, NotImplementedError) as reason:
        raise ValueError(
            f"{name}: {folder} was given; allowed is a folder whose files can be locked ({reason})"
        ) from reason
    try:
        yield folder
    finally:
        lock.release()


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder that was not there: `name`, or with -2, -3 and so on where that is taken.

    Two processes that ask at the same moment get two folders.

    Raises:
        ValueError: it cannot be made.

    Example:
        >>> import tempfile
        >>> runs = Path(tempfile.mkdtemp())
        >>> [new_folder(runs, "lite").name for _ in range(3)]
        ['lite', 'lite-2', 'lite-3']
    """
    writable_folder(parent)
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        except (OSError, ValueError) as reason:  # ValueError: a NUL in the name
            said = getattr(reason, "strerror", None) or reason
            raise ValueError(
                f"run_dir: {folder} was given; allowed is a folder that can be made and written ({said})"
            ) from reason
        else:
            return folder
