"""Settings by name: full or short, typed, plain, and refused with what is known."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.settings import (
    as_json,
    full_name,
    plain,
    read_setting,
    setting_values,
    short_names,
    with_settings,
)


@dataclass(frozen=True)
class Shape:
    """One part."""

    width: int = 8
    rate: float = 0.5
    word: str = "a"
    on: bool = False
    sides: tuple[int, ...] = ()
    length: int | None = None


@dataclass(frozen=True)
class Data:
    """Another part, with a name of the first."""

    width: int = 3
    source: str = "auto"
    names: tuple[str, ...] = field(default_factory=tuple)


PARTS = {"model": Shape(), "data": Data(), "schedule": None}
KNOWN = [
    "model.width", "model.rate", "model.word", "model.on", "model.sides", "model.length",
    "data.width", "data.source", "data.names",
]  # fmt: skip


def test_every_setting_has_a_full_name() -> None:
    assert list(setting_values(PARTS)) == KNOWN
    assert setting_values(PARTS)["data.width"] == 3


@pytest.mark.parametrize("name", KNOWN)
def test_a_full_name_is_itself_and_a_word_of_one_setting_stands_for_it(name: str) -> None:
    assert full_name(name, KNOWN) == name
    if not name.endswith("width"):
        assert full_name(name.rpartition(".")[2], KNOWN) == name


@pytest.mark.parametrize(
    "name", ["witdh", "", ".", "model", "model.", ".rate", "model.source", "schedule.steps", "rate.x"]
)
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"^setting: '.*' was given; allowed are model\.width, model\.rate, .*names$"):
        with_settings(PARTS, {name: 1})


def test_a_word_of_several_settings_is_refused_with_them() -> None:
    with pytest.raises(
        ValueError, match=r"^setting: 'width' was given, which is several; allowed are model\.width, data"
    ):
        with_settings(PARTS, {"width": 1})
    assert with_settings(PARTS, {"data.width": 1})["data"] == Data(width=1)


def test_a_title_is_short_where_that_says_which() -> None:
    assert short_names(["model.rate", "data.width"], KNOWN) == {"model.rate": "rate", "data.width": "data.width"}


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("rate", "fast", "a number"),
        ("rate", True, "a number"),
        ("rate", None, "a number"),
        ("model.width", 2.5, "a whole number"),
        ("model.width", 8.0, "a whole number"),
        ("model.width", True, "a whole number"),
        ("model.width", "8", "a whole number"),
        ("word", 3, "a word"),
        ("on", 1, "True or False"),
        ("on", "maybe", "True or False"),
        ("sides", 3, "a tuple"),
        ("sides", "ab", "a tuple"),
        ("length", "ab", "a whole number or None"),
        ("model.width", np.ones(2, dtype=int), "a whole number"),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_full_name(name: str, value: object, allowed: str) -> None:
    with pytest.raises(TypeError, match=rf"^\w+\.{name.rpartition('.')[2]}: .* was given; allowed is {allowed}$"):
        with_settings(PARTS, {name: value})


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("rate", 2, 2),
        ("rate", np.float32(0.25), 0.25),
        ("rate", torch.tensor(0.5), 0.5),
        ("model.width", np.int64(7), 7),
        ("model.width", np.array(7), 7),
        ("model.width", torch.tensor(7), 7),
        ("on", np.bool_(True), True),
        ("sides", [1, np.int64(2)], (1, 2)),
        ("sides", (), ()),
        ("length", None, None),
        ("length", np.int32(4), 4),
        ("names", ["a"], ("a",)),
    ],
)
def test_values_become_plain_ones(name: str, value: object, becomes: object) -> None:
    part, _, word = full_name(name, KNOWN).partition(".")
    found = getattr(with_settings(PARTS, {name: value})[part], word)
    assert found == becomes
    assert type(found) is type(becomes)


def test_one_setting_given_twice_must_be_one_value() -> None:
    assert with_settings(PARTS, {"rate": 0.1, "model.rate": 0.1})["model"] == Shape(rate=0.1)
    with pytest.raises(ValueError, match=r"^model\.rate: 0\.1 and 0\.2 were given; allowed is one value$"):
        with_settings(PARTS, {"rate": 0.1, "model.rate": 0.2})


def test_what_is_not_given_stays_the_same_object() -> None:
    changed = with_settings(PARTS, {"source": "mnist"})
    assert changed["model"] is PARTS["model"]
    assert changed["schedule"] is None
    assert PARTS["data"].source == "auto"


words = st.from_regex(r"[a-z_][a-z0-9_.]{0,12}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(name=words, value=values)
@settings(max_examples=200)
def test_what_python_writes_is_read_again(name: str, value: object) -> None:
    assert read_setting(f"{name}={value!r}") == (name, value)
    assert read_setting(f" {name} = {value!r} ") == (name, value)


@given(text=st.text())
@settings(max_examples=200)
def test_any_other_text_is_a_word_or_refused(text: str) -> None:
    name, _, rest = text.partition("=")
    if "=" not in text or not name.strip():
        with pytest.raises(ValueError, match=r"^setting: (?s:.)* was given; allowed is name=value$"):
            read_setting(text)
        return
    try:
        value = ast.literal_eval(rest.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = rest.strip()
    assert repr(read_setting(text)) == repr((name.strip(), value))


@pytest.mark.parametrize("value", ["(" * 5000, "[" * 100_000, "-" * 100_000, "1" + "0" * 5000, "9" * 100_000])
def test_a_value_that_no_parser_wants_is_a_word_or_a_number(value: str) -> None:
    name, read = read_setting(f"steps={value}")
    assert name == "steps"
    assert read == value or isinstance(read, int)


@given(value=values)
def test_plain_is_plain_already(value: object) -> None:
    assert plain(plain(value)) == plain(value)


def test_settings_for_a_result_are_nested_by_part() -> None:
    assert as_json(PARTS) == {
        "model": {"width": 8, "rate": 0.5, "word": "a", "on": False, "sides": (), "length": None},
        "data": {"width": 3, "source": "auto", "names": ()},
    }
