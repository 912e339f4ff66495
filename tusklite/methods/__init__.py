"""The systems of the course and their rivals, each a module plus the way it is optimised."""

from __future__ import annotations

__all__ = ["channelwise", "mallis", "slots", "thewlis", "tusk"]
