"""The stage's HTTP application: pages, JSON endpoints, streams; `lab.stage.security` decides who may use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from lab.stage import console_socket, endpoints, event_stream
from lab.stage.parts import Stage
from lab.stage.security import HOST, Door, Guard, problem

STATIC = Path(__file__).with_name("static")
_PAGES = {"/": "index.html", "/presenter": "presenter.html"}


def create_app(
    stage: Stage,
    door: Door,
    *,
    admitted: Callable[[], None] = lambda: None,
    static: Path = STATIC,
    more: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the ASGI application.

    Args:
        stage: what it shows and asks.
        door: the token and the cookie.
        admitted: called when a browser has exchanged the token.
        static: the folder with the pages and what they load.
        more: further routes, such as those of a replay.
    """
    app = Starlette(
        routes=[
            *(Route(path, page) for path in _PAGES),
            Route("/healthz", healthz),
            *endpoints.routes(),
            Route("/api/events", event_stream.events),
            WebSocketRoute("/ws/console/{name}", console_socket.console),
            Mount("/static", StaticFiles(directory=static)),
            *more,
        ],
        middleware=[Middleware(Guard, door=door)],
        exception_handlers={HTTPException: http_error},
    )
    app.state.stage = stage
    app.state.door = door
    app.state.admitted = admitted
    app.state.static = static
    return app


async def page(request: Request) -> Response:
    """The audience's screen, or the presenter's."""
    door: Door = request.app.state.door
    if request.url.hostname != HOST:  # the cookie belongs to one name; browsers keep the fragment with the token
        return RedirectResponse(f"{door.url}{request.url.path.removeprefix('/')}")
    file: Path = request.app.state.static / _PAGES[request.url.path]
    if not file.is_file():
        raise HTTPException(404, f"{file.name} is missing")
    return FileResponse(file)


async def healthz(_: Request) -> Response:
    """That the server answers."""
    return JSONResponse({"ok": True})


async def http_error(request: Request, error: Exception) -> Response:
    """Starlette's own errors (no such path, wrong method) in the form of all errors."""
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette types handlers for any exception
    where = f"{request.method} {request.url.path}"
    body = problem(error.detail.lower(), where=where, next_step="open / or /presenter")
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)
