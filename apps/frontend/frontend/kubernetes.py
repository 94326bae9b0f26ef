"""Read objects of this pod's namespace from the Kubernetes API, seldom and for a short time only."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import httpx2

from frontend import __version__
from frontend.answers import excerpt, json_object
from frontend.config import ApiServer

TIMEOUT_S = 2.0
MAX_BODY_BYTES = 2 * 1024 * 1024
CACHED_S = 1.0

Obj = dict[str, object]
T = TypeVar("T")


class ApiServerError(Exception):
    """The API gave no list; the text says why, `next_step` what to check."""

    def __init__(self, what: str, *, next_step: str) -> None:
        self.next_step = next_step
        super().__init__(what)


class Kubernetes:
    """Lists objects in one namespace.

    Args:
        server: where the API is, and the folder with the credentials.
        transport: replaces the network, in tests.
    """

    def __init__(self, server: ApiServer, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._server = server
        self._transport = transport

    async def find(self, *kinds: tuple[str, str]) -> list[list[Obj]]:
        """Return the objects of each kind, given as (group/version, plural); none of a kind that is not installed.

        Raises:
            ApiServerError: no answer in time, a missing permission, or an answer that is not a list.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S), self._client() as client:
                return list(await asyncio.gather(*(self._list(client, version, kind) for version, kind in kinds)))
        except FileNotFoundError as error:
            raise ApiServerError(
                f"this pod has no credentials for the Kubernetes API ({error.filename} is missing)",
                next_step="apply the frontend's objects again: lab up",
            ) from error
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise ApiServerError(
                f"the Kubernetes API gave no answer within {TIMEOUT_S:g} s", next_step="check the cluster: lab status"
            ) from error
        except (httpx2.HTTPError, ssl.SSLError, OSError) as error:
            words = str(error) or type(error).__name__
            raise ApiServerError(
                f"cannot reach the Kubernetes API: {words}", next_step="check the cluster: lab status"
            ) from error

    async def _list(self, client: httpx2.AsyncClient, version: str, plural: str) -> list[Obj]:
        path = f"/apis/{version}/namespaces/{self._namespace()}/{plural}"
        async with client.stream("GET", path) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise ApiServerError(
                        f"the list of {plural} is larger than {MAX_BODY_BYTES >> 20} MiB", next_step="delete some"
                    )
        if response.status_code == httpx2.codes.NOT_FOUND:
            return []
        if response.status_code != httpx2.codes.OK:
            raise ApiServerError(
                f"the Kubernetes API answered {response.status_code} for {plural}: {excerpt(bytes(body), 120)}",
                next_step="apply the frontend's Role and RoleBinding again: lab up",
            )
        try:
            items = json_object(bytes(body)).get("items")
        except ValueError as error:
            raise ApiServerError(str(error), next_step="check KUBERNETES_API_URL") from error
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    def _client(self) -> httpx2.AsyncClient:
        folder = self._server.credentials
        headers = {"accept": "application/json", "user-agent": f"eastwest-lab-frontend/{__version__}"}
        verify: ssl.SSLContext = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if folder is not None:
            # Read anew each time: Kubernetes renews the token every hour.
            headers["authorization"] = f"Bearer {(folder / 'token').read_text(encoding='ascii').strip()}"
            verify = ssl.create_default_context(cafile=folder / "ca.crt")
        return httpx2.AsyncClient(
            base_url=self._server.url,
            headers=headers,
            verify=verify,
            timeout=TIMEOUT_S,
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
        )

    def _namespace(self) -> str:
        if self._server.namespace or self._server.credentials is None:
            return self._server.namespace
        return (self._server.credentials / "namespace").read_text(encoding="ascii").strip()


class Cached(Generic[T]):
    """The latest result of a function, or its error; computed at most once in `CACHED_S`, and never twice at once."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._task: asyncio.Future[T] | None = None
        self._until = 0.0

    async def get(self) -> T:
        """Return the result, not older than `CACHED_S`.

        Raises:
            ApiServerError: as the function did.
        """
        if self._task is None or (self._task.done() and time.monotonic() >= self._until):
            self._task = asyncio.ensure_future(self._bounded())
        # Shielded: a page that goes away does not end the reading for the others.
        return await asyncio.shield(self._task)

    async def _bounded(self) -> T:
        try:
            return await self._read()
        finally:
            self._until = time.monotonic() + CACHED_S
