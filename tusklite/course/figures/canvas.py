"""What every picture shares: the figure, its style and palette, a grid of panels, words, and saving to a file."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_integer

PALETTE = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"),  # Okabe & Ito
    *("#332288", "#882255", "#999999"),
)
RIGHT, WRONG, MISSED = ("#56B4E9", "-"), ("#E69F00", "--"), ("#CC79A7", ":")
QUIET = "#666666"
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "figure.dpi": 100,
}
styled = matplotlib.rc_context(STYLE)  # decorates a function: the style holds while it runs


class LessonFigure(Figure):
    """A matplotlib figure that a notebook shows by itself, without pyplot.

    Example:
        >>> LessonFigure()._repr_png_()[1:4]
        b'PNG'
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def panel_grid(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels, each `width` x `height` inches, at most `columns` in a row.

    Raises:
        TypeError, ValueError: `columns` is not an integer of at least 1.

    Example:
        >>> figure, panels = panel_grid(5, columns=3, width=2.0, height=1.0)
        >>> figure.get_size_inches(), len(panels)
        (array([6., 2.]), 5)
    """
    columns = min(count, require_integer("columns", columns, low=1))
    rows = math.ceil(count / columns)
    figure = LessonFigure(figsize=(columns * width, rows * height), layout="constrained")
    panels = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    for panel in panels:
        # Ticks are made when the figure is drawn, later than STYLE holds.
        panel.tick_params(which="both", labelsize=8, color=QUIET)
    return figure, panels


def save(figure: Figure, path: str | Path, dpi: int = 100) -> Path:
    """Write a figure to a file, whole or not at all.

    Args:
        figure: what a function of this room returned.
        path: its ending chooses the format, as .png, .svg or .pdf; the folder must exist.
        dpi: pixels an inch, at least 1.

    Returns:
        The path.

    Raises:
        ValueError: an ending that matplotlib does not know.
        FileNotFoundError: the folder does not exist.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(LessonFigure(), Path(folder) / "scene.png").name
        'scene.png'
    """
    path = Path(path)
    formats = figure.canvas.get_supported_filetypes()
    ending = path.suffix[1:].lower()
    if ending not in formats:
        raise ValueError(f"path: {path.name!r} was given; allowed endings are {', '.join(sorted(formats))}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: folder {path.parent} does not exist; allowed is one that does")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        figure.savefig(temporary, format=ending, dpi=require_integer("dpi", dpi, low=1))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def to_array(values: Tensor) -> np.ndarray:
    """Return a tensor of any device as a float64 array.

    Example:
        >>> import torch
        >>> to_array(torch.tensor([1, 2]))
        array([1., 2.])
    """
    return values.detach().cpu().double().numpy()


def require_words(name: str, words: Sequence[object], count: int) -> list[str]:
    """Return `words` as strings if there are `count` of them.

    Raises:
        ValueError: another number of words.

    Example:
        >>> require_words("names", range(3), 3)
        ['0', '1', '2']
    """
    if len(words) != count:
        raise ValueError(f"{name}: {len(words)} words were given; allowed is one for each of {count}")
    return [str(word) for word in words]


def class_name(label: int | Tensor, names: Sequence[str] | None) -> str:
    """Return the word for a class: its name, its number without names, nothing for -1.

    Raises:
        ValueError: too few names.

    Example:
        >>> class_name(1, ["four", "nine"]), class_name(1, None), class_name(-1, None)
        ('nine', '1', '')
    """
    label = int(label)
    if names is not None and label >= len(names):
        raise ValueError(f"names: {len(names)} words were given; allowed is one for each class, up to {label}")
    return "" if label < 0 else str(label) if names is None else names[label]
