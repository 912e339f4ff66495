"""The published Tetrominoes and CLEVR with masks, on files that are written here in the published format."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from record_files import clevr_record, example, framed, strings, tetrominoes_record, write_records

from tusklite.data import (
    ClevrRecords,
    Tetrominoes,
    TetrominoesRecords,
    multi_object_records,
    read_clevr_pictures,
    record_cache,
    require_source,
)
from tusklite.data.loader import batches
from tusklite.files import FileNotWritten

SPLITS = (5, 2, 3)
PICTURES = Path(os.environ.get("TUSKLITE_DATA", "/nonexistent")) / "clevr_with_masks"


# Tetrominoes


def drawn(count: int):
    return Tetrominoes("test", count).scenes(range(count), with_truth=True)


def tetrominoes_records(count: int) -> list[bytes]:
    """Records of drawn scenes; the file numbers shapes in another order than the package, from 1 on."""
    truth = drawn(count)
    rgb = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)])
    return [
        tetrominoes_record(
            (image.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy(),
            segments.numpy(),
            [19 - int(number) for number in shape],
            rgb[colour],
        )
        for image, segments, shape, colour in zip(
            truth.image, truth.segments, truth.properties["shape"], truth.properties["colour"].numpy(), strict=True
        )
    ]


@pytest.fixture(scope="module")
def tetrominoes_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    return write_records(folder / "tetrominoes" / "tetrominoes_train.tfrecords", tetrominoes_records(12))


@pytest.fixture
def root(tmp_path: Path, tetrominoes_file: Path) -> Path:
    """A folder of data with the published file, and no cache yet."""
    shutil.copytree(tetrominoes_file.parent, tmp_path / "tetrominoes", ignore=shutil.ignore_patterns("*.cache"))
    return tmp_path


def test_tetrominoes_are_those_that_were_written(root: Path) -> None:
    truth = drawn(12)
    first = 0
    for split, size in zip(("train", "validation", "test"), SPLITS, strict=True):
        data = require_source("data", TetrominoesRecords(split, root, splits=SPLITS))
        assert len(data) == size
        here = slice(first, first + size)
        batch = data.scenes(range(size), with_truth=split != "train")
        torch.testing.assert_close(batch.image, truth.image[here], atol=0, rtol=0)
        if split != "train":
            assert torch.equal(batch.segments, truth.segments[here])
            assert torch.equal(batch.xy, truth.xy[here])
            assert torch.equal(batch.present, truth.present[here])
            assert data.properties == Tetrominoes.properties
            assert {name: values.dtype for name, values in batch.properties.items()} == {
                "shape": torch.int64,
                "colour": torch.int64,
            }
            for name, values in truth.properties.items():
                assert torch.equal(batch.properties[name], values[here])
        first += size


def test_batches_are_in_any_order_and_of_any_size(root: Path, device: str) -> None:
    data = TetrominoesRecords("test", root, splits=SPLITS, device=device)
    whole = data.scenes(range(3), with_truth=True)
    for indices in ([2, 0, 2, 1, 1], torch.tensor([1]), np.array([0, 2], np.int32)):
        batch = data.scenes(indices, with_truth=True)
        rows = torch.as_tensor(np.asarray(indices), device=device).long()
        assert torch.equal(batch.image, whole.image[rows])
        assert torch.equal(batch.segments, whole.segments[rows])
        assert torch.equal(batch.properties["shape"], whole.properties["shape"][rows])
        assert batch.image.device.type == batch.segments.device.type == batch.xy.device.type == device
    assert torch.equal(data[1].image, whole.image[1])
    with pytest.raises(IndexError, match="indices: 3 was given; allowed are 0 to 2"):
        data.scenes([3])


def test_training_scenes_never_yield_truth(root: Path) -> None:
    train = TetrominoesRecords("train", root, splits=SPLITS)
    with pytest.raises(ValueError, match="with_truth: True was given for split 'train'"):
        train.scenes([0], with_truth=True)
    assert train.scenes([0])[1:] == (None,) * 4


def test_a_piece_that_is_partly_hidden_has_the_shape_of_its_number(root: Path) -> None:
    records, truth = tetrominoes_records(12), drawn(12)
    counts = truth.properties["shape"].flatten().bincount(minlength=19)
    repeated = (counts[truth.properties["shape"]] > 1).nonzero()
    scene, piece = repeated[repeated[:, 0] > 1][0].tolist()
    segments = truth.segments[scene].clone()
    hidden = (segments == piece + 1).nonzero()[:30]
    segments[hidden[:, 0], hidden[:, 1]] = 0
    rgb = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)])
    records[scene] = tetrominoes_record(
        np.zeros((35, 35, 3), np.uint8),
        segments.numpy(),
        [19 - int(number) for number in truth.properties["shape"][scene]],
        rgb[truth.properties["colour"][scene].numpy()],
    )
    write_records(root / "tetrominoes" / "tetrominoes_train.tfrecords", records)
    batch = TetrominoesRecords("test", root, splits=(1, 1, 10)).scenes([scene - 2], with_truth=True)
    assert batch.properties["shape"][0, piece] == truth.properties["shape"][scene, piece]


# The cache


def test_the_file_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    before = TetrominoesRecords("test", root, splits=SPLITS)
    assert "reading tetrominoes_train.tfrecords, once: 100%" in capsys.readouterr().err
    assert [path.name for path in (root / "tetrominoes").glob("*.cache")] == ["tetrominoes_train-35px-3of10.cache"]

    def never(*_: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(record_cache, "records_in", never)
    again = TetrominoesRecords("validation", root, splits=(4, 3, 3))  # other splits of the same records
    assert again.sha256 == before.sha256
    assert again.identity() != before.identity()
    assert TetrominoesRecords("test", root, splits=SPLITS).identity() == before.identity()


def test_the_checksum_is_of_what_is_kept(root: Path, tmp_path: Path) -> None:
    """Where the file lies and how it was packed is no part of it; a pixel is, and so is a record more or less."""
    data = TetrominoesRecords("test", root, splits=SPLITS)
    stream = b"".join(map(framed, tetrominoes_records(12)))
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "tetrominoes_train.tfrecords").write_bytes(gzip.compress(stream, 9))
    assert TetrominoesRecords("test", other, splits=SPLITS).identity() == data.identity()
    records = tetrominoes_records(12)
    records[7] = records[6]
    write_records(other / "tetrominoes_train.tfrecords", records)
    assert TetrominoesRecords("test", other, splits=SPLITS).sha256 != data.sha256
    assert TetrominoesRecords("test", root, splits=(5, 2, 4)).sha256 != data.sha256


def test_a_file_that_changed_is_read_anew(root: Path) -> None:
    data = TetrominoesRecords("test", root, splits=SPLITS)
    write_records(root / "tetrominoes" / "tetrominoes_train.tfrecords", tetrominoes_records(12)[::-1])
    changed = TetrominoesRecords("test", root, splits=SPLITS)
    assert changed.sha256 != data.sha256
    expected = drawn(12).image.flip(0)[7:10]
    assert torch.equal(changed.scenes(range(3)).image, expected)


@pytest.mark.parametrize(
    "damage",
    [
        lambda cache: (cache / "images.u8").write_bytes((cache / "images.u8").read_bytes()[:-1]),
        lambda cache: (cache / "segments.u8").unlink(),
        lambda cache: (cache / "about.json").write_text("{"),
        lambda cache: (cache / "about.json").write_text("[]"),
        lambda cache: (cache / "truth.safetensors").write_bytes(b""),
    ],
)
def test_a_damaged_cache_is_written_anew(root: Path, damage: Callable[[Path], object]) -> None:
    before = TetrominoesRecords("test", root, splits=SPLITS)
    images = before.scenes(range(3)).image
    (cache,) = (root / "tetrominoes").glob("*.cache")
    damage(cache)
    after = TetrominoesRecords("test", root, splits=SPLITS)
    assert after.identity() == before.identity()
    assert torch.equal(after.scenes(range(3)).image, images)


def test_nothing_half_written_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(record_cache, "write_json", interrupted)  # the last thing that is written
        with pytest.raises(KeyboardInterrupt):
            TetrominoesRecords("test", root, splits=SPLITS)
    assert [path.name for path in (root / "tetrominoes").iterdir()] == ["tetrominoes_train.tfrecords"]
    assert len(TetrominoesRecords("test", root, splits=SPLITS)) == 3


def test_a_full_disk_leaves_nothing_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(record_cache, "save_file", full)
    with pytest.raises(FileNotWritten, match=r"3of10.cache: could not be written \(No space left on device\)"):
        TetrominoesRecords("test", root, splits=SPLITS)
    assert [path.name for path in (root / "tetrominoes").iterdir()] == ["tetrominoes_train.tfrecords"]


def test_a_training_reads_them_in_its_own_order(root: Path) -> None:
    data = TetrominoesRecords("train", root, splits=SPLITS)
    for indices, images in batches(data, batch=4, seed=1, first_step=0, last_step=3):
        assert torch.equal(images, data.scenes(indices).image)


def test_another_process_that_was_faster_is_believed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def late(source: Path, target: Path) -> None:
        shutil.copytree(source, target)  # as the other process has just written it
        rename(source, target)

    monkeypatch.setattr(record_cache.os, "rename", late)
    data = TetrominoesRecords("test", root, splits=SPLITS)
    assert len(data) == 3
    assert len(list((root / "tetrominoes").iterdir())) == 2


def test_the_cache_may_lie_elsewhere(root: Path, tmp_path: Path) -> None:
    TetrominoesRecords("test", root, cache=tmp_path / "fast" / "disk", splits=SPLITS)
    assert [path.suffix for path in (tmp_path / "fast" / "disk").iterdir()] == [".cache"]
    assert [path.name for path in (root / "tetrominoes").iterdir()] == ["tetrominoes_train.tfrecords"]
    with pytest.raises(ValueError, match=r"cache: .*tfrecords was given; allowed is a folder that can be made"):
        TetrominoesRecords("test", root, cache=root / "tetrominoes" / "tetrominoes_train.tfrecords", splits=SPLITS)


# What is refused


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def foreign(path: Path) -> None:
    path.write_bytes(b"<html>not found</html>")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_records(path: Path) -> None:
    write_records(path, [example({"text": strings(b"hello")})] * 20)


def other_size(path: Path) -> None:
    write_records(path, [example({"image": strings(b"hello")})] * 20)


def few(path: Path) -> None:
    write_records(path, tetrominoes_records(9))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (truncated, "truncated after [0-9]+ records"),
        (foreign, "no gzip file"),
        (empty, "empty"),
        (other_records, "record 0: feature 'image' is missing; there are text"),
        (other_size, r"record 0: feature 'image' has 5 bytes; allowed is \(35, 35, 3\)"),
        (few, r"ends after 9 records; allowed are 12 or more \(see splits\)"),
    ],
)
def test_other_files_are_refused_by_name(root: Path, damage: Callable[[Path], None], says: str) -> None:
    path = root / "tetrominoes" / "tetrominoes_train.tfrecords"
    damage(path)
    with pytest.raises(ValueError, match=says) as caught:
        TetrominoesRecords("test", root, splits=(5, 2, 5))
    assert str(caught.value).startswith(f"{path}: ")
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_masks_of_other_pieces_are_refused(root: Path) -> None:
    segments = np.zeros((35, 35), np.uint8)
    for number in range(3):
        segments[10 * number : 10 * number + 7, :9] = number + 1
    record = tetrominoes_record(np.zeros((35, 35, 3), np.uint8), segments, [1, 2, 3], np.eye(3))
    path = write_records(root / "tetrominoes" / "tetrominoes_train.tfrecords", [record] * 3)
    with pytest.raises(ValueError, match="the masks of shape 1 are none of the 19 pieces of four squares") as caught:
        TetrominoesRecords("test", root, splits=(1, 1, 1))
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("kind", [TetrominoesRecords, ClevrRecords])
def test_a_file_that_is_not_there_is_named_with_where_to_get_it(kind: type, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: no .*_train.tfrecords in .*Get it from https://"):
        kind("test", tmp_path)


@pytest.mark.parametrize("splits", [(1, 2), (1, 2, 3, 4), 5, (1, 0, 1), None])
def test_other_splits_are_refused(root: Path, splits: object) -> None:
    with pytest.raises(ValueError, match=r"splits: .* was given; allowed"):
        TetrominoesRecords("test", root, splits=splits)


# CLEVR


def clevr_scene(number: int):
    """A picture of noise with boxes; how many there are, and which of the crop they miss, differs by number."""
    random = np.random.default_rng(number)
    count = [3, 7, 6, 1, 10, 2][number % 6]
    image = random.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    masks = np.zeros((count + 1, 240, 320), np.uint8)
    centres = np.zeros((count, 2))
    for place in range(count):
        left, top = (0, 40) if place == 1 else (70 + 25 * (place % 7), 40 + 60 * (place // 7))
        masks[:, top : top + 24, left : left + 20] = 0
        masks[place + 1, top : top + 24, left : left + 20] = 255
        centres[place] = left + 9.5, top + 11.5  # counted from the middle of the first pixel
    masks[0] = 255 * (masks[1:].max(0) == 0)
    codes = {
        "shape": random.integers(1, 4, count).tolist(),
        "color": random.integers(1, 9, count).tolist(),
        "size": random.integers(1, 3, count).tolist(),
        "material": random.integers(1, 3, count).tolist(),
    }
    return image, masks, centres, codes


@pytest.fixture(scope="module")
def clevr_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve records; the first as published, string by string, the others with whole images for speed."""
    folder = tmp_path_factory.mktemp("clevr")
    records = [clevr_record(*clevr_scene(number), each=1 if not number else 10**7) for number in range(12)]
    write_records(folder / "clevr_with_masks" / "clevr_with_masks_train.tfrecords", records)
    return folder


