"""`[ha] gateways` on a lab that is up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import RunningLab
from tests.e2e.test_answers import kubectl


@pytest.fixture
def two(lab: RunningLab) -> Iterator[RunningLab]:
    """The lab with two pods of each east-west gateway; one again at the end."""
    before = lab.file.read_text()
    lab.file.write_text(f"{before}\n[ha]\ngateways = 2\n")
    try:
        lab.run("up")
        yield lab
    finally:
        lab.file.write_text(before)
        lab.run("up")
    lab.wait_healthy()
    assert (gateway(lab)["ready"], gateway(lab)["wanted"]) == (1, 1)


def gateway(lab: RunningLab) -> Any:
    (found,) = (one for one in lab.status()["gateways"] if (one["cluster"], one["role"]) == ("east", "east-west"))
    return found


def place(lab: RunningLab) -> tuple[str, str]:
    """Return the namespace and the name of the gateway's Deployment."""
    istio = ("istio-system", "eastwest-istio")
    return ("linkerd-multicluster", "linkerd-gateway") if lab.stack == "linkerd" else istio


def test_a_second_gateway_is_added_in_place_repaired_and_removed(two: RunningLab) -> None:
    two.wait_healthy()
    found = gateway(two)
    assert (found["alive"], found["ready"], found["wanted"]) == (True, 2, 2)
    assert "2 of 2 ready" in two.run("status")
    steps = two.json("up")["steps"]
    assert {name: step["status"] for name, step in steps.items() if step["status"] != "unchanged"} == {}
    namespace, name = place(two)
    allowed = ("-o", "jsonpath={.items[*].status.disruptionsAllowed}")
    assert kubectl(two, "east", "-n", namespace, "get", "poddisruptionbudgets", *allowed) == "1"

    kubectl(two, "east", "-n", namespace, "scale", "deployment", name, "--replicas=1")
    kubectl(two, "east", "-n", namespace, "rollout", "status", "deployment", name, "--timeout=60s")
    degraded = two.json("status", exit_code=1)
    assert f"east: gateway {gateway(two)['name']}: 1 of 2 ready" in degraded["problems"]
    assert gateway(two)["alive"] is True
    assert degraded["next"] == "lab up"
    totals = two.api("/api/answers", upstream="podinfo-east", count=20)["totals"]
    assert totals["by_cluster"] == {"east": 20}

    two.run("up")
    two.wait_healthy()
    assert gateway(two)["ready"] == 2


def test_reset_gives_a_gateway_its_pods_and_its_node_its_place_again(lab: RunningLab) -> None:
    namespace, name = place(lab)
    node = kubectl(lab, "east", "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    kubectl(lab, "east", "cordon", node)
    kubectl(lab, "east", "-n", namespace, "scale", "deployment", name, "--replicas=0")
    lines = lab.run("reset")
    assert "east: its node accepts new pods again" in lines
    assert f"east: gateway {name} started" in lines
    assert kubectl(lab, "east", "get", "node", node, "-o", "jsonpath={.spec.unschedulable}") == ""
    lab.wait_healthy()
