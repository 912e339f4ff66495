"""The lesson "MNIST-Hard": its figures."""

from __future__ import annotations

from tusklite.course.mnist_hard.figures import bar_comparison, confusion, crop_gallery, prototype_gallery

__all__ = ["bar_comparison", "confusion", "crop_gallery", "prototype_gallery"]
