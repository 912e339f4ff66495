"""Weights and schedule of TUSK's training: the paper's by default, every departure a named option that says why."""

from __future__ import annotations

from dataclasses import dataclass

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.geometry import WARPS
from tusklite.losses.perceptual import PREPARATIONS
from tusklite.ops.prototypes import MIXTURE_SHARES

RECONSTRUCTION_LOSSES = ("auto", "mean-squared-error", "cross-entropy", "perceptual")
INFORMATION_SETS = ("both", "over")
DECODED_VIEWS = ("both", "first")
# What moves the prototypes in their turn: eq. 2, or its rivals of table 6.
PROTOTYPE_LOSSES = ("sliced-wasserstein", "kmeans", "vector-quantization")


@dataclass(frozen=True)
class TUSKOptions:
    """Weights and schedule of TUSK's training. The defaults are the paper's, completed by the authors' code.

    A weight of 0 leaves a term out. Fractions are of the whole training.

    Attributes:
        reconstruction: weight of eq. 1, above 0.
        reconstruction_loss: what eq. 1 measures by: "mean-squared-error", "cross-entropy" (a decoder with a sigmoid),
            "perceptual", or "auto": what suits the decoder's output; the squared error of a linear one, as in the
            paper.
        perceptual_network: torchvision's name of the frozen network of the perceptual loss.
        perceptual_taps: its layers; none are the paper's, of "vgg16".
        perceptual_weights: a name of torchvision's, a file, or "random" (see `tusklite.losses.PerceptualLoss`). A file
            that is not there is looked for in the folder of the data (`$TUSKLITE_DATA`).
        perceptual_preparation: what that network's images are like, "torchvision" or "caffe".
        perceptual_size: side to which images are brought for it, in pixels; 0 leaves them.
        perceptual: beyond the paper where above 0. Weight of a perceptual term beside eq. 1, each layer in units of its
            own magnitude: with the squared error it makes a weighted sum.
        kmeans: weight of eq. 3.
        kmeans_inverse_temperature: multiplies the squared distances of eq. 3, per channel, as the authors' code has it.
        heatmap_equivariance: weight of eq. 4 on heatmaps.
        feature_equivariance: weight of eq. 4 on feature maps.
        warp: name of the warp that makes the second view.
        learning_rate: Adam's, for encoder and decoder.
        prototype_steps: sliced-Wasserstein steps for each network step: 8 in the text, 5 in the authors' MNIST
            configuration.
        prototype_learning_rate: Adam's, for the prototypes; beyond the paper where below 0.1. A step of 0.1 along each
            of 32 channels is 0.57 long, on a sphere of radius 1: it scatters prototypes that were in place.
        projections: directions of eq. 2.
        prototype_loss: what the prototypes lessen in their steps: "sliced-wasserstein", eq. 2; or its rivals of
            table 6, "kmeans", the distance of each descriptor to its nearest prototype, and "vector-quantization", the
            same with a decoder that gets the nearest prototype in each descriptor's place.
        commitment: for "vector-quantization" alone. Weight of the distance of the descriptors to their prototype, which
            moves the network.
        transport: weight of eq. 2 among the terms of the network, which draws the descriptors to the prototypes, too.
            With `prototype_gradient` this is training in a single stage (table 4).
        mixture_shares: "smoothed", as in the authors' code, though the paper does not say so: a prototype that wins
            nothing is given descriptors all the same, so that none stays dead; "counts": what each wins.
        count_momentum: how slowly mixture weights follow the batch; 0 as in the authors' code.
        descriptor_equivariance: beyond the paper. Same keypoint, two views: normalised descriptors should agree. In
            place of `feature_equivariance`, which the network meets by making the features small.
        background: beyond the paper. Weight of the mean score away from the keypoints, whose windows are
            `background_window` wide; without it maxima of the background become keypoints, and a prototype is spent on
            them.
        background_window: odd side of those windows, in pixels of the map.
        information: beyond the paper. Weight of the mutual information between assignments of a keypoint in two views.
        neighbour_information: beyond the paper. The same between a keypoint and its nearest neighbour in earlier
            batches.
        information_sets: which prototypes those assignments are to: "both" sets, or the finer one alone, "over".
        inverse_temperature: multiplies the cosine before the softmax of those assignments.
        over_prototypes: beyond the paper. Size of a second, finer set of prototypes for the information terms; 0 for
            none.
        over_prototype_steps: its sliced-Wasserstein steps.
        memory: how many earlier descriptors neighbours are looked for in.
        clustering_from: beyond the paper where above 0. Before this fraction the autoencoder learns alone: clusters of
            descriptors that mean nothing yet would be kept.
        recluster_at: beyond the paper. At these fractions, of which 1 is after the last step, prototypes restart from a
            partition found without labels (`tusklite.ops.partitions`); they take no part before the first one.
        recluster_scenes: how many training scenes those partitions are found on.
        decode_share: beyond the paper where below 1. Share of the images that are decoded once clustering has begun:
            localisation is learnt by then, and decoding is a third of a step.
        decoded_views: which views are drawn again, "both", or beyond the paper the images alone, "first": their twins,
            warped, have soft edges that nothing but a warp makes.
        least_paint: beyond the paper where above 0, and for aggregation "alpha" alone. A keypoint takes part in
            clustering only if it paints more than so many pixels: where there are fewer things than keypoints, those
            left over lie on the background and are of no kind. What is not drawn again takes no part then.
        view_size: beyond the paper where above 0. Both views are squares of so many pixels, cut out of the image.
        zooms: smallest and largest half-width of those squares, as a share of the image's: things of many sizes.
        shift: largest offset of their centres, as a share of the half-width.
        first_warp: name of the warp that makes the first square, or "none".
        jitter: beyond the paper where above 0. Strength of the change of colour and light that the encoder sees in each
            view on its own. What is drawn again stays clean, so that keypoints cannot go by colour alone.
        image_information: beyond the paper. Weight of the information between assignments of the keypoints of one image
            in two views: inside an image keypoints should be of different kinds, and surely so.
        distinct: beyond the paper. Weight of the chance that two keypoints of one image share a prototype.
        contrast: beyond the paper. Weight of the cross-entropy of a keypoint's partner in the other view against those
            of the other keypoints of its image.
        contrast_temperature: divides the cosines there.
        prototype_gradient: beyond the paper. Prototypes are parameters of the network, and are moved by all terms; no
            steps of their own, no second set and no restart, then.
        largest_gradient: beyond the paper where above 0. A longer gradient of the network is shortened to it.
    """

    reconstruction: float = 1.0
    reconstruction_loss: str = "auto"
    perceptual_network: str = "vgg16"
    perceptual_taps: tuple[str, ...] = ()
    perceptual_weights: str = "DEFAULT"
    perceptual_preparation: str = "torchvision"
    perceptual_size: int = 224
    perceptual: float = 0.0
    kmeans: float = 0.01
    kmeans_inverse_temperature: float = 20.0
    heatmap_equivariance: float = 0.01
    feature_equivariance: float = 100.0
    warp: str = "tusk-mnist"
    learning_rate: float = 1e-3
    prototype_steps: int = 8
    prototype_learning_rate: float = 0.1
    projections: int = 100
    prototype_loss: str = "sliced-wasserstein"
    commitment: float = 0.25
    transport: float = 0.0
    mixture_shares: str = "smoothed"
    count_momentum: float = 0.0
    descriptor_equivariance: float = 0.0
    background: float = 0.0
    background_window: int = 7
    information: float = 0.0
    neighbour_information: float = 0.0
    information_sets: str = "both"
    inverse_temperature: float = 12.5
    over_prototypes: int = 0
    over_prototype_steps: int = 2
    memory: int = 8640
    clustering_from: float = 0.0
    recluster_at: tuple[float, ...] = ()
    recluster_scenes: int = 512
    decode_share: float = 1.0
    decoded_views: str = "both"
    least_paint: float = 0.0
    view_size: int = 0
    zooms: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    first_warp: str = "none"
    jitter: float = 0.0
    image_information: float = 0.0
    distinct: float = 0.0
    contrast: float = 0.0
    contrast_temperature: float = 0.1
    prototype_gradient: bool = False
    largest_gradient: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values out of range, and those that would eat the machine; numbers of NumPy become plain ones."""
        plain: dict[str, object] = {}
        for name in ("kmeans", "heatmap_equivariance", "feature_equivariance", "descriptor_equivariance"):
            plain[name] = require_number(name, getattr(self, name))
        for name in ("background", "information", "neighbour_information", "least_paint", "perceptual", "transport"):
            plain[name] = require_number(name, getattr(self, name))
        for name in ("image_information", "distinct", "contrast", "shift", "largest_gradient", "commitment"):
            plain[name] = require_number(name, getattr(self, name))
        for name in (
            "reconstruction",
            "learning_rate",
            "prototype_learning_rate",
            "inverse_temperature",
            "kmeans_inverse_temperature",
            "contrast_temperature",
        ):
            plain[name] = require_number(name, getattr(self, name), open_low=True)
        for name in ("count_momentum", "clustering_from", "decode_share", "jitter"):
            plain[name] = require_number(name, getattr(self, name), high=1.0)
        if not isinstance(self.recluster_at, tuple):
            raise TypeError(f"recluster_at: {self.recluster_at!r} was given; allowed is a tuple of numbers")
        plain["recluster_at"] = tuple(
            require_number("recluster_at", fraction, low=self.clustering_from, high=1.0)
            for fraction in self.recluster_at
        )
        for name, low, high in (
            ("projections", 1, 10_000),
            ("memory", 1, 200_000),
            ("recluster_scenes", 1, 20_000),
            ("prototype_steps", 0, 1000),
            ("over_prototype_steps", 0, 1000),
            ("perceptual_size", 0, 4096),
            ("view_size", 0, 4096),
            ("over_prototypes", 0, 300),  # they start from as many eigenvectors of a graph of thousands
        ):
            plain[name] = require_integer(name, getattr(self, name), low=low, high=high)
        plain["background_window"] = require_integer(
            "background_window", self.background_window, low=1, high=99, odd=True
        )
        plain["zooms"] = _require_zooms(self.zooms)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        require_choice("warp", self.warp, tuple(WARPS))
        require_choice("first_warp", self.first_warp, ("none", *WARPS))
        require_choice("perceptual_preparation", self.perceptual_preparation, PREPARATIONS)
        if not isinstance(self.prototype_gradient, bool):
            raise TypeError(f"prototype_gradient: {self.prototype_gradient!r} was given; allowed are True and False")
        self._refuse_what_does_not_go_together()
        require_choice("decoded_views", self.decoded_views, DECODED_VIEWS)
        require_choice("mixture_shares", self.mixture_shares, MIXTURE_SHARES)
        require_choice("prototype_loss", self.prototype_loss, PROTOTYPE_LOSSES)
        require_choice("information_sets", self.information_sets, INFORMATION_SETS)
        if self.information_sets == "over" and not self.over_prototypes:
            raise ValueError(
                "information_sets: 'over' was given without over_prototypes; allowed are 'both', or a finer set as well"
            )
        require_choice("reconstruction_loss", self.reconstruction_loss, RECONSTRUCTION_LOSSES)
        for name in ("perceptual_network", "perceptual_weights"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name}: {getattr(self, name)!r} was given; allowed is a name")
        if not isinstance(self.perceptual_taps, tuple) or not all(isinstance(tap, str) for tap in self.perceptual_taps):
            raise TypeError(f"perceptual_taps: {self.perceptual_taps!r} was given; allowed is a tuple of names")
        if not self.perceptual_taps and self.perceptual_network != "vgg16":
            raise ValueError(
                f"perceptual_taps: none were given for {self.perceptual_network!r}; allowed are names of its layers"
            )

    def _refuse_what_does_not_go_together(self) -> None:
        if not self.view_size and (self.zooms != (1.0, 1.0) or self.shift or self.first_warp != "none"):
            name = "zooms" if self.zooms != (1.0, 1.0) else "shift" if self.shift else "first_warp"
            raise ValueError(f"{name}: {getattr(self, name)!r} was given without view_size; allowed is a size as well")
        if self.prototype_gradient:
            rivals = {"prototype_steps": 0, "over_prototypes": 0, "recluster_at": (), "clustering_from": 0.0}
            for name, allowed in rivals.items():
                if getattr(self, name) != allowed:
                    raise ValueError(
                        f"{name}: {getattr(self, name)!r} was given with prototype_gradient; allowed is {allowed!r}"
                    )

    @property
    def compares_descriptors(self) -> bool:
        """Whether a term compares the descriptors of one keypoint in two views."""
        return bool(self.descriptor_equivariance or self.information or self.image_information or self.contrast)


def _require_zooms(zooms: object) -> tuple[float, float]:
    """A smallest and a largest half-width; lists, as JSON gives them, become tuples."""
    if not isinstance(zooms, tuple | list) or len(zooms) != 2:
        raise TypeError(f"zooms: {zooms!r} was given; allowed is a smallest and a largest value")
    low, high = (require_number("zooms", value, open_low=True, high=2.0) for value in zooms)
    if low > high:
        raise ValueError(f"zooms: {zooms!r} was given; allowed is a smallest and a largest value")
    return low, high
