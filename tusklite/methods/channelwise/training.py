"""How a channel-wise detector is trained: redraw the images, agree across views, be diverse."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor, nn

from tusklite import losses
from tusklite.arguments import require_integer
from tusklite.geometry import WARPS, random_tps, warp_images
from tusklite.methods.base import NonFiniteLoss, network_step, step_generator
from tusklite.methods.channelwise.model import ChannelwiseConfig, ChannelwiseDetector
from tusklite.methods.channelwise.options import ChannelwiseOptions


class ChannelwiseTraining(nn.Module):
    """A channel-wise detector with its optimisation, as `tusklite.train.loop.fit` wants it.

    Args:
        model: the detector to train.
        options: weights and warp.
        seed: of everything that is drawn.

    Raises:
        TypeError, ValueError: a seed out of range.
    """

    def __init__(self, model: ChannelwiseDetector, options: ChannelwiseOptions, seed: int = 0) -> None:
        super().__init__()
        self.seed = require_integer("seed", seed, low=0)
        self.model = model
        self.options = options
        self.precision = torch.float32

    @classmethod
    def new(cls, config: ChannelwiseConfig, options: ChannelwiseOptions, seed: int = 0) -> ChannelwiseTraining:
        """An untrained detector with its optimisation: the same weights for the same seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(ChannelwiseDetector(config), options, seed)

    def identity(self) -> dict[str, object]:
        """All settings that a checkpoint of this training must share."""
        return {"model": asdict(self.model.config), "training": asdict(self.options), "seed": self.seed}

    def phase(self, step: int) -> str:
        """The training has one part only."""
        return "autoencoder"

    def compile_networks(self) -> None:
        """Compile encoder and decoder, where the time goes."""
        self.model.encoder.compile()
        self.model.decoder.compile()

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam; made after the module is on its device."""
        return {"network": torch.optim.Adam(self.parameters(), lr=self.options.learning_rate)}

    def before_step(self, step: int, data: object) -> dict[str, object]:
        """Nothing happens between steps."""
        return {}

    def training_step(
        self, images: Tensor, step: int, optimizers: dict[str, torch.optim.Optimizer]
    ) -> dict[str, Tensor]:
        """Move the network on one batch of images and their warped twins.

        Args:
            images: `(B, C, H, W)` in [0, 1].
            step: number of this step, from 0.
            optimizers: what `optimizers()` gave.

        Returns:
            Each loss term as a scalar without gradient.

        Raises:
            NonFiniteLoss: score maps, a loss term or the gradient are not finite; no weight has changed by then.
        """
        warp = random_tps(len(images), WARPS[self.options.warp], step_generator(self.seed, step), device=images.device)
        views = torch.cat([images, warp_images(images, warp.grid(*images.shape[2:]))])
        with torch.autocast(images.device.type, self.precision, enabled=self.precision != torch.float32):
            scores, features = self.model.encode(views)
            if not torch.isfinite(scores).all():
                raise NonFiniteLoss(f"step {step}: the score maps are not finite")
            output = self.model.through_points(scores, features)
        probs, warped_probs = output.probs.chunk(2)
        grid = warp.grid(*probs.shape[2:])
        terms = {
            "reconstruction": losses.cross_entropy_loss(output.decoded.float(), views),
            "equivariance": losses.probability_alignment_loss(probs, warped_probs, grid),
            "diversity": sum(losses.diversity_loss(maps, self.options.pool) for maps in (probs, warped_probs)),
        }
        values = {name: value.detach() for name, value in terms.items()}
        weights = {"reconstruction": 1.0} | {
            name: getattr(self.options, name) for name in ("equivariance", "diversity")
        }
        total = sum(weight * terms[name] for name, weight in weights.items())
        network_step(total, values, optimizers["network"], step)
        return values
