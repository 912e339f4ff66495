"""From keypoints to the decoder's input and from layers to an image, against loops; and TUSK that blends."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from scipy import stats
from scipy.special import expit, softmax

from tusklite.methods.tusk import TUSK, TUSKConfig
from tusklite.ops.aggregation import alpha_blend, score_weighted_sum, separate_splats

SMALL = {"keypoints": 3, "prototypes": 3, "descriptor_channels": 8, "width": 8, "levels": 2, "groups": 8, "window": 5}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_keypoints(batch: int, k: int, channels: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = seeded(seed)
    xy = 2.2 * torch.rand(batch, k, 2, generator=generator, dtype=torch.float64) - 1.1
    score = torch.rand(batch, k, generator=generator, dtype=torch.float64)
    return xy, score, torch.randn(batch, k, channels, generator=generator, dtype=torch.float64)


def a_model(seed: int = 0, **changes: object) -> TUSK:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TUSK(TUSKConfig(**SMALL | changes)).eval()


def canvases_by_loops(xy, score, descriptors, height: int, width: int, sigma: float) -> np.ndarray:
    """One canvas a keypoint (B, K, C, H, W), pixel by pixel with SciPy's normal density."""
    batch, k, channels = descriptors.shape
    canvases = np.zeros((batch, k, channels, height, width))
    for image, point in np.ndindex(batch, k):
        x, y = ((xy[image, point].numpy() + 1) * [width, height] - 1) / 2
        splat = np.outer(*(stats.norm.pdf(np.arange(n), at, sigma) for n, at in ((height, y), (width, x))))
        painted = float(score[image, point]) * descriptors[image, point].numpy()
        canvases[image, point] = painted[:, None, None] * splat / splat.sum()
    return canvases


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    batch=st.integers(1, 3),
    k=st.integers(1, 4),
    channels=st.integers(1, 5),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    sigma=st.sampled_from([0.3, 1.0, 3.0]),
)
def test_canvases_are_what_loops_paint(seed, batch, k, channels, height, width, sigma):
    points = some_keypoints(batch, k, channels, seed)
    expected = canvases_by_loops(*points, height, width, sigma)
    np.testing.assert_allclose(separate_splats(*points, height, width, sigma), expected, atol=1e-10)
    np.testing.assert_allclose(score_weighted_sum(*points, height, width, sigma), expected.sum(axis=1), atol=1e-10)


def test_a_very_narrow_gaussian_is_one_pixel_and_never_nan():
    _, score, descriptors = some_keypoints(2, 3, 4)
    inside = torch.tensor([-0.5, 0.5, 1.1], dtype=torch.float64)[:, None] * torch.ones(2, 3, 1)
    canvases = separate_splats(inside.expand(2, 3, 2) + 0.01, score, descriptors, 6, 8, 1e-3)
    assert (canvases.abs() > 1e-12).sum(dim=(-2, -1)).eq(1).all()
    torch.testing.assert_close(canvases.sum(dim=(-2, -1)), descriptors * score.unsqueeze(-1))


def test_gradients_are_those_of_finite_differences():
    points = [tensor.requires_grad_() for tensor in some_keypoints(1, 2, 2)]
    for paint in (score_weighted_sum, separate_splats):
        assert torch.autograd.gradcheck(lambda *inputs, paint=paint: paint(*inputs, 3, 4, 0.8), points)
    layers = torch.randn(1, 2, 3, 2, 2, generator=seeded(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(alpha_blend, layers)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(*(st.integers(1, 4) for _ in range(5))),
    reach=st.sampled_from([1.0, 300.0]),
)
def test_blending_is_a_softmax_over_keypoints_pixel_by_pixel(seed, shape, reach):
    batch, k, channels, height, width = shape
    layers = torch.randn(batch, k, channels + 1, height, width, generator=seeded(seed), dtype=torch.float64)
    layers[:, :, -1] *= reach
    image, masks = alpha_blend(layers)
    for b, y, x in np.ndindex(batch, height, width):
        pixel = layers[b, :, :, y, x].numpy()
        share = softmax(pixel[:, -1])
        np.testing.assert_allclose(masks[b, :, y, x], share, atol=1e-12)
        np.testing.assert_allclose(image[b, :, y, x], share @ pixel[:, :-1], atol=1e-10)
    colours = layers[:, :, :-1]
    assert (image >= colours.amin(dim=1) - 1e-9).all()
    assert (image <= colours.amax(dim=1) + 1e-9).all()


def test_the_order_of_the_keypoints_does_not_matter():
    points = some_keypoints(2, 4, 3)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        score_weighted_sum(*(tensor[:, order] for tensor in points), 5, 6, 0.7), score_weighted_sum(*points, 5, 6, 0.7)
    )
    layers = torch.randn(2, 4, 3, 5, 6, generator=seeded())
    torch.testing.assert_close(alpha_blend(layers[:, order])[0], alpha_blend(layers)[0])


@pytest.mark.parametrize("paint", [score_weighted_sum, separate_splats])
@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"xy": torch.zeros(2, 3)}, ValueError, r"xy: shape \(2, 3\) was given; allowed is \(B, K, 2\)"),
        ({"xy": [[0.0, 0.0]]}, TypeError, "xy: list was given"),
        ({"score": torch.zeros(2, 4)}, ValueError, r"score: shape \(2, 4\) was given; allowed is \(2, 3\)"),
        ({"score": torch.zeros(2, 3).long()}, TypeError, "score: dtype torch.int64 was given"),
        ({"descriptors": torch.zeros(2, 4, 5)}, ValueError, r"descriptors: .* allowed is \(2, 3, C\)"),
        ({"height": 0}, ValueError, "height: 0 was given; allowed is an integer of at least 1"),
        ({"width": 2.0}, TypeError, "width: 2.0 was given; allowed is an integer"),
        ({"sigma": 0}, ValueError, "sigma: 0 was given; allowed is a finite number above 0"),
    ],
)
def test_wrong_keypoints_are_refused(paint, changes, error, complaint):
    right = {"xy": torch.zeros(2, 3, 2), "score": torch.ones(2, 3), "descriptors": torch.zeros(2, 3, 5)}
    with pytest.raises(error, match=complaint):
        paint(**right | {"height": 4, "width": 5, "sigma": 1.0} | changes)


