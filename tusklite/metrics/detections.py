"""Detections against true objects, by the protocol of MNIST-Hard (Jin et al. 2022, section 4.1).

A 20x20 box around each keypoint is correct when it overlaps a true box with an IoU of at least one half;
prototypes are named after classes by the bipartite matching that is right most often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tusklite.arguments import require_integer, require_number
from tusklite.metrics.labels import count_pairs, require_labels, require_mask
from tusklite.metrics.naming import majority_class, match_prototypes


class ClassScores(NamedTuple):
    """One row of the per-class table: the scores of `DetectionScores`, over the objects of one class."""

    label: int
    count: int  # type: ignore[assignment]  # a tuple has a method of this name, which nobody wants of scores
    localization: float
    classification: float
    both: float


@dataclass(frozen=True, eq=False)
class DetectionScores:
    """What `evaluate_detections` found. Shares are in [0, 1]; one of nothing (no box placed, no object) is 0.

    Attributes:
        localization: true objects with a matched box, of all true objects.
        classification: objects with the right class, of those with a matched box.
        both: objects with a matched box and the right class, of all true objects.
        precision: boxes that match an object, of all boxes.
        many_to_one: `both` when each prototype takes its most frequent class, as the authors' code scores.
        reverse: objects whose prototype is the one that their class takes most often, of those with a matched box: the
            paper's reverse mapping for fewer prototypes than classes (table 5). It says how consistently a class is
            sorted, not whether classes are told apart: one prototype for everything has 1.
        mapping: (M,) int64, the class of each prototype under the bipartite matching, -1 for none.
        many_to_one_mapping: (M,) int64, the class of each prototype in `many_to_one`, -1 for none.
        reverse_mapping: (classes,) int64, the prototype of each class in `reverse`, -1 for none.
        per_class: one `ClassScores` a class.
        confusion: (classes, classes + 1) int64, objects by true class (row) and predicted class (column). The
            last column counts the missed: no box matched, or a box whose prototype has no class.
    """

    localization: float
    classification: float
    both: float
    precision: float
    many_to_one: float
    reverse: float
    mapping: Tensor
    many_to_one_mapping: Tensor
    reverse_mapping: Tensor
    per_class: tuple[ClassScores, ...]
    confusion: Tensor

    def as_dict(self) -> dict[str, object]:
        """Return the scores as floats, lists and dictionaries, ready for JSON.

        Example:
            >>> xy, digit = torch.zeros(1, 1, 2), torch.tensor([[3]])
            >>> sizes = {"prototypes": 1, "classes": 10, "image_size": 80, "box": 20}
            >>> scores = evaluate_detections(xy, torch.tensor([[0]]), xy, digit, **sizes)
            >>> scores.as_dict()["both"], scores.as_dict()["mapping"]
            (1.0, [3])
        """
        plain = {k: v.tolist() if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return plain | {"per_class": [row._asdict() for row in self.per_class]}


def match_detections(
    xy: Tensor,
    truth_xy: Tensor,
    image_size: int | tuple[int, int],
    box: float,
    iou: float = 0.5,
    found: Tensor | None = None,
    truth_found: Tensor | None = None,
) -> Tensor:
    """Match predicted to true boxes one to one: as many pairs as possible, then the largest total IoU.

    Args:
        xy: (S, K, 2) predicted centres in [-1, 1].
        truth_xy: (S, T, 2) true centres in [-1, 1].
        image_size: (height, width) in pixels, or one number for both.
        box: side of every box in pixels, above 0.
        iou: the least intersection over union of a pair, in (0, 1].
        found: (S, K) bool, False for an empty slot, which is ignored whatever it holds; None: all are real.
        truth_found: (S, T) bool, the same for the true objects of scenes that hold fewer than T.

    Returns:
        (S, K) int64: the index of the matched true object, or -1.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> truth = torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]])
        >>> match_detections(torch.tensor([[[0.5, 0.1], [0.0, 0.0], [-0.45, 0.0]]]), truth, image_size=80, box=20)
        tensor([[ 1, -1,  0]])
    """
    height, width = _height_width(image_size)
    box = require_number("box", box, open_low=True)
    iou = require_number("iou", iou, high=1.0, open_low=True)
    found = require_mask("found", found, "xy", xy, "K")
    truth_found = require_mask("truth_found", truth_found, "truth_xy", truth_xy, "T")
    centres = _centres("xy", xy, found)
    truth = _centres("truth_xy", truth_xy, truth_found)
    if len(centres) != len(truth):
        raise ValueError(f"truth_xy: {len(truth)} scenes were given; allowed are as many as in xy, {len(centres)}")

    pixels = torch.tensor([width, height], dtype=torch.float64) / 2
    offset = ((centres[:, :, None] - truth[:, None]) * pixels).abs()  # (S, K, T, 2)
    intersection = (box - offset).clamp(min=0).prod(dim=-1)  # (S, K, T)
    ratio = intersection / (2 * box**2 - intersection)
    allowed = (ratio >= iou) & found[:, :, None] & truth_found[:, None]
    # One more pair is worth more than all overlaps together, so that the number of pairs decides first.
    worth = torch.where(allowed, ratio + min(allowed.shape[1:]), 0.0).numpy()

    matched = torch.full(centres.shape[:2], -1)
    for scene, scene_worth in enumerate(worth):
        keypoints, objects = (torch.from_numpy(i) for i in linear_sum_assignment(scene_worth, maximize=True))
        matched[scene, keypoints] = torch.where(allowed[scene, keypoints, objects], objects, -1)
    return matched.to(xy.device)


def evaluate_detections(
    xy: Tensor,
    assignment: Tensor,
    truth_xy: Tensor,
    truth_class: Tensor,
    *,
    prototypes: int,
    classes: int,
    image_size: int | tuple[int, int],
    box: float,
    iou: float = 0.5,
    mapping: Tensor | None = None,
    many_to_one_mapping: Tensor | None = None,
    reverse_mapping: Tensor | None = None,
    found: Tensor | None = None,
    truth_found: Tensor | None = None,
) -> DetectionScores:
    """Score keypoints and their prototypes as the paper does (Jin et al. 2022, table 1).

    To score a test split fairly, evaluate a validation split first and pass on its `mapping`, `many_to_one_mapping` and
    `reverse_mapping`. One that is not given is found on these very scenes, from the boxes that match.

    Args:
        xy: (S, K, 2) predicted centres in [-1, 1].
        assignment: (S, K) integers in [0, prototypes), the prototype of each keypoint.
        truth_xy: (S, T, 2) true centres in [-1, 1].
        truth_class: (S, T) integers in [0, classes).
        prototypes: M, the number of prototypes.
        classes: the number of classes.
        image_size: (height, width) in pixels, or one number for both.
        box: side of every box in pixels, above 0.
        iou: the least intersection over union of a match, in (0, 1].
        mapping: (M,) integers in [-1, classes), the class of each prototype, -1 for none.
        many_to_one_mapping: (M,) integers in [-1, classes), the same for the many-to-one figure.
        reverse_mapping: (classes,) integers in [-1, prototypes), the prototype of each class, -1 for none.
        found: (S, K) bool, False for an empty slot, which is ignored whatever it holds; None: all are real.
        truth_found: (S, T) bool, the same for the true objects of scenes that hold fewer than T.

    Returns:
        `DetectionScores`, its tensors on the CPU. No detection at all scores 0 everywhere.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> truth_xy = torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]])
        >>> xy = torch.tensor([[[-0.5, 0.1], [0.0, 0.9]]])
        >>> scores = evaluate_detections(
        ...     xy, torch.tensor([[1, 0]]), truth_xy, torch.tensor([[7, 4]]),
        ...     prototypes=2, classes=10, image_size=80, box=20,
        ... )
        >>> scores.localization, scores.classification, scores.both, scores.mapping[1].item()
        (0.5, 1.0, 0.5, 7)
    """
    prototypes = require_integer("prototypes", prototypes, low=1)
    classes = require_integer("classes", classes, low=1)
    found = require_mask("found", found, "xy", xy, "K")
    truth_found = require_mask("truth_found", truth_found, "truth_xy", truth_xy, "T")
    assignment = require_labels("assignment", assignment, found.shape, range(prototypes), found)
    truth_class = require_labels("truth_class", truth_class, truth_found.shape, range(classes), truth_found)
    matched = match_detections(xy, truth_xy, image_size, box, iou, found, truth_found).cpu()

    scene, keypoint = (matched >= 0).nonzero(as_tuple=True)
    place = (scene, matched[scene, keypoint])
    placed_prototype, placed_class = assignment[scene, keypoint], truth_class[place]  # (matches,)
    if mapping is None:
        mapping = match_prototypes(placed_prototype, placed_class, prototypes, classes)
    if many_to_one_mapping is None:
        many_to_one_mapping = majority_class(placed_prototype, placed_class, prototypes, classes)
    if reverse_mapping is None:
        reverse_mapping = majority_class(placed_class, placed_prototype, classes, prototypes)
    named = range(-1, classes)
    mapping = require_labels("mapping", mapping, (prototypes,), named)
    many_to_one_mapping = require_labels("many_to_one_mapping", many_to_one_mapping, (prototypes,), named)
    reverse_mapping = require_labels("reverse_mapping", reverse_mapping, (classes,), range(-1, prototypes))

    missed = classes
    predicted = torch.full(truth_class.shape, missed)  # (S, T)
    predicted[place] = mapping[placed_prototype] % (classes + 1)  # no class, -1, counts as missed
    confusion = count_pairs(truth_class[truth_found], predicted[truth_found], classes, classes + 1)
    objects = confusion.sum(dim=1)  # (classes,)
    placed = placed_class.bincount(minlength=classes)
    right = confusion.diagonal()
    total = int(objects.sum())
    many_right = int((many_to_one_mapping[placed_prototype] == placed_class).sum())
    rows = zip(range(classes), objects.tolist(), placed.tolist(), right.tolist(), strict=True)
    return DetectionScores(
        localization=_share(len(placed_class), total),
        classification=_share(int(right.sum()), len(placed_class)),
        both=_share(int(right.sum()), total),
        precision=_share(len(placed_class), int(found.sum())),
        many_to_one=_share(many_right, total),
        reverse=_share(int((reverse_mapping[placed_class] == placed_prototype).sum()), len(placed_class)),
        mapping=mapping,
        many_to_one_mapping=many_to_one_mapping,
        reverse_mapping=reverse_mapping,
        per_class=tuple(
            ClassScores(label, n, _share(hit, n), _share(ok, hit), _share(ok, n)) for label, n, hit, ok in rows
        ),
        confusion=confusion,
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _centres(name: str, xy: Tensor, found: Tensor) -> Tensor:
    real = xy.detach().cpu().double().masked_fill(~found[..., None], 0.0)
    if not (real.abs() <= 1).all():
        raise ValueError(f"{name}: points outside [-1, 1] or NaN were given; allowed are (x, y) in [-1, 1]")
    return real


def _height_width(image_size: object) -> tuple[int, int]:
    sizes = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(sizes) != 2:
        raise ValueError(f"image_size: {image_size!r} was given; allowed is (height, width) or one integer")
    height, width = (require_integer("image_size", size, low=1) for size in sizes)
    return height, width
