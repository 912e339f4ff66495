"""Files from published places: resumed where they were cut off, and under their name once they are right.

The standard library fetches. pooch, torchvision and what else fetches data sets begin anew after every cut, which ten
gigabytes do not bear; requests is no requirement of the library, and would bring the same pieces.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import hashlib
import http.client
import os
import re
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from tusklite.data.stored_files import read_text
from tusklite.files import FileNotWritten, read_json, write_aside, write_json

__all__ = ["DownloadFailed", "fetch", "part_of"]

SECONDS_TO_WAIT = 30.0  # for an answer, and for each piece of it
PAUSES = (1.0, 2.0, 4.0, 8.0)  # in seconds, before a place is asked again; all anew once something came
CHUNK = 1 << 18
ALGORITHMS = ("md5", "sha1", "sha256", "sha512")
GONE = (404, 410)
CLOSED = (401, 403, 407, 451)
MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
AGAIN = "give the same command again to go on"


class DownloadFailed(OSError):
    """A file could not be had; the message says where it was asked for, what came, and what to do."""


class _TryAgain(Exception):
    """What may be over in a moment."""


@dataclass(frozen=True)
class _Answer:
    """What one place says of its file.

    Attributes:
        start: the first byte that comes; 0 where the place sends all of it.
        total: bytes of the whole file; None where it is not said.
        validator: what the place knows this version by, for the next time; empty where it says nothing.
        md5: what the place itself says the whole file's is, in hexadecimal; empty where it does not.
    """

    start: int
    total: int | None
    validator: str
    md5: str


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follow a redirect, but not from https to what anybody on the way may change."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise DownloadFailed(f"{_shown(req.full_url)} leads on to {_shown(newurl)}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def part_of(path: Path) -> Path:
    """Where a file is written until it is whole and right.

    Example:
        >>> part_of(Path("mnist/train.gz")).name
        'train.gz.part'
    """
    return path.with_name(f"{path.name}.part")


def fetch(
    addresses: Sequence[str],
    path: Path,
    checksum: str | None = None,
    quiet: bool = False,
    pauses: Sequence[float] = PAUSES,
) -> str:
    """Fetch a file to `path`, from the first place that has it.

    It is written to `path` with ".part" after it, which stays where it was cut off: the next call goes on from there,
    if the place has the same version still, and from the beginning where it cannot. Proxies are those of the system
    (`http_proxy`, `https_proxy`, `no_proxy`). Of two processes that fetch one file, one does.

    Args:
        addresses: http or https, one after the other where one fails.
        path: the file wanted.
        checksum: "md5:...", "sha1:...", "sha256:..." or "sha512:..." as it is published; None where none is: then what
            comes first is trusted, its sha256 is kept in `path` with ".sha256" after it, and another is refused later.
        quiet: no progress bar.
        pauses: seconds to wait before a place is asked once more, after a fault that may pass.

    Returns:
        The file's sha256.

    Raises:
        ValueError: a checksum, or an address, of another form.
        DownloadFailed: no place has it, or what came is not what it should be; nothing stands under `path` then.
        FileNotWritten: a full disk. What came stays, and the same call goes on from there.

    Example:
        >>> fetch(["ftp://example.org/a.gz"], Path("a.gz"))
        Traceback (most recent call last):
        ...
        ValueError: addresses: 'ftp://example.org/a.gz' was given; allowed are those of http and https
    """
    for address in addresses:
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise ValueError(f"addresses: {address!r} was given; allowed are those of http and https")
    wanted = _split_checksum(checksum)
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DownloadFailed(f"{path}: another process is fetching this file; wait for it, or end it") from None
    except OSError as reason:
        raise FileNotWritten(path, reason) from reason
    try:
        refusals = []
        for address in addresses:
            try:
                return _fetch_from(address, path, wanted, quiet, pauses)
            except DownloadFailed as refusal:
                refusals.append(str(refusal))
        raise DownloadFailed("; ".join(refusals) or f"{path}: no address was given")
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink()


def _split_checksum(checksum: str | None) -> tuple[str, str] | None:
    """The algorithm and the sum, in small letters."""
    if checksum is None:
        return None
    algorithm, _, value = checksum.lower().partition(":")
    if algorithm not in ALGORITHMS or not re.fullmatch(r"[0-9a-f]+", value):
        raise ValueError(f"checksum: {checksum!r} was given; allowed is one of {', '.join(ALGORITHMS)}, a colon, a sum")
    if len(value) != 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise ValueError(f"checksum: {checksum!r} was given; allowed are as many digits as {algorithm} has")
    return algorithm, value


def _fetch_from(address: str, path: Path, wanted: tuple[str, str] | None, quiet: bool, pauses: Sequence[float]) -> str:
    """Fetch from one place: go on where it is cut off, and begin once more where what was gone on with is wrong."""
    while True:
        before = _size(part_of(path))
        answer = _receive(address, path, quiet, pauses)
        fault, sha256 = _fault_of(address, path, wanted, answer)
        if not fault:
            if wanted is None:
                _note_first(path, sha256)
            with _naming(path):
                os.replace(part_of(path), path)
            _forget(path)
            return sha256
        for left in (part_of(path), _notes(path)):
            left.unlink(missing_ok=True)
        if not before:
            raise DownloadFailed(f"{_shown(address)}: {fault}; nothing of it was kept")


def _fault_of(address: str, path: Path, wanted: tuple[str, str] | None, answer: _Answer) -> tuple[str, str]:
    """What is wrong with what came, in words, or nothing; and its sha256."""
    names = {"sha256", "md5", *(() if wanted is None else (wanted[0],))}
    sums = _checksums(part_of(path), names)
    if wanted is not None and sums[wanted[0]] != wanted[1]:
        return f"the checksum differs: {wanted[0]} {sums[wanted[0]]} came, {wanted[1]} is published", sums["sha256"]
    if answer.md5 and sums["md5"] != answer.md5:
        return f"damaged on the way: md5 {sums['md5']} came, the place says {answer.md5}", sums["sha256"]
    known = _known_sum(path) if wanted is None else None
    if known and known != sums["sha256"]:
        return (
            f"not the file that came the first time: sha256 {sums['sha256']} came, {known} was noted in "
            f"{_first_seen(path)}, which may be removed where the new one is to be trusted"
        ), sums["sha256"]
    return "", sums["sha256"]


def _receive(address: str, path: Path, quiet: bool, pauses: Sequence[float]) -> _Answer:
    """Bring the part to its full length; ask again after what may pass, as long as `pauses` lasts."""
    waits = list(pauses)
    while True:
        before = _size(part_of(path))
        try:
            return _receive_once(address, path, quiet)
        except _TryAgain as fault:
            if _size(part_of(path)) > before:
                waits = list(pauses)  # it goes on, if slowly
            if not waits:
                kept = _size(part_of(path))
                there = f"; {kept:,} bytes are kept, {AGAIN}" if kept else ""
                raise DownloadFailed(f"{_shown(address)}: {fault}{there}") from fault
            time.sleep(waits.pop(0))


def _receive_once(address: str, path: Path, quiet: bool) -> _Answer:
    part = part_of(path)
    noted = _read_notes(path)
    start = _size(part) if noted.get("address") == address else 0
    request = urllib.request.Request(address, headers={"User-Agent": "tusklite", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        if noted.get("validator"):
            request.add_header("If-Range", str(noted["validator"]))
    ask = urllib.request.build_opener(_NoDowngrade).open  # built anew each time, so that the proxies are those of now
    try:
        with ask(request, timeout=SECONDS_TO_WAIT) as response:
            answer = _read_answer(part, response, start)
            _refuse_page(address, path, response)
            _require_room(path, answer)
            write_json(_notes(path), {"address": address, "validator": answer.validator, "total": answer.total})
            _write_part(part, response, answer, quiet)
            return answer
    except urllib.error.HTTPError as refusal:
        with refusal:
            if refusal.code == 416 and start:  # there is nothing after what is here
                answer = _read_answer(part, refusal, start)
                if answer.total == start:
                    return answer
                part.unlink(missing_ok=True)
                raise _TryAgain(f"another version lies there, of {answer.total or 'unknown'} bytes") from refusal
            raise _refused(address, refusal) from refusal
    except urllib.error.URLError as fault:
        raise _unreachable(address, fault.reason) from fault
    except (http.client.HTTPException, ConnectionError, TimeoutError) as fault:
        raise _TryAgain(f"the connection broke off ({str(fault) or type(fault).__name__})") from fault


def _read_answer(part: Path, response: Any, start: int) -> _Answer:
    headers = response.headers
    length = headers.get("Content-Length", "")
    total = int(length) if length.isdigit() and not headers.get("Content-Encoding") else None
    if response.status in (206, 416):
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", "").strip())
        if response.status == 206 and (span is None or span[1] is None or int(span[1]) != start):
            part.unlink(missing_ok=True)
            raise _TryAgain(f"bytes from {start:,} were asked for, and others came")
        total = int(span[2]) if span is not None and span[2].isdigit() else None
    else:
        start = 0
    tag, date = headers.get("ETag", ""), headers.get("Last-Modified", "")
    return _Answer(start, total, tag if tag.startswith('"') else date, _stated_md5(headers))


def _stated_md5(headers: Message) -> str:
    """The md5 of the whole file that Google's storage sends along, in hexadecimal."""
    for stated in headers.get_all("x-goog-hash", []):
        for piece in str(stated).split(","):
            name, _, value = piece.strip().partition("=")
            if name == "md5":
                with contextlib.suppress(binascii.Error, ValueError):
                    return base64.b64decode(value, validate=True).hex()
    return ""


