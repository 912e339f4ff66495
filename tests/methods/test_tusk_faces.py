"""TUSK's options for faces: views, head start, codes, appearance, terms of one image, prototypes by gradient."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_up_images import MadeUpImages
from torch import Tensor

from tusklite.geometry import WARPS, random_tps, warp_images
from tusklite.methods.base import Batch, network_step, step_generator
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.methods.tusk.decoder_input import coarse_copy
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.methods.tusk.views import draw_squares, draw_views, jitter
from tusklite.train import Schedule, fit

PLAIN = TUSKConfig(
    keypoints=3,
    prototypes=4,
    image_channels=3,
    descriptor_channels=8,
    width=8,
    levels=2,
    groups=4,
    window=5,
    stem=2,
    decoder_output="sigmoid",
    standardize=True,
)
FACES = replace(
    PLAIN, splat_sigma=1.0, splat_peak=True, heatmap_scale=2.0, heatmap_shift=-2.0, decoder_input="code", appearance=4
)
RECIPE = TUSKOptions(
    reconstruction=10.0,
    reconstruction_loss="mean-squared-error",
    kmeans=0.0,
    feature_equivariance=0.0,
    prototype_steps=0,
    prototype_gradient=True,
    information=0.05,
    image_information=0.2,
    distinct=0.2,
    contrast=0.1,
    background=0.1,
    view_size=24,
    zooms=(0.5, 0.8),
    shift=0.1,
    first_warp="thewlis-faces-g1",
    warp="faces-wild",
    jitter=1.0,
    largest_gradient=10.0,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_images(batch: int = 4, side: int = 32, seed: int = 0) -> Tensor:
    """Smooth pictures, whose values a warp moves and hardly changes."""
    coarse = torch.rand(batch, 3, 5, 5, generator=seeded(seed))
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)


def a_model(config: TUSKConfig, seed: int = 0) -> TUSK:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TUSK(config)


def a_training(options: TUSKOptions = RECIPE, config: TUSKConfig = FACES) -> TUSKTraining:
    return TUSKTraining(a_model(config), options, 10).train()


# Off


def test_an_option_that_is_off_leaves_no_trace_in_the_weights() -> None:
    names = a_model(PLAIN).state_dict().keys()
    assert not [name for name in names if name.startswith("codes")]
    plain, started = a_model(PLAIN), a_model(replace(PLAIN, heatmap_scale=2.0, heatmap_shift=-2.0, splat_peak=True))
    differ = [k for k, v in plain.state_dict().items() if not torch.equal(v, started.state_dict()[k])]
    assert differ == ["heatmap_head.layers.4.weight", "heatmap_head.layers.4.bias"]


def test_without_squares_and_jitter_views_are_the_images_and_their_warped_twins() -> None:
    images, options = some_images(), TUSKOptions(warp="tusk-faces")
    views = draw_views(images, options, seeded(3))
    warp = random_tps(4, WARPS["tusk-faces"], seeded(3))
    assert torch.equal(views.images, torch.cat([images, warp_images(images, warp.grid(32, 32))]))
    assert views.seen is views.images


# Views


def test_the_second_square_is_the_first_one_seen_through_the_warp() -> None:
    """The warp takes points of the second view to where the first shows them; both may show what the other does not."""
    images, options = some_images(8, 64), replace(RECIPE, view_size=40, jitter=0.0)
    views = draw_views(images, options, seeded(1))
    first, second = views.images.chunk(2)
    again = warp_images(first, views.warp.grid(40, 40))
    inside = (views.warp.grid(40, 40).abs() < 0.95).all(dim=-1).unsqueeze(1).expand_as(second)
    assert inside.float().mean() > 0.4
    assert (again - second)[inside].abs().mean() < 0.01
    assert views.images.shape == (16, 3, 40, 40)


def test_squares_are_where_they_were_drawn_and_reflect_beyond_the_border() -> None:
    options = replace(RECIPE, zooms=(1.5, 1.5), shift=0.0, first_warp="none", jitter=0.0, view_size=48)
    images = some_images(1, 32)
    shown = draw_views(images, options, seeded()).images[0]
    assert torch.allclose(shown[:, 8:40, 8:40], images[0], atol=1e-5)
    assert torch.allclose(shown[:, :8, 8:40], images[0, :, :8].flip(1), atol=1e-5)
    zoom, shift = draw_squares(500, RECIPE, seeded())
    assert zoom.min() >= 0.5
    assert zoom.max() <= 0.8
    assert (shift.abs() <= 0.1 * zoom).all()


def test_the_encoder_sees_jitter_and_the_target_stays_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    images, seen = some_images(), []
    training = a_training()
    encode = training.model.encode
    monkeypatch.setattr(training.model, "encode", lambda given: seen.append(given) or encode(given))
    views = training.two_views(images, seeded(5))
    clean = draw_views(images, replace(RECIPE, jitter=0.0), seeded(5))
    assert torch.equal(views.images, clean.images)
    assert torch.equal(seen[0], jitter(clean.images, 1.0, _after(draw_views, images, seeded(5))))
    assert not torch.equal(seen[0][:4], clean.images[:4])


def _after(draw: object, images: Tensor, generator: torch.Generator) -> torch.Generator:
    """The generator as it stands once the views have been drawn."""
    draw_views(images, replace(RECIPE, jitter=0.0), generator)
    return generator


def test_jitter_is_of_each_image_alone_and_stays_in_range() -> None:
    images = some_images(1, 16).expand(200, -1, -1, -1)
    changed = jitter(images, 1.0, seeded())
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert len({round(float(value), 5) for value in changed.mean(dim=(1, 2, 3))}) > 150
    # Without colour, a picture's channels differ by a tint of its own alone: all are multiples of one about its mean.
    colour = [torch.linalg.svdvals((each - each.mean(dim=(1, 2), keepdim=True)).flatten(1))[1] for each in changed]
    grey = sum(bool(value < 1e-4) for value in colour)
    assert 20 <= grey <= 60
    torch.testing.assert_close(jitter(images, 0.0, seeded()), images)


# Network


def test_a_head_start_darkens_the_map() -> None:
    """Mean 0 and variance 1 before scale and shift: at 2 and -2 a pixel is above one half only beyond 1 deviation."""
    images = some_images(side=64)
    plain, started = (a_model(config).eval().encode(images)[0] for config in (PLAIN, FACES))
    logit = plain.logit()
    torch.testing.assert_close(started, (2 * logit - 2).sigmoid(), atol=1e-5, rtol=1e-4)
    assert plain.mean() > 0.4
    assert started.mean() < 0.3


def test_a_code_knows_of_a_descriptor_its_prototype_alone() -> None:
    model = a_model(replace(FACES, code_inverse_temperature=1e5)).eval()
    means = torch.nn.functional.normalize(model.prototypes.means.detach(), dim=1)
    near = torch.nn.functional.normalize(means + 0.05 * torch.randn(means.shape, generator=seeded()), dim=1)
    xy = torch.zeros(1, 4, 2)
    codes = torch.nn.functional.normalize(model.codes.codes, dim=1)
    for descriptors in (means, near):
        painted = model.painted(descriptors.unsqueeze(0), xy)[0]
        torch.testing.assert_close(painted, 2 * math.pi * codes, atol=1e-4, rtol=1e-4)


def test_the_appearance_is_the_mean_of_cells_and_reaches_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = some_images(2, 20)
    cells = odd.unflatten(2, (4, 5)).unflatten(4, (4, 5)).mean(dim=(3, 5))
    torch.testing.assert_close(coarse_copy(odd, 4)[:, :, 2::5, 2::5], cells)  # the middles of cells of 5 x 5
    images = some_images(2, 32)
    torch.testing.assert_close(coarse_copy(images, 32), images)
    model = a_model(FACES).eval()
    points = torch.zeros(2, 3, 2), torch.zeros(2, 3), torch.ones(2, 3, 8)
    given: list[Tensor] = []
    model.decoder.register_forward_hook(lambda _, inputs, __: given.append(inputs[0]))
    model.decode(*points, (32, 32), images=images)
    assert torch.equal(given[0][:, :8], torch.zeros(2, 8, 16, 16))
    assert torch.equal(torch.nn.functional.pixel_shuffle(given[0][:, 8:], 2), coarse_copy(images, 4))
    with pytest.raises(ValueError, match="images: none were given with appearance 4"):
        model.decode(*points, (32, 32))
    with pytest.raises(ValueError, match="appearance: 4 was given with aggregation 'alpha'"):
        replace(FACES, aggregation="alpha")


def test_a_peak_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = a_model(replace(PLAIN, splat_sigma=1.0, splat_peak=True)).eval()
    given: list[Tensor] = []
    model.decoder.register_forward_hook(lambda _, inputs, __: given.append(inputs[0]))
    middle = torch.full((1, 1, 2), 1 / 16)  # the centre of a pixel of 16
    model.decode(middle, torch.ones(1, 1), torch.ones(1, 1, 8), (32, 32))
    assert float(given[0].max()) == pytest.approx(1.0, abs=0.01)


def test_a_model_with_codes_is_saved_and_draws_its_prototypes(tmp_path: Path) -> None:
    model = a_model(FACES).eval()
    model.save(tmp_path / "faces.safetensors")
    again = TUSK.load(tmp_path / "faces.safetensors")
    images = some_images()
    assert torch.equal(again(images).reconstruction, model(images).reconstruction)
    pictures = model.prototype_images(16, shade=0.5)
    assert pictures.shape == (4, 3, 16, 16)
    (tmp_path / "faces.safetensors").unlink()


# Training


@pytest.mark.parametrize(
    "term", ["contrast", "image_information", "distinct", "information", "background", "heatmap_equivariance"]
)
def test_each_term_stands_alone_by_its_weight(term: str) -> None:
    none = dict.fromkeys(("contrast", "image_information", "distinct", "information", "background"), 0.0)
    options = replace(RECIPE, **(none | {"heatmap_equivariance": 0.0} | {term: 0.3}))
    training = a_training(options)
    seen = training.see(Batch(some_images(), torch.arange(4), 0), step_generator(0, 0))
    terms = training.loss_terms(seen, 0)
    assert terms.keys() == {"reconstruction", term}
    assert terms[term].requires_grad


def test_prototypes_are_moved_by_all_terms_and_stay_on_the_sphere() -> None:
    training = a_training()
    optimizers = training.optimizers()
    assert optimizers.keys() == {"network"}
    before = training.model.prototypes.means.detach().clone()
    codes = training.model.codes.codes.detach().clone()
    scalars = training.training_step(Batch(some_images(), torch.arange(4), 0), optimizers)
    after = training.model.prototypes.means.detach()
    assert not torch.allclose(before, after)
    assert not torch.equal(codes, training.model.codes.codes)
    torch.testing.assert_close(after.norm(dim=1), torch.ones(4))
    assert {"unvisited_steps", "dead_prototypes", "distinct", "contrast"} <= scalars.keys()


def test_without_it_terms_leave_prototypes_where_transport_puts_them() -> None:
    options = replace(RECIPE, prototype_gradient=False)
    training = a_training(options)
    before = training.model.prototypes.means.detach().clone()
    training.training_step(Batch(some_images(), torch.arange(4), 0), training.optimizers())
    assert torch.equal(before, training.model.prototypes.means)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prototype_steps": 5}, "prototype_steps: 5 was given with prototype_gradient; allowed is 0"),
        ({"over_prototypes": 5}, "over_prototypes: 5 was given with prototype_gradient; allowed is 0"),
        ({"recluster_at": (1.0,)}, "recluster_at: (1.0,) was given with prototype_gradient; allowed is ()"),
        ({"view_size": 0}, "zooms: (0.5, 0.8) was given without view_size; allowed is a size as well"),
        ({"zooms": (0.8, 0.5)}, "zooms: (0.8, 0.5) was given; allowed is a smallest and a largest value"),
        ({"first_warp": "bend"}, "first_warp: 'bend' was given; allowed are 'none', "),
        ({"perceptual_preparation": "vgg"}, "perceptual_preparation: 'vgg' was given"),
        ({"jitter": 1.5}, "jitter: 1.5 was given"),
    ],
)
def test_options_that_do_not_go_together_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        replace(RECIPE, **changes)


def test_a_long_gradient_is_shortened_and_a_short_one_left() -> None:
    """Against torch's own clipping: a step of plain descent is the clipped gradient."""
    weights = torch.tensor([3.0, 4.0])
    for largest, expected in ((0.0, [6.0, 8.0]), (5.0, [3.0, 4.0]), (50.0, [6.0, 8.0])):
        parameter = torch.nn.Parameter(weights.clone())
        total = parameter.square().sum()
        network_step(total, {"total": total}, torch.optim.SGD([parameter], lr=1.0), largest)
        torch.testing.assert_close(weights - parameter.detach(), torch.tensor(expected), rtol=1e-4, atol=1e-4)


class Stopped(Exception):
    """What ends a run in the middle."""


def test_a_run_that_is_stopped_goes_on_in_the_same_bits(tmp_path: Path) -> None:
    data = MadeUpImages(some_images(8))
    schedule = Schedule(steps=4, batch=4, device="cpu", checkpoint_every=1, evaluate_every=2, log_every=1)

    def stop(_: object) -> dict[str, float]:
        raise Stopped

    whole, stopped, resumed = (a_training(options=RECIPE) for _ in range(3))
    fit(whole, data, schedule, tmp_path / "whole")
    with pytest.raises(Stopped):
        fit(stopped, data, schedule, tmp_path / "parts", evaluate=stop)
    fit(resumed, data, schedule, tmp_path / "parts")
    ends = resumed.state_dict()
    assert all(torch.equal(value, ends[name]) for name, value in whole.state_dict().items())
