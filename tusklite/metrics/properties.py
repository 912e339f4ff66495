"""Properties of objects, read off the prototypes of their keypoints (Jin et al. 2022, section 4.2).

Prototypes are named after properties on a labelled validation split, for the score of another split alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_alike, require_integer, require_tensor
from tusklite.metrics.labels import count_pairs, require_labels
from tusklite.metrics.naming import majority_class, match_prototypes
from tusklite.precision import widen

DISTANCES_AT_ONCE = 2**22  # a few times 32 MB


class PrototypeNames(NamedTuple):
    """What prototypes are called after: the values of properties, numbered; -1 for none.

    Attributes:
        majority: by property (M,) int64, the value that each prototype shows most often: the paper's rule.
        bipartite: by property (M,) int64, that of the kind (a value of each property) which a matching of prototypes
            and kinds, one to one, gives it. Stricter: two prototypes are never the same kind.
        values: by property how many values it has.
    """

    majority: dict[str, Tensor]
    bipartite: dict[str, Tensor]
    values: dict[str, int]


@dataclass(frozen=True, eq=False)
class PropertyScores:
    """How well one property of objects is read off something else. The shares are in [0, 1], and 0 of nothing.

    Attributes:
        accuracy: objects with the right value, by the paper's rule.
        bipartite: the same by the matching of prototypes and kinds.
        confusion: (values, values + 1) int64, objects by true value (row) and by that of the paper's rule (column); the
            last column counts those that are given none.
    """

    accuracy: float
    bipartite: float
    confusion: Tensor

    def as_dict(self) -> dict[str, object]:
        """Return the scores as floats and lists, ready for JSON.

        Example:
            >>> names = name_prototypes(torch.tensor([0, 1]), {"size": torch.tensor([1, 0])}, {"size": 2}, prototypes=2)
            >>> scores = evaluate_properties(torch.tensor([0, 0]), {"size": torch.tensor([1, 0])}, names)
            >>> scores["size"].as_dict()
            {'accuracy': 0.5, 'bipartite': 0.5, 'confusion': [[0, 1, 0], [0, 1, 0]]}
        """
        return asdict(self) | {"confusion": self.confusion.tolist()}


def values_of_keypoints(of_keypoint: Tensor, values: Tensor) -> Tensor:
    """Read the value of a property off the object that each keypoint stands for.

    Args:
        of_keypoint: (S, K) integers, as `find_objects` gives them.
        values: (S, T) integers, the value of each object; -1 where none is.

    Returns:
        (S, K) int64 on the CPU: the value, or -1 for a keypoint that stands for nothing.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> values_of_keypoints(torch.tensor([[1, -1, 0]]), torch.tensor([[4, 7]])).tolist()
        [[7, -1, 4]]
    """
    values = require_labels("values", values, ("S", "T"))
    of_keypoint = require_labels("of_keypoint", of_keypoint, (len(values), "K"), range(-1, values.shape[1]))
    padded = F.pad(values, (1, 0), value=-1)
    return padded.gather(1, of_keypoint + 1)


def name_prototypes(
    assignment: Tensor,
    properties: Mapping[str, Tensor],
    values: Mapping[str, int],
    prototypes: int,
    matched: Sequence[str] | None = None,
) -> PrototypeNames:
    """Name prototypes after properties of what they stand for: on a labelled validation split, to score a test split.

    Args:
        assignment: (N,) integers in [0, prototypes), the prototype of each keypoint that stands for an object.
        properties: by name (N,) integers, the value of each object.
        values: by name how many values there are.
        prototypes: M, at least 1.
        matched: the properties whose values make up the kinds of the bipartite matching; None: all. With as many
            prototypes as kinds (114 for 19 shapes and 6 colours; 48 for CLEVR without material) it is one to one.

    Returns:
        `PrototypeNames`; those of the matching are of the `matched` properties alone.

    Raises:
        TypeError, ValueError: another type, shape or range than above, or no property.

    Example:
        >>> shape, colour = torch.tensor([0, 1, 1, 1]), torch.tensor([2, 0, 2, 0])
        >>> properties, values = {"shape": shape, "colour": colour}, {"shape": 2, "colour": 3}
        >>> names = name_prototypes(torch.tensor([0, 1, 1, 1]), properties, values, prototypes=3)
        >>> names.majority["shape"].tolist(), names.majority["colour"].tolist()
        ([0, 1, -1], [2, 0, -1])
    """
    labels = _properties(properties, values, len(require_labels("assignment", assignment, ("N",))))
    matched = tuple(values) if matched is None else tuple(matched)
    if not matched or not set(matched) <= labels.keys():
        raise ValueError(f"matched: {matched!r} was given; allowed are some of {', '.join(map(repr, labels))}")
    majority = {name: majority_class(assignment, each, prototypes, values[name]) for name, each in labels.items()}
    kinds = torch.zeros(len(assignment), dtype=torch.int64)
    for name in matched:
        kinds = kinds * values[name] + labels[name]
    kind = match_prototypes(assignment, kinds, prototypes, math.prod(values[name] for name in matched))
    bipartite, rest = {}, kind.clamp_min(0)
    for name in reversed(matched):
        bipartite[name] = torch.where(kind >= 0, rest % values[name], -1)
        rest = rest // values[name]
    return PrototypeNames(majority, {name: bipartite[name] for name in matched}, dict(values))


def evaluate_properties(
    assignment: Tensor, properties: Mapping[str, Tensor], names: PrototypeNames
) -> dict[str, PropertyScores]:
    """Score the properties that prototypes are named after (Jin et al. 2022, table 2).

    Args:
        assignment: (N,) integers in [0, M), the prototype of each keypoint that stands for an object; N may be 0.
        properties: by name (N,) integers, the value of each object.
        names: of the prototypes, from another split (`name_prototypes`).

    Returns:
        By name `PropertyScores`; the bipartite figure is NaN for a property that no matching was made of.

    Raises:
        TypeError, ValueError: another type, shape or range than above, or other properties than there are names.

    Example:
        >>> shape = torch.tensor([0, 1, 1])
        >>> names = name_prototypes(torch.tensor([0, 1, 2]), {"shape": shape}, {"shape": 2}, prototypes=3)
        >>> scores = evaluate_properties(torch.tensor([0, 1, 2]), {"shape": shape}, names)["shape"]
        >>> scores.accuracy, round(scores.bipartite, 2)
        (1.0, 0.67)
    """
    prototypes = len(next(iter(names.majority.values())))
    assignment = require_labels("assignment", assignment, ("N",), range(prototypes))
    labels = _properties(properties, names.values, len(assignment))
    scores = {}
    for name, truth in labels.items():
        guess = names.majority[name][assignment]
        bipartite = math.nan
        if name in names.bipartite:
            bipartite = int((names.bipartite[name][assignment] == truth).sum()) / max(1, len(truth))
        scores[name] = PropertyScores(
            accuracy=int((guess == truth).sum()) / max(1, len(truth)),
            bipartite=bipartite,
            confusion=property_confusion(truth, guess, names.values[name]),
        )
    return scores


def property_confusion(truth: Tensor, guess: Tensor, values: int) -> Tensor:
    """Count objects by true and by guessed value of a property.

    Args:
        truth: (N,) integers in [0, values).
        guess: (N,) integers in [-1, values), -1 for no value.
        values: how many values there are, at least 1.

    Returns:
        (values, values + 1) int64; the last column counts those without a guess.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> property_confusion(torch.tensor([0, 1, 1]), torch.tensor([0, 0, -1]), values=2).tolist()
        [[1, 0, 0], [1, 0, 1]]
    """
    values = require_integer("values", values, low=1)
    truth = require_labels("truth", truth, ("N",), range(values))
    guess = require_labels("guess", guess, truth.shape, range(-1, values))
    return count_pairs(truth, guess % (values + 1), values, values + 1)


def nearest_values(descriptors: Tensor, labelled: Tensor, values: Tensor) -> Tensor:
    """Give each descriptor the value of its nearest labelled one: what descriptors know, whatever prototypes do.

    Args:
        descriptors: (N, C), N at least 1.
        labelled: (L, C), of a validation split; L at least 1.
        values: (L,) integers, the value of each.

    Returns:
        (N,) int64 on the CPU; the value of the first on a tie.

    Raises:
        TypeError, ValueError: another type or shape, or on two devices.

    Example:
        >>> nearest_values(torch.tensor([[0.9, 0.1]]), torch.eye(2), torch.tensor([4, 7])).tolist()
        [4]
    """
    require_tensor("labelled", labelled, ("L", "C"))
    require_tensor("descriptors", descriptors, ("N", labelled.shape[1]))
    require_alike("descriptors", descriptors, labelled=labelled)
    values = require_labels("values", values, (len(labelled),))
    descriptors, labelled = widen(descriptors, labelled)
    # Differences, not products: two that are next to each other would drown in the rounding of the latter.
    at_once = max(1, DISTANCES_AT_ONCE // len(labelled))
    exact = "donot_use_mm_for_euclid_dist"
    nearest = [
        torch.cdist(part, labelled, compute_mode=exact).argmin(dim=1).cpu() for part in descriptors.split(at_once)
    ]
    return values[torch.cat(nearest)]


def _properties(properties: Mapping[str, Tensor], values: Mapping[str, int], count: int) -> dict[str, Tensor]:
    """The values of all properties, checked, in the order of `values`."""
    if not values or properties.keys() != values.keys():
        raise ValueError(f"properties: {sorted(properties)} were given; allowed are those of values, {sorted(values)}")
    sizes = {name: require_integer(f"values[{name!r}]", size, low=1) for name, size in values.items()}
    return {name: require_labels(name, properties[name], (count,), range(size)) for name, size in sizes.items()}
