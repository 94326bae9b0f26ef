"""HTTP requests with limits: they are repeated where the server asks for patience, and downloads resume."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests

from lab.base import cancel, events, wait

CONNECT_S = 3
READ_S = 60
TIMEOUT_S = (CONNECT_S, READ_S)
_MOST_PATIENCE_S = 30.0
"""The longest pause that a server may ask for; after a longer one, a person decides."""
_PATIENCE_S = (1.0, 3.0, 9.0)
_DOWNLOAD_S = 1800.0
_CHUNK = 1 << 16
"""A cut loses the bytes of the chunk that was being received."""
_BUSY = {429: "too many requests", 502: "bad gateway", 503: "service unavailable", 504: "gateway timeout"}
_PAGE = re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE)
_CONNECTION = re.compile(r"^<?\w*Connection\w*\(.*?\)>?: |^<.*?>: ")
"""The name of a connection object, with which a library's message begins."""
PORTAL = "answers with a web page instead of the file, as the login page of a network does"


class WebError(Exception):
    """A server did not return the file or the answer; the message is the observation.

    Args:
        what: the observation.
        absent: whether the server says that it does not have it.
    """

    def __init__(self, what: str, *, absent: bool = False) -> None:
        super().__init__(what)
        self.absent = absent


def patiently(
    send: Callable[[], requests.Response], *, what: str, pauses_s: Sequence[float] = _PATIENCE_S
) -> requests.Response:
    """Send a request, and again if the server is busy; return its answer, whatever the status is otherwise.

    Args:
        send: sends the request.
        what: the server or URL, for messages.
        pauses_s: the pause before each further try, unless the server asks for another one.

    Raises:
        WebError: the server does not answer, or is still busy.
    """
    for patience_s in (*pauses_s, None):
        try:
            answer = send()
        except (requests.RequestException, ValueError) as error:
            raise WebError(f"{what} does not answer ({_reason(error)})") from error
        if answer.status_code not in _BUSY:
            return answer
        asked_s = _retry_after_s(answer.headers)
        observed = f"{what}: HTTP {answer.status_code}, {_BUSY[answer.status_code]}"
        answer.close()
        if asked_s is not None and asked_s > _MOST_PATIENCE_S:
            raise WebError(f"{observed}; it asks to wait {asked_s:.0f} s")
        if patience_s is not None:
            wait.rest(observed, patience_s if asked_s is None else asked_s)
    raise WebError(f"{observed}, {len(pauses_s) + 1} times" if pauses_s else observed)


def get(url: str, *, headers: Mapping[str, str] | None = None, stream: bool = False) -> requests.Response:
    """Request a URL and return its answer, which has the status 200 or 206.

    Raises:
        WebError: the server does not answer, does not have it, or is busy; or a network's login page answers.
    """
    # `identity`: the digest is that of the bytes as upstream publishes them.
    wanted = {"Accept-Encoding": "identity", **(headers or {})}
    answer = patiently(lambda: requests.get(url, headers=wanted, stream=stream, timeout=TIMEOUT_S), what=url)
    if answer.status_code not in {200, 206}:
        answer.close()
        raise WebError(f"{url}: HTTP {answer.status_code}", absent=answer.status_code in {404, 410})
    if is_page(answer.headers):
        answer.close()
        raise WebError(f"{url} {PORTAL}")
    return answer


def is_page(headers: Mapping[str, str]) -> bool:
    """Return whether an answer is a web page, by its type."""
    return headers.get("Content-Type", "").lower().startswith("text/html")


def exists(url: str) -> None:
    """Check that a server has a file, without reading it.

    Raises:
        WebError: it does not, or cannot tell.
    """
    get(url, stream=True).close()


def download(url: str, target: Path) -> None:
    """Download a file; after a cut, continue where it ended.

    Raises:
        WebError: the server does not have the file, or does not send it whole; `target` may have a part of it.
        Cancelled: the run was cancelled meanwhile.
    """
    deadline = time.monotonic() + _DOWNLOAD_S
    validator = ""
    observed = ""
    for patience_s in (*_PATIENCE_S, None):
        done = target.stat().st_size if target.exists() else 0
        # If-Range: without it, the rest could be of another file than the beginning (RFC 9110, 13.1.5).
        headers = {"Range": f"bytes={done}-", "If-Range": validator} if done and validator else {}
        with get(url, headers=headers, stream=True) as answer:
            resumed = answer.status_code == requests.codes.partial_content
            etag = answer.headers.get("ETag", "")
            validator = ("" if etag.startswith("W/") else etag) or answer.headers.get("Last-Modified", "")
            try:
                _receive(answer, target, after=done if resumed else 0, deadline=deadline)
            except requests.RequestException as error:
                observed = f"{url}: the connection was cut after {target.stat().st_size} bytes ({_reason(error)})"
            else:
                _refuse_page(url, target)
                return
        if patience_s is not None:
            wait.rest(observed, patience_s)
    raise WebError(f"{observed}, {len(_PATIENCE_S) + 1} times")


def _receive(answer: requests.Response, target: Path, *, after: int, deadline: float) -> None:
    length = answer.headers.get("Content-Length", "")
    total = after + (int(length) if length.isdecimal() else 0)
    done = after
    with target.open("ab" if after else "wb") as file:
        for chunk in answer.iter_content(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            events.progress(f"{done / 2**20:.0f} MiB downloaded", done / total if total > after else None)
            cancel.token().check(answer.url)
            if time.monotonic() > deadline:
                raise WebError(f"{answer.url} is too slow: {done} bytes in {_DOWNLOAD_S:.0f} s")
    if total > after and done != total:
        raise requests.ConnectionError(f"{done} of {total} bytes")


def _refuse_page(url: str, file: Path) -> None:
    """Refuse a web page, which a login page's server may call a file."""
    with file.open("rb") as content:
        if _PAGE.match(content.read(512)):
            raise WebError(f"{url} {PORTAL}")


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the pause that a server asks for, in seconds (RFC 9110, 10.2.3: a number or a date)."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _reason(error: Exception) -> str:
    """Return the end of an error's chain: "Connection refused", without the libraries' own words around it."""
    cause: BaseException = error
    while inner := getattr(cause, "reason", None) or next((a for a in cause.args if isinstance(a, Exception)), None):
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return _CONNECTION.sub("", str(cause)) or type(error).__name__
