import json

import pytest

from lab.base.errors import WaitTimeout
from lab.base.wait import TransientError
from lab.kube import Answer, Kube, KubeError, NotNow
from lab.kube.objects import Obj, Ref, digest, labelled, rank, ref, unready
from lab.kube.owned import Owned, Owner
from tests.unit.fake_api import FakeApi, cluster, kube, put

CONFIG = Ref(api_version="v1", kind="ConfigMap", name="a", namespace="test")


def config(name: str = "a", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "test"}, "data": data}


def mine(api: Kube) -> Owned:
    return Owned(api, Owner(lab="dev", lab_id="1", part="things"))


def refused(status: int, message: str = "") -> Answer:
    return Answer(status, json.dumps({"message": message, "reason": "Because"}).encode())


def test_an_applied_object_can_be_got_found_and_deleted() -> None:
    api = kube(FakeApi())
    mine(api).apply(labelled(config(x="1"), {"color": "blue"}))
    assert (api.get(CONFIG) or {})["data"] == {"x": "1"}
    assert [ref(obj) for obj in api.find("v1", "ConfigMap", namespace="test", labels={"color": "blue"})] == [CONFIG]
    assert api.find("v1", "ConfigMap", namespace="test", labels={"color": "red"}) == []
    assert mine(api).delete(CONFIG) is True
    assert mine(api).delete(CONFIG) is False
    assert api.get(CONFIG) is None


def test_apply_is_server_side_forced_and_names_the_lab_as_manager() -> None:
    api = FakeApi()
    mine(kube(api)).apply(config())
    assert api.asked[-1] == ("PATCH", "/api/v1/namespaces/test/configmaps/a?fieldManager=eastwest-lab&force=true")


def test_a_kind_that_is_not_served_has_no_objects_and_can_be_applied_later() -> None:
    api = kube(FakeApi())
    unknown = Ref(api_version="new.example/v1", kind="New", name="a")
    assert api.get(unknown) is None
    assert api.find("new.example/v1", "New") == []
    assert mine(api).delete(unknown) is False
    with pytest.raises(NotNow, match=r"west: New a: the API server does not serve this kind yet. Next: lab up"):
        mine(api).apply({"apiVersion": "new.example/v1", "kind": "New", "metadata": {"name": "a"}})


def test_discovery_is_asked_once() -> None:
    api = FakeApi()
    west = kube(api)
    for _ in range(3):
        west.get(CONFIG)
    assert [path for _, path in api.asked].count("/api/v1") == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused(503), NotNow),
        (refused(500, "failed calling webhook"), NotNow),
        (refused(404, 'namespaces "test" not found'), NotNow),
        (Answer(404, b"404 page not found"), NotNow),
        (refused(403, "forbidden: unable to create because it is being terminated"), NotNow),
        (refused(405, "create not allowed while custom resource definition is terminating"), NotNow),
        (refused(405, "the server does not allow this method"), KubeError),
        (refused(409, "the object has been modified"), NotNow),
        (refused(403, "forbidden"), KubeError),
        (refused(422, "is invalid"), KubeError),
        (refused(401, "Unauthorized"), KubeError),
        (Answer(400, b"<html>no json</html>"), KubeError),
    ],
)
def test_refusals_that_pass_are_told_from_those_that_stay(answer: Answer, kind: type[KubeError]) -> None:
    with pytest.raises(KubeError) as caught:
        put(kube(FakeApi(answers=[answer])), config())
    assert type(caught.value) is kind
    assert caught.value.status == answer.status
    assert "west: ConfigMap test/a: " in str(caught.value)


def test_a_server_that_asks_to_wait_is_asked_again() -> None:
    api = FakeApi(answers=[refused(429, "storage is (re)initializing")] * 2)
    assert kube(api).get(CONFIG) is None
    assert [path for _, path in api.asked].count("/api/v1/namespaces/test/configmaps/a") == 3


def test_a_server_that_goes_on_asking_to_wait_is_not_now() -> None:
    api = FakeApi(answers=[refused(429, "storage is (re)initializing")] * 9)
    with pytest.raises(NotNow, match="initializing"):
        Kube(cluster(), api, timeout_s=0.1).get(CONFIG)


def test_a_wait_goes_on_after_not_now_and_outside_it_is_the_labs_error() -> None:
    assert issubclass(NotNow, TransientError)
    assert issubclass(NotNow, KubeError)


def test_apply_all_goes_on_after_a_passing_refusal() -> None:
    api = FakeApi(answers=[NotNow("connection refused", where="west"), refused(500, "webhook")])
    assert [ref(obj) for obj in mine(kube(api)).apply_all([config()])] == [CONFIG]


TERMINATING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["customresourcecleanup"], "uid": "old"}


