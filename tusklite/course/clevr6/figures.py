"""What keypoints draw, each alone and all together; who paints which pixel; and properties taken for each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.colors import PowerNorm, to_rgb
from torch import Tensor

from tusklite.course.figures import PALETTE, QUIET, LessonFigure, image_grid, panel_grid, styled, to_array
from tusklite.course.figures.words import counted, listed, number

NOBODY = 0.15  # how light a pixel is that nobody paints


def tinted(segments: Tensor, names: Sequence[int] | None = None) -> Tensor:
    """Give segments colours: those of the palette by their numbers, nearly black where there is none.

    Args:
        segments: (B, H, W) integers, 0 for nobody, n for number n, at most 10.
        names: which numbers get a colour; the others are left dark. None: all.

    Returns:
        (B, 3, H, W) in [0, 1], for any figure of images.

    Example:
        >>> tinted(torch.tensor([[[0, 1]]]))[0, :, 0].round(decimals=2)
        tensor([[0.1500, 0.0000],
                [0.1500, 0.4500],
                [0.1500, 0.7000]])
    """
    wanted = range(1, len(PALETTE) + 1) if names is None else names
    colours = torch.full((len(PALETTE) + 1, 3), NOBODY)
    for name in wanted:
        colours[name] = torch.tensor(to_rgb(PALETTE[name - 1]))
    return colours[segments.long()].movedim(-1, 1)


@styled
def keypoint_strip(
    scene: Tensor, redrawn: Tensor, background: Tensor, segments: Tensor, layers: Tensor, width: float = 1.15
) -> LessonFigure:
    """Show a scene as its keypoints draw it: all together, and each alone with its alpha (Jin et al. 2022, figure 4).

    Args:
        scene: (3, H, W) in [0, 1].
        redrawn: (3, H, W), all keypoints before the background.
        background: (3, H, W), what is behind them.
        segments: integers (h, w), who paints which pixel: 0 the background, n keypoint n - 1.
        layers: (K, 4, H, W), colours and a logit of alpha; minus infinity in a slot that holds no keypoint.
        width: inches a panel.

    Returns:
        The figure: two rows of K + 2 panels. Each keypoint's picture stands on grey, as much of it as its alpha lets
        through against the background alone; below it is that alpha.

    Example:
        >>> images, layers = torch.rand(3, 3, 8, 8), torch.randn(2, 4, 8, 8)
        >>> len(keypoint_strip(*images, torch.zeros(8, 8, dtype=torch.uint8), layers).axes)
        8
    """
    alpha = layers[:, 3:].sigmoid()  # against a background of logit 0
    alone = layers[:, :3].clamp(0, 1) * alpha + 0.5 * (1 - alpha)
    painted = tinted(segments[None])
    if painted.shape[2:] != scene.shape[1:]:
        painted = torch.nn.functional.interpolate(painted, scene.shape[1:], mode="nearest")
    pictures = torch.cat(
        [scene[None], painted, alone, redrawn[None], background[None], alpha.expand(-1, 3, -1, -1)]
    ).detach()
    held = [bool(each.isfinite().any()) for each in layers[:, 3]]
    names = [f"keypoint {k + 1}" if there else "empty" for k, there in enumerate(held)]
    titles = ["scene", "who paints", *names, "redrawn", "background", *["alpha" if there else "" for there in held]]
    figure = image_grid(pictures.clamp(0, 1), titles, len(layers) + 2, width)
    shares = [f"{k + 1}: {100 * float((segments == k + 1).float().mean()):.1f}%" for k, it in enumerate(held) if it]
    error = number(float((redrawn - scene).square().mean(dim=0).sum()))
    figure.tell(
        f"{sum(held)} of {counted(len(held), 'slot')} {'holds' if sum(held) == 1 else 'hold'} a keypoint. "
        + (f"Share of the picture that each paints: {listed(shares)}. " if shares else "")
        + f"Squared error of the redrawn picture: {error} pixels."
    )
    return figure


@styled
def confusions(counts: Mapping[str, Tensor], names: Mapping[str, Sequence[str]]) -> LessonFigure:
    """Show which values of each property are taken for which: shares of each true value (row), in percent.

    Args:
        counts: for each property (V, V + 1), true value by guessed value; the last column has those without a guess.
        names: for each property its V values.

    Returns:
        The figure, one panel a property.

    Example:
        >>> figure = confusions({"size": torch.tensor([[3, 1, 0], [0, 4, 2]])}, {"size": ["small", "large"]})
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['75', '25', '67', '33']
    """
    sizes = [len(names[name]) for name in counts]
    figure = panel_grid(len(counts), width=2.4, height=2.9, width_ratios=[size + 2.5 for size in sizes])
    for panel, (name, table) in zip(figure.axes, counts.items(), strict=True):
        words = list(names[name])
        shares = table.double() / table.sum(dim=1, keepdim=True).clamp_min(1)
        panel.imshow(to_array(shares), cmap="Blues", norm=PowerNorm(0.5, 0, 1), aspect="auto")
        for row, column in table.nonzero().tolist():
            share = float(shares[row, column])
            ink = "white" if share > 0.3 else "black" if share >= 0.01 else QUIET
            panel.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=ink)
        panel.set_xticks(range(len(words) + 1), [*words, "none"], rotation=90)
        panel.set_yticks(range(len(words)), words)
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
        panel.set_title(name, loc="left")
        wrong = shares.clone()
        wrong.fill_diagonal_(0)
        true, guess = divmod(int(wrong.argmax()), len(words) + 1)
        worst = "no mistake"
        if float(wrong.max()):
            taken = "get no name" if guess == len(words) else f"are taken for {words[guess]}"
            worst = f"most often {100 * float(wrong.max()):.0f}% of the {words[true]} ones {taken}"
        right = 100 * float(table.diagonal().sum() / table.sum().clamp_min(1))
        figure.tell(f"{name.capitalize()}: {right:.0f}% of {counted(int(table.sum()), 'thing')} right; {worst}.")
    return figure


@styled
def edited_scene(
    scene: Tensor, redrawn: Tensor, segments: Tensor, xy: Tensor, drawn: Tensor, chosen: int = 0
) -> LessonFigure:
    """Show a scene, what some of its keypoints redraw, and who paints which pixel, with the points by their numbers.

    Args:
        scene: (3, H, W) in [0, 1].
        redrawn: (3, H, W).
        segments: integers (H, W), 0 for the background, n for keypoint n - 1.
        xy: (N, 2) where the keypoints stand, in [-1, 1], at most ten.
        drawn: bool (N,), which of them are drawn.
        chosen: whose point has a white edge.

    Returns:
        The figure, three panels.

    Example:
        >>> picture, points = torch.zeros(3, 8, 8), torch.zeros(2, 2)
        >>> len(edited_scene(picture, picture, torch.zeros(8, 8), points, torch.tensor([True, False])).axes)
        3
    """
    pictures = torch.cat([scene[None], redrawn[None].clamp(0, 1), tinted(segments[None])])
    figure = image_grid(pictures, ["the scene", "redrawn", "who paints"], width=2.5)
    for panel in figure.axes[1:]:
        for k in drawn.nonzero().flatten().tolist():
            edge = "white" if k == chosen else "black"
            panel.mark(xy[k : k + 1], s=34, c=[PALETTE[k]], edgecolors=edge, linewidths=1.4, zorder=3)
            panel.number(xy[k : k + 1], [k + 1], size=8)
    here = [str(k + 1) for k in drawn.nonzero().flatten().tolist()]
    error = number(float((redrawn - scene).square().mean(dim=0).sum()))
    figure.tell(
        f"Drawn are the keypoints {listed(here)}." if here else "No keypoint is drawn.",
        f"Squared error: {error} pixels.",
    )
    return figure
