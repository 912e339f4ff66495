"""The perceptual loss: two images are near when a frozen, trained network sees the same in both."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tusklite.arguments import (
    require_alike,
    require_choice,
    require_integer,
    require_number,
    require_seed,
    require_tensor,
)
from tusklite.precision import at_least_single, widen

VGG16_TAPS = ("features.3", "features.8", "features.15", "features.22")  # relu1_2, relu2_2, relu3_3, relu4_3
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
CAFFE_MEAN = (123 / 255, 117 / 255, 104 / 255)  # of red, green, blue
PREPARATIONS = ("torchvision", "caffe")
FILE_ENDINGS = (".pth", ".pt", ".safetensors")


def _relative_l1(seen: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute difference, in units of the mean magnitude of what is wanted."""
    return F.l1_loss(seen, wanted) / wanted.abs().mean().clamp_min(1e-12)


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "relative-l1": _relative_l1,
}


class PerceptualLoss(nn.Module):
    """Distance between deep features of a reconstruction and its image (Jin et al. 2022, eq. 1, perceptual case).

    The loss is the sum over layers l of c_l times the mean of |V_l(reconstruction) - V_l(image)|, as the paper
    has it from elsewhere (Johnson et al. 2016); the defaults are those of its authors' code: VGG16 after relu1_2,
    relu2_2, relu3_3 and relu4_3, every c_l = 1, images resized to 224. The network V is frozen and always in evaluation
    mode.

    Args:
        backbone: name of a torchvision classification network, or any module that takes images `(B, 3, H, W)`. A
            module is copied, so that the caller's own stays trainable.
        taps: the layers l. For a name: nodes as `torchvision.models.feature_extraction.get_graph_node_names` lists
            them. For a module: names of its submodules. None is allowed for "vgg16" alone.
        weights: for a name: "DEFAULT" or another of torchvision's names, downloaded once; a state dict in a .pth, .pt
            or .safetensors file; or None, random features. A module brings its own: leave "DEFAULT" or None.
        resize: side in pixels to which both images are brought first (bilinear), up to 4096, or None to leave them.
        layer_weights: c_l >= 0, one for each tap; None for all 1.
        distance: "l1", the mean absolute difference; "l2", the mean squared one; or "relative-l1", the first over the
            mean magnitude of the image's own features, so that every layer counts alike.
        normalize: shift and scale the channels as the weights ask for (ImageNet's mean and deviation).
        preparation: "torchvision", whose networks see red, green, blue so shifted and scaled; or "caffe", for weights
            of that family: blue, green, red from 0 to 255, less their mean.
        seed: of the random features.

    Raises:
        FileNotFoundError: weights that cannot be downloaded, or no such file.
        TypeError, ValueError: another name, tap, weight, distance or size; a damaged file or one of another network.

    Example:
        >>> brightness = nn.Sequential(nn.AvgPool2d(2))
        >>> loss = PerceptualLoss(brightness, taps=["0"], weights=None, resize=None, normalize=False)
        >>> loss(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 0.5))
        tensor(0.5000)
    """

    mean: Tensor
    deviation: Tensor
    backbone: nn.Module

    def __init__(
        self,
        backbone: str | nn.Module = "vgg16",
        taps: Sequence[str] | None = None,
        weights: str | os.PathLike[str] | None = "DEFAULT",
        resize: int | None = 224,
        layer_weights: Sequence[float] | None = None,
        distance: str = "l1",
        normalize: bool = True,
        seed: int = 0,
        preparation: str = "torchvision",
    ) -> None:
        super().__init__()
        if taps is None and backbone == "vgg16":
            taps = VGG16_TAPS
        self.taps = _require_taps(taps)
        self.layer_weights = _require_layer_weights(layer_weights, len(self.taps))
        self.resize = None if resize is None else require_integer("resize", resize, low=1, high=4096)
        self.distance = require_choice("distance", distance, tuple(DISTANCES))
        self.normalize = normalize
        mean: Sequence[float] = IMAGENET_MEAN
        deviation: Sequence[float] = IMAGENET_DEVIATION
        if isinstance(backbone, nn.Module):
            if weights not in (None, "DEFAULT"):
                raise ValueError(f"weights: {weights!r} was given with a module, which brings its own; allowed is None")
            self.backbone = _TappedModule(backbone, self.taps)
        else:
            self.backbone, mean, deviation = _torchvision_backbone(backbone, self.taps, weights, seed)
        self.preparation = require_choice("preparation", preparation, PREPARATIONS)
        if preparation == "caffe":
            mean, deviation = CAFFE_MEAN, (1 / 255,) * 3
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> PerceptualLoss:
        """Stay in evaluation mode, also where the model around this loss is set to training."""
        return super().train(False)

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """What the network sees: the output of each tap.

        Args:
            images: `(B, 1, H, W)` or `(B, 3, H, W)` in [0, 1]; grey is repeated to three channels.

        Returns:
            One tensor a tap, under its name.

        Raises:
            TypeError, ValueError: not images of this shape, of another type than the network or on another device, or a
                tap of a module that gives no single tensor.
        """
        require_tensor("images", images, ("B", "C", "H", "W"), finite=False)
        if images.shape[1] not in (1, 3):
            raise ValueError(f"images: {images.shape[1]} channels were given; allowed are 1 or 3")
        if self.mean.dtype == at_least_single(images.dtype):
            (images,) = widen(images)
        require_alike("the network", self.mean, images=images)
        if self.resize is not None:
            images = F.interpolate(images, size=(self.resize, self.resize), mode="bilinear", align_corners=False)
        images = images.expand(-1, 3, -1, -1)
        if self.normalize:
            images = (images - self.mean) / self.deviation
        if self.preparation == "caffe":
            images = images.flip(1)
        return self.backbone(images)

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        """The loss; its gradient reaches the reconstruction alone.

        Args:
            reconstruction: `(B, C, H, W)` in [0, 1], C = 1 or 3.
            images: the targets, of the same shape.

        Returns:
            A scalar, at least 0.

        Raises:
            TypeError, ValueError: as for `features`, or two shapes, types or devices.
        """
        require_tensor("images", images, ("B", "C", "H", "W"), finite=False)
        require_tensor("reconstruction", reconstruction, tuple(images.shape), finite=False)
        require_alike("images", images, reconstruction=reconstruction)
        with torch.no_grad():
            wanted = self.features(images)
        seen = self.features(reconstruction)
        measure = DISTANCES[self.distance]
        terms = [c * measure(seen[tap], wanted[tap]) for tap, c in zip(self.taps, self.layer_weights, strict=True)]
        return torch.stack(terms).sum()


