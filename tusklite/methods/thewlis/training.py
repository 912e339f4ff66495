"""How landmark detectors are trained: two warped views, alignment and diversity (Thewlis et al. 2017, eq. 9)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tusklite import losses
from tusklite.geometry import ThinPlateSpline
from tusklite.methods.base import Batch, Method, Optimizers, adam, require_finite_maps, total_of
from tusklite.methods.thewlis.model import FactorizedLandmarks
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.views import draw_views
from tusklite.ops.keypoints import spatial_softmax


class SiameseMaps(NamedTuple):
    """The landmarks' probability maps in two views of each image.

    Attributes:
        probs: `(B, K, h, w)` in the first view.
        warped_probs: `(B, K, h, w)` in the second one.
        warp: the B warps from the second view to the first.
    """

    probs: Tensor
    warped_probs: Tensor
    warp: ThinPlateSpline


class ThewlisTraining(Method[FactorizedLandmarks, ThewlisOptions, SiameseMaps]):
    """A landmark detector with its optimisation, as `tusklite.train.fit` wants it (Thewlis et al. 2017, eq. 9).

    Args:
        model: the detector to train.
        options: weights and warps.
        seed: of everything that is drawn.

    Raises:
        TypeError, ValueError: a seed out of range, or squares of the diversity that do not divide the map.
    """

    def __init__(self, model: FactorizedLandmarks, options: ThewlisOptions, seed: int = 0) -> None:
        super().__init__(model, options, seed)
        side = model.config.image_size // 2
        if side % options.pool:
            raise ValueError(f"pool: {options.pool} was given; allowed is a number that divides the map's side {side}")

    def phase(self, step: int) -> str:
        """The training has one part only."""
        return "landmarks"

    def networks(self) -> list[nn.Module]:
        """The detector's six layers."""
        return [self.model.network]

    def optimizers(self) -> Optimizers:
        """One Adam, with the weight decay of eq. 9; made after the module is on its device."""
        options = self.options
        settings = {"lr": options.learning_rate, "weight_decay": options.weight_decay}
        return {"network": adam(self.parameters(), **settings)}

    def see(self, batch: Batch, generator: torch.Generator) -> SiameseMaps:
        """Two views of each image, and the same network's maps of both."""
        views = draw_views(batch.images, self.model.config.image_size, self.options, generator)
        with self.autocast(batch.images.device):
            scores = self.model.network(torch.cat([views.first, views.second]))
        require_finite_maps({"the score maps are": scores})
        probs, warped_probs = spatial_softmax(scores.float()).chunk(2)
        return SiameseMaps(probs, warped_probs, views.warp)

    def loss_terms(self, seen: SiameseMaps, step: int) -> dict[str, Tensor]:
        """Alignment, and the diversity of each view (Thewlis et al. 2017, eq. 9); its weight decay is Adam's."""
        grid = seen.warp.grid(*seen.probs.shape[2:])
        diverse = (losses.diversity_loss(maps, self.options.pool) for maps in (seen.probs, seen.warped_probs))
        return {
            "alignment": losses.probability_alignment_loss(seen.probs, seen.warped_probs, grid),
            "diversity": total_of(diverse),
        }
