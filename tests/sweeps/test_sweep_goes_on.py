"""A sweep that is killed or stopped goes on with the same command, and computes nothing twice that was done."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from sweeps_for_tests import counted, done, started, wait_until, write_sweep

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

WORKERS = 2
GRID = "{learning_rate: [0.05, 0.02], noise: [0.1, 0.2, 0.3]}"


@contextmanager
def dask_workers(folder: Path, count: int) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler, and workers that joined it by its address."""
    with ExitStack() as stack:
        file = folder / "scheduler.json"
        words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file]
        scheduler = stack.enter_context(started(folder, *words, python=("-m", "distributed.cli.dask_scheduler")))
        wait_until(lambda: file.exists() and file.read_bytes().endswith(b"}"), scheduler)
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        words = [address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        words += ["--local-directory", folder / "dask"]
        python = ("-m", "distributed.cli.dask_worker")
        yield address, [scheduler, *(stack.enter_context(started(folder, *words, python=python)) for _ in range(count))]


def runs_of(folder: Path) -> list[psutil.Process]:
    """The processes of runs that work below a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "tusklite.cli.sweep_run" in words and any(word.startswith(str(folder)) for word in words):
            found.append(process)
    return found


def results_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every result by the name of its run: when it was written, and what it says."""
    files = (folder / "runs" / "sweep-small").glob("*/metrics.json")
    return {path.parent.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.mark.parametrize("where", ["local", "by address"])
def test_a_sweep_of_twelve_runs_goes_on_after_a_kill(tmp_path: Path, where: str) -> None:
    words: list[object] = ["sweep", write_sweep(tmp_path, grid=GRID, seeds="[0, 1]")]
    with ExitStack() as stack:
        if where == "by address":
            address, others = stack.enter_context(dask_workers(tmp_path, WORKERS))
            words += ["--scheduler", address]
        else:
            others = []
        with started(tmp_path, *words) as sweep:
            wait_until(lambda: len(results_in(tmp_path)) >= 5, sweep, *others)
            sweep.kill()
            sweep.wait()
        before = results_in(tmp_path)
        if where == "local":
            wait_until(lambda: not runs_of(tmp_path))  # they end by themselves: nobody holds their pipes any more
        assert 5 <= len(before) < 12
        ended = done(tmp_path, *words)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    after = results_in(tmp_path)
    assert len(after) == 12
    assert all(after[name] == result for name, result in before.items())
    scored = counted(tmp_path, "scored")
    assert len(set(scored)) == 12
    assert len(scored) <= 12 + WORKERS  # what was going on when it was killed, and nothing else, may come twice
    assert len(counted(tmp_path, "begun")) <= 12 + WORKERS
    table = json.loads((tmp_path / "runs" / "sweep-small" / "table.json").read_text(encoding="utf-8"))
    assert [row["finished"] for row in table["settings"]] == [2] * 6
    assert not runs_of(tmp_path)
    begun = len(counted(tmp_path, "begun"))
    again = done(tmp_path, "sweep", words[1])  # nothing is left to do, wherever it was done
    assert again.returncode == 0
    assert len(counted(tmp_path, "begun")) == begun
    assert results_in(tmp_path) == after


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_runs_and_the_same_command_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    words = ["sweep", write_sweep(tmp_path, grid="{learning_rate: [8, 0.05]}", limits="{workers: 2}")]
    with started(tmp_path, *words) as sweep:
        wait_until(lambda: len(results_in(tmp_path)) == 1, sweep)  # the other one waits to be stopped
        before = results_in(tmp_path)
        sweep.send_signal(number)
        assert sweep.wait() == 128 + number
    assert not runs_of(tmp_path)
    said = (tmp_path / "said.txt").read_text(encoding="utf-8")
    assert "Traceback" not in said
    folder = tmp_path / "runs" / "sweep-small"
    assert said.endswith(f"tusklite: stopped; what was done is in {folder}, and the same command goes on\n")
    (tmp_path / "mended").touch()
    assert done(tmp_path, *words).returncode == 0
    after = results_in(tmp_path)
    assert len(after) == 2
    assert after.items() >= before.items()
    assert counted(tmp_path, "begun").count("0.05 0.1 0") == 1
