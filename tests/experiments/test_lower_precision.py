"""Presets in lower precision: a step of each runs on a CPU, and its terms are those of single precision."""

from __future__ import annotations

import pytest
import torch

from tusklite.experiments import get_preset, new_training
from tusklite.methods.base import Batch

WITHOUT_DOWNLOADS = {"tusk-aflw": {"training.perceptual": 0.0}}


def terms_of(experiment: str, precision: torch.dtype, share: float) -> dict[str, float]:
    preset = get_preset(experiment, "ci", device="cpu", steps=20, batch=2, **WITHOUT_DOWNLOADS.get(experiment, {}))
    images = torch.rand(2, preset.model.image_channels, 32, 32, generator=torch.Generator().manual_seed(0))
    method = new_training(preset).train()
    method.precision = precision
    step = int(share * 20)
    terms = method.training_step(Batch(images, torch.arange(2), step), method.optimizers())
    return {name: float(value) for name, value in terms.items() if name in vars(preset.training) and value.ndim == 0}


@pytest.mark.parametrize("share", [0.0, 0.9])
@pytest.mark.parametrize("experiment", ["mnist-hard", "tetrominoes", "clevr6", "tusk-aflw", "tusk-figure"])
def test_terms_of_a_step_are_those_of_single_precision(experiment: str, share: float) -> None:
    single, half = (terms_of(experiment, precision, share) for precision in (torch.float32, torch.bfloat16))
    assert single.keys() == half.keys()
    assert "reconstruction" in single
    for name in ("reconstruction", "heatmap_equivariance"):
        assert half[name] == pytest.approx(single[name], rel=0.05, abs=1e-3)
