"""Recorded results, read again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tusklite.files import read_json
from tusklite.methods.former_names import with_present_names
from tusklite.results.record import KEYS, Result

# Settings that a result states elsewhere, or that train nothing else.
STATED = (
    "seed", "device", "source", "log_every", "checkpoint_every", "evaluate_every", "workers",
    "validation_scenes", "test_scenes",
)  # fmt: skip


def read_result(path: Path) -> Result:
    """One recorded result, with its settings by today's names.

    Raises:
        ValueError: not JSON, or without what a result has to state; the message names the file.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds {type(content).__name__}; allowed is a result with {', '.join(KEYS)}")
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise ValueError(f"{path}: without {', '.join(missing)}; allowed is a result with all of {', '.join(KEYS)}")
    for key in ("overrides", "data", "metrics", "paper", "code"):
        if not isinstance(content[key], dict):
            raise ValueError(f"{path}: {key} is {content[key]!r}; allowed are names with values")
    if not isinstance(content["data"].get("source"), str):
        raise ValueError(f"{path}: data.source is {content['data'].get('source')!r}; allowed is the name of a source")
    return content | {"overrides": with_present_names(content["overrides"])}


def read_results(folder: Path) -> list[Result]:
    """Every recorded result, by path.

    Raises:
        ValueError: a file that holds no result, by name.
    """
    return [read_result(path) for path in sorted(folder.glob("*/*.json")) if path.is_file()]


def changed_settings(result: Mapping[str, object]) -> dict[str, object]:
    """The overrides of a result that change what is trained, other than seed and source, which it states anyway.

    Example:
        >>> changed_settings({"overrides": {"schedule.seed": 3, "background": 0.0}})
        {'background': 0.0}
    """
    overrides = result["overrides"]
    assert isinstance(overrides, dict)
    return {name: value for name, value in overrides.items() if name.rpartition(".")[2] not in STATED}
