"""Downloads: whole or not there, resumed where they were cut off, and every way to fail has its words."""

from __future__ import annotations

import base64
import errno
import hashlib
import socket
import urllib.request
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from file_server import Served, Site, md5, site
from filelock import FileLock

from tusklite.data import download
from tusklite.data.download import DownloadFailed, fetch, part_of
from tusklite.files import FileNotWritten

CONTENT = np.random.Generator(np.random.PCG64(0)).bytes(700_000)
NO_PAUSES = (0.0, 0.0, 0.0)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with site() as running:
        running.files["/a.bin"] = Served(CONTENT)
        yield running


def get(server: Site, folder: Path, checksum: str | None = md5(CONTENT), **how: object) -> Path:
    path = folder / "a.bin"
    how = {"quiet": True, "pauses": NO_PAUSES} | how
    sha256 = fetch([f"{server.address}/a.bin"], path, checksum, **how)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    return path


def refused(server: Site, folder: Path, checksum: str | None = md5(CONTENT), error: type = DownloadFailed) -> str:
    """The words of a download that fails, which leaves nothing under the file's name."""
    with pytest.raises(error) as failure:
        fetch([f"{server.address}/a.bin"], folder / "a.bin", checksum, quiet=True, pauses=NO_PAUSES)
    assert not (folder / "a.bin").exists()
    return str(failure.value)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_nothing_stays_beside_it(server, tmp_path, capsys):
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]
    assert capsys.readouterr().err == ""


def test_a_bar_shows_how_far_it_is(server, tmp_path, capsys):
    get(server, tmp_path, quiet=False)
    assert "a.bin: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_a_checksum_may_be_of_any_known_kind_in_either_case(server, tmp_path, algorithm):
    value = hashlib.new(algorithm, CONTENT, usedforsecurity=False).hexdigest().upper()
    assert get(server, tmp_path, f"{algorithm.upper()}:{value}").read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", ["", "abc", "crc:00", "md5:xyz", "sha256:" + "0" * 32])
def test_a_checksum_of_another_form_is_refused_before_anything_is_asked(server, tmp_path, checksum):
    assert "checksum: " in refused(server, tmp_path, checksum, ValueError)
    assert server.asked == []


# Cut off


