"""From the file of a sweep to its runs: every setting of every run is checked before anything starts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from tusklite.experiments import experiment_of, experiments, folder_name, run_name
from tusklite.experiments.base import AnyExperiment
from tusklite.metrics.metric import Metric
from tusklite.places import notebook_path
from tusklite.settings import as_json, full_name, plain, short_names
from tusklite.sweeps.sweep_file import Limits, SweepFile
from tusklite.sweeps.yaml_places import Place

SEED = "schedule.seed"
Values = Mapping[str, Any]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Setting:
    """What the runs of one row of a sweep's table have in common.

    Attributes:
        variant: the name of its variant; None where the sweep has none.
        grid: the values of the grid, by short name.
    """

    variant: str | None
    grid: Values

    @property
    def title(self) -> str:
        """Its name for readers.

        Example:
            >>> Setting("no transport", {"steps": 60}).title
            'no transport, steps 60'
        """
        words = [*([self.variant] if self.variant is not None else []), *(f"{n} {v}" for n, v in self.grid.items())]
        return ", ".join(words) or "as it is"


@dataclass(frozen=True)
class Run:
    """One run of a sweep: a command of tusklite's, and the folder that it works in.

    Attributes:
        name: of its folder.
        setting: its row, counted from 0.
        seed: None where a lesson has none.
        words: of the command line, but for the folder.
        identity: all that decides it, as JSON keeps it: a run is finished where one of the same identity is.
    """

    name: str
    setting: int
    seed: int | None
    words: tuple[str, ...]
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, each with settings that there are.

    Attributes:
        name: of the sweep.
        settings: the rows of its table.
        runs: in the order in which they start: every setting with the first seed, then with the second.
        metrics: the figures that its table shows.
        all_metrics: every figure that is known of its runs.
        limits: what a run may take.
    """

    name: str
    settings: tuple[Setting, ...]
    runs: tuple[Run, ...]
    metrics: tuple[Metric, ...]
    all_metrics: tuple[Metric, ...]
    limits: Limits


@dataclass(frozen=True)
class _Chosen:
    """The settings of one row, each with its place in the file."""

    setting: Setting
    values: Values
    places: Mapping[str, Place]
    place: Place


def make_plan(sweep: SweepFile) -> Plan:
    """All runs of a sweep, checked.

    Raises:
        ValueError: an experiment, lesson, preset, setting or metric that is not there, a value of another type or out
            of range, settings that do not go together, or two rows that are the same; the message names file and line.
        FileNotFoundError, ImportError: what is asked for needs a file or a library that is not there.
    """
    settings, runs = (_of_lesson if sweep.lesson is not None else _of_experiment)(sweep)
    seen: dict[str, Run] = {}
    for run in runs:
        if run.name in seen:
            first, again = (settings[each.setting] for each in (seen[run.name], run))
            raise sweep.file.error(
                again.place,
                f"{again.setting.title}: is the same run as {first.setting.title}; allowed is each setting once",
            )
        seen[run.name] = run
    metrics, all_metrics = _metrics(sweep)
    return Plan(sweep.name, tuple(each.setting for each in settings), tuple(runs), metrics, all_metrics, sweep.limits)


def _at(sweep: SweepFile, place: Place, make: Callable[[], Made]) -> Made:
    """What is made; a refusal names the place."""
    try:
        return make()
    except (TypeError, ValueError) as reason:
        raise sweep.file.error(place, reason) from reason


