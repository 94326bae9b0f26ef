"""Name the reason why a request had no answer."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from typing import Any

_WORDS: tuple[tuple[type[Exception], Callable[[Any], str]], ...] = (  # the first that fits, so subclasses first
    (ConnectionRefusedError, lambda _: "connection refused: nothing listens there"),
    (http.client.RemoteDisconnected, lambda _: "the connection was closed without an answer"),
    (ConnectionResetError, lambda _: "connection reset"),
    (BrokenPipeError, lambda _: "the connection was closed while the request was sent"),
    (http.client.IncompleteRead, lambda _: "the answer is incomplete"),
    (http.client.BadStatusLine, lambda _: "the answer is not HTTP"),
    (socket.gaierror, lambda error: f"the host name has no address ({error.strerror})"),
    (ssl.SSLCertVerificationError, lambda error: f"the certificate is not valid: {error.verify_message}"),
    (ssl.SSLError, lambda error: f"TLS failed: {error.reason or error}"),
    (TimeoutError, lambda error: "no answer in time" if str(error) in {"", "timed out"} else str(error)),
    (OSError, lambda error: error.strerror or str(error)),
)


def words(error: Exception) -> str:
    """Return the reason; the name of the error's class only for kinds that are not expected here."""
    if type(error) is ValueError:  # the lab's own, about an answer
        return str(error)
    for kind, text in _WORDS:
        if isinstance(error, kind):
            return text(error)
    return f"{type(error).__name__}: {error}"
