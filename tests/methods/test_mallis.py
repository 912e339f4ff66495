"""Mallis's networks and training: points, rounds, landmarks that are merged, and runs that are cut off."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_up_images import MadeUpImages
from torch import Tensor

from tusklite import ops
from tusklite.data.base import ImageAlone
from tusklite.methods.base import Batch, step_generator
from tusklite.methods.mallis import merging, training
from tusklite.methods.mallis.merging import follows_views, merge_maps
from tusklite.methods.mallis.model import MallisConfig, MallisLandmarks
from tusklite.methods.mallis.options import MallisOptions
from tusklite.methods.mallis.pseudo_truth import PointSets
from tusklite.methods.mallis.starting_images import StartingImages
from tusklite.methods.mallis.training import MallisTraining, across_pairs
from tusklite.methods.mallis.views import draw_views
from tusklite.methods.weights import FoundKeypoints
from tusklite.train.loop import fit
from tusklite.train.schedule import Schedule

TINY = MallisConfig(
    clusters=4, width=8, stem=4, kernel=3, reduction=2, depth=1, groups=4, descriptor_channels=6, points=7
)
OPTIONS = MallisOptions(
    detection=20.0,
    contrastive=1.0,
    margin=1.0,
    rounds_from=0.25,
    rounds=2,
    landmarks_from=0.5,
    rule="code",
    snap=1.0,
    deviations=3.0,
    merge_from=0.75,
    mergers=2,
    hue=0.5,
    optimizer="adamw",
    learning_rate=1e-2,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def a_source(images: int = 6, places: int = 5) -> StartingImages:
    """Noise with points anywhere; the last place of every other image is empty."""
    pictures = torch.randint(256, (images, 3, 16, 16), generator=seeded(1)) / 255
    found = torch.ones(images, places, dtype=torch.bool)
    found[::2, -1] = False
    xy = 1.6 * torch.rand(images, places, 2, generator=seeded(2)) - 0.8
    start = PointSets(torch.where(found[..., None], xy, 0), found)
    return StartingImages(MadeUpImages(pictures), start, {"start": "anywhere"})


def a_training(options: MallisOptions = OPTIONS, config: MallisConfig = TINY, steps: int = 12) -> MallisTraining:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return MallisTraining(MallisLandmarks(config), options, steps, seed=3)


def a_batch(source: StartingImages, rows: list[int], step: int) -> Batch:
    indices = torch.tensor(rows)
    return Batch(source.scenes(indices).image, indices, step)


# --- the networks ------------------------------------------------------------------------------------------


def with_map(model: MallisLandmarks, heatmap: Tensor) -> Tensor:
    """What `read_points` finds on a map: the places of pixels (row, column)."""
    found = model.read_points(heatmap[None, None])
    side = torch.tensor(heatmap.shape[::-1])
    return ((found.xy[found.found] + 1) / 2 * side - 0.5).flip(-1)


def test_points_are_maxima_above_the_threshold_away_from_the_edge() -> None:
    model = MallisLandmarks(replace(TINY, threshold=0.3)).eval()
    heatmap = torch.zeros(8, 8)
    heatmap[2, 3], heatmap[5, 6], heatmap[5, 2], heatmap[0, 4] = 0.9, 0.4, 0.2, 1.0
    places = with_map(model, heatmap)
    torch.testing.assert_close(places, torch.tensor([[2.0, 3.0], [5.0, 6.0]]), atol=0.05, rtol=0)
    few = MallisLandmarks(replace(TINY, threshold=0.3, points=2)).eval()
    assert len(with_map(few, heatmap)) == 1  # the edge's maximum is one of two


@torch.no_grad()
def test_only_detectors_that_are_left_are_listened_to(tmp_path: Path) -> None:
    model = MallisLandmarks(TINY).eval()
    images = torch.rand(3, 3, 16, 16, generator=seeded())
    maps = model.landmarks(images)
    whole = model.find_keypoints(images)
    model.kept[1] = False
    found = model.find_keypoints(images)
    rest = [0, 2, 3]
    assert torch.equal(found.xy, whole.xy[:, rest])
    assert torch.equal(found.score, maps.flatten(2).amax(2)[:, rest].clamp(0, 1))
    assert torch.equal(found.found, found.score > TINY.threshold)
    for image in range(3):
        for number, place in zip(rest, found.xy[image], strict=True):
            row, column = divmod(int(maps[image, number].argmax()), 8)
            assert abs(float(place[0]) - (2 * column + 1) / 8 + 1) < 2 / 8
            assert abs(float(place[1]) - (2 * row + 1) / 8 + 1) < 2 / 8
    model.save(tmp_path / "model.safetensors")
    again = MallisLandmarks.load(tmp_path / "model.safetensors")
    assert torch.equal(again.find_keypoints(images).xy, found.xy)
    model.kept[:] = False
    assert model.find_keypoints(images).xy.shape == (3, 0, 2)
    with pytest.raises(ValueError, match="k: 3 was given to a model that has a map for each of its 0 keypoints"):
        model.find_keypoints(images, 3)


def test_descriptors_have_unit_length_where_it_is_asked() -> None:
    xy = 1.6 * torch.rand(2, 5, 2, generator=seeded()) - 0.8
    maps = torch.randn(2, 6, 8, 8, generator=seeded(1))
    plain = MallisLandmarks(TINY).describe(maps, xy)
    unit = MallisLandmarks(replace(TINY, unit_descriptors=True)).describe(maps, xy)
    torch.testing.assert_close(unit, plain / plain.norm(dim=-1, keepdim=True))
    assert not torch.allclose(plain.norm(dim=-1), torch.ones(2, 5))


# --- one step ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("squared", "balanced"), [(False, False), (True, True)])
@pytest.mark.parametrize("step", [1, 4])
def test_a_step_of_the_first_stage_by_loops(squared: bool, balanced: bool, step: int) -> None:
    options = replace(OPTIONS, squared=squared, balanced=balanced, margin=2.0, same_image=0.5)
    source, method = a_source(), a_training(options)
    method.before_step(0, source)
    method.label = torch.where(method.truth.found, torch.arange(5) % 3, -1)  # some points of an image agree
    rows, before = [4, 1, 0, 5], copy.deepcopy(method.model)
    optimizers = method.optimizers()
    values = method.training_step(a_batch(source, rows, step), optimizers)

    generator = step_generator(3, step)
    same = torch.rand(2, generator=generator) < (0.5 if step >= 3 else 1.0)
    chosen = rows[:2] + [rows[k] if same[k] else rows[2 + k] for k in range(2)]
    truth = method.truth
    views = draw_views(source.scenes(chosen).image, truth.xy[chosen], truth.found[chosen], options, generator)
    logits, maps = before.points(views.images)
    heatmap, described = logits.sigmoid(), before.describe(maps, views.xy)
    target = torch.zeros(4, 8, 8)
    for view in range(4):
        for x, y in views.xy[view][views.seen[view]]:
            for row in range(8):
                for column in range(8):
                    distance = ((2 * column + 1) / 8 - 1 - x) ** 2 + ((2 * row + 1) / 8 - 1 - y) ** 2
                    value = math.exp(-float(distance) * 16 / 2)  # in pixels, of which the map has 8
                    target[view, row, column] = max(float(target[view, row, column]), value)
    detection = ((heatmap[:, 0] - target) ** 2).mean()
    positive, negative = [], []
    for first in range(2):
        for a in range(5):
            for b in range(5):
                if views.seen[first, a] and views.seen[first + 2, b]:
                    apart = (described[first, a] - described[first + 2, b]).norm()
                    agree = method.label[chosen[first], a] == method.label[chosen[first + 2], b]
                    if agree:
                        positive.append(apart**2 if squared else apart)
                    else:
                        short = torch.relu(2.0 - apart)
                        negative.append(short**2 if squared else short)
    if balanced:
        contrastive = sum(positive) / len(positive) + sum(negative) / len(negative)
    else:
        contrastive = (sum(positive) + sum(negative)) / (len(positive) + len(negative))
    torch.testing.assert_close(values["detection"], detection.detach(), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(values["contrastive"], contrastive.detach(), atol=1e-5, rtol=1e-4)

    rival = torch.optim.AdamW(before.points.parameters(), lr=1e-2, weight_decay=options.weight_decay)
    (20 * detection + contrastive).backward()
    rival.step()
    for moved, expected in zip(method.model.points.parameters(), before.points.parameters(), strict=True):
        clear = expected.grad.abs() > 1e-4
        torch.testing.assert_close(moved[clear], expected[clear], atol=1e-4, rtol=1e-3)
    assert all(map(torch.equal, method.model.landmarks.parameters(), before.landmarks.parameters()))


def test_a_step_of_the_second_stage_is_on_assigned_maps_alone() -> None:
    options = replace(OPTIONS, landmarks=3.0, emphasis=5.0, weight_decay=0.0)
    source, method = a_source(), a_training(options)
    method.before_step(0, source)
    method.label = torch.full((6, 5), -1)
    method.label[1, 2], method.label[1, 0], method.label[4, 3] = 3, 0, 2
    rows, before = [1, 4, 0], copy.deepcopy(method.model)
    values = method.training_step(a_batch(source, rows, 8), method.optimizers())

    truth = method.truth
    views = draw_views(source.scenes(rows).image, truth.xy[rows], truth.found[rows], options, step_generator(3, 8))
    maps = before.landmarks(views.images)
    errors = []
    for view, place, channel in ((0, 2, 3), (0, 0, 0), (1, 3, 2)):
        if views.seen[view, place]:
            x, y = views.xy[view, place]
            centre = (torch.arange(8) * 2 + 1) / 8 - 1
            target = torch.exp(-8 * ((centre[None] - x) ** 2 + (centre[:, None] - y) ** 2))
            errors.append(((maps[view, channel] - target) ** 2 * (1 + 5 * target)).mean())
    assert values.keys() == {"landmarks"}
    torch.testing.assert_close(values["landmarks"], (sum(errors) / len(errors)).detach(), atol=1e-6, rtol=1e-4)
    assert all(map(torch.equal, method.model.points.parameters(), before.points.parameters()))
    moved = method.model.landmarks.detectors.last.weight != before.landmarks.detectors.last.weight
    assert moved.flatten(1).any(1).tolist() == [True, False, True, True]  # no image has the detector 1


def test_points_meet_across_the_views_of_a_pair() -> None:
    allowed = across_pairs(torch.zeros(6, 2, dtype=torch.int64))
    for a in range(12):
        for b in range(12):
            assert bool(allowed[a, b]) == (abs(a // 2 - b // 2) == 3)


# --- rounds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("warm_start", [True, False])
def test_a_round_clusters_from_the_last_ones_centroids(warm_start: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Tensor | None] = []

    def kmeans(descriptors: Tensor, count: int, initial: Tensor | None, generator: torch.Generator) -> Tensor:
        begun.append(initial)
        return ops.kmeans(descriptors, count, initial, generator)

    monkeypatch.setattr(training, "kmeans", kmeans)
    source, method = a_source(), a_training(replace(OPTIONS, warm_start=warm_start))
    method.before_step(0, source)
    assert method.before_step(3, source)["round"] == 1
    first = method.centroids
    method.before_step(4, source)
    assert begun[0] is None
    if warm_start:
        assert torch.equal(begun[1], first)
    else:
        assert begun[1] is None


def test_a_round_labels_each_cluster_once_an_image_and_keeps_what_is_near() -> None:
    source, method = a_source(), a_training(replace(OPTIONS, deviations=0.0))
    method.before_step(0, source)
    start = method.truth
    assert torch.equal(method.label, torch.where(start.found, torch.arange(5), -1))
    assert method.before_step(1, source) == method.before_step(2, source) == {}
    event = method.before_step(3, source)
    kept = method.label >= 0
    assert torch.equal(kept, method.truth.found)
    assert 0 < int(kept.sum()) < int(event["points"] * 6 + 0.5)  # half of them are farther than the mean
    assert event["kept"] == pytest.approx(int(kept.sum()) / round(event["points"] * 6), abs=0.01)
    for labels in method.label:
        known = labels[labels >= 0].tolist()
        assert len(set(known)) == len(known)
    # By descriptors that are read again, each kept point lies within its cluster's mean distance.
    described = method.model.describe(method.model(source.scenes(range(6)).image).descriptors, method.truth.xy)
    distance = (described[:, :, None] - method.centroids).norm(dim=-1) ** 2
    own = distance.gather(2, method.label.clamp(min=0)[..., None])[..., 0]
    for cluster in range(4):
        mine = own[method.label == cluster]
        if len(mine):
            assert mine.max() <= distance[kept].max()
    assert torch.equal(method.memory.xy, method.truth.xy)  # the rule "code": what was kept is remembered
    for name, value in method.warm.items():
        assert torch.equal(value, method.model.points.state_dict()[name])


def test_pairs_of_views_need_no_clusters_until_the_end() -> None:
    source, method = a_source(), a_training(replace(OPTIONS, correspondence="views", deviations=0.0))
    method.before_step(0, source)
    method.before_step(3, source)
    assert torch.equal(method.label >= 0, method.truth.found)
    assert int(method.truth.found.sum()) >= 27  # none was dropped
    assert all(labels[labels >= 0].tolist() == list(range(int((labels >= 0).sum()))) for labels in method.label)
    method.before_step(6, source)
    assert int((method.label >= 0).sum()) < 27
    assert int(method.label.max()) < 4


@pytest.mark.parametrize("rule", ["paper", "code", "accumulate"])
def test_what_is_detected_and_kept_makes_the_next_round(rule: str) -> None:
    source, method = a_source(), a_training(replace(OPTIONS, rule=rule, snap=0.0, deviations=100.0))
    method.before_step(0, source)

    def read_points(heatmap: Tensor) -> FoundKeypoints:
        xy = torch.tensor([[0.85, 0.85], [-0.85, 0.85]]).expand(len(heatmap), 2, 2)
        return FoundKeypoints(xy, torch.ones(len(heatmap), 2), None, torch.ones(len(heatmap), 2, dtype=torch.bool))

    method.model.read_points = read_points
    method.before_step(3, source)
    # The paper learns from what is detected; the others began with starting points, four or five an image.
    expected = {"paper": 12, "code": 12 + 27, "accumulate": 12 + 27}[rule]
    nearby = (source.starting_points().xy[:, :, None] - torch.tensor([[0.85, 0.85], [-0.85, 0.85]])).norm(dim=-1)
    again = (nearby < 2 * 2 / 16) & source.starting_points().found[..., None]  # a starting point is there already
    expected -= 0 if rule == "paper" else int(again.any(1).sum())
    crowded = 4  # clusters: no image can have more points that are kept
    assert int(method.truth.found.sum()) <= expected
    assert int(method.truth.found.sum(1).max()) <= crowded
    if rule == "paper":
        assert int(method.truth.found.sum()) == 12
        assert torch.equal(method.memory.found, method.truth.found)
    if rule == "accumulate":
        assert int(method.memory.found.sum(1).min()) >= 4  # also what found no cluster


def test_a_detector_that_finds_nothing_leaves_the_old_points() -> None:
    source, method = a_source(), a_training(replace(OPTIONS, rule="paper"))
    method.before_step(0, source)
    method.model.config = replace(TINY, threshold=1.0)
    old = method.truth
    event = method.before_step(3, source)
    assert event["too_few_points"]
    assert method.truth is old
    assert method.centroids is None
    event = method.before_step(6, source)
    assert event["landmarks"] == 0
    assert not method.model.kept.any()
    assert (method.label == -1).all()
    values = method.training_step(a_batch(source, [0, 1], 7), method.optimizers())
    assert values["landmarks"] == 0


# --- landmarks ---------------------------------------------------------------------------------------------


def test_the_second_network_begins_with_the_first_ones_weights() -> None:
    source, method = a_source(), a_training()
    method.before_step(0, source)
    last = method.model.landmarks.detectors.last.weight.clone()
    event = method.before_step(6, source)
    points, landmarks = method.model.points, method.model.landmarks
    assert all(map(torch.equal, points.backbone.parameters(), landmarks.backbone.parameters()))
    for own, theirs in zip(list(landmarks.detectors)[:-1], list(points.detector)[:-1], strict=True):
        assert all(map(torch.equal, own.parameters(), theirs.parameters()))
    assert torch.equal(landmarks.detectors.last.weight, last)
    assert event["landmarks"] == int(method.model.kept.sum()) == len(set(method.label[method.label >= 0].tolist()))


def test_small_clusters_get_no_map() -> None:
    source, method = a_source(), a_training()
    method.before_step(0, source)
    whole = a_training()
    whole.before_step(0, source)
    whole.before_step(6, source)
    size = whole.label[whole.label >= 0].bincount(minlength=4)
    least = sorted(size.tolist())[2]
    method.options = replace(OPTIONS, least_images=least / 6)
    method.before_step(6, source)
    assert torch.equal(method.model.kept, size >= least)
    expected = torch.where((size >= least)[whole.label.clamp(min=0)], whole.label, -1)
    assert torch.equal(method.label, expected)


def merging_case(**changes: Any) -> tuple[StartingImages, MallisTraining]:
    """Six images: detector 2 is the largest, 0 fires with it, 1 elsewhere, 3 never."""
    source, method = a_source(), a_training(replace(OPTIONS, merge_share=0.7, overlap=1.0, **changes))
    method.before_step(0, source)
    method.label = torch.tensor(
        [[0, 2, 1, -1, -1], [0, -1, 1, 3, -1], [2, -1, -1, -1, -1], [2, 1, -1, -1, -1], [2, 0, 3, -1, -1], [-1] * 5]
    )
    return source, method


def fired(method: MallisTraining, data: object, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Detectors 0 and 2 at one place, but for one image of six; 1 elsewhere; 3 nowhere."""
    xy = torch.zeros(6, 4, 2)
    xy[:, 1], xy[5, 2] = 0.5, -0.5
    yes = torch.ones(6, 4, dtype=torch.bool)
    yes[:, 3] = False
    kept = method.model.kept
    return xy[:, kept], yes[:, kept]


