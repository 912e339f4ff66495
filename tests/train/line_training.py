"""The smallest method, for tests of the loop around it: a step of it takes no time."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from tusklite.methods.base import Batch
from tusklite.train.schedule import Schedule


class Pictures:
    """Eleven pictures of 2 x 3 pixels."""

    reads_files = False

    def __init__(self, source: str = "made up") -> None:
        self.image = torch.rand(11, 1, 2, 3, generator=torch.Generator().manual_seed(4))
        self.source = source

    def __len__(self) -> int:
        return len(self.image)

    def scenes(self, indices: Tensor) -> SimpleNamespace:
        return SimpleNamespace(image=self.image[indices])

    def describe(self) -> dict[str, object]:
        return {"source": self.source, "sha256": "0", "where": "anywhere"}

    def identity(self) -> dict[str, object]:
        return {"source": self.source, "sha256": "0"}


class Line(nn.Module):
    """The sum of the pixels from all of them but those that chance leaves out."""

    def __init__(self, rate: float = 0.1, stray: Callable[[int], None] = lambda step: None, pixels: int = 6) -> None:
        super().__init__()
        self.linear = nn.Linear(pixels, 1)
        nn.init.constant_(self.linear.weight, 0.2)
        nn.init.zeros_(self.linear.bias)
        self.rate, self.stray = rate, stray
        self.precision = torch.float64
        self.compiled = 0

    def compile_networks(self) -> None:
        self.compiled += 1

    def identity(self) -> dict[str, object]:
        return {"rate": self.rate, "parts": (1, 2)}

    def rate_factor(self, step: int) -> float:
        return 1.0

    def completed(self, identity: dict[str, object]) -> dict[str, object]:
        return identity

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"network": torch.optim.Adam(self.parameters(), lr=self.rate)}

    def phase(self, step: int) -> str:
        return "early" if step < 5 else "late"

    def before_step(self, step: int, data: Pictures) -> dict[str, object]:
        return {"of": len(data)} if step == 5 else {}

    def training_step(self, batch: Batch, optimizers: dict) -> dict[str, Tensor]:
        self.stray(batch.step)
        flat = batch.images.flatten(1)
        left = nn.functional.dropout(flat, training=self.training)  # drawn from torch's own generator
        loss = nn.functional.mse_loss(self.linear(left)[:, 0], flat.sum(1))
        optimizers["network"].zero_grad()
        loss.backward()
        optimizers["network"].step()
        return {"error": loss.detach()}


TWELVE = Schedule(steps=12, batch=4, seed=3, warmup=4, device="cpu", log_every=2, checkpoint_every=4, evaluate_every=5)


def weights(method: nn.Module) -> dict[str, list]:
    return {name: tensor.tolist() for name, tensor in method.state_dict().items()}
