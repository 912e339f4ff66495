"""The check of exercise 11.0: who steps when, and on whose gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.course.comparison import compare
from tusklite.course.shortcuts import without
from tusklite.course.verdict import NotTried, WrongAnswer, answer_number, verdict
from tusklite.losses import kmeans_softmin_loss, random_projections, sliced_wasserstein
from tusklite.methods.base import Method
from tusklite.methods.tusk import TUSKTraining
from tusklite.ops.prototypes import Prototypes


def _take_turns(
    prototypes: Prototypes,
    descriptors: Tensor,
    optimizers: dict[str, torch.optim.Optimizer],
    transport: Callable[[Prototypes, Tensor], Tensor],
    network_loss: Callable[[Tensor], Tensor],
    turns: int,
) -> Tensor:
    """The prototypes go `turns` times after descriptors (N, C), then the network goes once; returns its loss."""
    for _ in range(turns):
        optimizers["prototypes"].zero_grad()
        transport(prototypes, descriptors.detach()).backward()
        optimizers["prototypes"].step()
        prototypes.project_to_sphere()
    loss = network_loss(prototypes.means.detach())
    optimizers["network"].zero_grad()
    loss.backward()
    optimizers["network"].step()
    return loss


WRITE = "it is the package's step; write the turns yourself"


@verdict(
    "the prototypes have their turns, then the network has its own, and nobody pulls at who stands still", _take_turns
)
def check_take_turns(take_turns: Callable[..., Tensor]) -> None:
    """Check `take_turns(prototypes, descriptors, optimizers, transport, network_loss, turns) -> loss`.

    Example:
        >>> def at_once(prototypes, descriptors, optimizers, transport, network_loss, turns):
        ...     loss = transport(prototypes, descriptors) + network_loss(prototypes.means)
        ...     optimizers["one"].zero_grad()
        ...     loss.backward()
        ...     optimizers["one"].step()
        ...     return loss
        >>> check_take_turns(at_once)
        ✘ wrong: 8 turns: one optimiser that moves everything is the rival; here "prototypes" and "network" take turns
    """
    take_turns = without(take_turns, {Method.training_step: WRITE, TUSKTraining.prototype_steps: WRITE})
    for turns in (8, 3):
        met, wanted = _Training(), _Training()
        where = f"{turns} turns"
        right = float(_take_turns(*wanted.inputs, turns).detach())
        try:
            found: float | None = answer_number(take_turns, *met.inputs, turns)
        except NotTried:
            if not met.events:
                raise
            found = None
        except RuntimeError:  # of torch, which says that a graph is gone, and not why
            if reason := _cause(met, turns, finished=False):
                raise WrongAnswer(f"{where}: {reason}") from None
            raise
        if reason := _cause(met, turns, finished=True):
            raise WrongAnswer(f"{where}: {reason}")
        compare(met.prototypes.means, wanted.prototypes.means, where=f"{where}, the prototypes after them")
        compare(met.network, wanted.network, where=f"{where}, the network after its step")
        if found is None:
            raise WrongAnswer(f"{where}: the steps are right, but nothing comes back: return the network's loss")
        if met.distance is not None and abs(found - met.distance) < 1e-5:
            raise WrongAnswer(f"{where}: what comes back is the transport; return the network's loss")
        compare(torch.tensor(found), torch.tensor(right), where=f"{where}, what comes back")


class _Event(NamedTuple):
    """Something that happened.

    Attributes:
        what: "transport" or "network_loss", where one was measured; else the name of the optimiser that took a step.
        carries: what should stand still came with a gradient.
        off: the prototypes were not on the sphere.
        fault: what is wrong with the gradient of a step.
    """

    what: str
    carries: bool = False
    off: bool = False
    fault: str = ""


class _Kept:
    """What an answer is to get as it is, and not as a copy: what happens to it is watched."""

    def __deepcopy__(self, memo: object) -> _Kept:
        return self


class _Prototypes(_Kept, Prototypes):
    pass


class _Optimizer(_Kept, torch.optim.SGD):
    def __init__(self, name: str, training: _Training, parameters: list[Tensor]) -> None:
        super().__init__(parameters, lr=0.3)
        self.name, self.training = name, training

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        self.training.note_step(self.name)
        super().step()


class _Training(_Kept):
    """A network of one matrix and four prototypes, with two losses and optimisers that note what is done with them."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.network = nn.Parameter(torch.randn(5, 6, generator=generator))
        self.images = torch.randn(12, 5, generator=generator)
        self.prototypes = _Prototypes(4, 6, generator=generator)
        self.projections = random_projections(20, 6, generator)
        self.parameters = {"prototypes": self.prototypes.means, "network": self.network}
        for parameter in self.parameters.values():
            parameter.grad = torch.ones_like(parameter)  # what an earlier step has left
        # Gradients that each should step on, as soon as its loss was measured, and what was there before.
        self.asked: dict[str, Tensor] = {}
        self.left = {name: torch.ones_like(parameter) for name, parameter in self.parameters.items()}
        self.events: list[_Event] = []
        self.distance: float | None = None
        optimizers = {name: _Optimizer(name, self, [parameter]) for name, parameter in self.parameters.items()}
        for name in ("one", "paced"):
            optimizers[name] = _Optimizer(name, self, list(self.parameters.values()))
        self.inputs = (self.prototypes, self.descriptors(), optimizers, self.transport, self.network_loss)

    def descriptors(self) -> Tensor:
        return F.normalize(self.images @ self.network, dim=1)  # (12, 6)

    def off_the_sphere(self) -> bool:
        return bool((self.prototypes.means.detach().norm(dim=1) - 1).abs().max() > 1e-4)

    def transport(self, prototypes: Prototypes, descriptors: Tensor) -> Tensor:
        """How far prototypes are from descriptors (N, C)."""
        if prototypes is not self.prototypes or not isinstance(descriptors, Tensor):
            raise WrongAnswer("`transport(prototypes, descriptors)` takes the prototypes themselves, then a tensor")
        self.events.append(_Event("transport", carries=descriptors.requires_grad, off=self.off_the_sphere()))

        def distance(means: Tensor, points: Tensor) -> Tensor:
            return sliced_wasserstein(means.repeat_interleave(3, dim=0), points, self.projections)

        means = self.prototypes.means
        self._ask("prototypes", lambda: distance(means, self.descriptors().detach()), means)
        result = distance(means, descriptors)
        self.distance = float(result.detach())
        return result

    def network_loss(self, means: Tensor) -> Tensor:
        """What the network is asked for, with prototypes at means (M, C)."""
        if not isinstance(means, Tensor):
            raise WrongAnswer("`network_loss(means)` takes a tensor, `prototypes.means`, and not the prototypes")
        self.events.append(_Event("network_loss", carries=means.requires_grad, off=self.off_the_sphere()))

        def loss(descriptors: Tensor, means: Tensor) -> Tensor:
            return kmeans_softmin_loss(descriptors, means, 4.0) + 0.1 * self.network.square().mean()

        self._ask("network", lambda: loss(self.descriptors(), means.detach()), self.network)
        return loss(self.inputs[1], means)

    def _ask(self, name: str, loss: Callable[[], Tensor], parameter: Tensor) -> None:
        with torch.enable_grad():
            (self.asked[name],) = torch.autograd.grad(loss(), parameter)

    def note_step(self, name: str) -> None:
        fault = ""
        if name in self.parameters:
            slope, asked = self.parameters[name].grad, self.asked.get(name)
            if slope is None:
                fault = "step without a gradient: first `zero_grad`, then `backward`, then `step`"
            elif asked is None or not torch.allclose(slope, asked, atol=1e-5):
                fault = self._fault(slope, asked, self.left[name])
            self.left[name] = torch.zeros_like(self.left[name]) if slope is None else slope.clone()
        self.events.append(_Event(name, fault=fault))

    @staticmethod
    def _fault(slope: Tensor, asked: Tensor | None, left: Tensor) -> str:
        if torch.allclose(slope, left, atol=1e-5):
            return "step on the gradient of an earlier step: `backward` comes before `step`"
        if asked is not None and torch.allclose(slope, asked + left, atol=1e-5):
            return "step on the gradient of an earlier step as well: `zero_grad` before each `backward`"
        factor = 0.0 if asked is None else float((slope * asked).sum() / asked.square().sum())
        if asked is not None and torch.allclose(slope, factor * asked, atol=1e-5):
            return f"step on {factor:.3g} times the gradient of their loss: take the loss as it is"
        return "step on another gradient than that of their own loss"


