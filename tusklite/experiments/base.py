"""What an experiment is: presets, data, method, scoring, published figures and a table, in one object in one file."""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from tusklite.arguments import require_choice
from tusklite.data.base import ImageSource
from tusklite.methods.base import Method
from tusklite.metrics.metric import Metric
from tusklite.results.table import Departures, Table
from tusklite.settings import as_json, full_name, setting_values, with_settings
from tusklite.train.loop import FitResult
from tusklite.train.schedule import Schedule

PARTS = ("model", "training", "schedule", "data")

ModelConfig = TypeVar("ModelConfig")
Options = TypeVar("Options")
DataChoice = TypeVar("DataChoice")


@dataclass(frozen=True)
class Preset(Generic[ModelConfig, Options, DataChoice]):
    """Everything that a run of an experiment needs to know.

    Attributes:
        experiment: such as "mnist-hard".
        name: such as "lite".
        model: shape of the network, a dataclass.
        training: weights and schedule of the losses, a dataclass.
        schedule: length, batch, seed, device.
        data: which data, and how much of them, a dataclass.
        overrides: what was changed against the preset of that name, by full name.
    """

    experiment: str
    name: str
    model: ModelConfig
    training: Options
    schedule: Schedule
    data: DataChoice
    overrides: Mapping[str, object] = field(default_factory=dict)

    def parts(self) -> dict[str, object]:
        """Its dataclasses by name."""
        return {part: getattr(self, part) for part in PARTS}

    def settings(self) -> dict[str, object]:
        """Every setting by its full name, such as "model.stem".

        Example:
            >>> preset = Preset("example", "tiny", None, None, Schedule(steps=3), None)
            >>> preset.settings()["schedule.steps"]
            3
        """
        return setting_values(self.parts())

    def configuration(self) -> dict[str, object]:
        """Every setting as plain values, nested by part, as a result keeps them."""
        return as_json(self.parts())

    def with_settings(self, overrides: Mapping[str, object]) -> Preset[ModelConfig, Options, DataChoice]:
        """The same preset with some settings changed, by full or short name; it lists those that differ.

        Raises:
            ValueError, TypeError: as `tusklite.settings.with_settings`.

        Example:
            >>> preset = Preset("example", "tiny", None, None, Schedule(steps=3), None)
            >>> preset.with_settings({"schedule.steps": 5, "seed": 0}).overrides
            {'schedule.steps': 5}
        """
        before = self.settings()
        parts: dict[str, Any] = with_settings(self.parts(), overrides)
        changed = replace(self, **parts)
        after = changed.settings()
        order = [*self.overrides, *(full_name(name, before) for name in overrides)]
        differs = {
            name: after[name] for name in dict.fromkeys(order) if name in self.overrides or after[name] != before[name]
        }
        return replace(changed, overrides=differs)


AnyPreset = Preset[Any, Any, Any]


class Splits(Protocol):
    """The images of an experiment: those that are learnt from, and what else its scoring wants."""

    @property
    def train(self) -> ImageSource:
        """What is learnt from, without labels."""
        ...


class Scores(NamedTuple):
    """What scoring a finished run gives.

    Attributes:
        metrics: plain numbers by name; "curve" alone is a list, of pairs of step and value.
        details: whatever else is worth keeping, as JSON can hold it.
    """

    metrics: dict[str, Any]
    details: dict[str, Any] | None = None


AnySplits = TypeVar("AnySplits", bound=Splits)
AnyMethod = TypeVar("AnyMethod", bound="Method[Any, Any, Any]")