@pytest.mark.parametrize(
    ("layers", "error", "complaint"),
    [
        (torch.zeros(2, 3, 4, 5), ValueError, r"layers: shape \(2, 3, 4, 5\) was given; allowed is \(B, K, channels"),
        (torch.zeros(1, 0, 2, 5, 5), ValueError, "layers: shape"),
        (torch.zeros(2, 3, 1, 4, 5), ValueError, "layers: 1 channel was given; allowed is at least one of colour"),
        (np.zeros((2, 3, 2, 4, 5)), TypeError, "layers: ndarray was given"),
    ],
)
def test_wrong_layers_are_refused(layers, error, complaint):
    with pytest.raises(error, match=complaint):
        alpha_blend(layers)


# TUSK with "alpha"


@pytest.mark.parametrize("changes", [{}, {"stem": 2, "decoder_output": "sigmoid"}, {"image_channels": 3}])
def test_each_keypoint_is_decoded_alone_and_blended(changes):
    model = a_model(aggregation="alpha", **changes)
    config, size = model.config, (12, 16)
    xy, score, descriptors = (tensor.float() for tensor in some_keypoints(2, 3, 8))
    layers = model.layers(xy, score, descriptors, size)
    _, masks = alpha_blend(layers)
    torch.testing.assert_close(masks.sum(dim=1), torch.ones(2, *size))
    decoded = model.decode(xy, score, descriptors, size).detach().numpy()

    side = [n // config.stem for n in size]
    canvases = torch.from_numpy(canvases_by_loops(xy, score, descriptors, *side, config.splat_sigma)).float()
    pictures = [F.pixel_shuffle(model.decoder(canvases[:, i]), config.stem).detach().numpy() for i in range(3)]
    drawn = np.stack(pictures, axis=1).astype(float)  # (B, K, channels + 1, H, W)
    assert drawn.shape[2] == config.image_channels + 1
    colours, alpha = drawn[:, :, :-1], softmax(drawn[:, :, -1:], axis=1)
    if config.decoder_output == "sigmoid":
        expected, given = (alpha * expit(colours)).sum(axis=1), expit(decoded)
    else:
        expected, given = (alpha * colours).sum(axis=1), decoded
    np.testing.assert_allclose(given, expected, atol=1e-4)


def test_blended_pixels_that_are_black_or_white_give_no_infinite_logit():
    model = a_model(aggregation="alpha", decoder_output="sigmoid", stem=2)
    with torch.no_grad():
        for bias in (-200.0, 200.0):
            model.decoder.out.bias.fill_(bias)
            decoded = model.decode(*(tensor.float() for tensor in some_keypoints(1, 3, 8)), (12, 12))
            assert torch.isfinite(decoded).all()
            torch.testing.assert_close(model.to_image(decoded), torch.full((1, 1, 12, 12), float(bias > 0)))


@pytest.mark.parametrize("decoder_output", ["linear", "sigmoid"])
def test_blending_learns_and_its_gradient_reaches_every_part(decoder_output):
    model = a_model(aggregation="alpha", decoder_output=decoder_output, stem=2).train()
    images = torch.rand(2, 1, 16, 20, generator=seeded())
    optimizer = torch.optim.Adam([part for name, part in model.named_parameters() if "prototypes" not in name], lr=2e-3)
    losses = []
    for _ in range(10):
        loss = F.mse_loss(model(images).reconstruction, images)
        optimizer.zero_grad()
        loss.backward()
        losses.append(float(loss.detach()))
        for part in (model.encoder, model.heatmap_head, model.decoder):
            assert any(weight.grad.any() for weight in part.parameters())
        optimizer.step()
    assert losses[-1] < 0.95 * losses[0]


def test_blending_is_saved_and_loaded(tmp_path: Path):
    model = a_model(aggregation="alpha")
    model.save(tmp_path / "model.safetensors")
    loaded = TUSK.load(tmp_path / "model.safetensors")
    assert loaded.config == model.config
    images = torch.rand(1, 1, 16, 20, generator=seeded())
    torch.testing.assert_close(loaded(images).reconstruction, model(images).reconstruction)
    assert model.prototype_images(12).shape == (3, 1, 12, 12)


def test_a_file_from_before_there_was_a_choice_is_a_sum(tmp_path: Path):
    path, model = tmp_path / "old.safetensors", a_model()
    model.save(path)
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    config = {name: value for name, value in asdict(model.config).items() if name != "aggregation"}
    save_file(tensors, path, metadata=metadata | {"config": json.dumps(config)})
    assert TUSK.load(path).config == model.config
    assert model.config.aggregation == "sum"


def test_layers_of_a_sum_and_other_aggregations_are_refused():
    with pytest.raises(ValueError, match="aggregation: 'sum' was given; allowed are 'alpha'"):
        a_model().layers(torch.zeros(1, 1, 2), torch.ones(1, 1), torch.zeros(1, 1, 8), (12, 12))
    with pytest.raises(ValueError, match="aggregation: 'mean' was given; allowed are 'sum', 'alpha'"):
        TUSKConfig(aggregation="mean")
