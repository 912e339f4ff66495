"""Faces read off TUSK's keypoints: a table of prototypes, a linear map without bias, and signs of a dead detector."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from tusklite.arguments import require_integer
from tusklite.data import FaceLandmarks
from tusklite.methods.thewlis.model import frame_images
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.views import draw_squares
from tusklite.metrics import movement, prototype_spread, scatter_by_prototype
from tusklite.metrics.prototype_points import ORIGINS

BATCH = 100


class FaceKeypoints(NamedTuple):
    """Keypoints of N faces, strongest first, on the CPU.

    Attributes:
        xy: `(N, K, 2)` in [-1, 1] of what was looked at.
        assignment: int64 `(N, K)`, their prototypes.
        found: bool `(N, K)`.
    """

    xy: Tensor
    assignment: Tensor
    found: Tensor

    def strongest(self, k: int) -> FaceKeypoints:
        """The k strongest of each face."""
        return FaceKeypoints(*(field[:, :k] for field in self))


@torch.no_grad()
def keypoints_of(model: TUSK, images: Tensor, k: int) -> FaceKeypoints:
    """The k strongest keypoints of images `(N, 3, S, S)`, in batches."""
    device, parts = next(model.parameters()).device, []
    for some in images.split(BATCH):
        heatmap, features = model.encode(some.to(device))
        points = model.detect(heatmap, require_integer("k", k, low=1, high=heatmap[0].numel()))
        assignment = model.assign(model.describe(features, points.xy), points.xy)
        parts.append((points.xy.cpu(), assignment.cpu(), points.found.cpu()))
    return FaceKeypoints(*(torch.cat(fields) for fields in zip(*parts, strict=True)))


def whole_faces(model: TUSK, faces: FaceLandmarks, size: int, zoom: float, k: int) -> FaceKeypoints:
    """Keypoints of all faces of a split, in [-1, 1] of the whole image.

    Args:
        model: the network, in evaluation mode.
        faces: the split.
        size: side of the square that the network sees, in pixels; 0: the image as it is.
        zoom: half-width of that square around the middle, as a share of the image's; 1 without a size.
        k: how many keypoints.
    """
    parts = []
    for rows in torch.arange(len(faces)).split(BATCH):
        images = faces.scenes(rows).image
        parts.append(keypoints_of(model, frame_images(images, size, zoom) if size else images, k))
    xy, assignment, found = (torch.cat(fields) for fields in zip(*parts, strict=True))
    return FaceKeypoints(xy * (zoom if size else 1.0), assignment, found)


def faces_in_views(
    model: TUSK, faces: FaceLandmarks, rows: Tensor, options: TUSKOptions, generator: torch.Generator, k: int
) -> tuple[FaceKeypoints, Tensor]:
    """Keypoints and annotated points of labelled faces, each seen in a square of its own as in training, without warps.

    Args:
        model: the network, in evaluation mode.
        faces: a split.
        rows: which faces `(N,)`, all labelled; repeats get other squares.
        options: of the training; without squares the faces are seen as they are.
        generator: of the squares.
        k: how many keypoints.

    Returns:
        The keypoints, and points `(N, P, 2)`, in [-1, 1] of the squares, on the CPU.
    """
    seen, points = [], []
    for part in rows.split(BATCH):
        batch = faces.scenes(part, with_truth=True)
        assert batch.xy is not None
        images, xy = batch.image, batch.xy
        if options.view_size:
            zoom, shift = (value.to(images.device) for value in draw_squares(len(part), options, generator))
            images, xy = frame_images(images, options.view_size, zoom, shift), (xy - shift) / zoom
        seen.append(keypoints_of(model, images, k))
        points.append(xy.cpu())
    return FaceKeypoints(*(torch.cat(fields) for fields in zip(*seen, strict=True))), torch.cat(points)


class ViewedFaces:
    """What `regression_errors` asks for views: tables of the K strongest keypoints, and points from the same origin.

    The first views that it is asked for are kept with twice the keypoints, so that the error by number of keypoints
    read needs no second look.

    Args:
        model: the network, in evaluation mode.
        faces: the training faces.
        options: of the training.
        origin: "corner" or "middle".
    """

    def __init__(self, model: TUSK, faces: FaceLandmarks, options: TUSKOptions, origin: str) -> None:
        self.model, self.faces, self.options, self.origin = model, faces, options, origin
        self.first: tuple[FaceKeypoints, Tensor] | None = None

    def __call__(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Tables `(N, M K, 2)` and points `(N, P, 2)` of labelled faces in views."""
        k = self.model.config.keypoints
        seen, points = faces_in_views(self.model, self.faces, rows, self.options, generator, 2 * k)
        if self.first is None:
            self.first = seen, points
        return self.table(seen.strongest(k)), points + ORIGINS[self.origin]

    def table(self, keypoints: FaceKeypoints) -> Tensor:
        """Keypoints as a linear map wants them, `(N, M K, 2)`."""
        return scatter_by_prototype(*keypoints, self.model.config.prototypes, self.origin).flatten(1, 2)


def signs_of_life(keypoints: FaceKeypoints, prototypes: int) -> dict[str, Any]:
    """What tells a live detector from one that gives every face the mean shape.

    Returns:
        `movement`, how far keypoints are from the nearest one of another face; `spread`, how far the keypoints of a
        prototype stray from their mean place, the mean over prototypes that are found in a fiftieth of the faces or
        more; `prototypes_used`, how many those are. In half widths of what was looked at.
    """
    counts = torch.bincount(keypoints.assignment[keypoints.found], minlength=prototypes)
    used = counts >= max(2.0, 0.02 * len(keypoints.xy))
    spread = prototype_spread(*keypoints, prototypes)[used]
    return {
        "movement": round(float(movement(keypoints.xy, keypoints.found)), 4),
        "spread": round(float(spread.mean()), 4) if used.any() else 0.0,
        "prototypes_used": int(used.sum()),
    }
