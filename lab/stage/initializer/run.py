"""Serve the page of the initializer without a lab."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lab.base.paths import Paths
from lab.initialize.sources import NAME, StoreSources
from lab.stage import endpoints
from lab.stage.app import guarded
from lab.stage.initializer.previews import Previews
from lab.stage.initializer.routes import PAGE, routes
from lab.stage.opener import start_file
from lab.stage.run import OnScreen
from lab.stage.security import Door
from lab.stage.server import listening, serving

COMMAND = "lab initialize page"


def previews() -> Previews:
    """Return previews from this machine's store of artifacts."""
    return Previews(sources=StoreSources(Paths.of(NAME)))


def of_stage() -> Sequence[BaseRoute]:
    """Return the page's routes for a stage, which has its own server and token."""
    return routes(previews())


@contextmanager
def on_page(shown: Previews, *, port: int, query: str = "") -> Iterator[OnScreen]:
    """Serve the page while the block runs.

    Args:
        shown: what it shows.
        port: the port on 127.0.0.1; 0 for any free one.
        query: the choices with which the page opens.

    Raises:
        UsageError: another program uses the port.
    """
    start = f"{PAGE.removeprefix('/')}{'?' if query else ''}{query}"
    with listening(port, command=COMMAND) as listener, TemporaryDirectory(prefix="lab-initialize-") as folder:
        door = Door(port=listener.getsockname()[1], name="initializer", command=COMMAND, start=start)
        file = Path(folder) / "initializer.html"
        with start_file(file, door.start_url) as delete:
            app = guarded(
                [Route("/", _home), Route("/api/session", endpoints.session, methods=["POST"]), *routes(shown)],
                door,
                admitted=delete,
            )
            with serving(app, listener, before_end=threading.Event().set, name="initializer", most_message=None):
                yield OnScreen(door=door, file=file)


async def _home(_: Request) -> Response:
    """Return the way to the page; browsers keep the fragment with the token."""
    return RedirectResponse(PAGE)
