"""The networks: U-Net and heatmap head (Jin et al. 2022), landmark detector (Thewlis et al. 2017), an hourglass."""

from __future__ import annotations

from tusklite.nets.heatmap_head import HeatmapHead
from tusklite.nets.hourglass import HierarchicalBlock, Hourglass, MapHead
from tusklite.nets.landmark_net import LandmarkNet
from tusklite.nets.unet import UNet

__all__ = ["HeatmapHead", "HierarchicalBlock", "Hourglass", "LandmarkNet", "MapHead", "UNet"]
