"""Generic keypoints to start from: corners and blobs that scikit-image finds, at several scales.

The paper starts from SuperPoint (DeTone et al. 2018), whose weights are for non-commercial research alone and come with
no package; corners are what everybody has.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import MappingProxyType, ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_choice, require_integer, require_number, require_tensor
from tusklite.methods.mallis.pseudo_truth import PointSets

SCALES = (1.0, 1.3, 1.6)


def find_starting_points(
    images: Tensor,
    detector: str = "shi-tomasi",
    count: int = 25,
    scales: tuple[float, ...] = (1.0,),
    size: int | None = None,
    distance: float = 5 / 48,
    border: float = 0.03,
) -> PointSets:
    """Find the strongest keypoints of each image, at several scales, none near another.

    At a scale above 1 the image's middle is looked at enlarged, on as many pixels (Mallis et al. 2020, section 4). The
    strongest point suppresses those near it, whatever their scales: strengths of one detector are compared, each over
    the largest of its image and scale.

    Args:
        images: `(N, C, H, W)` in [0, 1], square.
        detector: "shi-tomasi" (corners) or "sift" (blobs), of scikit-image.
        count: Q, how many points an image may have.
        scales: 1 or more each; (1, 1.3, 1.6) in the paper.
        size: side of the images that the detector sees, in pixels; None: as they are. Small pictures give more and
            steadier corners where they are enlarged, 64 to 96 say.
        distance: how near two points may be, in [-1, 1], at least 0.
        border: points this near the image's edge are left out, in [-1, 1].

    Returns:
        `PointSets` of `(N, Q, 2)`, strongest first, on the device of the images.

    Raises:
        TypeError, ValueError: wrong shapes, types or ranges.
        ImportError: scikit-image is not installed.
    """
    require_tensor("images", images, ("N", "C", "S", "S"))
    find = DETECTORS[require_choice("detector", detector, tuple(DETECTORS))]
    count = require_integer("count", count, low=1)
    distance, border = require_number("distance", distance), require_number("border", border, high=1.0)
    side = images.shape[-1] if size is None else require_integer("size", size, low=16)
    for scale in scales:
        require_number("scales", scale, low=1.0)
    feature = _scikit_image()
    grey = images.detach().float().mean(1, keepdim=True)
    xy, found = torch.zeros(len(images), count, 2), torch.zeros(len(images), count, dtype=torch.bool)
    views = [enlarged(grey, scale, side)[:, 0].cpu().numpy() for scale in scales]
    for image in range(len(images)):
        places, strengths = [np.zeros((0, 2))], [np.zeros(0)]
        for scale, view in zip(scales, views, strict=True):
            place, strength = find(feature, view[image], distance * scale * side / 2)
            places.append(((2 * place + 1) / side - 1) / scale)
            strengths.append(strength / max(strength.max(initial=0), 1e-12))
        points = torch.from_numpy(np.concatenate(places))
        inside = (points.abs() <= 1 - border).all(1)
        chosen = suppressed(points[inside], torch.from_numpy(np.concatenate(strengths))[inside], distance)[:count]
        xy[image, : len(chosen)] = points[inside][chosen].float()
        found[image, : len(chosen)] = True
    return PointSets(xy.to(images.device), found.to(images.device))


def enlarged(images: Tensor, scale: float, size: int) -> Tensor:
    """The middle of images, enlarged: what is at (x, y) in the image is at scale (x, y) here.

    Args:
        images: `(N, C, H, W)`.
        scale: 1 or more.
        size: side of the result, in pixels.

    Example:
        >>> enlarged(torch.arange(16.0).view(1, 1, 4, 4), scale=2.0, size=2)
        tensor([[[[ 5.,  6.],
                  [ 9., 10.]]]])
    """
    theta = images.new_tensor([[1 / scale, 0, 0], [0, 1 / scale, 0]]).expand(len(images), -1, -1)
    grid = F.affine_grid(theta, [*images.shape[:2], size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)


def suppressed(points: Tensor, strength: Tensor, distance: float) -> Tensor:
    """Which points stay where the strongest suppress those near them, strongest first.

    Args:
        points: `(P, 2)`.
        strength: `(P,)`; of equals the first is stronger.
        distance: those nearer than this to a point that stays go.

    Returns:
        int64, their numbers.

    Example:
        >>> suppressed(torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.2, 0.0]]), torch.tensor([1.0, 2.0, 1.5]), 0.15)
        tensor([1])
        >>> suppressed(torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0]]), torch.tensor([1.0, 2.0, 1.5]), 0.15)
        tensor([1, 2])
    """
    apart = (points[:, None] - points[None]).norm(dim=-1)
    stays: list[int] = []
    for point in strength.argsort(descending=True, stable=True).tolist():
        if bool((apart[point, stays] >= distance).all()):
            stays.append(point)
    return torch.tensor(stays, dtype=torch.int64)


def without_outliers(descriptors: Tensor, points: PointSets, share: float = 0.4, neighbours: int = 100) -> PointSets:
    """Drop the points whose descriptors are least like those of others (Mallis et al. 2020, section 4).

    A landmark recurs from image to image, and background does not. A point's score is the median distance to its
    nearest neighbours among all points, as in the authors' code, which searches approximately, and scores only as many
    points as there are inliers; here the search is exact, and over all.

    Args:
        descriptors: `(N, Q, C)`; whatever it holds where no point is.
        points: of N images.
        share: how many of all points to drop, 0 to 1; 0.4 in the authors' code, and the paper does not say.
        neighbours: how many; those there are, where there are fewer.

    Returns:
        `PointSets` with the places of `points`.

    Raises:
        TypeError, ValueError: wrong shapes, types or ranges.

    Example:
        >>> points = PointSets(torch.zeros(1, 4, 2), torch.ones(1, 4, dtype=torch.bool))
        >>> without_outliers(torch.tensor([[[0.0], [0.1], [9.0], [0.2]]]), points, share=0.25, neighbours=2).found
        tensor([[ True,  True, False,  True]])
    """
    require_tensor("descriptors", descriptors, (*points.found.shape, "C"), finite=False)
    share = require_number("share", share, high=1.0)
    neighbours = require_integer("neighbours", neighbours, low=1)
    flat = descriptors.detach()[points.found].float()
    nearest = min(neighbours, len(flat) - 1)
    found = points.found.clone()
    if nearest >= 1:
        scores = []
        for rows in torch.arange(len(flat), device=flat.device).split(1024):
            distance = torch.cdist(flat[rows], flat)
            distance[torch.arange(len(rows)), rows] = torch.inf  # no point is its own neighbour
            scores.append(distance.topk(nearest, largest=False).values.median(1).values)
        keep = torch.ones(len(flat), dtype=torch.bool, device=flat.device)
        keep[torch.cat(scores).argsort(descending=True, stable=True)[: round(share * len(flat))]] = False
        found[points.found] = keep
    return PointSets(torch.where(found[..., None], points.xy, 0), found)


def _shi_tomasi(feature: ModuleType, image: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners: maxima of the smaller eigenvalue of the structure tensor (Shi and Tomasi 1994); x and y in pixels."""
    margin = 8  # beyond the edge it takes pixels for black, which would make corners of the picture's own
    padded = np.pad(image.astype(np.float64), margin, mode="edge")
    response = feature.corner_shi_tomasi(padded, sigma=1.5)[margin:-margin, margin:-margin]
    # A constant image has no corner, though every pixel of it is a maximum.
    if response.max() <= 1e-10:
        return np.zeros((0, 2)), np.zeros(0)
    place = feature.corner_peaks(response, min_distance=max(1, int(distance)), threshold_rel=0.01, exclude_border=False)
    return place[:, ::-1].astype(float), response[tuple(place.T)]


