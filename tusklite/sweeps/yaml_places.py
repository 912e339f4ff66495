"""YAML read with its places: what it says, and in which line; what YAML would take for something else is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Place = tuple[str | int, ...]

# What looks like a number, and is a word to YAML 1.1: 1e-3 lacks a point, 08 is no octal number.
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9_]*)")


@dataclass(frozen=True)
class PlacedYAML:
    """What a YAML file holds, and where.

    Attributes:
        path: the file.
        value: dicts, lists, words, numbers, booleans, None.
        lines: the line of each key and of each item, by the keys and indices that lead there.
    """

    path: Path
    value: Any
    lines: Mapping[Place, int] = field(default_factory=dict)

    def error(self, place: Place, said: object) -> ValueError:
        """What is wrong at a place, as an error that names file and line; an unknown place is the next one around it.

        Example:
            >>> file = PlacedYAML(Path("a.yaml"), {"grid": {}}, {(): 1, ("grid",): 3})
            >>> str(file.error(("grid", "steps", 0), "steps: 0 was given"))
            'a.yaml, line 3: steps: 0 was given'
        """
        while place and place not in self.lines:
            place = place[:-1]
        return ValueError(f"{self.path}, line {self.lines.get(place, 1)}: {said}")


def read_placed_yaml(path: Path) -> PlacedYAML:
    """What a YAML file holds, with the line of everything in it.

    Raises:
        ValueError: no YAML, a key that is given twice or is no word, a value that is neither word nor number, or a
            number that YAML takes for a word or for another number, such as 1e-3 and 010; the message names the line.
        OSError: it cannot be read.
    """
    import yaml

    try:
        loader = yaml.SafeLoader(path.read_bytes().decode("utf-8"))
        node = loader.get_single_node()
        lines: dict[Place, int] = {(): 1}
        value = None if node is None else _value(loader, node, (), lines, path)
    except yaml.MarkedYAMLError as reason:
        line = reason.problem_mark.line + 1 if reason.problem_mark is not None else 1
        raise ValueError(f"{path}, line {line}: no YAML ({reason.problem or reason.context})") from reason
    except (UnicodeDecodeError, RecursionError, yaml.YAMLError) as reason:
        said = " ".join(str(reason).split())
        raise ValueError(f"{path}: no YAML ({said}); allowed is text in UTF-8") from reason
    return PlacedYAML(path, value, lines)


def _value(loader: Any, node: Any, place: Place, lines: dict[Place, int], path: Path) -> Any:
    import yaml

    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        items = enumerate(node.value)
        return [_value(loader, item, (*place, index), lines, path) for index, item in items]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(loader, node, place, path)
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = loader.construct_object(key_node) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            given = getattr(key_node, "value", "a list") if isinstance(key_node, yaml.ScalarNode) else "a list"
            raise ValueError(
                f"{path}, line {line}: {_named(place)}{given} was given as a name; allowed is a word, or anything in "
                "quotes"
            )
        if key in found:
            first, named = lines[(*place, key)], ".".join(map(str, (*place, key)))
            raise ValueError(
                f"{path}, line {line}: {named} was given in line {first} already; allowed is each name once"
            )
        lines[(*place, key)] = line
        found[key] = _value(loader, value_node, (*place, key), lines, path)
    return found


def _scalar(loader: Any, node: Any, place: Place, path: Path) -> Any:
    value, text, plain = loader.construct_object(node), node.value, node.style is None
    said = None
    if value is not None and not isinstance(value, bool | int | float | str):
        said = f"{text} was given, which YAML reads as a {type(value).__name__}; allowed are words and numbers"
    elif plain and isinstance(value, str) and _NUMBER.fullmatch(text):
        said = (
            f"{text} was given, which is a word to YAML; write {_written(float(text))}, or quotes around it where a "
            "word is meant"
        )
    elif type(value) is int and not _WHOLE.fullmatch(text):
        said = (
            f"{text} was given, which YAML reads as {value}; write the number in decimal digits, or quotes around it "
            "where a word is meant"
        )
    elif isinstance(value, float) and (not math.isfinite(value) or ":" in text):
        said = f"{text} was given; allowed are finite numbers in decimal digits"
    if said is not None:
        raise ValueError(f"{path}, line {node.start_mark.line + 1}: {_named(place)}{said}")
    return value


def _named(place: Place) -> str:
    words = ".".join(map(str, place))
    return f"{words}: " if words else ""


def _written(number: float) -> str:
    """A number as YAML 1.1 reads it: with a point before the e.

    Example:
        >>> _written(1e-3), _written(1e-10), _written(8.0)
        ('0.001', '1.0e-10', '8')
    """
    mantissa, separator, exponent = repr(number).partition("e")
    if separator:
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}"
    return mantissa.removesuffix(".0")
