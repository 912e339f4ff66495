"""Scenes of objects: how masks and names are read and scored, and that the experiments train, record and choose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from tusklite.data import Tetrominoes
from tusklite.data.object_scenes import ObjectScenes
from tusklite.data.resized_scenes import ResizedScenes, at_size
from tusklite.experiments import get_experiment, get_preset, train
from tusklite.experiments.object_discovery import (
    ObjectSplits,
    ObjectsSeen,
    of_keypoints,
    painters,
    score_nearest,
    score_segments,
    see_objects,
)
from tusklite.methods.tusk.model import TUSK
from tusklite.metrics import evaluate_properties, name_prototypes
from tusklite.train.loop import FitResult


def a_model(**changes: object) -> TUSK:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TUSK(replace(get_preset("tetrominoes", "ci").model, **changes)).eval()


def as_seen(segments: Tensor, assignment: Tensor, truth: ObjectScenes, keypoints: int = 3) -> ObjectsSeen:
    """A network that paints what it is told, and knows of each keypoint its prototype alone."""
    found = torch.ones(len(segments), keypoints, dtype=torch.bool)
    descriptors = torch.nn.functional.one_hot(assignment, 24).float()
    return ObjectsSeen(segments, segments, found, assignment, descriptors, truth)


@pytest.fixture(scope="module")
def truth() -> ObjectScenes:
    return Tetrominoes("validation", 40).scenes(range(40), with_truth=True)


def test_whoever_paints_the_truth_has_all_of_it(truth: ObjectScenes) -> None:
    assert truth.segments is not None
    assert truth.properties is not None
    seen = as_seen(truth.segments, truth.properties["colour"], truth)
    scores = score_segments(seen)
    assert (scores.ari, scores.ari_background, scores.count, scores.found, scores.found_twice) == (1, 1, 1, 1, 0)
    objects = of_keypoints(seen, scores)
    assert len(objects.assignment) == 120
    names = name_prototypes(objects.assignment, objects.properties, {"shape": 19, "colour": 6}, 24)
    named = evaluate_properties(objects.assignment, objects.properties, names)
    assert named["colour"].accuracy == 1.0
    assert named["shape"].accuracy < 0.5  # prototypes that are colours know no shape
    assert score_nearest(objects, objects)["colour"] == 1.0


def test_rand_index_is_scikit_learns_on_pixels_of_objects_alone(truth: ObjectScenes) -> None:
    generator = torch.Generator().manual_seed(0)
    segments = torch.randint(0, 4, truth.segments.shape, generator=generator, dtype=torch.uint8)
    segments = torch.where(torch.rand(truth.segments.shape, generator=generator) < 0.7, truth.segments, segments)
    scores = score_segments(as_seen(segments, torch.zeros(40, 3, dtype=torch.int64), truth))
    pairs = [(true.numpy().ravel(), own.numpy().ravel()) for true, own in zip(truth.segments, segments, strict=True)]
    alone = [adjusted_rand_score(true[true > 0], own[true > 0]) for true, own in pairs]
    every = [adjusted_rand_score(true, own) for true, own in pairs]
    assert scores.ari == pytest.approx(np.mean(alone), abs=1e-6)
    assert scores.ari_background == pytest.approx(np.mean(every), abs=1e-6)


def test_the_backgrounds_alpha_counts_where_it_is_asked_to() -> None:
    """Masks are compared among keypoints, as in the paper; if a pixel is an object's at all is another question."""
    model = a_model()
    output = model(torch.rand(2, 3, 35, 35))
    logits = torch.full((2, 3, 35, 35), -9.0)
    logits[:, 1, :10], logits[:, 2, 10:20] = 3.0, -0.5
    layers = torch.cat([output.layers[:, :, :-1], logits.unsqueeze(2)], dim=2)
    found = output.keypoints._replace(index=torch.zeros(2, 3, dtype=torch.int64))
    output = output._replace(layers=layers, keypoints=found)
    alone, with_background = (painters(model, output, (35, 35), background) for background in (False, True))
    assert (alone[:, :10] == 2).all()
    assert (alone[:, 10:20] == 3).all()
    assert (alone > 0).all()
    assert with_background.unique().tolist() == [0, 2]
    assert (with_background[:, 10:] == 0).all()
    # An empty slot paints nothing, also where its layer says otherwise; and a mask may be asked for at another size.
    one = found._replace(index=torch.tensor([[0, -1, 0]] * 2))
    assert 2 not in painters(model, output._replace(keypoints=one), (35, 35), True).unique().tolist()
    assert painters(model, output, (70, 70), False).shape == (2, 70, 70)


def test_a_choice_of_none_is_one_segment_and_no_count() -> None:
    model = a_model(least_gain=1e6)
    seen = see_objects(model, Tetrominoes("validation", 6))
    assert not seen.found.any()
    scores = score_segments(seen)
    assert (scores.ari, scores.count, scores.found) == (0.0, 0.0, 0.0)
    assert not len(of_keypoints(seen, scores).assignment)


