"""What only a shell can show: Ctrl-C at any moment, two processes in one folder, other consoles, a full disk."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from notebooks_for_tests import write_notebook
from toy_file import TOY

from tusklite.train.checkpoints import load_checkpoint
from tusklite.train.log import read_log

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals and limits"),
]

ROOT = Path(__file__).resolve().parents[2]
LONG = ["train", "toy", "--preset", "ci", "--quiet", "--set", "steps=1000000", "--set", "log_every=1"]
# The same command with a limit to the size of every file that it writes: as a full disk, but for one process.
LIMITED = """
import resource, runpy, sys

limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv = ["tusklite", *sys.argv[2:]]
runpy.run_module("tusklite", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "TUSKLITE_EXPERIMENTS": str(TOY),
        "TUSKLITE_RUNS": str(tmp_path / "runs"),
        "TUSKLITE_RESULTS": str(tmp_path / "results"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }


def start(words: list[object], environment: dict[str, str], errors: Path, *python: str) -> subprocess.Popen:
    """A command in a process group of its own, as a terminal starts it; its standard error goes to a file."""
    with errors.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, *(python or ("-m", "tusklite")), *map(str, words)],
            cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=stream, start_new_session=True,
        )  # fmt: skip


def done(
    words: list[object], environment: dict[str, str], *python: str, encoding: str = "utf-8"
) -> tuple[int, str, str]:
    """Exit code and output of a command."""
    command = [sys.executable, *(python or ("-m", "tusklite")), *map(str, words)]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    return ended.returncode, ended.stdout.decode(encoding), ended.stderr.decode(encoding)


def wait_until(process: subprocess.Popen, errors: Path, condition: object) -> None:
    while not condition():
        assert process.poll() is None, errors.read_text()
        time.sleep(0.002)


def interrupt(process: subprocess.Popen) -> int:
    """Ctrl-C, which every process of a terminal gets; the exit code."""
    os.killpg(process.pid, signal.SIGINT)
    return process.wait()


# --- Ctrl-C ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.0, 0.3, 1.0, 2.5, 5.0])
@pytest.mark.parametrize("command", ["train", "run", "doctor"])
def test_ctrl_c_at_any_moment_ends_in_one_line(
    command: str, delay: float, tmp_path: Path, environment: dict[str, str]
) -> None:
    words: dict[str, list[object]] = {
        "train": LONG,
        "run": ["run", write_notebook(tmp_path / "mine.ipynb", "import time; time.sleep(600)")],
        "doctor": ["doctor"],
    }
    errors = tmp_path / "errors"
    process = start(words[command], environment, errors, "-X", "importtime", "-m", "tusklite")
    # From the moment on that the command line is being read; what Python itself does before is not ours.
    wait_until(process, errors, lambda: b" argparse\n" in errors.read_bytes())
    time.sleep(delay)
    if process.poll() is not None:
        assert command == "doctor"  # which is done in seconds
        return
    code = interrupt(process)
    said = [line for line in errors.read_text().splitlines() if line.strip() and not line.startswith("import time:")]
    if command == "doctor" and code in (0, 1):
        assert said == []  # the signal came when all was done
        return
    assert code in (130, -signal.SIGINT), said  # a shell says 130 of both
    (line,) = said
    assert re.match(r"tusklite: (stopped|SIGINT at step \d+ of 1000000: saved in )", line), line
    assert not list(tmp_path.rglob("*.partial"))


def test_ctrl_c_in_a_notebook_saves_its_training_and_says_where(tmp_path: Path, environment: dict[str, str]) -> None:
    training = """
from tusklite.experiments import get_preset, train
train(get_preset("toy", "ci", steps=1_000_000, log_every=1), run_dir, resume=True)
"""
    path, folder, errors = write_notebook(tmp_path / "mine.ipynb", training), tmp_path / "run", tmp_path / "errors"
    process = start(["run", path, "--run-dir", folder], environment, errors)
    wait_until(process, errors, lambda: (folder / "log.jsonl").exists() and len(read_log(folder / "log.jsonl")[0]) > 9)
    assert interrupt(process) == 130
    saved, (records, _) = load_checkpoint(folder), read_log(folder / "log.jsonl")
    assert saved["step"] == records[-1]["step"] > 9
    line = [line for line in errors.read_text().splitlines() if line.strip()][-1]
    assert "Traceback" not in errors.read_text()
    assert line == (
        f"tusklite: stopped; what was done is in {folder}; with --run-dir {folder} the same command goes on"
    )


# --- two processes -----------------------------------------------------------------------------------------


