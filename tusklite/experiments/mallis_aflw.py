"""Mallis's landmarks on faces (Mallis et al. 2020, figure 2): presets, faces, scores, published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.data import FaceLandmarks
from tusklite.data.base import ImageAlone, ImageSource
from tusklite.experiments.base import AnyPreset, Experiment, Preset, Scores, register
from tusklite.experiments.face_regression import eyes_of, labelled_rows
from tusklite.experiments.mallis_recipe import (
    CI_MODEL,
    CI_SCHEDULE,
    FULL_MODEL,
    FULL_SCHEDULE,
    LITE_MODEL,
    LITE_SCHEDULE,
    LITE_TRAINING,
    PAPER_SCHEDULE,
    ci_training,
    full_training,
    new_mallis,
)
from tusklite.experiments.mallis_scores import (
    KnownPoints,
    descriptor_scores,
    landmark_scores,
    present_clusters,
    stage_one_scores,
)
from tusklite.methods.mallis.model import MallisConfig
from tusklite.methods.mallis.options import MallisOptions
from tusklite.methods.mallis.pseudo_truth import PointSets
from tusklite.methods.mallis.reading import landmarks_of
from tusklite.methods.mallis.starting_images import StartingImages
from tusklite.methods.mallis.starting_points import DETECTORS, find_starting_points
from tusklite.methods.mallis.training import MallisTraining
from tusklite.methods.mallis.views import Similarity, draw_similarities, see_through
from tusklite.methods.thewlis.model import frame_images
from tusklite.metrics.metric import Metric
from tusklite.results.result import Result
from tusklite.results.table import METHOD, Column, Published, Table, run_time
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult

FACE_SOURCES = ("mtfl", "celeba")
SMALLEST, LARGEST = 80, 160  # sides that faces are read at, in pixels: they have no more to show
TOGETHER = 250  # faces that are looked at at once
# Faces as they are have each point in its own place: k-means on places alone would get an NMI of 0.97 there.
POSES = MallisOptions(turn=40.0, scale=1.25, shift=0.3)


@dataclass(frozen=True)
class MallisFaceCounts:
    """Which faces, how they are framed, and where training starts from.

    Attributes:
        source: "mtfl" (scored on AFLW's test faces) or "celeba".
        score_on: "test", or "validation" to choose settings by: regressors then leave those faces out.
        train_faces: how many faces are learnt from at most, in the order of the source.
        labelled_faces: how many training faces regressors are fitted on at most; 1,000 in the authors' code.
        watched: how many held-out training faces are watched in training.
        image_size: height and width that the networks see.
        zoom: half-width of the middle square that they see, as a share of the image's.
        start: a detector, "shi-tomasi" or "sift" (scikit-image).
        start_points: how many points a face starts from at most.
        ridge: of the regressors.
    """

    source: str = "mtfl"
    score_on: str = "test"
    train_faces: int = 10_000
    labelled_faces: int = 1_000
    watched: int = 500
    image_size: int = 64
    zoom: float = 0.6
    start: str = "shi-tomasi"
    start_points: int = 25
    ridge: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        require_choice("source", self.source, FACE_SOURCES)
        require_choice("score_on", self.score_on, ("test", "validation"))
        require_choice("start", self.start, tuple(DETECTORS))
        for name, low, high in (
            ("train_faces", 2, 10**6),
            ("labelled_faces", 2, 10**6),
            ("watched", 2, 10**6),
            ("image_size", 16, 1024),
            ("start_points", 1, 1000),
        ):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low=low, high=high))
        object.__setattr__(self, "zoom", require_number("zoom", self.zoom, open_low=True, high=1.0))
        object.__setattr__(self, "ridge", require_number("ridge", self.ridge))


_LITE_MODEL = replace(LITE_MODEL, clusters=50)
_LITE_TRAINING = replace(LITE_TRAINING, looked_at=2_000, shift=0.2)

PRESETS: tuple[Preset[MallisConfig, MallisOptions, MallisFaceCounts], ...] = (
    Preset(
        "mallis-aflw",
        "ci",
        CI_MODEL,
        ci_training(_LITE_TRAINING),
        CI_SCHEDULE,
        MallisFaceCounts(train_faces=60, labelled_faces=60, watched=20),
    ),
    Preset(
        "mallis-aflw",
        "lite",
        _LITE_MODEL,
        _LITE_TRAINING,
        LITE_SCHEDULE,
        MallisFaceCounts(train_faces=4_000),
    ),
    Preset(
        "mallis-aflw",
        "full",
        replace(FULL_MODEL, clusters=50),
        full_training(_LITE_TRAINING),
        FULL_SCHEDULE,
        MallisFaceCounts(),
    ),
    # Its networks, losses and schedule, from corners rather than SuperPoint, whose weights come with no package.
    Preset(
        "mallis-aflw",
        "paper",
        MallisConfig(),
        MallisOptions(),
        PAPER_SCHEDULE,
        MallisFaceCounts(image_size=256),
    ),
)

NMI = Metric("nmi", "NMI", "")
FORWARD = Metric("forward_percent", "forward error", "%", better="down")
BACKWARD = Metric("backward_percent", "backward error", "%", better="down")
LANDMARKS = Metric("landmarks", "landmarks", "count")

# Mallis et al. 2020, figure 2 (b) and (c), on AFLW.
PAPER = {"forward_percent": 7.37, "nmi": 0.635}
FIGURE_2 = (
    Published("Mallis et al. (paper), SuperPoint", PAPER),
    Published("Mallis et al. (paper), R2D2", {"forward_percent": 8.87}),
    Published("Mallis et al. (paper), pairs of views alone", {"nmi": 0.352}),
)


class FramedImages:
    """The middle of a source's images, at a size.

    Args:
        source: of images.
        size: side in pixels.
        zoom: half-width of the square that is seen, as a share of the image's.
        rows: which images; None: all.
    """

    def __init__(self, source: ImageSource, size: int, zoom: float, rows: Tensor | None = None) -> None:
        self.source, self.size, self.zoom = source, size, zoom
        self.rows = torch.arange(len(source)) if rows is None else rows

    @property
    def reads_files(self) -> bool:
        """As the source."""
        return self.source.reads_files

    def __len__(self) -> int:
        return len(self.rows)

    def scenes(self, indices: Sequence[int] | Tensor) -> ImageAlone:
        """The images `indices`, framed."""
        rows = self.rows[torch.as_tensor(indices).cpu()]
        return ImageAlone(frame_images(self.source.scenes(rows).image, self.size, self.zoom))

    def describe(self) -> dict[str, str | int]:
        """As the source."""
        return self.source.describe()

    def identity(self) -> dict[str, object]:
        """The source's, with the frame, and how many of its images."""
        frame = {"size": self.size, "zoom": self.zoom, "images": len(self)}
        return self.source.identity() | {"frame": frame}


class PosedImages(FramedImages):
    """The same, each turned, scaled and shifted once, so that its place in the frame tells little."""

    def __init__(self, source: ImageSource, size: int, zoom: float, rows: Tensor | None = None) -> None:
        super().__init__(source, size, zoom, rows)
        self.pose = draw_similarities(len(self), POSES, torch.Generator().manual_seed(0))

    def scenes(self, indices: Sequence[int] | Tensor) -> ImageAlone:
        """The images `indices`, posed."""
        numbers = torch.as_tensor(indices).cpu()
        images = super().scenes(numbers).image
        pose = Similarity(self.pose.turn[numbers].to(images.device), self.pose.shift[numbers].to(images.device))
        return ImageAlone(see_through(images, pose))

    def known(self, points: Tensor) -> KnownPoints:
        """With points `(N, P, 2)` of the frames, taken to where the pose shows them."""
        return KnownPoints(self, self.pose.to_view(points))


def _faces(results: Sequence[Result]) -> str:
    return f"{results[0]['data']['learnt_from']:,}"


@dataclass(frozen=True)
class MallisFaceSplits:
    """Training faces with starting points, labelled ones, watched ones in poses, and unseen ones, also in poses."""

    train: StartingImages
    labelled: KnownPoints
    watched: KnownPoints
    unseen: KnownPoints
    unseen_posed: KnownPoints
    eyes: tuple[int, int]
    about: dict[str, Any]


class MallisAFLW(Experiment[MallisTraining, MallisFaceSplits]):
    """Landmarks of faces from corners: clustered, learnt, merged, and annotated points read off them."""

    name = "mallis-aflw"
    title = "Mallis's landmarks on faces"
    presets = PRESETS
    metrics = (
        FORWARD,
        BACKWARD,
        LANDMARKS,
        NMI,
        Metric("nmi_warmup", "NMI after the warm-up", ""),
        Metric("nmi_position", "NMI of position alone", ""),
        Metric("nmi_chance", "NMI of chance", ""),
        Metric("nmi_system", "NMI of all kept points", ""),
        Metric("ami", "adjusted mutual information", ""),
        Metric("ami_position", "adjusted mutual information of position alone", ""),
        Metric("f", "F", ""),
        Metric("f_warmup", "F after the warm-up", ""),
        Metric("precision", "precision of points", ""),
        Metric("recall", "recall of points", ""),
        Metric("mean_shape_percent", "error of the mean shape", "%", better="down"),
        Metric("joints_covered", "points with a landmark", "count"),
        Metric("landmarks_used", "landmarks used", "count"),
        Metric("found", "share of landmarks found"),
    )
    watched = {  # noqa: RUF012
        "detection": "detection",
        "contrastive": "eq. 2",
        "landmarks": "maps",
        "nmi": "NMI",
        "left": "landmarks",
    }
    table = Table(
        metrics=(FORWARD, BACKWARD, LANDMARKS, NMI),
        columns=(METHOD, Column("faces", _faces), Column("time", run_time)),
        published=FIGURE_2,
    )

    def splits(self, preset: AnyPreset) -> MallisFaceSplits:
        """Faces, framed, and where their training starts."""
        counts, device = preset.data, choose_device(preset.schedule.device)
        size, zoom = counts.image_size, counts.zoom
        side = min(max(size, SMALLEST), LARGEST)
        train = FaceLandmarks("train", counts.source, image_size=side, device=device)
        unseen = FaceLandmarks(counts.score_on, counts.source, image_size=side, device=device)
        seen = FramedImages(train, size, zoom, torch.arange(min(counts.train_faces, len(train))))
        about = {"start": counts.start, "points": counts.start_points}
        start = _start(seen, counts.start, counts.start_points)
        known = labelled_rows(train, counts.score_on)[: counts.labelled_faces]
        held_out = train.held_out.nonzero().flatten().cpu()[: counts.watched]
        scored = unseen.labelled.nonzero().flatten().cpu()
        labelled = KnownPoints(FramedImages(train, size, zoom, known), _points(train, known, zoom))
        poses = PosedImages(unseen, size, zoom, scored)
        return MallisFaceSplits(
            StartingImages(seen, start, about),
            labelled,
            PosedImages(train, size, zoom, held_out).known(_points(train, held_out, zoom)),
            KnownPoints(FramedImages(unseen, size, zoom, scored), _points(unseen, scored, zoom)),
            poses.known(_points(unseen, scored, zoom)),
            eyes_of(train),
            unseen.describe() | about | {"learnt_from": len(seen), "labelled_faces": len(known)},
        )

    def method(self, preset: AnyPreset) -> MallisTraining:
        """Untrained networks with their optimisation."""
        return new_mallis(preset)

    def look(self, preset: AnyPreset, method: MallisTraining, splits: MallisFaceSplits) -> dict[str, float]:
        """NMI on posed held-out faces; in the second stage how many landmarks are left, and found in an image."""
        known, model = splits.watched, method.model
        if method.reached > method.landmarks_from:
            found = ~landmarks_of(model, known.images, len(known.points)).isnan().any(-1)
            return {"left": found.shape[1], "found": round(float(found.double().sum(1).mean()), 4)}
        scores = descriptor_scores(model, known, present_clusters(method, splits.train, method.reached))
        return {"nmi": round(scores.nmi, 4), "ami": round(scores.ami, 4), "nmi_position": round(scores.nmi_position, 4)}

    def score(self, preset: AnyPreset, method: MallisTraining, splits: MallisFaceSplits, fitted: FitResult) -> Scores:
        """Descriptors and points on posed unseen faces, landmarks on these faces as they are."""
        cell = method.cell(splits.train)
        metrics = stage_one_scores(method, splits.train, splits.unseen_posed)
        left, right = splits.eyes
        eyes = (splits.unseen.points[:, left] - splits.unseen.points[:, right]).norm(dim=-1)
        ridge = preset.data.ridge
        figures, details = landmark_scores(method.model, splits.labelled, splits.unseen, eyes, ridge, cell)
        curve = [[record["step"], record["nmi"]] for record in fitted.log if "nmi" in record]
        rounded = {name: round(value, 4) for name, value in (metrics | figures).items()}
        return Scores(rounded, details | {"curves": {"nmi": curve}})

    def describe(self, preset: AnyPreset, splits: MallisFaceSplits) -> dict[str, Any]:
        """Source, checksum and numbers of the faces, and where training starts."""
        return splits.about

    def published(self, preset: AnyPreset) -> dict[str, float]:
        """The paper's row of figure 2; it is of AFLW alone."""
        return PAPER if preset.data.source == "mtfl" else {}


def _points(faces: FaceLandmarks, rows: Tensor, zoom: float) -> Tensor:
    """Annotated points of some faces, in [-1, 1] of their frames, on the CPU."""
    return faces.points.cpu()[rows] / zoom


def _start(images: ImageSource, detector: str, count: int) -> PointSets:
    """What a detector of generic keypoints finds in framed faces."""
    found = [
        find_starting_points(images.scenes(rows).image.cpu(), detector, count, size=96)
        for rows in torch.arange(len(images)).split(TOGETHER)
    ]
    return PointSets(torch.cat([part.xy for part in found]), torch.cat([part.found for part in found]))


register(MallisAFLW())
