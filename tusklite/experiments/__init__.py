"""Whole experiments, one a file: from a preset to trained weights, scores, files and a row of a table.

A new experiment is one file: a subclass of `Experiment` that `register` gets an instance of. Training, resuming,
results, tables, progress lines and the command line then know it by its name.
"""

from __future__ import annotations

from tusklite.experiments.base import Experiment, Preset, Scores, Splits, register
from tusklite.experiments.registry import experiment_of, experiments, get_experiment, get_preset, load_experiments
from tusklite.experiments.run import (
    data_line,
    finish,
    folder_name,
    new_training,
    recorded,
    result_of,
    run_folder,
    run_name,
    splits_of,
    train,
    watch,
)

__all__ = [
    "Experiment",
    "Preset",
    "Scores",
    "Splits",
    "data_line",
    "experiment_of",
    "experiments",
    "finish",
    "folder_name",
    "get_experiment",
    "get_preset",
    "load_experiments",
    "new_training",
    "recorded",
    "register",
    "result_of",
    "run_folder",
    "run_name",
    "splits_of",
    "train",
    "watch",
]
