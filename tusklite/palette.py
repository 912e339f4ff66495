"""Colours that readers who are colour-blind can tell apart: Okabe and Ito's seven, and three more."""

from __future__ import annotations

PALETTE = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"),  # Okabe & Ito
    *("#332288", "#882255", "#CC66FF"),
)
