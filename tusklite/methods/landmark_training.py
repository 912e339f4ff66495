"""How landmark detectors are trained: two warped views, alignment and diversity (Thewlis et al. 2017, eq. 9)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tusklite import losses
from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.keypoints import spatial_softmax
from tusklite.methods.steps import NonFiniteLoss, network_step, step_generator
from tusklite.methods.thewlis import FactorizedLandmarks
from tusklite.warps import WARPS, ThinPlateSpline, identity_grid, random_tps, warp_images


@dataclass(frozen=True)
class LandmarkOptions:
    """Weights and warps of the training. The defaults are the paper's on faces.

    The paper measures alignment in some unit that it does not state. Here it is measured in units of [-1, 1], and the
    default weight is that of squared pixels on the paper's maps of 40 x 40.

    Attributes:
        alignment: weight of eq. 6.
        diversity: weight of eq. 8, for each of the two views.
        pool: side of the squares of its pooled form, in pixels of the map; must divide the map.
        first_warp: name of the warp g1 that makes the first view.
        second_warp: name of the warp g2 that makes the second view of the first.
        zooms: smallest and largest half-width of the square of the image that a pair of views shows. Both are 0.8 in
            the paper, which crops 80 of 100 pixels; beyond the paper, a range shows faces of many sizes.
        shift: largest offset of its centre, as a fraction of the half-width; beyond the paper where above 0.
        learning_rate: Adam's.
        weight_decay: λ of eq. 9.
    """

    alignment: float = 400.0
    diversity: float = 500.0
    pool: int = 5
    first_warp: str = "thewlis-faces-g1"
    second_warp: str = "thewlis-faces-g2"
    zooms: tuple[float, float] = (0.8, 0.8)
    shift: float = 0.0
    learning_rate: float = 1e-4
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        """Refuse values out of range; lists, as JSON gives them, become tuples."""
        for name in ("alignment", "diversity", "shift", "weight_decay"):
            require_number(name, getattr(self, name))
        require_number("learning_rate", self.learning_rate, open_low=True)
        require_integer("pool", self.pool, low=1)
        for name in ("first_warp", "second_warp"):
            require_choice(name, getattr(self, name), list(WARPS))
        if not isinstance(self.zooms, tuple | list):
            raise TypeError(f"zooms: {self.zooms!r} was given; allowed is a smallest and a largest value")
        for value in self.zooms:
            require_number("zooms", value, open_low=True, high=2.0)
        if len(self.zooms) != 2 or self.zooms[0] > self.zooms[1]:
            raise ValueError(f"zooms: {self.zooms} was given; allowed is a smallest and a largest value")
        object.__setattr__(self, "zooms", tuple(self.zooms))


class Views(NamedTuple):
    """Two views of each image.

    Attributes:
        first: `(B, C, S, S)` x, the image seen through a frame and g1.
        second: `(B, C, S, S)` x', the first view seen through g2.
        warp: the B warps g2, from the second view to the first.
    """

    first: Tensor
    second: Tensor
    warp: ThinPlateSpline


def draw_frames(batch: int, options: LandmarkOptions, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which square of each image is looked at: zooms `(B, 1, 1)` and shifts `(B, 1, 2)`, as `frame_images` takes them.

    Example:
        >>> draw_frames(1, LandmarkOptions(), torch.Generator().manual_seed(0))
        (tensor([[[0.8000]]]), tensor([[[0., -0.]]]))
    """
    low, high = options.zooms
    zoom = low + (high - low) * torch.rand(batch, 1, 1, generator=generator)
    return zoom, zoom * options.shift * (2 * torch.rand(batch, 1, 2, generator=generator) - 1)


def draw_views(images: Tensor, size: int, options: LandmarkOptions, generator: torch.Generator) -> Views:
    """Two views of each image, each sampled from the image once: the second is not a warp of blurred pixels.

    Args:
        images: `(B, C, H, W)`.
        size: side of the views in pixels.
        options: says which warps and which part of the image.
        generator: of all that is drawn.

    Returns:
        `Views`. What the second view shows beyond the first one's border is there in the image, as where the paper
        crops after it has warped.

    Example:
        >>> views = draw_views(torch.rand(2, 3, 80, 80), 32, LandmarkOptions(), torch.Generator().manual_seed(0))
        >>> views.first.shape, views.second.shape
        (torch.Size([2, 3, 32, 32]), torch.Size([2, 3, 32, 32]))
    """
    batch, device = len(images), images.device
    zoom, shift = (value.to(device) for value in draw_frames(batch, options, generator))
    first = random_tps(batch, WARPS[options.first_warp], generator, device=device)
    second = random_tps(batch, WARPS[options.second_warp], generator, device=device)
    square = identity_grid(size, size, device).view(1, -1, 2).expand(batch, -1, -1)  # (B, S S, 2)
    views = []
    for points in (square, second(square)):
        grid = (zoom * first(points) + shift).view(batch, size, size, 2)
        views.append(warp_images(images, grid.to(images.dtype), padding="reflection"))
    return Views(*views, second)


class LandmarkTraining(nn.Module):
    """A landmark detector with its optimisation, as `tusklite.training.fit` wants it.

    Args:
        model: the detector to train.
        options: weights and warps.
        seed: of everything that is drawn.

    Raises:
        TypeError, ValueError: a seed out of range, or squares of the diversity that do not divide the map.
    """

    def __init__(self, model: FactorizedLandmarks, options: LandmarkOptions, seed: int = 0) -> None:
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
