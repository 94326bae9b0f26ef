"""A lab on two clusters that it did not create: plain kind clusters of a platform, West behind a NAT."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from lab.kube import manifests
from tests.contract.artifacts.conftest import registry_program
from tests.e2e import platform_kit
from tests.e2e.conftest import PORTS, STAGE_PORT, CommandLine, leftovers
from tests.e2e.platform_kit import ExistingCluster, docker

_AGREED = ("--yes-really", "kind-plat-east", "--yes-really", "kind-plat-west")
_SKIPPED = "as it has existing clusters"
_SUBNET = "172.28.0.0/24"
"""Of the nodes' network of the lab whose West is its own."""
_STRANGER = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "mine", "namespace": "test", "annotations": {"linkerd.io/inject": "disabled"}},
    "spec": {"containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10.2"}]},
}
_ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "of-others", "namespace": "default"},
    "spec": {"rules": [{"backendRefs": [{"name": "nothing", "port": 80}]}]},
}


@dataclass(frozen=True)
class Platform:
    """Two clusters, what they had before the lab, and the lab's command line."""

    east: ExistingCluster
    west: ExistingCluster
    before: dict[str, dict[str, str]]
    lab: CommandLine

    def differences(self) -> dict[str, list[str]]:
        """Return what is not as it was before the lab, by cluster."""
        found = {}
        for one in (self.east, self.west):
            before, now = self.before[one.context], one.objects()
            names = (name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
            found[one.context] = sorted(names)
        return found


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    wanted = request.config.getoption("--stack")
    here = CommandLine(folder=folder / "here", name="here", toml=f'stack = "{wanted}"\n')
    here.run("artifacts", "build", "--yes", "node-base", "kind", "kubectl")
    with ExitStack() as stack:
        stack.enter_context(platform_kit.network())
        east = stack.enter_context(platform_kit.cluster("plat-east", folder, here))
        west = stack.enter_context(platform_kit.cluster("plat-west", folder, here))
        registry = stack.enter_context(platform_kit.registry(folder, registry_program(folder)))
        stack.enter_context(platform_kit.load_balancers([east, west]))
        _behind_nat(west, east)
        before = {one.context: platform_kit.wait_still(one) for one in (east, west)}
        lab = CommandLine(
            folder=folder / "lab",
            name="existing",
            toml=f'stack = "{wanted}"\n[stage]\nport = {STAGE_PORT}\n[artifacts]\nregistry = "{registry}/lab"\n'
            f'[clusters.east]\ncontext = "{east.context}"\nkubeconfig = "{east.kubeconfig}"\n'
            f'server = "https://{east.address}:6443"\n'
            f'[clusters.west]\ncontext = "{west.context}"\nkubeconfig = "{west.kubeconfig}"\nreachable = false\n',
        )
        try:
            yield Platform(east, west, before, lab)
        finally:
            lab.run("down", exit_code=None)


def _behind_nat(hidden: ExistingCluster, other: ExistingCluster) -> None:
    """Drop every connection that the other cluster opens to the hidden one, and count its packets."""
    for chain in ("INPUT", "FORWARD"):
        rule = (chain, "--source", other.address, "--match", "conntrack", "--ctstate", "NEW", "--jump", "DROP")
        docker("exec", hidden.node, "iptables", "--insert", *rule)


def _dropped(hidden: ExistingCluster, other: ExistingCluster) -> int:
    listed = docker("exec", hidden.node, "iptables", "--list", "--verbose", "--numeric", "--exact")
    rows = [line.split() for line in listed.splitlines() if other.address in line and " DROP " in line]
    return sum(int(row[0]) for row in rows)


def test_without_a_terminal_nothing_is_written_before_the_contexts_are_named(platform: Platform) -> None:
    said = platform.lab.run("up", exit_code=2)
    assert "the existing cluster kind-plat-east" in said
    assert "it cannot ask, because standard input is not a terminal" in said
    assert "lab up --yes-really kind-plat-east" in said
    assert "--yes-really production: lab.toml has no such context" in platform.lab.run(
        "up", "--yes-really", "production", exit_code=2
    )
    assert platform.differences() == {"kind-plat-east": [], "kind-plat-west": []}


def test_a_lab_up_that_was_killed_is_removed_without_a_trace(platform: Platform) -> None:
    going = platform.lab.start("up", *_AGREED)
    assert going.stdout is not None
    with going.stdout as output:
        for line in output:
            if "install the rest of Linkerd" in line or "install the east-west gateway" in line:
                break
        going.send_signal(signal.SIGKILL)
        going.wait(10)
    assert "objects in the context kind-plat-east" in platform.lab.run("down")
    assert platform.differences() == {"kind-plat-east": [], "kind-plat-west": []}


def test_the_lab_comes_up_and_a_second_time_changes_nothing(platform: Platform) -> None:
    platform.lab.run("up", *_AGREED)
    status = platform.lab.status()
    assert status["healthy"], status["problems"]
    addresses = {gateway["address"] for gateway in status["gateways"]}
    assert not addresses & {platform.east.address, platform.west.address}, "the platform gives other addresses"
    assert requests.get(status["clusters"]["west"]["url"], timeout=10).ok
    again = platform.lab.json("up")
    assert [name for name, step in again["steps"].items() if step["status"] == "changed"] == []


def test_links_lead_away_from_the_cluster_behind_the_nat_only(platform: Platform) -> None:
    assert {(link["source"], link["target"]) for link in platform.lab.status()["links"]} == {("west", "east")}


def test_what_needs_a_node_is_refused_with_the_reason(platform: Platform) -> None:
    assert "it is an existing cluster" in platform.lab.run("cut", "west", "east", exit_code=2)
    assert "would not reach a cluster on this machine" in platform.lab.run("cluster", "add", "north", exit_code=2)


def test_the_scenarios_pass_and_skip_what_needs_a_node(platform: Platform) -> None:
    report = platform.lab.json("run")
    outcomes = {scenario["name"]: scenario["outcome"] for scenario in report["scenarios"]}
    assert outcomes.pop("distance") == outcomes.pop("third_cluster") == "skipped"
    outcomes.pop("modes")
    assert set(outcomes.values()) == {"passed"}, outcomes
    steps = [step for scenario in report["scenarios"] for step in scenario["steps"]]
    assert {step["name"] for step in steps if _SKIPPED in step["reason"]} >= {"link_is_cut", "capture"}


def test_reset_finds_nothing_that_it_cannot_undo(platform: Platform) -> None:
    assert "the lab is in its known state" in platform.lab.run("reset")
    assert platform.lab.status()["healthy"]


def test_nothing_tried_to_reach_the_cluster_behind_the_nat(platform: Platform) -> None:
    assert _dropped(platform.west, platform.east) == 0
    call = f"exec 3<>/dev/tcp/{platform.west.address}/6443"
    tried = subprocess.run(["docker", "exec", platform.east.node, "timeout", "2", "bash", "-c", call], check=False)
    assert tried.returncode != 0
    assert _dropped(platform.west, platform.east) > 0, "the rule sees what East opens"


def test_an_object_of_somebody_else_in_a_namespace_of_the_lab_stops_lab_down(platform: Platform) -> None:
    _apply(platform.west, _STRANGER)
    said = platform.lab.run("down", exit_code=3)
    assert "Pod test/mine" in said
    assert "nothing was removed" in said
    assert platform.lab.status()["healthy"]
    platform.west.kind.kubectl("--namespace=test", "delete", "pod", "mine", "--grace-period=0", "--force")


def test_lab_down_leaves_the_clusters_as_they_were_but_for_what_others_use(platform: Platform) -> None:
    _apply(platform.east, _ROUTE)
    said = platform.lab.run("down")
    assert "objects in the context kind-plat-west" in said
    left = platform.differences()
    assert left["kind-plat-west"] == []
    crd = "apiextensions.k8s.io/v1 CustomResourceDefinition /httproutes.gateway.networking.k8s.io"
    route = "gateway.networking.k8s.io/v1 HTTPRoute default/of-others"
    by_hand = [name for name in left["kind-plat-east"] if " APIService " not in name]  # the CRD brings its own
    assert by_hand == [crd, route]
    platform.east.kind.kubectl("delete", "crd", "httproutes.gateway.networking.k8s.io")
    assert platform.differences()["kind-plat-east"] == []
    assert not (platform.lab.folder / "state" / "existing").exists()


@contextmanager
def _way_to_the_platform() -> Iterator[None]:
    """Let the lab's own network call the platform's, and not the other way round: Docker separates its networks."""
    platform, lab = str(platform_kit.subnet()), _SUBNET
    calls = ("--source", lab, "--destination", platform)
    answers = ("--source", platform, "--destination", lab, "--match", "conntrack", "--ctstate", "ESTABLISHED")
    for rule in (calls, answers):
        subprocess.run(["iptables", "--insert", "DOCKER-USER", *rule, "--jump", "ACCEPT"], check=True)
    try:
        yield
    finally:
        for rule in (calls, answers):
            subprocess.run(["iptables", "--delete", "DOCKER-USER", *rule, "--jump", "ACCEPT"], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("iptables"), reason="only root can join two networks")
def test_as_in_the_talk_a_laptops_west_calls_an_existing_east(platform: Platform) -> None:
    toml = platform.lab.toml.partition("[clusters.west]")[0]
    own = f'[clusters.west]\ningress_port = {PORTS["west"]}\n[network]\nsubnet = "{_SUBNET}"\n'
    lab = CommandLine(folder=platform.lab.folder.with_name("mixed"), name="mixed", toml=toml + own)
    with _way_to_the_platform():
        try:
            lab.run("up", "--yes", "--yes-really", "kind-plat-east")
            status = lab.status()
            assert status["healthy"], status["problems"]
            assert {(link["source"], link["target"]) for link in status["links"]} == {("west", "east")}
            report = lab.json("run", "service_discovery", "isolation")
            outcomes = {scenario["name"]: scenario["outcome"] for scenario in report["scenarios"]}
            assert set(outcomes.values()) == {"passed"}, outcomes
        finally:
            said = lab.run("down", exit_code=None)
    assert "the lab is deleted" in said
    assert platform.differences()["kind-plat-east"] == []
    assert leftovers("mixed") == []


def _apply(where: ExistingCluster, obj: Any) -> None:
    subprocess.run(
        [str(where.kind.kubectl_path), "apply", "--filename=-"],
        env={**os.environ, "KUBECONFIG": str(where.kubeconfig)},
        input=manifests.dump(obj),
        text=True,
        check=True,
        capture_output=True,
    )
