"""TUSK on MNIST-Hard: its scenes, its untrained network, its scores."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tusklite.data import MNISTHard
from tusklite.experiments.runs import Prepared, leave_result, stated
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.metrics import DetectionScores, evaluate_detections
from tusklite.presets import Preset
from tusklite.published import PAPER_TABLE_1
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult


@dataclass(frozen=True)
class SceneSplits:
    """The three splits of MNIST-Hard that a preset asks for, made on one device."""

    train: MNISTHard
    validation: MNISTHard
    test: MNISTHard

    @classmethod
    def of(cls, preset: Preset) -> SceneSplits:
        """Training scenes from training digits, validation scenes from held-out ones, test scenes from test digits."""
        counts, device = preset.data, choose_device(preset.schedule.device)
        sizes = (counts.train_scenes, counts.validation_scenes, counts.test_scenes)
        splits = zip(("train", "validation", "test"), sizes, strict=True)
        return cls(*(MNISTHard(split, size=size, source=counts.source, device=device) for split, size in splits))


def new_training(preset: Preset) -> TUSKTraining:
    """An untrained network with its optimisation; the same weights for the same seed, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(preset.schedule.seed)
        model = TUSK(preset.model)
        return TUSKTraining(model, preset.training, preset.schedule.steps, preset.schedule.seed)


@torch.no_grad()
def detect_scenes(model: TUSK, scenes: MNISTHard, count: int | None = None) -> dict[str, Tensor]:
    """Run a trained network over evaluation scenes, in batches.

    Args:
        model: the network, in evaluation mode.
        scenes: a validation or test split.
        count: only the first so many scenes.

    Returns:
        `xy (S, K, 2)`, `assignment (S, K)`, `found (S, K)`, `descriptors (S, K, C)` in clustering space, `truth_xy (S,
        T, 2)` and `truth_class (S, T)`, all on the CPU.
    """
    parts: dict[str, list[Tensor]] = {}
    for indices in torch.arange(min(count or len(scenes), len(scenes))).split(50):
        batch = scenes.scenes(indices, with_truth=True)
        heatmap, features = model.encode(batch.image)
        points = model.detect(heatmap)
        descriptors = model.clustering_space(model.describe(features, points.xy), points.xy)
        values = {"xy": points.xy, "assignment": model.prototypes.assign(descriptors), "found": points.found}
        values |= {"descriptors": descriptors, "truth_xy": batch.xy, "truth_class": batch.label}
        for name, value in values.items():
            parts.setdefault(name, []).append(value.cpu())
    return {name: torch.cat(values) for name, values in parts.items()}


def score_scenes(
    model: TUSK, scenes: MNISTHard, like: DetectionScores | None = None, count: int | None = None
) -> DetectionScores:
    """Scores of a trained network on evaluation scenes, as in the paper (Jin et al. 2022, table 1).

    Args:
        model: the network, in evaluation mode.
        scenes: a validation or test split.
        like: scores of a validation split, whose matching of prototypes to classes is taken over; found anew where
            None.
        count: only the first so many scenes.
    """
    seen = detect_scenes(model, scenes, count)
    return evaluate_detections(
        seen["xy"],
        seen["assignment"],
        seen["truth_xy"],
        seen["truth_class"],
        prototypes=model.config.prototypes,
        classes=10,
        image_size=scenes.image_size,
        box=20.0,
        found=seen["found"],
        mapping=None if like is None else like.mapping,
        many_to_one_mapping=None if like is None else like.many_to_one_mapping,
    )


def watch(validation: MNISTHard, count: int = 60) -> Callable[[TUSKTraining], dict[str, float]]:
    """Figures for the log while training runs: scores on a few validation scenes. Nothing is chosen by them."""

    def look(method: TUSKTraining) -> dict[str, float]:
        scores = score_scenes(method.model, validation, count=count)
        return {name: round(getattr(scores, name), 4) for name in ("localization", "classification", "both")}

    return look


def result_of(preset: Preset, fitted: FitResult, splits: SceneSplits, model: TUSK) -> dict[str, object]:
    """Score a finished run on the test scenes, and state all that a recorded result has to state.

    The prototypes are matched to classes on validation scenes; the test scenes are scored once, with that matching.
    """
    validation = score_scenes(model, splits.validation)
    test = score_scenes(model, splits.test, like=validation)
    names = ("localization", "classification", "both", "many_to_one", "precision")
    metrics = {name: round(getattr(test, name), 5) for name in names}
    metrics["validation_both"] = round(validation.both, 5)
    reached = (record["seconds"] for record in fitted.log if record.get("both", 0) >= 0.9)
    metrics["seconds_to_90"] = next(reached, None)
    described = splits.test.describe()
    data = {name: described[name] for name in ("source", "sha256")}
    data |= {f"{name}_scenes": len(getattr(splits, name)) for name in ("train", "validation", "test")}
    data |= {f"{name}_digits": described[f"{name}_digits"] for name in ("train", "validation", "test")}
    paper = PAPER_TABLE_1["TUSK (paper)"][1]
    return stated(preset, fitted, data, metrics, paper) | {"details": test.as_dict()}


def finish(
    preset: Preset,
    fitted: FitResult,
    splits: SceneSplits,
    model: TUSK,
    run_dir: str | os.PathLike,
    record: bool = False,
) -> dict[str, object]:
    """Write `model.safetensors` and `metrics.json` of a finished run; keep the result under `results/` where asked."""
    return leave_result(run_dir, model, result_of(preset, fitted, splits, model), record)


def prepare(preset: Preset) -> Prepared:
    """All that a run of this experiment needs."""
    splits, method = SceneSplits.of(preset), new_training(preset)
    return Prepared(
        method,
        splits.train,
        watch(splits.validation),
        lambda fitted: result_of(preset, fitted, splits, method.model),
    )