class Experiment(ABC, Generic[AnyMethod, AnySplits]):
    """A whole experiment. Its file makes one subclass and registers an instance of it; all else is generic.

    Attributes:
        name: as the command line has it, such as "mnist-hard".
        title: for readers.
        presets: its configurations; the names "ci", "lite", "paper" and "full" mean a minute, minutes on two cores, as
            published, and as long as it takes.
        metrics: the figures that its results state, the most important first.
        watched: what a progress line shows of the log: title by name, in this order.
        table: what its table shows.
        departures: what its recipe has beyond the paper, if that is measured.

    Example:
        >>> from tusklite.experiments import get_experiment
        >>> get_experiment("mnist-hard").title
        'TUSK on MNIST-Hard'
    """

    name: ClassVar[str]
    title: ClassVar[str]
    presets: ClassVar[tuple[AnyPreset, ...]]
    metrics: ClassVar[tuple[Metric, ...]]
    watched: ClassVar[Mapping[str, str]] = {}
    table: ClassVar[Table]
    departures: ClassVar[Departures | None] = None

    @abstractmethod
    def splits(self, preset: AnyPreset) -> AnySplits:
        """The images that a preset asks for, on its device."""

    @abstractmethod
    def method(self, preset: AnyPreset) -> AnyMethod:
        """An untrained method: the same weights for the same seed, whatever was drawn before."""

    @abstractmethod
    def score(self, preset: AnyPreset, method: AnyMethod, splits: AnySplits, fitted: FitResult) -> Scores:
        """Score a finished run on unseen images, once."""

    @abstractmethod
    def describe(self, preset: AnyPreset, splits: AnySplits) -> dict[str, Any]:
        """What a result states about its data: source, checksum, sizes."""

    def look(self, preset: AnyPreset, method: AnyMethod, splits: AnySplits) -> dict[str, float]:
        """Figures for the log while training runs, from images that are held out; nothing is chosen by them."""
        return {}

    def published(self, preset: AnyPreset) -> Mapping[str, float]:
        """The paper's figures that stand beside a result, by the names of its metrics."""
        return {}

    def data_line(self, preset: AnyPreset) -> str:
        """One line for the reader: which data a run uses, where from, the checksum."""
        about = self.describe(preset, self.splits(preset))
        return f"data: {about['source']}" + (f", sha256 {about['sha256'][:12]}…" if "sha256" in about else "")

    def preset(self, name: str, **overrides: object) -> AnyPreset:
        """A preset by name, with any of its settings changed.

        Args:
            name: one of its presets.
            overrides: settings by full or short name, such as `seed=3`, or `**{"model.stem": 1}`.

        Raises:
            ValueError, TypeError: an unknown preset or setting (the message lists the known ones), or a value out of
                range.
        """
        require_choice("name", name, [preset.name for preset in self.presets])
        (chosen,) = (preset for preset in self.presets if preset.name == name)
        return chosen.with_settings(overrides)

    def full_name(self, name: str) -> str:
        """A setting's full name; a name that no preset has stays as it is, as in results of earlier versions."""
        known = [setting for setting in self.presets[0].settings()]
        return full_name(name, known) if name in known or any(each.endswith(f".{name}") for each in known) else name


AnyExperiment = Experiment[Any, Any]

_REGISTERED: dict[str, AnyExperiment] = {}


def register(experiment: AnyExperiment) -> AnyExperiment:
    """Make an experiment known by its name: to `train`, to the command line, to the tables.

    The same class of the same file may come again, as where a notebook's cell is run twice.

    Raises:
        ValueError: another one of that name, a name that could name no file, or one that lacks something: presets,
            metrics or a table.
        TypeError: no `Experiment`.
    """
    if not isinstance(experiment, Experiment):
        raise TypeError(f"experiment: {experiment!r} was given; allowed is an Experiment")
    lacking = [part for part in ("name", "title", "presets", "metrics", "table") if not getattr(experiment, part, None)]
    if lacking:
        raise ValueError(f"experiment: {type(experiment).__name__} was given without {', '.join(lacking)}")
    names = [preset.name for preset in experiment.presets]
    strangers = [preset for preset in experiment.presets if preset.experiment != experiment.name]
    if strangers or len(set(names)) < len(names):
        raise ValueError(f"presets: {names} were given; allowed are presets of {experiment.name!r}, each name once")
    for word in (experiment.name, *names):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", word):
            raise ValueError(f"name: {word!r} was given; allowed are letters, digits, - and _, 40 at most")
    known = _REGISTERED.get(experiment.name)
    if known is not None and _origin(known) != _origin(experiment):
        raise ValueError(f"experiment: {experiment.name!r} was given; allowed is a name that no other one has")
    _REGISTERED[experiment.name] = experiment
    return experiment


def _origin(experiment: AnyExperiment) -> tuple[str, str]:
    """Where the class of an experiment is written: its file, or its module where it has none, and its name."""
    kind = type(experiment)
    return str(getattr(sys.modules.get(kind.__module__), "__file__", None) or kind.__module__), kind.__qualname__


def registered() -> dict[str, AnyExperiment]:
    """The experiments that were registered so far, by name."""
    return dict(_REGISTERED)
