"""What keypoints of pictures without labels say of a training, measured, and what to change about it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_integer, require_tensor
from tusklite.metrics.prototype_points import movement

# From where on something is worth a word.
BORDER, EMPTY, ALIKE, STILL, FEW = 0.15, 0.05, 0.5, 0.02, 200
EDGE = 0.05  # of the side: so near to the edge of a picture a keypoint lies on its border
DEAD = 0.1  # of an even share of the keypoints: a prototype with fewer is dead


@dataclass(frozen=True)
class KeypointHealth:
    """What was measured of K keypoints of M prototypes in N pictures.

    Attributes:
        pictures: N.
        keypoints: K.
        border: share of the keypoints that lie within a twentieth of the side of their picture's edge.
        border_expected: the share of a picture's area that is so near to its edge.
        empty: how many of the K slots of a picture are empty, on average.
        prototypes: M.
        dead: how many prototypes have less than a tenth of an even share of the keypoints.
        largest: the largest share of the keypoints that one prototype has.
        movement: how far keypoints are from the nearest one of another picture, in half sides.
    """

    pictures: int
    keypoints: int
    border: float
    border_expected: float
    empty: float
    prototypes: int
    dead: int
    largest: float
    movement: float

    def figures(self) -> dict[str, float]:
        """As a result keeps them: shares in percent."""
        return {
            "border_percent": round(100 * self.border, 2),
            "empty_slots": round(self.empty, 3),
            "dead_prototypes": self.dead,
            "largest_prototype_percent": round(100 * self.largest, 2),
            "movement": round(self.movement, 4),
        }


def measure_health(xy: Tensor, assignment: Tensor, found: Tensor, prototypes: int) -> KeypointHealth:
    """Measure keypoints that nothing is known of but where they are and of which kind.

    Args:
        xy: `(N, K, 2)` in [-1, 1], of N pictures, two or more.
        assignment: int64 `(N, K)`, their prototypes.
        found: bool `(N, K)`, False for empty slots.
        prototypes: M.

    Raises:
        TypeError, ValueError: other shapes or types, or a single picture.

    Example:
        >>> xy = torch.tensor([[[0.0, 0.0], [0.99, 0.0]], [[0.1, 0.0], [0.5, 0.0]]])
        >>> found = torch.tensor([[True, True], [True, False]])
        >>> health = measure_health(xy, torch.zeros(2, 2, dtype=torch.int64), found, prototypes=2)
        >>> round(health.border, 2), health.empty, health.dead, health.largest
        (0.33, 0.5, 1, 1.0)
    """
    require_tensor("xy", xy, ("N", "K", 2))
    prototypes = require_integer("prototypes", prototypes, low=1)
    moved = movement(xy, found)  # which looks at the other arguments
    total = max(1, int(found.sum()))
    on_border = (xy.abs().amax(dim=-1) > 1 - 2 * EDGE) & found
    counts = F.one_hot(assignment[found], prototypes).sum(dim=0) if found.any() else torch.zeros(prototypes)
    return KeypointHealth(
        pictures=len(xy),
        keypoints=xy.shape[1],
        border=int(on_border.sum()) / total,
        border_expected=1 - (1 - 2 * EDGE) ** 2,
        empty=float((~found).sum(dim=1).float().mean()),
        prototypes=prototypes,
        dead=int((counts < DEAD * total / prototypes).sum()),
        largest=float(counts.max()) / total,
        movement=float(moved),
    )


def advise(health: KeypointHealth) -> list[str]:
    """What to change, a line for each thing that stands out; one line that says so where nothing does.

    Settings are called as `--set` wants them.

    Example:
        >>> advise(KeypointHealth(500, 10, 0.05, 0.19, 0.0, 10, 0, 0.2, 0.2))
        ['nothing stands out: look at the pictures that `detect` marks']
    """
    lines = []
    k, m = health.keypoints, health.prototypes
    if health.movement < STILL:
        lines.append(
            f"keypoints hardly move from picture to picture ({health.movement:.3f} of half a side): they look at the "
            "frame, not at what it shows; try more steps, or jitter=0 where colour tells things apart"
        )
    if health.border > BORDER + health.border_expected:
        lines.append(
            f"{health.border:.0%} of the keypoints lie on the border, where {health.border_expected:.0%} of the area "
            f"is: what the pictures share is cut off, or is not in the middle; leave more room around it, or try "
            f"keypoints={max(1, round(k * (1 - health.border)))}"
        )
    if health.empty > EMPTY * k:
        lines.append(
            f"{health.empty:.1f} of {k} slots of a picture stay empty: there are fewer maxima; try "
            f"keypoints={max(1, round(k - health.empty))}, or a smaller window, so that they may be closer together"
        )
    if health.dead:
        lines.append(
            f"{health.dead} of {m} prototypes are of next to no keypoint; try prototypes={max(1, m - health.dead)}, or "
            "more steps"
        )
    if m > 2 and health.largest > ALIKE:
        lines.append(
            f"{health.largest:.0%} of the keypoints are of one prototype: kinds are not told apart; try more steps, or "
            "image_information=0.4"
        )
    if health.pictures < FEW:
        lines.append(
            f"{health.pictures} pictures are few: what they have in common by chance is learnt too; {FEW} or more are "
            "better"
        )
    return lines or ["nothing stands out: look at the pictures that `detect` marks"]
