"""The doctor on engines that are not this machine's own Docker service: no fact of them is read from this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.errors import CommandError, HostError
from lab.base.paths import Paths
from lab.host import doctor as checks
from lab.host.doctor import Finding, Verdict, engine, kernel, network, proxies, resources, rootless, snapshot, sources
from lab.host.doctor.needs import NOTHING, ArtifactNeeds
from lab.host.doctor.snapshot import HostSnapshot, Listener
from lab.host.engine import EngineState, can_fix, changes, command, observe
from lab.host.engine_facts import EngineFacts
from lab.host.sandbox.runtime import Runtime
from lab.tools.docker_records import PublishedPort
from tests.unit.host.engines import ENGINES, HERE, MAC, engine_of, origin_of

GIB = 2**30
IMAGE = "eastwest-lab/node-image:1"
SEES = """CapBnd:\t000001ffffffffff
MemAvailable:    4194304 kB
max_user_instances: 64
max_user_watches: 8192
Free: 1000000 4096
"""
Look = Callable[..., HostSnapshot]


def only(found: Any) -> Finding:
    findings = list(found)
    assert len(findings) == 1, findings
    return findings[0]


@pytest.fixture
def look(host: Any, fake_docker: Any, fake_probes: Any, tmp_path: Path) -> Look:
    """A snapshot with a recorded engine, on a machine that has a Docker service of its own with low limits."""
    host.engine_process(cap_bnd="0")
    for key in ("max_user_instances", "max_user_watches"):
        host.file(f"/proc/sys/fs/inotify/{key}", "1\n")
    host.file("/proc/sys/net/ipv4/ip_forward", "0\n")
    host.file("/proc/sys/fs/inotify/max_user_instances", "1\n")

    def build(name: str = "docker-29", toml: str = "", *, mac: bool = False, **rest: Any) -> HostSnapshot:
        fakes = {k: rest.pop(k) for k in ("ends", "available", "free", "ifs", "names", "links", "silent") if k in rest}
        machine = {"system": "Darwin"} if mac else {}
        found: dict[str, Any] = {
            "spec": config.parse(toml),
            "paths": Paths(cache=Path("/var/cache/lab"), state=tmp_path / "state"),
            "needs": NOTHING,
            "machine": host.machine(**{**machine, **rest.pop("machine", {})}),
            "docker": fake_docker(),
            "probes": fake_probes(**fakes),
            "state": EngineState.ANSWERS,
            "engine": replace(engine_of(name), **rest.pop("change", {})),
            "origin": origin_of(name, MAC if mac else HERE),
        }
        return HostSnapshot(**found | rest)

    return build


ELSEWHERE = sorted(name for name in ENGINES if not origin_of(name).is_service_here)


# Which engines the lab works with


@pytest.mark.parametrize("name", ["podman-socket", "podman-as-docker-sock", "podman-command"])
def test_podman_is_refused_with_the_reason(look: Look, name: str) -> None:
    finding = only(engine.check_engine(look(name)))
    assert finding.verdict is Verdict.FAIL
    assert "Podman" in finding.observed
    assert "fixed addresses" in finding.why
    assert "docker context use" in (finding.fix or "")


@pytest.mark.parametrize("name", ["podman-command", "podman-socket"])
def test_podman_is_asked_only_what_it_answers(  # noqa: PLR0917 - fixtures and one row of the table
    host: Any, fake_docker: Any, fake_probes: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Podman's own `docker` command fails on `docker version --format {{json .Server}}` and `docker context`."""
    host.program("/usr/bin/docker")
    unknown = CommandError(["docker"], returncode=125, stderr="template: can't evaluate field Server")

    def fails(*_: object) -> Any:
        raise unknown

    asked = ["containers", "networks", *(["components", "endpoint"] if name == "podman-command" else [])]
    for method in asked:
        monkeypatch.setattr(fake_docker, method, fails)
    docker = fake_docker(engine=engine_of(name), parts=ENGINES[name]["components"], at=ENGINES[name]["endpoint"])
    paths = Paths(cache=tmp_path, state=tmp_path / "state")
    found = checks.run(
        config.parse(""), paths, machine=host.machine(), docker=docker, probes=fake_probes(), checks=checks.CHECKS
    )
    failure = only(checks.failures(found))
    assert "Podman" in failure.observed
    assert not [finding for finding in found if "could not be checked" in finding.observed]


