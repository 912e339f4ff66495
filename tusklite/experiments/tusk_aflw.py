"""TUSK on faces (Jin et al. 2022, table 3): presets, scores, published figures, departures.

Faces are MTFL's, tested on AFLW, as for Thewlis's landmarks; the paper's own, CelebA in the wild, are a setting away:
`--set source=celeba-wild`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tusklite.arguments import require_choice, require_integer, require_number
from tusklite.data.dlib_faces import FIVE_NAMES, read_dlib_faces
from tusklite.experiments.base import AnyPreset, Experiment, Preset, Scores, register
from tusklite.experiments.face_keypoints import FaceKeypoints, ViewedFaces, signs_of_life, whole_faces
from tusklite.experiments.face_mosaics import (
    detector_of,
    mosaic_scores,
    offsets_of_faces,
    photograph_scores,
    prototypes_of,
)
from tusklite.experiments.face_regression import eyes_of, labelled_rows, regression_errors
from tusklite.experiments.thewlis_aflw import FaceCounts, FaceSplits, face_splits, tells_an_error
from tusklite.experiments.tusk_recipe import (
    CI_MODEL,
    CI_SCHEDULE,
    FULL_MODEL,
    FULL_SCHEDULE,
    LITE_MODEL,
    LITE_SCHEDULE,
    LITE_TRAINING,
    PAPER_SCHEDULE,
    new_tusk,
    published_settings,
)
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.metrics import LandmarkRegressor, normalized_mean_error
from tusklite.metrics.metric import Metric
from tusklite.metrics.prototype_points import ORIGINS
from tusklite.results.result import Result
from tusklite.results.table import METHOD, Column, Departures, Published, Table, run_time
from tusklite.train.loop import FitResult


@dataclass(frozen=True)
class TUSKFaceCounts(FaceCounts):
    """Which faces, and how they are read and scored.

    Attributes:
        zoom: half-width of the middle square of a face that the network sees when it is scored, as a share of the
            image's; 1 where views are whole images.
        origin: of the coordinates that the regressor gets: "corner", as in the paper, or "middle" of the image.
        ridge: of the regressor with all labels.
        few_label_ridge: of the regressor with few labels.
        mosaic_pictures: how many pictures with 1, 2, 3 and 4 faces each; fewer where faces are fewer.
    """

    ridge: float = 1e-5
    few_label_ridge: float = 1e-2
    zoom: float = 0.8
    origin: str = "middle"
    mosaic_pictures: int = 100

    def __post_init__(self) -> None:
        """Refuse values out of range; numbers of NumPy become plain ones."""
        super().__post_init__()
        object.__setattr__(self, "few_label_ridge", require_number("few_label_ridge", self.few_label_ridge))
        object.__setattr__(self, "zoom", require_number("zoom", self.zoom, open_low=True, high=1.0))
        require_choice("origin", self.origin, tuple(ORIGINS))
        pictures = require_integer("mosaic_pictures", self.mosaic_pictures, low=1, high=10_000)
        object.__setattr__(self, "mosaic_pictures", pictures)


# A trained SqueezeNet whose weights lie among the data. Others of torchvision's, which it downloads, want
# `perceptual_weights=DEFAULT perceptual_preparation=torchvision`; and with `perceptual=0` none is needed.
_LITE_TRAINING = replace(
    LITE_TRAINING,
    zooms=(0.45, 0.85),
    perceptual=0.5,
    perceptual_network="squeezenet1_0",
    perceptual_taps=("features.1", "features.4.cat", "features.7.cat", "features.9.cat"),
    perceptual_weights="weights/squeezenet1_0/squeezenet1_0_deepcompression_torchvision_keys.pth",
    perceptual_preparation="caffe",
    perceptual_size=64,
)
_LITE_SCHEDULE = replace(LITE_SCHEDULE, steps=2_600)

PRESETS: tuple[Preset[TUSKConfig, TUSKOptions, TUSKFaceCounts], ...] = (
    Preset(
        "tusk-aflw",
        "ci",
        CI_MODEL,
        replace(_LITE_TRAINING, perceptual_weights="random", perceptual_taps=("features.1",)),
        CI_SCHEDULE,
        TUSKFaceCounts(regressor_views=1, few_label_draws=1, few_label_views=5, mosaic_pictures=5),
    ),
    Preset("tusk-aflw", "lite", LITE_MODEL, _LITE_TRAINING, _LITE_SCHEDULE, TUSKFaceCounts()),
    Preset(
        "tusk-aflw",
        "full",
        FULL_MODEL,
        _LITE_TRAINING,
        FULL_SCHEDULE,
        TUSKFaceCounts(regressor_views=4),
    ),
    Preset(
        "tusk-aflw",
        "paper",
        TUSKConfig(keypoints=4, prototypes=32, image_channels=3, window=21),
        TUSKOptions(reconstruction_loss="perceptual", warp="tusk-faces"),
        PAPER_SCHEDULE,
        TUSKFaceCounts(regressor_views=1, few_label_views=1, zoom=1.0, origin="corner"),
    ),
)

ERROR = Metric("nme_percent", "error", "%", better="down")
ERROR_OF_FOUR = Metric("nme_percent_4", "error of the four strongest", "%", better="down", heading="of four %")
RECALLS = tuple(
    Metric(f"recall_{faces}", f"parts found among {faces}", "%", heading=f"recall {faces} %") for faces in (1, 2, 3, 4)
)

# A lite run with one of its settings changed, and nothing else, at full length. What they are scored on sets them
# apart from runs for the table: held-out training faces, so that nothing is chosen on AFLW.
DEPARTURES = Departures(
    preset="lite",
    source="mtfl",
    short_run={"data.score_on": "validation"},
    metrics=(ERROR, ERROR_OF_FOUR, RECALLS[0], RECALLS[3], Metric("movement", "movement", "")),
    paired=ERROR,
    rows=published_settings(warp="tusk-faces", keypoints=("four keypoints", 4))
    | {
        "no position": ({"model.remove_position": True}, "as on MNIST-Hard; in a face, a place is news"),
        "squared error alone": ({"training.perceptual": 0.0}, "no frozen network is needed"),
        "hardly any squared error": ({"training.reconstruction": 0.01}, "as published: the perceptual distance"),
    },
)

# Table 3 of Jin et al. 2022: CelebA in the wild, MAFL's test faces, four keypoints.
PAPER = {"nme_percent": 18.49}
TABLE_3 = tuple(
    Published(method, {"nme_percent": error}, {"faces": "CelebA in the wild, MAFL", "keypoints": "4"})
    for method, error in (
        ("TUSK (paper)", 18.49),
        ("Jakab et al.", 19.42),
        ("Lorenz et al.", 15.49),
        ("He et al.", 25.81),
        ("He et al. (tuned)", 12.10),
    )
)
WATCHED = 200  # faces, for the log


def _faces(results: Sequence[Result]) -> str:
    data = results[0]["data"]
    names = {"mtfl": "MTFL, AFLW", "celeba": "CelebA, MAFL", "celeba-wild": "CelebA in the wild, MAFL"}
    return names.get(data["source"], "your own")


def _keypoints(results: Sequence[Result]) -> str:
    return str(results[0]["metrics"]["keypoints"])


class TUSKAFLW(Experiment[TUSKTraining, FaceSplits]):
    """Keypoints learnt from faces without a label, annotated points read off them, and several faces in a picture."""

    name = "tusk-aflw"
    title = "TUSK on faces"
    presets = PRESETS
    metrics = (
        ERROR,
        ERROR_OF_FOUR,
        Metric("nme_percent_corner", "error, from the corner", "%", better="down"),
        Metric("nme_percent_middle", "error, from the middle", "%", better="down"),
        *(
            Metric(f"nme_percent_{count}_labels", f"error with {count} labels", "%", better="down")
            for count in (20, 10, 5, 1)
        ),
        *RECALLS,
        *(Metric(f"recall_{faces}_bare", f"the same without offsets, {faces}", "%") for faces in (1, 2, 3, 4)),
        *(Metric(f"faces_{faces}", f"whole faces found among {faces}", "%") for faces in (1, 2, 3, 4)),
        *(Metric(f"faces_precision_{faces}", f"precision of whole faces, {faces}", "%") for faces in (1, 2, 3, 4)),
        Metric("movement", "movement", ""),
        Metric("spread", "spread of a prototype", ""),
        Metric("prototypes_used", "prototypes in use", "count"),
        Metric("keypoints", "keypoints", "count"),
    )
    watched = {  # noqa: RUF012
        "reconstruction": "recon",
        "perceptual": "perceptual",
        "contrast": "contrast",
        "nme_percent": "error %",
        "movement": "movement",
    }
    table = Table(
        metrics=(ERROR, ERROR_OF_FOUR, *RECALLS),
        columns=(METHOD, Column("faces", _faces), Column("keypoints", _keypoints), Column("time", run_time)),
        published=TABLE_3,
    )
    departures = DEPARTURES

    def splits(self, preset: AnyPreset) -> FaceSplits:
        """Training faces, and the unseen ones that the preset scores on."""
        return face_splits(preset)

    def method(self, preset: AnyPreset) -> TUSKTraining:
        """An untrained network with its optimisation."""
        return new_tusk(preset)

    def look(self, preset: AnyPreset, method: TUSKTraining, splits: FaceSplits) -> dict[str, float]:
        """Error on held-out training faces, and what tells a live detector from the mean face."""
        model, faces, options = method.model, splits.train, preset.training
        views = ViewedFaces(model, faces, options, preset.data.origin)
        held_out, known = faces.held_out.nonzero().flatten().cpu()[:WATCHED], labelled_rows(faces, "validation")[:400]
        if not len(held_out) or not len(known) or faces.eyes is None:
            return {}
        generator = torch.Generator().manual_seed(0)
        regressor = LandmarkRegressor(preset.data.ridge).fit(*views(known, generator))
        unseen = ViewedFaces(model, faces, options, preset.data.origin)
        tables, points = unseen(held_out, generator)
        error = 100 * float(normalized_mean_error(regressor.predict(tables), points, *eyes_of(faces)))
        assert unseen.first is not None
        life = signs_of_life(unseen.first[0].strongest(model.config.keypoints), model.config.prototypes)
        return {"nme_percent": round(error, 4), **life}

    def score(self, preset: AnyPreset, method: TUSKTraining, splits: FaceSplits, fitted: FitResult) -> Scores:
        """Annotated points of unseen faces, and parts in mosaics of them; of faces without points, signs of life."""
        model, data = method.model, preset.data
        k = model.config.keypoints
        found = whole_faces(model, splits.unseen, preset.training.view_size, data.zoom, 2 * k)
        life = {"keypoints": k, **signs_of_life(found.strongest(k), model.config.prototypes)}
        if not tells_an_error(splits):
            return Scores(life)
        metrics, details = read_faces(preset, model, splits, found)
        mosaics = mosaic_scores(model, splits.train, splits.unseen, data.mosaic_pictures, data.score_on)
        return Scores(metrics | mosaics | life, details | photographs(preset, model, splits))

    def describe(self, preset: AnyPreset, splits: FaceSplits) -> dict[str, Any]:
        """Source, checksum and numbers of the faces."""
        return splits.unseen.describe()

    def published(self, preset: AnyPreset) -> dict[str, float]:
        """The paper's row of table 3; it is of CelebA in the wild alone."""
        return PAPER if preset.data.source == "celeba-wild" else {}


