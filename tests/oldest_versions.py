"""Print the oldest versions that pyproject.toml allows, one `name==version` a line, for `make test-oldest`."""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def requirements(extras: tuple[str, ...] = ()) -> list[Requirement]:
    """What the package requires, with some of its extras; an extra of its own that an extra names is looked into."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    found = []
    for line in [
        *project["dependencies"],
        *(line for extra in extras for line in project["optional-dependencies"][extra]),
    ]:
        requirement = Requirement(line)
        if requirement.name == project["name"]:
            found += requirements(tuple(sorted(requirement.extras)))[len(project["dependencies"]) :]
        else:
            found.append(requirement)
    return found


def oldest(requirement: Requirement) -> str:
    """The requirement with its lower bound as its one version.

    Raises:
        ValueError: it has no lower bound, or more than one.
    """
    bounds = [bound.version for bound in requirement.specifier if bound.operator == ">="]
    if len(bounds) != 1:
        raise ValueError(f"pyproject.toml: {requirement} was given; allowed is one lower bound, as in name>=1.2")
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}=={bounds[0]}{marker}"


if __name__ == "__main__":
    for requirement in requirements(("test",)):
        print(oldest(requirement))
