"""Weights, rounds and views of Mallis's training: the paper's by default, every departure a named option."""

from __future__ import annotations

from dataclasses import dataclass

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.methods.mallis.pseudo_truth import RULES

CORRESPONDENCES = ("clusters", "views")
OPTIMIZERS = ("rmsprop", "adamw")


@dataclass(frozen=True)
class MallisOptions:
    """Weights, rounds and views of the training. The defaults are the paper's on faces, completed by the authors' code.

    Fractions are of the whole training. Cells are pixels of the map.

    Attributes:
        detection: weight of the squared error of the map that all landmarks share (Mallis et al. 2020, section 3.2).
        contrastive: weight of eq. 2; 10 in the authors' code.
        landmarks: weight of the squared error of the landmarks' own maps (section 3.3).
        margin: m of eq. 2; 0.8 in the authors' code, and the paper does not say.
        squared: whether eq. 2 has squares, as in the authors' code; as printed it has none.
        balanced: beyond the paper. Pairs that agree and pairs that do not are averaged apart.
        correspondence: what tells which points are the same, "clusters", or "views" of one image alone: the
            rival of figure 2.
        same_image: share of the pairs that are two views of one image.
        sigma: standard deviation of the Gaussians that the maps are to show, in cells.
        rounds_from: until this fraction it warms up, on two views of one image and the starting points alone. The paper
            warms up with the clusters of its generic keypoints' own descriptors; corners have none.
        rounds: how many rounds follow.
        landmarks_from: at this fraction the rounds end, and the landmarks' own maps begin.
        rule: what an image's points are in the next round (see `next_pseudo_truth`).
        radius: how near is the same point, in cells.
        snap: beyond the paper where above 0. A detection so near to a starting point takes its place, in cells.
        deviations: points farther from their centroid than the mean and so many standard deviations are dropped.
        one_to_one: whether a cluster is in an image once, as in eq. 1.
        warm_start: whether k-means begins from the centroids of the round before, as in the paper; the authors' code
            begins anew.
        least_images: clusters with points in a smaller share of the images have no map; the authors' code has 500
            points at least, and the paper no such rule.
        emphasis: beyond the paper where above 0. In the second stage a pixel weighs 1 + emphasis * target.
        merge_from: at this fraction detectors are merged for the first time.
        mergers: how often until the end, where it is done once more.
        merge_share: how much of the smaller cluster's points must overlap for a merger.
        overlap: how near two detectors fire then, in cells.
        waiting: beyond the paper where above 0. A detector that fires in a smaller share of the images that have its
            cluster waits with merging, and is dropped only at the end.
        following: beyond the paper where above 0. At the end a detector that follows known views, shifted farther than
            the training's, in a smaller share of the images is dropped: it means a place of the picture.
        looked_at: how many training images mergers look at, at most.
        turn: largest angle of a view, in degrees.
        scale: a view is up to so many times larger or smaller.
        shift: largest offset of a view, in half image widths.
        light: strength of the change of contrast, brightness, colours and noise of a view.
        hue: beyond the paper where above 0. Share of half a turn by which colours turn about grey, each way.
        negative: beyond the paper where above 0. How often a view is a negative.
        optimizer: "rmsprop" as in the paper, or "adamw".
        learning_rate: its rate.
        weight_decay: its weight decay.
        round_rate: what is left of the rate at the end of each round, along a cosine; the paper's text has one rate.
        largest_gradient: beyond the paper where above 0. A longer gradient is shortened to it.
    """

    detection: float = 1.0
    contrastive: float = 10.0
    landmarks: float = 1.0
    margin: float = 0.8
    squared: bool = False
    balanced: bool = False
    correspondence: str = "clusters"
    same_image: float = 0.5
    sigma: float = 1.0
    rounds_from: float = 20 / 380
    rounds: int = 28
    landmarks_from: float = 300 / 380
    rule: str = "paper"
    radius: float = 1.0
    snap: float = 0.0
    deviations: float = 1.0
    one_to_one: bool = True
    warm_start: bool = True
    least_images: float = 0.0
    emphasis: float = 0.0
    merge_from: float = 325 / 380
    mergers: int = 20
    merge_share: float = 0.7
    overlap: float = 1.0
    waiting: float = 0.0
    following: float = 0.0
    looked_at: int = 10_000
    turn: float = 40.0
    scale: float = 1.2
    shift: float = 0.1
    light: float = 1.0
    hue: float = 0.0
    negative: float = 0.0
    optimizer: str = "rmsprop"
    learning_rate: float = 5e-4
    weight_decay: float = 1e-5
    round_rate: float = 1.0
    largest_gradient: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        plain: dict[str, object] = {}
        for name in ("detection", "contrastive", "landmarks", "radius", "snap", "deviations", "emphasis", "overlap"):
            plain[name] = require_number(name, getattr(self, name))
        for name in ("light", "weight_decay", "largest_gradient"):
            plain[name] = require_number(name, getattr(self, name))
        for name in ("margin", "sigma", "learning_rate"):
            plain[name] = require_number(name, getattr(self, name), open_low=True)
        for name in (
            "same_image",
            "rounds_from",
            "least_images",
            "waiting",
            "following",
            "hue",
            "negative",
            "round_rate",
        ):
            plain[name] = require_number(name, getattr(self, name), high=1.0)
        plain["merge_share"] = require_number("merge_share", self.merge_share, high=1.0, open_low=True)
        plain["landmarks_from"] = require_number("landmarks_from", self.landmarks_from, low=self.rounds_from, high=1.0)
        plain["merge_from"] = require_number("merge_from", self.merge_from, low=self.landmarks_from, high=1.0)
        plain["turn"] = require_number("turn", self.turn, high=180.0)
        plain["scale"] = require_number("scale", self.scale, low=1.0, high=10.0)
        plain["shift"] = require_number("shift", self.shift, high=2.0)
        for name, high in (("rounds", 10_000), ("mergers", 10_000), ("looked_at", 10**7)):
            plain[name] = require_integer(name, getattr(self, name), low=1, high=high)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        for name in ("squared", "balanced", "one_to_one", "warm_start"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name}: {getattr(self, name)!r} was given; allowed are True and False")
        require_choice("correspondence", self.correspondence, CORRESPONDENCES)
        require_choice("rule", self.rule, RULES)
        require_choice("optimizer", self.optimizer, OPTIMIZERS)
