"""The frontend's only way out: requests to configured upstreams, timed, bounded, never retried.

A retry would hide what the lab wants to show; retries are the mesh's to make and to count.
"""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx2

from frontend import __version__
from frontend.answers import (
    Answer,
    Failure,
    FailureKind,
    Info,
    excerpt,
    is_refusal,
    json_object,
    parse_info,
    read_attempts,
)
from frontend.config import Settings, Upstream

MAX_BODY_BYTES = 64 * 1024  # podinfo's answers are under 2 KiB


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and what came back; `failure` is None exactly when a whole 200 response is in `body`."""

    sent_at: str
    latency_ms: float
    status: int | None = None
    body: bytes = b""
    attempts: int | None = None
    failure: Failure | None = None


class Caller:
    """Calls upstreams; an async context manager that owns the connections.

    Args:
        settings: gives the timeouts.
        transport: replaces the network, in tests.
    """

    def __init__(self, settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._transport = transport
        # Without a mesh kube-proxy chooses a pod per connection: only a new connection for each request gives
        # each request its own choice.
        self._fresh = _client(settings, transport, keep=0)

    async def __aenter__(self) -> Self:
        await self._fresh.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._fresh.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def connections(self, *, reuse: bool) -> AsyncIterator[httpx2.AsyncClient]:
        """Yield what a series of requests is sent over: a new connection for each, or kept ones.

        Kept ones end with the series: an idle one would hold on to what the mesh's proxy once found.
        """
        if not reuse:
            yield self._fresh
            return
        async with _client(self._settings, self._transport, keep=20) as kept:
            yield kept

    async def warm_up(self) -> None:
        """Load what the libraries load late (0.1 s and more), so that it is not in the first answer's latency."""
        nowhere = Upstream(name="nowhere", url="http://127.0.0.1:0")
        await self._get(nowhere, "/", client=self._fresh, headers={})

    async def ask(
        self, upstream: Upstream, n: int, *, client: httpx2.AsyncClient, headers: Mapping[str, str]
    ) -> Answer:
        """Ask podinfo who it is; a failure is part of the answer, not an exception.

        Args:
            upstream: whom to ask.
            n: the answer's number.
            client: one of `connections`.
            headers: sent along.
        """
        exchange = await self._get(upstream, "/api/info", client=client, headers=headers)
        info, failure = Info(), exchange.failure
        if failure is None:
            try:
                info = parse_info(exchange.body)
            except ValueError as error:
                failure = Failure(kind=FailureKind.BODY, detail=str(error))
        return Answer(
            n=n,
            sent_at=exchange.sent_at,
            latency_ms=exchange.latency_ms,
            status=exchange.status,
            info=info,
            error=failure,
            attempts=exchange.attempts,
        )

    async def reflect(self, upstream: Upstream, *, headers: Mapping[str, str]) -> tuple[Exchange, dict[str, list[str]]]:
        """Ask podinfo which request headers it saw (podinfo 6, pkg/api/http/headers.go).

        Returns:
            The exchange, and the headers by lower-case name; none if the exchange failed.
        """
        exchange = await self._get(upstream, "/headers", client=self._fresh, headers=headers)
        if exchange.failure is not None:
            return exchange, {}
        try:
            return exchange, _headers(exchange.body)
        except ValueError as error:
            failure = Failure(kind=FailureKind.BODY, detail=str(error))
            return Exchange(
                sent_at=exchange.sent_at,
                latency_ms=exchange.latency_ms,
                status=exchange.status,
                failure=failure,
            ), {}

    async def _get(
        self, upstream: Upstream, path: str, *, client: httpx2.AsyncClient, headers: Mapping[str, str]
    ) -> Exchange:
        sent_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        begin = time.perf_counter()
        status: int | None = None
        body = b""
        answered: Mapping[str, str] = {}
        failure: Failure | None = None
        try:
            # The client's own timeouts are per read; this one is for the whole request.
            async with (
                asyncio.timeout(self._settings.request_timeout_s),
                client.stream("GET", f"{upstream.url}{path}", headers=dict(headers)) as response,
            ):
                status, answered = response.status_code, response.headers
                body = await _read(response)
        except httpx2.ConnectTimeout:
            failure = Failure(
                kind=FailureKind.TIMEOUT, detail=f"no connection within {self._settings.connect_timeout_s:g} s"
            )
        except (TimeoutError, httpx2.TimeoutException):
            failure = Failure(
                kind=FailureKind.TIMEOUT, detail=f"no whole answer within {self._settings.request_timeout_s:g} s"
            )
        except httpx2.ConnectError as error:
            failure = Failure(kind=FailureKind.CONNECT, detail=_root_words(error))
        except httpx2.HTTPError as error:
            failure = Failure(kind=FailureKind.BROKEN, detail=str(error) or type(error).__name__)
        latency_ms = round((time.perf_counter() - begin) * 1000, 2)
        if failure is None and status is not None and status != httpx2.codes.OK:
            failure = _bad_status(status, answered, body)
        return Exchange(
            sent_at=sent_at,
            latency_ms=latency_ms,
            status=status,
            body=body,
            attempts=read_attempts(answered),
            failure=failure,
        )


def _client(settings: Settings, transport: httpx2.AsyncBaseTransport | None, *, keep: int) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        transport=transport,
        timeout=httpx2.Timeout(settings.request_timeout_s, connect=settings.connect_timeout_s),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=keep),
        headers={
            "user-agent": f"eastwest-lab-frontend/{__version__}",
            "accept": "application/json",
            "accept-encoding": "identity",
            "connection": "keep-alive" if keep else "close",
        },
        # Upstreams are http only: a context that trusts nobody saves loading the system's certificates (0.1 s).
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        follow_redirects=False,  # a redirect could lead away from the configured upstreams
        trust_env=False,  # a proxy variable in the environment must not carry the traffic around the mesh
    )


def _bad_status(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    # Linkerd's own proxy beside this frontend gives its reason in a header, and no body.
    words = excerpt(body) or headers.get("l5d-proxy-error", "")
    detail = f"HTTP {status}: {words}".rstrip(": ")
    return Failure(kind=FailureKind.STATUS, detail=detail, refused=is_refusal(status, headers, body))


def _root_words(error: BaseException) -> str:
    """What the operating system said: "Connection refused" instead of "All connection attempts failed"."""
    root = error
    while cause := _behind(root):
        root = cause
    if isinstance(root, OSError) and root.errno is not None and root.errno > 0:
        return os.strerror(root.errno)
    return getattr(root, "strerror", None) or str(root) or type(root).__name__  # name look-ups count below zero


def _behind(error: BaseException) -> BaseException | None:
    return error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__


async def _read(response: httpx2.Response) -> bytes:
    """The body, up to MAX_BODY_BYTES; the rest is left unread and the connection closed with the response."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= MAX_BODY_BYTES:
            break
    return bytes(body[:MAX_BODY_BYTES])


def _headers(body: bytes) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, values in sorted(json_object(body).items()):
        if not isinstance(values, list):
            raise ValueError(f"no map of headers: {excerpt(body)}")  # noqa: TRY004 - the body is at fault
        headers[name.lower()] = [str(value) for value in values]
    return headers
