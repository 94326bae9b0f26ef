"""The JSON endpoints: each reads a small JSON object, passes the request to the stage, and returns at once."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.base.names import Json
from lab.scenario.presenter import Wish
from lab.stage.json_requests import BadRequestError, answered, read_object
from lab.stage.parts import Stage
from lab.stage.security import Door, problem

MOST_MARK = 120
"""Characters of a mark's text."""
_WISHES = {wish.value: wish for wish in Wish}


def routes() -> list[Route]:
    """Return the routes of all JSON endpoints."""
    return [
        Route("/api/session", session, methods=["POST"]),
        Route("/api/state", state),
        Route("/api/wish", wish, methods=["POST"]),
        Route("/api/check-until-green", check_until_green, methods=["POST"]),
        Route("/api/interrupt", interrupt, methods=["POST"]),
        Route("/api/jump", jump, methods=["POST"]),
        Route("/api/faults/{name}", fault, methods=["POST"]),
        Route("/api/mark", mark, methods=["POST"]),
    ]


@answered
async def session(request: Request) -> Response:
    """Exchange the token for the cookie."""
    body = await read_object(request)
    door: Door = request.app.state.door
    if not await door.admit(_text(body, "token", most=200)):
        what = "this token is not the one of this start"
        return JSONResponse(
            problem(what, where="token", next_step=f"open the URL that `{door.command}` printed last"), status_code=403
        )
    response = Response(status_code=204)
    door.give(response)
    request.app.state.admitted()
    return response


@answered
async def state(request: Request) -> Response:
    """Return the whole state."""
    return JSONResponse(_stage(request).state())


@answered
async def wish(request: Request) -> Response:
    """Do what a presenter wishes."""
    body = await read_object(request)
    name = _text(body, "wish", most=20)
    if name not in _WISHES:
        raise BadRequestError(f"{name!r} is not a wish", next_step=f"one of: {', '.join(_WISHES)}")
    _stage(request).wish(_WISHES[name], at=_at(body), turn=_turn(body))
    return _accepted()


@answered
async def check_until_green(request: Request) -> Response:
    """Repeat the checks of the current step until they are green."""
    _stage(request).check_until_green(at=_at(await read_object(request)))
    return _accepted()


@answered
async def interrupt(request: Request) -> Response:
    """Stop what runs."""
    await read_object(request)
    _stage(request).interrupt()
    return _accepted()


@answered
async def jump(request: Request) -> Response:
    """Move to a step or an act."""
    to = (await read_object(request)).get("to")
    if isinstance(to, bool) or not isinstance(to, str | int):
        raise BadRequestError("`to` is missing", next_step='send "scenario/step", or the number of an act')
    _stage(request).jump(to)
    return _accepted()


@answered
async def fault(request: Request) -> Response:
    """Inject a fault, or undo it."""
    name = str(request.path_params["name"])
    action = _text(await read_object(request), "action", most=20)
    if action not in {"inject", "undo"}:
        raise BadRequestError(f"{action!r} is not an action", next_step='send "inject" or "undo"')
    try:
        _stage(request).fault(name, undo=action == "undo")
    except KeyError:
        what = f"unknown fault {name!r}"
        raise BadRequestError(what, next_step="see `faults` of GET /api/state", status=404) from None
    return _accepted()


@answered
async def mark(request: Request) -> Response:
    """Set a mark on the page's timeline."""
    text = _text(await read_object(request), "text", most=MOST_MARK).strip()
    if not text or not text.isprintable():
        raise BadRequestError("the mark's text is empty or has control characters", next_step="send printable text")
    _stage(request).mark(text)
    return _accepted()


def _stage(request: Request) -> Stage:
    found: Stage = request.app.state.stage
    return found


def _accepted() -> Response:
    return JSONResponse({}, status_code=202)


def _text(body: dict[str, Json], key: str, *, most: int) -> str:
    value = body.get(key)
    if not isinstance(value, str) or len(value) > most:
        raise BadRequestError(f"`{key}` is missing or too long", next_step=f"send text of at most {most} characters")
    return value


def _at(body: dict[str, Json]) -> str | None:
    value = body.get("at", "")
    if value is not None and (not isinstance(value, str) or not value):
        raise BadRequestError("`at` is missing", next_step="send the state's `current`: scenario/step, or null")
    return value


def _turn(body: dict[str, Json]) -> int | None:
    value = body.get("turn")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise BadRequestError("`turn` is not a number", next_step="send the state's `turn`, or leave it out")
    return value
