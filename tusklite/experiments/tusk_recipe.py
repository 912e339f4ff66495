"""What TUSK's experiments share: the untrained network, and the recipe for pictures that show one thing."""

from __future__ import annotations

from dataclasses import replace

from tusklite.experiments.base import AnyPreset
from tusklite.methods.base import new_method
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.results.table import DepartureRow
from tusklite.train.schedule import Schedule

LITE_MODEL = TUSKConfig(
    keypoints=10,
    prototypes=10,
    image_channels=3,
    width=16,
    levels=3,
    groups=16,
    window=7,
    splat_sigma=1.0,
    stem=2,
    decoder_output="sigmoid",
    standardize=True,
    padding_mode="replicate",
    heatmap_scale=2.0,
    heatmap_shift=-2.0,
    decoder_input="code",
    splat_peak=True,
    appearance=4,
)
CI_MODEL = replace(LITE_MODEL, width=8, groups=8, descriptor_channels=16)
FULL_MODEL = replace(LITE_MODEL, width=32)
# Without a frozen network, so that no file is needed. How large views are is each experiment's own.
LITE_TRAINING = TUSKOptions(
    reconstruction=10.0,
    reconstruction_loss="mean-squared-error",
    kmeans=0.0,
    heatmap_equivariance=0.3,
    feature_equivariance=0.0,
    warp="faces-wild",
    learning_rate=2e-3,
    prototype_steps=0,
    prototype_gradient=True,
    background=0.1,
    background_window=5,
    information=0.05,
    decode_share=0.5,
    view_size=64,
    shift=0.1,
    first_warp="thewlis-faces-g1",
    jitter=1.0,
    image_information=0.2,
    distinct=0.2,
    contrast=0.1,
    largest_gradient=10.0,
)
LITE_SCHEDULE = Schedule(steps=1_600, warmup=50, constant_until=0.4, evaluate_every=200)
CI_SCHEDULE = replace(LITE_SCHEDULE, steps=20, batch=4, warmup=5, log_every=5, checkpoint_every=10, evaluate_every=10)
FULL_SCHEDULE = replace(LITE_SCHEDULE, steps=12_000, batch=32, evaluate_every=500)
# The paper names no number of steps; the rate stays as it is.
PAPER_SCHEDULE = Schedule(steps=100_000, batch=32, warmup=0, constant_until=1.0, final_rate=1.0, checkpoint_every=50)


def published_settings(*, warp: str, keypoints: tuple[str, int]) -> dict[str, DepartureRow]:
    """Rows of departures: what the paper has in place of a setting of the recipe, one at a time.

    Args:
        warp: the paper's, for pictures of this kind.
        keypoints: the title of the row with the paper's number of keypoints, and that number.
    """
    title, number = keypoints
    whole = {
        "training.view_size": 0,
        "training.zooms": (1.0, 1.0),
        "training.shift": 0.0,
        "training.first_warp": "none",
    }
    return {
        "nothing": ({}, "the lite recipe as it is"),
        "free descriptors": (
            {"model.decoder_input": "descriptor"},
            "as published: a keypoint may say anything, wherever it lies",
        ),
        "no appearance": ({"model.appearance": 0}, "as published: background, colour and light go through keypoints"),
        "no head start": (
            {"model.heatmap_scale": 1.0, "model.heatmap_shift": 0.0},
            "as published: the background begins at one half",
        ),
        "splats that sum to one": ({"model.splat_peak": False}, "as published: wide splats are faint"),
        "narrow splats": ({"model.splat_sigma": 0.05**0.5}, "as published: nearly a single pixel"),
        "zero padding": ({"model.padding_mode": "zeros"}, "as published: the network can tell where it is"),
        "no standardised descriptors": ({"model.standardize": False}, "as published"),
        title: ({"model.keypoints": number}, "as published"),
        "thirty-two prototypes": ({"model.prototypes": 32}, "as published"),
        "whole images": (whole, "as published: things of one size, in the middle"),
        "smaller warps": ({"training.warp": warp}, "as published"),
        "no jitter": ({"training.jitter": 0.0}, "as published: keypoints can go by colour"),
        "both views decoded": ({"training.decode_share": 1.0}, "as published: twice the decoding"),
        "weak equivariance of heatmaps": ({"training.heatmap_equivariance": 0.01}, "as published"),
        "equivariance of features": ({"training.feature_equivariance": 100.0}, "as published"),
        "no background term": ({"training.background": 0.0}, "weak maxima would become keypoints"),
        "no information of views": ({"training.information": 0.0}, "as published"),
        "no information inside an image": ({"training.image_information": 0.0}, "as published"),
        "not distinct": ({"training.distinct": 0.0}, "as published: a kind may appear twice in an image"),
        "no contrast": ({"training.contrast": 0.0}, "as published: no rivals inside an image"),
        "transport and soft-min": (
            {"training.prototype_gradient": False, "training.prototype_steps": 8, "training.kmeans": 0.01},
            "as published: prototypes are moved by transport, descriptors by the soft-min",
        ),
        "gradients of any length": ({"training.largest_gradient": 0.0}, "as published"),
    }


def new_tusk(preset: AnyPreset) -> TUSKTraining:
    """An untrained network with its optimisation, the same for the same seed."""
    schedule = preset.schedule
    return new_method(
        lambda: TUSKTraining(TUSK(preset.model), preset.training, schedule.steps, schedule.seed), schedule.seed
    )
