"""Failures of a Linkerd lab: `lab status` names the hop and the fix, and `lab up` repairs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.base import pki, wait
from lab.base.names import Cluster
from lab.base.wait import NotYet
from lab.clusters import provider
from tests.e2e.conftest import NAME, CommandLine, RunningLab, docker, leftovers, ports
from tests.e2e.test_accidents import answers_from_both
from tests.e2e.test_answers import kubectl


@pytest.fixture(autouse=True)
def linkerd(lab: RunningLab) -> None:
    if lab.stack != "linkerd":
        pytest.skip("this lab is built with Istio: its own accidents are in test_accidents")


def distrust(lab: RunningLab) -> str:
    return " ".join(lab.status()["distrust"])


def details(lab: RunningLab) -> str:
    status = lab.status()
    return "; ".join(part["detail"] for part in (*status["gateways"], *status["links"]) if not part["alive"])


def comes(lab: RunningLab, words: str, look: Callable[[RunningLab], str] = details) -> None:
    def says() -> bool | NotYet:
        output = look(lab)
        return words in output or NotYet(output or "everything is alive")

    wait.until(f"status says {words!r}", says, timeout_s=60)


def repaired(lab: RunningLab) -> None:
    lab.run("up")
    lab.wait_healthy()  # a service mirror notices that a gateway is back by a probe every 3 s
    wait.until("answers from both clusters", answers_from_both(lab), timeout_s=60)


def trust(lab: RunningLab, cluster: str, certificate: bytes) -> None:
    """Replace the trust anchor of a cluster's control plane, as a person with kubectl would."""
    change = {"data": {"ca-bundle.crt": certificate.decode()}}
    names = ("-n", "linkerd", "patch", "configmap", "linkerd-identity-trust-roots", "--type=merge")
    kubectl(lab, cluster, *names, "--patch", json.dumps(change))


def test_a_wrong_trust_anchor_is_named_and_repaired(lab: RunningLab, tmp_path: Path) -> None:
    trust(lab, "east", pki.anchor(tmp_path, lab_name="somebody-else").certificate)
    comes(lab, "clusters trust different anchors", distrust)
    assert "`lab up` restores the lab's own" in distrust(lab)
    repaired(lab)
    assert distrust(lab) == ""


def test_an_expired_trust_anchor_is_named_and_repaired(lab: RunningLab, tmp_path: Path) -> None:
    ended = datetime.now(UTC) - pki.ANCHOR_LIFETIME - timedelta(days=1)
    trust(lab, "east", pki.anchor(tmp_path, lab_name="long-ago", now=ended).certificate)
    comes(lab, "east: trust anchor expired on", distrust)
    repaired(lab)
    assert distrust(lab) == ""


def test_a_lab_whose_own_anchor_is_over_says_so_before_it_makes_anything(lab: RunningLab) -> None:
    other = CommandLine(folder=lab.folder / "expired", name="e2e5", toml=f'stack = "linkerd"\n{ports(500)}')
    ended = datetime.now(UTC) - pki.ANCHOR_LIFETIME - timedelta(days=1)
    pki.anchor(other.folder / "state" / "e2e5" / "pki", lab_name="e2e5", now=ended)
    try:
        output = other.run("up", "--yes", exit_code=3)
        assert "the trust anchor expired on" in output
        assert "lab down, then lab up" in output
        assert leftovers("e2e5") == []
    finally:
        other.run("down")


def test_credentials_that_were_revoked_are_named_and_renewed(lab: RunningLab) -> None:
    account = "linkerd-service-mirror-remote-access-default"
    kubectl(lab, "east", "-n", "linkerd-multicluster", "delete", "secret", f"{account}-token")
    comes(lab, "the credentials for east were revoked there")
    repaired(lab)


def test_a_gateway_that_is_down_is_the_hop_that_status_names(lab: RunningLab) -> None:
    kubectl(lab, "east", "-n", "linkerd-multicluster", "scale", "deployment", "linkerd-gateway", "--replicas=0")
    comes(lab, "east's gateway: it was scaled to 0 pods")
    repaired(lab)


def test_an_api_server_that_west_does_not_reach_is_the_hop_that_status_names(lab: RunningLab) -> None:
    clusters = {
        name: Cluster(name=name, context=name, kubeconfig=lab.kubeconfig, node=f"{NAME}-{name}-control-plane")
        for name in ("east", "west")
    }
    wire = provider().wire
    wire.cut(clusters["west"], clusters["east"])
    try:
        comes(lab, "west does not reach east's API server")
    finally:
        wire.restore(clusters["west"], clusters["east"])
    repaired(lab)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("podinfo=50", "podinfo-north=50"), "podinfo-north is not podinfo or an export of it"),
        (("nobody", "nobody=50", "podinfo-east=50"), "Service 'nobody' does not exist"),
        (("podinfo=0", "podinfo-east=0"), "the weights add up to 0"),
        (("podinfo=101", "podinfo-east=0"), "weights are whole numbers from 0 to 100"),
    ],
)
def test_a_split_that_cannot_be_changes_nothing(lab: RunningLab, words: tuple[str, ...], message: str) -> None:
    assert message in lab.run("split", *words, exit_code=2)
    assert lab.status()["splits"] == []


def test_everything_that_is_missing_is_named_where_images_are_on_another_machine_only(lab: RunningLab) -> None:
    elsewhere = {"DOCKER_HOST": f"unix://{lab.folder}/no-engine.sock", "LAB_LOCAL_DIR": str(lab.folder / "none")}
    other = CommandLine(
        folder=lab.folder / "elsewhere",
        name="e2e6",
        toml='stack = "linkerd"\n[artifacts]\nsource = "packages"\n',
        env={**elsewhere, "LAB_CACHE_DIR": str(lab.folder / "cache"), "PATH": "/usr/bin:/bin"},
    )
    output = other.run("up", "--yes", exit_code=2)
    for name in (
        "linkerd CLI",
        "Linkerd's controller image",
        "Emissary-ingress' chart",
        "docker pull",
        "LAB_LOCAL_DIR",
    ):
        assert name in output
    assert docker("network", "ls", "--format", "{{.Name}}").split().count("e2e6") == 0
