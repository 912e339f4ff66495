"""How Mallis's networks are trained: rounds of clusters and self-training, then a map for each landmark, merged."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite import losses
from tusklite.arguments import require_integer
from tusklite.data.base import ImageSource
from tusklite.methods.base import Batch, Method, Optimizers, require_finite_maps, step_generator
from tusklite.methods.mallis.merging import follows_views, merge_maps
from tusklite.methods.mallis.model import MallisLandmarks
from tusklite.methods.mallis.options import MallisOptions
from tusklite.methods.mallis.pseudo_truth import (
    PointSets,
    joined_points,
    next_pseudo_truth,
    padded,
    seen_again,
    snapped,
)
from tusklite.methods.mallis.starting_images import SourceWithPoints
from tusklite.methods.mallis.views import PointedViews, draw_views
from tusklite.ops.correspondence import correspond, kmeans
from tusklite.ops.targets import channel_targets, gaussian_target

TOGETHER = 125  # images that are looked at at once

PHASES = ("warm-up", "rounds", "landmarks")


class SeenPoints(NamedTuple):
    """What a step of the first stage sees: B views, the first ones of B / 2 pairs, then the second ones.

    Attributes:
        views: with their points.
        label: int64 `(B, Q)`, which points are the same; -1 for none.
        heatmap: `(B, 1, h, w)` in [0, 1].
        descriptors: `(B, Q, D)` at the points.
    """

    views: PointedViews
    label: Tensor
    heatmap: Tensor
    descriptors: Tensor


class SeenLandmarks(NamedTuple):
    """What a step of the second stage sees.

    Attributes:
        views: with their points.
        label: int64 `(B, Q)`, the detector of each point; -1 for none.
        maps: `(B, M, h, w)`.
    """

    views: PointedViews
    label: Tensor
    maps: Tensor


Seen = SeenPoints | SeenLandmarks


class MallisTraining(Method[MallisLandmarks, MallisOptions, Seen]):
    """Both networks, with the pseudo truth of every training image (Mallis et al. 2020, sections 3.2 and 3.3).

    What is remembered of images lies on the CPU, and is part of the state: a run that is killed in the middle of a
    round goes on with the points of that round.

    Args:
        model: the networks to train.
        options: weights, rounds, views.
        steps: length of the whole training, of which the options' fractions are taken.
        seed: of everything that is drawn.

    Attributes:
        truth: the points of each image that are learnt from now.
        label: int64 `(N, Q)`: before the first clusters the point's own place, afterwards its cluster, in the second
            stage its detector; -1 where no point is, or one that was dropped.
        centroids: `(M, D)` of the last round; None before.
        warm: weights of the first network as it was after the warm-up, to be scored beside the trained one; None
            before.
        reached: how many steps this object has seen the end of, for whoever looks on in between.

    Raises:
        TypeError, ValueError: steps or seed out of range.
    """

    truth: PointSets
    label: Tensor

    def __init__(self, model: MallisLandmarks, options: MallisOptions, steps: int, seed: int = 0) -> None:
        super().__init__(model, options, seed)
        self.steps = require_integer("steps", steps, low=1)
        self.rounds_from = _whole(options.rounds_from * steps)
        self.landmarks_from = _whole(options.landmarks_from * steps)
        self.merge_from = _whole(options.merge_from * steps)
        self.round_starts = _evenly(self.rounds_from, self.landmarks_from, options.rounds)
        self.merge_steps = _evenly(self.merge_from, steps, options.mergers)
        nothing = PointSets(torch.zeros(0, 1, 2), torch.zeros(0, 1, dtype=torch.bool))
        self.start = self.truth = self.memory = nothing
        self.label = torch.zeros(0, 1, dtype=torch.int64)
        self.centroids: Tensor | None = None
        self.warm: dict[str, Tensor] | None = None
        self.reached = 0

    # --- what fit asks of a method ---------------------------------------------------------------------------

    def phase(self, step: int) -> str:
        """Warm-up, rounds, or landmarks."""
        return PHASES[(step >= self.rounds_from) + (step >= self.landmarks_from)]

    def networks(self) -> list[nn.Module]:
        """Both networks."""
        return [self.model.points, self.model.landmarks]

    @property
    def largest_gradient(self) -> float:
        """As the options say."""
        return self.options.largest_gradient

    def optimizers(self) -> Optimizers:
        """One optimiser of both networks; that which has no gradient is left as it is."""
        options = self.options
        kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.RMSprop
        parameters = [*self.model.points.parameters(), *self.model.landmarks.parameters()]
        return {"network": kind(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)}

    def rate_factor(self, step: int) -> float:
        """A cosine in the warm-up, in each round, and in the second stage, down to the options' `round_rate`."""
        bounds = sorted({0, self.rounds_from, *self.round_starts, self.landmarks_from, self.steps})
        start = max(bound for bound in bounds if bound <= step)
        end = min((bound for bound in bounds if bound > step), default=step + 1)
        low = self.options.round_rate
        return low + (1 - low) * (1 + math.cos(math.pi * (step - start) / (end - start))) / 2

    def get_extra_state(self) -> dict[str, Any]:
        """The pseudo truth, as a checkpoint keeps it."""
        sets = {name: tuple(getattr(self, name)) for name in ("start", "truth", "memory")}
        return {**sets, "label": self.label, "centroids": self.centroids, "warm": self.warm}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take a checkpoint's pseudo truth over."""
        for name in ("start", "truth", "memory"):
            xy, found = state[name]
            setattr(self, name, PointSets(xy.cpu(), found.cpu()))
        self.label, self.warm = state["label"].cpu(), state["warm"]
        self.centroids = None if state["centroids"] is None else state["centroids"].cpu()

    def before_step(self, step: int, data: ImageSource) -> dict[str, object]:
        """Begin, begin a round, begin the second stage, or merge, where the schedule says so; what happened."""
        event: dict[str, object] = {}
        if step == 0:
            self.begin(data)
        if step == self.rounds_from:
            self.warm = {name: value.detach().clone() for name, value in self.model.points.state_dict().items()}
        if step in self.round_starts:
            event = {"round": self.round_starts.index(step) + 1, **self.next_round(step, data)}
        if step == self.landmarks_from:
            event = self.begin_landmarks(step, data)
        if step in self.merge_steps or (step == self.steps and step > self.landmarks_from):
            event |= self.merge(step, data)
        return event

    # --- pseudo truth ----------------------------------------------------------------------------------------

    def begin(self, data: ImageSource) -> None:
        """Take the starting points over: each is the same as itself, in another view of its image.

        Raises:
            TypeError: a source that has none.
        """
        if not isinstance(data, SourceWithPoints):
            raise TypeError(
                f"data: {type(data).__name__} was given, which lacks starting_points(); allowed is a source with "
                "points to start from (see tusklite.methods.mallis.StartingImages)"
            )
        self.start = data.starting_points()
        self.truth = self.start
        self.label = _places(self.start.found)
        nothing = PointSets(torch.zeros(len(data), 1, 2), torch.zeros(len(data), 1, dtype=torch.bool))
        # In the paper pseudo truth is what the network detects; the authors' code keeps the points it began with.
        self.memory = nothing if self.options.rule == "paper" else self.start

    @torch.no_grad()
    def next_round(self, step: int, data: ImageSource, clusters: bool | None = None) -> dict[str, object]:
        """New pseudo truth of all images, by the options' rule, and clusters of it (Mallis et al. 2020, section 3.2).

        Args:
            step: number of the step, for what is drawn.
            data: the training images.
            clusters: whether points are labelled by their clusters, and those far from all are dropped; None: as the
                options say.

        Returns:
            Figures for the log. Where too few points are left for so many clusters, the old ones stay.
        """
        options, config = self.options, self.model.config
        clusters = options.correspondence == "clusters" if clusters is None else clusters
        side = self.cell(data)
        points, detections, descriptors = [], [], []
        for rows in torch.arange(len(data)).split(TOGETHER):
            images = self.images(data, rows)
            seen = self.model(images)
            found = self.model.read_points(seen.heatmap)
            start, memory = (PointSets(part.xy[rows], part.found[rows]) for part in (self.start, self.memory))
            own = PointSets(found.xy.cpu(), found.found.cpu())
            if options.snap:
                own = snapped(own, start, options.snap * side)
            old = next_pseudo_truth(options.rule, own, [memory], options.radius * side, most=config.points)
            points.append(padded(old, config.points))
            detections.append(own)
            places = points[-1].xy.to(images.device)
            descriptors.append(self.model.describe(seen.descriptors, places))
        truth, described = _together(points), torch.cat(descriptors)
        own = _together([padded(part, config.points) for part in detections])
        on_device = truth.found.to(described.device)
        event: dict[str, object] = {"points": round(float(truth.found.sum(1).double().mean()), 2)}
        if int(truth.found.sum()) < config.clusters:
            return event | {"too_few_points": True}
        centroids = self.cluster(described[on_device], step)
        label = correspond(
            described, on_device, centroids, options.deviations, options.one_to_one or step >= self.landmarks_from
        ).cpu()
        self.centroids = centroids.cpu()
        event["kept"] = round(float((label >= 0).sum()) / int(truth.found.sum()), 4)
        if not clusters:
            label = _places(truth.found)
        kept = PointSets(truth.xy, label >= 0)
        self.truth, self.label = kept, label
        if options.rule == "accumulate":
            self.memory = joined_points(self.memory, kept, options.radius * side, config.points)
        else:
            self.memory = seen_again(kept, own, options.radius * side) if options.rule == "paper" else kept
        return event

    def cluster(self, descriptors: Tensor, step: int) -> Tensor:
        """Centroids `(M, D)` of descriptors `(P, D)`, from those of the round before where the options say so."""
        initial = self.centroids if self.options.warm_start else None
        if initial is not None:
            initial = initial.to(descriptors)
        generator = step_generator(self.seed, step + self.steps)  # the step's own draws come from another one
        return kmeans(descriptors, self.model.config.clusters, initial, generator)

    def begin_landmarks(self, step: int, data: ImageSource) -> dict[str, object]:
        """Label all points once more, leave small clusters out, and begin the second network from the first one."""
        event = self.next_round(step, data, clusters=True)
        count = self.model.config.clusters
        if "too_few_points" in event:
            self.label = torch.full_like(self.label, -1)
        size = self.label[self.label >= 0].bincount(minlength=count)
        large = (size > 0) & (size >= self.options.least_images * len(data))
        self.label = torch.where(large[self.label.clamp(min=0)], self.label, -1)
        self.truth = PointSets(self.truth.xy, self.label >= 0)
        self.model.kept.copy_(large)
        self.model.landmarks.start_from(self.model.points)
        return event | {"landmarks": int(large.sum())}

    @torch.no_grad()
    def merge(self, step: int, data: ImageSource) -> dict[str, object]:
        """Merge detectors that fire together; after the last step drop those that never do, or that do not follow."""
        options, last = self.options, step == self.steps
        rows = torch.arange(min(options.looked_at, len(data)))
        following = None
        if last and options.following and self.model.kept.any():
            generator = step_generator(self.seed, step + self.steps)
            following = follows_views(self, data, rows[:500], generator)
        before = int(self.model.kept.sum())
        merged = merge_maps(self, data, rows, following, last)
        self.label, self.truth = merged.label, PointSets(self.truth.xy, merged.label >= 0)
        self.model.kept.copy_(merged.kept)
        event: dict[str, object] = {
            "landmarks": int(merged.kept.sum()),
            "before": before,
            "waiting": merged.waiting,
        }
        return event if following is None else event | {"still": int((following < options.following).sum())}

    def images(self, data: ImageSource, rows: Tensor) -> Tensor:
        """Training images, on the device of the model."""
        return data.scenes(rows).image.to(self.model.kept.device)

    def cell(self, data: ImageSource) -> float:
        """Side of a pixel of the maps, in [-1, 1]."""
        return 2 * self.model.config.reduction / data.scenes([0]).image.shape[-1]

    # --- a step ----------------------------------------------------------------------------------------------

    def see(self, batch: Batch, generator: torch.Generator) -> Seen:
        """Views of the batch's images with their points, and what the network of this stage says of them."""
        self.reached = batch.step + 1
        if batch.step >= self.landmarks_from:
            return self.see_landmarks(batch, generator)
        half = len(batch.images) // 2
        if not half:
            raise ValueError("batch: 1 was given; allowed are 2 images or more, which make pairs")
        rows = torch.arange(half)
        named = batch.step >= self.rounds_from and self.options.correspondence == "clusters"
        same = torch.rand(half, generator=generator) < (self.options.same_image if named else 1.0)
        rows = torch.cat([rows, torch.where(same, rows, rows + half)])
        views, label = self.pointed_views(batch, rows, generator)
        with self.autocast(batch.images.device):
            logits, maps = self.model.points(views.images)
        require_finite_maps({"the heatmap is": logits})
        heatmap, descriptors = logits.float().sigmoid(), self.model.describe(maps.float(), views.xy)
        return SeenPoints(views, label, heatmap, descriptors)

    def see_landmarks(self, batch: Batch, generator: torch.Generator) -> SeenLandmarks:
        """A view of each image, and the maps of all detectors."""
        views, label = self.pointed_views(batch, torch.arange(len(batch.images)), generator)
        with self.autocast(batch.images.device):
            maps = self.model.landmarks(views.images)
        require_finite_maps({"the landmarks' maps are": maps})
        return SeenLandmarks(views, label, maps.float())

    def pointed_views(self, batch: Batch, rows: Tensor, generator: torch.Generator) -> tuple[PointedViews, Tensor]:
        """Views of `rows` of a batch with their points, and the points' labels: -1 for what a view does not show."""
        known = batch.indices.cpu()[rows]
        xy, found = self.truth.xy[known], self.truth.found[known]
        views = draw_views(batch.images[rows.to(batch.images.device)], xy, found, self.options, generator)
        label = self.label[known].to(batch.images.device)
        return views, torch.where(views.seen, label, -1)

    def loss_terms(self, seen: Seen, step: int) -> dict[str, Tensor]:
        """The terms of the stage: detection and eq. 2, or the landmarks' maps."""
        options = self.options
        if isinstance(seen, SeenLandmarks):
            count, height, width = seen.maps.shape[1:]
            targets, assigned = channel_targets(seen.views.xy, seen.label, count, height, width, options.sigma)
            return {"landmarks": losses.assigned_map_loss(seen.maps, targets, assigned, options.emphasis)}
        height, width = seen.heatmap.shape[2:]
        target = gaussian_target(seen.views.xy, seen.views.seen, height, width, options.sigma)
        descriptors, label = seen.descriptors.flatten(0, 1), seen.label.flatten()
        contrastive = losses.contrastive_loss(
            descriptors, label, across_pairs(seen.label), options.margin, options.squared, options.balanced
        )
        return {"detection": F.mse_loss(seen.heatmap, target), "contrastive": contrastive}


