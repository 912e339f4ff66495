"""What a trained detector says of whole data sets, and how well its landmarks follow warps."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.data.base import ImageSource
from tusklite.data.faces import FaceLandmarks
from tusklite.geometry import WARPS, identity_grid, random_tps, warp_images
from tusklite.methods.thewlis.model import FactorizedLandmarks
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.views import draw_frames, draw_views

BATCH = 100


@torch.no_grad()
def landmarks_of(model: FactorizedLandmarks, images: ImageSource, count: int | None = None) -> Tensor:
    """Landmarks `(N, K, 2)` of whole images, in [-1, 1], on the CPU; of the first `count` only where given."""
    indices = torch.arange(min(count or len(images), len(images)))
    return torch.cat([model.find(images.scenes(part).image).cpu() for part in indices.split(BATCH)])


@torch.no_grad()
def landmarks_in_views(
    model: FactorizedLandmarks,
    faces: FaceLandmarks,
    rows: Tensor,
    options: ThewlisOptions,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Landmarks and annotated points of labelled faces, each seen through a frame and a warp of its own.

    Args:
        model: the detector, in evaluation mode.
        faces: a split.
        rows: which faces `(N,)`, all labelled; repeats get other views.
        options: of the training: its frames and its second warp make the views.
        generator: of all that is drawn.

    Returns:
        Landmarks `(N, K, 2)` and points `(N, P, 2)` in [-1, 1] of the views, on the CPU.
    """
    size, found, points = model.config.image_size, [], []
    square = identity_grid(size, size, faces.device).view(1, -1, 2)
    for part in rows.split(BATCH):
        batch = faces.scenes(part, with_truth=True)
        assert batch.xy is not None
        zoom, shift = (value.to(faces.device) for value in draw_frames(len(part), options, generator))
        warp = random_tps(len(part), WARPS[options.second_warp], generator, device=faces.device)
        grid = zoom * warp(square.expand(len(part), -1, -1)) + shift
        images = warp_images(batch.image, grid.view(-1, size, size, 2), padding_mode="reflection")
        found.append(model(images).xy.cpu())
        points.append(warp.invert_points((batch.xy - shift) / zoom, tolerance=1e-3).cpu())
    return torch.cat(found), torch.cat(points)


@torch.no_grad()
def equivariance_error(
    model: FactorizedLandmarks, images: ImageSource, options: ThewlisOptions, views: int = 1, count: int | None = None
) -> Tensor:
    """How far landmarks of a warped image are from where the warp takes those of the image.

    Args:
        model: the detector, in evaluation mode.
        images: unseen ones.
        options: its frames and warps make the pairs of views.
        views: pairs of each image.
        count: only the first so many images.

    Returns:
        `(N views, K)` distances, in units of [-1, 1] of the views: times half the image's width, pixels.
    """
    generator, errors = torch.Generator().manual_seed(1), []
    for part in torch.arange(min(count or len(images), len(images))).repeat(views).split(BATCH):
        pair = draw_views(images.scenes(part).image, model.config.image_size, options, generator)
        distance = model(pair.first).xy - pair.warp(model(pair.second).xy)
        errors.append(distance.norm(dim=-1).cpu())
    return torch.cat(errors)
