"""Segments of objects against the truth, as object discovery is scored (Jin et al. 2022, section 4.2).

They are compared by the adjusted Rand index, on the pixels of objects; a keypoint stands for the object that has most
pixels of its mask.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_integer
from tusklite.metrics.labels import INTEGERS

NUMBERS_AT_ONCE = 2**22  # pixels whose labels are sorted at once: a few times 32 MB


class FoundObjects(NamedTuple):
    """Which object each keypoint stands for. Shares are in [0, 1], and 0 of nothing.

    Attributes:
        of_keypoint: (S, K) int64, the place of the object, 0 to T - 1, or -1 for none.
        found: share of the objects for which a keypoint stands.
        found_twice: share of the objects for which two keypoints or more stand.
    """

    of_keypoint: Tensor
    found: float
    found_twice: float


@dataclass(frozen=True, eq=False)
class SegmentScores:
    """What `evaluate_segments` found. Shares are in [0, 1], and 0 of nothing.

    Attributes:
        ari: mean over scenes of the adjusted Rand index on the pixels of objects; scenes without any are left out.
        ari_background: the same on all pixels, the background as one more object.
        count: scenes with as many keypoints as objects, of all scenes.
        found: objects for which a keypoint stands, of all objects.
        found_twice: objects for which two keypoints or more stand, of all objects.
        ari_of_scene: (S,) float64, the index of each scene, NaN for one without a pixel of an object.
        of_keypoint: (S, K) int64, the place of the object that each keypoint stands for, or -1.
    """

    ari: float
    ari_background: float
    count: float
    found: float
    found_twice: float
    ari_of_scene: Tensor
    of_keypoint: Tensor

    def as_dict(self) -> dict[str, float]:
        """Return the figures alone, ready for JSON.

        Example:
            >>> truth = torch.tensor([[[0, 1, 1, 2]]])
            >>> evaluate_segments(truth - 1, truth, keypoints=2, objects=2).as_dict()["ari"]
            1.0
        """
        return {name: value for name, value in vars(self).items() if isinstance(value, float)}


def segment_rand_index(segments: Tensor, truth: Tensor, background: bool = False) -> Tensor:
    """Return how well the segments of each scene agree with the true ones beyond chance (Hubert and Arabie 1985).

    Args:
        segments: (S, H, W) integers, the predicted segment of each pixel, under any names.
        truth: (S, H, W) integers, 0 where the background is seen, above 0 for objects.
        background: count the pixels of the background too, as those of one more object; published figures do not.

    Returns:
        (S,) float64 on the same device: at most 1 (the same up to names); 0 is chance. One pixel, one segment on both
        sides, or as many segments as pixels on both sides are 1. A scene without a pixel to count is NaN: nothing was
        asked of it, so that it should be left out of a mean (`Tensor.nanmean`).

    Raises:
        TypeError, ValueError: not integer tensors of this shape on one device, or negative numbers in the truth.

    Example:
        >>> truth = torch.tensor([[[0, 1, 1, 2]], [[0, 0, 0, 0]]])
        >>> segments = torch.tensor([[[5, 5, 5, 3]], [[1, 2, 3, 4]]])
        >>> segment_rand_index(segments, truth).tolist()
        [1.0, nan]
        >>> segment_rand_index(segments, truth, background=True)
        tensor([0.3333, 0.0000], dtype=torch.float64)
    """
    segments, truth = _label_maps(segments, truth)
    parts = [_rand_index(segments[part], truth[part], background) for part in _parts(*truth.flatten(1).shape)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64, device=truth.device)


def _rand_index(segments: Tensor, truth: Tensor, background: bool) -> Tensor:
    """`segment_rand_index` of as many scenes as fit into the memory."""
    counted = torch.ones_like(truth, dtype=torch.bool) if background else truth > 0
    rows, columns = _ranks(segments.flatten(1)), _ranks(truth.flatten(1))
    table = _contingency(rows, columns, counted.flatten(1), _count(rows), _count(columns)).double()
    together = _pairs(table).sum(dim=(1, 2))
    in_segments, in_truth = _pairs(table.sum(dim=2)).sum(dim=1), _pairs(table.sum(dim=1)).sum(dim=1)
    pixels = table.sum(dim=(1, 2))
    by_chance = in_segments * in_truth / _pairs(pixels).clamp_min(1)
    # Whole numbers, so that this is exact. Only here can what follows be 0 / 0.
    same = (in_segments == together) & (in_truth == together)
    index = torch.where(same, 1.0, (together - by_chance) / ((in_segments + in_truth) / 2 - by_chance))
    return index.masked_fill(pixels == 0, math.nan)


def count_accuracy(found: Tensor, present: Tensor) -> float:
    """Return the share of the scenes in which as many objects are found as there are; 0 of no scenes.

    Args:
        found: (S, K) bool, which keypoints are taken for objects.
        present: (S, T) bool, which places hold an object.

    Raises:
        TypeError, ValueError: not bool tensors of this shape, or not of the same scenes.

    Example:
        >>> found = torch.tensor([[True, True, False], [True, False, False]])
        >>> count_accuracy(found, torch.tensor([[True, True], [True, True]]))
        0.5
    """
    for name, flags in (("found", found), ("present", present)):
        kind = flags.dtype if isinstance(flags, Tensor) else type(flags).__name__
        if kind != torch.bool:
            raise TypeError(f"{name}: {kind} was given; allowed is a bool tensor")
        if flags.dim() != 2 or len(flags) != len(present):
            raise ValueError(f"{name}: shape {tuple(flags.shape)} was given; allowed are two dimensions, scenes first")
    right = found.sum(dim=1).cpu() == present.sum(dim=1).cpu()
    return _share(int(right.sum()), len(right))


def find_objects(segments: Tensor, truth: Tensor, keypoints: int, objects: int, least_pixels: int = 1) -> FoundObjects:
    """Find which object each keypoint stands for: the one that has most pixels of the keypoint's mask.

    Args:
        segments: (S, H, W) integers, the keypoint that paints each pixel, 0 to K - 1; any other number for none.
        truth: (S, H, W) integers, 0 where the background is seen, n where object n - 1 is, up to T.
        keypoints: K, at least 1.
        objects: T, at least 1.
        least_pixels: how many pixels of the object the mask must have, at least 1.

    Returns:
        A `FoundObjects`, its tensor on the same device. Of two objects with as many pixels the one of the lower number
        is taken. An object without a pixel is none.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> truth = torch.tensor([[[0, 1, 1, 2], [0, 1, 1, 2]]])
        >>> segments = torch.tensor([[[9, 0, 0, 1], [9, 0, 0, 9]]])
        >>> find_objects(segments, truth, keypoints=3, objects=2).of_keypoint.tolist()
        [[0, 1, -1]]
        >>> find_objects(segments, truth, keypoints=3, objects=2, least_pixels=2).found
        0.5
    """
    keypoints = require_integer("keypoints", keypoints, low=1)
    objects = require_integer("objects", objects, low=1)
    least_pixels = require_integer("least_pixels", least_pixels, low=1)
    segments, truth = _label_maps(segments, truth)
    if truth.numel() and int(truth.max()) > objects:
        raise ValueError(f"truth: values to {int(truth.max())} were given; allowed are integers from 0 to {objects}")
    tables = [torch.zeros(0, keypoints + 1, objects + 1, dtype=torch.int64, device=truth.device)]
    for part in _parts(*truth.flatten(1).shape):
        painted, seen = segments[part].long().flatten(1), truth[part].long().flatten(1)
        painted = torch.where((painted >= 0) & (painted < keypoints), painted, keypoints)
        tables.append(_contingency(painted, seen, torch.ones_like(seen, dtype=torch.bool), keypoints + 1, objects + 1))
    table = torch.cat(tables)[:, :, 1:]  # (S, K + 1, T)
    pixels, place = table[:, :-1].max(dim=2)
    of_keypoint = torch.where(pixels >= least_pixels, place, -1)
    stand = F.one_hot(of_keypoint + 1, objects + 1)[..., 1:].sum(dim=1)  # (S, T) keypoints for each object
    there = int((table.sum(dim=1) > 0).sum())
    return FoundObjects(of_keypoint, _share(int((stand > 0).sum()), there), _share(int((stand > 1).sum()), there))


def evaluate_segments(
    segments: Tensor,
    truth: Tensor,
    keypoints: int,
    objects: int,
    *,
    found: Tensor | None = None,
    present: Tensor | None = None,
    least_pixels: int = 1,
) -> SegmentScores:
    """Score the segments that keypoints paint as the paper does (Jin et al. 2022, table 2), and what they miss.

    Args:
        segments: (S, H, W) integers, the keypoint that paints each pixel, 0 to K - 1; any other number for none, which
            is a segment of its own.
        truth: (S, H, W) integers, 0 where the background is seen, n where object n - 1 is, up to T.
        keypoints: K, at least 1.
        objects: T, at least 1.
        found: (S, K) bool, the keypoints that are counted; None: those that paint `least_pixels` or more.
        present: (S, T) bool, the objects that are counted; None: those with a pixel.
        least_pixels: how many pixels of an object a keypoint must paint to stand for it, at least 1.

    Returns:
        A `SegmentScores`, its tensors on the device of the segments.

    Raises:
        TypeError, ValueError: another type, shape or range than above.

    Example:
        >>> truth = torch.tensor([[[0, 1, 1], [0, 2, 2]], [[0, 1, 1], [0, 0, 0]]])
        >>> segments = torch.tensor([[[9, 0, 0], [9, 1, 1]], [[9, 0, 1], [9, 9, 9]]])
        >>> evaluate_segments(segments, truth, keypoints=2, objects=2).as_dict()
        {'ari': 0.5, 'ari_background': 0.9..., 'count': 0.5, 'found': 1.0, 'found_twice': 0.3...}
    """
    stands = find_objects(segments, truth, keypoints, objects, least_pixels)
    if found is None:
        found = _pixels_of(segments, range(keypoints)) >= least_pixels
    if present is None:
        present = _pixels_of(truth, range(1, objects + 1)) > 0
    ari, everywhere = (segment_rand_index(segments, truth, background) for background in (False, True))
    return SegmentScores(
        ari=_mean_of_numbers(ari),
        ari_background=_mean_of_numbers(everywhere),
        count=count_accuracy(found, present),
        found=stands.found,
        found_twice=stands.found_twice,
        ari_of_scene=ari,
        of_keypoint=stands.of_keypoint,
    )


def _label_maps(segments: object, truth: object) -> tuple[Tensor, Tensor]:
    """Both as they were given, if they are maps of labels of one shape on one device."""
    for name, maps in (("segments", segments), ("truth", truth)):
        kind = maps.dtype if isinstance(maps, Tensor) else type(maps).__name__
        if not isinstance(maps, Tensor) or kind not in INTEGERS:
            raise TypeError(f"{name}: {kind} was given; allowed is an integer tensor")
        if maps.dim() != 3:
            raise ValueError(f"{name}: shape {tuple(maps.shape)} was given; allowed is (S, H, W)")
    assert isinstance(segments, Tensor)
    assert isinstance(truth, Tensor)
    if segments.shape != truth.shape:
        raise ValueError(
            f"segments: shape {tuple(segments.shape)} was given; allowed is {tuple(truth.shape)}, as truth"
        )
    if segments.device != truth.device:
        raise TypeError(f"segments: on {segments.device} was given; allowed is {truth.device}, as truth")
    if truth.numel() and int(truth.min()) < 0:
        raise ValueError(f"truth: {int(truth.min())} was given; allowed are integers of at least 0")
    return segments, truth


def _parts(scenes: int, pixels: int) -> Iterator[slice]:
    """Slices of as many scenes as are held at once."""
    at_once = max(1, NUMBERS_AT_ONCE // max(1, pixels))
    return (slice(start, start + at_once) for start in range(0, scenes, at_once))


def _ranks(labels: Tensor) -> Tensor:
    """Labels (S, P) renamed within each scene: 0 for the least, then 1, and so on, as int64."""
    ordered = labels.sort(dim=1)
    rank = F.pad((ordered.values[:, 1:] != ordered.values[:, :-1]).long(), (1, 0)).cumsum(dim=1)[:, : labels.shape[1]]
    return torch.zeros_like(rank).scatter(1, ordered.indices, rank)


def _count(ranks: Tensor) -> int:
    """How many names ranks need, at least 1."""
    return int(ranks.max()) + 1 if ranks.numel() else 1


def _contingency(rows: Tensor, columns: Tensor, counted: Tensor, height: int, width: int) -> Tensor:
    """(S, height, width) int64: in each scene, counted pixels by row and column; all three are (S, P)."""
    scene = torch.arange(len(rows), device=rows.device)[:, None]
    cell = ((scene * height + rows) * width + columns)[counted]
    return cell.bincount(minlength=len(rows) * height * width).view(len(rows), height, width)


def _pixels_of(labels: Tensor, wanted: range) -> Tensor:
    """(S, len(wanted)) int64: how many pixels of each scene have each label."""
    counts = [(labels == label).flatten(1).sum(dim=1) for label in wanted]
    return torch.stack(counts, dim=1)


def _pairs(count: Tensor) -> Tensor:
    return count * (count - 1) / 2


def _mean_of_numbers(values: Tensor) -> float:
    """The mean of what is a number; 0 of nothing."""
    numbers = values[~values.isnan()]
    return float(numbers.mean()) if len(numbers) else 0.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
