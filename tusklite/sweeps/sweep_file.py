"""The file of a sweep: what is varied, by which seeds, within which limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tusklite.arguments import require_integer, require_number, require_seed
from tusklite.sweeps.yaml_places import Place, PlacedYAML, read_placed_yaml

KEYS = (
    "name", "experiment", "lesson", "preset", "seeds", "settings", "grid", "variants", "metrics", "limits", "slurm",
    "output",
)  # fmt: skip
LIMITS = ("workers", "threads", "memory_gb")
SLURM = ("queue", "account", "walltime", "memory", "interface", "directives", "prologue")

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """What a run may take, and how many run at one time.

    Attributes:
        workers: runs at one time, on the local cluster or by SLURM; as many as the processors allow where None.
        threads: of each run's process.
        memory_gb: resident memory of a run's processes, in GB, above which it is ended; none where None.
    """

    workers: int | None = None
    threads: int = 1
    memory_gb: float | None = None


@dataclass(frozen=True)
class SweepFile:
    """What a sweep's file says; whether its settings exist is checked by `tusklite.sweeps.make_plan`.

    Attributes:
        file: as it was read, for messages that name a line.
        name: of the sweep; of its folder too.
        experiment: whose preset is varied, by name or Python file; None where it is a lesson.
        lesson: which lesson is run; None where it is an experiment.
        preset: of the experiment, or the lesson's profile; None where nothing was said.
        seeds: each setting runs once with each.
        settings: the same in all runs.
        grid: values by name; every combination is one setting.
        variants: settings by the name of a variant; each is crossed with the grid.
        metrics: what the table shows; what the experiment's own table shows where there are none.
        limits: what a run may take.
        slurm: how jobs are asked for, in dask-jobqueue's words.
        output: where results go, a folder or an address that fsspec knows; `runs/sweep-<name>` where None.
    """

    file: PlacedYAML
    name: str
    experiment: str | None
    lesson: str | None
    preset: str | None
    seeds: tuple[int, ...] | None
    settings: Settings
    grid: Mapping[str, list[Any]]
    variants: Mapping[str, Settings]
    metrics: tuple[str, ...]
    limits: Limits
    slurm: Settings = field(default_factory=dict)
    output: str | None = None


def read_sweep(path: Path) -> SweepFile:
    """Read a sweep's file, and refuse what is not well-formed.

    Raises:
        ValueError: no YAML, an unknown or a missing key, a value of another type, an empty grid; the message names
            file and line.
        OSError: it cannot be read.
    """
    file = read_placed_yaml(path)
    content = _mapping(file, ())
    _require_known(file, (), content, KEYS)
    if ("experiment" in content) == ("lesson" in content):
        given = "both were given" if "experiment" in content else "neither was given"
        raise file.error((), f"experiment, lesson: {given}; allowed is one of them")
    name = _word(file, ("name",), path.stem)
    if name is None or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name):
        raise file.error(("name",), f"name: {name!r} was given; allowed are letters, digits, - and _, 60 at most")
    grid = {each: _distinct(file, ("grid", each)) for each in _mapping(file, ("grid",))}
    if "grid" in content and not grid:
        raise file.error(("grid",), "grid: {} was given; allowed is at least one name with a list of values")
    variants = {each: _mapping(file, ("variants", each)) for each in _mapping(file, ("variants",))}
    if "variants" in content and not variants:
        raise file.error(("variants",), "variants: {} was given; allowed is at least one name with settings")
    settings = _mapping(file, ("settings",))
    return SweepFile(
        file=file,
        name=name,
        experiment=_word(file, ("experiment",)),
        lesson=_word(file, ("lesson",)),
        preset=_word(file, ("preset",)),
        seeds=_seeds(file),
        settings=settings,
        grid=grid,
        variants=variants,
        metrics=tuple(_words(file, ("metrics",))),
        limits=_limits(file),
        slurm=_slurm(file),
        output=_word(file, ("output",)),
    )


def _at(file: PlacedYAML, place: Place) -> Any:
    """What stands at a place; None where nothing does."""
    value = file.value
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _named(place: Place) -> str:
    return ".".join(map(str, place)) or "the file"


def _refuse(file: PlacedYAML, place: Place, allowed: str) -> ValueError:
    return file.error(place, f"{_named(place)}: {_at(file, place)!r} was given; allowed is {allowed}")


def _require_known(file: PlacedYAML, place: Place, content: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in content:
        if key not in known:
            raise file.error((*place, key), f"{_named((*place, key))}: unknown; allowed are {', '.join(known)}")


def _mapping(file: PlacedYAML, place: Place) -> dict[str, Any]:
    """The names with values at a place; none where the place is not there."""
    value = _at(file, place)
    if value is None and place not in file.lines:
        return {}
    if not isinstance(value, dict):
        raise _refuse(file, place, "names with values, as in `steps: 100`")
    return value


def _word(file: PlacedYAML, place: Place, otherwise: str | None = None) -> str | None:
    if place not in file.lines:
        return otherwise
    value = _at(file, place)
    if not isinstance(value, str) or not value:
        raise _refuse(file, place, "a word, in quotes where it could be a number")
    return value


def _list(file: PlacedYAML, place: Place) -> list[Any]:
    value = _at(file, place)
    if not isinstance(value, list) or not value:
        raise _refuse(file, place, "a list of at least one value, as in [1, 2]")
    return value


def _words(file: PlacedYAML, place: Place) -> list[str]:
    if place not in file.lines:
        return []
    for index, value in enumerate(_list(file, place)):
        if not isinstance(value, str) or not value:
            raise file.error((*place, index), f"{_named(place)}: {value!r} was given; allowed are words")
    return _distinct(file, place)


def _distinct(file: PlacedYAML, place: Place) -> list[Any]:
    """A list in which nothing stands twice."""
    values = _list(file, place)
    for index, value in enumerate(values):
        if any(value == other and type(value) is type(other) for other in values[:index]):
            raise file.error((*place, index), f"{_named(place)}: {value!r} was given twice; allowed is each once")
    return values


def _seeds(file: PlacedYAML) -> tuple[int, ...] | None:
    if ("seeds",) not in file.lines:
        return None
    seeds = []
    for index, value in enumerate(_list(file, ("seeds",))):
        try:
            seeds.append(require_seed("seeds", value))
        except (TypeError, ValueError) as reason:
            raise file.error(("seeds", index), reason) from reason
    _distinct(file, ("seeds",))
    return tuple(seeds)


def _limits(file: PlacedYAML) -> Limits:
    content = _mapping(file, ("limits",))
    _require_known(file, ("limits",), content, LIMITS)
    given: dict[str, Any] = {}
    for name, value in content.items():
        try:
            if name == "memory_gb":
                given[name] = require_number(f"limits.{name}", value, open_low=True)
            else:
                given[name] = require_integer(f"limits.{name}", value, low=1, high=1024)
        except (TypeError, ValueError) as reason:
            raise file.error(("limits", name), reason) from reason
    return Limits(**given)


def _slurm(file: PlacedYAML) -> dict[str, Any]:
    content = _mapping(file, ("slurm",))
    _require_known(file, ("slurm",), content, SLURM)
    for name in content:
        if name in ("directives", "prologue"):
            _words(file, ("slurm", name))
        else:
            _word(file, ("slurm", name))
    return content
