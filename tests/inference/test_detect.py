"""Detection from files to files: dots of which the place is known, in every kind of file that users have."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from dots import DotFinder, centroid, dotted, found_in, table
from PIL import Image, ImageOps

from tusklite.files import FileNotWritten
from tusklite.inference import Summary, detect, results
from tusklite.inference.detecting import DetectionInterrupted
from tusklite.train.run_folder import owned_folder

FILES = ["index.html", "keypoints.csv", "keypoints.json", "pictures"]


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def coco_of(folder: Path) -> dict:
    return json.loads((folder / "keypoints.json").read_text(encoding="utf-8"))


# --- every kind of picture ---------------------------------------------------------------------------------


def odd_pictures(folder: Path) -> dict[str, tuple[str, np.ndarray, float]]:
    """Writes pictures of all kinds; of each the dot that is in it, where, and how near one can tell."""
    wide = dotted((96, 64), red=(30, 20))
    dark = dotted((96, 64), black=(30, 20))
    red, black = np.array([30.0, 20.0]), np.array([30.0, 20.0])
    expected: dict[str, tuple[str, np.ndarray, float]] = {}

    def keep(name: str, picture: Image.Image, dot: str, place: np.ndarray, near: float = 1.0, **how: object) -> None:
        picture.save(folder / name, **how)
        expected[name] = (dot, place, near)

    keep("rgb.png", wide, "1", red)
    keep("upper.JPG", wide, "1", red, format="jpeg")
    keep("picture.bmp", wide, "1", red)
    keep("picture.webp", wide, "1", red)
    keep("picture.tiff", wide, "1", red)
    keep("grey.png", dark.convert("L"), "3", black)
    keep("one bit.png", dark.convert("1"), "3", black)
    keep("palette.png", wide.quantize(8), "1", red)
    keep("cmyk.jpg", wide.convert("CMYK"), "1", red)
    deep = Image.fromarray(np.asarray(dark.convert("L")).astype(np.uint16) * 257)
    keep("deep.png", deep, "3", black)
    keep("deep.tif", deep, "3", black)
    clear = Image.merge("RGBA", (*Image.new("RGB", (96, 64)).split(), ImageOps.invert(dark.convert("L"))))
    keep("clear.png", clear, "3", black)  # all of it is black, and the dot alone opaque
    keep("clear grey.png", clear.convert("LA"), "3", black)
    keep("pages.tif", wide, "1", red, save_all=True, append_images=[dark])
    for orientation in range(1, 9):
        notes = Image.Exif()
        notes[0x0112] = orientation
        name = f"turned {orientation}.jpg"
        wide.save(folder / name, exif=notes, quality=95)
        with Image.open(folder / name) as again:
            expected[name] = ("1", centroid(ImageOps.exif_transpose(again), "red"), 1.0)
    keep("large.jpg", dotted((4000, 3600), red=(1000, 500)), "1", np.array([1000.0, 500.0]), 30.0)
    keep("strip.png", dotted((900, 30), radius=12, red=(700, 15)), "1", np.array([700.0, 15.0]), 4.0)
    keep("tall.png", dotted((30, 700), radius=12, red=(14, 600)), "1", np.array([14.0, 600.0]), 4.0)
    return expected


def test_dots_are_where_they_are_in_every_kind_of_picture(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    expected = odd_pictures(folder)
    told: list[str] = []
    summary = detect(DotFinder(), [folder], tmp_path / "out", tell=told.append)
    assert told == ["pages.tif: 2 pages; the first one is looked at"]
    assert summary == Summary(pictures=len(expected), keypoints=len(expected))
    assert summary.complete
    found = found_in(tmp_path / "out")
    assert found.keys() == expected.keys()
    for name, (dot, place, near) in expected.items():
        ((number, x, y),) = found[name]
        assert number == dot, name
        assert np.abs(np.array([x, y]) - place).max() <= near, (name, x, y, place)
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in coco_of(tmp_path / "out")["images"]}
    for name in expected:
        with Image.open(folder / name) as stored:
            assert sizes[name] == ImageOps.exif_transpose(stored).size
    assert visible(tmp_path / "out") == FILES
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == len(expected)


def test_a_picture_of_one_pixel_is_one(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "red").save(tmp_path / "a.png")
    Image.new("RGB", (1, 300), "red").save(tmp_path / "line.png")
    for kinds in (True, False):
        summary = detect(DotFinder(kinds), [tmp_path / "a.png", tmp_path / "line.png"], tmp_path / f"out{kinds}")
        assert summary.pictures == 2
        place = found_in(tmp_path / f"out{kinds}")[(tmp_path / "a.png").as_posix()][0]
        assert place == ("1", 0.0, 0.0)
        sizes = []
        for path in sorted((tmp_path / f"out{kinds}" / "pictures").iterdir()):
            with Image.open(path) as picture:
                sizes.append(picture.size)
        assert sizes == [(512, 512), (2, 512)]


# --- files that are none -----------------------------------------------------------------------------------


def bomb() -> bytes:
    """A PNG's head that claims 400 million pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_what_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    stored = {}
    for kind in ("png", "jpeg"):
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(file, kind)
        stored[kind] = file.getvalue()
    contents = {
        "half.png": stored["png"][:3000], "half.jpg": stored["jpeg"][:1500], "text.jpg": b"no picture at all",
        "page.png": b"<!DOCTYPE html>" * 40, "empty.jpg": b"", "bomb.png": bomb(), "empty.mp4": b"",
    }  # fmt: skip
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.png").mkdir()
    (folder / "gone.png").symlink_to(folder / "nowhere")
    Image.fromarray(np.zeros((9, 9), np.float32)).save(folder / "float.tif")
    for name in ("notes.txt", "table.csv", "Thumbs.db"):
        (folder / name).write_text("x", encoding="utf-8")
    (folder / ".hidden.png").write_bytes(b"")
    dotted((96, 64), red=(30, 20)).save(folder / "good.png")
    told: list[str] = []
    summary = detect(DotFinder(), [folder], tmp_path / "out", tell=told.append)
    assert list(found_in(tmp_path / "out")) == ["good.png"]
    named = sorted(line.removeprefix("skipped ").partition(":")[0] for line in told)
    assert named == sorted([*contents, "gone.png", "float.tif"])
    assert all("\n" not in line for line in told)
    assert summary.skipped == {"damaged": 3, "no picture": 2, "empty": 2, "too large": 1, "cannot be read": 1}
    assert summary.others == {".txt": 1, ".csv": 1, ".db": 1}
    assert not summary.complete
    assert str(summary) == (
        "read 1 picture, 1 keypoint; "
        "skipped 9 files (cannot be read 1, damaged 3, empty 2, no picture 2, too large 1); "
        "passed over 3 of other kinds (.csv 1, .db 1, .txt 1)"
    )
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count('class="skipped"') == 9
    assert str(summary) in page


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png"):
        dotted((64, 64), red=(30, 20)).save(tmp_path / name)
    whole = Path.open

    def refuse(path: Path, *how: object, **more: object) -> object:
        if path.name == "a.png":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, *how, **more)

    monkeypatch.setattr(Path, "open", refuse)
    told: list[str] = []
    detect(DotFinder(), [tmp_path], tmp_path / "out", tell=told.append)
    assert told == ["skipped a.png: cannot be read (Permission denied)"]
    assert list(found_in(tmp_path / "out")) == ["b.png"]


