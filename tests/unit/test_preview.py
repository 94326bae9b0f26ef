"""A preview: what it sends to the API servers, what later reads return, and that nothing is left of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.kube import Answer, Kube, KubeError
from lab.kube.objects import Obj, Ref, ref
from lab.kube.owned import Grounds, NotOwnedError, Owned, Owner, change, discard
from lab.kube.preview import current, planned, preview
from lab.kube.shown import as_records, as_text
from tests.unit.fake_api import FakeApi, kube, put

MINE = Owner(lab="dev", lab_id="1", part="mine")
SERVICE = Ref(api_version="v1", kind="Service", name="web", namespace="test")


def config(name: str = "a", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "test"}, "data": data}


def service(**labels: str) -> Obj:
    metadata = {"name": "web", "namespace": "test", "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {}}


@dataclass
class Listening(FakeApi):
    """Remembers each request that is not a read."""

    sent: list[tuple[str, str, Any]] = field(default_factory=list)

    def __call__(
        self, method: str, path: str, *, body: str | None, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        if method != "GET":
            self.sent.append((method, path, json.loads(body or "null")))
        return super().__call__(method, path, body=body, headers=headers, timeout_s=timeout_s)


def test_every_request_of_a_preview_is_a_dry_run() -> None:
    api = Listening()
    west = kube(api)
    put(west, service())
    Owned(west, MINE).apply(config())
    before, real = json.dumps(api.objects), len(api.sent)
    with preview():
        Owned(west, MINE).apply(config(x="1"))
        Owned(west, MINE).apply(config("b"))
        change(west, SERVICE, {"metadata": {"labels": {"a": "b"}}}, grounds=Grounds.EXPORT)
        assert Owned(west, MINE).delete(ref(config())) is True
    assert json.dumps(api.objects) == before
    first, second, label, delete = api.sent[real:]
    assert all("dryRun=All" in path for _, path, _ in (first, second, label))
    # The server takes the options of a delete from its body and ignores its query.
    assert (delete[0], delete[2]["dryRun"]) == ("DELETE", ["All"])


def test_later_reads_return_what_the_changes_would_have_made() -> None:
    west = kube(FakeApi())
    put(west, service(old="yes"))
    mine = Owned(west, MINE)
    mine.apply(config("kept"))
    with preview() as shown:
        mine.apply_all([config("b"), config("c")])
        assert [obj["metadata"]["name"] for obj in west.find("v1", "ConfigMap", namespace="test")] == ["kept", "b", "c"]
        assert west.find("v1", "ConfigMap", labels={"app.kubernetes.io/managed-by": "somebody"}) == []
        assert west.find("v1", "ConfigMap", namespace="other") == []
        mine.patch(ref(config("b")), {"data": {"x": "1"}})  # the server does not know b
        assert (west.get(ref(config("b"))) or {})["data"] == {"x": "1"}
        assert [mine.delete(ref(config(name))) for name in ("b", "b", "kept")] == [True, False, True]
        assert [obj["metadata"]["name"] for obj in west.find("v1", "ConfigMap")] == ["c"]
        change(west, SERVICE, {"metadata": {"labels": {"old": None, "new": "yes"}}}, grounds=Grounds.EXPORT)
        assert (west.get(SERVICE) or {})["metadata"]["labels"] == {"new": "yes"}
    assert [(write.action, write.ref.name) for write in shown.writes] == [
        *(("apply", name) for name in ("b", "c")),
        ("patch", "b"),
        *(("delete", name) for name in ("b", "kept")),
        ("label", "web"),
    ]
    assert current() is None
    assert west.get(ref(config("c"))) is None


def test_ensure_all_reports_a_change_of_an_object_that_would_be_new() -> None:
    # A dry run's answer has no resourceVersion if the object does not exist.
    west = kube(FakeApi())
    with preview():
        assert Owned(west, MINE).ensure_all([config()]) is True


def test_waits_are_noted_before_the_next_change_only() -> None:
    west = kube(FakeApi())
    put(west, service())

    def changes() -> None:
        change(west, SERVICE, {"metadata": {"labels": {"a": "1"}}}, grounds=Grounds.EXPORT)
        west.wait_until("the mirror", lambda: pytest.fail("a preview probes nothing"), timeout_s=60)
        change(west, SERVICE, {"metadata": {"labels": {"a": "2"}}}, grounds=Grounds.EXPORT)
        west.wait_ready([SERVICE], timeout_s=60)

    shown = planned(changes)
    label = "kubectl --context=west -n test label service web"
    assert as_text(shown.writes) == f"{label} a=1\n# first wait for the mirror\n{label} a=2 --overwrite\n"
    assert [record.get("after") for record in as_records(shown.writes)] == [None, ["the mirror"]]


def test_a_patch_is_quoted_for_the_shell() -> None:
    west = kube(FakeApi())
    put(west, service())
    shown = planned(
        lambda: change(west, SERVICE, {"status": {"words": "it's"}}, status=True, grounds=Grounds.LOAD_BALANCER)
    )
    assert as_text(shown.writes) == (
        "kubectl --context=west -n test patch service web --subresource=status --type=merge "
        """-p '{"status": {"words": "it'"'"'s"}}'\n"""
    )


def test_a_refusal_of_the_server_is_the_error_of_the_preview() -> None:
    absent, invalid = Answer(404, b"{}"), Answer(422, b'{"message": "a is invalid"}')
    mine = Owned(kube(FakeApi(answers=[absent, absent, invalid])), MINE)
    with pytest.raises(KubeError, match="is invalid"):
        planned(lambda: mine.apply(config()))
    assert current() is None


def test_what_another_owner_created_is_refused_in_a_preview_too() -> None:
    west: Kube = kube(FakeApi())
    put(west, config())
    with preview() as shown:
        with pytest.raises(NotOwnedError):
            Owned(west, MINE).apply(config(x="1"))
        assert discard(west, SERVICE, grounds=Grounds.MIRROR) is False
    assert shown.writes == []


def test_an_unknown_kind_is_refused_unless_its_api_is_expected() -> None:
    west = kube(FakeApi())
    unknown = {**config(), "apiVersion": "example.com/v1", "kind": "Thing"}
    with preview() as shown:
        with pytest.raises(KubeError, match="does not serve this kind"):
            Owned(west, MINE).apply(unknown)
        shown.expect(west.cluster, "example.com/v1", "west needs Things")
        Owned(west, MINE).apply(unknown)
        assert len(west.find("example.com/v1", "Thing")) == 1
    assert (len(shown.writes), shown.needs) == (1, ["west needs Things"])