class _TappedModule(nn.Module):
    """A copy of any network, giving the outputs of some of its submodules; it need not be traceable."""

    def __init__(self, network: nn.Module, taps: Sequence[str]) -> None:
        super().__init__()
        self.network, self.taps = copy.deepcopy(network), taps
        for tap in taps:
            try:
                self.network.get_submodule(tap)
            except AttributeError as error:
                raise ValueError(f"taps: {tap!r} was given; allowed are names of submodules ({error})") from error

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}

        def keep(tap: str, output: object) -> None:
            if not isinstance(output, Tensor):
                raise TypeError(f"taps: {tap!r} gives {type(output).__name__}; allowed is a submodule giving a tensor")
            if tap in outputs:
                raise ValueError(f"taps: {tap!r} runs several times; allowed is a submodule that runs once")
            outputs[tap] = output.clone()  # the network may go on to overwrite it in place

        handles = [
            self.network.get_submodule(tap).register_forward_hook(lambda _, __, output, tap=tap: keep(tap, output))
            for tap in self.taps
        ]
        try:
            self.network(images)
        finally:
            for handle in handles:
                handle.remove()
        for tap in self.taps:
            if tap not in outputs:
                raise ValueError(f"taps: {tap!r} does not run; allowed is a submodule that the network calls")
        return outputs


