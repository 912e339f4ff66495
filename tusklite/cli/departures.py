"""Train and record short runs of a recipe without each of its departures from the paper."""

from __future__ import annotations

import argparse

from tusklite.cli.options import add_threads, limit_threads


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("names", nargs="*", help="only these; all where none is named")
    parser.add_argument("--experiment", default="mnist-hard")
    parser.add_argument("--seed", type=int, default=0)
    add_threads(parser)


def act(arguments: argparse.Namespace) -> int:
    """Train each in a folder of its own, and go on where one was cut off."""
    from tusklite.arguments import require_choice
    from tusklite.experiments import get_experiment, train
    from tusklite.places import runs_folder
    from tusklite.results import comparison
    from tusklite.train.progress import ProgressBar

    experiment = get_experiment(arguments.experiment)
    departures = experiment.departures
    if departures is None:
        raise ValueError(f"experiment: {experiment.name!r} was given; allowed is one with departures")
    rows = departures.rows
    names = [require_choice("names", name, list(rows)) for name in arguments.names or rows]
    limit_threads(arguments.threads)
    for name in names:
        settings = {**departures.short_run, **rows[name][0], "schedule.seed": arguments.seed}
        preset = experiment.preset(departures.preset, **settings)
        prefix = "" if experiment.name == "mnist-hard" else f"{experiment.name}-"
        run_dir = runs_folder() / f"{prefix}without-{name.replace(' ', '-')}-seed{arguments.seed}"
        print(f"without {name}")
        bar = ProgressBar(experiment.watched)
        try:
            result = train(preset, run_dir, resume=True, record=True, progress=bar)
        finally:
            bar.close()
        assert result is not None
        print(comparison(result, experiment.metrics))
    return 0
