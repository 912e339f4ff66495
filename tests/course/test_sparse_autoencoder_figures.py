"""Figures of the sparse autoencoder hold what they promise: colours of who painted, bars in units of the first."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.colors import to_rgb

from tusklite.course import figures
from tusklite.course import sparse_autoencoder as lesson

COPIES = torch.rand(3, 1, 8, 9, generator=torch.Generator().manual_seed(1))
NAMES = ["moved", "dark", "noisy"]
FIGURES = {
    "copies": lambda: lesson.copies_and_distances(COPIES, NAMES, {"MSE": [0.2, 0.2, 0.4], "other": torch.ones(3)}),
    "in colour": lambda: lesson.copies_and_distances(COPIES.expand(-1, 3, -1, -1), NAMES, {"MSE": [1, 2, 0]}),
}


def test_a_tint_mixes_the_colours_of_the_keypoints_by_their_shares():
    images, masks = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2), torch.tensor([[1.0, 0.3], [0.0, 0.7]]).view(1, 2, 1, 2)
    tinted = lesson.tint(images, masks)[0, :, 0].T
    blue, orange = (np.array(to_rgb(color)) for color in figures.PALETTE[:2])
    np.testing.assert_allclose(tinted, [0.25 * blue, 0.3 * blue + 0.7 * orange], atol=1e-6)


def test_bars_are_in_units_of_the_first_copy():
    *_, bars = lesson.copies_and_distances(COPIES, NAMES, {"a": [0.2, 0.3, 0.1], "b": [4.0, 8.0, 0.0]}).axes
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], [1, 1.5, 0.5, 1, 2, 0])
    places = np.array([bar.get_x() + bar.get_width() / 2 for bar in bars.patches]).reshape(2, 3)
    np.testing.assert_allclose(places.mean(axis=0), [0, 1, 2], atol=1e-9)  # below their copies
    assert [text.get_text() for text in bars.texts] == ["1.0", "1.5", "0.5", "1.0", "2.0", "0.0"]
