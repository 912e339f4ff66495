"""Training of landmarks: one step computed by hand, and runs that are cut off."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up_images import MadeUpImages
from torch import Tensor

from tusklite import losses
from tusklite.methods.base import Batch, NonFiniteLoss, step_generator
from tusklite.methods.thewlis import views
from tusklite.methods.thewlis.model import FactorizedLandmarks, ThewlisConfig
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.training import ThewlisTraining
from tusklite.methods.thewlis.views import draw_views
from tusklite.train.loop import fit
from tusklite.train.schedule import Schedule

TINY = ThewlisConfig(landmarks=3, image_channels=2, image_size=16, widths=(3, 4, 5, 4, 6), final_relu=False)
OPTIONS = ThewlisOptions(
    alignment=50.0, diversity=1.0, pool=4, second_warp="faces-large", zooms=(0.6, 0.9), shift=0.2, learning_rate=1e-2
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=seeded(seed))


def a_training(options: ThewlisOptions = OPTIONS, seed: int = 0) -> ThewlisTraining:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return ThewlisTraining(FactorizedLandmarks(TINY), options, seed)


def a_batch(images: Tensor, step: int) -> Batch:
    return Batch(images, torch.arange(len(images)), step)


# --- one step ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [OPTIONS, replace(OPTIONS, pool=2, weight_decay=0.0, diversity=7.0)])
def test_a_step_is_adam_on_the_losses_of_two_views(options: ThewlisOptions) -> None:
    method, images = a_training(options, seed=3), pictures(4, 2, 24, 20)
    model = copy.deepcopy(method.model)
    values = method.training_step(a_batch(images, 11), method.optimizers())

    views = draw_views(images, 16, options, step_generator(3, 11))
    probs = model(torch.cat([views.first, views.second])).probs
    alignment = losses.probability_alignment_loss_naive(probs[:4], probs[4:], views.warp.grid(8, 8))
    side = 8 // options.pool
    pooled = probs.view(8, 3, side, options.pool, side, options.pool).sum(dim=(3, 5))
    # Eq. 8 pooled, of each view: what is left of K where a square counts its largest landmark only.
    diversity = (3 - pooled.amax(dim=1).sum(dim=(1, 2))).view(2, 4).mean(dim=1).sum()
    assert values.keys() == {"alignment", "diversity"}
    torch.testing.assert_close(values["alignment"], alignment.detach())
    torch.testing.assert_close(values["diversity"], diversity.detach())
    assert not any(value.requires_grad for value in values.values())
    (options.alignment * alignment + options.diversity * diversity).backward()
    for moved, parameter in zip(method.model.parameters(), model.parameters(), strict=True):
        gradient = parameter.grad + options.weight_decay * parameter.detach()
        expected = parameter - 1e-2 * gradient / (gradient.abs() + 1e-8)  # Adam's first step
        clear = gradient.abs() > 1e-4
        torch.testing.assert_close(moved[clear], expected[clear], atol=1e-4, rtol=1e-4)


def test_thirty_steps_lessen_the_loss() -> None:
    method, images = a_training(), pictures(2, 2, 6, 6).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    optimizers = method.optimizers()
    terms = [method.training_step(a_batch(images, step), optimizers) for step in range(30)]
    totals = [50 * float(values["alignment"]) + float(values["diversity"]) for values in terms]
    assert np.mean(totals[-5:]) < 0.8 * np.mean(totals[:5])


def no_gradient(method: ThewlisTraining, patch: pytest.MonkeyPatch) -> None:
    next(method.model.parameters()).register_hook(lambda gradient: gradient / 0)


def no_diversity(method: ThewlisTraining, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(losses, "diversity_loss", lambda maps, pool: maps.sum() / 0)


def no_pictures(method: ThewlisTraining, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(views, "warp_images", lambda images, grid, padding_mode: torch.full((2, 2, 16, 16), torch.nan))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [(no_gradient, "the gradient is"), (no_diversity, "diversity is"), (no_pictures, "the score maps are")],
)
def test_what_is_not_finite_is_named_and_changes_no_weight(
    spoil: Callable, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, images = a_training(), pictures(2, 2, 20, 20)
    optimizers = method.optimizers()
    method.training_step(a_batch(images, 0), optimizers)
    weights = [parameter.clone() for parameter in method.parameters()]
    adam = copy.deepcopy(optimizers["network"].state_dict()["state"])
    spoil(method, monkeypatch)
    with pytest.raises(NonFiniteLoss, match=f"^step 1: {what} not finite$"):
        method.training_step(a_batch(images, 1), optimizers)
    assert all(map(torch.equal, weights, method.parameters()))
    for number, state in optimizers["network"].state_dict()["state"].items():
        assert all(torch.equal(state[name], adam[number][name]) for name in ("step", "exp_avg", "exp_avg_sq"))


def test_lower_precision_is_for_the_network_only() -> None:
    method, images = a_training(), pictures(3, 2, 20, 20)
    exact = copy.deepcopy(method).training_step(a_batch(images, 0), copy.deepcopy(method).optimizers())
    method.precision = torch.bfloat16
    rounded = method.training_step(a_batch(images, 0), method.optimizers())
    for name, value in rounded.items():
        assert value.dtype == torch.float32
        assert value != exact[name]
        assert value == pytest.approx(float(exact[name]), rel=0.05)


# --- runs --------------------------------------------------------------------------------------------------


class Pictures(MadeUpImages):
    """Five pictures, which may be taken away in the middle of a run."""

    def __init__(self, last: int = 10**9) -> None:
        super().__init__(pictures(5, 2, 20, 20))
        self.batches_left = last

    def scenes(self, indices: Tensor) -> SimpleNamespace:
        if not self.batches_left:
            raise OSError("the disk is gone")
        self.batches_left -= 1
        return super().scenes(indices)


EIGHT = Schedule(steps=8, batch=2, warmup=2, device="cpu", log_every=1, checkpoint_every=3)


def state(method: ThewlisTraining) -> dict[str, list]:
    return {name: tensor.tolist() for name, tensor in method.state_dict().items()}


def test_runs_that_are_cut_off_end_in_the_same_weights(tmp_path: Path) -> None:
    whole = a_training()
    assert fit(whole, Pictures(), EIGHT, tmp_path / "whole").finished
    for calls in range(1, 9):
        in_pieces = a_training()
        assert fit(in_pieces, Pictures(), EIGHT, tmp_path / "pieces", minutes=1e-9).finished == (calls == 8)
    with pytest.raises(OSError, match="the disk is gone"):
        fit(a_training(), Pictures(last=5), EIGHT, tmp_path / "died")
    revived = a_training()
    log = fit(revived, Pictures(), EIGHT, tmp_path / "died").log
    assert state(in_pieces) == state(revived) == state(whole) != state(a_training())
    assert [record["step"] for record in log] == list(range(1, 9))
    assert all({"alignment", "diversity", "phase"} <= record.keys() for record in log)


def test_a_run_goes_on_with_its_own_settings_only(tmp_path: Path) -> None:
    fit(a_training(), Pictures(), EIGHT, tmp_path, minutes=1e-9)
    for changes, complaint in (
        ({"diversity": 2.0}, "method.training.diversity: 1.0 there, 2.0 now"),
        ({"zooms": (0.5, 0.9)}, "method.training.zooms: [0.6, 0.9] there, [0.5, 0.9] now"),
        ({"first_warp": "faces-large"}, "method.training.first_warp: thewlis-faces-g1 there, faces-large now"),
    ):
        with pytest.raises(ValueError, match=re.escape(complaint)):
            fit(a_training(replace(OPTIONS, **changes)), Pictures(), EIGHT, tmp_path)
    with pytest.raises(ValueError, match=r"method\.seed: 0 there, 1 now"):
        fit(a_training(seed=1), Pictures(), EIGHT, tmp_path)
    other = ThewlisTraining(FactorizedLandmarks(replace(TINY, padding_mode="reflect")), OPTIONS)
    with pytest.raises(ValueError, match=r"method\.model\.padding_mode: zeros there, reflect now"):
        fit(other, Pictures(), EIGHT, tmp_path)


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"alignment": -1.0}, ValueError, "alignment: -1.0 was given"),
        ({"diversity": "much"}, TypeError, "diversity: 'much' was given"),
        ({"weight_decay": float("nan")}, ValueError, "weight_decay: nan was given"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate: 0.0 was given"),
        ({"shift": -0.1}, ValueError, "shift: -0.1 was given"),
        ({"pool": 0}, ValueError, "pool: 0 was given"),
        ({"first_warp": "none"}, ValueError, "first_warp: 'none' was given; allowed are 'thewlis-faces-g1'"),
        ({"second_warp": "g2"}, ValueError, "second_warp: 'g2' was given"),
        ({"zooms": 0.8}, TypeError, "zooms: 0.8 was given; allowed is a smallest and a largest value"),
        ({"zooms": (0.9, 0.8)}, ValueError, "zooms: (0.9, 0.8) was given; allowed is a smallest and a largest value"),
        ({"zooms": (0.9,)}, ValueError, "zooms: (0.9,) was given"),
        ({"zooms": (0, 0.8)}, ValueError, "zooms: 0 was given; allowed is a finite number above 0"),
        ({"zooms": (0.5, "1")}, TypeError, "zooms: '1' was given; allowed is a number"),
    ],
)
def test_options_out_of_range_are_refused(changes: dict, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(complaint)}"):
        ThewlisOptions(**changes)


def test_a_training_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pool: 5 was given; allowed is a number that divides the map's side 8$"):
        a_training(replace(OPTIONS, pool=5))
    for seed, error in ((-1, ValueError), (0.5, TypeError)):
        with pytest.raises(error, match=f"seed: {seed} was given"):
            a_training(seed=seed)
