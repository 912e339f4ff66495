"""TUSK on faces: what is read off keypoints that are known, mosaics that detectors see alike, and a whole small run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tusklite.data import FaceLandmarks
from tusklite.data.dlib_faces import FacesPhotograph
from tusklite.experiments import get_experiment, get_preset, train
from tusklite.experiments.face_keypoints import ViewedFaces, faces_in_views, signs_of_life, whole_faces
from tusklite.experiments.face_mosaics import (
    Pictures,
    detector_of,
    face_tiles,
    mosaic_scores,
    mosaics,
    offsets_of_faces,
    photograph_scores,
    prototypes_of,
    see,
)
from tusklite.experiments.thewlis_aflw import FaceSplits
from tusklite.experiments.tusk_aflw import TABLE_3, read_faces
from tusklite.methods.channelwise.model import ChannelwiseConfig, ChannelwiseDetector
from tusklite.methods.slots.model import SlotAttention, SlotConfig
from tusklite.methods.thewlis.model import FactorizedLandmarks, Landmarks, ThewlisConfig
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.ops.keypoints import Keypoints

CONFIG = TUSKConfig(
    keypoints=2,
    prototypes=2,
    image_channels=3,
    descriptor_channels=4,
    width=4,
    levels=2,
    groups=2,
    window=9,
    temperature=0.05,
)


class Finder(TUSK):
    """A network that needs no training: the red spot and the green one are of two kinds."""

    def __init__(self) -> None:
        super().__init__(CONFIG)
        self.prototypes.restart(torch.eye(4)[:2])
        self.eval()

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        light = images[:, :2]
        return light.amax(dim=1, keepdim=True), torch.cat([light, 0 * light], dim=1) + 1e-6


class Still(Finder):
    """A network that does not look."""

    def detect(self, heatmap: Tensor, k: int | None = None) -> Keypoints:
        count = self.config.keypoints if k is None else k
        xy = torch.linspace(-0.5, 0.5, count).view(1, count, 1).expand(len(heatmap), -1, 2)
        return Keypoints(xy, torch.ones_like(xy[..., 0]), torch.zeros(len(heatmap), count, dtype=torch.int64))

    def assign(self, descriptors: Tensor, xy: Tensor) -> Tensor:
        return (torch.arange(xy.shape[1]) % 2).expand(len(xy), -1)


class Means(FactorizedLandmarks):
    """A detector with a channel a keypoint: the middle of all that is red, and of all that is green."""

    def __init__(self) -> None:
        super().__init__(ThewlisConfig(landmarks=2, image_size=48, widths=(3, 4, 5, 4, 6)))
        self.eval()

    def forward(self, images: Tensor) -> Landmarks:
        light = images[:, :2] ** 2
        probs = light / light.sum(dim=(2, 3), keepdim=True)
        x, y = ((2 * torch.arange(side) + 1) / side - 1 for side in (images.shape[3], images.shape[2]))
        return Landmarks(torch.stack([probs.sum(dim=2) @ x, probs.sum(dim=3) @ y], dim=-1), probs)


def spots(size: int, eyes: np.ndarray, width: float = 12.0) -> np.ndarray:
    """A red and a green eye on black, bytes (H, W, 3); pixel i has its centre at i."""
    rows, columns = np.mgrid[:size, :size]
    light = [np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / width) for x, y in eyes]
    return np.uint8(255 * np.stack([*light, 0 * light[0]], axis=-1))


# Nose and corners of the mouth, from the middle between eyes that are 20 pixels apart.
BELOW = np.array([[0, 8], [-6, 16], [6, 16]])


def draw_faces(root: Path) -> None:
    """Two eyes that keep together, anywhere about the middle; of the other three parts nothing shows."""
    names = ("left", "right", "nose", "left_mouth", "right_mouth")
    chance, lines = (
        np.random.default_rng(0),
        [",".join(["file", *(f"{n}_{axis}" for n in names for axis in "xy"), "split"])],
    )
    for number in range(50):
        eyes = np.array([[30, 36], [50, 39]]) + chance.uniform(-8, 8, (1, 2)) + chance.uniform(-1, 1, (2, 2))
        Image.fromarray(spots(80, eyes)).save(root / f"{number:02}.png")
        places = [f"{value:.3f}" for value in np.concatenate([eyes, eyes.mean(axis=0) + BELOW]).ravel()]
        lines.append(",".join([f"{number:02}.png", *places, "train" if number < 30 else "test"]))
    (root / "points.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    draw_faces(root)
    return root


@pytest.fixture(scope="module")
def splits(folder: Path) -> FaceSplits:
    """Faces that are a red and a green eye on black."""
    train_faces, test = (
        FaceLandmarks(split, "folder", folder, points=folder / "points.csv") for split in ("train", "test")
    )
    train_faces.held_out = torch.arange(30) >= 20
    return FaceSplits(train_faces, test)


def a_preset(**changes: object):
    preset = get_preset("tusk-aflw", "ci", device="cpu", few_label_views=5, **changes)
    return replace(preset, model=CONFIG)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- keypoints and points of faces -------------------------------------------------------------------------


def test_points_are_where_each_square_shows_them(splits: FaceSplits) -> None:
    options = get_preset("tusk-aflw", "lite").training
    rows = torch.arange(30).repeat(5)
    seen, points = faces_in_views(Finder(), splits.train, rows, options, seeded(), k=2)
    eyes = points[:, :2]
    inside = (eyes.abs() < 0.85).flatten(1).all(dim=1)
    assert inside.sum() > 60
    assert seen.assignment[inside].sort(dim=1).values.unique(dim=0).tolist() == [[0, 1]]
    ordered = seen.xy.gather(1, seen.assignment.argsort(dim=1).unsqueeze(-1).expand(-1, -1, 2))
    assert (ordered - eyes)[inside].norm(dim=-1).max() < 2 * 2 / 64
    apart = (points[:30] - points[30:60]).norm(dim=-1)
    assert apart.min() > 1e-3  # a face that comes again is seen in another square
    uncut = replace(options, view_size=0, zooms=(1.0, 1.0), shift=0.0, first_warp="none")
    whole, same = faces_in_views(Finder(), splits.train, rows[:30], uncut, seeded(), k=2)
    assert torch.equal(same, splits.train.points)
    assert whole.xy.shape == (30, 2, 2)


def test_keypoints_of_whole_faces_are_told_in_the_image_whatever_part_is_seen(splits: FaceSplits) -> None:
    seen, cut = (whole_faces(Finder(), splits.unseen, size, 0.9, 2) for size in (0, 72))
    truth = splits.unseen.points[:, :2]
    for found in (seen, cut):
        ordered = found.xy.gather(1, found.assignment.argsort(dim=1).unsqueeze(-1).expand(-1, -1, 2))
        assert (ordered - truth).norm(dim=-1).max() < 1.5 * 2 / 80


@pytest.mark.parametrize("origin", ["corner", "middle"])
def test_a_finder_is_read_without_error_and_one_that_does_not_look_as_the_mean_face(
    splits: FaceSplits, origin: str
) -> None:
    preset = a_preset(origin=origin, zoom=0.9)
    size, k = preset.training.view_size, CONFIG.keypoints
    results = {}
    for model in (Finder(), Still()):
        found = whole_faces(model, splits.unseen, size, 0.9, 2 * k)
        metrics, details = read_faces(preset, model, splits, found)
        results[type(model).__name__] = metrics, signs_of_life(found.strongest(k), 2)
        assert metrics[f"nme_percent_{origin}"] == metrics["nme_percent"]
        assert details["nme_percent_by_keypoints"].keys() == {"1", "2", "4"}
        assert details["nme_percent_by_keypoints"]["2"] == pytest.approx(metrics["nme_percent"])
    (good, alive), (bad, dead) = results["Finder"], results["Still"]
    assert good["nme_percent"] < 6
    assert bad["nme_percent"] > 4 * good["nme_percent"]
    # From another origin the same keypoints are read as well, since none is missing.
    assert good["nme_percent_corner"] < 8
    assert good["nme_percent_middle"] < 8
    assert alive["movement"] > 0.02
    assert alive["spread"] > 0.05
    assert (dead["movement"], dead["spread"], dead["prototypes_used"]) == (0.0, 0.0, 2)


def test_the_first_views_are_kept_with_twice_the_keypoints(splits: FaceSplits) -> None:
    views = ViewedFaces(Finder(), splits.train, get_preset("tusk-aflw", "lite").training, "corner")
    tables, points = views(torch.arange(10), seeded())
    views(torch.arange(3), seeded(1))
    kept, own = views.first
    assert kept.xy.shape == (10, 4, 2)
    assert torch.equal(views.table(kept.strongest(2)), tables)
    assert torch.equal(own + 1, points)
    assert tables.shape == (10, 4, 2)


# --- several faces in a picture ----------------------------------------------------------------------------


def test_tiles_are_at_one_scale_with_their_eyes_where_they_are_said_to_be(splits: FaceSplits) -> None:
    tiles = face_tiles(splits.train, torch.arange(30), seeded())
    assert tiles.parts.shape == (30, 1, 5, 2)
    distance = (tiles.parts[:, 0, 0] - tiles.parts[:, 0, 1]).norm(dim=-1)
    assert float(distance.median()) == pytest.approx(24.0, abs=0.5)
    points = see(detector_of(Finder()), tiles)
    for found, parts in zip(points, tiles.parts, strict=True):
        ordered = found.xy[found.prototype.argsort()]
        assert (ordered - parts[0, :2]).norm(dim=-1).max() < 1.5
    middles = tiles.parts.mean(dim=(1, 2))
    assert (middles - 40).abs().max() < 0.3 * 40 + 24
    assert middles.std(dim=0).min() > 4  # moved off the middle


@pytest.mark.parametrize("faces", [1, 2, 3, 4])
def test_a_mosaic_holds_its_tiles_and_their_points(faces: int) -> None:
    tiles = Pictures(torch.rand(9, 3, 80, 80, generator=seeded()), 80 * torch.rand(9, 1, 5, 2, generator=seeded(1)))
    several = mosaics(tiles, faces)
    assert len(several.images) == 9 // faces
    for n, (image, parts) in enumerate(zip(several.images, several.parts, strict=True)):
        for place in range(faces):
            own = tiles.parts[n * faces + place, 0]
            left, top = ((parts[place] - own)[0]).round().int().tolist()
            assert torch.allclose(parts[place] - own, torch.tensor([left, top]).float(), atol=1e-4)
            assert torch.equal(image[:, top : top + 80, left : left + 80], tiles.images[n * faces + place])
    if faces == 3:
        rest, mean = several.images[0][:, 80:, 80:], tiles.images[:3].mean(dim=(0, 2, 3))
        torch.testing.assert_close(rest, mean.view(3, 1, 1).expand(3, 80, 80))


def test_recall_holds_for_one_map_of_all_and_falls_for_a_channel_a_keypoint(splits: FaceSplits) -> None:
    """Jin et al. 2022, figure 1: the mean over a map with two maxima lies between them."""
    several = mosaic_scores(Finder(), splits.train, splits.unseen, pictures=5)
    channels = mosaic_scores(Means(), splits.train, splits.unseen, pictures=5)
    for faces in (1, 2, 3, 4):
        assert several[f"recall_{faces}"] > 95
        assert several[f"recall_{faces}_bare"] == pytest.approx(40, abs=3)  # the eyes, two of five parts
        assert several[f"faces_{faces}"] > 90
        assert several[f"faces_precision_{faces}"] > 90
    assert channels["recall_1"] > 95
    assert channels["recall_4"] < 30
    assert channels["faces_4"] < 40
    again = mosaic_scores(Finder(), splits.train, splits.unseen, pictures=5)
    assert again == several


def test_every_detector_of_landmarks_can_be_asked_and_no_other() -> None:
    channelwise = ChannelwiseDetector(
        ChannelwiseConfig(channels=3, image_channels=3, width=8, levels=2, groups=8, stem=2)
    ).eval()
    for model, k, kinds in ((Finder(), 8, 2), (Means(), 2, 2), (channelwise, 3, 3)):
        points = detector_of(model)(torch.rand(2, 3, 80, 160, generator=seeded()), 4)
        assert points.xy.shape == (2, k, 2)
        assert prototypes_of(model) == kinds
        assert points.prototype.max() < kinds
        assert points.xy[..., 0].max() <= 160
        assert points.xy[..., 1].max() <= 80
    with pytest.raises(TypeError, match="model: SlotAttention was given; allowed are TUSK"):
        detector_of(SlotAttention(SlotConfig()))


def photograph(side: int, apart: float, seed: int) -> FacesPhotograph:
    """Two faces of two spots; of the 68 points those of eyes, nose and mouth are told."""
    chance = np.random.default_rng(seed)
    image, faces = np.zeros((side, side, 3), np.uint8), []
    for corner in ((0.2, 0.25), (0.55, 0.65)):
        left = side * np.array(corner) + chance.uniform(0, 4, 2)
        right = left + np.array([apart, 0.0])
        image = np.maximum(image, spots(side, np.array([left, right]), 12 * (apart / 24) ** 2))
        points = np.zeros((68, 2))
        points[36:42], points[42:48] = left, right
        points[[30, 48, 54]] = (left + right) / 2 + BELOW * apart / 20
        faces.append(points)
    return FacesPhotograph(
        f"{seed}.png", torch.from_numpy(image).permute(2, 0, 1), torch.tensor(np.array(faces)).float()
    )


def test_the_scale_of_a_photograph_is_chosen_without_truth(splits: FaceSplits) -> None:
    """Faces are learnt with eyes 24 pixels apart: of the sizes tried, the one that shows them so is found."""
    model = Finder()
    offsets = offsets_of_faces(detector_of(model), 2, splits.train)
    photographs = [photograph(400, 48.0, 1), photograph(300, 36.0, 2)]  # right at 200 pixels
    scores = photograph_scores(model, offsets, photographs)
    assert scores["chosen"]["faces"] == scores["told"]["faces"] == scores["200"]["faces"] == 100
    assert scores["512"]["faces"] < 60
    assert scores["chosen"].keys() == {"recall", "bare", "precision", "faces", "faces_precision"}
    assert scores["chosen"]["bare"] == 40.0  # the two eyes of five parts
    assert scores["chosen"]["recall"] > 75


# --- the experiment ----------------------------------------------------------------------------------------


def test_the_small_preset_trains_and_is_scored(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSKLITE_DATA", str(tmp_path / "none"))  # no photographs
    preset = get_preset(
        "tusk-aflw", "ci", source="folder", folder=str(folder), steps=4, batch=2, evaluate_every=4, device="cpu"
    )
    result = train(preset, tmp_path / "run")
    experiment = get_experiment("tusk-aflw")
    assert {metric.name for metric in experiment.metrics} <= result["metrics"].keys()
    assert all(np.isfinite(result["metrics"][metric.name]) for metric in experiment.metrics)
    assert result["metrics"]["keypoints"] == 10
    model = TUSK.load(tmp_path / "run" / "model.safetensors")
    assert model.config == preset.model


def test_pictures_without_points_show_signs_of_life_alone(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for picture in folder.glob("*.png"):
        (bare / picture.name).write_bytes(picture.read_bytes())

    preset = get_preset("tusk-aflw", "ci", source="folder", folder=str(bare), steps=2, batch=2, device="cpu")
    result = train(preset, tmp_path / "run")
    assert {"movement", "spread", "prototypes_used", "keypoints"} <= result["metrics"].keys()
    assert not [name for name in result["metrics"] if name.startswith(("nme", "recall"))]


def test_the_paper_preset_is_the_papers() -> None:
    """Jin et al. 2022, section 4.3; the authors' code for what its text leaves open."""
    preset = get_preset("tusk-aflw", "paper")
    model, training = preset.model, preset.training
    assert (model.keypoints, model.prototypes, model.window, preset.schedule.batch) == (4, 32, 21, 32)
    assert (model.decoder_input, model.appearance, model.stem, model.aggregation) == ("descriptor", 0, 1, "sum")
    assert (training.reconstruction_loss, training.perceptual_network, training.warp) == (
        "perceptual",
        "vgg16",
        "tusk-faces",
    )
    assert (training.view_size, training.prototype_steps, training.prototype_gradient) == (0, 8, False)
    assert (preset.data.origin, preset.data.zoom) == ("corner", 1.0)
    assert {row.method: row.metrics["nme_percent"] for row in TABLE_3} == {
        "TUSK (paper)": 18.49,
        "Jakab et al.": 19.42,
        "Lorenz et al.": 15.49,
        "He et al.": 25.81,
        "He et al. (tuned)": 12.10,
    }
    experiment = get_experiment("tusk-aflw")
    assert experiment.published(preset) == {}
    assert experiment.published(get_preset("tusk-aflw", "paper", source="celeba-wild")) == {"nme_percent": 18.49}


