"""Each check of lesson 19 accepts the worked solution, and tells plausible mistakes apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lesson_definitions import definitions
from torch import Tensor

from tusklite.course import correspondence_to_landmarks as lesson
from tusklite.losses import assigned_map_loss
from tusklite.metrics import complete_matrix, cumulative_error_distribution
from tusklite.ops.correspondence import DetectorOverlap, detector_overlap, merge_detectors

SOLUTIONS = definitions("solutions/19_correspondence_to_landmarks")
LESSON = definitions("19_correspondence_to_landmarks")
assigned_loss, fired_together = SOLUTIONS["assigned_loss"], SOLUTIONS["fired_together"]
join_detectors, shrink, share_below = SOLUTIONS["join_detectors"], SOLUTIONS["shrink"], SOLUTIONS["share_below"]


def weighed(weight=lambda targets, emphasis, maps: 1 + emphasis * targets, power=2):
    """Mean of other errors and weights over assigned maps."""

    def loss(maps: Tensor, targets: Tensor, assigned: Tensor, emphasis: float) -> Tensor:
        error = (maps - targets).abs() ** power * weight(targets, emphasis, maps)
        return (error.mean(dim=(2, 3)) * assigned).sum() / assigned.sum().clamp_min(1)

    return loss


def over(of):
    """Something of the weighted errors (B, M, h, w), the weights and which maps are assigned."""

    def loss(maps: Tensor, targets: Tensor, assigned: Tensor, emphasis: float) -> Tensor:
        weight = 1 + emphasis * targets
        return of((maps - targets).square() * weight, weight, assigned)

    return loss


def map_by_map(maps: Tensor, targets: Tensor, assigned: Tensor, emphasis: float) -> Tensor:
    images = zip(maps, targets, assigned, strict=True)
    sums = [assigned_loss(m[None], t[None], a[None], emphasis) * a.sum() for m, t, a in images]
    return torch.stack(sums).sum() / assigned.sum().clamp_min(1)


def firing(near=lambda difference, radius: difference.norm(dim=-1) <= radius, both=lambda one, other: one & other):
    """Counts by another notion of nearness, of differences (N, M, M, 2), or of both."""

    def counts(xy: Tensor, fired: Tensor, radius: float) -> Tensor:
        hits = near(xy[:, :, None] - xy[:, None], radius)
        return (hits & both(fired[:, :, None], fired[:, None])).sum(dim=0)

    return counts


def changed(of):
    """Something of the right table."""
    return lambda xy, fired, radius: of(fired_together(xy, fired, radius), len(xy))


def image_by_image(xy: Tensor, fired: Tensor, radius: float) -> Tensor:
    return sum(fired_together(a[None], b[None], radius) for a, b in zip(xy, fired, strict=True))


def joining(bound=min, enough=lambda shared, least: shared >= least, pick=None, chain=False):
    """The merger in plain Python, with one thing done otherwise."""

    def most(fits: list[int], row: list[int]) -> int:
        return max(fits, key=lambda other: row[other])

    def join(together: Tensor, size: Tensor, share: float) -> Tensor:
        table, sizes = together.tolist(), size.tolist()
        turns = sorted(range(len(sizes)), key=lambda detector: -sizes[detector])
        group, seen = list(range(len(sizes))), []
        for one in turns:
            members = [other for other in seen if chain or group[other] == other]
            fits = [
                other
                for other in members
                if enough(table[one][other], share * bound(table[one][one], table[other][other]))
            ]
            if fits:
                group[one] = group[(pick or most)(fits, table[one])]
            seen.append(one)
        return torch.tensor(group)

    return join


def smallest_first(together: Tensor, size: Tensor, share: float) -> Tensor:
    return join_detectors(together, -size, share)


def by_number(together: Tensor, size: Tensor, share: float) -> Tensor:
    return join_detectors(together, torch.zeros_like(size), share)


def pair_table(together: Tensor, size: Tensor, share: float) -> Tensor:
    alone = together.diagonal()
    return together >= share * torch.minimum(alone[:, None], alone)


def singular(of):
    """The matrix whose singular values are made by another rule."""

    def shrunk(matrix: Tensor, threshold: float) -> Tensor:
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        return (left * of(values, threshold)) @ right

    return shrunk


def below(of):
    """Something of the table of bounds by errors."""
    return lambda errors, bounds: of(errors <= bounds[:, None], errors)


ANSWERS = {
    lesson.check_assigned_loss: {
        "all maps count in yours, and all pixels": lambda maps, targets, *rest: (maps - targets).square().mean(),
        "all maps count in yours; those": over(lambda error, weight, assigned: error.mean()),
        "as if they were right": over(lambda error, weight, a: (error.mean(dim=(2, 3)) * a).mean()),
        "the emphasis is missing": weighed(lambda targets, emphasis, maps: torch.ones_like(targets)),
        "where the target is 0 nothing weighs": weighed(lambda targets, emphasis, maps: emphasis * targets),
        "the weights are squared": weighed(lambda targets, emphasis, maps: (1 + emphasis * targets) ** 2),
        "errors without their square": weighed(power=1),
        "the weights come from the maps": weighed(lambda targets, emphasis, maps: 1 + emphasis * maps),
        "the sum over pixels": over(lambda error, weight, assigned: error[assigned].sum()),
        "the sum over maps": over(lambda error, weight, a: (error.mean(dim=(2, 3)) * a).sum()),
        "divided by the sum of the weights": over(lambda error, weight, a: error[a].sum() / weight[a].sum()),
        "every pixel weighs the emphasis": weighed(lambda targets, emphasis, maps: emphasis),
        "NaN where no image has a landmark": over(lambda error, weight, a: error.mean(dim=(2, 3))[a].mean()),
        "there is nothing to learn": lambda maps, targets, assigned, emphasis: (
            assigned_loss(maps, targets, assigned, emphasis) if assigned.any() else torch.ones(())
        ),
        "it loops over images": map_by_map,
        "you called `assigned_map_loss`": assigned_map_loss,
    },
    lesson.check_fired_together: {
        "however far from each other": lambda xy, fired, radius: (fired[:, :, None] & fired[:, None]).sum(dim=0),
        "a detector that does not fire is nowhere": firing(both=lambda one, other: torch.ones_like(one & other)),
        "one of the two fires": firing(both=lambda one, other: one.expand(-1, -1, 5)),
        "each coordinate by itself": firing(lambda difference, r: (difference.abs() <= r).all(dim=-1)),
        "just at the radius is near": firing(lambda difference, r: difference.norm(dim=-1) < r),
        "the root is missing": firing(lambda difference, r: difference.square().sum(dim=-1) <= r),
        "this is a share": changed(lambda table, images: table / images),
        "the diagonal is asked": changed(lambda table, images: table - table.diagonal().diag()),
        "each pair stands once": changed(lambda table, images: table.triu()),
        "whether they ever do": changed(lambda table, images: table > 0),
        "one table for each image": lambda xy, fired, radius: fired[:, :, None] & fired[:, None],
        "it loops over images": image_by_image,
        "you called `detector_overlap`": lambda *inputs: detector_overlap(*inputs).together,
    },
    lesson.check_join_detectors: {
        "nobody joins anybody": lambda together, size, share: torch.arange(len(size)),
        "groups counted from 0": lambda *inputs: join_detectors(*inputs).unique(return_inverse=True)[1],
        "the smallest cluster goes first": smallest_first,
        "by their number": by_number,
        "of the one that fires more": joining(bound=max),
        "how often the later one fires": joining(bound=lambda own, lead: own),
        "how often the leader fires": joining(bound=lambda own, lead: lead),
        "just the share is enough": joining(enough=lambda shared, least: shared > least),
        "the first leader that will do": joining(pick=lambda fits, row: fits[0]),
        "whoever is in a group already": joining(chain=True),
        "a table of pairs": pair_table,
        "you called `merge_detectors`": lambda together, size, share: merge_detectors(
            DetectorOverlap(together, together.diagonal()), size, share
        ),
        r"should have shape \(12,\)": lambda *inputs: join_detectors(*inputs)[:3],
    },
    lesson.check_shrink: {
        "the matrix is as it was": lambda matrix, threshold: matrix.clone(),
        "turn negative in yours": singular(lambda values, t: values - t),
        "large singular values stay": singular(lambda values, t: values * (values > t)),
        "cut off at the threshold": singular(lambda values, t: values.clamp_max(t)),
        "as a share of the largest": singular(lambda values, t: (values - t * values[0]).clamp_min(0)),
        "the squares of the singular values": singular(lambda values, t: (values**2 - t).clamp_min(0).sqrt()),
        "the entries lose the threshold": lambda matrix, t: matrix.sign() * (matrix.abs() - t).clamp_min(0),
        "lessened in proportion": singular(lambda values, t: values * (1 - t / values[0])),
        "comes back positive": singular(lambda values, t: (values - t).abs()),
        "these are singular values": lambda matrix, t: torch.linalg.svdvals(matrix),
        "you called `complete_matrix`": lambda matrix, t: complete_matrix(matrix),
        r"should have shape \(9, 6\)": lambda matrix, t: shrink(matrix, t).T,
    },
    lesson.check_share_below: {
        "at most is asked": lambda errors, bounds: (errors < bounds[:, None]).float().mean(dim=1),
        "what was not found is left out": below(lambda table, errors: table.sum(dim=1) / errors.isfinite().sum()),
        "this is how many": below(lambda table, errors: table.sum(dim=1)),
        "this is in percent": below(lambda table, errors: 100 * table.float().mean(dim=1)),
        "the share above": below(lambda table, errors: 1 - table.float().mean(dim=1)),
        "the mean of the errors below": below(
            lambda table, errors: errors.nan_to_num(posinf=0).mul(table).sum(dim=1) / table.sum(dim=1).clamp_min(1)
        ),
        "between a bound and the one before": below(
            lambda table, errors: table.float().mean(dim=1).diff(prepend=torch.zeros(1))
        ),
        "one number for each error": lambda errors, bounds: errors.sort().values.cumsum(0) / len(errors),
        "it loops over bounds": lambda errors, bounds: torch.stack([(errors <= b).float().mean() for b in bounds]),
        "you called `cumulative_error_distribution`": cumulative_error_distribution,
    },
}
EXERCISES = {
    lesson.check_assigned_loss: "assigned_loss",
    lesson.check_fired_together: "fired_together",
    lesson.check_join_detectors: "join_detectors",
    lesson.check_shrink: "shrink",
    lesson.check_share_below: "share_below",
}


def test_the_merger_in_plain_python_is_right():
    assert lesson.check_join_detectors(joining())


@pytest.mark.parametrize("threshold", [0.5, 2.0])
def test_shrinking_is_nearest_in_spectrum_and_distance(threshold):
    """It is the least of half the squared distance and the threshold times the sum of singular values."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(6, 5, generator=generator, dtype=torch.float64)

    def cost(other: Tensor) -> float:
        return float((other - matrix).square().sum() / 2 + threshold * torch.linalg.svdvals(other).sum())

    least = cost(shrink(matrix, threshold))
    for _ in range(50):
        step = 0.05 * torch.randn(6, 5, generator=generator, dtype=torch.float64)
        assert cost(shrink(matrix, threshold) + step) > least


def test_shares_are_numpy_s():
    errors, bounds = torch.tensor([1.0, 2.0, torch.inf]), torch.tensor([0.5, 2.0])
    wanted = [(errors.numpy() <= bound).mean() for bound in bounds.tolist()]
    np.testing.assert_allclose(share_below(errors, bounds), wanted, rtol=1e-6)
