"""TUSK (Jin et al. 2022): its network, its options, its alternating training."""

from __future__ import annotations

from tusklite.methods.tusk.config import TUSKConfig
from tusklite.methods.tusk.model import TUSK, TUSKOutput
from tusklite.methods.tusk.options import TUSKOptions
from tusklite.methods.tusk.training import TUSKTraining, TwoViews

__all__ = ["TUSK", "TUSKConfig", "TUSKOptions", "TUSKOutput", "TUSKTraining", "TwoViews"]
