"""Where things lie: lessons by their names, runs and results where the environment says, and none without a home."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tusklite import places
from tusklite.places import cache_folder, notebook_path, results_folder, runs_folder


def empty(path: Path) -> Path:
    """A notebook without cells."""
    path.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    return path


def test_lessons_are_found_by_name_number_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    monkeypatch.setattr(places, "source_root", lambda: tmp_path)
    wanted = empty(notebooks / "13_mnist_hard.ipynb")
    empty(notebooks / "14_tetrominoes.ipynb")
    elsewhere = empty(tmp_path / "mine.ipynb")
    monkeypatch.chdir(tmp_path / "..")  # the current folder plays no part
    for name in ("13", "mnist-hard", "mnist_hard", "13_mnist_hard", "13_mnist_hard.ipynb", str(wanted)):
        assert notebook_path(name) == wanted
    assert notebook_path(str(elsewhere)) == elsewhere
    with pytest.raises(FileNotFoundError, match=r"'faces' was given; known lessons are 13_mnist_hard, 14_tetrominoes$"):
        notebook_path("faces")


def test_a_name_that_no_file_can_have_is_no_lesson() -> None:
    for name in ("x" * 300, "x" * 300 + ".ipynb", "a\0b.ipynb", ""):
        with pytest.raises(FileNotFoundError, match="was given; known lessons are 00_start_here, 01_"):
            notebook_path(name)


def test_runs_go_where_the_environment_says_or_into_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    assert runs_folder() == tmp_path / "runs"
    monkeypatch.setenv("TUSKLITE_RUNS", "~/mine")
    assert runs_folder() == Path(os.path.expanduser("~")).resolve() / "mine"
    monkeypatch.setenv("TUSKLITE_RESULTS", str(tmp_path / "results"))
    assert results_folder() == tmp_path / "results"
    monkeypatch.delenv("TUSKLITE_RUNS")
    monkeypatch.delenv("TUSKLITE_RESULTS")
    root = Path(places.__file__).resolve().parents[1]
    assert (runs_folder(), results_folder()) == (root / "runs", root / "results")


def test_what_can_be_made_again_goes_to_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKLITE_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("TUSKLITE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tusklite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path(os.path.expanduser("~")).resolve() / ".cache" / "tusklite"


def test_an_installed_package_has_no_results_and_no_lessons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "source_root", lambda: None)
    monkeypatch.delenv("TUSKLITE_RUNS", raising=False)
    monkeypatch.delenv("TUSKLITE_RESULTS", raising=False)
    assert runs_folder() == Path.home() / "tusklite-runs"
    with pytest.raises(FileNotFoundError, match="run from a clone"):
        results_folder()
    with pytest.raises(FileNotFoundError, match="no notebooks folder beside the package"):
        notebook_path("13")


@pytest.mark.parametrize(
    ("variable", "folder", "find"),
    [("TUSKLITE_RUNS", "~/runs", runs_folder), ("TUSKLITE_RESULTS", "~/results", results_folder)],
)
def test_a_folder_without_a_home_is_refused(
    variable: str, folder: str, find: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    monkeypatch.setenv(variable, folder)
    with pytest.raises(ValueError, match=f"^{variable}: {folder} needs a home folder, and none is known; allowed is a"):
        find()
