"""TUSK on Tetrominoes (Jin et al. 2022, table 2): presets, scenes, published figures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tusklite.arguments import require_choice, require_integer
from tusklite.data import Tetrominoes
from tusklite.experiments.base import Preset
from tusklite.methods.tusk.model import TUSKConfig
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.train.schedule import Schedule


@dataclass(frozen=True)
class TetrominoCounts:
    """How many scenes each split has.

    Attributes:
        train_scenes: seen in training, without truth.
        validation_scenes: prototypes are named here.
        test_scenes: scored once.
        source: "drawn", or "records", the published file.
    """

    train_scenes: int = 50_000
    validation_scenes: int = 2_000
    test_scenes: int = 1_000
    source: str = "drawn"

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        for name in ("train_scenes", "validation_scenes", "test_scenes"):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low=1, high=10**7))
        require_choice("source", self.source, ("drawn", "records"))


_LITE_MODEL = TUSKConfig(
    keypoints=3,
    prototypes=114,
    image_channels=3,
    width=16,
    levels=3,
    groups=4,
    window=9,
    splat_sigma=0.7,
    decoder_output="sigmoid",
    standardize=True,
    padding_mode="replicate",
    aggregation="alpha",
    canvas=25,
    background="black",
    candidates=6,
    candidate_window=5,
)
_LITE_TRAINING = TUSKOptions(
    kmeans=0.0,
    feature_equivariance=0.0,
    warp="tusk-objects",
    learning_rate=2e-3,
    prototype_steps=0,
    descriptor_equivariance=0.02,
    background=0.1,
    background_window=9,
    decoded_views="first",
    clustering_from=1.0,
    recluster_at=(1.0,),
    recluster_scenes=2_000,
)
PRESETS = (
    Preset("tetrominoes", "lite", _LITE_MODEL, _LITE_TRAINING, Schedule(steps=3_500), TetrominoCounts()),
)
