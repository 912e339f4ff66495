"""TUSK on CLEVR6 or CLEVR-like scenes (Jin et al. 2022, table 2): presets, scenes, published figures, departures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tusklite.data import ClevrLike, ClevrRecords
from tusklite.data.object_scenes import ObjectSource
from tusklite.data.resized_scenes import at_size
from tusklite.experiments.base import AnyPreset, Preset, register
from tusklite.experiments.object_discovery import ARI, COUNT, ObjectDiscovery, ObjectSceneCounts, ObjectSplits
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.metrics.metric import Metric
from tusklite.places import cache_folder
from tusklite.results.result import Result
from tusklite.results.table import METHOD, Column, Departures, Published, Table, run_time
from tusklite.train.devices import choose_device
from tusklite.train.schedule import Schedule

JUDGED_AT = 112  # pixels: the size of the masks that are compared
WORTH_KEEPING = 500  # scenes: fewer are cast when they are asked for


@dataclass(frozen=True)
class ClevrScenes(ObjectSceneCounts):
    """Which scenes, and how many each split has.

    Attributes:
        train_scenes: seen in training, without truth.
        validation_scenes: of other scenes: prototypes are named here.
        test_scenes: scored once.
        image_size: height and width that the network sees; masks are judged at 112.
        source: "clevr-like", cast here and kept in the cache folder, or "clevr", DeepMind's file, of which each split
            takes so many records, one split after the other; about half of them have few enough objects.
    """

    train_scenes: int = 60_000
    validation_scenes: int = 1_000
    test_scenes: int = 1_000
    image_size: int = JUDGED_AT
    source: str = "clevr-like"

    sources = ("clevr-like", "clevr")


_LITE_MODEL = TUSKConfig(
    keypoints=6,
    prototypes=48,
    image_channels=3,
    descriptor_channels=64,
    width=16,
    levels=3,
    groups=4,
    window=5,
    splat_sigma=0.7,
    stem=2,
    decoder_output="sigmoid",
    standardize=True,
    padding_mode="replicate",
    aggregation="alpha",
    canvas=18,
    background_layer="surface",
    candidates=9,
    least_gain=0.25,
)
_LITE_TRAINING = TUSKOptions(
    reconstruction=50.0,
    reconstruction_loss="mean-squared-error",
    kmeans=0.0,
    feature_equivariance=0.0,
    warp="tusk-objects",
    learning_rate=2e-3,
    prototype_steps=5,
    prototype_learning_rate=0.003,
    mixture_shares="counts",
    count_momentum=0.9,
    descriptor_equivariance=0.02,
    background=0.1,
    background_window=5,
    information=0.03,
    decoded_views="first",
    least_paint=3.0,
    clustering_from=0.5,
    recluster_at=(0.5, 0.8, 1.0),
    recluster_scenes=1_600,
)

PRESETS: tuple[Preset[TUSKConfig, TUSKOptions, ClevrScenes], ...] = (
    Preset(
        "clevr6",
        "ci",
        replace(_LITE_MODEL, prototypes=12, width=8, descriptor_channels=16),
        replace(_LITE_TRAINING, recluster_scenes=40, least_paint=0.5),
        Schedule(steps=30, batch=4, warmup=10, log_every=5, checkpoint_every=10, evaluate_every=15),
        ClevrScenes(train_scenes=60, validation_scenes=20, test_scenes=20, image_size=56),
    ),
    Preset(
        "clevr6",
        "lite",
        _LITE_MODEL,
        _LITE_TRAINING,
        Schedule(steps=3_500),
        ClevrScenes(train_scenes=6_000, image_size=56),
    ),
    Preset(
        "clevr6",
        "full",
        replace(_LITE_MODEL, width=32, levels=4, groups=16, window=9, canvas=36, least_gain=1.0),
        replace(_LITE_TRAINING, background_window=9, least_paint=12.0),
        Schedule(steps=12_000, batch=32, precision="bfloat16", compile=True, evaluate_every=500),
        ClevrScenes(train_scenes=12_000),
    ),
    Preset(
        "clevr6",
        "paper",
        TUSKConfig(keypoints=6, prototypes=48, image_channels=3, window=21, aggregation="alpha"),
        TUSKOptions(warp="tusk-objects"),
        Schedule(steps=100_000, batch=32, warmup=0, constant_until=1.0, final_rate=1.0, checkpoint_every=50),
        ClevrScenes(58_000, 2_000, 10_000, source="clevr"),
    ),
)

PROPERTIES = tuple(Metric(name, name) for name in ("shape", "colour", "size", "material"))

# The paper's 48 kinds: 3 shapes, 8 colours, 2 sizes; it leaves out the material.
MATCHED = ("shape", "colour", "size")

DEPARTURES = Departures(
    preset="lite",
    source="CLEVR-like",
    short_run={"schedule.steps": 500},
    metrics=(ARI, COUNT, *PROPERTIES),
    paired=ARI,
    rows={
        "nothing": ({}, "the lite recipe as it is"),
        "no canvas": ({"model.canvas": 0}, "as published: the decoder draws on the whole image"),
        "no choice": (
            {"model.candidates": 0, "model.least_gain": 0.0},
            "as published: the six strongest maxima, whatever they draw",
        ),
        "no background, no choice": (
            {"model.background_layer": "none", "model.candidates": 0, "model.least_gain": 0.0},
            "as published: some keypoint has to paint it",
        ),
        "a learned background": ({"model.background_layer": "learned"}, "the surface comes from the image itself"),
        "sixteen groups": ({"model.groups": 16}, "with one channel a group, magnitudes are lost"),
        "zero padding": ({"model.padding_mode": "zeros"}, "as published"),
        "no standardised descriptors": ({"model.standardize": False}, "as published"),
        "a small window": ({"model.candidate_window": 3}, "a thing beside a larger one is a candidate, too"),
        "twice the prototypes": ({"model.prototypes": 96}, "material doubles the kinds"),
        "no information of views": ({"training.information": 0.0}, "two views of an object are one kind"),
        "all keypoints clustered": (
            {"training.least_paint": 0.0},
            "where there are fewer objects than keypoints, those left over are of no kind",
        ),
    },
)

# Table 2 of Jin et al. 2022, on the real CLEVR6.
TABLE_2 = tuple(
    Published(method, figures, {"scenes": "CLEVR"})
    for method, figures in (
        ("TUSK (paper)", {"ari": 0.983, "shape": 0.468, "colour": 0.907, "size": 0.971}),
        ("IODINE", {"ari": 0.988}),
        ("MONet", {"ari": 0.962}),
        ("Slot Attention", {"ari": 0.988}),
    )
)


def _scenes(results: Sequence[Result]) -> str:
    """Real scenes, or cast ones."""
    source = str(results[0]["data"]["source"])
    return {"multi-object-datasets": "CLEVR"}.get(source, source)


class Clevr6Experiment(ObjectDiscovery):
    """Three to six solids on a table: found, cut out, and named by shape, colour, size and material."""

    name = "clevr6"
    title = "TUSK on CLEVR6"
    presets = PRESETS
    metrics = (
        ARI,
        COUNT,
        *PROPERTIES,
        Metric("ari_background", "ARI with the background"),
        *(Metric(f"{name}_bipartite", f"{name}, prototypes matched with kinds") for name in MATCHED),
        *(Metric(f"{each.name}_nearest", f"{each.title} of the nearest labelled descriptor") for each in PROPERTIES),
        Metric("validation_ari", "ARI, on validation scenes"),
        Metric("found", "objects found"),
        Metric("found_twice", "objects found twice", better="down"),
        Metric("scenes_seen", "scenes seen in training", "count", better="down"),
    )
    table = Table(
        metrics=(ARI, COUNT, *PROPERTIES),
        columns=(METHOD, Column("scenes", _scenes), Column("training", run_time)),
        published=TABLE_2,
    )
    departures = DEPARTURES
    matched = MATCHED

    def splits(self, preset: AnyPreset) -> ObjectSplits:
        """Scenes that are cast, or of DeepMind's file."""
        counts, device = preset.data, choose_device(preset.schedule.device)

        def scenes(split: str) -> ObjectSource:
            sizes = {name: getattr(counts, f"{name}_scenes") for name in ("train", "validation", "test")}
            if counts.source == "clevr-like":
                kept = cache_folder() / "clevr-like" if sizes[split] >= WORTH_KEEPING else None
                cast = ClevrLike(split, sizes[split], image_size=JUDGED_AT, cache=kept, device=device)
                return at_size(cast, counts.image_size)
            records = ClevrRecords(split, image_size=JUDGED_AT, splits=tuple(sizes.values()), device=device)
            return at_size(records, counts.image_size)

        return ObjectSplits(scenes("train"), scenes("validation"), scenes("test"))

    def published(self, preset: AnyPreset) -> dict[str, float]:
        """The paper's row of its table."""
        return dict(TABLE_2[0].metrics)


register(Clevr6Experiment())
