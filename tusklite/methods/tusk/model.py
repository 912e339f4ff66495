"""TUSK (Jin et al. 2022): an image becomes K keypoints with descriptors, and an image again."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import require_choice, require_integer, require_number, require_tensor
from tusklite.methods.tusk.background import BackgroundLayer
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.decoder_input import PrototypeCodes, coarse_copy, peak_scale
from tusklite.methods.tusk.position import PositionRegression
from tusklite.methods.weights import FoundKeypoints, KeypointModel
from tusklite.nets.heatmap_head import HeatmapHead
from tusklite.nets.unet import UNet
from tusklite.ops.aggregation import alpha_blend, score_weighted_sum, separate_splats
from tusklite.ops.canvases import greedy_choice, local_canvases, paste
from tusklite.ops.keypoints import Keypoints, detect_keypoints, sample_descriptors
from tusklite.ops.prototypes import Prototypes

DARKEST = 1e-6  # a blended pixel is at least so far from 0 and 1, or its logit would be infinite


class TUSKOutput(NamedTuple):
    """What TUSK says of a batch of images.

    Attributes:
        heatmap: `(B, 1, h, w)` in (0, 1).
        features: `(B, C, h, w)`.
        keypoints: `Keypoints`, strongest first.
        descriptors: `(B, K, C)` of unit length, as the decoder and the prototypes get them.
        assignment: `(B, K)` nearest prototype of each keypoint.
        reconstruction: `(B, channels, H, W)`.
        layers: `(B, K, channels + 1, H, W)` what each keypoint draws alone, and its logit of alpha; None where all are
            drawn in one pass. A slot that was left empty by choice has a logit of minus infinity.
        masks: `(B, K, H, W)` who painted which pixel; with a background they sum to what it leaves. None as above.
    """

    heatmap: Tensor
    features: Tensor
    keypoints: Keypoints
    descriptors: Tensor
    assignment: Tensor
    reconstruction: Tensor
    layers: Tensor | None = None
    masks: Tensor | None = None


class TUSK(KeypointModel):
    """Encoder, keypoint detector, prototypes and decoder (Jin et al. 2022, figure 2).

    Args:
        config: the shape of the network.

    Example:
        >>> model = TUSK(TUSKConfig(keypoints=2, prototypes=3, width=8, levels=2, groups=8, stem=2, window=5))
        >>> output = model.eval()(torch.rand(1, 1, 20, 24))
        >>> output.keypoints.xy.shape, output.assignment.shape, output.reconstruction.shape
        (torch.Size([1, 2, 2]), torch.Size([1, 2]), torch.Size([1, 1, 20, 24]))
    """

    KIND = "tusklite-tusk"
    CONFIG = TUSKConfig
    SEES = "whole"

    def __init__(self, config: TUSKConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.descriptor_channels
        stem_channels = config.image_channels * config.stem**2
        unet: dict[str, Any] = {
            "width": config.width,
            "levels": config.levels,
            "groups": config.groups,
            "padding_mode": config.padding_mode,
        }
        self.encoder = UNet(stem_channels, channels, **unet)
        self.heatmap_head = HeatmapHead(
            channels, min(config.groups, channels), config.padding_mode, config.heatmap_scale, config.heatmap_shift
        )
        alpha_channels = config.stem**2 if config.aggregation == "alpha" else 0
        appearance = stem_channels if config.appearance else 0
        self.decoder = UNet(channels + appearance, stem_channels + alpha_channels, **unet)
        self.background = BackgroundLayer(config.background_layer, channels, config.image_channels)
        self.prototypes = Prototypes(config.prototypes, channels)
        self.standardization = nn.BatchNorm1d(channels, affine=False) if config.standardize else nn.Identity()
        self.position = PositionRegression(channels) if config.remove_position else None
        self.codes: PrototypeCodes | None = None
        if config.decoder_input == "code":
            self.codes = PrototypeCodes(config.prototypes, channels, config.code_inverse_temperature)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images `(B, channels, H, W)` to heatmaps `(B, 1, h, w)` and features `(B, C, h, w)`."""
        features = self.encoder(F.pixel_unshuffle(images, self.config.stem))
        return self.heatmap_head(features), features

    def detect(self, heatmap: Tensor, k: int | None = None) -> Keypoints:
        """The K strongest keypoints of a heatmap; another `k` than in training for images with more or fewer things."""
        k = self.config.keypoints if k is None else k
        return detect_keypoints(heatmap, k, self.config.window, self.config.temperature)

    def propose(self, heatmap: Tensor) -> Keypoints:
        """The strongest maxima of a heatmap, as many as are to be chosen among."""
        config = self.config
        k = min(config.candidates, heatmap.shape[2] * heatmap.shape[3])
        window = config.candidate_window or config.window
        return detect_keypoints(heatmap, k, config.window, config.temperature, suppression_window=window)

    def describe(self, features: Tensor, xy: Tensor) -> Tensor:
        """Descriptors `(B, K, C)` of unit length at points `(B, K, 2)`; the points get no gradient from here."""
        sampled = sample_descriptors(features, xy.detach())
        flat = self.standardization(sampled.flatten(0, 1).float())
        return F.normalize(flat, dim=-1).view_as(sampled)

    def clustering_space(self, descriptors: Tensor, xy: Tensor) -> Tensor:
        """What prototypes see: descriptors `(..., C)`, if so configured without what places `(..., 2)` tell of them."""
        if self.position is None:
            return descriptors
        return F.normalize(descriptors - self.position(xy.detach()), dim=-1)

    def assign(self, descriptors: Tensor, xy: Tensor) -> Tensor:
        """Nearest prototype `(B, K)` of descriptors `(B, K, C)` at points `(B, K, 2)`."""
        return self.prototypes.assign(self.clustering_space(descriptors, xy))

    def painted(self, descriptors: Tensor, xy: Tensor) -> Tensor:
        """What is spread around points `(B, K, 2)` for descriptors `(B, K, C)`: those, or the codes of their kinds."""
        if self.codes is not None:
            codes = self.codes(self.prototypes, self.clustering_space(descriptors, xy))
            descriptors = codes.to(descriptors.dtype)  # of lower precision under autocast
        return descriptors * peak_scale(self.config.splat_sigma) if self.config.splat_peak else descriptors

    def decode(
        self,
        xy: Tensor,
        score: Tensor,
        descriptors: Tensor,
        size: tuple[int, int],
        background: Tensor | None = None,
        images: Tensor | None = None,
    ) -> Tensor:
        """Keypoints back to an image `(B, channels, H, W)` before the output's sigmoid (Jin et al. 2022, section 3.2).

        Each descriptor is spread by a Gaussian around its point. With "sum", the score-weighted sum over keypoints goes
        through the decoder; with "alpha", each keypoint alone, and their layers are blended, before a background
        `(B, channels, H, W)` where the network has one.

        A network with an appearance also wants the images `(B, channels, H, W)` that are drawn again, of which it sees
        a few cells.

        Raises:
            ValueError: a network with a background was given none, or one without was given one; or no images for an
                appearance.
        """
        if (self.config.background_layer == "none") != (background is None):
            given = "none was given" if background is None else "one was given"
            raise ValueError(
                f"background: {given} with background_layer {self.config.background_layer!r}; allowed is one where the "
                "network has such a layer, and none where it has not"
            )
        if self.config.aggregation == "alpha":
            blended, _ = alpha_blend(self.layers(xy, score, descriptors, size), background)
            return self.to_decoded(blended)
        stem, sigma = self.config.stem, self.config.splat_sigma
        painted = self.painted(descriptors, xy)
        canvas = score_weighted_sum(xy, score, painted, size[0] // stem, size[1] // stem, sigma)
        if self.config.appearance:
            if images is None:
                raise ValueError(
                    f"images: none were given with appearance {self.config.appearance}; allowed are those to be drawn"
                )
            coarse = F.pixel_unshuffle(coarse_copy(images, self.config.appearance), stem)
            canvas = torch.cat([canvas, coarse.to(canvas.dtype)], dim=1)
        return F.pixel_shuffle(self.decoder(canvas), stem)

    def layers(self, xy: Tensor, score: Tensor, descriptors: Tensor, size: tuple[int, int]) -> Tensor:
        """Each keypoint drawn alone, `(B, K, channels + 1, H, W)`: its colours as in the image, and a logit of alpha.

        `alpha_blend` makes them one image and the masks `(B, K, H, W)`: who painted which pixel. Memory and time grow
        with K; with a small canvas, the decoder's share of them is that of its pixels.

        Raises:
            ValueError: a model whose aggregation is not "alpha".
        """
        require_choice("aggregation", self.config.aggregation, ("alpha",))
        stem, sigma, side = self.config.stem, self.config.splat_sigma, self.config.canvas
        height, width = size[0] // stem, size[1] // stem
        descriptors = self.painted(descriptors, xy)
        if side:
            maps, corner = local_canvases(xy, score, descriptors, height, width, side, sigma)
            return paste(self._drawn(maps), corner * stem, *size)
        return self._drawn(separate_splats(xy, score, descriptors, height, width, sigma))

    def _drawn(self, canvases: Tensor) -> Tensor:
        """Canvases `(B, K, C, h, w)`, each decoded alone: `(B, K, channels + 1, h stem, w stem)`, of their type."""
        decoded = F.pixel_shuffle(self.decoder(canvases.flatten(0, 1)), self.config.stem)
        # Under autocast the network is of lower precision, but not what is blended: the logit of an image of
        # eight bits could not tell its brightest pixels apart.
        decoded = decoded.unflatten(0, canvases.shape[:2]).to(canvases.dtype)
        if self.config.decoder_output == "linear":
            return decoded
        return torch.cat([decoded[:, :, :-1].sigmoid(), decoded[:, :, -1:]], dim=2)

    def to_decoded(self, blended: Tensor) -> Tensor:
        """An image blended of layers, as `decode` gives it: before the output's sigmoid, if it has one."""
        return blended.logit(DARKEST) if self.config.decoder_output == "sigmoid" else blended

    def to_image(self, decoded: Tensor) -> Tensor:
        """What `decode` gives, as an image in [0, 1]."""
        return decoded.sigmoid() if self.config.decoder_output == "sigmoid" else decoded.clamp(0, 1)

    def forward(self, images: Tensor, k: int | None = None) -> TUSKOutput:
        """Find, describe, name and redraw the keypoints of images.

        Args:
            images: `(B, channels, H, W)` in [0, 1]; H and W multiples of the stem.
            k: how many keypoints; the configuration's where None.

        Returns:
            A `TUSKOutput`.

        Raises:
            TypeError, ValueError: another shape or dtype, NaN, or values outside [0, 1].
        """
        require_tensor("images", images, ("B", self.config.image_channels, "H", "W"))
        if images.min() < 0 or images.max() > 1:
            raise ValueError(f"images: values from {images.min():g} to {images.max():g} were given; allowed are 0 to 1")
        if images.shape[2] % self.config.stem or images.shape[3] % self.config.stem:
            raise ValueError(
                f"images: size {tuple(images.shape[2:])} was given; allowed are multiples of {self.config.stem}"
            )
        heatmap, features = self.encode(images)
        size, background = (images.shape[2], images.shape[3]), self.background(images, features)
        layers = masks = None
        if self.config.candidates:
            points, descriptors, layers = self._chosen(images, heatmap, features, background, k)
        else:
            points = self.detect(heatmap, k)
            descriptors = self.describe(features, points.xy)
            if self.config.aggregation == "alpha":
                layers = self.layers(points.xy, points.score, descriptors, size)
        if layers is None:
            decoded = self.decode(points.xy, points.score, descriptors, size, images=images)
        else:
            blended, masks = alpha_blend(layers, background)
            decoded = self.to_decoded(blended)
        assignment = self.assign(descriptors, points.xy)
        return TUSKOutput(heatmap, features, points, descriptors, assignment, self.to_image(decoded), layers, masks)

    def find_keypoints(self, images: Tensor, k: int | None = None) -> FoundKeypoints:
        """The K strongest keypoints; those that draw the image best where the configuration has candidates.

        Nothing is drawn where it need not be. The score is the heatmap's value.

        Raises:
            TypeError, ValueError: as for `forward`.
        """
        if self.config.candidates:
            output = self(images, k)
            points, prototype = output.keypoints, output.assignment
        else:
            require_tensor("images", images, ("B", self.config.image_channels, "H", "W"))
            heatmap, features = self.encode(images)
            points = self.detect(heatmap, k)
            prototype = self.assign(self.describe(features, points.xy), points.xy)
        return FoundKeypoints(points.xy, points.score, prototype, points.found)

    def _chosen(
        self, images: Tensor, heatmap: Tensor, features: Tensor, background: Tensor | None, k: int | None
    ) -> tuple[Keypoints, Tensor, Tensor]:
        """At most K of the candidates, strongest first, with descriptors and layers; the slots left over are empty."""
        assert background is not None  # the configuration refuses candidates without one
        most = self.config.keypoints if k is None else require_integer("k", k, low=1, high=self.config.candidates)
        points = self.propose(heatmap)
        descriptors = self.describe(features, points.xy)
        layers = self.layers(points.xy, points.score, descriptors, (images.shape[2], images.shape[3]))
        layers = _without_alpha(layers, ~points.found)
        kept = greedy_choice(images, layers, background, self.config.least_gain, most)
        slots = kept.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
        scenes = torch.arange(len(images), device=images.device).unsqueeze(1)
        empty = ~kept[scenes, slots]
        xy, score, index = (field[scenes, slots] for field in points)
        points = Keypoints(
            xy.masked_fill(empty.unsqueeze(-1), 0), score.masked_fill(empty, 0), index.masked_fill(empty, -1)
        )
        return points, descriptors[scenes, slots], _without_alpha(layers[scenes, slots], empty)

    @torch.no_grad()
    def prototype_images(self, size: int = 28, shade: float = 0.0) -> Tensor:
        """What each prototype looks like: one keypoint with its mean as descriptor, decoded alone.

        Args:
            size: height and width in pixels, a multiple of the stem.
            shade: of the background and of the appearance, in [0, 1], where the network has them; others have painted
                their own.

        Returns:
            `(M, channels, size, size)` in [0, 1].

        Raises:
            TypeError, ValueError: another size.
        """
        require_integer("size", size, low=1)
        require_number("shade", shade, high=1.0)
        if size % self.config.stem:
            raise ValueError(f"size: {size} was given; allowed are multiples of {self.config.stem}")
        means = F.normalize(self.prototypes.means, dim=1).unsqueeze(1)  # (M, 1, C)
        centre = means.new_zeros(len(means), 1, 2)
        if self.position is not None:
            means = F.normalize(means + self.position(centre), dim=-1)
        shaded = means.new_full((len(means), self.config.image_channels, size, size), shade)
        behind = None if self.config.background_layer == "none" else shaded
        score = means.new_ones(len(means), 1)
        return self.to_image(self.decode(centre, score, means, (size, size), behind, shaded))


def _without_alpha(layers: Tensor, empty: Tensor) -> Tensor:
    """Layers `(B, K, channels + 1, H, W)` of which those of empty slots `(B, K)` take no share of any pixel."""
    alpha = layers[:, :, -1:].masked_fill(empty.view(*empty.shape, 1, 1, 1), -torch.inf)
    return torch.cat([layers[:, :, :-1], alpha], dim=2)
