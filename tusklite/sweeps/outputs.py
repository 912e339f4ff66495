"""Where the results of a sweep go: a folder here, or any address that fsspec knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tusklite.files import writable_folder, write_aside
from tusklite.places import runs_folder


class Output:
    """The folder of a sweep's results.

    Args:
        address: a folder, or an address such as "s3://bucket/sweeps/table-6"; `runs/sweep-<name>` where None.
        name: of the sweep.

    Raises:
        ValueError: no such kind of address, or a folder that cannot be made or written.
        ImportError: the library for that kind of address is not there; the message says which.
    """

    def __init__(self, address: str | None, name: str) -> None:
        default = runs_folder() / f"sweep-{name}"
        self.folder: Path | None = default if address is None else None  # where it is one on this machine
        self._files: Any = None
        self._root = ""
        if address is not None:
            self._open(address)
        if self.folder is not None:
            self.folder = writable_folder(self.folder, "output").resolve()
        self.work = self.folder if self.folder is not None else writable_folder(default, "output").resolve()
        self.address = str(self.folder) if self.folder is not None else str(address)

    def _open(self, address: str) -> None:
        from fsspec.core import url_to_fs
        from fsspec.implementations.local import LocalFileSystem

        try:
            self._files, self._root = url_to_fs(address)
            if isinstance(self._files, LocalFileSystem):
                self.folder = Path(self._root)
            else:
                self._files.makedirs(self._root, exist_ok=True)
        except ImportError as reason:
            raise ImportError(f"output: {address} was given, which needs more ({reason})") from reason
        except Exception as reason:  # every kind of storage has errors of its own
            said = " ".join(str(reason).split())
            raise ValueError(
                f"output: {address!r} was given; allowed is a folder, or an address that fsspec can write to ({said})"
            ) from reason

    def read(self, name: str) -> bytes | None:
        """A file by its name below the folder; None where it is not there."""
        if self.folder is not None:
            try:
                return (self.folder / name).read_bytes()
            except OSError:
                return None
        try:
            return bytes(self._files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file under a temporary name, then rename it.

        Raises:
            OSError: it cannot be written.
        """
        if self.folder is not None:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_aside(path, lambda partial: partial.write_bytes(content))
            return
        target = f"{self._root}/{name}"
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(f"{target}.partial", content)
        try:
            self._files.mv(f"{target}.partial", target)
        except OSError:  # storage that renames over nothing
            self._files.rm_file(target)
            self._files.mv(f"{target}.partial", target)
