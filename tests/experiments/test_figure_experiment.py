"""TUSK on bodies: what is read off keypoints that are known, which pictures are scored, and a whole small run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tusklite.data import Figures
from tusklite.experiments import get_experiment, get_preset, train, tusk_figure
from tusklite.experiments.body_scores import Seen, animal_scores, joint_errors, recall_scores
from tusklite.experiments.face_keypoints import FaceKeypoints
from tusklite.experiments.tusk_figure import TABLE_3, scoring_size

JOINTS = 4


def seen_of(xy: Tensor, points: Tensor, size: tuple[int, int] = (72, 72)) -> Seen:
    """Keypoints (N, K, 2), the k-th of the k-th prototype, modulo four, and annotated points (N, F, P, 2)."""
    kinds = (torch.arange(xy.shape[1]) % JOINTS).expand(len(xy), -1)
    return Seen(FaceKeypoints(xy, kinds, torch.ones(xy.shape[:2], dtype=torch.bool)), points, size)


def bodies(count: int, seed: int) -> Tensor:
    """Joints (N, 1, 4, 2) about the middle of pictures."""
    return 0.8 * torch.rand(count, 1, JOINTS, 2, generator=torch.Generator().manual_seed(seed)) - 0.4


# --- joints ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["corner", "middle"])
def test_joints_that_are_sums_of_keypoints_are_read_off_exactly(origin: str) -> None:
    known, unseen = bodies(50, 0), bodies(30, 1)
    turned = torch.tensor([[0.5, 0.5], [-0.5, 0.5]])
    from_corner = 1.0 if origin == "corner" else 0.0

    def annotated(joints: Tensor) -> Tensor:
        return (joints + from_corner) @ turned - from_corner

    errors = joint_errors(
        *(seen_of(joints[:, 0], annotated(joints)) for joints in (known, unseen)), JOINTS, 0.0, origin
    )
    assert errors["joint_error_percent"] < 1e-3
    mean = annotated(known).mean(dim=0)[0]
    expected = (annotated(unseen)[:, 0] - mean).norm(dim=-1).mean() / 2 * 100
    assert errors["mean_shape_percent"] == pytest.approx(float(expected), abs=1e-3)


def test_an_error_is_in_percent_of_the_side() -> None:
    known = bodies(50, 0)
    moved = known.clone()
    moved[..., 0] += 0.02  # a hundredth of a side that is 2 long
    errors = joint_errors(seen_of(known[:, 0], known), seen_of(known[:, 0], moved), JOINTS, 0.0, "middle")
    assert errors["joint_error_percent"] == pytest.approx(1.0, abs=1e-3)


def test_joints_that_are_not_known_count_nowhere() -> None:
    known, unseen = bodies(60, 0), bodies(40, 1)
    some = [known.clone(), unseen.clone()]
    for points, seed in zip(some, (2, 3), strict=True):
        missing = torch.rand(len(points), 1, JOINTS, generator=torch.Generator().manual_seed(seed)) < 0.3
        points[missing] = torch.nan
    some[0][:, :, 3] = torch.nan  # this one is never known in training
    errors = joint_errors(seen_of(known[:, 0], some[0]), seen_of(unseen[:, 0], some[1]), JOINTS, 0.0, "middle")
    assert errors["joint_error_percent"] < 1e-3
    distances = [
        math.dist(point, mean) / 2 * 100
        for body in some[1][:, 0].tolist()
        for point, mean in zip(body, some[0][:, 0].nanmean(dim=0).tolist(), strict=True)
        if not math.isnan(point[0] + mean[0])
    ]
    assert errors["mean_shape_percent"] == pytest.approx(sum(distances) / len(distances), abs=1e-3)


# --- parts in pictures with two ----------------------------------------------------------------------------


def test_recall_is_the_share_of_joints_within_a_twentieth_of_the_height() -> None:
    """Keypoints lie five hundredths beside their joint: learnt on one body, that finds both of two, but for a miss."""
    known = bodies(60, 0)
    beside = torch.tensor([0.3, 0.0])  # more than a twentieth of the side, which is 2
    one = seen_of(known[:, 0] + beside, known)
    assert recall_scores(one, one, JOINTS, "recall_one") == {
        "recall_one": 100.0,
        "recall_one_bare": pytest.approx(0.0, abs=15),
        "recall_one_precision": 100.0,
    }
    # Two bodies side by side: across, the picture is twice as wide, so lengths in [-1, 1] are halved.
    first, second = bodies(40, 1), bodies(40, 2)
    squeezed = torch.tensor([0.5, 1.0])
    places = [(first + torch.tensor([-1.0, 0.0])) * squeezed, (second + torch.tensor([1.0, 0.0])) * squeezed]
    keypoints = torch.cat(places, dim=2)[:, 0] + beside * squeezed
    keypoints[:10, 7] = torch.tensor([0.0, -0.99])  # the last joint of the second body is lost in ten pictures
    two = seen_of(keypoints, torch.cat(places, dim=1), (72, 144))
    scores = recall_scores(one, two, JOINTS, "recall_two")
    assert scores["recall_two"] == pytest.approx(100 * (1 - 10 / (40 * 8)), abs=0.01)
    assert scores["recall_two_precision"] == pytest.approx(100 * (1 - 10 / (40 * 8)), abs=0.01)


def test_keypoints_on_animals_are_counted_in_pixels() -> None:
    """Two animals of which the ends are 20 pixels apart: a keypoint counts within 5."""
    animals = torch.tensor([[[20.0, 20.0], [40.0, 20.0]], [[100.0, 50.0], [120.0, 50.0]]]).expand(6, -1, -1, -1)
    half = torch.tensor([72.0, 36.0])  # of a picture of 144 x 72
    pixels = torch.tensor([[24.0, 20.0], [26.0, 20.0], [100.0, 53.0], [120.0, 56.0]]).expand(6, -1, -1)
    seen = seen_of(pixels / half - 1, animals / half - 1, (72, 144))
    kinds = torch.tensor([[0, 1, 0, 1]]).expand(6, -1).clone()
    kinds[:2, 2] = 3  # in two pictures the second animal has another kind
    scores = animal_scores(seen._replace(keypoints=seen.keypoints._replace(assignment=kinds)), (0, 1))
    assert scores["on_animal"] == 50.0
    assert scores["shared"] == pytest.approx(100 * 4 / 6, abs=0.01)
    assert scores["on_animal_chance"] == pytest.approx(100 * 4 * math.pi * 25 / (144 * 72), rel=0.05)


# --- the experiment ----------------------------------------------------------------------------------------


def test_no_figure_is_both_labelled_and_scored() -> None:
    experiment = get_experiment("tusk-figure")
    for score_on in ("test", "validation"):
        splits = experiment.splits(get_preset("tusk-figure", "ci", score_on=score_on, device="cpu"))
        assert (splits.train.split, splits.labelled.split, splits.unseen.split) == ("train", "validation", score_on)
        assert splits.pairs.figures == 2
        labelled, unseen = (
            {image.numpy().tobytes() for image in each.scenes(range(20)).image}
            for each in (splits.labelled, splits.unseen)
        )
        assert not labelled & unseen


def test_pictures_are_scored_at_the_scale_of_training() -> None:
    """A figure of a picture of 80 pixels is as large in the middle one of training's squares as in what is scored."""
    preset = get_preset("tusk-figure", "lite")
    low, high = preset.training.zooms
    magnified = preset.training.view_size / (80 * (low + high) / 2)
    assert scoring_size(preset) == pytest.approx(80 * magnified, abs=4)
    assert scoring_size(preset) % (preset.model.stem * 2 ** (preset.model.levels - 1)) == 0


