"""What several tests of the command line need: a small experiment of one's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_file import TOY

from tusklite.experiments import base, experiments


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The toy experiment is known, for one test; runs and results go to folders of its own, below the one given."""
    experiments()  # those of the package are known once a process: before what is forgotten again
    monkeypatch.setenv("TUSKLITE_EXPERIMENTS", str(TOY))
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TUSKLITE_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(base, "_REGISTERED", dict(base._REGISTERED))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("tusklite_experiment_")]:
        del sys.modules[name]
