"""Who may use the stage: only this machine's browser that was given the token of this start.

A page of another origin, a name that resolves to 127.0.0.1 (DNS rebinding) and a program without the token can neither
read nor change anything:

| rule | against |
| --- | --- |
| the server listens on 127.0.0.1 | other machines |
| `Host` is 127.0.0.1 or localhost with the stage's port, else 421 | DNS rebinding |
| each POST and WebSocket has the `Origin` of that host, else 403 | pages of other origins, also of other ports |
| a request that a browser marks as coming from another site is refused | the same, without `Origin` |
| /api, /ws and /replay need the cookie, else 401 | everybody without the token |

The token comes in the start URL's fragment, which browsers never send. `/api/session` exchanges it for the cookie,
which scripts cannot read. Cookies are not bound to a port: the stage shows the page as `localhost` and itself as
`127.0.0.1`, so that its cookie does not reach the page's server.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.base.names import Json

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
REPLAY = "/replay"
"""Below it, a replay serves the lab's page, which the stage's own screens show in a frame."""
_PRIVATE = ("/api", "/ws", REPLAY)
_OPEN = ("/api/session",)
"""Below /api, but without the cookie."""
_OWN_SITE = ("same-origin", "none")
"""Values of `Sec-Fetch-Site` for requests of the stage's own pages, and for what a person types or opens."""
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.25, 8.0
_MOST_DELAYED = 16
"""Wrong tokens that wait for their answer at the same time; more are refused at once."""


@dataclass(kw_only=True)
class Door:
    """The token and the cookie of one start.

    Args:
        port: the server's port.
        token: the secret of the start URL.
        name: whose server it is, for errors.
        command: what started it.
        start: where the start URL leads, below the server's URL.
        frame: the origin of a page that the screens frame, beside those of this machine: an existing cluster's.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    name: str = "stage"
    command: str = "lab stage"
    start: str = ""
    frame: str = ""
    _pass: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _wrong: int = 0
    _delayed: int = 0

    @property
    def url(self) -> str:
        """The stage's URL, without the token."""
        return f"http://{HOST}:{self.port}/"

    @property
    def start_url(self) -> str:
        """The URL with the token, for the person who started the stage."""
        return f"{self.url}{self.start}#token={self.token}"

    @property
    def cookie(self) -> str:
        """The cookie's name; it has the port, because browsers send a cookie to all ports."""
        return f"lab-stage-{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The values of `Host` that are accepted."""
        return frozenset(f"{name}:{self.port}" for name in _NAMES) | (frozenset(_NAMES) if self.port == 80 else set())

    async def admit(self, token: str) -> bool:
        """Return whether a token is the right one; the answer for a wrong one comes late, and each time later."""
        if hmac.compare_digest(token.encode(errors="replace"), self.token.encode()):  # JSON may have half a character
            return True
        self._wrong += 1
        if self._delayed < _MOST_DELAYED:
            self._delayed += 1
            try:
                await asyncio.sleep(min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** min(self._wrong - 1, 10)))
            finally:
                self._delayed -= 1
        return False

    def knows(self, headers: Headers) -> bool:
        """Return whether a request has the cookie."""
        found = _cookie(headers, self.cookie)
        return found is not None and hmac.compare_digest(found.encode(), self._pass.encode())

    def give(self, response: Response) -> None:
        """Set the cookie."""
        response.set_cookie(self.cookie, self._pass, httponly=True, samesite="strict", path="/")


def _cookie(headers: Headers, name: str) -> str | None:
    jar: SimpleCookie = SimpleCookie()
    try:
        for line in headers.getlist("cookie"):
            jar.load(line)
    except CookieError:
        return None
    return jar[name].value if name in jar else None


def problem(what: str, *, where: str, next_step: str) -> Json:
    """Return the body of an error, in the form that the frontend uses."""
    return {"error": {"what": what, "where": where, "next": next_step}}


class Guard:
    """Middleware: refuse what `Door` does not admit, and add the security headers to every response."""

    def __init__(self, app: ASGIApp, *, door: Door) -> None:
        self._app = app
        self._door = door
        self._headers = security_headers(door.port, frame=door.frame)
        self._framed = framed_headers(door.port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return

        began = False

        async def add(message: Message) -> None:
            nonlocal began
            began = True
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                headers = MutableHeaders(scope=message)
                headers.update(self._framed if scope["path"].startswith(f"{REPLAY}/") else self._headers)
                # no-cache keeps ETag checks, so that a page is never mixed from two versions of the lab.
                headers.setdefault("cache-control", "no-cache" if _is_file(scope["path"]) else "no-store")
            await send(message)

        refused = self._refusal(scope)
        if refused is None:
            try:
                await self._app(scope, receive, add)
            except Exception:  # a defect; the server logs it
                if scope["type"] == "http" and not began:
                    failed = _error(500, f"the {self._door.name} has a defect", scope["path"], next_step="lab logs")
                    await failed(scope, receive, add)
                raise
        elif scope["type"] == "http":
            await refused(scope, receive, add)
        else:
            await _deny(refused, scope, receive, add)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), str(scope["path"])
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._door.hosts:
            what = f"this name is not the {self._door.name}'s"
            return _error(421, what, path, next_step=f"open {self._door.url}")
        origins = headers.getlist("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in {"GET", "HEAD"}
        if (changes or origins) and origins != [f"http://{hosts[0].lower()}"]:
            what = f"this page is not the {self._door.name}'s"
            return _error(403, what, path, next_step=f"use the {self._door.name}'s own page, {self._door.url}")
        private = path.startswith(_PRIVATE)
        if private and headers.get("sec-fetch-site", "none") not in _OWN_SITE:
            what = f"this page is not the {self._door.name}'s"
            return _error(403, what, path, next_step=f"use the {self._door.name}'s own page, {self._door.url}")
        if private and path not in _OPEN and not self._door.knows(headers):
            what = f"this browser does not have the {self._door.name}'s cookie"
            return _error(401, what, path, next_step=f"open the URL that `{self._door.command}` printed")
        return None


def _is_file(path: str) -> bool:
    return not path.startswith(("/api", "/ws"))


def _error(status: int, what: str, where: str, *, next_step: str) -> Response:
    return JSONResponse(problem(what, where=where, next_step=next_step), status_code=status)


async def _deny(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a WebSocket's handshake with an HTTP response (ASGI's extension), else by closing it."""
    await receive()  # websocket.connect
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    raw: Iterable[tuple[bytes, bytes]] = response.raw_headers
    await send({"type": "websocket.http.response.start", "status": response.status_code, "headers": list(raw)})
    await send({"type": "websocket.http.response.body", "body": response.body})


def security_headers(port: int, *, frame: str = "") -> dict[str, str]:
    """Return the headers of every response of a stage at this port, whose screens may also frame an origin."""
    # xterm.js sets styles of elements. The page is in a frame, under the port of West's ingress.
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        f"font-src 'self'; connect-src 'self' ws://{HOST}:{port} ws://localhost:{port}; "
        f"frame-src http://{HOST}:* http://localhost:*{f' {frame}' if frame else ''}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "content-security-policy": policy,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }


def framed_headers(port: int) -> dict[str, str]:
    """Return the headers of a replay's page, which only the stage's own screens may frame."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    return {**security_headers(port), "content-security-policy": policy, "x-frame-options": "SAMEORIGIN"}
