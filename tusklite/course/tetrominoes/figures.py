"""Scenes of pieces: segments in colours, which kinds have a prototype, which kinds are mixed up, a scene redrawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.colors import PowerNorm, to_rgb
from torch import Tensor

from tusklite.course.figures import PALETTE, LessonFigure, image_grid, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, listed, number


def paint_segments(segments: Tensor) -> Tensor:
    """Give segments colours to look at: 0 is black, n has the nth colour of the palette.

    Args:
        segments: (S, H, W) integers from 0 to 10.

    Returns:
        (S, 3, H, W) in [0, 1], for any figure of images.

    Example:
        >>> paint_segments(torch.tensor([[[0, 1]]]))[0, :, 0].round(decimals=2)
        tensor([[0.0000, 0.0000],
                [0.0000, 0.4500],
                [0.0000, 0.7000]])
    """
    colors = torch.tensor([(0.0, 0.0, 0.0), *map(to_rgb, PALETTE)], device=segments.device)  # (11, 3)
    return colors[segments.long()].permute(0, 3, 1, 2)


@styled
def prototype_table(
    pictures: Tensor, shape: Tensor, colour: Tensor, shapes: Sequence[str], colours: Sequence[str]
) -> LessonFigure:
    """Show prototypes where their names put them, a column a shape and a row a colour; gaps are kinds without one.

    Args:
        pictures: (M, 3, H, W) in [0, 1], what each prototype draws.
        shape: (M,) the number of the shape that each is named after; -1 for none.
        colour: (M,) the same for colours.
        shapes, colours: their names.

    Returns:
        The figure, one panel. A number stands beside the picture where several prototypes share a name; the first is
        shown.

    Example:
        >>> names = torch.tensor([0, 1, 1])
        >>> figure = prototype_table(torch.ones(3, 3, 4, 4), names, 0 * names, ["I", "O"], ["red"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['2']
    """
    high, wide = pictures.shape[2:]
    sheet = torch.full((3, len(colours) * (high + 2), len(shapes) * (wide + 2)), 0.82)
    counts = torch.zeros(len(colours), len(shapes), dtype=torch.int64)
    for picture, row, column in zip(pictures.cpu(), colour.tolist(), shape.tolist(), strict=True):
        if row >= 0 and column >= 0:
            if not counts[row, column]:
                top, left = row * (high + 2) + 1, column * (wide + 2) + 1
                sheet[:, top : top + high, left : left + wide] = picture
            counts[row, column] += 1
    figure = panel_grid(1, width=0.5 * len(shapes) + 0.7, height=0.5 * len(colours) + 0.6)
    (panel,) = figure.axes
    panel.show(sheet)
    panel.set_axis_on()
    for row, column in (counts > 1).nonzero().tolist():
        panel.text(
            (column + 1) * (wide + 2) - 2,
            row * (high + 2) + 2,
            str(int(counts[row, column])),
            ha="right",
            va="top",
            fontsize=7,
            color="white",
        )
    panel.set_xticks([(at + 0.5) * (wide + 2) for at in range(len(shapes))], shapes, rotation=90)
    panel.set_yticks([(at + 0.5) * (high + 2) for at in range(len(colours))], colours)
    panel.tick_params(length=0, labelsize=8)
    panel.spines[:].set_visible(False)
    missing = [f"{colours[row]} {shapes[column]}" for row, column in (counts == 0).nonzero().tolist()]
    said = f"without one: {listed(missing, most=8)}" if missing else "no kind is without one"
    figure.tell(
        f"What {counted(len(pictures), 'prototype')} draw, a column a shape and a row a colour: "
        f"{int((counts > 0).sum())} of {counted(counts.numel(), 'kind')} have a prototype of their name, "
        f"{int((counts > 1).sum())} have two or more; {said}."
    )
    return figure


@styled
def confusion(counts: Tensor, names: Sequence[str]) -> LessonFigure:
    """Show a property's confusion: the share of each true value (row), in percent, by the value given (column).

    Args:
        counts: (V, V + 1), the last column for objects that are given none, as in `PropertyScores`.
        names: of the V values.

    Returns:
        The figure, one panel. Shares of a hundredth or more are written out.

    Example:
        >>> figure = confusion(torch.tensor([[3, 1, 0], [0, 4, 4]]), ["red", "blue"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['75', '25', '50', '50']
    """
    rows, columns = counts.shape
    shares = counts.double() / counts.sum(dim=1, keepdim=True).clamp_min(1)
    figure = panel_grid(1, width=0.3 * columns + 1.0, height=0.28 * rows + 1.0)
    (panel,) = figure.axes
    panel.imshow(to_array(shares), cmap="Blues", norm=PowerNorm(0.5, 0, 1), aspect="auto")
    for row, column in (shares >= 0.01).nonzero().tolist():
        share = float(shares[row, column])
        ink = "white" if share > 0.3 else "black"
        panel.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=ink)
    panel.axvline(rows - 0.5, color="white", linewidth=3)
    panel.set_xticks(range(columns), [*names, "none"], rotation=90)
    panel.set_yticks(range(rows), names)
    panel.tick_params(length=0, labelsize=8)
    panel.spines[:].set_visible(False)
    panel.set(xlabel="named", ylabel="true")
    panel.set_title("% of the true value", loc="left")
    right = shares.diagonal()
    least, wrong = int(right.argmin()), shares.clone()
    wrong.fill_diagonal_(0)
    true, given = divmod(int(wrong.argmax()), columns)
    as_what = "given no name" if given == rows else f"named {names[given]}"
    figure.tell(
        f"A confusion matrix of {rows} values. Right are from {100 * float(right[least]):.1f}% of the {names[least]} "
        f"to {100 * float(right.max()):.1f}%. The commonest mistake: {100 * float(wrong.max()):.1f}% of the "
        f"{names[true]} are {as_what}."
    )
    return figure


@styled
def redrawn(image: Tensor, drawn: Tensor, xy: Tensor, there: Tensor, chosen: int = 0) -> LessonFigure:
    """Show a scene, and what is drawn of keypoints that were moved or taken away.

    Args:
        image: (3, H, W) in [0, 1].
        drawn: (3, H, W) in [0, 1], of the keypoints that are there.
        xy: (K, 2) where the keypoints are, in [-1, 1].
        there: (K,) bool; one that is not there has no cross.
        chosen: the keypoint whose cross is larger.

    Returns:
        The figure, two panels.

    Example:
        >>> points = torch.zeros(2, 2)
        >>> figure = redrawn(torch.zeros(3, 8, 8), torch.ones(3, 8, 8), points, torch.tensor([True, False]))
        >>> len(figure.axes), len(figure.axes[1].collections)
        (2, 1)
    """
    figure = image_grid(torch.stack([image, drawn]).cpu(), ["scene", "drawn"], columns=2, width=2.6)
    panel = figure.axes[1]
    for k, (point, here) in enumerate(zip(xy.cpu(), there.tolist(), strict=True)):
        if here:
            panel.cross(point, s=120 if k == chosen else 50, color="white")
    if bool(there.any()):
        panel.number(xy.cpu()[there.cpu()], [k + 1 for k in there.nonzero().flatten().tolist()])
    away = [str(k + 1) for k in (~there).nonzero().flatten().tolist()]
    gone = f"without {listed(away)}" if away else "with all of them"
    squared = float((image - drawn).square().mean(dim=0).sum())
    figure.tell(
        f"A scene, and what {counted(len(xy), 'keypoint')} draw, {gone}; white crosses mark those that are there. The "
        f"two differ by {number(squared)} pixels of squared error."
    )
    return figure
