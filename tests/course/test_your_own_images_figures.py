"""Figures and files of lesson 21 hold what they promise: shapes, kinds, leaps, paths, odd files, a film."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from tusklite.course import figures
from tusklite.course import your_own_images as lesson
from tusklite.data import Figures
from tusklite.data.puppets import JOINTS

GENERATOR = torch.Generator().manual_seed(2)
IMAGES = torch.rand(2, 3, 12, 16, generator=GENERATOR)
POINTS = 2 * torch.rand(2, 3, 2, generator=GENERATOR) - 1
KINDS = torch.tensor([[0, 1, 0], [2, 5, 5]])
FOUND = torch.tensor([[True, True, False], [True, False, False]])
WALK = torch.linspace(-0.8, 0.8, 9)[:, None, None].expand(9, 2, 2)
LEAPING = torch.where(torch.arange(9)[:, None, None] % 2 == 0, WALK, -WALK)


def of_files():
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("wide.png", "high.png")]
        Image.fromarray(np.full((20, 60), 90, np.uint8)).save(paths[0])
        Image.fromarray(np.full((80, 20, 3), (200, 0, 0), np.uint8)).save(paths[1])
        return lesson.marked_files(paths, ["wide", "high"])


FIGURES = {
    "files": of_files,
    "kinds": lambda: lesson.kinds_on_pictures(IMAGES, POINTS, KINDS, FOUND, ["one", "two"]),
    "no kinds": lambda: lesson.kinds_on_pictures(IMAGES, POINTS, KINDS, FOUND & False),
    "tracks": lambda: lesson.tracks_over_time({"leaping": LEAPING, "walking": WALK}),
    "paths": lambda: lesson.paths_on_picture(IMAGES[0], {"leaping": LEAPING, "walking": WALK}),
}


def test_files_are_shown_in_their_shapes():
    wide, high = of_files().axes
    assert wide.images[0].get_array().shape == (20, 60, 3)
    assert high.images[0].get_array().shape == (80, 20, 3)
    assert high.images[0].get_array()[0, 0].tolist() == pytest.approx([200 / 255, 0, 0], abs=1e-6)
    assert "“wide”, 60 x 20 pixels" in of_files().alt


def test_a_kind_has_its_colour_and_number_and_an_empty_slot_none():
    first, second = FIGURES["kinds"]().axes
    assert [text.get_text() for text in first.texts] == ["1", "2"]
    assert [text.get_text() for text in second.texts] == ["3"]
    assert to_hex(second.collections[0].get_facecolors()[0]) == to_hex(figures.PALETTE[2])
    assert "3 keypoints of 3 kinds" in FIGURES["kinds"]().alt


def test_the_largest_leap_is_told():
    alt = FIGURES["tracks"]().alt
    assert "the largest leap is 1.4 of half a side" in alt
    assert "the largest leap is 0.2 of half a side" in alt


def test_paths_are_drawn_where_points_are():
    panel = FIGURES["paths"]().axes[1]
    np.testing.assert_allclose(panel.lines[0].get_xdata(), (WALK[:, 0, 0] + 1) * 8, atol=1e-5)
    np.testing.assert_allclose(panel.lines[0].get_ydata(), (WALK[:, 0, 1] + 1) * 6, atol=1e-5)


# Files


def test_pictures_are_written_as_they_are_and_enlarged_by_whole_pixels(tmp_path):
    paths = lesson.write_pictures(tmp_path / "new", IMAGES, enlarged=3)
    stored = np.asarray(Image.open(paths[1]))
    assert stored.shape == (36, 48, 3)
    np.testing.assert_array_equal(stored[::3, ::3], (IMAGES[1] * 255).round().byte().movedim(0, -1))
    assert len(np.unique(stored[:3, :3].reshape(-1, 3), axis=0)) == 1


def test_odd_files_are_what_they_are_said_to_be(tmp_path):
    odd = lesson.write_odd_files(tmp_path, IMAGES[0])
    assert sorted(odd) == sorted(path.name for path in tmp_path.iterdir())
    modes = {}
    for name in odd:
        try:
            with Image.open(tmp_path / name) as stored:
                stored.load()
                modes[name] = (stored.mode, stored.size)
        except OSError:
            modes[name] = None
    assert [name for name, mode in modes.items() if mode is None] == ["cut.png", "words.jpg", "empty.png", "notes.txt"]
    assert modes["glass.png"] == ("RGBA", (16, 12))
    assert modes["print.jpg"][0] == "CMYK"
    assert modes["deep.png"][0].startswith("I")
    assert modes["sideways.jpg"][1] == (12, 16)
    assert modes["huge.jpg"][1] == (192, 144)
    assert modes["dot.png"][1] == (1, 1)
    with Image.open(tmp_path / "sideways.jpg") as stored:
        assert stored.getexif()[0x0112] == 6


def test_a_film_is_a_video_or_without_pyav_a_folder(tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    path = lesson.write_film(tmp_path / "one", torch.rand(5, 3, 32, 32))
    with av.open(str(path)) as video:
        assert len(list(video.decode(video=0))) == 5
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    path = lesson.write_film(tmp_path / "two", IMAGES)
    assert [each.name for each in sorted(path.iterdir())] == ["000.png", "001.png"]


def test_the_figure_waves_on_a_background_that_stands_still():
    images, joints = lesson.waving_figure(33, size=40, seed=1)
    assert (joints.abs() < 1).all()
    torch.testing.assert_close(joints[0], joints[32], atol=1e-5, rtol=0)  # a period later
    still = images[:, :, 0, 0].std(dim=0)  # noise alone: a corner that no hand reaches
    assert float(still.max()) < 0.1
    wrist, pelvis = (joints[:, JOINTS.index(name)] for name in ("left_wrist", "left_hip"))
    assert wrist.std(dim=0).norm() > pelvis.std(dim=0).norm() > 0.02
    assert not torch.equal(lesson.waving_figure(3, size=40, seed=2)[0], images[:3])


def test_the_figure_is_dressed_as_those_that_the_network_learns_from():
    images, joints = lesson.waving_figure(3, size=80)
    batch = Figures("test", size=20).scenes(range(20), with_truth=True)

    def shirt(images: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
        """The colour between neck and hips."""
        middle = (joints[:, JOINTS.index("neck")] + joints[:, [JOINTS.index("left_hip"), 11]].mean(dim=1)) / 2
        at = ((middle + 1) / 2 * 80).long().clamp(0, 79)
        return images[torch.arange(len(images)), :, at[:, 1], at[:, 0]].mean(dim=0)

    assert JOINTS[11] == "right_hip"
    assert (shirt(images, joints) - shirt(batch.image, batch.xy[:, 0])).abs().max() < 0.12