def test_a_second_training_in_one_folder_is_refused_and_the_first_is_unharmed(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder, errors = tmp_path / "run", tmp_path / "errors"
    log = folder / "log.jsonl"
    first = start([*LONG, "--run-dir", folder], environment, errors)
    wait_until(first, errors, lambda: log.exists() and len(read_log(log)[0]) > 20)
    for more in ([], ["--resume"], ["--resume", "--minutes", "1"]):
        code, _, said = done([*LONG, "--run-dir", folder, *more], environment)
        assert code == 2
        assert said == (
            f"tusklite: run_dir: {folder} is in use by another run; allowed is another folder, or to wait until that "
            "one ends\n"
        )
    assert first.poll() is None
    seen = len(read_log(log)[0])
    wait_until(first, errors, lambda: len(read_log(log)[0]) > seen)
    assert interrupt(first) == 130
    records, broken = read_log(log)
    assert not broken
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))

    second = start([*LONG, "--run-dir", folder, "--resume"], environment, errors)  # the folder is free again
    wait_until(second, errors, lambda: len(read_log(log)[0]) > len(records))
    second.kill()
    second.wait()
    code, out, said = done([*LONG, "--run-dir", folder, "--resume", "--minutes", "1e-9"], environment)
    assert (code, said) == (0, "")  # and after a kill
    assert out.endswith("not finished: the same command with --resume goes on\n")


def test_two_runs_of_a_notebook_begun_at_once_get_two_folders(tmp_path: Path, environment: dict[str, str]) -> None:
    path = write_notebook(tmp_path / "mine.ipynb", "print(seed)")
    started = [start(["run", path, "-p", f"seed={seed}"], environment, tmp_path / f"errors{seed}") for seed in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == 2
    printed = sorted(
        output["text"]
        for folder in folders
        for cell in json.loads((folder / "mine.ipynb").read_text())["cells"]
        for output in cell.get("outputs", [])
    )
    assert [str(each if isinstance(each, str) else each[0]).strip() for each in printed] == ["0", "1"]


# --- consoles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp437", "ascii", "latin-1"])
def test_any_console_will_do(tmp_path: Path, environment: dict[str, str], encoding: str) -> None:
    environment |= {"PYTHONIOENCODING": encoding, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = ["train", "toy", "--preset", "ci", "--record", "--run-dir", tmp_path / "é·…"]
    code, out, said = done(words, environment, encoding=encoding)
    assert code == 0, said
    assert "step 60/60" in said
    assert "error" in out
    assert (tmp_path / "é·…" / "model.safetensors").exists()
    code, out, said = done(["results"], environment, encoding=encoding)
    assert (code, said) == (0, "")
    assert "| tusklite `ci`, seed 0 |" in out
    code, out, said = done(["train", "toy", "--preset", "é·…"], environment, encoding=encoding)
    assert (code, out) == (2, "")
    assert said.startswith("tusklite: name: '")
    path = write_notebook(tmp_path / "mine.ipynb", "print('é·…')")
    words = ["run", path, "--run-dir", tmp_path / "é·… run"]
    code, out, said = done(words, environment, encoding=encoding)
    assert (code, out) == (2, "")  # a notebook states its path, which this system cannot read
    assert said.startswith("tusklite: run_dir: '")
    assert said.endswith("' was given; allowed is a path of letters that the system's encoding (ascii) can read\n")
    readable = {name: value for name, value in environment.items() if name not in ("LC_ALL", "PYTHONUTF8")}
    code, out, said = done(words, readable, encoding=encoding)
    assert code == 0, said
    assert out.startswith("everything is in ")
    assert "é·…" in (tmp_path / "é·… run" / "mine.html").read_text(encoding="utf-8")


# --- full disks --------------------------------------------------------------------------------------------


def test_a_log_that_the_disk_has_no_room_for_ends_in_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "run"
    words = ["train", "toy", "--preset", "ci", "--quiet", "--run-dir", folder, "--set", "steps=400"]
    words += ["--set", "log_every=1", "--set", "checkpoint_every=50", "--resume"]
    code, _, said = done([20_000, *words], environment, "-c", LIMITED)
    assert code == 2
    assert re.fullmatch(
        rf"tusklite: {re.escape(str(folder / 'log.jsonl'))}: could not be written \(.*\); nothing that was there "
        r"is lost: make room or choose another folder, and give the same command again\n",
        said,
    )
    assert not list(folder.glob("*.partial"))
    assert {"checkpoint.pt", "checkpoint-previous.pt"} <= {path.name for path in folder.iterdir()}
    assert done(words, environment)[0] == 0  # with room, it goes on
    whole = tmp_path / "whole"
    assert done([*words, "--run-dir", whole], environment)[0] == 0
    ours, theirs = (json.loads((run / "metrics.json").read_text())["metrics"] for run in (folder, whole))
    assert ours == theirs


def test_a_notebook_that_the_disk_has_no_room_for_ends_in_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    path = write_notebook(tmp_path / "mine.ipynb", "print('much ' * 40_000)")
    environment |= {"IPYTHONDIR": str(tmp_path / "ipython")}
    code, _, said = done([100_000, "run", path, "--run-dir", tmp_path / "run"], environment, "-c", LIMITED)
    assert code == 2, said
    executed = re.escape(str(tmp_path / "run" / "mine.ipynb"))
    assert re.fullmatch(
        rf"tusklite: {executed}: could not be written \(.*\); nothing that was there is lost: .*\n", said
    )