def _cause(met: _Training, turns: int, finished: bool) -> str:
    """What went wrong, from what happened, the cause before its consequences; of a training that broke, what it shows.

    Returns:
        The reason, or nothing.
    """
    whats = [event.what for event in met.events]
    if {"one", "paced"} & set(whats):
        return 'one optimiser that moves everything is the rival; here "prototypes" and "network" take turns'
    measured = {what: [event for event in met.events if event.what == what] for what in ("transport", "network_loss")}
    if any(event.carries for event in measured["transport"]):
        return "the transport runs back into the network: its descriptors have to stand still, `descriptors.detach()`"
    if any(event.carries for event in measured["network_loss"]):
        return "the network's loss pulls at the prototypes: they have to stand still, `prototypes.means.detach()`"
    reason = _in_another_order(whats, turns, finished)
    if reason or not finished:
        return reason
    if not met.prototypes.means.requires_grad:
        return "you switched the prototypes' gradient off for good; `detach` gives their means without one"
    if any(event.off for event in measured["transport"]):
        some = "not only after the last one" if not met.off_the_sphere() else "or they leave it"
        return f"bring the prototypes back to the sphere after each step (`project_to_sphere`), {some}"
    if any(event.off for event in measured["network_loss"]):
        return "the network meets prototypes off the sphere: `project_to_sphere` comes after each of their steps"
    for event in met.events:
        if event.fault:
            return f"{'the prototypes' if event.what == 'prototypes' else 'the network (its optimiser)'}: {event.fault}"
    return ""