def test_a_download_that_is_cut_off_goes_on_where_it_was(server, tmp_path):
    server.files["/a.bin"].cuts = [300_000, 200_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    ranges = [asked for _, asked in server.asked]
    assert ranges[0] == ""
    assert all(asked.startswith("bytes=") for asked in ranges[1:])
    assert names(tmp_path) == ["a.bin"]


def test_what_came_is_kept_where_it_goes_no_further_and_the_next_call_goes_on(server, tmp_path):
    server.files["/a.bin"].cuts = [300_000, 0, 0, 0, 0, 0]
    words = refused(server, tmp_path)
    kept = part_of(tmp_path / "a.bin").stat().st_size
    assert 0 < kept <= 300_000
    assert f"broke off after {kept:,} of 700,000 bytes; {kept:,} bytes are kept, give the same command again" in words
    server.files["/a.bin"].cuts, server.asked[:] = [], []
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", f"bytes={kept}-")]


def leave_part(server: Site, folder: Path, kept: int = 300_000) -> None:
    """A download that was cut off."""
    server.files["/a.bin"].cuts = [kept, 0, 0, 0, 0]
    refused(server, folder)
    server.files["/a.bin"].cuts = []
    server.asked.clear()


def test_a_place_that_serves_no_parts_is_asked_for_all_of_it(server, tmp_path):
    leave_part(server, tmp_path)
    server.files["/a.bin"].ranges = False
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_part_that_begins_elsewhere_is_not_put_together_with_what_is_there(server, tmp_path):
    leave_part(server, tmp_path)
    server.files["/a.bin"].shift = 10
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.bin", "")


def test_a_file_that_has_changed_meanwhile_is_fetched_anew(server, tmp_path):
    leave_part(server, tmp_path)
    other = CONTENT[::-1]
    server.files["/a.bin"] = Served(other, version="2")
    assert get(server, tmp_path, md5(other)).read_bytes() == other


def test_a_file_that_has_changed_and_bears_no_version_is_found_out_by_its_checksum_and_fetched_anew(server, tmp_path):
    server.files["/a.bin"].version = None
    leave_part(server, tmp_path)
    other = CONTENT[::-1]
    server.files["/a.bin"] = Served(other, version=None)
    assert get(server, tmp_path, md5(other)).read_bytes() == other


def test_a_part_that_is_whole_is_only_looked_at(server, tmp_path):
    leave_part(server, tmp_path)
    part_of(tmp_path / "a.bin").write_bytes(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", "bytes=700000-")]


def test_a_part_that_is_too_long_is_thrown_away(server, tmp_path):
    leave_part(server, tmp_path)
    part_of(tmp_path / "a.bin").write_bytes(CONTENT + b"more")
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("notes", ["", "{", "[]", '{"address": "http://elsewhere/a.bin"}'])
def test_a_part_of_which_it_is_not_known_where_it_came_from_is_fetched_anew(server, tmp_path, notes):
    leave_part(server, tmp_path)
    (tmp_path / "a.bin.part.json").write_text(notes, encoding="utf-8")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", "")]


# Lengths that are not true


def test_a_length_that_is_too_large_is_found_out(server, tmp_path):
    server.files["/a.bin"].length = 800_000
    assert get(server, tmp_path).read_bytes() == CONTENT  # asked for the rest, the place says that there is none


def test_a_length_that_is_too_large_where_no_parts_are_served_is_told(server, tmp_path):
    server.files["/a.bin"].length, server.files["/a.bin"].ranges = 800_000, False
    assert "broke off after 700,000 of 800,000 bytes" in refused(server, tmp_path)


def test_a_length_that_is_too_small_is_found_out_by_the_checksum(server, tmp_path):
    server.files["/a.bin"].length = 600_000
    words = refused(server, tmp_path)
    assert f"the checksum differs: {md5(CONTENT[:600_000]).replace(':', ' ')} came" in words
    assert words.endswith("nothing of it was kept")
    assert names(tmp_path) == []


def test_a_file_without_a_length_comes_too(server, tmp_path):
    server.files["/a.bin"].says_length = False
    assert get(server, tmp_path).read_bytes() == CONTENT


# Other content


def test_another_checksum_is_told_with_both_and_nothing_is_kept(server, tmp_path):
    wanted = md5(b"other")
    words = refused(server, tmp_path, wanted)
    assert f"{md5(CONTENT).replace(':', ' ')} came, {wanted.removeprefix('md5:')} is published" in words
    assert names(tmp_path) == []


def test_what_the_place_itself_says_of_the_content_is_held_against_it(server, tmp_path):
    right = base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()
    server.files["/a.bin"].headers = {"x-goog-hash": f"crc32c=AAAAAA==,md5={right}"}
    get(server, tmp_path, None).unlink()
    server.files["/a.bin"].content = CONTENT[::-1]
    assert "damaged on the way" in refused(server, tmp_path, None)


def test_without_a_published_checksum_the_first_that_comes_is_noted_and_another_is_refused(server, tmp_path):
    path = get(server, tmp_path, None)
    noted = tmp_path / "a.bin.sha256"
    assert noted.read_text(encoding="utf-8") == f"{hashlib.sha256(CONTENT).hexdigest()}  a.bin\n"
    path.unlink()
    get(server, tmp_path, None).unlink()
    server.files["/a.bin"].content = CONTENT[::-1]
    words = refused(server, tmp_path, None)
    assert "not the file that came the first time" in words
    assert str(noted) in words
    noted.unlink()
    assert get(server, tmp_path, None).read_bytes() == CONTENT[::-1]


def test_a_note_that_is_damaged_is_named(server, tmp_path):
    (tmp_path / "a.bin.sha256").write_text("?", encoding="utf-8")
    assert "a.bin.sha256: damaged" in refused(server, tmp_path, None, ValueError)


def test_a_page_in_place_of_a_file_is_no_file(server, tmp_path):
    server.files["/a.bin"].kind = "text/html; charset=utf-8"
    assert "a web page came in place of the file" in refused(server, tmp_path)
    assert names(tmp_path) == []


# Places


def test_a_redirect_is_followed(server, tmp_path):
    server.files["/old.bin"] = Served(status=302, location="/a.bin")
    fetch([f"{server.address}/old.bin"], tmp_path / "a.bin", md5(CONTENT), quiet=True)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_redirect_in_a_circle_ends(server, tmp_path):
    server.files["/a.bin"] = Served(status=302, location="/a.bin")
    assert "it answers 302" in refused(server, tmp_path)


def test_a_redirect_to_what_is_not_safe_is_refused():
    request = urllib.request.Request("https://example.org/a.bin")
    with pytest.raises(DownloadFailed, match=r"leads on to http://example.org/b.bin, which is not https"):
        download._NoDowngrade().redirect_request(request, None, 302, "", {}, "http://example.org/b.bin?key=1")


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "gone (404)"), (410, "gone (410)"), (403, "closed (403)"), (401, "closed (401)"), (400, "it answers 400")],
)
def test_a_place_that_gives_nothing_is_told_at_once(server, tmp_path, status, words):
    server.files["/a.bin"].status = status
    assert f"{server.address}/a.bin: {words}" in refused(server, tmp_path)
    assert len(server.asked) == 1
    assert names(tmp_path) == []


