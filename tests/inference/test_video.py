"""Videos and animations: a dot that moves is where it is in every frame, and the clip is a video of the same frames."""

from __future__ import annotations

import io
import signal
import struct
import sys
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from dots import DotFinder, centroid, dotted, table
from PIL import Image

from tusklite.inference import Summary, detect, sources
from tusklite.inference.detecting import DetectionInterrupted

av = pytest.importorskip("av", reason="PyAV is not installed")

SIZE, RATE = (96, 64), 20


def path_of(frame: int) -> tuple[float, float]:
    return 12.0 + 2 * frame, 20.0 + frame % 20


def write(
    path: Path,
    frames: int = 24,
    times: list[float] | None = None,
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> Path:
    """A video in which a red dot moves; by PyAV alone."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000) if times else Fraction(1, RATE)
        for i in range(frames):
            frame = av.VideoFrame.from_image(dotted(size, red=path_of(i)))
            frame.pts = round(1000 * times[i]) if times else i
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path) -> tuple[list[Image.Image], list[float]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_image() for frame in frames], [frame.time for frame in frames]


def middle_of_packet(path: Path, number: int) -> int:
    """Where in a file a packet is half over: how long all before it is depends on the encoder, and on its threads."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pos is not None]
    return packets[number].pos + packets[number].size // 2


def clips(folder: Path) -> list[Path]:
    return sorted((folder / "clips").iterdir())


def test_the_dot_is_found_in_every_frame_and_marked_in_the_clip(tmp_path: Path) -> None:
    path = write(tmp_path / "moving.mp4")
    done: list[tuple[int, int]] = []
    summary = detect(DotFinder(), [path], tmp_path / "out", progress=lambda *seen: done.append(seen))
    assert summary == Summary(videos=1, frames=24, keypoints=24)
    assert str(summary) == "read 1 video of 24 frames, 24 keypoints"
    assert done == [(i, 24) for i in range(1, 25)]
    rows = table(tmp_path / "out")
    assert [(row["file"], int(row["frame"]), row["prototype"]) for row in rows] == [
        (path.as_posix(), i, "1") for i in range(24)
    ]
    truth = [centroid(picture, "red") for picture in decoded(path)[0]]
    for row, place in zip(rows, truth, strict=True):
        assert np.abs(np.array([float(row["x"]), float(row["y"])]) - place).max() < 1
    (clip,) = clips(tmp_path / "out")
    assert clip.name.endswith("moving.mp4")
    pictures, times = decoded(clip)
    assert {picture.size for picture in pictures} == {(512, 342)}  # 341, made even
    np.testing.assert_allclose(times, np.arange(24) / RATE, atol=1e-3)
    for i, picture in enumerate(pictures):
        changed = np.asarray(picture).astype(float)
        plain = np.asarray(decoded_frame(path, i).resize((512, 341), Image.Resampling.BICUBIC)).astype(float)
        changed = np.abs(changed[:341] - plain).max(2) > 90
        x, y = (np.array(path_of(i)) + 0.5) * 512 / 96
        rows_, columns = np.nonzero(changed)
        assert len(rows_) > 20
        assert np.hypot(columns - x, rows_ - y).max() < 40


def decoded_frame(path: Path, number: int) -> Image.Image:
    return decoded(path)[0][number]


def test_frames_keep_their_times_and_odd_sizes_are_evened(tmp_path: Path) -> None:
    times = [0.0, 0.05, 0.5, 0.55, 1.25, 2.0]
    path = write(tmp_path / "uneven.mkv", frames=6, times=times, size=(600, 402))
    detect(DotFinder(), [path], tmp_path / "out")
    pictures, shown = decoded(clips(tmp_path / "out")[0])
    np.testing.assert_allclose(shown, times, atol=2e-3)
    assert pictures[0].size == (600, 402)
    gif = [dotted((601, 403), red=path_of(i)) for i in range(3)]
    gif[0].save(tmp_path / "odd.gif", save_all=True, append_images=gif[1:], duration=100)
    detect(DotFinder(), [tmp_path / "odd.gif"], tmp_path / "odd")
    assert decoded(clips(tmp_path / "odd")[0])[0][0].size == (602, 404)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_is_a_video(suffix: str, tmp_path: Path) -> None:
    frames = [dotted(SIZE, red=path_of(3 * i)) for i in range(5)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], duration=[40, 200, 0, 100, 100])
    summary = detect(DotFinder(), [tmp_path / f"a.{suffix}"], tmp_path / "out")
    assert (summary.pictures, summary.videos, summary.frames) == (0, 1, 5)
    for i, row in enumerate(table(tmp_path / "out")):
        assert np.abs(np.array([float(row["x"]), float(row["y"])]) - path_of(3 * i)).max() < 1
    np.testing.assert_allclose(decoded(clips(tmp_path / "out")[0])[1], [0, 0.04, 0.24, 0.34, 0.44], atol=2e-3)