def _in_another_order(whats: list[str], turns: int, finished: bool) -> str:
    """What is wrong with who steps when and how often."""
    theirs, network = whats.count("prototypes"), whats.count("network")
    last = len(whats) - 1 - whats[::-1].index("prototypes") if theirs else 0
    if network == turns > theirs == 1:
        return f"it is the wrong way round: the prototypes take {turns} steps, and the network takes one"
    if network > 1:
        return f"the network takes {network} steps; it goes once, when the prototypes have had all their turns"
    if "network" in whats[:last]:
        return "the network goes first; it goes last, towards prototypes that have found their places"
    if "network_loss" in whats[:last]:
        return "the network's loss is measured before the prototypes have moved; measure it after their turns"
    if whats.count("transport") == 1 and turns > 1 and (theirs > 1 or not finished):
        return "the transport is measured once for all turns; the prototypes have moved, so measure it in each turn"
    if not finished:
        return ""
    for count, who in ((theirs, "prototypes"), (network, "network")):
        if not count:
            return f'nobody takes a step with the optimiser "{who}"'
    if theirs == 1 and whats.count("transport") == turns:
        return f"you gather the gradients of {turns} turns and take a single step; take one in each turn"
    if theirs == 1:
        return f"the prototypes take one step, and `turns` asks for {turns}"
    if theirs == 8 != turns:
        return "the prototypes take 8 steps whatever `turns` says"
    return "" if theirs == turns else f"the prototypes take {theirs} steps, and `turns` asks for {turns}"
