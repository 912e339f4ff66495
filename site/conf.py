"""Sphinx's settings. What it reads is gathered by `gather.py`; `make site` calls `make_site.py`, which calls both."""

from __future__ import annotations

import re
from typing import Any

import addresses  # beside this file, where make_site.py has Python look
import bootstrap
from pygments.lexers.special import TextLexer

from tusklite import __version__

SOURCE = bootstrap.pyproject()["project"]["urls"]["Source"]

project = "tusklite"
author = "the tusklite authors"
copyright = "the tusklite authors, MIT"
release = version = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
language = "en"
templates_path = ["templates"]
exclude_patterns = ["files/**"]
suppress_warnings: list[str] = []

# Lessons are shown as they are stored; nothing is run.
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "gfm"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_dmath_allow_labels = False
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]  # told as they are, without links to namesakes
napoleon_use_rtype = False
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
viewcode_line_numbers = True

# MathJax lies with the pages (make_site.py): no page asks another host for anything.
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}, "chtml": {"displayAlign": "left", "displayIndent": "1.5em"}}

html_theme = "pydata_sphinx_theme"
html_title = "tusklite"
html_static_path = ["static", "../build/site/static"]
html_extra_path = ["../build/site/extra"]
html_css_files = ["tusklite.css"]
html_js_files = [("tusklite.js", {"defer": "defer"})]
html_show_sourcelink = False
html_copy_source = True
html_last_updated_fmt = None
html_favicon = "static/mark.svg"
html_theme_options: dict[str, Any] = {
    "logo": {"text": "tusklite", "image_light": "static/mark.svg", "image_dark": "static/mark.svg", "alt_text": ""},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "navbar_end": ["theme-switcher"],
    "article_header_end": ["lesson-buttons"],
    "secondary_sidebar_items": ["page-toc"],
    "primary_sidebar_end": [],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "search_bar_text": "Search the course",
    "show_nav_level": 1,
    "navigation_depth": 2,
    "back_to_top_button": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}
# Pages without others below them have no menu at their side.
ALONE = ("index", "equations", "results", "data", "install", "use", "contributing", "changes")
html_sidebars: dict[str, list[str]] = {name: [] for name in (*ALONE, "search", "genindex", "py-modindex")}


def as_rst(line: str) -> str:
    """A line of a docstring, which is written as for Markdown, for reStructuredText.

    Example:
        >>> as_rst("`(B, K)` of x_i * y, see `fit_tps`")
        '``(B, K)`` of x\\\\_i \\\\* y, see :py:obj:`fit_tps`'
    """
    parts = re.split(r"(``[^`]+``|`[^`]+`)", line)
    for index, part in enumerate(parts):
        if part.startswith("``"):
            continue
        if part.startswith("`"):
            name = part.strip("`")
            parts[index] = f":py:obj:`{name}`" if re.fullmatch(r"[A-Za-z][\w.]*", name) else f"``{name}``"
        else:
            parts[index] = re.sub(r"([*|_])", r"\\\1", part)
    return "".join(parts)


def docstring_as_rst(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are Markdown but for their parts; examples stay as they are."""
    example = False
    for index, line in enumerate(lines):
        example = line.strip() != "" and (example or line.lstrip().startswith(">>>"))
        if not example:
            lines[index] = as_rst(line)


def own_words_alone(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Fields of a named tuple are told in its docstring; what another library wrote, such as matplotlib, is its own."""
    module = getattr(obj, "__module__", None)
    foreign = isinstance(module, str) and module.split(".")[0] != "tusklite"
    return True if foreign or type(obj).__name__ == "_tuplegetter" else None


def lesson_links(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """What the buttons of a lesson lead to."""
    if not re.match(r"lessons/(solutions/)?\d\d_", pagename):
        return
    notebook = pagename.replace("lessons/", "notebooks/") + ".ipynb"
    up = "../" * pagename.count("/")
    context["lesson"] = {
        "colab": addresses.colab(SOURCE, notebook) or f"{up}install.html#in-colab",
        "binder": addresses.binder(SOURCE, notebook),
        "download": up + notebook,
        "source": addresses.stored(SOURCE, notebook) or f"{up}_sources/{pagename}.ipynb.txt",
    }


def setup(app: Any) -> None:
    """Connect what is above."""
    app.add_lexer("csv", TextLexer)
    app.connect("autodoc-process-docstring", docstring_as_rst, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", own_words_alone)
    app.connect("html-page-context", lesson_links)