def _of_experiment(sweep: SweepFile) -> tuple[list[_Chosen], list[Run]]:
    experiment = _at(sweep, ("experiment",), lambda: _experiment(sweep))
    preset_name = sweep.preset if sweep.preset is not None else "lite"
    base = _at(sweep, ("preset",), lambda: experiment.preset(preset_name))
    known = base.settings()
    rows = [_in_order(row, known) for row in _rows(sweep, known, lambda name: full_name(name, known))]
    runs = []
    for seed in sweep.seeds or (0,):
        for number, row in enumerate(rows):
            preset = _blamed(sweep, row, partial(base.with_settings, {**row.values, SEED: seed}))
            if seed == (sweep.seeds or (0,))[0]:  # what does not go together shows where the method is made
                _blamed(sweep, row, partial(_made, experiment, preset))
            changes = {name: value for name, value in preset.overrides.items() if name != SEED}
            words = ["train", _experiment_word(sweep), "--preset", preset.name, "--seed", str(seed), "--resume"]
            words += ["--quiet", "--threads", str(sweep.limits.threads)]
            words += [word for name, value in changes.items() for word in ("--set", f"{name}={value!r}")]
            identity = {
                "experiment": experiment.name,
                "preset": preset.name,
                "configuration": json.loads(json.dumps(as_json(preset.parts()))),
            }
            runs.append(Run(run_name(preset), number, seed, tuple(words), identity))
    return rows, runs


def _experiment_word(sweep: SweepFile) -> str:
    """The experiment as `train` takes it; a Python file is meant from the sweep's file on."""
    word = str(sweep.experiment)
    return str((sweep.file.path.parent / word).resolve()) if word.endswith(".py") else word


def _experiment(sweep: SweepFile) -> AnyExperiment:
    return experiment_of(_experiment_word(sweep))


def _made(experiment: AnyExperiment, preset: Any) -> None:
    """Make a method for its refusals alone; a file that it cannot have here may be there where it runs."""
    try:
        experiment.method(preset)
    except (ImportError, OSError, RuntimeError):
        return


def _of_lesson(sweep: SweepFile) -> tuple[list[_Chosen], list[Run]]:
    from tusklite.course.lessons import lesson_parameters
    from tusklite.course.parameter_cells import checked_parameters, profile_of

    try:
        lesson = notebook_path(_lesson_word(sweep))
    except FileNotFoundError as reason:
        raise sweep.file.error(("lesson",), reason) from reason
    known = lesson_parameters(lesson)
    more: dict[str, Any] = {"profile": sweep.preset} if sweep.preset is not None else {}
    if not more and "profile" in known and known["profile"].default is None:
        more = {"profile": "lite"}  # whatever the environment of the machine says that it runs on
    _at(sweep, ("preset",), lambda: checked_parameters(more, known, lesson.stem))
    rows = [_in_order(row, sorted(row.values)) for row in _rows(sweep, known, lambda name: name)]
    seeds: Sequence[int | None] = sweep.seeds or ((0,) if "seed" in known else (None,))
    title = f"{lesson.stem.split('_', 1)[-1].replace('_', '-')}-{profile_of(known, more)}"
    runs = []
    for seed in seeds:
        for number, row in enumerate(rows):
            given = {**more, **row.values, **({"seed": seed} if seed is not None else {})}
            _blamed(sweep, row, partial(checked_parameters, given, known, lesson.stem))
            words = ["run", str(lesson)]
            words += [word for name, value in given.items() for word in ("-p", f"{name}={value!r}")]
            identity = {"lesson": lesson.stem, "parameters": json.loads(json.dumps(given))}
            titles = {name: name for name in row.values}
            runs.append(Run(folder_name(title, row.values, titles, seed), number, seed, tuple(words), identity))
    return rows, runs


def _lesson_word(sweep: SweepFile) -> str:
    """The lesson as `run` takes it; a notebook's file is meant from the sweep's file on."""
    word = str(sweep.lesson)
    beside = sweep.file.path.parent / word
    return str(beside.resolve()) if word.endswith(".ipynb") and beside.is_file() else word


def _in_order(row: _Chosen, names: Iterable[str]) -> _Chosen:
    """A row whose settings come in this order, whatever the file's, so that a run's name does not depend on that."""
    return replace(row, values={name: row.values[name] for name in names if name in row.values})