def terminating(api: FakeApi, *, ending: int = 2) -> str:
    """Let an object be deleted whose finalizers are removed later; return its path."""
    mine(kube(api)).apply(config(x="1"))
    (path,) = api.objects
    api.objects[path]["metadata"].update(TERMINATING)
    api.ending = ending
    return path


def test_an_object_that_is_being_deleted_is_created_again_after_its_end() -> None:
    api = FakeApi()
    path = terminating(api)
    (applied,) = mine(kube(api)).apply_all([config(x="1")])
    assert "deletionTimestamp" not in applied["metadata"]
    assert api.objects[path]["metadata"]["uid"] != "old"


def test_a_deletion_that_does_not_end_is_named_with_its_finalizers() -> None:
    api = FakeApi()
    terminating(api, ending=999)
    with pytest.raises(NotNow, match="ConfigMap test/a is still being deleted"):
        mine(kube(api)).apply(config(x="1"))
    with pytest.raises(WaitTimeout, match=r"still being deleted \(finalizers: customresourcecleanup\).*") as caught:
        mine(kube(api)).apply_all([config(x="1")], timeout_s=0)
    assert caught.value.next == "lab up"


def test_apply_all_ends_at_once_when_the_server_refuses_for_good() -> None:
    with pytest.raises(KubeError, match="is invalid"):
        mine(kube(FakeApi(answers=[refused(422, "is invalid")]))).apply_all([config()])


def test_apply_all_begins_with_what_others_need() -> None:
    api = FakeApi()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "test"}}
    mine(kube(api)).apply_all([deployment, config(), namespace])
    written = [path.split("?")[0].split("/")[-1] for method, path in api.asked if method == "PATCH"]
    assert written == ["test", "a", "d"]
    kinds = ["Namespace", "CustomResourceDefinition", "ServiceAccount", "Secret", "VirtualService"]
    assert sorted(kinds, key=rank) == kinds
    assert len({rank(kind) for kind in kinds}) == len(kinds)


def test_ensure_all_tells_whether_anything_changed() -> None:
    api = kube(FakeApi())
    assert mine(api).ensure_all([config(x="1")]) is True
    assert mine(api).ensure_all([config(x="1")]) is False
    assert mine(api).ensure_all([config(x="2")]) is True


def test_lacks_names_what_is_missing_and_what_is_not_ready() -> None:
    api = kube(FakeApi())
    mine(api).apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "t"}, "spec": {}}
    )
    wanted = [Ref(api_version="apps/v1", kind="Deployment", name=name, namespace="t") for name in ("d", "e")]
    assert api.lacks(wanted) == ["Deployment t/d not observed by its controller yet", "Deployment t/e does not exist"]
    with pytest.raises(WaitTimeout, match="Deployment t/e does not exist"):
        api.wait_ready(wanted, timeout_s=0)


def test_a_crd_that_is_ready_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi()
    place = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
    for name in ("a", "b"):
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}}
        put(kube(api), crd)
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    api.objects[place + "a"]["status"] = established

    def later(_: float) -> None:
        api.objects[place + "b"]["status"] = established

    monkeypatch.setattr("tenacity.sleep_using_event", lambda _: later)
    crds = [ref(obj) for obj in api.objects.values()]
    kube(api).wait_ready(crds, timeout_s=60)
    assert [api.asked.count(("GET", place + name)) for name in ("a", "b")] == [1, 2]


def deployment(**status: int) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "t", "generation": 2},
        "spec": {"replicas": 2},
        "status": status,
    }


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"observedGeneration": 1}, "not observed by its controller yet"),
        ({"observedGeneration": 2, "updatedReplicas": 1}, "1/2 updated"),
        ({"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 1}, "1/2 Available"),
        (
            {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 3, "replicas": 3},
            "1 old pods still there",
        ),
    ],
)
def test_a_rollout_is_ready_only_when_all_new_pods_are_and_no_old_one_is(status: dict[str, int], words: str) -> None:
    assert unready(deployment(**status)) == f"Deployment t/d {words}"


def test_a_finished_rollout_is_ready() -> None:
    done = deployment(observedGeneration=2, updatedReplicas=2, availableReplicas=2, replicas=2)
    assert unready(done) is None


def test_conditions_are_read_in_kubernetes_own_words() -> None:
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "g"},
        "status": {"conditions": [{"type": "Programmed", "status": "False", "message": "no address"}]},
    }
    assert unready(gateway) == "Gateway g not Programmed: no address"


def test_a_digest_depends_on_content_and_not_on_order() -> None:
    one, two = config("a", x="1"), config("b")
    assert digest([one, two]) == digest([two, one])
    assert digest([one]) != digest([config("a", x="2")])