def test_detectors_that_fire_together_become_the_larger_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "detections_of", fired)
    source, method = merging_case()
    event = method.before_step(9, source)
    assert method.model.kept.tolist() == [False, True, True, True]
    assert event == {"landmarks": 3, "before": 4, "waiting": 0}
    assert method.label.tolist() == [
        [-1, 2, 1, -1, -1],  # of two points of one landmark, the larger cluster's stays
        [2, -1, 1, 3, -1],
        [2, -1, -1, -1, -1],
        [2, 1, -1, -1, -1],
        [2, -1, 3, -1, -1],
        [-1] * 5,
    ]
    assert torch.equal(method.truth.found, method.label >= 0)
    before = method.label
    assert method.before_step(10, source)["landmarks"] == 3  # what is merged stays as it is
    assert torch.equal(method.label, before)


def test_detectors_that_never_fire_wait_and_go_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "detections_of", fired)
    source, method = merging_case(waiting=0.5)
    assert method.before_step(9, source)["waiting"] == 1
    assert method.model.kept.tolist() == [False, True, True, True]
    assert method.before_step(12, source)["landmarks"] == 2
    assert method.model.kept.tolist() == [False, True, True, False]
    assert 3 not in method.label


def test_a_share_that_is_not_reached_merges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "detections_of", fired)
    source, method = merging_case()
    method.options = replace(method.options, merge_share=0.9)  # they fire together in five images of six
    assert method.before_step(9, source)["landmarks"] == 4