def _rows(sweep: SweepFile, known: Mapping[str, Any], full: Callable[[str], str]) -> Iterator[_Chosen]:
    """Every variant with every combination of the grid."""
    own = [(_full_name(sweep, ("settings", name), full, name), name) for name in sweep.settings]
    axes = [(_full_name(sweep, ("grid", name), full, name), name) for name in sweep.grid]
    variants = {
        title: [(_full_name(sweep, ("variants", title, name), full, name), name) for name in settings]
        for title, settings in sweep.variants.items()
    }
    for title, pairs in variants.items() if variants else [(None, [])]:
        taken: dict[str, Place] = {}
        for part, names in (("settings", own), ("grid", axes), ("variants", pairs)):
            for name, given in names:
                place: Place = (part, given) if part != "variants" else (part, str(title), given)
                if name in taken:
                    where = ".".join(map(str, taken[name]))
                    raise sweep.file.error(place, f"{given}: is given by {where} already; allowed is each setting once")
                taken[name] = place
    titles = short_names([name for name, _ in axes], known)
    chosen: list[str | None] = [*variants] or [None]
    for variant in chosen:
        given_by_variant = sweep.variants[variant] if variant is not None else {}
        for indices in itertools.product(*(range(len(sweep.grid[given])) for _, given in axes)):
            values = {name: plain(sweep.settings[given]) for name, given in own}
            places: dict[str, Place] = {name: ("settings", given) for name, given in own}
            for name, given in variants[variant] if variant is not None else []:
                values[name] = plain(given_by_variant[given])
                places[name] = ("variants", str(variant), given)
            cells = {}
            for (name, given), index in zip(axes, indices, strict=True):
                values[name] = cells[titles[name]] = plain(sweep.grid[given][index])
                places[name] = ("grid", given, index)
            around: Place = ("variants", variant) if variant is not None else ("grid",) if axes else ("settings",)
            yield _Chosen(Setting(variant, cells), values, places, around)


def _full_name(sweep: SweepFile, place: Place, full: Callable[[str], str], name: str) -> str:
    """A setting's full name; one that is not there, and a seed, are refused with their place."""
    found = _at(sweep, place, lambda: full(name))
    if found in ("seed", SEED):
        raise sweep.file.error(place, f"{name}: was given as a setting; allowed is `seeds`, a list beside it")
    return found


def _blamed(sweep: SweepFile, row: _Chosen, make: Callable[[], Made]) -> Made:
    """What is made of the settings of a row; a refusal names the line of the setting that it speaks of."""
    try:
        return make()
    except (TypeError, ValueError) as reason:
        named, _, said = str(reason).partition(":")
        about = {named.rpartition(".")[2], *said.replace(",", " ").replace("'", " ").split()[:1]}
        places = [place for name, place in row.places.items() if name.rpartition(".")[2] in about]
        raise sweep.file.error(places[0] if places else row.place, reason) from reason


def _metrics(sweep: SweepFile) -> tuple[tuple[Metric, ...], tuple[Metric, ...]]:
    """What the table shows, and all that is known."""
    if sweep.lesson is None:
        experiment = _experiment(sweep)
    else:
        from tusklite.course.lessons import lesson_parameters
        from tusklite.course.parameter_cells import experiment_named

        named = experiment_named(lesson_parameters(notebook_path(_lesson_word(sweep))))
        if named is None:
            found = tuple(Metric(name, name, "") for name in sweep.metrics)
            return found, found
        experiment = experiments()[named]
    own = {metric.name: metric for metric in (*experiment.table.metrics, *experiment.metrics)}
    for index, name in enumerate(sweep.metrics):
        if name not in own:
            raise sweep.file.error(
                ("metrics", index), f"metrics: {name!r} was given; allowed are {', '.join(map(repr, own))}"
            )
    shown = tuple(own[name] for name in sweep.metrics) or tuple(experiment.table.metrics)
    return shown, tuple(own.values())
