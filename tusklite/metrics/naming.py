"""Name prototypes after classes: one to one, or each after its most frequent class."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tusklite.arguments import require_integer
from tusklite.metrics.labels import count_pairs, require_labels


def match_prototypes(assignment: Tensor, classes: Tensor, prototypes: int, classes_count: int) -> Tensor:
    """Name prototypes after classes, one to one, so that most pairs are right (Jin et al. 2022, section 4.1).

    Args:
        assignment: (N,) integers in [0, prototypes), the prototype of each sample; N may be 0.
        classes: (N,) integers in [0, classes_count), its true class.
        prototypes: M, the number of prototypes, at least 1.
        classes_count: the number of classes, at least 1.

    Returns:
        (M,) int64: the class of each prototype. With more prototypes than classes the ones left over get -1.
        A prototype that no sample speaks for takes a class that is left over.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> match_prototypes(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 1, 0]), 2, 2)
        tensor([1, 0])
    """
    counts = _counts(assignment, classes, prototypes, classes_count)
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    mapping = torch.full((len(counts),), -1)
    mapping[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return mapping


def majority_class(assignment: Tensor, classes: Tensor, prototypes: int, classes_count: int) -> Tensor:
    """Name each prototype after its most frequent class: the many-to-one mapping of the TUSK authors' code.

    Several prototypes may share a class, so this never scores below `match_prototypes` on the same samples.

    Args:
        assignment: (N,) integers in [0, prototypes), the prototype of each sample; N may be 0.
        classes: (N,) integers in [0, classes_count), its true class.
        prototypes: M, the number of prototypes, at least 1.
        classes_count: the number of classes, at least 1.

    Returns:
        (M,) int64: the class of each prototype, the lowest on a tie, -1 for a prototype without samples.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> majority_class(torch.tensor([0, 0, 1, 1, 1]), torch.tensor([1, 1, 1, 1, 0]), 3, 2)
        tensor([ 1,  1, -1])
    """
    counts = _counts(assignment, classes, prototypes, classes_count)
    return torch.where(counts.sum(dim=1) > 0, counts.argmax(dim=1), -1)


def _counts(assignment: Tensor, classes: Tensor, prototypes: int, classes_count: int) -> Tensor:
    prototypes = require_integer("prototypes", prototypes, low=1)
    classes_count = require_integer("classes_count", classes_count, low=1)
    assignment = require_labels("assignment", assignment, ("N",), range(prototypes))
    classes = require_labels("classes", classes, assignment.shape, range(classes_count))
    return count_pairs(assignment, classes, prototypes, classes_count)