def test_detectors_that_do_not_follow_go_at_the_end_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "detections_of", fired)
    monkeypatch.setattr(training, "follows_views", lambda *_: torch.tensor([0.9, 0.2, 0.9, 0.9]))
    source, method = merging_case(following=0.5)
    assert method.before_step(9, source)["landmarks"] == 3
    event = method.before_step(12, source)
    assert method.model.kept.tolist() == [False, False, True, False]
    assert event["still"] == 1


class Brightest:
    """In place of the networks: detector 0 is at the brightest pixel, detector 2 at one place always."""

    def __init__(self) -> None:
        self.kept = torch.tensor([True, False, True, False])
        self.config = TINY

    def find_keypoints(self, images: Tensor) -> FoundKeypoints:
        place = images.mean(1).flatten(1).argmax(1)
        size = images.shape[-1]
        xy = torch.stack([2 * (place % size) + 1, 2 * (place // size) + 1], 1) / size - 1
        xy = torch.stack([xy, torch.full_like(xy, 0.4)], 1)
        return FoundKeypoints(xy, torch.ones(len(images), 2), None, torch.ones(len(images), 2, dtype=torch.bool))


def test_what_means_a_place_of_the_picture_does_not_follow() -> None:
    pictures = torch.zeros(60, 3, 32, 32)
    for number in range(60):
        row, column = torch.randint(8, 24, (2,), generator=seeded(number)).tolist()
        pictures[number, :, row, column] = 1
    nothing = PointSets(torch.zeros(60, 1, 2), torch.zeros(60, 1, dtype=torch.bool))
    source, method = StartingImages(MadeUpImages(pictures), nothing, {}), a_training()
    del method._modules["model"]
    object.__setattr__(method, "model", Brightest())
    shares = follows_views(method, source, torch.arange(60), seeded())
    assert shares[0] > 0.95
    assert shares[2] < 0.5
    assert shares[1] == shares[3] == 0
    assert shares.shape == (4,)


def test_of_no_detector_that_is_left_none_follows() -> None:
    method = a_training()
    method.model.kept.fill_(False)
    nothing = PointSets(torch.zeros(60, 1, 2), torch.zeros(60, 1, dtype=torch.bool))
    source = StartingImages(MadeUpImages(torch.zeros(60, 3, 32, 32)), nothing, {})
    assert not follows_views(method, source, torch.arange(60), seeded()).any()


# --- runs --------------------------------------------------------------------------------------------------

TWELVE = Schedule(steps=12, batch=4, warmup=2, device="cpu", log_every=1, checkpoint_every=3)


def everything(method: MallisTraining) -> list:
    """All of a method's state, as plain lists."""

    def plain(value: object) -> object:
        if isinstance(value, Tensor):
            return value.tolist()
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        return [plain(part) for part in value] if isinstance(value, tuple | list) else value

    return plain(dict(method.state_dict()))


class Dying(StartingImages):
    """A source that fails after so many batches of a step."""

    left = 10**9

    def scenes(self, indices: Any) -> ImageAlone:
        if len(indices) == 4:
            if not self.left:
                raise OSError("the disk is gone")
            self.left -= 1
        return super().scenes(indices)


def test_runs_that_are_cut_off_end_in_the_same_weights_and_points(tmp_path: Path) -> None:
    whole = a_training()
    fitted = fit(whole, a_source(), TWELVE, tmp_path / "whole")
    assert fitted.finished
    phases = [record["phase"] for record in fitted.log if "phase" in record]
    assert phases == ["warm-up"] * 3 + ["rounds"] * 3 + ["landmarks"] * 6
    assert [record["step"] for record in fitted.log if "event" in record] == [3, 4, 6, 9, 10, 12]
    for calls in range(1, 13):
        in_pieces = a_training()
        assert fit(in_pieces, a_source(), TWELVE, tmp_path / "pieces", minutes=1e-9).finished == (calls == 12)
    for last in (5, 8, 11):  # in the middle of a round, before a merger, after one
        source = a_source()
        dying = Dying(source.source, source.starting_points(), source.about)
        dying.left = last
        with pytest.raises(OSError, match="the disk is gone"):
            fit(a_training(), dying, TWELVE, tmp_path / f"died{last}")
        revived = a_training()
        fit(revived, a_source(), TWELVE, tmp_path / f"died{last}")
        assert everything(revived) == everything(whole)
    assert everything(in_pieces) == everything(whole) != everything(a_training())
    assert int(whole.model.kept.sum()) == len(set(whole.label[whole.label >= 0].tolist()))


def test_a_run_goes_on_with_its_own_points_only(tmp_path: Path) -> None:
    fit(a_training(), a_source(), TWELVE, tmp_path, minutes=1e-9)
    source = a_source()
    points = source.starting_points()
    elsewhere = StartingImages(source.source, PointSets(points.xy * 0.9, points.found), source.about)
    with pytest.raises(ValueError, match=r"data\.starting_points\.sha256"):
        fit(a_training(), elsewhere, TWELVE, tmp_path)
    with pytest.raises(ValueError, match=r"method\.training\.rounds: 2 there, 3 now"):
        fit(a_training(replace(OPTIONS, rounds=3)), a_source(), TWELVE, tmp_path)


def test_the_rate_is_the_schedules_times_the_methods(tmp_path: Path) -> None:
    method = a_training(replace(OPTIONS, round_rate=0.1))
    expected = {0: 0, 3: 0, 4: 0, 6: 0}  # where it begins anew: the whole rate
    for step in expected:
        assert method.rate_factor(step) == 1
    assert method.rate_factor(9) == pytest.approx(0.1 + 0.9 * 0.5)  # in the middle of the second stage
    assert method.rate_factor(1) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 3)) / 2)
    assert a_training().rate_factor(5) == 1.0

    class Still(MallisTraining):
        def rate_factor(self, step: int) -> float:
            return 0.0

    still = Still(a_training().model, OPTIONS, 12, seed=3)
    before = copy.deepcopy(still.model.points.state_dict())
    fit(still, a_source(), replace(TWELVE, steps=2), tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in still.model.points.state_dict().items())


