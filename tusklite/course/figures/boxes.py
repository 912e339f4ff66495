"""Boxes around keypoints: which are right, which are wrong, and which objects were missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor

from tusklite.arguments import require_number, require_tensor
from tusklite.course.figures.canvas import MISSED, RIGHT, WRONG, class_name, styled
from tusklite.course.figures.scenes import image_grid
from tusklite.metrics import match_detections
from tusklite.metrics.labels import require_labels, require_mask


@styled
def detections(
    images: Tensor,
    xy: Tensor,
    assignment: Tensor | None = None,
    names: Sequence[str] | None = None,
    truth_xy: Tensor | None = None,
    truth_class: Tensor | None = None,
    correct: Tensor | None = None,
    box: float = 20.0,
    found: Tensor | None = None,
    truth_found: Tensor | None = None,
    columns: int = 4,
) -> Figure:
    """Draw a box around each keypoint with its class: right ones solid, wrong ones dashed, the missed dotted.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) keypoints in [-1, 1].
        assignment: (B, K) integers, the predicted class (or the prototype) of each keypoint; -1 is none.
        names: the word for each class; None: its number.
        truth_xy: (B, T, 2) true centres in [-1, 1]. One that no box matches with an IoU of 0.5 is missed.
        truth_class: (B, T) integers, the true classes; written in brackets beside a wrong one.
        correct: (B, K) bool; None: where the truth is given, a keypoint is right when it matches a true
            object and, where `truth_class` is given, its class.
        box: side of the boxes in pixels, above 0.
        found: (B, K) bool, False for an empty slot, which is not drawn.
        truth_found: (B, T) bool, the same for the true objects.
        columns: the most images in a row, at least 1.

    Returns:
        The figure, one axes an image.

    Raises:
        TypeError, ValueError: another type, shape or range than above, or `truth_class` without `truth_xy`
            and `assignment`, or `truth_found` without `truth_xy`.

    Example:
        >>> figure = detections(torch.zeros(1, 1, 80, 80), torch.zeros(1, 2, 2))
        >>> len(figure.axes[0].patches)
        2
    """
    figure, panels = image_grid(images, columns, width=2.3)
    size = tuple(images.shape[-2:])
    box = require_number("box", box, open_low=True)
    for name, given, needed, other in (
        ("truth_class", truth_class, "truth_xy", truth_xy),
        ("truth_class", truth_class, "assignment", assignment),
        ("truth_found", truth_found, "truth_xy", truth_xy),
    ):
        if given is not None and other is None:
            raise ValueError(f"{name}: given without {needed}; allowed is together with it")
    has_truth, has_class = truth_xy is not None, truth_class is not None
    if not has_truth:  # one object that is nowhere to be seen
        truth_xy, truth_found = torch.zeros(len(images), 1, 2), torch.zeros(len(images), 1, dtype=torch.bool)

    xy = require_tensor("xy", xy, (len(images), "K", 2), finite=False)
    truth_xy = require_tensor("truth_xy", truth_xy, (len(images), "T", 2), finite=False)
    found = require_mask("found", found, "xy", xy, "K")
    truth_found = require_mask("truth_found", truth_found, "truth_xy", truth_xy, "T")
    assignment = _classes("assignment", assignment, found)
    truth_class = _classes("truth_class", truth_class, truth_found)
    matched = match_detections(xy, truth_xy, size, box, 0.5, found, truth_found).cpu()  # (B, K)
    class_inside = truth_class.gather(1, matched.clamp(min=0)).masked_fill(matched < 0, -1)
    if correct is None and has_truth:
        right = matched >= 0
        if has_class:
            right &= class_inside == assignment
    else:
        right = require_mask("correct", correct, "xy", xy, "K")

    for scene, panel in enumerate(panels):
        for k in found[scene].nonzero().flatten().tolist():
            look, text = WRONG, class_name(assignment[scene, k], names)
            if right[scene, k]:
                look = RIGHT
            elif class_inside[scene, k] >= 0:
                text = f"{text} ({class_name(class_inside[scene, k], names)})".lstrip()
            _draw_box(panel, xy[scene, k], box, size, look, text)
        for t in truth_found[scene].nonzero().flatten().tolist():
            if t not in matched[scene]:
                text = f"({class_name(truth_class[scene, t], names)})" if has_class else ""
                _draw_box(panel, truth_xy[scene, t], box, size, MISSED, text)
    if has_truth or correct is not None:
        looks = {"right": RIGHT, "wrong (true class)" if has_class else "wrong": WRONG}
        _add_legend(figure, looks | ({"missed": MISSED} if has_truth else {}))
    return figure


def _classes(name: str, value: Tensor | None, found: Tensor) -> Tensor:
    return torch.full(found.shape, -1) if value is None else require_labels(name, value, found.shape)


def _draw_box(panel: Axes, xy: Tensor, box: float, size: tuple[int, int], look: tuple[str, str], text: str) -> None:
    color, line = look
    left, top = ((float(z) + 1) / 2 * pixels - box / 2 for z, pixels in zip(xy, reversed(size), strict=True))
    outline = {"edgecolor": color, "linestyle": line, "linewidth": 1.5}
    panel.add_patch(Rectangle((left, top), box, box, fill=False, **outline))
    tag = {"facecolor": color, "edgecolor": "none", "pad": 1.2}
    inside = (max(left, 0), max(top, 0))  # a box that leaves the image keeps its tag
    panel.text(*inside, text, va="top", fontsize=8, color="black", bbox=tag if text else None, clip_on=True)


def _add_legend(figure: Figure, looks: Mapping[str, tuple[str, str]]) -> None:
    handles = [Line2D([], [], color=color, linestyle=line, label=text) for text, (color, line) in looks.items()]
    figure.set_figheight(figure.get_figheight() + 0.3)  # room for the legend
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
