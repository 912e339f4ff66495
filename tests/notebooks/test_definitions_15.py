"""What lesson 15 defines, as it is stored, against the package and independent rivals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lesson_definitions import definitions
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import jaccard_score

from tusklite.data import ClevrLike
from tusklite.data.clevr_layout import cropped
from tusklite.data.ray_casting import cast_segments
from tusklite.data.ray_geometry import cross
from tusklite.methods.base import new_method
from tusklite.methods.tusk.model import TUSK, TUSKConfig
from tusklite.metrics import majority_class
from tusklite.ops.canvases import greedy_choice
from tusklite.ops.surfaces import cubic_terms, robust_surface

LESSON = definitions("15_clevr6", goes_on=True)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), radius=st.floats(0.2, 3.0))
def test_a_ray_meets_a_sphere_where_the_package_says(seed, radius):
    origin, direction = torch.randn(2, 30, 3, generator=seeded(seed), dtype=torch.float64)
    centre = torch.randn(3, generator=seeded(seed + 1), dtype=torch.float64)
    origin = centre + radius * (1.1 + origin.abs().amax(dim=1, keepdim=True)) * torch.nn.functional.normalize(
        origin, dim=1
    )
    near, _ = cross(
        torch.zeros(30, dtype=torch.int64), ((origin - centre) / radius).T[..., None], (direction / radius).T[..., None]
    )
    near = near[:, 0].masked_fill(near[:, 0] <= 0, torch.inf)
    torch.testing.assert_close(LESSON["meet_sphere"](origin, direction, centre, radius), near)


def test_the_floor_is_the_package_s_surface():
    images = ClevrLike("validation", 4).scenes(range(4)).image
    ours = torch.stack(
        [LESSON["floor_of"](it, lambda terms, colours: LESSON["robust_fit"](terms, colours, 5)) for it in images]
    )
    torch.testing.assert_close(ours, robust_surface(images), atol=1e-3, rtol=0)


def test_terms_run_row_by_row_over_pixel_centres():
    terms = LESSON["terms_of"](4)
    torch.testing.assert_close(terms[1], cubic_terms(torch.tensor([-0.25, -0.75])))


def test_plain_least_squares_is_numpy_s():
    terms, colours = LESSON["terms_of"](6), torch.rand(36, 3, generator=seeded())
    by_numpy = np.linalg.lstsq(terms.numpy(), colours.numpy(), rcond=None)[0]
    np.testing.assert_allclose(LESSON["least_squares"](terms, colours), by_numpy, atol=1e-4)


@settings(max_examples=25)
@given(st.data())
def test_counts_by_gains_are_those_of_a_loop(data):
    gains = torch.tensor(
        data.draw(st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=4))
    )
    thresholds = torch.tensor(data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=3)))
    for row, threshold in zip(LESSON["counts_at"](gains, thresholds), thresholds.tolist(), strict=True):
        for count, scene in zip(row.tolist(), gains.tolist(), strict=True):
            kept = 0
            while kept < 4 and scene[kept] > threshold:
                kept += 1
            assert count == kept


def test_gains_give_the_greedy_choice_at_any_least_gain():
    generator = seeded(5)
    images, floor = torch.rand(2, 3, 3, 10, 12, generator=generator)
    layers = torch.rand(3, 5, 4, 10, 12, generator=generator)
    layers[:, :, 3] = 6 * layers[:, :, 3] - 3
    gains = LESSON["gains_of"](images, layers, floor, most=4)
    for least in (0.0, 0.2, 0.6, 2.0):
        kept = greedy_choice(images, layers, floor, least, most=4).sum(dim=1)
        assert LESSON["counts_at"](gains, torch.tensor([least]))[0].tolist() == kept.tolist()


def test_candidates_are_those_that_the_network_chooses_among():
    shape = {
        "image_channels": 3,
        "descriptor_channels": 8,
        "width": 8,
        "levels": 2,
        "groups": 4,
        "window": 3,
        "stem": 2,
    }
    config = TUSKConfig(3, 4, aggregation="alpha", canvas=6, background_layer="surface", candidates=5, **shape)
    model, images = new_method(lambda: TUSK(config), 0).eval(), torch.rand(2, 3, 24, 24, generator=seeded())
    LESSON["model"] = model
    layers, score, floor = LESSON["candidates_of"](images)
    assert layers.shape[:2] == score.shape == (2, 5)
    torch.testing.assert_close(floor, robust_surface(images))
    kept = greedy_choice(images, layers, floor, 0.0, most=3).sum(dim=1)
    assert kept.tolist() == model(images).keypoints.found.sum(dim=1).tolist()


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), share=st.floats(0.0, 1.0))
def test_overlap_is_scikit_learn_s(seed, share):
    first, second = torch.rand(2, 3, 5, 6, generator=seeded(seed)) < share
    wanted = [jaccard_score(a, b, zero_division=0) for a, b in zip(first.flatten(1), second.flatten(1), strict=True)]
    np.testing.assert_allclose(LESSON["overlap"](first, second), wanted, atol=1e-6)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), prototypes=st.integers(1, 9), count=st.integers(1, 5))
def test_names_are_the_package_s(seed, prototypes, count):
    assignment = torch.randint(prototypes, (40,), generator=seeded(seed))
    values = torch.randint(count, (40,), generator=seeded(seed + 1))
    assert torch.equal(
        LESSON["most_often"](assignment, values, prototypes, count),
        majority_class(assignment, values, prototypes, count),
    )


def test_patches_are_connected_and_numbered():
    image = torch.full((1, 3, 112, 112), 0.5)
    image[0, 0, 10:20, 10:20], image[0, 1, 60:70, 60:64] = 1.0, 1.0
    found = LESSON["patches"](image, 0.1)[0]
    assert found.unique().tolist() == [0, 1, 2]
    assert (found[10:20, 10:20] == 1).all()
    assert int((found == 2).sum()) == 40


def test_touching_is_by_rows_and_by_columns():
    apart, beside, below = torch.zeros(3, 4, 4, dtype=torch.uint8)
    apart[0, 0], apart[0, 2] = 1, 2
    beside[0, 0], beside[0, 1] = 1, 2
    below[0, 0], below[1, 0] = 1, 2
    assert LESSON["touching"](torch.stack([apart, beside, below])).tolist() == [False, True, True]


def test_outlines_hold_what_is_visible_and_more_where_something_is_hidden():
    layout, _ = ClevrLike("test", 6).layouts(torch.arange(6))
    whole, segments = LESSON["outlines"](layout), cast_segments(layout, cropped(112))
    for place in range(6):
        seen = segments == place + 1
        assert (whole[:, place] | ~seen).all()  # what is visible is a part of the outline
    assert torch.equal(whole.any(dim=1), segments > 0)


@pytest.mark.parametrize("compete", [True, False])
def test_shares_of_slots_sum_to_1_over_what_they_compete_in(compete):
    features = torch.rand(20, 5, generator=seeded())
    shares = LESSON["rounds_of"](features, features[:4], compete)
    torch.testing.assert_close(shares.sum(dim=0 if compete else 1), torch.ones(20 if compete else 4))


def test_competing_slots_find_two_clouds_of_points():
    features = torch.cat([torch.zeros(10, 2), torch.ones(10, 2)]) + 0.01 * torch.rand(20, 2, generator=seeded())
    winner = LESSON["rounds_of"](features, features[[0, 12]], True).argmax(dim=0)
    table = torch.zeros(2, 2).index_put_((winner, torch.arange(20) // 10), torch.ones(()), accumulate=True)
    rows, columns = linear_sum_assignment(table, maximize=True)
    assert table[rows, columns].sum() == 20


def test_who_spills_evenly_draws_as_much_outside_as_behind():
    part = torch.zeros(40, 40, dtype=torch.bool)
    part[10:30, 10:20] = True
    outline = part.clone()
    outline[10:30, 20:26] = True
    spilt = torch.from_numpy(ndimage.distance_transform_edt(~part.numpy()).round() <= 3)
    behind = int((spilt & outline & ~part).sum())
    assert LESSON["drawn_as_far"](spilt, outline, part) == pytest.approx(behind) == 60
    assert LESSON["drawn_as_far"](outline, outline, part) == 0
    assert LESSON["drawn_as_far"](torch.ones_like(part), outline, part) == pytest.approx(120)
