"""The codebook: M prototypes, read as the modes of a Gaussian mixture (Jin et al. 2022, section 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import (
    looks_at_values,
    require_alike,
    require_choice,
    require_integer,
    require_number,
    require_tensor,
)
from tusklite.precision import at_least_single, widen

# How mixture weights follow the descriptors: what each prototype wins, or that smoothed as in the authors' code.
MIXTURE_SHARES = ("counts", "smoothed")


class Prototypes(nn.Module):
    """M cluster centres on the unit sphere, with mixture weights and one spread for all.

    Only `means` are learnt by gradient. The mixture weights follow how many descriptors each prototype wins, the spread
    is given: the paper leaves both open, the authors' code does it so.

    Args:
        count: M, the number of prototypes.
        channels: C, the length of a descriptor.
        spread: standard deviation of each mode along each channel.
        generator: draws the first means uniformly on the sphere; the global generator where None.

    Raises:
        TypeError, ValueError: sizes that are no positive integers, or a negative spread.

    Example:
        >>> prototypes = Prototypes(count=3, channels=2, generator=torch.Generator().manual_seed(0))
        >>> torch.allclose(prototypes.means.norm(dim=1), torch.ones(3))
        True
    """

    weights: Tensor

    def __init__(
        self, count: int, channels: int, spread: float = 0.02, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        count = require_integer("count", count, low=1)
        channels = require_integer("channels", channels, low=1)
        self.spread = require_number("spread", spread)
        self.means = nn.Parameter(F.normalize(torch.randn(count, channels, generator=generator), dim=1))
        self.register_buffer("weights", torch.full((count,), 1 / count))

    def soft_assign(self, descriptors: Tensor, inverse_temperature: float, moves_prototypes: bool = False) -> Tensor:
        """Chances `(..., M)` that descriptors `(..., C)` belong to each prototype: a softmax of the scaled cosine.

        The gradient reaches the descriptors alone: prototypes are moved by the transport term, in steps of their own.
        With `moves_prototypes`, beyond the paper, it reaches the means too.

        Raises:
            TypeError, ValueError: descriptors of another length, type or device than the prototypes, or an inverse
                temperature that is not above 0.

        Example:
            >>> prototypes = Prototypes(2, 2)
            >>> prototypes.restart(torch.eye(2))
            >>> prototypes.soft_assign(torch.tensor([[0.6, 0.8]]), inverse_temperature=10.0)
            tensor([[0.1192, 0.8808]])
        """
        self._require_descriptors(descriptors)
        inverse_temperature = require_number("inverse_temperature", inverse_temperature, open_low=True)
        wide, means = widen(descriptors, self.means if moves_prototypes else self.means.detach())
        chances = (inverse_temperature * (wide @ F.normalize(means, dim=1).T)).softmax(dim=-1)
        return chances.to(descriptors.dtype)

    @torch.no_grad()
    def assign(self, descriptors: Tensor) -> Tensor:
        """The nearest prototype of each descriptor: `(..., C)` of unit length to `(...)` integers from 0 to M - 1.

        Raises:
            TypeError, ValueError: descriptors of another length, type or device than the prototypes.

        Example:
            >>> prototypes = Prototypes(2, 2)
            >>> prototypes.restart(torch.eye(2))
            >>> prototypes.assign(torch.tensor([[0.6, 0.8], [1.0, 0.0]]))
            tensor([1, 0])
        """
        self._require_descriptors(descriptors)
        wide, means = widen(descriptors, self.means)
        return (wide @ F.normalize(means, dim=1).T).argmax(dim=-1)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n descriptors of unit length from the mixture, each mode as often as its weight says.

        The counts are not random. Each mode gets its share of n rounded down, and what is left goes to the modes with
        the largest remainders, so that the sample's proportions are as close to the weights as whole numbers allow (the
        authors' code leaves all of it to the last mode). The gradient reaches the means.

        Args:
            n: how many, at least 1.
            generator: draws the spread; a CPU generator gives the same numbers on every device.

        Returns:
            `(n, C)`, modes in order.

        Raises:
            TypeError, ValueError: n is no positive integer.

        Example:
            >>> prototypes = Prototypes(2, 2, spread=0.0)
            >>> prototypes.restart(torch.eye(2), weights=torch.tensor([0.7, 0.3]))
            >>> prototypes.sample(3).detach()
            tensor([[1., 0.],
                    [1., 0.],
                    [0., 1.]])
        """
        n = require_integer("n", n, low=1)
        (means,) = widen(self.means)
        means = F.normalize(means, dim=1).repeat_interleave(whole_shares(self.weights, n), dim=0, output_size=n)
        noise = torch.randn(means.shape, generator=generator, device=generator.device if generator else None)
        return F.normalize(means + self.spread * noise.to(means), dim=1).to(self.means.dtype)

    @torch.no_grad()
    def count(self, descriptors: Tensor, momentum: float = 0.0, shares: str = "counts") -> Tensor:
        """Move the mixture weights towards the share of descriptors `(N, C)` that each prototype should get.

        Args:
            descriptors: `(N, C)` of unit length.
            momentum: how much of the old weights stays, from 0 (none) to 1.
            shares: "counts", what each prototype wins, or "smoothed" (see `smoothed_shares`), by which a prototype that
                wins nothing is given something all the same.

        Returns:
            `(M,)` how many descriptors each prototype won.

        Raises:
            TypeError, ValueError: another shape, type or device, none at all, NaN, a momentum out of range, or other
                shares.

        Example:
            >>> prototypes = Prototypes(2, 2)
            >>> prototypes.restart(torch.eye(2))
            >>> prototypes.count(torch.eye(2)[[0, 0, 0, 1]])
            tensor([3, 1])
            >>> prototypes.weights
            tensor([0.7500, 0.2500])
        """
        require_tensor("descriptors", descriptors, ("N", self.means.shape[1]))
        momentum = require_number("momentum", momentum, high=1.0)
        require_choice("shares", shares, MIXTURE_SHARES)
        assignment = self.assign(descriptors)
        won = count_won(assignment, len(self.weights))
        if shares == "smoothed":
            towards = smoothed_shares(descriptors, self.means, assignment)
        else:
            towards = won.to(at_least_single(self.weights.dtype)) / won.sum()
        self.weights.lerp_(towards.to(self.weights), 1 - momentum)
        return won

    @torch.no_grad()
    def restart(self, means: Tensor, weights: Tensor | None = None) -> None:
        """Put the prototypes at the directions of `means` `(M, C)`, with mixture `weights` `(M,)` (equal where None).

        Raises:
            TypeError, ValueError: another shape, type or device, NaN, or weights that are negative or all 0.

        Example:
            >>> prototypes = Prototypes(2, 2)
            >>> prototypes.restart(torch.tensor([[2.0, 0.0], [0.0, 5.0]]))
            >>> prototypes.means.detach()
            tensor([[1., 0.],
                    [0., 1.]])
        """
        require_tensor("means", means, tuple(self.means.shape))
        require_alike("the prototypes", self.means, means=means)
        self.means.copy_(F.normalize(means, dim=1))
        if weights is None:
            self.weights.fill_(1 / len(self.weights))
        else:
            require_tensor("weights", weights, tuple(self.weights.shape))
            require_alike("the prototypes", self.means, weights=weights)
            if weights.min() < 0 or weights.max() == 0:
                raise ValueError("weights: negative or all 0 were given; allowed are shares of at least 0")
            self.weights.copy_(weights / weights.sum())

    @torch.no_grad()
    def project_to_sphere(self) -> None:
        """Give every mean length 1 again, as after each step of the optimiser that moves them."""
        self.means.copy_(F.normalize(self.means, dim=1))

    def _require_descriptors(self, descriptors: Tensor) -> None:
        channels = self.means.shape[1]
        if not isinstance(descriptors, Tensor):
            raise TypeError(f"descriptors: {type(descriptors).__name__} was given; allowed is a torch.Tensor")
        if descriptors.shape[-1:] != (channels,):
            raise ValueError(
                f"descriptors: shape {tuple(descriptors.shape)} was given; allowed is (..., {channels}), "
                "the length of a prototype"
            )
        require_alike("the prototypes", self.means, descriptors=descriptors)


