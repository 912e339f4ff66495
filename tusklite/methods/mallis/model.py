"""Two networks (Mallis et al. 2020): points with descriptors, and then a map for each landmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import require_choice, require_integer, require_number, require_tensor
from tusklite.methods.weights import FoundKeypoints, KeypointModel, refuse_k
from tusklite.nets.hourglass import Hourglass, MapHead, require_hourglass_shape, require_reduction
from tusklite.nets.unet import MOST_CHANNELS, PADDING_MODES
from tusklite.ops.keypoints import detect_keypoints, sample_descriptors

TEMPERATURE = 0.2  # of the soft-argmax that places a maximum between pixels
UNLIKELY = -2.0  # the detector's logit at first: a map that is empty nearly everywhere begins nearly empty


@dataclass(frozen=True)
class MallisConfig:
    """The shape of the networks. The defaults are the paper's on faces, completed by the authors' code.

    Attributes:
        clusters: M, how many clusters points are put into, and how many maps the second network has before merging:
            100 on faces, 250 on bodies.
        image_channels: 1 for grey, 3 for colour.
        width: channels of the features.
        stem: channels of the first convolution.
        kernel: odd side of the first convolution.
        reduction: the maps are so many times smaller than the image, 2 or 4.
        depth: how often the hourglass halves its maps.
        groups: groups of the normalisations.
        descriptor_channels: D.
        unit_descriptors: beyond the paper. Descriptors have length 1; the authors' code has them so where it clusters,
            and not in eq. 2.
        padding_mode: what convolutions see beyond the border.
        threshold: a maximum counts above it; 0.2 in the authors' code.
        window: odd side of the square in which a point suppresses others, in pixels of the map.
        points: how many points of an image are kept at most.
    """

    clusters: int = 100
    image_channels: int = 3
    width: int = 256
    stem: int = 64
    kernel: int = 7
    reduction: int = 4
    depth: int = 4
    groups: int = 32
    descriptor_channels: int = 256
    unit_descriptors: bool = False
    padding_mode: str = "zeros"
    threshold: float = 0.2
    window: int = 3
    points: int = 100

    def __post_init__(self) -> None:
        """Refuse values that no network can have; numbers of NumPy become plain ones."""
        shape = require_hourglass_shape(self.width, self.stem, self.depth, self.groups)
        plain: dict[str, object] = dict(zip(("width", "stem", "depth", "groups"), shape, strict=True))
        for name, high in (
            ("clusters", 1000),
            ("image_channels", 16),
            ("descriptor_channels", MOST_CHANNELS),
            ("points", 1000),
        ):
            plain[name] = require_integer(name, getattr(self, name), low=1, high=high)
        for name in ("kernel", "window"):
            plain[name] = require_integer(name, getattr(self, name), low=1, high=31, odd=True)
        plain["threshold"] = require_number("threshold", self.threshold, high=1.0)
        plain["reduction"] = require_reduction(self.reduction)
        require_choice("padding_mode", self.padding_mode, PADDING_MODES)
        if not isinstance(self.unit_descriptors, bool):
            raise TypeError(f"unit_descriptors: {self.unit_descriptors!r} was given; allowed are True and False")
        for name, value in plain.items():
            object.__setattr__(self, name, value)


class PointMaps(NamedTuple):
    """What the first network says of a batch of images.

    Attributes:
        heatmap: `(B, 1, h, w)` in [0, 1], one map for all landmarks.
        descriptors: `(B, D, h, w)` as the head gives them; `MallisLandmarks.describe` reads them at points.
    """

    heatmap: Tensor
    descriptors: Tensor


class PointNet(nn.Module):
    """Φ: one map on which all landmarks are, and a descriptor at each place (Mallis et al. 2020, section 3.2).

    Args:
        config: the shape.
    """

    def __init__(self, config: MallisConfig) -> None:
        super().__init__()
        self.backbone = _backbone(config)
        self.detector = MapHead(config.width, 1, config.groups, config.padding_mode)
        self.descriptor = MapHead(config.width, config.descriptor_channels, config.groups, config.padding_mode)
        bias = self.detector.last.bias
        assert bias is not None
        nn.init.constant_(bias, UNLIKELY)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The detector's map before its sigmoid `(B, 1, h, w)`, and descriptors `(B, D, h, w)`."""
        features = self.backbone(images)
        return self.detector(features), self.descriptor(features)


class LandmarkMaps(nn.Module):
    """Ψ: a map for each landmark, by detectors that are 1 x 1 convolutions of one feature map.

    (Mallis et al. 2020, section 3.3)

    Args:
        config: the shape.
    """

    def __init__(self, config: MallisConfig) -> None:
        super().__init__()
        self.backbone = _backbone(config)
        self.detectors = MapHead(config.width, config.clusters, config.groups, config.padding_mode)

    def forward(self, images: Tensor) -> Tensor:
        """Maps `(B, M, h, w)` of any real values."""
        return self.detectors(self.backbone(images))

    def start_from(self, points: PointNet) -> None:
        """Take over the first network's weights, all but those of the last layer (Mallis et al. 2020, section 4)."""
        self.backbone.load_state_dict(points.backbone.state_dict())
        self.detectors.take_all_but_last(points.detector)


