"""Keypoints in pictures and videos of one's own: from folders, zip files, globs and videos to files of results."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from tusklite.data.pictures import UnreadablePicture, opened_picture, shown_picture, shown_size
from tusklite.files import FileNotWritten
from tusklite.inference.framing import Eye, Framing
from tusklite.inference.results import MOST_SHOWN, Looked, Results, marked, picture_to_mark
from tusklite.inference.sources import Skipped, Source, Sources, find_sources
from tusklite.inference.video import AnimationReader, BrokenOff, VideoFrame, VideoReader, is_animation, require_av
from tusklite.methods.weights import KeypointModel
from tusklite.train.run_folder import owned_folder

ASIDE = ".detection"  # where results lie until they are whole
MOST_TOGETHER, PIXELS_TOGETHER = 16, 2**19  # how many images go through a network at once


@dataclass
class Summary:
    """What a detection read, and what it did not.

    Attributes:
        pictures: that were read.
        videos: that were read; animations are among them.
        frames: of all videos.
        keypoints: that were found.
        skipped: how many files were passed over, by why.
        incomplete: of how many videos only a part could be read.
        others: how many files were neither pictures nor videos, by the ends of their names.
    """

    pictures: int = 0
    videos: int = 0
    frames: int = 0
    keypoints: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    incomplete: int = 0
    others: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether everything was read that looked like a picture or a video."""
        return not self.skipped and not self.incomplete

    def __str__(self) -> str:
        """In one line.

        Example:
            >>> str(Summary(pictures=2, keypoints=18, skipped={"damaged": 1}, others={".txt": 3}))
            'read 2 pictures, 18 keypoints; skipped 1 file (damaged 1); passed over 3 of other kinds (.txt 3)'
        """
        read = [_counted(self.pictures, "picture")] if self.pictures or not self.videos else []
        read += [f"{_counted(self.videos, 'video')} of {_counted(self.frames, 'frame')}"] if self.videos else []
        words = f"read {' and '.join(read)}, {_counted(self.keypoints, 'keypoint')}"
        words += f"; of {_counted(self.incomplete, 'video')} only a part" if self.incomplete else ""
        for said, counts in (("skipped {} file{}", self.skipped), ("passed over {} of other kinds", self.others)):
            total = sum(counts.values())
            by_kind = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))
            words += f"; {said.format(f'{total:,}', '' if total == 1 else 's')} ({by_kind})" if total else ""
        return words


