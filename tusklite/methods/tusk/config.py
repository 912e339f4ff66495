"""What a TUSK network is made of: every choice that the paper, the authors' code or this package makes, by its name."""

from __future__ import annotations

from dataclasses import dataclass

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.methods.tusk.background import BACKGROUNDS
from tusklite.methods.tusk.decoder_input import INPUTS
from tusklite.nets.unet import MOST_CHANNELS, PADDING_MODES, require_unet_shape


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
