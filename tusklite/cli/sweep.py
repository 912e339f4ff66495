"""Run a sweep: every setting of a YAML file with every seed, and the table of what came out."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", type=Path, help="the sweep's YAML file")
    parser.add_argument("--retry-failed", action="store_true", help="run again what failed")
    parser.add_argument("--dry-run", action="store_true", help="check everything, say how it stands, and run nothing")
    parser.add_argument("--workers", type=int, help="runs at one time, in place of the file's limits.workers")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler that runs, as in tcp://host:8786")
    where.add_argument("--slurm", action="store_true", help="ask SLURM for the workers, by the file's `slurm`")
    parser.add_argument("--job-script", action="store_true", help="print what SLURM would get, and run nothing")
    parser.add_argument(
        "--output", help="where results go, in place of the file's: a folder, or an address of fsspec's"
    )
    parser.add_argument("--record", action="store_true", help="keep each result under results/")


def act(arguments: argparse.Namespace) -> int:
    """Check all, run what is not finished, print the table; 1 where a run failed."""
    from tusklite.arguments import require_integer
    from tusklite.places import results_folder
    from tusklite.sweeps import (
        Output,
        as_markdown,
        display,
        job_script,
        make_plan,
        outcomes_so_far,
        read_sweep,
        require_sweep_libraries,
        run_sweep,
    )

    require_sweep_libraries(slurm=arguments.slurm or arguments.job_script)
    if arguments.record:
        results_folder()
    sweep = read_sweep(arguments.file)
    plan = make_plan(sweep)
    if arguments.workers is not None:
        workers = require_integer("workers", arguments.workers, low=1, high=1024)
        plan = dataclasses.replace(plan, limits=dataclasses.replace(plan.limits, workers=workers))
    if arguments.job_script:
        print(job_script(plan, sweep.slurm), end="")
        return 0
    address = arguments.output
    if address is None and sweep.output is not None:  # a folder is meant from the file on
        address = sweep.output if "://" in sweep.output else str(arguments.file.resolve().parent / sweep.output)
    output = Output(address, plan.name)
    states = [each.state for each in outcomes_so_far(plan, output).values()]
    done, failed = states.count("finished"), states.count("failed")
    print(f"{plan.name}: {len(plan.runs)} runs of {len(plan.settings)} settings; {done} finished, {failed} failed")
    if arguments.dry_run:
        for run in plan.runs:
            print(f"{run.name}: {' '.join(run.words)}")
        return 0
    outcomes, said = run_sweep(
        plan,
        output,
        display(plan, sys.stdout),
        scheduler=arguments.scheduler,
        slurm=sweep.slurm if arguments.slurm else None,
        retry_failed=arguments.retry_failed,
        record=arguments.record,
    )
    print(f"\n{as_markdown(plan, outcomes)}")
    print(f"everything is in {output.address}")
    for words in said:
        print(f"tusklite: {words}", file=sys.stderr)
    broken = [each for each in outcomes.values() if each.state == "failed"]
    for outcome in broken:
        print(f"tusklite: {outcome.run} failed: {outcome.error}", file=sys.stderr)
    if broken:
        print("tusklite: --retry-failed runs what failed again; what each said is in its output.txt", file=sys.stderr)
    return 1 if broken else 0
