"""CLEVR's pictures with their masks: the crop that object discovery looks at, and scenes out of PNG files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import torch

from tusklite.arguments import require_integer
from tusklite.data.object_scenes import ObjectScenes
from tusklite.data.pictures import opened_picture
from tusklite.data.stored_files import names_in
from tusklite.places import data_folder

HEIGHT, WIDTH = 240, 320  # of a picture, in pixels
CROP_TOP, CROP_LEFT, CROP_SIDE = 29, 64, 192  # rows 29 to 220, columns 64 to 255: IODINE's crop, and Slot Attention's
LAYOUTS = ("clevr_with_masks/sample", "clevr_with_masks", "sample", ".")
_PICTURE = re.compile(r"CLEVR_image_(\d+)\.png")


def crop_clevr(image: np.ndarray, masks: np.ndarray, image_size: int = 112) -> tuple[np.ndarray, np.ndarray]:
    """The middle of a picture of CLEVR and of its masks, resized.

    The picture is averaged over what a smaller pixel covers (Pillow's bilinear filter); a pixel of the segments has the
    number of the one that is in its middle.

    Args:
        image: uint8 (240, 320, 3).
        masks: uint8 (E, 240, 320), not 0 where an entity is seen; the first is the background, which has the pixels
            that no mask has, too.
        image_size: height and width of the result in pixels, S.

    Returns:
        uint8 (3, S, S), and uint8 (S, S): which entity a pixel belongs to, 0 to E - 1.

    Raises:
        ValueError: another shape.

    Example:
        >>> masks = np.zeros((2, 240, 320), np.uint8)
        >>> masks[1, 29:125, 64:256] = 255
        >>> square, segments = crop_clevr(np.zeros((240, 320, 3), np.uint8), masks, image_size=4)
        >>> square.shape, segments[:, 0].tolist()
        ((3, 4, 4), [1, 1, 0, 0])
    """
    if image.shape != (HEIGHT, WIDTH, 3) or masks.ndim != 3 or masks.shape[1:] != (HEIGHT, WIDTH):
        raise ValueError(
            f"image, masks: shapes {image.shape} and {masks.shape} were given; allowed are ({HEIGHT}, {WIDTH}, 3) and "
            f"(E, {HEIGHT}, {WIDTH})"
        )
    from PIL import Image

    window = np.s_[CROP_TOP : CROP_TOP + CROP_SIDE, CROP_LEFT : CROP_LEFT + CROP_SIDE]
    picture = Image.fromarray(np.ascontiguousarray(image[window]))
    picture = picture.resize((image_size, image_size), Image.Resampling.BILINEAR)
    middle = (2 * np.arange(image_size) + 1) * CROP_SIDE // (2 * image_size)
    near = masks[:, CROP_TOP + middle[:, None], CROP_LEFT + middle]  # (E, S, S)
    return np.asarray(picture).transpose(2, 0, 1), near.argmax(0).astype(np.uint8)


def box_middles(segments: np.ndarray, count: int) -> np.ndarray:
    """The middle of the bounding box of each object of a picture.

    Args:
        segments: whole numbers (H, W), 0 where the background is, n where object n - 1 is.
        count: T, how many objects to look for.

    Returns:
        float32 (T, 2), x and y in [-1, 1]; NaN for an object that is not seen.

    Example:
        >>> box_middles(np.array([[0, 1, 1, 0], [0, 1, 2, 0]]), 2).tolist()
        [[0.0, 0.0], [0.25, 0.5]]
    """
    found = np.full((count, 2), np.nan, np.float32)
    for number in range(count):
        rows, columns = np.nonzero(segments == number + 1)
        if len(rows):
            for axis, (places, side) in enumerate(zip((columns, rows), segments.shape[::-1], strict=True)):
                found[number, axis] = (int(places.min()) + int(places.max()) + 1 - side) / side
    return found


def read_clevr_pictures(root: str | os.PathLike[str] | None = None, image_size: int = 112) -> ObjectScenes:
    """All scenes of CLEVR with masks that lie in a folder as PNG files, cropped as the records of the data set are.

    A scene is CLEVR_image_0.png (320 x 240) and CLEVR_mask_0_0.png, CLEVR_mask_0_1.png, ...: a mask an entity, the
    first the background's. Public samples in this layout were written with red and blue exchanged (magenta and steel
    blue are none of CLEVR's colours); they are put right here.

    Args:
        root: folder that has them in clevr_with_masks/sample, clevr_with_masks, sample or directly; by default
            $TUSKLITE_DATA, or else the user's cache folder.
        image_size: height and width of the result in pixels, 16 to 192.

    Returns:
        `ObjectScenes` in the order of the numbers, without properties. A centre is that of the bounding box of what is
        seen; `present` says which masks reach into the crop.

    Raises:
        FileNotFoundError: none is there.
        ValueError: a file that cannot be read, or is of another size; a mask that is missing.
        TypeError: an image_size that is no integer.

    Example:
        >>> read_clevr_pictures("nowhere")
        Traceback (most recent call last):
        ...
        FileNotFoundError: root: no CLEVR_image_0.png in the folder given as root, ...
    """
    require_integer("image_size", image_size, low=16, high=CROP_SIDE)
    base, place = data_folder(root)
    for folder in (base / layout for layout in LAYOUTS if os.path.isdir(base / layout)):
        names = names_in(folder)
        numbers = sorted(int(match[1]) for name in names if (match := _PICTURE.fullmatch(name)))
        if numbers:
            break
    else:
        places = ", ".join(LAYOUTS[:-1])
        raise FileNotFoundError(
            f"root: no CLEVR_image_0.png in {place}, {base}; it is looked for in {places}, directly"
        )
    masks_of = {n: [name for name in names if re.fullmatch(rf"CLEVR_mask_{n}_\d+\.png", name)] for n in numbers}
    most = max(len(masks) for masks in masks_of.values())
    images, segments, centres = [], [], []
    for number in numbers:
        if len(masks_of[number]) < 2:
            raise ValueError(f"{folder / f'CLEVR_image_{number}.png'}: has fewer than two masks beside it")
        picture = _read_png(folder / f"CLEVR_image_{number}.png", "RGB")[..., ::-1]
        masks = [
            _read_png(folder / f"CLEVR_mask_{number}_{entity}.png", "L") for entity in range(len(masks_of[number]))
        ]
        square, ids = crop_clevr(picture, np.stack(masks), image_size)
        images.append(square)
        segments.append(ids)
        centres.append(box_middles(ids, most - 1))
    xy = torch.from_numpy(np.stack(centres))
    return ObjectScenes(
        image=torch.from_numpy(np.stack(images)).to(torch.float32) / 255,
        segments=torch.from_numpy(np.stack(segments)),
        present=~xy[..., 0].isnan(),
        xy=xy.nan_to_num(),
    )


def _read_png(path: Path, mode: str) -> np.ndarray:
    """A picture of 320 x 240 pixels in one of Pillow's modes."""
    with opened_picture(path, str(path)) as stored:
        values = np.asarray(stored.convert(mode))
    if values.shape[:2] != (HEIGHT, WIDTH):
        raise ValueError(f"{path}: {values.shape[1]} x {values.shape[0]} pixels; allowed is {WIDTH} x {HEIGHT}")
    return values