class DetectionInterrupted(KeyboardInterrupt):
    """A detection was asked to stop; it leaves nothing behind."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def detect(
    model: KeypointModel,
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    fit: str | None = None,
    size: int | None = None,
    keypoints: int | None = None,
    tell: Callable[[str], object] = lambda line: None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Summary:
    """Find keypoints in pictures and videos, and leave tables, marked copies and a page that shows them.

    Results are written aside and put in place when all of them are whole: a folder has either everything or nothing.
    Memory does not grow with their number. A file that cannot be read is told of, and the others are read.

    `keypoints.csv` has a row for each keypoint: file, frame (from 0; empty for a picture), keypoint (from 1; by
    strength where a model has prototypes), prototype (from 1; empty where a model has none), x, y, score. `x` and `y`
    are pixels of the picture as it is shown, turned as its EXIF says; (0, 0) is the centre of its first pixel. The same
    pixels are in `keypoints.json`, in COCO's layout for keypoints: one annotation a picture of a model without
    prototypes (a keypoint outside the picture is not labelled there), else an annotation a keypoint, its prototype the
    category.

    Args:
        model: a trained one, in evaluation mode, on the device that it is to work on.
        inputs: folders, zip files, globs, pictures and videos (see `find_sources`).
        out: a folder that is new or empty.
        fit: "middle" or "whole": what the model sees of a picture (see `Eye`).
        size: side in pixels at which it sees it (see `Eye`).
        keypoints: how many to look for in each picture; only a model with prototypes can be told.
        tell: gets a line about each file that is skipped or of which only a part is read.
        progress: gets how many pictures and frames are done, and of how many, as far as is known.

    Returns:
        A `Summary`.

    Raises:
        FileNotFoundError: an input that is not there.
        ValueError: an argument out of range, a folder that holds something, or nothing that could be read.
        TypeError: a model that finds no keypoints, or a number that is none.
        ImportError: all that there is are videos, and PyAV is not installed.
        FileNotWritten: a full disk. Nothing is left behind.
        DetectionInterrupted: Ctrl-C or SIGTERM. Nothing is left behind.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from tusklite.inference import load
        >>> from tusklite.pretrained import FOLDER
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("L", (80, 80)).save(folder / "black.png")
        >>> model = load(FOLDER / "mnist-hard-lite.safetensors")
        >>> print(detect(model, [folder / "black.png"], folder / "out", keypoints=2))
        read 1 picture, 2 keypoints
        >>> sorted(path.name for path in (folder / "out").iterdir() if not path.name.startswith("."))
        ['index.html', 'keypoints.csv', 'keypoints.json', 'pictures']
    """
    eye, folder = Eye(model, fit, size), Path(out)
    count, by_kind = _try_out(model, eye, keypoints)
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise ValueError(
            f"out: {folder} was given, which holds files already; allowed is a folder that is new or empty"
        )
    sources = find_sources(inputs, apart_from=folder)
    if not sources.files:
        kinds = f" but {', '.join(sorted(sources.others))}" if sources.others else ""
        raise ValueError(f"inputs: nothing was found{kinds}; allowed are pictures and videos")
    if all(source.video for source in sources.files):
        require_av(sources.files[0].name)
    with owned_folder(folder, "detection", "out"), _stopped_cleanly(folder), _aside(folder) as aside:
        results = Results(aside, count, by_kind)
        with ExitStack() as open_files:
            for file in results.files():
                open_files.callback(file.close)
            run = _Run(model, eye, keypoints, results, tell, progress, Summary(others=sources.others))
            run.read(sources)
            summary = run.summary
            summary.keypoints = results.keypoints
            if not summary.pictures and not summary.videos:
                raise ValueError(f"inputs: none of {_counted(len(sources.files), 'file')} could be read")
            results.close(str(summary))
        _put_in_place(aside, folder)
    return summary


class _Pending(NamedTuple):
    """An image that waits until as many as are looked at together are there; `done` gets what was seen in it."""

    name: str
    frame: int | None
    size: tuple[int, int]
    framing: Framing
    image: Tensor
    picture: Any
    done: Callable[[Looked, Any], object]


class _Run:
    """One detection: what goes through the network together, and what became of each file."""

    def __init__(
        self,
        model: KeypointModel,
        eye: Eye,
        keypoints: int | None,
        results: Results,
        tell: Callable[[str], object],
        progress: Callable[[int, int], object],
        summary: Summary,
    ) -> None:
        self.model, self.eye, self.k, self.results, self.summary = model, eye, keypoints, results, summary
        self._tell, self._progress = tell, progress
        self._pending: list[_Pending] = []
        self._done = self._total = 0

    def read(self, sources: Sources) -> None:
        """Look at every file."""
        self._total = len(sources.files)
        for refused in sources.refused:
            self._skip(refused)
        for source in sources.files:
            try:
                with source.opened() as file:
                    if source.video:
                        self._read_video(source, file)
                    else:
                        self._read_picture(source, file)
            except (Skipped, UnreadablePicture, ImportError) as reason:
                self._skip(reason)
        self._flush()

    def _skip(self, reason: Exception) -> None:
        kind = getattr(reason, "kind", "PyAV is missing")
        self.summary.skipped[kind] = self.summary.skipped.get(kind, 0) + 1
        line = " ".join(str(reason).split())
        self._tell(f"skipped {line}")
        self.results.skip(line)
        self._advance()

    def _advance(self, more: int = 0) -> None:
        """One picture or frame is done, and so many more are known of."""
        self._done, self._total = self._done + 1, max(self._total + more, self._done + 1)
        self._progress(self._done, self._total)

    def _read_picture(self, source: Source, file: BinaryIO) -> None:
        with _no_warnings(), opened_picture(file, source.name) as stored:
            moving, size = is_animation(stored), shown_size(stored)
            pages = getattr(stored, "n_frames", 1) if stored.format == "TIFF" else 1
            picture = None if moving else shown_picture(stored, least=max(MOST_SHOWN, 2 * self.eye.side))
        if moving:
            self._read_animation(source, file)
            return
        if pages > 1:
            self._tell(f"{source.name}: {pages:,} pages; the first one is looked at")
        framing = self.eye.framing(size)
        image = self.eye.show(picture, framing)
        picture = picture_to_mark(picture, size, MOST_SHOWN)  # a large one is not kept while others are read
        self.summary.pictures += 1
        self._add(_Pending(source.name, None, size, framing, image, picture, self._picture_done))

    def _picture_done(self, seen: Looked, picture: Any) -> None:
        self.results.add_picture(seen, picture)
        self._advance()

    def _read_animation(self, source: Source, file: BinaryIO) -> None:
        from PIL import Image

        require_av(source.name)
        file.seek(0)
        with _no_warnings(), Image.open(file) as stored:
            self._read_frames(source.name, AnimationReader(stored, source.name))

    def _read_video(self, source: Source, file: BinaryIO) -> None:
        reader = VideoReader(file, source.name)
        try:
            self._read_frames(source.name, reader)
        finally:
            reader.close()

    def _read_frames(self, name: str, reader: VideoReader | AnimationReader) -> None:
        """Look at every frame; those before a damage count."""
        self._flush()
        frames, broken = iter(reader), None
        frame: VideoFrame | None
        try:
            first = frame = next(frames, None)
        except BrokenOff as reason:
            raise Skipped(str(reason), "damaged") from reason
        if first is None:
            raise Skipped(f"{name}: no frames in it", "no frames")
        self._total += max(0, reader.length - 1)
        size, count = first.picture.size, 0
        shown = picture_to_mark(first.picture, size, None).size
        with self.results.clip(name, shown, reader.rate) as writer:
            framing = self.eye.framing(size)
            while frame is not None and frame.picture.size == size:
                image = self.eye.show(frame.picture, framing)

                def done(seen: Looked, picture: Any, seconds: float = frame.seconds) -> None:
                    self.results.add(seen)
                    picture = picture_to_mark(picture, seen.size, None)
                    marked(picture, seen)
                    writer.add(picture, seconds)
                    self._advance()

                self._add(_Pending(name, count, size, framing, image, frame.picture, done))
                count += 1
                try:
                    frame = next(frames, None)
                except BrokenOff as reason:
                    frame, broken = None, str(reason)
            if frame is not None:
                broken = f"{name}: frames change from {size} pixels to {frame.picture.size}; {count:,} frames were read"
            self._flush()
        self.summary.videos += 1
        self.summary.frames += count
        if broken is not None:
            self.summary.incomplete += 1
            self._tell(broken)
            self.results.skip(broken)

    def _add(self, pending: _Pending) -> None:
        height, width = pending.image.shape[1:]
        together = max(1, min(MOST_TOGETHER, PIXELS_TOGETHER // (height * width)))
        if self._pending and self._pending[0].image.shape != pending.image.shape:
            self._flush()
        self._pending.append(pending)
        if len(self._pending) >= together:
            self._flush()

    @torch.inference_mode()
    def _flush(self) -> None:
        """Look at what waits."""
        if not self._pending:
            return
        waiting, self._pending = self._pending, []
        device = next(self.model.parameters()).device
        found = self.model.find_keypoints(torch.stack([each.image for each in waiting]).to(device), self.k)
        xy, score, there = (value.cpu().numpy() for value in (found.xy.double(), found.score.float(), found.found))
        kinds = None if found.prototype is None else found.prototype.cpu().numpy()
        for row, each in enumerate(waiting):
            prototype = None if kinds is None else kinds[row]
            points = each.framing.to_pixels(xy[row])
            seen = Looked(each.name, each.frame, each.size, points, score[row], prototype, there[row])
            each.done(seen, each.picture)


@torch.inference_mode()
def _try_out(model: KeypointModel, eye: Eye, keypoints: int | None) -> tuple[int, bool]:
    """Show the model an empty picture, so that what it refuses is refused at once.

    Returns:
        How many prototypes it has, and True; or how many keypoints, and False.
    """
    device = next(model.parameters()).device
    width, height = eye.framing((eye.side, eye.side)).canvas
    found = model.find_keypoints(torch.zeros(1, model.config.image_channels, height, width, device=device), keypoints)
    return (found.xy.shape[1], False) if found.prototype is None else (int(model.config.prototypes), True)


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Pillow warns of large pictures, and of many a damaged note; what it can read is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """A folder for results that are not whole yet. It does not outlive the block; what a kill left of one goes, too."""
    aside = folder / ASIDE
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        yield aside
    except OSError as reason:
        raise FileNotWritten(folder, reason) from reason
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put_in_place(aside: Path, folder: Path) -> None:
    """Give whole results their names; a Ctrl-C in the middle of that waits."""
    with _signals({signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_IGN}):
        for path in sorted(aside.iterdir(), key=lambda path: path.is_file()):  # the page last of all but the tables
            os.replace(path, folder / path.name)


@contextmanager
def _stopped_cleanly(folder: Path) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into one exception, which says what is left."""

    def stop(number: int, frame: object) -> None:
        raise DetectionInterrupted(
            f"stopped: nothing was written to {folder}; the same command begins anew", int(number)
        )

    with _signals({signal.SIGINT: stop, signal.SIGTERM: stop}):
        yield


@contextmanager
def _signals(handlers: dict[signal.Signals, Any]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {number: signal.getsignal(number) for number in handlers}
    handlers = {number: handler for number, handler in handlers.items() if before[number] is not signal.SIG_IGN}
    for number, handler in handlers.items():
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            signal.signal(number, before[number])


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
