"""Why a workload is not ready: the pods' reasons, and when waiting cannot help."""

from typing import Any

import pytest

from lab.base.errors import ClusterError, WaitTimeout
from lab.kube.objects import Obj, Ref
from lab.kube.readiness import Patience, of_rollout, troubles
from tests.unit.fake_api import FakeApi, kube

DEPLOYMENT = Ref(api_version="apps/v1", kind="Deployment", name="web", namespace="test")
PULL = "Back-off pulling image registry.example/web:1"
TAINT = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }"


def waiting(reason: str, message: str = "", *, restarts: int = 0, exit_code: int | None = None) -> dict[str, Any]:
    last = {} if exit_code is None else {"terminated": {"exitCode": exit_code, "reason": "Error"}}
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": "app", "restartCount": restarts, "state": state, "lastState": last}


def pod(*containers: dict[str, Any], name: str = "web-1", labels: dict[str, str] | None = None, **status: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "test", "labels": {"app": "web", **(labels or {})}},
        "status": {"containerStatuses": list(containers), **status},
    }


def unschedulable(message: str) -> Obj:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(conditions=[condition])


def words(found: Obj) -> list[str]:
    return [str(trouble) for trouble in troubles(found)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pod(waiting("ImagePullBackOff", PULL)), f"pod web-1, container app: ImagePullBackOff: {PULL}"),
        (pod(waiting("ErrImagePull", "not\nfound")), "pod web-1, container app: ErrImagePull: not found"),
        (
            pod(waiting("CrashLoopBackOff", "back-off 40s", restarts=3, exit_code=7)),
            "pod web-1, container app: CrashLoopBackOff: exit code 7, 3 restarts",
        ),
        (
            pod(waiting("CreateContainerConfigError", 'secret "key" not found')),
            'pod web-1, container app: CreateContainerConfigError: secret "key" not found',
        ),
        (unschedulable("Insufficient memory"), "pod web-1: Unschedulable: Insufficient memory"),
        (
            pod(initContainerStatuses=[{**waiting("ErrImageNeverPull"), "name": "init"}]),
            "pod web-1, container init: ErrImageNeverPull",
        ),
        (
            pod({"name": "app", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}),
            "pod web-1, container app: OOMKilled: exit code 137 (OOMKilled)",
        ),
    ],
)
def test_a_pods_reason_is_told_with_its_container_and_message(found: Obj, expected: str) -> None:
    assert words(found) == [expected]


@pytest.mark.parametrize(
    "found",
    [
        pod(waiting("ContainerCreating")),
        pod(waiting("PodInitializing")),
        pod({"name": "app", "state": {"running": {}}}),
        pod(initContainerStatuses=[{"name": "init", "state": {"terminated": {"exitCode": 0}}}]),
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "new"}},
    ],
)
def test_a_pod_that_is_starting_or_ready_has_no_trouble(found: Obj) -> None:
    assert words(found) == []


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def gives_up_after(patience_s: float, *looks: Obj) -> bool:
    """Say whether a wait gives up exactly when a reason has lasted so long; the looks take turns."""
    clock = Clock()
    patience = Patience(clock)
    early = [patience.hopeless(troubles(look)) for look in looks]
    clock.now = patience_s - 0.1
    early += [patience.hopeless(troubles(look)) for look in looks]
    clock.now = patience_s
    return early == [None] * len(early) and patience.hopeless(troubles(looks[0])) is not None


def test_what_cannot_recover_ends_the_wait_after_its_time() -> None:
    assert gives_up_after(1, pod(waiting("InvalidImageName")))
    assert gives_up_after(45, pod(waiting("ErrImagePull")), pod(waiting("ImagePullBackOff")))
    assert gives_up_after(30, pod(waiting("CreateContainerConfigError")))
    assert gives_up_after(30, unschedulable("Insufficient cpu"))


def test_a_reason_that_goes_away_begins_again() -> None:
    clock = Clock()
    patience = Patience(clock)
    patience.hopeless(troubles(pod(waiting("ImagePullBackOff"))))
    patience.hopeless(troubles(pod(waiting("ContainerCreating"))))
    clock.now = 60
    assert patience.hopeless(troubles(pod(waiting("ImagePullBackOff")))) is None


def test_a_container_is_given_up_after_four_restarts_during_the_wait_not_before_it() -> None:
    patience = Patience(Clock())
    counts = [patience.hopeless(troubles(pod(waiting("CrashLoopBackOff", restarts=n)))) for n in (9, 10, 12, 13)]
    assert [found is not None for found in counts] == [False, False, False, True]


def test_a_node_that_is_not_ready_yet_and_other_reasons_are_waited_for() -> None:
    clock = Clock()
    patience = Patience(clock)
    for _ in range(2):
        assert patience.hopeless(troubles(unschedulable(TAINT))) is None
        assert patience.hopeless(troubles(pod(waiting("SomethingNew")))) is None
        clock.now = 3600


def revision(number: str, template: str) -> Obj:
    metadata = {"annotations": {"deployment.kubernetes.io/revision": number}, "labels": {"pod-template-hash": template}}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": f"web-{template}", **metadata}}


def test_pods_of_an_older_revision_do_not_count() -> None:
    workload = {"kind": "Deployment", "metadata": {"annotations": {"deployment.kubernetes.io/revision": "2"}}}
    old = pod(name="old", labels={"pod-template-hash": "a"})
    new = pod(name="new", labels={"pod-template-hash": "b"})
    assert of_rollout(workload, [old, new], [revision("1", "a"), revision("2", "b")]) == [new]
    assert of_rollout(workload, [old, new], []) == [old, new]


def api(*containers: dict[str, Any]) -> FakeApi:
    """Return a cluster with a Deployment that is not ready and one pod of it."""
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "test"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"updatedReplicas": 1},
    }
    objects = {
        "/apis/apps/v1/namespaces/test/deployments/web": {"apiVersion": "apps/v1", **deployment},
        "/api/v1/namespaces/test/pods/web-1": pod(*containers),
    }
    return FakeApi(objects=objects)


def test_a_time_out_names_the_pods_reason() -> None:
    crashing = api(waiting("CrashLoopBackOff", restarts=2, exit_code=1))
    with pytest.raises(WaitTimeout, match=r"0/1 Available \(pod web-1, container app: CrashLoopBackOff: exit code 1"):
        kube(crashing).wait_ready([DEPLOYMENT], timeout_s=0)


def test_a_wait_that_cannot_succeed_ends_with_the_reason_and_the_next_command() -> None:
    with pytest.raises(ClusterError) as caught:
        kube(api(waiting("InvalidImageName", "no image"))).wait_ready([DEPLOYMENT], timeout_s=60)
    assert str(caught.value) == (
        "west: Deployment test/web does not become ready: pod web-1, container app: InvalidImageName: no image. "
        "Next: kubectl --kubeconfig=none --context=west --namespace=test describe pod web-1"
    )


def test_readiness_can_be_asked_for_several_times_in_a_row() -> None:
    ready = api()
    place = "/apis/apps/v1/namespaces/test/deployments/web"
    ready.objects[place]["status"].update(availableReplicas=1, replicas=1)
    kube(ready).wait_ready([DEPLOYMENT], timeout_s=10, successes=3)
    assert [path for _, path in ready.asked].count(place) == 3
