"""Shared figures hold what they promise: panels, artists, words and lines; and pictures in other units are refused."""

from __future__ import annotations

import inspect
import io
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image
from scipy.spatial.distance import cdist

from tusklite.course import (
    alternating_training,
    figures,
    landmarks_on_faces,
    single_heatmap,
    sparse_autoencoder,
    thin_plate_splines,
    when_one_channel_is_not_enough,
)
from tusklite.course.figures.canvas import class_name

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(5, 1, 40, 60, generator=GENERATOR)
XY = torch.tensor([[-1.0, -1.0], [0.5, -0.5], [1.0, 1.0], [0.0, 0.2]])
MAPS = torch.rand(3, 4, 6, generator=GENERATOR)
LOG = [{"step": i, "reconstruction": 1 / (i + 1), "phase": "warm-up" if i < 40 else "clustering"} for i in range(100)]
LOG += [{"step": 20 * i, "localization": i / 5, "both": i / 6} for i in range(6)]
RUNS = [[{"step": step, "error": seed + 1 / (step + 1)} for step in (0, 5, 10)] for seed in (0, 2)]
X = [1, 2, 3]


def words(panel) -> list[str]:
    """The texts inside a panel."""
    return [text.get_text() for text in panel.texts if text.get_text()]


def boxes(panel) -> list[tuple[str, str]]:
    """The colour and the line style of each box in a panel."""
    return [(to_hex(patch.get_edgecolor()).upper(), patch.get_linestyle()) for patch in panel.patches]


def bars() -> figures.LessonFigure:
    figure = figures.panel_grid(1)
    figure.axes[0].bars({"ours": 0.998, "TUSK": 0.999, "channel-wise": 0.254}, ours=["ours"])
    return figure


FIGURES = {
    "image_grid": lambda: figures.image_grid(IMAGES, ["a", "b", "c", "d", "e"], columns=3),
    "in colour": lambda: figures.image_grid(IMAGES.expand(-1, 3, -1, -1) * 1.5 - 0.2),
    "image_rows": lambda: figures.image_rows({"first": IMAGES, "second": 1 - IMAGES}, "abcde"),
    "landmark_rows": lambda: figures.landmark_rows({"one": (IMAGES, XY.expand(5, -1, -1))}),
    "marked_images": lambda: figures.marked_images(IMAGES, XY.expand(5, -1, -1), ["a", "b", "c", "d", "e"]),
    "aims": lambda: figures.marked_images(IMAGES, XY.expand(5, -1, -1), aims=-XY.expand(5, -1, -1)),
    "detections": lambda: figures.detections(
        IMAGES,
        torch.zeros(5, 2, 2),
        torch.ones(5, 2, dtype=torch.int64),
        ["four", "nine"],
        torch.full((5, 3, 2), 0.5),
        torch.zeros(5, 3, dtype=torch.int64),
    ),
    "heatmap_on_image": lambda: figures.heatmap_on_image(IMAGES[0], torch.rand(1, 10, 15), torch.rand(4, 2)),
    "flat heatmap": lambda: figures.heatmap_on_image(IMAGES[0].expand(3, -1, -1), torch.zeros(1, 40, 60)),
    "probability_maps": lambda: figures.probability_maps(MAPS, XY[:3], ["a", "b", "c"], aims=-XY[:3]),
    "curves": lambda: figures.curves(LOG, ["reconstruction", ("localization", "both")], logarithmic=["reconstruction"]),
    "compare_runs": lambda: figures.compare_runs({"a": RUNS, "b": RUNS[:1]}, ["error", "step"]),
    "growth": lambda: figures.growth([2, 4, 8], {"time": {"a": [1, 4, 16], "b": [1, 2, 4]}}, "size", slopes=(1, 2)),
    "lines_and_dots": lambda: figures.lines_and_dots(X, {"a": X, "b": [3, 2, 1]}, {"b": X}, xlabel="x", ylabel="y"),
    "logarithmic": lambda: figures.lines_and_dots(X, {"": X}, xlabel="x", ylabel="y", logarithmic=True),
    "ideal": lambda: figures.lines_and_dots(X, {"a": X}, xlabel="x", ylabel="y", ideal=("as it should be", X)),
    "descriptor_map": lambda: figures.descriptor_map(torch.rand(50, 2), torch.arange(50) % 12, torch.rand(4, 2)),
    "bars": bars,
    "drawing": figures.tusk_drawing,
}


