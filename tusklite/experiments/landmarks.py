"""Factorized landmarks on faces and on single digits: what is trained on what, and how it is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tusklite.data import FaceLandmarks, SingleDigits
from tusklite.experiments.runs import Prepared, stated
from tusklite.geometry import WARPS, identity_grid, random_tps, warp_images
from tusklite.methods.thewlis.model import FactorizedLandmarks
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.training import ThewlisTraining
from tusklite.methods.thewlis.views import draw_frames, draw_views
from tusklite.metrics import LandmarkRegressor, landmark_spread, nearest_landmark_distance, normalized_mean_error
from tusklite.presets import Preset
from tusklite.published import PAPER_AFLW
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult

FEW_LABELS = (1, 5, 10, 20)
BATCH = 100


@dataclass(frozen=True)
class LandmarkSplits:
    """Images to learn from without labels, and unseen ones to score on."""

    train: FaceLandmarks | SingleDigits
    unseen: FaceLandmarks | SingleDigits

    @classmethod
    def of(cls, preset: Preset) -> LandmarkSplits:
        """The splits that a preset of "thewlis-aflw" or "thewlis-digits" asks for, on its device."""
        device = choose_device(preset.schedule.device)
        data = preset.data
        if preset.experiment == "thewlis-digits":
            splits = (SingleDigits(split, data.digit, data.source, device) for split in ("train", data.score_on))
        else:
            splits = (FaceLandmarks(split, data.source, device=device) for split in ("train", data.score_on))
        return cls(*splits)


def new_landmark_training(preset: Preset) -> ThewlisTraining:
    """An untrained detector with its optimisation; the same weights for the same seed, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(preset.schedule.seed)
        return ThewlisTraining(FactorizedLandmarks(preset.model), preset.training, preset.schedule.seed)


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
        zoom, shift = (value.to(faces.device) for value in draw_frames(len(part), options, generator))
        warp = random_tps(len(part), WARPS[options.second_warp], generator, device=faces.device)
        grid = zoom * warp(square.expand(len(part), -1, -1)) + shift
        images = warp_images(batch.image, grid.view(-1, size, size, 2), padding_mode="reflection")
        found.append(model(images).xy.cpu())
        points.append(warp.invert_points((batch.xy - shift) / zoom, tolerance=1e-3).cpu())
    return torch.cat(found), torch.cat(points)


@torch.no_grad()
def landmarks_of(model: FactorizedLandmarks, images: FaceLandmarks | SingleDigits, count: int | None = None) -> Tensor:
    """Landmarks `(N, K, 2)` of whole images, in [-1, 1], on the CPU; of the first `count` only where given."""
    indices = torch.arange(min(count or len(images), len(images)))
    return torch.cat([model.find(images.scenes(part).image).cpu() for part in indices.split(BATCH)])


def labelled_rows(faces: FaceLandmarks, score_on: str) -> Tensor:
    """Training faces that a regressor may be fitted on: the labelled ones, less those that it is to be scored on."""
    allowed = faces.labelled if score_on == "test" else faces.labelled & ~faces.held_out
    return allowed.nonzero().flatten().cpu()


def regress_faces(
    model: FactorizedLandmarks, splits: LandmarkSplits, preset: Preset
) -> tuple[dict[str, float], LandmarkRegressor]:
    """Inter-ocular error on unseen faces of a linear regressor that was fitted on labelled training faces.

    Args:
        model: the detector, in evaluation mode.
        splits: of the faces.
        preset: says how many views the regressor gets, and its ridge.

    Returns:
        The errors in percent (`nme_percent` with all labels, `nme_percent_20_labels` and so on with few), how far
        landmarks keep apart and stray (`nearest`, `spread`, in half image widths); and the regressor.
    """
    data, generator = preset.data, torch.Generator().manual_seed(preset.schedule.seed)
    rows = labelled_rows(splits.train, data.score_on)
    unseen = splits.unseen.labelled.nonzero().flatten().cpu()
    found, truth = landmarks_of(model, splits.unseen)[unseen], splits.unseen.points[unseen].cpu()

    def error(landmarks: Tensor, points: Tensor) -> tuple[float, LandmarkRegressor]:
        regressor = LandmarkRegressor(data.ridge).fit(landmarks, points)
        left, right = splits.unseen.eyes
        return 100 * float(normalized_mean_error(regressor.predict(found), truth, left, right)), regressor

    views = landmarks_in_views(model, splits.train, rows.repeat(data.regressor_views), preset.training, generator)
    nme, regressor = error(*views)
    metrics = {"landmarks": model.config.landmarks, "nme_percent": round(nme, 3)}
    for count in FEW_LABELS:
        errors = []
        for _ in range(data.few_label_draws):
            chosen = rows[torch.randperm(len(rows), generator=generator)[:count]]
            copies = chosen.repeat(data.few_label_views)
            views = landmarks_in_views(model, splits.train, copies, preset.training, generator)
            errors.append(error(*views)[0])
        metrics[f"nme_percent_{count}_labels"] = round(sum(errors) / len(errors), 3)
    metrics["nearest"] = round(_nearest(found), 4)
    metrics["spread"] = round(float(landmark_spread(found)), 4)
    return metrics, regressor


