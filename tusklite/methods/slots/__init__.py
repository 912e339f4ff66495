"""Slot attention: objects as slots that compete for the pixels of an image, the rival of object discovery."""

from __future__ import annotations

from tusklite.methods.slots.model import SlotAttention, SlotConfig, SlotOutput
from tusklite.methods.slots.options import SlotOptions
from tusklite.methods.slots.training import SlotTraining

__all__ = ["SlotAttention", "SlotConfig", "SlotOptions", "SlotOutput", "SlotTraining"]
