"""Parse server-sent events (WHATWG HTML, "Server-sent events", 9.2.6 "Interpreting an event stream")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerEvent:
    """One event: its name, its data (lines joined by a newline), and its id, empty if it has none."""

    name: str
    data: str
    id: str = ""


def parse(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Yield the events of a stream's lines; comments, events without data and a cut event at the end are left out."""
    name, data, event_id = "", list[str](), ""
    for raw in lines:
        line = raw.rstrip("\r\n")
        if not line:
            if data:
                yield ServerEvent(name=name or "message", data="\n".join(data), id=event_id)
            name, data, event_id = "", [], ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "data":
                data.append(value)
            case "id":
                event_id = value
            case _:  # a comment, `retry`, or a field of a later standard
                pass
