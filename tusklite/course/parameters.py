"""What a lesson's parameters cell leaves open: the profile by the environment, and what follows from it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tusklite.arguments import require_choice, require_integer

VARIABLE = "TUSKLITE_PROFILE"


def choose_profile(profile: str | None, *allowed: str) -> str:
    """The profile that a lesson runs by.

    Args:
        profile: its name; None takes what `$TUSKLITE_PROFILE` says, else "lite".
        allowed: those that the lesson knows.

    Raises:
        ValueError: another one; the message says whether it came from the environment.

    Example:
        >>> choose_profile("ci", "ci", "lite")
        'ci'
        >>> choose_profile("cl", "ci", "lite")
        Traceback (most recent call last):
        ...
        ValueError: profile: 'cl' was given; allowed are 'ci', 'lite'
    """
    if profile is not None:
        return require_choice("profile", profile, allowed)
    return require_choice(VARIABLE, os.environ.get(VARIABLE) or "lite", allowed)


def require_seed(seed: object) -> int:
    """The seed that a lesson draws by, a whole number from 0 to 4,294,967,295.

    Raises:
        TypeError, ValueError: something else.

    Example:
        >>> require_seed(3)
        3
    """
    return require_integer("seed", seed, low=0, high=2**32 - 1)


def chosen(given: Sequence[object], otherwise: Sequence[object]) -> tuple[object, ...]:
    """Each value that is given, and the other one where None is.

    Example:
        >>> chosen((None, 0), (200, 25))
        (200, 0)
    """
    return tuple(other if value is None else value for value, other in zip(given, otherwise, strict=True))