def test_pyplot_is_not_imported():
    code = "import sys, tusklite.course.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_a_cell_draws_on_a_panel_has_the_style_of_the_house():
    figure = figures.panel_grid(1)
    (panel,) = figure.axes
    (line,) = panel.plot([0, 1], [0, 1], label="a line")
    legend, texts = panel.legend(), [panel.text(0, 0, "a word"), panel.annotate("another", (0, 0))]
    assert to_hex(line.get_color()).upper() == figures.PALETTE[0]
    assert not legend.get_frame_on()
    assert [text.get_fontsize() for text in (*legend.get_texts(), *texts, panel.set_title("t"))] == [8, 9, 9, 9]
    figure.legend_below({"dots": {"marker": "o"}})
    assert not figure.legends[0].get_frame_on()
    assert matplotlib.rcParams["font.size"] == 10  # outside, all is as it was


def test_the_grid_has_as_many_panels_as_asked_for():
    figure = figures.panel_grid(5, columns=3, width=2.0, height=1.0)
    assert figure.get_size_inches().tolist() == [6, 2]
    assert len(figure.axes) == 5
    assert figures.panel_grid(2, columns=6, width=2.0).get_size_inches()[0] == 4


def test_grids_show_each_image_with_its_title():
    figure = figures.image_grid(IMAGES, ["a", "b", "c", "d", "e"], columns=3)
    assert [panel.get_title() for panel in figure.axes] == ["a", "b", "c", "d", "e"]
    assert len({round(panel.get_subplotspec().get_position(figure).y0, 3) for panel in figure.axes}) == 2
    for panel, image in zip(figure.axes, IMAGES, strict=True):
        assert np.allclose(panel.images[0].get_array(), image[0])


def test_rows_are_named_at_their_left():
    figure = figures.image_rows({"first": IMAGES, "second": 1 - IMAGES}, "abcde")
    assert [panel.get_title() for panel in figure.axes] == ["a", "b", "c", "d", "e", *[""] * 5]
    assert [words(panel) for panel in figure.axes[::5]] == [["first"], ["second"]]
    np.testing.assert_allclose(figure.axes[6].images[0].get_array(), 1 - IMAGES[1, 0])


def test_values_a_little_outside_the_range_are_shown_as_the_nearer_end():
    shown = figures.image_grid(torch.tensor([-0.5, 0.5, 1.5]).view(1, 1, 1, 3)).axes[0].images[0].get_array()
    assert shown.tolist() == [[0.0, 0.5, 1.0]]


def test_marks_and_lines_stand_on_the_image_which_keeps_its_size():
    (panel,) = figures.image_grid(IMAGES[:1]).axes
    panel.mark(1.5 * XY, s=9)
    panel.cross(XY[1])
    panel.join(XY, 1.5 * XY, "rgbk")
    np.testing.assert_allclose(panel.collections[0].get_offsets()[1], [52.5, 5])
    np.testing.assert_allclose(panel.collections[1].get_offsets(), [[45, 10]])
    for line, start, color in zip(panel.lines, panel.place(XY), "rgbk", strict=True):
        assert line.get_color() == color
        np.testing.assert_allclose(line.get_xydata()[0], start)
    assert (panel.get_xlim(), panel.get_ylim()) == ((0, 60), (40, 0))


def test_points_stand_in_pixels_with_their_numbers():
    panel = figures.marked_images(IMAGES[:1], XY[None]).axes[0]
    np.testing.assert_allclose(panel.collections[0].get_offsets(), [[0, 0], [45, 10], [60, 40], [30, 24]], atol=1e-5)
    assert words(panel) == ["1", "2", "3", "4"]


def test_rings_stand_at_the_aims_joined_to_their_points():
    panel = figures.marked_images(IMAGES[:1], XY[None], aims=-XY[None]).axes[0]
    rings, dots = (one.get_offsets() for one in panel.collections)
    np.testing.assert_allclose(rings[1], [15, 30])
    for line, ring, dot in zip(panel.lines, rings, dots, strict=True):
        np.testing.assert_allclose(line.get_xydata(), [ring, dot])


