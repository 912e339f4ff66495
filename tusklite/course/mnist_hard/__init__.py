"""The lesson "MNIST-Hard": its checks and figures."""

from __future__ import annotations

from tusklite.course.mnist_hard.checks import check_name_prototypes, check_share_by_luck, check_train_for
from tusklite.course.mnist_hard.figures import confusion, scores_by_scenes

__all__ = ["check_name_prototypes", "check_share_by_luck", "check_train_for", "confusion", "scores_by_scenes"]
