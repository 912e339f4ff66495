"""What experiments on scenes of objects share: how a trained network is read, and how it is scored.

Masks are judged at the size of the truth, also where the network saw smaller images. A keypoint speaks for the object
that most of its pixels are; what its prototype is called comes from validation scenes, never from those that are
scored.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_choice, require_integer
from tusklite.data.object_scenes import ObjectScenes, ObjectSource
from tusklite.experiments.base import AnyPreset, Experiment, Scores
from tusklite.experiments.tusk_recipe import new_tusk
from tusklite.methods.tusk.model import TUSK, TUSKOutput
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.metrics import (
    SegmentScores,
    evaluate_properties,
    evaluate_segments,
    name_prototypes,
    nearest_values,
    segment_rand_index,
    values_of_keypoints,
)
from tusklite.metrics.metric import Metric
from tusklite.train.loop import FitResult

NEVER = -1e4  # a logit of alpha that wins no pixel, and that interpolation leaves finite
LOOKED_AT = 100  # validation scenes, for the log


class ObjectsSeen(NamedTuple):
    """What a network makes of labelled scenes, with the truth beside it; all on the CPU.

    Attributes:
        segments: uint8 (S, H, W), whose alpha is largest at each pixel: n is keypoint n - 1. The background's does not
            count: so the paper, which has none, compares masks on the pixels of objects.
        painted: uint8 (S, H, W), the same where the background counts: 0 is what it keeps.
        found: bool (S, K): which slots hold a keypoint.
        assignment: int64 (S, K), the prototype of each keypoint.
        descriptors: (S, K, C), in clustering space.
        truth: segments, present, xy and properties; its images are the first batch's alone.
    """

    segments: Tensor
    painted: Tensor
    found: Tensor
    assignment: Tensor
    descriptors: Tensor
    truth: ObjectScenes


@dataclass(frozen=True)
class ObjectSceneCounts:
    """Which scenes, and how many each split has; an experiment gives defaults, and says what `source` may be.

    Attributes:
        train_scenes: seen in training, without truth.
        validation_scenes: of other scenes: prototypes are named here.
        test_scenes: scored once.
        image_size: height and width that the network sees.
        source: one of `sources`.
    """

    train_scenes: int
    validation_scenes: int
    test_scenes: int
    image_size: int
    source: str

    sources: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        for name, low in (("train_scenes", 1), ("validation_scenes", 1), ("test_scenes", 1), ("image_size", 8)):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low=low, high=10**7))
        require_choice("source", self.source, self.sources)


@dataclass(frozen=True)
class ObjectSplits:
    """The three splits of a data set of scenes of objects."""

    train: ObjectSource
    validation: ObjectSource
    test: ObjectSource


def painters(model: TUSK, output: TUSKOutput, size: tuple[int, int], background: bool) -> Tensor:
    """Whose alpha is the largest at each pixel (Jin et al. 2022, section 4.2).

    Args:
        model: says whether there is a background; its logit of alpha is 0.
        output: of the model, with its layers.
        size: height and width of what is returned; logits are interpolated where layers have another one.
        background: whether the background's alpha counts.

    Returns:
        uint8 (B, H, W): n is keypoint n - 1, and 0 the background.
    """
    assert output.layers is not None
    logits = output.layers[:, :, -1].clamp_min(NEVER)
    logits = logits.masked_fill(~output.keypoints.found[..., None, None], NEVER)
    if logits.shape[2:] != size:
        logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
    counts = background and model.config.background_layer != "none"
    behind = torch.full_like(logits[:, :1], 0.0 if counts else 2 * NEVER)
    return torch.cat([behind, logits], dim=1).argmax(dim=1).to(torch.uint8)


@torch.no_grad()
def see_objects(model: TUSK, scenes: ObjectSource, count: int | None = None) -> ObjectsSeen:
    """Run a trained network over labelled scenes, in batches.

    Args:
        model: the network, in evaluation mode.
        scenes: a validation or test split.
        count: only the first so many scenes.
    """
    device = next(model.parameters()).device
    parts: dict[str, list[Tensor]] = {}
    truths: list[ObjectScenes] = []
    for indices in torch.arange(min(count or len(scenes), len(scenes))).split(50):
        batch = scenes.scenes(indices, with_truth=True)
        assert batch.segments is not None
        output = model(batch.image.to(device))
        points = output.keypoints
        size = (batch.segments.shape[1], batch.segments.shape[2])
        values = {
            "segments": painters(model, output, size, background=False),
            "painted": painters(model, output, size, background=True),
            "found": points.found,
            "assignment": output.assignment,
            "descriptors": model.clustering_space(output.descriptors, points.xy),
        }
        for name, value in values.items():
            parts.setdefault(name, []).append(value.cpu())
        truths.append(batch)
    return ObjectsSeen(**{name: torch.cat(values) for name, values in parts.items()}, truth=_joined(truths))


def _joined(batches: list[ObjectScenes]) -> ObjectScenes:
    """The truth of some batches as one batch, on the CPU."""

    def join(name: str) -> Tensor:
        return torch.cat([getattr(batch, name).cpu() for batch in batches])

    first = batches[0].properties or {}
    properties = {name: torch.cat([(batch.properties or {})[name].cpu() for batch in batches]) for name in first}
    return ObjectScenes(batches[0].image, join("segments"), join("present"), join("xy"), properties)


class OfKeypoints(NamedTuple):
    """Of keypoints that stand for an object, N of them: what is known of each, and what the object is like.

    Attributes:
        assignment: int64 (N,), its prototype.
        descriptors: (N, C), in clustering space.
        properties: by name int64 (N,), the value of the object.
    """

    assignment: Tensor
    descriptors: Tensor
    properties: dict[str, Tensor]


def score_segments(seen: ObjectsSeen) -> SegmentScores:
    """Compare the masks of keypoints with the true segments, and count the keypoints that paint something."""
    truth = seen.truth
    assert truth.segments is not None
    assert truth.present is not None
    keypoints, objects = seen.found.shape[1], truth.present.shape[1]
    true, painted = truth.segments.long(), seen.painted.long() - 1
    paints = torch.stack([(painted == k).flatten(1).any(dim=1) for k in range(keypoints)], dim=1)
    scores = evaluate_segments(painted, true, keypoints, objects, found=seen.found & paints, present=truth.present)
    alone = segment_rand_index(seen.segments.long(), true)
    return replace(scores, ari=float(alone.nanmean().nan_to_num()), ari_of_scene=alone)


def of_keypoints(seen: ObjectsSeen, scores: SegmentScores) -> OfKeypoints:
    """The keypoints that stand for an object, with that object's properties."""
    stands = (scores.of_keypoint >= 0) & seen.found
    values = {
        name: values_of_keypoints(scores.of_keypoint, each)[stands]
        for name, each in (seen.truth.properties or {}).items()
    }
    return OfKeypoints(seen.assignment[stands], seen.descriptors[stands], values)