def test_a_place_that_is_not_well_is_asked_again(server, tmp_path):
    server.files["/a.bin"].status, server.files["/a.bin"].refusals = 503, 2
    assert get(server, tmp_path).read_bytes() == CONTENT
    server.files["/a.bin"].refusals = None
    (tmp_path / "a.bin").unlink()
    assert "the place is not well (503 Service Unavailable)" in refused(server, tmp_path)


def test_the_second_place_is_asked_where_the_first_has_nothing(server, tmp_path):
    server.files["/b/a.bin"] = Served(b"wrong")
    places = [f"{server.address}/{folder}a.bin" for folder in ("gone/c-", "b/", "")]
    fetch(places, tmp_path / "a.bin", md5(CONTENT), quiet=True, pauses=NO_PAUSES)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    (tmp_path / "a.bin").unlink()
    with pytest.raises(DownloadFailed, match=r"c-a.bin: gone \(404\); .*/b/a.bin: the checksum differs"):
        fetch(places[:2], tmp_path / "a.bin", md5(CONTENT), quiet=True, pauses=NO_PAUSES)


def test_no_network_is_told(server, tmp_path, monkeypatch):
    def unknown(*where: object, **how: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DownloadFailed, match="no network, or no such place"):
        fetch(["http://nowhere.invalid/a.bin"], tmp_path / "a.bin", quiet=True, pauses=NO_PAUSES)


def test_nobody_listening_is_told(tmp_path, server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/a.bin"
        with pytest.raises(DownloadFailed, match=r"no answer .*; the network may be away"):
            fetch([address], tmp_path / "a.bin", quiet=True, pauses=())


def test_a_proxy_is_asked_and_its_password_is_not_shown(server, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", server.address)
    server.files["http://example.org/a.bin"] = Served(CONTENT)
    fetch(["http://example.org/a.bin"], tmp_path / "a.bin", md5(CONTENT), quiet=True)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://ada:secret@127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(DownloadFailed, match="asked through the proxy http://127") as failure:
            fetch(["http://example.org/b.bin"], tmp_path / "b.bin", quiet=True, pauses=())
    assert "secret" not in str(failure.value)


# The disk


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(server, tmp_path, monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: Usage(10**6, 10**6 - 1000, 1000))
    words = refused(server, tmp_path, error=FileNotWritten)
    assert "700,000 bytes are still needed, 1,000 are free" in words
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_leaves_what_came_and_the_next_call_goes_on(server, tmp_path, monkeypatch):
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download.os, "fsync", full)
        patch.setattr(download, "write_json", lambda path, content: path.write_text("{}", encoding="utf-8"))
        words = refused(server, tmp_path, error=FileNotWritten)
    assert "a.bin.part: could not be written (No space left on device)" in words
    assert "give the same command again" in words
    assert part_of(tmp_path / "a.bin").exists()
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_is_told(server, tmp_path):
    (tmp_path / "file").touch()
    assert "could not be written" in refused(server, tmp_path / "file" / "folder", error=FileNotWritten)


def test_of_two_that_fetch_one_file_one_does(server, tmp_path):
    with FileLock(tmp_path / "a.bin.lock"):
        assert "another process is fetching this file" in refused(server, tmp_path)
    assert server.asked == []
    get(server, tmp_path)
