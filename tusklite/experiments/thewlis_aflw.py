"""Thewlis's landmarks on faces (Thewlis et al. 2017, table 4): presets, faces, scores, published figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.data import FaceLandmarks, load_faces
from tusklite.data.faces import SOURCES
from tusklite.experiments.base import AnyPreset, Experiment, Preset, Scores, register
from tusklite.experiments.face_regression import (
    ViewsOfFaces,
    held_out_error,
    labelled_rows,
    mean_nearest,
    regress_faces,
)
from tusklite.methods.base import new_method
from tusklite.methods.thewlis.following import equivariance_error, landmarks_in_views, landmarks_of
from tusklite.methods.thewlis.model import FactorizedLandmarks, ThewlisConfig
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.training import ThewlisTraining
from tusklite.metrics import LandmarkRegressor, landmark_spread
from tusklite.metrics.metric import Metric
from tusklite.results.result import Result
from tusklite.results.table import METHOD, Column, Published, Table, run_time
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult
from tusklite.train.schedule import Schedule


@dataclass(frozen=True)
class FaceCounts:
    """Which faces, and how the regressor that reads annotated points off the landmarks is fitted and scored.

    Attributes:
        source: of the faces: "mtfl", "celeba" or "celeba-wild", or "folder" for your own (see
            `tusklite.data.FaceLandmarks`).
        folder: for "folder" that of your pictures, from the current one on.
        points: for "folder" the CSV file of their points; where None, `points.csv` in the folder if there is one.
        score_on: "test", or "validation" to choose settings by: the regressor then leaves those faces out.
        regressor_views: warped copies of each labelled face that the regressor is fitted on.
        few_label_draws: how often the error with 1, 5, 10 and 20 labelled faces is measured, each time with other ones.
        few_label_views: warped copies of each of those few.
        ridge: of the regressor.
    """

    source: str = "mtfl"
    score_on: str = "test"
    regressor_views: int = 2
    few_label_draws: int = 10
    few_label_views: int = 40
    ridge: float = 1e-2
    folder: str | None = None
    points: str | None = None

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        require_choice("source", self.source, SOURCES)
        for name in ("folder", "points"):
            given = getattr(self, name)
            if given is None:
                continue
            if not isinstance(given, str | os.PathLike):
                raise TypeError(f"{name}: {given!r} was given; allowed is a path")
            if self.source != "folder":
                raise ValueError(
                    f"{name}: {os.fspath(given)!r} was given for source {self.source!r}; "
                    "allowed is None unless it is 'folder'"
                )
            object.__setattr__(self, name, os.fspath(given))
        if self.source == "folder" and not self.folder:
            raise ValueError(
                f"folder: {self.folder!r} was given for source 'folder'; allowed is the path of a folder of pictures"
            )
        require_choice("score_on", self.score_on, ("test", "validation"))
        for name, high in (("regressor_views", 100), ("few_label_draws", 10_000), ("few_label_views", 10_000)):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low=1, high=high))
        object.__setattr__(self, "ridge", require_number("ridge", self.ridge))

    def files(self) -> dict[str, Path | None]:
        """What `FaceLandmarks` has to be told of your own pictures: `root`, and `points` or None.

        Raises:
            FileNotFoundError: no such folder or CSV file.
        """
        if self.folder is None:
            return {}
        folder = Path(self.folder).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"folder: {self.folder} was given; allowed is a folder that is there")
        if self.points is None:
            points = folder / "points.csv"
            return {"root": folder, "points": points if points.is_file() else None}
        points = Path(self.points).expanduser()
        if not points.is_file():
            raise FileNotFoundError(f"points: {self.points} was given; allowed is a CSV file that is there")
        return {"root": folder, "points": points}


LITE_MODEL = ThewlisConfig(
    landmarks=50,
    image_size=64,
    kernels=(5, 3, 3, 3, 1, 1),
    dilations=(1, 1, 2, 4, 1, 1),
    padding_mode="reflect",
    final_relu=False,
)
LITE_TRAINING = ThewlisOptions(
    alignment=50.0,
    diversity=1.0,
    pool=4,
    second_warp="faces-large",
    zooms=(0.45, 0.85),
    shift=0.1,
    learning_rate=2e-3,
    weight_decay=0.0,
)
LITE_SCHEDULE = Schedule(steps=2000, warmup=50, constant_until=0.5, evaluate_every=200)

PRESETS: tuple[Preset[ThewlisConfig, ThewlisOptions, FaceCounts], ...] = (
    Preset(
        "thewlis-aflw",
        "ci",
        replace(LITE_MODEL, landmarks=10),
        LITE_TRAINING,
        replace(LITE_SCHEDULE, steps=20, batch=4, warmup=5, log_every=5, checkpoint_every=10, evaluate_every=10),
        FaceCounts(regressor_views=1, few_label_draws=1, few_label_views=5),
    ),
    Preset("thewlis-aflw", "lite", LITE_MODEL, LITE_TRAINING, LITE_SCHEDULE, FaceCounts()),
    Preset(
        "thewlis-aflw",
        "paper",
        # The squares of 3 x 3 that the paper has for this model do not divide its maps of 40 x 40; its usual 5 x 5 do.
        ThewlisConfig(landmarks=51),
        ThewlisOptions(),
        Schedule(steps=100_000, batch=32, warmup=0, constant_until=1.0, final_rate=1.0),
        FaceCounts(),
    ),
    Preset(
        "thewlis-aflw",
        "full",
        LITE_MODEL,
        LITE_TRAINING,
        replace(LITE_SCHEDULE, steps=6_000, evaluate_every=500),
        FaceCounts(regressor_views=4),
    ),
)

ERRORS = (
    Metric("nme_percent", "error", "%", better="down", heading="all labels"),
    *(
        Metric(f"nme_percent_{count}_labels", f"error with {count} labels", "%", better="down", heading=str(count))
        for count in (20, 10, 5, 1)
    ),
)

# Thewlis et al. 2017, table 4 and the supplement: inter-ocular error on AFLW's five points, in percent, with all 10,122
# labelled training faces and with few; 51 landmarks, trained on 200,000 faces of CelebA and then on AFLW.
PAPER = {
    "nme_percent": 10.53,
    "nme_percent_20_labels": 13.28,
    "nme_percent_10_labels": 13.85,
    "nme_percent_5_labels": 12.94,
    "nme_percent_1_labels": 14.79,
}
# The same table: methods that are told every point in training.
SUPERVISED = {"RCPR": 11.6, "CFAN": 10.94, "Cascaded CNN": 8.97, "TCDCN": 7.65, "RAR": 7.23}
TABLE_4 = (
    Published("Thewlis et al. (paper)", PAPER, {"training": "200,000 + 10,122 faces, no points", "landmarks": "51"}),
    *(
        Published(method, {"nme_percent": error}, {"training": "faces with all points"})
        for method, error in SUPERVISED.items()
    ),
)


WATCHED = 200  # of one's own validation pictures: a look in the middle of training has to be short


@dataclass(frozen=True)
class FaceSplits:
    """Faces to learn from without labels, unseen ones to score on, and of your own those that are watched meanwhile.

    Of other sources some training faces are held out for that, so `watched` is None; as it is where you gave none.
    """

    train: FaceLandmarks
    unseen: FaceLandmarks
    watched: FaceLandmarks | None = None


def _faces(results: Sequence[Result]) -> str:
    data = results[0]["data"]
    return f"{data['train_faces']:,} {'pictures of your own' if data['source'] == 'folder' else 'faces'}, no points"


def _landmarks(results: Sequence[Result]) -> str:
    return str(results[0]["metrics"]["landmarks"])


class ThewlisAFLW(Experiment[ThewlisTraining, FaceSplits]):
    """Landmarks learnt from faces without a label, and annotated points read off them."""

    name = "thewlis-aflw"
    title = "Thewlis's landmarks on faces"
    presets = PRESETS
    metrics = (
        *ERRORS,
        Metric("equivariance_px", "error under warps", "px", better="down"),
        Metric("landmarks", "landmarks", "count"),
        Metric("nearest", "to the nearest landmark", ""),
        Metric("spread", "spread", ""),
    )
    watched = {  # noqa: RUF012
        "alignment": "alignment",
        "diversity": "diversity",
        "nme_percent": "error %",
        "equivariance_px": "error px",
    }
    table = Table(
        metrics=ERRORS,
        columns=(METHOD, Column("training", _faces), Column("landmarks", _landmarks), Column("time", run_time)),
        published=TABLE_4,
    )

    def splits(self, preset: AnyPreset) -> FaceSplits:
        """As `face_splits`."""
        return face_splits(preset)

    def method(self, preset: AnyPreset) -> ThewlisTraining:
        """An untrained detector with its optimisation."""
        seed = preset.schedule.seed
        return new_method(lambda: ThewlisTraining(FactorizedLandmarks(preset.model), preset.training, seed), seed)

    def look(self, preset: AnyPreset, method: ThewlisTraining, splits: FaceSplits) -> dict[str, float]:
        """The error on held-out training faces; of your own pictures how well landmarks follow warps."""
        if preset.data.source == "folder":
            return {} if splits.watched is None else follow_warps(preset, method.model, splits.watched, WATCHED)
        return held_out_error(views_of_faces(preset, method.model, splits), splits.train, preset.data.ridge)

    def score(self, preset: AnyPreset, method: ThewlisTraining, splits: FaceSplits, fitted: FitResult) -> Scores:
        """The error on unseen faces of a regressor that is fitted on labelled training faces.

        Of your own pictures also how well landmarks follow warps; that alone where their points are too few.
        """
        if preset.data.source != "folder":
            return Scores(regress_landmarks(preset, method.model, splits)[0])
        metrics = follow_warps(preset, method.model, splits.unseen)
        if tells_an_error(splits):
            metrics |= regress_landmarks(preset, method.model, splits)[0]
        return Scores(metrics)

    def describe(self, preset: AnyPreset, splits: FaceSplits) -> dict[str, Any]:
        """Source, checksum and numbers of the faces."""
        return splits.unseen.describe()

    def published(self, preset: AnyPreset) -> dict[str, float]:
        """The paper's row of table 4; it is of AFLW's faces alone."""
        return PAPER if preset.data.source == "mtfl" else {}

    def data_line(self, preset: AnyPreset) -> str:
        """Which faces, how many to train and to test, where from, the checksum."""
        files = preset.data.files()
        faces = load_faces(preset.data.source, **files)
        learn, test = (f"{len(faces.splits[split]):,}" for split in ("train", "test"))
        return f"faces: {faces.name}, {learn} + {test}, from {faces.where}, sha256 {faces.sha256[:12]}…"


def face_splits(preset: AnyPreset) -> FaceSplits:
    """Training faces, and the unseen ones that the preset scores on.

    Raises:
        ValueError: none of your own pictures to learn from, or to score on, or points that no error can be told by.
    """
    device, data = choose_device(preset.schedule.device), preset.data
    files = data.files()

    def faces(split: str) -> FaceLandmarks:
        return FaceLandmarks(split, data.source, files.get("root"), points=files.get("points"), device=device)

    if data.source != "folder":
        return FaceSplits(faces("train"), faces(data.score_on))
    whole = load_faces(data.source, files["root"], points=files["points"])
    sizes = {split: len(rows) for split, rows in whole.splits.items()}
    if not sizes["train"] or not sizes[data.score_on]:
        given = ", ".join(f"{size} {split}" for split, size in sizes.items())
        raise ValueError(
            f"folder: {data.folder} was given, with {given} pictures; allowed are "
            f"some to train and some to score on ({data.score_on}): more pictures, or a column split in the table"
        )
    watched = faces("validation") if sizes["validation"] and data.score_on == "test" else None
    splits = FaceSplits(faces("train"), faces(data.score_on), watched)
    _require_apart(splits.unseen, data.points or "points.csv")
    return splits


def tells_an_error(splits: FaceSplits) -> bool:
    """Whether there are labelled faces on both sides, with two points or more: the first two measure the error."""
    return splits.unseen.eyes is not None and bool(splits.train.labelled.any() and splits.unseen.labelled.any())


def _require_apart(unseen: FaceLandmarks, table: str) -> None:
    """Refuse faces whose first two points lie on one spot, before anything is trained."""
    if unseen.eyes is None:
        return
    pair = unseen.points[unseen.labelled][:, list(unseen.eyes)]
    if (pair[:, 0] == pair[:, 1]).all(dim=-1).any():
        first, second = unseen.point_names[:2]
        raise ValueError(
            f"points: in {table} {first} and {second} of a {unseen.split} picture lie on one spot; "
            "allowed are first two points apart from each other, since errors are told in their distance"
        )


def follow_warps(
    preset: AnyPreset, model: FactorizedLandmarks, faces: FaceLandmarks, count: int | None = None
) -> dict[str, Any]:
    """How far landmarks are from where warps of unseen faces take them, in pixels of a view; it needs no points.

    Args:
        preset: its warps make the pairs of views.
        model: the detector, in evaluation mode.
        faces: unseen ones.
        count: only the first so many.
    """
    pixels, found = model.config.image_size / 2, landmarks_of(model, faces, count)
    figures: dict[str, Any] = {
        "equivariance_px": pixels * equivariance_error(model, faces, preset.training, count=count).mean(),
        "nearest": mean_nearest(found),
        "spread": landmark_spread(found),
    }
    return {"landmarks": found.shape[1]} | {name: round(float(value), 4) for name, value in figures.items()}


def views_of_faces(preset: AnyPreset, model: FactorizedLandmarks, splits: FaceSplits) -> ViewsOfFaces:
    """Landmarks and points of training faces in the views of a preset's training."""

    def in_views(rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return landmarks_in_views(model, splits.train, rows, preset.training, generator)

    return in_views


def regress_landmarks(
    preset: AnyPreset, model: FactorizedLandmarks, splits: FaceSplits
) -> tuple[dict[str, float], LandmarkRegressor]:
    """`regress_faces` with the landmarks of a detector, as a preset says.

    Args:
        preset: says how many views the regressor gets, and its ridge.
        model: the detector, in evaluation mode.
        splits: of the faces.
    """
    data = preset.data
    return regress_faces(
        views_of_faces(preset, model, splits),
        landmarks_of(model, splits.unseen),
        splits.unseen,
        labelled_rows(splits.train, data.score_on),
        ridge=data.ridge,
        regressor_views=data.regressor_views,
        few_label_views=data.few_label_views,
        few_label_draws=data.few_label_draws,
        seed=preset.schedule.seed,
    )


register(ThewlisAFLW())
