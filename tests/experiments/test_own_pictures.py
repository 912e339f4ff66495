"""A folder of one's own pictures as the faces of an experiment: trained, gone on with, scored, and refused by name."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tusklite.cli import main
from tusklite.experiments import data_line, get_experiment, get_preset, new_training, run_name, splits_of, train
from tusklite.experiments.thewlis_aflw import follow_warps
from tusklite.methods.thewlis.model import FactorizedLandmarks
from tusklite.methods.thewlis.views import draw_views

SMALL = {"steps": 3, "batch": 2, "landmarks": 3, "widths": (4, 4, 4, 4, 6), "device": "cpu", "evaluate_every": 3}
ROOT = Path(__file__).resolve().parents[2]
SPLITS = ["train"] * 5 + ["validation"] * 2 + ["test"] * 3


def draw_pictures(folder: Path, count: int = len(SPLITS)) -> list[str]:
    """Two spots on black in each picture; a row of the table for each, with its split."""
    folder.mkdir(parents=True, exist_ok=True)
    chance, rows = np.random.default_rng(1), []
    y, x = np.mgrid[:40, :48]
    for number, split in enumerate(SPLITS[:count]):
        spots = np.array([[16, 15], [30, 22]]) + chance.uniform(-3, 3, (2, 2))
        light = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / 8) for a, b in spots]
        Image.fromarray(np.uint8(255 * np.stack([*light, 0 * light[0]], axis=-1))).save(folder / f"{number}.png")
        rows.append(",".join([f"{number}.png", *(f"{value:.1f}" for value in spots.ravel()), split]))
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures and the table of their points."""
    rows = draw_pictures(tmp_path / "pictures")
    table = "\n".join(["file,left_x,left_y,right_x,right_y,split", *rows]) + "\n"
    (tmp_path / "pictures" / "points.csv").write_text(table)
    return tmp_path / "pictures"


def words(folder: Path, run_dir: Path, *more: str) -> list[str]:
    settings = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    own = ["--set", "source=folder", "--set", f"folder={folder}"]
    return ["train", "thewlis-aflw", "--preset", "ci", "--quiet", *settings, *own, "--run-dir", str(run_dir), *more]


def test_pictures_are_trained_on_gone_on_with_and_refused_once_they_changed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run_dir = tmp_path / "run"
    assert main(words(folder, run_dir, "--minutes", "1e-9")) == 0
    first = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"faces: folder, 5 \+ 3, from the folder given as root, sha256 [0-9a-f]{12}…", first[0])
    assert first[-1] == "not finished: the same command with --resume goes on"

    shutil.copytree(folder, tmp_path / "kept")
    table = (folder / "points.csv").read_text()
    picture = (folder / "0.png").read_bytes()
    for change in ("points", "picture", "another"):
        if change == "points":
            (folder / "points.csv").write_text(table.replace(table.splitlines()[1].split(",")[1], "9.9"))
        elif change == "picture":
            shutil.copy(folder / "1.png", folder / "0.png")
        else:
            shutil.copy(folder / "1.png", folder / "10.png")
        assert main(words(folder, run_dir, "--resume")) == 2
        line = capsys.readouterr().err
        assert re.match(rf"tusklite: run_dir: {re.escape(str(run_dir))} holds a run with other settings \(data\.", line)
        assert "sha256: " in line
        (folder / "points.csv").write_text(table)
        (folder / "0.png").write_bytes(picture)
        (folder / "10.png").unlink(missing_ok=True)

    # The files count, not the place: the same ones elsewhere go on.
    assert main(words(tmp_path / "kept", run_dir, "--resume")) == 0
    *scores, last = capsys.readouterr().out.splitlines()[1:]
    assert last.endswith(f"everything is in {run_dir}")
    assert any(line.split()[0] == "nme_percent" for line in scores)
    result = json.loads((run_dir / "metrics.json").read_text())
    assert (result["data"]["source"], result["data"]["train_faces"], result["data"]["test_faces"]) == ("folder", 5, 3)
    assert result["paper"] == {}
    assert result["metrics"].keys() >= {"nme_percent", "equivariance_px", "landmarks", "nearest", "spread"}
    whole = get_preset("thewlis-aflw", "ci", source="folder", folder=folder, **SMALL)
    train(whole, tmp_path / "whole")
    pieces, at_once = (
        FactorizedLandmarks.load(each / "model.safetensors").state_dict() for each in (run_dir, tmp_path / "whole")
    )
    assert all(torch.equal(tensor, at_once[name]) for name, tensor in pieces.items())


def test_pictures_without_points_are_scored_by_how_landmarks_follow_warps(tmp_path: Path) -> None:
    """Splits go by names then: a hundred tiny pictures have some of each."""
    chance = np.random.default_rng(0)
    (tmp_path / "bare").mkdir()
    for number in range(100):
        Image.fromarray(chance.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / "bare" / f"{number}.png")
    preset = get_preset("thewlis-aflw", "ci", source="folder", folder=tmp_path / "bare", **SMALL)
    shown: list[dict[str, object]] = []
    result = train(preset, tmp_path / "run", progress=shown.append)
    assert result["metrics"].keys() == {"landmarks", "equivariance_px", "nearest", "spread"}
    assert result["data"]["labelled_train_faces"] == 0
    splits = splits_of(preset)
    model = FactorizedLandmarks.load(tmp_path / "run" / "model.safetensors")
    watched = follow_warps(preset, model, splits.watched)
    assert {name: shown[-1][name] for name in watched} == watched  # what the log shows is of validation pictures

    # Against the definition: landmarks of a view, and the warp's image of those of the other.
    images = splits.unseen.scenes(range(len(splits.unseen))).image
    pair = draw_views(images, preset.model.image_size, preset.training, torch.Generator().manual_seed(1))
    with torch.no_grad():
        apart = model(pair.first).xy - pair.warp(model(pair.second).xy)
    pixels = apart.double().norm(dim=-1).mean() * preset.model.image_size / 2
    assert result["metrics"]["equivariance_px"] == pytest.approx(float(pixels), rel=1e-3)


