"""Slots that compete for the pixels of an image, each drawn by itself (Locatello et al. 2020).

Every place of a feature map is shared out among the slots by a softmax over them: what one explains is lost to the
others. Nothing tells slots apart but the noise that they start from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tusklite.arguments import require_integer, require_tensor
from tusklite.methods.weights import KeypointModel


@dataclass(frozen=True)
class SlotConfig:
    """The shape of a network of slots. The defaults are the authors', for CLEVR with up to six objects.

    Attributes:
        slots: K, one more than the objects: the background takes one. 4 for Tetrominoes.
        image_channels: 1 for grey, 3 for colour.
        width: channels of the convolutions.
        slot_size: D, numbers in a slot.
        iterations: rounds of attention.
        encoder_stride: of the first convolution; beyond the paper where above 1.
        decoder_strides: of its 5x5 layers. Slots are spread over a grid that is so many times smaller than the image;
            (1, 1, 1) for Tetrominoes, which are drawn on a grid of their 35x35 pixels.
    """

    slots: int = 7
    image_channels: int = 3
    width: int = 64
    slot_size: int = 64
    iterations: int = 3
    encoder_stride: int = 1
    decoder_strides: tuple[int, ...] = (2, 2, 2, 2, 1)

    def __post_init__(self) -> None:
        """Refuse values that no network can have."""
        most = {"slots": 100, "image_channels": 16, "width": 1024, "slot_size": 1024, "iterations": 100}
        for name, high in (most | {"encoder_stride": 16}).items():
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low=1, high=high))
        strides = tuple(require_integer("decoder_strides", each, low=1, high=4) for each in self.decoder_strides)
        require_integer("decoder_strides", len(strides), low=1, high=8)
        object.__setattr__(self, "decoder_strides", strides)


class SlotOutput(NamedTuple):
    """What slots say of a batch of images.

    Attributes:
        decoded: `(B, channels, H, W)` the images redrawn: the pictures, mixed by the masks.
        masks: `(B, K, H, W)` the share of each slot in each pixel, summing to 1 over slots.
        pictures: `(B, K, channels, H, W)` what each slot draws.
        slots: `(B, K, D)`.
        attention: `(B, K, N)` the share of each slot in each of the N places of the feature map, in the last round.
    """

    decoded: Tensor
    masks: Tensor
    pictures: Tensor
    slots: Tensor
    attention: Tensor


class SoftPosition(nn.Linear):
    """Adds to maps `(B, C, h, w)` a linear function of where each place is: its distances from the four sides."""

    def __init__(self, channels: int) -> None:
        super().__init__(4, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """The maps with their places."""
        sides = [torch.linspace(0, 1, size, dtype=self.weight.dtype, device=maps.device) for size in maps.shape[2:]]
        grid = torch.stack(torch.meshgrid(*sides, indexing="ij"), dim=-1)
        return maps + super().forward(torch.cat([grid, 1 - grid], dim=-1)).permute(2, 0, 1)


class SlotAttention(KeypointModel):
    """An autoencoder through K slots (Locatello et al. 2020).

    Args:
        config: the shape of the network.

    Example:
        >>> model = SlotAttention(SlotConfig(slots=4, width=8, slot_size=8, decoder_strides=(1, 1, 1))).eval()
        >>> output = model(torch.rand(2, 3, 35, 35))
        >>> output.decoded.shape, output.masks.shape
        (torch.Size([2, 3, 35, 35]), torch.Size([2, 4, 35, 35]))
    """

    KIND = "tusklite-slots"
    CONFIG = SlotConfig

    def __init__(self, config: SlotConfig) -> None:
        super().__init__()
        self.config = config
        width, size = config.width, config.slot_size
        strides = (config.encoder_stride, 1, 1, 1)
        channels = (config.image_channels, width, width, width)
        convolutions = [nn.Conv2d(c, width, 5, s, padding=2) for c, s in zip(channels, strides, strict=True)]
        layers = [layer for convolution in convolutions for layer in (convolution, nn.ReLU())]
        self.encoder = nn.Sequential(*layers, SoftPosition(width))
        self.features = _perceptron(width, width, width)
        self.means, self.log_spreads = (nn.Parameter(torch.empty(size)) for _ in range(2))
        self.norm_features, self.norm_slots = nn.LayerNorm(width), nn.LayerNorm(size)
        self.queries = nn.Linear(size, size, bias=False)
        self.keys, self.values = (nn.Linear(width, size, bias=False) for _ in range(2))
        self.update, self.refine = nn.GRUCell(size, size), _perceptron(size, 128, size)
        drawing: list[nn.Module] = [SoftPosition(size)]
        for number, s in enumerate(config.decoder_strides):
            drawing += [nn.ConvTranspose2d(width if number else size, width, 5, s, 2, output_padding=s - 1), nn.ReLU()]
        self.decoder = nn.Sequential(*drawing, nn.Conv2d(width, config.image_channels + 1, 3, padding=1))
        for module in self.modules():  # as Keras starts its layers
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for parameter in (self.means, self.log_spreads):
            nn.init.uniform_(parameter, -((6 / (1 + size)) ** 0.5), (6 / (1 + size)) ** 0.5)

    def forward(self, images: Tensor, noise: Tensor | None = None) -> SlotOutput:
        """Share the images out among slots, and redraw them.

        Args:
            images: `(B, channels, H, W)` in [0, 1]; H and W multiples of the product of the decoder's strides.
            noise: `(B, K, D)` standard normal, what the slots start from; None: the same for every image and call.

        Raises:
            TypeError, ValueError: another shape or dtype, or NaN.
        """
        config = self.config
        require_tensor("images", images, ("B", config.image_channels, "H", "W"))
        if noise is None:
            fixed = torch.randn(config.slots, config.slot_size, generator=torch.Generator().manual_seed(0))
            noise = fixed.to(images).expand(len(images), -1, -1)
        require_tensor("noise", noise, (len(images), config.slots, config.slot_size))
        slots, attention = self.attend(self.encode(images), noise)
        pictures, logits = self.decode(slots, images.shape[2:])
        masks = logits.softmax(dim=1)
        return SlotOutput((pictures * masks[:, :, None]).sum(dim=1), masks, pictures, slots, attention)

    def encode(self, images: Tensor) -> Tensor:
        """Images `(B, channels, H, W)` in [0, 1] to features `(B, N, C)`."""
        return self.features(self.encoder(2 * images - 1).flatten(2).mT)

    def attend(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(B, N, C)` and noise `(B, K, D)` to slots `(B, K, D)` and their attention `(B, K, N)`."""
        features = self.norm_features(features)
        keys, values = self.keys(features), self.values(features)
        slots, attention = self.means + self.log_spreads.exp() * noise, keys.mT
        for _ in range(self.config.iterations):
            queries = self.queries(self.norm_slots(slots)) * self.config.slot_size**-0.5
            attention = (queries @ keys.mT).softmax(dim=1)  # over the slots: they compete
            weights = attention + 1e-8
            seen = weights / weights.sum(dim=2, keepdim=True) @ values
            slots = self.update(seen.flatten(0, 1), slots.flatten(0, 1)).view_as(slots)
            slots = slots + self.refine(slots)
        return slots, attention

    def decode(self, slots: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
        """Slots `(B, K, D)` to pictures `(B, K, channels, H, W)`, about [0, 1], and logits of masks `(B, K, H, W)`.

        Raises:
            ValueError: a size that is no multiple of the product of the strides.
        """
        times = math.prod(self.config.decoder_strides)
        if size[0] % times or size[1] % times:
            raise ValueError(f"images: size {tuple(size)} was given; allowed are multiples of {times}")
        spread = slots.flatten(0, 1)[:, :, None, None].expand(-1, -1, size[0] // times, size[1] // times)
        drawn = self.decoder(spread).unflatten(0, slots.shape[:2])
        return (drawn[:, :, :-1] + 1) / 2, drawn[:, :, -1]


def _perceptron(size: int, hidden: int, out: int) -> nn.Sequential:
    """Two layers on what is brought to one scale first."""
    return nn.Sequential(nn.LayerNorm(size), nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, out))