def test_clevr6_is_the_scenes_of_at_most_six_objects(clevr_root: Path) -> None:
    kept = {"train": [0, 2, 3], "validation": [5, 6], "test": [8, 9, 11]}  # by record, split at 5 and 7
    sizes = (5, 2, 5)
    for split, records in kept.items():
        data = require_source("data", ClevrRecords(split, clevr_root, image_size=96, splits=sizes))
        assert len(data) == len(records)
        batch = data.scenes(range(len(data)), with_truth=split != "train")
        for row, record in enumerate(records):
            image, masks, centres, codes = clevr_scene(record)
            crop = Image.fromarray(image[29:221, 64:256]).resize((96, 96), Image.Resampling.BILINEAR)
            found = (batch.image[row] * 255).round().permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(found, np.asarray(crop))
            if split == "train":
                continue
            cut = masks.argmax(0)[29:221, 64:256]
            np.testing.assert_array_equal(batch.segments[row], cut[1::2, 1::2])
            for place in range(6):
                seen = place < len(centres) and place != 1  # the second box is left of the crop
                assert bool(batch.present[row, place]) == seen
                expected = (centres[place] - [63.5, 28.5]) / 96 - 1 if seen else np.zeros(2)
                np.testing.assert_allclose(batch.xy[row, place], expected, atol=1e-6)
                if seen:  # the middle of the box, in its own segment
                    rows, columns = np.nonzero(cut == place + 1)
                    middle = np.array([columns.min() + columns.max() + 1, rows.min() + rows.max() + 1]) / 192 - 1
                    np.testing.assert_allclose(batch.xy[row, place], middle, atol=1e-6)
                for name, theirs in {
                    "shape": "shape",
                    "colour": "color",
                    "size": "size",
                    "material": "material",
                }.items():
                    value = int(batch.properties[name][row, place])
                    if seen:
                        assert data.properties[name][value] == str(codes[theirs][place])
                    else:
                        assert value == -1