@pytest.mark.parametrize(
    ("name", "environ", "fix"),
    [
        ("remote-ssh", {"DOCKER_HOST": "ssh://ada@build.example"}, "unset DOCKER_HOST"),
        ("remote-tcp-of-a-twin", {"DOCKER_CONTEXT": "twin"}, "unset DOCKER_CONTEXT"),
        ("dind-service", {}, "docker context use"),
    ],
)
def test_an_engine_on_another_computer_is_refused_before_anything_starts(
    look: Look, name: str, environ: dict[str, str], fix: str
) -> None:
    finding = only(engine.check_engine(look(name, machine={"environ": environ})))
    assert finding.verdict is Verdict.FAIL
    assert "127.0.0.1" in finding.why
    assert "run the lab there" in (finding.fix or "")
    assert fix in (finding.fix or "")
    assert not finding.fixable


@pytest.mark.parametrize("name", ["forwarded-socket", "from-a-container"])
def test_an_engine_whose_place_is_unknown_is_a_warning(look: Look, name: str) -> None:
    finding = only(engine.check_engine(look(name)))
    assert finding.verdict is Verdict.WARN
    assert "--network=host" in (finding.fix or "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "docker-20.10",
            "Docker Engine 20.10.24+dfsg1 (Debian GNU/Linux 12 (bookworm)), on this machine; overlay2",
        ),
        ("docker-29", "containerd's image store"),
        ("docker-desktop-mac", "Docker Desktop 27.1.1, in a virtual machine on this machine; overlay2, the classic"),
        ("colima", "Colima 29.5.2 (Ubuntu 24.04.4 LTS), in a virtual machine"),
        ("orbstack", "OrbStack 28.5.2, in a virtual machine"),
        ("rancher-desktop-mac", "Rancher Desktop 26.1.5"),
        ("rootless", "rootless Docker Engine 24.0.7"),
        ("tcp-on-loopback", "on this machine"),
    ],
)
def test_an_engine_that_works_is_named_with_its_place_and_image_store(look: Look, name: str, words: str) -> None:
    finding = only(engine.check_engine(look(name)))
    assert finding.verdict is Verdict.OK
    assert words in finding.observed


# This machine's own Docker service is neither judged nor changed


@pytest.mark.parametrize("name", ELSEWHERE)
def test_this_machines_limits_say_nothing_about_another_engine(look: Look, name: str) -> None:
    """This machine's service has no capability and the lowest limits; a finding from them would be a failure."""
    found = look(name)
    assert [f for f in engine.check_privileges(found) if f.verdict is not Verdict.OK] == []
    assert [f for f in kernel.check_forwarding(found) if f.verdict is not Verdict.OK] == []
    if not found.engine_is_here:
        assert [f for f in kernel.check_inotify(found) if f.verdict is not Verdict.OK] == []


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_change_of_this_machine_is_planned_for_another_engine(look: Look, name: str) -> None:
    found = look(name, needs=ArtifactNeeds(node_image=IMAGE), facts=EngineFacts(sysctls={}))
    findings = [f for check in checks.CHECKS for f in check(found)]
    planned = checks.changes(findings, machine=found.machine, docker=found.docker)
    assert [change.what for change in planned if "sysctl" not in change.command] == []
    if not found.engine_is_here:
        assert planned == []


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_the_services_runtime_is_not_touched_while_docker_uses_another_engine(
    host: Any, fake_docker: Any, verb: str
) -> None:
    host.engine_process(cap_bnd="000001fffeffffff")
    settings = host.file("/etc/docker/daemon.json", '{"debug": true, "runtimes": {"eastwest-lab": {"path": "/x"}}}')
    before = settings.read_text()
    runtime = Runtime(
        machine=host.machine(environ={"DOCKER_HOST": "tcp://10.0.0.9:2375"}),
        docker=fake_docker(at="tcp://10.0.0.9:2375"),
    )
    with pytest.raises(HostError, match=r"another engine \(tcp://10.0.0.9:2375\)") as caught:
        getattr(runtime, verb)()
    assert "unset DOCKER_HOST" in (caught.value.next or "")
    assert settings.read_text() == before


