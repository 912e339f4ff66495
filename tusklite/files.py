"""Files that are never half written, and folders that can be written."""

from __future__ import annotations

import os
from pathlib import Path


def write_aside(path: Path, write: object) -> None:
    """Call `write(temporary)` and rename the result to `path`, so that `path` is never half written.

    Args:
        path: the file wanted.
        write: writes the file whose path it is given.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_aside(folder / "note.txt", lambda partial: partial.write_text("kept"))
        >>> sorted(p.name for p in folder.iterdir())
        ['note.txt']
    """
    partial = path.with_name(f"{path.name}.partial")
    write(partial)
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def writable_folder(run_dir: str | os.PathLike) -> Path:
    """Make a folder for a run if need be, and make sure that files can be written there.

    Raises:
        ValueError: it cannot be made or written.

    Example:
        >>> import tempfile
        >>> writable_folder(Path(tempfile.mkdtemp(), "run")).is_dir()
        True
    """
    run_dir = Path(run_dir)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        probe = run_dir / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"run_dir: {run_dir} was given; allowed is a folder that can be made and written ({error.strerror})"
        ) from error
    return run_dir
