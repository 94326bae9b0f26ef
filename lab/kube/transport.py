"""Send requests to an API server. No other module imports the kubernetes package.

A busy API server is slow, and breaks off connections. So a request whose TLS handshake takes too long is tried again,
because it was not sent; a read whose connection or handshake is broken off is sent once more. All tries together take
no longer than one may take.

That package reads the kubeconfig and provides a connection pool and exec. The lab does not use its typed models, so
that custom and built-in resources are handled alike.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import urllib3
from kubernetes import client, config
from kubernetes.stream import ws_client

from lab.base import cancel
from lab.base.names import Cluster
from lab.kube.errors import KubeError, NotNow

_POOL = 32
"""Connections that are kept open: a panel watches about 20 kinds."""
_CHUNK = 64 << 10
_CONNECT_S = 3.0
"""Time of one connection with its TLS handshake."""
_HEAD_S = 5.0
"""Time until an answer begins that does not end by itself."""
_LONGEST_LINE = 8 << 20
"""Bytes. Kubernetes stores objects of at most 1.5 MiB."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes


class Transport(Protocol):
    """One HTTP request to an API server; only a read may be sent twice. Raises NotNow without an answer."""

    def __call__(
        self, method: str, path: str, *, body: str | None, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """Send a request and return the answer, whatever its status."""


class Lines(Protocol):
    """An answer that is read while the server sends it."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines of the body until the server or `end` ends them. Raises NotNow if the connection breaks."""

    def end(self) -> None:
        """End a read in another thread. Never raises."""

    def close(self) -> None:
        """Close the connection; for the thread that reads."""


class LineTransport(Protocol):
    """One GET to an API server whose answer does not end by itself. Raises NotNow without an answer."""

    def __call__(self, path: str, *, headers: Mapping[str, str], silence_s: float) -> Lines:
        """Send the request, and return the answer when its head is there.

        `silence_s` is the longest time without a byte, after which reading raises NotNow.
        """


def _api(cluster: Cluster) -> Any:
    settings = client.Configuration()
    settings.connection_pool_maxsize = _POOL
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(cluster.kubeconfig), context=cluster.context, client_configuration=settings
        )
    except (config.ConfigException, OSError) as error:
        raise NotNow(
            f"the kubeconfig {cluster.kubeconfig} has no usable context {cluster.context}",
            where=cluster.name,
            next="lab up",
        ) from error
    if urlsplit(settings.host).hostname in {"127.0.0.1", "localhost", "::1"}:
        # Reach this machine without a proxy. With `proxy = None` the WebSocket client would read the environment.
        settings.no_proxy = "*"
    return client.ApiClient(settings)


def http(cluster: Cluster) -> Transport:
    """Return a connection pool to a cluster, with its kubeconfig."""
    request = _requests(cluster)

    def send(method: str, path: str, *, body: str | None, headers: Mapping[str, str], timeout_s: float) -> Answer:
        try:
            answer = request(method, path, body=body, headers=headers, read_s=timeout_s)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unanswered(cluster, error) from error
        return Answer(answer.status, answer.data)

    return send


def lines(cluster: Cluster) -> LineTransport:
    """Return what `http` returns, for answers that do not end by themselves."""
    request = _requests(cluster)

    def send(path: str, *, headers: Mapping[str, str], silence_s: float) -> Lines:
        try:
            answer = request(
                "GET", path, body=None, headers=headers, read_s=min(silence_s, _HEAD_S), preload_content=False
            )
            if (socket := getattr(answer.connection, "sock", None)) is not None:
                socket.settimeout(silence_s)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unanswered(cluster, error) from error
        return _HttpLines(cluster, answer)

    return send


def _requests(cluster: Cluster) -> Any:
    """Return a function that sends a request with the cluster's kubeconfig, through a connection pool."""
    api = _api(cluster)
    pool, settings = api.rest_client.pool_manager, api.configuration

    def send(method: str, path: str, *, headers: Mapping[str, str], read_s: float, **more: object) -> Any:
        token = settings.get_api_key_with_prefix("authorization")
        return pool.request(
            method,
            settings.host + path,
            headers={**headers, **({"Authorization": token} if token else {})},
            timeout=urllib3.Timeout(connect=min(read_s, _CONNECT_S), read=read_s),
            retries=False,
            **more,
        )

    def request(method: str, path: str, *, read_s: float, **more: Any) -> Any:
        deadline, left_s, sent_again = time.monotonic() + read_s, read_s, False
        while True:
            try:
                return send(method, path, read_s=left_s, **more)  # urllib3's Retry would give each the whole time
            except (urllib3.exceptions.HTTPError, OSError) as error:
                before_s, left_s = left_s, deadline - time.monotonic()
                again = method == "GET" and not sent_again and _is_broken(error)
                if left_s <= 0 or not (again or _shook_hands_too_long(error, took_s=before_s - left_s)):
                    raise
                sent_again |= again
            cancel.token().check(f"{method} {path}")

    return request


