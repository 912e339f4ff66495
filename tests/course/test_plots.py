"""Figures hold what they promise: axes, artists, words and lines; and they render without a warning."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from scipy.spatial.distance import cdist

from tusklite.course import figures
from tusklite.course import mnist_hard as lesson

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(5, 1, 40, 60, generator=GENERATOR)
LOG = [
    {
        "step": i,
        "seconds": i / 2,
        "reconstruction": 1 / (i + 1),
        "phase": "warm-up" if i < 40 else "clustering",
    }
    for i in range(100)
]
LOG += [{"step": 20 * i, "seconds": 10 * i, "localization": i / 5, "both": i / 6} for i in range(6)]
ROWS = [
    {"name": "ours", "localization": 0.998, "both": 0.941},
    {"name": "TUSK", "localization": 0.999, "both": 0.921},
    {"name": "channel-wise", "localization": 0.254, "both": 0.248},
]


def words(panel) -> list[str]:
    """Return the texts inside an axes."""
    return [text.get_text() for text in panel.texts if text.get_text()]


def boxes(panel) -> list[tuple[str, str]]:
    """Return the colour and the line style of each box in an axes."""
    return [(to_hex(patch.get_edgecolor()).upper(), patch.get_linestyle()) for patch in panel.patches]


FIGURES = {
    "scene_gallery": lambda: figures.scene_gallery(IMAGES, ["a", "b", "c", "d", "e"], columns=3),
    "colour_gallery": lambda: figures.scene_gallery(IMAGES.expand(-1, 3, -1, -1) * 1.5 - 0.2),
    "prototype_gallery": lambda: lesson.prototype_gallery(IMAGES),
    "detections": lambda: figures.detections(
        IMAGES,
        torch.zeros(5, 2, 2),
        torch.ones(5, 2, dtype=torch.int64),
        ["four", "nine"],
        torch.full((5, 3, 2), 0.5),
        torch.zeros(5, 3, dtype=torch.int64),
    ),
    "curves": lambda: figures.curves(LOG, ["reconstruction", ("localization", "both")], logarithmic=["reconstruction"]),
    "descriptor_map": lambda: figures.descriptor_map(torch.rand(50, 2), torch.arange(50) % 12, torch.rand(4, 2)),
    "confusion": lambda: lesson.confusion(torch.arange(12).view(3, 4)),
    "heatmap_on_image": lambda: figures.heatmap_on_image(IMAGES[0], torch.rand(1, 10, 15), torch.rand(4, 2)),
    "flat_heatmap": lambda: figures.heatmap_on_image(IMAGES[0].expand(3, -1, -1), torch.zeros(1, 40, 60)),
    "bar_comparison": lambda: lesson.bar_comparison(ROWS),
}


def test_pyplot_is_not_imported():
    code = "import sys, tusklite.course.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_galleries_show_each_image_with_its_title():
    figure = figures.scene_gallery(IMAGES, ["a", "b", "c", "d", "e"], columns=3)
    assert [panel.get_title() for panel in figure.axes] == ["a", "b", "c", "d", "e"]
    assert len({round(panel.get_subplotspec().get_position(figure).y0, 3) for panel in figure.axes}) == 2
    for panel, image in zip(figure.axes, IMAGES, strict=True):
        assert np.allclose(panel.images[0].get_array(), image[0])
    assert [panel.get_title() for panel in lesson.prototype_gallery(IMAGES[:3]).axes] == ["0", "1", "2"]


def test_values_outside_the_range_are_shown_as_the_nearer_end():
    shown = figures.scene_gallery(torch.tensor([-0.5, 0.5, 1.5]).view(1, 1, 1, 3)).axes[0].images[0].get_array()
    assert shown.tolist() == [[0.0, 0.5, 1.0]]


def test_boxes_stand_where_the_keypoints_are():
    # In an image 60 wide and 40 high, (0.5, -0.5) is pixel (45, 10).
    patch = figures.detections(IMAGES[:1], torch.tensor([[[0.5, -0.5]]]), box=8).axes[0].patches[0]
    assert patch.get_bbox().bounds == (41, 6, 8, 8)


def test_right_wrong_and_missed_are_told_apart():
    truth_xy = torch.tensor([[[-0.7, 0.0], [0.0, 0.0], [0.7, 0.0], [0.9, 0.9]]])
    xy = torch.tensor([[[-0.7, 0.1], [0.0, 0.1], [0.3, -0.9], [0.0, 0.0]]])
    found = torch.tensor([[True, True, True, False]])
    truth_found = torch.tensor([[True, True, True, False]])
    options = {"found": found, "truth_found": truth_found}
    names = ["zero", "one", "two"]
    assignment, truth_class = torch.tensor([[0, 1, 2, 0]]), torch.tensor([[0, 2, 1, -1]])
    figure = figures.detections(IMAGES[:1], xy, assignment, names, truth_xy, truth_class, **options)
    right, wrong, missed = (color for color, _ in (figures.RIGHT, figures.WRONG, figures.MISSED))
    # Right class; wrong class on an object; nothing there; and the third object without a box.
    assert boxes(figure.axes[0]) == [(right, "-"), (wrong, "--"), (wrong, "--"), (missed, ":")]
    assert words(figure.axes[0]) == ["zero", "one (two)", "two", "(one)"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["right", "wrong (true class)", "missed"]

    placed = figures.detections(IMAGES[:1], xy, truth_xy=truth_xy, **options)
    assert boxes(placed.axes[0]) == [(right, "-"), (right, "-"), (wrong, "--"), (missed, ":")]
    assert words(placed.axes[0]) == []

    told = figures.detections(IMAGES[:1], xy, assignment - 1, correct=torch.tensor([[False, True, True, True]]))
    assert [color for color, _ in boxes(told.axes[0])] == [wrong, right, right, right]
    assert words(told.axes[0]) == ["0", "1"]
    plain = figures.detections(IMAGES[:1], xy)
    assert {color for color, _ in boxes(plain.axes[0])} == {right}
    assert not plain.legends


@pytest.mark.parametrize("window", [1, 4, 5, 30])
def test_curves_are_running_means_over_the_raw_points(window):
    values = np.random.default_rng(window).random(30)
    log = [{"step": 3 * i, "loss": v} for i, v in enumerate(values)]
    panel = figures.curves(log, ["loss"], smoothing=min(window / 30, 0.999)).axes[0]
    raw, mean = panel.lines
    assert np.array_equal(raw.get_ydata(), values)
    assert np.array_equal(mean.get_xdata(), 3 * np.arange(30))
    left = (window - 1) // 2
    expected = [values[max(i - left, 0) : i + window - left].mean() for i in range(30)]
    assert np.allclose(mean.get_ydata(), expected)


def test_curves_group_keys_and_mark_phases():
    figure = figures.curves(
        LOG, ["reconstruction", ("localization", "both")], x="seconds", logarithmic=["reconstruction"]
    )
    loss, scores = figure.axes
    assert (loss.get_title(loc="left"), loss.get_yscale(), scores.get_yscale()) == (
        "reconstruction",
        "log",
        "linear",
    )
    assert [text.get_text() for text in scores.get_legend().get_texts()] == ["localization", "both"]
    assert len(scores.lines[0].get_xdata()) == 6
    for panel in figure.axes:
        assert panel.get_xlabel() == "seconds"
        assert [text.get_text().strip() for text in panel.texts] == ["clustering"]
        assert list(panel.lines[-1].get_xdata()) == [20.0, 20.0]


def test_records_that_are_not_finite_leave_no_point():
    log = [{"step": i, "loss": v} for i, v in enumerate([1.0, float("nan"), None, 2.0, np.float32(3.0)])]
    assert figures.curves(log, ["loss"]).axes[0].lines[0].get_xdata().tolist() == [0, 3, 4]


def test_tsne_keeps_clusters_and_their_prototypes_together():
    centres = torch.eye(3, 8) * 10
    labels = torch.arange(60) % 3
    descriptors = centres[labels] + torch.randn(60, 8, generator=GENERATOR)
    points, crosses = figures.tsne(descriptors, centres, perplexity=10)
    assert (labels[torch.from_numpy(cdist(crosses, points)).argmin(dim=1)] == torch.arange(3)).all()
    again, _ = figures.tsne(descriptors, centres, perplexity=10)
    assert torch.equal(points, again)


def test_descriptor_map_draws_each_class_once_and_the_prototypes():
    labels = torch.tensor([0, 0, 3, 13, 13, 13])
    points, crosses = torch.rand(6, 2), torch.rand(2, 2)
    figure = figures.descriptor_map(points, labels, crosses)
    drawn = figure.axes[0].collections
    assert [len(one.get_offsets()) for one in drawn] == [2, 1, 3, 2]
    assert np.allclose(drawn[2].get_offsets(), points[3:])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "3", "13", "prototype"]
    # Classes 3 and 13 share a colour, and differ in their marker.
    assert np.array_equal(drawn[1].get_facecolor(), drawn[2].get_facecolor())
    assert not np.array_equal(drawn[1].get_paths()[0].vertices, drawn[2].get_paths()[0].vertices)
    assert len(set(figures.PALETTE)) == 10


def test_confusion_writes_shares_of_each_row():
    figure = lesson.confusion(torch.tensor([[6, 1, 1], [0, 0, 0]]), ["four", "nine"])
    assert words(figure.axes[0]) == ["75.0", "12.5", "12.5"]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["four", "nine", "missed"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["four", "nine"]
    assert len(lesson.confusion(torch.eye(2)).axes[0].get_xticklabels()) == 2


def test_heatmap_lies_over_the_image_with_crosses_in_pixels():
    panel = figures.heatmap_on_image(IMAGES[0], torch.ones(1, 4, 6), torch.tensor([[0.5, -0.5]])).axes[0]
    assert [tuple(image.get_extent()) for image in panel.images] == [(0, 60, 40, 0)] * 2
    assert panel.collections[0].get_offsets().tolist() == [[45, 10]]


def test_bars_show_each_number_and_ours_stands_out():
    figure = lesson.bar_comparison(ROWS)
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["localization", "both"]
    assert words(figure.axes[1]) == ["94.1%", "92.1%", "24.8%"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.998, 0.999, 0.254]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["ours", "TUSK", "channel-wise"]
    ours, *others = (bar.get_facecolor() for bar in figure.axes[0].patches)
    assert ours not in others


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    figure = figures.scene_gallery(IMAGES)
    path = figures.save(figure, str(tmp_path / "scene.png"))
    old = path.read_bytes()

    def fail(target, **options):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        figures.save(figure, path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_save_writes_other_formats_and_sizes(tmp_path):
    figure = figures.scene_gallery(IMAGES[:1])
    assert figures.save(figure, tmp_path / "scene.SVG").read_text().startswith("<?xml")
    assert imread(figures.save(figure, tmp_path / "large.png", dpi=200)).shape[1] == 300


XY, CLASSES = torch.zeros(5, 2, 2), torch.zeros(5, 2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: figures.scene_gallery(IMAGES[0]), ValueError, r"images: shape \(1, 40, 60\)"),
        (lambda: figures.scene_gallery(IMAGES.expand(-1, 2, -1, -1)), ValueError, "images: 2 channels"),
        (lambda: figures.scene_gallery(IMAGES * float("nan")), ValueError, "images: NaN"),
        (lambda: figures.scene_gallery(IMAGES, ["a"]), ValueError, "titles: 1 words .* each of 5"),
        (lambda: figures.scene_gallery(IMAGES, columns=0), ValueError, "columns: 0"),
        (lambda: lesson.prototype_gallery(IMAGES, ["a"]), ValueError, "names: 1 words"),
        (lambda: figures.detections(IMAGES, XY[:4]), ValueError, r"xy: shape \(4, 2, 2\)"),
        (lambda: figures.detections(IMAGES, XY, box=0), ValueError, "box: 0"),
        (lambda: figures.detections(IMAGES, XY, CLASSES[:, :1]), ValueError, r"assignment: shape \(5, 1\)"),
        (lambda: figures.detections(IMAGES, XY, CLASSES.float()), TypeError, "assignment: torch.float32"),
        (
            lambda: figures.detections(IMAGES, XY, CLASSES + 2, ["a", "b"]),
            ValueError,
            "names: 2 words .* up to 2",
        ),
        (lambda: figures.detections(IMAGES, XY, found=CLASSES), TypeError, "found: torch.int64 .* bool"),
        (lambda: figures.detections(IMAGES, XY, correct=[True]), TypeError, "correct: list"),
        (lambda: figures.detections(IMAGES, XY, CLASSES, truth_class=CLASSES), ValueError, "without truth_xy"),
        (
            lambda: figures.detections(IMAGES, XY, truth_xy=XY, truth_class=CLASSES),
            ValueError,
            "truth_class: given without assignment",
        ),
        (lambda: figures.detections(IMAGES, XY, truth_xy=XY[:3]), ValueError, r"truth_xy: shape \(3, 2, 2\)"),
        (lambda: figures.curves(LOG, []), ValueError, r"keys: \[\]"),
        (lambda: figures.curves(LOG, "both"), ValueError, "keys: 'both' was given; allowed is a list"),
        (
            lambda: figures.curves(LOG, ["loss"]),
            ValueError,
            "keys: 'loss' is in no record; allowed are both, local",
        ),
        (lambda: figures.curves([], ["loss"]), ValueError, "x: 'step' is in no record; allowed are none"),
        (lambda: figures.curves(LOG, ["both"], logarithmic=["loss"]), ValueError, "logarithmic: 'loss'"),
        (lambda: figures.curves(LOG, ["both"], smoothing=1.0), ValueError, "smoothing: 1.0"),
        (lambda: figures.tsne(XY[0], XY[0, :, :1]), ValueError, r"prototypes: shape \(2, 1\)"),
        (lambda: figures.tsne(XY[0], XY[0], perplexity=4), ValueError, "perplexity: 4 .* below 4"),
        (lambda: figures.tsne(XY[0], XY[0], seed=-1, perplexity=1), ValueError, "seed: -1"),
        (lambda: figures.descriptor_map(XY[0], CLASSES[0, :1]), ValueError, r"labels: shape \(1,\)"),
        (lambda: figures.descriptor_map(XY[0], [0, 0]), TypeError, "labels: list"),
        (
            lambda: figures.descriptor_map(XY[0], CLASSES[0] + 40),
            ValueError,
            "labels: 40 to 40 .* from 0 to 39",
        ),
        (lambda: figures.descriptor_map(XY[0], CLASSES[0] + 1, names=["a"]), ValueError, "names: 1 words"),
        (lambda: lesson.confusion([[1]]), TypeError, "matrix: list"),
        (lambda: lesson.confusion(torch.ones(3, 2)), ValueError, r"matrix: shape \(3, 2\)"),
        (lambda: lesson.confusion(-torch.ones(2, 2)), ValueError, "matrix: negative"),
        (lambda: lesson.confusion(torch.ones(2, 2), ["a"]), ValueError, "names: 1 words"),
        (lambda: figures.heatmap_on_image(IMAGES, IMAGES[0]), ValueError, r"image: shape \(5, 1, 40, 60\)"),
        (lambda: figures.heatmap_on_image(IMAGES[0], IMAGES[0] - 2), ValueError, "heatmap: -[12].* at least 0"),
        (lambda: lesson.bar_comparison([]), ValueError, r"rows: \[\]"),
        (lambda: lesson.bar_comparison([ROWS[0], {"name": "x"}]), ValueError, r"rows: keys \['name'\]"),
        (lambda: lesson.bar_comparison([{"name": "x", "both": 94.1}]), ValueError, "both: 94.1 .* at most 1"),
        (lambda: figures.save(Figure(), "figure.webm"), ValueError, "path: 'figure.webm' .* endings are .*png"),
        (
            lambda: figures.save(Figure(), "/no/such/folder/a.png"),
            FileNotFoundError,
            "path: folder /no/such/folder",
        ),
    ],
)
def test_wrong_input_is_refused(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