def across_pairs(label: Tensor) -> Tensor:
    """Which points meet in eq. 2: those of the two views of one pair.

    Args:
        label: `(2 k, Q)`, of the first views of k pairs, then of the second ones.

    Returns:
        bool `(2 k Q, 2 k Q)`, symmetric.

    Example:
        >>> across_pairs(torch.zeros(2, 1, dtype=torch.int64))
        tensor([[False,  True],
                [ True, False]])
    """
    views, places = label.shape
    view = torch.arange(views, device=label.device).repeat_interleave(places)
    pair, second = view % (views // 2), view >= views // 2
    return (pair[:, None] == pair) & (second[:, None] != second)


def _whole(steps: float) -> int:
    """The whole steps of a fraction of the training: 20 / 380 of 380,000 is 20,000, whatever its last bit says."""
    return math.floor(steps + 1e-6)


def _evenly(start: int, end: int, count: int) -> list[int]:
    """So many steps from one step on, evenly before another; fewer where there are fewer."""
    return sorted({start + (end - start) * number // count for number in range(count)} - {end})


def _places(found: Tensor) -> Tensor:
    """The number of each point's place, -1 where none is."""
    return torch.where(found, torch.arange(found.shape[1]), -1)


def _together(parts: list[PointSets]) -> PointSets:
    return PointSets(torch.cat([part.xy for part in parts]), torch.cat([part.found for part in parts]))
