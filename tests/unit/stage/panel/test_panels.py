"""The panels of clusters whose API servers really serve watches, go away, fall silent and come back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest

from lab.base import cancel
from lab.base.errors import HostError
from lab.base.names import Json
from lab.clusters import Node, NodeStatus
from lab.lab import Lab
from lab.mesh.model import Link
from lab.stacks import STACKS
from lab.stacks.istio.mesh import IstioMesh
from lab.stage.panel import follower, panels
from lab.stage.panel.panels import LivePanels
from lab.stage.parts import Panels
from tests.unit.http_api import PATIENCE_S, ApiServer, serving, write_kubeconfig
from tests.unit.stage.panel.objects import pod


class World:
    """Two API servers, the states of their nodes, and the panels that were published."""

    def __init__(self, lab: Lab, servers: dict[str, ApiServer]) -> None:
        self.lab, self.servers = lab, servers
        self.nodes = dict.fromkeys(servers, NodeStatus.RUNNING)
        self.engine = True
        self.came: dict[str, queue.Queue[Json]] = {name: queue.Queue() for name in servers}
        self.panels: Panels = LivePanels(lab, STACKS["linkerd"])

    def look(self, lab: Lab) -> dict[str, Node]:
        if not self.engine:
            raise HostError("the container engine does not answer")
        return {name: Node(name=name, status=status) for name, status in self.nodes.items()}

    def publish(self, panel: Json) -> None:
        self.came[panel["cluster"]].put(panel)

    def until(self, cluster: str, holds: Callable[[Json], object]) -> Json:
        """Return the first panel of a cluster that fits."""
        while not holds(panel := self.came[cluster].get(timeout=PATIENCE_S)):
            pass
        return panel

    def add_pod(self, name: str, cluster: str = "east", **status: object) -> None:
        obj = pod(name, **status)  # type: ignore[arg-type]
        more = {key: value for key, value in obj["metadata"].items() if key in {"labels", "creationTimestamp"}}
        self.servers[cluster].put("Pod", name, "test", metadata=more, spec=obj["spec"], status=obj["status"])


@pytest.fixture
def world(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(ApiServer())) for name in lab.clusters}
        write_kubeconfig(lab.paths.kubeconfig, servers)
        made = World(lab, servers)
        monkeypatch.setattr(panels, "provider", lambda: SimpleNamespace(look=made.look))
        monkeypatch.setattr(follower, "_BEAT_S", 0.05)
        monkeypatch.setattr(follower, "_NODE_S", 0.0)
        yield made
        made.panels.close()


@contextmanager
def started(world: World) -> Iterator[None]:
    world.panels.start(world.publish)
    yield
    world.panels.close()


def names(panel: Json, what: str = "pods") -> list[tuple[str, str | None]]:
    return [(row["name"], row["change"]) for row in panel[what]]


def test_a_panel_shows_what_is_there_and_marks_what_changes(world: World) -> None:
    world.add_pod("a")
    with started(world):
        first = world.until("east", lambda panel: panel["reachable"])
        assert names(first) == [("a", None)]
        assert set(first) == {
            *("cluster", "at", "reachable", "problem", "pods", "services", "gateways", "links", "policies", "events")
        }
        assert first["problem"] is None
        assert first["pods"][0]["age_s"] > 0
        world.add_pod("b")
        world.servers["east"].remove("Pod", "a", "test")
        assert names(world.until("east", lambda panel: len(names(panel)) == 2)) == [("a", "gone"), ("b", "new")]
        world.until("west", lambda panel: panel["reachable"])
        assert [panel["cluster"] for panel in world.panels.latest()] == ["east", "west"]


def test_marks_end_without_a_further_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.stage.panel.marks.KEPT_S", 0.3)
    with started(world):
        world.until("east", lambda panel: panel["reachable"])
        world.add_pod("a")
        world.until("east", lambda panel: names(panel) == [("a", "new")])
        world.until("east", lambda panel: names(panel) == [("a", None)])


def test_a_cluster_that_stops_says_so_and_comes_back(world: World) -> None:
    world.add_pod("a")
    with started(world):
        world.until("east", lambda panel: panel["reachable"])
        world.nodes["east"] = NodeStatus.STOPPED
        world.servers["east"].stop()
        lost = world.until("east", lambda panel: not panel["reachable"] and "node" in panel["problem"])
        assert lost["problem"] == "east does not answer: its node is stopped"
        assert names(lost) == [("a", None)], "what was seen last stays"
        world.add_pod("b")
        world.servers["east"].start()
        back = world.until("east", lambda panel: panel["reachable"] and len(names(panel)) == 2)
        assert names(back) == [("a", None), ("b", "new")]
        assert back["problem"] is None


def test_a_server_that_falls_silent_is_noticed_and_its_watches_continue(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_BEAT_TIMEOUT_S", 0.2)
    api = world.servers["east"]
    with started(world):
        world.until("east", lambda panel: panel["reachable"])
        watches = len(api.watches("Pod"))
        api.silent = True
        lost = world.until("east", lambda panel: not panel["reachable"])
        assert lost["problem"] == "east does not answer: the API server does not answer (ReadTimeoutError)"
        with api.came:
            api.silent = False
            api.came.notify_all()
        world.until("east", lambda panel: panel["reachable"])
        api.wait(lambda: len(api.watches("Pod")) > watches)
        world.add_pod("a")
        world.until("east", lambda panel: names(panel) == [("a", "new")])
        assert len(api.lists("Pod")) == 1


def test_a_cluster_that_never_answered_says_why(world: World) -> None:
    world.servers["east"].stop()
    world.engine = False
    with started(world):
        lost = world.until("east", lambda panel: not panel["reachable"])
        assert lost["problem"] == "east does not answer: the API server does not answer (NewConnectionError)"
        assert lost["pods"] == []
        world.add_pod("a")
        world.servers["east"].start()
        back = world.until("east", lambda panel: panel["reachable"])
        assert names(back) == [("a", None)]


def test_a_kind_that_the_server_refuses_is_named_and_the_others_are_shown(world: World) -> None:
    world.servers["east"].refused["/api/v1/events"] = 403
    world.add_pod("a")
    with started(world):
        panel = world.until("east", lambda panel: panel["reachable"])
        assert panel["problem"] == "/api/v1/events: refused by the test"
        assert names(panel) == [("a", None)]
        del world.servers["east"].refused["/api/v1/events"]
        assert world.until("east", lambda panel: panel["problem"] is None)["reachable"]


def test_many_changes_become_one_panel(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two panels there is a pause, and what happens in it comes together."""
    pauses: queue.Queue[float] = queue.Queue()
    gate = threading.Event()

    def pause(seconds: float) -> None:
        if seconds == follower.EVERY_S:
            pauses.put(seconds)
            gate.wait(PATIENCE_S)

    monkeypatch.setattr(follower, "wait", SimpleNamespace(pause=pause))
    with started(world):
        world.until("east", lambda panel: panel["reachable"])
        assert pauses.get(timeout=PATIENCE_S) == 0.25
        for number in range(20):
            world.add_pod(f"p{number:02}")
        gate.set()
        panel = world.until("east", lambda panel: len(panel["pods"]) == 20)
        assert {change for _, change in names(panel)} == {"new"}


