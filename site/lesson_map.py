"""The map of lessons as a drawing: an arrow leads from a lesson to one that builds on it."""

from __future__ import annotations

import html

import teaching

WIDTH, HEIGHT = 178, 44  # of a box
ACROSS, DOWN = 222, 62  # from one box to the next


def columns() -> dict[str, int]:
    """How many lessons lie before each on its longest way.

    Example:
        >>> columns()["00"], columns()["02"]
        (0, 1)
    """
    found: dict[str, int] = {}
    for number, lesson in teaching.lessons().items():
        found[number] = max((found[needed] + 1 for needed in lesson.needs), default=0)
    return found


def places() -> dict[str, tuple[int, int]]:
    """Where each lesson's box has its upper left corner: its column, in the first row that is free."""
    taken: dict[int, int] = {}
    found = {}
    for number, column in columns().items():
        row = taken.get(column, 0)
        taken[column] = row + 1
        found[number] = (8 + ACROSS * column, 8 + DOWN * row)
    return found


def lines(words: str, longest: int = 22) -> list[str]:
    """Words in lines that fit a box.

    Example:
        >>> lines("06 When one channel is not enough")
        ['06 When one channel is', 'not enough']
    """
    found = [""]
    for word in words.split():
        if found[-1] and len(found[-1]) + 1 + len(word) > longest:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()
    return found


def drawing(to: str = "") -> str:
    """The map as SVG, in the colours of the text around it; each box leads to its lesson.

    Args:
        to: the way from the page to the lessons' folder.
    """
    where, every = places(), teaching.lessons()
    wide = max(x for x, _ in where.values()) + WIDTH + 8
    high = max(y for _, y in where.values()) + HEIGHT + 8
    parts = [
        f'<svg class="lesson-map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" role="group" aria-label="Map of the lessons">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="currentColor"/></marker></defs>',
    ]
    for needed, number in teaching.arrows():
        (x, y), (u, v) = where[needed], where[number]
        x, y, v = x + WIDTH, y + HEIGHT // 2, v + HEIGHT // 2
        bend = (u - x) // 2
        parts.append(
            f'<path d="M{x} {y}C{x + bend} {y} {u - bend} {v} {u} {v}" fill="none" stroke="currentColor" '
            'stroke-width="1.5" marker-end="url(#arrow)"/>'
        )
    for number, (x, y) in where.items():
        title = f"{number} {teaching.short(every[number])}"
        said = lines(title)
        top = y + HEIGHT // 2 + 5 - 8 * (len(said) - 1)
        spans = "".join(
            f'<tspan x="{x + 12}" y="{top + 17 * row}">{html.escape(line)}</tspan>' for row, line in enumerate(said)
        )
        parts.append(
            f'<a href="{to}{every[number].name}.html" aria-label="{html.escape(title)}">'
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/><text>{spans}</text></a>'
        )
    return "".join(parts) + "</svg>"


def figure(to: str = "") -> str:
    """The map for a page in Markdown, in a frame that scrolls where a screen is narrow."""
    return (
        f'<div class="lesson-map-frame" tabindex="0" role="region" aria-label="Map of the lessons">{drawing(to)}</div>'
    )