def test_landmarks_stand_on_their_images_in_pixels():
    images, xy = torch.rand(2, 1, 8, 12), torch.tensor([[[0.0, 0.5], [-1.0, 1.0]]] * 2)
    figure = figures.landmark_rows({"one": (images, xy), "two": (images, -xy)})
    places = [panel.collections[0].get_offsets() for panel in figure.axes]
    np.testing.assert_allclose(places[0], [[6, 6], [0, 8]])
    np.testing.assert_allclose(places[3], [[6, 2], [12, 0]])
    assert words(figure.axes[0]) == ["one", "1", "2"]
    assert words(figure.axes[3]) == ["1", "2"]


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

    plain = figures.detections(IMAGES[:1], xy, assignment - 1)
    assert {color for color, _ in boxes(plain.axes[0])} == {right}
    assert words(plain.axes[0]) == ["0", "1"]
    assert not plain.legends


def test_heatmap_lies_over_the_image_with_crosses_in_pixels():
    panel = figures.heatmap_on_image(IMAGES[0], torch.ones(1, 4, 6), torch.tensor([[0.5, -0.5]])).axes[0]
    assert [tuple(image.get_extent()) for image in panel.images] == [(0, 60, 40, 0)] * 2
    assert panel.collections[0].get_offsets().tolist() == [[45, 10]]


def test_maps_show_their_values_points_and_titles():
    xy = torch.tensor([[0.5, -0.25]] * 3)
    figure = figures.probability_maps(MAPS, xy, ["a", "b", "c"], aims=-xy)
    for panel, values, title in zip(figure.axes, MAPS, "abc", strict=True):
        np.testing.assert_allclose(panel.images[0].get_array(), values)
        rings, crosses = (collection.get_offsets() for collection in panel.collections)
        np.testing.assert_allclose([*crosses, *rings], [[0.5, -0.25], [-0.5, 0.25]])
        assert panel.get_title() == title


def test_maps_with_negative_values_are_centred_on_zero():
    signed = figures.probability_maps(torch.stack([MAPS[0], -2 * MAPS[0]]))
    for panel in signed.axes:
        low, high = panel.images[0].get_clim()
        assert low == -high
    assert figures.probability_maps(MAPS).axes[0].images[0].get_clim()[0] == 0


def test_a_map_of_zeros_is_drawn():
    figures.probability_maps(torch.zeros(1, 3, 3))._repr_png_()


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
    figure = figures.curves(LOG, ["reconstruction", ("localization", "both")], logarithmic=["reconstruction"])
    loss, scores = figure.axes
    assert (loss.get_title(loc="left"), loss.get_yscale(), scores.get_yscale()) == ("reconstruction", "log", "linear")
    assert [text.get_text() for text in scores.get_legend().get_texts()] == ["localisation", "both"]
    assert len(scores.lines[0].get_xdata()) == 6
    for panel in figure.axes:
        assert panel.get_xlabel() == "step"
        assert [text.get_text().strip() for text in panel.texts] == ["clustering"]
        assert list(panel.lines[-1].get_xdata()) == [40, 40]


def test_records_that_are_not_finite_leave_no_point():
    log = [{"step": i, "loss": v} for i, v in enumerate([1.0, float("nan"), None, 2.0, np.float32(3.0)])]
    assert figures.curves(log, ["loss"]).axes[0].lines[0].get_xdata().tolist() == [0, 3, 4]


def test_a_thick_line_is_the_mean_of_the_thin_ones():
    figure = figures.compare_runs({"a": RUNS, "b": RUNS[:1]}, ["error"])
    first, second, mean, *_ = figure.axes[0].lines
    np.testing.assert_allclose(mean.get_ydata(), (first.get_ydata() + second.get_ydata()) / 2)
    assert mean.get_linewidth() > first.get_linewidth()
    np.testing.assert_array_equal(mean.get_xdata(), [0, 5, 10])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert not figures.compare_runs({"a": RUNS}, ["error"]).legends


