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
    app = guarded(
        [
            *(Route(path, page) for path in _PAGES),
            *endpoints.routes(),
            Route("/api/events", event_stream.events),
            WebSocketRoute("/ws/console/{name}", console_socket.console),
            *more,
        ],
        door,
        admitted=admitted,
        static=static,
    )
    app.state.stage = stage
    return app


def guarded(
    routes: Sequence[BaseRoute],
    door: Door,
    *,
    admitted: Callable[[], None] = lambda: None,
    static: Path = STATIC,
) -> Starlette:
    """Return an application with these routes and the files of the screens, behind the guard.

    Args:
        routes: its pages and endpoints, with `endpoints.session`.
        door: the token and the cookie.
        admitted: called when a browser has exchanged the token.
        static: the folder with the pages and what they load.
    """
    app = Starlette(
        routes=[*routes, Route("/healthz", healthz), Mount("/static", StaticFiles(directory=static))],
        middleware=[Middleware(Guard, door=door)],
        exception_handlers={HTTPException: http_error},
    )
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
    pages = "/ or /presenter" if request.app.state.door.start == "" else f"/{request.app.state.door.start}"
    body = problem(error.detail.lower(), where=where, next_step=f"open {pages.partition('?')[0]}")
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)
