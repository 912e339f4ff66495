"""Checks for lesson 21: what a network is shown of a picture, and back; EXIF's turns; the border; links and jitter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tusklite.course.comparison import compare
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, answer_tensor, verdict


def _shown_size(width: int, height: int, side: int, multiple: int) -> tuple[int, int]:
    """Width and height in which a network is shown a whole picture of width x height pixels."""
    scale = min(side / min(width, height), 4 * side / max(width, height))
    lengths = [max(1, round(length * scale / multiple)) * multiple for length in (width, height)]
    return lengths[0], lengths[1]


@verdict("whatever its shape, the network can take it, and things keep their size", worked=_shown_size)
def check_shown_size(shown_size: Callable[[int, int, int, int], tuple[int, int]]) -> None:
    """Check `shown_size(width, height, side, multiple) -> (width, height)`.

    Example:
        >>> check_shown_size(lambda width, height, side, multiple: (side, side))
        ✘ wrong: a picture of 360 x 200, side 80, multiples of 8: a square: the picture is squeezed, and its shape lost
    """
    for size, side, multiple in (
        ((360, 200), 80, 8),
        ((200, 360), 80, 8),
        ((90, 61), 80, 2),
        ((1000, 50), 64, 4),
        ((31, 900), 64, 4),
        ((500, 400), 112, 16),
        ((333, 250), 40, 1),
        ((2000, 1), 80, 8),
    ):
        where = f"a picture of {size[0]} x {size[1]}, side {side}, multiples of {multiple}"
        found = _lengths(answer(shown_size, *size, side, multiple), where)
        right = _shown_size(*size, side, multiple)
        mistakes = [(torch.tensor(other), why) for other, why in _size_mistakes(size, side, multiple)]
        wanted = torch.tensor(right).double()
        compare(found, wanted, [(other.double(), why) for other, why in mistakes], where, 1e-9, ("length",))


def _lengths(result: object, where: str) -> Tensor:
    """Two whole numbers, as a tensor."""
    values = result.tolist() if isinstance(result, Tensor | np.ndarray) else result
    if not isinstance(values, tuple | list) or len(values) != 2:
        raise WrongAnswer(f"{where}: two lengths are asked for, width and height; yours gives {type(result).__name__}")
    if not all(isinstance(value, int | float | np.number) for value in values):
        raise WrongAnswer(f"{where}: two plain numbers are asked for, yours are {values}")
    if any(float(value) != round(float(value)) for value in values):
        raise WrongAnswer(f"{where}: pixels are counted: whole numbers are asked for, yours are {tuple(values)}")
    return torch.tensor([float(value) for value in values], dtype=torch.float64)


def _size_mistakes(size: tuple[int, int], side: int, multiple: int) -> list[tuple[tuple[int, int], str]]:
    """What plausible mistakes give for a picture, and what to say of each."""
    short, long = side / min(size), side / max(size)

    def at(scale: float, step: int = multiple, least: int = 1, cut: Callable[[float], int] = round) -> tuple[int, int]:
        width, height = (max(least, cut(length * scale / step)) * step for length in size)
        return width, height

    right = min(short, 4 * long)
    return [
        (at(right)[::-1], "height and width are exchanged: asked is (width, height)"),
        ((side, side), "a square: the picture is squeezed, and its shape lost"),
        (at(long), "the longer side is as long as the squares in yours; things become smaller than in training"),
        (at(short), "a long strip becomes longer than four sides, and takes all memory; there the longer side decides"),
        (at(right, step=1), "these are no multiples of what the network wants"),
        (at(right, cut=int), "you cut off what is beyond a multiple; the nearest one is asked for"),
        (at(right, cut=lambda length: -int(-length // 1)), "you take the next larger multiple; the nearest one is "
         "asked for"),
        (at(right, least=0), "a side of 0 pixels: no network takes that; one multiple is the least"),
        (at(max(short, 4 * long)), "you took the larger of both scales, and the smaller one is safe"),
        (size, "this is the size of the picture itself; the network was trained on another"),
    ]  # fmt: skip


def _to_pixels(xy: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """Points (K, 2) in [-1, 1] of a part of a picture, as pixels of the picture; (0, 0) is its first pixel's centre."""
    left, top, right, bottom = box
    corner = torch.tensor([left, top])
    size = torch.tensor([right - left, bottom - top])
    return corner + (xy + 1) / 2 * size - 0.5


