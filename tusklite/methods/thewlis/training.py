"""How landmark detectors are trained: two warped views, alignment and diversity (Thewlis et al. 2017, eq. 9)."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor, nn

from tusklite import losses
from tusklite.arguments import require_integer
from tusklite.methods.base import NonFiniteLoss, network_step, step_generator
from tusklite.methods.thewlis.model import FactorizedLandmarks
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.views import draw_views
from tusklite.ops.keypoints import spatial_softmax


class ThewlisTraining(nn.Module):
    """A landmark detector with its optimisation, as `tusklite.train.loop.fit` wants it.

    Args:
        model: the detector to train.
        options: weights and warps.
        seed: of everything that is drawn.

    Raises:
        TypeError, ValueError: a seed out of range, or squares of the diversity that do not divide the map.
    """

    def __init__(self, model: FactorizedLandmarks, options: ThewlisOptions, seed: int = 0) -> None:
        super().__init__()
        self.seed = require_integer("seed", seed, low=0)
        side = model.config.image_size // 2
        if side % options.pool:
            raise ValueError(f"pool: {options.pool} was given; allowed is a number that divides the map's side {side}")
        self.model = model
        self.options = options
        self.precision = torch.float32

    def identity(self) -> dict[str, object]:
        """All settings that a checkpoint of this training must share."""
        return {"model": asdict(self.model.config), "training": asdict(self.options), "seed": self.seed}

    def phase(self, step: int) -> str:
        """The training has one part only."""
        return "landmarks"

    def compile_networks(self) -> None:
        """Compile the detector's network, where the time goes."""
        self.model.network.compile()

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam, with the weight decay of eq. 9; made after the module is on its device."""
        rates = {"lr": self.options.learning_rate, "weight_decay": self.options.weight_decay}
        return {"network": torch.optim.Adam(self.parameters(), **rates)}

    def before_step(self, step: int, data: object) -> dict[str, object]:
        """Nothing happens between steps."""
        return {}

    def training_step(
        self, images: Tensor, step: int, optimizers: dict[str, torch.optim.Optimizer]
    ) -> dict[str, Tensor]:
        """Move the network on one batch of images.

        Args:
            images: `(B, C, H, W)` in [0, 1].
            step: number of this step, from 0.
            optimizers: what `optimizers()` gave.

        Returns:
            Each loss term as a scalar without gradient.

        Raises:
            NonFiniteLoss: score maps, a loss term or the gradient are not finite; no weight has changed by then.
        """
        size = self.model.config.image_size
        views = draw_views(images, size, self.options, step_generator(self.seed, step))
        with torch.autocast(images.device.type, self.precision, enabled=self.precision != torch.float32):
            scores = self.model.network(torch.cat([views.first, views.second]))
        if not torch.isfinite(scores).all():
            raise NonFiniteLoss(f"step {step}: the score maps are not finite")
        probs, warped_probs = spatial_softmax(scores.float()).chunk(2)
        grid = views.warp.grid(*probs.shape[2:])
        diverse = (losses.diversity_loss(maps, self.options.pool) for maps in (probs, warped_probs))
        terms = {"alignment": losses.probability_alignment_loss(probs, warped_probs, grid), "diversity": sum(diverse)}
        total = sum(getattr(self.options, name) * value for name, value in terms.items())
        values = {name: value.detach() for name, value in terms.items()}
        network_step(total, values, optimizers["network"], step)
        return values
