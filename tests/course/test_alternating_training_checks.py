"""Each check of lesson 11 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import pytest
import torch
from lesson_definitions import definitions

from tusklite.course import alternating_training as lesson
from tusklite.methods.tusk import TUSKTraining

SOLUTIONS = definitions("solutions/11_alternating_training")
LESSON = definitions("11_alternating_training")
count_the_dead, routed_loss, diagnose = (SOLUTIONS[name] for name in ("count_the_dead", "routed_loss", "diagnose"))
take_turns = SOLUTIONS["take_turns"]


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


def descend(loss, optimizer):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def still(values):
    return values.detach()


def turning(
    steps=lambda turns: turns,
    of_descriptors=still,
    of_means=still,
    prototypes_down=descend,
    network_down=descend,
    theirs="prototypes",
    project="each",
    back=lambda loss: loss,
):
    """The turns of exercise 11.0 with a mistake in a part of them."""

    def take(prototypes, descriptors, optimizers, transport, network_loss, turns):
        for _ in range(steps(turns)):
            prototypes_down(transport(prototypes, of_descriptors(descriptors)), optimizers[theirs])
            if project == "each":
                prototypes.project_to_sphere()
        if project == "last":
            prototypes.project_to_sphere()
        return back(network_down(network_loss(of_means(prototypes.means)), optimizers["network"]))

    return take


def without_zeros(loss, optimizer):
    loss.backward()
    optimizer.step()
    return loss


def zeros_too_late(loss, optimizer):
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss


def stepping_first(loss, optimizer):
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss


def at_once(optimizer):
    def take(prototypes, descriptors, optimizers, transport, network_loss, turns):
        return descend(transport(prototypes, descriptors) + network_loss(prototypes.means), optimizers[optimizer])

    return take


def network_first(prototypes, descriptors, optimizers, transport, network_loss, turns):
    loss = descend(network_loss(prototypes.means.detach()), optimizers["network"])
    for _ in range(turns):
        descend(transport(prototypes, descriptors.detach()), optimizers["prototypes"])
        prototypes.project_to_sphere()
    return loss


def network_each_time(prototypes, descriptors, optimizers, transport, network_loss, turns):
    for _ in range(turns):
        descend(transport(prototypes, descriptors.detach()), optimizers["prototypes"])
        prototypes.project_to_sphere()
        loss = network_loss(prototypes.means.detach())
        optimizers["network"].zero_grad()
        loss.backward(retain_graph=True)
        optimizers["network"].step()
    return loss


def wrong_way_round(prototypes, descriptors, optimizers, transport, network_loss, turns):
    descend(transport(prototypes, descriptors.detach()), optimizers["prototypes"])
    prototypes.project_to_sphere()
    for _ in range(turns):
        optimizers["network"].zero_grad()
        loss = network_loss(prototypes.means.detach())
        loss.backward(retain_graph=True)
        optimizers["network"].step()
    return loss


def measured_before(copied):
    """The network's loss is measured first, on means that move under it or on a copy of them."""

    def take(prototypes, descriptors, optimizers, transport, network_loss, turns):
        means = prototypes.means.detach()
        loss = network_loss(means.clone() if copied else means)
        for _ in range(turns):
            descend(transport(prototypes, descriptors.detach()), optimizers["prototypes"])
            prototypes.project_to_sphere()
        return descend(loss, optimizers["network"])

    return take


def measured_once(retain):
    """The transport is measured before the turns, and not in them."""

    def take(prototypes, descriptors, optimizers, transport, network_loss, turns):
        distance = transport(prototypes, descriptors.detach())
        for _ in range(turns):
            optimizers["prototypes"].zero_grad()
            distance.backward(retain_graph=retain)
            optimizers["prototypes"].step()
            prototypes.project_to_sphere()
        return descend(network_loss(prototypes.means.detach()), optimizers["network"])

    return take


def gathering(prototypes, descriptors, optimizers, transport, network_loss, turns):
    optimizers["prototypes"].zero_grad()
    for _ in range(turns):
        transport(prototypes, descriptors.detach()).backward()
    optimizers["prototypes"].step()
    prototypes.project_to_sphere()
    return descend(network_loss(prototypes.means.detach()), optimizers["network"])


def of_the_transport(prototypes, descriptors, optimizers, transport, network_loss, turns):
    take_turns(prototypes, descriptors, optimizers, transport, network_loss, turns)
    return transport(prototypes, descriptors.detach())