def test_more_objects_may_be_asked_for(clevr_root: Path) -> None:
    data = ClevrRecords("test", clevr_root, image_size=48, most_objects=10, splits=(5, 2, 5))
    assert len(data) == 5
    batch = data.scenes([0, 3], with_truth=True)
    assert batch.xy.shape == (2, 10, 2)
    assert data.most_objects == 10
    assert int(batch.present[1].sum()) == 9
    assert data.identity()["most_objects"] == 10


def test_a_split_of_crowded_scenes_alone_is_refused(clevr_root: Path) -> None:
    with pytest.raises(ValueError, match="split 'validation' has no scene of at most 6 objects"):
        ClevrRecords("validation", clevr_root, image_size=48, splits=(1, 1, 2))
    with pytest.raises(ValueError, match="image_size: 200 was given"):
        ClevrRecords("test", clevr_root, image_size=200)


# Real pictures of CLEVR


@pytest.mark.skipif(not PICTURES.is_dir(), reason="TUSKLITE_DATA is not set, or holds no folder clevr_with_masks")
def test_real_pictures_of_clevr() -> None:
    batch = read_clevr_pictures(PICTURES.parent)
    assert batch.image.shape == (2, 3, 112, 112)
    assert batch.segments.shape == (2, 112, 112)
    assert batch.present.sum(1).tolist() == [5, 8]  # of seven in the first picture, two lie left of the crop
    palette = {  # the generator's colours, dimmed by its lamps: what is left is which of the channels is strong
        "gray": (87, 87, 87),
        "red": (173, 35, 35),
        "blue": (42, 75, 215),
        "green": (29, 105, 20),
        "brown": (129, 74, 25),
        "purple": (129, 38, 192),
        "cyan": (41, 208, 208),
        "yellow": (255, 238, 51),
    }
    tones = np.array(list(palette.values()), float)
    tones = tones / np.linalg.norm(tones, axis=1, keepdims=True)
    seen = []
    for image, segments, present in zip(batch.image, batch.segments, batch.present, strict=True):
        for place in present.nonzero()[:, 0].tolist():
            inside = image[:, segments == place + 1].numpy().T ** 2.2  # light, where a picture stores its root
            tone = inside.mean(0)
            seen.append(list(palette)[int((tones @ (tone / np.linalg.norm(tone))).argmax())])
    by_eye = ["red", "cyan", "green", "red", "brown"]
    assert seen == [*by_eye, "gray", "green", "purple", "cyan", "cyan", "purple", "green", "cyan"]