@torch.no_grad()
def smoothed_shares(descriptors: Tensor, means: Tensor, assignment: Tensor) -> Tensor:
    """Shares of the mixture that leave no prototype with nothing (Jin et al. 2022, section 3.3).

    They are in the authors' code; the paper does not mention them, and without them the published losses collapse.
    Counts n_m are smoothed by adding one number to each: the share of m is in proportion to n_m + N (0.01 + V). V is
    the variance, over prototypes, of the mean squared difference (per channel) between a prototype and its descriptors,
    taken as 1 where it has none. The dead make V large, so that each of them is given samples too, and transport pulls
    it onto the descriptors.

    Args:
        descriptors: `(N, C)` of unit length.
        means: `(M, C)` the prototypes.
        assignment: `(N,)` integers from 0 to M - 1, the prototype that each descriptor goes to.

    Returns:
        `(M,)` above 0, summing to 1, in at least float32.

    Raises:
        TypeError, ValueError: other shapes, types or devices, none at all, NaN, or an assignment out of range.

    Example:
        >>> points = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> smoothed_shares(points, torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1, 1]))
        tensor([0.5000, 0.5000])
        >>> smoothed_shares(points, torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([0, 0, 0, 0]))
        tensor([0.9367, 0.0633])
    """
    require_tensor("descriptors", descriptors, ("N", "C"))
    require_tensor("means", means, ("M", descriptors.shape[1]))
    require_alike("descriptors", descriptors, means=means)
    if not isinstance(assignment, Tensor) or assignment.dtype != torch.int64:
        raise TypeError("assignment: no int64 tensor was given; allowed is one prototype for each descriptor")
    if assignment.shape != descriptors.shape[:1]:
        raise ValueError(f"assignment: shape {tuple(assignment.shape)} was given; allowed is ({len(descriptors)},)")
    if looks_at_values() and (assignment.min() < 0 or assignment.max() >= len(means)):
        span = f"{int(assignment.min())} to {int(assignment.max())}"
        raise ValueError(f"assignment: {span} was given; allowed is 0 to {len(means) - 1}")
    descriptors, means = widen(descriptors, means)
    won = count_won(assignment, len(means)).to(descriptors)
    squared = (descriptors - means[assignment]).square().mean(dim=1)
    within = torch.zeros_like(won).index_add_(0, assignment, squared)
    within = torch.where(won > 0, within / won.clamp_min(1), 1.0)
    smoothed = won + len(descriptors) * (0.01 + within.var(correction=0))
    return smoothed / smoothed.sum()


