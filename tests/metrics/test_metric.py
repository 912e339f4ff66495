"""How a figure is written: its number, its unit, its row of a table, and which of two is better."""

from __future__ import annotations

import pytest

from tusklite.metrics.metric import Metric


@pytest.mark.parametrize(
    ("unit", "value", "number", "text", "head"),
    [
        ("share", 0.94471, "94.5", "94.5%", "error %"),
        ("%", 14.5731, "14.57", "14.57%", "error %"),
        ("px", 1.2345, "1.23", "1.23 px", "error px"),
        ("", 0.12345, "0.123", "0.123", "error"),
        ("count", 61.7, "62", "62", "error"),
    ],
)
def test_a_value_is_written_as_its_unit_has_it(unit: str, value: float, number: str, text: str, head: str) -> None:
    metric = Metric("error", "error", unit)
    assert metric.number(value) == number
    assert metric.text(value) == text
    assert metric.head == head
    assert metric.cell([value]) == number


def test_digits_and_heading_can_be_chosen() -> None:
    metric = Metric("both", "both", digits=3, heading="both, in percent")
    assert metric.text(0.5) == "50.000%"
    assert metric.head == "both, in percent"
    assert Metric("both", "both", "px", digits=0).text(2.6) == "3 px"


def test_several_values_are_their_median_with_the_smallest_and_the_largest() -> None:
    metric = Metric("both", "both")
    assert metric.cell([0.9, 0.95, 0.5]) == "90.0 (50.0 to 95.0)"
    assert metric.cell([0.25, 0.75]) == "50.0 (25.0 to 75.0)"


def test_better_is_up_unless_said_otherwise() -> None:
    up, down = Metric("both", "both"), Metric("error", "error", "px", better="down")
    assert (up.is_better(2.0, 1.0), up.is_better(1.0, 2.0), up.is_better(1.0, 1.0)) == (True, False, False)
    assert (down.is_better(2.0, 1.0), down.is_better(1.0, 2.0), down.is_better(1.0, 1.0)) == (False, True, False)


def test_an_unknown_unit_or_direction_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"^unit: 'mm' was given; allowed are 'share', '%', 'px', '', 'count'$"):
        Metric("error", "error", "mm")
    with pytest.raises(ValueError, match=r"^better: 'left' was given; allowed are 'up', 'down'$"):
        Metric("error", "error", better="left")
