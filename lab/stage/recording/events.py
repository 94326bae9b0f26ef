"""Turn the stage's events into lines: states and panels as changes, now and then as a whole; all without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.base.names import Json
from lab.base.redaction import redact_json
from lab.stage.recording import delta
from lab.stage.recording.journal import line
from lab.stage.recording.redacting import KeyLines

_WHOLE_AGAIN_S = 60.0
_WHOLE_AGAIN_LINES = 300
"""A document is written as a whole after this time or so many changes: a damaged line costs no more than until then."""

_PANEL_S = 1.0
"""Of the panels of a cluster within this time, the last one is written."""


def event_line(at_s: float, name: str, data: Json) -> str:
    """Return an event as a line."""
    return line({"t": round(at_s, 3), "name": name, "data": data})


@dataclass
class _Document:
    """A document of which changes are written."""

    last: Json = None
    whole_at_s: float = float("-inf")
    lines: int = 0

    def next(self, at_s: float, document: Json) -> Json:
        """Return what to write: `{"whole": …}` or `{"changes": …}`; None if nothing has changed."""
        changed = delta.changes(self.last, document)
        if not changed:
            return None
        whole = at_s - self.whole_at_s >= _WHOLE_AGAIN_S or self.lines >= _WHOLE_AGAIN_LINES
        if whole or changed[0][0] == []:
            self.whole_at_s, self.lines = at_s, 0
            # Equal to what a reader has put together from changes: secrets are removed from the parts.
            self.last, written = document, {"whole": redact_json(document)}
        else:
            self.lines += 1
            self.last, written = document, {"changes": redact_json(changed)}
        return written


@dataclass
class EventLines:
    """Makes the lines of `events.jsonl`. Panels wait for `flush`: many changes in a second are one."""

    _state: _Document = field(default_factory=_Document)
    _panels: dict[str, _Document] = field(default_factory=dict)
    _waiting: dict[str, tuple[float, Json]] = field(default_factory=dict)
    _keys: dict[str, KeyLines] = field(default_factory=dict)

    def of(self, at_s: float, name: str, data: Json) -> Iterator[str]:
        """Yield the lines of an event."""
        match name:
            case "panel":
                cluster = str(data["cluster"])
                earlier_s, earlier = self._waiting.get(cluster, (at_s, None))
                if at_s - earlier_s >= _PANEL_S:
                    yield from self._panel(earlier_s, cluster, earlier)
                self._waiting[cluster] = (at_s, data)
            case "state":
                # How an audience takes part, with its address, is over when a recording is played.
                data = {**data, "audience": None}
                if (written := self._state.next(at_s, data)) is not None:
                    yield event_line(at_s, "state", written)
            case "output":
                keys = self._keys.setdefault(str(data.get("console")), KeyLines())
                yield event_line(at_s, name, {**redact_json(data), "text": keys.clean(str(data.get("text", "")))})
            case _:
                yield event_line(at_s, name, redact_json(data))

    def flush(self) -> Iterator[str]:
        """Yield the lines of the panels that have changed since the last call."""
        for cluster, (at_s, panel) in self._waiting.items():
            yield from self._panel(at_s, cluster, panel)
        self._waiting.clear()

    def _panel(self, at_s: float, cluster: str, panel: Json) -> Iterator[str]:
        written = self._panels.setdefault(cluster, _Document()).next(at_s, panel)
        if written is not None:
            yield event_line(at_s, "panel", {"cluster": cluster, **written})
