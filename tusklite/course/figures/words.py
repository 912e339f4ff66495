"""Words: what numbers of a log are called, and sentences that say what a panel shows, computed from what is drawn."""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cache

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection as Drawn
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.container import BarContainer
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text

from tusklite import experiments
from tusklite.experiments.base import registered

# What the experiments have no title for, or one that says too little where it stands alone.
TITLES = {
    "equivariance_px": "equivariance, px",
    "nearest_px": "nearest landmark, px",
    "nme_percent": "error, % of eye distance",
    "sliced_wasserstein": "transport",
    "kmeans": "soft-min",
    "feature_equivariance": "equivariance of features",
    "heatmap_equivariance": "equivariance of heatmaps",
}


def title_of(name: str) -> str:
    """Return the words for a number of a log: above, or as experiments title it; otherwise its name in words.

    Args:
        name: its key in a log, such as "equivariance_px".

    Example:
        >>> title_of("equivariance_px"), title_of("localization"), title_of("dead_prototypes")
        ('equivariance, px', 'localisation', 'dead prototypes')
    """
    return TITLES.get(name) or _titles().get(name) or name.replace("_", " ")


@cache
def _titles() -> dict[str, str]:
    """The titles of the metrics of all experiments that come with the package."""
    for module in pkgutil.iter_modules(experiments.__path__):
        importlib.import_module(f"{experiments.__name__}.{module.name}")
    units = {"%": ", %", "px": ", px"}
    metrics = [metric for experiment in registered().values() for metric in experiment.metrics]
    return {metric.name: metric.title + units.get(metric.unit, "") for metric in metrics}


def number(value: float) -> str:
    """Return a number as it is said: three digits, thousands with commas.

    Example:
        >>> number(0.12345), number(-2.0), number(12345.6), number(1e-6), number(float("nan"))
        ('0.123', '-2', '12,346', 'almost 0', 'nothing')
    """
    value = 0.0 if abs(value) < 1e-12 else float(value)
    if not math.isfinite(value):
        return "nothing"
    if 0 < abs(value) < 1e-4:
        return "almost 0"
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def counted(count: int, thing: str) -> str:
    """Return how many of a thing there are.

    Example:
        >>> counted(1, "panel"), counted(2000, "point"), counted(3, "box")
        ('1 panel', '2,000 points', '3 boxes')
    """
    if count == 1:
        return f"1 {thing}"
    return f"{count:,} {thing}{'es' if thing.endswith(('s', 'x', 'ch')) else 's'}"


def listed(words: Iterable[object], most: int = 10) -> str:
    """Return words in a row; of more than `most`, the first ones and how many more there are.

    Example:
        >>> listed("abc"), listed("ab"), listed("abcd", most=2)
        ('a, b and c', 'a and b', 'a, b and 2 more')
    """
    said = [" ".join(str(word).split()) for word in words]
    if len(said) > most:
        said = [*said[:most], f"{len(said) - most} more"]
    return " and ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else "".join(said)


def titled(titles: Iterable[str]) -> str:
    """Return titles in quotation marks; one that many share is said once.

    Example:
        >>> titled(["x", "x", "its twin", ""])
        '“x” (2) and “its twin”'
    """
    counts = Counter(" ".join(title.split()) for title in titles if title)
    return listed(f"“{title}” ({count})" if count > 1 else f"“{title}”" for title, count in counts.items())


def span(low: float, high: float) -> str:
    """Return from where to where numbers go.

    Example:
        >>> span(0, 0.5), span(1, 1)
        ('from 0 to 0.5', '1 everywhere')
    """
    return f"{number(low)} everywhere" if number(low) == number(high) else f"from {number(low)} to {number(high)}"


