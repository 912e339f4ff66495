"""Lets the tests of checks import `lesson_definitions`, which stands beside the tests of lessons."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "notebooks"))
