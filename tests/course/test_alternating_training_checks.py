"""Each check of lesson 11 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import torch
from lesson_definitions import definitions

from tusklite.course import alternating_training as lesson

SOLUTIONS = definitions("solutions/11_alternating_training")
LESSON = definitions("11_alternating_training")
count_the_dead, routed_loss, diagnose = (SOLUTIONS[name] for name in ("count_the_dead", "routed_loss", "diagnose"))


def counted(assignment, count):
    return torch.bincount(assignment, minlength=count)


def even(assignment, count):
    return len(assignment) / count


def asking_in(order):
    """The doctor of exercise 11.3 who asks in another order."""
    signs = {
        "collapsed heatmap": lambda row, images, keypoints: row["collapsed_heatmaps"] > images / 2,
        "everything in one": lambda row, images, keypoints: row["largest_share"] > 0.9,
        "dead prototypes": lambda row, images, keypoints: row["dead_prototypes"] > 0,
        "border keypoints": lambda row, images, keypoints: row["border_keypoints"] > images * keypoints / 5,
    }
    return lambda *asked: next((name for name in order if signs[name](*asked)), "healthy")


def mild(row, images, keypoints):
    return diagnose(row | {"collapsed_heatmaps": row["collapsed_heatmaps"] - 1}, images, keypoints)


def strict(row, images, keypoints):
    return "collapsed heatmap" if row["collapsed_heatmaps"] >= images / 2 else diagnose(row, images, keypoints)


def stepping(softmin, transport, descriptors, means):
    loss = softmin(descriptors, means.detach()) + transport(means, descriptors.detach())
    loss.backward()
    return loss


def in_place(softmin, transport, descriptors, means):
    means.data.mul_(2)
    return softmin(descriptors, means.detach()) + transport(means, descriptors.detach())


FIRST, SECOND, THIRD, FOURTH = "collapsed heatmap", "everything in one", "dead prototypes", "border keypoints"
ANSWERS = {
    lesson.check_count_the_dead: {
        "only those that win nothing": lambda a, m: int((counted(a, m) == 0).sum()),
        "exactly 10 still lives": lambda a, m: int((counted(a, m) <= even(a, m) / 10).sum()),
        "`minlength` helps": lambda a, m: int((a.unique(return_counts=True)[1] < even(a, m) / 10).sum()),
        "no death; a tenth": lambda a, m: int((counted(a, m) < even(a, m)).sum()),
        "the living": lambda a, m: int((counted(a, m) >= even(a, m) / 10).sum()),
        "are dead, you count -1": lambda a, m: -1,
        "the last of them wins nothing": lambda a, m: int((torch.bincount(a) < even(a, m) / 10).sum()),
        "half of the even share": lambda a, m: int((counted(a, m) < even(a, m) / 2).sum()),
        "which one wins least": lambda a, m: int(counted(a, m).argmin()),
        "what the weakest wins": lambda a, m: int(counted(a, m).min()),
        "what the dead win together": lambda a, m: int(counted(a, m)[counted(a, m) < even(a, m) / 10].sum()),
        "a number is asked for": lambda a, m: "two",
    },
    lesson.check_routed_loss: {
        "the soft-min moves the prototypes as well": lambda s, t, x, p: s(x, p) + t(p, x.detach()),
        "the transport moves the descriptors as well": lambda s, t, x, p: s(x, p.detach()) + t(p, x),
        "the wrong way round": lambda s, t, x, p: s(x.detach(), p) + t(p.detach(), x),
        "nothing moves at all": lambda s, t, x, p: (s(x, p) + t(p, x)).detach(),
        "the prototypes get no gradient": lambda s, t, x, p: s(x, p.detach()) + t(p.detach(), x.detach()),
        "the descriptors get no gradient": lambda s, t, x, p: t(p, x.detach()),
        "the transport pulls 8 times as it should": lambda s, t, x, p: s(x, p.detach()) + 8 * t(p, x.detach()),
        "the soft-min pulls 0.01 times": lambda s, t, x, p: 0.01 * s(x, p.detach()) + t(p, x.detach()),
        "not as it should: add": lambda s, t, x, p: s(x, p.detach()) + t(p.sin(), x.detach()),
        "you called `backward`": stepping,
        "you switched the input's gradient off": lambda s, t, x, p: s(x, p.requires_grad_(False)) + t(p, x.detach()),
        "you changed the input that was given": in_place,
        "the value should be the sum": lambda s, t, x, p: 1 + s(x, p.detach()) + t(p, x.detach()),
        "one number is asked for": lambda s, t, x, p: (s(x, p.detach()), t(p, x.detach())),
    },
    lesson.check_diagnose: {
        "more than half": lambda row, images, keypoints: "healthy",
        "that is half, not more": strict,
        "9 of 16 heatmaps are flat.*you say": mild,
        "a share of 0.95": asking_in((FIRST, THIRD, SECOND, FOURTH)),
        "without a heatmap nothing else": asking_in((SECOND, FIRST, THIRD, FOURTH)),
        "the dead come first": asking_in((FIRST, SECOND, FOURTH, THIRD)),
        "10 of 16 x 3 keypoints": asking_in((FIRST, SECOND, THIRD)),
        "one prototype is dead": asking_in((FIRST, SECOND, FOURTH)),
        'one of collapsed heatmap, everything.* yours gives "dead"': lambda row, images, keypoints: "dead",
        "you count each image twice": lambda row, images, keypoints: diagnose(row, 2 * images, keypoints),
        "you count half of the images": lambda row, images, keypoints: diagnose(row, images / 2, keypoints),
        "there are `keypoints` of them in each image": lambda row, images, keypoints: diagnose(row, images, 1),
    },
}
EXERCISES = {
    lesson.check_count_the_dead: "count_the_dead",
    lesson.check_routed_loss: "routed_loss",
    lesson.check_diagnose: "diagnose",
}
