"""Mallis's landmarks on puppets (Mallis et al. 2020): presets, scenes, scores, departures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.data import Puppets, mix_points
from tusklite.data.puppets import CLUTTER
from tusklite.experiments.base import AnyPreset, Experiment, Preset, Scores, register
from tusklite.experiments.mallis_recipe import (
    CI_MODEL,
    CI_SCHEDULE,
    FULL_MODEL,
    FULL_SCHEDULE,
    LITE_MODEL,
    LITE_SCHEDULE,
    LITE_TRAINING,
    PAPER_SCHEDULE,
    ci_training,
    full_training,
    new_mallis,
)
from tusklite.experiments.mallis_scores import (
    KnownPoints,
    descriptor_scores,
    landmark_scores,
    point_scores,
    present_clusters,
    stage_one_scores,
)
from tusklite.methods.mallis.model import MallisConfig
from tusklite.methods.mallis.options import MallisOptions
from tusklite.methods.mallis.pseudo_truth import PointSets
from tusklite.methods.mallis.reading import landmarks_of, points_of
from tusklite.methods.mallis.starting_images import StartingImages
from tusklite.methods.mallis.starting_points import DETECTORS, find_starting_points
from tusklite.methods.mallis.training import MallisTraining
from tusklite.metrics.metric import Metric
from tusklite.results.result import Result
from tusklite.results.table import METHOD, Column, Departures, Table, run_time
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult

MIXTURE = "mixture"
DRAWN = 100  # scenes whose joints are asked for at once


@dataclass(frozen=True)
class PuppetCounts:
    """How many scenes each split has, and where training starts from.

    Attributes:
        train_scenes: seen in training, without joints but for what starts from some on purpose.
        validation_scenes: of other scenes: watched in training; regressors are fitted on them.
        test_scenes: scored once.
        watched: of the validation scenes, the first so many are watched.
        image_size: height and width.
        clutter: "none", "discs" or "sticks", behind the figures.
        pieces: how many.
        start: "mixture" (true joints among random points, as in the paper's figure 2), or a detector: "shi-tomasi" or
            "sift" (scikit-image).
        true_share: of a mixture, how many of an image's points are true.
        start_points: how many points an image starts from.
        ridge: of the regressors.
    """

    train_scenes: int = 1_500
    validation_scenes: int = 1_000
    test_scenes: int = 1_000
    watched: int = 500
    image_size: int = 64
    clutter: str = "discs"
    pieces: int = 6
    start: str = MIXTURE
    true_share: float = 0.4
    start_points: int = 15
    ridge: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        for name, low, high in (
            ("train_scenes", 2, 10**6),
            ("validation_scenes", 2, 10**6),
            ("test_scenes", 2, 10**6),
            ("watched", 2, 10**6),
            ("image_size", 32, 512),
            ("pieces", 0, 100),
            ("start_points", 1, 1000),
        ):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low=low, high=high))
        object.__setattr__(self, "true_share", require_number("true_share", self.true_share, high=1.0))
        object.__setattr__(self, "ridge", require_number("ridge", self.ridge))
        require_choice("clutter", self.clutter, CLUTTER)
        require_choice("start", self.start, (MIXTURE, *DETECTORS))


_LITE_TRAINING = replace(LITE_TRAINING, hue=1.0, negative=0.5)

PRESETS: tuple[Preset[MallisConfig, MallisOptions, PuppetCounts], ...] = (
    Preset(
        "mallis-puppets",
        "ci",
        CI_MODEL,
        ci_training(_LITE_TRAINING),
        CI_SCHEDULE,
        PuppetCounts(train_scenes=60, validation_scenes=40, test_scenes=40, watched=20),
    ),
    Preset("mallis-puppets", "lite", LITE_MODEL, _LITE_TRAINING, LITE_SCHEDULE, PuppetCounts()),
    Preset(
        "mallis-puppets",
        "full",
        FULL_MODEL,
        full_training(_LITE_TRAINING),
        FULL_SCHEDULE,
        PuppetCounts(train_scenes=10_000, validation_scenes=2_000, test_scenes=5_000),
    ),
    # Its networks, losses and schedule; the figures are ours, and start from the mixture of its figure 2 with M = 30.
    Preset(
        "mallis-puppets",
        "paper",
        MallisConfig(clusters=30),
        MallisOptions(),
        PAPER_SCHEDULE,
        PuppetCounts(train_scenes=20_000, image_size=256),
    ),
)

NMI = Metric("nmi", "NMI", "", better="up")
F = Metric("f", "F", "")
COVERED = Metric("joints_covered", "joints with a landmark", "count")
LANDMARKS = Metric("landmarks", "landmarks", "count")
FORWARD = Metric("forward_percent", "forward error", "%", better="down")
BACKWARD = Metric("backward_percent", "backward error", "%", better="down")

# A lite run with one of its settings changed, and nothing else.
DEPARTURES = Departures(
    preset="lite",
    short_run={"schedule.steps": 4_000},
    metrics=(NMI, F, LANDMARKS, COVERED, FORWARD, BACKWARD),
    paired=FORWARD,
    rows={
        "nothing": ({}, "the lite recipe as it is"),
        "pairs of views alone": (
            {"training.correspondence": "views"},
            "the rival of figure 2: clusters are found once, at the end",
        ),
        "the paper's pseudo truth": ({"training.rule": "paper"}, "what a round or two no longer detects is gone"),
        "all that was ever kept": ({"training.rule": "accumulate"}, "points that were dropped may come back"),
        "no snap": ({"training.snap": 0.0}, "detections are as coarse as the map, and drift"),
        "k-means anew in each round": ({"training.warm_start": False}, "as the authors' code has it"),
        "nearest clusters": ({"training.one_to_one": False}, "a cluster may be in an image twice"),
        "eq. 2 as printed": (
            {"training.squared": False, "training.balanced": False},
            "distances without squares, all pairs averaged together",
        ),
        "descriptors of any length": ({"model.unit_descriptors": False}, "as published"),
        "no turn of colours": (
            {"training.hue": 0.0, "training.negative": 0.0},
            "a puppet's colours tell its parts from one another, in that puppet alone",
        ),
        "plain squared error": ({"training.emphasis": 0.0}, "maps stay empty for thousands of steps"),
        "no waiting": ({"training.waiting": 0.0}, "detectors that do not fire yet are merged as they are"),
        "seventy percent": ({"training.merge_share": 0.7}, "as published"),
        "still landmarks too": ({"training.following": 0.0}, "landmarks of the background do not follow a view"),
        "sticks": ({"data.clutter": "sticks"}, "clutter that is much like limbs"),
        "a fifth true": ({"data.true_share": 0.2}, "the fewer points are true, the less there is to agree on"),
        "corners": ({"data.start": "shi-tomasi", "data.start_points": 25}, "nobody has told where joints are"),
    },
)


def _scenes(results: Sequence[Result]) -> str:
    return f"{results[0]['data']['train_scenes']:,}"


@dataclass(frozen=True)
class PuppetSplits:
    """Training figures with starting points, and others whose joints are known."""

    train: StartingImages
    validation: KnownPoints
    test: KnownPoints


class MallisPuppets(Experiment[MallisTraining, PuppetSplits]):
    """Joints of drawn figures: points that improve themselves, clusters of them, and landmarks that are left."""

    name = "mallis-puppets"
    title = "Mallis's landmarks on puppets"
    presets = PRESETS
    metrics = (
        NMI,
        F,
        LANDMARKS,
        COVERED,
        FORWARD,
        BACKWARD,
        Metric("nmi_warmup", "NMI after the warm-up", ""),
        Metric("nmi_position", "NMI of position alone", ""),
        Metric("nmi_chance", "NMI of chance", ""),
        Metric("nmi_system", "NMI of all kept points", ""),
        Metric("ami", "adjusted mutual information", ""),
        Metric("ami_position", "adjusted mutual information of position alone", ""),
        Metric("f_start", "F of the starting points", ""),
        Metric("f_warmup", "F after the warm-up", ""),
        Metric("precision", "precision of points", ""),
        Metric("recall", "recall of points", ""),
        Metric("mean_shape_percent", "error of the mean shape", "%", better="down"),
        Metric("landmarks_used", "landmarks used", "count"),
        Metric("found", "share of landmarks found"),
    )
    watched = {  # noqa: RUF012
        "detection": "detection",
        "contrastive": "eq. 2",
        "landmarks": "maps",
        "nmi": "NMI",
        "f": "F",
        "left": "landmarks",
    }
    table = Table(
        metrics=(NMI, F, LANDMARKS, COVERED, FORWARD, BACKWARD),
        columns=(METHOD, Column("figures", _scenes), Column("time", run_time)),
    )
    departures = DEPARTURES

    def splits(self, preset: AnyPreset) -> PuppetSplits:
        """Figures, and where their training starts."""
        counts = preset.data
        train = _puppets(preset, "train", counts.train_scenes)
        about = {"start": counts.start, "true_share": counts.true_share, "points": counts.start_points}
        start = starting_points(preset, train)
        validation, test = (
            KnownPoints(images, _joints(images))
            for images in (
                _puppets(preset, "validation", counts.validation_scenes),
                _puppets(preset, "test", counts.test_scenes),
            )
        )
        return PuppetSplits(StartingImages(train, start, about), validation, test)

    def method(self, preset: AnyPreset) -> MallisTraining:
        """Untrained networks with their optimisation."""
        return new_mallis(preset)

    def look(self, preset: AnyPreset, method: MallisTraining, splits: PuppetSplits) -> dict[str, float]:
        """NMI and F on watched validation figures; in the second stage how many landmarks are found in an image."""
        known, model = splits.validation.first(preset.data.watched), method.model
        if method.reached > method.landmarks_from:
            found = landmarks_of(model, known.images, len(known.points))
            found_in_image = (~found.isnan().any(-1)).double().sum(1).mean()
            return {"left": found.shape[1], "found": round(float(found_in_image), 4)}
        scores = descriptor_scores(model, known, present_clusters(method, splits.train, method.reached))
        points = points_of(model, known.images, len(known.points))
        figures = {"nmi": scores.nmi, "ami": scores.ami, **point_scores(points, known, method.cell(splits.train))}
        return {name: round(value, 4) for name, value in figures.items()}

    def score(self, preset: AnyPreset, method: MallisTraining, splits: PuppetSplits, fitted: FitResult) -> Scores:
        """Descriptors and points of the first network, landmarks of the second, on test figures."""
        cell = method.cell(splits.train)
        metrics = stage_one_scores(method, splits.train, splits.test)
        test = splits.test.images
        assert isinstance(test, Puppets)
        metrics["f_start"] = point_scores(starting_points(preset, test), splits.test, cell)["f"]
        figures, details = landmark_scores(method.model, splits.validation, splits.test, 1.0, preset.data.ridge, cell)
        curves = {
            name: [[record["step"], record[name]] for record in fitted.log if name in record] for name in ("nmi", "f")
        }
        rounded = {name: round(value, 4) for name, value in (metrics | figures).items()}
        return Scores(rounded, details | {"curves": curves})

    def describe(self, preset: AnyPreset, splits: PuppetSplits) -> dict[str, Any]:
        """What was drawn, where training starts, numbers of figures."""
        counts = preset.data
        sizes = {"validation_scenes": counts.validation_scenes, "test_scenes": counts.test_scenes}
        start = {"start": counts.start, "start_points": counts.start_points}
        return (
            splits.train.describe()
            | sizes
            | start
            | ({"true_share": counts.true_share} if counts.start == MIXTURE else {})
        )


def _puppets(preset: AnyPreset, split: str, size: int) -> Puppets:
    counts = preset.data
    device = choose_device(preset.schedule.device)
    return Puppets(
        split, size, image_size=counts.image_size, clutter=counts.clutter, pieces=counts.pieces, device=device
    )


def _joints(images: Puppets) -> torch.Tensor:
    """The joints of all figures, `(N, 14, 2)`, on the CPU."""
    return torch.cat([images.joints(rows).cpu() for rows in torch.arange(len(images)).split(DRAWN)])


def starting_points(preset: AnyPreset, images: Puppets) -> PointSets:
    """The points that figures start from: a mixture of true joints and random places, or what a detector finds."""
    counts = preset.data
    if counts.start == MIXTURE:
        mixture = mix_points(_joints(images), torch.arange(len(images)), counts.true_share, counts.start_points)
        return PointSets(mixture.xy, mixture.found)
    found = [
        find_starting_points(images.scenes(rows).image.cpu(), counts.start, counts.start_points, size=96)
        for rows in torch.arange(len(images)).split(DRAWN)
    ]
    return PointSets(torch.cat([part.xy for part in found]), torch.cat([part.found for part in found]))


register(MallisPuppets())
