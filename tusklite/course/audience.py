"""Whether somebody sits at the front end that runs this cell."""

from __future__ import annotations


def somebody_is_there() -> bool:
    """Whether this code runs in a notebook that a person has open.

    A front end says with each cell whether it could ask its user a question. JupyterLab and Colab say yes;
    nbconvert, papermill and nbval have no user and say no.

    Example:
        >>> somebody_is_there()
        False
    """
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin", False))
