"""Unsupervised landmarks against annotated ones: a linear map, its error, and signs of collapse.

A detector finds its own landmarks; how much they know of a face shows in how well a linear map without bias, learnt
from few annotated images, takes them to eyes, nose and mouth (Thewlis et al. 2017, section 4.3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_alike, require_integer, require_number, require_tensor
from tusklite.precision import widen


class LandmarkRegressor:
    """Linear map y = W x, without bias, from landmarks to annotated points (Thewlis et al. 2017, section 4.3).

    The paper trains W as a layer, by gradient descent on warped images. Here W is the least-squares solution: it
    minimises the sum over images of weight |y - W x|², plus penalty |W|²; warped copies of images count as images.
    Where images are fewer than coordinates, it is the smallest W that fits them (with `ridge`, nearly fits).

    Args:
        ridge: the penalty, at least 0, relative to the mean over coordinates of sum of weight x²: so it means the same
            for any unit and any number of images. It damps directions in which the landmarks hardly move.

    Attributes:
        coef_: `(2 P, 2 K)` float64 W on the CPU, once fitted: row 2 p is the x of point p, row 2 p + 1 its y, and the
            columns follow the landmarks likewise.

    Raises:
        TypeError, ValueError: `ridge` is no finite number of at least 0.

    Example:
        >>> landmarks = torch.rand(20, 3, 2, generator=torch.Generator().manual_seed(0))
        >>> midpoint = landmarks[:, :2].mean(dim=1, keepdim=True)
        >>> regressor = LandmarkRegressor(ridge=0).fit(landmarks, midpoint)
        >>> torch.allclose(regressor.predict(landmarks), midpoint)
        True
        >>> regressor.landmark_shares()
        tensor([[0.5000, 0.5000, 0.0000]], dtype=torch.float64)
    """

    coef_: Tensor

    def __init__(self, ridge: float = 1e-4) -> None:
        self.ridge = require_number("ridge", ridge)

    def fit(self, landmarks: Tensor, points: Tensor, sample_weight: Tensor | None = None) -> LandmarkRegressor:
        """Learn W from annotated images, one is enough.

        Args:
            landmarks: `(N, K, 2)` unsupervised landmarks, in [-1, 1]: without bias, the origin is best amid the face.
            points: `(N, P, 2)` annotated points of the same images, in [-1, 1].
            sample_weight: `(N,)` how much each image counts, at least 0 and not all 0; None: all the same.

        Returns:
            The regressor itself.

        Raises:
            TypeError, ValueError: not floating-point tensors of these shapes, or a sample weight out of range.

        Example:
            >>> regressor = LandmarkRegressor().fit(torch.rand(1, 10, 2), torch.rand(1, 5, 2))
            >>> regressor.coef_.shape
            torch.Size([10, 20])
        """
        require_tensor("landmarks", landmarks, ("N", "K", 2))
        require_tensor("points", points, (len(landmarks), "P", 2))
        x = landmarks.detach().cpu().double().flatten(1)  # (N, 2 K)
        y = points.detach().cpu().double().flatten(1)  # (N, 2 P)
        if sample_weight is not None:
            require_tensor("sample_weight", sample_weight, (len(landmarks),))
            if sample_weight.min() < 0 or sample_weight.max() == 0:
                span = f"{sample_weight.min():g} to {sample_weight.max():g}"
                allowed = "numbers of at least 0, not all of them 0"
                raise ValueError(f"sample_weight: {span} were given; allowed are {allowed}")
            root = sample_weight.detach().cpu().double().sqrt().unsqueeze(1)  # (N, 1)
            x, y = root * x, root * y
        # The penalty as further rows: unlike the normal equations, this does not square the condition number.
        penalty = self.ridge * (x**2).sum(dim=0).mean()
        x = torch.cat([x, penalty.sqrt() * torch.eye(x.shape[1], dtype=x.dtype)])
        y = torch.cat([y, y.new_zeros(x.shape[1], y.shape[1])])
        self.coef_ = torch.linalg.lstsq(x, y, driver="gelsd").solution.T.contiguous()  # gelsd: smallest solution
        return self

    def predict(self, landmarks: Tensor) -> Tensor:
        """Return where the annotated points should be.

        Args:
            landmarks: `(N, K, 2)` unsupervised landmarks, in the unit and from the origin of those in `fit`.

        Returns:
            `(N, P, 2)` points, on the device of `landmarks` and in their type, but float32 for half precision.

        Raises:
            RuntimeError: not fitted.
            TypeError, ValueError: not a floating-point tensor of this shape, with the K of `fit`.

        Example:
            >>> one = torch.tensor([[[0.5, 0.0]]])
            >>> torch.allclose(LandmarkRegressor(ridge=0).fit(one, 2 * one).predict(-one), -2 * one)
            True
        """
        coef = self._fitted()
        require_tensor("landmarks", landmarks, ("N", coef.shape[1] // 2, 2))
        (wide,) = widen(landmarks)
        return (wide.flatten(1) @ coef.T.to(wide)).unflatten(1, (-1, 2))

    def landmark_shares(self, drop: float = 0.2) -> Tensor:
        """Return how much each annotated point draws on each landmark (Thewlis et al. 2017, figure 7).

        For a point and a landmark, four weights lead from two coordinates to two. Their absolute values are added and
        divided by the sum over landmarks; then shares below `drop` are removed, and the rest stay as they are.

        Args:
            drop: shares below it become 0, in [0, 1]; the paper's is 0.2. A point that draws on many landmarks a little
                may keep none.

        Returns:
            `(P, K)` float64 shares; each row sums to 1 before the removal, to at most 1 after it.

        Raises:
            RuntimeError: not fitted.
            TypeError, ValueError: `drop` is no number in [0, 1].

        Example:
            >>> regressor = LandmarkRegressor()
            >>> regressor.coef_ = torch.tensor([[5.0, 1.0, 1.0, 0.0], [1.0, 2.0, 0.0, 0.0]])
            >>> regressor.landmark_shares(drop=0), regressor.landmark_shares()
            (tensor([[0.9000, 0.1000]]), tensor([[0.9000, 0.0000]]))
        """
        drop = require_number("drop", drop, high=1.0)
        contributions = self._fitted().abs().unflatten(1, (-1, 2)).unflatten(0, (-1, 2)).sum(dim=(1, 3))  # (P, K)
        shares = F.normalize(contributions, p=1, dim=1)
        return shares.where(shares >= drop, 0.0)

    def _fitted(self) -> Tensor:
        if not hasattr(self, "coef_"):
            raise RuntimeError("LandmarkRegressor: not fitted; call fit(landmarks, points) first")
        return self.coef_


def normalized_mean_error(
    predicted: Tensor, truth: Tensor, left_eye: int = 0, right_eye: int = 1, per_image: bool = False
) -> Tensor:
    """Mean distance from predicted to true points, over the distance between the true eyes of the same image.

    Args:
        predicted: `(N, P, 2)` points, in any unit.
        truth: `(N, P, 2)` the annotated points, in the same unit.
        left_eye: which of the P points is one eye (centre or outer corner, as the benchmark has it).
        right_eye: which one is the other.
        per_image: return the error of each image instead of their mean.

    Returns:
        A scalar, a fraction of the inter-ocular distance: 0.1 is what the papers print as 10. With `per_image`, `(N,)`.

    Raises:
        TypeError, ValueError: not floating-point tensors of these shapes, of one type and on one device; eyes that are
            no two of the P points, or an image whose eyes lie on one spot.

    Example:
        >>> truth = torch.tensor([[[-2.0, 0.0], [2.0, 0.0], [0.0, 3.0]]])
        >>> normalized_mean_error(truth + torch.tensor([0.0, 1.0]), truth)
        tensor(0.2500)
    """
    require_tensor("truth", truth, ("N", "P", 2))
    require_tensor("predicted", predicted, tuple(truth.shape))
    require_alike("truth", truth, predicted=predicted)
    truth, predicted = widen(truth, predicted)
    left_eye = require_integer("left_eye", left_eye, low=0, high=truth.shape[1] - 1)
    right_eye = require_integer("right_eye", right_eye, low=0, high=truth.shape[1] - 1)
    if left_eye == right_eye:
        raise ValueError(f"right_eye: {right_eye} was given, as for left_eye; allowed is another point")
    interocular = (truth[:, left_eye] - truth[:, right_eye]).norm(dim=1)  # (N,)
    if (interocular == 0).any():
        images = (interocular == 0).nonzero().flatten().tolist()
        raise ValueError(f"truth: the eyes of images {images} lie on one spot; allowed are eyes apart from each other")
    errors = (predicted - truth).norm(dim=2).mean(dim=1) / interocular  # (N,)
    return errors if per_image else errors.mean()


def nearest_landmark_distance(points: Tensor) -> Tensor:
    """Mean distance from each landmark to the nearest other one: near 0 when landmarks have collapsed into pairs.

    Args:
        points: `(B, K, 2)` landmarks of B images, K at least 2.

    Returns:
        `(B,)` at least 0, in the unit of the points.

    Raises:
        TypeError, ValueError: not a floating-point tensor of this shape, or a single landmark.

    Example:
        >>> nearest_landmark_distance(torch.tensor([[[0.0, 0.0], [0.0, 1.0], [0.0, 3.0]]]))
        tensor([1.3333])
    """
    require_tensor("points", points, ("B", "K", 2))
    if points.shape[1] < 2:
        raise ValueError(f"points: shape {tuple(points.shape)} was given; allowed are at least 2 landmarks")
    (points,) = widen(points)
    distances = (points.unsqueeze(2) - points.unsqueeze(1)).norm(dim=3)  # (B, K, K)
    itself = torch.eye(points.shape[1], dtype=torch.bool, device=points.device)
    return distances.masked_fill(itself, torch.inf).amin(dim=2).mean(dim=1)


def landmark_spread(points: Tensor) -> Tensor:
    """Mean over landmarks of how far they stray from their average place: near 0 for a static grid.

    For one landmark it is the square root of its summed variances in x and y over the images.

    Args:
        points: `(B, K, 2)` landmarks of B images, B at least 2.

    Returns:
        A scalar of at least 0, in the unit of the points.

    Raises:
        TypeError, ValueError: not a floating-point tensor of this shape, or a single image.

    Example:
        >>> still, moving = torch.zeros(2, 1, 2), torch.tensor([[[-3.0, 4.0]], [[3.0, -4.0]]])
        >>> landmark_spread(torch.cat([still, moving], dim=1))
        tensor(2.5000)
    """
    require_tensor("points", points, ("B", "K", 2))
    if len(points) < 2:
        raise ValueError(f"points: shape {tuple(points.shape)} was given; allowed are at least 2 images")
    (points,) = widen(points)
    return points.var(dim=0, correction=0).sum(dim=-1).sqrt().mean()
