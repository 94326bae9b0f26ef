"""The application put together: routes, page, errors as JSON, security headers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontend.api import Service, routes
from frontend.caller import Caller
from frontend.config import Settings
from frontend.errors import ApiError
from frontend.kubernetes import Kubernetes
from frontend.pace import Budget
from frontend.split import SplitReader
from frontend.taps import TapBoard

STATIC = Path(__file__).parent / "static"


def security_headers(stage_port: int) -> dict[str, str]:
    """The headers of every response. The lab's stage, on this port of the viewer's machine, may frame the page."""
    return {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors http://localhost:{stage_port} http://127.0.0.1:{stage_port}",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def create_app(
    settings: Settings,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    api_transport: httpx2.AsyncBaseTransport | None = None,
) -> Starlette:
    """The ASGI application.

    Args:
        settings: see `frontend.config`.
        transport: replaces the network towards the upstreams, in tests.
        api_transport: replaces the network towards the Kubernetes API, in tests.
    """
    kubernetes = Kubernetes(settings.api_server, api_transport) if settings.api_server else None
    service = Service(
        settings=settings,
        caller=Caller(settings, transport),
        budget=Budget(settings.stream_budget_per_s),
        splits=SplitReader(settings, kubernetes),
        taps=TapBoard(settings),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with service.caller:
            if transport is None:
                await service.caller.warm_up()
            yield

    app = Starlette(
        routes=[Route("/", page), *routes(), Mount("/static", StaticFiles(directory=STATIC))],
        middleware=[Middleware(SecurityHeaders, headers=security_headers(settings.stage_port))],
        exception_handlers={ApiError: api_error, HTTPException: http_error},
        lifespan=lifespan,
    )
    app.state.service = service
    return app


async def page(_: Request) -> FileResponse:
    """The page; its query (?upstream=, ?view=, …) is for its own script."""
    return FileResponse(STATIC / "index.html")


class SecurityHeaders:
    """Middleware: the same headers on every response, and no stale copy of anything."""

    def __init__(self, app: ASGIApp, *, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the response's start."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                # no-cache keeps ETag checks: a rolled frontend's page is never mixed from two versions.
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)


async def api_error(_: Request, error: Exception) -> JSONResponse:
    """An ApiError as JSON."""
    assert isinstance(error, ApiError)  # noqa: S101 - Starlette's handlers are typed for any exception
    return JSONResponse(error.as_json(), status_code=error.status)


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """Starlette's own errors (no such path, wrong method) in the same shape."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    paths = dict.fromkeys(route.path for route in request.app.routes if isinstance(route, Route))
    body = ApiError(
        error.status_code,
        what=error.detail,
        where=f"{request.method} {request.url.path}",
        next_step=f"GET one of {', '.join(paths)}",
    )
    return JSONResponse(body.as_json(), status_code=error.status_code, headers=error.headers)
