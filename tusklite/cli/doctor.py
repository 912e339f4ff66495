"""Check that this machine is ready; lesson 00 shows the same."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass

# What the library cannot do without, and what lessons and data want beside it.
CORE = ("numpy", "scipy", "torch", "tqdm", "safetensors", "filelock", "pillow")
MORE = ("matplotlib", "scikit-learn", "mlxtend", "torchvision", "jupyterlab", "ipywidgets", "papermill", "nbconvert")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command takes nothing."""


def act(arguments: argparse.Namespace) -> int:
    """Print what was found; 1 where something is not as it has to be."""
    findings = examine()
    for finding in findings:
        print(f"{'ok ' if finding.good else 'BAD'} {finding.name}: {finding.says}")
    return 0 if all(finding.good for finding in findings) else 1


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
    """Look at Python, the libraries, the device, the folder of data, the digits, the experiments, the folder for runs.

    Example:
        >>> [finding.name for finding in examine()][:2]
        ['python', 'libraries']
    """
    return [_python(), _libraries(), _device(), _torchvision(), _data(), _digits(), _experiments(), _runs()]


def _python() -> Finding:
    good = sys.version_info >= (3, 10)
    return Finding("python", good, platform.python_version() + ("" if good else ": tusklite needs 3.10 or later"))


def _libraries() -> Finding:
    versions, missing = [], []
    for name in (*CORE, *MORE):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        needed = [name for name in missing if name in CORE]
        says = f"missing: {', '.join(missing)}; `pip install '.[course]'` in a clone or `make setup` installs them"
        return Finding("libraries", not needed, says if needed else f"for lessons and data: {says}")
    return Finding("libraries", True, ", ".join(versions))


def _device() -> Finding:
    from tusklite.train.devices import choose_device, device_name

    device = choose_device()
    return Finding("device", True, f"{device_name(device)}, {os.cpu_count()} processors")


def _torchvision() -> Finding:
    import torch

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


def _data() -> Finding:
    given = os.environ.get("TUSKLITE_DATA")
    if not given:
        return Finding("data", True, "TUSKLITE_DATA is not set; what is downloaded goes to the user's cache folder")
    if not os.path.isdir(os.path.expanduser(given)):
        return Finding("data", False, f"TUSKLITE_DATA is {given}; allowed is a folder that is there")
    return Finding("data", True, "TUSKLITE_DATA is a folder")


def _digits() -> Finding:
    from tusklite.data import load_digits

    try:
        return Finding("digits", True, load_digits().describe())
    except (ImportError, OSError, ValueError) as error:
        return Finding("digits", False, str(error))


def _experiments() -> Finding:
    from tusklite.experiments import experiments

    try:
        return Finding("experiments", True, ", ".join(sorted(experiments())))
    except (ImportError, OSError, ValueError) as error:
        return Finding("experiments", False, str(error))


def _runs() -> Finding:
    from tusklite.places import runs_folder

    try:
        folder = runs_folder()
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free / 2**30
    except (OSError, ValueError) as error:
        return Finding("runs", False, str(error))
    good = existing.is_dir() and os.access(existing, os.W_OK) and free > 1
    return Finding(
        "runs",
        good,
        f"{free:.0f} GB free" + ("" if good else f"; {existing} must be a writable folder, with 1 GB free"),
    )
