"""tusklite: unsupervised keypoints, built piece by piece. Import the room you need: `from tusklite import geometry`."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