def test_growth_is_logarithmic_with_a_line_a_curve_and_a_slope():
    figure = figures.growth([2, 4, 8], {"time": {"a": [1, 4, 16], "b": [1, 2, 4]}}, "size", slopes=(1, 2))
    (panel,) = figure.axes
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
    _, slope, first, _ = (line.get_ydata() for line in panel.lines)
    np.testing.assert_allclose(slope, first)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["a", "b", "slopes 1, 2"]


def test_lines_and_dots_share_a_colour_and_stand_where_they_were_measured():
    panel = figures.lines_and_dots(X, {"a": X, "b": [3, 2, 1]}, {"b": [3.1, 2, 1]}, xlabel="x", ylabel="y").axes[0]
    first, second, dots = panel.lines
    np.testing.assert_allclose(dots.get_xydata(), [[1, 3.1], [2, 2], [3, 1]])
    assert dots.get_color() == second.get_color() != first.get_color()
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["a", "b"]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("x", "y")


def test_one_line_needs_no_legend():
    assert figures.lines_and_dots(X, {"": X}, {"": X}, xlabel="x", ylabel="y").axes[0].get_legend() is None


def test_no_line_is_lost_where_there_are_more_than_colours():
    many = {str(number): X for number in range(13)}
    assert len(figures.lines_and_dots(X, many, xlabel="x", ylabel="y").axes[0].lines) == 13
    assert len(figures.compare_runs({name: RUNS[:1] for name in many}, ["error"]).axes[0].lines) == 2 * 13


def test_bars_show_each_number_and_ours_stand_out():
    panel = bars().axes[0]
    assert words(panel) == ["99.8%", "99.9%", "25.4%"]
    assert [bar.get_width() for bar in panel.patches] == [0.998, 0.999, 0.254]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["ours", "TUSK", "channel-wise"]
    assert panel.yaxis_inverted()  # from top to bottom
    ours, *others = (bar.get_facecolor() for bar in panel.patches)
    assert ours not in others


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


# Every figure that is given pictures, as a function of one of them, (C, H, W).
RUN = {"failed": [{"step": 1, "dead": 4}], "healthy": [{"step": 1, "dead": 0}]}
PICTURES = {
    figures.image_grid: lambda picture: figures.image_grid(picture[None]),
    figures.image_rows: lambda picture: figures.image_rows({"a": picture[None]}),
    figures.landmark_rows: lambda picture: figures.landmark_rows({"a": (picture[None], XY[None])}),
    figures.marked_images: lambda picture: figures.marked_images(picture[None], XY[None]),
    figures.heatmap_on_image: lambda picture: figures.heatmap_on_image(picture, MAPS[:1]),
    figures.detections: lambda picture: figures.detections(picture[None], XY[None]),
    thin_plate_splines.moved_control_points: lambda picture: thin_plate_splines.moved_control_points(picture, XY, XY),
    figures.landmark_gallery: lambda picture: figures.landmark_gallery(picture[None], XY[None]),
    landmarks_on_faces.landmark_shares: lambda picture: landmarks_on_faces.landmark_shares(
        picture[None], XY[None], XY[None, :1], torch.ones(1, 4)
    ),
    when_one_channel_is_not_enough.humps: lambda picture: when_one_channel_is_not_enough.humps(
        picture[None], MAPS[:1], XY[:1], "a"
    ),
    single_heatmap.soft_window: lambda picture: single_heatmap.soft_window(picture, MAPS[:1], 3, 0.2),
    sparse_autoencoder.copies_and_distances: lambda picture: sparse_autoencoder.copies_and_distances(
        picture[None], "a", {"error": [1]}
    ),
    alternating_training.failure: lambda picture: alternating_training.failure(
        torch.stack([picture] * 2), MAPS[:1], XY[:2, None], torch.ones(1), "dead", RUN
    ),
}


