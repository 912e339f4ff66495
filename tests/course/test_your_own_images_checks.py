"""Each check of lesson 21 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import math

import pytest
import torch
from lesson_definitions import definitions
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tusklite.course import your_own_images as lesson
from tusklite.course.variants import SHIFTS

SOLUTIONS = definitions("solutions/21_your_own_images")
LESSON = definitions("21_your_own_images")
shown_size, to_pixels, turn_upright = (SOLUTIONS[name] for name in ("shown_size", "to_pixels", "turn_upright"))
border_share, link, jitter = (SOLUTIONS[name] for name in ("border_share", "link", "jitter"))


def sized(scale=None, cut=round, least=1, step=True):
    """The size with another scale, way to round, least number of multiples, or without multiples."""

    def size(width: int, height: int, side: int, multiple: int) -> tuple[int, int]:
        usual = min(side / min(width, height), 4 * side / max(width, height))
        by = scale(width, height, side) if scale else usual
        each = multiple if step else 1
        first, second = (max(least, cut(length * by / each)) * each for length in (width, height))
        return first, second

    return size


def pixels_by(change):
    """Pixels from shares in [0, 1], the part's corner and its size."""

    def pixels(xy: Tensor, box: tuple[int, int, int, int]) -> Tensor:
        corner = torch.tensor(box[:2], dtype=torch.float32)
        size = torch.tensor(box[2:], dtype=torch.float32) - corner
        return change((xy + 1) / 2, corner, size)

    return pixels


def turning(**others: int):
    """As asked, but some numbers are taken for others: `turning(n6=8)`."""

    def turned(pixels: Tensor, orientation: int) -> Tensor:
        return turn_upright(pixels, others.get(f"n{orientation}", orientation))

    return turned


def share_of(near, weight=lambda near, found: (near & found).sum() / found.sum().clamp_min(1)):
    """A share by another rule of what is near, or another way to count."""
    return lambda xy, found, edge: weight(near(xy, edge), found)


def right_near(xy: Tensor, edge: float) -> Tensor:
    return xy.abs().amax(dim=2) > 1 - 2 * edge


def linking(choose, before="tracks"):
    """Tracks by another choice of columns from distances, or linked to other places."""

    def tracks_of(frames: Tensor) -> Tensor:
        tracks = [frames[0]]
        for number, points in enumerate(frames[1:]):
            places = {"tracks": tracks[-1], "frame": frames[number], "first": frames[0]}[before]
            tracks.append(points[torch.as_tensor(choose(torch.cdist(places, points)))])
        return torch.stack(tracks)

    return tracks_of


def nearest_left(distance: Tensor) -> list[int]:
    taken: list[int] = []
    for row in distance.tolist():
        taken.append(min((column for column in range(len(row)) if column not in taken), key=row.__getitem__))
    return taken


def bend(tracks: Tensor) -> Tensor:
    return tracks.diff(n=2, dim=0)


