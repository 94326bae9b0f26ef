"""Requests on a running lab: which cluster answers, and with which identity."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
import requests

from lab.artifacts import ArtifactStore
from lab.base import wait
from lab.base.paths import Paths
from lab.base.wait import NotYet
from lab.config import load
from lab.stacks.istio import refusals as istio
from lab.stacks.linkerd import refusals as linkerd
from scenarios.probes import CLIENT, said_of
from scenarios.refusals import ENDS, Judgement, Refuser, judge
from tests.e2e.conftest import PORTS, RunningLab


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_the_page_is_served_by_its_own_clusters_frontend(lab: RunningLab, cluster: str) -> None:
    page = requests.get(f"http://127.0.0.1:{PORTS[cluster]}/", timeout=10)
    assert page.ok
    assert "text/html" in page.headers["content-type"]
    assert lab.api("/api/info", cluster=cluster)["cluster"] == cluster


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_both_clusters_answer_for_podinfo(lab: RunningLab, cluster: str) -> None:
    if lab.stack == "linkerd" and cluster == "east":
        # Names are merged by federated services only, which need a flat network; and East looks at nobody.
        assert set(lab.api("/api/answers", cluster=cluster, count=10)["totals"]["by_cluster"]) == {"east"}
        return
    if lab.stack == "linkerd":
        lab.run("split", "podinfo", "podinfo=50", "podinfo-east=50")
    totals = lab.api("/api/answers", cluster=cluster, count=60)["totals"]
    if lab.stack == "linkerd":
        lab.run("unsplit", "podinfo")
    assert totals["failed"] == 0
    # With each answer from either side alike, sixty from the same one have a chance of 2 in 2**60.
    assert set(totals["by_cluster"]) == {"east", "west"}


def test_podinfo_east_is_answered_by_east_alone(lab: RunningLab) -> None:
    totals = lab.api("/api/answers", upstream="podinfo-east", count=40)["totals"]
    assert totals["by_cluster"] == {"east": 40}


@pytest.mark.parametrize("upstream", ["podinfo", "podinfo-east"])
def test_answers_tell_their_attempts_where_the_proxy_is_an_envoy(lab: RunningLab, upstream: str) -> None:
    answers = lab.api("/api/answers", upstream=upstream, count=10)["answers"]
    attempts = [answer["attempts"] for answer in answers]
    assert len(attempts) == 10
    if lab.stack == "istio":
        assert all(number >= 1 for number in attempts)
    else:
        assert set(attempts) == {None}


def test_watch_prints_each_answer_of_the_page(lab: RunningLab) -> None:
    printed = lab.run("watch", "podinfo-east", "--rate", "10", "--seconds", "5", "--json")
    answers = [json.loads(line) for line in printed.splitlines() if line]
    assert len(answers) >= 10
    assert {answer["cluster"] for answer in answers} == {"east"}


def test_the_identities_on_both_ends_of_the_crossing_are_those_of_the_two_workloads(lab: RunningLab) -> None:
    identity = lab.api("/api/identity", upstream="podinfo-east")["identity"]
    assert identity["mtls"] is True
    assert identity["client"]["id"] == lab.identity("west", "frontend")
    # Linkerd's headers never name the server; the gateway, whom the server sees, they do.
    if lab.stack == "linkerd":
        gateway = "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.east.example"
        assert identity["gateway"]["id"] == gateway
    else:
        assert identity["server"]["id"] == lab.identity("east", "podinfo")


def kubectl(lab: RunningLab, cluster: str, *args: str, document: object = None) -> str:
    """Run the lab's own kubectl against one cluster."""
    spec = load(lab.file)
    program = ArtifactStore.of(spec, Paths.of(spec.name)).binary("kubectl")
    done = subprocess.run(
        [str(program), "--kubeconfig", str(lab.kubeconfig), "--context", cluster, *args],
        input=json.dumps(document) if document is not None else None,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


@pytest.fixture
def outsider(lab: RunningLab) -> Iterator[str]:
    """A frontend pod on West outside of the mesh, in a namespace of its own; yields the namespace."""
    name = "outside"
    pod = json.loads(kubectl(lab, "west", "-n", "test", "get", "deployment", "frontend", "-o", "json"))["spec"][
        "template"
    ]
    for account in ("serviceAccountName", "serviceAccount"):
        pod["spec"].pop(account, None)
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": name}, "spec": pod["spec"]},
    ]
    try:
        for obj in objects:
            kubectl(lab, "west", "apply", "-f", "-", document=obj)
        kubectl(lab, "west", "-n", name, "wait", "pod", name, "--for=condition=Ready", "--timeout=120s")
        yield name
    finally:
        kubectl(lab, "west", "delete", "namespace", name, "--ignore-not-found", "--wait=false")


