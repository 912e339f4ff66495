"""TUSK on Tetrominoes (Jin et al. 2022, table 2): presets, scenes, published figures, departures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tusklite.data import Tetrominoes, TetrominoesRecords
from tusklite.data.object_scenes import ObjectSource
from tusklite.data.resized_scenes import at_size
from tusklite.experiments.base import AnyPreset, Preset, register
from tusklite.experiments.object_discovery import ARI, COUNT, ObjectDiscovery, ObjectSceneCounts, ObjectSplits
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.metrics.metric import Metric
from tusklite.results.table import METHOD, Column, Departures, Published, Table, run_time
from tusklite.train.devices import choose_device
from tusklite.train.schedule import Schedule


@dataclass(frozen=True)
class TetrominoScenes(ObjectSceneCounts):
    """How many scenes each split has.

    Attributes:
        train_scenes: seen in training, without truth.
        validation_scenes: of other scenes: prototypes are named here.
        test_scenes: scored once.
        image_size: height and width that the network sees; the scenes have 35, the authors enlarge them to 112.
        source: "drawn" here, or "records": DeepMind's file, of which each split takes so many, one split after the
            other.
    """

    train_scenes: int = 50_000
    validation_scenes: int = 2_000
    test_scenes: int = 1_000
    image_size: int = 35
    source: str = "drawn"

    sources = ("drawn", "records")


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
    background_layer="black",
    candidates=6,
    candidate_window=5,
)
# Prototypes come after the last step, from a partition of the descriptors: nothing in the training waits for them.
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

PRESETS: tuple[Preset[TUSKConfig, TUSKOptions, TetrominoScenes], ...] = (
    Preset(
        "tetrominoes",
        "ci",
        replace(_LITE_MODEL, prototypes=24, width=8),
        replace(_LITE_TRAINING, recluster_scenes=100),
        Schedule(steps=40, batch=8, warmup=10, log_every=5, checkpoint_every=20, evaluate_every=20),
        TetrominoScenes(train_scenes=500, validation_scenes=60, test_scenes=60),
    ),
    Preset("tetrominoes", "lite", _LITE_MODEL, _LITE_TRAINING, Schedule(steps=3_500), TetrominoScenes()),
    Preset(
        "tetrominoes",
        "full",
        replace(_LITE_MODEL, width=32),
        replace(_LITE_TRAINING, learning_rate=1e-3),
        Schedule(steps=12_000, batch=64, precision="bfloat16", compile=True, evaluate_every=500),
        TetrominoScenes(test_scenes=10_000),
    ),
    Preset(
        "tetrominoes",
        "paper",
        TUSKConfig(keypoints=3, prototypes=114, image_channels=3, window=27, aggregation="alpha"),
        TUSKOptions(warp="tusk-objects"),
        Schedule(steps=100_000, batch=38, warmup=0, constant_until=1.0, final_rate=1.0, checkpoint_every=50),
        TetrominoScenes(test_scenes=10_000, image_size=112),
    ),
)

SHAPE, COLOUR = Metric("shape", "shape"), Metric("colour", "colour")

# A lite run with one of its settings changed, and nothing else, for 500 steps. What needs another setting with it is
# named with it: candidates are chosen before a background.
DEPARTURES = Departures(
    preset="lite",
    source="drawn",
    short_run={"schedule.steps": 500},
    metrics=(ARI, COLOUR, SHAPE, COUNT),
    paired=ARI,
    rows={
        "nothing": ({}, "the lite recipe as it is"),
        "no canvas": ({"model.canvas": 0}, "as published: the decoder draws on the whole image"),
        "no choice": (
            {"model.candidates": 0, "model.candidate_window": 0},
            "as published: the three strongest maxima, whatever they draw",
        ),
        "no small window": ({"model.candidate_window": 0}, "touching pieces share a window of nine"),
        "no background, no choice": (
            {"model.background_layer": "none", "model.candidates": 0, "model.candidate_window": 0},
            "as published: some keypoint has to paint it",
        ),
        "a learned background": ({"model.background_layer": "learned"}, "black need not be told"),
        "sixteen groups": ({"model.groups": 16}, "with one channel a group, magnitudes are lost"),
        "zero padding": ({"model.padding_mode": "zeros"}, "as published"),
        "no standardised descriptors": ({"model.standardize": False}, "as published"),
        "no equivariance of descriptors": (
            {"training.descriptor_equivariance": 0.0},
            "a keypoint should look the same in both views",
        ),
        "no background term": ({"training.background": 0.0}, "weak maxima would become keypoints"),
        "both views decoded": ({"training.decoded_views": "both"}, "as published: the warped twins are drawn as well"),
        "squared error": ({"model.decoder_output": "linear"}, "as published"),
        "a window of seven": (
            {"model.window": 7, "training.background_window": 7},
            "touching pieces could be told apart in training",
        ),
    },
)

# Table 2 of Jin et al. 2022.
TABLE_2 = tuple(
    Published(method, figures)
    for method, figures in (
        ("TUSK (paper)", {"ari": 0.997, "shape": 0.913, "colour": 1.0}),
        ("IODINE", {"ari": 0.992}),
        ("Slot Attention", {"ari": 0.995}),
    )
)


class TetrominoesExperiment(ObjectDiscovery):
    """Three pieces of Tetris a scene: found, cut out, and named by shape and colour."""

    name = "tetrominoes"
    title = "TUSK on Tetrominoes"
    presets = PRESETS
    metrics = (
        ARI,
        COLOUR,
        SHAPE,
        COUNT,
        Metric("ari_background", "ARI with the background"),
        Metric("colour_bipartite", "colour, prototypes matched with kinds"),
        Metric("shape_bipartite", "shape, prototypes matched with kinds"),
        Metric("colour_nearest", "colour of the nearest labelled descriptor"),
        Metric("shape_nearest", "shape of the nearest labelled descriptor"),
        Metric("validation_ari", "ARI, on validation scenes"),
        Metric("found", "objects found"),
        Metric("found_twice", "objects found twice", better="down"),
        Metric("scenes_seen", "scenes seen in training", "count", better="down"),
    )
    table = Table(
        metrics=(ARI, COLOUR, SHAPE, COUNT),
        columns=(METHOD, Column("training", run_time)),
        published=TABLE_2,
    )
    departures = DEPARTURES

    def splits(self, preset: AnyPreset) -> ObjectSplits:
        """Scenes that are drawn, or of DeepMind's file."""
        counts, device = preset.data, choose_device(preset.schedule.device)

        def scenes(split: str) -> ObjectSource:
            sizes = {name: getattr(counts, f"{name}_scenes") for name in ("train", "validation", "test")}
            if counts.source == "drawn":
                return at_size(Tetrominoes(split, sizes[split], device=device), counts.image_size)
            records = TetrominoesRecords(split, splits=tuple(sizes.values()), device=device)
            return at_size(records, counts.image_size)

        return ObjectSplits(scenes("train"), scenes("validation"), scenes("test"))

    def published(self, preset: AnyPreset) -> dict[str, float]:
        """The paper's row of its table."""
        return dict(TABLE_2[0].metrics)


register(TetrominoesExperiment())
