"""The widget of the soft-min follows its controls; where nobody is there, a figure stands in its place."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from tusklite.course.prototypes_and_softmin import SoftMin, explore_softmin, softmin_field
from tusklite.losses import kmeans_softmin_loss

CLOUD = torch.randn(15, 2, generator=torch.Generator().manual_seed(0))
CROSSES = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


def pixels(softmin: SoftMin) -> np.ndarray:
    return imread(io.BytesIO(softmin.picture.value))


def test_the_picture_is_that_of_the_plot_and_follows_each_control():
    softmin = SoftMin(CLOUD, CROSSES)
    for name, value in (("inverse_temperature", 10.0), ("squared", True)):
        before = pixels(softmin)
        getattr(softmin, name).value = value
        assert not np.array_equal(pixels(softmin), before)
    expected = softmin_field(CLOUD, CROSSES, 10.0, squared=True)._repr_png_()
    assert np.array_equal(pixels(softmin), imread(io.BytesIO(expected)))


def test_it_says_the_loss_and_the_strongest_pull():
    softmin = SoftMin(CLOUD, CROSSES, inverse_temperature=2.0)
    pulls = []
    for point in CLOUD.clone():
        point.requires_grad_()
        kmeans_softmin_loss(point[None], CROSSES, 2.0).backward()
        pulls.append(float(point.grad.norm()))
    loss = float(kmeans_softmin_loss(CLOUD, CROSSES, 2.0))
    words = f"loss {loss:.3f}, temperature 0.5; the strongest pull on a descriptor is {max(pulls):.3g}"
    assert softmin.message.value == words


def test_it_works_inside_no_grad_and_leaves_its_inputs_alone():
    cloud = CLOUD.clone().requires_grad_()
    with torch.no_grad():
        SoftMin(cloud, CROSSES).inverse_temperature.value = 5.0
    assert cloud.grad is None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SoftMin(CLOUD[:, :1], CROSSES), ValueError, r"descriptors: shape \(15, 1\)"),
        (lambda: SoftMin(CLOUD, CROSSES.numpy()), TypeError, "prototypes: ndarray"),
        (lambda: SoftMin(CLOUD, CROSSES[:1]), ValueError, "prototypes: 1 were given; allowed are 2 to 10"),
        (lambda: SoftMin(CLOUD, CLOUD), ValueError, "prototypes: 15 were given"),
        (lambda: SoftMin(CLOUD, CROSSES, squared="yes"), TypeError, "squared: 'yes'"),
        (lambda: SoftMin(CLOUD, CROSSES, inverse_temperature=0.01), ValueError, "inverse_temperature: 0.01"),
        (lambda: SoftMin(CLOUD, CROSSES, inverse_temperature=101), ValueError, "inverse_temperature: 101"),
        (lambda: explore_softmin(CLOUD, CROSSES, inverse_temperature="warm"), TypeError, "inverse_temperature: 'warm'"),
    ],
)
def test_wrong_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
