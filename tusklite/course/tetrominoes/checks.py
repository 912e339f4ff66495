"""Checks for lesson 14: blending before a background, canvases, the adjusted Rand index, the choice of keypoints."""

from __future__ import annotations

from collections.abc import Callable

import torch
from sklearn.metrics import adjusted_rand_score, pair_confusion_matrix, rand_score
from torch import Tensor

from tusklite.course.comparison import close, compare
from tusklite.course.shortcuts import without
from tusklite.course.variants import drawn
from tusklite.course.verdict import WrongAnswer, answer, answer_number, answer_tensor, verdict
from tusklite.metrics import adjusted_rand_index, segment_rand_index
from tusklite.ops.aggregation import alpha_blend
from tusklite.ops.canvases import TRANSPARENT, greedy_choice, local_canvases, paste

OWN = "it is the package's answer; write it yourself"


def _blend(layers: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
    """Image (B, C, H, W) and masks (B, K, H, W) of layers (B, K, C + 1, H, W) before a background (B, C, H, W)."""
    weights = layers[:, :, -1].exp()  # (B, K, H, W)
    total = 1 + weights.sum(dim=1)  # the background's weight is exp(0)
    above = background + (weights[:, :, None] * layers[:, :, :-1]).sum(dim=1)
    return above / total[:, None], weights / total[:, None]


@verdict("keypoints share out a pixel among themselves and what is behind them", worked=_blend)
def check_blend(blend: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
    """Check `blend(layers (B, K, C + 1, H, W), background (B, C, H, W)) -> image (B, C, H, W), masks (B, K, H, W)`.

    Example:
        >>> check_blend(lambda layers, background: (background, layers[:, :, -1].softmax(dim=1)))
        ✘ wrong: masks: the background's weight is missing below the line: yours sum to 1 over the keypoints alone
    """
    blend = without(blend, {alpha_blend: OWN})  # type: ignore[assignment]
    generator = drawn(14)
    for batch, k in ((2, 3), (1, 2)):
        layers = torch.rand(batch, k, 4, 5, 6, generator=generator)
        layers[:, :, -1] = 4 * layers[:, :, -1] - 3
        background = torch.rand(batch, 3, 5, 6, generator=generator)
        result = answer(blend, layers, background)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise WrongAnswer("two things are asked for: the image and the masks")
        image, masks = result
        if isinstance(masks, Tensor) and masks.shape == (batch, k + 1, 5, 6):
            raise WrongAnswer(f"{k + 1} masks for {k} keypoints: the background's is not asked for here")
        masks = answer_tensor(lambda masks=masks: masks, shape=(batch, k, 5, 6))
        compare(
            masks,
            alpha_blend(layers, background)[1],
            _mask_mistakes(layers),
            where="masks",
            axes=("scene", "keypoint", "row", "column"),
        )
        if isinstance(image, Tensor) and image.shape == (batch, 4, 5, 6):
            raise WrongAnswer("the image has a channel too many: the last one of a layer is no colour, but alpha")
        image = answer_tensor(lambda image=image: image, shape=(batch, 3, 5, 6))
        painted = (layers[:, :, :-1] * masks[:, :, None]).sum(dim=1)
        mistakes = [
            (painted, "the masks are right, but the background is not in it"),
            (painted + background, "the masks are right, but the background is there in full; it keeps what keypoints "
             "leave of a pixel"),
            (alpha_blend(layers)[0], "the masks are right, but the image was blended without the background"),
            (layers[:, :, :-1].mean(dim=1), "the masks are right, but the colours are mixed in equal parts"),
        ]  # fmt: skip
        compare(image, alpha_blend(layers, background)[0], mistakes, "image", axes=("scene", "colour", "row", "column"))


def _mask_mistakes(layers: Tensor) -> list[tuple[Tensor, str]]:
    logits = layers[:, :, -1]
    weights, first = logits.exp(), layers[:, :, 0].exp()
    return [
        (logits.softmax(dim=1), "the background's weight is missing below the line: yours sum to 1 over the keypoints "
         "alone"),
        (logits.sigmoid(), "each keypoint alone against the background; all of them share one pixel, so all weights "
         "are in the sum"),
        (weights / (torch.e + weights.sum(dim=1, keepdim=True)), "your background has a logit of 1; 0 is asked for, "
         "and a weight of 1"),
        (logits / (1 + logits.sum(dim=1, keepdim=True)), "these are shares of the logits; their exponentials are the "
         "weights"),
        (first / (1 + first.sum(dim=1, keepdim=True)), "you took the first channel for alpha; it is the last"),
        (weights / (1 + weights.flatten(2).sum(dim=2))[..., None, None], "your sum runs over the pixels; at each pixel "
         "it runs over the keypoints"),
        (weights, "these are weights; divide them by the sum of all weights"),
    ]  # fmt: skip


def _canvas_of(xy: Tensor, height: int, width: int, side: int) -> tuple[Tensor, Tensor]:
    """Of points (B, K, 2): the upper left pixel (column, row) of a canvas around each, and where it lies on that."""
    size = torch.tensor([width, height])
    place = (xy + 1) / 2 * size  # in pixels from the image's edge
    cell = place.detach().floor().clamp_min(0).minimum(size - 1)  # the pixel that it lies in
    corner = cell - side // 2
    return corner.long(), 2 * (place - corner) / side - 1


@verdict("the canvas is centred on the point's own pixel, and the fraction is kept", worked=_canvas_of)
def check_canvas_of(canvas_of: Callable[[Tensor, int, int, int], tuple[Tensor, Tensor]]) -> None:
    """Check `canvas_of(xy (B, K, 2), height, width, side) -> corner (B, K, 2) of whole numbers, local (B, K, 2)`.

    Example:
        >>> check_canvas_of(lambda xy, height, width, side: (torch.zeros(xy.shape).long(), xy))
        ✘ wrong: canvas of 5 in 9 x 12 pixels: corner: yours is 0 everywhere, and should not be
    """
    canvas_of = without(canvas_of, {local_canvases: OWN})  # type: ignore[assignment]
    generator = drawn(15)
    anywhere = 1.9 * torch.rand(2, 4, 2, generator=generator) - 0.95
    edges = torch.tensor([[[1.0, 1.0], [-1.0, -1.0], [0.99, -0.99]]])
    for xy, height, width, side in ((anywhere, 9, 12, 5), (anywhere, 8, 6, 3), (edges, 7, 5, 5)):
        where = f"canvas of {side} in {height} x {width} pixels"
        result = answer(canvas_of, xy, height, width, side)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise WrongAnswer("two things are asked for: the corner and the place on the canvas")
        corner = answer_tensor(lambda result=result: result[0], shape=tuple(xy.shape))
        wanted, local_wanted = _canvas_of(xy, height, width, side)
        mistakes = [(other.double(), reason) for other, reason in _corner_mistakes(xy, height, width, side)]
        compare(corner.double(), wanted.double(), mistakes, f"{where}: corner", axes=AXES)
        if corner.is_floating_point():
            raise WrongAnswer(f"{where}: corner: the numbers are right; make them whole ones with `.long()`")
        local = answer_tensor(lambda result=result: result[1], shape=tuple(xy.shape))
        compare(local, local_wanted, _local_mistakes(xy, height, width, side), f"{where}: local", axes=AXES)
    leaf = anywhere.clone().requires_grad_()
    _, local = answer(canvas_of, leaf, 9, 12, 5)  # type: ignore[misc]
    if not local.requires_grad:
        raise WrongAnswer("the values are right, but no gradient reaches the points: only the pixel is to be detached")
    local.sum().backward()
    if leaf.grad is None or not close(leaf.grad, torch.tensor([12 / 5, 9 / 5]).expand(2, 4, 2)):
        raise WrongAnswer("the values are right, but their gradient to the points is not: detach the pixel alone")


AXES = ("scene", "keypoint", "of x and y")


def _corner_mistakes(xy: Tensor, height: int, width: int, side: int) -> list[tuple[Tensor, str]]:
    size = torch.tensor([width, height])
    place = (xy + 1) / 2 * size

    def corner(cell: Tensor) -> Tensor:
        return cell.clamp_min(0).minimum(size - 1) - side // 2

    right = _canvas_of(xy, height, width, side)[0]
    turned = ((xy + 1) / 2 * size.flip(0)).floor()
    return [
        (right + side // 2, "this is the point's own pixel; the canvas begins half a side before it"),
        (right - 1, "one pixel too far: half of an odd side is rounded down, side // 2"),
        (corner(place.round()), "you rounded; the pixel that a point lies in is the floor of its place"),
        (corner(place.ceil()), "you rounded up; the pixel that a point lies in is the floor of its place"),
        (corner(place.floor()).clamp_min(0), "you kept the canvas inside of the image; it may stick out"),
        (corner(place.floor()).clamp_min(0).minimum(size - side), "you kept the canvas inside of the image; it may "
         "stick out"),
        (place.floor() - side // 2, "a point on the right or lower edge lies in the last pixel, not beyond it"),
        (corner(((xy + 1) / 2 * (size - 1)).floor()), "-1 and 1 are the outer edges of the image, so a width of W is W "
         "pixels, not W - 1"),
        (corner(((xy + 1) / 2 * (size - 1)).round()), "-1 and 1 are the outer edges of the image, so a width of W is W "
         "pixels, not W - 1"),
        (corner((xy * size).floor()), "from [-1, 1] to pixels: add 1 and halve first"),
        (right.flip(-1), "rows and columns are exchanged: x, the column, comes first"),
        (turned.clamp_min(0).minimum(size.flip(0) - 1) - side // 2, "width and height are exchanged: x goes with the "
         "width"),
        (corner(turned), "width and height are exchanged: x goes with the width"),
        (place - side / 2, "the canvas is centred on the point itself; centre it on the point's pixel, so that it can "
         "be pasted by whole pixels"),
        (place - side // 2, "the place has to be floored to a pixel first"),
    ]  # fmt: skip


def _local_mistakes(xy: Tensor, height: int, width: int, side: int) -> list[tuple[Tensor, str]]:
    size = torch.tensor([width, height])
    place = (xy + 1) / 2 * size
    corner = _canvas_of(xy, height, width, side)[0]
    inside = place - corner
    return [
        (xy, "this is the place in the image, which the decoder is not to know; count from the corner"),
        (torch.zeros_like(xy), "0 everywhere: where a point lies within its pixel is lost, and with it the gradient"),
        (inside, "this is in pixels from the corner; bring it to [-1, 1], as points are"),
        (inside / side, "this runs from 0 to 1 over the canvas; points run from -1 to 1"),
        (2 * inside / size - 1, "you divided by the image's size; on the canvas it is `side`"),
        (2 * inside / (side - 1) - 1, "-1 and 1 are the outer edges of the canvas, so divide by side, not side - 1"),
        (2 * (inside - side // 2) - 1, "you scaled a pixel to [-1, 1]; it is the canvas that goes there"),
        (2 * (corner - place) / side - 1, "the sign is turned round: from the corner to the point"),
    ]  # fmt: skip


def _paste_layers(layers: Tensor, corner: Tensor, height: int, width: int) -> Tensor:
    """Layers (B, K, C + 1, h, w) where their corners (B, K, 2) put them in an image: (B, K, C + 1, height, width)."""
    batch, k, channels, rows, columns = layers.shape
    frame = torch.zeros(batch, k, channels, height + 2 * rows, width + 2 * columns)  # takes what sticks out
    frame[:, :, -1] = -20.0
    for b in range(batch):
        for n in range(k):
            column, row = (corner[b, n] + torch.tensor([columns, rows])).tolist()
            frame[b, n, :, row : row + rows, column : column + columns] = layers[b, n]
    return frame[..., rows : rows + height, columns : columns + width]


@verdict("each drawing is at its place, and what sticks out is gone", worked=_paste_layers)
def check_paste_layers(paste_layers: Callable[[Tensor, Tensor, int, int], Tensor]) -> None:
    """Check `paste_layers(layers (B, K, C + 1, h, w), corner (B, K, 2), height, width) -> (B, K, C + 1, H, W)`.

    Example:
        >>> check_paste_layers(lambda layers, corner, height, width: torch.zeros(*layers.shape[:3], height, width))
        ✘ wrong: corners inside, 9 x 11 pixels: yours is 0 everywhere, and should not be
    """
    paste_layers = without(paste_layers, {paste: OWN})  # type: ignore[assignment]
    generator = drawn(16)
    inside = torch.tensor([[[0, 0], [5, 3]], [[2, 4], [7, 1]]])
    over = torch.tensor([[[-2, 4], [8, -1]], [[9, 6], [-3, -2]]])
    for name, corner, height, width, side in (
        ("corners inside", inside, 9, 11, 4),
        ("corners that stick out", over, 9, 11, 4),
        ("corners that stick out", over, 7, 10, 5),
    ):
        layers = 1 + torch.rand(2, 2, 3, side, side, generator=generator)
        where = f"{name}, {height} x {width} pixels"
        found = answer_tensor(paste_layers, layers, corner, height, width, shape=(2, 2, 3, height, width))
        wanted = paste(layers, corner, height, width)
        mistakes = _paste_mistakes(layers, corner, height, width)
        compare(found, wanted, mistakes, where, axes=("scene", "keypoint", "channel", "row", "column"))


def _paste_mistakes(layers: Tensor, corner: Tensor, height: int, width: int) -> list[tuple[Tensor, str]]:
    right = paste(layers, corner, height, width)
    side = layers.shape[-1]
    outside = right[:, :, -1:] == TRANSPARENT
    kept_inside = corner.clamp_min(0).minimum(torch.tensor([width - side, height - side]))
    sticks = (kept_inside != corner).any(dim=-1)[..., None, None, None]
    blank = torch.zeros_like(right)
    blank[:, :, -1] = TRANSPARENT
    wrapped = blank.clone()
    row, column = (corner[..., i, None] + torch.arange(side) for i in (1, 0))
    for b, n in torch.cartesian_prod(torch.arange(len(layers)), torch.arange(layers.shape[1])).tolist():
        rows, columns = row[b, n] % height, column[b, n] % width
        wrapped[b, n][:, rows[:, None], columns] = layers[b, n]
    alpha_last = torch.arange(right.shape[2]).view(-1, 1, 1) == right.shape[2] - 1
    return [
        (right.masked_fill(outside & alpha_last, 0), "where a keypoint draws nothing its logit of alpha is 0, as the "
         "background's is: it would take half of the pixel. -20 is asked for"),
        (torch.where(outside, TRANSPARENT, right), "the colours beyond the canvas are -20 too; only alpha's logit is"),
        (paste(layers, corner.flip(-1), height, width), "rows and columns are exchanged: the corner is (column, row)"),
        (wrapped, "what sticks out on one side comes back on the other; it is to be cut off"),
        (paste(layers, kept_inside, height, width), "you moved the canvas until it fits; what sticks out is to be cut "
         "off, and the rest stays where it is"),
        (right.where(~sticks, blank), "a canvas that sticks out is gone as a whole; only what sticks out is to be cut"),
        (paste(layers, corner - side // 2, height, width), "you centred the canvas on its corner; the corner is the "
         "place of its first pixel"),
        (right.sum(dim=1, keepdim=True).expand_as(right), "all keypoints are on one map; each has a map of its own"),
        (paste(layers.mT, corner, height, width), "each drawing is turned over: rows are rows"),
    ]  # fmt: skip


def _rand_index(segments: Tensor, truth: Tensor) -> float:
    """The adjusted Rand index of segments (H, W) and true ones (H, W), on pixels where the truth is not 0."""
    a, b = segments[truth > 0], truth[truth > 0]  # (N,)
    table = torch.stack([((a == i) & (b == j)).sum() for i in a.unique() for j in b.unique()])
    table = table.view(len(a.unique()), len(b.unique())).double()

    def pairs(count):  # type: ignore[no-untyped-def]
        return (count * (count - 1) / 2).sum()

    together, in_a, in_b = pairs(table), pairs(table.sum(dim=1)), pairs(table.sum(dim=0))
    if together == in_a == in_b:
        return 1.0  # the same, up to names; only here can the quotient be 0 / 0
    by_chance = in_a * in_b / pairs(table.sum())
    return float((together - by_chance) / ((in_a + in_b) / 2 - by_chance))


@verdict("yours is scikit-learn's, to the last digits", worked=_rand_index)
def check_rand_index(rand_index: Callable[[Tensor, Tensor], float]) -> None:
    """Check `rand_index(segments (H, W), truth (H, W)) -> a number`, on the pixels where the truth is above 0.

    Example:
        >>> check_rand_index(lambda segments, truth: (segments == truth).double().mean())
        ✘ wrong: three pieces: this is the share of equal numbers; segments have no names, so only pairs can be compared
    """
    own = dict.fromkeys((segment_rand_index, adjusted_rand_index), OWN)
    theirs = dict.fromkeys(
        (adjusted_rand_score, pair_confusion_matrix, rand_score), "by hand is asked for; compare with it afterwards"
    )
    rand_index = without(rand_index, own | theirs)  # type: ignore[assignment]
    generator = drawn(17)
    truth = torch.zeros(9, 12, dtype=torch.int64)
    truth[1:4, 1:6], truth[3:8, 7:11], truth[6:9, 0:4] = 1, 2, 3
    noisy = torch.where(torch.rand(9, 12, generator=generator) < 0.3, torch.randint(4, (9, 12), generator=generator), 0)
    for where, segments in (
        ("three pieces", (truth + noisy) % 4),
        ("two pieces in one segment", truth.clamp(max=2)),
        ("the same under other names", (3 - truth) % 4 + 7),
        ("all in one segment", torch.zeros_like(truth)),
    ):
        _require_index(rand_index, segments, truth, where)
    one = (truth > 0).long()
    found = answer(rand_index, torch.zeros_like(one), one)
    try:
        value = float(found)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        value = 0.0
    if value != 1.0:
        raise WrongAnswer(
            f"one piece, one segment: the two are the same, so the index is 1; yours is {value:g}. There the quotient "
            "is 0 / 0: answer before you divide"
        )


def _require_index(rand_index: Callable[[Tensor, Tensor], float], segments: Tensor, truth: Tensor, where: str) -> None:
    found = answer_number(rand_index, segments, truth)
    wanted = _rand_index(segments, truth)
    if abs(found - wanted) < 1e-5:
        return
    for other, reason in _index_mistakes(segments, truth):
        if abs(found - other) < 1e-5 and abs(wanted - other) > 1e-5:
            raise WrongAnswer(f"{where}: {reason}")
    raise WrongAnswer(f"{where}: the index should be {wanted:.4f}, yours is {found:.4f}")


def _index_mistakes(segments: Tensor, truth: Tensor) -> list[tuple[float, str]]:
    """What plausible mistakes give, and what to say of each."""
    on = truth > 0
    a, b = segments[on], truth[on]
    table = torch.stack([((a == i) & (b == j)).sum() for i in a.unique() for j in b.unique()]).double()
    table = table.view(len(a.unique()), len(b.unique()))

    def pairs(count: Tensor) -> float:
        return float((count * (count - 1) / 2).sum())

    def squares(count: Tensor) -> float:
        return float((count**2).sum())

    together, in_a, in_b, every = pairs(table), pairs(table.sum(1)), pairs(table.sum(0)), pairs(table.sum())
    chance = in_a * in_b / every
    counts = [squares(part) for part in (table, table.sum(1), table.sum(0), table.sum())]
    by_squares = counts[1] * counts[2] / counts[3]
    agree = (every + 2 * together - in_a - in_b) / every
    both = (segments > 0) & on
    values = [
        (float((segments == truth).double().mean()), "this is the share of equal numbers; segments have no names, so "
         "only pairs can be compared"),
        (float((a == b).double().mean()), "this is the share of equal numbers; segments have no names, so only pairs "
         "can be compared"),
        (_rand_index(segments, truth + 1), "the background counts in yours; only pixels of pieces are asked for"),
        (agree, "this is the Rand index itself; take off what chance gives, or it is high for anything"),
        (together / ((in_a + in_b) / 2), "chance is not taken off: neither above nor below the line"),
        ((together - chance) / ((in_a + in_b) / 2), "what chance gives is to be taken off below the line as well"),
        ((together - chance) / (max(in_a, in_b) - chance), "below the line is the mean of the two numbers of pairs, "
         "not the larger one"),
        ((together - chance) / (every - chance), "below the line is the mean of the two numbers of pairs, not that of "
         "all pairs"),
        ((counts[0] - by_squares) / ((counts[1] + counts[2]) / 2 - by_squares), "n pixels make n (n - 1) / 2 pairs; "
         "you squared"),
    ]  # fmt: skip
    if both.any():
        drawn = _rand_index(segments[both], truth[both])
        values.append((drawn, "pixels that the segments call 0 are left out in yours; 0 is a segment like the others"))
    return values


blend = _blend  # as a lesson calls it


def _choose(images: Tensor, layers: Tensor, background: Tensor, least_gain: float, most: int) -> Tensor:
    """Which keypoints (K,) of one scene to keep: images (1, C, H, W), layers (1, K, C + 1, H, W), a background."""
    kept = torch.zeros(layers.shape[1], dtype=torch.bool)

    def error(kept):  # type: ignore[no-untyped-def]
        return (blend(layers[:, kept], background)[0] - images).square().mean(dim=1).sum()

    for _ in range(min(most, len(kept))):
        with_one_more = torch.eye(len(kept), dtype=torch.bool) | kept  # (K, K), a row a choice
        errors = torch.stack([error(each) for each in with_one_more])
        if error(kept) - errors.min() <= least_gain:
            break
        kept = with_one_more[errors.argmin()]
    return kept


@verdict("each keypoint that you keep is worth it, given those before it", worked=_choose)
def check_choose(choose: Callable[[Tensor, Tensor, Tensor, float, int], Tensor]) -> None:
    """Check `choose(images (1, C, H, W), layers (1, K, C + 1, H, W), background, least_gain, most) -> bool (K,)`.

    Example:
        >>> check_choose(lambda images, layers, background, least_gain, most: torch.ones(5, dtype=torch.bool))
        ✘ wrong: five candidates, two of them twins: you keep all; a keypoint has to be worth it
    """
    choose = without(choose, {greedy_choice: OWN})  # type: ignore[assignment]
    for where, least_gain, most in (
        ("five candidates, two of them twins", 0.02, 5),
        ("five candidates, at most two", 0.02, 2),
        ("five candidates, a high bar", 3.0, 5),
        ("five candidates, a bar of 0", 0.0, 5),
    ):
        images, layers, background = _candidates()
        result = answer(choose, images, layers, background, least_gain, most)
        found = _flags(result, layers.shape[1])
        wanted = greedy_choice(images, layers, background, least_gain, most)[0]
        if torch.equal(found, wanted):
            continue
        for other, reason in _choice_mistakes(images, layers, background, least_gain, most):
            if torch.equal(found, other):
                raise WrongAnswer(f"{where}: {reason}")
        raise WrongAnswer(
            f"{where}: kept should be {wanted.nonzero().flatten().tolist()}, yours is "
            f"{found.nonzero().flatten().tolist()}"
        )


def _flags(result: object, count: int) -> Tensor:
    """Which keypoints a result keeps, if it says so by flags."""
    if isinstance(result, Tensor) and result.dtype == torch.bool and result.shape == (1, count):
        return result[0]
    if not isinstance(result, Tensor) or result.shape != (count,):
        raise WrongAnswer(f"a flag for each of the {count} keypoints is asked for: a bool tensor of shape ({count},)")
    if result.dtype != torch.bool:
        raise WrongAnswer(f"flags are asked for: True where a keypoint is kept; yours is of type {result.dtype}")
    return result


def _candidates() -> tuple[Tensor, Tensor, Tensor]:
    """One scene of three bars, and five layers: the three, one of them once more and a bit worse, and a faint smear."""
    images = torch.zeros(1, 3, 8, 10)
    images[0, 0, 1:3, 1:8], images[0, 1, 4:6, 2:6], images[0, 2, 7, 5:9] = 1.0, 0.9, 0.8
    layers = torch.zeros(1, 5, 4, 8, 10)
    layers[:, :, -1] = TRANSPARENT

    def draw(n: int, channel: int, strength: float, rows: slice, columns: slice) -> None:
        layers[0, n, channel], layers[0, n, 3, rows, columns] = strength, 6.0

    draw(0, 0, 0.95, slice(1, 3), slice(1, 8))  # the twin of 3
    layers[0, 1, :3], layers[0, 1, 3, 0:2, 8:10] = 0.1, 0.0  # paints faintly where nothing is
    draw(2, 1, 0.9, slice(4, 6), slice(2, 6))
    draw(3, 0, 1.0, slice(1, 3), slice(1, 8))
    draw(4, 2, 0.8, slice(7, 8), slice(5, 9))
    return images, layers, torch.zeros(1, 3, 8, 10)


def _choice_mistakes(
    images: Tensor, layers: Tensor, background: Tensor, least_gain: float, most: int
) -> list[tuple[Tensor, str]]:
    """What plausible mistakes keep, and what to say of each."""
    count = layers.shape[1]
    pixels = images.shape[2] * images.shape[3]

    def error(kept: Tensor) -> Tensor:
        return (_blend(layers[:, kept], background)[0] - images).square().mean(dim=1).sum()

    one, nothing = torch.eye(count, dtype=torch.bool), torch.zeros(count, dtype=torch.bool)
    alone = torch.stack([error(nothing) - error(each) for each in one])
    first = torch.zeros(count, dtype=torch.bool)
    first[:most] = True
    best = torch.zeros(count, dtype=torch.bool)
    best[alone.topk(min(most, count)).indices] = True
    in_order = nothing.clone()
    for n in range(count):
        if error(in_order) - error(in_order | one[n]) > least_gain and int(in_order.sum()) < most:
            in_order = in_order | one[n]

    def chosen(gain: float, limit: int) -> Tensor:
        return greedy_choice(images, layers, background, gain, limit)[0]

    return [
        (~nothing, "you keep all; a keypoint has to be worth it"),
        (nothing, "you keep none; compare with the error of the background alone"),
        (first, "these are the first ones; take those that lessen the error most"),
        (alone > least_gain, "you judged each alone: of twins both look good then. Judge by what is kept already"),
        (best, "you judged each alone: of twins both look good then. Judge by what is kept already"),
        (chosen(least_gain, count), f"{most} are asked for at most, and you keep more"),
        (chosen(0.0, most), "a keypoint is worth it only if the error falls by more than `least_gain`"),
        (chosen(least_gain * pixels, most), "your error is a mean over the pixels; their sum is asked for"),
        (chosen(least_gain / 3, most), "you summed over the colours; their mean is asked for"),
        (in_order, "you went through them in their order; each time, the best of all that are left is next"),
        (one[alone.argmax()], "you keep the best one and stop; go on while it is worth it"),
    ]  # fmt: skip
