"""Every room says at its door what is in it: `__all__` of its `__init__`, complete, in order, and true."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import tusklite

PACKAGE = Path(tusklite.__file__).parent
ROOMS = [".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in sorted(PACKAGE.glob("*/**/__init__.py"))]


def taken_from_its_files(room: str) -> set[str]:
    """Public names that a room's `__init__` takes from the files of the room."""
    tree = ast.parse(Path(importlib.import_module(room).__file__).read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    own = [node for node in imports if (node.module or "").startswith(f"{room}.")]
    return {alias.asname or alias.name for node in own for alias in node.names if not alias.name.startswith("_")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_its_public_names(room: str) -> None:
    module = importlib.import_module(room)
    listed = module.__all__
    assert listed
    assert len(set(listed)) == len(listed)
    assert taken_from_its_files(room) <= set(listed)
    inner = {other.removeprefix(f"{room}.") for other in ROOMS if other.rpartition(".")[0] == room}
    if set(listed) & inner:  # a corridor, such as `methods`, lists the rooms behind it
        assert set(listed) == inner
    else:
        assert all(hasattr(module, name) for name in listed)


def test_there_are_rooms() -> None:
    assert {"tusklite.geometry", "tusklite.losses", "tusklite.methods", "tusklite.methods.tusk"} <= set(ROOMS)