class MallisLandmarks(KeypointModel):
    """Landmarks of which nobody said how many: those of M detectors that are left after merging.

    Detectors that were merged keep their map, and are not listened to: `kept` says which are left.

    Args:
        config: the shape of the networks.

    Example:
        >>> config = MallisConfig(clusters=5, width=8, stem=4, kernel=3, reduction=2, depth=1, groups=4)
        >>> model = MallisLandmarks(config).eval()
        >>> model.kept[3] = False
        >>> found = model.find_keypoints(torch.rand(2, 3, 16, 16))
        >>> found.xy.shape, found.score.shape
        (torch.Size([2, 4, 2]), torch.Size([2, 4]))
    """

    KIND = "tusklite-mallis"
    CONFIG = MallisConfig
    kept: Tensor

    def __init__(self, config: MallisConfig) -> None:
        super().__init__()
        self.config = config
        self.points = PointNet(config)
        self.landmarks = LandmarkMaps(config)
        self.register_buffer("kept", torch.ones(config.clusters, dtype=torch.bool))

    def forward(self, images: Tensor) -> PointMaps:
        """What the first network says of images `(B, channels, H, W)` in [0, 1].

        Raises:
            TypeError, ValueError: another shape or dtype.
        """
        logits, descriptors = self.points(images)
        return PointMaps(logits.float().sigmoid(), descriptors.float())

    def describe(self, descriptors: Tensor, xy: Tensor) -> Tensor:
        """Descriptors `(B, Q, D)` at points `(B, Q, 2)`, of unit length where the configuration says so."""
        read = sample_descriptors(descriptors, xy)
        return F.normalize(read, dim=-1) if self.config.unit_descriptors else read

    def find_points(self, images: Tensor) -> FoundKeypoints:
        """Points without names, as the first network sees them: maxima above the threshold, strongest first.

        Maxima of the outermost pixels are left out: beyond them may lie more.

        Args:
            images: `(B, channels, H, W)` in [0, 1].

        Returns:
            `FoundKeypoints` of `(B, points, 2)`.
        """
        return self.read_points(self(images).heatmap)

    def read_points(self, heatmap: Tensor) -> FoundKeypoints:
        """The same, of a map `(B, 1, h, w)` that is there already."""
        config = self.config
        side = torch.tensor([heatmap.shape[3], heatmap.shape[2]], device=heatmap.device)
        most = min(config.points, heatmap[0].numel())
        seen = detect_keypoints(heatmap, most, 3, TEMPERATURE, config.window)
        inside = (seen.xy.abs() < 1 - 2 / side).all(-1)
        found = seen.found & inside & (seen.score > config.threshold)
        return FoundKeypoints(torch.where(found[..., None], seen.xy, 0), seen.score, None, found)

    def find_keypoints(self, images: Tensor, k: int | None = None) -> FoundKeypoints:
        """The landmarks of images, each where its map is largest; found where that is above the threshold.

        Args:
            images: `(B, channels, H, W)` in [0, 1].
            k: None: there are as many landmarks as detectors are left.

        Raises:
            TypeError, ValueError: another shape or dtype, or a `k`.
        """
        refuse_k(k, int(self.kept.sum()))
        require_tensor("images", images, ("B", self.config.image_channels, "H", "W"))
        xy, score = read_maps(self.landmarks(images)[:, self.kept])
        return FoundKeypoints(xy, score, None, score > self.config.threshold)


def read_maps(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Where each of some maps is largest, between pixels, and how large.

    Args:
        maps: `(B, K, h, w)`.

    Returns:
        `(B, K, 2)` in [-1, 1], and `(B, K)` in [0, 1].

    Example:
        >>> maps = torch.zeros(1, 1, 3, 4)
        >>> maps[0, 0, 1, 2] = 0.5
        >>> xy, score = read_maps(maps)
        >>> score
        tensor([[0.5000]])
    """
    images, count, height, width = maps.shape
    if not count:
        return maps.new_zeros(images, 0, 2), maps.new_zeros(images, 0)
    seen = detect_keypoints(maps.float().reshape(-1, 1, height, width), 1, 3, TEMPERATURE)
    return seen.xy.view(images, count, 2), seen.score.view(images, count).clamp(0, 1)


def _backbone(config: MallisConfig) -> Hourglass:
    return Hourglass(
        config.image_channels,
        config.width,
        config.stem,
        config.kernel,
        config.reduction,
        config.depth,
        config.groups,
        config.padding_mode,
    )