def _shook_hands_too_long(error: Exception, *, took_s: float) -> bool:
    """Return whether the time of a connection was up before the request was sent; a refused one ends at once."""
    timeouts = (urllib3.exceptions.ReadTimeoutError, urllib3.exceptions.ConnectTimeoutError)
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    return isinstance(error, timeouts) and not refused and took_s < 2 * _CONNECT_S


def _is_broken(error: Exception) -> bool:
    """Return whether a connection or its handshake was broken off, as a busy server does."""
    broken = (urllib3.exceptions.ProtocolError, urllib3.exceptions.SSLError)
    return isinstance(error, broken) and not _distrusts(error)


def _distrusts(error: Exception) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _unanswered(cluster: Cluster, error: Exception) -> KubeError:
    # Other SSLErrors are temporary: a starting server may break off the handshake.
    if _distrusts(error):
        words = "the API server's certificate does not match the kubeconfig"
        return KubeError(words, where=cluster.name, next="lab up")
    return NotNow(f"the API server does not answer ({type(error).__name__})", where=cluster.name)


@dataclass(frozen=True)
class _HttpLines:
    """Implements `Lines` with an answer of urllib3."""

    cluster: Cluster
    answer: Any

    @property
    def status(self) -> int:
        return int(self.answer.status)

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        try:
            for chunk in self.answer.stream(_CHUNK, decode_content=True):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line for line in whole if line)
                if len(rest) > _LONGEST_LINE:
                    raise KubeError(f"a line of more than {_LONGEST_LINE >> 20} MiB", where=self.cluster.name)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            words = f"the connection to the API server broke ({type(error).__name__})"
            raise NotNow(words, where=self.cluster.name) from error
        if rest:
            yield rest

    def end(self) -> None:
        with suppress(OSError, ValueError, RuntimeError, TypeError):  # it ends by itself at this moment
            self.answer.shutdown()

    def close(self) -> None:
        with suppress(OSError):
            self.answer.close()


def execute(
    cluster: Cluster,
    pod: str,
    argv: Sequence[str],
    *,
    namespace: str,
    container: str | None,
    stdin: bytes = b"",
    timeout_s: float,
) -> str:
    """Run a command in a pod; see `Kube.execute`."""
    where = f"{cluster.name}: {namespace}/{pod}"
    settings = _api(cluster).configuration
    query = [("command", word) for word in argv] + [("stdout", "true"), ("stderr", "true")]
    query += [("container", container)] if container else []
    query += [("stdin", "true")] if stdin else []
    url = f"{settings.host}/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
    token = settings.get_api_key_with_prefix("authorization")
    try:
        # kubernetes.stream needs the typed API, whose import takes two seconds.
        session = ws_client.websocket_call(  # type: ignore[no-untyped-call]
            settings, "GET", url, headers={"authorization": token} if token else {}, _preload_content=False
        )
        try:
            for start in range(0, len(stdin), _CHUNK):
                session.write_stdin(stdin[start : start + _CHUNK])
            session.run_forever(timeout=timeout_s)
            ended = not session.is_open()
        finally:
            session.sock.shutdown()  # the client leaves the connection open, even after the server has ended it
    except (client.ApiException, OSError) as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NotNow(f"cannot run `{argv[0]}`: {cause}", where=where) from error
    output, errors = session.read_stdout(timeout=0), session.read_stderr(timeout=0)
    if not ended:
        raise NotNow(f"`{argv[0]}` did not end within {timeout_s:g} s", where=where)
    if session.returncode != 0:
        last_line = (errors or output or "no output").strip().splitlines()[-1]
        raise KubeError(f"`{argv[0]}` exited with {session.returncode}: {last_line}", where=where)
    return str(output)
