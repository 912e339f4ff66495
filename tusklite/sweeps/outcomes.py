"""How a run ended: read from what it left in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tusklite.files import write_json
from tusklite.sweeps.plan import Run

STATUS = "run.json"  # of a run's folder: what it is, and how it ended
METRICS = "metrics.json"
OUTPUT = "output.txt"

FINISHED, FAILED, STOPPED, BEGUN, WAITING = "finished", "failed", "stopped", "begun", "waiting"


@dataclass(frozen=True)
class Outcome:
    """How a run ended, or that it did not.

    Attributes:
        run: its name.
        state: "finished", "failed", "stopped" where it was asked to, or "waiting".
        error: of a failed one, in a line.
        result: of a finished one, what it states; None for a lesson that states none.
        files: what it left, by name.
    """

    run: str
    state: str
    error: str = ""
    result: Mapping[str, Any] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)


def outcome_of(run: Run, read: Callable[[str], bytes | None]) -> Outcome:
    """How a run ended, by what lies in its folder.

    Args:
        run: which.
        read: gives a file of its folder by name; None where it is not there.
    """
    status, result = _json(read(STATUS)), _json(read(METRICS))
    result = result if isinstance(result.get("metrics"), dict) else {}
    same = status.get("identity") == json.loads(json.dumps(run.identity))
    if "experiment" in run.identity:  # its result says itself what it is of
        if result and all(result.get(name) == value for name, value in run.identity.items()):
            return Outcome(run.name, FINISHED, result=result)
    elif same and status.get("state") == FINISHED:
        return Outcome(run.name, FINISHED, result=result or None)
    if same and status.get("state") == FAILED:
        return Outcome(run.name, FAILED, str(status.get("error", "")))
    return Outcome(run.name, WAITING)


def _json(content: bytes | None) -> dict[str, Any]:
    """What a file of JSON holds; nothing where it is damaged, as where a machine went down."""
    try:
        found = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def reader(folder: Path) -> Callable[[str], bytes | None]:
    """Reads the files of a folder by name; None where one is not there."""

    def read(name: str) -> bytes | None:
        try:
            return (folder / name).read_bytes()
        except OSError:
            return None

    return read


def write_status(folder: Path, identity: Mapping[str, Any], state: str, error: str = "") -> None:
    """Say in a run's folder how it stands.

    Raises:
        FileNotWritten: a full disk, or a folder that may not be written.
    """
    write_json(folder / STATUS, {"state": state, "error": error, "identity": identity})
