"""Build the web site: gather its sources, let Sphinx make the pages, and follow every link between them.

`python site/make_site.py` (or `make site`) writes `build/site/html`. A warning is an error. Nothing is run, and no
other host is asked for anything; `--outside` follows links that lead elsewhere, too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import distribution
from pathlib import Path

import gather
import links

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "site"
# Of MathJax what one kind of page needs: TeX in, HTML out, and MathML for screen readers.
MATHJAX = ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions", "a11y")


def mathjax(folder: Path) -> None:
    """Put MathJax's files into a folder of static files."""
    there = Path(str(distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline/static/mathjax")))
    for name in MATHJAX:
        place = folder / "mathjax" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(there / name, place) if (there / name).is_dir() else shutil.copyfile(there / name, place)


def build(folder: Path) -> None:
    """Make the site anew, in `folder/html`.

    Raises:
        ValueError: what cannot be gathered, by gather.py.
        CalledProcessError: Sphinx warned, or failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    gather.gather(folder / "source")
    mathjax(folder / "static")
    for path in gather.lessons():
        copy = folder / "extra" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-j",
        "auto",
        "-b",
        "html",
        "-c",
        ROOT / "site",
    ]
    found = os.pathsep.join([str(ROOT), str(ROOT / "site")])
    quiet = {"MPLBACKEND": "Agg", "PYTHONWARNINGS": "ignore", "PYTHONPATH": found}
    subprocess.run([*command, folder / "source", folder / "html"], check=True, env=os.environ | quiet)
    shutil.rmtree(folder / "html" / ".doctrees", ignore_errors=True)
    (folder / "html" / "_static" / "webpack-macros.html").unlink(missing_ok=True)  # the theme's template, no page
    (folder / "html" / ".nojekyll").touch()


def main() -> int:
    """Build and check; 1 where Sphinx warned or a link is dead."""
    parser = argparse.ArgumentParser(description="build the web site of the course")
    parser.add_argument("--outside", action="store_true", help="follow links to other hosts too")
    outside = parser.parse_args().outside
    begin = time.monotonic()
    try:
        build(BUILD)
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"site: {error}", file=sys.stderr)
        return 1
    dead = links.dead_inside(BUILD / "html")
    dead += links.naming(BUILD / "html", str(ROOT))
    dead += links.dead_outside(BUILD / "html") if outside else []
    for line in dead:
        print(f"site: {line}", file=sys.stderr)
    pages = len(list((BUILD / "html").rglob("*.html")))
    print(f"{pages} pages in {time.monotonic() - begin:.0f} s: {(BUILD / 'html' / 'index.html').relative_to(ROOT)}")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
