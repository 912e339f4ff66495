"""A run folder and its owner: one process at a time, names that do not meet, and a lock that a kill sets free."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import pytest
import torch
from line_training import TWELVE, Line, Pictures, weights

from tusklite.train.loop import fit
from tusklite.train.run_folder import FolderInUse, new_folder, owned_folder

HOLD = """
import sys
from tusklite.train.run_folder import owned_folder

with owned_folder(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder() -> subprocess.Popen:
    """Another process that holds what it is told to; it ends when its standard input does."""
    started: list[subprocess.Popen] = []

    def start(folder: Path, work: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder), work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_training_is_refused_and_harms_nothing(tmp_path: Path, holder: object) -> None:
    torch.manual_seed(8)
    fit(Line(), Pictures(), TWELVE, tmp_path, minutes=1e-9)
    before = contents(tmp_path)
    process = holder(tmp_path, "training")
    stray = Line(stray=lambda step: pytest.fail("trained"))
    for resume in (True, False):
        with pytest.raises(FolderInUse, match=r"^run_dir: .* is in use by another training; allowed is another"):
            fit(stray, Pictures(), TWELVE, tmp_path, resume)
    assert contents(tmp_path) == before
    process.communicate("")  # it ends as it should
    assert fit(Line(), Pictures(), TWELVE, tmp_path).finished


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, holder: object) -> None:
    torch.manual_seed(8)
    whole = Line()
    fit(whole, Pictures(), TWELVE, tmp_path / "whole")
    process = holder(tmp_path / "run", "training")
    process.kill()
    process.wait()
    torch.manual_seed(8)
    method = Line()
    fit(method, Pictures(), TWELVE, tmp_path / "run", resume=False)
    assert weights(method) == weights(whole)


def test_a_holder_in_the_same_process_is_one_too(tmp_path: Path) -> None:
    with owned_folder(tmp_path), pytest.raises(FolderInUse):
        fit(Line(), Pictures(), TWELVE, tmp_path)
    assert fit(Line(), Pictures(), TWELVE, tmp_path).finished


def test_a_training_may_hold_its_folder_within_a_notebook_or_a_run(tmp_path: Path) -> None:
    with owned_folder(tmp_path, "notebook"), owned_folder(tmp_path, "run"):
        assert fit(Line(), Pictures(), TWELVE, tmp_path).finished


def test_a_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    def fail(step: int) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        fit(Line(stray=fail), Pictures(), TWELVE, tmp_path)
    assert fit(Line(), Pictures(), TWELVE, tmp_path).finished


@pytest.mark.parametrize("reason", [NotImplementedError("no flock here"), OSError(37, "No locks available")])
def test_a_folder_whose_files_cannot_be_locked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: Exception
) -> None:
    def refuse(lock: object) -> None:
        raise reason

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(ValueError, match=r"^run_dir: .* was given; allowed is a folder whose files can be locked \("):
        fit(Line(), Pictures(), TWELVE, tmp_path)


def test_folders_made_at_one_moment_are_all_new(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: new_folder(tmp_path / "runs", "lite"), range(64)))
    assert sorted(folder.name for folder in made) == sorted(
        "lite" if number == 1 else f"lite-{number}" for number in range(1, 65)
    )
    assert all(folder.is_dir() for folder in made)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "no/such/folder"])
def test_a_name_that_no_folder_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^run_dir: .* was given; allowed is a folder that can be made"):
        new_folder(tmp_path, name)
    if name != "no/such/folder":
        with pytest.raises(ValueError, match=r"^run_dir: .* was given; allowed is a folder that can be made"):
            fit(Line(), Pictures(), TWELVE, tmp_path / name)
    assert os.listdir(tmp_path) == []