def test_the_table_is_the_one_in_the_folder_or_the_one_that_is_named(folder: Path, tmp_path: Path) -> None:
    named = tmp_path / "mine.csv"
    (folder / "points.csv").rename(named)
    own = {"source": "folder", "folder": str(folder)}
    splits = splits_of(get_preset("thewlis-aflw", "ci", **own, points=named, device="cpu"))
    assert [len(part) for part in (splits.train, splits.unseen, splits.watched)] == [5, 3, 2]
    assert splits.train.point_names == ("left", "right")
    named.rename(folder / "points.csv")
    found = splits_of(get_preset("thewlis-aflw", "ci", **own, device="cpu"))
    assert found.train.identity() == splits.train.identity()
    on_validation = get_preset("thewlis-aflw", "ci", **own, score_on="validation", device="cpu")
    assert splits_of(on_validation).watched is None  # what is scored on is not watched
    assert (
        get_experiment("thewlis-aflw").look(on_validation, new_training(on_validation), splits_of(on_validation)) == {}
    )


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (
            {"source": "folder"},
            ValueError,
            "folder: None was given for source 'folder'; allowed is the path of a folder",
        ),
        (
            {"source": "folder", "folder": ""},
            ValueError,
            "folder: '' was given for source 'folder'; allowed is the path",
        ),
        ({"folder": "x"}, ValueError, "folder: 'x' was given for source 'mtfl'; allowed is None unless it is 'folder'"),
        ({"points": "x.csv"}, ValueError, "points: 'x.csv' was given for source 'mtfl'; allowed is None unless"),
        ({"source": "folder", "folder": 3}, TypeError, "data.folder: 3 was given; allowed is a word or None"),
        (
            {"source": "folders"},
            ValueError,
            "source: 'folders' was given; allowed are 'mtfl', 'celeba', 'celeba-wild', 'folder'",
        ),
    ],
)
def test_what_is_missing_or_too_much_is_refused_by_name(
    given: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(said)}"):
        get_preset("thewlis-aflw", "ci", **given)


def test_a_folder_without_pictures_to_score_on_is_refused_before_it_is_trained_on(tmp_path: Path) -> None:
    draw_pictures(tmp_path, count=1)
    said = r"^folder: .* was given, with 1 train, 0 validation, 0 test pictures; allowed are some to train and some to"
    (tmp_path / "points.csv").write_text("file,x1,y1,split\n0.png,3,3,train\n")
    with pytest.raises(ValueError, match=said):
        splits_of(get_preset("thewlis-aflw", "ci", source="folder", folder=tmp_path, device="cpu"))


def test_files_that_are_not_there_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    def act(**more: object) -> None:
        splits_of(get_preset("thewlis-aflw", "ci", source="folder", device="cpu", **more))

    with pytest.raises(FileNotFoundError, match=r"^folder: .*none was given; allowed is a folder that is there"):
        act(folder=tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"^folder: .*none was given"):
        data_line(get_preset("thewlis-aflw", "ci", source="folder", folder=tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"^points: .*none\.csv was given; allowed is a CSV file that is there"):
        act(folder=folder, points=tmp_path / "none.csv")
    table = (folder / "points.csv").read_text().splitlines()
    x, y = table[-1].split(",")[1:3]
    (folder / "points.csv").write_text("\n".join([*table[:-1], f"9.png,{x},{y},{x},{y},test"]) + "\n")
    with pytest.raises(ValueError, match=r"^points: in points\.csv left and right of a test picture lie on one spot"):
        act(folder=folder)


def test_a_run_is_found_again_by_its_folder(folder: Path) -> None:
    names = {
        run_name(get_preset("thewlis-aflw", "ci", source="folder", folder=given))
        for given in (str(folder), folder, "elsewhere")
    }
    assert len(names) == 2


def test_the_example_of_the_data_page_is_one_that_works(tmp_path: Path) -> None:
    page = (ROOT / "data" / "README.md").read_text(encoding="utf-8").split("## Your own pictures")[1]
    (table,) = re.findall(r"```csv\n(.+?)```", page, re.DOTALL)
    pictures = [line.split(",")[0] for line in table.splitlines()[1:]]
    assert len(pictures) == 2
    for name in pictures:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (128, 96), (90, 60, 30)).save(tmp_path / name)
    (tmp_path / "points.csv").write_text(table)
    splits = splits_of(get_preset("thewlis-aflw", "ci", source="folder", folder=tmp_path, device="cpu"))
    assert (len(splits.train), len(splits.unseen)) == (1, 1)
    assert splits.train.point_names == ("left_eye", "right_eye", "nose")
    assert splits.train.labelled.all()
    commands = re.findall(r"^python -m tusklite train (.+)$", page, re.MULTILINE)
    assert {command.partition(" ")[0] for command in commands} == {"thewlis-aflw", "tusk-pictures"}
    for command in commands:
        folder = "--set source=folder --set folder=" if command.startswith("thewlis-aflw ") else "--set folder="
        assert folder in command
