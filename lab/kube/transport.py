"""Send requests to an API server. No other module imports the kubernetes package.

That package reads the kubeconfig and provides a connection pool and exec. The lab does not use its typed models, so
that custom and built-in resources are handled alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import urllib3
from kubernetes import client, config
from kubernetes.stream import ws_client

from lab.base.names import Cluster
from lab.kube.errors import KubeError, NotNow

_POOL = 12
_CHUNK = 64 << 10


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes


class Transport(Protocol):
    """One HTTP request to an API server. Raises NotNow without an answer."""

    def __call__(
        self, method: str, path: str, *, body: str | None, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """Send a request and return the answer, whatever its status."""


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
    api = _api(cluster)
    pool, settings = api.rest_client.pool_manager, api.configuration

    def send(method: str, path: str, *, body: str | None, headers: Mapping[str, str], timeout_s: float) -> Answer:
        token = settings.get_api_key_with_prefix("authorization")
        more = {"Authorization": token} if token else {}
        try:
            answer = pool.request(
                method,
                settings.host + path,
                body=body,
                headers={**headers, **more},
                timeout=urllib3.Timeout(connect=min(timeout_s, 3.0), read=timeout_s),
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # Other SSLErrors are temporary: a starting server may break off the handshake.
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                words = "the API server's certificate does not match the kubeconfig"
                raise KubeError(words, where=cluster.name, next="lab up") from error
            words = f"the API server does not answer ({type(error).__name__})"
            raise NotNow(words, where=cluster.name) from error
        return Answer(answer.status, answer.data)

    return send


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
