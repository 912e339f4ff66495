"""A detector of single faces on pictures with several of them (Jin et al. 2022, figure 1): how many parts it finds.

Pictures are mosaics of unseen faces, or photographs. All detectors see the very same ones. Where the parts of a face
lie from a keypoint is learnt on single training faces; nothing is learnt on pictures with several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_choice, require_integer, require_tensor
from tusklite.data import FaceLandmarks
from tusklite.data.dlib_faces import FacesPhotograph, five_points
from tusklite.experiments.face_regression import labelled_rows
from tusklite.methods.channelwise.model import ChannelwiseDetector
from tusklite.methods.thewlis.model import FactorizedLandmarks, frame_images
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.weights import KeypointModel
from tusklite.metrics import (
    PartOffsets,
    Points,
    Voted,
    choose_scale,
    find_parts,
    learn_offsets,
    match_things,
    vote_for_things,
)

SIDE = 80  # of a tile, in pixels
EYE_DISTANCE = 24.0  # median of a tile's face, in pixels
AWAY = 0.3  # how far a face is moved off the middle of its tile at most, in half tiles
LAYOUTS = {1: (1, 1), 2: (1, 2), 3: (2, 2), 4: (2, 2)}  # rows and columns of tiles, by number of faces
LEARNT_ON = 2000  # single training faces
ALLOWED = "allowed are TUSK, Thewlis's and the channel-wise one"
SIDES = (128, 160, 200, 256, 320, 400, 512)  # longer sides that a photograph is tried at, in pixels

# Images (B, 3, H, W) and how many faces each shows, to keypoints in pixels (B, K, 2); a method with one keypoint a
# channel has as many as ever.
Detector = Callable[[Tensor, int], Points]


def detector_of(model: KeypointModel) -> Detector:
    """How a trained model is asked for keypoints in pictures with several faces.

    TUSK looks for K times as many as there are faces; the others have one keypoint a channel, whatever there is.

    Args:
        model: a `TUSK`, a `FactorizedLandmarks` or a `ChannelwiseDetector`, in evaluation mode.

    Raises:
        TypeError: another model.
    """
    if not isinstance(model, TUSK | FactorizedLandmarks | ChannelwiseDetector):
        raise TypeError(f"model: {type(model).__name__} was given; {ALLOWED}")

    @torch.no_grad()
    def detect(images: Tensor, faces: int) -> Points:
        height, width = images.shape[2:]
        images = images.to(next(model.parameters()).device)
        if isinstance(model, TUSK):
            heatmap, features = model.encode(images)
            keypoints = model.detect(heatmap, min(model.config.keypoints * faces, heatmap[0].numel()))
            descriptors = model.describe(features, keypoints.xy)
            xy, found = keypoints.xy, keypoints.found
            prototype = model.assign(descriptors, xy)
        else:
            if isinstance(model, FactorizedLandmarks):
                xy = model(images).xy
            else:
                xy = model.read_points(*model.encode(images)).xy
            found = torch.ones_like(xy[..., 0], dtype=torch.bool)
            prototype = torch.arange(xy.shape[1]).expand(len(xy), -1)
        pixels = (xy.cpu() + 1) / 2 * torch.tensor([width, height])
        return Points(pixels, prototype.cpu(), found.cpu())

    return detect


def prototypes_of(model: KeypointModel) -> int:
    """How many kinds of keypoint a detector knows: M, or its channels.

    Example:
        >>> from tusklite.methods.thewlis.model import ThewlisConfig
        >>> prototypes_of(FactorizedLandmarks(ThewlisConfig(landmarks=7)))
        7
    """
    for name in ("prototypes", "landmarks", "channels"):
        if hasattr(model.config, name):
            return int(getattr(model.config, name))
    raise TypeError(f"model: {type(model).__name__} was given; {ALLOWED}")


class Pictures(NamedTuple):
    """Pictures of one size with annotated faces.

    Attributes:
        images: `(N, 3, H, W)` in [0, 1].
        parts: `(N, F, P, 2)` in pixels; the outer edges are 0 and W or H.
    """

    images: Tensor
    parts: Tensor


def face_tiles(faces: FaceLandmarks, rows: Tensor, generator: torch.Generator) -> Pictures:
    """Single faces, as tiles of 80 pixels: all at about one scale, each moved off the middle.

    The scale is one for all faces of a split, such that the median distance of their eyes is 24 pixels.

    Args:
        faces: a split.
        rows: which faces `(N,)`, all labelled.
        generator: says how far each is moved.

    Raises:
        ValueError: faces without two eyes.
    """
    if faces.eyes is None:
        raise ValueError(
            f"faces: those of {faces.source!r} have fewer than two points; allowed are faces with both eyes"
        )
    left, right = faces.eyes
    known = faces.points[faces.labelled].cpu()
    zoom = float((known[:, left] - known[:, right]).norm(dim=-1).median()) * SIDE / 2 / EYE_DISTANCE
    images, parts = [], []
    for part in rows.split(100):
        batch = faces.scenes(part, with_truth=True)
        assert batch.xy is not None
        moved = zoom * AWAY * (2 * torch.rand(len(part), 1, 2, generator=generator) - 1)
        images.append(frame_images(batch.image, SIDE, zoom, moved.to(batch.image.device)).cpu())
        parts.append((batch.xy.cpu() - moved) / zoom)
    order = [left, right, *(place for place in range(known.shape[1]) if place not in (left, right))]
    pixels = (torch.cat(parts)[:, order] + 1) * SIDE / 2
    return Pictures(torch.cat(images), pixels.unsqueeze(1))


def mosaics(tiles: Pictures, faces: int) -> Pictures:
    """Put single faces together, so many in each picture; a tile that is left over has their mean colour.

    Args:
        tiles: of single faces; those that do not fill a picture are left out.
        faces: 1 to 4, in one row of one or two tiles, or two rows of two.

    Example:
        >>> tiles = Pictures(torch.rand(7, 3, 80, 80), torch.rand(7, 1, 5, 2))
        >>> several = mosaics(tiles, 3)
        >>> several.images.shape, several.parts.shape
        (torch.Size([2, 3, 160, 160]), torch.Size([2, 3, 5, 2]))
    """
    faces = require_integer("faces", faces, low=1, high=4)
    require_tensor("tiles.images", tiles.images, ("N", 3, SIDE, SIDE))
    rows, columns = LAYOUTS[faces]
    count = len(tiles.images) // faces
    images = tiles.images[: count * faces].unflatten(0, (count, faces))
    canvas = images.mean(dim=(1, 3, 4), keepdim=True)[:, 0].repeat(1, 1, rows * SIDE, columns * SIDE)
    corners = []
    for place in range(faces):
        top, left = SIDE * (place // columns), SIDE * (place % columns)
        canvas[:, :, top : top + SIDE, left : left + SIDE] = images[:, place]
        corners.append((left, top))
    parts = tiles.parts[: count * faces, 0].unflatten(0, (count, faces))
    return Pictures(canvas, parts + torch.tensor(corners, dtype=parts.dtype).view(1, faces, 1, 2))


def see(detector: Detector, pictures: Pictures) -> list[Points]:
    """Keypoints of each picture."""
    seen: list[Points] = []
    for images in pictures.images.split(20):
        points = detector(images, pictures.parts.shape[1])
        seen += [Points(*each) for each in zip(*points, strict=True)]
    return seen


def offsets_of_faces(
    detector: Detector, prototypes: int, train: FaceLandmarks, score_on: str = "test", seed: int = 0
) -> PartOffsets:
    """Where parts lie from the keypoints of each prototype, learnt on single labelled training faces.

    Args:
        detector: as `detector_of` gives it.
        prototypes: how many kinds it knows.
        train: the training faces.
        score_on: where it is "validation", the faces of that split are left out.
        seed: of which faces, and where they stand.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = labelled_rows(train, score_on)
    rows = rows[torch.randperm(len(rows), generator=generator)[:LEARNT_ON]]
    tiles = face_tiles(train, rows, generator)
    points = Points(*(torch.stack(field) for field in zip(*see(detector, tiles), strict=True)))
    return learn_offsets(points, tiles.parts[:, 0], prototypes)


