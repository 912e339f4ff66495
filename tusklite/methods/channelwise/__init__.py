"""The channel-wise rival of TUSK: one heatmap a keypoint."""

from __future__ import annotations

from tusklite.methods.channelwise.model import ChannelwiseConfig, ChannelwiseDetector, ChannelwiseOutput
from tusklite.methods.channelwise.options import ChannelwiseOptions
from tusklite.methods.channelwise.training import ChannelwiseTraining

__all__ = ["ChannelwiseConfig", "ChannelwiseDetector", "ChannelwiseOptions", "ChannelwiseOutput", "ChannelwiseTraining"]
