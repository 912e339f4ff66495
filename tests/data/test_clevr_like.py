"""CLEVR-like scenes: the generator's rules, told again by loops, and what a batch may not depend on."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tusklite.data import ClevrLike, ImageSource, require_source, scene_cache
from tusklite.data.clevr_layout import EYE, LAMPS, PROPERTIES, draw_layouts
from tusklite.data.counter_random import random_bits

RADIUS = {0: 0.35, 1: 0.7}
RIGHT, FRONT = np.array([0.65631, 0.75449]), np.array([0.75449, -0.65631])


def many_layouts(number: int = 3000):
    layout, complete = draw_layouts(random_bits(5, torch.arange(number)), torch.zeros(number, dtype=torch.int64))
    return layout.rows(complete)


def test_objects_keep_their_distances() -> None:
    layout = many_layouts(400)
    nearest_gap, nearest_margin = math.inf, math.inf
    for scene in range(len(layout.eye)):
        places = [k for k in range(6) if layout.present[scene, k]]
        for a in places:
            assert layout.xy[scene, a].abs().max() <= 3
            for b in places[:a]:
                offset = (layout.xy[scene, a] - layout.xy[scene, b]).numpy()
                radii = RADIUS[int(layout.size[scene, a])] + RADIUS[int(layout.size[scene, b])]
                nearest_gap = min(nearest_gap, float(np.linalg.norm(offset)) - radii)
                nearest_margin = min(nearest_margin, abs(offset @ RIGHT), abs(offset @ FRONT))
    assert 0.25 - 1e-9 <= nearest_gap < 0.3
    assert 0.4 - 1e-9 <= nearest_margin < 0.42


def test_counts_and_properties_are_uniform() -> None:
    layout = many_layouts()
    counts = torch.bincount(layout.present.sum(1), minlength=7)
    assert counts[:3].sum() == 0
    assert stats.chisquare(counts[3:]).pvalue > 0.001
    for name, values in PROPERTIES.items():
        drawn = getattr(layout, name)[layout.present]
        assert stats.chisquare(torch.bincount(drawn, minlength=len(values))).pvalue > 0.001, name
    assert stats.kstest(layout.angle.flatten(), stats.uniform(0, 2 * math.pi).cdf).pvalue > 0.001
    for axis in range(3):
        assert stats.kstest(layout.eye[:, axis], stats.uniform(EYE[axis] - 0.5, 1).cdf).pvalue > 0.001
        for lamp in range(3):
            within = stats.uniform(LAMPS[lamp][axis] - 1, 2).cdf
            assert stats.kstest(layout.lamps[:, lamp, axis], within).pvalue > 0.001


def test_properties_do_not_go_together() -> None:
    layout = many_layouts()
    for first, second in (("shape", "colour"), ("shape", "material"), ("colour", "size"), ("size", "material")):
        table = np.zeros((len(PROPERTIES[first]), len(PROPERTIES[second])))
        one, other = (getattr(layout, name)[layout.present].numpy() for name in (first, second))
        np.add.at(table, (one, other), 1)
        assert stats.chi2_contingency(table).pvalue > 0.001, (first, second)


@given(rows=st.lists(st.integers(0, 99), min_size=1, max_size=6), size=st.integers(16, 40))
@settings(deadline=None, max_examples=10)
def test_a_scene_is_the_same_in_any_batch(rows: list[int], size: int) -> None:
    scenes = ClevrLike("validation", 100, seed=3, image_size=size)
    batch = scenes.scenes(rows, with_truth=True)
    alone = scenes.scenes(rows[-1:], with_truth=True)
    for part, one in zip(
        (*batch[1:4], *batch.properties.values()), (*alone[1:4], *alone.properties.values()), strict=True
    ):
        assert torch.equal(part[-1:], one)
    assert (batch.image[-1:] - alone.image).abs().max() <= 1.001 / 255
    assert (batch.image[-1:] != alone.image).float().mean() < 0.01


def test_truth_is_what_is_seen() -> None:
    scenes = ClevrLike("test", 100)
    batch = scenes.scenes(range(40), with_truth=True)
    assert batch.image.shape == (40, 3, 112, 112)
    assert batch.image.dtype == torch.float32
    assert 0 < batch.image.min() < batch.image.max() <= 1
    for scene in range(40):
        seen = set(batch.segments[scene].unique().tolist()) - {0}
        assert seen == {k + 1 for k in range(6) if batch.present[scene, k]}
        for name, values in scenes.properties.items():
            held = batch.properties[name][scene]
            assert (held[~batch.present[scene]] == -1).all()
            assert ((held >= 0) & (held < len(values)))[batch.present[scene]].all()
        for k in (place for place in range(6) if batch.present[scene, place]):
            inside = batch.xy[scene, k].abs().max() < 1
            pixels = int((batch.segments[scene] == k + 1).sum())
            assert pixels >= 12 or not inside
            if inside:  # the middle of what is seen lies within an object's reach of its middle
                rows, columns = (batch.segments[scene] == k + 1).nonzero(as_tuple=True)
                middle = torch.stack((columns, rows)).double().mean(1) * 2 / 112 - 1
                assert (middle - batch.xy[scene, k]).norm() < 0.35
    assert torch.equal(batch.xy[~batch.present], torch.zeros_like(batch.xy[~batch.present]))


def test_colours_are_seen() -> None:
    scenes = ClevrLike("test", 200, image_size=64)
    batch = scenes.scenes(range(60), with_truth=True)
    channel = {"red": 0, "green": 1, "blue": 2}
    for name, brightest in channel.items():
        right = []
        for scene, k in (batch.properties["colour"] == scenes.properties["colour"].index(name)).nonzero().tolist():
            pixels = batch.image[scene][:, batch.segments[scene] == k + 1]
            right.append(int(pixels.mean(1).argmax()) == brightest)
        assert len(right) > 5
        assert np.mean(right) > 0.9


def test_splits_and_seeds_have_scenes_of_their_own() -> None:
    sources = [ClevrLike(split, 10, seed, 16) for split in ("train", "validation", "test") for seed in (0, 1)]
    images = [source.scenes([0]).image for source in sources]
    assert all((a != b).any() for k, a in enumerate(images) for b in images[:k])
    assert torch.equal(images[0], ClevrLike("train", 500, 0, 16).scenes([0]).image)
    identities = [str(source.identity()) for source in sources]
    assert len(set(identities)) == len(identities)


def test_it_is_an_image_source_that_keeps_the_truth_of_training_scenes() -> None:
    source = ClevrLike("train", 20, image_size=16)
    assert isinstance(source, ImageSource)
    assert require_source("data", source) is source
    assert len(source) == 20
    assert source[3].image.shape == (3, 16, 16)
    assert source.scenes([3]).segments is None
    assert source.describe()["source"] == "CLEVR-like"
    with pytest.raises(ValueError, match="with_truth: True was given for split 'train'"):
        source.scenes([0], with_truth=True)
    one = ClevrLike("test", 20, image_size=16)[3]
    assert one.segments.shape == (16, 16)
    assert one.properties["shape"].shape == (6,)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"split": "tests"}, ValueError, "split: 'tests' was given"),
        ({"size": 0}, ValueError, "size: 0 was given"),
        ({"seed": -1}, ValueError, "seed: -1 was given"),
        ({"image_size": 8}, ValueError, "image_size: 8 was given"),
        ({"image_size": 112.0}, TypeError, r"image_size: 112\.0 was given"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ClevrLike(**({"split": "test", "size": 10} | arguments))


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_cache, "PIECE", 4)
    monkeypatch.setattr(scene_cache, "STRIDE", 3)


@pytest.mark.usefixtures("small_pieces")
def test_kept_scenes_are_those_that_are_drawn(tmp_path: Path) -> None:
    drawn = ClevrLike("test", 10, image_size=24).scenes([9, 0, 4, 9], with_truth=True)
    kept = ClevrLike("test", 10, image_size=24, cache=tmp_path, progress=False)
    batch = kept.scenes([9, 0, 4, 9], with_truth=True)
    assert (batch.image - drawn.image).abs().max() <= 1.001 / 255
    for name in ("segments", "present", "xy"):
        assert torch.equal(getattr(batch, name), getattr(drawn, name))
    assert all(torch.equal(batch.properties[name], drawn.properties[name]) for name in PROPERTIES)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert len(list(folder.glob("*.npy"))) == 3
    assert not list(folder.glob("*.partial"))


@pytest.mark.usefixtures("small_pieces")
def test_a_start_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw, asked = ClevrLike.draw, []

    def cut_off(self: ClevrLike, rows: torch.Tensor):
        asked.extend(rows.tolist())
        if 6 in asked:
            raise KeyboardInterrupt
        return draw(self, rows)

    with monkeypatch.context() as patched:
        patched.setattr(ClevrLike, "draw", cut_off)
        with pytest.raises(KeyboardInterrupt):
            ClevrLike("train", 10, image_size=16, cache=tmp_path, progress=False)
    assert len(list(tmp_path.rglob("*.npy"))) == 1
    assert not list(tmp_path.rglob("*.partial"))
    later: list[int] = []
    monkeypatch.setattr(ClevrLike, "draw", lambda self, rows: (later.extend(rows.tolist()), draw(self, rows))[1])
    whole = ClevrLike("train", 10, image_size=16, cache=tmp_path, progress=False)
    assert later == list(range(4, 10))
    ClevrLike("train", 10, image_size=16, cache=tmp_path, progress=False).scenes(range(10))
    assert later == list(range(4, 10))  # all was there
    assert (
        whole.scenes(range(10)).image - ClevrLike("train", 10, image_size=16).scenes(range(10)).image
    ).abs().max() < 0.01


@pytest.mark.usefixtures("small_pieces")
def test_other_scenes_have_another_folder_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    for split, seed, size in (("test", 0, 16), ("test", 1, 16), ("validation", 0, 16), ("test", 0, 17)):
        ClevrLike(split, 2, seed, size, cache=tmp_path, progress=False)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 4
    for spoil in (lambda whole: whole[:300], lambda whole: b"", lambda whole: b"no array"):
        for path in tmp_path.rglob("*.npy"):
            path.write_bytes(spoil(path.read_bytes()))
        with pytest.raises(ValueError, match=r"00000000-00000001\.npy: missing or damaged"):
            ClevrLike("test", 2, 0, 16, cache=tmp_path, progress=False).scenes([1])


@pytest.mark.usefixtures("small_pieces")
def test_two_at_once_draw_each_scene_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw, drawn = ClevrLike.draw, []
    monkeypatch.setattr(ClevrLike, "draw", lambda self, rows: (drawn.extend(rows.tolist()), draw(self, rows))[1])
    with ThreadPoolExecutor(2) as pool:
        starts = [pool.submit(ClevrLike, "train", 18, 0, 16, tmp_path, "cpu", False) for _ in range(2)]
        one, other = (start.result().scenes(range(18)).image for start in starts)
    assert sorted(drawn) == list(range(18))
    assert torch.equal(one, other)


def test_a_device_draws_the_same_scenes(device: str) -> None:
    here, there = (ClevrLike("test", 20, image_size=48, device=where) for where in ("cpu", device))
    one, other = (source.scenes(range(20), with_truth=True) for source in (here, there))
    assert other.image.device.type == device
    for name in ("segments", "present"):
        assert torch.equal(getattr(one, name), getattr(other, name).cpu())
    torch.testing.assert_close(one.xy, other.xy.cpu(), atol=1e-6, rtol=0)
    assert all(torch.equal(one.properties[name], other.properties[name].cpu()) for name in PROPERTIES)
    assert (one.image - other.image.cpu()).abs().mean() < 1e-3


def test_the_bar_says_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ClevrLike("test", 3, image_size=16, cache=tmp_path)
    assert "3/3" in capsys.readouterr().err
    ClevrLike("test", 3, image_size=16, cache=tmp_path)
    assert not capsys.readouterr().err
