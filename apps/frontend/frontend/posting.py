"""Bodies that are posted: who may post, how large they may be, and which fields they may have."""

import json
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request

from frontend.errors import ApiError

MAX_BODY_BYTES = 4096


async def posted(request: Request, *, stage_port: int) -> bytes:
    """Return the body of a POST that no page of another origin has sent.

    A browser names the origin of the page that sends a request; programs send none. The page's own origin counts only
    if its host is `localhost` or an address: a name of somebody else could lead here (DNS rebinding).

    Raises:
        ApiError: 403 for another origin, 413 for a large body, 415 for one that is not JSON.
    """
    headers = request.headers
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError(415, what="the body is not application/json", where="header content-type", next_step="send JSON")
    origin = headers.get("origin")
    if origin is not None and not _is_allowed(origin, host=headers.get("host", ""), stage_port=stage_port):
        raise ApiError(
            403,
            what=f"a page from {origin} may not post here",
            where="header origin",
            next_step="open this frontend's own page, or the stage's",
        )
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(
                413, what=f"the body is larger than {MAX_BODY_BYTES} bytes", where="body", next_step="send less"
            )
    return bytes(body)


def fields_of(body: bytes, *, allowed: Collection[str], example: str) -> dict[str, object]:
    """Return the fields of a JSON object that has none but the `allowed` ones.

    Raises:
        ApiError: 400, with the first problem and the `example`.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad_body("the body is not JSON", example=example) from error
    if not isinstance(fields, dict):
        raise bad_body("the body is not a JSON object", example=example)
    if unknown := sorted(set(fields) - set(allowed)):
        raise bad_body(f"unknown field {unknown[0]!r}", example=example)
    return fields


def bad_body(what: str, *, example: str) -> ApiError:
    """Return the error of a body whose content is wrong."""
    return ApiError(400, what=what, where="body", next_step=f"send {example}")


def _is_allowed(origin: str, *, host: str, stage_port: int) -> bool:
    stage = {f"http://{name}:{stage_port}" for name in ("127.0.0.1", "localhost")}
    return origin in stage or (origin == f"http://{host}" and _is_local_or_address(origin))


def _is_local_or_address(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or bool(re.fullmatch(r"[0-9.]+|[0-9a-f:]+", host))