@verdict("your keypoints lie on the picture where the network saw them", worked=_to_pixels)
def check_to_pixels(to_pixels: Callable[[Tensor, tuple[int, int, int, int]], Tensor]) -> None:
    """Check `to_pixels(xy (K, 2), (left, top, right, bottom)) -> (K, 2)`.

    Example:
        >>> check_to_pixels(lambda xy, box: (xy + 1) / 2 * torch.tensor([box[2] - box[0], box[3] - box[1]]) - 0.5)
        ✘ wrong: box (60, 0, 260, 200): you count from the corner of the part; what lies left of it and above is missing
    """
    generator = drawn(1)
    for box in ((60, 0, 260, 200), (0, 45, 130, 175), (12, 30, 100, 70)):
        xy = 2 * torch.rand(5, 2, generator=generator) - 1
        where = f"box {box}"
        result = answer(to_pixels, xy, box)
        if isinstance(result, Tensor) and result.shape == (2, 5):
            raise WrongAnswer(f"{where}: a row a point is asked for, (5, 2); yours is turned")
        if isinstance(result, Tensor) and result.shape == (5, 2) and not result.is_floating_point():
            raise WrongAnswer(f"{where}: yours are whole pixels; a keypoint lies between them, too")
        found = answer_tensor(lambda result=result: result, shape=(5, 2))
        compare(found, _to_pixels(xy, box), _pixel_mistakes(xy, box), where, 1e-4, ("point", "coordinate"))


