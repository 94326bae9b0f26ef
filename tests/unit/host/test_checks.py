"""The doctor: the findings of each check."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.errors import HostError
from lab.base.paths import Paths
from lab.host import doctor as checks
from lab.host.doctor import Finding, Verdict, credentials, environment, kernel, network, proxies, resources, sources
from lab.host.doctor import engine as engine_checks
from lab.host.doctor.needs import NOTHING, ArtifactNeeds
from lab.host.doctor.snapshot import HostProbes, HostSnapshot, Listener
from lab.host.engine import EngineState
from lab.host.products import EngineOrigin, Product, Site
from lab.tools.docker import EngineDeniedError, Network
from lab.tools.docker_records import PublishedPort

GIB = 2**30
BUILDS = ArtifactNeeds(build={"kubernetes": "go", "go": "wheel", "debian": "debian-packages"})
PULLS = ArtifactNeeds(
    build={"frontend": "image", "frontend-packages": "pip-target", "node-image": "bake"}, fetch=("podinfo", "python")
)
ELSEWHERE = EngineOrigin(product=Product.DESKTOP, site=Site.VM, endpoint="unix:///home/me/.docker/desktop/docker.sock")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - to compare with
Look = Callable[..., HostSnapshot]


@pytest.fixture
def look(host: Any, fake_docker: Any, fake_probes: Any, engine: Any, tmp_path: Path) -> Look:
    """A snapshot of a machine where all is well; the arguments say what is not."""
    host.engine_process()
    Paths(cache=tmp_path, state=tmp_path / "state").write_lab_id("1")
    for key, value in kernel.INOTIFY.items():
        host.file(f"/proc/sys/{key.replace('.', '/')}", f"{value}\n")

    def build(toml: str = "", *, machine: dict[str, Any] | None = None, **rest: Any) -> HostSnapshot:
        fakes = ("ends", "available", "free", "ifs", "silent", "names", "links", "read_only")
        probes = {k: rest.pop(k) for k in fakes if k in rest}
        found: dict[str, Any] = {
            "spec": config.parse(toml),
            "paths": Paths(cache=Path("/var/cache/lab"), state=tmp_path / "state"),
            "needs": NOTHING,
            "machine": host.machine(**(machine or {})),
            "docker": fake_docker(),
            "probes": fake_probes(**probes),
            "state": EngineState.ANSWERS,
            "engine": engine,
        }
        return HostSnapshot(**found | rest)

    return build


def only(found: Any) -> Finding:
    findings = list(found)
    assert len(findings) == 1, findings
    return findings[0]


# The engine


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, Verdict.OK, "20.10.24"),
        ({"version": "28.2.2"}, Verdict.OK, "28.2.2"),
        ({"version": "19.03.15"}, Verdict.FAIL, "19.03.15"),
        ({"storage_driver": "vfs"}, Verdict.WARN, "vfs"),
        ({"root_dir": Path("/var/snap/docker/common")}, Verdict.WARN, "snap"),
    ],
)
def test_engine(look: Look, engine: Any, change: dict[str, Any], verdict: Verdict, words: str) -> None:
    finding = only(engine_checks.check_engine(look(engine=replace(engine, **change))))
    assert (finding.verdict, words in finding.observed) == (verdict, True)


@pytest.mark.parametrize(
    ("state", "uid", "fixable", "fix"),
    [
        (EngineState.ABSENT, 0, True, "docker.io"),
        (EngineState.ABSENT, 1000, False, "sudo apt-get"),
        (EngineState.STOPPED, 0, True, "service docker start"),
        (EngineState.DENIED, 1000, False, "usermod"),
        (EngineState.ELSEWHERE, 0, False, "Docker Desktop"),
        (EngineState.NOWHERE, 0, False, "docker context ls"),
        (EngineState.UNUSABLE, 0, False, "docker info"),
        (EngineState.ANSWERS, 0, False, "service docker start"),
    ],
)
def test_no_engine(look: Look, state: EngineState, uid: int, fixable: bool, fix: str) -> None:
    finding = only(engine_checks.check_engine(look(engine=None, state=state, machine={"uid": uid})))
    assert finding.verdict is Verdict.FAIL
    assert finding.fixable is fixable
    if state is not EngineState.ANSWERS:
        assert fix in (finding.fix or "")


@pytest.mark.parametrize(
    ("cap_bnd", "refuses", "verdict", "words", "fixable"),
    [
        ("000001ffffffffff", [], Verdict.OK, "every capability", False),
        ("000001fffeffffff", [], Verdict.OK, "all the same", False),
        ("000001fffeffffff", ["unable to apply caps"], Verdict.FAIL, "CAP_SYS_RESOURCE", True),
        ("000001fffedfffff", ["unable to apply caps"], Verdict.FAIL, "CAP_SYS_ADMIN", False),
    ],
)
def test_privileges(  # noqa: PLR0917 - fixtures and one row of the table
    look: Look,
    host: Any,
    fake_docker: Any,
    cap_bnd: str,
    refuses: list[str],
    verdict: Verdict,
    words: str,
    fixable: bool,
) -> None:
    host.engine_process(cap_bnd=cap_bnd)
    finding = only(engine_checks.check_privileges(look(docker=fake_docker(refuses=refuses))))
    assert (finding.verdict, finding.fixable) == (verdict, fixable)
    assert words in finding.observed


# The kernel


@pytest.mark.parametrize(
    ("version", "controllers", "verdict", "words"),
    [
        ("2", "cpu cpuset memory pids", Verdict.OK, "v2"),
        ("2", "cpu", Verdict.FAIL, "cpuset, memory, pids"),
        ("1", "cpu cpuset memory pids", Verdict.OK, "v1"),
        ("1", "", Verdict.FAIL, "cpu, cpuset, memory, pids"),
    ],
)
def test_cgroups_are_those_that_the_engine_reports(  # noqa: PLR0917 - fixtures and one row of the table
    look: Look, engine: Any, version: str, controllers: str, verdict: Verdict, words: str
) -> None:
    found = replace(engine, cgroup_version=version, controllers=frozenset(controllers.split()))
    finding = only(kernel.check_cgroups(look(engine=found)))
    assert (finding.verdict, words in finding.observed) == (verdict, True)


@pytest.mark.parametrize(
    ("instances", "watches", "verdict"),
    [
        (512, 524288, Verdict.OK),
        (8192, 1048576, Verdict.OK),
        (128, 524288, Verdict.WARN),
        (512, 8192, Verdict.WARN),
        (64, 524288, Verdict.WARN),
        (63, 524288, Verdict.FAIL),
    ],
)
def test_inotify(look: Look, host: Any, instances: int, watches: int, verdict: Verdict) -> None:
    host.file("/proc/sys/fs/inotify/max_user_instances", f"{instances}\n")
    host.file("/proc/sys/fs/inotify/max_user_watches", f"{watches}\n")
    finding = only(kernel.check_inotify(look()))
    assert finding.verdict is verdict
    assert finding.fixable is (verdict is not Verdict.OK)
    if verdict is not Verdict.OK:
        assert (finding.fix or "").startswith("sysctl -w fs.inotify.max_user_")


def test_kernel_limits_are_raised_for_now_and_for_the_next_boot_and_never_lowered(host: Any) -> None:
    host.file("/proc/sys/fs/inotify/max_user_instances", "128\n")
    host.file("/proc/sys/fs/inotify/max_user_watches", "999999\n")
    host.run.answers["sysctl"] = ""
    done = kernel.set_sysctls(host.machine(), kernel.INOTIFY)
    file = host.root / "etc/sysctl.d/60-eastwest-lab.conf"
    assert "fs.inotify.max_user_instances = 512" in file.read_text()
    assert "watches" not in file.read_text()
    assert host.run.calls == [f"sysctl -q -p {file}"]
    assert "delete" in done
    kernel.set_sysctls(host.machine(), kernel.FORWARDING)
    assert "max_user_instances = 512" in file.read_text(), "an earlier fix stays"


def test_kernel_limits_that_may_not_be_set(host: Any) -> None:
    host.run.answers["sysctl"] = 255
    with pytest.raises(HostError, match="cannot be set"):
        kernel.set_sysctls(host.machine(), kernel.INOTIFY)


@pytest.mark.parametrize(("forwards", "verdict"), [(True, Verdict.OK), (False, Verdict.FAIL)])
def test_forwarding_is_what_the_engine_reports(look: Look, engine: Any, forwards: bool, verdict: Verdict) -> None:
    finding = only(kernel.check_forwarding(look(engine=replace(engine, ipv4_forwarding=forwards))))
    assert (finding.verdict, finding.fixable) == (verdict, verdict is Verdict.FAIL)


# Room


@pytest.mark.parametrize(
    ("processor", "needs", "verdict"),
    [
        ("x86_64", BUILDS, Verdict.OK),
        ("AMD64", BUILDS, Verdict.OK),
        ("aarch64", NOTHING, Verdict.OK),
        ("arm64", BUILDS, Verdict.WARN),
        ("arm64", PULLS, Verdict.OK),
        ("riscv64", NOTHING, Verdict.FAIL),
    ],
)
def test_architecture(look: Look, engine: Any, processor: str, needs: ArtifactNeeds, verdict: Verdict) -> None:
    same = replace(engine, architecture=processor)
    snapshot = look(engine=same, needs=needs, machine={"architecture": processor})
    assert only(resources.check_architecture(snapshot)).verdict is verdict


@pytest.mark.parametrize(
    ("available_gib", "engine_gib", "running", "ready", "verdict"),
    [
        (20, 24, 0, True, Verdict.OK),
        (3.0, 24, 0, True, Verdict.FAIL),
        (1.0, 24, 2, True, Verdict.OK),
        (2.0, 24, 1, True, Verdict.OK),
        (3.6, 24, 0, False, Verdict.WARN),
        (20, 3, 0, True, Verdict.FAIL),
    ],
)
def test_memory(  # noqa: PLR0917 - fixtures and one row of the table
    look: Look,
    engine: Any,
    node: Any,
    network: Network,
    available_gib: float,
    engine_gib: float,
    running: int,
    ready: bool,
    verdict: Verdict,
) -> None:
    nodes = [replace(node, name=f"n{number}") for number in range(running)]
    found = replace(engine, memory_bytes=int(engine_gib * GIB))
    snapshot = look(
        engine=found,
        containers=nodes,
        networks=[network],
        available=int(available_gib * GIB),
        needs=NOTHING if ready else BUILDS,
    )
    assert only(resources.check_memory(snapshot)).verdict is verdict


def test_memory_of_an_engine_elsewhere_is_what_it_has(look: Look) -> None:
    assert only(resources.check_memory(look(available=0, origin=ELSEWHERE))).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("free", "ready", "verdicts"),
    [
        ({"/": 100 * GIB}, False, [Verdict.OK]),
        ({"/": 21 * GIB}, False, [Verdict.WARN]),
        ({"/": 2 * GIB}, False, [Verdict.FAIL]),
        ({"/": 8 * GIB}, True, [Verdict.OK]),
        ({"/var/cache": 15 * GIB, "/var/lib": 9 * GIB}, False, [Verdict.OK, Verdict.OK]),
        ({"/var/cache": 15 * GIB, "/var/lib": 1 * GIB}, False, [Verdict.OK, Verdict.FAIL]),
    ],
)
def test_disk(look: Look, free: dict[str, int], ready: bool, verdicts: list[Verdict]) -> None:
    found = list(resources.check_disk(look(free=free, needs=NOTHING if ready else BUILDS)))
    assert [finding.verdict for finding in found] == verdicts


# Names and numbers


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ([Listener(ip=EVERYWHERE, port=8080, process="nginx", pid=42)], "nginx (pid 42)"),
        ([Listener(ip="127.0.0.1", port=8080)], "another user"),
    ],
)
def test_a_port_in_use_names_who_has_it_and_one_that_is_free(look: Look, ends: list[Listener], words: str) -> None:
    found = {finding.name: finding for finding in network.check_ports(look(ends=ends))}
    assert found["port 8081"].verdict is Verdict.OK
    finding = found["port 8080"]
    assert finding.verdict is Verdict.FAIL
    assert words in finding.observed
    assert "ingress_port = 8082 under [clusters.west]" in (finding.fix or "")


def test_another_labs_node_is_named_by_its_owner_and_never_advised_to_be_deleted(
    look: Look, node: Any, network: Network
) -> None:
    labels = {**network.labels, "eastwest.lab/lab-id": "2", "eastwest.lab/home": "ada@host:/ada"}
    found = list(checks.network.check_names(look(containers=[node], networks=[replace(network, labels=labels)])))
    assert len(found) == 2
    for finding in found:
        assert "belongs to the lab of ada@host with the state folder /ada" in finding.observed
        assert "delete" not in (finding.fix or "")
        assert "rm" not in (finding.fix or "")


def test_a_port_of_the_labs_own_node_is_its_own(look: Look, node: Any, network: Network) -> None:
    ends = [Listener(ip="127.0.0.1", port=8081, process="docker-proxy", pid=5)]
    snapshot = look(ends=ends, containers=[node], networks=[network])
    assert {finding.observed for finding in checks.network.check_ports(snapshot)} == {"free", "this lab's own"}


@pytest.mark.parametrize(
    "state", [EngineState.DENIED, EngineState.ELSEWHERE, EngineState.SILENT, EngineState.NOWHERE, EngineState.UNUSABLE]
)
@pytest.mark.parametrize("process", ["docker-proxy", None])
def test_without_the_engines_answer_no_port_and_no_subnet_has_a_foreign_owner(
    look: Look, state: EngineState, process: str | None
) -> None:
    ends = [Listener(ip="127.0.0.1", port=8081, process=process, pid=5 if process else None)]
    bridge = [("br-1", IPv4Interface("172.30.9.1/24"))]
    snapshot = look('[network]\nsubnet = "172.30.9.0/24"', ends=ends, ifs=bridge, engine=None, state=state)
    assert list(network.check_ports(snapshot)) == []
    assert only(network.check_addresses(snapshot)).verdict is Verdict.OK


@pytest.mark.parametrize("state", [EngineState.STOPPED, EngineState.ABSENT])
def test_without_a_running_engine_a_busy_port_is_another_programs(look: Look, state: EngineState) -> None:
    ends = [Listener(ip="127.0.0.1", port=8081, process="nginx", pid=5)]
    found = [f for f in network.check_ports(look(ends=ends, engine=None, state=state)) if f.name == "port 8081"]
    assert only(found).observed == "in use by nginx (pid 5)"


def test_a_port_of_another_container_names_the_container(look: Look, node: Any) -> None:
    other = replace(
        node, name="web", labels={}, networks={}, ports=(PublishedPort(host_ip=EVERYWHERE, host_port=8080, port=1),)
    )
    found = [finding for finding in network.check_ports(look(containers=[other])) if finding.name == "port 8080"]
    assert only(found).observed == "in use by container web"


def test_names_that_are_the_labs_own(look: Look, node: Any, network: Network) -> None:
    snapshot = look(containers=[node], networks=[network])
    assert only(checks.network.check_names(snapshot)).verdict is Verdict.OK


def test_a_kind_cluster_of_the_same_name_is_foreign_and_not_to_be_touched(look: Look, node: Any) -> None:
    finding = only(network.check_names(look(containers=[replace(node, networks={"kind": None})])))
    assert finding.verdict is Verdict.FAIL
    assert "kind delete cluster --name eastwest-east" in (finding.fix or "")
    assert not finding.fixable


def test_a_container_that_only_has_the_name(look: Look, node: Any) -> None:
    finding = only(network.check_names(look(containers=[replace(node, labels={}, networks={})])))
    assert f"the container {node.name} exists already" in finding.observed


def test_a_network_of_the_same_name(look: Look, network: Network) -> None:
    finding = only(checks.network.check_names(look(networks=[replace(network, labels={})])))
    assert "docker network rm eastwest" in (finding.fix or "")


def test_another_labs_nodes_are_no_concern(look: Look, node: Any, network: Network) -> None:
    other = replace(network, name="other", labels={"eastwest.lab/lab": "other"})
    theirs = replace(
        node,
        name="other-east-control-plane",
        labels={"io.x-k8s.kind.cluster": "other-east"},
        networks={"other": None},
    )
    assert only(checks.network.check_names(look(containers=[theirs], networks=[other]))).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("toml", "interfaces", "docker_networks", "expected"),
    [
        ("", ["192.168.1.5/24", "127.0.0.1/8"], [], []),
        ("", ["10.10.3.4/24"], [], [Verdict.WARN]),
        ('[network]\nsubnet = "10.89.0.0/24"\n', ["192.168.1.5/24"], [], []),
        ('[network]\nsubnet = "10.89.0.0/24"\n', ["10.89.0.7/16"], [], [Verdict.FAIL]),
        ('[network]\nsubnet = "10.89.0.0/24"\n', [], ["10.89.0.0/16"], [Verdict.FAIL]),
        ('[network]\nsubnet = "10.89.0.0/24"\n', [], ["172.17.0.0/16"], []),
    ],
)
def test_addresses(  # noqa: PLR0917 - fixtures and one row of the table
    look: Look, network: Network, toml: str, interfaces: list[str], docker_networks: list[str], expected: list[Verdict]
) -> None:
    others = [
        replace(network, name=f"n{i}", labels={}, subnets=(IPv4Network(net),)) for i, net in enumerate(docker_networks)
    ]
    ifs = [(f"eth{i}", IPv4Interface(address)) for i, address in enumerate(interfaces)]
    found = list(checks.network.check_addresses(look(toml, ifs=ifs, networks=others)))
    assert [finding.verdict for finding in found] == (expected or [Verdict.OK])


@pytest.mark.parametrize(
    ("routes", "toml", "verdict", "words"),
    [
        (["000010AC 0000F0FF"], "", Verdict.WARN, "172.30.0.0/24 is a part of a route of this machine (172.16.0.0/12"),
        (["00000000 00000080", "00000080 00000080"], "", Verdict.OK, "no overlap"),
        (["00001EAC 0000FFFF"], '[network]\nsubnet = "172.30.0.0/16"\n', Verdict.FAIL, "172.30.0.0/16 overlaps"),
    ],
)
def test_routes_of_a_vpn_are_seen_before_anything_is_built(  # noqa: PLR0917 - fixtures and one row of the table
    look: Look, host: Any, routes: list[str], toml: str, verdict: Verdict, words: str
) -> None:
    lines = [f"tun0 {net} 00000000 0001 0 0 0 {mask} 0 0 0" for net, mask in (route.split() for route in routes)]
    host.file("/proc/net/route", "\n".join(["Iface Destination …", *lines]))
    finding = only(network.check_addresses(look(toml)))
    assert finding.verdict is verdict
    assert words in finding.observed


def test_a_machine_without_a_free_subnet_is_a_failure_before_anything_is_built(look: Look) -> None:
    found = list(network.check_addresses(look(ifs=[("eth0", IPv4Interface("172.30.0.5/16"))])))
    assert [f.verdict for f in found if "172.30.0.0/16 is free" in f.observed] == [Verdict.FAIL]


def test_the_labs_own_bridge_is_no_clash(look: Look, network: Network) -> None:
    snapshot = look(
        '[network]\nsubnet = "10.89.0.0/24"\n', networks=[network], ifs=[("br-1", IPv4Interface("10.89.0.1/24"))]
    )
    assert only(checks.network.check_addresses(snapshot)).verdict is Verdict.OK


@pytest.mark.parametrize("environ", [{}, {"HTTPS_PROXY": "http://p:3128"}, {"https_proxy": "http://p:3128"}])
def test_a_proxy_is_named_and_is_no_problem(look: Look, environ: dict[str, str]) -> None:
    finding = only(proxies.check_proxies(look(machine={"environ": environ})))
    assert finding.verdict is Verdict.OK
    assert all(name in finding.observed for name in environ)
    assert "http://p" not in finding.observed, "a proxy's address may hold a password"


def test_settings_for_other_work_are_named(look: Look) -> None:
    environ = {"DOCKER_DEFAULT_PLATFORM": "linux/arm64", "GOARCH": "arm64", "DOCKER_HOST": "tcp://there:1"}
    found = list(environment.check_environment(look(machine={"environ": environ})))
    assert [(f.verdict, f.observed) for f in found] == [
        (Verdict.OK, "DOCKER_DEFAULT_PLATFORM=linux/arm64 is ignored for the lab's own commands"),
        (Verdict.OK, "GOARCH=arm64 is ignored for the lab's own commands"),
    ]


# Only builds and pulls


@pytest.mark.usefixtures("clients")
def test_builds_and_pulls_need_neither_ports_nor_names(
    look: Look, host: Any, fake_docker: Any, fake_probes: Any, network: Network
) -> None:
    """Where another lab runs and has the ports, `lab artifacts build` works all the same."""
    host.program("/usr/bin/docker")
    snapshot = look()
    theirs = replace(network, labels={"app.kubernetes.io/managed-by": "eastwest-lab", "eastwest.lab/lab-id": "2"})
    found = {
        name: checks.run(
            snapshot.spec,
            snapshot.paths,
            needs=replace(PULLS, registries=("registry.example",)),
            machine=host.machine(uid=1000),
            docker=fake_docker(has_networks=[theirs]),
            probes=fake_probes(ends=[Listener(ip="127.0.0.1", port=8080)]),
            checks=some,
        )
        for name, some in (("up", checks.CHECKS), ("artifacts", checks.ARTIFACT_CHECKS))
    }
    failed = {name: {finding.name for finding in checks.failures(found[name])} for name in found}
    assert failed == {"up": {"port 8080", "names"}, "artifacts": set()}
    assert {"engine", "registries", "architecture"} <= {finding.name for finding in found["artifacts"]}


@pytest.mark.parametrize(
    ("some", "available", "verdicts"),
    [(BUILDS, 2 * GIB, [Verdict.WARN]), (BUILDS, 5 * GIB, [Verdict.OK]), (PULLS, 0, [])],
)
def test_memory_for_builds_is_that_of_compilers(
    look: Look, some: ArtifactNeeds, available: int, verdicts: list[Verdict]
) -> None:
    found = list(resources.check_build_memory(look(needs=some, available=available)))
    assert [finding.verdict for finding in found] == verdicts


def test_pulls_need_less_disk_than_clusters(look: Look) -> None:
    snapshot = look(needs=PULLS, free={"/": int(resources.CACHE_GIB + resources.ENGINE_IMAGES_GIB) << 30})
    assert only(resources.check_artifact_disk(snapshot)).verdict is Verdict.OK
    assert only(resources.check_disk(snapshot)).verdict is Verdict.WARN


# Folders


@pytest.mark.parametrize(
    ("read_only", "variables"),
    [([], []), (["/var/cache"], ["LAB_CACHE_DIR"]), (["/"], ["LAB_CACHE_DIR", "LAB_STATE_DIR"])],
)
def test_a_folder_that_cannot_be_written_is_named_with_its_variable(
    look: Look, read_only: list[str], variables: list[str]
) -> None:
    found = list(environment.check_folders(look(read_only=read_only)))
    assert [finding.verdict for finding in found] == [Verdict.FAIL] * len(variables)
    assert [(finding.fix or "").split()[1] for finding in found] == variables
    assert environment.check_folders in checks.ARTIFACT_CHECKS


def test_folders_can_be_written_if_their_nearest_parent_can(tmp_path: Path) -> None:
    probes = HostProbes()
    assert probes.can_write(tmp_path / "not" / "there")
    (tmp_path / "file").touch()
    assert not probes.can_write(tmp_path / "file" / "below")


# Sources


@pytest.mark.parametrize(
    ("config_json", "named"),
    [
        ({}, []),
        ({"credsStore": "there"}, []),
        ({"credsStore": "gone"}, ["delete gone from credsStore in"]),
        ({"credHelpers": {"ghcr.io": "gone"}, "credsStore": "there"}, ["delete gone from credHelpers in"]),
        ({"credHelpers": {"https://index.docker.io/v1/": "gone"}}, ["delete gone from credHelpers in"]),
        ({"credHelpers": {"other.example": "gone"}}, []),
        ({"credHelpers": [], "credsStore": 5}, []),
        ([], []),
    ],
)
@pytest.mark.parametrize("folder", ["/home/ada/.docker", "/elsewhere"])
def test_a_credential_helper_that_a_removed_product_has_left_is_named(
    look: Look, host: Any, config_json: Any, named: list[str], folder: str
) -> None:
    host.program("/usr/bin/docker-credential-there")
    file = f"{folder}/config.json"
    host.file(file, json.dumps(config_json))
    environ = {"HOME": "/home/ada", "DOCKER_CONFIG": "" if folder.endswith(".docker") else folder}
    needs = replace(PULLS, registries=("docker.io", "ghcr.io"))
    found = list(credentials.check_credentials(look(needs=needs, machine={"environ": environ})))
    assert [finding.verdict for finding in found] == [Verdict.WARN] * len(named)
    for finding, words in zip(found, named, strict=True):
        assert f"{words} {file}" in (finding.fix or "")
    assert list(credentials.check_credentials(look(needs=NOTHING, machine={"environ": environ}))) == []


@pytest.fixture
def clients(host: Any) -> Any:
    host.program("/usr/bin/go")
    host.file("/etc/apt/sources.list", "# deb http://no.example/x\ndeb http://debian.example/debian bookworm main\n")
    host.run.answers |= {"go env GOPROXY": "https://go.example,direct\n"}

    def pip(status: int) -> None:
        host.run.answers |= {f"{checks.sources.sys.executable} -m pip index": status}

    pip(0)
    return pip


@pytest.mark.parametrize(
    ("silent", "pip", "verdict"),
    [
        ([], 0, Verdict.OK),
        (["go.example"], 0, Verdict.WARN),
        (["debian.example"], 1, Verdict.WARN),
        (["example"], 1, Verdict.FAIL),
    ],
)
def test_packages(look: Look, clients: Any, silent: list[str], pip: int, verdict: Verdict) -> None:
    clients(pip)
    assert only(sources.check_packages(look(needs=BUILDS, silent=silent))).verdict is verdict


@pytest.mark.parametrize("needs", [NOTHING, PULLS])
def test_where_nothing_is_compiled_an_ordinary_user_needs_little_disk_and_no_tools(
    look: Look, needs: ArtifactNeeds
) -> None:
    found = look(needs=needs, machine={"uid": 1000})
    assert [*sources.check_tools(found), *sources.check_user(found)] == []
    free = int(resources.CACHE_GIB + resources.ENGINE_GIB + 1) << 30
    assert only(resources.check_disk(look(needs=needs, free={"/": free}))).verdict is Verdict.OK
    assert only(resources.check_disk(look(needs=BUILDS, free={"/": free}))).verdict is not Verdict.OK


@pytest.mark.parametrize(
    ("needs", "named"),
    [
        (PULLS, "frontend-packages"),
        (BUILDS, "debian, go, kubernetes"),
        (ArtifactNeeds(build={"debian": "debian-packages", "node-rootfs": "debian-rootfs", "node": "node"}), "debian"),
    ],
)
def test_the_finding_about_packages_names_only_what_is_made_from_them(
    look: Look, clients: Any, needs: ArtifactNeeds, named: str
) -> None:
    finding = only(sources.check_packages(look(needs=needs, silent=["debian.example"])))
    assert finding.why == f"made from packages of registries: {named}"


def test_packages_are_not_asked_for_when_everything_is_built(look: Look) -> None:
    assert list(sources.check_packages(look(needs=NOTHING))) == []


@pytest.mark.parametrize(
    ("source", "silent", "verdict"),
    [
        ("auto", [], Verdict.OK),
        ("auto", ["registry.example"], Verdict.WARN),
        ("upstream", [], Verdict.OK),
        ("upstream", ["registry.example"], Verdict.FAIL),
    ],
)
def test_registries(look: Look, source: str, silent: list[str], verdict: Verdict) -> None:
    snapshot = look(
        f'[artifacts]\nsource = "{source}"\n', needs=replace(PULLS, registries=("registry.example",)), silent=silent
    )
    assert only(sources.check_registries(snapshot)).verdict is verdict


@pytest.mark.parametrize("source", ["auto", "packages"])
def test_a_silent_mirror_is_a_failure(look: Look, source: str) -> None:
    snapshot = look(
        f'[artifacts]\nsource = "{source}"\nmirror = "mirror.example:5000/x"\n',
        needs=replace(PULLS, registries=("mirror.example:5000",)),
        silent=["mirror.example:5000"],
    )
    finding = only(sources.check_registries(snapshot))
    assert finding.verdict is Verdict.FAIL
    assert "mirror.example:5000" in finding.observed


@pytest.mark.parametrize(
    ("there", "uid", "os_id", "source", "verdict", "fixable"),
    [
        (True, 0, "debian", "auto", Verdict.OK, False),
        (True, 1000, "debian", "auto", Verdict.OK, False),
        (False, 0, "debian", "auto", Verdict.FAIL, True),
        (False, 1000, "ubuntu", "auto", Verdict.FAIL, False),
        (False, 0, "fedora", "auto", Verdict.WARN, False),
        (False, 0, "fedora", "packages", Verdict.FAIL, False),
    ],
)
def test_tools(  # noqa: PLR0917 - fixtures and one row of the table
    look: Look, host: Any, there: bool, uid: int, os_id: str, source: str, verdict: Verdict, fixable: bool
) -> None:
    host.file("/etc/os-release", f"ID={os_id}\n")
    if there:
        host.program("/usr/sbin/debootstrap")
    host.run.answers["dpkg-query"] = "debootstrap installed\ndebian-archive-keyring installed\n" if there else ""
    snapshot = look(f'[artifacts]\nsource = "{source}"\n', needs=BUILDS, machine={"uid": uid})
    finding = only(sources.check_tools(snapshot))
    assert (finding.verdict, finding.fixable) == (verdict, fixable)


# All together


def test_every_finding_that_is_not_ok_says_what_to_do() -> None:
    for text in Path(checks.__file__).parent.glob("*.py"):
        assert "fix=None" not in text.read_text()


def test_every_check_is_run() -> None:
    known = {check.__name__ for check in (*checks.CHECKS, *checks.ARTIFACT_CHECKS)}
    for file in Path(checks.__file__).parent.glob("*.py"):
        found = {
            node.name
            for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
        }
        missing = ", ".join(found - known)
        assert not missing, f"add it to CHECKS or ARTIFACT_CHECKS in lab/host/doctor/__init__.py: {missing}"


def test_a_check_that_breaks_hides_no_other(look: Look, host: Any, fake_docker: Any, fake_probes: Any) -> None:
    def check_broken(_: HostSnapshot) -> list[Finding]:
        raise ZeroDivisionError("oops")

    snapshot = look()
    found = checks.run(
        snapshot.spec,
        snapshot.paths,
        machine=snapshot.machine,
        docker=fake_docker(),
        probes=fake_probes(),
        checks=(check_broken, resources.check_architecture),
    )
    assert [(finding.name, finding.verdict) for finding in found] == [
        ("broken", Verdict.WARN),
        ("architecture", Verdict.OK),
    ]
    assert "oops" in found[0].observed


def test_without_an_engine_everything_else_is_still_looked_at(
    host: Any, look: Look, fake_docker: Any, fake_probes: Any
) -> None:
    snapshot = look()
    found = checks.run(
        snapshot.spec,
        snapshot.paths,
        machine=host.machine(),
        docker=fake_docker(),
        probes=fake_probes(),
    )
    assert [finding.name for finding in checks.failures(found)] == ["engine"]
    assert {"port 8080", "memory", "localhost", "proxies"} <= {finding.name for finding in found}


def test_only_what_is_fixable_is_planned_and_nothing_is_changed_by_that(host: Any) -> None:
    fixable = Finding(name="inotify", verdict=Verdict.WARN, observed="few", why="w", fix="sysctl …", fixable=True)
    not_fixable = Finding(name="memory", verdict=Verdict.FAIL, observed="little", why="", fix="buy some")
    (planned,) = checks.changes([fixable, not_fixable], machine=host.machine())
    assert (planned.command, planned.why) == ("sysctl …", "w")
    assert kernel.SYSCTL_FILE in planned.undo
    assert host.run.calls == []
    host.run.answers["sysctl"] = ""
    assert "fs.inotify" in planned.apply()


@pytest.mark.parametrize(("cap_bnd", "asks"), [("000001fffeffffff", True), ("000001ffffffffff", False)])
def test_starting_the_engine_asks_for_the_runtime_too_where_it_may_be_needed(
    host: Any, fake_docker: Any, nobody: Any, cap_bnd: str, asks: bool
) -> None:
    host.file("/proc/self/status", f"CapBnd:\t{cap_bnd}\n")
    finding = Finding(name="engine", verdict=Verdict.FAIL, observed="not installed", why="", fix="apt", fixable=True)
    planned = checks.changes([finding], machine=host.machine(), docker=fake_docker(down=[nobody]))
    words = [change.what for change in planned]
    assert words[0].startswith("install the packages docker.io")
    assert words[1].startswith("start the Docker Engine")
    assert ["default runtime" in word for word in words[2:]] == ([True] if asks else [])
    for_artifacts = checks.changes([finding], clusters=False, machine=host.machine(), docker=fake_docker(down=[nobody]))
    assert [change.what for change in for_artifacts] == words[:2], "builds and pulls start no privileged container"


def test_findings_are_plain_records(look: Look) -> None:
    finding = only(resources.check_architecture(look()))
    fields = {name: getattr(finding, name) for name in finding.__dataclass_fields__}
    assert json.dumps(fields | {"verdict": finding.verdict.value})


def test_an_ordinary_user_who_builds_images_is_told_first_to_use_root(
    host: Any, fake_docker: Any, fake_probes: Any, tmp_path: Path
) -> None:
    host.program("/usr/bin/docker")
    host.run.answers["dpkg-query"] = ""
    found = checks.run(
        config.parse(""),
        Paths(cache=tmp_path, state=tmp_path / "state"),
        needs=BUILDS,
        machine=host.machine(uid=1000),
        docker=fake_docker(down=[EngineDeniedError("this user may not use the container engine")]),
        probes=fake_probes(ends=[Listener(ip="127.0.0.1", port=8081)]),
        checks=(sources.check_user, engine_checks.check_engine, network.check_ports),
    )
    assert [(finding.name, finding.fix) for finding in found] == [
        ("user", "run the command as root; or connect to the container registries, whose images need no build"),
        ("engine", 'sudo usermod -aG docker "$USER", then log in again'),
    ]
    assert checks.CHECKS[:2] == (sources.check_user, engine_checks.check_engine)
