"""What every picture is drawn on: the figure, its style and palette, and a panel that knows images and points."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Collection, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from PIL import Image
from torch import Tensor

from tusklite.arguments import require_tensor
from tusklite.course.figures import words
from tusklite.palette import PALETTE

RIGHT, WRONG, MISSED = ("#56B4E9", "-"), ("#E69F00", "--"), ("#CC79A7", ":")
QUIET, PALE = "#666666", "#BBBBBB"
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.prop_cycle": matplotlib.cycler(color=PALETTE),
    "figure.dpi": 100,
}
styled = matplotlib.rc_context(STYLE)  # decorates a function: the style holds while it runs


class Panel(Axes):
    """An axes that draws in the lessons' style, wherever it is drawn on; over an image, points are in [-1, 1].

    Example:
        >>> import torch
        >>> panel = panel_grid(1).axes[0]
        >>> panel.show(torch.zeros(1, 20, 40))
        >>> panel.mark(torch.tensor([[0.5, -1.0]]), s=20)
        >>> panel.collections[0].get_offsets().tolist()
        [[30.0, 0.0]]
    """

    # These read the style when they are called, not when the axes is made.
    annotate, legend = styled(Axes.annotate), styled(Axes.legend)
    set_title, text = styled(Axes.set_title), styled(Axes.text)

    def show(self, image: Tensor, interpolation: str = "nearest") -> None:
        """Show an image edge to edge, in units of its pixels. Every picture of the lessons comes through here.

        Args:
            image: (C, H, W) with 1 or 3 channels in [0, 1]; a value a little outside is shown as the nearer end.
            interpolation: as matplotlib names it.

        Raises:
            TypeError, ValueError: another type or shape, or a picture in other units, as 0 to 255.
        """
        channels, height, width = require_tensor("image", image, ("C", "H", "W")).shape
        if channels not in (1, 3):
            raise ValueError(f"image: {channels} channels were given; allowed are 1 and 3")
        low, high = image.detach().aminmax()
        if low < -1 or high > 2:
            raise ValueError(f"image: values from {low:g} to {high:g} were given; allowed are 0 to 1")
        picture = to_array(image.clamp(0, 1)).transpose(1, 2, 0)
        look = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": interpolation}
        self.imshow(picture[..., 0] if channels == 1 else picture, extent=(0, width, height, 0), **look)
        self.set_axis_off()

    def mark(self, xy: Tensor, **look: object) -> None:
        """Scatter points (P, 2) over the image, which a point outside does not shrink."""
        self.scatter(*self.place(xy).T, **look)
        self._keep_to_image()

    def number(self, xy: Tensor, labels: Sequence[object] | None = None, size: float = 7.0) -> None:
        """Write numbers beside points (P, 2) of the image: 1 to P, or the labels given."""
        look = {"color": "white", "fontweight": "bold", "fontsize": size, "clip_on": True}
        look["path_effects"] = [withStroke(linewidth=size / 3, foreground="black")]
        left, right, bottom, top = self.images[0].get_extent()
        for label, (x, y) in zip(labels or range(1, len(xy) + 1), self.place(xy), strict=True):
            # To the upper right, but for points at the right or the upper edge, where it would be cut off.
            at_right, at_top = x > right - 0.1 * (right - left), y < top + 0.1 * (bottom - top)
            away = (-0.5 * size if at_right else 0.5 * size, -0.3 * size if at_top else 0.3 * size)
            look |= {"ha": "right" if at_right else "left", "va": "top" if at_top else "baseline"}
            self.annotate(str(label), (x, y), away, textcoords="offset points", **look)

    def cross(
        self,
        xy: Tensor,
        s: float = 80,
        color: str = PALETTE[4],
        halo: str = "black",
        around: float = 3.5,
        **look: object,
    ) -> None:
        """Mark points (P, 2), or one (2,), with crosses that a halo, as wide as `around` in all, sets off the image."""
        outline = [withStroke(linewidth=around, foreground=halo)]
        self.mark(xy.view(-1, 2), marker="+", s=s, color=color, path_effects=outline, **{"linewidths": 1.8} | look)

    def join(self, starts: Tensor, ends: Tensor, colors: Sequence[object], **look: object) -> None:
        """Draw lines over the image from points (P, 2) to points (P, 2), each in its colour."""
        for start, end, color in zip(self.place(starts), self.place(ends), colors, strict=True):
            self.plot(*zip(start, end, strict=True), color=color, **look)
        self._keep_to_image()

    def bars(
        self, values: Mapping[str, float], ours: Collection[str] = (), word: str = "{:.1%}", **label: object
    ) -> None:
        """Draw a bar a name, from top to bottom, with its number at its end; `ours` stand out."""
        colors = [PALETTE[0] if name in ours else PALE for name in values]
        drawn = self.barh(range(len(values)), list(values.values()), height=0.7, color=colors)
        self.bar_label(
            drawn, [word.format(value) for value in values.values()], **{"padding": 3, "fontsize": 8} | label
        )
        self.set(xticks=[])
        self.set_yticks(range(len(values)), list(values))
        self.invert_yaxis()
        self.tick_params(length=0)
        self.spines[["left", "bottom"]].set_visible(False)

    def place(self, xy: Tensor) -> np.ndarray:
        """Points (..., 2) in [-1, 1], in the units of the image."""
        left, right, bottom, top = self.images[0].get_extent()
        return (to_array(xy) + 1) / 2 * (right - left, bottom - top) + (left, top)

    def _keep_to_image(self) -> None:
        left, right, bottom, top = self.images[0].get_extent()
        self.set(xlim=(left, right), ylim=(bottom, top))


class LessonFigure(Figure):
    """A matplotlib figure that a notebook shows by itself, without pyplot, with a description for who cannot see it.

    Attributes:
        alt: what the figure shows, in words: what was told, then what has been drawn since, read off its panels.

    Example:
        >>> LessonFigure()._repr_png_()[1:4]
        b'PNG'
        >>> figure = panel_grid(1)
        >>> figure.tell("A walk.")
        >>> lines = figure.axes[0].plot([0, 3], [1, 2], label="home")
        >>> figure.alt
        'A walk. 1 panel: the line “home” from 1 at 0 to 2 at 3.'
    """

    legend = styled(Figure.legend)

    def tell(self, *sentences: str) -> None:
        """Say what has been drawn so far: it is not described once more."""
        self._told_sentences = [*getattr(self, "_told_sentences", []), *sentences]
        self._told_artists = {artist for panel in self.axes for artist in panel.get_children()}
        self._told_legends = set(self.legends)

    @property
    def alt(self) -> str:
        """What the figure shows, in words."""
        sentences = list(getattr(self, "_told_sentences", []))
        sentences += words.describe(self.axes, getattr(self, "_told_artists", ()))
        for legend in set(self.legends) - getattr(self, "_told_legends", set()):
            sentences.append(f"Legend: {words.listed(text.get_text() for text in legend.get_texts())}.")
        return " ".join(sentences) or "An empty figure: nothing was drawn."

    def legend_below(self, looks: Mapping[str, Mapping[str, object]]) -> None:
        """Say below the panels what lines and marks of these looks mean."""
        handles = [Line2D([], [], label=text, **look) for text, look in looks.items()]
        self.set_figheight(self.get_figheight() + 0.3)  # room for the legend
        self.legend(handles=handles, loc="outside lower center", ncols=len(handles))

    def _repr_png_(self) -> bytes:
        drawn, buffer = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="png")
        _few_colors(Image.open(drawn).convert("RGB")).save(buffer, format="png", optimize=True)  # figures are opaque
        return buffer.getvalue()

    def _repr_mimebundle_(self, **kinds: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """The PNG and the words for it, for all who show notebooks.

        JupyterLab, nbconvert's pages and GitHub take `alt` from HTML alone; other readers take it from the PNG's
        metadata; where no picture can be shown, the words stand in its place.
        """
        picture, alt = base64.b64encode(self._repr_png_()).decode(), self.alt
        shown = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{picture}">'
        return {"image/png": picture, "text/html": shown, "text/plain": alt}, {"image/png": {"alt": alt}}


@styled
def panel_grid(
    count: int,
    columns: int | None = None,
    width: float = 3.3,
    height: float = 2.5,
    width_ratios: Sequence[float] | None = None,
) -> LessonFigure:
    """Return a figure of `count` panels, each `width` x `height` inches, at most `columns` in a row; None: all.

    Args:
        count, columns, width, height: as above.
        width_ratios: of the columns, where they differ.

    Example:
        >>> figure = panel_grid(5, columns=3, width=2.0, height=1.0)
        >>> figure.get_size_inches(), len(figure.axes)
        (array([6., 2.]), 5)
    """
    columns = min(count, columns or count)
    rows = math.ceil(count / columns)
    figure = LessonFigure(figsize=(columns * width, rows * height), layout="constrained")
    grid = figure.add_gridspec(rows, columns, width_ratios=width_ratios)
    for i in range(count):
        panel = figure.add_subplot(grid[i // columns, i % columns], axes_class=Panel)
        # Ticks are made when the figure is drawn, later than STYLE holds.
        panel.tick_params(which="both", labelsize=8, color=QUIET)
    return figure


def to_array(values: Tensor) -> np.ndarray:
    """Return a tensor of any device as a float64 array.

    Example:
        >>> import torch
        >>> to_array(torch.tensor([1, 2]))
        array([1., 2.])
    """
    return values.detach().cpu().double().numpy()


def class_name(label: int | Tensor, names: Sequence[str] | None) -> str:
    """Return the word for a class: its name, its number without names, nothing for -1.

    Raises:
        ValueError: a label that has no name.

    Example:
        >>> class_name(1, ["four", "nine"]), class_name(1, None), class_name(-1, None)
        ('nine', '1', '')
    """
    label, most = int(label), math.inf if names is None else len(names) - 1
    if not -1 <= label <= most:
        raise ValueError(f"names: one for class {label} was asked for; allowed are classes from -1 to {most}")
    return "" if label < 0 else str(label) if names is None else names[label]


def _few_colors(picture: Image.Image) -> Image.Image:
    """A picture in 256 colours, which halve a notebook, where not one pixel changes by more than an eye sees."""
    for method in (Image.Quantize.MEDIANCUT, Image.Quantize.FASTOCTREE):
        few = picture.quantize(256, method, kmeans=1, dither=Image.Dither.NONE)
        if np.abs(np.asarray(few.convert("RGB"), dtype=int) - np.asarray(picture)).max() <= 16:
            return few
    return picture
