"""TUSK that draws each keypoint alone: canvases, a background, a choice among candidates, and its training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from tusklite.methods.base import Batch, step_generator
from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.methods.tusk.background import BackgroundLayer
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.methods.tusk.training_descriptors import training_descriptors
from tusklite.ops.aggregation import alpha_blend
from tusklite.ops.surfaces import robust_surface
from tusklite.train import Schedule, fit

OBJECTS = TUSKConfig(
    keypoints=3,
    prototypes=4,
    image_channels=3,
    descriptor_channels=8,
    width=8,
    levels=2,
    groups=4,
    window=5,
    splat_sigma=0.7,
    decoder_output="sigmoid",
    padding_mode="replicate",
    aggregation="alpha",
    canvas=9,
    background_layer="black",
)
CHOOSING = replace(OBJECTS, candidates=6, least_gain=0.01, candidate_window=3)


def a_model(config: TUSKConfig = OBJECTS, seed: int = 0) -> TUSK:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TUSK(config).eval()


def some_images(batch: int = 2, height: int = 20, width: int = 24, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


class Squares:
    """Scenes of one to three coloured squares on black, 20 x 24 pixels."""

    reads_files = False

    def __init__(self, count: int = 16) -> None:
        generator = torch.Generator().manual_seed(1)
        self.images = torch.zeros(count, 3, 20, 24)
        for image in self.images:
            for _ in range(int(torch.randint(1, 4, (), generator=generator))):
                top, left = (int(torch.randint(n - 4, (), generator=generator)) for n in (20, 24))
                image[:, top : top + 4, left : left + 4] = torch.rand(3, 1, 1, generator=generator)

    def __len__(self) -> int:
        return len(self.images)

    def scenes(self, indices: Tensor) -> SimpleNamespace:
        return SimpleNamespace(image=self.images[indices])

    def describe(self) -> dict[str, str | int]:
        return {"source": "squares"}

    def identity(self) -> dict[str, object]:
        return {"kind": "squares"}


def a_training(options: TUSKOptions, config: TUSKConfig = OBJECTS, steps: int = 10) -> TUSKTraining:
    return TUSKTraining(a_model(config), options, steps).train()


# Drawing


@pytest.mark.parametrize("stem", [1, 2])
def test_what_is_drawn_does_not_know_where_it_is(stem: int) -> None:
    """The same descriptor at the same place within a pixel, elsewhere: the same picture, moved."""
    model = a_model(replace(OBJECTS, stem=stem))
    descriptors = torch.nn.functional.normalize(torch.randn(1, 1, 8), dim=-1).expand(1, 2, 8)
    xy = torch.tensor([[[-0.31, -0.11], [-0.31 + 2 * 5 / (24 // stem), -0.11 + 2 * 3 / (20 // stem)]]])
    here, there = model.layers(xy, torch.ones(1, 2), descriptors, (20, 24))[0]
    moved = here.roll((3 * stem, 5 * stem), dims=(1, 2))
    torch.testing.assert_close(there[:, 4 * stem :, 6 * stem :], moved[:, 4 * stem :, 6 * stem :], atol=2e-4, rtol=1e-3)
    assert there[-1].max() > here[-1].min() + 5  # it draws something


def test_memory_of_the_decoder_does_not_grow_with_the_image() -> None:
    model, shapes = a_model(), []
    model.decoder.register_forward_hook(lambda _, inputs, __: shapes.append(tuple(inputs[0].shape)))
    for size in ((20, 24), (60, 44)):
        model(some_images(2, *size))
    assert shapes == [(6, 8, 9, 9)] * 2


@pytest.mark.parametrize("kind", ["black", "surface", "learned"])
def test_image_and_masks_are_those_of_layers_before_the_background(kind: str) -> None:
    model, images = a_model(replace(OBJECTS, background_layer=kind)), some_images()
    output = model(images)
    background = model.background(images, output.features)
    image, masks = alpha_blend(output.layers, background)
    torch.testing.assert_close(output.reconstruction, image.clamp(1e-6, 1 - 1e-6), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(output.masks, masks)
    assert (masks.sum(dim=1) <= 1 + 1e-6).all()
    if kind == "surface":
        torch.testing.assert_close(background, robust_surface(images))
    else:
        assert (background == 0).all() == (kind == "black")


def test_only_the_learned_background_has_parameters() -> None:
    count = {
        kind: len(list(BackgroundLayer(kind, 8, 3).parameters())) for kind in ("none", "black", "surface", "learned")
    }
    assert count == {"none": 0, "black": 0, "surface": 0, "learned": 4}


def test_prototype_images_stand_before_the_shade_that_is_asked_for() -> None:
    model = a_model(replace(OBJECTS, canvas=3))
    dark, light = (model.prototype_images(15, shade) for shade in (0.0, 0.5))
    assert dark.shape == (4, 3, 15, 15)
    assert (dark[:, :, 0] < 1e-5).all()
    torch.testing.assert_close(light[:, :, 0], torch.full((4, 3, 15), 0.5))
    with pytest.raises(ValueError, match=r"shade: 1\.5 was given"):
        model.prototype_images(15, 1.5)


def test_drawing_without_the_background_that_there_is_is_refused() -> None:
    model, points = a_model(), (torch.zeros(1, 3, 2), torch.ones(1, 3), torch.randn(1, 3, 8), (20, 24))
    with pytest.raises(ValueError, match="background: none was given with background_layer 'black'"):
        model.decode(*points)
    bare = a_model(replace(OBJECTS, background_layer="none"))
    with pytest.raises(ValueError, match="background: one was given with background_layer 'none'"):
        bare.decode(*points, background=torch.zeros(1, 3, 20, 24))
    assert bare.decode(*points).shape == (1, 3, 20, 24)


# The choice among candidates


def test_chosen_keypoints_come_strongest_first_and_empty_slots_last() -> None:
    model, images = a_model(CHOOSING), some_images(5)
    output = model(images)
    assert output.keypoints.xy.shape == (5, 3, 2)
    found = output.keypoints.found
    assert (found.int().diff(dim=1) <= 0).all()
    assert (output.keypoints.score.diff(dim=1) <= 1e-7).all()
    assert (output.masks[~found] == 0).all()
    assert (output.keypoints.xy[~found] == 0).all()
    proposed = model.propose(output.heatmap)
    for b, k in found.nonzero().tolist():
        assert output.keypoints.index[b, k] in proposed.index[b]


def test_the_choice_draws_no_worse_than_the_background_alone() -> None:
    model, images = a_model(CHOOSING), some_images(6)
    error = (model(images).reconstruction - images).square().mean(dim=(1, 2, 3))
    assert (error <= images.square().mean(dim=(1, 2, 3)) + 1e-6).all()


def test_no_gain_is_worth_a_keypoint_that_costs_more() -> None:
    output = a_model(replace(CHOOSING, least_gain=1e6))(some_images())
    assert not output.keypoints.found.any()
    assert output.reconstruction.max() < 1e-5


def test_a_small_window_proposes_maxima_that_a_large_one_suppresses() -> None:
    model = a_model(CHOOSING)
    heatmap = torch.zeros(1, 1, 20, 24)
    heatmap[0, 0, 10, 10], heatmap[0, 0, 10, 12] = 1.0, 0.9  # within a window of five, not of three
    assert {250, 252} <= set(model.propose(heatmap).index[0].tolist())
    assert 252 not in model.detect(heatmap).index[0].tolist()


def test_a_model_that_chooses_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    model, images = a_model(replace(CHOOSING, background_layer="learned")), some_images()
    model.save(tmp_path / "objects.safetensors")
    again = TUSK.load(tmp_path / "objects.safetensors")
    assert again.config == model.config
    torch.testing.assert_close(again(images).masks, model(images).masks)


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"aggregation": "sum"}, "canvas: 9 was given with aggregation 'sum'"),
        ({"aggregation": "sum", "canvas": 0}, "background_layer: 'black' was given with aggregation 'sum'"),
        ({"background_layer": "blue"}, "background_layer: 'blue' was given"),
        ({"candidates": 2}, "candidates: 2 was given with background_layer 'black' and 3 keypoints"),
        ({"candidates": 6, "background_layer": "none"}, "candidates: 6 was given with background_layer 'none'"),
        ({"least_gain": 0.1}, "least_gain: 0.1 was given without candidates"),
        ({"candidate_window": 3}, "candidate_window: 3 was given without candidates"),
        ({"candidates": 6, "candidate_window": 4}, "candidate_window: 4 was given"),
        ({"canvas": -1}, "canvas: -1 was given"),
    ],
)
def test_configurations_that_do_not_go_together_are_refused(setting: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(OBJECTS, **setting)


# Training


def test_only_the_images_are_drawn_where_the_twins_are_left_out() -> None:
    method = a_training(TUSKOptions(decoded_views="first", warp="tusk-objects"))
    images = some_images(4)
    views = method.two_views(images, step_generator(0, 0))
    drawing = method.draw(views, step=0)
    torch.testing.assert_close(drawing.images, images)
    term = method.reconstruction_term(views, step=0)
    torch.testing.assert_close(term, torch.nn.functional.binary_cross_entropy_with_logits(drawing.decoded, images))


def test_keypoints_that_paint_little_take_no_part_in_clustering() -> None:
    images = Squares().images[:6]
    middle = float(a_model()(images).masks.detach().sum(dim=(2, 3)).median())  # an untrained network paints evenly
    options = TUSKOptions(
        decoded_views="first",
        warp="tusk-objects",
        least_paint=middle,
        neighbour_information=0.1,
        memory=50,
        prototype_steps=1,
    )
    method = a_training(options)
    seen = method.see(Batch(images, torch.arange(6), 0), step_generator(0, 0))
    points, views = seen.views.keypoints, seen.views
    layers = method.model.layers(points.xy[:6], points.score[:6], views.descriptors[:6], (20, 24))
    painted = alpha_blend(layers, torch.zeros_like(images))[1].sum(dim=(2, 3))
    expected = torch.cat([(painted > middle) & points.found[:6], torch.zeros(6, 3, dtype=torch.bool)])
    assert seen.taking_part.view(12, 3).tolist() == expected.tolist()
    assert expected.any()
    assert not expected[:6].all()
    method.after_step(seen)
    torch.testing.assert_close(method.memory[: expected.sum()], seen.clustered.detach()[expected.flatten()])
    assert not method.memory[expected.sum() :].any()


def test_where_nothing_is_painted_there_is_nothing_to_follow() -> None:
    method = a_training(TUSKOptions(least_paint=1e6, warp="tusk-objects", information=0.1, neighbour_information=0.1))
    before = method.model.prototypes.means.detach().clone()
    images = Squares().images[:4]
    values = method.training_step(Batch(images, torch.arange(4), 0), method.optimizers())
    assert "sliced_wasserstein" not in values
    assert "kmeans" not in values
    assert all(torch.isfinite(value) for value in values.values())
    torch.testing.assert_close(method.model.prototypes.means, before)


def test_training_descriptors_are_those_of_keypoints_that_paint() -> None:
    model, data = a_model(), Squares()
    middle = float(model(data.images).masks.detach().sum(dim=(2, 3)).median())
    every, _ = training_descriptors(model, data, 16, torch.Generator().manual_seed(0))
    some, xy = training_descriptors(model, data, 16, torch.Generator().manual_seed(0), least_paint=middle)
    assert 0 < len(some) < len(every)
    assert len(xy) == len(some)
    kept = {tuple(row) for row in every.tolist()}
    assert all(tuple(row) in kept for row in some.tolist())


def test_a_partition_after_the_last_step_is_found_on_the_final_descriptors(tmp_path: Path) -> None:
    options = TUSKOptions(
        kmeans=0, prototype_steps=0, warp="tusk-objects", clustering_from=1.0, recluster_at=(1.0,), recluster_scenes=16
    )
    method = a_training(options, steps=3)
    schedule = Schedule(steps=3, batch=4, device="cpu", checkpoint_every=2, log_every=1)
    result = fit(method, Squares(), schedule, tmp_path)
    assert [record["step"] for record in result.log if "event" in record] == [3]
    means = method.model.prototypes.means.detach()
    again = a_training(options, steps=3)
    fit(again, Squares(), schedule, tmp_path)  # finished: nothing is trained, or partitioned, a second time
    assert torch.equal(again.model.prototypes.means, means)
    method.before_step(3, Squares())
    torch.testing.assert_close(method.model.prototypes.means, means)


def test_painting_is_refused_where_all_are_drawn_in_one_pass() -> None:
    config = replace(OBJECTS, aggregation="sum", canvas=0, background_layer="none")
    with pytest.raises(ValueError, match="least_paint: 3 was given with aggregation 'sum'"):
        TUSKTraining(a_model(config), TUSKOptions(least_paint=3.0), steps=3)
    with pytest.raises(ValueError, match="decoded_views: 'last' was given"):
        TUSKOptions(decoded_views="last")
