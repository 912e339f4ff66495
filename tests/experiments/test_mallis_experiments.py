"""Mallis's landmarks on puppets and faces: scores of networks whose answers are known, presets, small runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tusklite.data import Puppets
from tusklite.experiments import get_experiment, get_preset, mallis_aflw, mallis_scores, train
from tusklite.experiments.mallis_puppets import PuppetCounts, starting_points
from tusklite.experiments.mallis_scores import KnownPoints, descriptor_scores, landmark_scores, stage_one_scores
from tusklite.inference import load
from tusklite.methods.mallis import MallisConfig, MallisLandmarks
from tusklite.methods.weights import FoundKeypoints
from tusklite.metrics import normalized_mutual_information

CELL = 2 / 32


def small(**changes: Any) -> Any:
    sizes = {"train_scenes": 24, "validation_scenes": 30, "test_scenes": 30, "watched": 10, "device": "cpu"}
    return get_preset("mallis-puppets", "ci", **{**sizes, **changes})


def of_split(split: str, count: int = 30) -> KnownPoints:
    images = Puppets(split, count)
    return KnownPoints(images, images.joints(torch.arange(count)))


class Knows(MallisLandmarks):
    """In place of the networks: landmarks are joints of the test figures, with one that stays and one that is rare."""

    def __init__(self, known: list[KnownPoints]) -> None:
        super().__init__(MallisConfig(clusters=5, width=8, stem=4, kernel=3, reduction=2, depth=1, groups=4))
        self.truth = {
            image.numpy().tobytes(): points
            for split in known
            for image, points in zip(split.images.scenes(range(len(split.points))).image, split.points, strict=True)
        }

    def find_keypoints(self, images: Tensor, k: int | None = None) -> FoundKeypoints:
        joints = torch.stack([self.truth[image.numpy().tobytes()] for image in images])
        xy = torch.stack([joints[:, 0], joints[:, 3], joints[:, 3] + 0.01, torch.zeros(len(images), 2)], 1)
        found = torch.ones(len(images), 4, dtype=torch.bool)
        found[::2, 2] = False
        return FoundKeypoints(xy, found.float(), None, found)


def test_landmarks_that_are_joints_cover_them_once_each() -> None:
    labelled, unseen = of_split("validation"), of_split("test")
    figures, details = landmark_scores(Knows([labelled, unseen]), labelled, unseen, 1.0, 1e-6, CELL)
    assert (figures["landmarks"], figures["landmarks_used"]) == (4, 4)
    assert figures["joints_covered"] == 2
    assert details["point_of_landmark"][:3] == [0, 3, 3]
    assert figures["found"] == pytest.approx(3.5 / 4)
    assert details["found_of_landmark"] == [1.0, 1.0, 0.5, 1.0]
    assert all(error < 0.1 for error in details["backward_of_landmark"][:2])  # they are among the annotated points
    mean = labelled.points.mean(0)
    flat = 100 * float((unseen.points - mean).norm(dim=-1).mean())
    assert figures["mean_shape_percent"] == pytest.approx(flat, rel=1e-4)
    assert figures["forward_percent"] < 0.9 * flat


def test_without_a_landmark_the_mean_shape_is_left() -> None:
    labelled, unseen = of_split("validation"), of_split("test")
    model = MallisLandmarks(small().model).eval()
    model.kept[:] = False
    figures, _ = landmark_scores(model, labelled, unseen, 1.0, 1e-2, CELL)
    assert (figures["landmarks"], figures["joints_covered"], figures["landmarks_used"]) == (0, 0, 0)
    assert figures["forward_percent"] == figures["mean_shape_percent"]
    assert "backward_percent" not in figures


class Place(nn.Module):
    """In place of the first network: descriptors are places, on a grid, and nothing is detected."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        side = (2 * torch.arange(32) + 1) / 32 - 1
        grid = torch.stack(torch.meshgrid(side, side, indexing="xy")).expand(len(images), -1, -1, -1)
        return torch.full((len(images), 1, 32, 32), -9.0), grid


def test_descriptors_that_are_places_are_worth_what_position_is() -> None:
    known, model = of_split("test"), MallisLandmarks(small(unit_descriptors=False, descriptor_channels=2).model).eval()
    model.points = Place()
    centroids = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    scores = descriptor_scores(model, known, centroids)
    which, quadrant = [], []
    for joints in known.points.tolist():
        for number, (x, y) in enumerate(joints):
            if abs(x) < 1 and abs(y) < 1:
                which.append(number)
                quadrant.append(2 * (y > 0) + (x > 0))
    expected = normalized_mutual_information(torch.tensor(quadrant), torch.tensor(which))
    assert scores.nmi == pytest.approx(expected, abs=0.02)  # a place is read off a grid
    assert scores.nmi_position > scores.nmi_chance


