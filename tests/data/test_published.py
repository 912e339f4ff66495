"""The data sets that can be fetched: where they go is where their readers look, on terms that are said."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from file_server import Served, md5, site
from PIL import Image

from tusklite.data import load_faces
from tusklite.data.digits import IDX_FILES, find_idx_files, load_digits
from tusklite.data.download import DownloadFailed
from tusklite.data.published import PUBLISHED, LicenceNotAccepted, get_data

ROOT = Path(__file__).resolve().parents[2]
CARDS = (ROOT / "data" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with site() as running:
        yield running


def idx(shape: tuple[int, ...]) -> bytes:
    """A file of MNIST's form, without ink."""
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    return gzip.compress(bytes([0, 0, 8, len(shape)]) + sizes + bytes(int(np.prod(shape))))


def serve_mnist(server, monkeypatch):
    """Files of MNIST's form at the server, and their checksums in place of those that are published."""
    shapes = [(60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)]
    contents = dict(zip(IDX_FILES, map(idx, shapes), strict=True))
    server.files.update({f"/{name}.gz": Served(content) for name, content in contents.items()})
    files = tuple(
        dataclasses.replace(file, checksum=md5(contents[Path(file.name).stem])) for file in PUBLISHED["mnist"].files
    )
    monkeypatch.setitem(PUBLISHED, "mnist", dataclasses.replace(PUBLISHED["mnist"], files=files))


def test_mnist_comes_to_where_it_is_looked_for(server, tmp_path, monkeypatch):
    serve_mnist(server, monkeypatch)
    assert get_data("mnist", tmp_path, quiet=True, mirror=f"{server.address}/") == tmp_path / "MNIST" / "raw"
    assert find_idx_files(tmp_path)
    assert len(load_digits("mnist", tmp_path).labels) == 70_000
    before = len(server.asked)
    get_data("mnist", tmp_path, quiet=True, mirror=server.address)
    assert len(server.asked) == before


def test_what_is_there_of_a_data_set_is_not_fetched_again(server, tmp_path, monkeypatch):
    serve_mnist(server, monkeypatch)
    first = PUBLISHED["mnist"].files[0].name
    kept = server.files.pop(f"/{Path(first).name}")
    with pytest.raises(DownloadFailed, match=r"gone \(404\)"):
        get_data("mnist", tmp_path, quiet=True, mirror=server.address)
    (tmp_path / first).write_bytes(kept.content)
    get_data("mnist", tmp_path, quiet=True, mirror=server.address)
    assert [path for path, _ in server.asked].count(f"/{Path(first).name}") == 1


def test_the_checksums_of_mnist_are_those_that_torchvision_states():
    datasets = pytest.importorskip("torchvision.datasets")
    stated = {f"MNIST/raw/{name}": f"md5:{value}" for name, value in datasets.MNIST.resources}
    assert {file.name: file.checksum for file in PUBLISHED["mnist"].files} == stated
    for file in PUBLISHED["mnist"].files:
        assert list(file.addresses) == [place + Path(file.name).name for place in datasets.MNIST.mirrors]


def test_the_checksums_of_mafls_lists_are_those_of_a_copy():
    folder = Path(os.environ.get("TUSKLITE_DATA", "none"))
    for file in PUBLISHED["celeba-lists"].files:
        if not (folder / file.name).is_file():
            pytest.skip(f"TUSKLITE_DATA does not hold {file.name}")
        assert file.checksum == "sha256:" + hashlib.sha256((folder / file.name).read_bytes()).hexdigest()


# Faces: a zip file, on terms


def mtfl_zip(around: str = "", leave_out: str = "") -> bytes:
    """MTFL.zip in small, with what is not read, and what would lead out of the folder."""
    picture = io.BytesIO()
    Image.new("RGB", (20, 20), (9, 9, 9)).save(picture, "JPEG")
    sides = ("lfw_5590", "net_7876", "AFLW")
    numbers = " ".join(str(number) for number in [*range(10), 1, 1, 1, 1])
    files = {f"{side}/{number}.jpg": picture.getvalue() for side in sides for number in range(3)}
    files["training.txt"] = "".join(f" {side}\\{n}.jpg {numbers}\r\n" for side in sides[:2] for n in range(3)).encode()
    files["testing.txt"] = "".join(f" AFLW\\{n}.jpg {numbers}\r\n" for n in range(3)).encode()
    files |= {"ReadMe.txt": b"hello", "AFLW/../../out.jpg": b"out", "../up.txt": b"up"}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            if not leave_out or not name.startswith(leave_out):
                archive.writestr(around + name, content)
    return packed.getvalue()


