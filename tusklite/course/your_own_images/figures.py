"""Marked files as they lie in a folder, keypoints by their kinds, and what moves, as curves and as paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tusklite.course.figures import PALETTE, QUIET, LessonFigure, image_grid, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, listed, number

SHOWN = 400  # pixels of a file's longer side, at most


@styled
def marked_files(paths: Sequence[Path], titles: Sequence[str], columns: int = 4, width: float = 2.2) -> LessonFigure:
    """Show pictures as they lie in files, each in its own shape.

    Args:
        paths: of the files.
        titles: words, one above each.
        columns: the most in a row.
        width: inches a picture has, for its longer side.

    Returns:
        The figure, one panel a file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.png")
        ...     Image.new("RGB", (40, 20)).save(path)
        ...     figure = marked_files([path], ["a picture"])
        >>> figure.alt
        '1 picture from files: “a picture”, 40 x 20 pixels.'
    """
    pictures = []
    for path in paths:
        with Image.open(path) as stored:
            picture = stored.convert("RGB")
        pictures.append(picture)
    sizes = [picture.size for picture in pictures]
    flattest = max(min(1.0, height / across) for across, height in sizes)
    figure = panel_grid(len(paths), columns, width, width * flattest + 0.25)
    for panel, picture, title in zip(figure.axes, pictures, titles, strict=True):
        picture.thumbnail((SHOWN, SHOWN))
        panel.show(torch.from_numpy(np.array(picture)).movedim(-1, 0) / 255, interpolation="bilinear")
        panel.set_title(title, pad=3)
    said = [f"“{title}”, {across} x {height} pixels" for title, (across, height) in zip(titles, sizes, strict=True)]
    figure.tell(f"{counted(len(paths), 'picture')} from files: {listed(said, most=len(said))}.")
    return figure


@styled
def kinds_on_pictures(
    images: Tensor, xy: Tensor, kinds: Tensor, found: Tensor, titles: Sequence[str] | None = None, columns: int = 6
) -> LessonFigure:
    """Mark keypoints on pictures, with a colour and a number for each kind.

    Args:
        images: (N, 3, H, W) in [0, 1].
        xy: (N, K, 2) in [-1, 1].
        kinds: integers (N, K), from 0.
        found: bool (N, K), False for empty slots, which are not drawn.
        titles: N words, one above each picture.
        columns: the most in a row.

    Returns:
        The figure, one panel a picture.

    Example:
        >>> found = torch.tensor([[True, False]])
        >>> figure = kinds_on_pictures(torch.rand(1, 3, 8, 8), torch.zeros(1, 2, 2), torch.tensor([[4, 1]]), found)
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['5']
    """
    figure = image_grid(0.8 * images, titles, columns, width=1.6)
    for panel, points, own, there in zip(figure.axes, xy, kinds, found, strict=True):
        if there.any():
            colors = [PALETTE[int(kind) % len(PALETTE)] for kind in own[there]]
            panel.mark(points[there], s=30, c=colors, edgecolors="white", linewidths=0.8, zorder=3)
            panel.number(points[there], [int(kind) + 1 for kind in own[there]], size=7)
    used = kinds[found].unique()
    figure.tell(
        f"Marked are {counted(int(found.sum()), 'keypoint')} of {counted(len(used), 'kind')}, by colour and number: "
        f"{listed((used + 1).tolist())}."
    )
    return figure


@styled
def tracks_over_time(rows: Mapping[str, Tensor], most: int = 6) -> LessonFigure:
    """Draw how far to the right each point stands, frame by frame, one panel a way to tell points apart.

    Args:
        rows: for each title (T, K, 2) points in [-1, 1].
        most: of how many points.

    Returns:
        The figure, one panel a title.

    Example:
        >>> len(tracks_over_time({"as they came": torch.zeros(4, 2, 2), "linked": torch.zeros(4, 2, 2)}).axes)
        2
    """
    figure = panel_grid(len(rows), width=3.4, height=2.5)
    for panel, (title, tracks) in zip(figure.axes, rows.items(), strict=True):
        across = to_array(tracks[:, :most, 0])
        for k, heights in enumerate(across.T):
            panel.plot(range(len(heights)), heights, color=PALETTE[k % len(PALETTE)], linewidth=1.4)
        panel.set(xlabel="frame", ylim=(-1.05, 1.05))
        panel.set_title(title, loc="left")
        leap = np.abs(np.diff(across, axis=0)).max() if len(across) > 1 else 0.0
        figure.tell(
            f"“{title}”: {counted(across.shape[1], 'line')} over {counted(len(across), 'frame')}; from one frame to "
            f"the next the largest leap is {number(leap)} of half a side."
        )
    figure.axes[0].set_ylabel("x, in half sides")
    for panel in figure.axes[1:]:
        panel.set_yticklabels([])
    return figure


@styled
def paths_on_picture(image: Tensor, rows: Mapping[str, Tensor], width: float = 2.6) -> LessonFigure:
    """Draw the paths of points over one frame, one panel a title.

    Args:
        image: (3, H, W) in [0, 1].
        rows: for each title (T, K, 2) points in [-1, 1].
        width: inches a panel.

    Returns:
        The figure, one panel a title.

    Example:
        >>> len(paths_on_picture(torch.rand(3, 8, 8), {"raw": torch.zeros(4, 2, 2)}).axes[0].lines)
        2
    """
    figure = image_grid(0.6 * image.expand(len(rows), -1, -1, -1), list(rows), len(rows), width)
    lengths = []
    for panel, (title, tracks) in zip(figure.axes, rows.items(), strict=True):
        for k in range(tracks.shape[1]):
            panel.plot(*panel.place(tracks[:, k]).T, color=PALETTE[k % len(PALETTE)], linewidth=1.2)
        panel.mark(tracks[-1], s=22, c=[PALETTE[k % len(PALETTE)] for k in range(tracks.shape[1])],
                   edgecolors=[QUIET], linewidths=0.5, zorder=3)  # fmt: skip
        length = float(tracks.diff(dim=0).norm(dim=2).sum(dim=0).mean())
        lengths.append(f"“{title}” {number(length)}")
    figure.tell(f"Over it lie paths of points; mean length of a path, in half sides: {listed(lengths)}.")
    return figure
