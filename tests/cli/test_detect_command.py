"""`python -m tusklite detect`: what it says, what it leaves, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tusklite.cli import main
from tusklite.pretrained import FOLDER

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = str(FOLDER / "mnist-hard-lite.safetensors")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (96, 64), 128).save(folder / name)
    return folder


def test_all_is_well_where_all_is_read(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    assert main(["detect", WEIGHTS, str(pictures), "--out", str(out), "--keypoints", "3"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].startswith("read 2 pictures, ")
    assert said.out.splitlines()[1] == f"everything is in {out}"
    assert "picture" in said.err  # the bar
    assert (out / "index.html").is_file()


def test_a_skipped_file_is_told_of_and_ends_in_1(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (pictures / "c.png").write_bytes(b"")
    assert main(["detect", WEIGHTS, str(pictures), "--out", str(tmp_path / "out"), "--quiet"]) == 1
    said = capsys.readouterr()
    assert said.err == "tusklite: skipped c.png: empty\n"
    assert "; skipped 1 file (empty 1)\n" in said.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nowhere.safetensors", "."], "path: no model at nowhere.safetensors"),
        ([WEIGHTS, "nowhere"], "inputs: nothing is at nowhere; allowed are"),
        ([WEIGHTS, ".", "--keypoints", "0"], "k: 0 was given; allowed is an integer from 1"),
        ([WEIGHTS, ".", "--size", "0"], "size: 0 was given; allowed is an integer from 8 to 4096"),
        ([WEIGHTS, ".", "--fit", "crop"], "fit: 'crop' was given; allowed are 'middle', 'whole'"),
        ([WEIGHTS, ".", "--device", "tpu"], "device: 'tpu' was given"),
    ],
)
def test_wrong_input_is_one_line(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["detect", *words, "--out", str(tmp_path / "out"), "--quiet"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"tusklite: {complaint}")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", ["SIGINT", "SIGKILL"])
def test_a_stopped_command_leaves_no_result_and_the_next_one_is_whole(number: str, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with av.open(str(tmp_path / "long.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(400):
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 64), "gray"))))
        container.mux(stream.encode(None))
    out = tmp_path / "out"
    words = [sys.executable, "-m", "tusklite", "detect", WEIGHTS, str(tmp_path / "long.mp4"), "--out", str(out)]
    process = subprocess.Popen(
        [*words, "--quiet"], cwd=ROOT, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, stderr=subprocess.PIPE
    )
    while not list(out.glob(".detection/clips/*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(getattr(signal, number))
    said = process.communicate()[1].decode()
    left = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")]
    if number == "SIGINT":
        assert process.returncode == 130
        assert said.strip() == f"tusklite: stopped: nothing was written to {out}; the same command begins anew"
        assert left == []
    else:
        assert all(path.is_relative_to(out / ".detection") for path in left)
        assert not [path for path in left if path.suffix == ".mp4"]
    assert main(["detect", WEIGHTS, str(tmp_path / "long.mp4"), "--out", str(out), "--quiet"]) == 0
    (clip,) = (out / "clips").iterdir()
    with av.open(str(clip)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 400
    assert not (out / ".detection").exists()
