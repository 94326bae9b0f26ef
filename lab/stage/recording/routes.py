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
from lab.stage.recording.page_frames import PageTrack, clock_frame, frame, unix_time
from lab.stage.recording.player import ACTIONS, Player
from lab.stage.security import REPLAY, problem

PAGE = f"{REPLAY}/page"
"""Where the page of a replay is, below the stage's URL."""
FRONTEND = APPS / "frontend" / "frontend" / "static"
"""The frontend's page."""
SHIM = Path(__file__).with_name("static") / "page-shim.js"
_MOST_BYTES = 4096
_LOOK_S = 0.1
_STILL_S = 0.5
_HEARTBEAT_S = 10.0
_MOST_STREAMS = 64


def routes(player: Player) -> Sequence[BaseRoute]:
    """Return the routes of a replay."""
    served = _Served(player)
    return [
        Route("/api/replay", served.control, methods=["POST"]),
        Route(f"{PAGE}/", served.page),
        Route(f"{PAGE}/shim.js", served.shim),
        Route(f"{PAGE}/api/upstreams", served.upstreams),
        Route(f"{PAGE}/api/info", served.info),
        Route(f"{PAGE}/api/stream", served.stream),
        Mount(f"{PAGE}/static", StaticFiles(directory=FRONTEND)),
    ]


class _Served:
    """The endpoints, for one replay."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._tracks: dict[str, PageTrack] = {}
        recorded = [event.upstream for event in player.tape.page.events]
        for name in dict.fromkeys(recorded or [str(one["name"]) for one in player.tape.manifest.upstreams]):
            self._tracks[name] = PageTrack(player.tape, name)
        self._streams = 0

    async def control(self, request: Request) -> Response:
        """Play, pause, jump, or change the speed: `{"action": …, "at": seconds, "speed": factor}`."""
        try:
            body = await _small_object(request)
            self._player.control(str(body.get("action")), at_s=_number(body, "at"), speed=_number(body, "speed"))
        except (ValueError, TypeError, RecursionError):
            text = f'send {{"action": one of {", ".join(ACTIONS)}, "at": seconds, "speed": factor}}'
            body = problem("this is not a control of a replay", where="POST /api/replay", next_step=text)
            return JSONResponse(body, status_code=400)
        return JSONResponse({}, status_code=202)

    async def page(self, _: Request) -> Response:
        """The frontend's page, with the script of the replay before its own."""
        text = await asyncio.to_thread((FRONTEND / "index.html").read_text, encoding="utf-8")
        moment, tape = self._player.clock.moment, self._player.tape
        clock = {"at": unix_time(tape, moment.at_s), "playing": moment.playing, "speed": moment.speed}
        attributes = f'data-base="{PAGE}" data-clock="{escape(json.dumps({**clock, "jumps": moment.jumps}))}"'
        script = f'<script src="{PAGE}/shim.js" {attributes}></script>'
        return HTMLResponse(with_first_script(text.replace('"/static/', f'"{PAGE}/static/'), script))

    async def shim(self, _: Request) -> Response:
        """The script of the replay."""
        return FileResponse(SHIM, media_type="text/javascript")

    async def upstreams(self, _: Request) -> Response:
        """The upstreams that were recorded."""
        return JSONResponse(upstreams_document(self._player.tape.manifest.upstreams, list(self._tracks)))

    async def info(self, _: Request) -> Response:
        """What the recorded frontend said about itself, and the header by which its page knows an ingress."""
        manifest = self._player.tape.manifest
        headers = {"x-envoy-upstream-service-time": "0"} if manifest.ingress else {}
        return JSONResponse(dict(manifest.frontend or {}), headers=headers)

    async def stream(self, request: Request) -> Response:
        """The stream of an upstream, as its frontend sent it; `filled=1` for a page that knows nothing yet."""
        track = self._tracks.get(request.query_params.get("upstream", ""))
        if track is None:
            return _gone("the recording does not have this upstream", status=400)
        at_s = self._player.clock.moment.at_s
        if not track.is_live(at_s):
            return _gone(track.problem(at_s), status=503)
        if self._streams >= _MOST_STREAMS:
            return _gone("too many pages show this replay", status=503)
        frames = self._frames(track, filled=request.query_params.get("filled") == "1")
        return StreamingResponse(frames, media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def _frames(self, track: PageTrack, *, filled: bool) -> AsyncIterator[bytes]:
        """Send frames as their time comes; end with a jump, or when the recorded stream broke."""
        player, tape = self._player, self._player.tape
        self._streams += 1
        try:
            shown = player.clock.moment
            yield "".join(track.first(shown.at_s, filled=filled)).encode()
            yield clock_frame(tape, shown).encode()
            silent_s = 0.0
            while not player.over:
                moment = player.clock.moment
                frames = []
                for event in track.between(shown.at_s, moment.at_s) if moment.jumps == shown.jumps else ():
                    if event.name != "link":
                        frames.append(frame(event))
                    elif json.loads(event.text).get("link") == "lost":
                        yield "".join(frames).encode()
                        return
                if (moment.playing, moment.speed, moment.jumps) != (shown.playing, shown.speed, shown.jumps):
                    frames.append(clock_frame(tape, moment))
                if frames or silent_s >= _HEARTBEAT_S:
                    yield ("".join(frames) or ": the replay is there\n\n").encode()
                    silent_s = 0.0
                if moment.jumps != shown.jumps:
                    return
                shown = moment
                pause_s = _LOOK_S if moment.playing else _STILL_S
                silent_s += pause_s
                await asyncio.sleep(pause_s)
        finally:
            self._streams -= 1


def with_first_script(page: str, script: str) -> str:
    """Return an HTML page with a script before every other one."""
    return re.sub(r"(<head[^>]*>)", lambda match: match[1] + script, page, count=1)


def upstreams_document(known: Sequence[Json], recorded: Sequence[str]) -> Json:
    """Return the frontend's list of upstreams, with those that were recorded."""
    found = [one for one in known if one.get("name") in recorded]
    named = {one["name"] for one in found}
    found += [{"name": name, "url": "", "default": False} for name in recorded if name not in named]
    if found and not any(one.get("default") for one in found):
        found = [{**found[0], "default": True}, *found[1:]]
    return {"schema": "frontend/upstreams/v1", "upstreams": found}


def _gone(words: str, *, status: int) -> Response:
    body = problem(words, where="the recording", next_step="play on, or choose another upstream")
    return JSONResponse(body, status_code=status)


def _number(body: Json, key: str) -> float | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise ValueError(key)
    return float(value)


async def _small_object(request: Request) -> Json:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise ValueError("too large")
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the request is at fault
    return document
