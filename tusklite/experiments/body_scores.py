"""How experiments on bodies are scored: joints read off keypoints, parts found in pictures with two, animals hit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from tusklite.data.figures import BodyBatch
from tusklite.experiments.face_keypoints import FaceKeypoints, keypoints_of
from tusklite.methods.tusk.model import TUSK
from tusklite.metrics import LandmarkRegressor, Points, find_parts, learn_offsets, scatter_by_prototype
from tusklite.metrics.animals import body_length, keypoints_on_animals, share_near_animals, shared_prototypes
from tusklite.metrics.part_votes import RADIUS
from tusklite.metrics.prototype_points import ORIGINS

BATCH = 100
NEAR = 0.05  # a joint is found within this share of the picture's height
REACH = 0.25  # of a body's length: what is so near to an annotated point is on the animal


class Bodies(Protocol):
    """Pictures with the points of their bodies, as `Figures` and `BodySource` give them."""

    def __len__(self) -> int:
        """How many pictures there are."""
        ...

    def scenes(self, indices: Tensor, with_truth: bool = False) -> BodyBatch:
        """The pictures `indices`, with their points where asked for."""
        ...


class Seen(NamedTuple):
    """What a network saw of N pictures with F bodies each.

    Attributes:
        keypoints: of all pictures.
        xy: `(N, F, P, 2)` the annotated points, in [-1, 1]; NaN where one is not known.
        size: height and width of the pictures, in pixels.
    """

    keypoints: FaceKeypoints
    xy: Tensor
    size: tuple[int, int]

    def pictures(self) -> Iterator[tuple[Points, Tensor]]:
        """Keypoints and the points of F bodies, in pixels, picture by picture."""
        height, width = self.size
        half = torch.tensor([width / 2, height / 2])
        for xy, kinds, found, bodies in zip(*self.keypoints, self.xy, strict=True):
            yield Points((xy + 1) * half, kinds, found), (bodies + 1) * half


def look_at(model: TUSK, bodies: Bodies, k: int, rows: Tensor | None = None) -> Seen:
    """The k strongest keypoints of pictures, and their annotated points.

    Args:
        model: the network, in evaluation mode.
        bodies: the pictures; all of one size.
        k: how many keypoints.
        rows: which of them `(N,)`; all where None.
    """
    keypoints, points, size = [], [], (0, 0)
    for part in (torch.arange(len(bodies)) if rows is None else rows).split(BATCH):
        batch = bodies.scenes(part, with_truth=True)
        assert batch.xy is not None
        size = (batch.image.shape[2], batch.image.shape[3])
        keypoints.append(keypoints_of(model, batch.image, k))
        points.append(batch.xy.cpu())
    return Seen(FaceKeypoints(*(torch.cat(field) for field in zip(*keypoints, strict=True))), torch.cat(points), size)


def joint_errors(known: Seen, unseen: Seen, prototypes: int, ridge: float, origin: str) -> dict[str, float]:
    """How far joints are from where a linear map without bias puts them, in percent of the picture's side.

    Args:
        known: labelled pictures of one body each, that the map is fitted on.
        unseen: those that it is scored on.
        prototypes: M.
        ridge: of the regressor.
        origin: "corner" or "middle".

    Returns:
        `joint_error_percent`, and `mean_shape_percent`, that of the labelled pictures' mean joints in its place. A
        joint that is not known counts nowhere.
    """
    added = ORIGINS[origin]
    tables = [
        scatter_by_prototype(*seen.keypoints, prototypes, origin).flatten(1, 2).double() for seen in (known, unseen)
    ]
    points, truth = known.xy[:, 0].double() + added, unseen.xy[:, 0].double() + added
    predicted, mean = torch.full_like(truth, torch.nan), torch.full_like(truth, torch.nan)
    there = ~points.isnan().any(dim=2)  # (N, P)
    if there.all():
        predicted = LandmarkRegressor(ridge).fit(tables[0], points).predict(tables[1])
        mean[:] = points.mean(dim=0)
    else:
        for joint in there.any(dim=0).nonzero().flatten().tolist():
            rows = there[:, joint]
            own = points[rows, joint].unsqueeze(1)
            predicted[:, joint] = LandmarkRegressor(ridge).fit(tables[0][rows], own).predict(tables[1])[:, 0]
            mean[:, joint] = own.mean(dim=0)
    errors = {"joint_error_percent": predicted, "mean_shape_percent": mean}
    return {name: round(float((guess - truth).norm(dim=2).nanmean() / 2 * 100), 3) for name, guess in errors.items()}


def recall_scores(known: Seen, several: Seen, prototypes: int, name: str) -> dict[str, float]:
    """Share of the joints that some keypoint speaks for within 5% of the picture's height, in percent.

    What a prototype speaks for, and how far that is from a keypoint, is learnt on pictures of one body each.

    Args:
        known: labelled pictures of one body each, of the same height.
        several: pictures of one body or of several.
        prototypes: M.
        name: what to call the figures.

    Returns:
        `name`, with learnt offsets; `name_bare`, of keypoints as they are; `name_precision`, the share of the votes
        that lie on their joint.
    """
    unit = NEAR / RADIUS * several.size[0]
    height, width = known.size
    half = torch.tensor([width / 2, height / 2])
    points = Points((known.keypoints.xy + 1) * half, known.keypoints.assignment, known.keypoints.found)
    offsets = learn_offsets(points, (known.xy[:, 0] + 1) * half, prototypes, unit)
    found, bare, votes, right = [], [], 0, 0
    for keypoints, bodies in several.pictures():
        scores = find_parts(keypoints, bodies, offsets, unit=unit)
        found.append(scores.found)
        bare.append(find_parts(keypoints, bodies, offsets, bare=True, unit=unit).found)
        votes, right = votes + scores.votes, right + scores.right
    shares = {
        name: float(torch.cat(found).float().mean()),
        f"{name}_bare": float(torch.cat(bare).float().mean()),
        f"{name}_precision": right / max(votes, 1),
    }
    return {key: round(100 * share, 2) for key, share in shares.items()}


def animal_scores(seen: Seen, ends: tuple[int, int]) -> dict[str, float]:
    """Whether keypoints lie on animals, in percent, whatever part they are of.

    A keypoint does if an annotated point is within a quarter of a body's length.

    Args:
        seen: pictures of one animal or several.
        ends: which two of the points are the ends of a body.

    Returns:
        `on_animal`, the share of keypoints that lie on one; `on_animal_chance`, the share of the picture that counts
        as such; where there are several, `shared`, the share of the pictures in which all have a prototype in common.
    """
    half = torch.tensor([seen.size[1] / 2, seen.size[0] / 2])
    xy, animals = (seen.keypoints.xy + 1) * half, (seen.xy + 1) * half
    reach = REACH * body_length(animals, ends)
    of_animal = keypoints_on_animals(xy, seen.keypoints.found, animals, reach)
    figures = {
        "on_animal": int((of_animal >= 0).sum()) / max(1, int(seen.keypoints.found.sum())),
        "on_animal_chance": share_near_animals(animals, reach, seen.size),
    }
    if animals.shape[1] > 1:
        shared = shared_prototypes(of_animal, seen.keypoints.assignment, animals.shape[1])
        figures["shared"] = float(shared.float().mean())
    return {name: round(100 * share, 2) for name, share in figures.items()}
