"""Marks: changes of the lab that the stage, a command or a person tells, for all open streams."""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from frontend.errors import ApiError

KEPT = 200
MAX_TEXT = 120
MAX_BODY_BYTES = 4096
PER_S, BURST = 10.0, 30.0
WAITING = 50
"""Marks that a stream may be behind; further ones are left out there."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class MarkKind(StrEnum):
    """Where a mark comes from."""

    STEP = "step"
    COMMAND = "command"
    FAULT = "fault"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One mark. `at` is Unix time; `intended` says that requests that are lost from now on are meant to be."""

    id: int
    at: float
    monotonic_s: float
    text: str
    kind: MarkKind
    intended: bool

    def as_json(self) -> dict[str, object]:
        """The mark as the API shows it."""
        return {"id": self.id, "at": self.at, "text": self.text, "kind": self.kind, "intended": self.intended}


class MarkBoard:
    """The latest marks, and those who wait for the next one."""

    def __init__(self) -> None:
        self._marks: deque[Mark] = deque(maxlen=KEPT)
        self._readers: set[asyncio.Queue[Mark]] = set()
        self._next_id = 1
        self._tokens, self._refilled = BURST, time.monotonic()

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The latest marks, oldest first."""
        return tuple(self._marks)

    def post(self, *, text: str, kind: MarkKind, intended: bool) -> Mark:
        """Add a mark at this moment.

        Raises:
            ApiError: 429 if marks come faster than people and steps make them.
        """
        now = time.monotonic()
        self._tokens, self._refilled = min(BURST, self._tokens + (now - self._refilled) * PER_S), now
        if self._tokens < 1:
            raise ApiError(
                429, what=f"more than {PER_S:g} marks per second", where="/api/marks", next_step="wait a second"
            )
        self._tokens -= 1
        mark = Mark(
            id=self._next_id, at=round(time.time(), 3), monotonic_s=now, text=text, kind=kind, intended=intended
        )
        self._next_id += 1
        self._marks.append(mark)
        for reader in self._readers:
            if not reader.full():
                reader.put_nowait(mark)
        return mark

    @contextmanager
    def reading(self) -> Iterator[asyncio.Queue[Mark]]:
        """Yield a queue that gets each mark from now on."""
        reader: asyncio.Queue[Mark] = asyncio.Queue(maxsize=WAITING)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)


@dataclass(frozen=True, kw_only=True)
class NewMark:
    """A mark that a client sends."""

    text: str
    kind: MarkKind
    intended: bool


def parse_mark(body: bytes) -> NewMark:
    """Read the body of a POST: `{"text": …, "kind": "step|command|fault|note", "intended": true|false}`.

    Raises:
        ApiError: 400, with the first problem.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _bad("the body is not JSON") from error
    if not isinstance(fields, dict):
        raise _bad("the body is not a JSON object")
    unknown = sorted(set(fields) - {"text", "kind", "intended"})
    if unknown:
        raise _bad(f"there is no field {unknown[0]!r}")
    text, kind, intended = fields.get("text"), fields.get("kind", MarkKind.NOTE), fields.get("intended", False)
    if not isinstance(text, str) or not (words := " ".join(_UNPRINTABLE.sub(" ", text).split())):
        raise _bad("'text' is not a text with at least one character")
    if len(words) > MAX_TEXT:
        raise _bad(f"'text' has {len(words)} characters, more than {MAX_TEXT}")
    if kind not in list(MarkKind):
        raise _bad(f"kind={kind!r} is not known")
    if not isinstance(intended, bool):
        raise _bad("'intended' is not true or false")
    return NewMark(text=words, kind=MarkKind(kind), intended=intended)


def check_poster(headers: Mapping[str, str], *, stage_port: int) -> None:
    """Check that no page of another origin posts a mark, and that the body is JSON.

    A browser names the origin of the page that sends a request; programs send none. The page's own origin counts only
    if its host is `localhost` or an address: a name of somebody else could lead here (DNS rebinding).

    Raises:
        ApiError: 403 for another origin, 415 for another content type.
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError(415, what="the body is not application/json", where="header content-type", next_step="send JSON")
    origin = headers.get("origin")
    if origin is None:
        return
    stage = {f"http://{host}:{stage_port}" for host in ("127.0.0.1", "localhost")}
    if origin in stage or (origin == f"http://{headers.get('host', '')}" and _is_local_or_address(origin)):
        return
    raise ApiError(
        403,
        what=f"a page from {origin} may not set marks here",
        where="header origin",
        next_step="open this frontend's own page, or the stage's",
    )


def _is_local_or_address(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or bool(re.fullmatch(r"[0-9.]+|[0-9a-f:]+", host))


def _bad(what: str) -> ApiError:
    return ApiError(
        400,
        what=what,
        where="body",
        next_step='send {"text": "kill podinfo", "kind": "step|command|fault|note", "intended": true}',
    )
