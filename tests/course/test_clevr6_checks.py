"""Each check of lesson 15 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import pytest
import torch
from lesson_definitions import definitions
from torch import Tensor

from tusklite.course import clevr6 as lesson
from tusklite.data.ray_geometry import cross
from tusklite.metrics import majority_class, match_prototypes, name_prototypes
from tusklite.ops.surfaces import robust_surface

SOLUTIONS = definitions("solutions/15_clevr6")
LESSON = definitions("15_clevr6")
meet_sphere, robust_fit, trust = SOLUTIONS["meet_sphere"], SOLUTIONS["robust_fit"], SOLUTIONS["trust"]
counts_at, overlap, most_often = SOLUTIONS["counts_at"], SOLUTIONS["overlap"], SOLUTIONS["most_often"]


def rooted(change, miss=torch.inf):
    """Something of a, half of b, c and the root, for rays that meet the sphere ahead; else `miss`."""

    def distances(origin: Tensor, direction: Tensor, centre: Tensor, radius: float) -> Tensor:
        offset = origin - centre
        a, h = (direction * direction).sum(dim=1), (offset * direction).sum(dim=1)
        c = (offset * offset).sum(dim=1) - radius**2
        root = (h * h - a * c).clamp_min(0).sqrt()
        found = change(a, h, c, root)
        never = meet_sphere(origin, direction, centre, radius).isinf()
        return found.masked_fill(never, miss) if miss is not None else found

    return distances


def near(a, h, c, root):
    return (-h - root) / a


def with_nan(origin: Tensor, direction: Tensor, centre: Tensor, radius: float) -> Tensor:
    offset = origin - centre
    a, h = (direction**2).sum(dim=1), (offset * direction).sum(dim=1)
    return (-h - (h**2 - a * ((offset**2).sum(dim=1) - radius**2)).sqrt()) / a


def behind_too(origin: Tensor, direction: Tensor, centre: Tensor, radius: float) -> Tensor:
    offset = origin - centre
    a, h = (direction**2).sum(dim=1), (offset * direction).sum(dim=1)
    inside = h**2 - a * ((offset**2).sum(dim=1) - radius**2)
    return ((-h - inside.clamp_min(0).sqrt()) / a).masked_fill(inside <= 0, torch.inf)


def ray_by_ray(origin: Tensor, direction: Tensor, centre: Tensor, radius: float) -> Tensor:
    rays = zip(origin, direction, strict=True)
    return torch.cat([meet_sphere(start[None], way[None], centre, radius) for start, way in rays])


def by_package(origin: Tensor, direction: Tensor, centre: Tensor, radius: float) -> Tensor:
    kind = torch.zeros(len(origin), dtype=torch.int64)
    return cross(kind, ((origin - centre) / radius).T[..., None], (direction / radius).T[..., None])[0][:, 0]


def places(origin: Tensor, direction: Tensor, centre: Tensor, radius: float) -> Tensor:
    return origin + meet_sphere(origin, direction, centre, radius)[:, None] * direction


def both_crossings(*rays) -> Tensor:
    return torch.stack([rooted(near)(*rays), rooted(lambda a, h, c, r: (r - h) / a)(*rays)], dim=1)


def solved(terms: Tensor, colours: Tensor, left: Tensor, right: Tensor) -> Tensor:
    matrix = terms.T @ (left[:, None] * terms) + 1e-4 * torch.eye(10)
    return torch.linalg.solve(matrix, terms.T @ (right[:, None] * colours))


def fitting(start=None, more=0, scale=0.03, change=lambda weight: weight, right=None):
    """The rounds with another start, number, scale, or change of the weights on both sides or on the right one."""

    def fit(terms: Tensor, colours: Tensor, rounds: int) -> Tensor:
        middle = colours.median(dim=0).values
        weight = start(colours) if start else trust(colours - middle, 0.08)
        coefficients = torch.zeros(10, colours.shape[1])
        for _ in range(rounds + more):
            coefficients = solved(terms, colours, change(weight), (right or change)(weight))
            weight = trust(colours - terms @ coefficients, scale)
        return coefficients

    return fit


def last_weights(terms: Tensor, colours: Tensor, rounds: int) -> Tensor:
    """The weights of the last round."""
    if rounds == 1:
        return trust(colours - colours.median(dim=0).values, 0.08)
    return trust(colours - terms @ fitting()(terms, colours, rounds - 1), 0.03)


def one_sided(left: bool):
    def fit(terms: Tensor, colours: Tensor, rounds: int) -> Tensor:
        weight = last_weights(terms, colours, rounds)
        ones = torch.ones_like(weight)
        return solved(terms, colours, weight if left else ones, ones if left else weight)

    return fit


def least_squares(terms: Tensor, colours: Tensor, rounds: int) -> Tensor:
    return torch.linalg.lstsq(terms, colours).solution


def peeking(terms: Tensor, colours: Tensor, rounds: int) -> Tensor:
    robust_surface(colours.T.reshape(1, 3, 15, 15))
    return robust_fit(terms, colours, rounds)


def worth(gains: Tensor, thresholds: Tensor) -> Tensor:
    return gains > thresholds[:, None, None]


def scene_by_scene(gains: Tensor, thresholds: Tensor) -> Tensor:
    return torch.cat([counts_at(each[None], thresholds) for each in gains], dim=1)


def over(divisor, part=lambda first, second: (first & second).sum(dim=(1, 2))):
    """A share of what both have, by a divisor of first, second and their union, in pixels."""

    def share(first: Tensor, second: Tensor) -> Tensor:
        one, other, either = (each.sum(dim=(1, 2)) for each in (first, second, first | second))
        return part(first, second) / divisor(one, other, either)

    return share


def table_of(assignment: Tensor, values: Tensor, prototypes: int, count: int) -> Tensor:
    return torch.zeros(prototypes, count).index_put_((assignment, values), torch.ones(()), accumulate=True)


def from_table(change):
    return lambda *inputs: change(table_of(*inputs))


def no_name(table: Tensor, names: Tensor) -> Tensor:
    return names.masked_fill(table.sum(dim=1) == 0, -1)


ANSWERS = {
    lesson.check_meet_sphere: {
        "this is where the ray leaves": rooted(lambda a, h, c, root: (-h + root) / a),
        "these are lengths": rooted(lambda a, h, c, root: near(a, h, c, root) * a.sqrt()),
        "you forgot to divide by the direction's square": rooted(lambda a, h, c, root: -h - root),
        "yours holds for directions of length 1 alone": rooted(
            lambda a, h, c, root: -h - (h * h - c).clamp_min(0).sqrt()
        ),
        "half of it": rooted(lambda a, h, c, root: near(a, h, c, root) / 2),
        "nearest to the middle": rooted(lambda a, h, c, root: -h / a),
        "the square of the distance": rooted(lambda a, h, c, root: near(a, h, c, root) ** 2),
        "NaN: where the root's inside is negative": with_nan,
        "infinity is asked for, yours is 0": rooted(near, miss=0.0),
        "infinity is asked for, yours is -1": rooted(near, miss=-1.0),
        "rays that miss the sphere stop where they are nearest": rooted(near, miss=None),
        "what is behind is not seen": behind_too,
        "rays that meet the sphere miss it in yours": lambda *rays: torch.full((len(rays[0]),), torch.inf),
        "asked is how far along each ray": places,
        "both crossings": both_crossings,
        "it loops over rays": ray_by_ray,
        "you called `cross`": by_package,
        r"should have shape \(24,\)": lambda *rays: meet_sphere(*rays)[:3],
        "it should be": lambda *rays: meet_sphere(*rays) + torch.linspace(1, 2, len(rays[0])),
    },
    lesson.check_robust_fit: {
        "this is plain least squares": least_squares,
        "the weights of the first round are never renewed": lambda terms, colours, rounds: robust_fit(
            terms, colours, 1
        ),
        "this is 2 rounds; 1 were asked for": fitting(more=1),
        "the first weights are all 1": lambda terms, colours, rounds: (
            fitting(start=lambda colours: torch.ones(len(colours)))(terms, colours, rounds)
            if rounds > 1
            else robust_fit(terms, colours, 1)
        ),
        "the first weights come from the mean": fitting(
            start=lambda colours: trust(colours - colours.mean(dim=0), 0.08)
        ),
        "one median for all channels": fitting(start=lambda colours: trust(colours - colours.median(), 0.08)),
        "the first weights are too strict": fitting(
            start=lambda colours: trust(colours - colours.median(dim=0).values, 0.03)
        ),
        "the later weights are too mild": fitting(scale=0.08),
        "the weights count twice": fitting(change=torch.square),
        "the roots of the weights": fitting(change=torch.sqrt),
        "on the left side of the equation only": one_sided(left=True),
        "on the right side of the equation only": one_sided(left=False),
        "the wrong way round": fitting(change=lambda weight: 1 - weight),
        "these are colours of 225 pixels": lambda terms, colours, rounds: terms @ robust_fit(terms, colours, rounds),
        "terms come first": lambda *inputs: robust_fit(*inputs).T,
        "you called `robust_surface`": peeking,
        r"should have shape \(10, 3\)": lambda *inputs: robust_fit(*inputs)[:4],
    },
    lesson.check_counts_at: {
        "the choice has ended before it": lambda *inputs: worth(*inputs).sum(dim=2),
        "more than that is asked": lambda gains, t: (gains >= t[:, None, None]).long().cumprod(dim=2).sum(dim=2),
        "you counted the keypoints that are not worth it": lambda *inputs: (~worth(*inputs)).sum(dim=2),
        "you counted the keypoints that are left out": lambda *inputs: 6 - counts_at(*inputs),
        "one too few": lambda *inputs: counts_at(*inputs) - 1,
        "one too many": lambda *inputs: counts_at(*inputs) + 1,
        "you added the gains up": lambda gains, t: (gains.cumsum(dim=1) > t[:, None, None]).sum(dim=2),
        "there is no first that is not": lambda *inputs: (~worth(*inputs)).long().argmax(dim=2),
        "whether there is anything at all": lambda *inputs: worth(*inputs).any(dim=2),
        "this is a share": lambda *inputs: counts_at(*inputs) / 6,
        "this is what was gained": lambda gains, t: (gains * worth(gains, t).long().cumprod(dim=2)).sum(dim=2),
        "yours is turned": lambda *inputs: counts_at(*inputs).T,
        "it loops over scenes": scene_by_scene,
        r"should have shape \(4, 5\)": lambda *inputs: counts_at(*inputs)[:2],
    },
    lesson.check_overlap: {
        "you divided by the first mask alone": over(lambda one, other, either: one.clamp_min(1)),
        "you divided by the second mask alone": over(lambda one, other, either: other.clamp_min(1)),
        "this is Dice's coefficient": over(
            lambda one, other, either: (one + other).clamp_min(1) / 2,
        ),
        "take the union": over(lambda one, other, either: (one + other).clamp_min(1)),
        "pixels that neither has": lambda first, second: (first == second).float().mean(dim=(1, 2)),
        "you divided by the picture": over(lambda one, other, either: 42),
        "in pixels; what share": over(lambda one, other, either: 1),
        "two empty masks overlap completely": lambda first, second: overlap(first, second).masked_fill(
            ~(first | second).flatten(1).any(dim=1), 1.0
        ),
        "how far they differ": lambda *masks: 1 - overlap(*masks),
        "what comes after the point is lost": lambda *masks: overlap(*masks).round(),
        "you divided by the smaller": over(lambda one, other, either: one.minimum(other).clamp_min(1)),
        "0 divided by 0": over(lambda one, other, either: either),
        "one number for all": lambda *masks: overlap(*masks).mean(),
        r"should have shape \(5,\)": lambda *masks: overlap(*masks)[:2],
    },
    lesson.check_most_often: {
        "-1 is asked for": from_table(lambda table: table.argmax(dim=1)),
        "how often it shows it": from_table(lambda table: table.amax(dim=1)),
        "least often": from_table(lambda table: table.argmin(dim=1)),
        "the commonest value of all": from_table(lambda table: table.sum(dim=0).argmax().expand(len(table))),
        "red and blue have no mean": from_table(
            lambda table: no_name(
                table, (table @ torch.arange(float(table.shape[1])) / table.sum(dim=1).clamp_min(1)).round()
            )
        ),
        "you divided by how common": from_table(lambda table: (table / table.sum(dim=0).clamp_min(1)).argmax(dim=1)),
        "values are numbered from 0": lambda *inputs: most_often(*inputs) + 1,
        "names of 60 keypoints": lambda assignment, *inputs: most_often(assignment, *inputs)[assignment],
        "this is the table of counts": table_of,
        "this names the 3 values after prototypes": from_table(lambda table: table.argmax(dim=0)),
        "you called `majority_class`": majority_class,
        "you called `match_prototypes`": match_prototypes,
        "you called `name_prototypes`": lambda assignment, values, prototypes, count: name_prototypes(
            assignment, {"it": values}, {"it": count}, prototypes
        ).majority["it"],
        "prototype .* right, and no other": lambda *inputs: most_often(*inputs).index_fill(0, torch.tensor([0, 2]), 9),
    },
}
EXERCISES = {
    lesson.check_meet_sphere: "meet_sphere",
    lesson.check_robust_fit: "robust_fit",
    lesson.check_counts_at: "counts_at",
    lesson.check_overlap: "overlap",
    lesson.check_most_often: "most_often",
}


def test_a_weighted_fit_by_another_solver_is_as_good():
    """Least squares on rows that are multiplied by the roots of the weights is the same equation, but for the ridge."""

    def fit(terms: Tensor, colours: Tensor, rounds: int) -> Tensor:
        weight = trust(colours - colours.median(dim=0).values, 0.08)
        coefficients = torch.zeros(10, 3)
        for _ in range(rounds):
            root = weight.sqrt()[:, None]
            coefficients = torch.linalg.lstsq(root * terms, root * colours).solution
            weight = trust(colours - terms @ coefficients, 0.03)
        return coefficients

    assert lesson.check_robust_fit(fit)


def test_counts_and_names_may_be_of_any_type_of_number():
    assert lesson.check_counts_at(lambda *inputs: counts_at(*inputs).float())
    assert lesson.check_most_often(lambda *inputs: most_often(*inputs).double())


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_a_ray_twice_as_long_takes_half_as_many(scale):
    generator = torch.Generator().manual_seed(0)
    origin = 3 * torch.nn.functional.normalize(torch.randn(40, 3, generator=generator), dim=1)
    direction = 0.3 * torch.randn(40, 3, generator=generator) - origin
    once, longer = (meet_sphere(origin, times * direction, torch.zeros(3), 1.0) for times in (1.0, scale))
    assert once.isfinite().any()
    torch.testing.assert_close(once, scale * longer)
    there = origin + once[:, None] * direction
    torch.testing.assert_close(there[once.isfinite()].norm(dim=1), torch.ones(int(once.isfinite().sum())))