@pytest.mark.parametrize("draw", PICTURES.values(), ids=[figure.__name__ for figure in PICTURES])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda picture: 255 * picture, r"image: values from .* to [12]\d\d.* were given; allowed are 0 to 1"),
        (lambda picture: 2 * picture - 3, "image: values from -.* were given; allowed are 0 to 1"),
        (lambda picture: picture.expand(4, -1, -1), "image: 4 channels were given; allowed are 1 and 3"),
        (lambda picture: picture.expand(2, -1, -1), "image: 2 channels were given; allowed are 1 and 3"),
        (lambda picture: picture / 0.0, "image: NaN or infinite values were given"),
    ],
    ids=["0 to 255", "below 0", "4 channels", "2 channels", "not finite"],
)
def test_pictures_in_other_units_are_refused(draw, spoil, message):
    draw(IMAGES[0])
    draw(IMAGES[0].expand(3, -1, -1))
    with pytest.raises(ValueError, match=message):
        draw(spoil(IMAGES[0]))


def test_no_figure_that_is_given_pictures_is_missing_above():
    lessons = (alternating_training, landmarks_on_faces, single_heatmap, sparse_autoencoder, thin_plate_splines)
    given = {"image", "images", "copies", "rows"}
    for room in (figures, when_one_channel_is_not_enough, *lessons):
        for name in room.__all__:
            draw = getattr(room, name)
            if inspect.isfunction(draw) and inspect.signature(draw).return_annotation == "LessonFigure":
                takes_pictures = given & inspect.signature(draw).parameters.keys() and name != "turns"
                assert bool(takes_pictures) == (draw in PICTURES), name


@pytest.mark.parametrize(
    ("label", "names", "allowed"),
    [
        (2, ["a", "b"], "from -1 to 1"),
        (-2, ["a", "b"], "from -1 to 1"),
        (-2, None, "from -1"),
        (0, [], "from -1 to -1"),
    ],
)
def test_a_class_without_a_name_is_refused(label, names, allowed):
    with pytest.raises(ValueError, match=f"names: .*class {label} .* {allowed}"):
        class_name(label, names)
    with pytest.raises(ValueError, match="names: "):
        figures.detections(IMAGES[:1], XY[None, :1], torch.tensor([[label]]), names)
    with pytest.raises(ValueError, match="names: "):
        figures.descriptor_map(XY[:1], torch.tensor([label]), names=names)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.image_grid(IMAGES, ["a"]), "titles: 1 words were given; allowed is one for each of 5"),
        (lambda: figures.curves(LOG, ["loss"]), r"keys: \['loss'\] were given; allowed are \['both', "),
        (lambda: figures.curves([], ["loss"]), r"keys: \['loss'\] were given; allowed are \[\]"),
        (lambda: figures.lines_and_dots(X, {"a": X}, {"b": X}, xlabel="", ylabel=""), r"dots: names \['b'\]"),
        (
            lambda: figures.detections(IMAGES, torch.zeros(5, 2, 2), truth_class=torch.zeros(5, 2).long()),
            "truth_class: it was given alone; allowed is together with truth_xy and assignment",
        ),
    ],
)
def test_nothing_is_left_out_without_a_word(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.marked_images(IMAGES, XY.expand(6, -1, -1)),
        lambda: figures.detections(IMAGES, XY.expand(6, -1, -1)),
        lambda: figures.probability_maps(MAPS, titles=["a"]),
        lambda: figures.lines_and_dots(X, {"a": [1]}, xlabel="", ylabel=""),
        lambda: figures.image_rows({"a": IMAGES[:4], "b": IMAGES[:2]}),
        lambda: figures.landmark_rows(
            {"a": (IMAGES[:4], XY.expand(4, -1, -1)), "b": (IMAGES[:2], XY.expand(2, -1, -1))}
        ),
    ],
)
def test_lists_of_other_lengths_are_refused(draw):
    with pytest.raises((ValueError, RuntimeError)):
        draw()


@pytest.mark.parametrize("figure", ["detections", "bars", "in colour", "heatmap_on_image"])
def test_a_picture_with_fewer_colours_looks_the_same(figure):
    drawn = FIGURES[figure]()
    for _ in range(3):  # until its layout has settled
        buffer = io.BytesIO()
        drawn.savefig(buffer, format="png")
    shown, exact = (
        np.asarray(Image.open(file).convert("RGB"), int) for file in (io.BytesIO(drawn._repr_png_()), buffer)
    )
    assert np.abs(shown - exact).max() <= 16
