"""The command line: `python -m tusklite run | train | results | doctor`."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from pathlib import Path

from tusklite import places, recording, tables


def _setting(text: str) -> tuple[str, object]:
    """`name=value`, the value a Python literal or else a word."""
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} was given; allowed is name=value")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tusklite", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="execute a lesson through papermill, with a progress bar")
    run.add_argument("notebook", help="name, number or file of the lesson, such as mnist-hard")
    run.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    run.add_argument("--profile", help="short for -p profile NAME: ci, lite or full")
    run.add_argument("--run-dir", type=Path, help="folder of the run; one that exists is gone on with")
    run.set_defaults(act=_run)

    train = commands.add_parser("train", help="train and score an experiment, without Jupyter")
    train.add_argument("experiment", help="such as mnist-hard")
    train.add_argument("--preset", default="lite", help="ci, lite, paper or full")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--minutes", type=float, help="stop after so many minutes; --resume goes on")
    train.add_argument("--resume", action="store_true", help="go on from the run folder's checkpoint")
    train.add_argument("--device", help="auto, cuda, mps or cpu")
    train.add_argument("--run-dir", type=Path)
    train.add_argument("--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", dest="settings")
    train.add_argument("--threads", type=int, help="CPU threads")
    train.add_argument("--record", action="store_true", help="keep the result under results/")
    train.add_argument("--quiet", action="store_true", help="no progress bar")
    train.set_defaults(act=_train)

    departures = commands.add_parser(
        "departures", help="train and record lite runs without each departure from the paper"
    )
    departures.add_argument("names", nargs="*", help="only these; all where none is named")
    departures.add_argument("--seed", type=int, default=0)
    departures.add_argument("--threads", type=int, help="CPU threads")
    departures.set_defaults(act=_departures)

    results = commands.add_parser("results", help="print the tables of recorded results")
    results.add_argument("--write", action="store_true", help="put them into README.md")
    results.set_defaults(act=_results)

    doctor = commands.add_parser("doctor", help="check that this machine is ready")
    doctor.set_defaults(act=_doctor)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from tusklite.experiments import run_notebook

    parameters = dict(_setting(f"{name}={value}") for name, value in arguments.parameter)
    if arguments.profile:
        parameters["profile"] = arguments.profile
    run_dir = run_notebook(arguments.notebook, parameters, arguments.run_dir)
    metrics = run_dir / "metrics.json"
    if metrics.exists():
        print(recording.comparison(json.loads(metrics.read_text(encoding="utf-8"))))
    print(f"everything is in {run_dir}")
    return 0


def _limit_threads(threads: int | None) -> None:
    import torch

    from tusklite.arguments import require_integer

    if threads is not None:
        torch.set_num_threads(require_integer("threads", threads, low=1))


def _train(arguments: argparse.Namespace) -> int:
    from tusklite.experiments import data_line, train
    from tusklite.methods.base import NonFiniteLoss
    from tusklite.presets import get_preset
    from tusklite.train.progress import ProgressBar

    _limit_threads(arguments.threads)
    overrides = dict(arguments.settings) | {"seed": arguments.seed}
    if arguments.device:
        overrides["device"] = arguments.device
    preset = get_preset(arguments.experiment, arguments.preset, **overrides)
    print(data_line(preset))
    bar = None if arguments.quiet else ProgressBar()
    try:
        result = train(
            preset,
            arguments.run_dir,
            minutes=arguments.minutes,
            resume=arguments.resume,
            record=arguments.record,
            progress=bar,
        )
    except NonFiniteLoss as error:
        print(f"tusklite: {error}; the last good checkpoint stays in the run folder", file=sys.stderr)
        return 1
    finally:
        if bar is not None:
            bar.close()
    if result is None:
        print("not finished: the same command with --resume goes on")
    else:
        print(recording.comparison(result))
    return 0


def _departures(arguments: argparse.Namespace) -> int:
    from tusklite.arguments import require_choice
    from tusklite.experiments import train
    from tusklite.presets import DEPARTURES, SHORT_RUN, get_preset
    from tusklite.train.progress import ProgressBar

    names = [require_choice("names", name, list(DEPARTURES)) for name in arguments.names or DEPARTURES]
    _limit_threads(arguments.threads)
    for name in names:
        preset = get_preset("mnist-hard", "lite", **(SHORT_RUN | DEPARTURES[name][0] | {"seed": arguments.seed}))
        run_dir = places.runs_folder() / f"without-{name.replace(' ', '-')}-seed{arguments.seed}"
        print(f"without {name}")
        bar = ProgressBar()
        try:
            result = train(preset, run_dir, resume=True, record=True, progress=bar)
        finally:
            bar.close()
        print(recording.comparison(result))
    return 0


def _results(arguments: argparse.Namespace) -> int:
    results = recording.read_results(places.results_folder())
    written = {
        "results": tables.mnist_hard_table(results),
        "departures": tables.departures_table(results),
        "landmarks": tables.landmarks_table(results),
        "digits": tables.digits_table(results),
    }
    for name, table in written.items():
        print(table)
        if arguments.write:
            recording.write_table(places.results_folder().parent / "README.md", name, table)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from tusklite.doctor import examine

    findings = examine()
    for finding in findings:
        print(f"{'ok ' if finding.good else 'BAD'} {finding.name}: {finding.says}")
    return 0 if all(finding.good for finding in findings) else 1


def main(words: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 if all is well, 2 after wrong input, with one line on what is allowed."""
    arguments = _parser().parse_args(words)
    try:
        return arguments.act(arguments)
    except (ValueError, TypeError, FileNotFoundError) as error:
        print(f"tusklite: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        print(f"\ntusklite: {str(interruption) or 'stopped'}", file=sys.stderr)
        return 128 + getattr(interruption, "signal_number", 2)


if __name__ == "__main__":
    sys.exit(main())
