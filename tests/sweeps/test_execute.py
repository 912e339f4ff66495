"""What a worker does with one run: its process, its limits, its folder, and what it says of how it ended."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from sweeps_for_tests import counted, wait_until, write_sweep

from tusklite.sweeps import Limits, Outcome, Run, execute, make_plan, outcome_of, read_sweep
from tusklite.sweeps.execute import _said
from tusklite.sweeps.outcomes import reader, write_status
from tusklite.train.run_folder import owned_folder


@pytest.fixture
def run(here: Path) -> Run:
    """One run of the counted experiment."""
    return make_plan(read_sweep(write_sweep(here))).runs[0]


def result_of(run: Run) -> bytes:
    """A result of it that somebody made up."""
    return json.dumps({**run.identity, "metrics": {"error": 0.25}}).encode()


def test_a_run_that_is_to_stop_is_not_begun(run: Run, here: Path) -> None:
    assert execute(run, str(here / "run"), Limits(), {}, stopping=lambda: True) == Outcome(run.name, "stopped")
    assert not counted(here, "begun")


def test_a_finished_run_is_not_run_again(run: Run, here: Path) -> None:
    (here / "run").mkdir()
    (here / "run" / "metrics.json").write_bytes(result_of(run))
    (here / "run" / "checkpoint.pt").write_bytes(b"large")
    found = execute(run, str(here / "run"), Limits(), {})
    assert (found.state, found.result) == ("finished", json.loads(result_of(run)))
    assert found.files == {"metrics.json": result_of(run)}
    assert not counted(here, "begun")


@pytest.mark.slow
def test_a_run_waits_for_who_has_its_folder_and_takes_what_that_one_left(run: Run, here: Path) -> None:
    folder, found = here / "run", []
    with owned_folder(folder, "sweep"):
        thread = threading.Thread(target=lambda: found.append(execute(run, str(folder), Limits(), {})))
        thread.start()
        said = folder / "output.txt"
        wait_until(lambda: said.exists() and said.read_bytes().startswith(b"waiting: "))
        (folder / "metrics.json").write_bytes(result_of(run))
    thread.join()
    assert [each.state for each in found] == ["finished"]
    assert not counted(here, "begun")


def test_another_run_s_result_counts_for_nothing(run: Run, tmp_path: Path) -> None:
    read = reader(tmp_path)
    assert outcome_of(run, read).state == "waiting"
    for content in (b"", b"{", b"[]", b"5", json.dumps({**run.identity, "metrics": 3}).encode()):
        (tmp_path / "metrics.json").write_bytes(content)
        assert outcome_of(run, read).state == "waiting"
    other = {**run.identity, "configuration": {"schedule": {"steps": 1}}, "metrics": {"error": 0.1}}
    (tmp_path / "metrics.json").write_bytes(json.dumps(other).encode())
    assert outcome_of(run, read).state == "waiting"
    write_status(tmp_path, {"experiment": "other"}, "failed", "no luck")
    assert outcome_of(run, read).state == "waiting"
    write_status(tmp_path, run.identity, "failed", "no luck")
    assert outcome_of(run, read) == Outcome(run.name, "failed", "no luck")
    (tmp_path / "metrics.json").write_bytes(result_of(run))
    assert outcome_of(run, read).state == "finished"


def test_a_lesson_is_finished_where_its_status_says_so(tmp_path: Path) -> None:
    run = Run("lesson", 0, 0, ("run",), {"lesson": "01_a", "parameters": {"seed": 0}})
    for state, seen in (("begun", "waiting"), ("finished", "finished"), ("failed", "failed")):
        write_status(tmp_path, run.identity, state)
        assert outcome_of(run, reader(tmp_path)).state == seen
    write_status(tmp_path, {"lesson": "01_a", "parameters": {"seed": 1}}, "finished")
    assert outcome_of(run, reader(tmp_path)).state == "waiting"


@pytest.mark.parametrize(
    ("said", "code", "error"),
    [
        ("data: x\ntusklite: seed: -1 was given; allowed is 0\n", 2, "seed: -1 was given; allowed is 0"),
        ("Traceback (most recent call last):\n  File\nRuntimeError: odd\n", 1, "RuntimeError: odd"),
        ("tusklite: a warning\nTraceback:\nKeyError: 'a'\n", 1, "KeyError: 'a'"),
        ("", 3, "the process ended with exit code 3"),
        ("step 3\n", -9, "the process was ended by signal 9, as where the system runs out of memory"),
    ],
)
def test_the_error_of_a_run_is_what_it_said_last(tmp_path: Path, said: str, code: int, error: str) -> None:
    (tmp_path / "output.txt").write_text(said, encoding="utf-8")
    assert _said(tmp_path / "output.txt", code) == error


def test_a_folder_that_cannot_be_made_is_an_error_of_its_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a letter", encoding="utf-8")
    found = execute(run, str(tmp_path / "taken" / "run"), Limits(), {})
    assert found.state == "failed"
    assert "allowed is a folder that can be made and written" in found.error
