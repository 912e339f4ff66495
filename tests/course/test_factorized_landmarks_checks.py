"""Each check of lesson 04 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import re
from types import SimpleNamespace

import torch
from lesson_definitions import definitions

from tusklite.course import factorized_landmarks as lesson
from tusklite.geometry import identity_grid, warp_images
from tusklite.losses import (
    diversity_loss,
    overlap_loss,
    point_alignment_loss,
    probability_alignment_loss,
    probability_alignment_loss_naive,
)
from tusklite.methods.thewlis.training import SiameseMaps, ThewlisTraining
from tusklite.methods.thewlis.views import draw_views
from tusklite.ops.keypoints import soft_argmax, spatial_softmax

SOLUTIONS = definitions("solutions/04_factorized_landmarks")
LESSON = definitions("04_factorized_landmarks")
NAMES = ["siamese_step", "pixels_off"]
siamese_step, pixels_off = (SOLUTIONS[name] for name in NAMES)


def distances(predicted, truth):
    return (predicted - truth).norm(dim=-1)


def views(images, size, g1, g2):
    """x and its twin: `two_views` of the lesson."""
    return SOLUTIONS["two_views"](images, size, g1, g2)


def a_step(see=views, soften=spatial_softmax, grid=None, align=None, spread=None, add=None):
    """A training step with some of its parts exchanged."""

    def step(network, images, size, g1, g2, options):
        probs, twins = (soften(network(view)) for view in see(images, size, g1, g2))
        taken = (grid or of_g2)(g1, g2, probs)
        follow = (align or probability_alignment_loss)(probs, twins, taken)
        apart = (spread or both)(probs, twins, options.pool)
        return (add or weighted)(follow, apart, options.alignment, options.diversity), follow, apart

    return step


def of_g2(g1, g2, probs):
    return g2.grid(*probs.shape[2:])


def pixels(probs):
    """(B, h w, 2) places of a map's pixels."""
    return identity_grid(*probs.shape[2:]).view(1, -1, 2).expand(len(probs), -1, -1)


def as_grid(places, probs):
    return places.view(len(probs), *probs.shape[2:], 2)


def both(probs, twins, pool):
    return diversity_loss(probs, pool) + diversity_loss(twins, pool)


def weighted(follow, apart, alignment, diversity):
    return alignment * follow + diversity * apart


def twin_of_x(images, size, g1, g2):
    x, _ = views(images, size, g1, g2)
    return x, warp_images(x, g2.grid(size, size), padding_mode="reflection")


def without_g1(images, size, g1, g2):
    return views(images, size, g1, g2)[0], warp_images(images, g2.grid(size, size), padding_mode="reflection")


def x_as_it_is(images, size, g1, g2):
    still = identity_grid(size, size).expand(len(images), -1, -1, -1)
    return [warp_images(images, grid, padding_mode="reflection") for grid in (still, g2.grid(size, size))]


def of_points(network, images, size, g1, g2, options):
    probs, twins = (spatial_softmax(network(view)) for view in views(images, size, g1, g2))
    follow = point_alignment_loss(soft_argmax(probs), soft_argmax(twins), g2)
    apart = both(probs, twins, options.pool)
    return weighted(follow, apart, options.alignment, options.diversity), follow, apart


def by_the_package(network, images, size, g1, g2, options):
    probs, twins = (spatial_softmax(network(view)) for view in views(images, size, g1, g2))
    terms = ThewlisTraining.loss_terms(SimpleNamespace(options=options), SiameseMaps(probs, twins, g2), 0)
    return weighted(*terms.values(), options.alignment, options.diversity), *terms.values()


def views_by_the_package(network, images, size, g1, g2, options):
    draw_views(images, size, options, torch.Generator().manual_seed(0))
    return siamese_step(network, images, size, g1, g2, options)


def stopping(which):
    """A step through whose view number `which` no gradient comes."""

    def soften(scores, seen=[]):  # noqa: B006
        seen.append(None)
        maps = spatial_softmax(scores)
        return maps.detach() if (len(seen) - 1) % 2 == which else maps

    return a_step(soften=soften)