def _pixel_mistakes(xy: Tensor, box: tuple[int, int, int, int]) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give for points of a part of a picture."""
    left, top, right, bottom = box
    corner, far = torch.tensor([left, top]), torch.tensor([right, bottom])
    size, share = far - corner, (xy + 1) / 2
    turned = torch.tensor([bottom - top, right - left])
    whole = corner + share * size - 0.5
    return [
        (share * size - 0.5, "you count from the corner of the part; what lies left of it and above is missing"),
        (whole + 0.5, "half a pixel too far: (0, 0) is the centre of the first pixel, and its edge is at -0.5"),
        (whole + 1, "half a pixel is added in yours, and has to be taken off"),
        (corner + share * (size - 1), "-1 and 1 are the outer edges of the part, not the centres of its outer pixels"),
        (corner + xy * size - 0.5, "coordinates run from -1 to 1: first make shares from 0 to 1 of them"),
        (corner + (xy + 1) * size - 0.5, "twice as far: from -1 to 1 are two units, and they are one width"),
        (corner + xy / 2 * size - 0.5, "-1 is the left edge; in yours the corner is where the middle should be"),
        (corner + share * far - 0.5, "you multiply by the right and lower edge; the part's width and height are asked"),
        (corner + share * turned - 0.5, "width and height are exchanged"),
        (whole.flip(1), "x and y are exchanged"),
        (corner.flip(0) + share * size - 0.5, "left and top are exchanged"),
        (corner + torch.stack([share[:, 0], 1 - share[:, 1]], dim=1) * size - 0.5, "y grows downwards in pictures; "
         "yours is upside down"),
        (whole.round(), "yours are whole pixels; a keypoint lies between them, too"),
        (share * size, "you count from the corner of the part, and from its edge; both are missing"),
        (corner + share * size.min() - 0.5, "one length for both: the part need not be a square"),
    ]  # fmt: skip


def _turn_upright(pixels: Tensor, orientation: int) -> Tensor:
    """Stored pixels (H, W, C) as they are to be shown, by EXIF's number from 1 to 8."""
    if orientation >= 5:
        pixels = pixels.transpose(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels.flip(0)
    if orientation in (2, 3, 6, 7):
        pixels = pixels.flip(1)
    return pixels


@verdict("however the camera was held, up is up", worked=_turn_upright)
def check_turn_upright(turn_upright: Callable[[Tensor, int], Tensor]) -> None:
    """Check `turn_upright(pixels (H, W, C), orientation) -> (H, W, C) or (W, H, C)`, for all eight numbers.

    Example:
        >>> check_turn_upright(lambda pixels, orientation: pixels)
        ✘ wrong: orientation 2: the pixels are as they were stored: nothing was turned
    """
    pixels = torch.rand(3, 5, 3, generator=drawn(2))
    # Those of cameras first: what is wrong with a quarter turn is better told there than at a mirror image.
    for orientation in (1, 2, 3, 6, 8, 4, 5, 7):
        where = f"orientation {orientation}"
        wanted = _turn_upright(pixels, orientation)
        result = answer(turn_upright, pixels, orientation)
        if not isinstance(result, Tensor):
            raise WrongAnswer(f"{where}: a tensor is asked for, yours gives {type(result).__name__}")
        mistakes = [(pixels, "the pixels are as they were stored: nothing was turned")]
        mistakes += [(wanted.flip(2), "red and blue are exchanged: the last axis is that of colours")]
        mistakes += [
            (_turn_upright(pixels, other), f"this is what {other} asks for{_about(orientation, other)}")
            for other in (8, 6, 2, 3, 4, 5, 7)
            if other != orientation
        ]
        for other, reason in mistakes:
            if other.shape == result.shape and torch.equal(result, other) and not torch.equal(other, wanted):
                raise WrongAnswer(f"{where}: {reason}")
        if result.shape == (wanted.shape[1], wanted.shape[0], wanted.shape[2]):
            quarter = "a quarter turn exchanges width and height" if orientation >= 5 else "width and height stay here"
            raise WrongAnswer(f"{where}: {quarter}: {tuple(wanted.shape)} is asked for, yours is {tuple(result.shape)}")
        found = answer_tensor(lambda result=result: result, shape=tuple(wanted.shape))
        compare(found, wanted, where=where, axes=("row", "column", "channel"))


def _about(orientation: int, other: int) -> str:
    """What turns one of EXIF's numbers into another."""
    if {orientation, other} == {6, 8}:
        return ": a quarter turn the other way"
    if {orientation, other} in ({2, 4}, {5, 7}):
        return ": mirrored along the other direction"
    if orientation >= 5 > other:
        return ": rows have to become columns first"
    if {orientation, other} in ({5, 6}, {7, 8}, {5, 8}, {6, 7}, {2, 3}, {3, 4}):
        return ": one mirror too many, or one too few"
    return ""


def _border_share(xy: Tensor, found: Tensor, edge: float) -> float:
    """Share of the keypoints (N, K, 2) that are found and lie nearer to the edge than so much of the picture's side."""
    near = xy.abs().amax(dim=2) > 1 - 2 * edge
    return float((near & found).sum() / found.sum().clamp_min(1))


@verdict("the share of the keypoints that lie on the border", worked=_border_share)
def check_border_share(border_share: Callable[[Tensor, Tensor, float], float]) -> None:
    """Check `border_share(xy (N, K, 2), found (N, K), edge) -> share`.

    Example:
        >>> check_border_share(lambda xy, found, edge: (xy.abs().amax(dim=2) > 1 - edge).float().mean())
        ✘ wrong: edge 0.05: half as wide: from -1 to 1 are two units, and the edge is a share of the side
    """
    generator = drawn(3)
    for edge in (0.05, 0.15):
        xy = 2 * torch.rand(60, 4, 2, generator=generator) - 1
        found = torch.rand(60, 4, generator=generator) < 0.6
        found[:7] = False  # pictures in which nothing is found
        xy[0], xy[~found] = (
            1.0,
            torch.where(xy[~found] > 0, 1.0, xy[~found]),
        )  # empty slots lie on the border more often
        where = f"edge {edge:g}"
        share = answer_number(border_share, xy, found, edge)
        limit = 1 - 2 * edge
        near = xy.abs().amax(dim=2) > limit
        right, total = _border_share(xy, found, edge), found.sum()
        half = (xy.abs().amax(dim=2) > 1 - edge) & found
        by_picture = (near & found).sum(dim=1) / found.sum(dim=1).clamp_min(1)
        mistakes = [
            (half.sum() / total, "half as wide: from -1 to 1 are two units, and the edge is a share of the side"),
            ((xy.abs().amax(dim=2) > 1 - edge).double().mean(), "half as wide: from -1 to 1 are two units, and the "
             "edge is a share of the side"),
            (near.double().mean(), "empty slots count in yours; there is no keypoint in them"),
            ((near & found).double().mean(), "you divided by all slots; of the keypoints that are found is asked"),
            (((xy.abs().amin(dim=2) > limit) & found).sum() / total, "only corners count in yours; one coordinate near "
             "its edge is enough"),
            (((xy.abs() > limit) & found[..., None]).sum() / total, "a keypoint in a corner counts twice in yours"),
            (((xy.abs() > limit) & found[..., None]).sum() / (2 * total), "you counted coordinates; each has two"),
            (((xy.amax(dim=2) > limit) & found).sum() / total, "the right and the lower edge alone; the left and the "
             "upper one are at -1"),
            ((near & found).any(dim=1).double().mean(), "you counted pictures; the share of the keypoints is asked"),
            (by_picture.mean(), "this is the mean of the pictures' shares; a picture with more keypoints weighs more"),
            (by_picture[found.any(dim=1)].mean(), "this is the mean of the pictures' shares; a picture with more "
             "keypoints weighs more"),
            ((near & found).sum(), "this is how many; what share of the keypoints is that?"),
            (1 - torch.tensor(right), "this is the share that does not lie on the border"),
            (100 * torch.tensor(right), "in percent; a share of 1 is asked"),
        ]  # fmt: skip
        wanted = torch.tensor(right, dtype=torch.float64)
        compare(torch.tensor(share), wanted, [(torch.as_tensor(o).double(), why) for o, why in mistakes], where, 1e-4)
    nothing = answer(border_share, xy, torch.zeros_like(found), 0.05)
    if not np.isclose(float(nothing), 0.0):  # type: ignore[arg-type]
        raise WrongAnswer(f"where nothing is found the share is 0, yours is {float(nothing):g}")  # type: ignore[arg-type]


def _link(frames: Tensor) -> Tensor:
    """Tracks (T, K, 2) from keypoints (T, K, 2): each row goes on with the points that are, in all, the nearest."""
    tracks = [frames[0]]
    for points in frames[1:]:
        distance = torch.cdist(tracks[-1], points)
        _, columns = linear_sum_assignment(distance.numpy())
        tracks.append(points[torch.from_numpy(columns)])
    return torch.stack(tracks)


@verdict("each row follows one point from frame to frame", worked=_link)
def check_link(link: Callable[[Tensor], Tensor]) -> None:
    """Check `link(frames (T, K, 2)) -> tracks (T, K, 2)`.

    Example:
        >>> check_link(lambda frames: frames)
        ✘ wrong: the keypoints are as they came: nothing was linked
    """
    frames = _shuffled_paths()
    result = answer(link, frames)
    if isinstance(result, tuple | list) and len(result) == len(frames):
        raise WrongAnswer("a list of frames: make one tensor of it, (T, K, 2)")
    if isinstance(result, Tensor) and result.shape == (frames.shape[1], frames.shape[0], 2):
        raise WrongAnswer("frames come first, then keypoints: two axes are exchanged in yours")
    found = answer_tensor(lambda result=result: result, shape=tuple(frames.shape))
    mistakes = [(frames, "the keypoints are as they came: nothing was linked")]
    mistakes += [(other, why) for other, why in _link_mistakes(frames)]
    compare(found, _link(frames), mistakes, "", 1e-5, ("frame", "keypoint", "coordinate"))


def _shuffled_paths() -> Tensor:
    """Keypoints (9, 5, 2) that walk, in a new order in each frame, and now and then make two of them claim one point.

    Drawn anew until every known mistake would show.
    """
    generator = drawn(4)
    while True:
        steps = 0.22 * torch.randn(9, 5, 2, generator=generator)
        paths = steps.cumsum(dim=0) + torch.rand(1, 5, 2, generator=generator)
        order = torch.stack([torch.randperm(5, generator=generator) for _ in range(9)])
        frames = paths.gather(1, order[..., None].expand(-1, -1, 2))
        right = _link(frames)
        if all(other.shape != right.shape or not torch.equal(other, right) for other, _ in _link_mistakes(frames)):
            return frames


def _link_mistakes(frames: Tensor) -> list[tuple[Tensor, str]]:
    """What plausible mistakes give for keypoints that come in a new order in each frame."""

    def chain(choose: Callable[[np.ndarray], np.ndarray], carried: bool = True, start: bool = False) -> Tensor:
        tracks = [frames[0]]
        for number, points in enumerate(frames[1:]):
            before = frames[0] if start else tracks[-1] if carried else frames[number]
            tracks.append(points[torch.from_numpy(choose(torch.cdist(before, points).numpy()))])
        return torch.stack(tracks)

    def best(distance: np.ndarray) -> np.ndarray:
        return linear_sum_assignment(distance)[1]

    def greedy(distance: np.ndarray) -> np.ndarray:
        left, columns = distance.copy(), np.zeros(len(distance), int)
        for row in range(len(distance)):
            columns[row] = left[row].argmin()
            left[:, columns[row]] = np.inf
        return columns

    ordered = [points[points[:, 0].argsort()] for points in frames]
    return [
        (chain(lambda distance: distance.argmin(axis=1)), "two rows go on with the same point, and another one is "
         "lost: link one to one"),
        (chain(best, carried=False), "you linked to the frame before in the order in which it came; link to where its "
         "rows stand by now"),
        (chain(best, start=True), "every frame is linked to the first one; points move away from there"),
        (chain(lambda distance: best(distance.T)), "the inverse order: you said for each new point which row it "
         "belongs to; asked is each row's point"),
        (chain(greedy), "row by row the nearest that is left; the sum of all distances is to be smallest"),
        (chain(lambda distance: linear_sum_assignment(distance, maximize=True)[1]), "these are the farthest points"),
        (torch.stack(ordered), "sorted from left to right; points that pass each other change their rows"),
    ]  # fmt: skip


def _jitter(tracks: Tensor) -> float:
    """How far points (T, K, 2) are, on average, from going on as they did: 0 for all that moves straight and evenly."""
    bend = tracks[2:] - 2 * tracks[1:-1] + tracks[:-2]
    return float(bend.norm(dim=2).mean())


@verdict("what moves straight and evenly does not jitter, and the rest does", worked=_jitter)
def check_jitter(jitter: Callable[[Tensor], float]) -> None:
    """Check `jitter(tracks (T, K, 2)) -> mean length of the second difference`.

    Example:
        >>> check_jitter(lambda tracks: (tracks[1:] - tracks[:-1]).norm(dim=2).mean())
        ✘ wrong: this is speed: what moves straight and evenly would jitter; take the difference of differences
    """
    generator = drawn(5)
    tracks = torch.randn(8, 3, 2, generator=generator)
    result = answer(jitter, tracks)
    if isinstance(result, Tensor) and result.dim() > 0:
        raise WrongAnswer(f"one number is asked for, the mean over all; yours has shape {tuple(result.shape)}")
    found = torch.tensor(answer_number(lambda: result), dtype=torch.float64)
    speed = tracks.diff(dim=0)
    bend = speed.diff(dim=0)
    lengths = bend.norm(dim=2)
    wrong_sum = tracks[2:] + tracks[:-2] - tracks[1:-1]
    others = [
        (speed.norm(dim=2).mean(), "this is speed: what moves straight and evenly would jitter; take the difference of "
         "differences"),
        (speed.norm(dim=2).diff(dim=0).abs().mean(), "you compare speeds alone; a point that turns keeps its speed, "
         "and does not go on as it did"),
        (bend.abs().mean(), "this is the mean of coordinates; the length of each difference is asked"),
        (bend.abs().sum(dim=2).mean(), "you added up coordinates without squares; the length is asked"),
        (bend.square().mean(), "these are squares of coordinates; the mean length is asked"),
        (bend.square().sum(dim=2).mean(), "these are squares of lengths; the mean length is asked"),
        (bend.square().sum(dim=2).mean().sqrt(), "the root of the mean square; the mean of the lengths is asked"),
        (lengths.sum(), "this is the sum; the mean is asked"),
        (lengths.median(), "this is the median; the mean is asked"),
        (lengths.amax(), "this is the largest; the mean is asked"),
        (bend.mean(dim=(0, 1)).norm(), "you took the mean first and the length then: bends in opposite directions "
         "cancel out"),
        (bend.norm(dim=0).mean(), "the length runs over frames in yours; x and y of one difference make a length"),
        (bend.norm(dim=1).mean(), "the length runs over keypoints in yours; x and y of one difference make a length"),
        (tracks.diff(dim=1).norm(dim=2).mean(), "you took differences of keypoints; frames come first"),
        (tracks.diff(n=2, dim=1).norm(dim=2).mean(), "you took differences of keypoints; frames come first"),
        (wrong_sum.norm(dim=2).mean(), "the frame in the middle counts twice: before and after are one step away from "
         "it each"),
        ((tracks - tracks.mean(dim=0)).norm(dim=2).mean(), "this is how far points stray from their mean place; what "
         "moves on strays too"),
    ]  # fmt: skip
    wanted = torch.tensor(_jitter(tracks), dtype=torch.float64)
    compare(found, wanted, [(other.double(), why) for other, why in others], "", 1e-4)
