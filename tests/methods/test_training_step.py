"""What all methods share: the one step, what it refuses, what it leaves alone, and methods made of three functions."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import pytest
import torch
from made_up_images import MadeUpImages
from torch import Tensor, nn

from tusklite.data.loader import batch_indices
from tusklite.methods.base import Batch, FrozenNetwork, Method, NonFiniteLoss, new_method, step_generator
from tusklite.methods.weights import KeypointModel
from tusklite.train.checkpoints import NAME
from tusklite.train.loop import fit
from tusklite.train.schedule import Schedule


def seven_images() -> MadeUpImages:
    return MadeUpImages(torch.rand(7, 1, 2, 3, generator=torch.Generator().manual_seed(4)))


@dataclass(frozen=True)
class LineConfig:
    """Its one setting."""

    pixels: int = 6


class Line(KeypointModel):
    """The smallest model: a weighted sum of the pixels."""

    KIND: ClassVar[str] = "test-line"
    CONFIG = LineConfig

    def __init__(self, config: LineConfig) -> None:
        super().__init__()
        self.config = config
        self.linear = nn.Linear(config.pixels, 1)


@dataclass(frozen=True)
class LineOptions:
    """Weights of two terms."""

    error: float = 2.0
    size: float = 0.5
    learning_rate: float = 0.1


class Answers(NamedTuple):
    """What a `LineTraining` sees."""

    answers: Tensor
    wanted: Tensor
    indices: Tensor


class LineTraining(Method[Line, LineOptions, Answers]):
    """The smallest method: three short functions."""

    def see(self, batch: Batch, generator: torch.Generator) -> Answers:
        noise = torch.rand(len(batch.images), generator=generator)
        flat = batch.images.flatten(1)
        with self.autocast(batch.images.device):
            answers = self.model.linear(flat)[:, 0]
        return Answers(answers.float(), flat.sum(dim=1) + noise, batch.indices)

    def loss_terms(self, seen: Answers, step: int) -> dict[str, Tensor]:
        size = self.model.linear.weight.square().sum()
        return {"error": (seen.answers - seen.wanted).square().mean(), "size": size}

    def networks(self) -> list[nn.Module]:
        return [self.model.linear]


class Remembering(LineTraining):
    """Keeps a pseudo label for each image: its latest answer, how often it was seen, and its brightness."""

    def __init__(self, model: Line, options: LineOptions, images: int, seed: int = 0) -> None:
        super().__init__(model, options, seed)
        self.register_buffer("labels", torch.zeros(images))
        self.register_buffer("seen_so_far", torch.zeros(images, dtype=torch.int64))
        self.register_buffer("brightness", torch.zeros(images))

    def see(self, batch: Batch, generator: torch.Generator) -> Answers:
        self.brightness[batch.indices] = batch.images.flatten(1).mean(dim=1)
        return super().see(batch, generator)

    def after_step(self, seen: Answers) -> dict[str, Tensor]:
        self.labels[seen.indices] = seen.answers.detach()
        self.seen_so_far.index_add_(0, seen.indices, torch.ones_like(seen.indices))
        return {"labelled": (self.seen_so_far > 0).sum()}


def a_line(options: LineOptions | None = None, seed: int = 3) -> LineTraining:
    return new_method(lambda: LineTraining(Line(LineConfig()), options or LineOptions(), seed), seed=8)


def a_batch(step: int = 0) -> Batch:
    indices = torch.tensor([2, 6, 0, 3])
    return Batch(seven_images().image[indices], indices, step)


def state(method: nn.Module) -> dict[str, list]:
    return {name: tensor.tolist() for name, tensor in method.state_dict().items()}


# --- the step ----------------------------------------------------------------------------------------------


def test_a_step_is_adam_on_the_weighted_terms() -> None:
    method = a_line()
    weight, bias = (parameter.detach().clone() for parameter in method.parameters())
    values = method.training_step(a_batch(step=5), method.optimizers())
    flat = a_batch().images.flatten(1)
    wanted = flat.sum(dim=1) + torch.rand(4, generator=step_generator(3, 5))
    apart = flat @ weight[0] + bias - wanted
    assert values.keys() == {"error", "size"}
    assert not any(value.requires_grad for value in values.values())
    torch.testing.assert_close(values["error"], apart.square().mean())
    torch.testing.assert_close(values["size"], weight.square().sum())
    gradient = 2.0 * 2 * (apart[:, None] * flat).mean(dim=0) + 0.5 * 2 * weight[0]
    torch.testing.assert_close(method.model.linear.weight.grad[0], gradient)
    moved = weight[0] - 0.1 * gradient.sign()  # Adam's first step
    torch.testing.assert_close(method.model.linear.weight[0], moved)


def test_what_moves_before_the_network_and_what_is_remembered_after_it_are_logged_in_that_order() -> None:
    order = []

    class Both(LineTraining):
        def other_turns(self, seen, step, optimizers, generator):
            order.append(("turn", step, self.model.linear.weight.detach().clone(), sorted(optimizers)))
            return {"turned": torch.tensor(1.0)}

        def after_step(self, seen):
            order.append(("after", self.model.linear.weight.detach().clone()))
            return {"kept": torch.tensor(2.0)}

    method = Both(Line(LineConfig()), LineOptions())
    start = method.model.linear.weight.detach().clone()
    values = method.training_step(a_batch(4), method.optimizers())
    assert list(values) == ["error", "size", "turned", "kept"]
    (turn, step, before, names), (after, moved) = order
    assert (turn, step, names, after) == ("turn", 4, ["network"], "after")
    assert torch.equal(before, start)
    assert torch.equal(moved, method.model.linear.weight)
    assert not torch.equal(moved, start)


def test_a_turn_draws_after_the_views_from_the_same_generator() -> None:
    drawn = []

    class Drawing(LineTraining):
        def other_turns(self, seen, step, optimizers, generator):
            drawn.append(torch.rand(1, generator=generator))
            return {}

    method = Drawing(Line(LineConfig()), LineOptions(), seed=3)
    method.training_step(a_batch(2), method.optimizers())
    expected = step_generator(3, 2)
    torch.rand(4, generator=expected)
    assert torch.equal(drawn[0], torch.rand(1, generator=expected))


def spoilt(term: str, factor: float) -> LineTraining:
    class Spoilt(LineTraining):
        def loss_terms(self, seen: Answers, step: int) -> dict[str, Tensor]:
            terms = super().loss_terms(seen, step)
            return terms | {term: terms[term] * factor}

    return Spoilt(Line(LineConfig()), LineOptions())


def overflowing() -> LineTraining:
    class Huge(LineTraining):
        def loss_terms(self, seen: Answers, step: int) -> dict[str, Tensor]:
            return {name: 0 * value + 3e38 for name, value in super().loss_terms(seen, step).items()}

    return Huge(Line(LineConfig()), LineOptions(error=1.0, size=1.0))


def steep() -> LineTraining:
    method = a_line()
    method.model.linear.weight.register_hook(lambda gradient: gradient * torch.inf)
    return method


def blind() -> LineTraining:
    class Blind(LineTraining):
        def see(self, batch: Batch, generator: torch.Generator) -> Answers:
            raise NonFiniteLoss("the picture is not finite")

    return Blind(Line(LineConfig()), LineOptions())


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: spoilt("error", torch.nan), "error is"),
        (lambda: spoilt("size", torch.inf), "size is"),
        (overflowing, "the sum is"),
        (steep, "the gradient is"),
        (blind, "the picture is"),
    ],
)
def test_what_is_not_finite_is_named_with_its_step_and_moves_nothing(make, what: str) -> None:
    method = make()
    optimizers, before = method.optimizers(), state(method)
    with pytest.raises(NonFiniteLoss, match=f"^step 12: {what} not finite$") as refused:
        method.training_step(a_batch(12), optimizers)
    assert refused.value.__suppress_context__  # one line, no chain of tracebacks
    assert state(method) == before
    assert not optimizers["network"].state


def test_several_bad_terms_are_all_named() -> None:
    class Bad(LineTraining):
        def loss_terms(self, seen: Answers, step: int) -> dict[str, Tensor]:
            return {name: value / 0 for name, value in super().loss_terms(seen, step).items()}

    with pytest.raises(NonFiniteLoss, match=r"^step 0: error, size is not finite$"):
        Bad(Line(LineConfig()), LineOptions()).training_step(a_batch(), a_line().optimizers())


def test_lower_precision_is_for_what_asks_for_it() -> None:
    method = a_line()
    kinds = []
    method.model.linear.register_forward_hook(lambda _, __, output: kinds.append(output.dtype))
    method.see(a_batch(), step_generator(0, 0))
    method.precision = torch.bfloat16
    method.see(a_batch(), step_generator(0, 0))
    assert kinds == [torch.float32, torch.bfloat16]


def test_compiling_is_for_the_networks_that_a_method_names(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, options: compiled.append((self, options)))
    method = a_line()
    method.compile_networks()
    assert compiled == [(method.model.linear, {"layout_optimization": False})]
    compiled.clear()
    method.to("meta").compile_networks()
    assert compiled == [(method.model.linear, None)]


def test_a_method_without_its_three_functions_is_none() -> None:
    class Half(Method):
        def networks(self) -> list[nn.Module]:
            return []

    with pytest.raises(TypeError, match="abstract"):
        Half(Line(LineConfig()), LineOptions())


@pytest.mark.parametrize(
    ("seed", "error", "complaint"),
    [
        (-1, ValueError, "seed: -1 was given; allowed is an integer from 0 to 4294967295"),
        (2**32, ValueError, "seed: 4294967296 was given"),
        (0.5, TypeError, "seed: 0.5 was given; allowed is an integer"),
        (True, TypeError, "seed: True was given"),
    ],
)
def test_a_seed_out_of_range_is_refused(seed: object, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        a_line(seed=seed)


def test_the_same_seed_builds_the_same_method_and_draws_nothing() -> None:
    torch.manual_seed(1)
    first = a_line()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = a_line()
    assert torch.equal(torch.get_rng_state(), before)
    assert state(first) == state(second)
    other = new_method(lambda: LineTraining(Line(LineConfig()), LineOptions()), seed=9)
    assert state(other) != state(first)


# --- under fit ---------------------------------------------------------------------------------------------

TWENTY = Schedule(steps=20, batch=4, warmup=0, constant_until=1.0, device="cpu", log_every=1, checkpoint_every=3)


def test_a_method_of_three_short_functions_trains(tmp_path: Path) -> None:
    method = a_line(LineOptions(size=0.0))
    log = fit(method, seven_images(), TWENTY, tmp_path).log
    assert [record["step"] for record in log] == list(range(1, 21))
    assert {record["phase"] for record in log} == {"training"}
    assert log[-1]["error"] < 0.5 * log[0]["error"]
    by_hand = a_line(LineOptions(size=0.0))
    optimizers = by_hand.optimizers()
    for step in range(20):
        indices = batch_indices(7, 4, step, seed=0)
        by_hand.training_step(Batch(seven_images().image[indices], indices, step), optimizers)
    assert state(method) == state(by_hand)


def test_what_a_method_keeps_for_each_image_is_that_images_also_after_a_resume(tmp_path: Path) -> None:
    def remembering() -> Remembering:
        return new_method(lambda: Remembering(Line(LineConfig()), LineOptions(), images=7), seed=8)

    whole, data = remembering(), seven_images()
    fit(whole, data, TWENTY, tmp_path / "whole")
    visits = torch.cat([batch_indices(7, 4, step, seed=0) for step in range(20)])
    assert torch.equal(whole.seen_so_far, torch.bincount(visits, minlength=7))
    torch.testing.assert_close(whole.brightness, data.image.flatten(1).mean(dim=1))
    for _ in range(20):
        in_pieces = remembering()
        done = fit(in_pieces, data, TWENTY, tmp_path / "pieces", minutes=1e-9)
    assert done.finished
    assert state(in_pieces) == state(whole)
    assert [record["labelled"] for record in done.log][:2] == [4, 7]


def test_a_run_of_before_a_setting_was_there_goes_on_with_its_default_alone(tmp_path: Path) -> None:
    whole = a_line()
    fit(whole, seven_images(), TWENTY, tmp_path / "whole")
    fit(a_line(), seven_images(), TWENTY, tmp_path / "old", minutes=1e-9)
    checkpoint = torch.load(tmp_path / "old" / NAME, weights_only=True)
    del checkpoint["identity"]["method"]["training"]["size"]
    torch.save(checkpoint, tmp_path / "old" / NAME)
    with pytest.raises(ValueError, match=r"other settings \(method\.training\.size: 0\.5 there, 0\.7 now\)"):
        fit(a_line(LineOptions(size=0.7)), seven_images(), TWENTY, tmp_path / "old")
    goes_on = a_line()
    fit(goes_on, seven_images(), TWENTY, tmp_path / "old")
    assert state(goes_on) == state(whole)


def test_a_setting_without_a_default_is_no_hindrance_to_going_on(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Demanding(LineOptions):
        must_be_said: float = field(kw_only=True)

    said = Demanding(must_be_said=0.25)
    fit(a_line(said), seven_images(), TWENTY, tmp_path, minutes=1e-9)
    assert fit(a_line(said), seven_images(), TWENTY, tmp_path).finished


def test_a_methods_identity_says_kind_model_options_and_seed() -> None:
    base = a_line().identity()
    assert base == {
        "kind": "test-line",
        "model": {"pixels": 6},
        "training": {"error": 2.0, "size": 0.5, "learning_rate": 0.1},
        "seed": 3,
    }


# --- frozen networks ---------------------------------------------------------------------------------------


def test_a_frozen_network_is_in_no_state_and_no_optimiser_and_passes_gradients_on() -> None:
    network = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))

    class Looking(LineTraining):
        def __init__(self) -> None:
            super().__init__(Line(LineConfig()), LineOptions())
            self.look = FrozenNetwork(network)

        def loss_terms(self, seen: Answers, step: int) -> dict[str, Tensor]:
            return {"error": self.look.on(seen.answers.device)(seen.answers[:, None]).square().mean()}

    method, before = Looking().train(), copy.deepcopy(network.state_dict())
    assert state(method).keys() == {"model.linear.weight", "model.linear.bias"}
    optimizers = method.optimizers()
    assert [p.shape for p in optimizers["network"].param_groups[0]["params"]] == [(1, 6), (1,)]
    start = state(method)
    method.training_step(a_batch(), optimizers)
    assert state(method) != start
    assert not network.training
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in network.parameters())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