def test_paper_presets_are_the_papers() -> None:
    """Jin et al. 2022, section 4.3; the authors' configs/h36m.yaml for what its text leaves open, and K and M there."""
    for name, keypoints, prototypes in (("paper", 16, 32), ("paper-code", 12, 24)):
        preset = get_preset("tusk-figure", name)
        model, training = preset.model, preset.training
        assert (model.keypoints, model.prototypes, model.window) == (keypoints, prototypes, 11)
        assert (model.decoder_input, model.appearance, model.stem, model.aggregation) == ("descriptor", 0, 1, "sum")
        assert (training.reconstruction_loss, training.warp, training.view_size) == ("auto", "tusk-bodies", 0)
        assert (training.kmeans, training.heatmap_equivariance, training.feature_equivariance) == (0.01, 0.01, 100.0)
        assert (preset.data.source, preset.data.image_size, preset.schedule.batch) == ("human36m", 112, 32)
        assert preset.data.origin == "corner"
        assert get_experiment("tusk-figure").published(preset) == {"joint_error_percent": 6.88}
    assert {row.method: row.metrics["joint_error_percent"] for row in TABLE_3} == {
        "TUSK (paper)": 6.88,
        "Thewlis et al.": 7.51,
        "Zhang et al.": 4.91,
        "Lorenz et al.": 2.79,
    }
    assert get_experiment("tusk-figure").published(get_preset("tusk-figure", "lite")) == {}


def test_every_departure_is_a_setting_that_the_recipe_has_otherwise() -> None:
    recipe, paper = get_preset("tusk-figure", "lite"), get_preset("tusk-figure", "paper").settings()
    rows = get_experiment("tusk-figure").departures.rows
    for row, (changes, idea) in rows.items():
        assert recipe.with_settings(changes).overrides.keys() == set(changes), row
        assert idea
    sizes = {"width", "levels", "groups", "window", "stem", "learning_rate", "background_window", "decoder_output"}
    sizes |= {"reconstruction_loss", "reconstruction"}
    differing = {
        name
        for name, value in recipe.settings().items()
        if name.startswith(("model.", "training.")) and value != paper[name]
        if name.rpartition(".")[2] not in sizes
    }
    assert differing <= {name for changes, _ in rows.values() for name in changes}


@pytest.mark.parametrize("changes", [{"source": "cats"}, {"origin": "edge"}, {"pairs": 0}, {"score_on": "train"}])
def test_wrong_settings_are_named(changes: dict[str, object]) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=f"{name}: .* was given"):
        get_preset("tusk-figure", "ci", **changes)


def test_a_run_of_two_steps_states_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tusk_figure, "WATCHED", 8)
    small = {"train_scenes": 8, "labelled_scenes": 30, "test_scenes": 8, "pairs": 4, "keypoints": 4, "prototypes": 4}
    preset = get_preset("tusk-figure", "ci", steps=2, batch=2, evaluate_every=100, device="cpu", **small)
    result = train(preset, tmp_path / "run")
    assert {"joint_error_percent", "mean_shape_percent", "recall_one", "recall_two"} <= result["metrics"].keys()
    names = {metric.name for metric in get_experiment("tusk-figure").metrics}
    assert result["metrics"].keys() <= names
    assert result["data"]["source"] == "figures"
    assert result["metrics"]["keypoints"] == 4
    mean = Figures("validation", 30).scenes(range(30), with_truth=True).xy.mean(dim=0)
    truth = Figures("test", 8).scenes(range(8), with_truth=True).xy
    expected = float((truth - mean).norm(dim=-1).mean()) / 2 * 100
    assert result["metrics"]["mean_shape_percent"] == pytest.approx(expected, abs=1e-2)
