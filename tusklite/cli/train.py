"""Train and score an experiment, without Jupyter."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tusklite.cli.options import add_settings, add_threads, folder, limit_threads, settings_given

if TYPE_CHECKING:
    from tusklite.experiments.base import AnyExperiment, AnyPreset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("experiment", help="such as mnist-hard, or a Python file that registers an experiment")
    parser.add_argument("--preset", "--profile", default="lite", help="ci, lite, paper or full")
    parser.add_argument("--seed", type=int, help="0 where none is given")
    parser.add_argument("--minutes", type=float, help="stop after so many; --resume goes on")
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's checkpoint")
    parser.add_argument("--device", help="auto, cuda, mps or cpu")
    parser.add_argument("--run-dir", type=folder, help="folder of the run; --resume goes on with one that exists")
    add_settings(parser, "a setting of the preset, such as steps=500 or model.stem=1; may be given again")
    add_threads(parser)
    parser.add_argument("--record", action="store_true", help="keep the result under results/")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def act(arguments: argparse.Namespace) -> int:
    """Train, or go on; print the result beside the paper's figures."""
    from tusklite.experiments import data_line, experiment_of
    from tusklite.settings import full_name

    limit_threads(arguments.threads)
    experiment = experiment_of(arguments.experiment)
    given = [*arguments.settings]
    given += [("schedule.seed", arguments.seed)] if arguments.seed is not None else []
    given += [("schedule.device", arguments.device)] if arguments.device is not None else []
    known = experiment.preset(arguments.preset)
    preset = known.with_settings(settings_given([(full_name(word, known.settings()), value) for word, value in given]))
    print(data_line(preset))
    return show_training(
        experiment,
        preset,
        arguments.run_dir,
        quiet=arguments.quiet,
        minutes=arguments.minutes,
        resume=arguments.resume,
        record=arguments.record,
    )


def show_training(
    experiment: AnyExperiment, preset: AnyPreset, run_dir: Path | None, quiet: bool = False, **how: Any
) -> int:
    """Train with a bar; print the result, its time and its folder, or in a line why there is none.

    Args:
        experiment: whose preset it is.
        preset: what to run.
        run_dir: as for `tusklite.experiments.train`.
        quiet: no bar.
        how: more arguments of `tusklite.experiments.train`.

    Returns:
        0 if all is well; 1 where a loss was no number, or memory ran out.

    Raises:
        RunExists: the folder holds a run, and nothing says to go on with it.
    """
    import torch

    from tusklite.experiments import run_folder, train
    from tusklite.methods.base import NonFiniteLoss
    from tusklite.results import comparison
    from tusklite.train.loop import RunExists
    from tusklite.train.progress import ProgressBar

    folder = run_folder(preset, run_dir)
    bar = None if quiet else ProgressBar(experiment.watched)
    try:
        result = train(preset, run_dir, progress=bar, **how)
    except RunExists:
        raise RunExists(
            f"run_dir: {folder} holds a run already; allowed are --resume to go on with it, or another --run-dir"
        ) from None
    except NonFiniteLoss as error:
        print(f"tusklite: {error}; the last good checkpoint stays in the run folder", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        print(
            f"tusklite: memory ran out; a smaller schedule.batch (now {preset.schedule.batch}) needs less, "
            "and the last checkpoint stays in the run folder",
            file=sys.stderr,
        )
        return 1
    finally:
        if bar is not None:
            bar.close()
    if result is None:
        print(f"what was done is in {folder}")
        print("not finished: the same command with --resume goes on")
        return 0
    print(comparison(result, experiment.metrics))
    for line in result.get("details", {}).get("advice", []):
        print(f"advice: {line}")
    print(f"{result['steps']:,} steps in {_duration(result['seconds'])}; everything is in {folder}")
    return 0


def _duration(seconds: float) -> str:
    """A time in words.

    Example:
        >>> _duration(12.34), _duration(583.0), _duration(7384.0)
        ('12.3 s', '9.7 min', '2.1 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
