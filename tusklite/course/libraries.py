"""What every lesson needs to load, and what to type where some of it is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util

# Of each distribution the module that it brings. What single lessons want beside them says so where it is missing.
NEEDED = {
    "filelock": "filelock",
    "ipywidgets": "ipywidgets",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pillow": "PIL",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "torch": "torch",
    "tqdm": "tqdm",
}
KEPT = ("torch", "numpy")


def require_libraries() -> None:
    """Refuse to go on without what every lesson loads.

    Raises:
        ImportError: something is missing; the message has the command that adds it and leaves torch and numpy alone.
    """
    missing = [name for name, module in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ImportError(f"lessons need {', '.join(missing)}; install them with `{adding(missing)}`")


def adding(names: list[str]) -> str:
    """The command that adds some distributions, and torch and numpy in the very versions that are there.

    Example:
        >>> adding(["tqdm"]).startswith("pip install tqdm 'torch==")
        True
    """
    kept = []
    for name in KEPT:
        if name not in names:
            try:
                kept.append(f"'{name}=={importlib.metadata.version(name)}'")
            except importlib.metadata.PackageNotFoundError:
                continue  # a module without an installation: pip would not know of it
    return " ".join(["pip install", *names, *kept])
