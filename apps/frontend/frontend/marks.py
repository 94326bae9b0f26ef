"""Marks: changes of the lab that the stage, a command or a person tells, for all open streams."""

import re
import time
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from frontend.errors import ApiError
from frontend.fanout import Fanout
from frontend.pace import Bucket
from frontend.posting import bad_body, fields_of

KEPT = 200
MAX_TEXT = 120
PER_S, BURST = 10.0, 30.0
WAITING = 50
"""Marks that a stream may be behind; further ones are left out there."""
_EXAMPLE = '{"text": "kill podinfo", "kind": "step|command|fault|note", "intended": true}'
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
    """The latest marks; `news` gives each new one to the open streams."""

    def __init__(self) -> None:
        self._marks: deque[Mark] = deque(maxlen=KEPT)
        self.news: Fanout[Mark] = Fanout(WAITING)
        self._next_id = 1
        self._bucket = Bucket(PER_S, burst=BURST)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The latest marks, oldest first."""
        return tuple(self._marks)

    def post(self, *, text: str, kind: MarkKind, intended: bool) -> Mark:
        """Add a mark at this moment.

        Raises:
            ApiError: 429 if marks come faster than people and steps make them.
        """
        if not self._bucket.take():
            raise ApiError(
                429, what=f"more than {PER_S:g} marks per second", where="/api/marks", next_step="wait a second"
            )
        mark = Mark(
            id=self._next_id,
            at=round(time.time(), 3),
            monotonic_s=time.monotonic(),
            text=text,
            kind=kind,
            intended=intended,
        )
        self._next_id += 1
        self._marks.append(mark)
        self.news.send(mark)
        return mark


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
    fields = fields_of(body, allowed={"text", "kind", "intended"}, example=_EXAMPLE)
    text, kind, intended = fields.get("text"), fields.get("kind", MarkKind.NOTE), fields.get("intended", False)
    if not isinstance(text, str) or not (words := " ".join(_UNPRINTABLE.sub(" ", text).split())):
        raise bad_body("'text' is not a text with at least one character", example=_EXAMPLE)
    if len(words) > MAX_TEXT:
        raise bad_body(f"'text' has {len(words)} characters, more than {MAX_TEXT}", example=_EXAMPLE)
    if not isinstance(kind, str) or kind not in list(MarkKind):
        raise bad_body(f"kind={kind!r} is not known", example=_EXAMPLE)
    if not isinstance(intended, bool):
        raise bad_body("'intended' is not true or false", example=_EXAMPLE)
    return NewMark(text=words, kind=MarkKind(kind), intended=intended)
