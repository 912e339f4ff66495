"""Three counts for the log that tell of the classical deaths of a keypoint detector."""

from __future__ import annotations

import torch
from torch import Tensor

from tusklite.ops.keypoints import Keypoints


@torch.no_grad()
def count_alarms(heatmap: Tensor, keypoints: Keypoints, weights: Tensor) -> dict[str, Tensor]:
    """Count what goes wrong: prototypes that win next to nothing, flat heatmaps, keypoints on the border.

    Args:
        heatmap: `(B, 1, H, W)` in [0, 1].
        keypoints: `Keypoints` of these heatmaps.
        weights: `(M,)` share of the descriptors that each prototype wins, summing to 1.

    Returns:
        `dead_prototypes`: those that win less than a tenth of an even share. `collapsed_heatmaps`: those whose largest
        value is less than 0.1 above the smallest, or that have fewer than K maxima. `border_keypoints`: those whose
        maximum is on the outermost row or column of the map.

    Example:
        >>> from tusklite.ops.keypoints import detect_keypoints
        >>> flat = torch.full((1, 1, 5, 5), 0.5)
        >>> {k: int(v) for k, v in count_alarms(flat, detect_keypoints(flat, 1, 3), torch.tensor([1.0, 0.0])).items()}
        {'dead_prototypes': 1, 'collapsed_heatmaps': 1, 'border_keypoints': 1}
    """
    height, width = heatmap.shape[2:]
    row, column = keypoints.index // width, keypoints.index % width
    border = (row == 0) | (row == height - 1) | (column == 0) | (column == width - 1)
    spread = heatmap.flatten(1).amax(dim=1) - heatmap.flatten(1).amin(dim=1)
    return {
        "dead_prototypes": (weights < 0.1 / len(weights)).sum(),
        "collapsed_heatmaps": ((spread < 0.1) | ~keypoints.found.all(dim=1)).sum(),
        "border_keypoints": (border & keypoints.found).sum(),
    }
