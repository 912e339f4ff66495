"""The sweeps that come with the project, and the one in the README, are well-formed and ask for what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tusklite.sweeps import make_plan, read_sweep

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sweep_can_be_run(path: Path) -> None:
    plan = make_plan(read_sweep(path))
    assert len(plan.runs) == len(plan.settings) * len({run.seed for run in plan.runs})


def test_the_example_has_twelve_runs() -> None:
    plan = make_plan(read_sweep(ROOT / "sweeps" / "clustering-terms-ci.yaml"))
    assert len(plan.runs) == 12
    assert "[an example](sweeps/clustering-terms-ci.yaml) has twelve runs" in (ROOT / "README.md").read_text("utf-8")


def test_the_sweep_in_the_readme_can_be_run(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.+?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "readme.yaml"
    path.write_text(text, encoding="utf-8")
    plan = make_plan(read_sweep(path))
    assert len(plan.settings) == 8
    assert len(plan.runs) == 24
