"""Fetches one file over HTTPS: resumed after a cut, checked before it counts. Knows nothing of models or catalogs."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

from memapp.errors import DownloadFailed, UsageError
from memapp.models.files import read_json, sha256, write_json
from memapp.types import Progress

Report = Callable[[Progress], None]

MAX_REDIRECTS = 5
_TIMEOUT = 30.0
_CHUNK = 1 << 18
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_AGAIN = "Run the same command again: it goes on where it stopped."


def expand(url: str) -> str:
    """The address behind the shorthand hf:owner/repository/file; anything else as it is."""
    if not url.startswith("hf:"):
        return url
    owner, _, rest = url.removeprefix("hf:").partition("/")
    repository, _, file = rest.partition("/")
    if not (owner and repository and file):
        raise UsageError(f"'{url}' is not of the form hf:owner/repository/file.gguf.", "Name all three.")
    return f"https://huggingface.co/{quote(owner)}/{quote(repository)}/resolve/main/{quote(file)}"


def check_address(url: str) -> None:
    """Passes for HTTPS, and for HTTP to this very machine; raises UsageError."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise UsageError(f"'{url}' is not an address: {error}.", "Give an https:// address.") from error
    if not host or parts.scheme not in ("https", "http"):
        raise UsageError(f"'{url}' is not a web address.", "Give an https:// address, or hf:owner/repository/file.")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise UsageError(f"'{url}' is not encrypted: anybody on the way could exchange the file.", "Use https://.")


def download(
    url: str,
    target: Path,
    *,
    expected: str | None = None,
    progress: Report | None = None,
    context: ssl.SSLContext | None = None,
) -> None:
    """Puts the file at `target`, whole and with the sha256 that is `expected`, or raises DownloadFailed.

    What arrived before a cut stays beside it as .part and is continued by the next call, unless the server's file has
    changed since. `context` replaces the system's certificates.
    """
    check_address(url)
    part = Part(target.with_name(target.name + ".part"), target.with_name(target.name + ".part.json"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, progress or (lambda _: None), context)
        if expected and (found := sha256(part.data)) != expected.lower():
            part.discard()
            raise DownloadFailed(
                f"{url} has the sha256 {found}, not {expected}.", "Check the sum and the address: this is another file."
            )
        with part.data.open("rb") as file:
            os.fsync(file.fileno())
        part.data.replace(target)
        part.note.unlink(missing_ok=True)
    except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, OSError) as error:
        raise _failure(url, error) from error


def _failure(url: str, error: Exception) -> DownloadFailed:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        known = {404: "Check the address.", 401: "The file needs a login.", 403: "The file needs a login."}
        hint = known.get(error.code, "Try again later.")
        return DownloadFailed(f"The server answered {error.code} {error.reason} for {url}.", hint)
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ssl.SSLCertVerificationError):
        hint = "Check the address and the clock of this machine."
        return DownloadFailed(f"The server of {url} cannot prove who it is: {reason.verify_message}.", hint)
    return DownloadFailed(f"{url} was not received: {reason}.", _AGAIN)


@dataclass(frozen=True, slots=True)
class Part:
    """What of a file came so far."""

    data: Path
    note: Path
    """Which version of which file it is a part of."""

    def validator(self, url: str) -> str:
        """What the server called the version that `data` is a part of; empty when it cannot be continued."""
        note = read_json(self.note)
        known = note.get("validator", "")
        fits = note.get("url") == url and self.data.is_file() and self.data.stat().st_size > 0
        return known if fits and isinstance(known, str) else ""

    def discard(self) -> None:
        """Forgets it."""
        self.data.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _fetch(url: str, part: Part, report: Report, context: ssl.SSLContext | None) -> None:
    validator = part.validator(url)
    have = part.data.stat().st_size if validator else 0
    headers = {"User-Agent": "memapp", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    handlers = [_Redirects(), urllib.request.HTTPSHandler(context=context or ssl.create_default_context())]
    try:
        response = urllib.request.build_opener(*handlers).open(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT
        )
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return  # all of it had come before
        part.discard()
        return _fetch(url, part, report, context)
    with response:
        start = _start(response, have)
        write_json(part.note, {"url": url, "validator": _validator(response.headers)})
        _receive(response, part.data, start, report)


def _start(response: Any, have: int) -> int:
    """Where the bytes of this answer belong."""
    if response.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if not found or int(found[1]) != have:
        raise http.client.HTTPException("the server sent another part of the file than was asked for")
    return have


def _validator(headers: Message) -> str:
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def _receive(response: Any, path: Path, start: int, report: Report) -> None:
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    done = start
    with path.open("r+b" if start else "wb") as file:
        file.seek(start)
        file.truncate()
        report(Progress("download", done, total, path.name))
        while block := _read(response):
            file.write(block)
            done += len(block)
            report(Progress("download", done, total, path.name))
    if total is not None and done < total:
        raise http.client.HTTPException(f"the connection was cut after {done:,} of {total:,} bytes")


def _read(response: Any) -> bytes:
    return bytes(response.read(_CHUNK))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, none to an unencrypted address elsewhere."""

    max_redirections = MAX_REDIRECTS
    max_repeats = 2

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_address(newurl)
        except UsageError as error:
            raise DownloadFailed(f"The server sent us on: {error.message}", "Use another address.") from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)
