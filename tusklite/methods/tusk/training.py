"""How TUSK is optimised: prototype steps and network steps in turn (Jin et al. 2022, section 3.3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tusklite import losses
from tusklite.arguments import require_integer
from tusklite.data.base import ImageSource
from tusklite.geometry import ThinPlateSpline
from tusklite.methods.base import Batch, Method, Optimizers, adam, require_finite_maps, step_generator, total_of
from tusklite.methods.tusk.alarms import count_alarms
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.reconstruction import perceptual_term, reconstruction_loss
from tusklite.methods.tusk.training_descriptors import position_information, training_descriptors
from tusklite.methods.tusk.views import draw_views
from tusklite.ops.aggregation import alpha_blend
from tusklite.ops.keypoints import Keypoints
from tusklite.ops.partitions import choose_partition, group_means
from tusklite.ops.prototypes import Prototypes, spherical_kmeans

NEWTON_STEPS = 4  # of the inverse of a warp: of 1,800 points under each of WARPS, none took more than two

__all__ = ["TUSKOptions", "TUSKTraining", "TwoViews"]


class Partners(NamedTuple):
    """The keypoints of each view, looked for in the other one; N = 2 B.

    Attributes:
        descriptors: `(N, K, C)` of unit length, of the same points, read in the other view.
        xy: `(N, K, 2)` where the other view shows them.
        shown: `(N, K)` bool: the other view shows the point.
    """

    descriptors: Tensor
    xy: Tensor
    shown: Tensor


class TwoViews(NamedTuple):
    """A batch of images and of their warped twins, encoded; N = 2 B.

    Attributes:
        images: `(N, C, H, W)`, the B images first, as they are to be drawn again.
        warp: the B warps from the images to their twins.
        heatmap: `(N, 1, h, w)`.
        features: `(N, C, h, w)`.
        keypoints: of each view.
        descriptors: `(N, K, C)` of unit length.
        partners: the same points in the other view; None where no term compares them.
    """

    images: Tensor
    warp: ThinPlateSpline
    heatmap: Tensor
    features: Tensor
    keypoints: Keypoints
    descriptors: Tensor
    partners: Partners | None = None


class Drawing(NamedTuple):
    """Images that are drawn again from their keypoints.

    Attributes:
        images: `(n, C, H, W)`, the views that are to be drawn.
        decoded: `(n, C, H, W)`, what the decoder makes of them, before the output's sigmoid.
        paints: bool `(N K,)`, which keypoints of all views paint enough to take part in clustering; None: all.
    """

    images: Tensor
    decoded: Tensor
    paints: Tensor | None = None


class Seen(NamedTuple):
    """What a step sees of a batch.

    Attributes:
        views: of each image, two.
        clustered: `(N K, C)` their descriptors in clustering space.
        drawing: what is drawn again; None where it is drawn when its loss is asked for.
    """

    views: TwoViews
    clustered: Tensor
    drawing: Drawing | None = None

    @property
    def taking_part(self) -> Tensor:
        """bool `(N K,)`: which keypoints take part in clustering."""
        if self.drawing is None or self.drawing.paints is None:
            return torch.ones(len(self.clustered), dtype=torch.bool, device=self.clustered.device)
        return self.drawing.paints

    @property
    def clustered_part(self) -> Tensor:
        """`(n, C)`: the descriptors of those that take part; all of them, without a look, where none is left out."""
        left_out = self.drawing is not None and self.drawing.paints is not None
        return self.clustered[self.taking_part] if left_out else self.clustered


class TUSKTraining(Method[TUSK, TUSKOptions, Seen]):
    """TUSK with what its training remembers: a finer set of prototypes, and earlier descriptors.

    One outer step encodes two views once, moves the prototypes several times towards the descriptors (eq. 2), and then
    moves the network once (eqs. 1, 3, 4). The published code runs the encoder anew in every prototype step; the encoder
    does not change between them, so the descriptors are the same ones and are reused here.

    Args:
        model: the network to train.
        options: weights and schedule.
        steps: length of the whole training, of which the options' fractions are taken.
        seed: of everything that is drawn.

    Raises:
        TypeError, ValueError: steps or seed out of range.
    """

    memory: Tensor
    unvisited: Tensor  # (M,) for how many steps each prototype has won no descriptor

    def __init__(self, model: TUSK, options: TUSKOptions, steps: int, seed: int = 0) -> None:
        super().__init__(model, options, seed)
        self.steps = require_integer("steps", steps, low=1)
        if options.least_paint and model.config.aggregation != "alpha":
            raise ValueError(
                f"least_paint: {options.least_paint:g} was given with aggregation 'sum'; allowed is 0, or 'alpha'"
            )
        self.reconstruction_loss = reconstruction_loss(model.config, options)
        self.perceptual_term = perceptual_term(model.config, options)
        channels = model.config.descriptor_channels
        count = options.over_prototypes
        self.over_prototypes = Prototypes(count, channels) if count else None
        self.register_buffer("memory", torch.zeros(options.memory if options.neighbour_information else 0, channels))
        self.register_buffer("unvisited", torch.zeros(model.config.prototypes, dtype=torch.int64))
        self._won: Tensor | None = None  # (M,) how many descriptors of the last batch each prototype won
        self._over_from = math.floor(options.clustering_from * steps)
        self._recluster_steps = [math.floor(fraction * steps) for fraction in options.recluster_at]
        self._cluster_from = min(self._recluster_steps, default=self._over_from)

    def phase(self, step: int) -> str:
        """Which part of the training a step belongs to: "autoencoder", "over-clustering" or "clustering"."""
        if step >= self._cluster_from:
            return "clustering"
        return "over-clustering" if self.over_prototypes is not None and step >= self._over_from else "autoencoder"

    def identity(self) -> dict[str, object]:
        """All settings that a checkpoint of this training must share."""
        return super().identity() | {"steps": self.steps}

    def networks(self) -> list[nn.Module]:
        """Encoder, heatmap head and decoder."""
        return [self.model.encoder, self.model.heatmap_head, self.model.decoder]

    def optimizers(self) -> Optimizers:
        """One Adam for encoder and decoder, one for the prototypes; made after the module is on its device.

        With `prototype_gradient` one for all of it.
        """
        if self.options.prototype_gradient:
            return super().optimizers()
        sets = [self.model.prototypes, *([self.over_prototypes] if self.over_prototypes is not None else [])]
        prototypes = [parameter for each in sets for parameter in each.parameters()]
        theirs = {id(parameter) for parameter in prototypes}
        network = [parameter for parameter in self.parameters() if id(parameter) not in theirs]
        return {
            "network": adam(network, lr=self.options.learning_rate),
            "prototypes": adam(prototypes, lr=self.options.prototype_learning_rate, betas=(0.5, 0.999)),
        }

    def before_step(self, step: int, data: ImageSource) -> dict[str, object]:
        """Start a set of prototypes where the schedule says so; returns what happened, for the log."""
        over = self.over_prototypes
        starts_over = over is not None and step == self._over_from
        starts_plain = step == self._cluster_from == self._over_from > 0
        reclusters = step in self._recluster_steps
        if not (starts_over or starts_plain or reclusters):
            return {}
        generator = step_generator(self.seed, step + self.steps)  # the step's own draws come from another one
        descriptors, xy = training_descriptors(
            self.model, data, self.options.recluster_scenes, generator, self.options.least_paint
        )
        event: dict[str, object] = {}
        if over is not None and starts_over:
            count = self.options.over_prototypes
            fine = choose_partition(descriptors, count, generator, over_clusters=())
            over.restart(*group_means(descriptors, fine.labels, count))
        if starts_plain:
            self.model.prototypes.restart(spherical_kmeans(descriptors, self.model.config.prototypes, generator))
        if reclusters:
            given = {}
            if self.over_prototypes is not None:
                given["learnt clusters"] = self.over_prototypes.assign(descriptors)
            if step > self._cluster_from:
                given["prototypes"] = self.model.prototypes.assign(descriptors)
            groups = self.model.config.prototypes
            partition = choose_partition(descriptors, groups, generator, given)
            self.model.prototypes.restart(*group_means(descriptors, partition.labels, groups))
            event |= {"partition": partition.name, "partition_information": partition.scores[partition.name]}
        finest = self.over_prototypes if self.over_prototypes is not None else self.model.prototypes
        return event | {"position_information": position_information(finest.assign(descriptors), xy)}

    def see(self, batch: Batch, generator: torch.Generator) -> Seen:
        """Warp the images, encode both views at once, and read every keypoint in both where a term compares the two."""
        views = self.two_views(batch.images, generator)
        xy = views.keypoints.xy.flatten(0, 1)
        if self.model.position is not None:
            self.model.position.observe(xy.detach(), views.descriptors.detach().flatten(0, 1))
        drawing = self.draw(views, batch.step) if self.options.least_paint else None
        return Seen(views, self.model.clustering_space(views.descriptors.flatten(0, 1), xy), drawing)

    def other_turns(
        self, seen: Seen, step: int, optimizers: Optimizers, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The prototypes' turn comes before the network's, on the descriptors of the same forward pass."""
        clustered = seen.clustered_part.detach()
        if not len(clustered):  # nothing was painted: there is nothing to follow
            return {}
        return self.prototype_steps(clustered, step, optimizers.get("prototypes"), generator)

    def after_step(self, seen: Seen) -> dict[str, Tensor]:
        """Remember the descriptors, and count alarms (see `count_alarms`)."""
        if self.options.prototype_gradient:
            self.model.prototypes.project_to_sphere()
        self.remember(seen.clustered_part.detach())
        # Not the mixture's weights: smoothed, they hide the dead. These are even until prototypes take part.
        shares = self.model.prototypes.weights if self._won is None else self._won / self._won.sum()
        return count_alarms(seen.views.heatmap, seen.views.keypoints, shares)

    def two_views(self, images: Tensor, generator: torch.Generator) -> TwoViews:
        """Warp the images, encode both views at once, and read every keypoint in both where a term compares the two.

        Raises:
            NonFiniteLoss: the heatmap or the features are not finite.
        """
        batch = len(images)
        images, seen, warp = draw_views(images, self.options, generator)
        with self.autocast(images.device):
            heatmap, features = self.model.encode(seen)
        heatmap, features = heatmap.float(), features.float()
        require_finite_maps({"the heatmap is": heatmap, "the features are": features})
        points = self.model.detect(heatmap)
        if not self.options.compares_descriptors:
            descriptors = self.model.describe(features, points.xy)
            return TwoViews(images, warp, heatmap, features, points, descriptors)

        xy = points.xy.detach()
        # What the other view does not show is not compared, so it need not be found.
        inverse = warp.invert_points(
            xy[:batch], tolerance=1e-3, steps=NEWTON_STEPS, on_failure="nan", surroundings=False
        )
        elsewhere = torch.cat([inverse, warp(xy[batch:])])
        shown = (elsewhere.abs() < 1).all(dim=-1) & points.found  # False for NaN
        elsewhere = elsewhere.nan_to_num()
        other_features = features.roll(batch, dims=0)
        both = self.model.describe(torch.cat([features, other_features]), torch.cat([xy, elsewhere]))
        descriptors, partners = both.chunk(2)
        compared = Partners(partners, elsewhere, shown)
        return TwoViews(images, warp, heatmap, features, points, descriptors, compared)

    def prototype_steps(
        self, descriptors: Tensor, step: int, optimizer: torch.optim.Optimizer | None, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Move each set of prototypes towards descriptors `(N, C)` by steps on eq. 2, if there is an optimiser of them.

        Returns:
            The last distance of each set, and as `unvisited_steps` for how many steps the loneliest prototype has won
            no descriptor.
        """
        sets = []
        if self.over_prototypes is not None and step >= self._over_from:
            sets.append(("over_sliced_wasserstein", self.over_prototypes, self.options.over_prototype_steps))
        if step >= self._cluster_from:
            sets.append(("sliced_wasserstein", self.model.prototypes, self.options.prototype_steps))
        scalars = {}
        for name, prototypes, steps in sets:
            won = prototypes.count(descriptors, self.options.count_momentum, self.options.mixture_shares)
            if prototypes is self.model.prototypes:
                self._won = won
                self.unvisited = torch.where(won > 0, 0, self.unvisited + 1)
                scalars["unvisited_steps"] = self.unvisited.max()
            for _ in range(steps if optimizer is not None else 0):
                assert optimizer is not None
                distance = self.prototype_distance(prototypes, descriptors, generator)
                optimizer.zero_grad(set_to_none=True)  # a set without a gradient is left where it is
                distance.backward()
                optimizer.step()
                prototypes.project_to_sphere()
                scalars[name] = distance.detach()
        return scalars

    def prototype_distance(self, prototypes: Prototypes, descriptors: Tensor, generator: torch.Generator) -> Tensor:
        """How far a set of prototypes is from descriptors `(N, C)`, as the option `prototype_loss` measures it."""
        if self.options.prototype_loss == "sliced-wasserstein":
            return self.transport_distance(prototypes, descriptors, generator)
        return losses.kmeans_loss(descriptors, prototypes.means)

    def transport_distance(self, prototypes: Prototypes, descriptors: Tensor, generator: torch.Generator) -> Tensor:
        """Eq. 2: a sample of the prototypes, as many as there are descriptors `(N, C)`, against these."""
        projections = losses.random_projections(
            self.options.projections, descriptors.shape[1], generator, descriptors.device
        )
        return losses.sliced_wasserstein(prototypes.sample(len(descriptors), generator), descriptors, projections)

    def loss_terms(self, seen: Seen, step: int) -> dict[str, Tensor]:
        """Every term that has a weight, by the name of its weight."""
        options, model, views, descriptors = self.options, self.model, seen.views, seen.clustered
        batch = len(views.images) // 2
        drawing = self.draw(views, step) if seen.drawing is None else seen.drawing
        terms = {"reconstruction": self.reconstruction_loss(drawing.decoded.float(), drawing.images)}
        if self.perceptual_term is not None:
            terms["perceptual"] = self.perceptual_term(drawing.decoded.float(), drawing.images)
        taking_part = seen.taking_part
        if options.heatmap_equivariance or options.feature_equivariance:
            grid = views.warp.grid(*views.heatmap.shape[2:])
            for name, maps in (
                ("heatmap_equivariance", views.heatmap),
                ("feature_equivariance", views.features),
            ):
                if getattr(options, name):
                    terms[name] = losses.map_equivariance_loss(maps[:batch], maps[batch:], grid)
        partners = views.partners
        if partners is not None and options.descriptor_equivariance:
            terms["descriptor_equivariance"] = losses.paired_descriptor_loss(
                views.descriptors.flatten(0, 1), partners.descriptors.flatten(0, 1), partners.shown.flatten()
            )
        if options.background:
            terms["background"] = losses.background_loss(
                views.heatmap, views.keypoints.index, options.background_window
            )
        clustering = step >= self._cluster_from
        part = seen.clustered_part
        if options.kmeans and clustering and len(part):
            inverse_temperature = options.kmeans_inverse_temperature / descriptors.shape[1]
            terms["kmeans"] = losses.kmeans_softmin_loss(
                part,
                model.prototypes.means if options.prototype_gradient else model.prototypes.means.detach(),
                inverse_temperature=inverse_temperature,
                squared=True,
            )
        if clustering and len(part):
            terms |= self.terms_of_prototypes(part, step)
        sets = [model.prototypes] if clustering and options.information_sets == "both" else []
        if self.over_prototypes is not None and step >= self._over_from:
            sets.append(self.over_prototypes)
        if partners is not None and options.information and sets:
            elsewhere = model.clustering_space(partners.descriptors, partners.xy).flatten(0, 1)
            terms["information"] = self.information_term(
                sets, descriptors, elsewhere, partners.shown.flatten() & taking_part
            )
        if options.neighbour_information and sets:
            neighbours = self.memory[(descriptors.detach() @ self.memory.T).argmax(dim=1)]
            found = views.keypoints.found.flatten() & taking_part
            terms["neighbour_information"] = self.information_term(sets, descriptors, neighbours, found)
        return terms | self.terms_of_one_image(seen)

    def terms_of_prototypes(self, descriptors: Tensor, step: int) -> dict[str, Tensor]:
        """What draws descriptors `(N, C)` to prototypes beside eq. 3: ways of training that table 4 and 6 rule out."""
        options, prototypes, terms = self.options, self.model.prototypes, {}
        if options.transport:
            generator = step_generator(self.seed, step + 2 * self.steps + 1)  # apart from all other draws
            terms["transport"] = self.transport_distance(prototypes, descriptors, generator)
        if options.prototype_loss == "vector-quantization" and options.commitment:
            terms["commitment"] = losses.kmeans_loss(descriptors, prototypes.means.detach())
        return terms

    def terms_of_one_image(self, seen: Seen) -> dict[str, Tensor]:
        """What keeps the keypoints of one image apart from each other: beyond the paper."""
        options, views = self.options, seen.views
        images, k = views.keypoints.score.shape
        taking_part, partners = seen.taking_part.view(images, k), views.partners
        terms = {}
        if partners is not None and options.contrast:
            terms["contrast"] = losses.keypoint_contrast_loss(
                views.descriptors, partners.descriptors, partners.shown & taking_part, options.contrast_temperature
            )
        if not (options.image_information or options.distinct):
            return terms
        own = self.soft_assign(seen.clustered.view(images, k, -1))
        if partners is not None and options.image_information:
            elsewhere = self.soft_assign(self.model.clustering_space(partners.descriptors, partners.xy))
            terms["image_information"] = losses.image_information_loss(own, elsewhere, partners.shown & taking_part)
        if options.distinct:
            present = (views.keypoints.found & taking_part).unsqueeze(-1)
            terms["distinct"] = losses.distinct_loss(torch.where(present, own, 0))
        return terms

    def soft_assign(self, clustered: Tensor, prototypes: Prototypes | None = None) -> Tensor:
        """Soft assignments `(..., M)` of descriptors `(..., C)`, to the model's own prototypes where none are given."""
        options, prototypes = self.options, self.model.prototypes if prototypes is None else prototypes
        return prototypes.soft_assign(clustered, options.inverse_temperature, options.prototype_gradient)

    @property
    def largest_gradient(self) -> float:
        """As the options say."""
        return self.options.largest_gradient

    def reconstruction_term(self, views: TwoViews, step: int) -> Tensor:
        """Eq. 1 on the views that are drawn again."""
        drawing = self.draw(views, step)
        return self.reconstruction_loss(drawing.decoded.float(), drawing.images)

    def draw(self, views: TwoViews, step: int) -> Drawing:
        """Draw all views again, or the images alone; an even share of them once clustering has begun."""
        of = len(views.images) if self.options.decoded_views == "both" else len(views.images) // 2
        count = of
        if step >= self._over_from:
            count = max(1, round(count * self.options.decode_share))
        chosen = torch.arange(count) * of // count
        images, points = views.images[chosen], views.keypoints
        xy, score, descriptors = points.xy[chosen], points.score[chosen], views.descriptors[chosen]
        if self.options.prototype_loss == "vector-quantization" and step >= self._cluster_from:
            means = self.model.prototypes.means
            quantized, _ = losses.vector_quantization_loss(descriptors.flatten(0, 1), means)
            descriptors = quantized.view_as(descriptors)
        size = (images.shape[2], images.shape[3])
        background = self.model.background(images, views.features[chosen])
        if not self.options.least_paint:
            with self.autocast(images.device):
                decoded = self.model.decode(xy, score, descriptors, size, background, images)
            return Drawing(images, decoded)
        with self.autocast(images.device):
            layers = self.model.layers(xy, score, descriptors, size)
        blended, masks = alpha_blend(layers, background)
        paints = torch.zeros_like(points.found)
        paints[chosen] = masks.detach().sum(dim=(2, 3)) > self.options.least_paint
        return Drawing(images, self.model.to_decoded(blended), (paints & points.found).flatten())

    def information_term(self, sets: list[Prototypes], first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
        """Information between soft assignments of two descriptors `(N, C)` of one thing, summed over the sets."""
        return total_of(
            losses.mutual_information_loss(
                self.soft_assign(first, prototypes), self.soft_assign(second, prototypes), mask
            )
            for prototypes in sets
        )

    def remember(self, descriptors: Tensor) -> None:
        """Push descriptors `(N, C)` into the memory, the oldest drop out."""
        self.memory = torch.cat([descriptors, self.memory])[: len(self.memory)]
