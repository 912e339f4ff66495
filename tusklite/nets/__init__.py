"""The networks: a U-Net and a heatmap head (Jin et al. 2022), and a landmark detector (Thewlis et al. 2017)."""

from __future__ import annotations

from tusklite.nets.heatmap_head import HeatmapHead
from tusklite.nets.landmark_net import LandmarkNet
from tusklite.nets.unet import UNet

__all__ = ["HeatmapHead", "LandmarkNet", "UNet"]