@pytest.mark.parametrize("around", ["", "MTFL/"])
def test_faces_come_unpacked_and_can_be_read(server, tmp_path, around):
    server.files["/MTFL.zip"] = Served(mtfl_zip(around))
    folder = tmp_path / "data"
    assert get_data("faces", folder, accept=True, quiet=True, mirror=server.address) == folder / "mtfl"
    faces = load_faces("mtfl", folder)
    assert {split: len(rows) for split, rows in faces.splits.items()} == {"train": 6, "validation": 1, "test": 3}
    left = {path.name for path in (folder / "mtfl").iterdir()}
    assert left == {"lfw_5590", "net_7876", "AFLW", "training.txt", "testing.txt", "MTFL.zip.sha256"}
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert not list(tmp_path.rglob("out.jpg"))


def test_faces_are_not_fetched_before_the_terms_are_agreed_to(server, tmp_path):
    with pytest.raises(LicenceNotAccepted, match=r"for research; .* python -m tusklite data get faces --accept-lice"):
        get_data("faces", tmp_path / "data", mirror=server.address)
    assert server.asked == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(mtfl_zip(leave_out="AFLW"), "lacks AFLW"), (b"no zip", "damaged, or no zip file"), (mtfl_zip()[:900], "damaged")],
)
def test_a_zip_file_of_something_else_is_refused_by_name_and_nothing_is_unpacked(server, tmp_path, content, words):
    server.files["/MTFL.zip"] = Served(content)
    with pytest.raises(ValueError, match=f"MTFL.zip: {words}"):
        get_data("faces", tmp_path, accept=True, quiet=True, mirror=server.address)
    assert {path.name for path in (tmp_path / "mtfl").iterdir()} == {"MTFL.zip", "MTFL.zip.sha256"}


def test_what_somebody_has_there_already_stays_unless_it_has_the_name_of_what_came(server, tmp_path):
    (tmp_path / "mtfl" / "AFLW").mkdir(parents=True)
    (tmp_path / "mtfl" / "AFLW" / "mine.jpg").write_bytes(b"mine")
    server.files["/MTFL.zip"] = Served(mtfl_zip())
    get_data("faces", tmp_path, accept=True, quiet=True, mirror=server.address)
    assert (tmp_path / "mtfl" / "AFLW" / "mine.jpg").read_bytes() == b"mine"


# The others


@pytest.mark.parametrize(("name", "file"), [("tetrominoes", "tetrominoes"), ("clevr", "clevr_with_masks")])
def test_records_come_to_where_they_are_looked_for(server, tmp_path, name, file):
    server.files[f"/{file}_train.tfrecords"] = Served(b"records")
    path = tmp_path / file / f"{file}_train.tfrecords"
    assert get_data(name, tmp_path, quiet=True, mirror=server.address) == path
    assert path.read_bytes() == b"records"
    assert path.with_name(f"{path.name}.sha256").is_file()


def test_what_cannot_be_fetched_says_how_to_ask_for_it(tmp_path):
    with pytest.raises(ValueError, match=r"'celeba' cannot be fetched by a program. Read the agreement on its page"):
        get_data("celeba", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"root: .* was given; allowed is a folder that can be made and written"):
        get_data("mnist", tmp_path / "file" / "data")


def test_every_data_set_can_be_had_or_says_how():
    for data in PUBLISHED.values():
        assert bool(data.files) != bool(data.ask)
        assert data.licence
        for file in data.files:
            assert not file.name.startswith("/")
            assert all(re.match(r"https?://[^/]+/", address) for address in file.addresses)


def test_a_place_that_is_not_safe_has_a_checksum_or_a_reason():
    """Over http anybody on the way may change a file; MTFL's own page has no other address."""
    plain = {
        name for name, data in PUBLISHED.items() for file in data.files
        if file.checksum is None and any(address.startswith("http:") for address in file.addresses)
    }  # fmt: skip
    assert plain == {"faces"}


def test_the_cards_name_every_command():
    assert set(re.findall(r"data get ([a-z-]+)", CARDS)) == {name for name, data in PUBLISHED.items() if data.files}


# Pictures of people


def test_people_are_shown_in_as_many_figures_of_one_lesson_as_the_card_says():
    """In thumbnails of 80 pixels; every other lesson does without photographs of faces."""
    showing = {}
    for path in sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if "thewlis-aflw" not in "".join(line for cell in cells for line in cell["source"]):
            continue
        words = [
            output["metadata"]["image/png"]["alt"]
            for cell in cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        counts = [re.match(r"(\d+) colour images of (\d+) x \2 pixels", text) for text in words]
        showing[path.relative_to(ROOT).as_posix()] = [(int(m[1]), int(m[2])) for m in counts if m]
    (lesson,) = [name for name, figures in showing.items() if figures]
    assert lesson == "notebooks/05_landmarks_on_faces.ipynb"
    figures, faces = len(showing[lesson]), sum(count for count, _ in showing[lesson])
    assert f"{figures} figures of lesson 05 show {faces} thumbnails" in " ".join(CARDS.split())
    assert max(side for _, side in showing[lesson]) <= 80