def score_pictures(detector: Detector, offsets: PartOffsets, pictures: Pictures) -> dict[str, float]:
    """Share of annotated parts that are found, in percent, and of whole faces.

    Args:
        detector: as `detector_of` gives it.
        offsets: learnt on single faces.
        pictures: with several.

    Returns:
        `recall` by keypoints moved by the learnt offsets, `bare` by keypoints as they are, `precision` the share of
        votes that lie on their part; `faces` the share of whole faces that are voted, `faces_precision` of the voted
        ones that are faces.
    """
    seen = see(detector, pictures)
    return _scores([_look(points, parts, offsets) for points, parts in zip(seen, pictures.parts, strict=True)])


class _Look(NamedTuple):
    parts: Tensor  # bool (F, P)
    bare: Tensor  # bool (F, P)
    votes: int
    right: int
    faces: int
    matched: int
    voted: Voted


def _look(points: Points, parts: Tensor, offsets: PartOffsets) -> _Look:
    with_offsets, bare = (find_parts(points, parts, offsets, alone) for alone in (False, True))
    voted = vote_for_things(points, offsets)
    matched = match_things(voted, parts)
    return _Look(with_offsets.found, bare.found, with_offsets.votes, with_offsets.right, len(parts), matched, voted)


def _scores(looks: Sequence[_Look]) -> dict[str, float]:
    faces, voted = sum(each.faces for each in looks), sum(len(each.voted.middle) for each in looks)
    matched, votes = sum(each.matched for each in looks), sum(each.votes for each in looks)
    shares = {
        "recall": float(torch.cat([each.parts for each in looks]).float().mean()),
        "bare": float(torch.cat([each.bare for each in looks]).float().mean()),
        "precision": sum(each.right for each in looks) / max(votes, 1),
        "faces": matched / max(faces, 1),
        "faces_precision": matched / max(voted, 1),
    }
    return {name: round(100 * share, 2) for name, share in shares.items()}


