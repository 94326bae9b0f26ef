"""Watches of an API server that really serves them: continued, listed again, broken, silent, cancelled."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.base import cancel
from lab.base.cancel import Cancelled
from lab.base.names import Cluster
from lab.kube import connect
from lab.kube import watch as watching
from lab.kube.watch import Absent, Complete, Following, Lost, Present, Sighting, Watch
from tests.unit.http_api import PATIENCE_S, ApiServer, serving
from tests.unit.tls_kit import certificates


class Seen:
    """What a watch in a thread of its own has yielded."""

    def __init__(self, cluster: Cluster, kind: str = "Pod", *, api_version: str = "v1") -> None:
        self.came: queue.Queue[Sighting] = queue.Queue()
        self.watch = Watch(connect=lambda: connect(cluster, timeout_s=3), api_version=api_version, kind=kind)
        self.ended: BaseException | None = None
        self._token = cancel.Token()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with cancel.using(self._token):
            try:
                for sighting in self.watch.sightings():
                    self.came.put(sighting)
            except Cancelled as error:
                self.ended = error

    def next(self) -> Sighting:
        return self.came.get(timeout=PATIENCE_S)

    def name(self) -> str:
        """The name in the next sighting, which is of an object."""
        sighting = self.next()
        assert isinstance(sighting, Present)
        return str(sighting.obj["metadata"]["name"])

    def until(self, kind: type[Sighting]) -> Sighting:
        while not isinstance(sighting := self.next(), kind):
            pass
        return sighting

    def cancel(self) -> None:
        """Cancel, and check that the thread ends long before the server or a time limit would end it."""
        self._token.cancel()
        self.thread.join(timeout=PATIENCE_S)
        assert isinstance(self.ended, Cancelled)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with serving(ApiServer()) as one:
        yield one


@contextmanager
def seen(api: ApiServer, folder: Path, kind: str = "Pod", *, api_version: str = "v1") -> Iterator[Seen]:
    one = Seen(api.cluster(folder), kind, api_version=api_version)
    try:
        yield one
    finally:
        one.cancel()


def test_a_watch_lists_and_then_follows(api: ApiServer, tmp_path: Path) -> None:
    api.put("Pod", "a", "test")
    with seen(api, tmp_path) as pods:
        first = pods.next()
        assert isinstance(first, Present)
        assert (first.obj["kind"], first.obj["apiVersion"]) == ("Pod", "v1")
        assert pods.next() == Complete(frozenset({("test", "a")}))
        assert pods.next() == Following()
        api.put("Pod", "b", "test")
        assert pods.name() == "b"
        api.put("Pod", "a", "test", status={"phase": "Running"})
        changed = pods.next()
        assert isinstance(changed, Present)
        assert changed.obj["status"] == {"phase": "Running"}
        api.remove("Pod", "a", "test")
        assert pods.next() == Absent(("test", "a"))


def test_a_long_list_comes_in_pages(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_PAGE", 2)
    for name in "abcde":
        api.put("Pod", name, "test")
    with seen(api, tmp_path) as pods:
        assert [pods.name() for _ in range(5)] == list("abcde")
        assert pods.next() == Complete(frozenset(("test", name) for name in "abcde"))
    assert len(api.lists("Pod")) == 3


def test_a_broken_connection_continues_where_it_was(api: ApiServer, tmp_path: Path) -> None:
    with seen(api, tmp_path) as pods:
        pods.until(Following)
        api.put("Pod", "a", "test")
        assert pods.name() == "a"
        api.break_connections()
        api.put("Pod", "b", "test")
        assert pods.next() == Following()
        assert pods.name() == "b"
    assert len(api.lists("Pod")) == 1
    assert f"resourceVersion={api.version - 1}" in api.watches("Pod")[-1]


def test_a_watch_that_the_server_ends_continues_after_its_bookmark(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_WATCH_S", 1)
    with seen(api, tmp_path) as pods:
        pods.until(Following)
        api.bookmark("Pod")
        version = api.version
        pods.until(Following)
        pods.until(Following)
    assert len(api.lists("Pod")) == 1
    assert f"resourceVersion={version}" in api.watches("Pod")[-1]


def test_after_410_gone_the_objects_are_listed_again(api: ApiServer, tmp_path: Path) -> None:
    api.put("Pod", "a", "test")
    api.put("Pod", "b", "test")
    with seen(api, tmp_path) as pods:
        pods.until(Following)
        api.remove("Pod", "a", "test")
        pods.until(Absent)
        api.stop()
        api.remove("Pod", "b", "test")
        api.put("Pod", "c", "test")
        api.expire()
        api.start()
        assert pods.until(Complete) == Complete(frozenset({("test", "c")}))
        pods.until(Following)
        api.put("Pod", "d", "test")
        assert pods.name() == "d"
    assert len(api.lists("Pod")) == 2


def test_a_server_that_goes_away_is_reported_and_comes_back(api: ApiServer, tmp_path: Path) -> None:
    with seen(api, tmp_path) as pods:
        pods.until(Following)
        api.stop()
        lost = pods.until(Lost)
        assert isinstance(lost, Lost)
        assert lost.words.startswith("the API server does not answer (")
        api.start()
        pods.until(Following)
        api.put("Pod", "a", "test")
        assert pods.name() == "a"
    assert len(api.lists("Pod")) == 1


def test_a_refusal_is_reported_and_the_objects_are_listed_again(api: ApiServer, tmp_path: Path) -> None:
    api.refused["/api/v1/pods"] = 403
    with seen(api, tmp_path) as pods:
        assert pods.next() == Lost("/api/v1/pods: refused by the test", refused=True)
        del api.refused["/api/v1/pods"]
        pods.until(Complete)
        pods.until(Following)
        api.refused["/api/v1/pods"] = 504
        api.break_connections()
        assert pods.until(Lost) == Lost("watch Pod: refused by the test", refused=True)
        del api.refused["/api/v1/pods"]
        pods.until(Complete)


def test_a_kind_that_is_not_served_has_no_objects_and_is_found_later(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_NOT_SERVED_S", 0.05)
    api.unserved.add("Link")
    link = "multicluster.linkerd.io/v1alpha3"
    with seen(api, tmp_path, "Link", api_version=link) as links:
        assert links.next() == Complete(frozenset())
        api.unserved.clear()
        api.put("Link", "east", "linkerd-multicluster", api_version=link)
        found = links.until(Present)
        assert isinstance(found, Present)
        assert found.obj["metadata"]["name"] == "east"


def test_an_open_watch_ends_when_the_run_is_cancelled(api: ApiServer, tmp_path: Path) -> None:
    with seen(api, tmp_path) as pods:
        pods.until(Following)
        pods.cancel()


def test_a_wait_for_the_next_attempt_ends_when_the_run_is_cancelled(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_AGAIN_S", 3600.0)
    api.refused["/api/v1/pods"] = 403
    with seen(api, tmp_path) as pods:
        pods.until(Lost)
        pods.cancel()


def test_another_thread_can_end_a_connection_and_the_watch_continues(api: ApiServer, tmp_path: Path) -> None:
    opened: queue.Queue[watching.Lines] = queue.Queue()
    cluster = api.cluster(tmp_path)
    watch = Watch(connect=lambda: connect(cluster), api_version="v1", kind="Pod", opened=opened.put)
    with cancel.part() as token:
        sightings = watch.sightings()
        assert [next(sightings), next(sightings)] == [Complete(frozenset()), Following()]
        first = opened.get_nowait()
        threading.Thread(target=first.end).start()
        assert next(sightings) == Following()
        assert opened.get_nowait() is not first
        first.end()  # a second time, and after its end
        token.cancel()
        with pytest.raises(Cancelled):
            next(sightings)


def test_a_watch_through_tls_ends_when_the_run_is_cancelled(tmp_path: Path) -> None:
    api = ApiServer()
    api.tls = certificates(tmp_path)
    with serving(api), seen(api, tmp_path) as pods:
        pods.until(Following)
        api.put("Pod", "a", "test")
        assert pods.name() == "a"
        pods.cancel()


def test_a_server_that_is_silent_does_not_answer(api: ApiServer, tmp_path: Path) -> None:
    api.silent = True
    cluster = api.cluster(tmp_path)
    watch = Watch(connect=lambda: connect(cluster, timeout_s=0.2), api_version="v1", kind="Pod")
    lost = next(watch.sightings())
    assert lost == Lost("the API server does not answer (ReadTimeoutError)")
    with api.came:
        api.silent = False
        api.came.notify_all()
