"""Check that this machine is ready; lesson 00 shows the same."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass

import torch

from tusklite.places import runs_folder
from tusklite.train.devices import choose_device, device_name

CORE = (
    "numpy",
    "scipy",
    "torch",
    "torchvision",
    "matplotlib",
    "scikit-learn",
    "tqdm",
    "safetensors",
    "mlxtend",
)
LESSONS = ("jupyterlab", "ipywidgets", "papermill", "nbconvert")


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what.
        good: whether it is as it has to be.
        says: what was found, and what to do where it is not good.
    """

    name: str
    good: bool
    says: str


def examine() -> list[Finding]:
    """Look at Python, the libraries, the device, the digits and the folder for runs.

    Example:
        >>> [finding.name for finding in examine()][:2]
        ['python', 'libraries']
    """
    return [_python(), _libraries(), _device(), _torchvision(), _digits(), _runs()]


def _python() -> Finding:
    good = sys.version_info >= (3, 10)
    return Finding("python", good, platform.python_version() + ("" if good else ": tusklite needs 3.10 or later"))


def _libraries() -> Finding:
    versions, missing = [], []
    for name in (*CORE, *LESSONS):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("libraries", False, f"missing: {', '.join(missing)}; `make setup` installs them")
    return Finding("libraries", True, ", ".join(versions))


def _device() -> Finding:
    device = choose_device()
    return Finding("device", True, f"{device_name(device)}, {os.cpu_count()} processors")


def _torchvision() -> Finding:
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        return Finding(
            "torchvision",
            False,
            f"does not import beside torch {torch.__version__} ({reason}); install the pair",
        )
    return Finding("torchvision", True, f"{torchvision.__version__} beside torch {torch.__version__}")


def _digits() -> Finding:
    from tusklite.data import load_digits

    try:
        return Finding("digits", True, load_digits().describe())
    except (ImportError, OSError, ValueError) as error:
        return Finding("digits", False, str(error))


def _runs() -> Finding:
    folder = runs_folder()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free / 2**30
    good = existing.is_dir() and os.access(existing, os.W_OK) and free > 1
    return Finding(
        "runs",
        good,
        f"{free:.0f} GB free" + ("" if good else f"; {existing} must be a writable folder, with 1 GB free"),
    )
