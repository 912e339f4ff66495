"""Settings that had other names in files written before: weights and results keep the name of their day."""

from __future__ import annotations

from collections.abc import Mapping

FORMER_NAMES: Mapping[str, str] = {
    "kmeans_scale": "kmeans_inverse_temperature",
    "padding": "padding_mode",
    "sharpness": "inverse_temperature",
}


def with_present_names(settings: Mapping[str, object]) -> dict[str, object]:
    """The same settings under the names of today.

    Raises:
        TypeError: no mapping of names to values.

    Example:
        >>> with_present_names({"width": 16, "padding": "zeros"})
        {'width': 16, 'padding_mode': 'zeros'}
    """
    if not isinstance(settings, Mapping):
        raise TypeError(f"settings: {type(settings).__name__} was given; allowed is a mapping of names to values")
    return {FORMER_NAMES.get(name, name): value for name, value in settings.items()}
