"""How a channel-wise detector is trained: redraw the images, agree across views, be diverse."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tusklite import losses
from tusklite.geometry import WARPS, ThinPlateSpline, random_tps, warp_images
from tusklite.methods.base import Batch, Method, new_method, require_finite_maps, total_of
from tusklite.methods.channelwise.model import ChannelwiseConfig, ChannelwiseDetector, ChannelwiseOutput
from tusklite.methods.channelwise.options import ChannelwiseOptions


class ChannelwiseViews(NamedTuple):
    """A batch of images and their warped twins, through the detector; N = 2 B.

    Attributes:
        images: `(N, C, H, W)`, the B images first.
        warp: the B warps from the images to their twins.
        output: of all views.
    """

    images: Tensor
    warp: ThinPlateSpline
    output: ChannelwiseOutput


class ChannelwiseTraining(Method[ChannelwiseDetector, ChannelwiseOptions, ChannelwiseViews]):
    """A channel-wise detector with its optimisation, as `tusklite.train.fit` wants it.

    Args:
        model: the detector to train.
        options: weights and warp.
        seed: of everything that is drawn.

    Raises:
        TypeError, ValueError: a seed out of range.
    """

    @classmethod
    def new(cls, config: ChannelwiseConfig, options: ChannelwiseOptions, seed: int = 0) -> ChannelwiseTraining:
        """An untrained detector with its optimisation: the same weights for the same seed."""
        return new_method(lambda: cls(ChannelwiseDetector(config), options, seed), seed)

    def phase(self, step: int) -> str:
        """The training has one part only."""
        return "autoencoder"

    def networks(self) -> list[nn.Module]:
        """Encoder and decoder."""
        return [self.model.encoder, self.model.decoder]

    def see(self, batch: Batch, generator: torch.Generator) -> ChannelwiseViews:
        """Images and their warped twins, through points and back. Points are read in float32 at any precision."""
        images = batch.images
        warp = random_tps(len(images), WARPS[self.options.warp], generator, device=images.device)
        views = torch.cat([images, warp_images(images, warp.grid(*images.shape[2:]))])
        with self.autocast(images.device):
            scores, features = self.model.encode(views)
        require_finite_maps({"the score maps are": scores})
        points = self.model.read_points(scores, features)
        with self.autocast(images.device):
            decoded = self.model.decode(points.canvas)
        return ChannelwiseViews(
            views, warp, ChannelwiseOutput(points.probs, points.xy, points.descriptors, decoded.float())
        )

    def loss_terms(self, seen: ChannelwiseViews, step: int) -> dict[str, Tensor]:
        """Reconstruction, alignment of the maps across the views, and what keeps the channels apart."""
        probs, warped_probs = seen.output.probs.chunk(2)
        grid = seen.warp.grid(*probs.shape[2:])
        return {
            "reconstruction": losses.cross_entropy_loss(seen.output.decoded, seen.images),
            "equivariance": losses.probability_alignment_loss(probs, warped_probs, grid),
            "diversity": total_of(losses.diversity_loss(maps, self.options.pool) for maps in (probs, warped_probs)),
        }
