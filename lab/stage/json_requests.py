"""Requests with a small JSON object: read it within limits, and answer errors in the form of all errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from lab.base.names import Json
from lab.stage.parts import Declined
from lab.stage.security import problem

MOST_BYTES = 64 << 10
BODY_S = 10.0
"""How long the whole body of a request may take."""


class BadRequestError(Exception):
    """A request that does not have the form of its endpoint."""

    def __init__(self, what: str, *, next_step: str, status: int = 400) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step
        self.status = status


Endpoint = Callable[[Request], Awaitable[Response]]


def answered(endpoint: Endpoint) -> Endpoint:
    """Turn the errors of an endpoint into answers."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        where = f"{request.method} {request.url.path}"
        try:
            return await endpoint(request)
        except BadRequestError as error:
            return JSONResponse(problem(error.what, where=where, next_step=error.next_step), status_code=error.status)
        except Declined as error:
            body = problem(error.what, where=error.where or where, next_step=error.next or "wait, or interrupt it")
            return JSONResponse(body, status_code=409)
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


async def read_object(request: Request) -> dict[str, Json]:
    """Read a small JSON object; no body is an empty one.

    Raises:
        BadRequestError: it is not one, is too large, or does not come in time.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequestError(
            "the body is not JSON", next_step="send it with Content-Type: application/json", status=415
        )
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise BadRequestError(
                        "the body is too large", next_step=f"send at most {MOST_BYTES >> 10} KiB", status=413
                    )
    except TimeoutError:
        raise BadRequestError("the body did not come", next_step="send it at once", status=408) from None
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise BadRequestError("the body is not valid JSON", next_step="send a JSON object") from None
    if not isinstance(found, dict):
        raise BadRequestError("the body is not a JSON object", next_step="send a JSON object")
    return found
