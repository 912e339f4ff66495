"""Execute a lesson through papermill, with a progress bar."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tusklite.cli.options import add_settings, settings_given


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("notebook", help="name, number or file of the lesson, such as mnist-hard")
    add_settings(parser, "a parameter of the lesson, such as seed=3; may be given again")
    parser.add_argument("--profile", help="short for -p profile=NAME: ci, lite or full")
    parser.add_argument("--run-dir", type=Path, help="folder of the run; one that exists is gone on with")


def act(arguments: argparse.Namespace) -> int:
    """Run the lesson; print its result where it leaves one."""
    try:
        from tusklite.course.lessons import LessonFailed, run_notebook
    except ImportError as error:
        raise ImportError(f"lessons need {error.name}; install them with `pip install tusklite[course]`") from error
    from tusklite.experiments import get_experiment
    from tusklite.files import read_json
    from tusklite.results import comparison

    given = [*arguments.settings, *([("profile", arguments.profile)] if arguments.profile is not None else [])]
    try:
        run_dir = run_notebook(arguments.notebook, settings_given(given), arguments.run_dir)
    except LessonFailed as error:
        print(f"tusklite: {error}", file=sys.stderr)
        return 1
    metrics = run_dir / "metrics.json"
    if metrics.exists():
        result: Any = read_json(metrics)
        print(comparison(result, get_experiment(result["experiment"]).metrics))
    print(f"everything is in {run_dir}")
    return 0