def changed(change):
    """The right step, with its three numbers changed."""
    return lambda *given: change(*siamese_step(*given))


def test_other_right_steps_are_done() -> None:
    assert lesson.check_siamese_step(a_step())
    assert lesson.check_siamese_step(a_step(align=probability_alignment_loss_naive))
    assert lesson.check_siamese_step(changed(lambda *three: list(three)))

    def over_flat_maps(scores):
        return scores.flatten(2).softmax(dim=2).view_as(scores)

    assert lesson.check_siamese_step(a_step(soften=over_flat_maps))


WRONG_STEPS = [
    (a_step(align=lambda p, q, grid: probability_alignment_loss(q, p, grid)), "the twin's maps come second"),
    (a_step(grid=lambda g1, g2, p: as_grid(g2.invert_points(pixels(p)), p)), "you took the inverse of g2"),
    (a_step(grid=lambda g1, g2, p: as_grid(pixels(p), p)), "as if the twin were not warped"),
    (a_step(grid=lambda g1, g2, p: g1.grid(*p.shape[2:])), "the grid is that of g1"),
    (a_step(grid=lambda g1, g2, p: as_grid(g1(g2(pixels(p))), p)), "g1 is in the grid as well"),
    (of_points, "this is eq. 5"),
    (a_step(soften=lambda scores: scores), "the maps are scores"),
    (a_step(soften=lambda scores: scores.softmax(dim=1)), "over the landmarks of a pixel"),
    (a_step(soften=lambda scores: scores.softmax(dim=-1)), "over each row of a map"),
    (a_step(soften=lambda scores: scores.softmax(dim=2)), "over each column of a map"),
    (a_step(soften=lambda scores: scores.flatten(1).softmax(dim=1).view_as(scores)), "all maps of an image at once"),
    (a_step(soften=torch.sigmoid), "a sigmoid"),
    (a_step(soften=lambda scores: spatial_softmax(spatial_softmax(scores))), "softmax of a softmax"),
    (a_step(see=lambda *given: 2 * [views(*given)[0]]), "the network sees x twice"),
    (a_step(see=lambda *given: 2 * [views(*given)[1]]), "the network sees the twin twice"),
    (a_step(see=lambda images, size, g1, g2: views(images, size, g2, g1)), "the warps are exchanged"),
    (a_step(see=x_as_it_is), "x is the image as it is"),
    (a_step(see=without_g1), "the twin is made of the image, without g1"),
    (a_step(see=twin_of_x), "blurred already"),
    (a_step(spread=lambda p, q, pool: diversity_loss(p, pool)), "the diversity of x alone; eq. 9 adds"),
    (a_step(spread=lambda p, q, pool: diversity_loss(q, pool)), "the diversity of the twin alone; eq. 9 adds"),
    (a_step(spread=lambda p, q, pool: diversity_loss(torch.cat([p, q]), pool)), "the mean of both views"),
    (a_step(spread=lambda p, q, pool: -both(p, q, pool)), "the sign of the diversity"),
    (a_step(spread=lambda p, q, pool: diversity_loss(p, pool) - diversity_loss(q, pool)), "is taken away"),
    (a_step(spread=lambda p, q, pool: both(p, q, 1)), "eq. 8 pixel by pixel"),
    (a_step(spread=lambda p, q, pool: overlap_loss(p) + overlap_loss(q)), "this is eq. 7"),
    (a_step(spread=lambda p, q, pool: diversity_loss((p + q) / 2, pool)), "the mean of both maps"),
    (a_step(add=lambda follow, apart, a, d: a * follow - d * apart), "the sign: you reward maps that overlap"),
    (a_step(add=lambda follow, apart, a, d: d * apart - a * follow), "you reward landmarks that do not follow"),
    (a_step(add=lambda follow, apart, a, d: a * follow), "the total lacks the diversity"),
    (a_step(add=lambda follow, apart, a, d: d * apart), "the total lacks the alignment"),
    (a_step(add=lambda follow, apart, a, d: d * follow + a * apart), "the weights are exchanged"),
    (a_step(add=lambda follow, apart, a, d: follow + apart), "the total lacks the weights"),
    (a_step(add=lambda follow, apart, a, d: follow + d * apart), "lacks the weight of the alignment"),
    (a_step(add=lambda follow, apart, a, d: a * follow + apart), "lacks the weight of the diversity"),
    (a_step(add=lambda follow, apart, a, d: a * (follow + d * apart)), "the alignment multiplies the diversity"),
    (a_step(add=lambda follow, apart, a, d: d * (a * follow + apart)), "the diversity multiplies the alignment"),
    (a_step(add=lambda follow, apart, a, d: 2 * weighted(follow, apart, a, d)), "both terms are right"),
    (changed(lambda total, follow, apart: (total, apart, follow)), "the order: first the total"),
    (changed(lambda total, follow, apart: (total, total - 2 * apart, apart)), "the alignment: it should be"),
    (changed(lambda total, follow, apart: (total, follow, 3 * apart)), "the diversity: yours is 3 times"),
    (changed(lambda total, follow, apart: total), "this is one number; asked are three"),
    (changed(lambda total, follow, apart: (total, follow)), "three numbers are asked for"),
    (changed(lambda total, follow, apart: (float(total.detach()), follow, apart)), "a number of Python's"),
    (changed(lambda total, follow, apart: (total[None], follow, apart)), "the total: the result should have shape"),
    (changed(lambda total, follow, apart: (total.detach(), follow, apart)), "no gradient reaches the network"),
    (stopping(1), "no gradient comes through the twin"),
    (stopping(0), "no gradient comes through the x"),
    (by_the_package, "you called `loss_terms`"),
    (views_by_the_package, "you called `draw_views`"),
]


