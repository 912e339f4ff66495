"""The k-means and vector-quantisation losses against scikit-learn and gradients worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin_min

from tusklite.losses import kmeans_loss, vector_quantization_loss


def clouds(n: int, m: int, channels: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Descriptors and prototypes in double precision, ready for gradients."""
    generator = torch.Generator().manual_seed(seed)
    descriptors = torch.randn(n, channels, generator=generator, dtype=torch.float64)
    prototypes = torch.randn(m, channels, generator=generator, dtype=torch.float64)
    return descriptors.requires_grad_(), prototypes.requires_grad_()


def nearest(descriptors: torch.Tensor, prototypes: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    return pairwise_distances_argmin_min(descriptors.detach().numpy(), prototypes.detach().numpy())


@given(n=st.integers(1, 20), m=st.integers(1, 7), channels=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_kmeans_loss_is_scikit_learns_distance_to_the_nearest(n: int, m: int, channels: int, seed: int) -> None:
    descriptors, prototypes = clouds(n, m, channels, seed)
    _, distance = nearest(descriptors, prototypes)
    np.testing.assert_allclose(kmeans_loss(descriptors, prototypes).item(), np.mean(distance**2), rtol=1e-9)
    plain = kmeans_loss(descriptors, prototypes, squared=False)
    np.testing.assert_allclose(plain.item(), np.mean(distance), rtol=1e-9)


def test_kmeans_loss_at_the_centres_is_the_inertia_and_stands_still() -> None:
    descriptors, _ = clouds(60, 1, 3)
    fitted = KMeans(n_clusters=4, n_init=3, tol=0, random_state=0).fit(descriptors.detach().numpy())
    centres = torch.tensor(fitted.cluster_centers_, requires_grad=True)
    loss = kmeans_loss(descriptors, centres)
    np.testing.assert_allclose(loss.item() * 60, fitted.inertia_, rtol=1e-9)
    (gradient,) = torch.autograd.grad(loss, centres)
    np.testing.assert_allclose(gradient, np.zeros((4, 3)), atol=1e-12)


@pytest.mark.parametrize("squared", [True, False])
def test_kmeans_gradient_reaches_both_and_is_right(squared: bool) -> None:
    descriptors, prototypes = clouds(9, 4, 3)
    assert torch.autograd.gradcheck(lambda d, p: kmeans_loss(d, p, squared), (descriptors, prototypes))


@pytest.mark.parametrize("squared", [True, False])
def test_kmeans_gradient_is_zero_on_a_prototype_and_for_one_that_is_nearest_to_none(squared: bool) -> None:
    descriptors = torch.zeros(2, 3, requires_grad=True)
    prototypes = torch.tensor([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]], requires_grad=True)
    kmeans_loss(descriptors, prototypes, squared).backward()
    torch.testing.assert_close(descriptors.grad, torch.zeros(2, 3))
    torch.testing.assert_close(prototypes.grad, torch.zeros(2, 3))


@given(n=st.integers(1, 20), m=st.integers(1, 7), channels=st.integers(1, 5), beta=st.floats(0, 2))
@settings(max_examples=20)
def test_quantized_are_the_nearest_prototypes_exactly(n: int, m: int, channels: int, beta: float) -> None:
    descriptors, prototypes = clouds(n, m, channels)
    quantized, loss = vector_quantization_loss(descriptors, prototypes, beta)
    index, distance = nearest(descriptors, prototypes)
    assert torch.equal(quantized, prototypes[torch.from_numpy(index)])
    np.testing.assert_allclose(loss.item(), (1 + beta) * np.mean(distance**2), rtol=1e-9)


def test_gradient_goes_straight_through_to_the_descriptors_alone() -> None:
    descriptors, prototypes = clouds(11, 3, 4)
    quantized, _ = vector_quantization_loss(descriptors, prototypes)
    weight = torch.randn(11, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    (quantized**2 * weight).sum().backward()
    torch.testing.assert_close(descriptors.grad, 2 * quantized.detach() * weight)
    assert prototypes.grad is None


@pytest.mark.parametrize("beta", [0.0, 0.25, 1.5])
def test_each_term_of_the_quantisation_loss_moves_its_own_side(beta: float) -> None:
    descriptors, prototypes = clouds(11, 3, 4)
    vector_quantization_loss(descriptors, prototypes, beta)[1].backward()
    index, _ = nearest(descriptors, prototypes)
    offset = descriptors.detach().numpy() - prototypes.detach().numpy()[index]
    np.testing.assert_allclose(descriptors.grad, beta * 2 * offset / 11, rtol=1e-9)
    codebook = np.zeros((3, 4))
    np.add.at(codebook, index, -2 * offset / 11)
    np.testing.assert_allclose(prototypes.grad, codebook, rtol=1e-9)


@pytest.mark.parametrize("loss", [kmeans_loss, vector_quantization_loss])
@pytest.mark.parametrize(
    ("descriptors", "prototypes", "error", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3), TypeError, "descriptors: dtype"),
        (torch.zeros(0, 3), torch.zeros(2, 3), ValueError, "descriptors: shape"),
        (torch.zeros(2, 3), torch.zeros(2, 4), ValueError, "prototypes: shape"),
        (torch.zeros(2, 3), torch.full((2, 3), float("nan")), ValueError, "prototypes: NaN"),
    ],
)
def test_wrong_clouds_are_refused(loss, descriptors, prototypes, error, message) -> None:
    with pytest.raises(error, match=message):
        loss(descriptors, prototypes)


def test_a_negative_commitment_is_refused() -> None:
    with pytest.raises(ValueError, match="commitment: -1 was given"):
        vector_quantization_loss(torch.zeros(2, 3), torch.zeros(2, 3), commitment=-1)
