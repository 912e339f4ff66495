"""A sweep of the counted experiment, as a command in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

COUNTED = Path(__file__).with_name("counted_experiment.py")
ROOT = Path(__file__).resolve().parents[2]


def environment_in(folder: Path) -> dict[str, str]:
    """Runs, results and counts of its own."""
    return os.environ | {
        "TUSKLITE_EXPERIMENTS": str(COUNTED),
        "TUSKLITE_RUNS": str(folder / "runs"),
        "TUSKLITE_RESULTS": str(folder / "results"),
        "COUNTED": str(folder / "counted.txt"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "OMP_NUM_THREADS": "1",
    }


def write_sweep(folder: Path, **parts: str) -> Path:
    """A sweep's file: the counted experiment with what is given."""
    given = {"experiment": "counted", "preset": "ci", "limits": "{workers: 2}"} | parts
    path = folder / "small.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in given.items()), encoding="utf-8")
    return path


def counted(folder: Path, what: str) -> list[str]:
    """What was begun, or scored, so far: learning rate, noise and seed of each."""
    path = folder / "counted.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line.removeprefix(f"{what} ") for line in lines if line.startswith(f"{what} ")]


@contextmanager
def started(folder: Path, *words: object, python: tuple[str, ...] = ("-m", "tusklite")) -> Iterator[subprocess.Popen]:
    """A process that is ended however the block ends; what it says goes to `said.txt`."""
    with (folder / "said.txt").open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, *python, *map(str, words)], cwd=folder, env=environment_in(folder),
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def done(folder: Path, *words: object) -> subprocess.CompletedProcess:
    """A command of tusklite's that ended by itself."""
    return subprocess.run(
        [sys.executable, "-m", "tusklite", *map(str, words)],
        cwd=folder, env=environment_in(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        start_new_session=True,
    )  # fmt: skip


def wait_until(condition: Callable[[], object], *processes: subprocess.Popen) -> None:
    """Wait for something that these processes do."""
    while not condition():
        for process in processes:
            assert process.poll() is None, f"ended with {process.returncode}"
        time.sleep(0.02)