ANSWERS = {
    lesson.check_shown_size: {
        "height and width are exchanged": lambda *inputs: shown_size(*inputs)[::-1],
        "a square: the picture is squeezed": lambda width, height, side, multiple: (side, side),
        "the longer side is as long as the squares": sized(lambda width, height, side: side / max(width, height)),
        "takes all memory": sized(lambda width, height, side: side / min(width, height)),
        "no multiples of what the network wants": sized(step=False),
        "you cut off what is beyond": sized(cut=int),
        "you take the next larger multiple": sized(cut=math.ceil),
        "a side of 0 pixels": sized(least=0),
        "you took the larger of both scales": sized(
            lambda width, height, side: max(side / min(width, height), 4 * side / max(width, height))
        ),
        "the size of the picture itself": lambda width, height, side, multiple: (width, height),
        "whole numbers are asked for": lambda *inputs: tuple(length + 0.5 for length in shown_size(*inputs)),
        "two lengths are asked for": lambda *inputs: shown_size(*inputs)[0],
        "two plain numbers": lambda *inputs: ("80", "80"),
    },
    lesson.check_to_pixels: {
        "what lies left of it and above is missing": pixels_by(lambda share, corner, size: share * size - 0.5),
        "half a pixel too far": pixels_by(lambda share, corner, size: corner + share * size),
        "half a pixel is added": pixels_by(lambda share, corner, size: corner + share * size + 0.5),
        "not the centres of its outer pixels": pixels_by(lambda share, corner, size: corner + share * (size - 1)),
        "first make shares": pixels_by(lambda share, corner, size: corner + (2 * share - 1) * size - 0.5),
        "twice as far": pixels_by(lambda share, corner, size: corner + 2 * share * size - 0.5),
        "-1 is the left edge": pixels_by(lambda share, corner, size: corner + (share - 0.5) * size - 0.5),
        "you multiply by the right and lower edge": pixels_by(
            lambda share, corner, size: corner + share * (corner + size) - 0.5
        ),
        "width and height are exchanged": pixels_by(lambda share, corner, size: corner + share * size.flip(0) - 0.5),
        "x and y are exchanged": lambda *inputs: to_pixels(*inputs).flip(1),
        "left and top are exchanged": pixels_by(lambda share, corner, size: corner.flip(0) + share * size - 0.5),
        "upside down": pixels_by(
            lambda share, corner, size: corner + (share * torch.tensor([1, -1]) + torch.tensor([0, 1])) * size - 0.5
        ),
        "whole pixels": lambda *inputs: to_pixels(*inputs).round(),
        "yours are whole pixels": lambda *inputs: to_pixels(*inputs).long(),
        "both are missing": pixels_by(lambda share, corner, size: share * size),
        "a row a point": lambda *inputs: to_pixels(*inputs).T,
        r"should have shape \(5, 2\)": lambda *inputs: to_pixels(*inputs)[:3],
    },
    lesson.check_turn_upright: {
        "nothing was turned": lambda pixels, orientation: pixels,
        "red and blue are exchanged": lambda *inputs: turn_upright(*inputs).flip(2),
        "this is what 8 asks for: a quarter turn the other way": turning(n6=8, n8=6),
        "this is what 4 asks for: mirrored along the other direction": turning(n2=4, n4=2),
        "this is what 7 asks for: mirrored along the other direction": turning(n5=7, n7=5),
        "orientation 6: this is what 5 asks for: one mirror too many": turning(n6=5),
        "orientation 6: this is what 3 asks for: rows have to become columns": turning(n6=3),
        "orientation 3: this is what 2 asks for": turning(n3=2),
        "a quarter turn exchanges width and height": lambda pixels, orientation: (
            pixels.roll(1, 0) if orientation == 6 else turn_upright(pixels, orientation)
        ),
        "it should be": lambda *inputs: 0.5 * turn_upright(*inputs) + 0.3 * torch.rand(5)[:1],
        "a tensor is asked for": lambda *inputs: turn_upright(*inputs).tolist(),
    },
    lesson.check_border_share: {
        "half as wide": share_of(lambda xy, edge: xy.abs().amax(dim=2) > 1 - edge),
        "empty slots count": share_of(right_near, lambda near, found: near.float().mean()),
        "you divided by all slots": share_of(right_near, lambda near, found: (near & found).float().mean()),
        "only corners count": share_of(lambda xy, edge: xy.abs().amin(dim=2) > 1 - 2 * edge),
        "in a corner counts twice": share_of(
            lambda xy, edge: xy.abs() > 1 - 2 * edge,
            lambda near, found: (near & found[..., None]).sum() / found.sum().clamp_min(1),
        ),
        "you counted coordinates": share_of(
            lambda xy, edge: xy.abs() > 1 - 2 * edge,
            lambda near, found: (near & found[..., None]).sum() / (2 * found.sum().clamp_min(1)),
        ),
        "the right and the lower edge alone": share_of(lambda xy, edge: xy.amax(dim=2) > 1 - 2 * edge),
        "you counted pictures": share_of(right_near, lambda near, found: (near & found).any(dim=1).float().mean()),
        "the mean of the pictures' shares": share_of(
            right_near, lambda near, found: ((near & found).sum(dim=1) / found.sum(dim=1).clamp_min(1)).mean()
        ),
        "this is how many": share_of(right_near, lambda near, found: (near & found).sum()),
        "does not lie on the border": lambda *inputs: 1 - border_share(*inputs),
        "in percent": lambda *inputs: 100 * border_share(*inputs),
        "a finite number is asked for": lambda xy, found, edge: float("nan"),
        "where nothing is found the share is 0": lambda xy, found, edge: (
            border_share(xy, found, edge) if found.any() else 1.0
        ),
    },
    lesson.check_link: {
        "nothing was linked": lambda frames: frames,
        "link one to one": linking(lambda distance: distance.argmin(dim=1)),
        "in the order in which it came": linking(lambda distance: linear_sum_assignment(distance)[1], "frame"),
        "every frame is linked to the first one": linking(lambda distance: linear_sum_assignment(distance)[1], "first"),
        "the inverse order": linking(lambda distance: linear_sum_assignment(distance.T)[1]),
        "row by row the nearest that is left": linking(nearest_left),
        "the farthest points": linking(lambda distance: linear_sum_assignment(-distance)[1]),
        "sorted from left to right": lambda frames: torch.stack([each[each[:, 0].argsort()] for each in frames]),
        "a list of frames": lambda frames: list(link(frames)),
        "two axes are exchanged": lambda frames: link(frames).transpose(0, 1),
        r"should have shape \(9, 5, 2\)": lambda frames: link(frames)[1:],
    },
    lesson.check_jitter: {
        "this is speed": lambda tracks: tracks.diff(dim=0).norm(dim=2).mean(),
        "you compare speeds alone": lambda tracks: tracks.diff(dim=0).norm(dim=2).diff(dim=0).abs().mean(),
        "the mean of coordinates": lambda tracks: bend(tracks).abs().mean(),
        "without squares": lambda tracks: bend(tracks).abs().sum(dim=2).mean(),
        "squares of coordinates": lambda tracks: bend(tracks).square().mean(),
        "squares of lengths": lambda tracks: bend(tracks).square().sum(dim=2).mean(),
        "the root of the mean square": lambda tracks: bend(tracks).square().sum(dim=2).mean().sqrt(),
        "this is the sum": lambda tracks: bend(tracks).norm(dim=2).sum(),
        "this is the median": lambda tracks: bend(tracks).norm(dim=2).median(),
        "this is the largest": lambda tracks: bend(tracks).norm(dim=2).max(),
        "cancel out": lambda tracks: bend(tracks).mean(dim=(0, 1)).norm(),
        "over frames in yours": lambda tracks: bend(tracks).norm(dim=0).mean(),
        "over keypoints in yours": lambda tracks: bend(tracks).norm(dim=1).mean(),
        "frames come first": lambda tracks: tracks.diff(n=2, dim=1).norm(dim=2).mean(),
        "the frame in the middle counts twice": lambda tracks: (
            (tracks[2:] + tracks[:-2] - tracks[1:-1]).norm(dim=2).mean()
        ),
        "stray from their mean place": lambda tracks: (tracks - tracks.mean(dim=0)).norm(dim=2).mean(),
        "one number is asked for": lambda tracks: bend(tracks).norm(dim=2),
    },
}
EXERCISES = {
    lesson.check_shown_size: "shown_size",
    lesson.check_to_pixels: "to_pixels",
    lesson.check_turn_upright: "turn_upright",
    lesson.check_border_share: "border_share",
    lesson.check_link: "link",
    lesson.check_jitter: "jitter",
}


