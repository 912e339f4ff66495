"""The named configurations: one per experiment and budget, each frozen, and refusing what it does not know."""

from __future__ import annotations

from dataclasses import fields, replace

from tusklite.arguments import require_choice
from tusklite.presets import mnist_hard, thewlis
from tusklite.presets.mnist_hard import DEPARTURES, SHORT_RUN, SceneCounts
from tusklite.presets.preset import Preset
from tusklite.presets.thewlis import DigitCounts, FaceCounts

__all__ = ["DEPARTURES", "PRESETS", "SHORT_RUN", "DigitCounts", "FaceCounts", "Preset", "SceneCounts", "get_preset"]

PRESETS: dict[tuple[str, str], Preset] = {
    (preset.experiment, preset.name): preset for preset in (*mnist_hard.PRESETS, *thewlis.PRESETS)
}


def get_preset(experiment: str, name: str, **overrides: object) -> Preset:
    """A preset by name, with any of its settings changed.

    Args:
        experiment: "mnist-hard", "thewlis-aflw" or "thewlis-digits".
        name: "ci" (a minute), "lite" (minutes on two cores), "paper" (as published) or "full" (as long
            as it takes).
        overrides: settings by name, such as `seed=3` or `steps=500`.

    Returns:
        A `Preset` that lists its overrides.

    Raises:
        ValueError, TypeError: an unknown experiment, preset or setting (the message lists the known ones), or a value
            out of range.

    Example:
        >>> get_preset("mnist-hard", "lite", seed=3).schedule.seed
        3
        >>> get_preset("mnist-hard", "huge")
        Traceback (most recent call last):
        ...
        ValueError: name: 'huge' was given; allowed are 'ci', 'lite', 'paper', 'full'
    """
    require_choice("experiment", experiment, list(dict.fromkeys(known for known, _ in PRESETS)))
    require_choice("name", name, [preset for known, preset in PRESETS if known == experiment])
    preset = PRESETS[experiment, name]
    unknown = sorted(overrides.keys() - preset.settings().keys())
    if unknown:
        raise ValueError(f"overrides: {', '.join(unknown)} was given; allowed are {', '.join(preset.settings())}")
    parts = {}
    for part in ("model", "training", "schedule", "data"):
        value = getattr(preset, part)
        own = {f.name for f in fields(value)} & overrides.keys()
        parts[part] = replace(value, **{name: overrides[name] for name in own})
    changed = {name: value for name, value in overrides.items() if value != preset.settings()[name]}
    return replace(preset, **parts, overrides=changed)
