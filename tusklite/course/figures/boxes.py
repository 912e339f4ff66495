"""Boxes around keypoints: which are right, which are wrong, and which objects were missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from matplotlib.patches import Rectangle
from torch import Tensor

from tusklite.course.figures.canvas import MISSED, RIGHT, WRONG, LessonFigure, Panel, class_name, styled
from tusklite.course.figures.scenes import image_grid
from tusklite.course.figures.words import counted, listed
from tusklite.metrics import match_detections


@styled
def detections(
    images: Tensor,
    xy: Tensor,
    assignment: Tensor | None = None,
    names: Sequence[str] | None = None,
    truth_xy: Tensor | None = None,
    truth_class: Tensor | None = None,
    box: float = 20.0,
    found: Tensor | None = None,
    truth_found: Tensor | None = None,
    columns: int = 4,
) -> LessonFigure:
    """Draw a box around each keypoint with its class: right ones solid, wrong ones dashed, the missed dotted.

    Where the truth is given, a keypoint is right when it matches a true object and, where `truth_class` is given, its
    class; without the truth all are.

    Args:
        images: (B, C, H, W) with 1 or 3 channels in [0, 1].
        xy: (B, K, 2) keypoints in [-1, 1].
        assignment: (B, K) integers, the predicted class (or the prototype) of each keypoint; -1 is none.
        names: the word for each class; None: its number.
        truth_xy: (B, T, 2) true centres in [-1, 1]. One that no box matches with an IoU of 0.5 is missed.
        truth_class: (B, T) integers, the true classes, given with truth_xy and assignment; in brackets beside a
            wrong one.
        box: side of the boxes in pixels.
        found: (B, K) bool, False for an empty slot, which is not drawn.
        truth_found: (B, T) bool, the same for the true objects.
        columns: the most images in a row.

    Returns:
        The figure, one panel an image.

    Raises:
        ValueError: images that `Panel.show` refuses, a class without a name, or true classes that cannot be compared.

    Example:
        >>> figure = detections(torch.zeros(1, 1, 80, 80), torch.zeros(1, 2, 2))
        >>> len(figure.axes[0].patches)
        2
    """
    if truth_class is not None and (truth_xy is None or assignment is None):
        raise ValueError("truth_class: it was given alone; allowed is together with truth_xy and assignment")
    figure = image_grid(images, None, columns, width=2.3)
    nobody = torch.full(xy.shape[:2], -1)
    predicted = nobody if assignment is None else assignment.cpu()
    matched, true = nobody, nobody  # the object that a box is on, and its class
    if truth_xy is not None:
        matched = match_detections(xy, truth_xy, tuple(images.shape[-2:]), box, 0.5, found, truth_found).cpu()
    if truth_class is not None:
        true = truth_class.cpu().gather(1, matched.clamp(min=0)).masked_fill(matched < 0, -1)
    right = (matched >= 0) & (true == predicted) if truth_class is not None else (matched >= 0) | (truth_xy is None)
    drawn: dict[str, list[str]] = {"right": [], "wrong": [], "missed": []}
    for scene, (panel, places) in enumerate(zip(figure.axes, xy, strict=True)):
        for k in _real(found, scene, xy):
            text, other = class_name(predicted[scene, k], names), class_name(true[scene, k], names)
            drawn["right" if right[scene, k] else "wrong"].append(text)
            if right[scene, k]:
                _draw_box(panel, places[k], box, RIGHT, text)
            else:
                _draw_box(panel, places[k], box, WRONG, f"{text} ({other})".lstrip() if other else text)
        for t in _real(truth_found, scene, truth_xy):
            if t not in matched[scene]:
                text = "" if truth_class is None else f"({class_name(truth_class[scene, t], names)})"
                drawn["missed"].append(text)
                _draw_box(panel, truth_xy[scene, t], box, MISSED, text)
    if truth_xy is not None:
        looks = {"right": RIGHT, "wrong" if truth_class is None else "wrong (true class)": WRONG, "missed": MISSED}
        figure.legend_below({word: {"color": color, "linestyle": line} for word, (color, line) in looks.items()})
    figure.tell(_summary(drawn, truth_xy is not None))
    return figure


def _summary(drawn: Mapping[str, Sequence[str]], judged: bool) -> str:
    """How many boxes of each kind were drawn, and what stands on them where they are few."""
    boxes = [*drawn["right"], *drawn["wrong"]]
    counts = [f"{tag} ({count})" if count > 1 else tag for tag, count in sorted(Counter(boxes).items())]
    tags = f", tagged {listed(counts, most=12)}" if any(boxes) else ""
    said = f"{counted(len(boxes), 'box')} around keypoints{tags}"
    if judged:
        right, wrong, missed = (len(drawn[kind]) for kind in ("right", "wrong", "missed"))
        said += f": {right} right (solid), {wrong} wrong (dashed); {counted(missed, 'object')} missed (dotted)"
    return f"{said}."


def _real(found: Tensor | None, scene: int, xy: Tensor | None) -> list[int]:
    """The slots of a scene that are not empty."""
    if xy is None:
        return []
    return list(range(xy.shape[1])) if found is None else found[scene].nonzero().flatten().tolist()


def _draw_box(panel: Panel, xy: Tensor, box: float, look: tuple[str, str], text: str) -> None:
    color, line = look
    left, top = panel.place(xy) - box / 2
    outline = {"edgecolor": color, "linestyle": line, "linewidth": 1.5}
    panel.add_patch(Rectangle((left, top), box, box, fill=False, **outline))
    tag = {"facecolor": color, "edgecolor": "none", "pad": 1.2}
    inside = (max(left, 0), max(top, 0))  # a box that leaves the image keeps its tag
    panel.text(*inside, text, va="top", fontsize=8, color="black", bbox=tag if text else None, clip_on=True)
