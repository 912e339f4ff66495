"""The lesson "MNIST-Hard": its figures."""

from __future__ import annotations

from tusklite.course.mnist_hard.figures import confusion

__all__ = ["confusion"]