@pytest.mark.skipif(not PICTURES.is_dir(), reason="TUSKLITE_DATA is not set, or holds no folder clevr_with_masks")
def test_real_pictures_go_through_the_records_as_well(tmp_path: Path) -> None:
    """The same two scenes, written as the published file holds them, are the same scenes."""
    folder = PICTURES / "sample"
    records = []
    for number in range(2):
        image = np.asarray(Image.open(folder / f"CLEVR_image_{number}.png"))[..., ::-1]
        masks = np.stack([np.asarray(Image.open(folder / f"CLEVR_mask_{number}_{place}.png")) for place in range(11)])
        count = int((masks.reshape(11, -1).max(1) > 0).sum())
        codes = {name: [1] * (count - 1) for name in ("shape", "color", "size", "material")}
        records.append(clevr_record(image, masks[:count], np.zeros((count - 1, 2)), codes, each=10**7))
    write_records(tmp_path / "clevr_with_masks_train.tfrecords", [records[0], records[1], records[0]])
    pictures = read_clevr_pictures(PICTURES.parent)
    for split, number in (("validation", 1), ("test", 0)):
        data = ClevrRecords(split, tmp_path, most_objects=10, splits=(1, 1, 1))
        batch = data.scenes([0], with_truth=True)
        assert torch.equal(batch.image[0], pictures.image[number])
        assert torch.equal(batch.segments[0], pictures.segments[number])
        assert torch.equal(batch.present[0], pictures.present[number])


