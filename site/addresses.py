"""Where a lesson opens without an installation, by the one address of the repository in pyproject.toml.

Colab opens notebooks of GitHub's repositories by their address, Binder those of any. Where the address is not one of
GitHub's, or leads nowhere yet, Colab is reached by an upload, and README says how.
"""

from __future__ import annotations

import re
from urllib.parse import quote

BRANCH = "main"


def repository(source: str) -> tuple[str, str] | None:
    """Owner and name of a repository on GitHub; None for any other address.

    Example:
        >>> repository("https://github.com/ada/keypoints.git"), repository("https://a.example/b.git")
        (('ada', 'keypoints'), None)
    """
    match = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", source)
    return (match[1], match[2]) if match else None


def colab(source: str, notebook: str) -> str | None:
    """Where Colab opens a notebook; None where it has to be uploaded.

    Args:
        source: the repository's address.
        notebook: its place in the repository.

    Example:
        >>> colab("https://github.com/ada/keypoints.git", "notebooks/a.ipynb")
        'https://colab.research.google.com/github/ada/keypoints/blob/main/notebooks/a.ipynb'
    """
    known = repository(source)
    return f"https://colab.research.google.com/github/{known[0]}/{known[1]}/blob/{BRANCH}/{notebook}" if known else None


def binder(source: str, notebook: str) -> str:
    """Where Binder makes an environment out of environment.yml and opens a notebook in JupyterLab.

    Example:
        >>> binder("https://github.com/ada/keypoints.git", "notebooks/a.ipynb")
        'https://mybinder.org/v2/gh/ada/keypoints/main?labpath=notebooks%2Fa.ipynb'
        >>> binder("https://a.example/b.git", "a.ipynb")
        'https://mybinder.org/v2/git/https%3A%2F%2Fa.example%2Fb.git/main?labpath=a.ipynb'
    """
    known = repository(source)
    where = f"gh/{known[0]}/{known[1]}" if known else f"git/{quote(source, safe='')}"
    return f"https://mybinder.org/v2/{where}/{BRANCH}?labpath={quote(notebook, safe='')}"


def stored(source: str, notebook: str) -> str | None:
    """Where the repository shows a notebook as it is stored; None where nobody knows.

    Example:
        >>> stored("https://github.com/ada/keypoints.git", "notebooks/a.ipynb")
        'https://github.com/ada/keypoints/blob/main/notebooks/a.ipynb'
    """
    known = repository(source)
    return f"https://github.com/{known[0]}/{known[1]}/blob/{BRANCH}/{notebook}" if known else None
