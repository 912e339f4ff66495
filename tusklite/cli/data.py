"""Say which data sets are there, and fetch those that are not."""

from __future__ import annotations

import argparse
from pathlib import Path

from tusklite.cli.options import folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    for action, words in (("list", "what is there already, and where it was looked for"), ("get", "fetch a data set")):
        own = actions.add_parser(action, help=words)
        own.add_argument("--root", type=folder, help="folder for data; $TUSKLITE_DATA, or else the user's cache folder")
        if action == "get":
            own.add_argument("names", nargs="+", metavar="NAME", help="such as mnist or faces; `data list` has all")
            own.add_argument(
                "--accept-licence", "--accept-license", action="store_true", help="you agree to the terms of its page"
            )
            own.add_argument("--mirror", help="an address to ask in place of the published one; checksums stay")
            own.add_argument("--quiet", action="store_true", help="no progress bar")


def act(arguments: argparse.Namespace) -> int:
    """List, or fetch; what is there already is left as it is."""
    from tusklite.arguments import require_choice
    from tusklite.data.published import PUBLISHED, get_data
    from tusklite.places import data_folder

    root, place = data_folder(arguments.root)
    if arguments.action == "list":
        _list(root, place)
        return 0
    for name in arguments.names:
        require_choice("name", name, list(PUBLISHED))  # before the first of them is fetched
    for name in arguments.names:
        data = PUBLISHED[name]
        there = data.find(root)
        if there is not None:
            print(f"{name}: there already, in {there}")
            continue
        if data.files and (arguments.accept_licence or not data.accept):
            print(f"{name}: {data.title}; {data.size}", flush=True)
        try:
            there = get_data(name, root, arguments.accept_licence, arguments.quiet, arguments.mirror)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; the same command goes on") from None
        print(f"{name}: in {there}")
    return 0


def _list(root: Path, place: str) -> None:
    from tusklite.data.published import PUBLISHED, unfinished

    print(f"looked in {place}: {root}")
    for name, data in PUBLISHED.items():
        there, part = data.find(root), unfinished(data, root)
        print(f"\n{name}: {data.title}")
        if there is not None:
            print(f"  there, in {there}")
        else:
            print(f"  not there; looked for in {data.places}")
            how = f"python -m tusklite data get {name}{' --accept-licence' if data.accept else ''}"
            print(f"  {f'{how} ({data.size})' if data.files else data.ask}")
        if part:
            print(f"  {part:,} bytes of a download that was cut off; data get {name} goes on")
        print(f"  licence: {data.licence}")
