"""How often a training step makes the host wait for a value: without a GPU, counted by what is dispatched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tusklite.experiments import get_preset, new_training
from tusklite.geometry import WARPS, inversion, random_tps
from tusklite.methods.base import AnyTraining, Batch, Optimizers

# What has to know a value on the host: a number, a count that is a shape, a factorisation that is checked.
READS = frozenset(
    f"aten::{name}"
    for name in (
        *("_local_scalar_dense", "nonzero", "equal", "is_nonzero", "masked_select", "bincount"),
        *("_unique2", "unique_dim", "unique_consecutive", "_linalg_check_errors", "_linalg_svd", "_linalg_eigh"),
    )
)
CHOOSES = frozenset({"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"})


class CountReads(TorchDispatchMode):
    """Counts the operations that a GPU's host would wait at, but for Adam's count of its steps, which is the host's."""

    def __init__(self, optimizers: Optimizers) -> None:
        super().__init__()
        self.reads: Counter[str] = Counter()
        self.optimizers = optimizers

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func._schema.name
        flags = name in CHOOSES and any(part is not None and part.dtype == torch.bool for part in args[1])
        if (name in READS or flags) and not self.of_adam(args[0]):
            self.reads[name] += 1
        return func(*args, **(kwargs or {}))

    def of_adam(self, tensor: Tensor) -> bool:
        states = [state for optimizer in self.optimizers.values() for state in optimizer.state.values()]
        return any(tensor is state.get("step") for state in states)


def reads_of_a_step(method: AnyTraining, images: Tensor, step: int) -> Counter[str]:
    """What the second of two steps reads."""
    optimizers = method.optimizers()
    method.train()
    rows = torch.arange(len(images))
    method.training_step(Batch(images, rows, step), optimizers)
    with CountReads(optimizers) as counted:
        method.training_step(Batch(images, rows, step + 1), optimizers)
    return counted.reads


@pytest.fixture(autouse=True)
def looks_that_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inversion, "LOOKS_ARE_FREE", frozenset())


def test_the_counter_sees_reads() -> None:
    values = torch.arange(4.0)
    with CountReads({}) as counted:
        float(values.sum())
        values[values > 1]
        torch.bincount(values.long())
        bool((values > 1).any())
        torch.linalg.svdvals(values.view(2, 2))
    assert counted.reads.total() >= 5


@pytest.mark.parametrize(
    ("experiment", "preset", "share"),
    [
        *(("mnist-hard", "ci", share) for share in (0.0, 0.4, 0.9)),
        ("mnist-hard", "small", 0.9),
        ("tetrominoes", "ci", 0.5),
        ("tusk-aflw", "ci", 0.9),
        ("tusk-figure", "ci", 0.9),
    ],
)
def test_a_step_of_tusk_looks_at_two_values(experiment: str, preset: str, share: float) -> None:
    """The maps are finite; the loss and its gradient are finite."""
    asked = get_preset(experiment, preset, device="cpu", steps=20, batch=2)
    channels, size = asked.model.image_channels, 48
    images = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    reads = reads_of_a_step(new_training(asked), images, int(share * 20))
    assert reads == {"aten::_local_scalar_dense": 2}


def test_what_a_warp_takes_back_is_the_same_where_looks_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    tps = random_tps(20, WARPS["tusk-mnist"], generator)
    points = 2.4 * torch.rand(20, 9, 2, generator=generator) - 1.2
    every = tps.invert_points(points, tolerance=1e-6, on_failure="nan")
    monkeypatch.setattr(inversion, "LOOKS_ARE_FREE", frozenset({"cpu"}))
    free = tps.invert_points(points, tolerance=1e-6, on_failure="nan")
    torch.testing.assert_close(every, free, rtol=0, atol=1e-6, equal_nan=True)