@pytest.mark.parametrize(
    "environ", [{"DOCKER_HOST": "tcp://10.0.0.9:2375"}, {"DOCKER_HOST": "ssh://ada@x"}, {"DOCKER_CONTEXT": "colima"}]
)
def test_without_the_docker_command_no_service_is_installed_for_an_engine_elsewhere(
    host: Any, fake_docker: Any, environ: dict[str, str]
) -> None:
    machine = host.machine(environ=environ)
    state = observe(machine, fake_docker())
    assert state is EngineState.NO_COMMAND
    assert not can_fix(state, machine)
    assert changes(state, machine, fake_docker()) == []
    assert "docker-cli" in command(state, machine)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"DOCKER_HOST": "unix:///Users/ada/.colima/default/docker.sock"}, "colima start, or unset DOCKER_HOST"),
        ({"DOCKER_HOST": "unix:///run/user/1000/docker.sock"}, "systemctl --user start docker, or unset"),
        ({"DOCKER_CONTEXT": "orbstack"}, "orb start, or unset DOCKER_CONTEXT"),
        ({"DOCKER_HOST": "tcp://127.0.0.1:2375"}, "start or restart that engine"),
        ({"DOCKER_HOST": "tcp://ada:geheim@10.0.0.9:1"}, "[redacted]@10.0.0.9:1 (the lab does not work with an engine"),
    ],
)
def test_an_engine_that_is_down_is_started_by_its_own_product(host: Any, environ: dict[str, str], words: str) -> None:
    assert words in command(EngineState.ELSEWHERE, host.machine(environ=environ))


@pytest.mark.parametrize(
    ("system", "release", "words"),
    [
        ("Darwin", "", "Colima (`brew install colima docker`)"),
        ("Linux", "5.15.167.4-microsoft-standard-WSL2\n", "WSL integration"),
        ("Linux", "6.1.0\n", "apt-get install"),
    ],
)
def test_how_to_get_an_engine_depends_on_the_system(host: Any, system: str, release: str, words: str) -> None:
    host.file("/proc/sys/kernel/osrelease", release)
    assert words in command(EngineState.ABSENT, host.machine(system=system))


# What a node sees


@pytest.fixture
def seen(look: Look, fake_docker: Any) -> Callable[..., tuple[HostSnapshot, Any]]:
    """What the doctor's snapshot learns by a container."""

    def build(name: str, *, sees: Any = SEES, needs: ArtifactNeeds | None = None, **rest: Any) -> Any:
        docker = fake_docker(sees=sees)
        found = look(name, docker=docker, needs=needs or ArtifactNeeds(node_image=IMAGE), **rest)
        return snapshot._with_facts(found), docker

    return build


def test_a_short_container_shows_what_a_node_sees(seen: Any) -> None:
    found, docker = seen("docker-desktop-mac", mac=True)
    assert docker.looked == [IMAGE]
    assert found.facts == EngineFacts(
        bounding_set=0x1FFFFFFFFFF,
        memory_available_bytes=4 * GIB,
        disk_free_bytes=4096000000,
        sysctls={"fs.inotify.max_user_instances": 64, "fs.inotify.max_user_watches": 8192},
    )


def test_a_running_node_shows_it_without_a_new_container(seen: Any, node: Any, network: Any, tmp_path: Path) -> None:
    Paths(cache=tmp_path, state=tmp_path / "state").write_lab_id("1")
    found, docker = seen("colima", containers=[node], networks=[network])
    assert docker.looked == [node.name]
    assert found.facts.memory_available_bytes == 4 * GIB


@pytest.mark.parametrize("name", ["docker-29", "rootless", "remote-ssh"])
def test_no_container_is_started_where_it_is_not_needed(seen: Any, name: str) -> None:
    found, docker = seen(name)
    assert docker.looked == []
    assert found.facts is None


def test_without_a_node_image_nothing_is_started_and_nothing_is_claimed(seen: Any) -> None:
    found, docker = seen("docker-desktop-linux", needs=ArtifactNeeds(fetch=("node-image",)))
    assert docker.looked == []
    assert "not known" in only(kernel.check_inotify(found)).observed
    assert "not tried" in only(engine.check_privileges(found)).observed
    disks = {finding.name: finding for finding in resources.check_disk(found)}
    assert "not known" in disks["engine's disk"].observed


