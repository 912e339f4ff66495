"""TUSK on bodies (Jin et al. 2022, table 3): presets, scores, published figures, departures.

The presets `ci`, `lite` and `full` learn from generated figures, whose joints are exact; `flies` and `mouse` from real
pictures (the other mice by `--set source=mirror-mouse`), and `paper` from Human3.6M, which has to be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.data.bodies import SOURCES, BodyPictures
from tusklite.data.figures import Figures
from tusklite.experiments.base import AnyPreset, Experiment, Preset, Scores, register
from tusklite.experiments.body_scores import animal_scores, joint_errors, look_at, recall_scores
from tusklite.experiments.face_keypoints import signs_of_life
from tusklite.experiments.tusk_recipe import (
    CI_MODEL,
    CI_SCHEDULE,
    FULL_MODEL,
    FULL_SCHEDULE,
    LITE_MODEL,
    LITE_SCHEDULE,
    LITE_TRAINING,
    PAPER_SCHEDULE,
    new_tusk,
    published_settings,
)
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.metrics.metric import Metric
from tusklite.metrics.prototype_points import ORIGINS
from tusklite.results.result import Result
from tusklite.results.table import METHOD, Column, Departures, Published, Table, run_time
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult


@dataclass(frozen=True)
class BodyChoice:
    """Which bodies, and how they are read and scored.

    Attributes:
        source: "figures", generated; or of real pictures "flies", "mouse", "mirror-mouse" or "human36m" (see
            `tusklite.data.bodies.read_bodies`).
        score_on: "test", or "validation" to choose settings by.
        image_size: side of the pictures that views are cut out of, in pixels.
        train_scenes: of the figures; of real pictures there are as many as there are.
        labelled_scenes: figures whose joints the regressor, and the offsets, are fitted on; of real pictures as many
            labelled training pictures at most.
        test_scenes: unseen figures; of real pictures as many at most.
        pairs: unseen pictures with two figures each.
        ridge: of the regressor.
        origin: of the coordinates that the regressor gets: "corner", as in the paper, or "middle" of the image.
    """

    source: str = "figures"
    score_on: str = "test"
    image_size: int = 80
    train_scenes: int = 6_000
    labelled_scenes: int = 2_000
    test_scenes: int = 1_000
    pairs: int = 300
    ridge: float = 1e-3
    origin: str = "middle"

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        require_choice("source", self.source, ("figures", *SOURCES))
        require_choice("score_on", self.score_on, ("test", "validation"))
        require_choice("origin", self.origin, tuple(ORIGINS))
        object.__setattr__(self, "image_size", require_integer("image_size", self.image_size, low=32, high=512))
        for name in ("train_scenes", "labelled_scenes", "test_scenes", "pairs"):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low=1, high=10_000_000))
        object.__setattr__(self, "ridge", require_number("ridge", self.ridge))


_LITE_MODEL = replace(LITE_MODEL, window=5)
_LITE_TRAINING = replace(LITE_TRAINING, zooms=(0.8, 1.0), jitter=0.5)
_LITE_SCHEDULE = replace(LITE_SCHEDULE, steps=800)

PRESETS: tuple[Preset[TUSKConfig, TUSKOptions, BodyChoice], ...] = (
    Preset(
        "tusk-figure",
        "ci",
        replace(CI_MODEL, window=5),
        _LITE_TRAINING,
        CI_SCHEDULE,
        BodyChoice(train_scenes=100, labelled_scenes=60, test_scenes=20, pairs=10),
    ),
    Preset("tusk-figure", "lite", _LITE_MODEL, _LITE_TRAINING, _LITE_SCHEDULE, BodyChoice()),
    Preset(
        "tusk-figure",
        "full",
        replace(FULL_MODEL, window=5),
        _LITE_TRAINING,
        FULL_SCHEDULE,
        BodyChoice(train_scenes=50_000, labelled_scenes=6_000, test_scenes=3_000),
    ),
    Preset(
        "tusk-figure",
        "paper",
        TUSKConfig(keypoints=16, prototypes=32, image_channels=3, window=11),
        TUSKOptions(warp="tusk-bodies"),
        replace(PAPER_SCHEDULE, workers=2),
        BodyChoice(source="human36m", image_size=112, labelled_scenes=50_000, test_scenes=50_000, origin="corner"),
    ),
    Preset(
        "tusk-figure",
        "paper-code",  # K and M of the authors' configuration in place of the paper's
        TUSKConfig(keypoints=12, prototypes=24, image_channels=3, window=11),
        TUSKOptions(warp="tusk-bodies"),
        replace(PAPER_SCHEDULE, workers=2),
        BodyChoice(source="human36m", image_size=112, labelled_scenes=50_000, test_scenes=50_000, origin="corner"),
    ),
    Preset(
        "tusk-figure",
        "flies",
        # Two in every picture, so a kind may come twice: nothing asks for distinct ones.
        replace(_LITE_MODEL, keypoints=8, prototypes=6),
        replace(_LITE_TRAINING, zooms=(0.6, 0.75), shift=0.3, distinct=0.0, contrast=0.0, image_information=0.0),
        _LITE_SCHEDULE,
        BodyChoice(source="flies", image_size=96),
    ),
    Preset(
        "tusk-figure",
        "mouse",
        replace(_LITE_MODEL, keypoints=4, prototypes=4),
        replace(_LITE_TRAINING, zooms=(0.6, 0.75), shift=0.3),
        _LITE_SCHEDULE,
        BodyChoice(source="mouse", image_size=96),
    ),
)

JOINT_ERROR = Metric("joint_error_percent", "joint error", "%", better="down")
RECALL_ONE = Metric("recall_one", "joints found of one", "%", heading="recall, one %")
RECALL_TWO = Metric("recall_two", "joints found of two", "%", heading="recall, two %")
ON_ANIMAL = Metric("on_animal", "keypoints on an animal", "%", heading="on an animal %")
SHARED = Metric("shared", "pictures in which all animals share a prototype", "%", heading="shared %")

# A lite run with one of its settings changed, and nothing else, at full length, scored on validation figures.
DEPARTURES = Departures(
    preset="lite",
    source="figures",
    short_run={"data.score_on": "validation"},
    metrics=(JOINT_ERROR, RECALL_ONE, RECALL_TWO, Metric("movement", "movement", "")),
    paired=JOINT_ERROR,
    rows=published_settings(warp="tusk-bodies", keypoints=("sixteen keypoints", 16)),
)

# Table 3 of Jin et al. 2022: Human3.6M, S11, sixteen keypoints; in percent of the image's side.
PAPER = {"joint_error_percent": 6.88}
TABLE_3 = tuple(
    Published(method, {"joint_error_percent": error}, {"bodies": "Human3.6M", "keypoints": "16"})
    for method, error in (
        ("TUSK (paper)", 6.88),
        ("Thewlis et al.", 7.51),
        ("Zhang et al.", 4.91),
        ("Lorenz et al.", 2.79),
    )
)
WATCHED, FIT_FOR_LOG = 200, 600  # pictures that a look in the middle of training is at, and those its regressor gets
TITLES = {
    "figures": "generated figures",
    "flies": "two flies",
    "mouse": "a mouse",
    "mirror-mouse": "a mouse and its mirror image",
    "human36m": "Human3.6M",
}


@dataclass(frozen=True)
class BodySplits:
    """Pictures to learn from without labels, labelled ones, unseen ones, and unseen ones of two figures.

    Attributes:
        train: what is learnt from.
        labelled: what the regressor is fitted on, of the size at which pictures are scored.
        unseen: what is scored.
        pairs: None of real pictures.
        ends: which two points are the ends of a body.
    """

    train: Figures | BodyPictures
    labelled: Figures | BodyPictures
    unseen: Figures | BodyPictures
    pairs: Figures | None
    ends: tuple[int, int]


def scoring_size(preset: AnyPreset) -> int:
    """At which height pictures are scored: things are as large in them as in the middle of training's squares.

    Example:
        >>> from tusklite.experiments import get_preset
        >>> scoring_size(get_preset("tusk-figure", "lite")), scoring_size(get_preset("tusk-figure", "paper"))
        (72, 112)
    """
    options, model = preset.training, preset.model
    if not options.view_size:
        return int(preset.data.image_size)
    multiple = model.stem * 2 ** (model.levels - 1)
    return max(1, round(options.view_size / (sum(options.zooms) / 2) / multiple)) * multiple


def _bodies(results: Sequence[Result]) -> str:
    return TITLES.get(results[0]["data"]["source"], results[0]["data"]["source"])


def _keypoints(results: Sequence[Result]) -> str:
    return str(results[0]["metrics"]["keypoints"])


class TUSKFigure(Experiment[TUSKTraining, BodySplits]):
    """Keypoints learnt from pictures of bodies without a label, and joints read off them; also two in a picture."""

    name = "tusk-figure"
    title = "TUSK on bodies"
    presets = PRESETS
    metrics = (
        JOINT_ERROR,
        RECALL_ONE,
        RECALL_TWO,
        ON_ANIMAL,
        SHARED,
        Metric("mean_shape_percent", "error of the mean shape", "%", better="down"),
        *(
            Metric(f"recall_{many}_{what}", f"{title}, {many}", "%")
            for what, title in (("bare", "the same without offsets"), ("precision", "votes that are right"))
            for many in ("one", "two")
        ),
        Metric("on_animal_chance", "share of the picture that is on an animal", "%"),
        Metric("movement", "movement", ""),
        Metric("spread", "spread of a prototype", ""),
        Metric("prototypes_used", "prototypes in use", "count"),
        Metric("keypoints", "keypoints", "count"),
    )
    watched = {  # noqa: RUF012
        "reconstruction": "recon",
        "contrast": "contrast",
        "joint_error_percent": "error %",
        "recall_one": "recall %",
        "on_animal": "on animal %",
        "movement": "movement",
    }
    table = Table(
        metrics=(JOINT_ERROR, RECALL_ONE, RECALL_TWO, ON_ANIMAL, SHARED),
        columns=(METHOD, Column("bodies", _bodies), Column("keypoints", _keypoints), Column("time", run_time)),
        published=TABLE_3,
    )
    departures = DEPARTURES

    def splits(self, preset: AnyPreset) -> BodySplits:
        """Pictures to learn from, labelled ones, and the unseen ones that the preset scores on."""
        data, device, size = preset.data, choose_device(preset.schedule.device), scoring_size(preset)
        if data.source == "figures":
            names = Figures.point_names
            # Labelled figures are validation scenes; those that settings are chosen by are of another seed.
            seed = 0 if data.score_on == "test" else 1
            return BodySplits(
                Figures("train", data.train_scenes, image_size=data.image_size, device=device),
                Figures("validation", data.labelled_scenes, image_size=size, device=device),
                Figures(data.score_on, data.test_scenes, seed, size, device=device),
                Figures(data.score_on, data.pairs, seed, size, figures=2, device=device),
                (names.index("head"), names.index("left_ankle")),
            )
        train = BodyPictures("train", data.source, image_size=data.image_size, device=device)
        labelled = BodyPictures("train", data.source, image_size=size, device=device)
        unseen = BodyPictures(data.score_on, data.source, image_size=size, device=device)
        return BodySplits(train, labelled, unseen, None, unseen.ends)

    def method(self, preset: AnyPreset) -> TUSKTraining:
        """An untrained network with its optimisation."""
        return new_tusk(preset)

    def look(self, preset: AnyPreset, method: TUSKTraining, splits: BodySplits) -> dict[str, float]:
        """The main figures on pictures of the validation split, and signs of life."""
        model, data, k = method.model, preset.data, preset.model.keypoints
        size = scoring_size(preset)
        if data.source == "figures":
            watched: Figures | BodyPictures = Figures("validation", WATCHED, 2, size)
        else:
            watched = BodyPictures("validation", data.source, image_size=size)
        seen = look_at(model, watched, k, _first(watched, WATCHED))
        figures = dict(signs_of_life(seen.keypoints, model.config.prototypes))
        if seen.xy.shape[1] > 1:
            return figures | animal_scores(seen, splits.ends)
        known = look_at(model, splits.labelled, k, labelled_rows(splits.labelled, "validation", FIT_FOR_LOG))
        figures |= joint_errors(known, seen, model.config.prototypes, data.ridge, data.origin)
        if data.source == "figures":
            return figures | recall_scores(known, seen, model.config.prototypes, "recall_one")
        return figures | animal_scores(seen, splits.ends)

    def score(self, preset: AnyPreset, method: TUSKTraining, splits: BodySplits, fitted: FitResult) -> Scores:
        """Joints of unseen bodies, parts in pictures with one and two figures, or how many keypoints hit an animal."""
        model, data, k = method.model, preset.data, preset.model.keypoints
        m = model.config.prototypes
        seen = look_at(model, splits.unseen, k, _first(splits.unseen, data.test_scenes))
        metrics: dict[str, Any] = {}
        if seen.xy.shape[1] == 1:
            rows = labelled_rows(splits.labelled, data.score_on, data.labelled_scenes)
            known = look_at(model, splits.labelled, k, rows)
            metrics |= joint_errors(known, seen, m, data.ridge, data.origin)
            if splits.pairs is not None:
                pairs = look_at(model, splits.pairs, 2 * k)
                metrics |= recall_scores(known, seen, m, "recall_one") | recall_scores(known, pairs, m, "recall_two")
        if data.source != "figures":
            metrics |= animal_scores(seen, splits.ends)
        return Scores(metrics | {"keypoints": k, **signs_of_life(seen.keypoints, m)})

    def describe(self, preset: AnyPreset, splits: BodySplits) -> dict[str, Any]:
        """What was drawn, or source, checksum and numbers of the pictures."""
        if not isinstance(splits.train, Figures):
            return splits.train.describe()
        sizes = {
            "train_scenes": len(splits.train),
            "labelled_scenes": len(splits.labelled),
            f"{preset.data.score_on}_scenes": len(splits.unseen),
            "pairs": len(splits.pairs) if splits.pairs is not None else 0,
        }
        return splits.train.describe() | sizes

    def published(self, preset: AnyPreset) -> dict[str, float]:
        """The paper's row of table 3; it is of Human3.6M alone."""
        return PAPER if preset.data.source == "human36m" else {}


def labelled_rows(labelled: Figures | BodyPictures, score_on: str, most: int) -> Tensor:
    """Pictures that a regressor may be fitted on, so many at most: not those that it is to be scored on."""
    if isinstance(labelled, Figures):
        return torch.arange(len(labelled))[:most]
    allowed = torch.ones_like(labelled.held_out) if score_on == "test" else ~labelled.held_out
    rows = allowed.nonzero().flatten()
    return rows[torch.arange(min(most, len(rows))) * len(rows) // min(most, len(rows))]  # evenly, not one actor's


def _first(bodies: Figures | BodyPictures, most: int) -> Tensor:
    """So many pictures at most, spread evenly."""
    count = min(most, len(bodies))
    return torch.arange(count) * len(bodies) // count


register(TUSKFigure())
