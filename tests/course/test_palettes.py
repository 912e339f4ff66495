"""Colours that stand for kinds can be told apart by readers who do not see red or green; of fifty no colours can be."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from tusklite.course import alternating_training, figures
from tusklite.course.figures.landmarks import landmark_colors, landmark_gallery

# What is left of linear red, green and blue, by Machado, Oliveira and Fernandes (2009), at severity 1.0.
SIGHT = {
    "all colours": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
# From linear sRGB to CIE XYZ, whose white is D65.
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
APART = 15.0  # in CIELAB; 2.3 is a difference that is just noticed with the colours side by side

PALETTES = {
    "the palette": figures.PALETTE,
    "right, wrong, missed": [color for color, _ in (figures.RIGHT, figures.WRONG, figures.MISSED)],
    "who moves": list(alternating_training.figures.WHO.values()),
    "ours and others": [figures.PALETTE[0], figures.PALE],
    "failed, cures, healthy": [
        alternating_training.figures.FAILED,
        *alternating_training.figures.CURES,
        figures.PALE,
    ],
}


def seen(color: object, sight: np.ndarray) -> np.ndarray:
    """CIELAB of a colour as it is seen."""
    display = np.array(to_rgb(color))
    linear = np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
    share = XYZ @ (sight @ linear).clip(0, 1) / XYZ.sum(axis=1)
    f = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colors, sight: np.ndarray) -> float:
    """How far apart the two colours are that look most alike."""
    return min(np.linalg.norm(seen(one, sight) - seen(other, sight)) for one, other in combinations(colors, 2))


def test_the_simulation_knows_what_it_should():
    plain, green_blind = SIGHT["all colours"], SIGHT["deuteranopia"]
    np.testing.assert_allclose(seen("white", plain), [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(seen("red", plain), [53.24, 80.09, 67.20], atol=0.02)  # as colour tables have it
    for sight in SIGHT.values():
        np.testing.assert_allclose(seen("grey", sight), seen("grey", plain), atol=0.1)  # greys stay greys
    # matplotlib's own red and green are the pair that everybody is warned of.
    assert nearest(["tab:red", "tab:green"], plain) > 100
    assert nearest(["tab:red", "tab:green"], green_blind) < 30


@pytest.mark.parametrize("sight", SIGHT.values(), ids=SIGHT)
@pytest.mark.parametrize("colors", PALETTES.values(), ids=PALETTES)
def test_no_two_colours_of_a_palette_look_alike(colors, sight):
    assert nearest(colors, sight) > APART


def test_what_shares_a_colour_differs_in_its_marker():
    labels = torch.arange(40)
    drawn = figures.descriptor_map(torch.rand(40, 2), labels).axes[0].collections
    looks = {(tuple(one.get_facecolor()[0]), one.get_paths()[0].vertices.tobytes()) for one in drawn}
    assert len(looks) == 40


def test_fifty_landmarks_are_told_apart_by_numbers_for_no_colours_can():
    xy = 2 * torch.rand(3, 50, 2, generator=torch.Generator().manual_seed(0)) - 1
    assert nearest(landmark_colors(xy), SIGHT["deuteranopia"]) < 2.3
    for panel, places in zip(landmark_gallery(torch.zeros(3, 1, 80, 80), xy).axes, xy, strict=True):
        assert [text.get_text() for text in panel.texts] == [str(number) for number in range(1, 51)]
        np.testing.assert_allclose([text.xy for text in panel.texts], 40 * (places + 1), rtol=1e-5, atol=1e-5)