def test_threads_end_when_the_run_is_cancelled(world: World, token: cancel.Token) -> None:
    before = threading.active_count()
    world.panels.start(world.publish)
    world.until("east", lambda panel: panel["reachable"])
    threads = list(world.panels._threads)  # type: ignore[attr-defined]
    assert threading.active_count() > before
    token.cancel()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), thread.name


def test_no_request_asks_for_a_secret_and_nothing_is_asked_again_and_again(world: World) -> None:
    with started(world):
        world.until("east", lambda panel: panel["reachable"])
        world.add_pod("a")
        world.until("east", lambda panel: names(panel) == [("a", "new")])
    asked = world.servers["east"].asked
    assert not [path for path in asked if "secrets" in path or "configmaps" in path]
    lists = [path for path in asked if "limit=" in path]
    assert len(lists) == len(set(lists))


def test_links_that_no_object_has_are_asked_of_the_mesh(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "_LINKS_APART_S", 0.01)
    monkeypatch.setattr(follower, "_LINKS_S", 0.02)
    said: list[list[Link] | Exception] = [
        [Link(source="east", target="west", server=None, alive=True)],
        HostError("the container engine does not answer"),
        [Link(source="east", target="west", server=None, alive=False, detail="istiod reports west as timeout")],
    ]

    def links(mesh: IstioMesh, sources: list[str]) -> list[Link]:
        answer = said[0] if len(said) == 1 else said.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [link for link in answer if link.source in sources]

    monkeypatch.setattr(IstioMesh, "links", links)
    world.panels = LivePanels(world.lab, STACKS["istio"])
    with started(world):
        panel = world.until("east", lambda panel: any(not row["ok"] for row in panel["links"]))
        assert panel["links"][0]["words"] == "istiod reports west as timeout"
        assert [row["ready"] for row in panel["gateways"]] == [False, False]
