"""The reconstruction loss that the options choose: squared error, cross-entropy, or through a frozen network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from tusklite import losses
from tusklite.losses.perceptual import FILE_ENDINGS, VGG16_TAPS
from tusklite.methods.base import FrozenNetwork
from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.places import data_folder

ReconstructionLoss = Callable[[Tensor, Tensor], Tensor]


def reconstruction_loss(config: TUSKConfig, options: TUSKOptions) -> ReconstructionLoss:
    """The distance between what the decoder gives and the images (Jin et al. 2022, eq. 1).

    Args:
        config: says whether a sigmoid stands behind the decoder.
        options: `reconstruction_loss` says which distance.

    Returns:
        A function of the decoder's output before its sigmoid and the images, both `(B, C, H, W)`, to a scalar.

    Raises:
        FileNotFoundError, ValueError: cross-entropy of a decoder without a sigmoid; a perceptual network that there is
            not, or whose weights cannot be had.

    Example:
        >>> import torch
        >>> distance = reconstruction_loss(TUSKConfig(), TUSKOptions())
        >>> distance(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5))
        tensor(0.2500)
    """
    name, sigmoid = options.reconstruction_loss, config.decoder_output == "sigmoid"
    if name == "auto":
        name = "cross-entropy" if sigmoid else "mean-squared-error"
    if name == "cross-entropy":
        if not sigmoid:
            raise ValueError(
                "reconstruction_loss: 'cross-entropy' was given with decoder_output 'linear'; allowed is 'sigmoid'"
            )
        return losses.cross_entropy_loss
    if name == "mean-squared-error":
        return lambda decoded, images: losses.mse_loss(decoded.sigmoid() if sigmoid else decoded, images)

    return _through(FrozenNetwork(_perceptual_loss(config, options, "l1")), sigmoid)


def perceptual_term(config: TUSKConfig, options: TUSKOptions) -> ReconstructionLoss | None:
    """The perceptual term that stands beside eq. 1: beyond the paper, None where it has no weight.

    Each layer's distance is in units of the mean magnitude of the image's own features, and they are averaged.

    Raises:
        FileNotFoundError, ValueError: as `reconstruction_loss`.
    """
    if not options.perceptual:
        return None
    network = FrozenNetwork(_perceptual_loss(config, options, "relative-l1"))
    return _through(network, config.decoder_output == "sigmoid")


def _through(network: FrozenNetwork, sigmoid: bool) -> ReconstructionLoss:
    """A distance through a frozen network, of what the decoder gives."""

    def perceptual(decoded: Tensor, images: Tensor) -> Tensor:
        return network.on(images.device)(decoded.sigmoid() if sigmoid else decoded, images)

    return perceptual


def _weights_file(given: str) -> str:
    """A file as it was given, or else the one of that name in the folder of the data, if there is one."""
    if Path(given).suffix in FILE_ENDINGS and not Path(given).is_file():
        in_data = data_folder(None)[0] / given
        return str(in_data) if in_data.is_file() else given
    return given


def _perceptual_loss(config: TUSKConfig, options: TUSKOptions, distance: str) -> losses.PerceptualLoss:
    """The frozen network that the options name; all that can be wrong with it is refused before a step is done."""
    if config.image_channels not in (1, 3):
        raise ValueError(
            f"image_channels: {config.image_channels} was given with reconstruction_loss 'perceptual'; "
            "allowed are 1 and 3"
        )
    network, taps = options.perceptual_network, options.perceptual_taps or None
    weights = None if options.perceptual_weights == "random" else _weights_file(options.perceptual_weights)
    count = len(taps or VGG16_TAPS)
    try:
        return losses.PerceptualLoss(
            network,
            taps,
            weights,
            options.perceptual_size or None,
            layer_weights=(1 / count,) * count if distance == "relative-l1" else None,
            distance=distance,
            preparation=options.perceptual_preparation,
        )
    except (FileNotFoundError, ValueError) as reason:
        raise type(reason)(
            f"perceptual_network: {network!r} was given with perceptual_taps {taps}, perceptual_weights "
            f"{options.perceptual_weights!r}, and cannot be had ({reason})"
        ) from reason
