"""TUSK (Jin et al. 2022): an image becomes K keypoints with descriptors, and an image again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import require_choice, require_integer, require_number, require_tensor
from tusklite.methods.tusk.background import BACKGROUNDS, BackgroundLayer
from tusklite.methods.tusk.decoder_input import INPUTS, PrototypeCodes, coarse_copy, peak_scale
from tusklite.methods.tusk.position import PositionRegression
from tusklite.methods.weights import FoundKeypoints, KeypointModel
from tusklite.nets.heatmap_head import HeatmapHead
from tusklite.nets.unet import MOST_CHANNELS, PADDING_MODES, UNet, require_unet_shape
from tusklite.ops.aggregation import alpha_blend, score_weighted_sum, separate_splats
from tusklite.ops.canvases import greedy_choice, local_canvases, paste
from tusklite.ops.keypoints import Keypoints, detect_keypoints, sample_descriptors
from tusklite.ops.prototypes import Prototypes

DARKEST = 1e-6  # a blended pixel is at least so far from 0 and 1, or its logit would be infinite


@dataclass(frozen=True)
class TUSKConfig:
    """The shape of a TUSK network. The defaults are the paper's on MNIST-Hard, read with the authors' code.

    Attributes:
        keypoints: K, how many keypoints an image has.
        prototypes: M, how many kinds of keypoint there are.
        image_channels: 1 for grey, 3 for colour.
        descriptor_channels: C.
        width: channels of the U-Nets' first level.
        levels: resolutions of the U-Nets.
        groups: groups of the normalisations.
        window: odd side of the non-maximum suppression and soft-argmax, in pixels of the map.
        temperature: of the soft-argmax.
        splat_sigma: standard deviation of the decoder's Gaussians, in pixels of the map.
        stem: beyond the paper where above 1. The networks work on maps that are so many times smaller than
            the image (pixels move into channels, nothing is lost): a step costs a quarter at 2.
        decoder_output: "linear" as in the paper, or "sigmoid" for a reconstruction by cross-entropy.
        standardize: beyond the paper. Each channel of the sampled descriptors is brought to mean 0 and
            variance 1 over the batch before they get length 1; without it they lie in a narrow cone and
            hardly differ.
        remove_position: beyond the paper. What a descriptor tells of its place in the image is taken out
            before clustering; without it some seeds sort the digits by height in the image.
        padding_mode: what convolutions see beyond the border, "zeros" as in the paper. Beyond it, "replicate": a
            network that sees zeros there can tell where it is, and some seeds make a cluster of the digits near one
            edge.
        aggregation: "sum" draws all keypoints in one pass of the decoder; "alpha" draws each alone and blends, which
            takes K passes and gives a mask for each.
        canvas: beyond the paper where above 0, and for "alpha" alone. Each keypoint is drawn on a square canvas of so
            many pixels of the map around its own, and pasted: less work, and the decoder cannot tell where it is.
        background_layer: beyond the paper but for "none", and for "alpha" alone: one more layer, of alpha's logit 0,
            behind what keypoints draw. "black"; "surface", a smooth one through most of the image's own pixels, without
            parameters; "learned", a coarse picture from the mean of the features.
        candidates: beyond the paper where above 0. Outside training, so many maxima are drawn, and up to K are kept,
            one by one, each time the one that lessens the error most.
        least_gain: beyond the paper, as above. By how much it has to, in pixels of squared error, or the choice ends:
            the number of things.
        candidate_window: beyond the paper where above 0. Odd side of the suppression's window among candidates; 0:
            `window`. A smaller one finds maxima that stand closer together than in training.
        heatmap_scale: beyond the paper where not 1. Where the heatmap's last normalisation starts.
        heatmap_shift: beyond the paper where not 0. The same of its shift: at scale 2 and shift -2 most of the map is
            dark from the first step on.
        decoder_input: "descriptor", or beyond the paper "code": a learnt vector of the keypoint's prototype, by soft
            assignment. A free descriptor lets a keypoint lie anywhere and still say what the image looks like.
        code_inverse_temperature: multiplies the cosine before the softmax of that assignment.
        splat_peak: beyond the paper. The decoder's Gaussians have a peak of 1 and do not sum to 1: wide ones are as
            bright as narrow ones.
        appearance: beyond the paper where above 0, and for "sum" alone. Beside the keypoints, the decoder gets the
            image averaged to so many rows and columns: colour and light need not go through keypoints.
    """

    keypoints: int = 9
    prototypes: int = 10
    image_channels: int = 1
    descriptor_channels: int = 32
    width: int = 32
    levels: int = 4
    groups: int = 32
    window: int = 13
    temperature: float = 0.2
    splat_sigma: float = 0.05**0.5
    stem: int = 1
    decoder_output: str = "linear"
    standardize: bool = False
    remove_position: bool = False
    padding_mode: str = "zeros"
    aggregation: str = "sum"
    canvas: int = 0
    background_layer: str = "none"
    candidates: int = 0
    least_gain: float = 0.0
    candidate_window: int = 0
    heatmap_scale: float = 1.0
    heatmap_shift: float = 0.0
    decoder_input: str = "descriptor"
    code_inverse_temperature: float = 12.5
    splat_peak: bool = False
    appearance: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no network can have."""
        plain: dict[str, object] = {
            name: require_integer(name, getattr(self, name), low=1, high=high)
            for name, high in (
                ("keypoints", 1000),
                ("prototypes", 10_000),
                ("image_channels", 16),
                ("descriptor_channels", MOST_CHANNELS),
                ("stem", 16),
            )
        }
        for name in ("canvas", "candidates"):
            plain[name] = require_integer(name, getattr(self, name), low=0, high=1000)
        window = require_integer(
            "candidate_window", self.candidate_window, low=0, high=99, odd=self.candidate_window != 0
        )
        plain["candidate_window"] = window
        plain["least_gain"] = require_number("least_gain", self.least_gain)
        shape = require_unet_shape(self.width, self.levels, self.groups)
        plain |= zip(("width", "levels", "groups"), shape, strict=True)
        plain["window"] = require_integer("window", self.window, low=1, high=99, odd=True)
        for name in ("temperature", "splat_sigma", "heatmap_scale", "code_inverse_temperature"):
            plain[name] = require_number(name, getattr(self, name), open_low=True)
        plain["heatmap_shift"] = require_number("heatmap_shift", self.heatmap_shift, low=-100.0, high=100.0)
        plain["appearance"] = require_integer("appearance", self.appearance, low=0, high=64)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        require_choice("padding_mode", self.padding_mode, PADDING_MODES)
        require_choice("decoder_output", self.decoder_output, ("linear", "sigmoid"))
        require_choice("aggregation", self.aggregation, ("sum", "alpha"))
        require_choice("background_layer", self.background_layer, BACKGROUNDS)
        require_choice("decoder_input", self.decoder_input, INPUTS)
        if self.appearance and self.aggregation != "sum":
            raise ValueError(
                f"appearance: {self.appearance} was given with aggregation {self.aggregation!r}; allowed is 0, or 'sum'"
            )
        if self.aggregation == "sum" and (self.canvas or self.background_layer != "none"):
            name = "canvas" if self.canvas else "background_layer"
            raise ValueError(
                f"{name}: {getattr(self, name)!r} was given with aggregation 'sum'; allowed is 'alpha', which draws "
                "each keypoint alone"
            )
        if self.candidates and (self.background_layer == "none" or self.candidates < self.keypoints):
            raise ValueError(
                f"candidates: {self.candidates} was given with background_layer {self.background_layer!r} and "
                f"{self.keypoints} keypoints; allowed are at least as many as keypoints, before a background"
            )
        if not self.candidates and (self.least_gain or self.candidate_window):
            name = "least_gain" if self.least_gain else "candidate_window"
            raise ValueError(f"{name}: {getattr(self, name)} was given without candidates; allowed is 0")


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
            descriptors = self.codes(self.prototypes, self.clustering_space(descriptors, xy))
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
        """Canvases `(B, K, C, h, w)`, each decoded alone: `(B, K, channels + 1, h stem, w stem)`."""
        decoded = F.pixel_shuffle(self.decoder(canvases.flatten(0, 1)), self.config.stem)
        decoded = decoded.unflatten(0, canvases.shape[:2])
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
