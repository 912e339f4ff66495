"""Figures of the papers that results stand beside, each with its source."""

from __future__ import annotations

# Table 1 of Jin et al. 2022: what each method was told in training, and its scores.
PAPER_TABLE_1 = {
    "TUSK (paper)": ("nothing", {"localization": 0.999, "classification": 0.921, "both": 0.921}),
    "MIST": ("class counts", {"localization": 0.978, "classification": 0.988, "both": 0.975}),
    "Xie et al.": ("class counts", {"localization": 0.727, "classification": 0.931, "both": 0.713}),
    "channel-wise": ("class counts", {"localization": 0.254, "classification": 0.755, "both": 0.248}),
    "CNN": ("classes and places", {"localization": 0.996, "classification": 0.987, "both": 0.986}),
}

# Thewlis et al. 2017, table 4 and the supplement: inter-ocular error on AFLW's five points, in percent, with all 10,122
# labelled training faces and with few; 51 landmarks, trained on 200,000 faces of CelebA and then on AFLW.
PAPER_AFLW = {
    "nme_percent": 10.53,
    "nme_percent_20_labels": 13.28,
    "nme_percent_10_labels": 13.85,
    "nme_percent_5_labels": 12.94,
    "nme_percent_1_labels": 14.79,
}
# The same table: methods that are told every point in training.
SUPERVISED_AFLW = {"RCPR": 11.6, "CFAN": 10.94, "Cascaded CNN": 8.97, "TCDCN": 7.65, "RAR": 7.23}