def test_a_container_that_does_not_start_is_a_failure_with_the_engines_words(seen: Any) -> None:
    refusal = CommandError(["docker"], returncode=125, stderr="unable to apply caps: operation not permitted\n")
    found, _ = seen("forwarded-socket", sees=refusal)
    finding = only(engine.check_privileges(found))
    assert finding.verdict is Verdict.FAIL
    assert "unable to apply caps" in finding.observed


def test_strange_output_leaves_the_facts_unknown(seen: Any) -> None:
    found, _ = seen("colima", sees="CapBnd:\tzz\nFree: many\nmax_user_instances:\nnonsense\n")
    assert found.facts == EngineFacts()
    assert found.facts.may_raise_priority


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("colima", "colima ssh -- sudo sysctl -w fs.inotify.max_user_instances=512"),
        ("rancher-desktop-mac", "rdctl shell sudo sysctl -w"),
        ("lima", "lima sudo sysctl -w"),
        ("docker-desktop-mac", f"docker run --rm --privileged --entrypoint=sysctl {IMAGE} -w fs.inotify"),
        ("orbstack", f"--entrypoint=sysctl {IMAGE}"),
    ],
)
def test_the_inotify_limits_are_the_engines_and_its_own_command_raises_them(seen: Any, name: str, words: str) -> None:
    found, _ = seen(name, mac=True)
    finding = only(kernel.check_inotify(found))
    assert finding.verdict is Verdict.WARN, "64 are enough for two nodes"
    assert words in (finding.fix or "")
    assert not finding.fixable, "a change of this machine would change nothing there"


# Room


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("colima", "colima stop && colima start --cpu 2 --memory 5"),
        ("docker-desktop-linux", "Docker Desktop, Settings, Resources: a memory limit of 5 GB"),
        ("docker-desktop-wsl", ".wslconfig"),
        ("orbstack", "orb config set memory_mib 5120"),
        ("rancher-desktop-mac", "rdctl set --virtual-machine.memory-in-gb=5"),
        ("lima", "limactl edit --memory=5"),
    ],
)
def test_a_virtual_machine_without_enough_memory_is_named_with_its_own_setting(
    look: Look, name: str, words: str
) -> None:
    finding = only(resources.check_memory(look(name, change={"memory_bytes": 2 * GIB}, available=0)))
    assert finding.verdict is Verdict.FAIL
    assert "2.0 GiB in total" in finding.observed
    assert words in (finding.fix or "")


@pytest.mark.parametrize(("available", "verdict"), [(4, Verdict.OK), (1, Verdict.FAIL)])
def test_memory_that_other_containers_use_is_not_available(look: Look, available: int, verdict: Verdict) -> None:
    facts = EngineFacts(memory_available_bytes=available * GIB)
    finding = only(resources.check_memory(look("docker-desktop-mac", facts=facts, available=0)))
    assert finding.verdict is verdict


@pytest.mark.parametrize(
    ("name", "cpus", "verdict", "words"),
    [
        ("colima", 1, Verdict.WARN, "colima start --cpu 2"),
        ("docker-desktop-mac", 1, Verdict.WARN, "2 CPUs or more"),
        ("docker-desktop-wsl", 1, Verdict.WARN, "processors=2"),
        ("docker-29", 1, Verdict.WARN, "a machine with 2 processors"),
        ("colima", 2, Verdict.OK, ""),
    ],
)
def test_processors(look: Look, name: str, cpus: int, verdict: Verdict, words: str) -> None:
    finding = only(resources.check_processors(look(name, change={"cpus": cpus})))
    assert finding.verdict is verdict
    assert words in (finding.fix or "")


