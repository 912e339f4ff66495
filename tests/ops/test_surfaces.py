"""The surface behind the things in an image: exact on cubics, and moved little by what stands before them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tusklite.ops.surfaces import cubic_terms, robust_surface


def a_ground(height: int, width: int, seed: int = 0, batch: int = 2) -> torch.Tensor:
    """Slowly changing colours (B, 3, H, W) between .3 and .7: cubics."""
    y, x = torch.meshgrid(*((torch.arange(n) * 2 + 1) / n - 1 for n in (height, width)), indexing="ij")
    coefficients = torch.rand(batch, 3, 10, generator=torch.Generator().manual_seed(seed)) - 0.5
    return 0.5 + 0.04 * torch.einsum("bck,hwk->bchw", coefficients, cubic_terms(torch.stack([x, y], -1)))


@settings(max_examples=15)
@given(height=st.integers(6, 90), width=st.integers(6, 90), seed=st.integers(0, 100))
def test_a_cubic_is_found_as_least_squares_finds_it(height, width, seed):
    ground = a_ground(height, width, seed)
    torch.testing.assert_close(robust_surface(ground), ground, atol=4e-3, rtol=0)


def test_things_in_a_quarter_of_the_image_hardly_move_it():
    ground = a_ground(56, 56)
    image = ground.clone()
    things = torch.zeros(56, 56, dtype=torch.bool)
    for top, left in ((4, 6), (20, 30), (36, 10)):
        things[top : top + 16, left : left + 16] = True
    image[:, :, things] = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1)
    error = (robust_surface(image) - ground).abs()
    # What plain least squares makes of the same pixels.
    terms = cubic_terms(torch.stack(torch.meshgrid(*[(torch.arange(56) * 2 + 1) / 56 - 1] * 2, indexing="xy"), -1))
    basis = terms.flatten(0, 1).double().numpy()
    plain = basis @ np.linalg.lstsq(basis, image[0].flatten(1).T.double().numpy(), rcond=None)[0]
    plain_error = np.abs(plain.T.reshape(3, 56, 56) - ground[0].numpy())
    assert error[0].mean() < 0.2 * plain_error.mean()
    assert error.mean() < 0.01


def test_it_stays_an_image_and_has_no_gradient(device):
    images = torch.rand(3, 1, 13, 9, device=device, requires_grad=True)
    surface = robust_surface(images)
    assert surface.shape == images.shape
    assert surface.device == images.device
    assert not surface.requires_grad
    assert 0 <= surface.min() <= surface.max() <= 1


def test_wrong_images_are_refused():
    with pytest.raises(ValueError, match="images: shape"):
        robust_surface(torch.rand(3, 9, 9))
