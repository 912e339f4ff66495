"""The parameters cell of a lesson: what it sets, and whether what is given for it can be."""

from __future__ import annotations

import ast
import io
import os
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tusklite.arguments import require_choice, require_integer
from tusklite.course.parameters import VARIABLE
from tusklite.experiments import Preset, get_preset
from tusklite.settings import full_name, plain
from tusklite.train.devices import choose_device

# A lesson that runs an experiment takes more settings of its preset under this name.
SETTINGS = "settings"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a lesson.

    Attributes:
        name: as the lesson calls it.
        default: a plain value; None also where the cell works it out.
        help: what the lesson says of it; the words in quotes are what is allowed for `profile`.
    """

    name: str
    default: object
    help: str


def parameters_of(source: str) -> dict[str, Parameter]:
    """The parameters that a cell sets, by name, with the comment at the end of each one's lines.

    Raises:
        SyntaxError: the cell is no Python.

    Example:
        >>> parameters_of('seed = 0  # of the draws\\nsides: list = [8, 16]')["seed"]
        Parameter(name='seed', default=0, help='of the draws')
    """
    from IPython.core.inputtransformer2 import TransformerManager

    source = TransformerManager().transform_cell(source)  # a notebook's own words, such as %magics
    comments = {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Parameter] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        try:
            default = ast.literal_eval(node.value)
        except (ValueError, TypeError, MemoryError, RecursionError):
            default = None
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = Parameter(target.id, default, comments.get(node.end_lineno or 0, ""))
    return found


def profile_of(known: Mapping[str, Parameter], given: Mapping[str, object]) -> str:
    """The profile that a lesson will run by: what is given, else its default, else $TUSKLITE_PROFILE, else "lite"."""
    default = known["profile"].default if "profile" in known else None
    return str(given.get("profile") or default or os.environ.get(VARIABLE) or "lite")


def checked_parameters(
    parameters: Mapping[str, object], known: Mapping[str, Parameter], lesson: str
) -> dict[str, object]:
    """What a lesson gets: parameters that it has, and in its `settings` what its experiment's preset has.

    Args:
        parameters: values by name; a setting by its full or short name. Folders of runs, which are called `run_dir`, or
            end in `_run` or `_runs`, are meant from the current folder.
        known: the lesson's own parameters. The help of `settings` names the experiment in quotes, first of all.
        lesson: its name, for the message.

    Raises:
        ValueError, TypeError: an unknown name, a value of another kind, one out of range, or one thing given twice with
            different values.

    Example:
        >>> known = parameters_of('seed = 0\\nsettings = {}  # of the preset of "mnist-hard"')
        >>> checked_parameters({"seed": 3, "stem": 1}, known, "tiny")
        {'seed': 3, 'settings': {'model.stem': 1}}
    """
    given: dict[str, object] = {name: plain(value) for name, value in parameters.items()}
    _require_profile(given, known)
    preset = _preset_of(given, known)
    settings = preset.settings() if preset is not None else {}
    pairs = list(given.items())
    if preset is not None and isinstance(given.get(SETTINGS), dict):
        pairs = [pair for pair in pairs if pair[0] != SETTINGS] + list(given[SETTINGS].items())
    unknown = sorted(name for name, _ in pairs if name not in known and not _is_setting(name, settings))
    if unknown:
        allowed = ", ".join(known) or "none"
        if preset is not None:
            allowed += f", and the settings of {preset.experiment}: {', '.join(settings)}"
        raise ValueError(f"parameters: {', '.join(unknown)} was given; allowed for {lesson} are {allowed}")

    own: dict[str, object] = {}
    more: dict[str, object] = {}
    for name, value in pairs:
        setting = None if name in known else full_name(name, settings)
        word = name if setting is None else setting.rpartition(".")[2]
        if word in known and (setting is None or full_name(word, settings) == setting):
            _put(own, word, _full_path(word, value))  # a lesson's own parameter is not also a setting of another value
        else:
            _put(more, str(setting), value)
    for name, value in own.items():
        _require_kind(name, value, known[name].default)
    if preset is not None:
        meant = {name: value for name, value in own.items() if value is not None and _is_setting(name, settings)}
        preset.with_settings(meant | more)
    return own | {SETTINGS: more} if more else own


def _full_path(name: str, value: object) -> object:
    """The folder of a run from the root on: the cells of a lesson run in another folder than the one it is given in."""
    if isinstance(value, str) and value and (name == "run_dir" or name.endswith(("_run", "_runs"))):
        return str(Path(value).expanduser().resolve())
    return value


def _put(values: dict[str, object], name: str, value: object) -> None:
    value = plain(value)
    if name in values and values[name] != value:
        raise ValueError(f"{name}: {values[name]!r} and {value!r} were given; allowed is one value")
    values[name] = value


def _is_setting(name: str, settings: Mapping[str, object]) -> bool:
    """Whether a name is a setting's full name, or the last word of any."""
    return any(name in (setting, setting.rpartition(".")[2]) for setting in settings)


def experiment_named(known: Mapping[str, Parameter]) -> str | None:
    """The experiment whose settings a lesson takes; None where it takes none.

    Example:
        >>> experiment_named(parameters_of('settings = {}  # of the preset of "mnist-hard"'))
        'mnist-hard'
    """
    named = re.search(r'"([\w-]+)"', known[SETTINGS].help) if SETTINGS in known else None
    return named.group(1) if named else None


def _preset_of(given: Mapping[str, object], known: Mapping[str, Parameter]) -> Preset | None:
    """The preset whose settings a lesson takes."""
    named = experiment_named(known)
    return get_preset(named, profile_of(known, given)) if named is not None else None


def _require_profile(given: Mapping[str, object], known: Mapping[str, Parameter]) -> None:
    """Refuse a profile that the lesson does not name; where it names none, one that could not name a folder."""
    if "profile" not in known:
        return
    words = list(dict.fromkeys(re.findall(r'"(\w+)"', known["profile"].help)))
    name, profile = "profile", given.get("profile")
    if profile is None and known["profile"].default is None:
        name, profile = VARIABLE, os.environ.get(VARIABLE) or None
    if profile is None:
        return
    if words:
        require_choice(name, profile, words)
    elif not re.fullmatch(r"[\w-]{1,40}", str(profile)):
        raise ValueError(f"{name}: {profile!r} was given; allowed are letters, digits, - and _, 40 at most")


def _require_kind(name: str, value: object, default: object) -> None:
    if name == "seed":
        require_integer("seed", value, low=0, high=2**32 - 1)
    elif name == "device" and value is not None:
        choose_device(str(value))
    elif isinstance(default, bool) or (default is not None and value is not None):
        kind: Any = (int, float) if isinstance(default, float) else type(plain(default))
        if isinstance(value, bool) != isinstance(default, bool) or not isinstance(value, kind):
            raise TypeError(f"{name}: {value!r} was given; allowed is a value like {default!r}")