@pytest.mark.parametrize(("free_gib", "verdict"), [(8, Verdict.OK), (5, Verdict.WARN), (1, Verdict.FAIL)])
@pytest.mark.parametrize(
    ("name", "words"), [("docker-desktop-mac", "disk usage limit"), ("colima", "--disk"), ("orbstack", "docker system")]
)
def test_the_disk_is_that_of_the_engine(look: Look, name: str, words: str, free_gib: int, verdict: Verdict) -> None:
    facts = EngineFacts(disk_free_bytes=free_gib * GIB)
    found = look(name, facts=facts, free={"/var/lib/docker": 0})
    disks = {finding.name: finding for finding in resources.check_disk(found)}
    assert disks["engine's disk"].verdict is verdict
    assert verdict is Verdict.OK or words in (disks["engine's disk"].fix or "")
    assert not any("/var/lib/docker" in name for name in disks), "that folder of this machine is not the engine's"


@pytest.mark.parametrize(
    ("needs", "cache_gib", "engine_gib"),
    [
        (NOTHING, 1, 7),
        (ArtifactNeeds(fetch=("podinfo", "node-image")), 1, 7),
        (ArtifactNeeds(build={"frontend": "image", "frontend-packages": "pip-target"}), 1, 7),
        (ArtifactNeeds(build={"python-rootfs": "debian-unpacked"}), 1, 8),
        (ArtifactNeeds(build={"kubernetes": "go"}), 14, 8),
    ],
)
def test_room_is_asked_for_what_is_really_built(
    look: Look, needs: ArtifactNeeds, cache_gib: int, engine_gib: int
) -> None:
    found = look(needs=needs, free={"/var/cache": 100 * GIB, "/var/lib/docker": 100 * GIB})
    observed = {finding.name: finding.observed for finding in resources.check_disk(found)}
    assert observed["disk of /var/cache/lab"].endswith(f"{cache_gib} GiB needed")
    assert observed["disk of /var/lib/docker"].endswith(f"{engine_gib} GiB needed")


@pytest.mark.parametrize(
    ("name", "machine", "needs", "verdict", "words"),
    [
        ("docker-29", {}, NOTHING, Verdict.OK, ""),
        ("colima", {"system": "Darwin", "architecture": "arm64"}, NOTHING, Verdict.OK, ""),
        ("orbstack", {"system": "Darwin", "architecture": "arm64"}, NOTHING, Verdict.WARN, "own architecture"),
        ("docker-desktop-mac", {"system": "Darwin"}, NOTHING, Verdict.WARN, "Rosetta"),
        ("colima", {}, NOTHING, Verdict.WARN, "colima delete"),
        ("colima", {}, ArtifactNeeds(build={"kubernetes": "go"}), Verdict.FAIL, "colima delete"),
    ],
)
def test_an_engine_of_another_architecture_is_emulated(  # noqa: PLR0917 - fixtures and one row of the table
    look: Look, name: str, machine: dict[str, Any], needs: ArtifactNeeds, verdict: Verdict, words: str
) -> None:
    finding = only(resources.check_architecture(look(name, machine=machine, needs=needs)))
    assert finding.verdict is verdict
    assert words in (finding.fix or "")


# What is asked for is what is missing


@pytest.mark.parametrize(
    ("needs", "silent", "observed"),
    [
        (NOTHING, "", []),
        (ArtifactNeeds(fetch=("node-image", "podinfo")), "", []),
        (ArtifactNeeds(build={"frontend": "image"}, fetch=("podinfo",)), "", []),
        (ArtifactNeeds(build={"frontend-packages": "pip-target"}), "go.example", ["all registries answer"]),
        (ArtifactNeeds(build={"debian": "debian-packages"}), "debian.example", ["Debian packages: no answer"]),
        (ArtifactNeeds(build={"debian": "debian-packages"}), "go.example", ["all registries answer"]),
        (ArtifactNeeds(build={"helm": "go"}), "debian.example", ["all registries answer"]),
    ],
)
def test_only_the_registries_of_what_is_built_are_asked(
    look: Look, host: Any, needs: ArtifactNeeds, silent: str, observed: list[str]
) -> None:
    host.program("/usr/bin/go")
    host.file("/etc/apt/sources.list", "deb http://debian.example/debian bookworm main\n")
    host.run.answers["go env GOPROXY"] = "https://go.example,direct\n"
    host.run.answers[f"{sys.executable} -m pip index"] = 0
    found = look(needs=needs, silent=[silent] if silent else [])
    assert [finding.observed for finding in sources.check_packages(found)] == observed


