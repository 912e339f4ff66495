"""The toy experiment, which writes down what is begun and what is scored: into the file that `$COUNTED` names."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
from toy_experiment import MeanImageTraining, Splits, Toy

from tusklite.experiments import Preset, Scores, register
from tusklite.train.loop import FitResult


def note(what: str, preset: Preset) -> None:
    """A line, whole whatever others write at that moment."""
    words = f"{what} {preset.training.learning_rate} {preset.data.noise} {preset.schedule.seed}\n"
    file = os.open(os.environ["COUNTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, words.encode())
    os.close(file)


class Counted(Toy):
    """The toy, counted. A learning rate of 7 fails, one of 8 waits to be stopped, one of 9 takes memory."""

    name = "counted"
    presets = tuple(replace(preset, experiment="counted") for preset in Toy.presets)

    def method(self, preset: Preset) -> MeanImageTraining:
        """What every run makes once; a plan makes it for its refusals alone."""
        if sys.argv[0].endswith("sweep_run.py"):
            note("begun", preset)
        return super().method(preset)

    def score(self, preset: Preset, method: MeanImageTraining, splits: Splits, fitted: FitResult) -> Scores:
        """What every run ends with."""
        if preset.training.learning_rate == 7 and not Path(os.environ["COUNTED"]).with_name("mended").exists():
            raise ValueError("score: 7 was given; allowed is anything else")
        while preset.training.learning_rate == 8 and not Path(os.environ["COUNTED"]).with_name("mended").exists():
            time.sleep(0.05)
        taken = []
        while preset.training.learning_rate == 9:
            taken.append(b"x" * 2**26)
            time.sleep(0.05)
        scores = super().score(preset, method, splits, fitted)
        note("scored", preset)
        return scores


register(Counted())
