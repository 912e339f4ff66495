"""Whole experiments: from a preset to trained weights, scores and files; and lessons run through papermill."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tusklite.data import load_digits, load_faces
from tusklite.experiments import landmarks, mnist_hard
from tusklite.experiments.landmarks import LandmarkSplits, equivariance_error, new_landmark_training, regress_faces
from tusklite.experiments.lessons import run_notebook
from tusklite.experiments.mnist_hard import (
    SceneSplits,
    detect_scenes,
    finish,
    new_training,
    result_of,
    score_scenes,
    watch,
)
from tusklite.experiments.runs import Prepared, leave_result, run_name
from tusklite.places import runs_folder
from tusklite.presets import Preset, get_preset
from tusklite.recording import comparison
from tusklite.train.loop import fit

PREPARE: dict[str, Callable[[Preset], Prepared]] = {
    "mnist-hard": mnist_hard.prepare,
    "thewlis-aflw": landmarks.prepare_faces,
    "thewlis-digits": landmarks.prepare_digits,
}


def train(
    preset: Preset,
    run_dir: str | os.PathLike | None = None,
    *,
    minutes: float | None = None,
    resume: bool = False,
    record: bool = False,
    progress: Callable[[dict[str, object]], None] | None = None,
) -> dict[str, object] | None:
    """Train and score an experiment without Jupyter; leaves weights, log, checkpoints and `metrics.json` behind.

    Args:
        preset: what to run.
        run_dir: a folder under `runs/` named by `run_name` where None, so that the same call finds it again.
        minutes: stop after so many; call again with `resume` to go on.
        resume: go on from the folder's checkpoint.
        record: keep the result under `results/` as well.
        progress: gets every record of the log.

    Returns:
        The result, or None where minutes ran out first.

    Raises:
        ValueError: see `tusklite.train.loop.fit`.
    """
    run_dir = Path(run_dir) if run_dir is not None else runs_folder() / run_name(preset)
    prepared = PREPARE[preset.experiment](preset)
    fitted = fit(
        prepared.method,
        prepared.data,
        preset.schedule,
        run_dir,
        resume,
        minutes=minutes,
        evaluate=prepared.evaluate,
        progress=progress,
    )
    if not fitted.finished:
        return None
    return leave_result(run_dir, prepared.method.model, prepared.result(fitted), record)


def data_line(preset: Preset) -> str:
    """One line for the reader: which data a run uses, where from, the checksum."""
    if preset.experiment == "thewlis-aflw":
        faces = load_faces(preset.data.source)
        learn, test = (f"{len(faces.splits[split]):,}" for split in ("train", "test"))
        return f"faces: {faces.name}, {learn} + {test}, from {faces.where}, sha256 {faces.sha256[:12]}…"
    return load_digits(preset.data.source).describe()


__all__ = [
    "LandmarkSplits",
    "Prepared",
    "SceneSplits",
    "comparison",
    "data_line",
    "detect_scenes",
    "equivariance_error",
    "finish",
    "get_preset",
    "leave_result",
    "new_landmark_training",
    "new_training",
    "regress_faces",
    "result_of",
    "run_name",
    "run_notebook",
    "score_scenes",
    "train",
    "watch",
]