def test_a_look_sees_no_test_image_and_a_score_no_training_joint() -> None:
    experiment, preset = get_experiment("mallis-puppets"), small()
    splits = experiment.splits(preset)
    method = experiment.method(preset).eval()
    method.before_step(0, splits.train)

    class Untouched:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked of images that are not to be seen")

    figures = experiment.look(preset, method, replace(splits, test=KnownPoints(Untouched(), torch.zeros(1, 14, 2))))
    assert figures.keys() == {"nmi", "ami", "precision", "recall", "f"}
    with pytest.raises(ValueError, match="with_truth: True was given for split 'train'"):
        splits.train.source.scenes([0], with_truth=True)
    assert not hasattr(splits.train.scenes([0]), "xy")


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_a_mixture_has_its_share_of_joints(share: float) -> None:
    preset, images = small(true_share=share), Puppets("train", 24)
    start = starting_points(preset, images)
    joints = images.joints(torch.arange(24))
    hits = ((start.xy[:, :, None] - joints[:, None]).norm(dim=-1).amin(2) < 1e-6) & start.found
    inside = (joints.abs() < 1).all(-1).float().mean()
    assert float(hits.sum(1).float().mean()) == pytest.approx(round(15 * share) * float(inside), abs=0.4)
    assert start.xy.shape == (24, 15, 2)