def picture_files(folder: Path, numbers: list[int]) -> None:
    """Scenes in the layout of the public sample, red and blue exchanged as they are there."""
    folder.mkdir(parents=True)
    for number in numbers:
        image, masks, _, _ = clevr_scene(number)
        Image.fromarray(np.ascontiguousarray(image[..., ::-1])).save(folder / f"CLEVR_image_{number}.png")
        for place, mask in enumerate(masks):
            Image.fromarray(mask).save(folder / f"CLEVR_mask_{number}_{place}.png")


def test_pictures_are_cropped_like_records(tmp_path: Path, clevr_root: Path) -> None:
    picture_files(tmp_path / "sample", [8, 11, 9])
    batch = read_clevr_pictures(tmp_path, image_size=96)
    records = ClevrRecords("test", clevr_root, image_size=96, splits=(5, 2, 5))
    truth = records.scenes([0, 1, 2], with_truth=True)  # records 8, 9 and 11
    assert torch.equal(batch.image, truth.image)
    assert torch.equal(batch.segments, truth.segments)
    assert torch.equal(batch.present, truth.present)
    torch.testing.assert_close(batch.xy, truth.xy, atol=0.02, rtol=0)
    assert batch.properties is None


def test_pictures_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: no CLEVR_image_0.png in the folder given as root"):
        read_clevr_pictures(tmp_path)
    folder = tmp_path / "clevr_with_masks"
    picture_files(folder, [0])
    (folder / "CLEVR_mask_0_2.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"CLEVR_mask_0_2.png: not a picture that can be read"):
        read_clevr_pictures(tmp_path)
    Image.new("L", (32, 24)).save(folder / "CLEVR_mask_0_2.png")
    with pytest.raises(ValueError, match=r"CLEVR_mask_0_2.png: 32 x 24 pixels; allowed is 320 x 240"):
        read_clevr_pictures(tmp_path)
    (folder / "CLEVR_mask_0_2.png").unlink()
    with pytest.raises(ValueError, match=r"CLEVR_mask_0_2.png: "):
        read_clevr_pictures(tmp_path)
    for path in folder.glob("CLEVR_mask_*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"CLEVR_image_0.png: has fewer than two masks beside it"):
        read_clevr_pictures(tmp_path)


def test_the_cache_holds_no_more_than_it_says(root: Path) -> None:
    data = TetrominoesRecords("test", root, splits=SPLITS)
    (cache,) = (root / "tetrominoes").glob("*.cache")
    assert {path.name for path in cache.iterdir()} == {"about.json", "images.u8", "segments.u8", "truth.safetensors"}
    images, segments = (cache / "images.u8").read_bytes(), (cache / "segments.u8").read_bytes()
    assert (len(images), len(segments)) == (10 * 3 * 35 * 35, 10 * 35 * 35)
    assert hashlib.sha256(images).hexdigest() != data.sha256
    assert data.describe()["source"] == multi_object_records.SOURCE