def _sift(feature: ModuleType, image: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Blobs: maxima of differences of Gaussians over place and size (Lowe 2004); x and y in pixels.

    Their own strengths are not told; how strongly the image is curved at the blob's size stands for them.
    """
    extractor = feature.SIFT(upsampling=1)
    try:
        extractor.detect(image.astype(np.float64))
    except RuntimeError:  # it found none
        return np.zeros((0, 2)), np.zeros(0)
    places, first = np.unique(extractor.positions, axis=0, return_index=True)  # once, however many orientations
    sigma = extractor.sigmas[first]
    filters = importlib.import_module("scipy.ndimage")
    strength = np.empty(len(places))
    for width in np.unique(sigma):
        curvature = width**2 * np.abs(filters.gaussian_laplace(image.astype(np.float64), width))
        rows = sigma == width
        pixel = np.clip(places[rows].round().astype(int), 0, np.array(image.shape) - 1)
        strength[rows] = curvature[tuple(pixel.T)]
    return places[:, ::-1].astype(float), strength


DETECTORS: MappingProxyType[str, Callable[[ModuleType, np.ndarray, float], tuple[np.ndarray, np.ndarray]]] = (
    MappingProxyType({"shi-tomasi": _shi_tomasi, "sift": _sift})
)


def _scikit_image() -> ModuleType:
    """Its features, loaded when they are first asked for: nothing else needs them."""
    try:
        return importlib.import_module("skimage.feature")
    except ImportError as error:
        raise ImportError("scikit-image is missing; `pip install scikit-image` installs it") from error
