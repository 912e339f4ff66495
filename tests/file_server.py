"""A web server on this machine that serves a few files, and can be told to do it badly."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """One file, and how it is served.

    Attributes:
        content: what it holds.
        cuts: after how many bytes each of the first answers breaks off.
        ranges: whether parts are served; if not, all comes each time.
        length: what is said of its length in place of the truth.
        says_length: whether anything is said.
        status: an answer without the file, such as 404, to the first `refusals` requests (to all where None).
        location: where it leads on to.
        kind: the content type.
        headers: more of them.
        version: what its ETag is made of; None for a place that names no version.
        shift: by how many bytes the parts it serves are off.
    """

    content: bytes = b""
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    length: int | None = None
    says_length: bool = True
    status: int = 200
    refusals: int | None = None
    location: str = ""
    kind: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    version: str | None = "1"
    shift: int = 0


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        path = self.path if self.path in self.server.files else "/" + self.path.rpartition("/")[2]
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        served = self.server.files.get(path, Served(status=404))
        if served.status != 200 and served.refusals != 0:
            served.refusals = None if served.refusals is None else served.refusals - 1
            self.send_response(served.status)
            if served.location:
                self.send_header("Location", served.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, start = served.content, 0
        tag = "" if served.version is None else f'"{served.version}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", tag) == tag
        if wanted and served.ranges and same:
            start = int(wanted[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start += served.shift
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if served.says_length:
            self.send_header("Content-Length", str((served.length or len(content)) - start))
        if tag:
            self.send_header("ETag", tag)
        for name, value in served.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", served.kind)
        self.end_headers()
        body = content[start:]
        self.wfile.write(body[: served.cuts.pop(0)] if served.cuts else body)
        self.close_connection = True

    def log_message(self, *words: object) -> None:
        """Say nothing."""


class Site(ThreadingHTTPServer):
    """The server.

    Attributes:
        files: by their paths; one that is asked for in another folder is found by its last name.
        asked: what was asked for, each with its range.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.asked: list[tuple[str, str]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *words: object) -> None:
        """A client that hung up is no error here."""


@contextmanager
def site() -> Iterator[Site]:
    """A server that runs as long as the block."""
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def md5(content: bytes) -> str:
    return "md5:" + hashlib.md5(content, usedforsecurity=False).hexdigest()
