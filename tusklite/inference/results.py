"""What a detection leaves: a table, COCO's JSON, marked pictures and clips, and a page that shows them all.

Each file grows as results come in, so that memory does not.
"""

from __future__ import annotations

import csv
import html
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from tusklite import __version__
from tusklite.inference.marks import mark_picture
from tusklite.inference.video import ClipWriter, clip

TABLE, COCO, PAGE, PICTURES, CLIPS = "keypoints.csv", "keypoints.json", "index.html", "pictures", "clips"
COLUMNS = ("file", "frame", "keypoint", "prototype", "x", "y", "score")
LEAST_SHOWN, MOST_SHOWN = 512, 1600  # pixels of a marked picture's longer side
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.2rem; }
figure { margin: 0; } img, video { width: 100%; height: 15rem; object-fit: contain; background: #eee; }
figcaption { overflow-wrap: anywhere; font-size: 0.9em; } .skipped { border-left: 4px solid #D55E00; padding: 0 0.8em; }
"""


class Looked(NamedTuple):
    """What was seen of a picture, or of a frame.

    Attributes:
        name: of the file.
        frame: its number from 0; None of a picture.
        size: width and height of the picture in pixels, as it is shown.
        points: (K, 2) in its pixels, (0, 0) the centre of the first one.
        score: (K,).
        prototype: (K,) from 0, or None.
        found: (K,) bool.
    """

    name: str
    frame: int | None
    size: tuple[int, int]
    points: np.ndarray
    score: np.ndarray
    prototype: np.ndarray | None
    found: np.ndarray

    def inside(self) -> np.ndarray:
        """(K,) bool: which keypoints are there, and in the picture."""
        return self.found & ((self.points >= -0.5) & (self.points <= np.array(self.size) - 0.5)).all(axis=1)

    def numbers(self) -> np.ndarray:
        """(K,) what marks say: the prototype from 1, or without prototypes the keypoint from 1."""
        return 1 + (np.arange(len(self.points)) if self.prototype is None else self.prototype)


class Results:
    """Files of results that grow; they are whole once `close` has been called.

    Args:
        folder: an empty one.
        keypoints: K of a model whose keypoint k is the same thing always, else how many kinds there are.
        prototypes: whether keypoints are of kinds.
    """

    def __init__(self, folder: Path, keypoints: int, prototypes: bool) -> None:
        self.folder, self.shown, self.keypoints = folder, 0, 0
        self._images = self._annotations = 0
        self._by_kind = prototypes
        self._table = (folder / TABLE).open("w", encoding="utf-8", errors="backslashreplace", newline="")
        self._coco = (folder / COCO).open("w", encoding="utf-8", newline="\n")
        self._coco_images = (folder / f"{COCO}.images").open("w+", encoding="utf-8", newline="\n")
        self._page = (folder / PAGE).open("w", encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
        self._rows = csv.writer(self._table, lineterminator="\n")
        self._rows.writerow(COLUMNS)
        head = {
            "info": {"description": f"keypoints found by tusklite {__version__}", "version": __version__},
            "licenses": [],
            "categories": _categories(keypoints, prototypes),
        }
        self._coco.write(json.dumps(head)[:-1] + ', "annotations": [')
        self._page.write(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Keypoints</title>'
            f"<style>{STYLE}</style></head>\n<body><h1>Keypoints</h1>\n"
            f'<p>All of them are in <a href="{TABLE}">{TABLE}</a> and <a href="{COCO}">{COCO}</a>.</p>\n<main>\n'
        )

    def files(self) -> list[TextIO]:
        """The files that are open."""
        return [self._table, self._coco, self._coco_images, self._page]

    def add(self, seen: Looked) -> None:
        """Write the keypoints of a picture or a frame into the table and the JSON."""
        self._images += 1
        image: dict[str, Any] = {"id": self._images, "file_name": seen.name}
        image |= {} if seen.frame is None else {"frame": seen.frame}
        image |= {"width": seen.size[0], "height": seen.size[1]}
        self._coco_images.write((", " if self._images > 1 else "") + "\n" + json.dumps(image))
        points = np.round(seen.points.astype(float), 2)
        for k in np.flatnonzero(seen.found):
            prototype = "" if seen.prototype is None else int(seen.prototype[k]) + 1
            frame = "" if seen.frame is None else seen.frame
            x, y = points[k].tolist()
            self._rows.writerow((seen.name, frame, k + 1, prototype, f"{x:.2f}", f"{y:.2f}", f"{seen.score[k]:.4f}"))
        self.keypoints += int(seen.found.sum())
        inside = seen.inside()
        if self._by_kind:
            assert seen.prototype is not None
            for k in np.flatnonzero(inside):
                self._annotate(int(seen.prototype[k]) + 1, points[[k]], inside[[k]], float(seen.score[k]))
        elif inside.any():
            self._annotate(1, points, inside, float(seen.score[inside].mean()))

    def _annotate(self, category: int, points: np.ndarray, visible: np.ndarray, score: float) -> None:
        """One annotation in COCO's layout; its box is that of the pixels of its keypoints."""
        self._annotations += 1
        low, high = points[visible].min(axis=0) - 0.5, points[visible].max(axis=0) + 0.5
        width, height = (high - low).tolist()
        triplets = [[x, y, 2] if seen else [0, 0, 0] for (x, y), seen in zip(points.tolist(), visible, strict=True)]
        annotation = {
            "id": self._annotations,
            "image_id": self._images,
            "category_id": category,
            "keypoints": [number for triplet in triplets for number in triplet],
            "num_keypoints": int(visible.sum()),
            "bbox": [round(number, 2) for number in (*low.tolist(), width, height)],
            "area": round(width * height, 2),
            "segmentation": [],
            "iscrowd": 0,
            "score": round(score, 4),
        }
        self._coco.write((", " if self._annotations > 1 else "") + "\n" + json.dumps(annotation))

    def add_picture(self, seen: Looked, picture: Any) -> None:
        """The same, and a marked copy of the picture on the page.

        Args:
            seen: what was seen.
            picture: `PIL.Image.Image` in RGB, of any size; it is changed.
        """
        self.add(seen)
        picture = picture_to_mark(picture, seen.size, MOST_SHOWN)
        marked(picture, seen)
        path = self._place(PICTURES, seen.name, ".jpg")
        picture.save(self.folder / path, "jpeg", quality=90)
        said = _counted(int(seen.found.sum()), "keypoint")
        alt = f"{seen.name} with {said} marked"
        self._card(f'<a href="{path}"><img loading="lazy" src="{path}" alt="{_quoted(alt)}"></a>', seen.name, said)

    @contextmanager
    def clip(self, name: str, size: tuple[int, int], rate: Fraction) -> Iterator[ClipWriter]:
        """A clip on the page, for the marked frames of a video."""
        path = self._place(CLIPS, name, ".mp4")
        partial = self.folder / f"{path}.partial"
        with clip(partial, size, rate) as writer:
            yield writer
        os.replace(partial, self.folder / path)
        self._card(f'<video controls preload="metadata" src="{path}"></video>', name, "clip, without sound")

    def skip(self, message: str) -> None:
        """A line on the page about what was passed over."""
        self._page.write(f'<figure class="skipped"><figcaption>{_quoted(message)}</figcaption></figure>\n')

    def _place(self, folder: str, name: str, suffix: str) -> str:
        """A file name that no other has, and that every system takes, whatever the file was called."""
        (self.folder / folder).mkdir(exist_ok=True)
        self.shown += 1
        plain = re.sub(r"[^A-Za-z0-9-]+", "_", os.path.splitext(name.rpartition("/")[2])[0])[-60:].strip("_")
        return f"{folder}/{self.shown:06d}{f'_{plain}' if plain else ''}{suffix}"

    def _card(self, shown: str, name: str, said: str) -> None:
        self._page.write(f"<figure>{shown}<figcaption>{_quoted(name)}<br>{said}</figcaption></figure>\n")

    def close(self, summary: str) -> None:
        """Complete all files, and make sure that they are on the disk."""
        self._page.write(f"</main>\n<p>{_quoted(summary)}</p>\n</body></html>\n")
        self._coco.write('],\n"images": [')
        self._coco_images.seek(0)
        shutil.copyfileobj(self._coco_images, self._coco)
        self._coco.write("]}\n")
        for file in self.files():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        (self.folder / f"{COCO}.images").unlink()


def picture_to_mark(picture: Any, size: tuple[int, int], most: int | None) -> Any:
    """A picture at the size that it is marked at: a small one is enlarged, so that numbers can be read.

    Args:
        picture: `PIL.Image.Image`.
        size: its width and height, if it was not read smaller.
        most: pixels of the longer side of a large one; None: it keeps its size.
    """
    from PIL import Image

    longest = max(size)
    scale = max(LEAST_SHOWN, min(longest, most or longest)) / longest
    wanted = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    return picture if picture.size == wanted else picture.resize(wanted, Image.Resampling.BICUBIC)


def marked(picture: Any, seen: Looked) -> None:
    """Draw what was seen on a picture of any size."""
    there = seen.inside()
    points = (seen.points[there] + 0.5) * np.array(picture.size) / np.array(seen.size) - 0.5
    mark_picture(picture, points, seen.numbers()[there].tolist())


def _categories(keypoints: int, prototypes: bool) -> list[dict[str, Any]]:
    """COCO's categories: one thing with K keypoints, or as many kinds of things with one keypoint each."""
    if not prototypes:
        names = [str(k) for k in range(1, keypoints + 1)]
        return [{"id": 1, "name": "object", "supercategory": "object", "keypoints": names, "skeleton": []}]
    return [
        {"id": m, "name": f"prototype {m}", "supercategory": "prototype", "keypoints": ["centre"], "skeleton": []}
        for m in range(1, keypoints + 1)
    ]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _quoted(text: str) -> str:
    """Text for a page, or for an attribute of it."""
    return html.escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