@pytest.mark.parametrize(
    "needs", [NOTHING, ArtifactNeeds(fetch=("node-image",)), ArtifactNeeds(build={"helm": "go", "kind": "go"})]
)
def test_root_and_debootstrap_are_needed_only_for_debian_packages(look: Look, needs: ArtifactNeeds) -> None:
    found = look(needs=needs, machine={"uid": 1000})
    assert [*sources.check_user(found), *sources.check_tools(found)] == []


# Rootless engines, ports and localhost


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, Verdict.OK, ""),
        ({"cgroup_version": "1"}, Verdict.FAIL, "systemd.unified_cgroup_hierarchy=1"),
        ({"controllers": frozenset({"pids"})}, Verdict.FAIL, "Delegate=yes"),
        ({"controllers": frozenset({"memory", "pids"})}, Verdict.FAIL, "log in again"),
    ],
)
def test_a_rootless_engine(look: Look, change: dict[str, Any], verdict: Verdict, words: str) -> None:
    finding = only(rootless.check_rootless(look("rootless", change=change)))
    assert finding.verdict is verdict
    assert words in (finding.fix or "")


def test_an_engine_of_root_has_no_such_limits(look: Look) -> None:
    assert list(rootless.check_rootless(look())) == []


@pytest.mark.parametrize(
    ("name", "verdict", "words"),
    [
        ("docker-29", None, ""),
        ("orbstack", None, ""),
        ("rootless", Verdict.FAIL, "setcap cap_net_bind_service=ep"),
        ("docker-desktop-mac", Verdict.WARN, "allow privileged port mapping"),
        ("rancher-desktop-mac", Verdict.FAIL, "administrative access"),
        ("colima", Verdict.FAIL, "set ingress_port = 8080 under [clusters.west]"),
    ],
)
def test_ports_below_1024(look: Look, name: str, verdict: Verdict | None, words: str) -> None:
    found = list(network.check_low_ports(look(name, "[clusters.west]\ningress_port = 80\n")))
    assert [finding.verdict for finding in found] == ([] if verdict is None else [verdict])
    assert all(words in (finding.fix or "") for finding in found)
    assert list(network.check_low_ports(look(name))) == []


@pytest.mark.parametrize(
    ("names", "ends", "observed"),
    [
        (("127.0.0.1", "::1"), [], "127.0.0.1; nothing else on [::1]"),
        (("::1", "127.0.0.1"), [Listener(ip="127.0.0.1", port=8080)], "nothing else"),
        (("::1",), [], "the name leads to ::1, not to 127.0.0.1"),
        ((), [], "the name leads to nothing"),
        (("127.0.0.1",), [Listener(ip="::1", port=8080, process="node", pid=7)], "node (pid 7) listens on [::1]:8080"),
        (("127.0.0.1",), [Listener(ip="::", port=8081)], "another program listens on [::1]:8081"),
    ],
)
def test_localhost_leads_to_the_lab_also_in_a_browser(
    look: Look, names: tuple[str, ...], ends: list[Listener], observed: str
) -> None:
    finding = only(network.check_localhost(look(names=names, ends=ends)))
    assert observed in finding.observed
    assert finding.verdict is (Verdict.OK if "nothing else" in observed else Verdict.WARN)
    assert finding.verdict is Verdict.OK or "http://127.0.0.1" in (finding.fix or "")


def test_a_product_may_forward_the_labs_own_ports_on_both_addresses(look: Look, node: Any, network_of_lab: Any) -> None:
    ends = [Listener(ip="::1", port=8081, process="OrbStack", pid=9)]
    own = replace(node, ports=(PublishedPort(host_ip="127.0.0.1", host_port=8081, port=80),))
    found = look("orbstack", ends=ends, containers=[own], networks=[network_of_lab])
    assert only(network.check_localhost(found)).verdict is Verdict.OK


@pytest.fixture
def network_of_lab(network: Any, tmp_path: Path) -> Any:
    Paths(cache=tmp_path, state=tmp_path / "state").write_lab_id("1")
    return network


# VPNs and proxies


