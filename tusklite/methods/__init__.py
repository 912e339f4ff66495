"""The three systems of the course, each a module plus the way it is optimised."""

from __future__ import annotations

__all__ = ["channelwise", "thewlis", "tusk"]