def photographs(preset: AnyPreset, model: TUSK, splits: FaceSplits) -> dict[str, Any]:
    """Scores on dlib's photographs, where they are at hand and the faces have the same five points."""
    if len(splits.train.point_names) != len(FIVE_NAMES):
        return {}
    try:
        pictures = read_dlib_faces()
    except FileNotFoundError:
        return {}
    offsets = offsets_of_faces(detector_of(model), prototypes_of(model), splits.train, preset.data.score_on)
    return {"photographs": photograph_scores(model, offsets, pictures)}


def read_faces(
    preset: AnyPreset, model: TUSK, splits: FaceSplits, found: FaceKeypoints
) -> tuple[dict[str, float], dict[str, Any]]:
    """Errors of a linear map from keypoints of unseen faces to their annotated points.

    Args:
        preset: says how the regressor is fitted, and from which origin.
        model: the network, in evaluation mode.
        splits: of the faces.
        found: twice the model's keypoints of all unseen faces.

    Returns:
        Errors in percent: `nme_percent` with all labels, with few, from either origin, and of the four strongest
        keypoints; and as details the error by number of keypoints read.
    """
    data, k = preset.data, model.config.keypoints
    views = ViewedFaces(model, splits.train, preset.training, data.origin)
    metrics, _ = regression_errors(
        views,
        views.table(found.strongest(k)),
        splits.unseen,
        labelled_rows(splits.train, data.score_on),
        ridge=data.ridge,
        regressor_views=data.regressor_views,
        few_label_views=data.few_label_views,
        few_label_draws=data.few_label_draws,
        seed=preset.schedule.seed,
        few_label_ridge=data.few_label_ridge,
        origin=ORIGINS[data.origin],
    )
    assert views.first is not None
    known, points = views.first

    def error(count: int, origin: str) -> float:
        return _error_of(count, origin, model, known, points, found, splits, data.ridge)

    for origin in ORIGINS:
        metrics[f"nme_percent_{origin}"] = metrics["nme_percent"] if origin == data.origin else error(k, origin)
    counts = sorted({count for count in (2, 4, k // 2, k, 2 * k) if 0 < count <= 2 * k})
    by_count = {count: error(count, data.origin) for count in counts}
    metrics["nme_percent_4"] = by_count[4] if 4 in by_count else metrics["nme_percent"]
    return metrics, {"nme_percent_by_keypoints": {str(count): value for count, value in by_count.items()}}


def _error_of(
    count: int,
    origin: str,
    model: TUSK,
    known: FaceKeypoints,
    points: Tensor,
    found: FaceKeypoints,
    splits: FaceSplits,
    ridge: float,
) -> float:
    """Error in percent of a regressor that reads so many of the strongest keypoints, from an origin."""
    read = ViewedFaces(model, splits.train, TUSKOptions(), origin).table
    scored = splits.unseen.labelled.nonzero().flatten().cpu()
    regressor = LandmarkRegressor(ridge).fit(read(known.strongest(count)), points + ORIGINS[origin])
    predicted = regressor.predict(read(found.strongest(count))[scored])
    truth = splits.unseen.points[scored].cpu() + ORIGINS[origin]
    return round(100 * float(normalized_mean_error(predicted, truth, *eyes_of(splits.unseen))), 3)


register(TUSKAFLW())
