"""Mutual information between assignments: beyond the paper, what makes clusters mean something within minutes."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.arguments import require_alike, require_flags, require_tensor
from tusklite.precision import widen


def mutual_information_loss(first: Tensor, second: Tensor, mask: Tensor | None = None) -> Tensor:
    """Minus the mutual information of two soft assignments of the same things (as in IIC; Ji et al. 2019).

    The joint distribution over pairs of prototypes is averaged over the things and made symmetric. Its information is
    large when both assignments agree, each is sure of itself, and the prototypes are used evenly; so it cannot be had
    by putting everything into one prototype.

    Args:
        first: `(N, M)` probabilities over M prototypes, rows summing to 1.
        second: `(N, M)` the same things seen otherwise: in another view, or their nearest neighbours.
        mask: `(N,)` bool, False for pairs to leave out; all count where None.

    Returns:
        A scalar in nats, from -ln M (best) to 0.

    Raises:
        TypeError, ValueError: not tensors of these shapes and types, or on one device.

    Example:
        >>> import torch
        >>> mutual_information_loss(torch.eye(4), torch.eye(4))
        tensor(-1.3863)
        >>> mutual_information_loss(torch.full((3, 4), 0.25), torch.full((3, 4), 0.25)).abs() < 1e-6
        tensor(True)
    """
    require_tensor("first", first, ("N", "M"), finite=False)
    require_tensor("second", second, tuple(first.shape), finite=False)
    require_alike("first", first, second=second)
    first, second = widen(first, second)
    if mask is not None:
        first = first * require_flags("mask", mask, first.shape[:1], first.device).unsqueeze(1)
    joint = first.T @ second  # (M, M)
    joint = joint + joint.T
    joint = (joint / joint.sum().clamp_min(1e-12)).clamp_min(1e-12)
    marginal = joint.sum(dim=1)
    return (joint * (marginal.log().unsqueeze(0) + marginal.log().unsqueeze(1) - joint.log())).sum()


def image_information_loss(first: Tensor, second: Tensor, mask: Tensor | None = None) -> Tensor:
    """Minus the mutual information of two assignments inside each image, averaged over images: beyond the paper.

    Over a whole batch, assignments may also tell what kind of picture a keypoint is in (its colours, its light). Inside
    one image only what sets its keypoints apart from each other counts.

    Args:
        first: `(B, K, M)` probabilities over M prototypes of the K keypoints of each image.
        second: `(B, K, M)` the same keypoints seen otherwise.
        mask: `(B, K)` bool, False for pairs to leave out; all count where None. An image without any gives 0.

    Returns:
        A scalar in nats, from -ln min(K, M) (best) to 0.

    Raises:
        TypeError, ValueError: not tensors of these shapes and types, or on one device.

    Example:
        >>> two = torch.eye(2).expand(3, 2, 2)
        >>> image_information_loss(two, two)
        tensor(-0.6931)
        >>> one_kind_an_image = torch.eye(2).unsqueeze(1).expand(2, 5, 2)
        >>> bool(image_information_loss(one_kind_an_image, one_kind_an_image).abs() < 1e-4)
        True
    """
    require_tensor("first", first, ("B", "K", "M"), finite=False)
    require_tensor("second", second, tuple(first.shape), finite=False)
    require_alike("first", first, second=second)
    first, second = widen(first, second)
    if mask is not None:
        first = first * require_flags("mask", mask, first.shape[:2], first.device).unsqueeze(2)
    joint = first.transpose(1, 2) @ second  # (B, M, M)
    joint = joint + joint.transpose(1, 2)
    joint = joint / joint.sum(dim=(1, 2), keepdim=True).clamp_min(1e-9)
    marginal = joint.sum(dim=2)
    independent = marginal.unsqueeze(1) * marginal.unsqueeze(2)
    # An image without pairs is all zeros here, and 0 ln 0 is 0.
    gain = joint * (joint.clamp_min(1e-9).log() - independent.clamp_min(1e-18).log())
    return -gain.sum(dim=(1, 2)).mean()


def distinct_loss(assignment: Tensor) -> Tensor:
    """How much the keypoints of one image share prototypes: beyond the paper, a kind should appear once in an image.

    It is the mean over keypoints of the sum, over the other keypoints of the image, of the chance that both are of one
    prototype. It is a mild assumption in training alone: images with several of a kind can be read all the same.

    Args:
        assignment: `(B, K, M)` probabilities over M prototypes of the K keypoints of each image.

    Returns:
        A scalar from 0 (each keypoint is surely of another prototype) to K - 1.

    Raises:
        TypeError, ValueError: not a floating-point tensor of this shape.

    Example:
        >>> distinct_loss(torch.eye(3).unsqueeze(0)), distinct_loss(torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]))
        (tensor(0.), tensor(1.))
    """
    require_tensor("assignment", assignment, ("B", "K", "M"), finite=False)
    (assignment,) = widen(assignment)
    shared = assignment @ assignment.transpose(1, 2)  # (B, K, K)
    others = 1 - torch.eye(assignment.shape[1], dtype=shared.dtype, device=shared.device)
    return (shared * others).sum(dim=(1, 2)).mean() / assignment.shape[1]