def switching_off(prototypes, *others):
    loss = take_turns(prototypes, *others)
    prototypes.means.requires_grad_(False)
    return loss


def moving_on(prototypes, *others):
    loss = take_turns(prototypes, *others)
    prototypes.means.data.neg_()
    return loss


def handing_over(prototypes, descriptors, optimizers, transport, network_loss, turns):
    return network_loss(prototypes)


def handing_means(prototypes, descriptors, optimizers, transport, network_loss, turns):
    return transport(prototypes.means, descriptors)


FIRST, SECOND, THIRD, FOURTH = "collapsed heatmap", "everything in one", "dead prototypes", "border keypoints"
ANSWERS = {
    lesson.check_take_turns: {
        "one optimiser that moves everything is the rival": at_once("one"),
        "the transport runs back into the network": turning(of_descriptors=lambda descriptors: descriptors),
        "the network's loss pulls at the prototypes": turning(of_means=lambda means: means),
        "the network goes first": network_first,
        "the network takes 8 steps; it goes once": network_each_time,
        "it is the wrong way round": wrong_way_round,
        "measured before the prototypes have moved": measured_before(copied=False),
        "measured once for all turns": measured_once(retain=False),
        "you gather the gradients of 8 turns": gathering,
        "the prototypes take one step, and `turns`": turning(steps=lambda turns: 1),
        "3 turns: the prototypes take 8 steps whatever": turning(steps=lambda turns: 8),
        "the prototypes take 9 steps": turning(steps=lambda turns: turns + 1),
        "nobody takes a step with the optimiser .prototypes": turning(steps=lambda turns: 0),
        "nobody takes a step with the optimiser .network": turning(network_down=lambda loss, optimizer: loss),
        "not only after the last one": turning(project="last"),
        "or they leave it": turning(project="never"),
        "the prototypes: step on the gradient of an earlier step as well": turning(prototypes_down=without_zeros),
        "the network .its optimiser.: step on the gradient of an earlier step as well": turning(
            network_down=without_zeros
        ),
        "the prototypes: step without a gradient": turning(prototypes_down=zeros_too_late),
        "the prototypes: step on the gradient of an earlier step: `back": turning(prototypes_down=stepping_first),
        "the prototypes: step on 2 times": turning(
            prototypes_down=lambda loss, optimizer: descend(2 * loss, optimizer)
        ),
        "you switched the prototypes' gradient off for good": switching_off,
        "nothing comes back: return the network's loss": turning(back=lambda loss: None),
        "what comes back is the transport": of_the_transport,
        "what comes back: yours is 2 times": turning(back=lambda loss: 2 * loss),
        "the prototypes after them: the sign is turned round": moving_on,
        "`network_loss.means.` takes a tensor": handing_over,
        "takes the prototypes themselves, then a tensor": handing_means,
        "a number is asked for, yours gives str": turning(back=lambda loss: "done"),
        "you called `training_step`": lambda *given: TUSKTraining.training_step(None, *given[:2]),
        "you called `prototype_steps`": lambda *given: TUSKTraining.prototype_steps(None, *given[:4]),
    },
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
    lesson.check_take_turns: "take_turns",
    lesson.check_count_the_dead: "count_the_dead",
    lesson.check_routed_loss: "routed_loss",
    lesson.check_diagnose: "diagnose",
}


SECOND_WAYS = {  # into a mistake that is in the list above: each hears the same cause
    "one optimiser that moves everything is the rival": at_once("paced"),
    "measured before the prototypes have moved": measured_before(copied=True),
    "measured once for all turns": measured_once(retain=True),
}


@pytest.mark.parametrize("words", SECOND_WAYS)
def test_another_way_into_the_same_mistake_hears_the_same(words):
    assert words in lesson.check_take_turns(SECOND_WAYS[words]).message


def test_turns_may_be_written_in_other_ways():
    def by_data(prototypes, descriptors, optimizers, transport, network_loss, turns):
        points = descriptors.detach().clone()
        for _ in range(turns):
            distance = transport(prototypes, points)
            optimizers["prototypes"].zero_grad(set_to_none=False)
            distance.backward()
            optimizers["prototypes"].step()
            prototypes.project_to_sphere()
        loss = network_loss(prototypes.means.data)
        optimizers["network"].zero_grad()
        loss.backward()
        optimizers["network"].step()
        return loss.item()

    assert lesson.check_take_turns(by_data)
    assert lesson.check_take_turns(turning())
