"""Follow one cluster: a thread for each watch, one for a heartbeat, and one that publishes.

A watch that says nothing can be quiet, or its server can be gone. So the heartbeat asks the API server every two
seconds whether it is ready; nothing else is polled, except links on a mesh that publishes them in no object.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from lab.base import cancel, wait
from lab.base.cancel import Cancelled
from lab.base.errors import LabError
from lab.base.names import Json
from lab.kube import Kube, KubeError
from lab.kube.transport import Lines
from lab.kube.watch import Complete, Following, Lost, Watch
from lab.mesh.model import Link
from lab.stage.panel.model import ClusterModel, Kind
from lab.stage.panel.rows import words

EVERY_S = 0.25
"""Shortest time between two panels of a cluster."""
_BEAT_S, _BEAT_TIMEOUT_S = 2.0, 2.0
_LIST_TIMEOUT_S = 5.0
_NODE_S = 5.0
"""Time between two looks at the node of a cluster that does not answer."""
_LINKS_S, _LINKS_APART_S = 10.0, 3.0
"""Longest and shortest time between two looks at the links."""


class Follower:
    """Follows one cluster, and publishes its panel when something changed, at most four times a second.

    Args:
        model: the cluster's objects.
        connect: returns the cluster's API with a time limit in seconds.
        node: returns why the cluster's node does not run, as text; empty if it runs.
        links: returns the cluster's links, if no objects have their state.
        publish: takes the panel; called from one thread.
    """

    def __init__(
        self,
        model: ClusterModel,
        *,
        connect: Callable[[float], Kube],
        node: Callable[[], str],
        links: Callable[[], Sequence[Link]] | None,
        publish: Callable[[Json], None],
    ) -> None:
        self._model = model
        self._connect = connect
        self._node = node
        self._links = links
        self._publish = publish
        self._guard = threading.Lock()
        self._dirty, self._beat, self._ask = threading.Event(), threading.Event(), threading.Event()
        self._open: dict[Kind, Lines] = {}
        self._silent: set[Kind] = set(model.watched)
        """Kinds whose objects were not listed yet, and whose list was not refused."""
        self._refused: dict[Kind, str] = {}
        self._problem: str | None = None
        """Why the cluster does not answer, empty if it does, None before the first heartbeat."""
        self._settled = False
        """All objects were listed once: from now on, rows that come are new."""

    def start(self, token: cancel.Token) -> list[threading.Thread]:
        """Start all threads; they end when the token is cancelled."""
        work: list[tuple[str, Callable[[], None]]] = [("publish", self._publishing), ("heartbeat", self._beating)]
        work += [(kind[1], partial(self._watching, kind)) for kind in self._model.watched]
        if self._links is not None:
            work.append(("links", self._asking))
        threads = []
        for name, target in work:
            thread = threading.Thread(
                target=self._run, args=(token, target), name=f"{self._model.cluster} {name}", daemon=True
            )
            thread.start()
            threads.append(thread)
        return threads

    def _run(self, token: cancel.Token, target: Callable[[], None]) -> None:
        def wake() -> None:
            for event in (self._dirty, self._beat, self._ask):
                event.set()

        with cancel.using(token), token.calling(wake), suppress(Cancelled):
            target()

    # Watches

    def _watching(self, kind: Kind) -> None:
        def opened(lines: Lines) -> None:
            self._open[kind] = lines

        watch = Watch(connect=lambda: self._connect(_LIST_TIMEOUT_S), api_version=kind[0], kind=kind[1], opened=opened)
        for sighting in watch.sightings():
            with self._guard:
                self._model.see(kind, sighting)
                if isinstance(sighting, Complete | Following | Lost):
                    self._note(kind, sighting)
            self._dirty.set()
            self._ask.set()

    def _note(self, kind: Kind, sighting: Complete | Following | Lost) -> None:
        if isinstance(sighting, Lost):
            self._beat.set()
            if not sighting.refused:
                return
            self._refused[kind] = sighting.words
        else:
            self._refused.pop(kind, None)
        if not isinstance(sighting, Following):
            self._silent.discard(kind)

    # Heartbeat

    def _beating(self) -> None:
        looked_s, node = 0.0, ""
        while True:
            problem = self._unanswered()
            if problem and time.monotonic() - looked_s > _NODE_S:
                node, looked_s = self._node_words(), time.monotonic()
            self._judge(f"{self._model.cluster} does not answer: {node or problem}" if problem else "")
            cancel.token().check("heartbeat")
            if problem:
                wait.pause(_BEAT_S / 2)  # a nudge of every watch that fails must not become a flood
            else:
                looked_s, node = 0.0, ""
                self._beat.wait(_BEAT_S)
            self._beat.clear()

    def _unanswered(self) -> str:
        try:
            self._connect(_BEAT_TIMEOUT_S).read("/readyz", timeout_s=_BEAT_TIMEOUT_S)
        except KubeError as error:
            return words(error.what)
        return ""

    def _node_words(self) -> str:
        try:
            return self._node()
        except LabError:  # the engine does not answer either
            return ""

    def _judge(self, problem: str) -> None:
        with self._guard:
            before, self._problem = self._problem, problem
        if before and not problem:
            # A connection that survived may belong to a server that is gone: the watches continue on new ones.
            for lines in list(self._open.values()):
                lines.end()
        if before != problem:
            self._dirty.set()
            self._ask.set()

    # Links

    def _asking(self) -> None:
        assert self._links is not None  # noqa: S101 - else this thread is not started
        while True:
            with suppress(LabError):
                links = self._links()
                with self._guard:
                    self._model.links = links
                self._dirty.set()
            wait.pause(_LINKS_APART_S)
            cancel.token().check("links")
            self._ask.wait(_LINKS_S)
            self._ask.clear()

    # Panels

    def _publishing(self) -> None:
        last: Json = None
        while True:
            cancel.token().check("panel")
            with self._guard:
                panel = self._panel()
                due_s = self._model.due_s()
            if panel is not None and panel != last:
                last = panel
                self._publish(_dated(panel, time.time()))
                wait.pause(EVERY_S)
            self._dirty.wait(None if due_s is None else max(0.0, due_s - time.monotonic()))
            self._dirty.clear()

    def _panel(self) -> Json:
        """Return the panel without times; None while it is not known."""
        if self._problem is None or (not self._problem and self._silent):
            return None
        lists = self._model.lists(time.monotonic(), quiet=not self._settled)
        self._settled = not self._silent
        return {
            "cluster": self._model.cluster,
            "reachable": not self._problem,
            "problem": self._problem or next(iter(self._refused.values()), None),
            **lists,
        }


def _dated(panel: Json, now: float) -> Json:
    """Return a panel with its time, and the age of its pods in seconds."""
    pods = [
        {
            **{name: value for name, value in pod.items() if name != "created"},
            "age_s": round(max(0.0, now - pod["created"])) if pod["created"] is not None else None,
        }
        for pod in panel["pods"]
    ]
    return {**panel, "at": round(now, 3), "pods": pods}
