"""Train and record short runs of a recipe, each with one setting changed."""

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
    """Train each in a folder of its own, and go on where one was cut off; one that is recorded is not trained again."""
    from tusklite.arguments import require_choice
    from tusklite.cli.train import show_training
    from tusklite.experiments import get_experiment, recorded
    from tusklite.places import runs_folder

    experiment = get_experiment(arguments.experiment)
    departures = experiment.departures
    if departures is None:
        raise ValueError(f"experiment: {experiment.name!r} was given; allowed is one with departures")
    rows = departures.rows
    names = [require_choice("names", name, list(rows)) for name in arguments.names or rows]
    limit_threads(arguments.threads)
    code = 0
    for name in names:
        settings = {**departures.short_run, **rows[name][0], "schedule.seed": arguments.seed}
        preset = experiment.preset(departures.preset, **settings)
        prefix = "" if experiment.name == "mnist-hard" else f"{experiment.name}-"
        run_dir = runs_folder() / f"{prefix}departure-{name.replace(' ', '-')}-seed{arguments.seed}"
        print(name)
        there = recorded(preset)
        if there is not None:
            print(f"recorded already: {there}")
            continue
        code = max(code, show_training(experiment, preset, run_dir, resume=True, record=True))
    return code
