"""The process around the application: uvicorn, set up to end without losing a request."""

import asyncio
import logging
import socket

import uvicorn
from starlette.applications import Starlette

from frontend import __version__
from frontend.app import create_app
from frontend.config import Settings

# A proxy keeps idle connections for up to an hour (Envoy's default idle timeout). Were this side to close
# first, a request that is just being sent on such a connection would be lost.
KEEP_ALIVE_S = 3900

log = logging.getLogger("uvicorn.error")


class Server(uvicorn.Server):
    """uvicorn, that tells open streams to end before it waits for them."""

    def __init__(self, app: Starlette, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_level=settings.log_level,
                access_log=settings.log_level == "debug",  # who asked what is no one's business but a debugger's
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                # The longest request there is, and a second: 24 s by default, within the manifest's grace period.
                timeout_graceful_shutdown=round(settings.batch_timeout_s + settings.request_timeout_s) + 1,
            )
        )
        self._draining: asyncio.Event = app.state.service.draining

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, finish requests under way, close."""
        self._draining.set()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way.

    Raises:
        SystemExit: 3, from uvicorn, if the address can't be listened on.
    """
    server = Server(create_app(settings), settings)  # also sets up the logging
    known = ", ".join(f"{upstream.name} at {upstream.url}" for upstream in settings.upstreams)
    log.info("frontend %s on %s/%s calls %s", __version__, settings.cluster, settings.pod, known)
    server.run()
