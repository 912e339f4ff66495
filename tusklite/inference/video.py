"""Videos and animations, a frame at a time: read as they are shown, and written as clips that every browser plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tusklite.data.pictures import in_colour
from tusklite.inference.sources import Skipped

ENCODERS = ("libx264", "mpeg4")  # the first one that this FFmpeg has
TICKS = 90_000  # a second, as frames are timed in clips
USUAL_RATE = Fraction(25)
SHORTEST = 0.02  # seconds: what an animation has for a frame that is to be gone at once is shown as browsers show it
MEANT_BY_NONE = 0.1


class VideoFrame(NamedTuple):
    """A frame.

    Attributes:
        picture: `PIL.Image.Image` in RGB, turned as the file says.
        seconds: when it is shown, from the beginning.
    """

    picture: Any
    seconds: float


class BrokenOff(ValueError):
    """A video of which only a part could be read; what came before is good."""


def require_av(name: str) -> Any:
    """PyAV.

    Raises:
        ImportError: it is not installed; the message says what to type.
    """
    try:
        import av
    except ImportError as missing:
        raise ImportError(
            f"{name}: videos and animations are read and written with PyAV; install it with "
            "`pip install 'tusklite[video]'`, or `pip install av`"
        ) from missing
    return av


class VideoReader:
    """The frames of a video file, in order, each decoded when it is asked for.

    Args:
        file: an open binary file.
        name: what a message calls it.

    Attributes:
        rate: frames a second, as the file says.
        length: how many frames there are, as the file says; 0 where it does not.

    Raises:
        Skipped: no video that can be read.
        ImportError: PyAV is not installed.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        av = require_av(name)
        self.name = name
        try:
            self._container = av.open(file, mode="r")
        except (av.FFmpegError, OSError, ValueError) as reason:
            said = getattr(reason, "strerror", None) or reason
            raise Skipped(f"{name}: not a video that can be read, or damaged ({said})", "damaged") from reason
        if not self._container.streams.video:
            self.close()
            raise Skipped(f"{name}: no video in it", "no frames")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate = Fraction(self._stream.average_rate or USUAL_RATE)
        self.length = int(self._stream.frames)

    def close(self) -> None:
        """Let the file go."""
        self._container.close()

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames.

        Raises:
            BrokenOff: what could not be read, after the last frame that could.
        """
        import av

        count, lost, seconds, start = 0, 0, 0.0, None
        reason: Exception | None = None
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError as damage:  # of one packet; there may be good ones after it
                    lost, reason = lost + 1, damage
                    continue
                for frame in frames:
                    start = frame.time if start is None else start
                    late = 0.0 if frame.time is None or start is None else frame.time - start
                    seconds = late if late > seconds or not count else seconds + float(1 / self.rate)
                    yield VideoFrame(self._as_shown(frame), seconds)
                    count += 1
        except (av.FFmpegError, EOFError) as damage:
            lost, reason = lost + 1, damage
        if lost:
            said = getattr(reason, "strerror", None) or reason
            raise BrokenOff(f"{self.name}: damaged ({said}); {count:,} frames could be read")
        expected = max(self.length, int(self._seconds() * self.rate))
        if count and count < 0.98 * expected - 2:
            raise BrokenOff(f"{self.name}: broken off; {count:,} of {expected:,} frames could be read")

    def _seconds(self) -> float:
        """How long the pictures last, as the file says; 0 where it does not."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        alone = len(self._container.streams) == 1  # or it may be the sound that lasts so long
        return self._container.duration / 1e6 if alone and self._container.duration else 0.0

    def _as_shown(self, frame: Any) -> Any:
        from PIL import Image

        picture = frame.to_image()
        turned = {90: "ROTATE_90", 180: "ROTATE_180", 270: "ROTATE_270"}.get(int(frame.rotation) % 360)
        return picture.transpose(Image.Transpose[turned]) if turned else picture


class AnimationReader:
    """The frames of an animated GIF, PNG or WebP that Pillow has opened.

    Args:
        stored: `PIL.Image.Image`, open.
        name: what a message calls it.

    Attributes:
        rate, length: as of a `VideoReader`.
    """

    def __init__(self, stored: Any, name: str) -> None:
        self.name, self._stored = name, stored
        self.rate, self.length = USUAL_RATE, int(stored.n_frames)

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames.

        Raises:
            BrokenOff: one could not be read.
        """
        seconds = 0.0
        for number in range(self.length):
            try:
                self._stored.seek(number)
                picture = in_colour(self._stored)
            except Exception as reason:  # whatever a damaged file leads Pillow's readers to
                raise BrokenOff(f"{self.name}: broken off ({reason}); {number:,} frames could be read") from reason
            yield VideoFrame(picture, seconds)
            lasts = float(self._stored.info.get("duration") or 0) / 1000
            seconds += lasts if lasts >= SHORTEST else MEANT_BY_NONE


def is_animation(stored: Any) -> bool:
    """Whether an open picture moves; pages of a TIFF and the second picture of a camera's MPO are none."""
    return stored.format in ("GIF", "PNG", "WEBP") and getattr(stored, "n_frames", 1) > 1


class ClipWriter:
    """A video file (H.264 in MP4, without sound) that grows a frame at a time.

    Width and height are made even by one more row or column of the same, as the format wants.

    Args:
        path: the file; it can be played once the writer is closed.
        size: width and height in pixels.
        rate: frames a second, as a hint: each frame is shown when it says.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction) -> None:
        av = require_av(path.name)
        self._container = av.open(str(path), mode="w", format="mp4", options={"movflags": "faststart"})
        self._size, self._last = size, -1
        self._even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        encoder = next(name for name in ENCODERS if name in av.codec.codecs_available)
        rate = rate.limit_denominator(1001) if 0 < rate <= 1000 else USUAL_RATE
        self._stream = self._container.add_stream(encoder, rate=rate)
        self._stream.width, self._stream.height = self._even
        self._stream.pix_fmt = "yuv420p"
        if encoder == "libx264":
            self._stream.options = {"preset": "veryfast", "crf": "20"}
        self._stream.codec_context.time_base = Fraction(1, TICKS)

    def add(self, picture: Any, seconds: float) -> None:
        """A frame (`PIL.Image.Image` in RGB), shown from then on."""
        import av

        if picture.size != self._even:
            width, height = picture.size
            whole = picture.resize(self._even, box=(0, 0, width, height))  # right in size; its pixels follow
            for x, y in ((1, 1), (1, 0), (0, 1), (0, 0)):  # moved by one, then where it belongs
                whole.paste(picture, (x * (self._even[0] - width), y * (self._even[1] - height)))
            picture = whole
        frame = av.VideoFrame.from_image(picture)
        self._last = frame.pts = max(round(seconds * TICKS), self._last + 1)
        frame.time_base = Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is held back, and the table without which no player opens the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Let the file go as it is."""
        self._container.close()


@contextmanager
def clip(path: Path, size: tuple[int, int], rate: Fraction) -> Iterator[ClipWriter]:
    """A `ClipWriter` that is closed at the end."""
    writer = ClipWriter(path, size, rate)
    try:
        yield writer
    except BaseException:
        writer.abandon()
        raise
    writer.close()