def _nearest(landmarks: Tensor) -> float:
    """Mean distance from a landmark `(N, K, 2)` to the nearest other one; 0 for a single one, which has no other."""
    return float(nearest_landmark_distance(landmarks).mean()) if landmarks.shape[1] > 1 else 0.0


def watch_faces(splits: LandmarkSplits, preset: Preset) -> Callable[[ThewlisTraining], dict[str, float]]:
    """Figures for the log while training runs, from held-out training faces; nothing is chosen by them."""
    rows = labelled_rows(splits.train, "validation")[:400]
    held_out = splits.train.held_out.nonzero().flatten().cpu()[:200]

    def look(method: ThewlisTraining) -> dict[str, float]:
        generator = torch.Generator().manual_seed(0)
        known = landmarks_in_views(method.model, splits.train, rows, preset.training, generator)
        found, truth = landmarks_in_views(method.model, splits.train, held_out, preset.training, generator)
        predicted = LandmarkRegressor(preset.data.ridge).fit(*known).predict(found)
        nme = normalized_mean_error(predicted, truth, *splits.train.eyes)
        figures = {"nme_percent": 100 * nme, "nearest": _nearest(found), "spread": landmark_spread(found)}
        return {name: round(float(value), 4) for name, value in figures.items()}

    return look


@torch.no_grad()
def equivariance_error(
    model: FactorizedLandmarks, images: SingleDigits | FaceLandmarks, options: ThewlisOptions, views: int = 1
) -> Tensor:
    """How far landmarks of a warped image are from where the warp takes those of the image.

    Args:
        model: the detector, in evaluation mode.
        images: unseen ones.
        options: its frames and warps make the pairs of views.
        views: pairs of each image.

    Returns:
        `(N views, K)` distances, in units of [-1, 1] of the views: times half the image's width, pixels.
    """
    generator, errors = torch.Generator().manual_seed(1), []
    for part in torch.arange(len(images)).repeat(views).split(BATCH):
        pair = draw_views(images.scenes(part).image, model.config.image_size, options, generator)
        distance = model(pair.first).xy - pair.warp(model(pair.second).xy)
        errors.append(distance.norm(dim=-1).cpu())
    return torch.cat(errors)


def prepare_faces(preset: Preset) -> Prepared:
    """All that a run of "thewlis-aflw" needs."""
    splits, method = LandmarkSplits.of(preset), new_landmark_training(preset)

    def result(fitted: FitResult) -> dict[str, object]:
        metrics, _ = regress_faces(method.model, splits, preset)
        described = splits.unseen.describe()
        paper = PAPER_AFLW if preset.data.source == "mtfl" else {}
        return stated(preset, fitted, described, metrics, paper)

    return Prepared(method, splits.train, watch_faces(splits, preset), result)


def score_digits(
    model: FactorizedLandmarks, digits: SingleDigits, options: ThewlisOptions, views: int = 1
) -> dict[str, float]:
    """How well landmarks follow warps of unseen digits, and how far they keep apart, in pixels of the digits' images.

    Args:
        model: the detector, in evaluation mode.
        digits: unseen ones.
        options: its warps make the pairs of views.
        views: pairs of each digit.
    """
    pixels = digits.images.shape[-1] / 2
    found = landmarks_of(model, digits)
    figures = {
        "equivariance_px": pixels * equivariance_error(model, digits, options, views).mean(),
        "nearest_px": pixels * _nearest(found),
        "spread": landmark_spread(found),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def prepare_digits(preset: Preset) -> Prepared:
    """All that a run of "thewlis-digits" needs; while it runs, validation digits are watched."""
    data, options = preset.data, preset.training
    splits, method = LandmarkSplits.of(preset), new_landmark_training(preset)
    watched = SingleDigits("validation", data.digit, data.source, splits.train.device)

    def result(fitted: FitResult) -> dict[str, object]:
        metrics = score_digits(method.model, splits.unseen, options, data.score_views)
        sizes = {"train_digits": len(splits.train), f"{data.score_on}_digits": len(splits.unseen)}
        described = {name: splits.train.describe()[name] for name in ("source", "sha256", "digit")}
        return stated(preset, fitted, described | sizes, metrics, {})

    return Prepared(method, splits.train, lambda training: score_digits(training.model, watched, options), result)
