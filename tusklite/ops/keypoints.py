"""From maps to points and back: maxima of one heatmap, descriptors at them, and splats that put them on a map again."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tusklite.arguments import require_alike, require_integer, require_number, require_tensor
from tusklite.precision import at_least_single, widen

FARTHEST = 1e4  # from the middle of an image, in half image widths
NARROWEST, WIDEST = 1e-6, 1e12  # standard deviations of a Gaussian, in pixels


class Keypoints(NamedTuple):
    """The K strongest maxima of each heatmap, strongest first.

    Attributes:
        xy: `(B, K, 2)` refined locations in [-1, 1], in at least float32.
        score: `(B, K)` the heatmap's value at the maximum; 0 in an empty slot.
        index: `(B, K)` flat position `row * W + column` of the maximum; -1 in an empty slot.
    """

    xy: Tensor
    score: Tensor
    index: Tensor  # type: ignore[assignment]  # a tuple has a method of this name, which nobody wants of keypoints

    @property
    def found(self) -> Tensor:
        """`(B, K)` bool: False where the heatmap had fewer than K maxima and the slot is empty."""
        return self.index >= 0


def pixel_centres(size: int, like: Tensor) -> Tensor:
    """Coordinates in [-1, 1] of the centres of `size` pixels: `(2 i + 1) / size - 1`, in at least float32.

    Example:
        >>> pixel_centres(4, torch.zeros(1))
        tensor([-0.7500, -0.2500,  0.2500,  0.7500])
    """
    return (torch.arange(size, device=like.device, dtype=at_least_single(like.dtype)) * 2 + 1) / size - 1


def spatial_softmax(logits: Tensor) -> Tensor:
    """Turn each map of scores into a probability over its pixels (Thewlis et al. 2017, section 3.2).

    Args:
        logits: `(B, K, H, W)` any real scores.

    Returns:
        `(B, K, H, W)`, each map at least 0 and summing to 1.

    Raises:
        TypeError, ValueError: not a finite floating-point tensor of four dimensions.

    Example:
        >>> spatial_softmax(torch.zeros(1, 1, 2, 2)).flatten()
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    require_tensor("logits", logits, ("B", "K", "H", "W"))
    # On a CPU torch 2.6 rounds half precision in between, too.
    probs = logits.flatten(2).softmax(dim=-1, dtype=at_least_single(logits.dtype))
    return probs.view_as(logits).to(logits.dtype)


def soft_argmax(probs: Tensor) -> Tensor:
    """Expected location under each probability map, the soft-argmax (Thewlis et al. 2017, section 3.2).

    Args:
        probs: `(B, K, H, W)` maps that are at least 0 and sum to 1.

    Returns:
        `(B, K, 2)` points `(x, y)` in [-1, 1]; in float32 for maps in half precision, which places no point.

    Raises:
        TypeError, ValueError: not a finite floating-point tensor of four dimensions.

    Example:
        >>> maps = torch.zeros(1, 1, 3, 3)
        >>> maps[0, 0, 1, 2] = 1.0
        >>> soft_argmax(maps)
        tensor([[[0.6667, 0.0000]]])
    """
    require_tensor("probs", probs, ("B", "K", "H", "W"))
    height, width = probs.shape[-2:]
    (probs,) = widen(probs)
    x = probs.sum(dim=-2) @ pixel_centres(width, probs)
    y = probs.sum(dim=-1) @ pixel_centres(height, probs)
    return torch.stack([x, y], dim=-1)  # (B, K, 2)


def non_max_suppression(heatmap: Tensor, window: int) -> Tensor:
    """Mark the pixels that are the largest of the window around them (Jin et al. 2022, section 3.1).

    Equal neighbours all survive. A plateau stays marked as a whole, and `detect_keypoints` breaks the tie. At a border
    the window is what lies inside the map.

    Args:
        heatmap: `(B, 1, H, W)` scores.
        window: odd side of the square window, in pixels of the map; one that is larger than the map is all of it.

    Returns:
        `(B, 1, H, W)` bool.

    Raises:
        TypeError, ValueError: a heatmap of another shape or with NaN; a window that is even or below 1.

    Example:
        >>> non_max_suppression(torch.tensor([[[[1.0, 3.0, 2.0, 5.0]]]]), window=3)
        tensor([[[[False,  True, False,  True]]]])
    """
    require_tensor("heatmap", heatmap, ("B", 1, "H", "W"))
    return heatmap == window_maximum(heatmap.detach(), window)


