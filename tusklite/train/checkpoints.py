"""Checkpoints that survive a kill at any moment: written aside, synced, renamed; the one before is kept."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tusklite.files import write_aside

FORMAT = "tusklite-checkpoint"
VERSION = 1
NAME = "checkpoint.pt"
PREVIOUS = "checkpoint-previous.pt"


def save_checkpoint(run_dir: str | os.PathLike[str], state: dict[str, object]) -> Path:
    """Write a checkpoint into a run folder; the one that was there becomes the previous one.

    Args:
        run_dir: an existing folder.
        state: tensors and plain values, nested in dicts and lists.

    Returns:
        Path of the new checkpoint.

    Raises:
        FileNotWritten: the folder cannot be written, or the disk is full; the checkpoints there stay as they are.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> save_checkpoint(folder, {"step": 3}).name
        'checkpoint.pt'
        >>> load_checkpoint(folder)["step"]
        3
    """
    path = Path(run_dir) / NAME
    content = io.BytesIO()  # in memory first: where a disk is full, torch.save hides the reason
    torch.save({"format": FORMAT, "version": VERSION, **state}, content)

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())  # on the disk before the one that was there moves
        if path.exists():
            os.replace(path, path.with_name(PREVIOUS))

    write_aside(path, write)
    return path


def load_checkpoint(
    run_dir: str | os.PathLike[str], map_location: torch.device | str = "cpu", parts: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Read the newest good checkpoint of a run folder; None where the folder has none.

    A checkpoint that was cut off or damaged is passed over for the one before it, with a warning that names
    it.

    Args:
        run_dir: a run folder, which need not exist.
        map_location: device that the tensors are put on.
        parts: names that a whole checkpoint has; one without them counts as damaged.

    Raises:
        ValueError: no checkpoint there is good, or it is some other program's, a newer version's, or not to be read.

    Example:
        >>> load_checkpoint("no-such-folder") is None
        True
    """
    paths = [path for path in (Path(run_dir) / NAME, Path(run_dir) / PREVIOUS) if path.exists()]
    damaged = []
    for path in paths:
        try:
            state = _read(path, map_location)
        except PermissionError as error:
            raise ValueError(
                f"{path}: cannot be read ({error.strerror}); allowed is a checkpoint that you may read"
            ) from error
        except Exception as error:  # what is damaged can make its readers raise anything
            damaged.append(f"{path} ({_reason(error)})")
            continue
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ValueError(f"{path}: this is no tusklite checkpoint; allowed is a file that save_checkpoint wrote")
        missing = [part for part in ("version", *parts) if part not in state]
        if missing or not isinstance(state["version"], int):
            damaged.append(f"{path} (without {', '.join(missing) or 'a version'})")
            continue
        if state["version"] > VERSION:
            raise ValueError(
                f"{path}: checkpoint version {state['version']} was given; allowed are versions up to {VERSION}: "
                "install a newer tusklite"
            )
        if damaged:
            warnings.warn(f"damaged, passed over: {damaged[0]}; going on from {path}", stacklevel=2)
        return state
    if damaged:
        raise ValueError(
            f"damaged: {', '.join(damaged)}; allowed is a whole checkpoint. "
            "Nothing was changed: move the file away to start anew"
        )
    return None


def _reason(error: Exception) -> str:
    """Why a file cannot be read, in a line; PyTorch's own words may advise to run what is in the file, so they go."""
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error.strerror or error}"
    if isinstance(error, zipfile.BadZipFile):
        return f"BadZipFile: {error}"
    return f"{type(error).__name__}: its content is none of plain values and tensors"


def _read(path: Path, map_location: torch.device | str) -> object:
    """Load plain values and tensors, after a look at every checksum: `torch.load` lets a changed number pass."""
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise zipfile.BadZipFile(f"the checksum of {broken} is wrong")
    return torch.load(path, map_location=map_location, weights_only=True)
