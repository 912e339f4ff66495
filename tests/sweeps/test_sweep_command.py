"""The command: checks first, keeps what fails, runs lessons too, and says in one line what it lacks."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path

import fsspec
import nbformat
import pytest
from sweeps_for_tests import counted, write_sweep

from tusklite.cli import main
from tusklite.sweeps import Outcome, clusters, make_plan, read_sweep
from tusklite.sweeps.show import Lines, LiveTable


def refused(words: list[object], capsys: pytest.CaptureFixture) -> str:
    assert main([*map(str, words)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err.removeprefix("tusklite: ")


def test_a_missing_library_is_named_with_the_command(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(clusters.importlib.util, "find_spec", lambda name: None if name == "rich" else find(name))
    assert refused(["sweep", write_sweep(here)], capsys) == (
        "sweeps need rich; `pip install '.[sweep]'` in a clone or `make setup` installs what they want\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent.yaml"], "No such file"),
        (["--workers", "0"], "workers: 0 was given; allowed is an integer from 1 to 1024"),
        (["--output", "luck://a"], "output: 'luck://a' was given; allowed is a folder, or an address that fsspec"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_run(
    here: Path, words: list[str], said: str, capsys: pytest.CaptureFixture
) -> None:
    given: list[object] = words if words[0].endswith("yaml") else [write_sweep(here), *words]
    assert said in refused(["sweep", *given], capsys)
    assert not (here / "counted.txt").exists()


def test_a_dry_run_says_what_there_is_to_do(here: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["sweep", str(write_sweep(here, seeds="[0, 1]")), "--dry-run"]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "small: 2 runs of 1 settings; 0 finished, 0 failed"
    assert first == "counted-ci-seed0: train counted --preset ci --seed 0 --resume --quiet --threads 1"
    assert second.startswith("counted-ci-seed1: ")
    assert not (here / "counted.txt").exists()


def test_no_scheduler_at_an_address_is_one_line(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert main(["sweep", str(write_sweep(here)), "--scheduler", "luck://127.0.0.1:1"]) == 2
    assert capsys.readouterr().err.startswith(
        "tusklite: scheduler: 'luck://127.0.0.1:1' was given; allowed is the address of a Dask scheduler that runs, as"
    )


@pytest.mark.slow
def test_what_fails_is_kept_with_its_error_and_can_be_retried(here: Path, capsys: pytest.CaptureFixture) -> None:
    parts = {"grid": "{learning_rate: [7, 9, 0.05]}", "limits": "{workers: 3, memory_gb: 1.5}"}
    words = ["sweep", str(write_sweep(here, **parts)), "--record"]
    assert main(words) == 1
    said = capsys.readouterr()
    folder = here / "runs" / "sweep-small"
    assert "| 0.05 | 1 | " in said.out
    assert "| 7 | 0 of 1, 1 failed |  |" in said.out
    lines = said.err.splitlines()
    assert lines[0] == "tusklite: counted-ci-learning_rate-7-seed0 failed: score: 7 was given; allowed is anything else"
    assert lines[1].startswith("tusklite: counted-ci-learning_rate-9-seed0 failed: memory: 1.")
    assert lines[1].endswith(" GB were taken; allowed are 1.5 (limits.memory_gb)")
    status = json.loads((folder / "counted-ci-learning_rate-7-seed0" / "run.json").read_text(encoding="utf-8"))
    assert (status["state"], status["error"]) == ("failed", "score: 7 was given; allowed is anything else")
    assert (folder / "counted-ci-learning_rate-7-seed0" / "checkpoint.pt").exists()
    recorded = [path.name for path in (here / "results" / "counted").iterdir()]
    assert len(recorded) == 1

    begun = counted(here, "begun")
    assert sorted(begun) == ["0.05 0.1 0", "7 0.1 0", "9 0.1 0"]
    assert main(words) == 1  # what failed is not run again by itself
    assert counted(here, "begun") == begun
    (here / "mended").touch()
    parts["grid"] = "{learning_rate: [7, 0.05]}"
    assert main(["sweep", str(write_sweep(here, **parts)), "--retry-failed"]) == 0
    assert counted(here, "begun") == [*begun, "7 0.1 0"]
    assert "| 7 | 1 | " in capsys.readouterr().out


@pytest.mark.slow
def test_results_go_to_any_address(here: Path) -> None:
    address = f"memory://{here.name}/results"
    words = ["sweep", str(write_sweep(here, metrics="[distance]")), "--output", address]
    assert main(words) == 0
    files = fsspec.filesystem("memory")
    root = f"/{here.name}/results"
    assert {name.removeprefix(f"{root}/") for name in files.find(root)} == {
        *("table.csv", "table.json", "table.md"),
        *(f"counted-ci-seed0/{name}" for name in ("metrics.json", "model.safetensors", "log.jsonl", "run.json")),
        "counted-ci-seed0/output.txt",
    }
    metrics = json.loads(files.cat(f"{root}/counted-ci-seed0/metrics.json"))
    table = json.loads(files.cat(f"{root}/table.json"))
    assert table["settings"][0]["metrics"]["distance"]["median"] == metrics["metrics"]["distance"]
    assert files.cat(f"{root}/table.md").decode().startswith("| setting | runs | distance |\n")
    assert main(words) == 0
    assert counted(here, "begun") == ["0.05 0.1 0"]


@pytest.mark.slow
def test_a_lesson_is_swept_like_an_experiment(here: Path, capsys: pytest.CaptureFixture) -> None:
    first = nbformat.v4.new_code_cell('profile = "lite"\nseed = 0\nside = 8', metadata={"tags": ["parameters"]})
    cells = [first, nbformat.v4.new_code_cell("print(profile, seed, side, 1 / (side - 3))")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, here / "tiny.ipynb")
    path = here / "lessons.yaml"
    path.write_text("lesson: tiny.ipynb\npreset: ci\ngrid: {side: [4, 3]}\n", encoding="utf-8")
    assert main(["sweep", str(path)]) == 1
    said = capsys.readouterr()
    assert "| 4 | 1 |" in said.out
    assert "tiny-ci-side-3-seed0 failed: cell 3 of tiny.ipynb failed (ZeroDivisionError: division by zero)" in said.err
    executed = nbformat.read(here / "runs" / "sweep-lessons" / "tiny-ci-side-4-seed0" / "tiny.ipynb", as_version=4)
    assert executed.cells[-1].outputs[0].text == "ci 0 4 1.0\n"


def test_a_terminal_gets_a_table_and_a_file_gets_lines(here: Path) -> None:
    plan = make_plan(read_sweep(write_sweep(here, seeds="[0, 1]", grid="{noise: [0.1, 0.2]}")))
    ended = Outcome(plan.runs[0].name, "finished", result={"metrics": {"error": 0.25}})
    broken = Outcome(plan.runs[1].name, "failed", "no luck")
    outcomes = {each.run: each for each in (ended, broken)}
    for kind in (Lines, LiveTable):
        stream = io.StringIO()
        with kind(plan, stream) as show:
            show.progress(plan.runs[2].name, {"step": 5, "of": 60})
            show.ended(ended, outcomes)
            show.ended(broken, outcomes)
            show.note("waiting for workers")
        text = stream.getvalue()
        assert "waiting for workers" in text
        if kind is Lines:
            assert "[2/4] finished: noise 0.1, seed 0: error 0.250\n" in text
            assert "[2/4] failed: noise 0.2, seed 0: no luck\n" in text
        else:
            assert "small: 2 of 4 runs" in text
            assert "1 of 2" in text
            assert "seed 1: step 5 of 60" in text
            assert "0 of 2, 1 failed" in text
