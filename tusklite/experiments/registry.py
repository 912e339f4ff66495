"""Which experiments there are: every file of this room, and those that you keep elsewhere."""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from types import CodeType

from tusklite.arguments import require_choice
from tusklite.experiments.base import AnyExperiment, AnyPreset, registered

VARIABLE = "TUSKLITE_EXPERIMENTS"


def experiments() -> dict[str, AnyExperiment]:
    """All experiments by name: those of this room, and those in the files that `$TUSKLITE_EXPERIMENTS` names.

    The variable holds Python files, or folders of them, with the sign between that the system has in `PATH`.

    Raises:
        FileNotFoundError: the variable names what is not there.
        ImportError: as `load_experiments`.

    Example:
        >>> sorted(experiments())[:2]
        ['clevr6', 'mallis-aflw']
    """
    room = importlib.import_module("tusklite.experiments")
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"tusklite.experiments.{module.name}")
    for place in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        path = Path(place).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"{VARIABLE}: {place} was given; allowed are Python files, or folders of them")
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            load_experiments(file)
    return registered()


def load_experiments(file: str | os.PathLike[str]) -> list[str]:
    """Run a Python file that registers experiments, once a process.

    Returns:
        The names of the experiments whose classes the file defines.

    Raises:
        FileNotFoundError: no such Python file.
        ImportError: what is written there fails; the message says in which line.
    """
    path = Path(file).resolve()
    if path.suffix != ".py" or not os.path.isfile(path):
        raise FileNotFoundError(f"file: {file} was given; allowed is a Python file that registers an experiment")
    name = f"tusklite_experiment_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        _run_file(name, path)
    return [known for known, experiment in registered().items() if type(experiment).__module__ == name]


class _FileAsItIs(importlib.machinery.SourceFileLoader):
    """Runs what a file says now. Bytecode that was kept is told from it by length and second alone: too coarse."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the file anew, and keep nothing beside it."""
        return self.source_to_code(self.get_data(self.path), self.path)


def _run_file(name: str, path: Path) -> None:
    loader = _FileAsItIs(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is made
    try:
        loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), None)
        if isinstance(error, SyntaxError) and error.filename == str(path):
            line = error.lineno
        raise ImportError(f"{path}, line {line or '?'}: {type(error).__name__}: {error}") from error


def get_experiment(name: str) -> AnyExperiment:
    """An experiment by name.

    Raises:
        ValueError: an unknown one; the message lists the known ones.

    Example:
        >>> get_experiment("mnist-hrad")
        Traceback (most recent call last):
        ...
        ValueError: experiment: 'mnist-hrad' was given; allowed are 'clevr6', 'mallis-aflw', ...
    """
    known = experiments()
    return known[require_choice("experiment", name, sorted(known))]


def experiment_of(name_or_file: str) -> AnyExperiment:
    """An experiment by name, or by the Python file that registers it.

    Raises:
        ValueError: an unknown name, or a file that registers none, or several.
        FileNotFoundError, ImportError: as `load_experiments`.

    Example:
        >>> experiment_of("mnist-hard").title
        'TUSK on MNIST-Hard'
    """
    if not name_or_file.endswith(".py"):
        return get_experiment(name_or_file)
    names = load_experiments(name_or_file)
    if len(names) != 1:
        raise ValueError(
            f"experiment: {name_or_file} registers {', '.join(names) or 'none'}; allowed is a file with one"
        )
    return get_experiment(names[0])


def get_preset(experiment: str, name: str, **overrides: object) -> AnyPreset:
    """A preset by name, with any of its settings changed.

    Args:
        experiment: such as "mnist-hard".
        name: "ci" (a minute), "lite" (minutes on two cores), "paper" (as published) or "full" (as long as it takes).
        overrides: settings by full or short name, such as `seed=3`, `steps=500` or `**{"model.stem": 1}`.

    Returns:
        A `Preset` that lists its overrides.

    Raises:
        ValueError, TypeError: an unknown experiment, preset or setting (the message lists the known ones), or a value
            out of range.

    Example:
        >>> get_preset("mnist-hard", "lite", seed=3).schedule.seed
        3
        >>> get_preset("mnist-hard", "huge")
        Traceback (most recent call last):
        ...
        ValueError: name: 'huge' was given; allowed are 'ci', 'lite', 'paper', 'small', 'paper-half', 'full'
    """
    return get_experiment(experiment).preset(name, **overrides)
