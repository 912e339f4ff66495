"""What a worker does with a run: start its process, keep it within its limits, and say how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tusklite
from tusklite.files import writable_folder
from tusklite.sweeps.outcomes import FAILED, FINISHED, OUTPUT, STOPPED, Outcome, outcome_of, reader, write_status
from tusklite.sweeps.plan import Run
from tusklite.sweeps.sweep_file import Limits
from tusklite.train.log import LOG, read_record

PROCESS = "tusklite.cli.sweep_run"
LOOK_AGAIN = 75  # what such a process ends with where another one had the folder
LOOKS_EVERY = 0.2  # seconds
PATIENCE = 60.0  # seconds that a run which is asked to stop has for its checkpoint
KEPT = (".json", ".jsonl", ".safetensors", ".ipynb", ".html", ".txt", ".csv", ".png")

# Where things lie, and what more there is: sent to workers, where it counts unless they have their own.
PLACES = ("TUSKLITE_DATA", "TUSKLITE_CACHE", "TUSKLITE_EXPERIMENTS", "TUSKLITE_RUNS", "TUSKLITE_RESULTS")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Report = Callable[[Mapping[str, Any]], None]


def places_here() -> dict[str, str]:
    """What the environment says of where things lie, from the root on."""
    return {name: _full(os.environ[name]) for name in PLACES if os.environ.get(name)}


def _full(value: str) -> str:
    paths = [os.path.abspath(os.path.expanduser(path)) for path in value.split(os.pathsep) if path]
    return os.pathsep.join(paths)


def execute(
    run: Run,
    folder: str,
    limits: Limits,
    places: Mapping[str, str],
    stopping: Callable[[], bool] = lambda: False,
    report: Report = lambda progress: None,
) -> Outcome:
    """Run one run in a process of its own, unless it is finished by now.

    The process ends by itself, with a checkpoint, once this one is gone: it reads a pipe that this one holds.

    Args:
        run: which.
        folder: where it works.
        limits: threads, and memory.
        places: what the environment of the sweep says of where things lie.
        stopping: says when to stop it.
        report: gets how far it is, as it goes.

    Returns:
        How it ended, with the files that it left.
    """
    try:
        place = writable_folder(folder)
        code, ended_by = LOOK_AGAIN, ""
        while code == LOOK_AGAIN:
            there = outcome_of(run, reader(place))
            if there.state == FINISHED:
                return _with_files(there, place)
            if stopping():
                return Outcome(run.name, STOPPED)
            code, ended_by = _process(run, place, limits, places, stopping, report)
        if ended_by == STOPPED:
            return Outcome(run.name, STOPPED)
        there = outcome_of(run, reader(place))
        if code == 0 and there.state == FINISHED:
            return _with_files(there, place)
        error = ended_by or _said(place / OUTPUT, code)
        write_status(place, run.identity, FAILED, error)
        return _with_files(Outcome(run.name, FAILED, error), place)
    except (OSError, ValueError) as reason:
        return Outcome(run.name, FAILED, " ".join(str(reason).split()))


def _process(
    run: Run, folder: Path, limits: Limits, places: Mapping[str, str], stopping: Callable[[], bool], report: Report
) -> tuple[int, str]:
    """The exit code of a run's process, and why it was ended where it was."""
    command = [sys.executable, "-m", PROCESS, str(folder), *run.words, "--run-dir", str(folder)]
    with (folder / OUTPUT).open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(limits, places),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",  # Ctrl-C in a terminal is the sweep's, which stops its runs
        )
    ended_by, asked, log = "", 0.0, _Log(folder / LOG)
    try:
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it ended at once
            process.stdin.write(json.dumps(run.identity).encode() + b"\n")
            process.stdin.flush()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(LOOKS_EVERY), ended_by
            for record in log.latest():
                report({"run": run.name, "step": record["step"], "of": record["of"]})
            if not ended_by:
                used = _memory_gb(process.pid) if limits.memory_gb is not None else 0.0
                if limits.memory_gb is not None and used > limits.memory_gb:
                    ended_by = f"memory: {used:.2f} GB were taken; allowed are {limits.memory_gb:g} (limits.memory_gb)"
                    _kill(process.pid)
                elif stopping():
                    ended_by, asked = STOPPED, time.monotonic()
                    with contextlib.suppress(OSError):
                        process.stdin.close()
            elif asked and time.monotonic() - asked > PATIENCE:
                _kill(process.pid)
    finally:
        if process.poll() is None:
            _kill(process.pid)
            process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()


class _Log:
    """The newest record of a log that another process writes."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, -1

    def latest(self) -> list[dict[str, Any]]:
        """The last record, where it is a new one."""
        try:
            size = self._path.stat().st_size
            if size == self._seen:
                return []
            with self._path.open("rb") as file:
                file.seek(max(0, size - 4096))
                lines = file.read().splitlines()
        except OSError:
            return []
        self._seen = size
        return [record for record in map(read_record, reversed(lines)) if record is not None][:1]


def _environment(limits: Limits, places: Mapping[str, str]) -> dict[str, str]:
    """The environment of a run's process."""
    root = str(Path(tusklite.__file__).resolve().parents[1])
    paths = [root, *(path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path)]
    threads = dict.fromkeys(THREADS, str(limits.threads))
    more = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths)), "MPLBACKEND": "Agg", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **places, **places_here(), **threads, **more}


def _memory_gb(pid: int) -> float:
    """Resident memory of a process and of those that it started."""
    import psutil

    total = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total / 2**30


def _tree(pid: int) -> list[Any]:
    import psutil

    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def _kill(pid: int) -> None:
    """End a process and those that it started."""
    import psutil

    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            process.kill()


def _said(output: Path, code: int) -> str:
    """What a process that failed said last, in a line."""
    try:
        text = output.read_bytes()[-20_000:].decode("utf-8", errors="replace")
    except OSError:
        text = ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line.removeprefix("tusklite: ") for line in lines if line.startswith("tusklite: ")]
    if code in (1, 2) and told and lines[-1].startswith("tusklite: "):
        return told[-1]
    if code < 0:
        return f"the process was ended by signal {-code}, as where the system runs out of memory"
    return lines[-1] if lines else f"the process ended with exit code {code}"


def _with_files(outcome: Outcome, folder: Path) -> Outcome:
    """An outcome with the files of its folder that are worth keeping; checkpoints and locks stay where they are."""
    files = {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix in KEPT and not path.name.startswith(".")
    }
    return Outcome(outcome.run, outcome.state, outcome.error, outcome.result, files)


def work(run: Run, folder: str, limits: Limits, places: Mapping[str, str], topic: str) -> Outcome:
    """`execute`, as a task of Dask's: it stops where the sweep says so, and reports how far it is.

    Args:
        run: which.
        folder: where it works.
        limits: threads, and memory.
        places: as for `execute`.
        topic: of its reports, and of the event that stops it.
    """
    from distributed import Event, get_worker

    worker, event, looked = get_worker(), Event(topic), [0.0]

    def stopping() -> bool:
        if time.monotonic() - looked[0] < 1:  # which asks the scheduler
            return False
        looked[0] = time.monotonic()
        try:
            return bool(event.is_set())
        except (Exception, asyncio.CancelledError):  # the scheduler is gone, and with it whoever waits for the result
            return True

    def report(progress: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):
            worker.log_event(topic, dict(progress))

    return execute(run, folder, limits, places, stopping, report)