def _refuse_page(address: str, path: Path, response: Any) -> None:
    """A page in place of a file: a portal that wants a login, a licence to agree to, or a place that has moved."""
    if response.headers.get_content_type() == "text/html" and path.suffix not in (".html", ".htm"):
        raise DownloadFailed(
            f"{_shown(address)}: a web page came in place of the file (from {_shown(response.url)}): a network that "
            "wants a login first, a licence to agree to there, or a place that has moved; open it in a browser"
        )


def _require_room(path: Path, answer: _Answer) -> None:
    if answer.total is None:
        return
    needed = answer.total - answer.start
    free = shutil.disk_usage(path.parent).free + (0 if answer.start else _size(part_of(path)))
    if needed > free:
        said = f"{needed:,} bytes are still needed, {free:,} are free"
        raise FileNotWritten(path, OSError(errno.ENOSPC, said))


def _write_part(part: Path, response: Any, answer: _Answer, quiet: bool) -> None:
    """Write what comes after the bytes that are there.

    Raises:
        _TryAgain: fewer came than were announced.
        FileNotWritten: no room.
    """
    at = answer.start
    bar = tqdm(
        total=answer.total, initial=at, desc=part.stem, unit="B", unit_scale=True, file=sys.stderr, disable=quiet
    )
    with bar, _naming(part), part.open("r+b") if at else part.open("wb") as file:
        file.seek(at)
        file.truncate()
        for chunk in _chunks(response):
            file.write(chunk)
            at += len(chunk)
            bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    if answer.total is not None and at < answer.total:
        raise _TryAgain(f"the connection broke off after {at:,} of {answer.total:,} bytes")