def _torchvision_backbone(
    name: str, taps: Sequence[str], weights: str | os.PathLike[str] | None, seed: int
) -> tuple[nn.Module, Sequence[float], Sequence[float]]:
    """A torchvision network cut down to what its taps need, and the mean and deviation that its weights ask for."""
    import torchvision.models
    from torchvision.models.feature_extraction import create_feature_extractor

    if name not in torchvision.models.list_models(module=torchvision.models):
        raise ValueError(
            f"backbone: {name!r} was given; allowed are a torch.nn.Module and the names that "
            "torchvision.models.list_models(module=torchvision.models) gives"
        )
    if weights is not None and not isinstance(weights, str | os.PathLike):
        raise TypeError(f"weights: {weights!r} was given; allowed are a name, the path of a file, or None")
    mean, deviation, published = IMAGENET_MEAN, IMAGENET_DEVIATION, None
    file = None if weights is None or Path(weights).suffix not in FILE_ENDINGS else Path(weights)
    state = None if file is None else _read_state(file)
    if weights is not None and file is None:
        choices = torchvision.models.get_model_weights(name)
        allowed = f"{', '.join(map(repr, choices.__members__))}, a file ({', '.join(FILE_ENDINGS)}) or None"
        if weights not in choices.__members__:
            raise ValueError(f"weights: {str(weights)!r} was given; allowed are {allowed}")
        published = choices[weights]
        mean, deviation = published.transforms().mean, published.transforms().std
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(require_seed("seed", seed))
            network = torchvision.models.get_model(name, weights=published)
    except (OSError, RuntimeError, HTTPException) as reason:
        if published is None:
            raise
        raise FileNotFoundError(
            f"weights: {weights!r} of {name} could not be downloaded from {published.url}. Fetch that file on another "
            f"machine and give its path as weights='/path/to/file.pth', or take random features with weights=None. "
            f"The download said: {reason}"
        ) from reason
    try:
        extractor = create_feature_extractor(network.eval(), list(taps), suppress_diff_warning=True).eval()
    except ValueError as error:
        raise ValueError(f"taps: {', '.join(map(repr, taps))} were given for {name}; {error}") from error
    for tap in taps:
        if tap not in extractor.graph.output_node().args[0]:
            raise ValueError(f"taps: {tap!r} is the same node as another tap; allowed is each node once")
    _work_out_of_place(extractor)
    if state is not None:
        _load_state(extractor, state, f"{weights} for {name}")
    return extractor, mean, deviation


def _work_out_of_place(extractor: torch.fx.GraphModule) -> None:
    """Let no activation overwrite its input: a tap before it would give what came after it."""
    for module in extractor.modules():
        if getattr(module, "inplace", False):
            setattr(module, "inplace", False)  # noqa: B010  # whatever kind of module it is
    for node in extractor.graph.nodes:
        if "inplace" in node.kwargs:
            node.update_kwarg("inplace", False)
    extractor.recompile()


def _read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a file of tensors; nothing in the file is run."""
    from safetensors.torch import load_file

    if not path.is_file():
        raise FileNotFoundError(f"weights: no file at {path}")
    try:
        path.open("rb").close()  # safetensors calls a file that may not be read a missing one
    except PermissionError as error:
        raise ValueError(f"weights: {path} cannot be read ({error.strerror}); allowed is a file that may be") from error
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own words advise to run what the file holds
        raise ValueError(
            f"weights: {path} is no file of tensors, or damaged (its content is none of tensors; nothing of it was run)"
        ) from error
    except Exception as error:  # what is damaged can make its readers raise anything
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"weights: {path} is no file of tensors, or damaged ({said})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"weights: {path} holds {type(state).__name__}; allowed is a state dict, names and tensors")
    return state


def _load_state(extractor: nn.Module, state: dict[str, Tensor], what: str) -> None:
    """Load what the layers up to the last tap need; the file may hold more, such as the classifier."""
    try:
        missing = extractor.load_state_dict(state, strict=False).missing_keys
    except RuntimeError as error:
        raise ValueError(f"weights: {what} does not fit ({error})") from error
    if missing:
        raise ValueError(f"weights: {what} lacks {', '.join(missing[:4])}; allowed is a state dict with every layer")


def _require_taps(taps: Sequence[str] | None) -> tuple[str, ...]:
    """At least one name, each once."""
    if taps is None:
        raise ValueError("taps: None was given; allowed are the names of layers (only 'vgg16' has defaults)")
    if isinstance(taps, str) or not all(isinstance(tap, str) for tap in taps):
        raise TypeError(f"taps: {taps!r} was given; allowed is a sequence of names")
    if not taps or len(set(taps)) < len(taps):
        raise ValueError(f"taps: {taps!r} was given; allowed is at least one name, each once")
    return tuple(taps)


def _require_layer_weights(layer_weights: Sequence[float] | None, count: int) -> tuple[float, ...]:
    """One number of at least 0 a tap."""
    if layer_weights is None:
        return (1.0,) * count
    if len(layer_weights) != count:
        raise ValueError(f"layer_weights: {len(layer_weights)} were given; allowed is one for each of {count} taps")
    return tuple(require_number("layer_weights", weight) for weight in layer_weights)
