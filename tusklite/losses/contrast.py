"""Losses that tell a keypoint apart from its neighbours by what it looks like: beyond the paper."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_alike, require_flags, require_number, require_tensor
from tusklite.precision import widen

NEVER = -1e4  # a logit that takes no share


def keypoint_contrast_loss(descriptors: Tensor, partners: Tensor, shown: Tensor, temperature: float = 0.1) -> Tensor:
    """Pick a keypoint's own partner among the partners of its image, by cross-entropy of scaled cosines.

    Only keypoints of the same image are its rivals: the eyes of two faces may look alike.

    Args:
        descriptors: `(B, K, C)` of unit length, of the K keypoints of each image.
        partners: `(B, K, C)` of unit length, of the same points in another view.
        shown: `(B, K)` bool: the other view shows the point. Other points are neither asked for nor rivals.
        temperature: divides the cosines.

    Returns:
        A scalar in nats, at least 0; 0 where nothing is shown.

    Raises:
        TypeError, ValueError: not tensors of these shapes and types, not on one device, or a temperature that is not
            above 0.

    Example:
        >>> own = torch.eye(3).unsqueeze(0)
        >>> keypoint_contrast_loss(own, own, torch.ones(1, 3, dtype=torch.bool)) < 1e-3
        tensor(True)
        >>> alike = torch.ones(1, 2, 1)
        >>> keypoint_contrast_loss(alike, alike, torch.ones(1, 2, dtype=torch.bool))
        tensor(0.6931)
    """
    require_tensor("descriptors", descriptors, ("B", "K", "C"), finite=False)
    require_tensor("partners", partners, tuple(descriptors.shape), finite=False)
    require_alike("descriptors", descriptors, partners=partners)
    require_flags("shown", shown, descriptors.shape[:2], descriptors.device)
    temperature = require_number("temperature", temperature, open_low=True)
    descriptors, partners = widen(descriptors, partners)
    logits = descriptors @ partners.transpose(1, 2) / temperature  # (B, K, K)
    logits = logits.masked_fill(~shown.unsqueeze(1), NEVER)
    itself = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    missed = F.cross_entropy(logits.transpose(1, 2), itself, reduction="none")  # (B, K)
    return torch.where(shown, missed, 0).sum() / shown.sum().clamp_min(1)
