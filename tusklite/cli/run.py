"""Execute a lesson through papermill, with a progress bar."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tusklite.cli.options import add_settings, folder, settings_given


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("notebook", help="name, number or file of the lesson, such as mnist-hard")
    add_settings(
        parser, "a parameter of the lesson, such as seed=3, or a setting of its experiment; may be given again"
    )
    parser.add_argument("--profile", "--preset", help="short for -p profile=NAME: ci, lite or full")
    parser.add_argument("--run-dir", type=folder, help="folder of the run; one that exists is gone on with")


def act(arguments: argparse.Namespace) -> int:
    """Run the lesson; print its result where it leaves one."""
    try:
        from tusklite.course.lessons import LessonFailed, run_notebook
    except ImportError as error:
        if error.name is None:  # it says itself what is missing
            raise
        raise ImportError(f"lessons need {error.name}; `make setup` installs what they want") from error

    given = [*arguments.settings, *([("profile", arguments.profile)] if arguments.profile is not None else [])]
    parameters = settings_given(given)
    before = _written(arguments.run_dir or parameters.get("run_dir"))
    try:
        run_dir = run_notebook(arguments.notebook, parameters, arguments.run_dir)
    except LessonFailed as error:
        print(f"tusklite: {error}", file=sys.stderr)
        return 1
    if _written(run_dir) not in (None, before):
        _show(run_dir / "metrics.json")
    print(f"everything is in {run_dir}")
    return 0


def _written(run_dir: object) -> tuple[int, int] | None:
    """Which result lies in a run folder; None where none does."""
    try:
        about = (Path(str(run_dir)) / "metrics.json").stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def _show(metrics: Path) -> None:
    """Print a result beside the paper's figures, if it is one of an experiment."""
    from tusklite.experiments import experiments
    from tusklite.files import read_json
    from tusklite.results import comparison

    result: Any = read_json(metrics)
    of = experiments().get(str(result.get("experiment"))) if isinstance(result, dict) else None
    if of is not None and all(isinstance(result.get(name), dict) for name in ("metrics", "paper")):
        print(comparison(result, of.metrics))
