"""One loop for all methods: schedule, device, log, checkpoints, and going on where a run was cut off."""

from __future__ import annotations

from tusklite.train.checkpoints import load_checkpoint, save_checkpoint
from tusklite.train.devices import choose_device
from tusklite.train.loop import FitResult, TrainingInterrupted, fit
from tusklite.train.schedule import Schedule

__all__ = ["FitResult", "Schedule", "TrainingInterrupted", "choose_device", "fit", "load_checkpoint", "save_checkpoint"]
