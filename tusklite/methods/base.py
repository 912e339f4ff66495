"""What every method is: a model with its optimisation, and the one training step that all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from tusklite.arguments import require_integer, values_known
from tusklite.data.base import ImageSource
from tusklite.methods.weights import KeypointModel

Model = TypeVar("Model", bound=KeypointModel)
Options = TypeVar("Options", bound="TrainingOptions")
Seen = TypeVar("Seen")
Optimizers = dict[str, torch.optim.Optimizer]


class TrainingOptions(Protocol):
    """What the options of every method have: a frozen dataclass with the rate of its network."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def learning_rate(self) -> float:
        """Adam's, for the network."""


class Batch(NamedTuple):
    """What one training step gets.

    Attributes:
        images: `(B, C, H, W)` in [0, 1], on the method's device.
        indices: int64 `(B,)`, which images of the source they are: a method may keep something for each.
        step: number of the step, from 0.
    """

    images: Tensor
    indices: Tensor
    step: int


class NonFiniteLoss(ArithmeticError):
    """A loss term, the heatmap or the gradient became NaN or infinite; the message names which, and the step."""


class Method(nn.Module, ABC, Generic[Model, Options, Seen]):
    """A model with the way it is trained, as `tusklite.train.fit` wants it.

    A method says what it sees of a batch (`see`), and which terms it lessens (`loss_terms`); each term is weighted by
    the option of its name. All else is here: random numbers by seed and step, lower precision, the refusal of NaN, the
    step of the network. What takes turns with the network, or is remembered after it, has places of its own
    (`other_turns`, `after_step`).

    Args:
        model: the network to train.
        options: weights of the terms, and all else that the training goes by: a frozen dataclass.
        seed: of everything that is drawn, 0 to 2**32 - 1.

    Raises:
        TypeError, ValueError: a seed out of range.
    """

    def __init__(self, model: Model, options: Options, seed: int = 0) -> None:
        super().__init__()
        self.seed = require_integer("seed", seed, low=0, high=2**32 - 1)
        self.options = options
        self.model = model
        self.precision = torch.float32

    @abstractmethod
    def see(self, batch: Batch, generator: torch.Generator) -> Seen:
        """Draw the views of a batch and send them through the networks."""

    @abstractmethod
    def loss_terms(self, seen: Seen, step: int) -> dict[str, Tensor]:
        """Every term that has a weight, by the name of its weight among the options."""

    @abstractmethod
    def networks(self) -> list[nn.Module]:
        """The networks where the time goes: what `torch.compile` is worth for."""

    def other_turns(
        self, seen: Seen, step: int, optimizers: Optimizers, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Whatever is moved before the network is, by optimisers of its own; returns scalars for the log."""
        return {}

    def after_step(self, seen: Seen) -> dict[str, Tensor]:
        """Whatever is remembered or counted once the network has moved; returns scalars for the log."""
        return {}

    def before_step(self, step: int, data: ImageSource) -> dict[str, object]:
        """Whatever happens once, at certain steps, or after the last one (`step` is their number); it is logged."""
        return {}

    def rate_factor(self, step: int) -> float:
        """What a method itself makes of the learning rate of a step, beside the schedule: a factor."""
        return 1.0

    @property
    def largest_gradient(self) -> float:
        """The length to which a longer gradient of the network is shortened; 0 for none."""
        return 0.0

    def phase(self, step: int) -> str:
        """Name of the part of the training that a step belongs to."""
        return "training"

    def optimizers(self) -> Optimizers:
        """Optimisers by name, made after the module is on its device; the rate of "network" follows the schedule."""
        return {"network": adam(self.parameters(), lr=self.options.learning_rate)}

    def identity(self) -> dict[str, object]:
        """All settings that a checkpoint of this training must share."""
        return {
            "kind": self.model.KIND,
            "model": asdict(self.model.config),
            "training": asdict(self.options),
            "seed": self.seed,
        }

    def completed(self, identity: Mapping[str, object]) -> dict[str, object]:
        """An identity of an earlier version, with the settings that have come since at their defaults.

        Args:
            identity: as a checkpoint holds it.
        """
        complete = dict(identity)
        for part, settings in (("model", self.model.config), ("training", self.options)):
            stated = identity.get(part)
            if isinstance(stated, dict):
                defaults = {field.name: field.default for field in fields(settings) if field.default is not MISSING}
                complete[part] = defaults | stated
        return complete

    def compile_networks(self) -> None:
        """Compile the networks, where the time goes."""
        for network in self.networks():
            on_cpu = next(network.parameters()).device.type == "cpu"
            # There the compiler would have convolutions in channels-last, take the gradient of replicate padding to
            # come in another order than the kernel gives it, and stop (torch 2.15).
            network.compile(options={"layout_optimization": False} if on_cpu else None)

    def autocast(self, device: torch.device) -> torch.autocast:
        """Lower precision for the networks where it was asked for; everything else stays in float32."""
        return torch.autocast(device.type, self.precision, enabled=self.precision != torch.float32)

    def training_step(self, batch: Batch, optimizers: Optimizers) -> dict[str, Tensor]:
        """Move everything once on one batch of images.

        Args:
            batch: images, their indices, the number of the step.
            optimizers: what `optimizers()` gave.

        Returns:
            Each loss term, and what else is to be logged, as a scalar without gradient.

        Raises:
            NonFiniteLoss: a map, a loss term or the gradient is not finite; no weight of the network has changed by
                then.
        """
        generator = step_generator(self.seed, batch.step)
        try:
            with values_known():  # what `see` makes is looked at there, and what comes of it before the network moves
                seen = self.see(batch, generator)
                turns = self.other_turns(seen, batch.step, optimizers, generator)
                terms = self.loss_terms(seen, batch.step)
                total = total_of(getattr(self.options, name) * value for name, value in terms.items())
                values = {name: value.detach() for name, value in (terms | turns).items()}
                network_step(total, values, optimizers["network"], self.largest_gradient)
                return values | self.after_step(seen)
        except NonFiniteLoss as error:
            raise NonFiniteLoss(f"step {batch.step}: {error}") from None


AnyTraining = Method[Any, Any, Any]
New = TypeVar("New", bound=AnyTraining)


def new_method(build: Callable[[], New], seed: int) -> New:
    """An untrained method: the same weights for the same seed, whatever was drawn before, and nothing is drawn.

    Args:
        build: makes the method; its weights are drawn from torch's global generator.
        seed: of those weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def step_generator(seed: int, step: int) -> torch.Generator:
    """The CPU generator of one training step: a function of seed and step alone, so resuming needs no memory of draws.

    Example:
        >>> bool(torch.rand(1, generator=step_generator(0, 5)) == torch.rand(1, generator=step_generator(0, 5)))
        True
    """
    return torch.Generator().manual_seed((seed * 1_000_003 + step) * 2_654_435_761 % 2**63)


def require_finite_maps(maps: Mapping[str, Tensor]) -> None:
    """Refuse maps that are not finite: by one look at all of them, since each look makes a GPU's host wait.

    Args:
        maps: each by the beginning of the message, up to its verb.

    Raises:
        NonFiniteLoss: some are not; the message names the first of them.

    Example:
        >>> require_finite_maps({"the heatmap is": torch.ones(2), "the features are": torch.tensor([torch.nan])})
        Traceback (most recent call last):
        ...
        tusklite.methods.base.NonFiniteLoss: the features are not finite
    """
    # A finite sum has finite parts; only a sum that overflows, or is none, needs a look at each.
    if torch.isfinite(total_of(each.detach().sum() for each in maps.values())):
        return
    for what, each in maps.items():
        if not torch.isfinite(each).all():
            raise NonFiniteLoss(f"{what} not finite")


def total_of(terms: Iterable[Tensor]) -> Tensor:
    """The sum of some scalars, of which there is at least one.

    Example:
        >>> total_of(torch.tensor([1.0, 2.0]))
        tensor(3.)
    """
    first, *others = terms
    return sum(others, first)


def network_step(
    total: Tensor, terms: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, largest_gradient: float = 0.0
) -> None:
    """Move a network along the gradient of a total, or refuse where it or its gradient is not finite.

    Args:
        total: the scalar to lessen.
        terms: its parts by name, for the message.
        optimizer: of the network.
        largest_gradient: a longer gradient is shortened to it; 0 for none.

    Raises:
        NonFiniteLoss: before anything of the network is changed.
    """
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    length = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if largest_gradient:
        torch.nn.utils.clip_grads_with_norm_(parameters, largest_gradient, length)
    # A finite loss can have a gradient that is not; after a step on it nothing would be left to go on from. One look
    # at both.
    if not torch.isfinite(total.detach() + length):
        bad = [name for name, value in terms.items() if not torch.isfinite(value)]
        if not bad and torch.isfinite(total):
            raise NonFiniteLoss("the gradient is not finite")
        raise NonFiniteLoss(f"{', '.join(bad) or 'the sum'} is not finite")
    optimizer.step()


def adam(parameters: Iterable[nn.Parameter], **settings: Any) -> torch.optim.Adam:
    """Adam for parameters that are where they will stay; on a GPU by one kernel for all of them.

    Args:
        parameters: of a network, or of prototypes.
        settings: Adam's own, such as `lr`.

    Example:
        >>> adam([nn.Parameter(torch.zeros(1))], lr=0.1).param_groups[0]["lr"]
        0.1
    """
    moved = list(parameters)
    fused = True if all(each.device.type == "cuda" for each in moved) else None
    return torch.optim.Adam(moved, fused=fused, **settings)


class FrozenNetwork:
    """A network that a loss looks through: it belongs to no module, so it is neither saved nor trained.

    Args:
        network: put in evaluation mode, its parameters without gradients.

    Example:
        >>> owner = nn.Module()
        >>> owner.look = FrozenNetwork(nn.Linear(2, 2))
        >>> list(owner.state_dict()), owner.look.on(torch.device("cpu"))
        ([], Linear(in_features=2, out_features=2, bias=True))
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval().requires_grad_(False)

    def on(self, device: torch.device) -> nn.Module:
        """The network on a device."""
        return self._network.to(device)