def score_nearest(labelled: OfKeypoints, scored: OfKeypoints) -> dict[str, float]:
    """What descriptors know, whatever prototypes do: share of objects with the nearest labelled one's value."""
    if not len(labelled.descriptors) or not len(scored.descriptors):
        return dict.fromkeys(scored.properties, 0.0)
    shares = {}
    for name, truth in scored.properties.items():
        guess = nearest_values(scored.descriptors, labelled.descriptors, labelled.properties[name])
        shares[name] = float((guess == truth).float().mean())
    return shares


ARI = Metric("ari", "ARI")
COUNT = Metric("count", "count")


class ObjectDiscovery(Experiment[TUSKTraining, ObjectSplits]):
    """TUSK that finds objects, says which pixels are theirs, and what they are like."""

    watched = {  # noqa: RUF012
        "reconstruction": "recon",
        "descriptor_equivariance": "descriptors",
        "information": "information",
        "ari": "ARI",
        "count": "count",
    }

    matched: ClassVar[tuple[str, ...]] = ()  # the properties that kinds of the bipartite figure are made of; none: all

    @abstractmethod
    def splits(self, preset: AnyPreset) -> ObjectSplits:
        """The three splits that a preset asks for."""

    def method(self, preset: AnyPreset) -> TUSKTraining:
        """An untrained network with its optimisation."""
        return new_tusk(preset)

    def look(self, preset: AnyPreset, method: TUSKTraining, splits: ObjectSplits) -> dict[str, float]:
        """ARI and count on a hundred validation scenes."""
        scores = score_segments(see_objects(method.model, splits.validation, LOOKED_AT))
        return {"ari": round(scores.ari, 4), "count": round(scores.count, 4)}

    def score(self, preset: AnyPreset, method: TUSKTraining, splits: ObjectSplits, fitted: FitResult) -> Scores:
        """Prototypes are named on validation scenes; the test scenes are scored once, by those names."""
        validation, test = (see_objects(method.model, scenes) for scenes in (splits.validation, splits.test))
        before, segments = score_segments(validation), score_segments(test)
        labelled, scored = of_keypoints(validation, before), of_keypoints(test, segments)
        values = {name: len(names) for name, names in splits.test.properties.items()}
        metrics: dict[str, Any] = segments.as_dict() | {"validation_ari": before.ari}
        details: dict[str, Any] = {}
        prototypes = method.model.config.prototypes
        matched = self.matched or (*values,)
        names = name_prototypes(labelled.assignment, labelled.properties, values, prototypes, matched)
        for name, scores in evaluate_properties(scored.assignment, scored.properties, names).items():
            details[name] = scores.as_dict() | {"of_prototype": names.majority[name].tolist()}
            metrics[name] = scores.accuracy
            if name in matched:
                metrics[f"{name}_bipartite"] = scores.bipartite
        metrics |= {f"{name}_nearest": share for name, share in score_nearest(labelled, scored).items()}
        metrics = {name: round(value, 5) for name, value in metrics.items()}
        metrics["scenes_seen"] = fitted.step * preset.schedule.batch
        metrics["curve"] = [[record["step"], record["ari"]] for record in fitted.log if "ari" in record]
        return Scores(metrics, details)

    def describe(self, preset: AnyPreset, splits: ObjectSplits) -> dict[str, Any]:
        """Where the scenes come from, and how many each split has."""
        data = {
            name: value for name, value in splits.test.describe().items() if not name.endswith(("_scenes", "split"))
        }
        return data | {f"{name}_scenes": len(getattr(splits, name)) for name in ("train", "validation", "test")}
