"""Recorded results, read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from tusklite.files import read_json
from tusklite.methods.former_names import with_present_names
from tusklite.results.result import KEYS, RESOLVED, Result, changed_settings, result_path

CURVE = "curve"  # the one metric that is no number: how another one rose, in pairs of step and value
_WORDS = ("experiment", "preset", "device")
_NUMBERS = ("seed", "seconds", "steps", "peak_memory_mb")
_NAMED = ("overrides", "data", "metrics", "paper", "code")


def read_result(path: Path) -> Result:
    """One recorded result, with its settings by today's names.

    Raises:
        ValueError: not JSON, or without what a result has to state; the message names the file.
        OSError: it cannot be read.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds {type(content).__name__}; allowed is a result with {', '.join(KEYS)}")
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise ValueError(f"{path}: without {', '.join(missing)}; allowed is a result with all of {', '.join(KEYS)}")
    _require(path, content, _WORDS, str, "a word")
    _require(path, content, _NUMBERS, Real, "a number")
    _require(path, content, _NAMED, dict, "names with values")
    _require(path, content["data"], ("source",), str, "the name of a source", "data.")
    for key in ("metrics", "paper"):
        known = [name for name, value in content[key].items() if value is not None and name != CURVE]
        _require(path, content[key], known, Real, "a number", f"{key}.")
    if not _is_curve(content["metrics"].get(CURVE, [])):
        raise ValueError(
            f"{path}: metrics.{CURVE} is no curve; allowed is a list of pairs of numbers, a step and a value"
        )
    return content | {"overrides": with_present_names(content["overrides"])}


def _require(
    path: Path, content: Mapping[str, Any], names: tuple[str, ...] | list[str], kind: type, words: str, where: str = ""
) -> None:
    for name in names:
        value = content.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{path}: {where}{name} is {value!r}; allowed is {words}")


def _is_curve(value: object) -> bool:
    """Whether it is a list of pairs of numbers."""
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(type(number) in (int, float) for number in pair)
        for pair in value
    )


def read_results(folder: Path) -> list[Result]:
    """Every recorded result, by path.

    Raises:
        ValueError: a file that holds no result, by name.
    """
    return [read_result(path) for path in result_files(folder)]


def result_files(folder: Path) -> list[Path]:
    """The files of recorded results, in order."""
    return [path for path in sorted(folder.glob("*/*.json")) if path.is_file()]


def recorded_at(folder: Path, result: Mapping[str, Any]) -> Path | None:
    """Where a result of the same settings, data and device is recorded; None where there is none.

    Results of before they stated a configuration, or of before one of its settings was there, are the same where
    preset, seed, device, data and overrides are.

    Args:
        folder: of all results.
        result: what of it is known before it is trained (see `tusklite.results.result.result_hash`), and its overrides.

    Raises:
        ValueError: a file beside it that holds no result, by name.
    """
    path = result_path(folder, result)
    if path.exists():
        return path
    for other in sorted(path.parent.glob(f"{result['preset']}-*.json")):
        known = read_result(other)
        if _states_less(known, result) and _stated(known) == _stated(result):
            return other
    return None


def _states_less(known: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Whether a recorded result lacks settings that have come since, and agrees on those that it states."""
    there, now = known.get("configuration", {}), json.loads(json.dumps(result["configuration"]))
    lacking = any(now[part].keys() - there.get(part, {}).keys() for part in now)
    return lacking and all(
        now.get(part, {}).get(name, value) == value
        for part, settings in there.items()
        for name, value in settings.items()
        if f"{part}.{name}" not in RESOLVED
    )


def _stated(result: Mapping[str, Any]) -> tuple[object, ...]:
    """All that decides a run, as far as results of before they had a configuration say it: settings by last word."""
    changes = {name.rpartition(".")[2]: value for name, value in changed_settings(result).items()}
    data = result["data"]
    return (
        *(result[name] for name in ("preset", "seed", "device")),
        data["source"],
        data.get("sha256"),
        json.dumps(changes, sort_keys=True),
    )
