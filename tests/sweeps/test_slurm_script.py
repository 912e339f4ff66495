"""What SLURM gets of a sweep: the text of the job script, since there is no SLURM here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sweeps_for_tests import COUNTED, write_sweep

from tusklite.cli import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SLURM's scripts are for shells of Unix")


def script_of(path: Path, capsys: pytest.CaptureFixture) -> list[str]:
    assert main(["sweep", str(path), "--job-script"]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_script_asks_for_what_the_file_says(here: Path, capsys: pytest.CaptureFixture) -> None:
    slurm = (
        '{queue: short, account: ours, walltime: "02:30:00", directives: ["--gres=gpu:1"], prologue: [module load a]}'
    )
    path = write_sweep(here, limits="{threads: 3, memory_gb: 7}", slurm=slurm)
    lines = script_of(path, capsys)
    assert lines[0].startswith("#!")
    asked = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")}
    assert asked >= {"-J tusklite-small", "-p short", "-A ours", "-n 1", "--cpus-per-task=3", "-t 02:30:00"}
    assert "--gres=gpu:1" in asked
    (memory,) = [word.removeprefix("--mem=") for word in asked if word.startswith("--mem=")]
    assert memory in ("8G", "7630M")  # 8 GB, in whatever SLURM counts by
    assert f"export TUSKLITE_EXPERIMENTS={COUNTED}" in lines
    assert lines.index("module load a") > lines.index(f"export TUSKLITE_EXPERIMENTS={COUNTED}")
    (worker,) = [line for line in lines if "dask_worker" in line or "dask worker" in line]
    assert worker.startswith(f"{sys.executable} -m ")
    assert "--nthreads 1 " in worker
    assert " tcp://" in worker
    assert not (here / "runs").exists()


def test_a_script_needs_no_words_about_slurm(here: Path, capsys: pytest.CaptureFixture) -> None:
    lines = script_of(write_sweep(here, slurm="{memory: 20GB}"), capsys)
    assert any(line in ("#SBATCH --mem=19G", "#SBATCH --mem=20G") for line in lines)
    assert not [line for line in lines if line.startswith(("#SBATCH -p", "#SBATCH -A"))]
