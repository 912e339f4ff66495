"""What the simulations of Colab and Binder start from: stated versions, and requirements under PyPI's names."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import bootstrap
import pytest
from oldest_versions import requirements
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tusklite.course import libraries

HOSTS = Path(__file__).with_name("hosts")
_spec = importlib.util.spec_from_file_location("simulate", HOSTS / "simulate.py")
simulate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(simulate)
COLAB = (HOSTS / "colab.txt").read_text(encoding="utf-8")


def test_the_versions_of_colab_say_where_they_are_from_and_of_when() -> None:
    head = " ".join(line.removeprefix("# ") for line in COLAB.splitlines() if line.startswith("#"))
    assert "googlecolab/backend-info, pip-freeze.gpu.txt" in head
    assert re.search(r"commit [0-9a-f]{40}, of \w+ 20\d\d", head)
    assert "Python 3.12" in head


def test_colab_has_all_that_lessons_need_in_versions_that_the_library_admits() -> None:
    lines = [Requirement(line) for line in COLAB.splitlines() if not line.startswith("#")]
    versions = {canonicalize_name(line.name): next(iter(line.specifier)).version for line in lines}
    assert {canonicalize_name(name) for name in libraries.NEEDED} <= versions.keys()
    for requirement in requirements():
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_binder_gets_what_environment_yml_asks_for_under_the_names_of_pypi() -> None:
    told = {canonicalize_name(Requirement(line).name): Requirement(line) for line in simulate.binder_requirements()}
    for requirement in requirements(("test",)):
        assert told[canonicalize_name(requirement.name)].specifier == requirement.specifier
    assert told.keys().isdisjoint({"python", "pip", "pytorch"})


def test_the_first_cell_is_that_of_the_lessons() -> None:
    assert simulate.first_cell() == bootstrap.cell(bootstrap.address())


@pytest.mark.parametrize(("numbers", "count"), [(["00"], 1), (["00", "04"], 2), (["99"], 0)])
def test_lessons_are_named_by_their_numbers(numbers: list[str], count: int) -> None:
    assert [path.name[:2] for path in simulate.lessons(numbers)] == numbers[:count]
    assert len(simulate.lessons([])) >= 14


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="seven"):
        simulate.run(simulate.sys.executable, "-c", "raise SystemExit('seven')")


def test_nothing_of_this_machine_s_settings_reaches_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "TUSKLITE_DATA", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "x")
    assert not {"PYTHONPATH", "TUSKLITE_DATA", "PIP_INDEX_URL"} & simulate.clean_environment().keys()
    assert simulate.clean_environment(PIP_NO_INDEX="1")["PIP_NO_INDEX"] == "1"
