"""A handful of made-up images, as a training wants them."""

from __future__ import annotations

from types import SimpleNamespace

from torch import Tensor


class MadeUpImages:
    """An image source of these images `(N, C, H, W)`."""

    reads_files = False

    def __init__(self, image: Tensor) -> None:
        self.image = image

    def __len__(self) -> int:
        return len(self.image)

    def scenes(self, indices: Tensor) -> SimpleNamespace:
        return SimpleNamespace(image=self.image[indices])

    def describe(self) -> dict[str, str | int]:
        return {"source": "made up"}

    def identity(self) -> dict[str, object]:
        return {"kind": "made up", "shape": list(self.image.shape)}
