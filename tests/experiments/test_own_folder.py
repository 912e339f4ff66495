"""TUSK on a folder of one's own pictures: odd files read or named, one command, weights that `detect` takes."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tusklite.cli import main
from tusklite.data import PictureFolder, require_source
from tusklite.data.picture_folder import read_pictures
from tusklite.experiments import get_preset, splits_of

SMALL = ("steps=2", "batch=2", "keypoints=3", "prototypes=3", "device=cpu")


def left_half(size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Dark in its left half, light in its right one."""
    pixels = np.full((size[1], size[0], 3), 220, np.uint8)
    pixels[:, : size[0] // 2] = 20
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every kind of picture, and what is none."""
    root = tmp_path / "pictures"
    (root / "below").mkdir(parents=True)
    wide = left_half()
    wide.save(root / "rgb.png")
    wide.convert("L").save(root / "grey.png")
    wide.convert("CMYK").save(root / "print.jpg", quality=95)
    wide.quantize(8).save(root / "palette.gif")
    wide.save(root / "below" / "upper.JPG", quality=95)
    wide.save(root / "picture.webp", lossless=True)
    Image.fromarray(np.asarray(wide.convert("L")).astype(np.uint16) * 257).save(root / "deep.png")
    clear = Image.merge("RGBA", (*Image.new("RGB", wide.size).split(), wide.convert("L").point(lambda v: 255 - v)))
    clear.save(root / "clear.png")  # black where it is opaque, nothing elsewhere
    wide.save(root / "pages.tif", save_all=True, append_images=[Image.new("RGB", wide.size, "red")])
    notes = Image.Exif()
    notes[0x0112] = 6  # to be turned by a quarter clockwise
    wide.transpose(Image.Transpose.ROTATE_90).save(root / "turned.jpg", exif=notes, quality=95)
    left_half((3000, 2000)).save(root / "large.jpg", quality=95)
    Image.new("RGB", (1, 1), (20, 20, 20)).save(root / "pixel.png")
    (root / "broken.jpg").write_bytes(b"no picture at all")
    (root / "cut off.png").write_bytes((root / "rgb.png").read_bytes()[:80])
    (root / "empty.png").touch()
    (root / "notes.txt").write_text("passed over")
    (root / "._rgb.png").write_bytes(b"passed over")
    return root


BAD = ("broken.jpg", "cut off.png", "empty.png")


def test_every_kind_of_picture_is_read_as_it_is_shown(folder: Path) -> None:
    with pytest.warns(UserWarning, match="^skipped ") as told:
        data = PictureFolder(folder, image_size=32)
    assert len(told) == 3
    for name, warned in zip(BAD, told, strict=True):
        assert f"skipped {name}: " in str(warned.message)
    assert require_source("data", data) is data
    good = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name not in BAD}
    assert set(data.names) == good - {"notes.txt", "._rgb.png"}
    batch = data.scenes(range(len(data))).image
    assert batch.shape == (12, 3, 32, 32)
    for name, image in zip(data.names, batch, strict=True):
        dark, light = float(image[:, :, 4].mean()), float(image[:, :, 27].mean())
        if name == "pixel.png":
            assert (dark, light) == pytest.approx((20 / 255, 20 / 255), abs=0.01)
            continue
        assert light - dark > 0.6, name
        assert float(image.std(dim=1).max()) < 0.1, name  # rows are alike: nothing was turned
    again = PictureFolder(folder, image_size=32)  # without a second warning, which would be an error here
    assert again.identity() == data.identity()
    assert again.skipped == data.skipped
    assert data.describe()["skipped"] == 3


def test_pictures_are_another_data_set_once_one_has_changed(folder: Path) -> None:
    with pytest.warns(UserWarning, match="skipped"):
        before = PictureFolder(folder, 32).identity()
    left_half((60, 41)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "rgb.png")
    with pytest.warns(UserWarning, match="skipped"):
        assert PictureFolder(folder, 32).identity() != before


def test_one_command_leaves_weights_that_detect_takes_and_says_what_to_change(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = [word for setting in (*SMALL, f"folder={folder}") for word in ("--set", setting)]
    run = tmp_path / "run"
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # which the tests make errors: the command prints them
        assert main(["train", "tusk-pictures", "--preset", "ci", "--quiet", "--run-dir", str(run), *words]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].startswith(f"pictures: 12 of {folder}, 3 skipped, sha256 ")
    advice = [line.removeprefix("advice: ") for line in lines if line.startswith("advice: ")]
    assert advice[-1] == "12 pictures are few: what they have in common by chance is learnt too; 200 or more are better"
    for name in BAD:
        assert said.err.count(f"tusklite: skipped {name}: ") == 1
    result = json.loads((run / "metrics.json").read_text())
    assert result["details"]["advice"] == advice
    assert result["metrics"].keys() >= {"border_percent", "empty_slots", "dead_prototypes", "movement"}

    out = tmp_path / "found"
    assert main(["detect", str(run / "model.safetensors"), str(folder), "--out", str(out), "--quiet"]) == 1
    assert "read 12 pictures" in capsys.readouterr().out
    with (out / "keypoints.csv").open(encoding="utf-8", newline="") as table:
        assert {row["file"] for row in csv.DictReader(table)} == set(read_pictures(folder, 80).names)


def test_folders_that_will_not_do_are_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(FileNotFoundError, match="folder: none was given; allowed is a folder of pictures: --set"):
        splits_of(get_preset("tusk-pictures", "ci", device="cpu"))
    with pytest.raises(FileNotFoundError, match="which is no folder"):
        PictureFolder(tmp_path / "nowhere")
    left_half().save(tmp_path / "one.png")
    with pytest.raises(ValueError, match=r"with 1 pictures that can be read and 0 that cannot; allowed are 2 or more"):
        PictureFolder(tmp_path)
    assert main(["train", "tusk-pictures", "--set", f"folder={tmp_path}", "--quiet"]) == 2
    assert "allowed are 2 or more" in capsys.readouterr().err
    with pytest.raises(TypeError, match="folder: 3 was given; allowed is a word or None"):
        get_preset("tusk-pictures", "ci", folder=3)


def test_the_network_sees_things_as_large_as_detect_shows_them(folder: Path) -> None:
    """The size that weights state is that of the pictures, and squares of training magnify them by less than half."""
    preset = get_preset("tusk-pictures", "lite")
    low, high = (preset.training.view_size / (preset.data.image_size * zoom) for zoom in preset.training.zooms[::-1])
    assert low <= 1 <= high < 1.5
    assert torch.isclose(torch.tensor(low * high).sqrt(), torch.tensor(1.0), atol=0.1)
