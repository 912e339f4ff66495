"""What a result states, what decides it, and where it is recorded."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Result = dict[str, Any]

KEYS = (
    "experiment", "preset", "overrides", "seed", "device", "seconds", "steps", "peak_memory_mb",
    "data", "code", "metrics", "paper",
)  # fmt: skip
# What a run that is recorded states beside them: its name for readers, and every setting that it went by.
NAMED_BY = ("label", "configuration")

# Settings that a result states elsewhere as they came out: "auto" as what was there, files by their checksum.
RESOLVED = ("schedule.device", "data.source", "data.folder", "data.points")
# Those, and what trains nothing else.
STATED = (
    *RESOLVED, "schedule.seed", "schedule.log_every", "schedule.checkpoint_every", "schedule.evaluate_every",
    "schedule.workers", "data.validation_scenes", "data.test_scenes",
)  # fmt: skip


def changed_settings(result: Mapping[str, Any]) -> dict[str, object]:
    """The overrides of a result that change what is trained, other than seed and source, which it states anyway.

    Example:
        >>> changed_settings({"overrides": {"schedule.seed": 3, "data.seed": 3, "background": 0.0}})
        {'data.seed': 3, 'background': 0.0}
    """
    stated = {*STATED, *(name.rpartition(".")[2] for name in STATED)}  # earlier results have the last word alone
    return {name: value for name, value in result["overrides"].items() if name not in stated}


def result_hash(result: Mapping[str, Any]) -> str:
    """Eight hex digits of all that decides a result: experiment, preset, every setting, data and device.

    Example:
        >>> run = {"experiment": "x", "preset": "ci", "configuration": {}, "data": {}, "device": "cpu"}
        >>> result_hash(run) == result_hash(run | {"seconds": 9.0}), result_hash(run) == result_hash(run | {"data": 1})
        (True, False)
    """
    decides = {name: result[name] for name in ("experiment", "preset", "data", "device")}
    decides["configuration"] = {
        part: {name: value for name, value in settings.items() if f"{part}.{name}" not in RESOLVED}
        for part, settings in result["configuration"].items()
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]


def result_path(folder: Path, result: Mapping[str, Any]) -> Path:
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
