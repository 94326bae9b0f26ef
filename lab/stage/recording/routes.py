"""What a replay serves beside the stage: its controls, and the lab's page below `/replay/page/`.

The page is the frontend's own files. A small script before them gives the page the time of the recording, and sends its
requests to the replay; an exported file has the same script.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from lab.base.names import Json
from lab.base.paths import APPS
from lab.stage.json_requests import BadRequestError, answered, read_object
from lab.stage.recording import page_frames
from lab.stage.recording.player import ACTIONS, Player
from lab.stage.recording.tape import Tape
from lab.stage.security import REPLAY, problem

PAGE = f"{REPLAY}/page"
"""Where the page of a replay is, below the stage's URL."""
FRONTEND = APPS / "frontend" / "frontend" / "static"
"""The frontend's page."""
SHIM = Path(__file__).with_name("static") / "page-shim.js"
_LOOK_S = 0.1
_STILL_S = 0.5
_HEARTBEAT_S = 10.0
_MOST_STREAMS = 64


def routes(player: Player) -> Sequence[BaseRoute]:
    """Return the routes of a replay."""
    served = _Served(player)
    return [
        Route("/api/replay", answered(served.control), methods=["POST"]),
        Route(f"{PAGE}/", served.page),
        Route(f"{PAGE}/shim.js", served.shim),
        Route(f"{PAGE}/api/upstreams", served.upstreams),
        Route(f"{PAGE}/api/info", served.info),
        Route(f"{PAGE}/frames", served.frames),
        Mount(f"{PAGE}/static", StaticFiles(directory=FRONTEND)),
    ]


class _Served:
    """The endpoints, for one replay."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._streams = 0

    async def control(self, request: Request) -> Response:
        """Play, pause, jump, or change the speed: `{"action": …, "at": seconds, "speed": factor}`."""
        body = await read_object(request)
        try:
            self._player.control(str(body.get("action")), at_s=_number(body, "at"), speed=_number(body, "speed"))
        except (ValueError, TypeError):
            form = f'send {{"action": one of {", ".join(ACTIONS)}, "at": seconds, "speed": factor}}'
            raise BadRequestError("this is not a control of a replay", next_step=form) from None
        return JSONResponse({}, status_code=202)

    async def page(self, _: Request) -> Response:
        """The frontend's page, with the script of the replay before its own."""
        text = await asyncio.to_thread((FRONTEND / "index.html").read_text, encoding="utf-8")
        moment, tape = self._player.clock.moment, self._player.tape
        attributes = f'data-base="{PAGE}" data-clock="{escape(json.dumps(page_frames.clock(tape, moment)))}"'
        script = f'<script src="{PAGE}/shim.js" {attributes}></script>'
        return HTMLResponse(with_first_script(text.replace('"/static/', f'"{PAGE}/static/'), script))

    async def shim(self, _: Request) -> Response:
        """The script of the replay."""
        return FileResponse(SHIM, media_type="text/javascript")

    async def upstreams(self, _: Request) -> Response:
        """The upstreams that were recorded."""
        return JSONResponse(upstreams_document(self._player.tape))

    async def info(self, _: Request) -> Response:
        """What the recorded frontend said about itself, and the header by which its page knows an ingress."""
        manifest = self._player.tape.manifest
        headers = {"x-envoy-upstream-service-time": "0"} if manifest.ingress else {}
        return JSONResponse(dict(manifest.frontend or {}), headers=headers)

    async def frames(self, _: Request) -> Response:
        """What the page's script plays: everything until this moment, and then what happens."""
        if self._streams >= _MOST_STREAMS:
            body = problem("too many pages show this replay", where="the replay", next_step="close one of them")
            return JSONResponse(body, status_code=503)
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(self._frames(), media_type="text/event-stream", headers=headers)

    async def _frames(self) -> AsyncIterator[bytes]:
        """Send frames as their time comes; the last one tells of a jump."""
        player, tape = self._player, self._player.tape
        self._streams += 1
        try:
            shown = player.clock.moment
            yield "".join((*page_frames.first(tape, shown.at_s), page_frames.clock_frame(tape, shown))).encode()
            silent_s = 0.0
            while not player.over:
                pause_s = _LOOK_S if shown.playing else _STILL_S
                silent_s += pause_s
                await asyncio.sleep(pause_s)
                moment = player.clock.moment
                has_jumped = moment.jumps != shown.jumps
                events = () if has_jumped else tape.page.between(shown.at_s, moment.at_s)
                sent = [page_frames.frame(event) for event in events]
                if (moment.playing, moment.speed, moment.jumps) != (shown.playing, shown.speed, shown.jumps):
                    sent.append(page_frames.clock_frame(tape, moment))
                if not sent and silent_s >= _HEARTBEAT_S:
                    sent.append(": the replay is there\n\n")
                if sent:
                    silent_s = 0.0
                    yield "".join(sent).encode()
                if has_jumped:
                    return
                shown = moment
        finally:
            self._streams -= 1


def with_first_script(page: str, script: str) -> str:
    """Return an HTML page with a script before every other one."""
    return re.sub(r"(<head[^>]*>)", lambda match: match[1] + script, page, count=1)


def upstreams_document(tape: Tape) -> Json:
    """Return the frontend's list of upstreams, with those that were recorded."""
    known = {str(one["name"]): one for one in tape.manifest.upstreams}
    recorded = list(dict.fromkeys(event.upstream for event in tape.page.events)) or list(known)
    found = [{"url": "", **known.get(name, {}), "name": name, "default": False} for name in recorded]
    default = [one for one in found if known.get(one["name"], {}).get("default")] or found
    for one in default[:1]:
        one["default"] = True
    return {"schema": "frontend/upstreams/v1", "upstreams": found}


def _number(body: Json, key: str) -> float | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise ValueError(key)
    return float(value)
