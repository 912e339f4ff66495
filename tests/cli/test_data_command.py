"""`python -m tusklite data`: what is there, what is fetched, and one line where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from file_server import Served, site

from tusklite.cli import main
from tusklite.data.published import PUBLISHED


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with site() as running:
        running.files["/tetrominoes_train.tfrecords"] = Served(b"records")
        yield running


def test_the_list_says_what_is_there_what_is_not_and_where_it_was_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUSKLITE_DATA", str(tmp_path))
    (tmp_path / "tetrominoes_train.tfrecords").touch()
    (tmp_path / "clevr_with_masks").mkdir()
    (tmp_path / "clevr_with_masks" / "clevr_with_masks_train.tfrecords.part").write_bytes(b"12345")
    assert main(["data", "list"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"looked in TUSKLITE_DATA: {tmp_path}\n")
    entries = dict(entry.split(": ", 1) for entry in said.split("\n\n")[1:])
    assert entries.keys() == PUBLISHED.keys()
    assert f"there, in {tmp_path / 'tetrominoes_train.tfrecords'}" in entries["tetrominoes"]
    assert "not there; looked for in mtfl, MTFL and the folder itself" in entries["faces"]
    assert "python -m tusklite data get faces --accept-licence" in entries["faces"]
    assert "5 bytes of a download that was cut off; data get clevr goes on" in entries["clevr"]
    assert "Read the agreement on its page" in entries["celeba"]
    assert all("  licence: " in entry for entry in entries.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clevr_with_masks", "tetrominoes_train.tfrecords"]


def test_a_data_set_is_fetched_once(server, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["data", "get", "tetrominoes", "--root", str(tmp_path), "--mirror", server.address]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == f"tetrominoes: in {tmp_path / 'tetrominoes' / 'tetrominoes_train.tfrecords'}"
    assert "tetrominoes_train.tfrecords: 100%" in printed.err
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("tetrominoes: there already, in ")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["tetrominoes", "coco"], "tusklite: name: 'coco' was given; allowed are 'mnist', "),
        (["faces"], "tusklite: MTFL, 12,995 photographs of faces"),
        (["celeba"], "tusklite: name: 'celeba' cannot be fetched by a program. "),
        (["mnist"], "tusklite: http://127.0.0.1:"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(
    server, tmp_path: Path, names: list[str], line: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["data", "get", *names, "--root", str(tmp_path), "--mirror", server.address, "--quiet"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(line)
    assert printed.err.count("\n") == 1
    assert not list(tmp_path.rglob("*.tfrecords"))
