"""What several tests of sweeps need: a small experiment of one's own, known in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sweeps_for_tests import COUNTED

from tusklite.experiments import base, experiments


@pytest.fixture(autouse=True)
def nothing_stays_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Experiments that a test makes known are forgotten after it."""
    experiments()  # those of the package are known once a process: before what is forgotten again
    monkeypatch.setattr(base, "_REGISTERED", dict(base._REGISTERED))
    yield
    for name in [name for name in sys.modules if name.startswith("tusklite_experiment_")]:
        del sys.modules[name]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for runs, results and counts; the counted experiment is known."""
    monkeypatch.setenv("TUSKLITE_EXPERIMENTS", str(COUNTED))
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TUSKLITE_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("COUNTED", str(tmp_path / "counted.txt"))
    return tmp_path
