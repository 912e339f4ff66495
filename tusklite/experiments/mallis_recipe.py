"""What Mallis's experiments share: untrained networks, the recipe that learns in minutes, the paper's schedule."""

from __future__ import annotations

from dataclasses import replace

from tusklite.experiments.base import AnyPreset
from tusklite.methods.base import new_method
from tusklite.methods.mallis.model import MallisConfig, MallisLandmarks
from tusklite.methods.mallis.options import MallisOptions
from tusklite.methods.mallis.training import MallisTraining
from tusklite.train.schedule import Schedule

LITE_MODEL = MallisConfig(
    clusters=30,
    width=32,
    stem=16,
    kernel=5,
    reduction=2,
    depth=3,
    groups=4,
    descriptor_channels=64,
    unit_descriptors=True,
    points=30,
)
CI_MODEL = replace(LITE_MODEL, width=8, stem=8, clusters=10, descriptor_channels=16)
FULL_MODEL = replace(LITE_MODEL, width=64, stem=32, groups=8)
LITE_TRAINING = MallisOptions(
    detection=20.0,
    contrastive=1.0,
    landmarks=100.0,
    margin=1.0,
    squared=True,
    balanced=True,
    rounds_from=0.15,
    rounds=9,
    landmarks_from=0.6,
    rule="code",
    radius=1.5,
    snap=1.5,
    least_images=0.02,
    emphasis=10.0,
    merge_from=0.75,
    mergers=4,
    merge_share=0.5,
    overlap=1.5,
    waiting=0.5,
    following=0.35,
    looked_at=1_500,
    optimizer="adamw",
    learning_rate=2e-3,
    round_rate=0.1,
    largest_gradient=5.0,
)
LITE_SCHEDULE = Schedule(steps=8_000, batch=16, warmup=50, constant_until=1.0, evaluate_every=400)
CI_SCHEDULE = Schedule(40, 8, warmup=5, constant_until=1.0, log_every=5, checkpoint_every=20, evaluate_every=20)
FULL_SCHEDULE = Schedule(
    steps=24_000,
    batch=64,
    constant_until=1.0,
    precision="bfloat16",
    compile=True,
    checkpoint_every=500,
    evaluate_every=900,
)
PAPER_SCHEDULE = Schedule(
    steps=380_000,
    batch=16,
    warmup=0,
    constant_until=1.0,
    final_rate=1.0,
    checkpoint_every=50,
    evaluate_every=10_000,
)


def ci_training(training: MallisOptions) -> MallisOptions:
    """The same with two rounds and two mergers, so that each happens more than once."""
    return replace(training, rounds=2, mergers=2)


def full_training(training: MallisOptions) -> MallisOptions:
    """The same for longer runs: more rounds, at half the rate."""
    return replace(training, learning_rate=1e-3, rounds=12)


def new_mallis(preset: AnyPreset) -> MallisTraining:
    """Untrained networks with their optimisation, the same for the same seed."""
    schedule = preset.schedule
    return new_method(
        lambda: MallisTraining(MallisLandmarks(preset.model), preset.training, schedule.steps, schedule.seed),
        schedule.seed,
    )