def course(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> str:
    """Return how a line runs: its ends, and its highest and lowest point where these lie between.

    Example:
        >>> course([0, 1, 2], [1, 3, 2])
        'from 1 at 0 to 2 at 2, highest 3 at 1'
        >>> course([0, 9], [4, 4]), course([5], [1]), course([], [])
        ('stays at 4', '1 at 5', 'no point')
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if not len(y):
        return "no point"
    if len(y) == 1:
        return f"{number(y[0])} at {number(x[0])}"
    if number(y.min()) == number(y.max()):
        return f"stays at {number(y[0])}"
    said = f"from {number(y[0])} at {number(x[0])} to {number(y[-1])} at {number(x[-1])}"
    for word, at in (("highest", int(y.argmax())), ("lowest", int(y.argmin()))):
        if number(y[at]) not in (number(y[0]), number(y[-1])):
            said += f", {word} {number(y[at])} at {number(x[at])}"
    return said


def describe(panels: Sequence[Axes], told: Collection[object] = ()) -> list[str]:
    """Return sentences that say what panels show. Panels that show the same, but for their titles, share a sentence.

    Args:
        panels: of one figure.
        told: artists that were spoken of already; a panel that has nothing else is left out.

    Example:
        >>> from tusklite.course.figures import panel_grid
        >>> figure = panel_grid(2)
        >>> for panel in figure.axes:
        ...     lines = panel.plot([0, 1], [3, 5], label="cost")
        ...     text = panel.set(title="growth", xlabel="size")
        >>> describe(figure.axes)
        ['2 panels, “growth” (2): the line “cost” from 3 at 0 to 5 at 1; x: size.']
    """
    shown: dict[str, list[str]] = {}
    for panel in panels:
        new = [artist for artist in panel.get_children() if artist not in told and artist.get_visible()]
        said = "; ".join(_contents(panel, new))
        if said:
            titles = [panel.get_title(loc=loc) for loc in ("left", "center", "right")]
            shown.setdefault(said, []).append(" ".join(" ".join(titles).split()))
    sentences = []
    for said, titles in shown.items():
        heads = [counted(len(titles), "panel")] if len(titles) > 1 or not any(titles) else []
        heads += [titled(titles)] if any(titles) else []
        sentences.append(f"{', '.join(heads)}: {said}.")
    return sentences


def _contents(panel: Axes, artists: Sequence[Artist]) -> list[str]:
    """What is drawn in a panel, a phrase a kind."""
    said, bars = [], [one for one in panel.containers if isinstance(one, BarContainer)]
    in_bars = {patch for container in bars for patch in container}
    boxes = [one for one in artists if isinstance(one, Rectangle) and one not in in_bars and one is not panel.patch]
    said += [_image(one) for one in artists if isinstance(one, AxesImage)]
    fresh = [container for container in bars if set(container) & set(artists)]
    said += _bars(panel, fresh)
    lines = [one for one in artists if isinstance(one, Line2D)]
    named = [line for line in lines if _label(line)]
    said += [f"the line “{_label(line)}” {course(*_data(line))}" for line in named[:8]]
    unnamed = len(lines) - len(named[:8])
    if unnamed:
        said.append(counted(unnamed, "more line" if named else "line"))
    for dots in (one for one in artists if isinstance(one, PathCollection) and len(one.get_offsets())):
        said.append(counted(len(dots.get_offsets()), "point") + (f" “{_label(dots)}”" if _label(dots) else ""))
    joins = sum(len(one.get_segments()) for one in artists if isinstance(one, LineCollection))
    said += [counted(joins, "line")] if joins else []
    known = (PathCollection, LineCollection)
    areas = [one for one in artists if isinstance(one, Drawn) and not isinstance(one, known)]
    said += [f"the shaded area “{_label(one)}”" if _label(one) else "a shaded area" for one in areas]
    said += [counted(len(boxes), "box")] if boxes else []
    edged = [one for one in artists if isinstance(one, Patch) and not isinstance(one, Rectangle)]
    said += [f"the outline “{_label(one)}”" for one in edged if _label(one)]
    inside = {id(text) for text in (panel.title, panel._left_title, panel._right_title)}
    texts = [one.get_text() for one in artists if isinstance(one, Text) and id(one) not in inside]
    texts = [text for text in texts if re.search(r"[^\d.,%\s-]", text)]  # numbers stand beside what has been told
    said += [f"the words {listed(texts, most=8)}"] if texts else []
    if said:
        said += [f"{axis}: {label}" for axis, label in (("x", panel.get_xlabel()), ("y", panel.get_ylabel())) if label]
    return said


def _label(artist: Artist) -> str:
    label = str(artist.get_label())
    return "" if label.startswith("_") else label


def _data(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


def _image(image: AxesImage) -> str:
    rows, across, *color = image.get_array().shape
    if color:
        return f"a colour image of {across} x {rows}"
    return f"an image of {across} x {rows}, values {span(image.get_array().min(), image.get_array().max())}"


def _bars(panel: Axes, containers: Sequence[BarContainer]) -> list[str]:
    """The bars of a panel: each with its name and length, or, where they are many, the range of these."""
    said = []
    for bars in containers:
        level = bars.orientation == "horizontal"
        axis = panel.yaxis if level else panel.xaxis
        sizes = [bar.get_width() if level else bar.get_height() for bar in bars]
        places = [bar.get_y() + bar.get_height() / 2 if level else bar.get_x() + bar.get_width() / 2 for bar in bars]
        ticks = dict(zip(axis.get_ticklocs(), (text.get_text() for text in axis.get_ticklabels()), strict=False))
        names = [next((word for at, word in ticks.items() if abs(at - place) < 1e-6), "") for place in places]
        called = f" “{_label(bars)}”" if _label(bars) else ""
        if len(sizes) > 12:
            said.append(f"{counted(len(sizes), 'bar')}{called} {span(min(sizes), max(sizes))}")
        else:
            if len(set(names)) == 1:  # stacked
                called, names = called + f" of “{names[0]}”" * bool(names[0]), [""] * len(names)
            pairs = zip(names, sizes, strict=True)
            said.append(f"bars{called}: " + listed([f"{name} {number(size)}".strip() for name, size in pairs], most=12))
    return said


__all__ = ["TITLES", "counted", "course", "describe", "listed", "number", "span", "title_of", "titled"]
