"""What several tests of data read."""

from __future__ import annotations

from pathlib import Path

import pytest
from face_files import write_celeba


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    """A root with CelebA in torchvision's layout; the spot in each picture is at its left eye."""
    write_celeba(tmp_path)
    return tmp_path
