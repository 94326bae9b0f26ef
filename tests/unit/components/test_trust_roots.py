"""The injector starts again when `lab up` has replaced trust anchors that somebody changed."""

from __future__ import annotations

import pytest

from lab.base.step import CHANGED, StepResult
from lab.components.base import ManifestComponent
from lab.kube import Kube, connect
from lab.lab import Lab
from lab.stacks.linkerd.control_plane import NAMESPACE, LinkerdIdentity
from tests.unit.fake_api import FakeApi, cluster, put

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "linkerd-proxy-injector-1",
        "namespace": NAMESPACE,
        "labels": {"linkerd.io/control-plane-component": "proxy-injector"},
    },
}


def roots(anchor: str) -> dict[str, object]:
    name = {"name": "linkerd-identity-trust-roots", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": {"ca-bundle.crt": anchor}}


@pytest.mark.parametrize(("before", "left"), [("another", 0), ("ours", 1), (None, 1)])
def test_an_injector_with_other_trust_anchors_starts_again(
    lab: Lab, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch, before: str | None, left: int
) -> None:
    def apply(*_: object) -> StepResult:
        put(connect(cluster("west")), roots("ours"))
        return CHANGED

    monkeypatch.setattr(Kube, "wait_until", lambda *_, **__: None)
    monkeypatch.setattr(ManifestComponent, "apply", apply)
    kube = connect(cluster("west"))
    put(kube, POD)
    if before is not None:
        put(kube, roots(before))
    LinkerdIdentity().apply(lab, cluster("west"))
    assert len(kube.find("v1", "Pod", namespace=NAMESPACE)) == left