def test_scenes_at_another_size_keep_their_truth(device: str) -> None:
    scenes = Tetrominoes("test", 20, device=device)
    large = at_size(scenes, 112)
    assert at_size(scenes, 35) is scenes
    batch, own = (source.scenes([3, 4], with_truth=True) for source in (large, scenes))
    assert batch.image.shape == (2, 3, 112, 112)
    assert torch.equal(batch.segments, own.segments)
    assert large.identity() != scenes.identity()
    assert large.describe()["image_size"] == 112
    halved = ResizedScenes(ResizedScenes(scenes, 70), 35).scenes([3, 4]).image
    assert (halved - own.image).abs().mean() < 0.05
    whole = torch.nn.functional.avg_pool2d(ResizedScenes(scenes, 70).scenes([3]).image, 2)
    torch.testing.assert_close(ResizedScenes(ResizedScenes(scenes, 70), 35).scenes([3]).image, whole)
    with pytest.raises(ValueError, match="image_size: 4 was given"):
        ResizedScenes(scenes, 4)


class Repainted(Tetrominoes):
    """Scenes whose colours have other names: colour c is called c + 1."""

    def scenes(self, indices: Tensor, with_truth: bool = False) -> ObjectScenes:
        batch = super().scenes(indices, with_truth)
        if batch.properties is None:
            return batch
        return batch._replace(properties=batch.properties | {"colour": (batch.properties["colour"] + 1) % 6})


class Untouched:
    """A split that nobody may look at."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} of a split that is none of its business")


def seen_by_colour(model: TUSK, scenes: Tetrominoes) -> ObjectsSeen:
    """A network that paints the truth, and whose prototypes are the colours as they are, whatever they are called."""
    batch = scenes.scenes(range(len(scenes)), with_truth=True)
    own = Tetrominoes(scenes.split, len(scenes)).scenes(range(len(scenes)), with_truth=True)
    return as_seen(batch.segments, own.properties["colour"], batch)


def test_prototypes_are_named_on_validation_scenes_and_never_on_those_that_are_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tusklite.experiments.object_discovery.see_objects", seen_by_colour)
    experiment, preset = get_experiment("tetrominoes"), get_preset("tetrominoes", "ci", device="cpu")
    method = experiment.method(preset).eval()
    fitted, test = FitResult(2, True, 1.0, "cpu", 1.0, []), Tetrominoes("test", 40)

    def scores(validation: Tetrominoes) -> tuple[dict[str, float], dict[str, dict[str, list[int]]]]:
        return experiment.score(preset, method, ObjectSplits(Untouched(), validation, test), fitted)

    (right, details), (misled, others) = scores(Tetrominoes("validation", 60)), scores(Repainted("validation", 60))
    assert details["colour"]["of_prototype"] == [*range(6), *[-1] * 18]
    assert others["colour"]["of_prototype"] == [1, 2, 3, 4, 5, 0, *[-1] * 18]
    for name in ("ari", "ari_background", "count", "found", "validation_ari"):
        assert right[name] == misled[name] == 1.0
    for name in ("colour", "colour_nearest"):
        assert (right[name], misled[name]) == (1.0, 0.0)
    assert right["shape"] == misled["shape"] < 0.5


@pytest.mark.parametrize("name", ["tetrominoes", "clevr6"])
def test_the_small_preset_trains_goes_on_and_is_scored(name: str, tmp_path: Path) -> None:
    steps = {"tetrominoes": 12, "clevr6": 6}[name]
    changes = {"steps": steps, "checkpoint_every": 3, "evaluate_every": steps, "device": "cpu"}
    changes |= {"validation_scenes": 10, "test_scenes": 10, "batch": 4}
    preset = get_preset(name, "ci", **changes)
    result = train(preset, tmp_path / "run")
    names = [metric.name for metric in get_experiment(name).metrics]
    assert set(names) <= result["metrics"].keys()
    assert all(-1 <= result["metrics"][each] <= 1 for each in names if each != "scenes_seen")
    assert result["metrics"]["scenes_seen"] == 4 * steps
    assert TUSK.load(tmp_path / "run" / "model.safetensors").config == preset.model


@pytest.mark.parametrize("name", ["tetrominoes", "clevr6"])
def test_every_departure_is_a_setting_that_the_recipe_has_otherwise(name: str) -> None:
    experiment = get_experiment(name)
    recipe = get_preset(name, experiment.departures.preset)
    for row, (changes, idea) in experiment.departures.rows.items():
        changed = recipe.with_settings(changes)
        assert changed.overrides.keys() == set(changes), row
        assert idea


@pytest.mark.parametrize("name", ["tetrominoes", "clevr6"])
def test_short_runs_of_the_recipes_own_source_are_rows_of_departures(name: str) -> None:
    """By what its data say of themselves: a run of another source, or one that nobody knows, is none of its rows."""
    experiment, preset = get_experiment(name), get_preset(name, "ci", device="cpu")
    assert experiment.describe(preset, experiment.splits(preset))["source"] == experiment.departures.source


@pytest.mark.parametrize("name", ["tetrominoes", "clevr6"])
def test_the_paper_preset_is_the_papers(name: str) -> None:
    """Jin et al. 2022, section 4.2; the authors' code for what its text leaves open."""
    preset = get_preset(name, "paper")
    model, expected = preset.model, {"tetrominoes": (3, 114, 27, 38), "clevr6": (6, 48, 21, 32)}[name]
    assert (model.keypoints, model.prototypes, model.window, preset.schedule.batch) == expected
    assert (model.aggregation, model.decoder_output, model.background_layer, model.canvas) == (
        "alpha",
        "linear",
        "none",
        0,
    )
    assert (model.stem, model.candidates, preset.training.warp) == (1, 0, "tusk-objects")
    assert preset.data.image_size == 112