def mosaic_scores(
    model: KeypointModel,
    train: FaceLandmarks,
    unseen: FaceLandmarks,
    pictures: int = 100,
    score_on: str = "test",
    seed: int = 0,
) -> dict[str, float]:
    """How recall holds from one face to four in a picture: the same pictures for every model and the same seed.

    Args:
        model: a trained one, in evaluation mode.
        train: the training faces.
        unseen: those that mosaics are made of.
        pictures: how many of each number, where there are enough faces.
        score_on: the split of `unseen`.
        seed: of the pictures.

    Returns:
        In percent `recall_1` to `recall_4` with learnt offsets, `recall_1_bare` to `recall_4_bare` of the keypoints as
        they are, `faces_1` and `faces_precision_1` and so on of whole faces.
    """
    require_integer("pictures", pictures, low=1)
    detector = detector_of(model)
    offsets = offsets_of_faces(detector, prototypes_of(model), train, require_choice_of_split(score_on), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    rows = unseen.labelled.nonzero().flatten().cpu()
    rows = rows[torch.randperm(len(rows), generator=generator)[: pictures * max(LAYOUTS)]]
    tiles = face_tiles(unseen, rows, generator)
    figures: dict[str, float] = {}
    for faces in LAYOUTS:
        some = Pictures(*(field[: pictures * faces] for field in tiles))
        if len(some.images) < faces:
            continue
        scores = score_pictures(detector, offsets, mosaics(some, faces))
        figures |= {
            f"recall_{faces}": scores["recall"],
            f"recall_{faces}_bare": scores["bare"],
            f"faces_{faces}": scores["faces"],
            f"faces_precision_{faces}": scores["faces_precision"],
        }
    return figures


def require_choice_of_split(score_on: str) -> str:
    """Return the split if it is one that is scored on."""
    return require_choice("score_on", score_on, ("test", "validation"))


def photograph_scores(
    model: KeypointModel, offsets: PartOffsets, photographs: Sequence[FacesPhotograph], multiple: int = 8
) -> dict[str, dict[str, float]]:
    """Parts and whole faces in photographs, at each of several sizes, and at one that is chosen without truth.

    Args:
        model: a trained one, in evaluation mode.
        offsets: as `offsets_of_faces` gives them.
        photographs: with their faces.
        multiple: sides are rounded to multiples of it, for the network's sake.

    Returns:
        Scores as those of `score_pictures`, under "128" to "512", the longer side in pixels of every photograph;
        "chosen", for each the size at which whole faces account for most of the keypoints (see
        `tusklite.metrics.choose_scale`); and "told", for each the size at which the median distance of the eyes is
        nearest to that of the training faces, which needs the truth.
    """
    detector = detector_of(model)
    looks: dict[str, list[_Look]] = {}
    for photograph in photographs:
        image, parts = photograph.image.float() / 255, five_points(photograph.points) + 0.5  # from the outer edge
        height, width = image.shape[1:]
        own, apart = [], []
        for side in SIDES:
            ratio = side / max(height, width)
            size = tuple(max(64, round(ratio * length / multiple) * multiple) for length in (height, width))
            small = F.interpolate(image[None], size=size, mode="bilinear", align_corners=False, antialias=True)
            scaled = parts * torch.tensor([size[1] / width, size[0] / height])
            pictures = Pictures(small, scaled.unsqueeze(0))
            own.append(_look(see(detector, pictures)[0], scaled, offsets))
            apart.append(float((scaled[:, 0] - scaled[:, 1]).norm(dim=-1).median()))
            looks.setdefault(str(side), []).append(own[-1])
        looks.setdefault("chosen", []).append(own[choose_scale([each.voted for each in own])])
        nearest = min(range(len(SIDES)), key=lambda place: abs(apart[place] / offsets.unit - 1))
        looks.setdefault("told", []).append(own[nearest])
    return {name: _scores(each) for name, each in looks.items()}