def test_nothing_is_left_where_nothing_could_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"^inputs: none of 1 file could be read$"):
        detect(DotFinder(), [tmp_path / "a.png"], tmp_path / "out")
    assert visible(tmp_path / "out") == []


# --- what is given -----------------------------------------------------------------------------------------


def test_a_zip_file_is_read_with_its_folders_and_nothing_gets_out_of_it(tmp_path: Path) -> None:
    file = io.BytesIO()
    dotted((96, 64), red=(30, 20)).save(file, "png")
    good = file.getvalue()
    inside = tmp_path / "inside"
    inside.mkdir()
    with zipfile.ZipFile(inside / "pictures.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("deep/er/a.png", "b.png", "../../escaped.png", "/absolute.png", "c\\d.png", "ümläut 名.png"):
            packed.writestr(name, good)
        for name in ("__MACOSX/deep/._a.png", "deep/.hidden.png", "notes.txt", "folder.png/"):
            packed.writestr(name, b"" if name.endswith("/") else good)
        packed.writestr("half.png", good[:100])
    before = {path for path in tmp_path.rglob("*")}
    told: list[str] = []
    summary = detect(DotFinder(), [inside / "pictures.zip"], tmp_path / "out", tell=told.append)
    names = ["../../escaped.png", "/absolute.png", "b.png", "c/d.png", "deep/er/a.png", "ümläut 名.png"]
    assert list(found_in(tmp_path / "out")) == names
    assert [line.partition(":")[0] for line in told] == ["skipped half.png"]
    assert summary.others == {".txt": 1}
    new = {path for path in tmp_path.rglob("*")} - before
    assert all(path == tmp_path / "out" or tmp_path / "out" in path.parents for path in new)
    assert not list(tmp_path.parent.glob("escaped*"))


def test_a_damaged_member_of_a_zip_file_is_named(tmp_path: Path) -> None:
    file = io.BytesIO()
    dotted((96, 64), red=(30, 20)).save(file, "bmp")
    for how, at in (("stored", 60), ("locked", None)):
        with zipfile.ZipFile(tmp_path / f"{how}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("a.bmp", file.getvalue())
            packed.writestr("b.bmp", file.getvalue())
        content = bytearray((tmp_path / f"{how}.zip").read_bytes())
        if at is None:  # says that a.bmp is encrypted
            content[6] |= 1
            content[content.index(b"PK\x01\x02") + 8] |= 1
        else:
            content[at] ^= 255
        (tmp_path / f"{how}.zip").write_bytes(content)
        told: list[str] = []
        detect(DotFinder(), [tmp_path / f"{how}.zip"], tmp_path / how, tell=told.append)
        assert list(found_in(tmp_path / how)) == ["b.bmp"]
        (line,) = told
        assert line.startswith("skipped a.bmp: cannot be read (")


def test_a_glob_several_inputs_and_names_that_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/x.png", "a/deep/y.png", "b/x.png", "b/photo"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        dotted((64, 64), red=(30, 20)).save(tmp_path / name, "png")
    monkeypatch.chdir(tmp_path)
    detect(DotFinder(), ["a/**/*.png"], "one")
    assert list(found_in(tmp_path / "one")) == ["a/deep/y.png", "a/x.png"]
    detect(DotFinder(), ["a", "b/photo", "b/x.png"], "two")
    assert list(found_in(tmp_path / "two")) == ["a/x.png", "a/deep/y.png", "b/photo", "b/x.png"]
    detect(DotFinder(), ["."], tmp_path / "three")  # what is found before goes in, this run's own folder does not
    names = list(found_in(tmp_path / "three"))
    assert [name for name in names if name.startswith("three")] == []
    assert sum(name.startswith("one/pictures/") for name in names) == 2
    monkeypatch.chdir(tmp_path.parent)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"inputs": []}, "inputs: none was given"),
        ({"inputs": ["nowhere.png"]}, "inputs: nothing is at nowhere.png; allowed are folders, zip"),
        ({"inputs": ["nowhere/*.png"]}, "inputs: nothing matches 'nowhere/"),
        ({"fit": "letterbox"}, "fit: 'letterbox' was given; allowed are 'middle', 'whole'"),
        ({"size": 4}, "size: 4 was given; allowed is an integer from 8 to 4096"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_written(given: dict, complaint: str, tmp_path: Path) -> None:
    dotted((64, 64), red=(30, 20)).save(tmp_path / "a.png")
    words = {"inputs": [tmp_path / "a.png"]} | given
    with pytest.raises((ValueError, FileNotFoundError), match=complaint.replace("*", r"\*")):
        detect(DotFinder(), out=tmp_path / "out", **words)
    assert not (tmp_path / "out").exists()


def test_folders_and_zip_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    dotted((64, 64), red=(30, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.zip").write_bytes(b"PK no zip file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"inputs: .*b\.zip is no zip file that can be read, or damaged"):
        detect(DotFinder(), [tmp_path / "b.zip"], tmp_path / "out")
    with pytest.raises(ValueError, match="inputs: nothing was found; allowed are pictures and videos"):
        detect(DotFinder(), [tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(ValueError, match=r"out: .* was given, which holds files already; allowed is a folder that is"):
        detect(DotFinder(), [tmp_path / "a.png"], tmp_path)
    with owned_folder(tmp_path / "held", "detection"), pytest.raises(ValueError, match=r"out: .* is in use by another"):
        detect(DotFinder(), [tmp_path / "a.png"], tmp_path / "held")


# --- what comes out ----------------------------------------------------------------------------------------


def test_the_files_say_the_same_and_the_marks_are_at_the_points(tmp_path: Path) -> None:
    dotted((96, 64), red=(30, 20), blue=(70, 40)).save(tmp_path / "a.png")
    dotted((300, 200), black=(90, 120)).save(tmp_path / "b & <b>.png")
    detect(DotFinder(), [tmp_path], tmp_path / "out")
    assert list(table(tmp_path / "out")[0]) == ["file", "frame", "keypoint", "prototype", "x", "y", "score"]
    rows = [(row["file"], row["frame"], row["keypoint"], row["prototype"]) for row in table(tmp_path / "out")]
    assert rows == [("a.png", "", "1", "1"), ("a.png", "", "2", "2"), ("b & <b>.png", "", "3", "3")]
    coco = coco_of(tmp_path / "out")
    assert coco.keys() == {"info", "licenses", "categories", "annotations", "images"}
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    kinds = {each["id"]: each for each in coco["categories"]}
    assert [kinds[number]["name"] for number in (1, 2, 3)] == ["prototype 1", "prototype 2", "prototype 3"]
    for row, annotation in zip(table(tmp_path / "out"), coco["annotations"], strict=True):
        x, y, seen = annotation["keypoints"]
        assert (names[annotation["image_id"]], annotation["category_id"]) == (row["file"], int(row["prototype"]))
        assert (x, y, seen, annotation["num_keypoints"]) == (float(row["x"]), float(row["y"]), 2, 1)
        assert annotation["bbox"] == [round(x - 0.5, 2), round(y - 0.5, 2), 1, 1]
        assert len(annotation["keypoints"]) == 3 * len(kinds[annotation["category_id"]]["keypoints"])
        assert (annotation["area"], annotation["iscrowd"]) == (1, 0)
    first, second = sorted((tmp_path / "out" / "pictures").iterdir())
    assert (first.name, second.name) == ("000001_a.jpg", "000002_b_b.jpg")
    with Image.open(first) as stored:
        marked = np.asarray(stored).astype(float)
    assert marked.shape == (341, 512, 3)
    plain = np.asarray(dotted((96, 64), red=(30, 20), blue=(70, 40)).resize((512, 341), Image.Resampling.BICUBIC))
    changed = np.abs(marked - plain).max(2) > 80
    for x, y in ((30, 20), (70, 40)):
        column, row = round((x + 0.5) * 512 / 96), round((y + 0.5) * 341 / 64)
        assert changed[row - 8 : row + 9, column - 8 : column + 9].any()
    assert not changed[200:, :200].any()
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert 'src="pictures/000002_b_b.jpg" alt="b &amp; &lt;b&gt;.png with 1 keypoint marked"' in page
    assert "<b>" not in page


def test_a_model_without_prototypes_has_one_annotation_a_picture(tmp_path: Path) -> None:
    dotted((96, 64), red=(40, 20), blue=(60, 40), black=(48, 50)).save(tmp_path / "a.png")
    detect(DotFinder(kinds=False), [tmp_path / "a.png"], tmp_path / "out")
    assert [(row["keypoint"], row["prototype"]) for row in table(tmp_path / "out")] == [("1", ""), ("2", ""), ("3", "")]
    coco = coco_of(tmp_path / "out")
    (category,), (annotation,) = coco["categories"], coco["annotations"]
    assert category["keypoints"] == ["1", "2", "3"]
    points = np.array(annotation["keypoints"]).reshape(3, 3)
    np.testing.assert_allclose(points[:, :2], [[40, 20], [60, 40], [48, 50]], atol=0.7)
    assert points[:, 2].tolist() == [2, 2, 2]
    left, top, width, height = annotation["bbox"]
    np.testing.assert_allclose([left, top], points[:, :2].min(0) - 0.5)
    np.testing.assert_allclose([left + width, top + height], points[:, :2].max(0) + 0.5)


@pytest.mark.parametrize("kinds", [True, False])
def test_the_json_is_what_pycocotools_reads(kinds: bool, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    evaluation = pytest.importorskip("pycocotools.cocoeval", reason="pycocotools is not installed")
    for name in ("a.png", "b.png"):
        dotted((96, 96), red=(40, 20), blue=(60, 70), black=(20, 50)).save(tmp_path / name)
    detect(DotFinder(kinds), [tmp_path], tmp_path / "out")
    truth = coco.COCO(str(tmp_path / "out" / "keypoints.json"))
    assert len(truth.getImgIds()) == 2
    found = truth.loadAnns(truth.getAnnIds())
    assert len(found) == (6 if kinds else 2)
    claimed = [{name: each[name] for name in ("image_id", "category_id", "keypoints", "score")} for each in found]
    judge = evaluation.COCOeval(truth, truth.loadRes(claimed), "keypoints")
    judge.params.kpt_oks_sigmas = np.full(1 if kinds else 3, 0.1)
    judge.evaluate()
    judge.accumulate()
    assert judge.eval["precision"].max() == pytest.approx(1.0)  # against itself


def test_a_name_that_no_text_can_hold_is_written_all_the_same(tmp_path: Path) -> None:
    if sys.platform in ("win32", "darwin"):
        pytest.skip("names are text there")
    with open(os.fsencode(tmp_path) + b"/caf\xe9\n.png", "wb") as file:
        dotted((64, 64), red=(30, 20)).save(file, "png")
    detect(DotFinder(), [tmp_path], tmp_path / "out")
    ((name, _),) = found_in(tmp_path / "out").items()
    assert name == "caf\\udce9\n.png"
    assert coco_of(tmp_path / "out")["images"][0]["file_name"] == "caf\udce9\n.png"
    assert (tmp_path / "out" / "pictures" / "000001_caf.jpg").is_file()


# --- stopped, full, long -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing(number: int, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(40):
        dotted((64, 64), red=(30, 20)).save(folder / f"{i}.png")
    before = signal.getsignal(number)

    def stop(done: int, total: int) -> None:
        assert total == 40
        if done == 20:
            assert (tmp_path / "out" / ".detection" / "keypoints.csv").exists()
            signal.raise_signal(number)

    with pytest.raises(DetectionInterrupted, match="stopped: nothing was written to") as stopped:
        detect(DotFinder(), [folder], tmp_path / "out", progress=stop)
    assert stopped.value.signal_number == number
    assert signal.getsignal(number) is before
    assert visible(tmp_path / "out") == []
    assert not (tmp_path / "out" / ".detection").exists()
    assert detect(DotFinder(), [folder], tmp_path / "out").pictures == 40


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    dotted((64, 64), red=(30, 20)).save(tmp_path / "a.png")
    (tmp_path / "out" / ".detection" / "clips").mkdir(parents=True)
    (tmp_path / "out" / ".detection" / "clips" / "old.mp4.partial").write_bytes(b"half")
    detect(DotFinder(), [tmp_path / "a.png"], tmp_path / "out")
    assert visible(tmp_path / "out") == FILES
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotted((64, 64), red=(30, 20)).save(tmp_path / "a.png")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.Results, "add_picture", full)
    with pytest.raises(FileNotWritten, match=r"out: could not be written \(No space left on device\)"):
        detect(DotFinder(), [tmp_path / "a.png"], tmp_path / "out")
    assert visible(tmp_path / "out") == []


def test_memory_holds_no_more_pictures_however_many_there_are(tmp_path: Path) -> None:
    picture = dotted((64, 64), red=(30, 20))
    held = {}
    for count in (40, 120):
        folder = tmp_path / str(count)
        folder.mkdir()
        for i in range(count):
            picture.save(folder / f"{i}.png")
        alive = []

        def look(done: int, total: int, alive: list[int] = alive) -> None:
            if done % 20 == 0:
                alive.append(sum(issubclass(type(each), Image.Image) for each in gc.get_objects()))

        detect(DotFinder(), [folder], tmp_path / f"out{count}", progress=look)
        held[count] = max(alive) - alive[0]
    assert held[120] <= held[40] + 5