@pytest.mark.parametrize(
    ("interface", "mtu", "needs", "verdicts"),
    [
        ("eth0", 1500, NOTHING, []),
        ("tun0", 1500, ArtifactNeeds(fetch=("x",)), [Verdict.OK]),
        ("wg0", 1420, NOTHING, [Verdict.OK]),
        ("wg0", 1420, ArtifactNeeds(fetch=("x",)), [Verdict.WARN]),
        ("utun4", 1380, ArtifactNeeds(fetch=("x",)), [Verdict.WARN]),
        ("tailscale0", 1280, ArtifactNeeds(fetch=("x",)), [Verdict.WARN]),
    ],
)
def test_a_vpn_is_named_and_its_smaller_packets_are_a_warning(
    look: Look, interface: str, mtu: int, needs: ArtifactNeeds, verdicts: list[Verdict]
) -> None:
    ifs = [(interface, IPv4Interface("10.8.0.2/24"))]
    found = list(network.check_vpn(look(ifs=ifs, links={interface: mtu}, needs=needs)))
    assert [finding.verdict for finding in found] == verdicts
    for finding in found:
        assert interface in finding.observed
        assert finding.verdict is Verdict.OK or f'"mtu": {mtu}' in (finding.fix or "")


EXCEPTIONS = "127.0.0.1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,.svc,.cluster.local"
FETCHES = ArtifactNeeds(fetch=("node-image",))
PROXY = {"HTTPS_PROXY": "http://ada:geheim@proxy.example:3128"}


@pytest.mark.parametrize(
    ("name", "engines_proxy", "environ", "needs", "expected"),
    [
        ("docker-29", (), PROXY, FETCHES, "systemctl edit docker"),
        ("rootless", (), PROXY, FETCHES, "systemctl --user edit docker"),
        ("docker-desktop-mac", (), PROXY, FETCHES, "Resources, Proxies"),
        ("colima", ("http://127.0.0.1:3128",), {}, FETCHES, "this machine's address on the network"),
        ("docker-29", ("http://127.0.0.1:3128",), PROXY, FETCHES, ""),
        ("docker-desktop-mac", ("http.docker.internal:3128",), PROXY, FETCHES, ""),
        ("docker-29", (), PROXY, NOTHING, ""),
        ("docker-29", (), {}, FETCHES, ""),
    ],
)
def test_the_engine_pulls_through_its_own_proxy(  # noqa: PLR0917 - fixtures and one row of the table
    look: Look,
    name: str,
    engines_proxy: tuple[str, ...],
    environ: dict[str, str],
    needs: ArtifactNeeds,
    expected: str,
) -> None:
    found = look(name, change={"proxies": engines_proxy}, machine={"environ": environ}, needs=needs)
    findings = list(proxies.check_proxies(found))
    warned = [finding for finding in findings if finding.verdict is Verdict.WARN]
    assert len(warned) == bool(expected)
    assert all(expected in (finding.fix or "") for finding in warned)
    assert "geheim" not in repr(findings)


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ('{"proxies": {"default": {"httpProxy": "http://p:1"}}}', True),
        ('{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "127.0.0.1"}}}', True),
        ('{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "*"}}}', False),
        (
            json.dumps({"proxies": {"default": {"httpsProxy": "http://p:1", "noProxy": EXCEPTIONS}}}),
            False,
        ),
        ('{"proxies": {"default": {}}}', False),
        ('{"proxies": []}', False),
        ("[]", False),
        ("no JSON", False),
    ],
)
def test_a_proxy_that_docker_puts_into_every_container_needs_exceptions(
    look: Look, host: Any, text: str, warns: bool
) -> None:
    host.file("/home/ada/.docker/config.json", text)
    findings = list(proxies.check_proxies(look(machine={"environ": {"HOME": "/home/ada"}})))
    warned = [finding for finding in findings if finding.verdict is Verdict.WARN]
    assert len(warned) == warns
    assert all(".cluster.local" in (finding.fix or "") and "config.json" in (finding.fix or "") for finding in warned)


# All together


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_no_check_breaks_on_any_engine_and_each_problem_has_a_fix(look: Look, name: str) -> None:
    found = look(name, "[clusters.west]\ningress_port = 80\n", needs=ArtifactNeeds(fetch=("x",)))
    for check in checks.CHECKS:
        for finding in check(found):
            assert finding.verdict is Verdict.OK or finding.fix
