"""Presets of landmarks: those called "paper" are the paper's, and every one can be trained."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
import torch
from preset_words import by_last_word

from tusklite.experiments import experiments, get_preset, new_training
from tusklite.methods.thewlis.model import ThewlisConfig
from tusklite.methods.thewlis.options import ThewlisOptions

# Thewlis et al. 2017 on faces, section 4.1 and the supplement. It states neither kernels nor the unit of alignment.
PAPER_FACES = {
    "landmarks": 51,  # on AFLW
    "image_channels": 3,
    "image_size": 80,  # of 100 pixels, cropped after the warps
    "widths": (20, 48, 64, 80, 256),
    "diversity": 500.0,  # eq. 9
    "pool": 5,
    "first_warp": "thewlis-faces-g1",
    "second_warp": "thewlis-faces-g2",
    "zooms": (0.8, 0.8),
    "zoom": 0.8,
    "learning_rate": 1e-4,  # Adam's
    "weight_decay": 5e-4,  # eq. 9
    "warmup": 0,
    "constant_until": 1.0,
    "final_rate": 1.0,
    "precision": "float32",
}
# On digits: 28 pixels enlarged to 35, and 5 black ones around them.
PAPER_DIGITS = PAPER_FACES | {
    "landmarks": 7,
    "image_channels": 1,
    "image_size": 48,  # where the paper has 45, which cannot be halved
    "pool": 3,
    "first_warp": "thewlis-mnist-g1",
    "second_warp": "thewlis-mnist-g2",
    "zooms": (1.0, 1.0),
    "zoom": 1.0,
}
PRESETS = [(name, preset.name) for name in ("thewlis-aflw", "thewlis-digits") for preset in experiments()[name].presets]

# Every option that can go beyond the paper, and the value at which it does not; `zooms` is off at a single size.
OFF = {"padding_mode": "zeros", "final_relu": True, "shift": 0.0}


@pytest.mark.parametrize(("experiment", "paper"), [("thewlis-aflw", PAPER_FACES), ("thewlis-digits", PAPER_DIGITS)])
def test_paper_presets_of_landmarks_are_the_papers(experiment: str, paper: dict[str, object]) -> None:
    preset = get_preset(experiment, "paper")
    settings = by_last_word(preset.settings())
    assert {name: settings[name] for name in paper} == paper
    # Eq. 6 in pixels of the map: the map is half as wide as the image, and 2 wide in units of [-1, 1].
    assert settings["alignment"] == (settings["image_size"] / 2 / 2) ** 2
    (adam,) = new_training(preset).optimizers().values()
    assert isinstance(adam, torch.optim.Adam)
    chosen = {name: adam.defaults[name] for name in ("lr", "betas", "weight_decay")}
    assert chosen == {"lr": 1e-4, "betas": (0.9, 0.999), "weight_decay": 5e-4}


@pytest.mark.parametrize("experiment", ["thewlis-aflw", "thewlis-digits"])
def test_paper_presets_have_every_improvement_off(experiment: str) -> None:
    settings = by_last_word(get_preset(experiment, "paper").settings())
    assert {name: settings[name] for name in OFF} == OFF
    assert settings["zooms"] == (settings["zoom"], settings["zoom"])  # that of the whole images it is asked about


@pytest.mark.parametrize(
    ("options", "off"), [(ThewlisConfig, {"padding_mode", "final_relu"}), (ThewlisOptions, {"zooms", "shift"})]
)
def test_whatever_is_documented_as_beyond_the_paper_is_off(options: type, off: set[str]) -> None:
    described = re.findall(r"^    (\w+): ((?:.|\n(?!    \w+: ))*)", inspect.getdoc(options), re.MULTILINE)
    assert {name for name, _ in described} == {field.name for field in dataclasses.fields(options)}
    assert {name for name, words in described if re.search(r"[Bb]eyond\s+(the\s+paper|it)\b", words)} == off
    assert off <= OFF.keys() | {"zooms"}


@pytest.mark.parametrize(("experiment", "name"), PRESETS)
def test_every_preset_of_landmarks_can_be_trained(experiment: str, name: str) -> None:
    preset = get_preset(experiment, name)
    channels, size = (3, 80) if experiment == "thewlis-aflw" else (1, 45)
    model = new_training(preset).model.eval()  # which refuses a pool that does not fit
    with torch.no_grad():
        assert model.find(torch.zeros(1, channels, size, size)).shape == (1, preset.model.landmarks, 2)


@pytest.mark.parametrize(
    ("experiment", "setting", "error"),
    [
        ("thewlis-aflw", {"source": "mnist"}, ValueError),
        ("thewlis-aflw", {"score_on": "train"}, ValueError),
        ("thewlis-aflw", {"regressor_views": 0}, ValueError),
        ("thewlis-aflw", {"few_label_draws": 1.5}, TypeError),
        ("thewlis-aflw", {"few_label_views": 0}, ValueError),
        ("thewlis-aflw", {"ridge": -1e-3}, ValueError),
        ("thewlis-digits", {"digit": 10}, ValueError),
        ("thewlis-digits", {"source": "mtfl"}, ValueError),
        ("thewlis-digits", {"score_on": "train"}, ValueError),
        ("thewlis-digits", {"score_views": 0}, ValueError),
        ("thewlis-digits", {"kernels": 3}, TypeError),
    ],
)
def test_values_out_of_range_are_refused_by_name(
    experiment: str, setting: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error, match=rf"^(\w+\.)?{next(iter(setting))}: .* was given; allowed"):
        get_preset(experiment, "lite", **setting)
