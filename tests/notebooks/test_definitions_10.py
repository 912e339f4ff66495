"""What lesson 10 defines, as it is stored, against the package."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from scipy.special import log_softmax

from tusklite.losses import kmeans_loss, kmeans_softmin_loss, vector_quantization_loss
from tusklite.ops.prototypes import Prototypes

LESSON = definitions("10_prototypes_and_softmin", goes_on=True)


def clouds(seed: int, n: int, m: int, channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randn(size, channels, generator=generator, dtype=torch.float64) for size in (n, m)]
    return draw[0].requires_grad_(), draw[1].requires_grad_()


def assert_same_gradients(ours: torch.Tensor, package: torch.Tensor, inputs: tuple[torch.Tensor, ...]) -> None:
    torch.testing.assert_close(ours, package)
    slopes = [torch.autograd.grad(value, inputs, retain_graph=True) for value in (ours, package)]
    torch.testing.assert_close(*slopes)


sizes = st.integers(1, 9)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    n=sizes,
    m=sizes,
    channels=sizes,
    inverse_temperature=st.sampled_from([0.1, 0.625, 1.0, 30.0]),
    squared=st.booleans(),
)
def test_the_soft_min_is_the_package_s_and_scipy_s(seed, n, m, channels, inverse_temperature, squared):
    descriptors, prototypes = clouds(seed, n, m, channels)
    ours = LESSON["softmin_loss"](descriptors, prototypes, inverse_temperature, squared)
    package = kmeans_softmin_loss(descriptors, prototypes, inverse_temperature, squared)
    assert_same_gradients(ours, package, (descriptors, prototypes))
    distance = torch.cdist(descriptors, prototypes).detach().numpy() ** (2 if squared else 1)
    assert float(ours.detach()) == pytest.approx(
        -log_softmax(-inverse_temperature * distance, axis=1).max(axis=1).mean(), abs=1e-9
    )
    if not squared and inverse_temperature <= 1:
        torch.testing.assert_close(LESSON["softmin_as_printed"](descriptors, prototypes, inverse_temperature), ours)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n=sizes, m=sizes, channels=sizes, commitment=st.sampled_from([0.0, 0.25, 2.0]))
def test_both_rivals_are_the_package_s(seed, n, m, channels, commitment):
    descriptors, prototypes = inputs = clouds(seed, n, m, channels)
    assert_same_gradients(LESSON["kmeans"](*inputs), kmeans_loss(*inputs), inputs)
    ours, our_loss = LESSON["quantize"](descriptors, prototypes, commitment)
    package, package_loss = vector_quantization_loss(descriptors, prototypes, commitment)
    assert_same_gradients(our_loss, package_loss, inputs)
    torch.testing.assert_close(ours, package)
    torch.testing.assert_close(*(torch.autograd.grad(both.square().sum(), descriptors)[0] for both in (ours, package)))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_slopes_are_the_formulas_of_the_text(p):
    assert LESSON["slope"](p, log=True) == pytest.approx(1 - p, abs=1e-5)
    assert LESSON["slope"](p, log=False) == pytest.approx(p * (1 - p), abs=1e-5)


@pytest.mark.parametrize(
    ("count", "inverse_temperature", "squared"), [(10, 1.0, False), (10, 0.625, True), (3, 4.0, False)]
)
def test_the_price_of_collapse_is_the_loss_there(count, inverse_temperature, squared):
    one = F.normalize(torch.ones(1, 5, dtype=torch.float64), dim=1)
    prototypes = torch.cat([one, -one.expand(count - 1, -1)])
    found = kmeans_softmin_loss(one.expand(7, -1), prototypes, inverse_temperature, squared)
    assert LESSON["collapsed_loss"](count, inverse_temperature, squared) == pytest.approx(float(found))


def test_the_printed_form_fails_where_the_text_says():
    far = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    assert math.isnan(LESSON["softmin_as_printed"](torch.zeros(1, 2), far, inverse_temperature=300.0))
    assert float(LESSON["softmin_loss"](torch.zeros(1, 2), far, inverse_temperature=300.0)) == pytest.approx(
        math.log(2), abs=1e-4
    )


def test_prototypes_follow_their_descriptors():
    generator = torch.Generator().manual_seed(0)
    descriptors = F.normalize(torch.randn(60, 32, generator=generator) + 3, dim=1)
    prototypes = Prototypes(10, 32, generator=generator)
    optimizer = torch.optim.Adam([prototypes.means], lr=0.1)
    middle = F.normalize(descriptors.mean(dim=0), dim=0)
    before = (prototypes.means.detach() @ middle).mean()
    LESSON["follow"](prototypes, optimizer, descriptors, generator)
    assert (prototypes.means.detach() @ middle).mean() > before + 0.1
    torch.testing.assert_close(prototypes.means.detach().norm(dim=1), torch.ones(10))
    assert float(prototypes.weights.sum()) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["soft-min + transport", "soft-min alone", "k-means alone", "vector quantisation"])
def test_with_transport_alone_the_prototypes_get_no_gradient(kind):
    descriptors, prototypes = clouds(3, 20, 4, 6)
    to_decode, loss = LESSON["clustering"](kind, descriptors, prototypes, 1.0, False)
    assert (to_decode is descriptors) == (kind != "vector quantisation")
    slopes = torch.autograd.grad(loss, (descriptors, prototypes), allow_unused=True)
    assert slopes[0] is not None
    assert (slopes[1] is None) == (kind == "soft-min + transport")


def test_the_encoder_and_decoder_are_the_same_for_the_same_seed():
    first, again = (LESSON["new_parts"](4) for _ in range(2))
    for one, other in zip(first[:3], again[:3], strict=True):
        torch.testing.assert_close(list(one.parameters()), list(other.parameters()))