def count_won(assignment: Tensor, count: int) -> Tensor:
    """How many of the assignments (N,) go to each of `count` prototypes: int64 (count,).

    It is `bincount`, but for the look at the largest assignment, for which a GPU's host would wait.

    Example:
        >>> count_won(torch.tensor([0, 2, 2]), 4)
        tensor([1, 0, 2, 0])
    """
    return assignment.new_zeros(count).scatter_add_(0, assignment, torch.ones_like(assignment))


def whole_shares(weights: Tensor, n: int) -> Tensor:
    """Split n into whole numbers in proportion to `weights` `(M,)`, by the largest remainders; ties go to the first.

    The weights may be counts.

    Raises:
        TypeError, ValueError: another shape, NaN, shares that are negative or all 0, or n below 0.

    Example:
        >>> whole_shares(torch.tensor([0.5, 0.25, 0.25]), 7)
        tensor([3, 2, 2])
    """
    n = require_integer("n", n, low=0)
    weights = torch.as_tensor(weights)
    # In float64, which mps has not.
    shared = require_tensor("weights", (weights.cpu() if weights.device.type == "mps" else weights).double(), ("M",))
    if looks_at_values() and (shared.min() < 0 or shared.max() == 0):
        raise ValueError("weights: negative or all 0 were given; allowed are shares of at least 0")
    exact = shared / shared.sum() * n
    shares = exact.floor().long()
    rank = (exact - shares).argsort(descending=True, stable=True).argsort()
    return (shares + (rank < n - shares.sum())).to(weights.device)


def spherical_kmeans(
    descriptors: Tensor, count: int, generator: torch.Generator | None = None, iterations: int = 20
) -> Tensor:
    """Cluster directions: k-means++ seeds, then means of cosine clusters. An initialiser for `Prototypes`.

    Args:
        descriptors: `(N, C)` of unit length.
        count: M, from 1 to N.
        generator: a CPU generator for the seeds.
        iterations: how often to assign and average.

    Returns:
        `(M, C)` means of unit length. A cluster that runs empty, or whose members cancel out, takes the descriptor that
        fits its own mean worst.

    Raises:
        TypeError, ValueError: wrong shape, more prototypes than descriptors, or iterations below 0.

    Example:
        >>> points = F.normalize(torch.tensor([[1.0, 0.1], [1.0, -0.1], [-0.1, 1.0], [0.1, 1.0]]), dim=1)
        >>> means = spherical_kmeans(points, 2, torch.Generator().manual_seed(0))
        >>> sorted(means.abs().round().tolist())
        [[0.0, 1.0], [1.0, 0.0]]
    """
    require_tensor("descriptors", descriptors, ("N", "C"))
    count = require_integer("count", count, low=1, high=len(descriptors))
    iterations = require_integer("iterations", iterations, low=0)
    given = descriptors.dtype
    (descriptors,) = widen(descriptors)
    means = _plus_plus_seeds(descriptors, count, generator)
    for _ in range(iterations):
        similarity, nearest = (descriptors @ means.T).max(dim=1)
        sums = torch.zeros_like(means).index_add_(0, nearest, descriptors)
        empty = ~sums.any(dim=1)
        if empty.any():
            sums[empty] = descriptors[similarity.argsort()[: int(empty.sum())]]
        means = F.normalize(sums, dim=1)
    return means.to(given)


def _plus_plus_seeds(descriptors: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """k-means++: each further seed is drawn with a chance in proportion to its squared distance to the nearest one."""
    chosen = [int(torch.randint(len(descriptors), (1,), generator=generator))]
    distance = torch.full((len(descriptors),), float("inf"), device=descriptors.device)
    for _ in range(count - 1):
        distance = torch.minimum(distance, (2 - 2 * descriptors @ descriptors[chosen[-1]]).clamp_min(0))
        cumulative = (distance + 1e-12).cpu().double().cumsum(0)
        draw = torch.rand((), generator=generator, dtype=torch.float64) * float(cumulative[-1])
        chosen.append(min(int(torch.searchsorted(cumulative, draw)), len(descriptors) - 1))
    return descriptors[chosen]
