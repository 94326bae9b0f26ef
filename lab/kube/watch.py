"""Follow all objects of a kind: list them, then watch changes.

A watch continues at the last version that it has seen, so that nothing is missed and nothing is listed twice. When the
server no longer knows that version (410 Gone), the objects are listed again (Kubernetes documentation, "Efficient
detection of changes").
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

from lab.base import cancel, wait
from lab.base.names import Json
from lab.kube.client import Kube
from lab.kube.errors import KubeError
from lab.kube.objects import Obj
from lab.kube.transport import Lines

_PAGE = 250
"""Objects of one answer, which bounds the memory for a list."""
_WATCH_S = 300
"""After this time the server ends a watch by itself, and the next one continues."""
_SILENCE_S = 90.0
"""Without a byte for this time, a connection counts as broken: the server sends a bookmark each minute."""
_AGAIN_S = 1.0
_NOT_SERVED_S = 15.0
"""Time until the lab looks again for a kind that the server does not serve."""
_GONE = 410

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class Present:
    """The object exists, as listed or as just changed."""

    obj: Obj


@dataclass(frozen=True)
class Absent:
    """The object does not exist any more."""

    key: Key


@dataclass(frozen=True)
class Complete:
    """The list is complete: no other objects exist."""

    keys: frozenset[Key]


@dataclass(frozen=True)
class Following:
    """The server sends changes from now on."""


@dataclass(frozen=True)
class Lost:
    """The server does not answer, or it refuses; the words say why. The next attempt comes by itself."""

    words: str
    refused: bool = False


Sighting = Present | Absent | Complete | Following | Lost


class _ExpiredError(Exception):
    """The server does not know the version any more."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """All objects of one kind in one cluster.

    Args:
        connect: returns the API of the cluster; called for each list and each watch.
        api_version: the kind's version.
        kind: the kind. A kind that the server does not serve has no objects.
        opened: receives each open connection, so that another thread can end it.
    """

    connect: Callable[[], Kube]
    api_version: str
    kind: str
    opened: Callable[[Lines], None] = lambda _: None

    def sightings(self) -> Iterator[Sighting]:
        """Yield what happens to the objects, until the run is cancelled.

        A watch that is open ends at once when the run is cancelled; a request that waits for its answer when its time
        is over.

        Raises:
            Cancelled: the run was cancelled.
        """
        version = ""
        while True:
            began = time.monotonic()
            try:
                version = version or (yield from self._list())
                if version:
                    version = yield from self._watch(version)
            except _ExpiredError:
                version = ""
            except KubeError as error:
                # An answer with a status says that this version, or this request, does not work.
                version = "" if error.status else version
                yield Lost(error.what, refused=bool(error.status))
            else:
                if not version:
                    self._pause(_NOT_SERVED_S)
                    continue
            # A server that ends each watch at once must not get a flood of them.
            if time.monotonic() - began < _AGAIN_S:
                self._pause(_AGAIN_S)

    def _pause(self, seconds: float) -> None:
        wait.pause(seconds)
        cancel.token().check(f"watch {self.kind}")

    def _list(self) -> Generator[Sighting, None, str]:
        """Yield all objects, and return the version of the list; empty if the kind is not served."""
        keys: set[Key] = set()
        version, after = "", ""
        while True:
            query: dict[str, str | int] = {"limit": _PAGE, **({"continue": after} if after else {})}
            try:
                page = self.connect().page(self.api_version, self.kind, query=query)
            except KubeError as error:
                if error.status == _GONE:
                    raise _ExpiredError from error
                raise
            for item in (page or {}).get("items") or []:
                # Items of a list lack apiVersion and kind, which only the list has.
                obj = {**item, "apiVersion": self.api_version, "kind": self.kind}
                keys.add(key_of(obj))
                yield Present(obj)
            metadata = (page or {}).get("metadata") or {}
            version, after = str(metadata.get("resourceVersion", "")), str(metadata.get("continue", ""))
            if not after:
                yield Complete(frozenset(keys))
                return version

    def _watch(self, version: str) -> Generator[Sighting, None, str]:
        """Yield changes after a version until the connection ends, and return the last version."""
        query: dict[str, str | int] = {
            "watch": 1,
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": _WATCH_S,
        }
        try:
            lines = self.connect().follow(self.api_version, self.kind, query=query, silence_s=_SILENCE_S)
        except KubeError as error:
            if error.status == _GONE:
                raise _ExpiredError from error
            raise
        token = cancel.token()
        with closing(lines), token.calling(lines.end):
            self.opened(lines)
            yield Following()
            try:
                for line in lines:
                    sighting, version = self._read(line, version)
                    if sighting is not None:
                        yield sighting
            except KubeError as error:
                token.check(f"watch {self.kind}")
                if error.status:
                    raise
                # It was open, and then it broke: the next attempt says whether the server is there.
        token.check(f"watch {self.kind}")
        return version

    def _read(self, line: bytes, version: str) -> tuple[Sighting | None, str]:
        try:
            event: Json = json.loads(line)
            kind, obj = event["type"], event["object"]
            if kind == "ERROR":
                raise self._refused(obj)
            version = str(obj["metadata"].get("resourceVersion", version))
            if kind == "BOOKMARK":
                return None, version
            return (Absent(key_of(obj)) if kind == "DELETED" else Present(obj)), version
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KubeError(f"watch {self.kind}: not a line of a watch", where="", status=502) from error

    def _refused(self, status: Obj) -> Exception:
        code = int(status.get("code", 500))
        message = str(status.get("message", "")) or f"HTTP {code}"
        return _ExpiredError() if code == _GONE else KubeError(f"watch {self.kind}: {message}", where="", status=code)


def key_of(obj: Obj) -> Key:
    """Return the namespace and the name of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