def test_every_departure_is_a_setting_that_the_recipe_has_otherwise() -> None:
    experiment = get_experiment("tusk-aflw")
    recipe = get_preset("tusk-aflw", "lite")
    for row, (changes, idea) in experiment.departures.rows.items():
        changed = recipe.with_settings(changes)
        assert changed.overrides.keys() == set(changes), row
        assert idea


def test_every_option_of_the_recipe_that_is_beyond_the_paper_has_a_row_of_its_own() -> None:
    """Whatever the recipe has and the paper's preset has not, but for sizes and rates."""
    recipe, paper = get_preset("tusk-aflw", "lite").settings(), get_preset("tusk-aflw", "paper").settings()
    rows = get_experiment("tusk-aflw").departures.rows.values()
    taken_away = {name for changes, _ in rows for name in changes}
    sizes = {"width", "levels", "groups", "window", "stem", "learning_rate", "background_window", "decoder_output"}
    how = {"reconstruction_loss", "perceptual_network", "perceptual_taps", "perceptual_weights"}
    how |= {"perceptual_preparation", "perceptual_size"}
    differing = {
        name
        for name, value in recipe.items()
        if name.startswith(("model.", "training."))
        and value != paper[name]
        and name.rpartition(".")[2] not in sizes | how
    }
    assert differing <= taken_away


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin": "edge"}, "origin: 'edge' was given; allowed are 'corner', 'middle'"),
        ({"zoom": 0}, "zoom: 0 was given"),
        ({"mosaic_pictures": 0}, "mosaic_pictures: 0 was given"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_preset("tusk-aflw", "ci", **changes)
