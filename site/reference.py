"""The pages of the library's reference: one for each room, a section for each module, by Sphinx's autodoc.

Which modules and names there are is read from the source, without importing it.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tusklite"
# Rooms in the order in which data flows; then the ground that all stand on.
ROOMS = (
    *("data", "geometry", "nets", "ops", "losses", "methods", "train", "metrics", "results", "experiments"),
    *("pretrained", "inference", "course", "sweeps", "cli"),
)
GROUND = "ground"


def module_name(path: Path) -> str:
    """A file's name as one imports it.

    Example:
        >>> module_name(PACKAGE / "ops" / "keypoints.py"), module_name(PACKAGE / "ops" / "__init__.py")
        ('tusklite.ops.keypoints', 'tusklite.ops')
    """
    return ".".join(part for part in path.relative_to(ROOT).with_suffix("").parts if part != "__init__")


@cache
def modules() -> dict[str, Path]:
    """Every module that the reference shows, by name."""
    files = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")
    return {module_name(path): path for path in files if not re.search(r"(^|\.)_[a-z]", module_name(path))}


@cache
def tree(module: str) -> ast.Module:
    """A module as it is written."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def names() -> dict[str, str]:
    """Everything that the reference shows, by full name, with the first line of its docstring."""
    found = {}
    for module in modules():
        found[module] = first_line(tree(module))
        for node in tree(module).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                if ast.get_docstring(node):
                    found[f"{module}.{node.name}"] = first_line(node)
                if isinstance(node, ast.ClassDef):
                    for method in node.body:
                        if isinstance(method, ast.FunctionDef) and ast.get_docstring(method):
                            found[f"{module}.{node.name}.{method.name}"] = first_line(method)
    return found


def first_line(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> str:
    """What something is, in the first line of its docstring."""
    return (ast.get_docstring(node) or "").split("\n")[0]


def public_names(module: str) -> dict[str, str]:
    """What a room offers in its `__all__`, and where each name is defined.

    Example:
        >>> public_names("tusklite.geometry")["fit_tps"]
        'tusklite.geometry.spline.fit_tps'
    """
    origins, offered = {}, []
    for node in tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tusklite"):
            origins |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            offered = ast.literal_eval(node.value)
    return {name: origins[name] for name in offered if origins.get(name) in names()}


def role(text: str, place: str, known: dict[str, str]) -> str:
    """A link to a file of the package as one into the reference: to what its words name there, or to the module.

    Args:
        text: the words of the link.
        place: of the file, in the repository.
        known: all that the reference shows.

    Example:
        >>> role("`soft_argmax`", "tusklite/ops/keypoints.py", names())
        '{py:obj}`soft_argmax <tusklite.ops.keypoints.soft_argmax>`'
        >>> role("the *code*", "tusklite/ops/keypoints.py", names())
        '{py:obj}`the code <tusklite.ops.keypoints>`'
    """
    words = re.sub(r"[`*]", "", text)
    module = module_name(ROOT / place)
    full = f"{module}.{words}"
    return f"{{py:obj}}`{words} <{full if full in known else module}>`"


def heading(words: str, line: str) -> list[str]:
    """A heading in reStructuredText."""
    return [words, line * len(words), ""]


def room_modules(room: str) -> list[str]:
    """The modules of a room, itself first."""
    return [name for name in modules() if name == f"tusklite.{room}" or name.startswith(f"tusklite.{room}.")]


def in_rst(line: str) -> str:
    """A docstring's first line where Sphinx does not read it as a docstring.

    Example:
        >>> in_rst("Values `x` of y*")
        'Values ``x`` of y\\\\*'
    """
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(f"`{part}`" if part.startswith("`") else re.sub(r"([*|_])", r"\\\1", part) for part in parts)


def page(title: str, listed: list[str]) -> str:
    """The page of a room.

    Args:
        title: its heading.
        listed: its modules; where the first one is the room itself, what it offers is listed first.
    """
    lines = heading(title, "=")
    for module in listed:
        if module != title:
            lines += heading(module, "-")
        lines += [f".. automodule:: {module}", "   :members:", "   :ignore-module-all:", ""]
        offered = public_names(module) if module == title else {}
        if offered:
            lines += [f"From ``{module}`` one imports:", "", ".. list-table::", "   :widths: auto", ""]
            for name, origin in sorted(offered.items(), key=lambda pair: pair[0].lower()):
                lines += [f"   * - :py:obj:`{name} <{origin}>`", f"     - {in_rst(names()[origin])}"]
            lines.append("")
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """All pages of the reference, by their places on the site."""
    ground = [name for name in modules() if name.count(".") < 2 and name.partition(".")[2] not in ROOMS]
    made = {f"reference/{room}.rst": page(f"tusklite.{room}", room_modules(room)) for room in ROOMS}
    made[f"reference/{GROUND}.rst"] = page("What all rooms stand on", ground)
    lines = heading("Reference", "=")
    lines += ["The package, room by room, in the order in which data flows. Made from the docstrings.", ""]
    lines += [".. list-table::", "   :widths: auto", ""]
    for room in ROOMS:
        lines += [f"   * - :doc:`tusklite.{room} <{room}>`", f"     - {in_rst(names()[f'tusklite.{room}'])}"]
    lines += [f"   * - :doc:`{GROUND}`", "     - Checks, settings, files, places, colours.", ""]
    lines += [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in (*ROOMS, GROUND)), ""]
    return made | {"reference/index.rst": "\n".join(lines)}
