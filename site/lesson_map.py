"""The map of lessons as a drawing: an arrow leads from a lesson to one that builds on it."""

from __future__ import annotations

import html

import teaching

WIDTH, HEIGHT = 190, 46  # of a box
ACROSS, DOWN = 206, 82  # from one box to the next, and from one row to the next


def rows() -> dict[str, int]:
    """The row of each lesson: below all that it needs, and no higher above what needs it than it has to be.

    Example:
        >>> rows()["01"], rows()["02"]
        (0, 1)
    """
    every = teaching.lessons()
    found: dict[str, int] = {}
    for number, lesson in every.items():
        found[number] = max((found[needed] + 1 for needed in lesson.needs), default=0)
    for number in reversed(every):
        later = [found[other] for other, lesson in every.items() if number in lesson.needs]
        found[number] = min(later) - 1 if later else found[number]
    return found


def places() -> dict[str, tuple[int, int]]:
    """Where each lesson's box has its upper left corner; one that is alone in its row stands below what it needs."""
    found: dict[str, tuple[int, int]] = {}
    by_row: dict[int, list[str]] = {}
    for number, row in rows().items():
        by_row.setdefault(row, []).append(number)
    for row, numbers in sorted(by_row.items()):
        needs = [found[needed][0] for needed, number in teaching.arrows() if number == numbers[0] and needed in found]
        for slot, number in enumerate(numbers):
            x = sum(needs) // len(needs) if len(numbers) == 1 and needs else 2 + ACROSS * slot
            found[number] = (x, 2 + DOWN * row)
    return found


def lines(words: str, longest: int = 21) -> list[str]:
    """Words in lines that fit a box.

    Example:
        >>> lines("06 When one channel is not enough")
        ['06 When one channel', 'is not enough']
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
    wide = max(x for x, _ in where.values()) + WIDTH + 2
    high = max(y for _, y in where.values()) + HEIGHT + 2
    parts = [
        f'<svg class="lesson-map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" role="group" aria-label="Map of the lessons">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="currentColor"/></marker></defs>',
    ]
    for needed, number in teaching.arrows():
        (x, y), (u, v) = where[needed], where[number]
        x, y, u = x + WIDTH // 2, y + HEIGHT, u + WIDTH // 2
        bend = (v - y) // 2
        parts.append(
            f'<path d="M{x} {y}C{x} {y + bend} {u} {v - bend} {u} {v}" fill="none" stroke="currentColor" '
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