def test_a_client_outside_the_mesh_is_refused_where_a_meshed_one_is_answered(lab: RunningLab, outsider: str) -> None:
    url = "http://podinfo.test:9898/api/info"
    asked = json.dumps({"url": url, "method": "GET", "timeout_s": 5, "headers": {}})
    probe = ["--", "python3.11", "-c", CLIENT, asked]
    meshed = said_of(
        kubectl(lab, "west", "-n", "test", "exec", "deploy/frontend", "-c", "frontend", *probe), title="meshed"
    )
    assert meshed.allowed
    other = said_of(kubectl(lab, "west", "-n", outsider, "exec", outsider, *probe), title="outside of the mesh")
    address = kubectl(lab, "west", "-n", "test", "get", "service", "podinfo", "-o", "jsonpath={.spec.clusterIP}")
    # Istio's proxy ends the connection at the first byte that is not TLS; Linkerd's answers.
    plain = {"istio": istio.REFUSALS, "linkerd": linkerd.REFUSALS}[lab.stack].denied_plain
    proxy = Refuser(name="podinfo's proxy", answers=(plain,) if plain else (), failures=ENDS, peer=address)
    verdict, words = judge(other, [proxy])
    assert verdict is Judgement.REFUSED, words


def test_what_is_unexported_goes_and_what_is_exported_comes_back(lab: RunningLab) -> None:
    lab.run("unexport", "podinfo", "--from", "east")
    try:
        assert lab.status()["exports"] == []

        def gone() -> object:
            found = lab.api("/api/answers", upstream="podinfo-east", count=3)["totals"]["by_failure"]
            # No connection: the name does not exist, as soon as the last answer of the cluster's DNS has expired.
            return found == {"connect": 3} or NotYet(str(found))

        wait.until("podinfo-east does not exist", gone, timeout_s=20)
    finally:
        lab.run("export", "podinfo", "--from", "east")

    def answered() -> object:
        totals = lab.api("/api/answers", upstream="podinfo-east", count=5)["totals"]
        return totals if totals["answered"] == 5 else NotYet(str(totals["by_failure"]))

    assert wait.until("podinfo-east answers again", answered, timeout_s=60)["by_cluster"] == {"east": 5}


def test_endpoints_follow_east_without_any_controller_of_the_lab(lab: RunningLab) -> None:
    def pods() -> set[str]:
        return set(lab.api("/api/answers", upstream="podinfo-east", count=10)["totals"]["by_pod"])

    def scale(replicas: int) -> None:
        kubectl(lab, "east", "-n", "test", "scale", "deployment", "podinfo", f"--replicas={replicas}")

    before = pods()
    assert len(before) == 1
    try:
        scale(0)
        wait.until("nobody answers", lambda: not pods() or NotYet("East's old pod answers"), timeout_s=120)
    finally:
        scale(1)
    after = wait.until("a new pod answers", lambda: pods() or NotYet("nobody answers"), timeout_s=120)
    assert len(after) == 1
    assert after.isdisjoint(before)
