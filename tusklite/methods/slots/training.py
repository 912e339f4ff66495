"""How slots are trained: redraw the images, nothing else."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tusklite import losses
from tusklite.methods.base import Batch, Method, new_method, require_finite_maps
from tusklite.methods.slots.model import SlotAttention, SlotConfig
from tusklite.methods.slots.options import SlotOptions


class SlotTraining(Method[SlotAttention, SlotOptions, tuple[Tensor, Tensor]]):
    """Slot attention with its optimisation, as `tusklite.train.fit` wants it.

    Published are adjusted Rand indices of .995 ± .002 on Tetrominoes and .988 ± .003 on CLEVR6, quoted in TUSK
    (Jin et al. 2022, table 2); the authors' code takes 500,000 steps for that.

    Args:
        model: the network to train.
        options: weight and rate.
        seed: of everything that is drawn.

    Raises:
        TypeError, ValueError: a seed out of range.
    """

    @classmethod
    def new(cls, config: SlotConfig, options: SlotOptions, seed: int = 0) -> SlotTraining:
        """An untrained network with its optimisation: the same weights for the same seed."""
        return new_method(lambda: cls(SlotAttention(config), options, seed), seed)

    def networks(self) -> list[nn.Module]:
        """Encoder and decoder."""
        return [self.model.encoder, self.model.decoder]

    def see(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images and what slots redraw of them; slots are attended to in float32 at any precision."""
        images, config = batch.images, self.model.config
        noise = torch.randn(len(images), config.slots, config.slot_size, generator=generator).to(images.device)
        with self.autocast(images.device):
            features = self.model.encode(images)
        require_finite_maps({"the features are": features})
        slots, _ = self.model.attend(features.float(), noise)
        with self.autocast(images.device):
            pictures, logits = self.model.decode(slots, images.shape[2:])
        return images, (pictures.float() * logits.float().softmax(dim=1)[:, :, None]).sum(dim=1)

    def loss_terms(self, seen: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
        """The squared error of the images redrawn."""
        return {"reconstruction": losses.mse_loss(seen[1], seen[0])}