def test_corners_need_no_joints(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.setattr(Puppets, "joints", lambda *_: (_ for _ in ()).throw(AssertionError("joints were asked for")))
    start = starting_points(small(start="shi-tomasi", start_points=20), Puppets("train", 4))
    assert start.xy.shape == (4, 20, 2)
    assert (start.found.sum(1) > 5).all()


def test_the_figures_after_the_warm_up_are_of_the_weights_of_then() -> None:
    experiment, preset = get_experiment("mallis-puppets"), small()
    splits, method = experiment.splits(preset), experiment.method(preset).eval()
    method.before_step(0, splits.train)
    method.before_step(method.rounds_from, splits.train)
    with torch.no_grad():
        for parameter in method.model.points.parameters():
            parameter.mul_(0.5)
    scores = stage_one_scores(method, splits.train, splits.test)
    first = experiment.method(preset).eval()
    first.before_step(0, splits.train)
    centroids = mallis_scores.clusters_of(first.model, splits.train, first.start, None)
    assert scores["nmi_warmup"] == descriptor_scores(first.model, splits.test, centroids).nmi
    assert scores["nmi_warmup"] != scores["nmi"]


class Faces:
    """Puppets in place of faces: their points are five joints, and every third has none."""

    reads_files = False

    def __init__(self, split: str, source: str, image_size: int, device: torch.device) -> None:
        self.images = Puppets("validation" if split == "train" else "test", 40, seed=1, image_size=image_size)
        joints = self.images.joints(torch.arange(40))[:, [0, 3, 4, 6, 7]] * 0.5
        self.labelled = torch.arange(40) % 3 > 0
        self.points = torch.where(self.labelled[:, None, None], joints, torch.nan)
        self.held_out = (torch.arange(40) % 6 == 4) & (split == "train")
        self.eyes = (0, 1)

    def __len__(self) -> int:
        return 40

    def scenes(self, rows: Tensor) -> Any:
        return self.images.scenes(rows)

    def describe(self) -> dict[str, Any]:
        return {"source": "puppets", "sha256": "0" * 64}

    def identity(self) -> dict[str, object]:
        return {"kind": "puppets"}


def face_preset(**changes: Any) -> Any:
    sizes = {"train_faces": 30, "labelled_faces": 30, "watched": 8, "start_points": 12, "device": "cpu"}
    return get_preset("mallis-aflw", "ci", **{**sizes, **changes})


def test_faces_are_framed_and_posed_with_their_points(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.setattr(mallis_aflw, "FaceLandmarks", Faces)
    splits = get_experiment("mallis-aflw").splits(face_preset(zoom=0.5))
    known = Faces("test", "mtfl", 80, torch.device("cpu"))
    rows = known.labelled.nonzero().flatten()
    torch.testing.assert_close(splits.unseen.points, known.points[rows] / 0.5)
    # A frame of half the picture's width shows its middle half, pixel by pixel.
    frame = mallis_aflw.FramedImages(known, 40, 0.5, rows).scenes([2]).image
    torch.testing.assert_close(frame, known.scenes(rows[2:3]).image[:, :, 20:60, 20:60])
    posed = splits.unseen_posed
    pose = posed.images.pose
    back = posed.points @ pose.turn.mT + pose.shift
    torch.testing.assert_close(back, splits.unseen.points, atol=1e-5, rtol=1e-4)
    assert not torch.equal(posed.images.scenes([0]).image, splits.unseen.images.scenes([0]).image)
    assert torch.equal(posed.images.scenes([3]).image[0], posed.images.scenes([1, 3]).image[1])
    assert len(splits.labelled.points) == int(Faces("train", "", 80, None).labelled.sum())
    assert splits.about["learnt_from"] == 30
    spared = get_experiment("mallis-aflw").splits(face_preset(score_on="validation"))
    assert len(spared.labelled.points) == len(splits.labelled.points) - 6  # as many are held out


@pytest.mark.slow
def test_faces_train_and_are_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.setattr(mallis_aflw, "FaceLandmarks", Faces)
    result = train(face_preset(steps=20, evaluate_every=10), tmp_path / "run")
    names = {metric.name for metric in get_experiment("mallis-aflw").metrics}
    assert result["metrics"].keys() <= names
    assert names - result["metrics"].keys() <= {"backward_percent"}
    assert result["paper"] == {"forward_percent": 7.37, "nmi": 0.635}
    assert result["data"]["learnt_from"] == 30
    assert result["metrics"]["mean_shape_percent"] > 10


@pytest.mark.slow
def test_the_small_preset_trains_goes_on_and_is_scored(tmp_path: Path) -> None:
    preset = small()
    assert train(preset, tmp_path / "run", minutes=1e-9) is None
    result = train(preset, tmp_path / "run", resume=True)
    whole = train(preset, tmp_path / "whole")
    assert result["metrics"] == whole["metrics"]
    experiment = get_experiment("mallis-puppets")
    names = {metric.name for metric in experiment.metrics}
    assert result["metrics"].keys() <= names
    assert names - result["metrics"].keys() <= {"backward_percent"}
    assert 0 <= result["metrics"]["landmarks"] <= 10
    assert result["metrics"]["nmi_position"] == pytest.approx(0.42, abs=0.1)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["details"]["curves"]["nmi"]
    model = load(tmp_path / "run" / "model.safetensors")
    assert type(model) is MallisLandmarks
    assert int(model.kept.sum()) == result["metrics"]["landmarks"]


def test_every_departure_is_a_setting_that_the_recipe_has_otherwise() -> None:
    departures = get_experiment("mallis-puppets").departures
    recipe = get_preset("mallis-puppets", departures.preset)
    for row, (changes, idea) in departures.rows.items():
        assert recipe.with_settings(changes).overrides.keys() == set(changes), row
        assert idea


def test_the_paper_preset_is_the_papers() -> None:
    """Mallis et al. 2020, section 4; the authors' code for what its text leaves open."""
    preset = get_preset("mallis-puppets", "paper")
    model, options, schedule = preset.model, preset.training, preset.schedule
    assert (model.width, model.descriptor_channels, model.depth, model.reduction, preset.data.image_size) == (
        *(256, 256, 4),
        *(4, 256),
    )
    assert (options.optimizer, options.learning_rate, options.weight_decay, schedule.batch) == (
        "rmsprop",
        5e-4,
        1e-5,
        16,
    )
    steps = [round(share * schedule.steps) for share in (options.rounds_from, options.landmarks_from)]
    assert steps == [20_000, 300_000]
    assert (300_000 - 20_000) / options.rounds == 10_000
    assert (options.merge_share, options.overlap, options.rule, options.warm_start) == (0.7, 1.0, "paper", True)
    off = {"snap": 0, "emphasis": 0, "waiting": 0, "following": 0, "hue": 0, "negative": 0, "largest_gradient": 0}
    assert {name: getattr(options, name) for name in off} == off
    assert (options.balanced, options.squared, model.unit_descriptors) == (False, False, False)


@pytest.mark.parametrize("experiment", ["mallis-puppets", "mallis-aflw"])
@pytest.mark.parametrize("name", ["ci", "lite", "full", "paper"])
def test_evaluations_fall_on_the_ends_of_the_warm_up_and_of_rounds(name: str, experiment: str) -> None:
    preset = get_preset(experiment, name, device="cpu")
    every, steps, options = preset.schedule.evaluate_every, preset.schedule.steps, preset.training
    if name != "ci":
        bounds = [options.rounds_from * steps, options.landmarks_from * steps]
        bounds.append(bounds[0] + (bounds[1] - bounds[0]) / options.rounds)
        assert all(abs(bound / every - round(bound / every)) < 1e-6 for bound in bounds)
    assert options.merge_from < 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"clutter": "stones"}, "clutter: 'stones' was given"),
        ({"start": "orb"}, "start: 'orb' was given; allowed are 'mixture'"),
        ({"true_share": 1.1}, "true_share: 1.1 was given"),
        ({"train_scenes": 1}, "train_scenes: 1 was given"),
        ({"ridge": -1.0}, "ridge: -1.0 was given"),
    ],
)
def test_counts_out_of_range_are_refused(changes: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        PuppetCounts(**changes)