def with_weights(which):
    """The right step, which logs a term with its weight."""

    def step(network, images, size, g1, g2, options):
        total, follow, apart = siamese_step(network, images, size, g1, g2, options)
        if which == "alignment":
            return total, options.alignment * follow, apart
        return total, follow, options.diversity * apart

    return step


WRONG_STEPS += [
    (with_weights("alignment"), "the alignment has its weight already"),
    (with_weights("diversity"), "the diversity has its weight already"),
]


WRONG_DISTANCES = [
    (lambda xy, twin, warp, side: side / 2 * distances(xy, twin), "as they are"),
    (lambda xy, twin, warp, side: side / 2 * distances(warp(xy), twin), "you moved the image's landmarks"),
    (lambda xy, twin, warp, side: side / 2 * distances(xy, warp.invert_points(twin)), "away from the image"),
    (lambda xy, twin, warp, side: side / 2 * distances(warp.invert_points(xy), twin), "pixels of the image"),
    (lambda xy, twin, warp, side: distances(xy, warp(twin)), "units of [-1, 1]"),
    (lambda xy, twin, warp, side: side * distances(xy, warp(twin)), "two units"),
    (lambda xy, twin, warp, side: 22.5 * distances(xy, warp(twin)), "use `side`"),
    (lambda xy, twin, warp, side: (side / 2 * distances(xy, warp(twin))) ** 2, "squared pixels"),
    (lambda xy, twin, warp, side: side / 2 * distances(xy, warp(twin)) ** 2, "take the root"),
    (lambda xy, twin, warp, side: side / 2 * (xy - warp(twin)).abs().sum(dim=-1), "root of dx² + dy²"),
    (lambda xy, twin, warp, side: pixels_off(xy, twin, warp, side) + 1, "at 45 px, in pixels: yours is too large by 1"),
    (lambda xy, twin, warp, side: pixels_off(xy, twin, warp, side).flip(1), "dimension 1 is turned round"),
    (lambda xy, twin, warp, side: pixels_off(xy, twin, warp, side).mean(), "shape"),
]


def by_words(wrong):
    return {re.escape(words): attempt for attempt, words in wrong}


ANSWERS = {
    lesson.check_siamese_step: by_words(WRONG_STEPS),
    lesson.check_pixels_off: by_words(WRONG_DISTANCES),
}
EXERCISES = {getattr(lesson, f"check_{name}"): name for name in NAMES}
