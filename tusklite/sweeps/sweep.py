"""A sweep from its start to its table: what is finished stays, what is not goes to the workers."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tusklite.places import results_folder
from tusklite.results.record import record_result
from tusklite.sweeps.clusters import client_of
from tusklite.sweeps.execute import PATIENCE, places_here, work
from tusklite.sweeps.outcomes import FAILED, FINISHED, METRICS, STATUS, STOPPED, WAITING, Outcome, outcome_of
from tusklite.sweeps.outputs import Output
from tusklite.sweeps.plan import Plan, Run
from tusklite.sweeps.show import Lines, LiveTable
from tusklite.sweeps.table import as_csv, as_json, as_markdown
from tusklite.train.run_folder import owned_folder

TABLES = {"table.json": as_json, "table.csv": as_csv, "table.md": as_markdown}


class SweepStopped(KeyboardInterrupt):
    """A sweep was asked to stop; the message says how to go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def outcomes_so_far(plan: Plan, output: Output) -> dict[str, Outcome]:
    """How each run of a sweep stands, by name."""

    def reader_of(run: Run) -> Callable[[str], bytes | None]:
        return lambda name: output.read(f"{run.name}/{name}")

    return {run.name: outcome_of(run, reader_of(run)) for run in plan.runs}


def run_sweep(
    plan: Plan,
    output: Output,
    show: LiveTable | Lines,
    *,
    scheduler: str | None = None,
    slurm: Mapping[str, Any] | None = None,
    retry_failed: bool = False,
    record: bool = False,
) -> tuple[dict[str, Outcome], list[str]]:
    """Run what is not finished, keep what comes back, and write the tables as it comes.

    Args:
        plan: the sweep.
        output: where results go.
        show: gets what happens.
        scheduler: address of a Dask scheduler; a local cluster where None.
        slurm: how jobs of SLURM's are asked for; none where None.
        retry_failed: run again what failed.
        record: keep each result under `results/` as well.

    Returns:
        How each run ended, by name, and what could not be recorded.

    Raises:
        ValueError: another sweep is at work in the folder, or no scheduler is at the address.
        SweepStopped: Ctrl-C or SIGTERM, after the runs that were going on had been stopped.
        OSError: the output cannot be written.
    """
    with owned_folder(output.work, "sweep"):
        outcomes = outcomes_so_far(plan, output)
        if retry_failed:
            again = [each.run for each in outcomes.values() if each.state == FAILED]
            outcomes |= {name: Outcome(name, WAITING) for name in again}
        said = [word for each in outcomes.values() for word in _record(each)] if record else []
        _write_tables(plan, output, outcomes)

        def keep(run: Run, outcome: Outcome) -> None:
            outcomes[run.name] = _kept(run, outcome, output)
            said.extend(_record(outcome) if record else [])
            _write_tables(plan, output, outcomes)
            show.ended(outcome, outcomes)

        with show:
            for outcome in outcomes.values():
                if outcome.state != WAITING:
                    show.ended(outcome, outcomes)
            waiting = [run for run in plan.runs if outcomes[run.name].state == WAITING]
            if waiting:
                with _signals_as_interrupts(), client_of(plan, scheduler, slurm) as client:
                    if not client.scheduler_info()["workers"]:
                        show.note("waiting for workers")
                    _run_all(client, waiting, plan, output, show, keep)
        return outcomes, said


def _run_all(
    client: Any,
    runs: list[Run],
    plan: Plan,
    output: Output,
    show: LiveTable | Lines,
    keep: Callable[[Run, Outcome], None],
) -> None:
    """Give each run to a worker, and keep what comes back; Ctrl-C stops what goes on, and keeps what is finished."""
    from distributed import Event

    topic = f"tusklite-{plan.name}-{uuid.uuid4().hex}"
    stop, futures = Event(topic, client=client), {}
    client.subscribe_topic(topic, lambda event: show.progress(event[1]["run"], event[1]))
    numbers = itertools.count()

    def submit(run: Run) -> None:
        key, folder = f"{topic}-{run.name}-{next(numbers)}", str(output.work / run.name)
        futures[client.submit(work, run, folder, plan.limits, places_here(), topic, key=key, pure=False)] = run

    def collect(stopping: bool) -> bool:
        ended = [task for task in futures if task.done()]
        for task in ended:
            run = futures.pop(task)
            outcome = _outcome(task, run)
            if outcome.state != STOPPED:
                keep(run, outcome)
            elif not stopping:  # its worker lost the scheduler for a while
                submit(run)
        return bool(ended)

    try:
        for run in runs:
            submit(run)
        while futures:
            if not collect(stopping=False):
                time.sleep(0.1)
    except KeyboardInterrupt as interruption:
        with contextlib.suppress(Exception):  # without a scheduler they end with their workers
            stop.set()
        until = time.monotonic() + PATIENCE + 10
        while futures and time.monotonic() < until:
            if not collect(stopping=True):
                time.sleep(0.1)
        raise SweepStopped(
            f"stopped; what was done is in {output.address}, and the same command goes on",
            getattr(interruption, "signal_number", 2),
        ) from None


def _outcome(task: Any, run: Run) -> Outcome:
    if task.status == "finished":
        outcome: Outcome = task.result()
        return outcome
    error = task.exception() if task.status == "error" else None
    said = " ".join(str(error).split()) if error is not None else task.status
    return Outcome(run.name, FAILED, f"its worker failed ({said})")


def _kept(run: Run, outcome: Outcome, output: Output) -> Outcome:
    """Write what a run left where it is not there already, its status last."""
    files = dict(outcome.files)
    if STATUS not in files:
        status = {"state": outcome.state, "error": outcome.error, "identity": run.identity}
        files[STATUS] = json.dumps(status, indent=2, ensure_ascii=False).encode() + b"\n"
    if output.read(f"{run.name}/{STATUS}") != files[STATUS]:
        for name in sorted(files, key=lambda name: (name == STATUS, name == METRICS)):
            output.write(f"{run.name}/{name}", files[name])
    return Outcome(outcome.run, outcome.state, outcome.error, outcome.result)


def _write_tables(plan: Plan, output: Output, outcomes: Mapping[str, Outcome]) -> None:
    for name, write in TABLES.items():
        output.write(name, write(plan, outcomes).encode("utf-8"))


def _record(outcome: Outcome) -> list[str]:
    """Keep a finished result under `results/`; why it could not be."""
    if outcome.state != FINISHED or outcome.result is None or "configuration" not in outcome.result:
        return []
    try:
        record_result(results_folder(), outcome.result)
    except ValueError as reason:
        return [str(reason)]
    return []


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """SIGTERM, as Ctrl-C, is a `KeyboardInterrupt` that knows its number."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    if threading.current_thread() is not threading.main_thread() or before[signal.SIGINT] in (signal.SIG_IGN, None):
        yield  # only the main thread may set handlers, and a Ctrl-C that is ignored stays so
        return

    asked = [float("-inf")]

    def interrupt(number: int, frame: object) -> None:
        if time.monotonic() - asked[0] > 2:  # one Ctrl-C may come twice: to the process, and to its group
            asked[0] = time.monotonic()
            raise SweepStopped("stopped", number)

    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
