"""Maps made larger by products: what torch's kernel gives, at any size, and the same gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.nets.upsampling import upsample, upsample_by_products

SIDES = st.integers(1, 9)


@settings(deadline=None)
@given(
    batch=st.integers(1, 3), channels=st.integers(1, 4), before=st.tuples(SIDES, SIDES), after=st.tuples(SIDES, SIDES)
)
def test_it_is_the_kernels_at_any_size(
    batch: int, channels: int, before: tuple[int, int], after: tuple[int, int]
) -> None:
    maps = torch.randn(batch, channels, *before, dtype=torch.float64, requires_grad=True)
    ours = upsample_by_products(maps, after)
    theirs = F.interpolate(maps, size=after, mode="bilinear", align_corners=False)
    assert ours.shape == (batch, channels, *after)
    torch.testing.assert_close(ours, theirs)
    towards = torch.randn_like(ours)
    (own,), (other,) = (torch.autograd.grad(result, maps, towards) for result in (ours, theirs))
    torch.testing.assert_close(own, other)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_other_layouts_and_types(layout: torch.memory_format, device: str) -> None:
    maps = torch.randn(2, 3, 5, 7, device=device).to(memory_format=layout)
    wanted = F.interpolate(maps, size=(10, 14), mode="bilinear", align_corners=False)
    torch.testing.assert_close(upsample_by_products(maps, (10, 14)), wanted)
    assert torch.equal(upsample(maps, (10, 14)), wanted)
    half = upsample(maps.bfloat16(), (10, 14))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), wanted, atol=0.03, rtol=0.03)
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        torch.testing.assert_close(upsample(maps, (10, 14)).float(), wanted, atol=0.03, rtol=0.03)