def _chunks(response: Any) -> Iterator[bytes]:
    """What comes, as it comes; what does not come is no fault of the disk."""
    while True:
        try:
            chunk = response.read(CHUNK)
        except OSError as fault:
            raise _TryAgain(f"the connection broke off ({str(fault) or type(fault).__name__})") from fault
        if not chunk:
            return
        yield chunk


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as reason:
        raise FileNotWritten(path, reason) from reason


def _refused(address: str, refusal: urllib.error.HTTPError) -> Exception:
    """The words for a place that answers, and gives nothing."""
    code, place = refusal.code, _shown(address)
    if code in GONE:
        return DownloadFailed(f"{place}: gone ({code}); the file is no longer there")
    if code in CLOSED:
        return DownloadFailed(f"{place}: closed ({code}); a login, a licence to agree to, or a proxy stands before it")
    if code in MAY_PASS:
        return _TryAgain(f"the place is not well ({code} {refusal.reason})")
    return DownloadFailed(f"{place}: it answers {code} {' '.join(str(refusal.reason).split())}")


def _unreachable(address: str, reason: object) -> Exception:
    """The words for a place that does not answer."""
    place, host = _shown(address), urllib.parse.urlsplit(address).hostname or ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(urllib.parse.urlsplit(address).scheme, "")
    through = f", asked through the proxy {_shown(proxy)}" if proxy and not urllib.request.proxy_bypass(host) else ""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadFailed(f"{place}: its certificate is not trusted here ({reason.verify_message}){through}")
    if isinstance(reason, socket.gaierror):
        return DownloadFailed(f"{place}: no network, or no such place ({reason.strerror}){through}")
    return _TryAgain(f"no answer ({reason}){through}; the network may be away")


def _shown(address: str) -> str:
    """An address without what is nobody's business: a name and a password, and what stands after a question mark.

    Example:
        >>> _shown("https://ada:secret@example.org:8080/a.gz?token=1")
        'https://example.org:8080/a.gz'
    """
    parts = urllib.parse.urlsplit(address)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _checksums(path: Path, names: set[str]) -> dict[str, str]:
    """Several sums of a file, read once."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    with _naming(path), path.open("rb") as file:
        while chunk := file.read(1 << 20):
            for each in sums.values():
                each.update(chunk)
    return {name: each.hexdigest() for name, each in sums.items()}


def _notes(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.json")


def _first_seen(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _known_sum(path: Path) -> str:
    """The sum of what came the first time; empty where nothing did."""
    noted = _first_seen(path)
    if not noted.is_file():
        return ""
    found = re.match(r"([0-9a-f]{64})\b", read_text(noted))
    if found is None:
        raise ValueError(f"{noted}: damaged; allowed is a sha256 and a name, or no such file")
    return found[1]


def _read_notes(path: Path) -> dict[str, Any]:
    """What was noted of a part; nothing where it cannot be read, so that the part is fetched anew."""
    try:
        noted = read_json(_notes(path))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        _notes(path).unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _note_first(path: Path, sha256: str) -> None:
    """Keep the sum of what came first, as sha256sum writes it."""
    line = f"{sha256}  {path.name}\n"
    write_aside(_first_seen(path), lambda aside: aside.write_text(line, encoding="utf-8", newline="\n"))
