"""Files of before still read: weights and results under the names that settings had then."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tusklite.experiments import get_experiment, get_preset
from tusklite.files import write_json
from tusklite.methods.former_names import FORMER_NAMES, with_present_names
from tusklite.methods.thewlis import FactorizedLandmarks, ThewlisConfig
from tusklite.methods.tusk import TUSK, TUSKOptions
from tusklite.places import results_folder
from tusklite.pretrained import FOLDER, load_pretrained
from tusklite.results import left_out_of, read_results


def test_every_former_name_stands_for_a_setting_of_today() -> None:
    today = {name.rpartition(".")[2] for name in get_preset("mnist-hard", "lite").settings()}
    assert set(FORMER_NAMES.values()) <= today
    assert not FORMER_NAMES.keys() & today
    assert with_present_names({"padding": "zeros", "sharpness": 3.0, "seed": 1}) == {
        "padding_mode": "zeros",
        "inverse_temperature": 3.0,
        "seed": 1,
    }
    assert TUSKOptions(**with_present_names({"kmeans_scale": 5.0})).kmeans_inverse_temperature == 5.0


def test_weights_that_name_their_padding_as_before_are_the_same_model(tmp_path: Path) -> None:
    model = FactorizedLandmarks(ThewlisConfig(landmarks=2, widths=(2, 2, 2, 2, 2), padding_mode="reflect")).eval()
    settings = asdict(model.config)
    settings["padding"] = settings.pop("padding_mode")
    metadata = {"format": "tusklite-landmarks", "config": json.dumps(settings)}
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        tmp_path / "old.safetensors",
        metadata,
    )
    read = FactorizedLandmarks.load(tmp_path / "old.safetensors")
    assert read.config == model.config
    images = torch.rand(1, 3, 80, 80)
    assert torch.equal(read(images).xy, model(images).xy)


def test_weights_of_tusk_that_came_with_the_package_before_still_load(tmp_path: Path) -> None:
    with safe_open(FOLDER / "mnist-hard-lite.safetensors", framework="pt") as file:
        settings = json.loads(file.metadata()["config"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    settings["padding"] = settings.pop("padding_mode")
    before = {name: settings[name] for name in list(settings) if name != "aggregation"}
    save_file(tensors, tmp_path / "old.safetensors", {"format": "tusklite-tusk", "config": json.dumps(before)})
    assert TUSK.load(tmp_path / "old.safetensors").config == load_pretrained().model.config


def test_a_recorded_departure_of_before_is_the_same_departure(tmp_path: Path) -> None:
    recorded = results_folder() / "mnist-hard" / "paper-steps110-batch16-seed0-cpu.json"  # of before hashes
    result = json.loads(recorded.read_text(encoding="utf-8"))
    result |= {"preset": "lite", "overrides": {"steps": 1000, "padding": "zeros"}}
    (tmp_path / "mnist-hard").mkdir()
    write_json(tmp_path / "mnist-hard" / recorded.name, result)
    (read,) = read_results(tmp_path)
    assert read["overrides"] == {"steps": 1000, "padding_mode": "zeros"}
    experiment = get_experiment("mnist-hard")
    assert left_out_of(experiment.departures, read, experiment.full_name) == "no replicate padding"
