"""The audience's page and its one action, as an HTTP application.

| path | what it does |
| --- | --- |
| `GET /TOKEN/` | the page |
| `GET /TOKEN/page.css`, `/TOKEN/page.js` | its files |
| `POST /TOKEN/tap` | one request through the mesh; JSON for the page's script, else the page with the answer |

Everything else is 404, with or without the right token. `Host` must be the address that the presenter named (421), so
that a page of another name cannot lead here (DNS rebinding); a POST of another page is refused (403).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from contextlib import suppress
from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Protocol

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from lab.stage.audience.limits import Limits, Phones, Refusal
from lab.stage.audience.taps import TapResult

STATIC = Path(__file__).with_name("static")
COOKIE = "lab-phone"
_OVER = TapResult(error="The presentation is over. Thank you!")
_FULL = TapResult(error=Refusal.EVERYBODY.value)
_MOST_COOKIE = 1024
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # Not "no-referrer": browsers then send `Origin: null` with the form of a page without its script.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


class Tapping(Protocol):
    """Sends taps; `Taps` does."""

    def send(self, then: Callable[[TapResult], None]) -> bool:
        """Send one request and call `then` with its result from another thread; False if too many wait."""


class AudienceApp:
    """The ASGI application.

    Args:
        token: the secret part of the link.
        host: the value of `Host` that is accepted.
        taps: sends the requests.
        limits: how often one may tap.
        tapped: called after each tap that was sent.
    """

    def __init__(
        self, *, token: str, host: str, taps: Tapping, limits: Limits, tapped: Callable[[], None] = lambda: None
    ) -> None:
        self._token = token
        self._host = host
        self._taps = taps
        self._limits = limits
        self._tapped = tapped
        self._phones = Phones()
        self._page = Template((STATIC / "page.html").read_text(encoding="utf-8"))
        self._ended = False
        self._coming: dict[asyncio.Future[TapResult], asyncio.AbstractEventLoop] = {}
        self._files = {name: (STATIC / name).read_bytes() for name in _FILES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Its body is not read."""
        if scope["type"] != "http":  # a WebSocket: there is none
            await send({"type": "websocket.close", "code": 1008})
            return
        response = await self._respond(Request(scope))
        response.headers.update(_HEADERS)
        response.headers.setdefault("cache-control", "no-store")
        await response(scope, receive, send)

    def end(self) -> None:
        """Answer the taps that still wait, from another thread: the stage ends."""
        self._ended = True
        for coming, loop in list(self._coming.items()):
            _settle(coming, loop, _OVER)

    async def _respond(self, request: Request) -> Response:
        if request.headers.getlist("host") != [self._host]:
            return _refused(HTTPStatus.MISDIRECTED_REQUEST, "This name does not belong to the stage.")
        token, _, rest = request.scope["path"].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return _refused(HTTPStatus.NOT_FOUND, "There is nothing here. Scan the code on the big screen again.")
        match request.method, rest:
            case "GET" | "HEAD", "":
                return self._welcome(request)
            case "GET" | "HEAD", name if name in self._files:
                headers = {"cache-control": "private, max-age=3600"}
                return Response(self._files[name], media_type=_FILES[name], headers=headers)
            case "POST", "tap":
                return await self._tap(request)
        return _refused(HTTPStatus.NOT_FOUND, "There is nothing here. Scan the code on the big screen again.")

    def _welcome(self, request: Request) -> Response:
        if self._phone(request) is not None:
            return self._html("")
        if refusal := self._limits.refuses_new(_address(request)):
            return self._html(refusal.value, status=HTTPStatus.TOO_MANY_REQUESTS)
        response = self._html("")
        path = f"/{self._token}/"
        response.set_cookie(COOKIE, self._phones.new(), path=path, httponly=True, samesite="strict")
        return response

    async def _tap(self, request: Request) -> Response:
        origins = request.headers.getlist("origin")
        site = request.headers.get("sec-fetch-site", "same-origin")
        if origins not in ([], [f"http://{self._host}"]) or site not in {"same-origin", "none"}:
            return _refused(HTTPStatus.FORBIDDEN, "Only the stage's own page can tap.")
        if refusal := self._limits.refuses(self._phone(request), _address(request)):
            return self._answer(request, TapResult(error=refusal.value), status=HTTPStatus.TOO_MANY_REQUESTS)
        result = await self._send()
        if result is None:
            return self._answer(request, _FULL, status=HTTPStatus.TOO_MANY_REQUESTS)
        self._tapped()
        return self._answer(request, result)

    async def _send(self) -> TapResult | None:
        """Send a request through the mesh and return what became of it; None if too many wait."""
        loop = asyncio.get_running_loop()
        coming: asyncio.Future[TapResult] = loop.create_future()
        self._coming[coming] = loop
        try:
            if self._ended:
                return _OVER
            sent = self._taps.send(lambda result: _settle(coming, loop, result))
            return await coming if sent else None
        finally:
            del self._coming[coming]

    def _answer(self, request: Request, result: TapResult, *, status: int = HTTPStatus.OK) -> Response:
        text = result.error or result.words
        headers = {"retry-after": "1"} if status == HTTPStatus.TOO_MANY_REQUESTS else {}
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({**result.as_json(), "text": text}, status_code=status, headers=headers)
        return self._html(text, status=status, headers=headers)

    def _html(self, answer: str, *, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> HTMLResponse:
        page = self._page.substitute(base=f"/{self._token}", answer=escape(answer))
        return HTMLResponse(page, status_code=status, headers=headers)

    def _phone(self, request: Request) -> str | None:
        if len(request.headers.get("cookie", "")) > _MOST_COOKIE:
            return None
        return self._phones.name(request.cookies.get(COOKIE))


def _settle(coming: asyncio.Future[TapResult], loop: asyncio.AbstractEventLoop, result: TapResult) -> None:
    """Give a tap its result, from any thread; only the first one counts."""

    def first() -> None:
        if not coming.done():
            coming.set_result(result)

    with suppress(RuntimeError):  # the loop has ended: nobody waits
        loop.call_soon_threadsafe(first)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _refused(status: HTTPStatus, text: str) -> Response:
    return PlainTextResponse(text, status_code=status)
