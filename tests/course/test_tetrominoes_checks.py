"""Each check of lesson 14 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from sklearn.metrics import adjusted_rand_score, fowlkes_mallows_score, rand_score
from torch import Tensor

from tusklite.course import tetrominoes as lesson
from tusklite.ops.aggregation import alpha_blend
from tusklite.ops.canvases import greedy_choice, local_canvases, paste

SOLUTIONS = definitions("solutions/14_tetrominoes")
LESSON = definitions("14_tetrominoes")
blend, canvas_of, paste_layers, rand_index, choose = (
    SOLUTIONS[name] for name in ("blend", "canvas_of", "paste_layers", "rand_index", "choose")
)


def by_masks(masks, image=lambda colours, shares, behind: (colours * shares[:, :, None]).sum(dim=1) + behind):
    """A blend of other masks of the logits, or of another image."""

    def blended(layers: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
        shares = masks(layers)
        left = (1 - shares.sum(dim=1, keepdim=True)) * background
        return image(layers[:, :, :-1], shares, left), shares

    return blended


def shares(layers: Tensor) -> Tensor:
    return F.pad(layers[:, :, -1], (0, 0, 0, 0, 0, 1)).softmax(dim=1)[:, :-1]


def of_weights(weights: Tensor, behind: float = 1.0) -> Tensor:
    return weights / (behind + weights.sum(dim=1, keepdim=True))


def canvas(
    place=lambda xy, size: (xy + 1) / 2 * size,
    cell=lambda place, size: place.detach().floor().clamp_min(0).minimum(size - 1),
    corner=lambda cell, size, side: cell - side // 2,
    local=lambda xy, place, corner, size, side: 2 * (place - corner) / side - 1,
    swap=False,
):
    """The centring with a part of it done in another way."""

    def centred(xy: Tensor, height: int, width: int, side: int) -> tuple[Tensor, Tensor]:
        size = torch.tensor([height, width] if swap else [width, height])
        at = place(xy, size)
        first = corner(cell(at, size), size, side)
        return first.long(), local(xy, at, first, size, side)

    return centred


def not_whole(xy: Tensor, height: int, width: int, side: int) -> tuple[Tensor, Tensor]:
    corner, local = canvas_of(xy, height, width, side)
    return corner.float(), local


def only_corners(change):
    """Other corners, before they become whole numbers; the place on the canvas as it should be."""

    def centred(xy: Tensor, height: int, width: int, side: int) -> tuple[Tensor, Tensor]:
        place = (xy + 1) / 2 * torch.tensor([width, height])
        return change(place, side), canvas_of(xy, height, width, side)[1]

    return centred


def inside(corner: Tensor, size: Tensor, side: int) -> Tensor:
    return corner.clamp_min(0).minimum(size - side)


def pasting(change):
    """The right answer, changed afterwards; the change sees where nothing is drawn."""

    def pasted(layers: Tensor, corner: Tensor, height: int, width: int) -> Tensor:
        right = paste_layers(layers, corner, height, width)
        return change(right, right[:, :, -1:] == -20)

    return pasted


def alpha_zero(right: Tensor, outside: Tensor) -> Tensor:
    right = right.clone()
    right[:, :, -1] = right[:, :, -1].masked_fill(outside[:, :, 0], 0)
    return right


def around_the_edge(layers: Tensor, corner: Tensor, height: int, width: int) -> Tensor:
    pasted = torch.zeros(*layers.shape[:3], height, width)
    pasted[:, :, -1] = -20
    for b, k in ((b, k) for b in range(len(layers)) for k in range(layers.shape[1])):
        for row in range(layers.shape[3]):
            for column in range(layers.shape[4]):
                at = int(corner[b, k, 1] + row) % height, int(corner[b, k, 0] + column) % width
                pasted[b, k, :, at[0], at[1]] = layers[b, k, :, row, column]
    return pasted


def moved_inside(layers: Tensor, corner: Tensor, height: int, width: int) -> Tensor:
    side = layers.shape[-1]
    return paste_layers(layers, inside(corner, torch.tensor([width, height]), side), height, width)


def gone_as_a_whole(layers: Tensor, corner: Tensor, height: int, width: int) -> Tensor:
    side = layers.shape[-1]
    fits = (inside(corner, torch.tensor([width, height]), side) == corner).all(dim=-1)[..., None, None, None]
    nothing = torch.zeros(*layers.shape[:3], height, width)
    nothing[:, :, -1] = -20
    return paste_layers(layers, corner, height, width).where(fits, nothing)


def index(value, background=False):
    """Something else than the index, of numbers of pairs: together, in the one, in the other, all."""

    def of_pairs(segments: Tensor, truth: Tensor) -> float:
        on = (truth > 0) | background
        a, b = segments[on], truth[on]
        same_a, same_b = a[:, None] == a, b[:, None] == b
        upper = torch.ones_like(same_a).triu(1)
        together, in_a, in_b = (int((each & upper).sum()) for each in (same_a & same_b, same_a, same_b))
        return value(together, in_a, in_b, int(upper.sum()))

    return of_pairs


def divides_by_zero(together: float, in_a: float, in_b: float, every: float) -> float:
    chance = in_a * in_b / every
    below = (in_a + in_b) / 2 - chance
    return (together - chance) / below if below else float("nan")


def by_squares(segments: Tensor, truth: Tensor) -> float:
    a, b = segments[truth > 0], truth[truth > 0]
    same_a, same_b = (a[:, None] == a).double(), (b[:, None] == b).double()
    return divides_by_zero(float((same_a * same_b).sum()), float(same_a.sum()), float(same_b.sum()), len(a) ** 2)


def where_segments_are(segments: Tensor, truth: Tensor) -> float:
    return rand_index(segments, truth * (segments > 0)) if (segments * truth).any() else rand_index(segments, truth)


def error(images: Tensor, layers: Tensor, background: Tensor, kept: Tensor) -> Tensor:
    return (blend(layers[:, kept], background)[0] - images).square().mean(dim=1).sum()


def flags(count: int, *which: int) -> Tensor:
    return torch.isin(torch.arange(count), torch.tensor(which, dtype=torch.int64))


def gains(images: Tensor, layers: Tensor, background: Tensor) -> Tensor:
    """By how much each keypoint alone lessens the error of the background."""
    count = layers.shape[1]
    alone = torch.stack([error(images, layers, background, flags(count, n)) for n in range(count)])
    return error(images, layers, background, flags(count)) - alone


def in_their_order(images: Tensor, layers: Tensor, background: Tensor, least_gain: float, most: int) -> Tensor:
    kept = flags(layers.shape[1])
    for n in range(len(kept)):
        more = kept | flags(len(kept), n)
        before, after = (error(images, layers, background, each) for each in (kept, more))
        if before - after > least_gain and int(kept.sum()) < most:
            kept = more
    return kept


def strongest_gains(images: Tensor, layers: Tensor, background: Tensor, least_gain: float, most: int) -> Tensor:
    if most > 2:
        return choose(images, layers, background, least_gain, most)
    return flags(layers.shape[1], *gains(images, layers, background).topk(most).indices.tolist())


ANSWERS = {
    lesson.check_blend: {
        "the background's weight is missing below the line": by_masks(lambda layers: layers[:, :, -1].softmax(dim=1)),
        "each keypoint alone against the background": by_masks(lambda layers: layers[:, :, -1].sigmoid()),
        "your background has a logit of 1": by_masks(lambda layers: of_weights(layers[:, :, -1].exp(), torch.e)),
        "these are shares of the logits": by_masks(lambda layers: of_weights(layers[:, :, -1])),
        "you took the first channel for alpha": by_masks(lambda layers: of_weights(layers[:, :, 0].exp())),
        "your sum runs over the pixels": by_masks(
            lambda layers: layers[:, :, -1].exp() / (1 + layers[:, :, -1].exp().sum(dim=(2, 3), keepdim=True))
        ),
        "these are weights; divide": by_masks(lambda layers: layers[:, :, -1].exp()),
        "but the background is not in it": by_masks(shares, lambda c, m, left: (c * m[:, :, None]).sum(dim=1)),
        "there in full": lambda layers, background: (
            (layers[:, :, :-1] * shares(layers)[:, :, None]).sum(dim=1) + background,
            shares(layers),
        ),
        "blended without the background": lambda layers, background: (
            (layers[:, :, :-1] * layers[:, :, -1:].softmax(dim=1)).sum(dim=1),
            shares(layers),
        ),
        "mixed in equal parts": by_masks(shares, lambda colours, masks, left: colours.mean(dim=1)),
        "the image has a channel too many": lambda layers, background: (
            (layers * shares(layers)[:, :, None]).sum(dim=1),
            shares(layers),
        ),
        "4 masks for 3 keypoints": lambda layers, background: (
            background,
            F.pad(layers[:, :, -1], (0, 0, 0, 0, 0, 1)).softmax(dim=1),
        ),
        "two things are asked for": lambda layers, background: background,
        "you called `alpha_blend`": alpha_blend,
    },
    lesson.check_canvas_of: {
        "this is the point's own pixel": canvas(corner=lambda cell, size, side: cell),
        "one pixel too far": canvas(corner=lambda cell, size, side: cell - (side + 1) // 2),
        "you rounded; the pixel": canvas(
            cell=lambda place, size: place.detach().round().clamp_min(0).minimum(size - 1)
        ),
        "you rounded up": canvas(cell=lambda place, size: place.detach().ceil().minimum(size - 1)),
        "you kept the canvas inside": canvas(corner=lambda cell, size, side: inside(cell - side // 2, size, side)),
        "not beyond it": canvas(cell=lambda place, size: place.detach().floor()),
        "W pixels, not W - 1": canvas(place=lambda xy, size: (xy + 1) / 2 * (size - 1)),
        "add 1 and halve first": canvas(place=lambda xy, size: xy * size),
        "x, the column, comes first": lambda *inputs: (canvas_of(*inputs)[0].flip(-1), canvas_of(*inputs)[1]),
        "x goes with the width": canvas(swap=True),
        "centred on the point itself": only_corners(lambda place, side: place - side / 2),
        "has to be floored": only_corners(lambda place, side: place - side // 2),
        "which the decoder is not to know": canvas(local=lambda xy, place, corner, size, side: xy),
        "is lost, and with it the gradient": canvas(local=lambda xy, *others: torch.zeros_like(xy)),
        "in pixels from the corner": canvas(local=lambda xy, place, corner, size, side: place - corner),
        "from 0 to 1 over the canvas": canvas(local=lambda xy, place, corner, size, side: (place - corner) / side),
        "on the canvas it is `side`": canvas(
            local=lambda xy, place, corner, size, side: 2 * (place - corner) / size - 1
        ),
        "divide by side, not side - 1": canvas(
            local=lambda xy, place, corner, size, side: 2 * (place - corner) / (side - 1) - 1
        ),
        "you scaled a pixel": canvas(local=lambda xy, place, corner, size, side: 2 * (place - corner - side // 2) - 1),
        "local: the sign is turned round": canvas(
            local=lambda xy, place, corner, size, side: 2 * (corner - place) / side - 1
        ),
        "make them whole ones": not_whole,
        "no gradient reaches the points": lambda xy, *sizes: canvas_of(xy.detach(), *sizes),
        "detach the pixel alone": lambda xy, *sizes: (
            canvas_of(xy, *sizes)[0],
            canvas_of(torch.stack([xy[..., 0].detach(), xy[..., 1]], dim=-1), *sizes)[1],
        ),
        "two things are asked for": lambda *inputs: canvas_of(*inputs)[1],
        "you called `local_canvases`": lambda xy, height, width, side: (
            local_canvases(xy, xy[..., 0], xy, height, width, side, 1.0).corner,
            xy,
        ),
    },
    lesson.check_paste_layers: {
        "it would take half of the pixel": pasting(alpha_zero),
        "only alpha's logit is": pasting(lambda right, outside: right.masked_fill(outside, -20)),
        r"the corner is \(column, row\)": lambda layers, corner, *size: paste_layers(layers, corner.flip(-1), *size),
        "comes back on the other": around_the_edge,
        "you moved the canvas until it fits": moved_inside,
        "is gone as a whole": gone_as_a_whole,
        "you centred the canvas on its corner": lambda layers, corner, *size: paste_layers(
            layers, corner - layers.shape[-1] // 2, *size
        ),
        "each has a map of its own": pasting(lambda right, outside: right.sum(dim=1, keepdim=True).expand_as(right)),
        "each drawing is turned over": lambda layers, *others: paste_layers(layers.mT, *others),
        r"should have shape \(2, 2, 3, 9, 11\)": lambda *inputs: paste_layers(*inputs)[:, 0],
        "you called `paste`": paste,
    },
    lesson.check_rand_index: {
        "this is the share of equal numbers": lambda segments, truth: (segments == truth)[truth > 0].double().mean(),
        "the background counts in yours": lambda segments, truth: rand_index(segments, truth + 1),
        "this is the Rand index itself": index(lambda t, a, b, every: (every + 2 * t - a - b) / every),
        "neither above nor below": index(lambda t, a, b, every: t / ((a + b) / 2)),
        "below the line as well": index(lambda t, a, b, every: (t - a * b / every) / ((a + b) / 2)),
        "not the larger one": index(lambda t, a, b, every: (t - a * b / every) / (max(a, b) - a * b / every)),
        "not that of all pairs": index(lambda t, a, b, every: (t - a * b / every) / (every - a * b / every)),
        "you squared": by_squares,
        "0 is a segment like the others": where_segments_are,
        "answer before you divide": index(divides_by_zero),
        "the index should be": lambda segments, truth: 0.123,
        "you called `adjusted_rand_score`": lambda s, t: adjusted_rand_score(t[t > 0].numpy(), s[t > 0].numpy()),
        "you called `rand_score`": lambda s, t: rand_score(t[t > 0].numpy(), s[t > 0].numpy()),
        "a number is asked for": lambda segments, truth: "much",
        "the index should be .*, yours is": lambda s, t: fowlkes_mallows_score(t[t > 0].numpy(), s[t > 0].numpy()),
    },
    lesson.check_choose: {
        "you keep all": lambda images, layers, *others: torch.ones(layers.shape[1], dtype=torch.bool),
        "you keep none": lambda images, layers, *others: torch.zeros(layers.shape[1], dtype=torch.bool),
        "you judged each alone": lambda images, layers, background, least_gain, most: (
            gains(images, layers, background) > least_gain
        ),
        "at most two: you judged each alone": strongest_gains,
        "these are the first ones": lambda images, layers, background, least_gain, most: (
            choose(images, layers, background, least_gain, most) if most > 2 else flags(layers.shape[1], *range(most))
        ),
        "2 are asked for at most": lambda i, layers, b, least_gain, most: choose(i, layers, b, least_gain, 5),
        "only if the error falls by more": lambda i, layers, b, least_gain, most: choose(i, layers, b, 0.0, most),
        "your error is a mean over the pixels": lambda i, layers, b, least_gain, most: choose(
            i, layers, b, 80 * least_gain, most
        ),
        "you summed over the colours": lambda i, layers, b, least_gain, most: choose(
            i, layers, b, least_gain / 3, most
        ),
        "in their order": in_their_order,
        "you keep the best one and stop": lambda i, layers, b, least_gain, most: choose(i, layers, b, least_gain, 1),
        "kept should be": lambda images, layers, *others: flags(layers.shape[1], 4),
        "flags are asked for": lambda *inputs: choose(*inputs).long(),
        "a flag for each of the 5": lambda *inputs: choose(*inputs).nonzero().flatten(),
        "you called `greedy_choice`": lambda *inputs: greedy_choice(*inputs)[0],
    },
}
EXERCISES = {
    lesson.check_blend: "blend",
    lesson.check_canvas_of: "canvas_of",
    lesson.check_paste_layers: "paste_layers",
    lesson.check_rand_index: "rand_index",
    lesson.check_choose: "choose",
}


def test_the_softmax_of_lesson_08_is_as_good_an_answer():
    assert lesson.check_blend(by_masks(shares))


def test_flags_of_a_batch_of_one_are_as_good():
    assert lesson.check_choose(lambda *inputs: choose(*inputs)[None])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_index_by_hand_is_scikit_learn_s(data):
    pixels = st.lists(st.integers(0, 3), min_size=12, max_size=12)
    segments, truth = (torch.tensor(data.draw(pixels)).view(3, 4) for _ in range(2))
    if (truth > 0).any():
        wanted = adjusted_rand_score(truth[truth > 0].numpy(), segments[truth > 0].numpy())
        assert rand_index(segments, truth) == pytest.approx(wanted, abs=1e-9)