def window_maximum(maps: Tensor, window: int) -> Tensor:
    """Largest value in the square window around each pixel: rows first, then columns, 2 w comparisons in place of w².

    Args:
        maps: `(B, C, H, W)`.
        window: odd side of the window, in pixels; at a border it is what lies inside the map.

    Returns:
        `(B, C, H, W)`.

    Raises:
        TypeError, ValueError: a window that is no odd integer of at least 1.

    Example:
        >>> window_maximum(torch.tensor([[[[1.0, 3.0, 2.0, 0.0]]]]), window=3)
        tensor([[[[3., 3., 3., 2.]]]])
    """
    window = require_integer("window", window, low=1, odd=True)
    rows, columns = (_within(window, size) for size in maps.shape[-2:])
    along_rows = F.max_pool2d(maps, (1, columns), stride=1, padding=(0, columns // 2))
    return F.max_pool2d(along_rows, (rows, 1), stride=1, padding=(rows // 2, 0))


def _within(window: int, size: int) -> int:
    """The window along an axis: no larger than what reaches from any pixel to both ends of the map."""
    return min(window, 2 * size - 1)


def _first_of_equals(maxima: Tensor, window: int) -> Tensor:
    """Of maxima that share a window (so they are equal), keep the first in reading order."""
    height, width = maxima.shape[-2:]
    earliness = torch.arange(height * width, 0, -1, device=maxima.device, dtype=torch.float32)
    earliness = maxima * earliness.view(1, 1, height, width)  # exact up to 16 million pixels
    return maxima & (earliness == window_maximum(earliness, window))


def _gather_windows(heatmap: Tensor, index: Tensor, window: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Values, columns, rows and inside-the-map mask, each `(B, K, n)`, of the n pixels around flat positions."""
    height, width = heatmap.shape[-2:]
    sides = (_within(window, height), _within(window, width))
    offsets = (torch.arange(side, device=heatmap.device) - side // 2 for side in sides)
    row_offset, column_offset = torch.meshgrid(*offsets, indexing="ij")
    rows = (index // width).unsqueeze(-1) + row_offset.flatten()
    columns = (index % width).unsqueeze(-1) + column_offset.flatten()
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    values = heatmap.flatten(1).gather(1, flat.flatten(1)).view(flat.shape)
    return values, columns, rows, inside


def detect_keypoints(
    heatmap: Tensor, k: int, window: int, temperature: float = 0.2, suppression_window: int | None = None
) -> Keypoints:
    """Find the K strongest maxima and refine each by a soft-argmax in its window (Jin et al. 2022, section 3.1).

    The choice of the maxima is not differentiable; the refined locations and the scores are. Where a heatmap has fewer
    than K maxima, the slots left over have index -1, score 0 and lie at the image's centre. Of a heatmap in half
    precision the locations come in float32.

    Args:
        heatmap: `(B, 1, H, W)` scores, by convention in [0, 1].
        k: how many keypoints, from 1 to H·W.
        window: odd side, in pixels of the map, of the window of both the suppression and the soft-argmax; one that is
            larger than the map is all of it.
        temperature: divides the scores before the soft-argmax's softmax. Small: the maximum itself. Large: the mean of
            the window, whatever lies in it.
        suppression_window: odd side of the suppression's window, where that is to be another one.

    Returns:
        `Keypoints`, strongest first; equal scores in reading order.

    Raises:
        TypeError, ValueError: wrong shape, NaN, k or window or temperature out of range.

    Example:
        >>> heatmap = torch.zeros(1, 1, 5, 5)
        >>> heatmap[0, 0, 1, 3] = 1.0
        >>> points = detect_keypoints(heatmap, k=1, window=3, temperature=0.05)
        >>> points.xy
        tensor([[[ 0.4000, -0.4000]]])
        >>> points.index
        tensor([[8]])
    """
    window = require_integer("window", window, low=1, odd=True)
    suppression_window = window if suppression_window is None else suppression_window
    suppression_window = require_integer("suppression_window", suppression_window, low=1, odd=True)
    maxima = _first_of_equals(non_max_suppression(heatmap, suppression_window), suppression_window)
    height, width = heatmap.shape[-2:]
    k = require_integer("k", k, low=1, high=height * width)
    temperature = require_number("temperature", temperature, open_low=True)

    candidates = heatmap.detach().masked_fill(~maxima, float("-inf")).flatten(1)
    order = candidates.argsort(dim=1, descending=True, stable=True)[:, :k]  # (B, K)
    found = maxima.flatten(1).gather(1, order)
    score = torch.where(found, heatmap.flatten(1).gather(1, order), 0)

    values, columns, rows, inside = _gather_windows(heatmap, order, window)
    (values,) = widen(values)
    temperature = max(temperature, 1e-30)  # below it, nothing but the largest has a weight in any case
    # A quotient that would be infinite is taken from the largest value; others are left as they are.
    largest = values.detach().amax(dim=-1, keepdim=True)
    values = values - torch.where(largest.abs() > 1e30 * temperature, largest, 0)
    weight = (values / temperature).masked_fill(~inside, float("-inf")).softmax(dim=-1)
    x = (weight * ((2 * columns + 1).to(weight) / width - 1)).sum(dim=-1)
    y = (weight * ((2 * rows + 1).to(weight) / height - 1)).sum(dim=-1)
    xy = torch.where(found.unsqueeze(-1), torch.stack([x, y], dim=-1), 0)
    return Keypoints(xy, score, torch.where(found, order, -1))


def sample_descriptors(features: Tensor, xy: Tensor) -> Tensor:
    """Read the feature map at points, by bilinear interpolation (Jin et al. 2022, section 3.1).

    Beyond the outermost pixel centres the map is continued by its border. A point that is NaN, such as one that a warp
    does not show, has a descriptor of NaN.

    Args:
        features: `(B, C, H, W)`.
        xy: `(B, K, 2)` points in [-1, 1].

    Returns:
        `(B, K, C)`.

    Raises:
        TypeError, ValueError: wrong shapes, types or devices that differ, or another batch size in `xy`.

    Example:
        >>> features = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
        >>> sample_descriptors(features, torch.tensor([[[0.0, 0.0], [0.5, 0.5]]]))
        tensor([[[1.5000],
                 [3.0000]]])
    """
    require_tensor("features", features, ("B", "C", "H", "W"), finite=False)
    require_tensor("xy", xy, (features.shape[0], "K", 2), finite=False)
    require_alike("features", features, xy=xy)
    maps, points = widen(features, xy)
    nowhere = points.isnan().any(dim=-1, keepdim=True)  # (B, K, 1)
    grid = points.masked_fill(nowhere, 0).unsqueeze(2)
    sampled = F.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    descriptors = sampled.squeeze(-1).transpose(1, 2)  # (B, K, C)
    return descriptors.masked_fill(nowhere, torch.nan).to(features.dtype)


def _axis_profile(position: Tensor, size: int, sigma: float) -> Tensor:
    """A Gaussian along one axis, summing to 1: a softmax, which cannot divide 0 by 0 however narrow it is."""
    # Within these bounds no square and no quotient is infinite. Beyond them the Gaussian is one pixel anyhow.
    position = position.clamp(-FARTHEST, FARTHEST)
    sigma = min(max(sigma, NARROWEST), WIDEST)
    distance = (position.unsqueeze(-1) - pixel_centres(size, position)) * (size / 2)  # pixels
    return (-(distance**2) / (2 * sigma**2)).softmax(dim=-1)


def splat_gaussians(xy: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Put each point on a map of its own as a Gaussian that sums to 1 (Jin et al. 2022, section 3.2).

    It sums to 1 for every sigma and wherever a point lies, also far outside: then all of it is at the border.

    Args:
        xy: `(B, K, 2)` points in [-1, 1]. Only one that is NaN has a map of NaN.
        height: rows of the map.
        width: columns of the map.
        sigma: standard deviation in pixels of the map.

    Returns:
        `(B, K, H, W)`, at least 0, each map summing to 1.

    Raises:
        TypeError, ValueError: wrong shape, sizes below 1, or a sigma that is not above 0.

    Example:
        >>> splat_gaussians(torch.zeros(1, 1, 2), height=1, width=3, sigma=0.5).round(decimals=3)
        tensor([[[[0.1070, 0.7870, 0.1070]]]])
    """
    require_tensor("xy", xy, ("B", "K", 2), finite=False)
    (wide,) = widen(xy)
    rows, columns = splat_profiles(wide, height, width, sigma)
    return (rows.unsqueeze(-1) * columns.unsqueeze(-2)).to(xy.dtype)


def splat_profiles(xy: Tensor, height: int, width: int, sigma: float) -> tuple[Tensor, Tensor]:
    """The two factors of `splat_gaussians`: a Gaussian is a product of one along each axis.

    Returns:
        rows `(B, K, H)` and columns `(B, K, W)`, each summing to 1.

    Raises:
        TypeError, ValueError: as `splat_gaussians`.

    Example:
        >>> rows, columns = splat_profiles(torch.zeros(2, 5, 2), height=4, width=6, sigma=1.0)
        >>> rows.shape, columns.shape
        (torch.Size([2, 5, 4]), torch.Size([2, 5, 6]))
    """
    require_tensor("xy", xy, ("B", "K", 2), finite=False)
    height = require_integer("height", height, low=1)
    width = require_integer("width", width, low=1)
    sigma = require_number("sigma", sigma, open_low=True)
    (points,) = widen(xy)
    rows, columns = _axis_profile(points[..., 1], height, sigma), _axis_profile(points[..., 0], width, sigma)
    return rows.to(xy.dtype), columns.to(xy.dtype)