def test_lengths_may_come_in_a_list_or_a_tensor():
    assert lesson.check_shown_size(lambda *inputs: list(shown_size(*inputs)))
    assert lesson.check_shown_size(lambda *inputs: torch.tensor(shown_size(*inputs)))


def test_a_share_and_a_mean_may_be_tensors():
    assert lesson.check_border_share(lambda *inputs: torch.tensor(border_share(*inputs)))
    assert lesson.check_jitter(lambda tracks: torch.tensor(jitter(tracks)))


def test_upright_by_quarter_turns_is_as_good():
    def turned(pixels: Tensor, orientation: int) -> Tensor:
        mirrored, quarters = {1: (0, 0), 2: (1, 0), 3: (0, 2), 4: (1, 2), 5: (1, 1), 6: (0, 3), 7: (1, 3), 8: (0, 1)}[
            orientation
        ]
        return torch.rot90(pixels.flip(1) if mirrored else pixels, quarters, (0, 1))

    assert lesson.check_turn_upright(turned)


@pytest.mark.parametrize("shift", SHIFTS)
def test_paths_are_drawn_in_few_tries(shift, monkeypatch):
    """The check draws paths anew until each mistake shows: that has to come to an end."""
    from tusklite.course.your_own_images import checks

    tries = []
    monkeypatch.setattr(checks, "_link", lambda frames: tries.append(1) or link(frames))
    monkeypatch.setattr(checks, "drawn", lambda seed: torch.Generator().manual_seed(seed + 1000 * shift))
    checks._shuffled_paths()
    assert len(tries) < 200
