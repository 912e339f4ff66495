"""A whole experiment in one file, small enough to be read in a minute: which picture do noisy pictures show?

Every image is one hidden pattern under noise. The method learns a mean image; the mean over all images would be the
answer, and the noise that is left in it is what the experiment measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import require_integer, require_number
from tusklite.data.base import images_sha256
from tusklite.experiments import Experiment, Preset, Scores, register
from tusklite.methods.base import Batch, Method, new_method
from tusklite.methods.weights import KeypointModel
from tusklite.metrics.metric import Metric
from tusklite.results import METHOD, Column, Published, Table, run_time
from tusklite.train.loop import FitResult
from tusklite.train.schedule import Schedule


@dataclass(frozen=True)
class Pictures:
    """How many noisy pictures there are, and how noisy they are."""

    count: int = 64
    noise: float = 0.1

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        require_integer("count", self.count, low=1, high=10_000)
        require_number("noise", self.noise, high=1.0)


class NoisyImages(NamedTuple):
    """A batch of images `(B, 1, 8, 8)`."""

    image: Tensor


class NoisyPictures:
    """Pictures of a bright square; picture i has the noise of i, with another stream for those that are unseen."""

    reads_files = False
    pattern = F.pad(torch.full((1, 4, 4), 0.8), (2, 2, 2, 2), value=0.2)

    def __init__(self, data: Pictures, stream: int) -> None:
        generator = torch.Generator().manual_seed(stream)
        noise = data.noise * torch.randn(data.count, 1, 8, 8, generator=generator)
        self.images = (self.pattern + noise).clamp(0, 1)

    def __len__(self) -> int:
        return len(self.images)

    def scenes(self, indices: Sequence[int] | Tensor) -> NoisyImages:
        """The pictures `indices`."""
        return NoisyImages(self.images[torch.as_tensor(indices)])

    def describe(self) -> dict[str, str | int]:
        """What a result states."""
        return {"source": "noisy squares", "sha256": images_sha256(self.images), "pictures": len(self)}

    def identity(self) -> dict[str, object]:
        """All that decides picture i."""
        return {"kind": "noisy squares", "images_sha256": images_sha256(self.images)}


@dataclass(frozen=True)
class MeanImageConfig:
    """The size of a mean image in pixels."""

    side: int = 8


class MeanImage(KeypointModel):
    """The one image that stands for all."""

    KIND = "toy-mean-image"
    CONFIG = MeanImageConfig

    def __init__(self, config: MeanImageConfig) -> None:
        super().__init__()
        self.config = config
        self.image = nn.Parameter(torch.rand(1, config.side, config.side))


@dataclass(frozen=True)
class MeanImageOptions:
    """Weight of the only term, and Adam's rate."""

    distance: float = 1.0
    learning_rate: float = 0.05


class MeanImageTraining(Method[MeanImage, MeanImageOptions, Tensor]):
    """The mean image lessens its squared distance to what it sees."""

    def see(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The images as they are."""
        return batch.images

    def loss_terms(self, seen: Tensor, step: int) -> dict[str, Tensor]:
        """The mean squared error."""
        return {"distance": F.mse_loss(self.model.image.expand_as(seen), seen)}

    def networks(self) -> list[nn.Module]:
        """None: there is nothing to compile."""
        return []


@dataclass(frozen=True)
class Splits:
    """Pictures to learn from, and unseen ones."""

    train: NoisyPictures
    unseen: NoisyPictures


ERROR = Metric("error", "error", "", better="down")
ANSWER = {"error": 0.0}  # which nobody published


class Toy(Experiment[MeanImageTraining, Splits]):
    """The pattern under the noise."""

    name = "toy"
    title = "A pattern under noise"
    presets = (
        Preset(
            "toy", "ci", MeanImageConfig(), MeanImageOptions(), Schedule(steps=60, batch=8, log_every=5), Pictures()
        ),
    )
    metrics = (ERROR, Metric("distance", "distance", ""))
    watched = {"distance": "distance"}  # noqa: RUF012
    table = Table((ERROR,), (METHOD, Column("time", run_time)), (Published("the answer", ANSWER),))

    def splits(self, preset: Preset) -> Splits:
        """Two streams of noise."""
        return Splits(NoisyPictures(preset.data, stream=0), NoisyPictures(preset.data, stream=1))

    def method(self, preset: Preset) -> MeanImageTraining:
        """A mean image that is noise itself."""
        seed = preset.schedule.seed
        return new_method(lambda: MeanImageTraining(MeanImage(preset.model), preset.training, seed), seed)

    def score(self, preset: Preset, method: MeanImageTraining, splits: Splits, fitted: FitResult) -> Scores:
        """Largest error of a pixel, and the distance to unseen pictures."""
        image = method.model.image.detach().cpu()
        distance = F.mse_loss(image.expand_as(splits.unseen.images), splits.unseen.images)
        return Scores({"error": float((image - splits.train.pattern).abs().max()), "distance": float(distance)})

    def describe(self, preset: Preset, splits: Splits) -> dict[str, Any]:
        """What the pictures say of themselves."""
        return splits.train.describe()

    def published(self, preset: Preset) -> dict[str, float]:
        """The answer."""
        return ANSWER


register(Toy())