@pytest.mark.parametrize(("turned", "matrix"), [(90, (0, 1, -1, 0)), (180, (-1, 0, 0, -1)), (270, (0, -1, 1, 0))])
def test_a_video_of_a_turned_camera_is_seen_as_it_is_shown(
    turned: int, matrix: tuple[int, ...], tmp_path: Path
) -> None:
    """The matrix is that of the track's header: it takes a stored pixel to where a player shows it."""
    content = bytearray(write(tmp_path / "stored.mp4", frames=3).read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = matrix
    content[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(content)
    detect(DotFinder(), [tmp_path / "turned.mp4"], tmp_path / "out")
    width, height = SIZE
    for i, row in enumerate(table(tmp_path / "out")):
        x, y = path_of(i)
        corner = (
            min(0, a * (width - 1)) + min(0, c * (height - 1)),
            min(0, b * (width - 1)) + min(0, d * (height - 1)),
        )
        place = np.array([a * x + c * y - corner[0], b * x + d * y - corner[1]])
        assert np.abs(np.array([float(row["x"]), float(row["y"])]) - place).max() < 1.5
    shown = decoded(clips(tmp_path / "out")[0])[0][0].size
    assert (shown[0] > shown[1]) == (turned == 180)


@pytest.mark.parametrize("held", [10, 2**24])
def test_videos_in_folders_and_zip_files_are_read_beside_pictures(
    held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "HELD", held)  # what is longer goes to a temporary file
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "b.mp4", frames=3)
    write(folder / "c.avi", frames=3, codec="mjpeg")
    dotted(SIZE, red=(30, 20)).save(folder / "a.png")
    dotted(SIZE, red=(30, 20)).save(folder / "d.png")
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for path in folder.iterdir():
            packed.write(path, f"deep/{path.name}")
    for given in (folder, tmp_path / "in.zip"):
        out = tmp_path / f"out of {given.name}"
        summary = detect(DotFinder(), [given], out)
        assert summary == Summary(pictures=2, videos=2, frames=6, keypoints=8)
        names = [row["file"].removeprefix("deep/") for row in table(out)]
        assert names == ["a.png", *["b.mp4"] * 3, *["c.avi"] * 3, "d.png"]
        assert [path.name[:6] for path in clips(out)] == ["000002", "000003"]


# --- videos that are none ----------------------------------------------------------------------------------


def without_pictures(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_video_that_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    whole = write(tmp_path / "whole.mp4", frames=40).read_bytes()
    (folder / "half.mp4").write_bytes(whole[: len(whole) // 2])  # what says where frames lie is at its end
    (folder / "text.mov").write_bytes(b"no video at all" * 50)
    (folder / "empty.avi").write_bytes(b"")
    without_pictures(folder / "sound.mp4")
    write(folder / "good.mp4", frames=3)
    told: list[str] = []
    summary = detect(DotFinder(), [folder], tmp_path / "out", tell=told.append)
    assert [line.partition(":")[0] for line in told] == [
        "skipped empty.avi", "skipped half.mp4", "skipped sound.mp4", "skipped text.mov",
    ]  # fmt: skip
    assert told[2] == "skipped sound.mp4: no video in it"
    assert summary.skipped == {"empty": 1, "damaged": 2, "no frames": 1}
    assert (summary.videos, summary.frames) == (1, 3)
    assert len(clips(tmp_path / "out")) == 1


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi"])
def test_of_a_video_that_breaks_off_the_beginning_is_kept(kind: str, tmp_path: Path) -> None:
    options = {"movflags": "faststart"} if kind == "mp4" else {}
    path = write(tmp_path / f"a.{kind}", frames=60, options=options)
    path.write_bytes(path.read_bytes()[: middle_of_packet(path, 40)])
    told: list[str] = []
    summary = detect(DotFinder(), [path], tmp_path / "out", tell=told.append)
    assert 20 < summary.frames < 60  # a decoder of many threads loses some that were under way
    assert (summary.videos, summary.incomplete, summary.complete) == (1, 1, False)
    (line,) = told
    assert line.startswith(f"{path.as_posix()}: ")
    assert f"{summary.frames} " in line
    assert [int(row["frame"]) for row in table(tmp_path / "out")] == list(range(summary.frames))
    assert len(decoded(clips(tmp_path / "out")[0])[0]) == summary.frames


def test_a_damaged_animation_keeps_its_beginning(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (5, 64, 96, 3), dtype=np.uint8)
    frames = [Image.fromarray(255 - each) for each in noise]
    file = io.BytesIO()
    frames[0].save(file, "gif", save_all=True, append_images=frames[1:])
    path = tmp_path / "a.gif"
    path.write_bytes(file.getvalue()[: len(file.getvalue()) * 2 // 3])
    told: list[str] = []
    summary = detect(DotFinder(), [path], tmp_path / "out", tell=told.append)
    assert len(decoded(clips(tmp_path / "out")[0])[0]) == summary.frames
    assert summary.frames >= 2


def test_without_pyav_one_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.mp4", frames=2)
    frames = [dotted(SIZE, red=path_of(i)) for i in range(2)]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    dotted(SIZE, red=(30, 20)).save(tmp_path / "c.png")
    monkeypatch.setitem(sys.modules, "av", None)
    message = (
        r"a\.mp4: videos and animations are read and written with PyAV; install it with `pip install 'tusklite\[vid"
    )
    with pytest.raises(ImportError, match=message):
        detect(DotFinder(), [tmp_path / "a.mp4"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    told: list[str] = []
    summary = detect(DotFinder(), [tmp_path], tmp_path / "out", tell=told.append)
    assert summary.skipped == {"PyAV is missing": 2}
    assert all("pip install" in line for line in told)
    assert [row["file"] for row in table(tmp_path / "out")] == ["c.png"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_video_that_is_stopped_leaves_no_clip(number: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", frames=40)

    def stop(done: int, total: int) -> None:
        if done == 30:
            assert [each.suffix for each in (tmp_path / "out" / ".detection" / "clips").iterdir()] == [".partial"]
            signal.raise_signal(number)

    with pytest.raises(DetectionInterrupted):
        detect(DotFinder(), [path], tmp_path / "out", progress=stop)
    assert [each.name for each in (tmp_path / "out").iterdir()] == [".detection.lock"]
