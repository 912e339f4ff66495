"""Checks at the public edge: what is finite passes, however large; NumPy's numbers become plain."""

from __future__ import annotations

import contextlib
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tusklite.arguments import (
    looks_at_values,
    require_alike,
    require_flags,
    require_integer,
    require_number,
    require_seed,
    require_tensor,
    values_known,
)


def test_finite_values_pass_though_their_sum_overflows() -> None:
    large = torch.full((4,), 3e38)
    assert require_tensor("values", large, ("N",)) is large
    half = torch.full((4,), 6e4, dtype=torch.float16)
    assert require_tensor("values", half, ("N",)) is half


@pytest.mark.parametrize("values", [[1.0, float("nan")], [float("inf"), 0.0], [float("inf"), -float("inf")]])
def test_values_that_are_not_finite_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^values: NaN or infinite values were given"):
        require_tensor("values", torch.tensor(values), ("N",))


@given(value=st.integers(-(2**31), 2**31 - 1))
def test_integers_of_every_kind_become_plain(value: int) -> None:
    for kind in (int, np.int32, np.int64):
        found = require_integer("count", kind(value), low=-(2**31))
        assert found == value
        assert type(found) is int


@given(value=st.floats(-1e6, 1e6, width=32))
def test_numbers_of_every_kind_become_plain(value: float) -> None:
    for kind in (float, np.float32, np.float64):
        found = require_number("weight", kind(value), low=-1e6)
        assert found == value
        assert type(found) is float
    for whole in (np.int64(3), np.uint8(3), 3, Fraction(3), np.float16(3)):
        assert type(require_number("weight", whole)) is float


@pytest.mark.parametrize("value", [True, np.bool_(True), 3.0, np.float64(3), "3", None, torch.tensor(3)])
def test_what_is_no_integer_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"^count: .* was given; allowed is an integer$"):
        require_integer("count", value, low=0)


@pytest.mark.parametrize("value", [True, np.bool_(False), "3", None, 1j, torch.tensor(3.0)])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"^weight: .* was given; allowed is a number$"):
        require_number("weight", value)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (-1, "-1 was given; allowed is an integer of at least 0"),
        (2**63, f"{2**63} was given; allowed is an integer from 0 to {2**63 - 1}"),
        (10**40, f"{10**40} was given; allowed is an integer from 0 to {2**63 - 1}"),
        (np.uint64(2**63), f"{2**63} was given; allowed is an integer from 0 to {2**63 - 1}"),
    ],
)
def test_an_integer_that_torch_cannot_hold_is_refused(value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=rf"^count: {complaint}$"):
        require_integer("count", value, low=0)


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), float("inf"), -float("inf"), float("nan"), np.float16("inf"), np.float32("nan")]
)
def test_numbers_beyond_all_floats_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^weight: .* was given; allowed is a finite number of at least -inf$"):
        require_number("weight", value, low=-float("inf"))


def test_seeds_are_what_every_generator_takes() -> None:
    for seed in (0, 3, np.int64(7), 2**32 - 1):
        plain = require_seed("seed", seed)
        torch.Generator().manual_seed(plain)
        np.random.RandomState(plain)
    for seed in (-1, 2**32, 2**70):
        with pytest.raises(ValueError, match=rf"^seed: {seed} was given; allowed is an integer from 0 to 4294967295$"):
            require_seed("seed", seed)
    with pytest.raises(TypeError, match=r"^seed: 1\.5 was given"):
        require_seed("seed", 1.5)


def test_tensors_that_do_not_meet_are_named() -> None:
    here, there = torch.zeros(2), torch.zeros(2, device="meta")
    require_alike("x", here, y=here.clone(), z=torch.ones(5))
    with pytest.raises(
        TypeError, match=r"^z: torch\.float32 on meta was given; allowed is that of x, torch.float32 on"
    ):
        require_alike("x", here, y=here, z=there)
    with pytest.raises(TypeError, match=r"^y: torch\.float16 on cpu was given"):
        require_alike("x", here, y=here.half(), z=there)


@pytest.mark.parametrize(
    ("value", "error", "complaint"),
    [
        ([True, False], TypeError, "mask: list was given; allowed is a bool tensor"),
        (torch.ones(3, dtype=torch.bool), ValueError, r"mask: shape \(3,\) was given; allowed is \(2,\)"),
        (torch.ones(2), TypeError, "mask: torch.float32 on cpu was given; allowed is a bool tensor on cpu"),
        (
            torch.ones(2, dtype=torch.bool, device="meta"),
            TypeError,
            "mask: torch.bool on meta was given; allowed is a bool tensor on cpu",
        ),
    ],
)
def test_flags_are_bools_in_their_place(value: object, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=f"^{complaint}$"):
        require_flags("mask", value, (2,), torch.device("cpu"))


def test_known_values_are_not_looked_at_and_types_and_shapes_are() -> None:
    nowhere = torch.tensor([math.nan])
    assert looks_at_values()
    with values_known():
        assert not looks_at_values()
        assert require_tensor("x", nowhere, ("N",)) is nowhere
        with pytest.raises(ValueError, match=r"x: shape \(1,\) was given"):
            require_tensor("x", nowhere, (2,))
        with values_known():
            pass
        assert not looks_at_values()
    with pytest.raises(ValueError, match="x: NaN or infinite"):
        require_tensor("x", nowhere, ("N",))
    with contextlib.suppress(ZeroDivisionError), values_known():
        _ = 1 / 0
    assert looks_at_values()
