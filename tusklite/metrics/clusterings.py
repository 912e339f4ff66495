"""How well two clusterings of the same samples agree."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tusklite.arguments import require_integer, require_seed, require_tensor
from tusklite.metrics.labels import require_labels
from tusklite.ops import kmeans


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


def adjusted_mutual_information(a: Tensor, b: Tensor) -> float:
    """Return the mutual information of two clusterings beyond chance (Vinh, Epps and Bailey 2010), by scikit-learn.

    Normalised mutual information alone grows with the number of clusters and shrinks with the number of samples: random
    labels of 300 points in 100 clusters get 0.4. This is 0 for them.

    Args:
        a: (N,) integers, the cluster of each sample, N at least 1.
        b: (N,) integers, its cluster in the other clustering.

    Returns:
        At most 1 (the same up to the clusters' names); 0 is chance.

    Raises:
        TypeError, ValueError: not integer tensors, or of another shape.
        ImportError: scikit-learn is not installed.

    Example:
        >>> adjusted_mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([5, 5, 2, 2]))
        1.0
    """
    return float(_scikit_learn().adjusted_mutual_info_score(*_clusterings(a, b)))


class ClusterScores(NamedTuple):
    """How much clusters of points tell of which true point each is, beside what knows nothing of the image.

    Attributes:
        nmi: normalised mutual information (`normalized_mutual_information`).
        ami: adjusted mutual information, of which chance is 0.
        nmi_chance: the former of these clusters, dealt out anew at random.
        nmi_position: the former of k-means on the points' places alone, in as many clusters.
        ami_position: the latter of the same.
    """

    nmi: float
    ami: float
    nmi_chance: float
    nmi_position: float
    ami_position: float


def score_clusters(label: Tensor, truth: Tensor, xy: Tensor, clusters: int, seed: int = 0) -> ClusterScores:
    """Score clusters of points against the true ones, beside chance and beside position alone.

    The measure of the paper's ablations is the first (Mallis et al. 2020, figure 2). On pictures that are aligned it
    says little: where each true point has its own place, places alone tell them apart.

    Args:
        label: (N,) integers, the cluster of each point.
        truth: (N,) integers, which true point it is.
        xy: (N, 2) where each lies, in its image.
        clusters: M, from 1 to N, in how many the places are clustered.
        seed: of chance, and of the places' clusters.

    Returns:
        `ClusterScores`.

    Raises:
        TypeError, ValueError: wrong types, shapes or ranges.
        ImportError: scikit-learn is not installed.

    Example:
        >>> places = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.9, 0.0], [1.0, 0.0]])
        >>> scores = score_clusters(torch.tensor([0, 1, 0, 1]), torch.tensor([3, 3, 5, 5]), places, clusters=2)
        >>> scores.nmi, scores.nmi_position
        (0.0, 1.0)
    """
    label, truth = require_labels("label", label, ("N",)), require_labels("truth", truth, ("N",))
    require_tensor("xy", xy, (len(label), 2))
    clusters = require_integer("clusters", clusters, low=1, high=len(label))
    generator = torch.Generator().manual_seed(require_seed("seed", seed))
    dealt = label[torch.randperm(len(label), generator=generator)]
    places = xy.detach().cpu().double()
    place = torch.cdist(places, kmeans(places, clusters, generator=generator)).argmin(1)
    return ClusterScores(
        normalized_mutual_information(label, truth),
        adjusted_mutual_information(label, truth),
        normalized_mutual_information(dealt, truth),
        normalized_mutual_information(place, truth),
        adjusted_mutual_information(place, truth),
    )


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
