"""Results as files: what a run writes, and what is recorded under `results/`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tusklite import __version__
from tusklite.files import FileNotWritten, read_json, write_json
from tusklite.places import source_root
from tusklite.results.read import recorded_at
from tusklite.results.result import KEYS, NAMED_BY, result_path


def code_version() -> dict[str, str]:
    """Commit of the sources ("-dirty" where they were changed), and versions of tusklite and torch."""
    commit, root = "installed package", source_root()
    if root is not None:
        try:
            git = ["git", "-C", str(root)]
            commit = subprocess.run(
                [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
            ).stdout.strip()
            changed = subprocess.run(
                [*git, "status", "--porcelain", "--", "tusklite"], capture_output=True, text=True, check=True
            ).stdout
            commit += "-dirty" if changed.strip() else ""
        except (OSError, subprocess.CalledProcessError):
            commit = "sources without git"
    return {"commit": commit, "tusklite": __version__, "torch": torch.__version__}


def require_recordable(folder: Path, result: Mapping[str, Any]) -> None:
    """Refuse a result that could not be recorded, before it is trained.

    Args:
        folder: of all results.
        result: what of it is known by then (see `recorded_at`).

    Raises:
        ValueError: a result of the same settings, data and device is there already, or the folder cannot be written.
    """
    there = recorded_at(folder, result)
    if there is not None:
        raise _taken(there)
    path = result_path(folder, result)
    existing = next(each for each in path.parents if each.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ValueError(f"record: {existing} was found; allowed is a folder that results can be written to")


def record_result(folder: Path, result: Mapping[str, Any]) -> Path:
    """Keep a result under `results/`; one that is there stays as it is.

    Raises:
        ValueError: a key of the format is missing, or another result of the same settings, data and device is there.
        FileNotWritten: the disk is full, or the folder may not be written.
    """
    wanted = (*KEYS, *NAMED_BY)
    missing = [key for key in wanted if key not in result]
    if missing:
        raise ValueError(f"result: without {', '.join(missing)}; allowed is a result with all of {', '.join(wanted)}")
    path = result_path(folder, result)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise FileNotWritten(path, reason) from reason
    there = recorded_at(folder, result)
    if there is not None and not (there == path and read_json(path) == result):
        raise _taken(there)
    if there is None:
        try:
            write_json(path, result, new=True)
        except FileExistsError:
            raise _taken(path) from None
    return path


def _taken(path: Path) -> ValueError:
    return ValueError(
        f"record: {path} holds a result of the same settings, data and device; "
        "allowed are other settings, another seed, or to move that file away"
    )
