"""TUSK on a folder of one's own pictures, without labels: one command, weights that `detect` takes, and advice.

`python -m tusklite train tusk-pictures --set folder=my/pictures`
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tusklite.arguments import require_integer
from tusklite.data.picture_folder import PictureFolder
from tusklite.experiments.base import AnyPreset, Experiment, Preset, Scores, register
from tusklite.experiments.face_keypoints import keypoints_of
from tusklite.experiments.tusk_recipe import (
    CI_MODEL,
    CI_SCHEDULE,
    FULL_MODEL,
    FULL_SCHEDULE,
    LITE_MODEL,
    LITE_SCHEDULE,
    LITE_TRAINING,
    new_tusk,
)
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.metrics.advice import KeypointHealth, advise, measure_health
from tusklite.metrics.metric import Metric
from tusklite.results.result import Result
from tusklite.results.table import METHOD, Column, Table, run_time
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult

MEASURED, WATCHED = 500, 100  # pictures, at the end and in the middle of training


@dataclass(frozen=True)
class PictureChoice:
    """Which pictures.

    Attributes:
        folder: of the pictures, from the current one on; it has to be given.
        image_size: side of the squares that they become, in pixels.
    """

    folder: str | None = None
    image_size: int = 80

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        if self.folder is not None:
            if not isinstance(self.folder, str | os.PathLike):
                raise TypeError(f"folder: {self.folder!r} was given; allowed is a path")
            object.__setattr__(self, "folder", os.fspath(self.folder))
        object.__setattr__(self, "image_size", require_integer("image_size", self.image_size, low=32, high=1024))


_LITE_TRAINING = replace(LITE_TRAINING, zooms=(0.7, 1.0))

PRESETS: tuple[Preset[TUSKConfig, TUSKOptions, PictureChoice], ...] = (
    Preset(
        "tusk-pictures",
        "ci",
        CI_MODEL,
        _LITE_TRAINING,
        CI_SCHEDULE,
        PictureChoice(),
    ),
    Preset("tusk-pictures", "lite", LITE_MODEL, _LITE_TRAINING, LITE_SCHEDULE, PictureChoice()),
    Preset(
        "tusk-pictures",
        "full",
        FULL_MODEL,
        _LITE_TRAINING,
        FULL_SCHEDULE,
        PictureChoice(),
    ),
)

MOVEMENT = Metric("movement", "movement", "")


@dataclass(frozen=True)
class PictureSplits:
    """The pictures that are learnt from; there is no other one to score on."""

    train: PictureFolder


def _pictures(results: Sequence[Result]) -> str:
    return f"{results[0]['data']['pictures']:,}"


class TUSKPictures(Experiment[TUSKTraining, PictureSplits]):
    """Keypoints learnt from one's own pictures; nothing is known of these, so advice stands in the place of scores."""

    name = "tusk-pictures"
    title = "TUSK on your own pictures"
    presets = PRESETS
    metrics = (
        MOVEMENT,
        Metric("border_percent", "keypoints on the border", "%", better="down"),
        Metric("empty_slots", "empty slots of a picture", "", better="down"),
        Metric("dead_prototypes", "dead prototypes", "count", better="down"),
        Metric("largest_prototype_percent", "keypoints of the commonest prototype", "%"),
        Metric("keypoints", "keypoints", "count"),
    )
    watched = {"reconstruction": "recon", "contrast": "contrast", "movement": "movement"}  # noqa: RUF012
    table = Table(metrics=(MOVEMENT,), columns=(METHOD, Column("pictures", _pictures), Column("time", run_time)))

    def splits(self, preset: AnyPreset) -> PictureSplits:
        """The pictures of the folder.

        Raises:
            FileNotFoundError: no folder was given, or it is not there.
            ValueError: fewer than two pictures that can be read.
        """
        if preset.data.folder is None:
            raise FileNotFoundError("folder: none was given; allowed is a folder of pictures: --set folder=my/pictures")
        device = choose_device(preset.schedule.device)
        return PictureSplits(PictureFolder(preset.data.folder, preset.data.image_size, device))

    def method(self, preset: AnyPreset) -> TUSKTraining:
        """An untrained network with its optimisation."""
        return new_tusk(preset)

    def look(self, preset: AnyPreset, method: TUSKTraining, splits: PictureSplits) -> dict[str, float]:
        """What is measured of some of the pictures."""
        return health_of(method.model, splits.train, WATCHED).figures()

    def score(self, preset: AnyPreset, method: TUSKTraining, splits: PictureSplits, fitted: FitResult) -> Scores:
        """What is measured of the pictures, as `detect` sees their middle squares, and what to change by it."""
        health = health_of(method.model, splits.train, MEASURED)
        advice = advise(replace(health, pictures=len(splits.train)))
        return Scores({"keypoints": health.keypoints, **health.figures()}, {"advice": advice})

    def describe(self, preset: AnyPreset, splits: PictureSplits) -> dict[str, Any]:
        """Checksum and numbers of the pictures."""
        return splits.train.describe()

    def data_line(self, preset: AnyPreset) -> str:
        """How many pictures, how many could not be read, the checksum."""
        pictures = self.splits(preset).train
        skipped = f", {len(pictures.skipped):,} skipped" if pictures.skipped else ""
        sha256 = str(pictures.describe()["sha256"])
        return f"pictures: {len(pictures):,} of {Path(preset.data.folder)}{skipped}, sha256 {sha256[:12]}…"


def health_of(model: TUSK, pictures: PictureFolder, most: int) -> KeypointHealth:
    """What is measured of so many of the pictures at most, spread evenly; the network is in evaluation mode."""
    count = min(most, len(pictures))
    rows = torch.arange(count) * len(pictures) // count
    found = keypoints_of(model, pictures.scenes(rows).image, model.config.keypoints)
    return measure_health(*found, model.config.prototypes)


register(TUSKPictures())
