"""Settings by name: nested in parts, `model.stem`, or by their last word where only one part has it."""

from __future__ import annotations

import ast
import os
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace

Parts = Mapping[str, object]


def setting_values(parts: Parts) -> dict[str, object]:
    """Every setting of some dataclasses by its full name.

    Args:
        parts: dataclasses by name; None where a part has no settings.

    Example:
        >>> from tusklite.train.schedule import Schedule
        >>> setting_values({"schedule": Schedule(steps=3), "model": None})["schedule.steps"]
        3
    """
    return {
        f"{part}.{field.name}": getattr(value, field.name)
        for part, value in parts.items()
        if is_dataclass(value)
        for field in fields(value)
    }


def full_name(name: str, known: typing.Iterable[str]) -> str:
    """The full name of a setting that is called by its full name or by its last word.

    Raises:
        ValueError: no setting of that name, or the word stands for several; the message lists what is known.

    Example:
        >>> full_name("stem", ["model.stem", "model.width", "data.width"])
        'model.stem'
        >>> full_name("width", ["model.stem", "model.width", "data.width"])
        Traceback (most recent call last):
        ...
        ValueError: setting: 'width' was given, which is several; allowed are model.width, data.width
        >>> full_name("witdh", ["model.stem", "model.width"])
        Traceback (most recent call last):
        ...
        ValueError: setting: 'witdh' was given; allowed are model.stem, model.width
    """
    known = list(known)
    if name in known:
        return name
    meant = [each for each in known if each.rpartition(".")[2] == name]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise ValueError(f"setting: {name!r} was given, which is several; allowed are {', '.join(meant)}")
    raise ValueError(f"setting: {name!r} was given; allowed are {', '.join(known) or 'none'}")


def short_names(names: typing.Iterable[str], known: typing.Iterable[str]) -> dict[str, str]:
    """What to call settings in a title: the last word where it stands for one setting alone, else the full name.

    Example:
        >>> short_names(["schedule.steps"], ["schedule.steps", "model.width"])
        {'schedule.steps': 'steps'}
    """
    words = [each.rpartition(".")[2] for each in known]
    shortened = {}
    for name in names:
        word = name.rpartition(".")[2]
        shortened[name] = word if words.count(word) <= 1 else name
    return shortened


def plain(value: object) -> object:
    """A number of NumPy or torch as Python's own, lists as tuples, paths as words; anything else as it is.

    Example:
        >>> import numpy as np
        >>> from pathlib import PurePosixPath
        >>> plain(np.int64(3)), plain([np.float64(0.5), 1]), plain("word"), plain(PurePosixPath("my/faces"))
        (3, (0.5, 1), 'word', 'my/faces')
    """
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:  # of either library, neither of which is needed for it
        return item()
    if isinstance(value, list | tuple):
        return tuple(plain(each) for each in value)
    return value


def with_settings(parts: Parts, overrides: Mapping[str, object]) -> dict[str, object]:
    """The same parts with some settings changed.

    Args:
        parts: dataclasses by name; None where a part has no settings.
        overrides: new values by full or short name.

    Raises:
        ValueError: an unknown name, one that stands for several settings, one setting given twice with different
            values, or a value out of range.
        TypeError: a value of another type than the setting's; a whole number may stand for a real one.

    Example:
        >>> import numpy as np
        >>> from tusklite.train.schedule import Schedule
        >>> with_settings({"schedule": Schedule(steps=3)}, {"seed": np.int64(7)})["schedule"].seed
        7
    """
    known = setting_values(parts)
    wanted: dict[str, object] = {}
    for given, value in overrides.items():
        name, value = full_name(given, known), plain(value)
        if name in wanted and wanted[name] != value:
            raise ValueError(f"{name}: {wanted[name]!r} and {value!r} were given; allowed is one value")
        wanted[name] = value
    changed = dict(parts)
    for part, value in parts.items():
        if not is_dataclass(value) or isinstance(value, type):
            continue
        allowed = typing.get_type_hints(type(value))
        own = {}
        for field in fields(value):
            name = f"{part}.{field.name}"
            if name in wanted:
                own[field.name] = _of_type(name, wanted[name], allowed[field.name])
        changed[part] = replace(value, **own) if own else value
    return changed


def _of_type(name: str, value: object, allowed: object) -> object:
    """A value if it is of the type that a setting is declared with; whole numbers may stand for real ones."""
    kinds = typing.get_args(allowed) if typing.get_origin(allowed) in (typing.Union, types.UnionType) else (allowed,)
    for kind in kinds:
        base = typing.get_origin(kind) or kind
        if base is float and isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if base is type(None) and value is None:
            return value
        if isinstance(base, type) and isinstance(value, base) and (base is bool or not isinstance(value, bool)):
            return value
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a word", tuple: "a tuple"}
    names = [words.get(typing.get_origin(kind) or kind, str(kind)) for kind in kinds if kind is not type(None)]
    names += ["None"] if type(None) in kinds else []
    raise TypeError(f"{name}: {value!r} was given; allowed is {' or '.join(names)}")


def read_setting(text: str) -> tuple[str, object]:
    """`name=value` as typed in a shell: the value is a Python literal, or else a word.

    Raises:
        ValueError: no name, or no sign of equality.

    Example:
        >>> read_setting("model.stem=1"), read_setting("recluster_at=(0.5, 0.7)"), read_setting("source=mnist")
        (('model.stem', 1), ('recluster_at', (0.5, 0.7)), ('source', 'mnist'))
    """
    name, separator, value = text.partition("=")
    name = name.strip()
    if not separator or not name:
        raise ValueError(f"setting: {text!r} was given; allowed is name=value")
    try:
        return name, ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return name, value.strip()


def as_json(parts: Parts) -> dict[str, object]:
    """Settings as plain values, nested by part, as JSON keeps them.

    Example:
        >>> from tusklite.train.schedule import Schedule
        >>> as_json({"schedule": Schedule(steps=3), "model": None})["schedule"]["steps"]
        3
    """
    return {part: asdict(value) for part, value in parts.items() if is_dataclass(value) and not isinstance(value, type)}
