from datetime import UTC, datetime

import pytest

from lab.base.errors import WaitTimeout
from lab.clusters.kind import wake
from lab.kube import Answer
from lab.kube.objects import Obj
from tests.unit.fake_api import FakeApi, kube

START = datetime(2026, 11, 23, 12, 0, 0, 500_000, tzinfo=UTC)
NODE = {
    "kind": "Node",
    "apiVersion": "v1",
    "metadata": {"name": "lab-west-control-plane"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


def pod(started: str) -> Obj:
    state = {"running": {"startedAt": started}}
    return {"kind": "Pod", "metadata": {"name": "p"}, "status": {"containerStatuses": [{"state": state}]}}


def api(*, renewed: str, started: str, ready: str = "True") -> FakeApi:
    node = {**NODE, "status": {"conditions": [{"type": "Ready", "status": ready, "message": "kubelet is dead"}]}}
    return FakeApi(
        objects={
            "/readyz": None,
            "/api/v1/nodes/lab-west-control-plane": node,
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/lab-west-control-plane": {
                "kind": "Lease",
                "spec": {"renewTime": renewed},
            },
            "/api/v1/namespaces/test/pods/p": pod(started),
        },
    )


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (api(renewed="2026-11-23T11:59:59.000000Z", started="2026-11-23T12:00:05Z"), "the kubelet has not reported"),
        (
            api(renewed="2026-11-23T12:00:09.000000Z", started="2026-11-23T11:00:00Z"),
            "1 pods have no status from after the start",
        ),
        (api(renewed="2026-11-23T12:00:09.000000Z", started="2026-11-23T12:00:05Z", ready="False"), "kubelet is dead"),
    ],
)
def test_words_from_before_the_start_are_not_believed(state: FakeApi, words: str) -> None:
    state.answers = [Answer(200, b"ok")]
    with pytest.raises(WaitTimeout, match=words):
        wake.wait_until_back(kube(state), since=START, timeout_s=0)


def test_a_node_that_has_reported_since_is_back() -> None:
    # Kubernetes writes whole seconds: a container that started in the same one is young enough.
    state = api(renewed="2026-11-23T12:00:01.000000Z", started="2026-11-23T12:00:00Z")
    state.answers = [Answer(200, b"ok")]
    wake.wait_until_back(kube(state), since=START, timeout_s=0)


def test_an_api_server_that_is_not_ready_is_waited_for() -> None:
    with pytest.raises(WaitTimeout, match="timed out after 0 s waiting for west's API server"):
        wake.wait_for_api(kube(FakeApi(answers=[Answer(500, b"etcd failed")])), timeout_s=0)
