"""Results as files: what a run writes, and what is recorded under `results/`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tusklite import __version__
from tusklite.files import FileNotWritten, write_json
from tusklite.places import source_root

Result = dict[str, Any]

KEYS = (
    "experiment", "preset", "overrides", "seed", "device", "seconds", "steps", "peak_memory_mb",
    "data", "code", "metrics", "paper",
)  # fmt: skip
# What a run that is recorded states beside them: its name for readers, and every setting that it went by.
NAMED_BY = ("label", "configuration")


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


def result_hash(result: Mapping[str, object]) -> str:
    """Eight hex digits of all that decides a result: experiment, preset, every setting, data and device.

    Example:
        >>> run = {"experiment": "toy", "preset": "ci", "configuration": {"steps": 3}, "data": {}, "device": "cpu"}
        >>> result_hash(run) == result_hash(run | {"seconds": 9.0}), result_hash(run) == result_hash(run | {"data": 1})
        (True, False)
    """
    decides = {name: result[name] for name in ("experiment", "preset", "configuration", "data", "device")}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]


def result_path(folder: Path, result: Mapping[str, object]) -> Path:
    """Where a result is recorded: `<experiment>/<preset>-seed<n>-<device>-<hash>.json`.

    Example:
        >>> result = {"experiment": "mnist-hard", "preset": "lite", "seed": 2, "device": "cpu (2 threads)"}
        >>> path = result_path(Path("results"), result | {"configuration": {}, "data": {"source": "mnist"}})
        >>> path.as_posix()
        'results/mnist-hard/lite-seed2-cpu-4ae21dfa.json'
    """
    device = re.sub(r"[^a-z0-9]+", "-", str(result["device"]).split(" (")[0].lower()).strip("-")
    name = f"{result['preset']}-seed{result['seed']}-{device}-{result_hash(result)}.json"
    return folder / str(result["experiment"]) / name


def require_recordable(folder: Path, result: Mapping[str, object]) -> Path:
    """The path of a result that is to be recorded, if nothing is there yet.

    Raises:
        ValueError: a result of the same settings, data and device is there already.
    """
    path = result_path(folder, result)
    if path.exists():
        raise ValueError(
            f"record: {path} holds a result of the same settings, data and device; "
            "allowed are other settings, another seed, or to move that file away"
        )
    return path


def record_result(folder: Path, result: Mapping[str, object]) -> Path:
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
        with path.open("x", encoding="utf-8"):  # taken: two runs that end at one moment cannot both have it
            pass
    except FileExistsError:
        if path.read_text(encoding="utf-8") == json.dumps(result, indent=2, ensure_ascii=False) + "\n":
            return path
        return require_recordable(folder, result)
    except OSError as reason:
        raise FileNotWritten(path, reason) from reason
    try:
        write_json(path, result)
    except BaseException:
        os.unlink(path)
        raise
    return path