# --- sources and refusals ----------------------------------------------------------------------------------


def test_images_are_held_as_they_are() -> None:
    pictures = torch.randint(256, (6, 3, 16, 16), generator=seeded(1)) / 255
    source = a_source()
    assert torch.equal(source.scenes([4, 2, 4]).image, pictures[[4, 2, 4]])
    assert (len(source), source.reads_files, source.describe()) == (6, False, {"source": "made up"})
    assert source.identity()["starting_points"].keys() == {"start", "sha256"}
    with pytest.raises(ValueError, match=r"points: those of 2 images were given; allowed are those of 6"):
        StartingImages(MadeUpImages(pictures), PointSets(*(part[:2] for part in source.starting_points())), {})


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(TypeError, match=r"data: MadeUpImages was given, which lacks starting_points\(\)"):
        a_training().before_step(0, MadeUpImages(torch.zeros(2, 3, 16, 16)))
    source, method = a_source(), a_training()
    method.before_step(0, source)
    with pytest.raises(ValueError, match="batch: 1 was given; allowed are 2 images or more"):
        method.training_step(a_batch(source, [0], 0), method.optimizers())
    with pytest.raises(ValueError, match="steps: 0 was given"):
        a_training(steps=0)


@pytest.mark.parametrize(
    ("kind", "changes", "error", "complaint"),
    [
        (MallisOptions, {"contrastive": -1.0}, ValueError, "contrastive: -1.0 was given"),
        (MallisOptions, {"margin": 0.0}, ValueError, "margin: 0.0 was given"),
        (MallisOptions, {"rounds_from": 0.9}, ValueError, "landmarks_from: 0.789"),
        (MallisOptions, {"merge_from": 0.5}, ValueError, "merge_from: 0.5 was given"),
        (MallisOptions, {"rule": "all"}, ValueError, "rule: 'all' was given; allowed are 'paper'"),
        (MallisOptions, {"correspondence": "pairs"}, ValueError, "correspondence: 'pairs' was given"),
        (MallisOptions, {"optimizer": "sgd"}, ValueError, "optimizer: 'sgd' was given"),
        (MallisOptions, {"one_to_one": 1}, TypeError, "one_to_one: 1 was given; allowed are True and False"),
        (MallisOptions, {"rounds": 0}, ValueError, "rounds: 0 was given"),
        (MallisOptions, {"scale": 0.9}, ValueError, "scale: 0.9 was given"),
        (MallisOptions, {"turn": 181}, ValueError, "turn: 181 was given"),
        (MallisConfig, {"clusters": 0}, ValueError, "clusters: 0 was given"),
        (MallisConfig, {"width": 30}, ValueError, "width: 30 was given"),
        (MallisConfig, {"reduction": 8}, ValueError, "reduction: 8 was given"),
        (MallisConfig, {"window": 4}, ValueError, "window: 4 was given"),
        (MallisConfig, {"unit_descriptors": "yes"}, TypeError, "unit_descriptors: 'yes' was given"),
        (MallisConfig, {"threshold": 1.5}, ValueError, "threshold: 1.5 was given"),
    ],
)
def test_settings_out_of_range_are_refused(kind: Callable, changes: dict, error: type, complaint: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(complaint)}"):
        kind(**changes)


def test_merging_nothing_leaves_nothing() -> None:
    source, method = a_source(), a_training()
    method.before_step(0, source)
    method.model.kept[:] = False
    merged = merge_maps(method, source, torch.arange(6))
    assert not merged.kept.any()
    assert (merged.label == -1).all()
