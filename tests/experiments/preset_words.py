"""Settings of presets as papers and tests call them."""

from __future__ import annotations


def by_last_word(settings: dict[str, object]) -> dict[str, object]:
    """Settings by the last word of their full name, which has to be one setting's alone."""
    words = {name.rpartition(".")[2]: value for name, value in settings.items()}
    assert len(words) == len(settings)
    return words
