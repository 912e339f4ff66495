"""How well two clusterings of the same samples agree."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
from torch import Tensor

from tusklite.metrics.labels import require_labels


def adjusted_rand_index(a: Tensor, b: Tensor) -> float:
    """Return how well two clusterings agree beyond chance (Hubert and Arabie 1985), by scikit-learn.

    Args:
        a: (N,) integers, the cluster of each sample, N at least 1.
        b: (N,) integers, its cluster in the other clustering.

    Returns:
        At most 1 (the same up to the clusters' names); 0 is chance.

    Raises:
        TypeError, ValueError: not integer tensors, or of another shape.
        ImportError: scikit-learn is not installed.

    Example:
        >>> import torch
        >>> adjusted_rand_index(torch.tensor([0, 0, 1, 1]), torch.tensor([5, 5, 2, 2]))
        1.0
    """
    return float(_scikit_learn().adjusted_rand_score(*_clusterings(a, b)))


def normalized_mutual_information(a: Tensor, b: Tensor) -> float:
    """Return the mutual information of two clusterings over their mean entropy, by scikit-learn.

    Args:
        a: (N,) integers, the cluster of each sample, N at least 1.
        b: (N,) integers, its cluster in the other clustering.

    Returns:
        A number in [0, 1]: 0 when one tells nothing of the other, 1 when they are the same up to names.

    Raises:
        TypeError, ValueError: not integer tensors, or of another shape.
        ImportError: scikit-learn is not installed.

    Example:
        >>> import torch
        >>> normalized_mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]))
        0.0
    """
    return float(_scikit_learn().normalized_mutual_info_score(*_clusterings(a, b)))


def _scikit_learn() -> ModuleType:
    """Its metrics, loaded when they are first asked for: the library alone does not need them."""
    try:
        return importlib.import_module("sklearn.metrics")
    except ImportError as error:
        raise ImportError("scikit-learn is missing; `pip install scikit-learn` installs it") from error


def _clusterings(a: object, b: object) -> tuple[np.ndarray, np.ndarray]:
    a, b = require_labels("a", a, ("N",)), require_labels("b", b, ("N",))
    if len(a) != len(b) or not len(a):
        raise ValueError(f"a, b: {len(a)} and {len(b)} samples were given; allowed is the same number, at least 1")
    return a.numpy(), b.numpy()
